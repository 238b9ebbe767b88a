//! petgraph's `visit` traits on [`Csr`], so that any petgraph or rustworkx-core algorithm runs on it unchanged.
//!
//! petgraph knows at compile time whether a graph is directed. A [`Csr`] is a directed graph of its arcs; one that was
//! built undirected also gives [`Csr::as_undirected`], in which every edge is there once.

use ::petgraph::visit::{
    Data, EdgeCount, EdgeRef, GraphBase, GraphProp, GraphRef, IntoEdgeReferences, IntoEdges,
    IntoEdgesDirected, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, IntoNodeReferences,
    NodeCompactIndexable, NodeCount, NodeIndexable, VisitMap, Visitable,
};
use ::petgraph::{Directed, Direction, EdgeType};

use super::csr::EdgeIds;
use super::{Csr, NodeId};

/// One arc, as petgraph's algorithms see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arc {
    source: NodeId,
    target: NodeId,
    weight: f64,
    edge: u32,
}

impl EdgeRef for Arc {
    type NodeId = NodeId;
    type EdgeId = u32;
    type Weight = f64;

    fn source(&self) -> NodeId {
        self.source
    }
    fn target(&self) -> NodeId {
        self.target
    }
    fn weight(&self) -> &f64 {
        &self.weight
    }
    /// Number of the edge.
    fn id(&self) -> u32 {
        self.edge
    }
}

/// Which nodes a traversal has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visited(Vec<bool>);

impl VisitMap<NodeId> for Visited {
    fn visit(&mut self, node: NodeId) -> bool {
        !std::mem::replace(&mut self.0[node.index()], true)
    }
    fn is_visited(&self, node: &NodeId) -> bool {
        self.0[node.index()]
    }
    fn unvisit(&mut self, node: NodeId) -> bool {
        std::mem::replace(&mut self.0[node.index()], false)
    }
}

/// An undirected [`Csr`] with every edge once; see [`Csr::as_undirected`].
#[derive(Debug, Clone, Copy)]
pub struct Undirected<'a>(&'a Csr);

impl GraphRef for Undirected<'_> {}

impl Csr {
    /// The graph with petgraph's undirected edge type; `None` where it was built directed.
    pub fn as_undirected(&self) -> Option<Undirected<'_>> {
        self.is_undirected().then_some(Undirected(self))
    }

    fn arcs(&self, node: NodeId, direction: Direction) -> Arcs<'_> {
        let (ends, edges) = match direction {
            Direction::Outgoing => (self.out_neighbors(node), self.out_edges(node)),
            Direction::Incoming => (self.in_neighbors(node), self.in_edges(node)),
        };
        Arcs { graph: self, node, direction, ends: ends.iter(), edges }
    }
}

/// The arcs at a node.
#[derive(Debug, Clone)]
pub struct Arcs<'a> {
    graph: &'a Csr,
    node: NodeId,
    direction: Direction,
    ends: std::slice::Iter<'a, u32>,
    edges: EdgeIds<'a>,
}

impl Iterator for Arcs<'_> {
    type Item = Arc;

    fn next(&mut self) -> Option<Arc> {
        let (&end, edge) = (self.ends.next()?, self.edges.next()?);
        let (source, target) = match self.direction {
            Direction::Outgoing => (self.node, NodeId(end)),
            Direction::Incoming => (NodeId(end), self.node),
        };
        Some(Arc { source, target, weight: self.graph.weight(edge), edge })
    }
}

/// The arcs of a whole graph, or its undirected edges.
#[derive(Debug, Clone)]
pub struct AllArcs<'a> {
    at: Arcs<'a>,
    once: bool,
}

impl<'a> AllArcs<'a> {
    /// All arcs; with `once` only those that do not fall, so that an undirected edge, which is two arcs, comes once.
    fn of(graph: &'a Csr, once: bool) -> Self {
        let at = match graph.node_count() {
            0 => Arcs {
                graph,
                node: NodeId(0),
                direction: Direction::Outgoing,
                ends: [].iter(),
                edges: EdgeIds::none(),
            },
            _ => graph.arcs(NodeId(0), Direction::Outgoing),
        };
        Self { at, once }
    }
}

impl Iterator for AllArcs<'_> {
    type Item = Arc;

    fn next(&mut self) -> Option<Arc> {
        loop {
            match self.at.next() {
                Some(arc) if self.once && arc.source > arc.target => {}
                Some(arc) => return Some(arc),
                None => {
                    let next = NodeId(self.at.node.0 + 1);
                    if next.index() >= self.at.graph.node_count() {
                        return None;
                    }
                    self.at = self.at.graph.arcs(next, Direction::Outgoing);
                }
            }
        }
    }
}

type Nodes = std::iter::Map<std::ops::Range<u32>, fn(u32) -> NodeId>;
type Neighbors<'a> = std::iter::Map<std::slice::Iter<'a, u32>, fn(&u32) -> NodeId>;

