//! The business graph that the sources claim, ready to be compared or written.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::MirrorError;
use super::report::{Conflict, Note, Report};
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::Tables;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};

/// The business graph that the sources claim, without `gen` and `deleted_at`, which are the mirror's own bookkeeping.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// Nodes by label, in byte order of their uid; properties in order of their names.
    pub nodes: BTreeMap<Label, Vec<NodeRow>>,
    /// Edges by relation, by uids of their ends and their discriminator; no two of one key.
    pub edges: BTreeMap<Relation, Vec<EdgeRow>>,
    /// What the sources contradict each other in.
    pub conflicts: Vec<Conflict>,
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// The data's own clock: when the newest row was received, epoch ms; `None` where no source says.
    pub clock: Option<i64>,
}

/// The generation that an empty graph's first rows are written in.
pub const FIRST_GENERATION: i64 = 1;

impl Resolved {
    /// The tables of this graph as a first run into an empty graph would leave it: every node of generation 1.
    ///
    /// Byte for byte what reading that graph back from the server gives.
    pub fn to_tables(&self) -> Result<Tables, MirrorError> {
        let nodes = self
            .nodes
            .iter()
            .map(|(label, rows)| {
                let rows = rows.iter().map(|row| {
                    let mut row = row.clone();
                    row.properties.push(("gen", Value::Integer(FIRST_GENERATION)));
                    row
                });
                (label.name().to_owned(), rows.collect())
            })
            .collect();
        let edges = self.edges.iter().map(|(relation, rows)| (relation.name().to_owned(), rows.clone()));
        Ok(assemble(nodes, edges.collect())?)
    }

    /// Number of nodes of a label.
    pub fn node_count(&self, label: Label) -> usize {
        self.nodes.get(&label).map_or(0, Vec::len)
    }

    /// Number of edges of a relation.
    pub fn edge_count(&self, relation: Relation) -> usize {
        self.edges.get(&relation).map_or(0, Vec::len)
    }
}

/// Position of a node while the graph is being drafted.
pub(super) type At = usize;

/// One node while the graph is being drafted.
#[derive(Debug)]
pub(super) struct DraftNode {
    pub label: Label,
    pub uid: Arc<str>,
    pub labels: BTreeSet<&'static str>,
    pub properties: BTreeMap<&'static str, Value>,
}

#[derive(Debug)]
struct DraftEdge {
    relation: Relation,
    src: At,
    dst: At,
    properties: BTreeMap<&'static str, Value>,
}

/// The graph while facts are added to it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub nodes: Vec<DraftNode>,
    by_uid: HashMap<Arc<str>, At>,
    edges: Vec<DraftEdge>,
}

impl Draft {
    /// The node of this uid, made where missing.
    pub(super) fn node(&mut self, label: Label, uid: &str) -> Result<At, MirrorError> {
        if let Some(&at) = self.by_uid.get(uid) {
            let first = self.nodes[at].label;
            if first != label {
                let (first, second) = (first.min(label).name(), first.max(label).name());
                return Err(MirrorError::TwoLabels { uid: uid.to_owned(), first, second });
            }
            return Ok(at);
        }
        let uid: Arc<str> = uid.into();
        self.by_uid.insert(Arc::clone(&uid), self.nodes.len());
        self.nodes.push(DraftNode { label, uid, labels: BTreeSet::new(), properties: BTreeMap::new() });
        Ok(self.nodes.len() - 1)
    }

    pub(super) fn find(&self, uid: &str) -> Option<At> {
        self.by_uid.get(uid).copied()
    }

    pub(super) fn edge(
        &mut self,
        relation: Relation,
        src: At,
        dst: At,
        properties: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let properties = properties.into_iter().collect();
        self.edges.push(DraftEdge { relation, src, dst, properties });
    }

    pub(super) fn text(&self, at: At, property: &str) -> Option<&str> {
        match self.nodes[at].properties.get(property) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Adds a reference to the source rows behind a node: each once, in byte order.
    pub(super) fn stand_behind(&mut self, at: At, reference: String) {
        let refs = self.nodes[at].properties.entry("refs").or_insert_with(|| Value::TextList(Vec::new()));
        if let Value::TextList(refs) = refs
            && let Err(place) = refs.binary_search(&reference)
        {
            refs.insert(place, reference);
        }
    }

    /// Sorts everything and makes one edge of each key.
    pub(super) fn finish(self, report: Report, clock: Option<i64>) -> Resolved {
        let uids: Vec<Arc<str>> = self.nodes.iter().map(|n| Arc::clone(&n.uid)).collect();
        let mut resolved = Resolved { clock, ..Resolved::default() };
        for node in self.nodes {
            resolved.nodes.entry(node.label).or_default().push(NodeRow {
                uid: node.uid,
                labels: node.labels.into_iter().collect(),
                properties: node.properties.into_iter().collect(),
            });
        }
        for rows in resolved.nodes.values_mut() {
            rows.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        }
        let mut edges = self.edges;
        let key = |a: &DraftEdge, b: &DraftEdge| {
            (a.relation, &uids[a.src], &uids[a.dst])
                .cmp(&(b.relation, &uids[b.src], &uids[b.dst]))
                .then_with(|| a.discriminator().cmp(&b.discriminator()))
        };
        edges.sort_unstable_by(|a, b| key(a, b).then_with(|| a.earlier(b)));
        let mut kept: Vec<DraftEdge> = Vec::with_capacity(edges.len());
        for edge in edges {
            match kept.last_mut() {
                Some(last) if key(last, &edge).is_eq() => last.absorb(edge),
                _ => kept.push(edge),
            }
        }
        for edge in kept {
            resolved.edges.entry(edge.relation).or_default().push(EdgeRow {
                src: Arc::clone(&uids[edge.src]),
                dst: Arc::clone(&uids[edge.dst]),
                properties: edge.properties.into_iter().collect(),
            });
        }
        (resolved.notes, resolved.conflicts) = report.close();
        resolved
    }
}

impl DraftEdge {
    fn discriminator(&self) -> Option<&str> {
        match self.properties.get(self.relation.discriminator()?) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Order among edges of one key: the earliest first, undated ones last, then by what they say.
    fn earlier(&self, other: &Self) -> Ordering {
        let at = |edge: &Self| match edge.properties.get("timestamp") {
            Some(Value::Instant(ms)) => (false, *ms),
            _ => (true, 0),
        };
        at(self).cmp(&at(other)).then_with(|| {
            let pairs = self.properties.iter().zip(&other.properties);
            let unequal = pairs.map(|(a, b)| a.0.cmp(b.0).then_with(|| order(a.1, b.1))).find(|o| o.is_ne());
            unequal.unwrap_or_else(|| other.properties.len().cmp(&self.properties.len()))
        })
    }

    /// Takes what a later edge of the same key knows more, and its weight where that is greater.
    fn absorb(&mut self, other: Self) {
        for (name, value) in other.properties {
            match (self.properties.get_mut(name), value) {
                (None, value) => {
                    self.properties.insert(name, value);
                }
                (Some(Value::Float(mine)), Value::Float(theirs)) if name == "weight" => {
                    *mine = mine.max(theirs);
                }
                _ => {}
            }
        }
    }
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) | (Value::Instant(a), Value::Instant(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => format!("{a:?}").cmp(&format!("{b:?}")),
    }
}
