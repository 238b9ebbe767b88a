//! The difference between what the sources claim and what the graph holds.
//!
//! Only what the mirror itself writes is compared: scores and other people's properties, labels and relations are left
//! alone. A node that no source claims any more gets `deleted_at`; an edge that none claims is removed, and so is every
//! further edge of one relation between the same two nodes that nothing tells from the first.
//!
//! A plan holds positions, a few bytes a change; rows are read where they lie when they are told or written.

use std::collections::{BTreeMap, HashSet};

use super::MirrorError;
use super::current::{Current, Held, differences, property};
use super::keys::{EdgeKey, Form, discriminator, which};
use super::report::{Conflict, Note, Report};
use super::resolved::{Properties, Resolved};
use super::strangers;
use super::sweep::HeldBack;
use crate::ontology::{Label, Property, Relation, Value};

/// What a run would change, and with what.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) current: &'a Current,
    pub(super) nodes: BTreeMap<Label, NodeChanges>,
    /// By relation and the labels of both ends.
    pub(super) edges: BTreeMap<(Relation, Label, Label), EdgeChanges>,
    /// What the sources contradict each other in.
    pub conflicts: &'a [Conflict],
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// What the guard of the sweep took out of this plan.
    pub held_back: Vec<HeldBack>,
}

/// Changes of the nodes of one label, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct NodeChanges {
    /// Positions among the resolved nodes.
    pub create: Vec<u32>,
    pub update: Vec<NodeUpdate>,
    pub delete: Vec<NodeDelete>,
}

/// One node's change.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeUpdate {
    /// Position among the resolved nodes.
    pub at: u32,
    /// Position among those of the graph.
    pub held: u32,
    /// The properties to set or to remove, a bit each, in the order of [`compared`].
    pub differ: u16,
    /// Labels to give.
    pub add: Form,
    /// Labels to take.
    pub remove: Form,
    /// Whether the node carries a canonical id that is another one than it shall.
    pub frees_canonical_id: bool,
}

/// One node that goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeDelete {
    /// Position among the nodes of the graph.
    pub held: u32,
    /// Whether the node carries a canonical id.
    pub carries_canonical_id: bool,
}

/// Changes of the edges of one relation between two labels, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct EdgeChanges {
    /// Positions among the resolved edges.
    pub create: Vec<u32>,
    pub update: Vec<EdgeUpdate>,
    /// Ends are positions among the nodes of the graph, places those of its edges.
    pub delete: Vec<EdgeKey>,
    /// Edges of which there are too many: all but one go.
    pub duplicates: Vec<Duplicates>,
}

impl EdgeChanges {
    pub(super) fn deletions(&self) -> usize {
        self.delete.len()
            + self.duplicates.iter().map(|duplicates| duplicates.surplus as usize).sum::<usize>()
    }
}

/// One edge's change.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeUpdate {
    /// Position among the resolved edges.
    pub at: u32,
    /// The properties to set or to remove, a bit each, in declared order.
    pub differ: u16,
}

/// Parallel edges that nothing tells apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duplicates {
    /// Position among the resolved edges.
    pub at: u32,
    /// How many of them are too many.
    pub surplus: u32,
}

