//! What must not be swept: rows that vanished in a way that looks like a failed read and not like a decision.
//!
//! A table of which more than a set share vanished since the last run, or all of it, is not swept: nodes that rest on it
//! keep their rows and stay, with their edges. The graph itself remembers what there was, in `refs`, so that the guard
//! needs no memory of its own; a table that comes back is swept again by the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::MirrorError;
use super::current::{Current, refs};
use super::fed::Fed;
use super::footing::Lost;
use super::keys::{EdgeKey, NameHash};
use super::missed::{Missed, deletions, lost_edges};
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
    /// Relations that it fed, which may shrink as they like, and what of it fed each.
    pub fed: BTreeMap<Relation, BTreeSet<String>>,
    /// Tables without nodes of their own that lost too many rows since the last run. What rests on them stays.
    pub shrunk: Vec<Shrunk>,
    /// What the tables are called that this run or the last one read.
    pub tables: BTreeSet<String>,
    /// Those of which it is known how many rows they have, as the graph calls them.
    pub counted: BTreeSet<String>,
    /// What runs before held back, by the name of the table or relation, as it was when it failed.
    pub missed: BTreeMap<String, Missed>,
}

impl Default for SweepGuard {
    fn default() -> Self {
        Self {
            max_shrink: Self::MAX_SHRINK,
            allowed: BTreeSet::new(),
            skipped_rows: false,
            gone: BTreeSet::new(),
            fed: BTreeMap::new(),
            shrunk: Vec::new(),
            tables: BTreeSet::new(),
            counted: BTreeSet::new(),
            missed: BTreeMap::new(),
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
    /// Changes that were taken out of the plan, and are not counted for another already.
    pub held_back: u64,
    /// Others that failed, too, for which the rest of its changes is counted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub beside: BTreeSet<String>,
    /// What was let go, and told of the same edges: they stay as well.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub let_go: BTreeSet<String>,
    /// What stays in the graph for its sake, of which [`Missed`] tells more.
    #[serde(skip)]
    pub stays: u64,
}

impl HeldBack {
    pub(super) fn of(of: &str, before: u64, gone: u64) -> Self {
        let of = of.to_owned();
        Self { of, before, gone, held_back: 0, beside: BTreeSet::new(), let_go: BTreeSet::new(), stays: 0 }
    }
}

impl SweepGuard {
    /// A quarter.
    pub const MAX_SHRINK: f64 = 0.25;

    /// What is held back of a table or relation of which so many rows or edges went, if anything is.
    fn minds(&self, of: &str, before: u64, gone: u64) -> Option<HeldBack> {
        let missed = self.missed.get(of);
        // What came since is nothing of what there was.
        let before = missed.map_or(before, |missed| missed.before);
        let is_much = missed.is_some_and(|missed| missed.is_missed(gone, self)) || self.is_much(before, gone);
        if gone == 0 || !(self.skipped_rows || is_much) || self.is_allowed(of) {
            return None;
        }
        let stays = missed.map_or(0, |missed| missed.stays).max(if is_much { gone } else { 0 });
        Some(HeldBack { stays, ..HeldBack::of(of, before, gone) })
    }

    /// Whether so many rows that went look like a failed read.
    pub(super) fn is_much(&self, before: u64, gone: u64) -> bool {
        let share = gone as f64 / before.max(1) as f64;
        // Whoever asks for less than the usual share means every row.
        let noticed = if self.max_shrink < Self::MAX_SHRINK { 1 } else { NOTICED };
        gone >= before || (gone >= noticed && share > self.max_shrink)
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
            self.free(&name, fed);
            self.gone.insert(name);
        }
        if lost.is_empty() { Ok(()) } else { Err(MirrorError::Lost { lost }) }
    }

    /// Lets shrink what rested on what was let go.
    pub(super) fn free(&mut self, name: &str, fed: Fed) {
        self.gone.extend(fed.refs);
        for relation in fed.relations {
            self.fed.entry(relation).or_default().insert(name.to_owned());
        }
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
        let failed = self.failed(plan, &claimed)?;
        for Shrunk { of, before, gone, stays, fed, .. } in &failed {
            let held = held.entry(of.clone()).or_insert_with(|| HeldBack::of(of, *before, *gone));
            held.stays = *stays;
            for named in &fed.refs {
                places.entry(named.clone()).or_insert_with(|| of.clone());
            }
        }
        let resting = if held.is_empty() {
            Resting::default()
        } else {
            Resting::on(&places, &failed, &claimed, current)?
        };
        let unmade = resting.keep_nodes(plan, &mut held)?;
        plan.make_no_edges_of(&unmade);
        keep_starts(plan, &resting, &mut held)?;
        let kept = self.edges(plan, &failed, &resting, &mut held);
        kept.make_no_stand_ins(plan, &known)?;
        // What goes nevertheless, because another takes its place, is missed no more.
        for delete in plan.nodes.values().flat_map(|changes| &changes.delete) {
            if held.is_empty() {
                break;
            }
            for reference in refs(&current.node(delete.held)?.properties) {
                let held = table_of(reference).and_then(|of| held.get_mut(of));
                if let Some(held) = held.filter(|_| !is_claimed(&claimed, reference)) {
                    held.stays = held.stays.saturating_sub(1);
                }
            }
        }
        // A table that is only remembered by how many rows it had may have told nothing that the graph lacks now.
        let failed = |of: &str| failed.iter().any(|failed| failed.of == of);
        let is_told = |held: &HeldBack| held.held_back > 0 || !held.beside.is_empty() || !failed(&held.of);
        plan.held_back = held.into_values().filter(is_told).collect();
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
        let mut held = BTreeMap::new();
        for (of, &(before, gone)) in counts.iter().filter(|(of, _)| !is_of_rows(of)) {
            held.extend(self.minds(of, before, gone).map(|held| (of.clone(), held)));
        }
        Ok((held, counts.into_keys().chain(self.counted.iter().cloned()).collect()))
    }

    /// The tables without nodes of their own that failed: those that lost too many rows, and those that did before and have
    /// as many again, but not the ones that they lost.
    fn failed(&self, plan: &Plan<'_>, claimed: &[NameHash]) -> Result<Vec<Shrunk>, MirrorError> {
        let mut failed = Vec::new();
        for shrunk in &self.shrunk {
            let is_free = |relation| self.allowed.contains(Relation::name(relation));
            let deletes = deletions(plan, &shrunk.fed, claimed, is_free)?;
            let missed = self.missed.get(&shrunk.of).filter(|_| !self.is_much(shrunk.before, shrunk.gone));
            match missed {
                // Others may have told of the same.
                None => failed.push(Shrunk { stays: deletes.min(shrunk.gone), ..shrunk.clone() }),
                Some(missed) if missed.is_missed(deletes, self) => {
                    let &Missed { before, gone, stays } = missed;
                    failed.push(Shrunk { before, gone, stays, ..shrunk.clone() });
                }
                Some(_) => {}
            }
        }
        Ok(failed)
    }

    /// Keeps the edges of nodes that stay, and those of relations that shrank too much; an edge of a node that goes, goes.
    fn edges(
        &self,
        plan: &mut Plan<'_>,
        failed: &[Shrunk],
        staying: &Resting,
        held: &mut BTreeMap<String, HeldBack>,
    ) -> Kept {
        let (resolved, mut kept, mut stay) = (plan.resolved, Kept::default(), Vec::new());
        let deleted = plan.nodes.values().flat_map(|changes| &changes.delete).map(|delete| delete.held);
        let deleted: HashSet<u32> = deleted.collect();
        let follows = |key: &EdgeKey| deleted.contains(&key.src) || deleted.contains(&key.dst);
        for &relation in Relation::ALL {
            let changes = || plan.edges.iter().filter(|((of, ..), _)| *of == relation).map(|(_, c)| c);
            let deletes: u64 = changes().map(|c| c.delete.len() as u64).sum();
            let following = changes().flat_map(|c| &c.delete).filter(|key| follows(key)).count() as u64;
            let creates: u64 = changes().map(|c| c.create.len() as u64).sum();
            let is_free = self.allowed.contains(relation.name());
            let mut failed =
                failed.iter().filter(|failed| !is_free && failed.fed.relations.contains(&relation));
            if let Some(first) = failed.next() {
                let kept = keep_all(relation, plan, follows, &mut stay);
                if let Some(held) = held.get_mut(&first.of) {
                    held.held_back += kept;
                    held.let_go
                        .extend(self.fed.get(&relation).filter(|_| kept > 0).into_iter().flatten().cloned());
                }
                // One may come back before the other.
                for other in failed.filter(|_| kept > 0) {
                    if let Some(held) = held.get_mut(&other.of) {
                        held.beside.insert(first.of.clone());
                    }
                }
                continue;
            }
            // What follows its end is no loss of its own, unless it was re-hung.
            let before = plan.current.edges_of(relation) - following.saturating_sub(creates);
            // What was re-hung is not gone; but edges that came since are none of those that went.
            let gone = match self.missed.get(relation.name()) {
                Some(_) => lost_edges(relation, plan, follows),
                None => deletes.saturating_sub(creates.max(following)),
            };
            // Candidates come and go with the names of things.
            let is_fed = relation == Relation::SameAs || self.fed.contains_key(&relation);
            let is_held = self.minds(relation.name(), before, gone).filter(|_| !is_fed);
            let minded = is_held.is_some();
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
            if let Some(of) = is_held {
                let stays = if of.stays > 0 { of.stays.max(count) } else { 0 };
                held.insert(relation.name().to_owned(), HeldBack { held_back: count, stays, ..of });
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
