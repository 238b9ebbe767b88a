//! The difference between what the sources claim and what the graph holds.
//!
//! Only what the mirror itself writes is compared: scores and other people's properties, labels and relations are left
//! alone. A node that no source claims any more gets `deleted_at`; an edge that none claims is removed, and so is every
//! further edge of one relation between the same two nodes that nothing tells from the first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use polars::prelude::{DataFrame, StringChunked};
use serde::{Deserialize, Serialize};

use super::current::{Rows, newest_generation, uids};
use super::report::{Conflict, Note};
use super::resolved::Resolved;
use super::sweep::HeldBack;
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow};
use crate::snapshot::tables::{DST, SRC, Tables};

/// Further labels that the mirror gives and takes.
const FURTHER_LABELS: [&str; 3] = ["Artist", "Contact", "Fan"];

/// How many changes of a kind are shown as samples.
const SAMPLES: usize = 3;

/// What a run would change, and with what.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) nodes: BTreeMap<Label, NodeChanges<'a>>,
    /// By relation and the labels of both ends.
    pub(super) edges: BTreeMap<(Relation, Label, Label), EdgeChanges<'a>>,
    /// Newest generation in the graph; `None` where it has none.
    pub(super) newest_generation: Option<i64>,
    /// The data's own clock, epoch ms.
    pub(super) clock: Option<i64>,
    /// What the sources contradict each other in.
    pub conflicts: &'a [Conflict],
    /// What was left out or left open.
    pub notes: &'a [Note],
    /// What the guard of the sweep took out of this plan.
    pub held_back: Vec<HeldBack>,
}

#[derive(Debug, Default)]
pub(super) struct NodeChanges<'a> {
    pub create: Vec<&'a NodeRow>,
    pub update: Vec<NodeUpdate<'a>>,
    /// uid, and whether the node carries a canonical id.
    pub delete: Vec<(&'a str, bool)>,
}

/// One node's change.
#[derive(Debug)]
pub(super) struct NodeUpdate<'a> {
    pub uid: &'a str,
    /// Properties to set, or to remove where `None`.
    pub set: Vec<(&'static str, Option<Value>)>,
    pub add: Vec<&'static str>,
    pub remove: Vec<&'static str>,
    /// Whether the node carries a canonical id that is another one than it shall.
    pub frees_canonical_id: bool,
}

#[derive(Debug, Default)]
pub(super) struct EdgeChanges<'a> {
    pub create: Vec<&'a EdgeRow>,
    pub update: Vec<EdgeUpdate<'a>>,
    pub delete: Vec<EdgeKey<'a>>,
    /// Edges of which there are too many: all but one go.
    pub duplicates: Vec<Duplicates<'a>>,
}

impl EdgeChanges<'_> {
    fn deletions(&self) -> usize {
        self.delete.len() + self.duplicates.iter().map(|duplicates| duplicates.surplus).sum::<usize>()
    }
}

/// Parallel edges that nothing tells apart.
#[derive(Debug)]
pub(super) struct Duplicates<'a> {
    pub key: EdgeKey<'a>,
    /// How many of them are too many.
    pub surplus: usize,
}

/// What tells one edge of a relation from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EdgeKey<'a> {
    pub src: &'a str,
    pub dst: &'a str,
    pub discriminator: Option<&'a str>,
}

/// One edge's change.
#[derive(Debug)]
pub(super) struct EdgeUpdate<'a> {
    pub key: EdgeKey<'a>,
    pub set: Vec<(&'static str, Option<Value>)>,
}

/// How many changes of one label or relation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New ones.
    pub create: u64,
    /// Changed ones.
    pub update: u64,
    /// Gone ones.
    pub delete: u64,
}

impl Counts {
    fn add(&mut self, create: usize, update: usize, delete: usize) {
        self.create += create as u64;
        self.update += update as u64;
        self.delete += delete as u64;
    }

    /// All changes.
    pub fn total(self) -> u64 {
        self.create + self.update + self.delete
    }
}

/// The plan in numbers and samples: what `mirror plan` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// By label, all of them.
    pub nodes: BTreeMap<&'static str, Counts>,
    /// By relation, all of them.
    pub edges: BTreeMap<&'static str, Counts>,
    /// The first few changes of each kind and why.
    pub samples: Vec<Sample>,
    /// What the sources contradict each other in.
    pub conflicts: Vec<Conflict>,
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// Tables and relations that shrank too much to be swept.
    pub held_back: Vec<HeldBack>,
    /// Names exactly this plan: see [`Plan::digest`].
    pub digest: String,
}

/// One change and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Label or relation.
    pub of: &'static str,
    /// `create`, `update` or `delete`.
    pub change: &'static str,
    /// The node's uid, or `src → dst`.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Compares what the sources claim with the graph as it was read.
