//! Betweenness and nearness where edges have lengths.
//!
//! Betweenness after the weighted form of U. Brandes: *A Faster Algorithm for Betweenness Centrality*, 2001; nearness is the sum of
//! 1/distance of T. Opsahl, F. Agneessens, J. Skvoretz: *Node Centrality in Weighted Networks*, 2010, over all that reach a node. Both ask
//! Dijkstra's search from every node, which is a logarithm slower than the search by hops. Two ways are as short as each
//! other where their lengths, added up from the source, are the same number: decimal fractions that ought to add up to the
//! same may not, which whole numbers do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;
use thiserror::Error;

use crate::context::{Cancelled, Context};
use crate::graph::Csr;

/// Sources whose sums are made one after another; fixed, because partial sums are added in this grouping.
const GROUP: usize = 16;

/// Why there are no scores.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum LengthError {
    /// A length is not above 0.
    #[error("edge {edge} is {value} long; betweenness and nearness by length need lengths above 0")]
    Length {
        /// The first such edge.
        edge: u32,
        /// Its weight.
        value: f64,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What is summed up over all sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// `B(v) = Σ σ(s,t|v)/σ(s,t)` over all pairs `s ≠ v ≠ t`, with `σ` the number of shortest paths by length.
    Betweenness,
    /// `H(v) = Σ_u 1/d(u,v)`, with `d` the shortest length.
    Harmonic,
}

/// The sum for every node; weights are lengths. On an undirected graph betweenness counts every pair once. Of parallel edges
/// the shortest is taken, self-loops lead nowhere.
///
/// O(nodes·(arcs + nodes·log nodes)); 12 bytes per arc, and 60 per node and thread.
///
/// # Errors
/// When a length is not above 0, or somebody asks to stop.
///
/// ```
/// use sonograph::context::Context;
/// use sonograph::graph::Csr;
/// use sonograph::studies::influence::weighted_brandes::{Sum, weighted_brandes};
///
/// // The way round is shorter.
/// let graph = Csr::undirected(3, &[(0, 2), (0, 1), (1, 2)], vec![5.0, 1.0, 1.0]);
/// assert_eq!(weighted_brandes(&graph, Sum::Betweenness, &Context::silent())?, [0.0, 1.0, 0.0]);
/// assert_eq!(weighted_brandes(&graph, Sum::Harmonic, &Context::silent())?, [1.5, 2.0, 1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn weighted_brandes(graph: &Csr, sum: Sum, cx: &Context) -> Result<Vec<f64>, LengthError> {
    let lengths = Lengths::of(graph)?;
    let n = graph.node_count();
    let step = cx.step(if sum == Sum::Betweenness { "betweenness" } else { "harmonic" }, Some(n as u64));
    let together = rayon::current_num_threads();
    let mut searches: Vec<Search> = (0..together.min(n.div_ceil(GROUP))).map(|_| Search::new(n)).collect();
    let mut all = vec![0.0; n];
    for first in (0..n).step_by(GROUP * together) {
        step.tick(first as u64, Some(n as u64))?;
        searches.par_iter_mut().enumerate().for_each(|(i, search)| {
            let from = first + i * GROUP;
            search.sums.fill(0.0);
            for source in from.min(n)..(from + GROUP).min(n) {
                search.run(&lengths, source as u32);
                match sum {
                    Sum::Betweenness => search.betweenness(&lengths),
                    Sum::Harmonic => search.harmonic(),
                }
                search.forget();
            }
        });
        for search in &searches {
            all.iter_mut().zip(&search.sums).for_each(|(all, sum)| *all += sum);
        }
    }
    if sum == Sum::Betweenness && graph.is_undirected() {
        // Every pair was met from both its ends.
        for sum in &mut all {
            *sum /= 2.0;
        }
    }
    Ok(all)
}

/// Every neighbour once, with the shortest edge that leads to it.
struct Lengths {
    offsets: Vec<u32>,
    ends: Vec<u32>,
    long: Vec<f64>,
}

