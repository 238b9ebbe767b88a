//! Betweenness: on how many of the shortest paths between others a node lies.
//!
//! L. C. Freeman: *A Set of Measures of Centrality Based on Betweenness*, 1977, computed after U. Brandes: *A Faster Algorithm for
//! Betweenness Centrality*, 2001: a breadth-first search from every node counts shortest paths, and what depends on each node is
//! gathered backwards. No list of predecessors is kept: going back, the arcs out of a node are looked through again, which reads
//! twice and writes nothing. Sources run on all threads in groups of fixed size whose sums are added in order.

use rayon::prelude::*;

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId, Simple};

/// Sources whose sums are made one after another; fixed, because partial sums are added in this grouping.
const GROUP: usize = 16;
/// Not reached.
const FAR: u32 = u32::MAX;

/// `B(v) = Σ σ(s,t|v)/σ(s,t)` over all pairs `s ≠ v ≠ t`, with `σ` the number of shortest paths, by number of edges, and
/// `σ(·|v)` of those through `v`; on an undirected graph every pair once. Parallel arcs are one, self-loops none.
///
/// O(nodes·arcs); 44 bytes per node and thread.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::brandes::betweenness};
///
/// let path = Csr::undirected(4, &[(0, 1), (1, 2), (2, 3)], vec![]);
/// assert_eq!(betweenness(&path, &Context::silent())?, [0.0, 2.0, 2.0, 0.0]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn betweenness(graph: &Csr, cx: &Context) -> Result<Vec<f64>, Cancelled> {
    let arcs = &Simple::out(graph);
    let n = arcs.node_count();
    let step = cx.step("betweenness", Some(n as u64));
    let together = rayon::current_num_threads();
    let mut searches: Vec<Search> = (0..together.min(n.div_ceil(GROUP))).map(|_| Search::new(n)).collect();
    let mut all = vec![0.0; n];
    for first in (0..n).step_by(GROUP * together) {
        step.tick(first as u64, Some(n as u64))?;
        searches.par_iter_mut().enumerate().for_each(|(i, search)| {
            let from = first + i * GROUP;
            search.sums.fill(0.0);
            (from.min(n)..(from + GROUP).min(n)).for_each(|source| search.run(arcs, source as u32));
        });
        for search in &searches {
            all.iter_mut().zip(&search.sums).for_each(|(all, sum)| *all += sum);
        }
    }
    if graph.is_undirected() {
        // Every pair was met from both its ends.
        for sum in &mut all {
            *sum /= 2.0;
        }
    }
    Ok(all)
}

/// A search from one source, and the sums of those of its group.
struct Search {
    distance: Vec<u32>,
    /// Number of shortest paths from the source.
    paths: Vec<f64>,
    /// What depends on a node, and the node itself, per path that leads to it.
    share: Vec<f64>,
    /// Nodes in the order in which they were reached.
    order: Vec<u32>,
    sums: Vec<f64>,
}

impl Search {
    fn new(n: usize) -> Self {
        let (distance, order) = (vec![FAR; n], Vec::with_capacity(n));
        Self { distance, paths: vec![0.0; n], share: vec![0.0; n], order, sums: vec![0.0; n] }
    }

    fn run(&mut self, arcs: &Simple, source: u32) {
        self.distance[source as usize] = 0;
        self.paths[source as usize] = 1.0;
        self.order.push(source);
        let mut at = 0;
        while let Some(&v) = self.order.get(at) {
            at += 1;
            let (farther, paths) = (self.distance[v as usize] + 1, self.paths[v as usize]);
            for &w in arcs.neighbors(NodeId(v)) {
                let distance = &mut self.distance[w as usize];
                if *distance == FAR {
                    *distance = farther;
                    self.paths[w as usize] = paths;
                    self.order.push(w);
                } else if *distance == farther {
                    self.paths[w as usize] += paths;
                }
            }
        }
        for &v in self.order.iter().rev() {
            let farther = self.distance[v as usize] + 1;
            let mut depends = 0.0;
            for &w in arcs.neighbors(NodeId(v)) {
                if self.distance[w as usize] == farther {
                    depends += self.share[w as usize];
                }
            }
            depends *= self.paths[v as usize];
            self.share[v as usize] = (1.0 + depends) / self.paths[v as usize];
            if v != source {
                self.sums[v as usize] += depends;
            }
        }
        self.order.drain(..).for_each(|v| self.distance[v as usize] = FAR);
    }
}

