//! Tables without nodes of their own that lost rows since the last run: how many rows each had then is noted beside the
//! graph, because nothing in the graph remembers them.

use std::collections::BTreeSet;

use super::MirrorError;
use super::fed::Fed;
use super::footing::Footing;
use super::sweep::SweepGuard;
use crate::ontology::Relation;

/// A table that lost rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// `system:schema.table`, as it is called now.
    pub of: String,
    /// The same, as the last run called it.
    pub called: String,
    /// Rows that the last run found.
    pub before: u64,
    /// How many fewer there are.
    pub gone: u64,
    /// What stays that would be deleted without its rows, once that is known.
    pub stays: u64,
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
    /// A logical table of a schema, by what the last run called it and what it is called now; `None` where its rows are nodes.
    /// `tells_all`: it is the only one of its layout, which tells of everything that happened.
    pub(super) fn of(
        (system, schema, logical): (&str, &str, &str),
        [called, name]: [&str; 2],
        [before, now]: [u64; 2],
        tells_all: bool,
    ) -> Option<Self> {
        let full = |name: &str| format!("{system}:{schema}.{name}");
        (!are_nodes(system, logical)).then(|| Self {
            of: full(name),
            called: full(called),
            before,
            gone: before.saturating_sub(now),
            stays: 0,
            fed: Fed::by_table(system, schema, logical),
            says_who: tells_all || is_among(&WHO, system, logical),
        })
    }
}

/// Whether the rows of a logical table are nodes.
pub(super) fn are_nodes(system: &str, logical: &str) -> bool {
    is_among(&NODES, system, logical)
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
        self.missed.clone_from(before.missed());
        let mut minded = now.since(before);
        for Shrunk { of, called, .. } in minded.iter().filter(|table| table.of != table.called) {
            self.missed.remove(called).and_then(|missed| self.missed.insert(of.clone(), missed));
        }
        minded.retain(|table| {
            let is_missed = !table.says_who && self.missed.contains_key(&table.of);
            is_missed || table.gone > 0 && self.is_much(table.before, table.gone)
        });
        let let_go = |shrunk: &Shrunk| {
            let mut relations = shrunk.fed.relations.iter();
            let is_free = |relation: &Relation| self.allowed.contains(relation.name());
            let is_named = self.is_allowed(&shrunk.of) || self.is_allowed(&shrunk.called);
            is_named || !shrunk.says_who && relations.len() > 0 && relations.all(is_free)
        };
        let (let_go, held): (Vec<_>, Vec<_>) = minded.into_iter().partition(let_go);
        for Shrunk { of, fed, .. } in let_go {
            self.free(&of, fed);
        }
        let of_nodes = now.of_nodes().filter(|(of, _)| self.is_allowed(of)).collect::<Vec<_>>();
        for (of, relations) in of_nodes {
            self.free(&of, Fed { relations, refs: BTreeSet::new() });
        }
        let (who, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|shrunk| shrunk.says_who);
        self.shrunk = held;
        if who.is_empty() { Ok(()) } else { Err(MirrorError::Shrunk { tables: who }) }
    }
}
