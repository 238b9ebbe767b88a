//! The business graph that the sources claim, ready to be compared or written: rows in spools, keys in memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::keys::{EdgeKey, Form, NameHash, NodeKey, discriminator, kind_of, which};
use super::report::{Conflict, Note, Report};
use crate::ontology::{Label, Relation, Value, names};
use crate::snapshot::tables::Tables;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use crate::sources::spool::{Place, Spool};

/// Properties by name, each once.
pub(super) type Properties = Vec<(&'static str, Value)>;

/// The business graph that the sources claim, without `gen` and `deleted_at`, which are the mirror's own bookkeeping.
///
/// A node or edge is known by its position among the keys. Their order is a function of the graph alone: nodes by label
/// and hash of their uid, edges by relation, ends and hash of what tells parallel ones apart; no two of one key.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    rows: Spooled,
    nodes: Vec<NodeKey>,
    edges: Vec<EdgeKey>,
    /// What the sources contradict each other in.
    pub conflicts: Vec<Conflict>,
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// The data's own clock: when the newest row was received, epoch ms; `None` where no source says.
    pub clock: Option<i64>,
}

/// The rows of a graph, properties in order of their names.
#[derive(Debug, Clone, Default)]
struct Spooled {
    nodes: Spool<NodeRow>,
    edges: Spool<Stated>,
}

/// What an edge says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Stated(#[serde(with = "names::pairs")] Properties);

/// A resolved graph as a whole in memory, for whoever needs every row of it at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unspooled {
    /// Nodes by label, in byte order of their uid; properties in order of their names.
    pub nodes: BTreeMap<Label, Vec<NodeRow>>,
    /// Edges by relation, by uids of their ends and their discriminator; no two of one key.
    pub edges: BTreeMap<Relation, Vec<EdgeRow>>,
    /// What the sources contradict each other in.
    pub conflicts: Vec<Conflict>,
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// The data's own clock, epoch ms.
    pub clock: Option<i64>,
}

/// The generation that an empty graph's first rows are written in.
pub const FIRST_GENERATION: i64 = 1;

impl Unspooled {
    /// Number of nodes of a label.
    pub fn node_count(&self, label: Label) -> usize {
        self.nodes.get(&label).map_or(0, Vec::len)
    }

    /// Number of edges of a relation.
    pub fn edge_count(&self, relation: Relation) -> usize {
        self.edges.get(&relation).map_or(0, Vec::len)
    }

    /// See [`Resolved::to_tables`].
    ///
    /// # Errors
    /// When the rows are no graph.
    pub fn into_tables(self) -> Result<Tables, MirrorError> {
        let Self { mut nodes, edges, .. } = self;
        for row in nodes.values_mut().flatten() {
            row.properties.push(("gen", Value::Integer(FIRST_GENERATION)));
        }
        let nodes = nodes.into_iter().map(|(label, rows)| (label.name().to_owned(), rows));
        let edges = edges.into_iter().map(|(relation, rows)| (relation.name().to_owned(), rows));
        Ok(assemble(nodes.collect(), edges.collect())?)
    }
}

impl Resolved {
    /// The tables of this graph as a first run into an empty graph would leave it: every node of generation 1.
    ///
    /// Byte for byte what reading that graph back from the server gives. All of it stands in memory.
    pub fn to_tables(&self) -> Result<Tables, MirrorError> {
        self.unspooled()?.into_tables()
    }

    /// Every row in memory.
    ///
    /// # Errors
    /// When the rows that were kept aside cannot be read.
    pub fn unspooled(&self) -> Result<Unspooled, MirrorError> {
        let mut all = Unspooled {
            conflicts: self.conflicts.clone(),
            notes: self.notes.clone(),
            clock: self.clock,
            ..Unspooled::default()
        };
        let mut uids: Vec<Arc<str>> = Vec::with_capacity(self.nodes.len());
        for (at, key) in (0..).zip(&self.nodes) {
            let row = self.node(at)?;
            uids.push(Arc::clone(&row.uid));
            let label = key.label().expect("the sources name labels of the ontology");
            all.nodes.entry(label).or_default().push(row);
        }
        for (at, key) in (0..).zip(&self.edges) {
            let (src, dst) = (Arc::clone(&uids[key.src as usize]), Arc::clone(&uids[key.dst as usize]));
            let row = EdgeRow { src, dst, properties: self.edge(at)? };
            all.edges.entry(key.relation()).or_default().push(row);
        }
        for rows in all.nodes.values_mut() {
            rows.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        }
        for (relation, rows) in &mut all.edges {
            let which = |row: &EdgeRow| discriminator(*relation, &row.properties).map(str::to_owned);
            rows.sort_unstable_by(|a, b| {
                (&a.src, &a.dst).cmp(&(&b.src, &b.dst)).then_with(|| which(a).cmp(&which(b)))
            });
        }
        Ok(all)
    }

