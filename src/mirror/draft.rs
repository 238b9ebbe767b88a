//! The graph while facts are added to it: edges and finished nodes go to their spools at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use hashbrown::HashTable;

use super::MirrorError;
use super::keys::{NameHash, NodeKey};
use super::report::Report;
use super::resolved::{Making, Resolved};
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::assemble::NodeRow;

/// Position of a node while the graph is being drafted.
pub(super) type At = u32;

/// One node of which more may become known.
#[derive(Debug, Default)]
pub(super) struct DraftNode {
    uid: Arc<str>,
    pub labels: BTreeSet<&'static str>,
    pub properties: BTreeMap<&'static str, Value>,
}

impl DraftNode {
    /// Adds a reference to the source rows behind a node: each once, in byte order.
    pub(super) fn stand_behind(&mut self, reference: String) {
        let refs = self.properties.entry("refs").or_insert_with(|| Value::TextList(Vec::new()));
        if let Value::TextList(refs) = refs
            && let Err(place) = refs.binary_search(&reference)
        {
            refs.insert(place, reference);
        }
    }
}

/// The graph while facts are added to it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    making: Making,
    /// All nodes, by the hash of their uid, which is among their keys.
    by_uid: HashTable<At>,
    /// The nodes that are not finished.
    open: HashMap<At, DraftNode>,
}

impl Draft {
    /// Number of nodes.
    pub(super) fn node_count(&self) -> usize {
        self.making.node_count()
    }

    /// The node of this uid, made and opened where missing, and whether it was.
    pub(super) fn node(&mut self, label: Label, uid: &str) -> Result<(At, bool), MirrorError> {
        let (at, is_new) = self.number(label, uid)?;
        if is_new {
            self.begin(at, uid);
        }
        Ok((at, is_new))
    }

    /// The number of the node of this uid, made where missing, and whether it was; one that was is to be
    /// [begun](Self::begin) later on.
    pub(super) fn number(&mut self, label: Label, uid: &str) -> Result<(At, bool), MirrorError> {
        let name = NameHash::of(uid);
        if let Some(at) = self.named(name) {
            let first = self.label(at);
            if first != label {
                let (first, second) = (first.min(label).name(), first.max(label).name());
                return Err(MirrorError::TwoLabels { uid: uid.to_owned(), first, second });
            }
            return Ok((at, false));
        }
        let Self { making, by_uid, .. } = self;
        let at = making.number(label, name);
        by_uid.insert_unique(name.short(), at, |at| making.key(*at).name.short());
        Ok((at, true))
    }

    /// Opens a node that has a number only.
    pub(super) fn begin(&mut self, at: At, uid: &str) -> &mut DraftNode {
        self.open.entry(at).or_insert_with(|| DraftNode { uid: uid.into(), ..DraftNode::default() })
    }

    fn named(&self, name: NameHash) -> Option<At> {
        self.by_uid.find(name.short(), |at| self.making.key(*at).name == name).copied()
    }

    pub(super) fn find(&self, uid: &str) -> Option<At> {
        self.named(NameHash::of(uid))
    }

    /// The key of a node.
    pub(super) fn key(&self, at: At) -> NodeKey {
        self.making.key(at)
    }

    pub(super) fn label(&self, at: At) -> Label {
        self.making.key(at).label().expect("nodes are drafted by labels of the ontology")
    }

    /// A node to be added to, until it is [closed](Self::close).
    pub(super) fn open(&mut self, at: At) -> Result<&mut DraftNode, MirrorError> {
        if !self.open.contains_key(&at) {
            let NodeRow { uid, labels, properties } = self.making.row(at)?;
            let (labels, properties) = (labels.into_iter().collect(), properties.into_iter().collect());
            self.open.insert(at, DraftNode { uid, labels, properties });
        }
        Ok(self.open.get_mut(&at).expect("it was opened"))
    }

    /// Finishes a node.
    pub(super) fn close(&mut self, at: At) -> Result<(), MirrorError> {
        let Some(DraftNode { uid, labels, properties }) = self.open.remove(&at) else { return Ok(()) };
        let (labels, properties) = (labels.into_iter().collect(), properties.into_iter().collect());
        self.making.node(at, NodeRow { uid, labels, properties })
    }

    pub(super) fn uid(&self, at: At) -> Result<Arc<str>, MirrorError> {
        match self.open.get(&at) {
            Some(node) => Ok(Arc::clone(&node.uid)),
            None => Ok(self.making.row(at)?.uid),
        }
    }

    pub(super) fn name(&self, at: At) -> Result<Option<String>, MirrorError> {
        let name = match self.open.get(&at) {
            Some(node) => node.properties.get("name").cloned(),
            None => self.making.row(at)?.properties.into_iter().find(|(of, _)| *of == "name").map(|p| p.1),
        };
        Ok(match name {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        })
    }

    pub(super) fn edge(
        &mut self,
        relation: Relation,
        src: At,
        dst: At,
        properties: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), MirrorError> {
        self.making.edge(relation, (src, dst), properties.into_iter().collect())
    }

    /// Finishes every node, and makes one edge of each key.
    pub(super) fn finish(mut self, report: Report, clock: Option<i64>) -> Result<Resolved, MirrorError> {
        let mut open: Vec<At> = self.open.keys().copied().collect();
        open.sort_unstable();
        for at in open {
            self.close(at)?;
        }
        let Self { making, by_uid, open } = self;
        // Before edges are sorted, which takes as much.
        drop((by_uid, open));
        making.finish(report, clock)
    }
}