/// What the directed and the undirected face have in common: `$owner` is the graph, `$shared` what is passed about.
macro_rules! visit_traits {
    ([$($life:lifetime)?] $owner:ty, $shared:ty, $edge_type:ty, |$g:ident| $csr:expr) => {
        impl$(<$life>)? GraphBase for $owner {
            type EdgeId = u32;
            type NodeId = NodeId;
        }

        impl$(<$life>)? Data for $owner {
            type NodeWeight = ();
            type EdgeWeight = f64;
        }

        impl$(<$life>)? GraphProp for $owner {
            type EdgeType = $edge_type;
        }

        impl$(<$life>)? NodeCount for $owner {
            fn node_count(&self) -> usize {
                let $g = self;
                $csr.node_count()
            }
        }

        impl$(<$life>)? NodeIndexable for $owner {
            fn node_bound(&self) -> usize {
                let $g = self;
                $csr.node_count()
            }
            fn to_index(&self, node: NodeId) -> usize {
                node.index()
            }
            fn from_index(&self, index: usize) -> NodeId {
                NodeId(index as u32)
            }
        }

        impl$(<$life>)? NodeCompactIndexable for $owner {}

        impl$(<$life>)? EdgeCount for $owner {
            fn edge_count(&self) -> usize {
                let $g = self;
                if <$edge_type as EdgeType>::is_directed() { $csr.arc_count() } else { $csr.edge_count() }
            }
        }

        impl$(<$life>)? Visitable for $owner {
            type Map = Visited;
            fn visit_map(&self) -> Visited {
                let $g = self;
                Visited(vec![false; $csr.node_count()])
            }
            fn reset_map(&self, map: &mut Visited) {
                *map = self.visit_map();
            }
        }

        impl<'a> IntoNodeIdentifiers for $shared {
            type NodeIdentifiers = Nodes;
            fn node_identifiers(self) -> Nodes {
                let $g = self;
                (0..$csr.node_count() as u32).map(NodeId)
            }
        }

        impl<'a> IntoNodeReferences for $shared {
            type NodeRef = (NodeId, ());
            type NodeReferences = std::iter::Map<Nodes, fn(NodeId) -> (NodeId, ())>;
            fn node_references(self) -> Self::NodeReferences {
                self.node_identifiers().map(|node| (node, ()))
            }
        }

        impl<'a> IntoNeighbors for $shared {
            type Neighbors = Neighbors<'a>;
            fn neighbors(self, node: NodeId) -> Neighbors<'a> {
                self.neighbors_directed(node, Direction::Outgoing)
            }
        }

        impl<'a> IntoNeighborsDirected for $shared {
            type NeighborsDirected = Neighbors<'a>;
            fn neighbors_directed(self, node: NodeId, direction: Direction) -> Neighbors<'a> {
                let $g = self;
                let ends = match direction {
                    Direction::Outgoing => $csr.out_neighbors(node),
                    Direction::Incoming => $csr.in_neighbors(node),
                };
                ends.iter().map(|&end| NodeId(end))
            }
        }

        impl<'a> IntoEdgeReferences for $shared {
            type EdgeRef = Arc;
            type EdgeReferences = AllArcs<'a>;
            fn edge_references(self) -> AllArcs<'a> {
                let $g = self;
                AllArcs::of($csr, !<$edge_type as EdgeType>::is_directed())
            }
        }

        impl<'a> IntoEdges for $shared {
            type Edges = Arcs<'a>;
            fn edges(self, node: NodeId) -> Arcs<'a> {
                self.edges_directed(node, Direction::Outgoing)
            }
        }

        impl<'a> IntoEdgesDirected for $shared {
            type EdgesDirected = Arcs<'a>;
            fn edges_directed(self, node: NodeId, direction: Direction) -> Arcs<'a> {
                let $g = self;
                $csr.arcs(node, direction)
            }
        }
    };
}

