//! The one vocabulary in which every source speaks to the mirror.
//!
//! A fact says what one source row claims. Nothing is merged or normalised here: resolving is the mirror's work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Lacking;
use super::spool::Spool;
use crate::ontology::{Label, Relation, SourceRef, names};

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Epoch milliseconds UTC.
    Instant(i64),
    /// A wall clock at the venue that hosts the event. On an Event (property `starts_at`) it becomes `local_start` and,
    /// with the merged venue's zone, `starts_at`; on an edge (property `timestamp`) it is the start of the event that
    /// the edge leads to, and needs the same zone. Where the source tells an instant, it is that, and `local_start` follows
    /// where the venue's zone is known.
    WallClock(jiff::civil::DateTime),
    /// Degrees.
    Point {
        latitude: f64,
        longitude: f64,
    },
    TextList(Vec<String>),
}

/// An address by which a thing is known outside its source, as raw as the source holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    Instagram(String),
    /// A URL, host or e-mail whose registrable domain names an organisation.
    Domain(String),
    PlaceId(String),
    Email(String),
    /// A telephone number and the calling code of its country.
    Phone {
        calling_code: String,
        number: String,
    },
    /// `user_id` of the touchpoints.
    User(String),
}

/// A source row that is, or is evidence of, one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeFact {
    pub label: Label,
    /// `Artist`, `Fan`, `Contact`.
    #[serde(with = "names::list")]
    pub extra_labels: Vec<&'static str>,
    pub source: SourceRef,
    pub name: Option<String>,
    pub addresses: Vec<Address>,
    /// Declared properties of the label; names as in the ontology.
    #[serde(with = "names::pairs")]
    pub properties: Vec<(&'static str, Value)>,
}

/// Weight of a link to an organisation that is known by its name only.
pub const BY_NAME: f64 = 0.5;

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// The node that a source row became.
    Row(SourceRef),
    /// An organisation known by domain, by name, or both; made where nobody else knows it. The edge's `weight` is what
    /// the row hopes for, 1 where it gives a domain; resolving by name alone (say, a shared host) lowers it to
    /// [`BY_NAME`].
    Organization { domain: Option<String>, name: Option<String> },
    /// A genre by name; made where missing.
    Genre(String),
}

/// A source row that is, or is evidence of, one edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeFact {
    pub relation: Relation,
    pub src: End,
    pub dst: End,
    #[serde(with = "names::pairs")]
    pub properties: Vec<(&'static str, Value)>,
}

/// A unified entity: the one row per real-world thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntityFact {
    /// uuid.
    pub id: String,
    /// Person, Venue or Organization.
    pub label: Label,
    #[serde(with = "names::list")]
    pub extra_labels: Vec<&'static str>,
    pub source: SourceRef,
    pub canonical_id: Option<String>,
    pub claim_status: String,
    pub claimed_by: Option<String>,
    pub name: Option<String>,
}

/// The crosswalk says that a source row belongs to an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrosswalkFact {
    /// uuid of the entity.
    pub entity: String,
    /// `system:table:pk`, as text because the crosswalk may name systems we do not read.
    pub source: String,
    pub confidence: f64,
}

/// Facts of all sources, in the order the sources delivered them; resolving does not depend on that order.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub nodes: Spool<NodeFact>,
    pub edges: Spool<EdgeFact>,
    pub entities: Spool<EntityFact>,
    pub crosswalk: Spool<CrosswalkFact>,
    /// Rows that are the thing of another row and claim nothing of their own: the row, then that other one.
    pub same_rows: Vec<(SourceRef, SourceRef)>,
    /// `None`: the installation has no `claim_events`.
    pub claims: Option<Vec<super::rows::ClaimEventRow>>,
    pub identifies: Spool<super::rows::IdentifyRow>,
    pub aliases: Vec<super::rows::AliasRow>,
    pub touches: Spool<super::rows::TouchRow>,
    /// Schemas of the touchpoints, in byte order, at most [`MOST_TOUCH_SCHEMAS`]; rows name theirs by its place.
    pub touch_schemas: Vec<String>,
    /// `directus.events`, as named in [`SourceRef::table`]; `touches` name rows of it by primary key.
    pub events_table: String,
    /// `directus.artists`, as named in [`SourceRef::table`].
    pub artists_table: String,
    /// Major version of every `PostgreSQL` server read, in the order of reading.
    pub servers: Vec<u32>,
    /// Every schema of every database read, whatever is in it.
    pub schemas: BTreeSet<String>,
    /// Rows read and left out, per table, for the plan and the data-health page.
    pub read: Vec<TableRead>,
    /// Sources whose layout was looked for and is in no database.
    pub absent: Vec<&'static str>,
    /// What keeps schemas that look like them from being them.
    pub lacking: Vec<Lacking>,
    /// Tables that are not there though the rest of their layout is: `system:schema.table`.
    pub missing: Vec<String>,
    /// Rows that could not be taken and were skipped because that was asked for, at most [`BAD_ROWS_KEPT`] a table;
    /// `read` counts them all.
    pub bad_rows: Vec<BadRow>,
}

/// So many schemas of touchpoints can be read as one stream: the mirror keeps four bits a device of each.
pub const MOST_TOUCH_SCHEMAS: usize = 8;

impl Facts {
    /// The name of the schema that a row of the touchpoints is from.
    pub fn touch_schema(&self, row: u8) -> &str {
        self.touch_schemas.get(usize::from(row)).map_or("", String::as_str)
    }

    /// No facts yet; of each kind of which there may be many, so many bytes stay in memory.
    pub fn buffered(bytes: usize) -> Self {
        Self {
            nodes: Spool::buffered(bytes),
            edges: Spool::buffered(bytes),
            entities: Spool::buffered(bytes),
            crosswalk: Spool::buffered(bytes),
            identifies: Spool::buffered(bytes),
            touches: Spool::buffered(bytes),
            ..Self::default()
        }
    }
}

/// Of how many bad rows a table the places are kept.
pub const BAD_ROWS_KEPT: u64 = 1_000;

/// Why a row is counted as left out that could not be taken.
pub const BAD_ROW: &str = "cannot be taken";

/// A row that could not be taken. Its value is not told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BadRow {
    /// Name of the source.
    pub source: &'static str,
    /// Schema-qualified table.
    pub table: String,
    /// Primary key.
    pub key: String,
    /// The column.
    pub column: String,
    /// What is wrong with the value.
    pub reason: String,
}

/// What was read of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    pub system: &'static str,
    pub table: String,
    pub rows: u64,
    /// Archived, soft-deleted, half-empty or duplicate rows that were left out, with the reason.
    pub left_out: Vec<(&'static str, u64)>,
}

impl TableRead {
    /// Tells `read` among `all`. One table may be read by several statements; its counts are told together.
    pub fn add(all: &mut Vec<Self>, mut read: Self) {
        if let Some(known) =
            all.iter_mut().find(|known| known.system == read.system && known.table == read.table)
        {
            known.rows += read.rows;
            for (reason, n) in read.left_out {
                known.leave_out(reason, n);
            }
            known.left_out.sort_unstable();
        } else {
            read.left_out.sort_unstable();
            all.push(read);
        }
    }

    pub(super) fn leave_out(&mut self, reason: &'static str, rows: u64) {
        match self.left_out.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, n)) => *n += rows,
            None => self.left_out.push((reason, rows)),
        }
    }
}
