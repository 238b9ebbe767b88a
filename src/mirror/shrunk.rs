//! Tables without nodes of their own that lost rows since the last run: how many rows each had then is noted beside the
//! graph, because nothing in the graph remembers them.

use super::MirrorError;
use super::fed::Fed;
use super::footing::Footing;
use super::sweep::SweepGuard;
use crate::ontology::Relation;

/// A table that lost rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// `system:schema.table`.
    pub of: String,
    /// Rows that the last run found.
    pub before: u64,
    /// How many fewer there are.
    pub gone: u64,
    /// What rests on it.
    pub fed: Fed,
    /// Whether it says who is who: then nothing can be held back without knowing which rows went.
    pub says_who: bool,
}

/// Tables that say who is who.
const WHO: [(&str, &[&str]); 2] =
    [("unified", &["entity_sources"]), ("touchpoints", &["identifies", "aliases", "users"])];

/// Tables whose rows are nodes, which remember them.
const NODES: [(&str, &[&str]); 3] = [
    ("directus", &["venues", "artists", "events"]),
    ("twenty", &["company", "person", "opportunity", "promoter"]),
    ("unified", &["entities"]),
];

fn is_among(tables: &[(&str, &[&str])], system: &str, logical: &str) -> bool {
    tables.iter().any(|(of, tables)| *of == system && tables.contains(&logical))
}

impl Shrunk {
    /// A logical table of a schema, which is called `name`; `None` where its rows are nodes, or none of them went.
    pub(super) fn of(
        (system, schema, logical): (&str, &str, &str),
        name: &str,
        before: u64,
        now: u64,
    ) -> Option<Self> {
        let gone = before.checked_sub(now).filter(|gone| *gone > 0)?;
        (!is_among(&NODES, system, logical)).then(|| Self {
            of: format!("{system}:{schema}.{name}"),
            before,
            gone,
            fed: Fed::by_table(system, schema, logical),
            says_who: is_among(&WHO, system, logical),
        })
    }
}

impl SweepGuard {
    /// Takes notice of how many rows each table had at the last run, and has now.
    ///
    /// # Errors
    /// Where tables that say who is who lost too many, and are not allowed to by name.
    pub fn mind_rows(&mut self, now: &Footing, before: Option<&Footing>) -> Result<(), MirrorError> {
        let Some(before) = before else { return Ok(()) };
        self.tables.extend(now.tables().chain(before.tables()));
        self.counted.extend(now.counted());
        let minded = now.shrunk_since(before).into_iter();
        let minded = minded.filter(|shrunk| self.is_much(shrunk.before, shrunk.gone));
        let let_go = |shrunk: &Shrunk| {
            let mut relations = shrunk.fed.relations.iter();
            let is_free = |relation: &Relation| self.allowed.contains(relation.name());
            self.is_allowed(&shrunk.of) || !shrunk.says_who && relations.len() > 0 && relations.all(is_free)
        };
        let (let_go, held): (Vec<_>, Vec<_>) = minded.partition(let_go);
        for Shrunk { fed, .. } in let_go {
            self.gone.extend(fed.refs);
            self.fed.extend(fed.relations);
        }
        let (who, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|shrunk| shrunk.says_who);
        self.shrunk = held;
        if who.is_empty() { Ok(()) } else { Err(MirrorError::Shrunk { tables: who }) }
    }
}
