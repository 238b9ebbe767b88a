//! What must not be swept: rows that vanished in a way that looks like a failed read and not like a decision.
//!
//! A table of which more than a set share vanished since the last run, or all of it, is not swept: nodes that rest on it
//! keep their rows and stay, with their edges. The graph itself remembers what there was, in `refs`, so that the guard
//! needs no memory of its own; a table that comes back is swept again by the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::MirrorError;
use super::current::{Current, property, refs};
use super::footing::Lost;
use super::keys::{EdgeKey, NameHash};
use super::plan::Plan;
use super::resolved::Resolved;
use crate::ontology::Relation;
use crate::snapshot::tables::assemble::NodeRow;
use crate::sources::facts::TableRead;

/// Fewer lost rows than this are a decision, not an accident, unless they were all or a smaller share is asked for.
const NOTICED: u64 = 10;

/// When a table is not swept.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepGuard {
    /// The share of a table, or of a relation's edges, that may vanish from one run to the next.
    pub max_shrink: f64,
    /// Tables (`system:schema.table`) and relations that may shrink as they like this time; columns and schemas that may be gone.
    pub allowed: BTreeSet<String>,
    /// Rows were skipped because they could not be taken. They cannot be told from rows that are gone, so that nothing is
    /// swept but what is allowed to shrink.
    pub skipped_rows: bool,
    /// What was [let go](Self::let_go), and what is called in the graph after it: names of tables, and of what stands in
    /// them, that may shrink as they like.
    pub gone: BTreeSet<String>,
    /// Relations that it fed, which may shrink as they like.
    pub fed: BTreeSet<Relation>,
}

