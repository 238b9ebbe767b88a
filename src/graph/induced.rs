//! Part of a graph: some of its nodes and all edges between them.

use super::adjacency::{Adjacency, Numbers};
use super::{Csr, NodeId};

/// Part of a graph, with dense ids of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Induced {
    /// The nodes and the edges between them, numbered in the order they have in the whole.
    pub csr: Csr,
    /// By node of the part: the node of the whole, rising.
    pub nodes: Vec<NodeId>,
    /// By edge of the part: the edge of the whole, rising.
    pub edges: Vec<u32>,
}

impl Csr {
    /// The subgraph induced by some nodes: these, each once, and every edge of which both ends are among them. Arcs keep
    /// their order. O(nodes + edges) time, at most 5 bytes of either beside the result.
    ///
    /// ```
    /// use sonograph::graph::{Csr, NodeId};
    ///
    /// let whole = Csr::directed(4, &[(0, 3), (1, 2), (3, 1)], vec![]);
    /// let part = whole.induced([NodeId(3), NodeId(1), NodeId(0)]);
    /// assert_eq!(part.nodes, [NodeId(0), NodeId(1), NodeId(3)]);
    /// assert_eq!(part.csr.out_neighbors(NodeId(2)), &[1]);
    /// assert_eq!(part.edges, [0, 2]);
    /// ```
    ///
    /// # Panics
    ///
    /// When a node is not of this graph.
    pub fn induced(&self, nodes: impl IntoIterator<Item = NodeId>) -> Induced {
        const ABSENT: u32 = u32::MAX;
        let mut own = vec![ABSENT; self.node_count()];
        for node in nodes {
            own[node.index()] = 0;
        }
        let mut nodes = Vec::new();
        for node in self.nodes().filter(|node| own[node.index()] != ABSENT).collect::<Vec<_>>() {
            own[node.index()] = nodes.len() as u32;
            nodes.push(node);
        }
        let mut number = vec![ABSENT; self.edge_count()];
        for &v in &nodes {
            for (&w, edge) in self.out_neighbors(v).iter().zip(self.out_edges(v)) {
                if own[w as usize] != ABSENT {
                    number[edge as usize] = 0;
                }
            }
        }
        let mut edges = Vec::new();
        for (edge, number) in (0u32..).zip(&mut number).filter(|(_, number)| **number != ABSENT) {
            *number = edges.len() as u32;
            edges.push(edge);
        }
        let part = |forward: bool| {
            let (mut offsets, mut ends, mut ids) = (vec![0], Vec::new(), Vec::new());
            for &v in &nodes {
                let (of, at) = if forward {
                    (self.out_neighbors(v), self.out_edges(v))
                } else {
                    (self.in_neighbors(v), self.in_edges(v))
                };
                for (&w, edge) in of.iter().zip(at).filter(|(w, _)| own[**w as usize] != ABSENT) {
                    ends.push(own[w as usize]);
                    ids.push(number[edge as usize]);
                }
                offsets.push(ends.len() as u32);
            }
            // The edges that leave a node of a directed graph have numbers in a row.
            if forward && !self.undirected {
                ids.clear();
            }
            Adjacency { offsets: offsets.into(), ends: ends.into(), edges: Numbers::of(ids) }
        };
        let out = part(true);
        let into = if self.undirected { out.clone() } else { part(false) };
        let weights = self.weights.chosen(&edges);
        let csr = Csr { out, into, weights, edges: edges.len(), undirected: self.undirected };
        Induced { csr, nodes, edges }
    }
}

#[cfg(test)]
mod tests {
    use ::petgraph::graph::{DiGraph, NodeIndex};
    use ::petgraph::visit::{EdgeRef, IntoEdgeReferences};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_part_is_what_petgraph_leaves_when_the_other_nodes_go(
            n in 1u32..12,
            list in proptest::collection::vec((0u32..12, 0u32..12), 0..50),
            stay in proptest::collection::vec(any::<bool>(), 12),
            undirected: bool,
        ) {
            let list: Vec<_> = list.into_iter().map(|(s, t)| (s % n, t % n)).collect();
            let weights: Vec<f64> = (0..list.len()).map(|i| i as f64 / 8.0).collect();
            let build = if undirected { Csr::undirected } else { Csr::directed };
            let whole = build(n as usize, &list, weights.clone());
            let part = whole.induced((0..n).rev().filter(|&v| stay[v as usize]).map(NodeId));

            let mut theirs = DiGraph::<u32, f64>::new();
            for v in 0..n {
                theirs.add_node(v);
            }
            for (&(s, t), &weight) in list.iter().zip(&weights) {
                theirs.add_edge(NodeIndex::new(s as usize), NodeIndex::new(t as usize), weight);
            }
            theirs.retain_nodes(|graph, v| stay[graph[v] as usize]);
            let mut expected: Vec<_> = theirs
                .edge_references()
                .map(|e| (theirs[e.source()], theirs[e.target()], *e.weight()))
                .collect();
            let uid = |v: u32| part.nodes[v as usize].0;
            let mut found: Vec<_> = match part.csr.as_undirected() {
                None => (&part.csr).edge_references().map(|e| (uid(e.source().0), uid(e.target().0), *e.weight())).collect(),
                Some(graph) => {
                    for edge in &mut expected {
                        *edge = (edge.0.min(edge.1), edge.0.max(edge.1), edge.2);
                    }
                    graph.edge_references().map(|e| (uid(e.source().0), uid(e.target().0), *e.weight())).collect()
                }
            };
            expected.sort_by(|a, b| a.partial_cmp(b).expect("weights are numbers"));
            found.sort_by(|a, b| a.partial_cmp(b).expect("weights are numbers"));
            prop_assert_eq!(found, expected);

            // Edges keep their weights and their order, and the whole is its own part.
            for (edge, &of) in (0u32..).zip(&part.edges) {
                prop_assert!(part.csr.weight(edge).total_cmp(&whole.weight(of)).is_eq());
            }
            prop_assert!(part.edges.is_sorted());
            prop_assert_eq!(whole.induced(whole.nodes()).csr, whole);
        }
    }
}
