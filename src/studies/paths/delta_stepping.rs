//! Least cost from one node to every other.
//!
//! Δ-stepping (U. Meyer, P. Sanders: *Δ-stepping: a parallelizable shortest path algorithm*, 2003): nodes wait in buckets
//! of width Δ by their distance so far; a bucket is emptied, again and again while it fills, before the next is opened.
//! Small buckets are emptied on the spot, without handing work to other threads (bucket fusion: Y. Zhang, A. Brahmakshatriya
//! et al.: *Optimizing Ordered Graph Algorithms with `GraphIt`*, 2020). Nodes that wait are kept with the distance they
//! were put there with, so that of a node put there several times only the nearest is followed.
//!
//! A distance is the least, over all ways, of the lengths added up from the source on. Rounding never turns a longer
//! start into a shorter sum, so whatever order nodes are followed in, the least is the same to the last bit: no order has
//! to be kept between threads. The cost is 8 bytes per node beside the graph, and 16 for everyone who waits.
//!
//! Δ is the mean length over the mean degree, times [`WIDTH`]. That is a quarter of what Meyer and Sanders choose for lengths
//! spread evenly: on graphs with hubs, to follow a hub again costs more than to open a few more buckets. There are
//! [`BUCKETS`] of them; who is farther than the last waits aside. Once all buckets are empty they are laid anew from the nearest of those on, and wider where that takes in
//! half of them: lengths over many orders of magnitude cost a few rounds, not a bucket for every Δ on the way.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;
use thiserror::Error;

use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId, Weights};

/// Mean lengths per mean degree in a bucket.
const WIDTH: f64 = 0.5;
/// Buckets there are at a time.
const BUCKETS: usize = 1_024;
/// Waiting nodes that are worth handing to several threads.
const SHARED: usize = 2_048;

/// Why there are no least costs.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum DeltaSteppingError {
    /// A length is negative or not a number.
    #[error("edge {edge} is {value} long; least costs need lengths of at least 0")]
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

/// The length of all edges together.
///
/// # Errors
///
/// When an edge has a weight that is no length: the first such edge.
pub(super) fn total_length(graph: &Csr) -> Result<f64, DeltaSteppingError> {
    /// Lengths added up at a time: fixed, so that the sum does not depend on threads.
    const CHUNK: usize = 1 << 14;
    fn sum<T: Copy + Into<f64> + Sync>(values: &[T]) -> Result<f64, DeltaSteppingError> {
        // NaN is not at least 0 either.
        let is_length = |value: T| matches!(value.into(), 0.0..);
        let part = |(chunk, part): (usize, &[T])| {
            if part.iter().all(|&value| is_length(value)) {
                return Ok(part.iter().map(|&value| value.into()).sum::<f64>());
            }
            let at = part.iter().position(|&value| !is_length(value)).expect("not all are lengths");
            Err(DeltaSteppingError::Length { edge: (chunk * CHUNK + at) as u32, value: part[at].into() })
        };
        let sums: Vec<_> = values.par_chunks(CHUNK).enumerate().map(part).collect();
        sums.into_iter().sum()
    }
    match graph.weights() {
        Weights::One => Ok(graph.edge_count() as f64),
        Weights::Single(values) => sum(values),
        Weights::Double(values) => sum(values),
    }
}

/// The least cost from `source` to every node, along out-arcs, by node; weights are lengths of at least 0, in any unit.
///
/// Infinite where there is no way, or where every way is longer than a number can hold. Of parallel arcs the shortest
/// counts; a self-loop never does. The source is 0 from itself.
///
/// O(nodes + arcs) for lengths that are spread evenly, and never more than a Bellman–Ford search within each bucket;
/// 8 bytes per node, and 16 per node that waits.
///
/// ```
/// use sonograph::{context::Context, graph::{Csr, NodeId}};
/// use sonograph::studies::paths::delta_stepping::delta_stepping;
///
/// let graph = Csr::directed(4, &[(0, 1), (1, 2), (0, 2)], vec![1.0, 2.0, 4.5]);
/// let found = delta_stepping(&graph, NodeId(0), &Context::silent())?;
/// assert_eq!(found, [0.0, 1.0, 3.0, f64::INFINITY]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When a length is negative or not a number; when somebody asked to stop.
///
/// # Panics
///
/// When `source` is not a node of the graph.
pub fn delta_stepping(graph: &Csr, source: NodeId, cx: &Context) -> Result<Vec<f64>, DeltaSteppingError> {
    let delta = delta(graph, total_length(graph)?);
    Ok(measured(graph, source, delta, cx)?)
}

