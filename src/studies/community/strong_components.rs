//! Strongly connected components: nodes that reach each other along the edges.
//!
//! R. E. Tarjan: *Depth-First Search and Linear Graph Algorithms*, 1972, in the form of D. J. Pearce: *An Improved Algorithm for
//! Finding the Strongly Connected Components of a Directed Graph*, 2005, which keeps one number per node and puts no
//! node on the stack of those done that is a component's root. Without recursion, so that a chain of any length is no matter.
//! Every node and arc is looked at once; the price is that a depth-first search is one thread's work.
//!
//! In the paper's symbols `rindex` is [`Search::index`] and, while a node is on the path, [`Visit::low`]; `S` is
//! [`Search::done`], and `c` counts down from the largest number instead of from the number of nodes.

use super::components::{Components, components};
use crate::context::{Cancelled, Context, Step, TICK_EVERY};
use crate::graph::{Csr, NodeId};

/// Index of a node nobody came to yet.
const UNSEEN: u32 = 0;

/// A node on the path from where the search began.
#[derive(Debug)]
struct Visit {
    node: u32,
    /// How many of its arcs were followed.
    followed: u32,
    /// Smallest index that is known to be reached from here.
    low: u32,
}

/// Where the search stands.
struct Search<'a> {
    graph: &'a Csr,
    /// By node: when it was come to, from 1 on; once its component is known, `u32::MAX` less the component.
    index: Vec<u32>,
    path: Vec<Visit>,
    /// Nodes left for good whose component is not known yet, in the order in which they were left.
    done: Vec<u32>,
    /// Nodes come to whose component is not known.
    open: u32,
    /// Components known.
    found: u32,
}

/// Finds the components: numbered by the smallest node in them; of an undirected graph its connected parts.
///
/// O(nodes + arcs); at most 16 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::community::strong_components::strong_components};
///
/// let graph = Csr::directed(4, &[(0, 2), (2, 3), (3, 0), (2, 1)], vec![]);
/// let found = strong_components(&graph, &Context::silent())?;
/// assert_eq!((found.of, found.sizes), (vec![0, 1, 0, 0], vec![3, 1]));
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn strong_components(graph: &Csr, cx: &Context) -> Result<Components, Cancelled> {
    if graph.is_undirected() {
        return components(graph, cx);
    }
    let nodes = graph.node_count();
    let step = cx.step("strong components", Some(nodes as u64));
    // A node is on the path, or done, or neither: what is set aside for both is hardly ever used.
    let mut search = Search {
        graph,
        index: vec![UNSEEN; nodes],
        path: Vec::with_capacity(nodes),
        done: Vec::with_capacity(nodes),
        open: 0,
        found: 0,
    };
    let mut seen = 0;
    for v in 0..nodes as u32 {
        if search.index[v as usize] == UNSEEN {
            search.from(v, &mut seen, &step)?;
        }
    }
    let Search { mut index, found, .. } = search;
    for component in &mut index {
        *component = u32::MAX - *component;
    }
    Ok(Components::numbered(index, found as usize))
}

impl Search<'_> {
    /// Goes wherever one comes from `start`, and `seen` counts the nodes.
    fn from(&mut self, start: u32, seen: &mut u64, step: &Step) -> Result<(), Cancelled> {
        self.come_to(start);
        while let Some(visit) = self.path.last_mut() {
            let ahead = &self.graph.out_neighbors(NodeId(visit.node))[visit.followed as usize..];
            let mut unseen = None;
            for &w in ahead {
                visit.followed += 1;
                match self.index[w as usize] {
                    UNSEEN => {
                        unseen = Some(w);
                        break;
                    }
                    index => visit.low = visit.low.min(index),
                }
            }
            if let Some(w) = unseen {
                self.come_to(w);
                continue;
            }
            *seen += 1;
            if seen.is_multiple_of(TICK_EVERY) {
                step.tick(*seen, Some(self.graph.node_count() as u64))?;
            }
            self.leave();
        }
        Ok(())
    }

    fn come_to(&mut self, node: u32) {
        self.open += 1;
        self.index[node as usize] = self.open;
        self.path.push(Visit { node, followed: 0, low: self.open });
    }

    /// Takes the last node off the path; where it reaches nothing that was come to earlier, it and all that was left since
    /// are a component.
    fn leave(&mut self) {
        let Some(Visit { node, low, .. }) = self.path.pop() else { return };
        let own = self.index[node as usize];
        if low < own {
            self.index[node as usize] = low;
            self.done.push(node);
        } else {
            // Above every index, so that arcs into it say nothing.
            let component = u32::MAX - self.found;
            let later = self.done.iter().rev().take_while(|&&w| self.index[w as usize] >= own).count();
            for w in self.done.drain(self.done.len() - later..) {
                self.index[w as usize] = component;
            }
            self.index[node as usize] = component;
            self.open -= later as u32 + 1;
            self.found += 1;
        }
        if let Some(before) = self.path.last_mut() {
            before.low = before.low.min(low);
        }
    }
}

/// Two nodes are in one component where each reaches the other; and petgraph's own Tarjan.
#[cfg(test)]
mod oracle {
    use petgraph::algo::tarjan_scc;

    use crate::graph::Csr;