    /// Number of nodes of a label.
    pub fn node_count(&self, label: Label) -> usize {
        self.nodes_of(label).len()
    }

    /// Number of edges of a relation.
    pub fn edge_count(&self, relation: Relation) -> usize {
        self.edges_of(relation).len()
    }

    /// Positions of the nodes of a label.
    pub(super) fn nodes_of(&self, label: Label) -> Range<u32> {
        let before = |kind| self.nodes.partition_point(|key| key.kind() < kind) as u32;
        before(kind_of(label))..before(kind_of(label) + 1)
    }

    /// Position of the node of a label and name.
    pub(super) fn find(&self, label: Label, name: NameHash) -> Option<u32> {
        let range = self.nodes_of(label);
        let keys = &self.nodes[range.start as usize..range.end as usize];
        let at = keys.binary_search_by_key(&name, |key| key.name).ok()?;
        Some(range.start + at as u32)
    }

    /// Positions of the edges of a relation.
    pub(super) fn edges_of(&self, relation: Relation) -> Range<u32> {
        let before = |nth| self.edges.partition_point(|key| (key.relation() as u32) < nth) as u32;
        before(relation as u32)..before(relation as u32 + 1)
    }

    pub(super) fn edge_keys(&self) -> &[EdgeKey] {
        &self.edges
    }

    pub(super) fn node_key(&self, at: u32) -> NodeKey {
        self.nodes[at as usize]
    }

    pub(super) fn edge_key(&self, at: u32) -> EdgeKey {
        self.edges[at as usize]
    }

    /// The row of a node.
    pub(super) fn node(&self, at: u32) -> Result<NodeRow, MirrorError> {
        Ok(self.rows.nodes.get(self.node_key(at).place())?)
    }

    /// The rows of all nodes, in any order; of one that was added to, what it was before as well.
    pub(super) fn node_rows(&self) -> impl Iterator<Item = Result<NodeRow, MirrorError>> {
        self.rows.nodes.iter().map(|row| Ok(row?))
    }

    /// The properties of an edge.
    pub(super) fn edge(&self, at: u32) -> Result<Properties, MirrorError> {
        self.rows.stated(self.edge_key(at).place())
    }
}

/// A graph while its rows are made, in any order, nodes by numbers that edges refer to.
#[derive(Debug, Default)]
pub(super) struct Making {
    rows: Spooled,
    /// By number.
    nodes: Vec<NodeKey>,
    /// Ends are numbers of nodes. Aside, too: they are sorted when what else is needed meanwhile is gone.
    edges: Spool<EdgeKey>,
}

impl Making {
    /// Writes rows to disk once there are more than `buffer` bytes of them.
    #[cfg(test)]
    fn buffered(buffer: usize) -> Self {
        let rows = Spooled { nodes: Spool::buffered(buffer), edges: Spool::buffered(buffer) };
        Self { rows, edges: Spool::buffered(buffer), ..Self::default() }
    }

    /// Adds a node and tells the number that edges call it by; its row is to [follow](Self::node).
    pub(super) fn number(&mut self, label: Label, name: NameHash) -> u32 {
        self.nodes.push(NodeKey::unwritten(kind_of(label), name));
        self.nodes.len() as u32 - 1
    }

    /// Number of nodes.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn key(&self, number: u32) -> NodeKey {
        self.nodes[number as usize]
    }

    /// Gives a node its row, or another one.
    pub(super) fn node(&mut self, number: u32, mut row: NodeRow) -> Result<(), MirrorError> {
        row.properties.sort_unstable_by_key(|(name, _)| *name);
        let located = row.properties.iter().any(|(_, value)| matches!(value, Value::Point { .. }));
        let form = Form::of(&row.labels, located);
        let place = self.rows.nodes.push(&row)?;
        let key = &mut self.nodes[number as usize];
        *key = NodeKey::new(key.kind(), key.name, form, place);
        Ok(())
    }

    /// The row of a node that was given one.
    pub(super) fn row(&self, number: u32) -> Result<NodeRow, MirrorError> {
        Ok(self.rows.nodes.get(self.key(number).place())?)
    }

    /// Adds an edge between two numbers; one of each key stays in the end.
    pub(super) fn edge(
        &mut self,
        relation: Relation,
        ends: (u32, u32),
        mut properties: Properties,
    ) -> Result<(), MirrorError> {
        properties.sort_unstable_by_key(|(name, _)| *name);
        let which = which(discriminator(relation, &properties));
        let place = self.rows.edges.push(&Stated(properties))?;
        self.edges.push(&EdgeKey::new(relation, ends, which, place))?;
        Ok(())
    }

    /// Sorts the keys and makes one edge of each.
    pub(super) fn finish(self, report: Report, clock: Option<i64>) -> Result<Resolved, MirrorError> {
        let Self { mut rows, mut nodes, edges: drafted } = self;
        assert!(nodes.iter().all(|key| key.is_written()), "every node is given its row");
        nodes.shrink_to_fit();
        let position = sort(&mut nodes);
        let mut edges = Vec::with_capacity(drafted.len());
        for key in &drafted {
            let mut key = key?;
            key.src = position[key.src as usize];
            key.dst = position[key.dst as usize];
            edges.push(key);
        }
        drop((position, drafted));
        edges.sort_unstable_by_key(|key| key.identity());
        rows.absorb(&mut edges)?;
        edges.shrink_to_fit();
        let (notes, conflicts) = report.close();
        Ok(Resolved { rows, nodes, edges, conflicts, notes, clock })
    }
}