visit_traits!([] Csr, &'a Csr, Directed, |g| g);
visit_traits!(['a] Undirected<'a>, Undirected<'a>, ::petgraph::Undirected, |g| g.0);

#[cfg(test)]
mod tests {
    use ::petgraph::algo::{
        connected_components, dijkstra, kosaraju_scc, min_spanning_tree, page_rank, toposort,
    };
    use ::petgraph::data::Element;
    use ::petgraph::graph::{DiGraph, UnGraph};
    use ::petgraph::visit::{Bfs, Dfs};
    use proptest::prelude::*;
    use rustworkx_core::centrality::{betweenness_centrality, closeness_centrality};

    use super::*;

    /// Up to 12 nodes, up to 40 edges, loops and parallel edges among them, weights of quarters.
    fn lists() -> impl Strategy<Value = (usize, Vec<(u32, u32)>, Vec<f64>)> {
        (1usize..12).prop_flat_map(|n| {
            let end = 0..n as u32;
            proptest::collection::vec((end.clone(), end, 1u8..20), 0..40).prop_map(move |list| {
                let weights = list.iter().map(|&(_, _, w)| f64::from(w) / 4.0).collect();
                (n, list.iter().map(|&(s, t, _)| (s, t)).collect(), weights)
            })
        })
    }

    fn theirs<Ty: EdgeType>(
        n: usize,
        edges: &[(u32, u32)],
        weights: &[f64],
    ) -> ::petgraph::Graph<(), f64, Ty> {
        let mut graph = ::petgraph::Graph::with_capacity(n, edges.len());
        let ids: Vec<_> = (0..n).map(|_| graph.add_node(())).collect();
        for (&(s, t), &w) in edges.iter().zip(weights) {
            graph.add_edge(ids[s as usize], ids[t as usize], w);
        }
        graph
    }

    fn partition(groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|mut group| {
                group.sort_unstable();
                group
            })
            .collect();
        groups.sort();
        groups
    }

    proptest! {
        #[test]
        fn algorithms_on_directed_graphs_answer_as_on_petgraphs_own((n, edges, weights) in lists()) {
            let ours = Csr::directed(n, &edges, weights.clone());
            let graph: DiGraph<(), f64> = theirs(n, &edges, &weights);

            let far = |v: u32| dijkstra(&ours, NodeId(v), None, |e| *e.weight());
            for v in 0..n as u32 {
                let expected = dijkstra(&graph, v.into(), None, |e| *e.weight());
                let mut expected: Vec<_> = expected.into_iter().map(|(k, d)| (k.index(), d)).collect();
                let mut found: Vec<_> = far(v).into_iter().map(|(k, d)| (k.index(), d)).collect();
                expected.sort_by(|a, b| a.partial_cmp(b).expect("distances are finite"));
                found.sort_by(|a, b| a.partial_cmp(b).expect("distances are finite"));
                prop_assert_eq!(found, expected);
            }

            let found = kosaraju_scc(&ours).into_iter().map(|c| c.iter().map(|v| v.index()).collect()).collect();
            let expected = kosaraju_scc(&graph).into_iter().map(|c| c.iter().map(|v| v.index()).collect()).collect();
            prop_assert_eq!(partition(found), partition(expected));

            prop_assert_eq!(toposort(&ours, None).is_ok(), toposort(&graph, None).is_ok());
            prop_assert_eq!(page_rank(&ours, 0.85f64, 5).len(), n);
            prop_assert_eq!(ours.edge_references().count(), edges.len());

            let found = closeness_centrality(&ours, false, 50);
            let expected = closeness_centrality(&graph, false, 50);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn algorithms_on_undirected_graphs_answer_as_on_petgraphs_own((n, edges, weights) in lists()) {
            let csr = Csr::undirected(n, &edges, weights.clone());
            let ours = csr.as_undirected().expect("built undirected");
            let graph: UnGraph<(), f64> = theirs(n, &edges, &weights);

            prop_assert_eq!(connected_components(ours), connected_components(&graph));
            prop_assert_eq!(ours.edge_references().count(), edges.len());
            prop_assert_eq!(EdgeCount::edge_count(&ours), edges.len());

            let cost = |e: Element<(), f64>| if let Element::Edge { weight, .. } = e { weight } else { 0.0 };
            let found: f64 = min_spanning_tree(ours).map(cost).sum();
            let expected: f64 = min_spanning_tree(&graph).map(cost).sum();
            prop_assert!((found - expected).abs() < 1e-9);

            // Betweenness is compared without parallel edges and loops, which count differently in two libraries' lists.
            let mut simple: Vec<_> = edges.iter().filter(|e| e.0 != e.1).map(|&(a, b)| (a.min(b), a.max(b))).collect();
            simple.sort_unstable();
            simple.dedup();
            let csr = Csr::undirected(n, &simple, vec![]);
            let graph: UnGraph<(), f64> = theirs(n, &simple, &vec![1.0; simple.len()]);
            let found = betweenness_centrality(&csr.as_undirected().expect("built undirected"), false, false, 50);
            let expected = betweenness_centrality(&graph, false, false, 50);
            for (found, expected) in found.into_iter().zip(expected) {
                prop_assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn traversals_reach_what_can_be_reached() {
        let graph = Csr::directed(5, &[(0, 1), (1, 2), (3, 4)], vec![]);
        let mut bfs = Bfs::new(&graph, NodeId(0));
        let reached: Vec<_> = std::iter::from_fn(|| bfs.next(&graph)).collect();
        assert_eq!(reached, [NodeId(0), NodeId(1), NodeId(2)]);
        let mut dfs = Dfs::new(&graph, NodeId(4));
        assert_eq!((dfs.next(&graph), dfs.next(&graph)), (Some(NodeId(4)), None));
        assert!(graph.as_undirected().is_none());
    }
}
