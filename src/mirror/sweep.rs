//! What must not be swept: rows that vanished in a way that looks like a failed read and not like a decision.
//!
//! A table of which more than a set share vanished since the last run, or all of it, is not swept: nodes that rest on it
//! keep their rows and stay, with their edges. The graph itself remembers what there was, in `refs`, so that the guard
//! needs no memory of its own; a table that comes back is swept again by the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::MirrorError;
use super::current::{Current, refs};
use super::footing::Lost;
use super::keys::{EdgeKey, NameHash};
use super::plan::Plan;
use super::resting::{Kept, Resting, claimed, is_claimed, is_deleted, stands_in, table_of};
use super::shrunk::Shrunk;
use super::starts::keep_starts;
use crate::ontology::Relation;
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
    /// Tables without nodes of their own that lost too many rows since the last run. What rests on them stays.
    pub shrunk: Vec<Shrunk>,
    /// What the tables are called that this run or the last one read.
    pub tables: BTreeSet<String>,
    /// Those of which it is known how many rows they have, as the graph calls them.
    pub counted: BTreeSet<String>,
}

impl Default for SweepGuard {
    fn default() -> Self {
        Self {
            max_shrink: Self::MAX_SHRINK,
            allowed: BTreeSet::new(),
            skipped_rows: false,
            gone: BTreeSet::new(),
            fed: BTreeSet::new(),
            shrunk: Vec::new(),
            tables: BTreeSet::new(),
            counted: BTreeSet::new(),
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
        gone > 0 && (self.skipped_rows || self.is_much(before, gone)) && !self.is_allowed(of)
    }

    /// Whether so many rows that went look like a failed read.
    pub(super) fn is_much(&self, before: u64, gone: u64) -> bool {
        let share = gone as f64 / before.max(1) as f64;
        // Whoever asks for less than the usual share means every row.
        let noticed = if self.max_shrink < Self::MAX_SHRINK { 1 } else { NOTICED };
        gone == before || (gone >= noticed && share > self.max_shrink)
    }

    /// Whether it may shrink as it likes: by its name, or with the schema or table that it stands in.
    pub(super) fn is_allowed(&self, of: &str) -> bool {
        let covers = |name: &String| {
            of.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.allowed.iter().chain(&self.gone).any(covers)
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
        known.extend(self.gone.iter().chain(&self.tables).cloned());
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
        let (mut held, known) = self.tables(&claimed, current)?;
        let mut places: BTreeMap<String, String> = held.keys().map(|of| (of.clone(), of.clone())).collect();
        for Shrunk { of, before, gone, fed, .. } in &self.shrunk {
            let (before, gone) = (*before, *gone);
            held.entry(of.clone()).or_insert(HeldBack { of: of.clone(), before, gone, held_back: 0 });
            for named in &fed.refs {
                places.entry(named.clone()).or_insert_with(|| of.clone());
            }
        }
        let resting = if held.is_empty() {
            Resting::default()
        } else {
            Resting::on(&places, &self.shrunk, &claimed, current)?
        };
        drop(claimed);
        let unmade = resting.keep_nodes(plan, &mut held)?;
        plan.make_no_edges_of(&unmade);
        keep_starts(plan, &resting, &mut held)?;
        let kept = self.edges(plan, &resting, &mut held);
        kept.make_no_stand_ins(plan, &known)?;
        // A table that is only remembered by how many rows it had may have told nothing that the graph lacks now.
        let shrunk = |of: &str| self.shrunk.iter().any(|shrunk| shrunk.of == of);
        plan.held_back = held.into_values().filter(|held| held.held_back > 0 || !shrunk(&held.of)).collect();
        Ok(())
    }

    /// The tables that shrank too much, and all that there are.
    fn tables(
        &self,
        claimed: &[NameHash],
        current: &Current,
    ) -> Result<(BTreeMap<String, HeldBack>, BTreeSet<String>), MirrorError> {
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
        // What is called after a column is a value that stood in rows: it went with them, or they were read well.
        let is_of_rows = |of: &str| {
            let is_known =
                |table| counts.contains_key(table) || !self.skipped_rows && self.counted.contains(table);
            stands_in(of).is_some_and(is_known)
        };
        let minded = counts.iter().filter(|(of, _)| !is_of_rows(of));
        let minded = minded.filter(|(of, (before, gone))| self.minds(of, *before, *gone));
        let held = minded.map(|(of, &(before, gone))| {
            (of.clone(), HeldBack { of: of.clone(), before, gone, held_back: 0 })
        });
        let held = held.collect();
        Ok((held, counts.into_keys().chain(self.counted.iter().cloned()).collect()))
    }

    /// The tables that told of edges of a relation and lost too many rows.
    fn failed(&self, relation: Relation) -> Vec<&str> {
        let is_free = self.fed.contains(&relation) || self.allowed.contains(relation.name());
        let failed = self.shrunk.iter().filter(|shrunk| shrunk.fed.relations.contains(&relation));
        failed.filter(|_| !is_free).map(|shrunk| &*shrunk.of).collect()
    }

    /// Keeps the edges of nodes that stay, and those of relations that shrank too much; an edge of a node that goes, goes.
    fn edges(&self, plan: &mut Plan<'_>, staying: &Resting, held: &mut BTreeMap<String, HeldBack>) -> Kept {
        let (resolved, mut kept, mut stay) = (plan.resolved, Kept::default(), Vec::new());
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
            let failed = self.failed(relation);
            if !failed.is_empty() {
                let kept = keep_all(relation, plan, follows, &mut stay);
                // Each of them, because one may come back before the other.
                for of in failed {
                    held.entry(of.to_owned()).and_modify(|held| held.held_back += kept);
                }
                continue;
            }
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
                    let ends_stay = stays && (staying.has(key.src) || staying.has(key.dst));
                    stay.extend(ends_stay.then_some((relation, *key)));
                    !stays
                });
            }
            if minded {
                let of = relation.name().to_owned();
                held.insert(of.clone(), HeldBack { of, before, gone, held_back: count });
            }
        }
        for (relation, key) in &stay {
            kept.add(*relation, key, staying, plan);
        }
        kept
    }
}

/// Keeps every edge of a relation as and where it is, but for those that follow their ends; counts the changes that this takes out.
fn keep_all(
    relation: Relation,
    plan: &mut Plan<'_>,
    follows: impl Fn(&EdgeKey) -> bool,
    stay: &mut Vec<(Relation, EdgeKey)>,
) -> u64 {
    let resolved = plan.resolved;
    let mut kept = 0;
    let mut places: HashSet<u64> = HashSet::new();
    let mut of_relation: Vec<_> =
        plan.edges.iter_mut().filter(|((of, ..), _)| *of == relation).map(|(_, changes)| changes).collect();
    for changes in &mut of_relation {
        kept += changes.update.len();
        changes.update.clear();
        changes.delete.retain(|key| {
            let goes = follows(key);
            if !goes {
                kept += 1;
                places.insert(key.which);
                stay.push((relation, *key));
            }
            goes
        });
    }
    // What only hangs elsewhere now is the same edge.
    for changes in of_relation.iter_mut().filter(|_| relation.discriminator().is_some()) {
        changes.create.retain(|&at| !places.contains(&resolved.edge_key(at).which));
    }
    kept as u64
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
