//! Compressed sparse rows, both directions, parallel edges and self-loops kept.

use std::fmt;
use std::ops::Range;

use polars_buffer::Buffer;

use super::adjacency::{Adjacency, BothWays};
use super::{Sources, Weights};

/// A dense node id within one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into per-node arrays.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A directed multigraph over the dense ids `0..node_count`, with its transpose.
///
/// Edges are numbered by source and, within one, by their place in the list the graph was built from. So the edges that
/// leave a node have numbers in a row, and whatever is kept by edge number (weights, properties) lies in the order in
/// which the adjacency is walked. The undirected view numbers its edges likewise.
///
/// Memory: 8 bytes per edge and 8 per node, undirected 16 per edge and 4 per node; weights are 4 bytes per edge where
/// single precision loses nothing, else 8. What edge an arc that enters a node is takes 4 bytes per edge more: where there
/// are weights, or edges were not sorted by source, or once [`Csr::in_edges`] is asked.
#[derive(Debug, Clone, Default)]
pub struct Csr {
    pub(super) out: Adjacency,
    pub(super) into: Adjacency,
    pub(super) weights: Weights,
    pub(super) edges: usize,
    pub(super) undirected: bool,
}

impl Csr {
    /// Builds a directed graph from `(src, dst)` pairs, with one weight per pair or none. Arcs that enter a node come in the
    /// order of their edges. O(nodes + edges) time; without weights no memory but the graph's own.
    ///
    /// ```
    /// use sonograph::graph::{Csr, NodeId};
    ///
    /// let graph = Csr::directed(3, &[(2, 0), (0, 1), (0, 1)], vec![0.5, 1.0, 2.0]);
    /// assert_eq!(graph.out_neighbors(NodeId(0)), &[1, 1]);
    /// let weights: Vec<f64> = graph.out_edges(NodeId(0)).map(|edge| graph.weight(edge)).collect();
    /// assert_eq!(weights, [1.0, 2.0]);
    /// ```
    ///
    /// # Panics
    ///
    /// When an id is not below `nodes`, or `weights` is neither empty nor as long as `edges`.
    pub fn directed(nodes: usize, edges: &[(u32, u32)], weights: Vec<f64>) -> Self {
        Self::of_pairs(nodes, edges, weights)
    }

    /// [`Csr::directed`] of pairs that nobody needs any more: they go before the second direction is made.
    ///
    /// # Panics
    ///
    /// As [`Csr::directed`].
    pub fn of_pairs(nodes: usize, edges: impl AsRef<[(u32, u32)]>, weights: Vec<f64>) -> Self {
        let count = edges.as_ref().len();
        assert!(weights.is_empty() || weights.len() == count, "one weight per edge, or none");
        let ways = BothWays::pairs(nodes, edges, !weights.is_empty());
        Self::of_ways(ways, count, Weights::exact(weights), false).0
    }

    /// Builds the undirected view: every pair stands for an arc each way, a self-loop for one arc. O(nodes + edges).
    ///
    /// # Panics
    ///
    /// As [`Csr::directed`].
    pub fn undirected(nodes: usize, edges: &[(u32, u32)], weights: Vec<f64>) -> Self {
        let (src, dst): (Vec<u32>, Vec<u32>) = edges.iter().copied().unzip();
        Self::of_list(nodes, src, &dst.into(), Weights::exact(weights), true).0
    }

    /// Builds a graph from columns of ends, and says which edge each entry became; `None`: entry `i` is edge `i`.
    ///
    /// # Panics
    ///
    /// As [`Csr::directed`].
    pub(super) fn of_list(
        nodes: usize,
        src: Vec<u32>,
        dst: &Buffer<u32>,
        weights: Weights,
        undirected: bool,
    ) -> (Self, Option<Vec<u32>>) {
        assert!(src.len() == dst.len(), "one source and one target per edge");
        assert!(u32::try_from(src.len() * 2).is_ok(), "at most 2^31 edges");
        let src = Sources::listed(src.into());
        let ways = if undirected {
            BothWays::undirected(nodes, &src, dst)
        } else {
            BothWays::directed(nodes, &src, dst)
        };
        Self::of_ways(ways, src.len(), weights, undirected)
    }

