//! Bare graphs to measure on: Kronecker (R-MAT) and uniform, of any size, in canonical order from the first edge to the
//! last without sorting or holding them.
//!
//! D. Chakrabarti, Y. Zhan, C. Faloutsos: *R-MAT: A Recursive Model for Graph Mining*, 2004, with the parameters of
//! Graph500 (A, B, C, D = .57, .19, .19, .05; ids shuffled): an edge descends through the halves of sources and targets, a
//! bit of each at every level. How many of all edges fall to the one half of the sources is binomial, and so on within it:
//! splitting the number of edges instead of descending with each gives the out-degree of every node, and then each node's
//! targets are drawn for themselves, bit by bit given the source's. That is the same distribution over lists of edges,
//! their order apart, but any part of the list can be made at any time, on any thread.
//!
//! All targets' bits are drawn at once: a bit is 1 where a number of 32 random binary digits is below its probability, and
//! the digits of two edges' bits lie side by side in a word. Seven words decide two edges on average.

use std::ops::Range;

use clap::ValueEnum;
use polars::prelude::{Column, DataFrame, DataType};
use rand::RngExt as _;
use rand_distr::{Binomial, Distribution as _};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use thiserror::Error;

use super::chance::{Purpose, stream};
use crate::context::{Cancelled, Context, Diagnose, Fault};
use crate::snapshot::tables::{DST, NAME, NODE, SRC, UID};

/// Rows that one thread makes at a time.
const ROWS: usize = 1 << 18;
/// Nodes whose degrees are drawn from one stream, and whose first edge is known.
const BLOCK: usize = 4_096;
/// More nodes, or edges, are more than one graph holds.
const MOST: u64 = i32::MAX as u64;
/// More edges per node would be held and drawn anew at each end of a batch.
const MOST_DEGREE: u32 = 4_096;

/// What a bare graph looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// R-MAT with the parameters of Graph500: few hubs, many nodes without any edge
    Kronecker,
    /// Every pair of nodes as likely as any other
    Uniform,
}

impl Kind {
    /// As it is written on the command line and in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kronecker => "kronecker",
            Self::Uniform => "uniform",
        }
    }

    /// Probability that a bit of an edge's source is 0; that its target's bit is 1 where the source's is 0, and where it
    /// is 1.
    fn probabilities(self) -> (f64, [f64; 2]) {
        let [a, b, c, d] = match self {
            Self::Kronecker => [0.57, 0.19, 0.19, 0.05],
            Self::Uniform => [0.25; 4],
        };
        (a + b, [b / (a + b), d / (c + d)])
    }
}

/// Why there is no such graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BareGraphError {
    /// It would have more edges than a graph holds.
    #[error("2^{scale} nodes with {degree} edges each are more edges than one graph holds (2^31 − 1)")]
    TooLarge {
        /// As asked for.
        scale: u32,
        /// As asked for.
        degree: u32,
    },
    /// A scale or degree that means nothing.
    #[error("a graph has 2^1 to 2^30 nodes and 1 to {MOST_DEGREE} edges per node")]
    Range,
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for BareGraphError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooLarge { .. } | Self::Range => Fault::Input,
            Self::Cancelled(_) => Fault::Cancelled,
        }
    }
}

/// A bare graph: 2^scale nodes and `degree` times as many directed edges, parallel ones and self-loops among them.
///
/// What it holds is 4 bytes per node; edges are made in batches when they are asked for, the same whatever batches and
/// threads there are.
///
/// ```
/// use sonograph::context::Context;
/// use sonograph::sources::synthetic::{BareGraph, Kind};
///
/// let graph = BareGraph::draw(Kind::Kronecker, 8, 16, 7, &Context::silent())?;
/// let rows: usize = graph.edges(&Context::silent()).map(|batch| batch.expect("nobody stops it").height()).sum();
/// assert_eq!((graph.node_count(), rows), (256, 256 * 16));
/// # Ok::<(), sonograph::sources::synthetic::BareGraphError>(())
/// ```
#[derive(Debug)]
pub struct BareGraph {
    kind: Kind,
    seed: u64,
    shuffle: Shuffle,
    /// Edges that leave each node, by id before the shuffle.
    degrees: Vec<u32>,
    /// Number of the first edge of every block of nodes, by id after the shuffle; at the end, that of all.
    first: Vec<u64>,
}

impl BareGraph {
    /// How many nodes and edges such a graph has.
    ///
    /// # Errors
    ///
    /// When it has none, or more than one graph holds.
    pub fn size(scale: u32, degree: u32) -> Result<(u64, u64), BareGraphError> {
        if !(1..=30).contains(&scale) || !(1..=MOST_DEGREE).contains(&degree) {
            return Err(BareGraphError::Range);
        }
        let (nodes, edges) = (1 << scale, u64::from(degree) << scale);
        if edges > MOST { Err(BareGraphError::TooLarge { scale, degree }) } else { Ok((nodes, edges)) }
    }