///
/// Pure. Time O((n + m) log m) in nodes and edges of both.
pub fn plan<'a>(resolved: &'a Resolved, current: &'a Tables) -> Plan<'a> {
    let mut plan = Plan {
        nodes: BTreeMap::new(),
        edges: BTreeMap::new(),
        newest_generation: newest_generation(current),
        clock: resolved.clock,
        conflicts: &resolved.conflicts,
        notes: &resolved.notes,
        held_back: Vec::new(),
    };
    for &label in Label::ALL {
        let wanted = resolved.nodes.get(&label).map_or(&[][..], Vec::as_slice);
        let frame = current.nodes.get(label.name());
        plan.nodes.insert(label, node_changes(label, wanted, frame));
    }
    let label_of: HashMap<&str, Label> =
        resolved.nodes.iter().flat_map(|(label, rows)| rows.iter().map(|row| (&*row.uid, *label))).collect();
    let by_dense = by_dense_id(current);
    for &relation in Relation::ALL {
        let wanted = resolved.edges.get(&relation).map_or(&[][..], Vec::as_slice);
        let frame = current.edges.get(relation.name());
        edge_changes(relation, wanted, frame, &label_of, &by_dense, &mut plan.edges);
    }
    plan
}

fn node_changes<'a>(label: Label, wanted: &'a [NodeRow], frame: Option<&'a DataFrame>) -> NodeChanges<'a> {
    // `gen` is bookkeeping of the run itself.
    let rows = Rows::of(frame, label.properties().filter(|p| p.name != "gen"));
    let generations = frame.and_then(|f| f.column("gen").ok());
    let mut changes = NodeChanges::default();
    let mut wanted = wanted.iter().peekable();
    let held = frame
        .and_then(uids)
        .into_iter()
        .flat_map(StringChunked::iter)
        .map(Option::unwrap_or_default)
        .enumerate();
    for (at, uid) in held {
        while let Some(row) = wanted.next_if(|row| *row.uid < *uid) {
            changes.create.push(row);
        }
        if let Some(row) = wanted.next_if(|row| *row.uid == *uid) {
            let set = rows.differences(at, &row.properties);
            let has = rows.labels(at);
            let add: Vec<_> = row.labels.iter().copied().filter(|l| !has.iter().any(|h| h == l)).collect();
            let lost = |l: &&str| has.iter().any(|h| h == l) && !row.labels.contains(l);
            let remove: Vec<_> = FURTHER_LABELS.into_iter().filter(lost).collect();
            if !(set.is_empty() && add.is_empty() && remove.is_empty()) {
                let frees_canonical_id =
                    set.iter().any(|(name, _)| *name == "canonical_id") && rows.has(at, "canonical_id");
                changes.update.push(NodeUpdate { uid, set, add, remove, frees_canonical_id });
            }
        } else {
            // A node without a generation is somebody else's.
            let ours = generations.is_some_and(|g| g.get(at).is_ok_and(|cell| !cell.is_null()));
            if ours && !rows.has(at, "deleted_at") {
                changes.delete.push((uid, rows.has(at, "canonical_id")));
            }
        }
    }
    changes.create.extend(wanted);
    changes
}

/// uid and label of every node of the graph by dense id; no label where it is none of the ontology's.
fn by_dense_id(current: &Tables) -> Vec<(&str, Option<Label>)> {
    let mut nodes = Vec::with_capacity(current.node_count());
    for (label, frame) in &current.nodes {
        let label = label.parse().ok();
        nodes.extend(
            uids(frame).into_iter().flat_map(StringChunked::iter).map(|uid| (uid.unwrap_or_default(), label)),
        );
    }
    nodes
}

fn edge_changes<'a>(
    relation: Relation,
    wanted: &'a [EdgeRow],
    frame: Option<&'a DataFrame>,
    label_of: &HashMap<&str, Label>,
    by_dense: &[(&'a str, Option<Label>)],
    all: &mut BTreeMap<(Relation, Label, Label), EdgeChanges<'a>>,
) {
    let discriminator = relation.discriminator();
    let properties = relation.properties().iter().copied();
    let rows = Rows::of(frame, properties);
    let mut held: Vec<(EdgeKey, Label, Label, usize)> =
        Vec::with_capacity(frame.map_or(0, DataFrame::height));
    let ends = |name| frame?.column(name).ok()?.i64().ok();
    if let (Some(src), Some(dst)) = (ends(SRC), ends(DST)) {
        for (at, (src, dst)) in src.iter().zip(dst.iter()).enumerate() {
            let end =
                |dense: Option<i64>| usize::try_from(dense?).ok().and_then(|at| by_dense.get(at).copied());
            let (Some((src, Some(from))), Some((dst, Some(to)))) = (end(src), end(dst)) else { continue };
            let key = EdgeKey { src, dst, discriminator: discriminator.and_then(|name| rows.text(at, name)) };
            // Every edge of ours has what tells it apart; one without it is somebody else's.
            if discriminator.is_none() || key.discriminator.is_some() {
                held.push((key, from, to, at));
            }
        }
    }
    held.sort_unstable_by_key(|(key, .., at)| (*key, *at));
    let mut held = held.into_iter().peekable();
    for row in wanted {
        let key = key_of(relation, row);
        while let Some((gone, from, to, _)) = held.next_if(|(held, ..)| *held < key) {
            all.entry((relation, from, to)).or_default().delete.push(gone);
        }
        let (from, to) = (label_of[key.src], label_of[key.dst]);
        match held.peek().map(|(held, ..)| held.cmp(&key)) {
            Some(Ordering::Equal) => {
                let mut set = Vec::new();
                let mut surplus = 0;
                while let Some((.., at)) = held.next_if(|(held, ..)| *held == key) {
                    // Which of the duplicates stays is the server's matter: what any of them lacks is set.
                    for change in rows.differences(at, &row.properties) {
                        if !set.contains(&change) {
                            set.push(change);
                        }
                    }
                    surplus += 1;
                }
                surplus -= 1;
                if surplus > 0 {
                    let duplicates = Duplicates { key, surplus };
                    all.entry((relation, from, to)).or_default().duplicates.push(duplicates);
                }
                if !set.is_empty() {
                    all.entry((relation, from, to)).or_default().update.push(EdgeUpdate { key, set });
                }
            }
            _ => all.entry((relation, from, to)).or_default().create.push(row),
        }
    }
    for (gone, from, to, _) in held {
        all.entry((relation, from, to)).or_default().delete.push(gone);
    }
}

/// What tells a resolved edge apart.
pub(super) fn key_of(relation: Relation, row: &EdgeRow) -> EdgeKey<'_> {
    let text = |name| match row.properties.iter().find(|(n, _)| *n == name) {
        Some((_, Value::Text(text))) => Some(text.as_str()),
        _ => None,
    };
    EdgeKey { src: &row.src, dst: &row.dst, discriminator: relation.discriminator().and_then(text) }
}