    /// The graph of sorted arcs, with weights by place in the list they were sorted from.
    pub(super) fn of_ways(
        ways: BothWays,
        edges: usize,
        weights: Weights,
        undirected: bool,
    ) -> (Self, Option<Vec<u32>>) {
        assert!(weights.count().is_none_or(|count| count == edges), "one weight per edge, or none");
        if weights.count().is_some() {
            // What weighs an arc that enters a node is found by its edge.
            ways.number();
        }
        let BothWays { out, into, edge_of } = ways;
        let weights = match &edge_of {
            Some(edge_of) => weights.placed(edge_of),
            None => weights,
        };
        (Self { out, into, weights, edges, undirected }, edge_of)
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.out.offsets.len() - 1
    }

    /// Number of edges as built: an undirected edge counts once.
    pub fn edge_count(&self) -> usize {
        self.edges
    }

    /// Number of arcs that can be followed.
    pub fn arc_count(&self) -> usize {
        self.out.ends.len()
    }

    /// Whether every edge can be followed both ways.
    pub fn is_undirected(&self) -> bool {
        self.undirected
    }

    /// Whether edges carry weights of their own.
    pub fn is_weighted(&self) -> bool {
        self.weights.count().is_some()
    }

    /// Bytes that the graph holds on to, what it shares with its table included.
    pub fn bytes(&self) -> usize {
        let of = |a: &Adjacency| 4 * (a.offsets.len() + a.ends.len()) + a.edges.bytes();
        // The two directions of an undirected graph are one.
        of(&self.out) + if self.undirected { 0 } else { of(&self.into) } + self.weights.bytes()
    }

    /// All node ids.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.node_count() as u32).map(NodeId)
    }

    /// Targets of the arcs that leave `v`, parallel ones repeated.
    pub fn out_neighbors(&self, v: NodeId) -> &[u32] {
        &self.out.ends[self.out.range(v)]
    }

    /// Sources of the arcs that enter `v`, parallel ones repeated.
    pub fn in_neighbors(&self, v: NodeId) -> &[u32] {
        &self.into.ends[self.into.range(v)]
    }

    /// Edges behind the arcs that leave `v`, in the order of [`Csr::out_neighbors`].
    pub fn out_edges(&self, v: NodeId) -> EdgeIds<'_> {
        self.out.edges_at(v, &self.out)
    }

    /// Edges behind the arcs that enter `v`, in the order of [`Csr::in_neighbors`].
    pub fn in_edges(&self, v: NodeId) -> EdgeIds<'_> {
        self.into.edges_at(v, &self.out)
    }

    /// Number of arcs that leave `v`.
    pub fn out_degree(&self, v: NodeId) -> usize {
        self.out.range(v).len()
    }

    /// Number of arcs that enter `v`.
    pub fn in_degree(&self, v: NodeId) -> usize {
        self.into.range(v).len()
    }

    /// Weight of an edge.
    pub fn weight(&self, edge: u32) -> f64 {
        self.weights.of(edge)
    }

    /// What all edges weigh, for a kernel that reads weights in its inner loop.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The same arcs, each edge with the weight that `of` makes of its own. O(edges).
    ///
    /// ```
    /// use sonograph::graph::Csr;
    ///
    /// let graph = Csr::directed(2, &[(0, 1), (1, 0)], vec![0.5, 2.0]);
    /// assert_eq!(graph.reweighted(|weight| weight * 4.0).weight(1), 8.0);
    /// ```
    #[must_use]
    pub fn reweighted(&self, of: impl Fn(f64) -> f64) -> Self {
        let weights = (0..self.edges as u32).map(|edge| of(self.weight(edge))).collect();
        Self { weights: Weights::exact(weights), ..self.clone() }
    }

    /// The same graph with every weight rounded to single precision: 4 bytes per edge less where they were not already.
    #[must_use]
    pub fn with_rounded_weights(&self) -> Self {
        Self { weights: self.weights.rounded(), ..self.clone() }
    }
}

impl Adjacency {
    fn range(&self, v: NodeId) -> Range<usize> {
        self.offsets[v.index()] as usize..self.offsets[v.index() + 1] as usize
    }

    fn edges_at<'a>(&'a self, v: NodeId, out: &Self) -> EdgeIds<'a> {
        let range = self.range(v);
        EdgeIds(match self.numbers(out) {
            None => Ids::Run(range.start as u32..range.end as u32),
            Some(edges) => Ids::Listed(edges[range].iter()),
        })
    }
}