    /// Bytes that making such a graph and writing it takes at most beside the program, on so many threads: degrees of all
    /// nodes, and for each thread a batch that is made, one that is written, and what it is encoded to.
    pub fn memory(nodes: u64, threads: usize) -> u64 {
        const ROW: u64 = 2 * 40 + 64;
        4 * nodes + 8 * nodes.div_ceil(BLOCK as u64) + threads as u64 * ROWS as u64 * ROW
    }

    /// Draws the degrees of all nodes. O(nodes) time; 4 bytes per node.
    ///
    /// # Errors
    ///
    /// As [`BareGraph::size`]; when somebody asks to stop.
    pub fn draw(
        kind: Kind,
        scale: u32,
        degree: u32,
        seed: u64,
        cx: &Context,
    ) -> Result<Self, BareGraphError> {
        let (nodes, edges) = Self::size(scale, degree)?;
        let shuffle = Shuffle::new(seed, scale);
        let mut degrees = vec![0; nodes as usize];
        let step = cx.step("draw degrees", None);
        split(edges, &mut degrees, 1, &(seed, kind.probabilities().0), cx)?;
        let of_block = |block: usize| -> u64 {
            let ids = block * BLOCK..((block + 1) * BLOCK).min(degrees.len());
            ids.map(|id| u64::from(degrees[shuffle.back(id as u32) as usize])).sum()
        };
        let mut first: Vec<u64> = (0..degrees.len().div_ceil(BLOCK)).into_par_iter().map(of_block).collect();
        drop(step);
        let mut sum = 0;
        for edges in &mut first {
            sum += std::mem::replace(edges, sum);
        }
        first.push(sum);
        Ok(Self { kind, seed, shuffle, degrees, first })
    }

    /// Number of nodes.
    pub fn node_count(&self) -> u64 {
        self.degrees.len() as u64
    }

    /// Number of edges.
    pub fn edge_count(&self) -> u64 {
        self.first.last().copied().unwrap_or(0)
    }

    /// Batches of nodes as `node, uid, name`: uids are ids with leading zeros, so that they rise with them, and nobody has
    /// a name.
    pub fn nodes<'a>(&'a self, cx: &'a Context) -> impl Iterator<Item = Result<DataFrame, Cancelled>> + 'a {
        let width = (self.node_count() - 1).to_string().len();
        Self::batches("write nodes", self.node_count(), cx, move |range| {
            let ids: Vec<i64> = range.clone().map(|id| id as i64).collect();
            let uids: Vec<String> = range.map(|id| format!("{id:0width$}")).collect();
            let name = Column::full_null(NAME.into(), ids.len(), &DataType::String);
            vec![Column::new(NODE.into(), ids), Column::new(UID.into(), uids), name]
        })
    }

    /// Batches of edges as `src, dst`, sorted by both.
    pub fn edges<'a>(&'a self, cx: &'a Context) -> impl Iterator<Item = Result<DataFrame, Cancelled>> + 'a {
        Self::batches("write edges", self.edge_count(), cx, |range| {
            let (src, dst) = self.ends(range);
            vec![Column::new(SRC.into(), src), Column::new(DST.into(), dst)]
        })
    }

    /// Batches of `total` rows: what each thread makes, one after the other.
    fn batches<'a>(
        title: &str,
        total: u64,
        cx: &Context,
        columns: impl Fn(Range<u64>) -> Vec<Column> + Sync + 'a,
    ) -> impl Iterator<Item = Result<DataFrame, Cancelled>> + 'a {
        let step = cx.step(title, Some(total));
        let together = (ROWS * rayon::current_num_threads()) as u64;
        (0..total.div_ceil(together)).map(move |batch| {
            step.tick(batch * together, None)?;
            let rows = batch * together..((batch + 1) * together).min(total);
            let starts: Vec<u64> = rows.clone().step_by(ROWS).collect();
            let part = |&start: &u64| {
                let rows = start..(start + ROWS as u64).min(rows.end);
                let height = (rows.end - rows.start) as usize;
                DataFrame::new(height, columns(rows)).expect("columns of this height, of unlike names")
            };
            let parts: Vec<DataFrame> = starts.par_iter().map(part).collect();
            let joined = parts.into_iter().reduce(|mut joined, part| {
                joined.vstack_mut_owned(part).expect("parts of one table");
                joined
            });
            Ok(joined.expect("a batch has rows"))
        })
    }

    /// Sources and targets of the edges with these numbers.
    fn ends(&self, edges: Range<u64>) -> (Vec<i64>, Vec<i64>) {
        let count = (edges.end - edges.start) as usize;
        let (mut src, mut dst) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let block = self.first.partition_point(|&first| first <= edges.start) - 1;
        let mut first = self.first[block];
        let mut targets = Vec::new();
        for node in (block * BLOCK) as u32.. {
            if first >= edges.end {
                break;
            }
            let degree = u64::from(self.degrees[self.shuffle.back(node) as usize]);
            let here = first.max(edges.start)..(first + degree).min(edges.end);
            if here.start < here.end {
                self.targets(node, &mut targets);
                let targets = &targets[(here.start - first) as usize..(here.end - first) as usize];
                src.extend(std::iter::repeat_n(i64::from(node), targets.len()));
                dst.extend(targets.iter().map(|&target| i64::from(target)));
            }
            first += degree;
        }
        (src, dst)
    }

    /// The targets of a node, rising.
    fn targets(&self, node: u32, targets: &mut Vec<u32>) {
        let source = self.shuffle.back(node);
        let degree = self.degrees[source as usize] as usize;
        let mut rng = stream(self.seed, Purpose::Edge, u64::from(source));
        let digits = digits(source, self.kind.probabilities().1);
        let (low, high) = (self.shuffle.mask, u64::from(self.shuffle.mask) << 32);
        targets.clear();
        while targets.len() < degree {
            let pair = below(&digits, u64::from(low) | high, &mut rng);
            targets.extend([pair as u32, (pair >> 32) as u32].map(|target| self.shuffle.there(target)));
        }
        targets.truncate(degree);
        targets.sort_unstable();
    }
}

