//! What must not be swept: rows that vanished in a way that looks like a failed read and not like a decision.
//!
//! A table of which more than a set share vanished since the last run, or all of it, is not swept: nodes that rest on it
//! keep their rows and stay, with their edges. The graph itself remembers what there was, in `refs`, so that the guard
//! needs no memory of its own; a table that comes back is swept again by the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::current::{Mirrored, mirrored};
use super::plan::{Plan, key_of};
use super::resolved::Resolved;
use crate::ontology::{Relation, Value};
use crate::snapshot::tables::Tables;

/// Fewer lost rows than this are a decision, not an accident, unless they were all.
const NOTICED: u64 = 10;

/// When a table is not swept.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepGuard {
    /// The share of a table, or of a relation's edges, that may vanish from one run to the next.
    pub max_shrink: f64,
    /// Tables (`system:schema.table`) and relations that may shrink as they like this time.
    pub allowed: BTreeSet<String>,
    /// Rows were skipped because they could not be taken. They cannot be told from rows that are gone, so that nothing is
    /// swept but what is allowed to shrink.
    pub skipped_rows: bool,
}

impl Default for SweepGuard {
    fn default() -> Self {
        Self { max_shrink: Self::MAX_SHRINK, allowed: BTreeSet::new(), skipped_rows: false }
    }
}

/// A table or relation that was not swept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HeldBack {
    /// `system:schema.table`, or the name of a relation.
    pub of: String,
    /// Rows or edges that the graph remembers.
    pub before: u64,
    /// Those of them that are gone.
    pub gone: u64,
    /// Changes that were taken out of the plan.
    pub held_back: u64,
}

impl SweepGuard {
    /// A quarter.
    pub const MAX_SHRINK: f64 = 0.25;

    fn minds(&self, of: &str, before: u64, gone: u64) -> bool {
        let share = gone as f64 / before.max(1) as f64;
        let much = self.skipped_rows || gone == before || (gone >= NOTICED && share > self.max_shrink);
        gone > 0 && much && !self.allowed.contains(of)
    }

    /// Takes out of `plan` what would sweep a table or relation that shrank too much, and notes it there.
    ///
    /// Time O(n + m) in nodes and edges of the graph.
    pub fn hold_back(&self, plan: &mut Plan<'_>, resolved: &Resolved, current: &Tables) {
        let claimed: HashSet<&str> = references(resolved).collect();
        let nodes: Vec<Mirrored> = mirrored(current).filter(|node| !node.deleted).collect();
        let mut held = self.tables(&claimed, &nodes);
        // Nodes that rest on a row which vanished with its table, and that table.
        let resting: HashMap<&str, (&Mirrored, String)> = nodes
            .iter()
            .filter_map(|node| {
                let lost = node.refs.iter().filter(|r| !claimed.contains(r.as_str()));
                let table = lost.filter_map(|r| table_of(r)).find(|table| held.contains_key(*table))?;
                Some((node.uid, (node, table.to_owned())))
            })
            .collect();
        let of_resting: HashMap<&str, &str> = resting
            .values()
            .flat_map(|(node, table)| node.refs.iter().map(|r| (r.as_str(), table.as_str())))
            .collect();
        let mut count = |table: Option<&str>| {
            table.and_then(|table| held.get_mut(table)).map(|held| held.held_back += 1).is_some()
        };
        let mut unmade: HashSet<&str> = HashSet::new();
        for changes in plan.nodes.values_mut() {
            let table = |uid: &str| resting.get(uid).map(|(_, table)| table.as_str());
            changes.delete.retain(|(uid, _)| !count(table(uid)));
            // A canonical id that another node needs cannot stay.
            changes.update.retain(|update| update.frees_canonical_id || !count(table(update.uid)));
            // Rows of a node that stays are that node, whatever else they would be without the rows that vanished.
            changes.create.retain(|row| {
                let mut refs = refs(&row.properties).iter();
                let made = !count(refs.find_map(|r| of_resting.get(r.as_str()).copied()));
                if !made {
                    unmade.insert(&row.uid);
                }
                made
            });
        }
        for changes in plan.edges.values_mut() {
            changes.create.retain(|row| !unmade.contains(&*row.src) && !unmade.contains(&*row.dst));
        }
        let stays = resting.keys().copied().collect();
        self.edges(plan, current, &stays, &mut held);
        plan.held_back = held.into_values().collect();
    }

    /// The tables that shrank too much.
    fn tables(&self, claimed: &HashSet<&str>, nodes: &[Mirrored]) -> BTreeMap<String, HeldBack> {
        let mut counts: HashMap<&str, (u64, u64)> = HashMap::new();
        for reference in nodes.iter().flat_map(|node| &node.refs) {
            let Some(table) = table_of(reference) else { continue };
            let (before, gone) = counts.entry(table).or_default();
            *before += 1;
            *gone += u64::from(!claimed.contains(reference.as_str()));
        }
        let minded = counts.into_iter().filter(|(of, (before, gone))| self.minds(of, *before, *gone));
        minded
            .map(|(of, (before, gone))| {
                (of.to_owned(), HeldBack { of: of.to_owned(), before, gone, held_back: 0 })
            })
            .collect()
    }

    /// Keeps the edges of nodes that stay, and those of relations that shrank too much.
    fn edges(
        &self,
        plan: &mut Plan<'_>,
        current: &Tables,
        staying: &HashSet<&str>,
        held: &mut BTreeMap<String, HeldBack>,
    ) {
        for &relation in Relation::ALL {
            let changes = || plan.edges.iter().filter(|((of, ..), _)| *of == relation).map(|(_, c)| c);
            let deletes: u64 = changes().map(|c| c.delete.len() as u64).sum();
            let creates: u64 = changes().map(|c| c.create.len() as u64).sum();
            let before = current.edges.get(relation.name()).map_or(0, |frame| frame.height() as u64);
            // Candidates come and go with the names of things; what was re-hung is not gone.
            let gone = deletes.saturating_sub(creates);
            let minded = relation != Relation::SameAs && self.minds(relation.name(), before, gone);
            let mut count = 0;
            for ((of, ..), changes) in &mut plan.edges {
                if *of != relation {
                    continue;
                }
                // An edge that is re-hung must leave its old place first.
                let again: HashSet<&str> = match relation.discriminator() {
                    Some(_) => {
                        changes.create.iter().filter_map(|row| key_of(relation, row).discriminator).collect()
                    }
                    None => HashSet::new(),
                };
                changes.delete.retain(|key| {
                    let stays = (minded || staying.contains(key.src) || staying.contains(key.dst))
                        && !key.discriminator.is_some_and(|which| again.contains(which));
                    count += u64::from(stays && minded);
                    !stays
                });
            }
            if minded {
                let of = relation.name().to_owned();
                held.insert(of.clone(), HeldBack { of, before, gone, held_back: count });
            }
        }
    }
}

/// Every source row that the sources claim now.
fn references(resolved: &Resolved) -> impl Iterator<Item = &str> {
    resolved.nodes.values().flatten().flat_map(|row| refs(&row.properties)).map(String::as_str)
}

fn refs<'a>(properties: &'a [(&'static str, Value)]) -> &'a [String] {
    let refs = properties.iter().find_map(|(name, value)| match value {
        Value::TextList(refs) if *name == "refs" => Some(refs.as_slice()),
        _ => None,
    });
    refs.unwrap_or_default()
}

/// `system:schema.table` of `system:schema.table:key`.
fn table_of(reference: &str) -> Option<&str> {
    let (at, _) = reference.match_indices(':').nth(1)?;
    Some(&reference[..at])
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