/// By definition: numbers of shortest paths between all pairs, and of those through every node.
#[cfg(test)]
mod oracle {
    pub(super) fn betweenness(n: usize, edges: &[(u32, u32)], is_undirected: bool) -> Vec<f64> {
        let mut arc = vec![vec![false; n]; n];
        for &(u, v) in edges.iter().filter(|(u, v)| u != v) {
            arc[u as usize][v as usize] = true;
            arc[v as usize][u as usize] |= is_undirected;
        }
        // Walks of each length, added to where no shorter one leads.
        let (mut distance, mut paths) = (vec![vec![usize::MAX; n]; n], vec![vec![0.0; n]; n]);
        let mut walks: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
        for length in 0..n {
            for i in 0..n {
                for j in 0..n {
                    if walks[i][j] > 0.0 && distance[i][j] == usize::MAX {
                        (distance[i][j], paths[i][j]) = (length, walks[i][j]);
                    }
                }
            }
            let step = |i: usize, j: usize| (0..n).filter(|&k| arc[k][j]).map(|k| walks[i][k]).sum();
            walks = (0..n).map(|i| (0..n).map(|j| step(i, j)).collect()).collect();
        }
        let through = |s: usize, t: usize, v: usize| {
            let lies_between =
                distance[s][v] < n && distance[v][t] < n && distance[s][v] + distance[v][t] == distance[s][t];
            if lies_between { paths[s][v] * paths[v][t] / paths[s][t] } else { 0.0 }
        };
        let pairs = |v: usize| {
            let others = move || (0..n).filter(move |&u| u != v);
            let of = move |s: usize| others().filter(move |&t| t != s).map(move |t| (s, t));
            (0..n).filter(move |&u| u != v).flat_map(of).collect::<Vec<_>>()
        };
        let share = if is_undirected { 0.5 } else { 1.0 };
        (0..n).map(|v| share * pairs(v).into_iter().map(|(s, t)| through(s, t, v)).sum::<f64>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Vec<f64> {
        betweenness(graph, &Context::silent()).expect("nobody asked to stop")
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    proptest! {
        #[test]
        fn every_pair_gives_each_node_its_share((n, edges) in random_edges(14, 40)) {
            let directed = run(&Csr::directed(n, &edges, vec![]));
            prop_assert!(close(&directed, &oracle::betweenness(n, &edges, false)), "{directed:?}");
            let undirected = run(&Csr::undirected(n, &edges, vec![]));
            prop_assert!(close(&undirected, &oracle::betweenness(n, &edges, true)), "{undirected:?}");
        }
    }

    #[test]
    fn the_karate_club_has_the_betweenness_networkx_gives() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]));
        let of = [0, 33, 32, 2, 31].map(|v: usize| found[v]);
        let expected =
            [231.071_428_571_4, 160.551_587_301_6, 76.690_476_190_5, 75.850_793_650_8, 73.009_523_809_5];
        assert!(close(&of, &expected), "{of:?}");
    }

    #[test]
    fn nobody_lies_between_nobody_and_parallels_are_one_way() {
        assert!(run(&Csr::directed(0, &[], vec![])).is_empty());
        assert_eq!(run(&Csr::directed(1, &[(0, 0)], vec![])), [0.0]);
        // Two ways from 0 to 3, one of them doubled.
        let found = run(&Csr::directed(5, &[(0, 1), (0, 1), (0, 2), (1, 3), (2, 3), (4, 4)], vec![]));
        assert_eq!(found, [0.0, 0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..4_000u32).map(|i| (i % 1_000, i.wrapping_mul(7_919) % 1_000)).collect();
        let graph = Csr::directed(1_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
        assert_eq!(on_threads(1, || run(&graph)), on_threads(3, || run(&graph)));
    }
}