/// Sorts keys where they are, and tells where each of them went.
pub(super) fn sort(keys: &mut [NodeKey]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_unstable_by_key(|&number| keys[number as usize]);
    let mut position = vec![0; keys.len()];
    for (at, &number) in (0..).zip(&order) {
        position[number as usize] = at;
    }
    for start in 0..keys.len() {
        // Along one cycle after the other, each key to its place.
        let mut at = start;
        while order[at] as usize != start {
            let from = std::mem::replace(&mut order[at], at as u32) as usize;
            keys.swap(at, from);
            at = from;
        }
        order[at] = at as u32;
    }
    position
}

impl Spooled {
    fn stated(&self, place: Place) -> Result<Properties, MirrorError> {
        let Stated(properties) = self.edges.get(place)?;
        Ok(properties)
    }

    /// Makes one edge of those that nothing tells apart.
    fn absorb(&mut self, keys: &mut Vec<EdgeKey>) -> Result<(), MirrorError> {
        let (mut kept, mut from) = (0, 0);
        while from < keys.len() {
            let first = keys[from].identity();
            let run = keys[from..].iter().take_while(|key| key.identity() == first).count();
            if run == 1 {
                keys[kept] = keys[from];
                kept += 1;
            } else {
                for edge in self.merged(&keys[from..from + run])? {
                    keys[kept] = edge;
                    kept += 1;
                }
            }
            from += run;
        }
        keys.truncate(kept);
        Ok(())
    }

    /// One edge of each discriminator, where hashes are alike.
    fn merged(&mut self, keys: &[EdgeKey]) -> Result<Vec<EdgeKey>, MirrorError> {
        let relation = keys[0].relation();
        let which = |edge: &Properties| discriminator(relation, edge).map(str::to_owned);
        let mut edges = keys.iter().map(|key| self.stated(key.place())).collect::<Result<Vec<_>, _>>()?;
        edges.sort_unstable_by(|a, b| which(a).cmp(&which(b)).then_with(|| earlier(a, b)));
        let mut merged: Vec<Properties> = Vec::new();
        for edge in edges {
            match merged.last_mut() {
                Some(last) if which(last) == which(&edge) => absorb(last, edge),
                _ => merged.push(edge),
            }
        }
        let (ends, which) = ((keys[0].src, keys[0].dst), keys[0].which);
        merged
            .into_iter()
            .map(|edge| Ok(EdgeKey::new(relation, ends, which, self.edges.push(&Stated(edge))?)))
            .collect()
    }
}

/// Order among edges of one key: the earliest first, undated ones last, then by what they say.
fn earlier(one: &Properties, other: &Properties) -> Ordering {
    let at = |edge: &Properties| match edge.iter().find(|(name, _)| *name == "timestamp") {
        Some((_, Value::Instant(ms))) => (false, *ms),
        _ => (true, 0),
    };
    at(one).cmp(&at(other)).then_with(|| {
        let pairs = one.iter().zip(other);
        let unequal = pairs.map(|(a, b)| a.0.cmp(b.0).then_with(|| order(&a.1, &b.1))).find(|o| o.is_ne());
        unequal.unwrap_or_else(|| other.len().cmp(&one.len()))
    })
}

/// Takes what a later edge of the same key knows more, and its weight where that is greater.
fn absorb(edge: &mut Properties, later: Properties) {
    for (name, value) in later {
        match (edge.binary_search_by_key(&name, |(name, _)| name), value) {
            (Err(place), value) => edge.insert(place, (name, value)),
            (Ok(place), Value::Float(theirs)) if name == "weight" => {
                if let (_, Value::Float(mine)) = &mut edge[place] {
                    *mine = mine.max(theirs);
                }
            }
            (Ok(_), _) => {}
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

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