impl Default for SweepGuard {
    fn default() -> Self {
        Self {
            max_shrink: Self::MAX_SHRINK,
            allowed: BTreeSet::new(),
            skipped_rows: false,
            gone: BTreeSet::new(),
            fed: BTreeSet::new(),
        }
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
        // Whoever asks for less than the usual share means every row.
        let noticed = if self.max_shrink < Self::MAX_SHRINK { 1 } else { NOTICED };
        let much = self.skipped_rows || gone == before || (gone >= noticed && share > self.max_shrink);
        // What stands in a schema or table goes with it.
        let covers = |name: &String| {
            of.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_allowed = self.allowed.iter().chain(&self.gone).any(covers);
        gone > 0 && much && !is_allowed
    }

    /// Refuses to go on without what is `lost`, but for what is allowed to be gone by name.
    ///
    /// # Errors
    /// Naming all that is not allowed to.
    pub fn let_go(&mut self, lost: Vec<Lost>) -> Result<(), MirrorError> {
        let (gone, lost): (Vec<_>, Vec<_>) =
            lost.into_iter().partition(|lost| self.allowed.contains(&lost.name));
        for Lost { name, fed, .. } in gone {
            self.gone.insert(name);
            self.gone.extend(fed.refs);
            self.fed.extend(fed.relations);
        }
        if lost.is_empty() { Ok(()) } else { Err(MirrorError::Lost { lost }) }
    }

    /// Refuses names of what may shrink that are no relation's, no table's that was `read`, and none's that the graph or the
    /// sources rest on: a mistyped one would allow nothing, and say nothing.
    ///
    /// Time O(n) in the nodes where a name is neither a relation's nor that of a table that was read.
    ///
    /// # Errors
    /// For the first such name, in byte order, with the names that there are.
    pub fn check_names(&self, plan: &Plan<'_>, read: &[TableRead]) -> Result<(), MirrorError> {
        let mut known: BTreeSet<String> =
            read.iter().map(|table| format!("{}:{}", table.system, table.table)).collect();
        known.extend(self.gone.iter().cloned());
        known.extend(Relation::ALL.iter().map(|relation| relation.name().to_owned()));
        if self.allowed.is_subset(&known) {
            return Ok(());
        }
        let behind = plan.current.nodes.iter().map(|node| Ok(node?));
        for row in plan.resolved.node_rows().chain(behind) {
            for table in refs(&row?.properties).iter().filter_map(|reference| table_of(reference)) {
                if !known.contains(table) {
                    known.insert(table.to_owned());
                }
            }
        }
        match self.allowed.difference(&known).next() {
            None => Ok(()),
            Some(name) => Err(MirrorError::NoSuchName {
                name: name.clone(),
                known: known.into_iter().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Takes out of `plan` what would sweep a table or relation that shrank too much, and notes it there.
    ///
    /// Time O((n + m) log n) in nodes and edges of the graph; holds hashes of the source rows behind them.
    ///
    /// # Errors
    /// When rows that were kept aside cannot be read.
    pub fn hold_back(&self, plan: &mut Plan<'_>) -> Result<(), MirrorError> {
        let (resolved, current) = (plan.resolved, plan.current);
        if current.keys.is_empty() {
            return Ok(());
        }
        let claimed = claimed(resolved)?;
        let mut held = self.tables(&claimed, current)?;
        let resting =
            if held.is_empty() { Resting::default() } else { Resting::on(&held, &claimed, current)? };
        drop(claimed);
        let mut unmade: HashSet<u32> = HashSet::new();
        {
            let mut count = |table: Option<&str>| {
                table.and_then(|table| held.get_mut(table)).map(|held| held.held_back += 1).is_some()
            };
            for changes in plan.nodes.values_mut().filter(|_| !resting.nodes.is_empty()) {
                changes.delete.retain(|delete| !count(resting.table(delete.held)));
                // A canonical id that another node needs cannot stay.
                changes
                    .update
                    .retain(|update| update.frees_canonical_id || !count(resting.table(update.held)));
                // Rows of a node that stays are that node, whatever else they would be without the rows that vanished.
                let mut failed = None;
                changes.create.retain(|&at| {
                    let table = resolved.node(at).map(|row| resting.of_rows(refs(&row.properties)));
                    let made = match table {
                        Ok(table) => !count(table),
                        Err(error) => {
                            failed = Some(error);
                            true
                        }
                    };
                    if !made {
                        unmade.insert(at);
                    }
                    made
                });
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
        for changes in plan.edges.values_mut().filter(|_| !unmade.is_empty()) {
            changes.create.retain(|&at| {
                let key = resolved.edge_key(at);
                !unmade.contains(&key.src) && !unmade.contains(&key.dst)
            });
        }
        self.edges(plan, &resting, &mut held);
        plan.held_back = held.into_values().collect();
        Ok(())
    }

    /// The tables that shrank too much.
    fn tables(
        &self,
        claimed: &[NameHash],
        current: &Current,
    ) -> Result<BTreeMap<String, HeldBack>, MirrorError> {
        let mut counts: HashMap<String, (u64, u64)> = HashMap::new();
        for node in current.nodes.iter() {
            let node = node?;
            if is_deleted(&node) {
                continue;
            }
            for reference in refs(&node.properties) {
                let Some(table) = table_of(reference) else { continue };
                let gone = u64::from(!is_claimed(claimed, reference));
                match counts.get_mut(table) {
                    Some(counts) => *counts = (counts.0 + 1, counts.1 + gone),
                    None => drop(counts.insert(table.to_owned(), (1, gone))),
                }
            }
        }
        let minded = counts.into_iter().filter(|(of, (before, gone))| self.minds(of, *before, *gone));
        Ok(minded
            .map(|(of, (before, gone))| (of.clone(), HeldBack { of, before, gone, held_back: 0 }))
            .collect())
    }

    /// Keeps the edges of nodes that stay, and those of relations that shrank too much; an edge of a node that goes, goes.
    fn edges(&self, plan: &mut Plan<'_>, staying: &Resting, held: &mut BTreeMap<String, HeldBack>) {
        let resolved = plan.resolved;
        let deleted = plan.nodes.values().flat_map(|changes| &changes.delete).map(|delete| delete.held);
        let deleted: HashSet<u32> = deleted.collect();
        let follows = |key: &EdgeKey| deleted.contains(&key.src) || deleted.contains(&key.dst);
        for &relation in Relation::ALL {
            let changes = || plan.edges.iter().filter(|((of, ..), _)| *of == relation).map(|(_, c)| c);
            let deletes: u64 = changes().map(|c| c.delete.len() as u64).sum();
            let following = changes().flat_map(|c| &c.delete).filter(|key| follows(key)).count() as u64;
            let creates: u64 = changes().map(|c| c.create.len() as u64).sum();
            // What follows its end is no loss of its own, unless it was re-hung.
            let before = plan.current.edges_of(relation) - following.saturating_sub(creates);
            // Candidates come and go with the names of things; what was re-hung is not gone.
            let gone = deletes.saturating_sub(creates.max(following));
            let is_fed = relation == Relation::SameAs || self.fed.contains(&relation);
            let minded = !is_fed && self.minds(relation.name(), before, gone);
            let mut count = 0;
            for ((of, ..), changes) in &mut plan.edges {
                if *of != relation || changes.delete.is_empty() {
                    continue;
                }
                // An edge that is re-hung must leave its old place first.
                let again: HashSet<u64> = match relation.discriminator() {
                    Some(_) => changes.create.iter().map(|&at| resolved.edge_key(at).which).collect(),
                    None => HashSet::new(),
                };
                changes.delete.retain(|key| {
                    let stays = (minded || staying.has(key.src) || staying.has(key.dst))
                        && !follows(key)
                        && !again.contains(&key.which);
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

/// Nodes of the graph that rest on a row which vanished with its table, and that table.
#[derive(Default)]
struct Resting {
    tables: Vec<String>,
    /// By position; places among the tables.
    nodes: Vec<(u32, u16)>,
    /// By source row of such a node.
    rows: Vec<(NameHash, u16)>,
}

impl Resting {
    fn on(
        held: &BTreeMap<String, HeldBack>,
        claimed: &[NameHash],
        current: &Current,
    ) -> Result<Self, MirrorError> {
        let mut resting = Self { tables: held.keys().cloned().collect(), ..Self::default() };
        for at in 0..current.keys.len() as u32 {
            let node = current.node(at)?;
            if is_deleted(&node) {
                continue;
            }
            let refs = refs(&node.properties);
            let lost = refs.iter().filter(|reference| !is_claimed(claimed, reference));
            let mut tables = lost.filter_map(|reference| table_of(reference));
            let Some(table) = tables.find_map(|table| resting.tables.iter().position(|held| held == table))
            else {
                continue;
            };
            resting.nodes.push((at, table as u16));
            resting.rows.extend(refs.iter().map(|reference| (NameHash::of(reference), table as u16)));
        }
        resting.rows.sort_unstable();
        Ok(resting)
    }

    fn has(&self, held: u32) -> bool {
        self.nodes.binary_search_by_key(&held, |(at, _)| *at).is_ok()
    }

    /// The table of a node.
    fn table(&self, held: u32) -> Option<&str> {
        let at = self.nodes.binary_search_by_key(&held, |(at, _)| *at).ok()?;
        Some(&self.tables[usize::from(self.nodes[at].1)])
    }

    /// The table of the node that one of these rows is.
    fn of_rows(&self, refs: &[String]) -> Option<&str> {
        refs.iter().find_map(|reference| {
            let name = NameHash::of(reference);
            let at = self.rows.partition_point(|(row, _)| *row < name);
            let (row, table) = self.rows.get(at)?;
            (*row == name).then(|| &*self.tables[usize::from(*table)])
        })
    }
}

/// Every source row that the sources claim now, in order.
fn claimed(resolved: &Resolved) -> Result<Vec<NameHash>, MirrorError> {
    let mut claimed = Vec::new();
    for row in resolved.node_rows() {
        claimed.extend(refs(&row?.properties).iter().map(|reference| NameHash::of(reference)));
    }
    claimed.sort_unstable();
    Ok(claimed)
}

fn is_claimed(claimed: &[NameHash], reference: &str) -> bool {
    claimed.binary_search(&NameHash::of(reference)).is_ok()
}

/// Whether a sweep marked it.
fn is_deleted(node: &NodeRow) -> bool {
    property(&node.properties, "deleted_at").is_some()
}

/// `system:schema.table` of `system:schema.table:key`.
fn table_of(reference: &str) -> Option<&str> {
    let (at, _) = reference.match_indices(':').nth(1)?;
    Some(&reference[..at])
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
