//! The graph while facts are added to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::MirrorError;
use super::report::Report;
use super::resolved::{Making, Resolved};
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::assemble::NodeRow;

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
    pub(super) fn finish(self, report: Report, clock: Option<i64>) -> Result<Resolved, MirrorError> {
        let mut making = Making::default();
        for (at, node) in self.nodes.into_iter().enumerate() {
            let row = NodeRow {
                uid: node.uid,
                labels: node.labels.into_iter().collect(),
                properties: node.properties.into_iter().collect(),
            };
            making.node(at, node.label, row)?;
        }
        for DraftEdge { relation, src, dst, properties } in self.edges {
            making.edge(relation, src, dst, properties.into_iter().collect())?;
        }
        making.finish(report, clock)
    }
}
