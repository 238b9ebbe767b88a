//! The tables of a snapshot, checked and indexed as one graph.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use polars::prelude::{Column, DataFrame};
use polars_buffer::Buffer;

use super::adjacency::BothWays;
use super::{Deleted, GraphBuilder, GraphError, NodeId, Sources};
use crate::snapshot::tables::{NAME, TIMESTAMP, Tables, UID, microseconds};

/// The nodes of one label.
#[derive(Debug)]
pub(super) struct NodeTable {
    pub label: String,
    /// Dense id of its first row.
    pub start: usize,
    pub frame: DataFrame,
}

/// The edges of one relation; row `i` of the frame is edge `i`.
#[derive(Debug)]
pub struct EdgeTable {
    /// The relation.
    pub relation: String,
    /// Dense id of the source, by row.
    pub src: Sources,
    /// Dense id of the target, by row.
    pub dst: Buffer<u32>,
    /// The properties as frozen, without the ends.
    pub frame: DataFrame,
    /// Number of its first edge, counted through all relations.
    pub(super) first: u32,
    pub(super) ways: OnceLock<BothWays>,
}

impl EdgeTable {
    /// Number of edges.
    pub fn len(&self) -> usize {
        self.src.len()
    }

    /// Whether the relation has no edge.
    pub fn is_empty(&self) -> bool {
        self.src.is_empty()
    }

    /// Its edges sorted both ways over all `nodes` of the graph: made once, then shared.
    pub(super) fn ways(&self, nodes: usize) -> &BothWays {
        self.ways.get_or_init(|| BothWays::directed(nodes, &self.src, &self.dst))
    }

    /// When each edge happened, microseconds UTC by row; `None` where the relation carries no times. O(edges).
    pub fn timestamps(&self) -> Option<Vec<Option<i64>>> {
        microseconds(self.frame.column(TIMESTAMP).ok()?).ok()
    }
}

/// A snapshot as a graph: nodes by dense id and uid, edges by relation.
///
/// Memory: the tables themselves, an edge's two ends in 8 bytes, of a relation that is sorted and has many edges for the
/// nodes there are in 4 and 4 per node. Lookup by uid is a binary search per label, so no index
/// of uids is kept.
///
/// ```
/// use polars::prelude::df;
/// use sonograph::graph::{BusinessGraph, NodeId, Projection};
/// use sonograph::snapshot::tables::Tables;
///
/// let mut tables = Tables::default();
/// tables.nodes.insert("Person".into(), df!("node" => [0i64, 1], "uid" => ["ana", "ben"], "name" => ["Ana", "Ben"])?);
/// tables.edges.insert("FOLLOWS".into(), df!("src" => [0i64], "dst" => [1i64])?);
/// let graph = BusinessGraph::build(tables)?;
///
/// assert_eq!(graph.node("ben"), Some(NodeId(1)));
/// let follows = graph.project(&Projection::of(["FOLLOWS"]))?;
/// assert_eq!(follows.csr.out_neighbors(NodeId(0)), &[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BusinessGraph {
    pub(super) nodes: Vec<NodeTable>,
    pub(super) edges: Vec<EdgeTable>,
    pub(super) companions: BTreeMap<String, DataFrame>,
    /// Further label → its nodes, rising.
    pub(super) further: BTreeMap<String, Vec<u32>>,
    pub(super) count: usize,
    pub(super) undirected: bool,
    pub(super) deleted: Deleted,
    pub(super) as_of: Option<i64>,
}

impl BusinessGraph {
    /// Checks the tables and indexes them, without nodes that are marked as deleted and the edges at them. O(nodes + edges).
    ///
    /// Dense ids are those of the snapshot where no node is marked; else the nodes that stay are numbered anew.
    ///
    /// # Errors
    ///
    /// When the tables are not in canonical order ([`Tables`]), an edge leads nowhere, or a column is missing.
    pub fn build(tables: Tables) -> Result<Self, GraphError> {
        Self::index(tables, false)
    }

    /// The same with every node, marked as deleted or not: for copying a snapshot, not for studying it.
    ///
    /// # Errors
    ///
    /// As [`BusinessGraph::build`].
    pub fn whole(tables: Tables) -> Result<Self, GraphError> {
        Self::index(tables, true)
    }

    fn index(tables: Tables, with_deleted: bool) -> Result<Self, GraphError> {
        let Tables { nodes, edges, companions, undirected } = tables;
        let mut builder = GraphBuilder::of(nodes, undirected, with_deleted)?;
        for (relation, frame) in edges {
            builder.edges(&relation, frame.height(), [Ok::<_, GraphError>(frame)])?;
        }
        Ok(builder.finish(companions))
    }

    /// What the tables hold beside this graph: nodes marked as deleted, and the edges at them.
    pub fn deleted(&self) -> Deleted {
        self.deleted
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.count
    }

