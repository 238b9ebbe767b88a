//! What is known of one side.

/// One piece of what a database is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// `table`, `column`, `primary key`, `grant`, …
    pub kind: String,
    /// Name, unique within its kind.
    pub identity: String,
    /// Everything else, as the server prints it.
    pub definition: String,
}

/// What the large objects hold: rows that only a superuser and who may read all data see.
pub(super) const LARGE_OBJECTS: &str = "pg_catalog.pg_largeobject";

/// A table and what its rows add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `schema.table`.
    pub name: String,
    /// Number of rows and order-free sum of their hashes; `None`: the role may not read it.
    pub sum: Option<(u64, i128)>,
    /// Whether the planner has seen it.
    pub analysed: bool,
}

/// A sequence and a column it feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// `schema.sequence`.
    pub name: String,
    /// Whether the role may read it.
    pub readable: bool,
    /// Whether it counts down.
    pub descending: bool,
    /// The last value given out; `None`: none yet.
    pub last: Option<i128>,
    /// `schema.table.column`, where it feeds one.
    pub column: Option<String>,
    /// The furthest value in that column.
    pub furthest: Option<i128>,
}

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Version that the server has at hand.
    pub available: Option<String>,
}

/// What a replication leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// `replication slot`, `publication` or `subscription`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its state, where it has one.
    pub state: String,
}

/// A piece of what a publication publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The publication.
    pub publication: String,
    /// A table, a schema, or the operations.
    pub piece: String,
    /// Its columns and rows, or which operations.
    pub definition: String,
}

/// What is known of one side.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// `host:port/database`.
    pub place: String,
    /// `server_version_num`.
    pub version_number: u32,
    /// As people write it.
    pub version: String,
    /// Tells the database from every other; the same twice: one database was named twice.
    pub fingerprint: String,
    /// Encoding of the database.
    pub encoding: String,
    /// Collation and character type of the database.
    pub locale: String,
    /// The structure.
    pub inventory: Vec<Item>,
    /// Roles, owners, grants, settings.
    pub access: Vec<Item>,
    /// Tables that hold rows of their own.
    pub tables: Vec<Table>,
    /// Sequences, once per column fed.
    pub sequences: Vec<Sequence>,
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// Invalid indexes, unvalidated and unenforced constraints: kind and identity.
    pub flaws: Vec<(String, String)>,
    /// Slots, publications, subscriptions.
    pub leftovers: Vec<Leftover>,
    /// What every publication does and holds.
    pub publications: Vec<Published>,
    /// Collations of another version than recorded: what, recorded, actual. `None`: this server does not tell.
    pub collations: Option<Vec<(String, String, String)>>,
    /// Roles with an MD5 password; `None`: this role may not look.
    pub md5_passwords: Option<Vec<String>>,
}

impl Survey {
    /// Major version.
    pub fn major(&self) -> u32 {
        self.version_number / 10_000
    }

    /// The pieces of one kind, in order.
    pub(super) fn of_kind<'s>(items: &'s [Item], kind: &str) -> Vec<&'s Item> {
        let mut found: Vec<&Item> = items.iter().filter(|item| item.kind == kind).collect();
        found.sort_unstable();
        found
    }
}
