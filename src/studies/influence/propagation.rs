//! Propagation blocking: what nodes pass on along their arcs is first laid aside by ranges of targets and then summed, a
//! range at a time, so that no sum is looked for outside the cache of a core.
//!
//! S. Beamer, K. Asanović, D. Patterson: *Reducing Pagerank Communication via Propagation Blocking*, 2017.
//!
//! Arcs are laid aside by source, so a node's sum is added up in the order of its sources: with any number of threads the
//! same bits, and of a directed graph the bits that a pull along the arcs that enter gives.

use std::ops::Range;

use rayon::prelude::*;

use crate::graph::{Csr, NodeId};

/// What a pull reads at random fits the last cache of a common processor up to so many nodes.
const CACHED_NODES: u64 = 1 << 22;

/// How many, and how large ranges of targets are.
#[derive(Debug, Clone, Copy)]
struct Measures {
    /// Nodes whose sums fit the second cache of a core, half a mebibyte of them, as a power of two.
    bin_bits: u32,
    /// The most ranges, so that where each is written fits the first cache.
    most_bins: usize,
    /// Arcs laid aside at a time, but for the last node of every part: enough that a range of sums is worth its way into the
    /// cache, and no more.
    block: usize,
    /// Shares of a block that are laid aside by one thread each.
    parts: usize,
}

const MEASURES: Measures = Measures { bin_bits: 16, most_bins: 1_024, block: 1 << 26, parts: 8 };

/// What one arc passes on.
#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    to: u32,
    /// The two halves of a double, so that this takes 12 bytes.
    share: [u32; 2],
}

impl Passed {
    fn new(to: u32, share: f64) -> Self {
        let bits = share.to_bits();
        Self { to, share: [bits as u32, (bits >> 32) as u32] }
    }

    fn share(self) -> f64 {
        f64::from_bits(u64::from(self.share[1]) << 32 | u64::from(self.share[0]))
    }
}

/// A run of sources.
#[derive(Debug)]
struct Block {
    parts: Vec<Range<u32>>,
    /// Arcs by range of targets and, within one, by part.
    counts: Vec<usize>,
}

/// Sums along all arcs of one graph.
#[derive(Debug)]
pub(super) struct Propagation {
    bin_bits: u32,
    bins: usize,
    blocks: Vec<Block>,
    aside: Vec<Passed>,
}

/// Bytes that sums along the arcs of a graph take; 0 where [`Propagation::of_large`] gives none.
pub(super) fn memory(nodes: u64, arcs: u64) -> u64 {
    let aside = arcs.min(MEASURES.block as u64) * size_of::<Passed>() as u64;
    if nodes > CACHED_NODES { aside } else { 0 }
}

impl Propagation {
    /// For graphs of more nodes than a pull reads from the cache.
    pub(super) fn of_large(graph: &Csr) -> Option<Self> {
        (graph.node_count() as u64 > CACHED_NODES).then(|| Self::new(graph, MEASURES))
    }

    fn new(graph: &Csr, Measures { bin_bits, most_bins, block, parts }: Measures) -> Self {
        let nodes = graph.node_count();
        let bin_bits = bin_bits.max(nodes.div_ceil(most_bins).next_power_of_two().trailing_zeros());
        let bins = nodes.div_ceil(1 << bin_bits);
        let mut ranges = vec![];
        let (mut start, mut arcs) = (0, 0);
        for v in graph.nodes() {
            arcs += graph.out_degree(v);
            if arcs >= block.div_ceil(parts) || v.index() + 1 == nodes {
                ranges.push(start..v.0 + 1);
                (start, arcs) = (v.0 + 1, 0);
            }
        }
        let counted: Vec<Vec<usize>> = ranges
            .par_iter()
            .map(|range| {
                let mut counts = vec![0; bins];
                for v in range.clone() {
                    graph
                        .out_neighbors(NodeId(v))
                        .iter()
                        .for_each(|&to| counts[(to >> bin_bits) as usize] += 1);
                }
                counts
            })
            .collect();
        let blocks: Vec<Block> = ranges
            .chunks(parts)
            .zip(counted.chunks(parts))
            .map(|(ranges, counted)| Block {
                parts: ranges.to_vec(),
                counts: (0..bins).flat_map(|bin| counted.iter().map(move |counts| counts[bin])).collect(),
            })
            .collect();
        let most = blocks.iter().map(|block| block.counts.iter().sum()).max().unwrap_or_default();
        Self { bin_bits, bins, blocks, aside: vec![Passed::default(); most] }
    }

    /// Sets `sums[v]` to what enters `v`: of every arc what its source passes on, times the arc's weight. O(nodes + arcs).
    pub(super) fn sum(&mut self, graph: &Csr, passed: &[f64], sums: &mut [f64]) {
        sums.par_chunks_mut(1 << self.bin_bits).for_each(|sums| sums.fill(0.0));
        for block in &self.blocks {
            lay_aside(graph, passed, block, self.bin_bits, &mut self.aside);
            let mut rest = &self.aside[..];
            let by_bin: Vec<&[Passed]> = block
                .counts
                .chunks(block.parts.len())
                .map(|counts| {
                    let (bin, behind) = rest.split_at(counts.iter().sum());
                    rest = behind;
                    bin
                })
                .collect();
            debug_assert!(by_bin.len() == self.bins, "a range of targets each");
            sums.par_chunks_mut(1 << self.bin_bits).zip(by_bin).for_each(|(sums, bin)| {
                let within = (1 << self.bin_bits) - 1;
                for passed in bin {
                    sums[(passed.to & within) as usize] += passed.share();
                }
            });
        }
    }
}