fn measured(graph: &Csr, source: NodeId, delta: f64, cx: &Context) -> Result<Vec<f64>, Cancelled> {
    match graph.weights() {
        Weights::One => search(graph, &Ones, source, delta, cx),
        Weights::Single(values) => search(graph, &values[..], source, delta, cx),
        Weights::Double(values) => search(graph, &values[..], source, delta, cx),
    }
}

/// Lengths in the order in which arcs are followed.
trait Lengths: Sync {
    /// Calls `each` with the target and the length of every arc that leaves a node.
    fn arcs(&self, graph: &Csr, v: NodeId, each: impl FnMut(u32, f64));
}

/// Every edge is 1 long.
struct Ones;

impl Lengths for Ones {
    fn arcs(&self, graph: &Csr, v: NodeId, mut each: impl FnMut(u32, f64)) {
        graph.out_neighbors(v).iter().for_each(|&w| each(w, 1.0));
    }
}

impl<T: Copy + Into<f64> + Sync> Lengths for [T] {
    fn arcs(&self, graph: &Csr, v: NodeId, mut each: impl FnMut(u32, f64)) {
        let targets = graph.out_neighbors(v);
        match graph.out_edges(v).as_run() {
            Ok(run) => targets.iter().zip(&self[run]).for_each(|(&w, &length)| each(w, length.into())),
            Err(edges) => {
                targets.iter().zip(edges).for_each(|(&w, &edge)| each(w, self[edge as usize].into()));
            }
        }
    }
}

/// The width of a bucket.
fn delta(graph: &Csr, total_length: f64) -> f64 {
    let mean = total_length / graph.edge_count().max(1) as f64;
    let degree = graph.arc_count() as f64 / graph.node_count().max(1) as f64;
    // Where all lengths are 0, or add up to more than a number can hold, any width will do.
    (WIDTH * mean / degree.max(1.0)).clamp(1e-300, 1e300)
}

/// A node that waits to be followed, with its distance when it was put there.
type Waiting = (f64, u32);

/// Buckets of width `delta` from `base` on, and who is beyond the last.
struct Buckets {
    base: f64,
    per_delta: f64,
    at: Vec<Vec<Waiting>>,
}

impl Buckets {
    fn new(base: f64, delta: f64) -> Self {
        Self { base, per_delta: delta.recip(), at: vec![vec![]; BUCKETS + 1] }
    }

    /// Empty buckets over the same distances.
    fn alike(&self) -> Self {
        Self { at: vec![vec![]; BUCKETS + 1], ..*self }
    }

    fn put(&mut self, node: u32, distance: f64) {
        // A greater distance is never in a lower bucket: subtraction and product round monotonously.
        let bucket = ((distance - self.base) * self.per_delta) as usize;
        self.at[bucket.min(BUCKETS)].push((distance, node));
    }

    fn take_in(&mut self, others: Self) {
        for (own, others) in self.at.iter_mut().zip(others.at) {
            own.extend(others);
        }
    }

    /// Lays the buckets anew, with those who wait beyond the last; says whether there is anybody.
    fn lay(&mut self, delta: f64, is_waiting: impl Fn(&Waiting) -> bool) -> bool {
        let mut beyond = std::mem::take(&mut self.at[BUCKETS]);
        beyond.retain(is_waiting);
        let least = beyond.iter().map(|&(distance, _)| distance).reduce(f64::min);
        let Some(least) = least else { return false };
        let middle = beyond.len() / 2;
        let (_, &mut (median, _), _) = beyond.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
        self.base = least;
        self.per_delta = delta.max((median - least) / (BUCKETS as f64 - 1.0)).min(1e300).recip();
        for (distance, node) in beyond {
            self.put(node, distance);
        }
        true
    }
}