impl Lengths {
    fn of(graph: &Csr) -> Result<Self, LengthError> {
        // NaN is not above 0 either.
        let is_length = |edge: &u32| graph.weight(*edge) > 0.0;
        if let Some(edge) = (0..graph.edge_count() as u32).find(|edge| !is_length(edge)) {
            return Err(LengthError::Length { edge, value: graph.weight(edge) });
        }
        let mut all = Self { offsets: vec![0], ends: vec![], long: vec![] };
        let mut around: Vec<(u32, f64)> = vec![];
        for v in graph.nodes() {
            around.clear();
            let arcs = graph.out_neighbors(v).iter().zip(graph.out_edges(v));
            around.extend(arcs.filter(|(w, _)| **w != v.0).map(|(&w, edge)| (w, graph.weight(edge))));
            around.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            around.dedup_by_key(|(w, _)| *w);
            all.ends.extend(around.iter().map(|(w, _)| *w));
            all.long.extend(around.iter().map(|(_, length)| *length));
            all.offsets.push(all.ends.len() as u32);
        }
        Ok(all)
    }

    fn arcs(&self, v: u32) -> impl Iterator<Item = (u32, f64)> {
        let range = self.offsets[v as usize] as usize..self.offsets[v as usize + 1] as usize;
        self.ends[range.clone()].iter().copied().zip(self.long[range].iter().copied())
    }
}

/// A search from one source, and the sums of those of its group.
struct Search {
    distance: Vec<f64>,
    /// Number of shortest paths from the source.
    paths: Vec<f64>,
    /// What depends on a node, and the node itself, per path that leads to it.
    share: Vec<f64>,
    /// Nodes in the order in which their distance became known.
    order: Vec<u32>,
    /// Distances as bits, which sort as they do, and nodes.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    sums: Vec<f64>,
}

impl Search {
    fn new(n: usize) -> Self {
        let zeros = || vec![0.0; n];
        Self {
            distance: vec![f64::INFINITY; n],
            paths: zeros(),
            share: zeros(),
            order: Vec::with_capacity(n),
            waiting: BinaryHeap::new(),
            sums: zeros(),
        }
    }

    fn run(&mut self, lengths: &Lengths, source: u32) {
        self.distance[source as usize] = 0.0;
        self.paths[source as usize] = 1.0;
        self.waiting.push(Reverse((0, source)));
        while let Some(Reverse((bits, v))) = self.waiting.pop() {
            let distance = self.distance[v as usize];
            // It was found again on a shorter way.
            if bits != distance.to_bits() {
                continue;
            }
            self.order.push(v);
            let paths = self.paths[v as usize];
            for (w, length) in lengths.arcs(v) {
                let farther = distance + length;
                let known = self.distance[w as usize];
                if farther < known {
                    self.distance[w as usize] = farther;
                    self.paths[w as usize] = paths;
                    self.waiting.push(Reverse((farther.to_bits(), w)));
                } else if farther.to_bits() == known.to_bits() && farther.is_finite() {
                    self.paths[w as usize] += paths;
                }
            }
        }
    }

    fn betweenness(&mut self, lengths: &Lengths) {
        let source = self.order[0];
        for &v in self.order.iter().rev() {
            let distance = self.distance[v as usize];
            let mut depends = 0.0;
            for (w, length) in lengths.arcs(v) {
                let farther = distance + length;
                if self.distance[w as usize].to_bits() == farther.to_bits() && farther.is_finite() {
                    depends += self.share[w as usize];
                }
            }
            depends *= self.paths[v as usize];
            self.share[v as usize] = (1.0 + depends) / self.paths[v as usize];
            if v != source {
                self.sums[v as usize] += depends;
            }
        }
    }

    fn harmonic(&mut self) {
        for &v in &self.order[1..] {
            self.sums[v as usize] += self.distance[v as usize].recip();
        }
    }

    fn forget(&mut self) {
        self.order.drain(..).for_each(|v| self.distance[v as usize] = f64::INFINITY);
    }
}