    /// All that every node reaches, by closing the relation (S. Warshall: *A Theorem on Boolean Matrices*, 1962).
    pub(super) fn reachability(n: usize, edges: &[(u32, u32)]) -> Vec<u32> {
        let mut reaches = vec![vec![false; n]; n];
        for (v, row) in reaches.iter_mut().enumerate() {
            row[v] = true;
        }
        for &(s, t) in edges {
            reaches[s as usize][t as usize] = true;
        }
        for between in 0..n {
            let beyond = reaches[between].clone();
            for row in reaches.iter_mut().filter(|row| row[between]) {
                row.iter_mut().zip(&beyond).for_each(|(reached, &further)| *reached |= further);
            }
        }
        // Both ways with the smallest node of the component.
        let smallest = |v: usize| (0..n).find(|&w| reaches[v][w] && reaches[w][v]).expect("at least itself");
        dense((0..n).map(smallest))
    }

    pub(super) fn petgraphs(graph: &Csr) -> Vec<u32> {
        let mut smallest = vec![0; graph.node_count()];
        for component in tarjan_scc(graph) {
            let least = component.iter().map(|v| v.index()).min().expect("no component is empty");
            for v in component {
                smallest[v.index()] = least;
            }
        }
        dense(smallest.into_iter())
    }

    /// Numbers sets, each named by its smallest member, in the order of these.
    fn dense(smallest: impl Iterator<Item = usize>) -> Vec<u32> {
        let (mut numbers, mut next) = (Vec::new(), 0);
        for (v, least) in smallest.enumerate() {
            numbers.push(if least == v { next } else { numbers[least] });
            next += u32::from(least == v);
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Components {
        strong_components(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn a_component_is_what_reaches_each_other((n, edges) in random_edges(25, 60)) {
            let found = run(&Csr::directed(n, &edges, vec![]));
            prop_assert_eq!(&found.of, &oracle::reachability(n, &edges));
            prop_assert_eq!(found.sizes.iter().sum::<u32>() as usize, n);
        }

        #[test]
        fn larger_graphs_fall_apart_as_petgraph_has_it((n, edges) in random_edges(400, 900)) {
            let graph = Csr::directed(n, &edges, vec![]);
            let found = run(&graph);
            prop_assert_eq!(&found.of, &oracle::petgraphs(&graph));
            for (component, &size) in found.sizes.iter().enumerate() {
                prop_assert_eq!(found.of.iter().filter(|&&of| of == component as u32).count(), size as usize);
            }
        }

        #[test]
        fn both_ways_components_are_the_connected_parts((n, edges) in random_edges(40, 40)) {
            let parts = components(&Csr::directed(n, &edges, vec![]), &Context::silent());
            let parts = parts.expect("nobody asked to stop");
            prop_assert_eq!(&run(&Csr::undirected(n, &edges, vec![])), &parts);
            let back: Vec<_> = edges.iter().map(|&(s, t)| (t, s)).collect();
            prop_assert_eq!(run(&Csr::directed(n, &[edges, back].concat(), vec![])), parts);
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 40_000, i.wrapping_mul(7_919) % 40_000)).collect();
        let graph = Csr::directed(40_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }

    #[test]
    fn friendships_listed_once_lead_nowhere_back_and_listed_twice_hold_the_club_together() {
        let (n, edges) = karate();
        assert_eq!(run(&Csr::directed(n, &edges, vec![])).sizes, vec![1; 34]);
        assert_eq!(run(&Csr::undirected(n, &edges, vec![])).sizes, vec![34]);
    }

    #[test]
    fn the_example_of_the_literature_has_its_four_components() {
        // T. Cormen, C. Leiserson, R. Rivest, C. Stein: *Introduction to Algorithms*, figure 22.9; a to h are 0 to 7.
        let edges = [
            (0, 1),
            (1, 2),
            (1, 4),
            (1, 5),
            (2, 3),
            (2, 6),
            (3, 2),
            (3, 7),
            (4, 0),
            (4, 5),
            (5, 6),
            (6, 5),
            (6, 7),
            (7, 7),
        ];
        let found = run(&Csr::directed(8, &edges, vec![]));
        assert_eq!(found, Components { of: vec![0, 0, 1, 1, 0, 2, 2, 3], sizes: vec![3, 2, 2, 1] });
    }

    #[test]
    fn no_node_one_node_loops_and_parallel_edges_are_graphs_too() {
        assert_eq!(run(&Csr::directed(0, &[], vec![])), Components::default());
        assert_eq!(run(&Csr::directed(1, &[(0, 0)], vec![])).sizes, vec![1]);
        let found = run(&Csr::directed(4, &[(1, 1), (2, 0), (0, 2), (2, 0), (2, 3)], vec![]));
        assert_eq!(found, Components { of: vec![0, 1, 0, 2], sizes: vec![2, 1, 1] });
    }

    #[test]
    fn a_chain_and_a_ring_longer_than_any_stack_are_no_matter() {
        let n = 300_000;
        let mut edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        assert_eq!(run(&Csr::directed(n as usize, &edges, vec![])).sizes.len(), n as usize);
        edges.push((n - 1, 0));
        assert_eq!(run(&Csr::directed(n as usize, &edges, vec![])).sizes, vec![n]);
    }

    #[test]
    fn a_request_to_stop_ends_the_search() {
        let cx = Context::silent();
        cx.cancel.request();
        let chain: Vec<_> = (1..40_000).map(|v| (v - 1, v)).collect();
        assert_eq!(strong_components(&Csr::directed(40_000, &chain, vec![]), &cx), Err(Cancelled));
    }
}