/// Properties to set, or to remove where `None`.
pub(super) type Set = Vec<(&'static str, Option<Value>)>;

/// The properties of a label that are compared: `gen` is bookkeeping of the run itself.
pub(super) fn compared(label: Label) -> impl Iterator<Item = Property> {
    label.properties().filter(|property| property.name != "gen")
}

/// What the bits of `differ` stand for.
pub(super) fn set_of(
    declared: impl Iterator<Item = Property>,
    differ: u16,
    wanted: &[(&'static str, Value)],
) -> Set {
    let differing = declared.enumerate().filter(|(nth, _)| differ & 1 << nth != 0);
    differing.map(|(_, Property { name, .. })| (name, property(wanted, name).cloned())).collect()
}

/// Compares what the sources claim with the graph as it was read.
///
/// Time O((n + m) log m) in nodes and edges of both; holds a few bytes a node and a change, and one row at a time.
///
/// # Errors
/// When another node of the graph holds the uid or canonical id of one that shall be made, and when rows that were kept
/// aside cannot be read.
pub fn plan<'a>(resolved: &'a Resolved, current: &'a Current) -> Result<Plan<'a>, MirrorError> {
    let mut wanted = vec![NOT_WANTED; current.keys.len()];
    let mut nodes = BTreeMap::new();
    for &label in Label::ALL {
        nodes.insert(label, node_changes(label, resolved, current, &mut wanted)?);
    }
    strangers::refuse(resolved, current, |held| wanted[held as usize] == NOT_WANTED, &nodes)?;
    let mut report = Report::default();
    let edges = edge_changes(resolved, current, &wanted, &mut report)?;
    let (seen, _) = report.close();
    let (conflicts, notes) = (&resolved.conflicts[..], [&resolved.notes[..], &seen].concat());
    Ok(Plan { resolved, current, nodes, edges, conflicts, notes, held_back: Vec::new() })
}

impl Plan<'_> {
    /// Takes out the edges of nodes that are not made.
    pub(super) fn make_no_edges_of(&mut self, unmade: &HashSet<u32>) {
        let resolved = self.resolved;
        for changes in self.edges.values_mut().filter(|_| !unmade.is_empty()) {
            changes.create.retain(|&at| {
                let key = resolved.edge_key(at);
                !unmade.contains(&key.src) && !unmade.contains(&key.dst)
            });
        }
    }
}

/// Edges that a run neither makes nor removes.
const STRANGE_EDGES: &str =
    "edges lack the text that tells parallel ones apart and are left alone as somebody else's";

/// Position of a node of the graph that no source claims.
const NOT_WANTED: u32 = u32::MAX;

/// Changes of a label, noting in `wanted` which resolved node a node of the graph is.
fn node_changes(
    label: Label,
    resolved: &Resolved,
    current: &Current,
    wanted: &mut [u32],
) -> Result<NodeChanges, MirrorError> {
    let mut changes = NodeChanges::default();
    let key = |held: u32| current.keys[held as usize];
    let mut held = current.nodes_of(label).peekable();
    for at in resolved.nodes_of(label) {
        let name = resolved.node_key(at).name;
        while let Some(gone) = held.next_if(|&held| key(held).name < name) {
            changes.delete.extend(deletion(current, gone)?);
        }
        let Some(held) = held.next_if(|&held| key(held).name == name) else {
            changes.create.push(at);
            continue;
        };
        wanted[held as usize] = at;
        let (is, shall) = (current.node(held)?.properties, resolved.node(at)?.properties);
        let differ = differences(compared(label), &is, &shall);
        let (has, gets) = (key(held).form(), resolved.node_key(at).form());
        let (add, remove) = (gets.beyond(has), has.beyond(gets));
        if differ != 0 || !add.is_empty() || !remove.is_empty() {
            let canonical_id = compared(label).position(|property| property.name == "canonical_id");
            let frees_canonical_id = canonical_id.is_some_and(|nth| differ & 1 << nth != 0)
                && property(&is, "canonical_id").is_some();
            changes.update.push(NodeUpdate { at, held, differ, add, remove, frees_canonical_id });
        }
    }
    for gone in held {
        changes.delete.extend(deletion(current, gone)?);
    }
    Ok(changes)
}

/// What becomes of a node that no source claims: nothing where it is somebody else's, or went before.
fn deletion(current: &Current, held: u32) -> Result<Option<NodeDelete>, MirrorError> {
    let properties = current.node(held)?.properties;
    let has = |name| property(&properties, name).is_some();
    // A node without a generation is somebody else's.
    let goes = has("gen") && !has("deleted_at");
    Ok(goes.then(|| NodeDelete { held, carries_canonical_id: has("canonical_id") }))
}

fn edge_changes(
    resolved: &Resolved,
    current: &Current,
    wanted: &[u32],
    report: &mut Report,
) -> Result<BTreeMap<(Relation, Label, Label), EdgeChanges>, MirrorError> {
    let mut all: BTreeMap<(Relation, Label, Label), EdgeChanges> = BTreeMap::new();
    let mut seen = Seen::of(resolved.edge_keys().len());
    let mut again: Vec<u32> = Vec::new();
    for row in current.edges.placed() {
        let (place, held) = row?;
        let Held { relation, src, dst, properties } = &held;
        let label = |at: u32| current.keys[at as usize].label();
        let (Some(from), Some(to)) = (label(*src), label(*dst)) else { continue };
        let text = discriminator(*relation, properties);
        // Every edge of ours has what tells it apart; one without it is somebody else's.
        if let Some(name) = relation.discriminator()
            && text.is_none()
        {
            let (src, dst) = (current.node(*src)?.uid, current.node(*dst)?.uid);
            report.note(STRANGE_EDGES, format!("{relation} {src} → {dst} without `{name}`"));
            continue;
        }
        let ends = (wanted[*src as usize], wanted[*dst as usize]);
        let Some((at, shall)) = find(resolved, *relation, ends, text)? else {
            let gone = EdgeKey::new(*relation, (*src, *dst), which(text), place);
            all.entry((*relation, from, to)).or_default().delete.push(gone);
            continue;
        };
        // Which of the duplicates stays is the server's matter: what any of them lacks is set.
        let differ = differences(relation.properties().iter().copied(), properties, &shall);
        if differ != 0 {
            all.entry((*relation, from, to)).or_default().update.push(EdgeUpdate { at, differ });
        }
        if seen.put(at) {
            again.push(at);
        }
    }
    let label = |at: u32| resolved.node_key(at).label().expect("resolved nodes have labels of the ontology");
    let of = |at: u32| {
        let key = resolved.edge_key(at);
        (key.relation(), label(key.src), label(key.dst))
    };
    for at in (0..resolved.edge_keys().len() as u32).filter(|&at| !seen.has(at)) {
        all.entry(of(at)).or_default().create.push(at);
    }
    again.sort_unstable();
    for same in again.chunk_by(|a, b| a == b) {
        let duplicates = Duplicates { at: same[0], surplus: same.len() as u32 };
        all.entry(of(same[0])).or_default().duplicates.push(duplicates);
    }
    for changes in all.values_mut() {
        changes.delete.sort_unstable_by_key(|key| key.identity());
        changes.update.sort_unstable_by_key(|update| update.at);
        changes.update.dedup_by(|next, last| {
            let same = next.at == last.at;
            last.differ |= if same { next.differ } else { 0 };
            same
        });
    }
    Ok(all)
}

/// The resolved edge between two resolved nodes that `text` tells from parallel ones, and what it says.
fn find(
    resolved: &Resolved,
    relation: Relation,
    (src, dst): (u32, u32),
    text: Option<&str>,
) -> Result<Option<(u32, Properties)>, MirrorError> {
    if src == NOT_WANTED || dst == NOT_WANTED {
        return Ok(None);
    }
    let wanted = (relation as u32, src, dst, which(text));
    let keys = resolved.edge_keys();
    let first = keys.partition_point(|key| key.identity() < wanted);
    for at in (first..keys.len()).take_while(|&at| keys[at].identity() == wanted) {
        let properties = resolved.edge(at as u32)?;
        if discriminator(relation, &properties) == text {
            return Ok(Some((at as u32, properties)));
        }
    }
    Ok(None)
}

/// A bit for each position.
struct Seen(Vec<u64>);

impl Seen {
    fn of(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] & 1 << (at % 64) != 0
    }

    /// Notes a position; whether it was noted before.
    fn put(&mut self, at: u32) -> bool {
        let before = self.has(at);
        self.0[at as usize / 64] |= 1 << (at % 64);
        before
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