    /// Number of edges over all relations.
    pub fn edge_count(&self) -> usize {
        self.edges.iter().map(EdgeTable::len).sum()
    }

    /// Whether every edge stands for both directions, by what the snapshot remembers.
    pub fn is_undirected(&self) -> bool {
        self.undirected
    }

    /// The labels that nodes are filed under, by name.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.nodes.iter().map(|t| t.label.as_str())
    }

    /// The label that all nodes are filed under; `None` where there are several, or no node.
    pub fn only_label(&self) -> Option<&str> {
        if let [table] = &self.nodes[..] { Some(&table.label) } else { None }
    }

    /// Labels that nodes carry beside the one they are filed under, by name.
    pub fn further_labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.further.keys().map(String::as_str)
    }

    /// The relations, by name; those of [`BusinessGraph::edge_tables`], in their order.
    pub fn relations(&self) -> impl ExactSizeIterator<Item = &str> {
        self.edges.iter().map(|t| t.relation.as_str())
    }

    /// The edges of one relation; `None` where the graph has no such relation.
    pub fn edges(&self, relation: &str) -> Option<&EdgeTable> {
        self.edges.iter().find(|t| t.relation == relation)
    }

    /// All edge tables, in the order of [`BusinessGraph::relations`].
    pub fn edge_tables(&self) -> &[EdgeTable] {
        &self.edges
    }

    /// A companion table, for example `touchpoints`.
    pub fn companion(&self, name: &str) -> Option<&DataFrame> {
        self.companions.get(name)
    }

    /// The node with this uid. O(labels · log nodes).
    pub fn node(&self, uid: &str) -> Option<NodeId> {
        self.nodes.iter().find_map(|table| {
            let uids = table.text(UID);
            let row = partition_point(table.frame.height(), |row| uids.get(row).is_some_and(|u| u < uid));
            (row < table.frame.height() && uids.get(row) == Some(uid))
                .then(|| NodeId((table.start + row) as u32))
        })
    }

    /// The uid of a node.
    ///
    /// # Panics
    ///
    /// Here and in every method that takes a [`NodeId`]: when the id is not of this graph.
    pub fn uid(&self, node: NodeId) -> &str {
        let (table, row) = self.locate(node);
        table.text(UID).get(row).expect("build checked that every node has a uid")
    }

    /// The display name of a node; its uid where it has none.
    pub fn name(&self, node: NodeId) -> &str {
        let (table, row) = self.locate(node);
        let name = table.frame.column(NAME).ok().and_then(|c| c.str().ok()).and_then(|c| c.get(row));
        name.unwrap_or_else(|| self.uid(node))
    }

    /// The label a node is filed under: its vertex.
    pub fn label(&self, node: NodeId) -> &str {
        &self.locate(node).0.label
    }

    /// The row of a node within the table of its label, as in [`BusinessGraph::property`].
    pub fn row(&self, node: NodeId) -> usize {
        self.locate(node).1
    }

    /// Whether a node is filed under `label` or carries it beside.
    pub fn has_label(&self, node: NodeId, label: &str) -> bool {
        self.label(node) == label
            || self.further.get(label).is_some_and(|nodes| nodes.binary_search(&node.0).is_ok())
    }

    /// The nodes that are filed under `label` or carry it beside, rising.
    pub fn nodes_with(&self, label: &str) -> Vec<NodeId> {
        let filed = self.nodes.iter().find(|t| t.label == label);
        let filed = filed.map_or(0..0, |t| t.start as u32..(t.start + t.frame.height()) as u32);
        let beside = self.further.get(label).map_or(&[][..], Vec::as_slice);
        let mut all: Vec<NodeId> = filed.chain(beside.iter().copied()).map(NodeId).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The nodes filed under `label` as a frame `node, uid, name, properties…`.
    pub fn node_frame(&self, label: &str) -> Option<&DataFrame> {
        self.nodes.iter().find(|t| t.label == label).map(|t| &t.frame)
    }

    /// A property of the nodes filed under `label`, by [`BusinessGraph::row`].
    pub fn property(&self, label: &str, name: &str) -> Option<&Column> {
        self.node_frame(label)?.column(name).ok()
    }

    /// The data's own clock, microseconds UTC: its newest attendance, interest, share or follow; where it knows none
    /// of these relations, the newest time of any edge; those at deleted nodes count. `None` where no edge has a time.
    pub fn as_of(&self) -> Option<i64> {
        self.as_of
    }

    fn locate(&self, node: NodeId) -> (&NodeTable, usize) {
        assert!(node.index() < self.count, "node {node} is not of this graph of {} nodes", self.count);
        let table = &self.nodes[self.nodes.partition_point(|t| t.start <= node.index()) - 1];
        (table, node.index() - table.start)
    }
}