/// The binary digits, first to last, of the probability of every bit of two targets of `source`.
fn digits(source: u32, probabilities: [f64; 2]) -> [u64; 32] {
    let [zero, one] = probabilities.map(|p| (p * 2f64.powi(32)) as u64);
    std::array::from_fn(|digit| {
        let is_set = |p: u64| if p >> (31 - digit) & 1 == 1 { u32::MAX } else { 0 };
        let bits = (source & is_set(one)) | (!source & is_set(zero));
        u64::from(bits) << 32 | u64::from(bits)
    })
}

/// Of every bit of `open` whether a random number is below the one whose digits are given.
fn below(digits: &[u64; 32], mut open: u64, rng: &mut Pcg64) -> u64 {
    let mut below = 0;
    for &digit in digits {
        let random = rng.random::<u64>();
        below |= open & digit & !random;
        open &= !(digit ^ random);
        if open == 0 {
            break;
        }
    }
    below
}

/// Splits `edges` over the nodes of `degrees`, the part `at` of a binary tree over all: those of its first half are as many
/// as have a source bit of 0.
fn split(edges: u64, degrees: &mut [u32], at: u64, of: &(u64, f64), cx: &Context) -> Result<(), Cancelled> {
    let (seed, zero) = *of;
    let mut rng = stream(seed, Purpose::Degree, at);
    if degrees.len() <= BLOCK {
        cx.check()?;
        split_here(edges, degrees, zero, &mut rng);
        return Ok(());
    }
    let left = binomial(edges, zero, &mut rng);
    let (first, second) = degrees.split_at_mut(degrees.len() / 2);
    let (a, b) = rayon::join(
        || split(left, first, 2 * at, of, cx),
        || split(edges - left, second, 2 * at + 1, of, cx),
    );
    a.and(b)
}

fn split_here(edges: u64, degrees: &mut [u32], zero: f64, rng: &mut Pcg64) {
    match degrees {
        _ if edges == 0 => {}
        [degree] => *degree = edges as u32,
        _ => {
            let left = binomial(edges, zero, rng);
            let (first, second) = degrees.split_at_mut(degrees.len() / 2);
            split_here(left, first, zero, rng);
            split_here(edges - left, second, zero, rng);
        }
    }
}

fn binomial(of: u64, probability: f64, rng: &mut Pcg64) -> u64 {
    Binomial::new(of, probability).expect("a probability").sample(rng)
}

/// A seeded order of all ids, so that an id tells nothing about its degree: rounds of xor, product with an odd number and
/// xor with the upper half, each of which can be undone.
#[derive(Debug)]
struct Shuffle {
    mask: u32,
    half: u32,
    /// What is xored, the factor, and its inverse.
    rounds: [(u32, u32, u32); 4],
}

impl Shuffle {
    fn new(seed: u64, scale: u32) -> Self {
        let mut rng = stream(seed, Purpose::Shuffle, u64::from(scale));
        let mask = u32::MAX >> (32 - scale);
        let round = |_| {
            let (key, factor) = (rng.random::<u32>() & mask, rng.random::<u32>() | 1);
            // Newton: each step doubles the bits that are right, three at first.
            let inverse = (0..4).fold(factor, |inverse: u32, _| {
                inverse.wrapping_mul(2u32.wrapping_sub(factor.wrapping_mul(inverse)))
            });
            (key, factor, inverse)
        };
        Self { mask, half: scale.div_ceil(2), rounds: [0; 4].map(round) }
    }

    fn there(&self, id: u32) -> u32 {
        self.rounds.iter().fold(id, |id, (key, factor, _)| {
            let id = (id ^ key).wrapping_mul(*factor) & self.mask;
            id ^ (id >> self.half)
        })
    }

    fn back(&self, id: u32) -> u32 {
        self.rounds.iter().rev().fold(id, |id, (key, _, inverse)| {
            let id = id ^ (id >> self.half);
            (id.wrapping_mul(*inverse) & self.mask) ^ key
        })
    }
}

#[cfg(test)]
#[path = "kronecker_tests.rs"]
mod tests;
