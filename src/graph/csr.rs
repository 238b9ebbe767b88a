//! Compressed sparse rows, both directions, parallel edges and self-loops kept.

use std::fmt;

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

/// One direction of a graph: the neighbours of node `v` lie at `offsets[v]..offsets[v + 1]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adjacency {
    offsets: Vec<u32>,
    targets: Vec<u32>,
    /// Position of each arc in the edge list the graph was built from.
    edges: Vec<u32>,
}

impl Adjacency {
    /// Counting sort of arcs `(from, to)` by `from`; arcs of one node keep the order of the list.
    fn build(nodes: usize, arcs: impl Iterator<Item = (u32, u32, u32)> + Clone) -> Self {
        let mut offsets = vec![0u32; nodes + 1];
        let mut count = 0usize;
        for (from, _, _) in arcs.clone() {
            offsets[from as usize + 1] += 1;
            count += 1;
        }
        for v in 0..nodes {
            offsets[v + 1] += offsets[v];
        }
        let mut next = offsets.clone();
        let mut targets = vec![0u32; count];
        let mut edges = vec![0u32; count];
        for (from, to, edge) in arcs {
            let at = next[from as usize] as usize;
            next[from as usize] += 1;
            targets[at] = to;
            edges[at] = edge;
        }
        Self { offsets, targets, edges }
    }

    fn range(&self, v: NodeId) -> std::ops::Range<usize> {
        self.offsets[v.index()] as usize..self.offsets[v.index() + 1] as usize
    }
}

/// A directed multigraph over the dense ids `0..node_count`, with its transpose.
///
/// Memory: 16 bytes per arc and 8 per node, plus 8 per edge where weighted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Csr {
    out: Adjacency,
    into: Adjacency,
    /// One per edge of the list the graph was built from; empty: every weight is 1.
    weights: Vec<f64>,
    edges: usize,
    undirected: bool,
}

impl Csr {
    /// Builds a directed graph from `(src, dst)` pairs, with one weight per pair or none. O(nodes + edges).
    ///
    /// # Panics
    ///
    /// When an id is not below `nodes`, or `weights` is neither empty nor as long as `edges`.
    pub fn directed(nodes: usize, edges: &[(u32, u32)], weights: Vec<f64>) -> Self {
        Self::check(edges, &weights);
        let forward = edges.iter().enumerate().map(|(i, &(s, t))| (s, t, i as u32));
        let backward = edges.iter().enumerate().map(|(i, &(s, t))| (t, s, i as u32));
        Self {
            out: Adjacency::build(nodes, forward),
            into: Adjacency::build(nodes, backward),
            weights,
            edges: edges.len(),
            undirected: false,
        }
    }

    /// Builds the undirected view: every pair stands for an arc each way, a self-loop for one arc. O(nodes + edges).
    ///
    /// # Panics
    ///
    /// As [`Csr::directed`].
    pub fn undirected(nodes: usize, edges: &[(u32, u32)], weights: Vec<f64>) -> Self {
        Self::check(edges, &weights);
        let both = edges.iter().enumerate().flat_map(|(i, &(s, t))| {
            let back = (s != t).then_some((t, s, i as u32));
            std::iter::once((s, t, i as u32)).chain(back)
        });
        let out = Adjacency::build(nodes, both);
        Self { into: out.clone(), out, weights, edges: edges.len(), undirected: true }
    }

    fn check(edges: &[(u32, u32)], weights: &[f64]) {
        assert!(weights.is_empty() || weights.len() == edges.len(), "one weight per edge, or none");
        assert!(u32::try_from(edges.len() * 2).is_ok(), "at most 2^31 edges");
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.out.offsets.len().saturating_sub(1)
    }

    /// Number of edges as built: an undirected edge counts once.
    pub fn edge_count(&self) -> usize {
        self.edges
    }

    /// Number of arcs that can be followed.
    pub fn arc_count(&self) -> usize {
        self.out.targets.len()
    }

    /// Whether every edge can be followed both ways.
    pub fn is_undirected(&self) -> bool {
        self.undirected
    }

    /// Whether edges carry weights of their own.
    pub fn is_weighted(&self) -> bool {
        !self.weights.is_empty()
    }

    /// All node ids.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.node_count() as u32).map(NodeId)
    }

    /// Targets of the arcs that leave `v`, parallel ones repeated.
    pub fn out_neighbors(&self, v: NodeId) -> &[u32] {
        &self.out.targets[self.out.range(v)]
    }

    /// Sources of the arcs that enter `v`, parallel ones repeated.
    pub fn in_neighbors(&self, v: NodeId) -> &[u32] {
        &self.into.targets[self.into.range(v)]
    }

    /// Positions, in the edge list the graph was built from, of the arcs that leave `v`.
    pub fn out_edges(&self, v: NodeId) -> &[u32] {
        &self.out.edges[self.out.range(v)]
    }

    /// Positions, in the edge list the graph was built from, of the arcs that enter `v`.
    pub fn in_edges(&self, v: NodeId) -> &[u32] {
        &self.into.edges[self.into.range(v)]
    }

    /// Number of arcs that leave `v`.
    pub fn out_degree(&self, v: NodeId) -> usize {
        self.out.range(v).len()
    }

    /// Number of arcs that enter `v`.
    pub fn in_degree(&self, v: NodeId) -> usize {
        self.into.range(v).len()
    }

    /// Weight of the edge at `position` of the list the graph was built from.
    pub fn weight(&self, position: u32) -> f64 {
        *self.weight_ref(position)
    }

    pub(super) fn weight_ref(&self, position: u32) -> &f64 {
        self.weights.get(position as usize).unwrap_or(&1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_edges_and_self_loops_are_kept() {
        let g = Csr::directed(3, &[(0, 1), (0, 1), (1, 1)], vec![]);
        assert_eq!(g.out_neighbors(NodeId(0)), &[1, 1]);
        assert_eq!(g.in_neighbors(NodeId(1)), &[0, 0, 1]);
        assert_eq!((g.out_degree(NodeId(1)), g.in_degree(NodeId(1)), g.out_degree(NodeId(2))), (1, 3, 0));
        assert_eq!(g.out_edges(NodeId(0)), &[0, 1]);
    }

    #[test]
    fn an_undirected_edge_can_be_followed_both_ways_and_a_loop_once() {
        let g = Csr::undirected(2, &[(0, 1), (1, 1)], vec![0.5, 2.0]);
        assert_eq!(g.out_neighbors(NodeId(1)), &[0, 1]);
        assert_eq!((g.edge_count(), g.arc_count()), (2, 3));
        assert!((g.weight(g.out_edges(NodeId(1))[0]) - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_graph_without_nodes_is_a_graph() {
        let g = Csr::directed(0, &[], vec![]);
        assert_eq!((g.node_count(), g.arc_count()), (0, 0));
    }
}