fn search(
    graph: &Csr,
    lengths: &(impl Lengths + ?Sized),
    source: NodeId,
    delta: f64,
    cx: &Context,
) -> Result<Vec<f64>, Cancelled> {
    // Numbers of at least 0 are in the order of their bits.
    let unreached = f64::INFINITY.to_bits();
    let distances: Vec<AtomicU64> = (0..graph.node_count()).map(|_| AtomicU64::new(unreached)).collect();
    let at = |v: u32| f64::from_bits(distances[v as usize].load(Relaxed));
    distances[source.index()].store(0, Relaxed);
    let mut buckets = Buckets::new(0.0, delta);
    buckets.put(source.0, 0.0);
    let step = cx.step("least cost", None);
    let (mut followed, mut told) = (0, 0);
    let is_alone = rayon::current_num_threads() == 1;
    loop {
        for bucket in 0..BUCKETS {
            while !buckets.at[bucket].is_empty() {
                if followed >= told + TICK_EVERY {
                    step.tick(followed, None)?;
                    told = followed;
                }
                let mut waiting = std::mem::take(&mut buckets.at[bucket]);
                followed += waiting.len() as u64;
                if is_alone || waiting.len() < SHARED {
                    follow::<true>(graph, lengths, &distances, &waiting, &mut buckets);
                    // The room is kept for who comes next.
                    if buckets.at[bucket].is_empty() {
                        waiting.clear();
                        buckets.at[bucket] = waiting;
                    }
                    continue;
                }
                let part = waiting.len().div_ceil(8 * rayon::current_num_threads()).max(SHARED / 4);
                let parts = waiting.par_chunks(part).map(|part| {
                    cx.check()?;
                    let mut own = buckets.alike();
                    follow::<false>(graph, lengths, &distances, part, &mut own);
                    Ok(own)
                });
                let parts: Vec<Buckets> = parts.collect::<Result<_, Cancelled>>()?;
                for part in parts {
                    buckets.take_in(part);
                }
            }
        }
        if !buckets.lay(delta, |&(distance, v)| at(v) >= distance) {
            break;
        }
        step.tick(followed, None)?;
    }
    Ok(distances.into_iter().map(|bits| f64::from_bits(bits.into_inner())).collect())
}

/// Follows the arcs of those who wait, and lets whoever got nearer wait in `buckets`. `ALONE`: no other thread does so now.
fn follow<const ALONE: bool>(
    graph: &Csr,
    lengths: &(impl Lengths + ?Sized),
    distances: &[AtomicU64],
    waiting: &[Waiting],
    buckets: &mut Buckets,
) {
    for &(distance, v) in waiting {
        // Who has got nearer since waits again, nearer.
        if distances[v as usize].load(Relaxed) != distance.to_bits() {
            continue;
        }
        lengths.arcs(graph, NodeId(v), |w, length| {
            let sum = distance + length;
            let (bits, at) = (sum.to_bits(), &distances[w as usize]);
            if bits >= at.load(Relaxed) {
                return;
            }
            if ALONE {
                at.store(bits, Relaxed);
            } else if at.fetch_min(bits, Relaxed) <= bits {
                return;
            }
            buckets.put(w, sum);
        });
    }
}

/// Bellman–Ford: every edge in turn, until none makes anybody nearer.
#[cfg(test)]
mod oracle {
    pub(super) fn distances(n: usize, arcs: &[(u32, u32, f64)], source: u32) -> Vec<f64> {
        let mut distances = vec![f64::INFINITY; n];
        distances[source as usize] = 0.0;
        for _ in 0..n {
            for &(u, v, length) in arcs {
                distances[v as usize] = distances[v as usize].min(distances[u as usize] + length);
            }
        }
        distances
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, source: u32) -> Vec<f64> {
        delta_stepping(graph, NodeId(source), &Context::silent()).expect("lengths are sound")
    }

    fn wide(graph: &Csr, source: u32, delta: f64) -> Vec<f64> {
        measured(graph, NodeId(source), delta, &Context::silent()).expect("nobody asked to stop")
    }