/// The same arcs in the same order, with the same edges and weights behind them.
impl PartialEq for Csr {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Adjacency, b: &Adjacency| a.offsets == b.offsets && a.ends == b.ends;
        same(&self.out, &other.out)
            && same(&self.into, &other.into)
            && (self.edges, self.undirected) == (other.edges, other.undirected)
            && self.weights == other.weights
            && self
                .nodes()
                .all(|v| self.out_edges(v).eq(other.out_edges(v)) && self.in_edges(v).eq(other.in_edges(v)))
    }
}

/// The edges at a node.
#[derive(Debug, Clone)]
pub struct EdgeIds<'a>(Ids<'a>);

#[derive(Debug, Clone)]
enum Ids<'a> {
    Run(Range<u32>),
    Listed(std::slice::Iter<'a, u32>),
}

impl<'a> EdgeIds<'a> {
    pub(super) fn none() -> Self {
        Self(Ids::Run(0..0))
    }

    /// The edges as numbers in a row, or as they are listed: for a kernel whose inner loop should not ask at every edge.
    pub fn as_run(&self) -> Result<Range<usize>, &'a [u32]> {
        match &self.0 {
            Ids::Run(run) => Ok(run.start as usize..run.end as usize),
            Ids::Listed(list) => Err(list.as_slice()),
        }
    }
}

impl Iterator for EdgeIds<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match &mut self.0 {
            Ids::Run(run) => run.next(),
            Ids::Listed(list) => list.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Ids::Run(run) => run.size_hint(),
            Ids::Listed(list) => list.size_hint(),
        }
    }
}