/// All loopless paths of every pair, and of them those that are shortest.
#[cfg(test)]
mod oracle {
    /// Betweenness and nearness.
    pub(super) fn sums(
        n: usize,
        edges: &[(u32, u32)],
        lengths: &[f64],
        is_undirected: bool,
    ) -> (Vec<f64>, Vec<f64>) {
        let mut shortest = vec![vec![f64::INFINITY; n]; n];
        for (&(u, v), &length) in edges.iter().zip(lengths).filter(|((u, v), _)| u != v) {
            let (u, v) = (u as usize, v as usize);
            shortest[u][v] = shortest[u][v].min(length);
            if is_undirected {
                shortest[v][u] = shortest[v][u].min(length);
            }
        }
        let (mut between, mut near) = (vec![0.0; n], vec![0.0; n]);
        for source in 0..n {
            for target in (0..n).filter(|&target| target != source) {
                let (mut open, mut arrived) = (vec![(0.0, vec![source])], vec![]);
                while let Some((length, path)) = open.pop() {
                    let last = path[path.len() - 1];
                    if last == target {
                        arrived.push((length, path));
                        continue;
                    }
                    for next in (0..n).filter(|v| shortest[last][*v].is_finite() && !path.contains(v)) {
                        let on = path.iter().copied().chain([next]).collect();
                        open.push((length + shortest[last][next], on));
                    }
                }
                let least = arrived.iter().map(|(length, _)| *length).fold(f64::INFINITY, f64::min);
                if least.is_finite() {
                    near[target] += 1.0 / least;
                }
                arrived.retain(|(length, _)| length.to_bits() == least.to_bits());
                for (_, path) in &arrived {
                    for &v in &path[1..path.len() - 1] {
                        between[v] += 1.0 / arrived.len() as f64 / if is_undirected { 2.0 } else { 1.0 };
                    }
                }
            }
        }
        (between, near)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, sum: Sum) -> Vec<f64> {
        weighted_brandes(graph, sum, &Context::silent()).expect("lengths are above 0")
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    proptest! {
        #[test]
        fn every_shortest_path_counts_its_share((n, edges) in random_edges(7, 14), seed in 0u32..1_000) {
            let length = |i: usize| f64::from(1 + (seed.wrapping_mul(2_654_435_761) >> (i % 24)) % 4);
            let lengths: Vec<f64> = (0..edges.len()).map(length).collect();
            for is_undirected in [false, true] {
                let of = if is_undirected { Csr::undirected } else { Csr::directed };
                let graph = of(n, &edges, lengths.clone());
                let (between, near) = oracle::sums(n, &edges, &lengths, is_undirected);
                let found = run(&graph, Sum::Betweenness);
                prop_assert!(close(&found, &between), "{found:?} {between:?}");
                let found = run(&graph, Sum::Harmonic);
                prop_assert!(close(&found, &near), "{found:?} {near:?}");
            }
        }
    }

    #[test]
    fn where_all_edges_are_alike_hops_are_what_counts() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![2.0; edges.len()]);
        let hops =
            super::super::brandes::betweenness(&graph, &Context::silent()).expect("nobody asked to stop");
        assert!(close(&run(&graph, Sum::Betweenness), &hops));
        let near =
            super::super::harmonic::harmonic(&graph, &Context::silent()).expect("nobody asked to stop");
        assert!(close(&run(&graph, Sum::Harmonic), &near.iter().map(|near| near / 2.0).collect::<Vec<_>>()));
    }

    #[test]
    fn a_length_is_above_nothing_and_may_be_beyond_all_numbers() {
        assert!(run(&Csr::directed(0, &[], vec![]), Sum::Betweenness).is_empty());
        for length in [0.0, -1.0, f64::NAN] {
            let graph = Csr::directed(2, &[(0, 1), (1, 0)], vec![1.0, length]);
            let error = weighted_brandes(&graph, Sum::Harmonic, &Context::silent()).expect_err("no length");
            assert!(matches!(error, LengthError::Length { edge: 1, .. }), "{error:?}");
        }
        let graph = Csr::directed(3, &[(0, 1), (1, 2)], vec![f64::MAX; 2]);
        assert_eq!(run(&graph, Sum::Betweenness), [0.0; 3]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..3_000u32).map(|i| (i % 500, i.wrapping_mul(7_919) % 500)).collect();
        let lengths = (0..3_000u32).map(|i| f64::from(1 + i % 7) / 3.0).collect();
        let graph = Csr::directed(500, &edges, lengths);
        for sum in [Sum::Betweenness, Sum::Harmonic] {
            let one = on_threads(1, || run(&graph, sum));
            assert_eq!(one, on_threads(2, || run(&graph, sum)));
            assert_eq!(one, on_threads(3, || run(&graph, sum)));
        }
    }
}
