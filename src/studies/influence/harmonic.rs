//! Harmonic centrality: how near everybody is, those out of reach counting nothing.
//!
//! M. Marchiori, V. Latora: *Harmony in the Small-World*, 2000; axioms for it in P. Boldi, S. Vigna: *Axioms for Centrality*, 2014.
//! Exact: a breadth-first search from every node, 64 at a time in the bits of a word, so that an arc is followed once for
//! all of them that are at its source (M. Then et al.: *The More the Merrier: Efficient Multi-Source Graph Traversal*, 2014).
//! Batches run on all threads and are added in their order. Time grows with the square of the graph, memory does not.

use rayon::prelude::*;

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId};

/// Searches at a time: one for every bit of a word.
const BATCH: usize = u64::BITS as usize;

/// `H(v) = Σ_u 1/d(u,v)` over the nodes `u` from which `v` can be reached, with `d` the fewest edges on the way.
///
/// O(nodes·arcs/64) at best, where neighbours are near each other, and O(nodes·arcs) at worst; 40 bytes per node and thread.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::harmonic::harmonic};
///
/// let path = Csr::directed(3, &[(0, 1), (1, 2)], vec![]);
/// assert_eq!(harmonic(&path, &Context::silent())?, [0.0, 1.0, 1.5]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn harmonic(graph: &Csr, cx: &Context) -> Result<Vec<f64>, Cancelled> {
    let n = graph.node_count();
    let step = cx.step("harmonic", Some(n as u64));
    let together = rayon::current_num_threads();
    let mut searches: Vec<Search> = (0..together.min(n.div_ceil(BATCH))).map(|_| Search::new(n)).collect();
    let mut all = vec![0.0; n];
    for first in (0..n).step_by(BATCH * together) {
        step.tick(first as u64, Some(n as u64))?;
        searches.par_iter_mut().enumerate().for_each(|(i, search)| {
            let from = first + i * BATCH;
            search.run(graph, from.min(n)..(from + BATCH).min(n));
        });
        // Sums of a batch are added to those of the batches before: how many run at once does not show.
        for search in &searches {
            all.iter_mut().zip(&search.sums).for_each(|(all, sum)| *all += sum);
        }
    }
    Ok(all)
}

/// A batch of searches, and what they find.
struct Search {
    /// By which searches a node was reached, by bits.
    seen: Vec<u64>,
    /// By which of them it was reached in the last step, and in this one.
    last: Vec<u64>,
    next: Vec<u64>,
    /// The nodes that were reached in the last step, and in this one.
    active: Vec<u32>,
    reached: Vec<u32>,
    sums: Vec<f64>,
}

impl Search {
    fn new(n: usize) -> Self {
        let bits = || vec![0; n];
        let (active, reached) = (Vec::with_capacity(n), Vec::with_capacity(n));
        Self { seen: bits(), last: bits(), next: bits(), active, reached, sums: vec![0.0; n] }
    }

    fn run(&mut self, graph: &Csr, sources: std::ops::Range<usize>) {
        self.seen.fill(0);
        self.sums.fill(0.0);
        for (bit, v) in sources.enumerate() {
            (self.seen[v], self.last[v]) = (1 << bit, 1 << bit);
            self.active.push(v as u32);
        }
        let mut distance = 0.0;
        while !self.active.is_empty() {
            distance += 1.0;
            for v in self.active.drain(..) {
                let here = std::mem::take(&mut self.last[v as usize]);
                for &w in graph.out_neighbors(NodeId(v)) {
                    let new = here & !self.seen[w as usize];
                    if new != 0 {
                        let next = &mut self.next[w as usize];
                        if *next == 0 {
                            self.reached.push(w);
                        }
                        *next |= new;
                    }
                }
            }
            for &w in &self.reached {
                let new = std::mem::take(&mut self.next[w as usize]);
                self.seen[w as usize] |= new;
                self.last[w as usize] = new;
                self.sums[w as usize] += f64::from(new.count_ones()) / distance;
            }
            std::mem::swap(&mut self.active, &mut self.reached);
        }
    }
}

/// One search against the arcs from every node.
#[cfg(test)]
mod oracle {
    use std::collections::VecDeque;

    pub(super) fn harmonic(n: usize, edges: &[(u32, u32)]) -> Vec<f64> {
        let of = |v: usize| {
            let mut distance = vec![None; n];
            distance[v] = Some(0u32);
            let mut queue = VecDeque::from([v]);
            while let Some(w) = queue.pop_front() {
                for &(u, _) in edges.iter().filter(|edge| edge.1 as usize == w) {
                    if distance[u as usize].is_none() {
                        distance[u as usize] = distance[w].map(|d| d + 1);
                        queue.push_back(u as usize);
                    }
                }
            }
            distance.into_iter().flatten().filter(|&d| d > 0).map(|d| 1.0 / f64::from(d)).sum()
        };
        (0..n).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Vec<f64> {
        harmonic(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn nearness_is_that_of_single_searches((n, edges) in random_edges(150, 300)) {
            let found = run(&Csr::directed(n, &edges, vec![]));
            for (a, b) in found.iter().zip(oracle::harmonic(n, &edges)) {
                prop_assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_karate_club_has_the_nearness_networkx_gives() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]));
        for (node, expected) in [(0, 23.0 + 1.0 / 6.0), (33, 23.25), (16, 11.1), (11, 13.5)] {
            assert!((found[node] - expected).abs() < 1e-9, "node {node}: {}", found[node]);
        }
    }

    #[test]
    fn loops_parallels_and_who_is_out_of_reach_add_nothing() {
        assert!(run(&Csr::directed(0, &[], vec![])).is_empty());
        assert_eq!(run(&Csr::directed(4, &[(0, 1), (0, 1), (1, 1), (2, 2)], vec![])), [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..4_000u32).map(|i| (i % 1_000, i.wrapping_mul(7_919) % 1_000)).collect();
        let graph = Csr::directed(1_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
        assert_eq!(on_threads(1, || run(&graph)), on_threads(3, || run(&graph)));
    }
}