impl ExactSizeIterator for EdgeIds<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a node sees of a list, by looking through all of it: neighbours and weights, in the order of edges.
    fn seen(list: &[(u32, u32)], weights: &[f64], both: bool, v: u32, backward: bool) -> Vec<(u32, f64)> {
        let mut seen = Vec::new();
        for (i, &(s, t)) in list.iter().enumerate() {
            let weight = weights.get(i).copied().unwrap_or(1.0);
            let (from, to) = if backward { (t, s) } else { (s, t) };
            // An undirected edge is met from its source first where it is met from both.
            if both && s != t {
                seen.extend((s == v).then_some((t, weight)));
                seen.extend((t == v).then_some((s, weight)));
            } else {
                seen.extend((from == v).then_some((to, weight)));
            }
        }
        if backward && !both {
            seen.sort_by_key(|&(from, _)| from);
        }
        seen
    }

    fn check(nodes: usize, list: &[(u32, u32)], weights: &[f64]) {
        for both in [false, true] {
            let build = if both { Csr::undirected } else { Csr::directed };
            let graph = build(nodes, list, weights.to_vec());
            assert_eq!((graph.node_count(), graph.edge_count()), (nodes, list.len()));
            let mut met = vec![0; list.len()];
            for v in graph.nodes() {
                let told = |ends: &[u32], edges: EdgeIds<'_>| -> Vec<(u32, f64)> {
                    assert_eq!(ends.len(), edges.len());
                    ends.iter().zip(edges).map(|(&w, edge)| (w, graph.weight(edge))).collect()
                };
                let out = told(graph.out_neighbors(v), graph.out_edges(v));
                assert_eq!(out, seen(list, weights, both, v.0, false));
                let into = told(graph.in_neighbors(v), graph.in_edges(v));
                assert_eq!(into, seen(list, weights, both, v.0, true));
                graph.out_edges(v).for_each(|edge| met[edge as usize] += 1);
                if !both {
                    assert!(graph.out_edges(v).is_sorted());
                }
            }
            let arcs = |(s, t): &(u32, u32)| if both && s != t { 2 } else { 1 };
            assert_eq!(met.iter().sum::<i32>(), list.iter().map(arcs).sum::<i32>());
            assert!(met.iter().all(|&times| times > 0));
        }
    }

    proptest! {
        #[test]
        fn every_node_sees_the_edges_of_the_list_in_its_order(
            nodes in 1u32..30,
            list in proptest::collection::vec((0u32..30, 0u32..30, 0u8..40), 0..120),
            is_sorted: bool, is_weighted: bool,
        ) {
            let mut list: Vec<_> = list.into_iter().map(|(s, t, w)| (s % nodes, t % nodes, w)).collect();
            if is_sorted {
                list.sort_unstable();
            }
            let pairs: Vec<_> = list.iter().map(|&(s, t, _)| (s, t)).collect();
            let weights = list.iter().map(|&(_, _, w)| f64::from(w) / 10.0);
            check(nodes as usize, &pairs, &if is_weighted { weights.collect() } else { vec![] });
        }
    }

    /// So many that threads share the work.
    fn many() -> (usize, Vec<(u32, u32)>) {
        let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
        let nodes = 5_000;
        // A third of all arcs enter node 7: a hub that no range can halve.
        let target = |i: u32| if i.is_multiple_of(3) { 7 } else { hash(!i) % nodes };
        (nodes as usize, (0..200_000).map(|i| (hash(i) % nodes, target(i))).collect())
    }

    #[test]
    fn any_number_of_threads_builds_the_same_graph() {
        let (nodes, list) = many();
        let weights: Vec<f64> = (0..list.len()).map(|i| i as f64 / 7.0).collect();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                [Csr::directed, Csr::undirected].map(|build| build(nodes, &list, weights.clone()))
            })
        };
        let alone = on(1);
        for threads in [2, 3, 8, 11] {
            assert!(on(threads) == alone, "{threads} threads build another graph");
        }
        let found: usize = alone[0].nodes().map(|v| alone[0].in_degree(v)).sum();
        assert_eq!((found, alone[0].in_degree(NodeId(7)) > list.len() / 3), (list.len(), true));
    }

    #[test]
    fn weights_are_kept_exactly_and_in_four_bytes_where_that_is_exact() {
        let list = [(1, 0), (0, 1), (0, 0)];
        let halves = Csr::directed(2, &list, vec![0.5, 1.0, 2.0]);
        let tenths = Csr::directed(2, &list, vec![0.1, 1.6, 2.0]);
        assert_eq!(tenths.bytes() - halves.bytes(), 4 * list.len());
        let sum: f64 = tenths.out_edges(NodeId(0)).map(|edge| tenths.weight(edge)).sum();
        assert!((sum - 3.6).abs() < 1e-15);
        let rounded = tenths.with_rounded_weights();
        assert_eq!(rounded.bytes(), halves.bytes());
        assert_eq!((rounded.weight(0), rounded.weight(2)), (f64::from(1.6f32), f64::from(0.1f32)));
    }

    #[test]
    fn both_directions_with_a_weight_take_at_most_seventeen_bytes_an_edge() {
        let (nodes, list) = many();
        let graph = Csr::directed(nodes, &list, (0..list.len()).map(|i| (i % 64) as f64 / 4.0).collect());
        assert!(graph.bytes() <= 17 * list.len(), "{} bytes for {} edges", graph.bytes(), list.len());
    }

    #[test]
    fn without_weights_both_directions_of_sorted_edges_take_eight_bytes_an_edge_until_edges_are_asked_for() {
        let (nodes, mut list) = many();
        list.sort_unstable();
        let graph = Csr::directed(nodes, &list, vec![]);
        let offsets = 8 * (nodes + 1);
        assert_eq!(graph.bytes(), 8 * list.len() + offsets);
        // Asked for on the one or on all threads, they are the same.
        let asked: Vec<u32> = graph.nodes().flat_map(|v| graph.in_edges(v)).collect();
        assert_eq!(graph.bytes(), 12 * list.len() + offsets);
        let weighted = Csr::directed(nodes, &list, vec![1.0; list.len()]);
        assert_eq!(weighted.bytes(), 16 * list.len() + offsets);
        assert!(weighted.nodes().flat_map(|v| weighted.in_edges(v)).eq(asked));
    }

    #[test]
    fn parallel_edges_and_self_loops_are_kept() {
        let g = Csr::directed(3, &[(0, 1), (0, 1), (1, 1)], vec![]);
        assert_eq!(g.out_neighbors(NodeId(0)), &[1, 1]);
        assert_eq!(g.in_neighbors(NodeId(1)), &[0, 0, 1]);
        assert_eq!((g.out_degree(NodeId(1)), g.in_degree(NodeId(1)), g.out_degree(NodeId(2))), (1, 3, 0));
        assert_eq!(g.out_edges(NodeId(0)).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn an_undirected_edge_can_be_followed_both_ways_and_a_loop_once() {
        let g = Csr::undirected(2, &[(0, 1), (1, 1)], vec![0.5, 2.0]);
        assert_eq!(g.out_neighbors(NodeId(1)), &[0, 1]);
        assert_eq!((g.edge_count(), g.arc_count()), (2, 3));
        let first = g.out_edges(NodeId(1)).next().expect("an edge");
        assert!((g.weight(first) - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_graph_without_nodes_is_a_graph() {
        for graph in [Csr::directed(0, &[], vec![]), Csr::default()] {
            assert_eq!((graph.node_count(), graph.arc_count()), (0, 0));
        }
    }
}
