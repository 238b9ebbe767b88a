//! Weakly connected components: which nodes hang together at all.
//!
//! Disjoint sets with path halving and linking by smaller id (R. E. Tarjan, J. van Leeuwen: *Worst-Case Analysis of
//! Set Union Algorithms*, 1984), of which most edges are never looked at (M. Sutton, T. Ben-Nun, A. Barak: *Optimizing Parallel Graph
//! Connectivity Computation via Subgraph Sampling*, 2018): after two edges of every node most nodes of the largest component are
//! in it, and an edge that ends at one of them matters only if its other end is not, which looks at it from there. One thread.

use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::Csr;

/// Edges of every node that are looked at before it is known what the largest component is.
const SAMPLED: usize = 2;
/// Nodes that are asked which that is.
const PROBES: usize = 1_024;

/// A partition of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Components {
    /// Component by node: dense, numbered by the smallest node in it.
    pub of: Vec<u32>,
    /// Number of nodes by component.
    pub sizes: Vec<u32>,
}

impl Components {
    /// Nodes of equal labels together; every label is below `bound`.
    pub(super) fn numbered(mut labels: Vec<u32>, bound: usize) -> Self {
        let mut number = vec![u32::MAX; bound];
        let mut sizes = Vec::new();
        for label in &mut labels {
            let number = &mut number[*label as usize];
            if *number == u32::MAX {
                *number = sizes.len() as u32;
                sizes.push(0);
            }
            *label = *number;
            sizes[*number as usize] += 1;
        }
        Self { of: labels, sizes }
    }
}

/// Finds the components, edges taken both ways. O((nodes + arcs)·α(nodes)); 8 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::community::components::components};
///
/// let graph = Csr::directed(4, &[(3, 1), (0, 2)], vec![]);
/// let found = components(&graph, &Context::silent())?;
/// assert_eq!((found.of, found.sizes), (vec![0, 1, 0, 1], vec![2, 2]));
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn components(graph: &Csr, cx: &Context) -> Result<Components, Cancelled> {
    let total = graph.node_count() as u64;
    let step = cx.step("components", Some(total));
    let mut parent: Vec<u32> = (0..graph.node_count() as u32).collect();
    for v in graph.nodes() {
        if u64::from(v.0).is_multiple_of(TICK_EVERY) {
            step.tick(u64::from(v.0) / 2, Some(total))?;
        }
        graph.out_neighbors(v).iter().take(SAMPLED).for_each(|&w| link(&mut parent, v.0, w));
    }
    let largest = likely_largest(&mut parent);
    for v in graph.nodes() {
        if u64::from(v.0).is_multiple_of(TICK_EVERY) {
            step.tick(total.midpoint(u64::from(v.0)), Some(total))?;
        }
        if largest.is_none_or(|largest| find(&mut parent, v.0) != find(&mut parent, largest)) {
            let rest = graph.out_neighbors(v).iter().skip(SAMPLED);
            rest.chain(graph.in_neighbors(v)).for_each(|&w| link(&mut parent, v.0, w));
        }
    }
    // Roots are the smallest of their set, so a root is numbered before any other node of it is reached.
    let mut found = Components { of: vec![0; parent.len()], sizes: vec![] };
    for v in 0..parent.len() {
        let root = find(&mut parent, v as u32) as usize;
        if root == v {
            found.of[v] = found.sizes.len() as u32;
            found.sizes.push(0);
        } else {
            found.of[v] = found.of[root];
        }
        found.sizes[found.of[v] as usize] += 1;
    }
    Ok(found)
}

/// A node of the component that most of some nodes, spread over all, are in by now.
fn likely_largest(parent: &mut [u32]) -> Option<u32> {
    let apart = parent.len().div_ceil(PROBES).max(1);
    let mut roots: Vec<u32> = (0..parent.len()).step_by(apart).map(|v| find(parent, v as u32)).collect();
    roots.sort_unstable();
    roots.chunk_by(|a, b| a == b).max_by_key(|same| same.len()).map(|same| same[0])
}

fn link(parent: &mut [u32], v: u32, w: u32) {
    let (a, b) = (find(parent, v), find(parent, w));
    parent[a.max(b) as usize] = a.min(b);
}

fn find(parent: &mut [u32], mut v: u32) -> u32 {
    while parent[v as usize] != v {
        parent[v as usize] = parent[parent[v as usize] as usize];
        v = parent[v as usize];
    }
    v
}

/// Floods from every node not yet seen, over petgraph's undirected graph.
#[cfg(test)]
mod oracle {
    use petgraph::graph::{NodeIndex, UnGraph};
    use petgraph::visit::Bfs;

    pub(super) fn components(n: usize, edges: &[(u32, u32)]) -> Vec<u32> {
        let mut graph = UnGraph::<(), ()>::with_capacity(n, edges.len());
        for _ in 0..n {
            graph.add_node(());
        }
        for &(u, v) in edges {
            graph.add_edge(NodeIndex::new(u as usize), NodeIndex::new(v as usize), ());
        }
        let mut of = vec![u32::MAX; n];
        let mut next = 0;
        for v in 0..n {
            if of[v] == u32::MAX {
                let mut flood = Bfs::new(&graph, NodeIndex::new(v));
                while let Some(w) = flood.next(&graph) {
                    of[w.index()] = next;
                }
                next += 1;
            }
        }
        of
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Components {
        components(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn components_are_what_a_flood_reaches((n, edges) in random_edges(40, 40)) {
            let found = run(&Csr::directed(n, &edges, vec![]));
            prop_assert_eq!(&found.of, &oracle::components(n, &edges));
            prop_assert_eq!(&found, &run(&Csr::undirected(n, &edges, vec![])));
            prop_assert_eq!(found.sizes.iter().sum::<u32>() as usize, n);
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..30_000u32).map(|i| (i, i.wrapping_mul(7_919) % 40_000)).collect();
        let graph = Csr::directed(40_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }

    #[test]
    fn the_karate_club_hangs_together() {
        let (n, edges) = karate();
        assert_eq!(run(&Csr::directed(n, &edges, vec![])).sizes, vec![34]);
    }

    #[test]
    fn isolated_nodes_are_components_and_loops_and_parallels_change_nothing() {
        assert_eq!(run(&Csr::directed(0, &[], vec![])), Components::default());
        assert_eq!(run(&Csr::directed(1, &[], vec![])).sizes, vec![1]);
        let found = run(&Csr::directed(4, &[(1, 1), (2, 0), (0, 2), (2, 0)], vec![]));
        assert_eq!(found, Components { of: vec![0, 1, 0, 2], sizes: vec![2, 1, 1] });
    }

    #[test]
    fn a_chain_longer_than_any_stack_is_one_component() {
        let n = 300_000;
        let edges: Vec<_> = (1..n).map(|v| (v, v - 1)).collect();
        assert_eq!(run(&Csr::directed(n as usize, &edges, vec![])).sizes, vec![n]);
    }
}