impl Plan<'_> {
    /// Whether the graph is already what the sources claim.
    pub fn is_empty(&self) -> bool {
        let summary = self.counts();
        summary.0.values().chain(summary.1.values()).all(|counts| counts.total() == 0)
    }

    fn counts(&self) -> (BTreeMap<&'static str, Counts>, BTreeMap<&'static str, Counts>) {
        let mut nodes: BTreeMap<_, _> = Label::ALL.iter().map(|l| (l.name(), Counts::default())).collect();
        let mut edges: BTreeMap<_, _> = Relation::ALL.iter().map(|r| (r.name(), Counts::default())).collect();
        for (label, changes) in &self.nodes {
            let counts = nodes.entry(label.name()).or_default();
            counts.add(changes.create.len(), changes.update.len(), changes.delete.len());
        }
        for ((relation, ..), changes) in &self.edges {
            let counts = edges.entry(relation.name()).or_default();
            counts.add(changes.create.len(), changes.update.len(), changes.deletions());
        }
        (nodes, edges)
    }

    /// The plan in numbers and samples.
    pub fn summary(&self) -> Summary {
        let (nodes, edges) = self.counts();
        let mut samples = Vec::new();
        let mut sample =
            |of, change, what: String, why: String| samples.push(Sample { of, change, what, why });
        for (label, changes) in &self.nodes {
            let of = label.name();
            for row in changes.create.iter().take(SAMPLES) {
                sample(of, "create", row.uid.to_string(), "a source claims it and the graph lacks it".into());
            }
            for update in changes.update.iter().take(SAMPLES) {
                let set = update.set.iter().map(|(name, value)| match (*name, value) {
                    ("deleted_at", None) => "it is back".to_owned(),
                    (name, None) => format!("{name} is gone"),
                    (name, Some(_)) => format!("{name} differs"),
                });
                let labels = update.add.iter().map(|l| format!("is {l} now"));
                let lost = update.remove.iter().map(|l| format!("is no {l} any more"));
                let why = set.chain(labels).chain(lost).collect::<Vec<_>>().join(", ");
                sample(of, "update", update.uid.to_owned(), why);
            }
            for (uid, _) in changes.delete.iter().take(SAMPLES) {
                sample(of, "delete", (*uid).to_owned(), "no source claims it any more".into());
            }
        }
        let words = |key: &EdgeKey| match key.discriminator {
            Some(which) => format!("{} → {} ({which})", key.src, key.dst),
            None => format!("{} → {}", key.src, key.dst),
        };
        for ((relation, ..), changes) in &self.edges {
            let of = relation.name();
            for row in changes.create.iter().take(SAMPLES) {
                sample(
                    of,
                    "create",
                    words(&key_of(*relation, row)),
                    "a source claims it and the graph lacks it".into(),
                );
            }
            for update in changes.update.iter().take(SAMPLES) {
                let set = update.set.iter().map(|(name, value)| match value {
                    None => format!("{name} is gone"),
                    Some(_) => format!("{name} differs"),
                });
                sample(of, "update", words(&update.key), set.collect::<Vec<_>>().join(", "));
            }
            for key in changes.delete.iter().take(SAMPLES) {
                sample(of, "delete", words(key), "no source claims it any more".into());
            }
            for duplicates in changes.duplicates.iter().take(SAMPLES) {
                sample(of, "delete", words(&duplicates.key), "duplicate".into());
            }
        }
        Summary {
            nodes,
            edges,
            samples,
            conflicts: self.conflicts.to_vec(),
            notes: self.notes.to_vec(),
            held_back: self.held_back.clone(),
            digest: self.digest(),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