impl NodeTable {
    fn text(&self, column: &str) -> &polars::prelude::StringChunked {
        let column = self.frame.column(column).expect("build checked that the column is there");
        column.str().expect("build checked that the column is text")
    }
}

/// The first row that does not satisfy `before`, where those that do come first.
fn partition_point(rows: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = usize::midpoint(low, high);
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
pub(super) mod tests {
    use polars::prelude::{DataType, IntoColumn, NamedFrom, Series, TimeUnit, TimeZone, df};

    use super::*;
    use crate::snapshot::tables::LABELS;

    /// Two events, an artist who is also a fan, a fan; one follow, three attendances of which one has no time.
    pub(in crate::graph) fn small() -> Tables {
        let day = |d: i64| Some(d * 86_400_000_000);
        let timed = |frame: DataFrame, times: &[Option<i64>]| {
            let times = Series::new(TIMESTAMP.into(), times);
            let times = times.cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)));
            let mut frame = frame;
            frame.with_column(times.expect("integers become times").into_column()).expect("same height");
            frame
        };
        let labels = Series::new(
            LABELS.into(),
            [Series::new("".into(), ["Artist", "Fan"]), Series::new("".into(), ["Fan"])],
        );
        let mut people =
            df!("node" => [2i64, 3], "uid" => ["ana", "ben"], "name" => [Some("Ana"), None]).expect("frame");
        people.with_column(labels.into_column()).expect("same height");
        let events =
            df!("node" => [0i64, 1], "uid" => ["e1", "e2"], "name" => ["One", "Two"]).expect("frame");
        let attended =
            df!("src" => [2i64, 3, 3], "dst" => [0i64, 0, 1], "weight" => [Some(2.0), None, Some(0.5)])
                .expect("frame");
        let hosts = df!("src" => [0i64], "dst" => [1i64]).expect("frame");
        let follows = df!("src" => [3i64], "dst" => [2i64]).expect("frame");
        Tables {
            nodes: BTreeMap::from([("Event".into(), events), ("Person".into(), people)]),
            edges: BTreeMap::from([
                ("ATTENDED".into(), timed(attended, &[day(10), day(20), None])),
                ("FOLLOWS".into(), timed(follows, &[day(15)])),
                ("HOSTS".into(), timed(hosts, &[day(99)])),
            ]),
            ..Tables::default()
        }
    }

    #[test]
    fn nodes_are_found_by_uid_id_and_label() {
        let graph = BusinessGraph::build(small()).expect("a graph");
        assert_eq!((graph.node_count(), graph.edge_count()), (4, 5));
        for node in (0..4).map(NodeId) {
            assert_eq!(graph.node(graph.uid(node)), Some(node));
        }
        assert_eq!(graph.node("nobody"), None);
        assert_eq!((graph.name(NodeId(2)), graph.name(NodeId(3))), ("Ana", "ben"));
        assert_eq!((graph.label(NodeId(1)), graph.row(NodeId(3))), ("Event", 1));
        assert_eq!(graph.nodes_with("Fan"), [NodeId(2), NodeId(3)]);
        assert_eq!(graph.nodes_with("Person"), [NodeId(2), NodeId(3)]);
        assert!(graph.has_label(NodeId(2), "Artist") && !graph.has_label(NodeId(3), "Artist"));
        assert_eq!(graph.property("Event", "name").map(Column::len), Some(2));
    }

    #[test]
    fn the_clock_of_the_data_ignores_dates_of_events_to_come() {
        let graph = BusinessGraph::build(small()).expect("a graph");
        assert_eq!(graph.as_of(), Some(20 * 86_400_000_000));
        let mut tables = small();
        tables.edges.retain(|relation, _| relation == "HOSTS");
        assert_eq!(BusinessGraph::build(tables).expect("a graph").as_of(), Some(99 * 86_400_000_000));
    }

    #[test]
    fn tables_out_of_canonical_order_are_refused_with_their_row() {
        let refused = |change: &dyn Fn(&mut Tables)| {
            let mut tables = small();
            change(&mut tables);
            BusinessGraph::build(tables).expect_err("refused").to_string()
        };
        let events = |uids: [&str; 2], ids: [i64; 2]| df!("node" => ids, "uid" => uids).expect("frame");
        assert_eq!(
            refused(&|t| drop(t.nodes.insert("Event".into(), events(["e2", "e1"], [0, 1])))),
            "row 1 of `Event` has no uid, or one that is not after the uid before it"
        );
        assert_eq!(
            refused(&|t| drop(t.nodes.insert("Event".into(), events(["e1", "e2"], [0, 2])))),
            "row 1 of `Event` has node id 2, expected 1"
        );
        let far = df!("src" => [0i64], "dst" => [4i64]).expect("frame");
        assert_eq!(
            refused(&|t| drop(t.edges.insert("HOSTS".into(), far.clone()))),
            "row 0 of `HOSTS` has dst 4, outside the 4 nodes"
        );
    }
}