    /// Lengths that round, are all alike, are mostly 0, or span all that a number can hold.
    fn lengths(kind: u8, seed: u64, edges: usize) -> Vec<f64> {
        let random =
            |i: usize| (seed + 1).wrapping_mul(i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let length = |i: usize| match (kind, random(i)) {
            (0, r) => r as f64 / 1e7,
            (1, _) => 2.5,
            (2, r) => (r % 3) as f64 * (r % 2) as f64,
            (_, r) => 10f64.powi((r % 616) as i32 - 308),
        };
        (0..edges).map(length).collect()
    }

    proptest! {
        #[test]
        fn distances_are_those_of_bellman_and_ford_to_the_last_bit(
            (n, edges) in random_edges(40, 160), source in 0u32..40, kind in 0u8..4, seed in 0u64..1_000, width in -12i32..12
        ) {
            let source = source % n as u32;
            let lengths = lengths(kind, seed, edges.len());
            let arcs: Vec<_> = edges.iter().zip(&lengths).map(|(&(u, v), &length)| (u, v, length)).collect();
            let both: Vec<_> = arcs.iter().flat_map(|&(u, v, length)| [(u, v, length), (v, u, length)]).collect();
            for (graph, arcs) in [
                (Csr::directed(n, &edges, lengths.clone()), arcs),
                (Csr::undirected(n, &edges, lengths), both),
            ] {
                let expected = oracle::distances(n, &arcs, source);
                prop_assert_eq!(&run(&graph, source), &expected);
                prop_assert_eq!(&wide(&graph, source, 10f64.powi(width)), &expected);
                let theirs = petgraph::algo::dijkstra(&graph, NodeId(source), None, |arc| *petgraph::visit::EdgeRef::weight(&arc));
                let of = |v: u32| theirs.get(&NodeId(v)).copied().unwrap_or(f64::INFINITY);
                prop_assert_eq!((0..n as u32).map(of).collect::<Vec<f64>>(), expected);
            }
        }
    }

    #[test]
    fn one_and_many_threads_give_the_same_bits_in_a_crowd() {
        let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
        let n = 40_000;
        let edges: Vec<_> =
            (0..300_000).map(|i| (hash(i) % n % (1 + hash(i + 7) % n), hash(!i) % n)).collect();
        for kind in [0, 1] {
            let lengths = lengths(kind, 5, edges.len());
            for graph in [
                Csr::directed(n as usize, &edges, lengths.clone()),
                Csr::undirected(n as usize, &edges, lengths),
            ] {
                let alone = on_threads(1, || run(&graph, 1));
                assert!(alone.iter().filter(|distance| distance.is_finite()).count() > n as usize / 2);
                for threads in [2, 5] {
                    assert!(on_threads(threads, || run(&graph, 1)) == alone);
                    assert!(on_threads(threads, || wide(&graph, 1, 1e6)) == alone);
                }
            }
        }
    }

    #[test]
    fn without_weights_the_karate_club_is_as_far_as_it_has_hops() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let hops = crate::studies::paths::bfs::bfs(&graph, NodeId(0), u32::MAX, &Context::silent());
        let hops: Vec<f64> = hops.expect("nobody asked to stop").into_iter().map(f64::from).collect();
        assert_eq!(run(&graph, 0), hops);
    }

    #[test]
    fn of_parallel_arcs_the_shortest_counts_and_a_loop_never() {
        let edges = [(0, 0), (0, 1), (0, 1), (1, 2), (3, 0)];
        let graph = Csr::directed(5, &edges, vec![0.0, 3.0, 2.0, 0.0, 1.0]);
        assert_eq!(run(&graph, 0), [0.0, 2.0, 2.0, f64::INFINITY, f64::INFINITY]);
        assert_eq!(run(&Csr::directed(1, &[], vec![]), 0), [0.0]);
    }

    #[test]
    fn a_sum_beyond_all_numbers_is_no_way_and_a_shorter_one_beside_it_is() {
        let edges = [(0, 1), (1, 2), (0, 3), (3, 2), (2, 4)];
        let graph = Csr::directed(5, &edges, vec![1.5e308, 1.5e308, 1e308, 5e307, 1e308]);
        assert_eq!(run(&graph, 0), [0.0, 1.5e308, 1.5e308, 1e308, f64::INFINITY]);
    }

    #[test]
    fn lengths_over_all_orders_of_magnitude_on_a_long_chain_end_in_time() {
        let n = 20_000;
        let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        let lengths: Vec<f64> = (1..n).map(|v| 10f64.powi((v / 100) as i32 - 100)).collect();
        let arcs: Vec<_> = edges.iter().zip(&lengths).map(|(&(u, v), &length)| (u, v, length)).collect();
        let found = run(&Csr::directed(n as usize, &edges, lengths), 0);
        // In the order of the chain one round is enough for them.
        let mut expected = vec![0.0];
        for (u, _, length) in arcs {
            expected.push(expected[u as usize] + length);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_length_below_zero_or_none_at_all_is_named_by_its_edge() {
        for value in [-0.5, f64::NAN, f64::NEG_INFINITY] {
            let graph = Csr::directed(2, &[(0, 1), (0, 1), (1, 0)], vec![1.0, 1e-3, value]);
            let found = delta_stepping(&graph, NodeId(0), &Context::silent()).expect_err("unsound");
            assert!(matches!(found, DeltaSteppingError::Length { edge: 2, .. }));
            assert!(found.to_string().starts_with(&format!("edge 2 is {value} long")));
        }
        // Zero with a sign is zero.
        assert_eq!(run(&Csr::directed(2, &[(0, 1)], vec![-0.0]), 0), [0.0, 0.0]);
    }

    #[test]
    fn a_request_to_stop_ends_the_search() {
        let n = 100_000;
        let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        let graph = Csr::directed(n as usize, &edges, vec![]);
        let cx = Context::silent();
        cx.cancel.request();
        assert_eq!(delta_stepping(&graph, NodeId(0), &cx), Err(DeltaSteppingError::Cancelled(Cancelled)));
    }
}