/// Writes what the arcs of a block pass on, by range of targets and in the order of sources.
fn lay_aside(graph: &Csr, passed: &[f64], block: &Block, bin_bits: u32, aside: &mut [Passed]) {
    let mut rest = aside;
    let mut of_parts: Vec<Vec<_>> = block.parts.iter().map(|_| vec![]).collect();
    for (at, &count) in block.counts.iter().enumerate() {
        let (one, behind) = std::mem::take(&mut rest).split_at_mut(count);
        of_parts[at % block.parts.len()].push(one.iter_mut());
        rest = behind;
    }
    of_parts.into_par_iter().zip(&block.parts).for_each(|(mut bins, range)| {
        let mut lay = |to: u32, share: f64| {
            *bins[(to >> bin_bits) as usize].next().expect("the arcs were counted") = Passed::new(to, share);
        };
        for v in range.clone() {
            let (share, targets) = (passed[v as usize], graph.out_neighbors(NodeId(v)));
            if graph.is_weighted() {
                let weights = graph.out_edges(NodeId(v)).map(|edge| graph.weight(edge));
                targets.iter().zip(weights).for_each(|(&to, weight)| lay(to, share * weight));
            } else {
                for &to in targets {
                    lay(to, share);
                }
            }
        }
    });
}

/// The sums as a pull along the arcs that enter adds them up.
#[cfg(test)]
mod oracle {
    use crate::graph::{Csr, NodeId};

    pub(super) fn sums(graph: &Csr, passed: &[f64]) -> Vec<f64> {
        let of = |v: NodeId| {
            let weights = graph.in_edges(v).map(|edge| graph.weight(edge));
            graph.in_neighbors(v).iter().zip(weights).fold(0.0, |sum, (&u, w)| sum + passed[u as usize] * w)
        };
        graph.nodes().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{on_threads, random_edges};

    const SMALL: Measures = Measures { bin_bits: 1, most_bins: 7, block: 9, parts: 3 };

    proptest! {
        #[test]
        fn sums_are_those_of_a_pull_to_the_bit_with_any_number_of_threads(
            (n, edges) in random_edges(40, 120),
            seed in 0u32..1000,
            weighted: bool,
        ) {
            let fraction = |i: usize| f64::from((seed + 1).wrapping_mul(0x9e37_79b1 ^ i as u32) % 1009) / 1009.0;
            let weights = if weighted { (0..edges.len()).map(fraction).collect() } else { vec![] };
            let graph = Csr::directed(n, &edges, weights);
            let passed: Vec<f64> = (0..n).map(|v| fraction(v + 500)).collect();
            let sums = |threads| on_threads(threads, || {
                let mut propagation = Propagation::new(&graph, SMALL);
                let mut sums = vec![f64::NAN; n];
                // Twice, because what is laid aside is used again.
                for _ in 0..2 {
                    propagation.sum(&graph, &passed, &mut sums);
                }
                sums
            });
            prop_assert_eq!(sums(1), oracle::sums(&graph, &passed));
            prop_assert_eq!(sums(1), sums(2));
        }
    }

    #[test]
    fn an_undirected_graph_is_summed_both_ways_and_one_without_nodes_not_at_all() {
        let graph = Csr::undirected(4, &[(0, 1), (1, 2), (2, 2)], vec![1.0, 2.0, 4.0]);
        let mut sums = vec![f64::NAN; 4];
        Propagation::new(&graph, SMALL).sum(&graph, &[1.0, 10.0, 100.0, 1000.0], &mut sums);
        assert_eq!(sums, [10.0, 1.0 + 200.0, 20.0 + 400.0, 0.0]);
        Propagation::new(&Csr::directed(0, &[], vec![]), SMALL).sum(&Csr::default(), &[], &mut []);
    }

    #[test]
    fn what_is_laid_aside_is_bounded_and_told() {
        let edges: Vec<(u32, u32)> = (0..1000).map(|i| (i % 50, i * 7 % 50)).collect();
        let propagation = Propagation::new(&Csr::directed(50, &edges, vec![]), SMALL);
        // A part may be longer by a node of twenty arcs, less one.
        assert!((9..=9 + 3 * 19).contains(&propagation.aside.len()), "{}", propagation.aside.len());
        assert!(propagation.bins <= 7 && propagation.blocks.len() > 10);
        assert_eq!(size_of::<Passed>(), 12);
        assert_eq!(memory(CACHED_NODES, 1 << 30), 0);
        assert_eq!(memory(CACHED_NODES + 1, 1 << 30), 12 << 26);
        assert_eq!(memory(CACHED_NODES + 1, 5), 60);
    }
}
