//! Hops from one node to every other.
//!
//! Direction-optimising breadth-first search (S. Beamer, K. Asanović, D. Patterson: *Direction-Optimizing Breadth-First
//! Search*, 2012). While few nodes are on the frontier, each looks where its arcs lead (top-down, from a queue). Once
//! the frontier has many arcs, it is the unseen nodes that look for one neighbour on it, and stop at the first
//! (bottom-up, over bitmaps): of the arcs of a graph with hubs most are never read.
//!
//! Whoever finds a node first finds it at the same hops, so the answer does not depend on threads. The cost is at most
//! 13 bytes per node beside the graph, and that arcs are needed both ways.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId};

/// The hops of a node that cannot be reached.
pub const UNREACHED: u32 = u32::MAX;

/// When the search turns around: the paper's α and β, with the values of its second edition (GAP, 2015).
#[derive(Debug, Clone, Copy)]
struct Turns {
    /// Bottom-up once the frontier has more than one in so many of the arcs not yet followed.
    alpha: usize,
    /// Top-down again once a shrinking frontier has at most one in so many of all nodes.
    beta: usize,
}

impl Turns {
    const DEFAULT: Self = Self { alpha: 15, beta: 18 };
}

/// Frontier nodes per unit of work, top-down.
const NODES: usize = 1_024;
/// Words of 64 nodes per unit of work, bottom-up.
const WORDS: usize = 256;

/// The fewest arcs from `source` to every node, along out-arcs, by node; [`UNREACHED`] where there is no way, or none
/// of at most `max_hops` arcs (`u32::MAX`: however many). The source is 0 hops from itself.
///
/// Weights, parallel arcs and self-loops make no difference.
///
/// O(nodes + arcs); 13 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::{Csr, NodeId}};
/// use sonograph::studies::paths::bfs::{UNREACHED, bfs};
///
/// let graph = Csr::directed(4, &[(0, 1), (1, 2), (0, 2)], vec![]);
/// assert_eq!(bfs(&graph, NodeId(0), u32::MAX, &Context::silent())?, [0, 1, 1, UNREACHED]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
///
/// # Panics
///
/// When `source` is not a node of the graph.
pub fn bfs(graph: &Csr, source: NodeId, max_hops: u32, cx: &Context) -> Result<Vec<u32>, Cancelled> {
    search(graph, source, max_hops, Turns::DEFAULT, cx)
}

fn search(
    graph: &Csr,
    source: NodeId,
    max_hops: u32,
    turns: Turns,
    cx: &Context,
) -> Result<Vec<u32>, Cancelled> {
    let n = graph.node_count();
    let mut hops: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(UNREACHED)).collect();
    hops[source.index()] = AtomicU32::new(0);
    let step = cx.step("hops", Some(n as u64));
    let (mut reached, mut told) = (1, 0);
    let (mut frontier, mut level) = (vec![source.0], 0);
    let (mut frontier_arcs, mut unfollowed) = (graph.out_degree(source), graph.arc_count());
    while !frontier.is_empty() && level < max_hops {
        // A long chain has as many levels as nodes: not each of them is worth a word.
        if reached >= told + TICK_EVERY {
            step.tick(reached, Some(n as u64))?;
            told = reached;
        }
        if frontier_arcs <= unfollowed / turns.alpha {
            unfollowed = unfollowed.saturating_sub(frontier_arcs);
            level += 1;
            (frontier, frontier_arcs) = top_down(graph, &frontier, level, &hops, cx)?;
            reached += frontier.len() as u64;
            continue;
        }
        let mut on_frontier = bitmap(&frontier, n);
        let mut next = vec![0; on_frontier.len()];
        let mut seen = seen(graph, &mut hops);
        let mut size = frontier.len();
        while level < max_hops {
            step.tick(reached, Some(n as u64))?;
            level += 1;
            let found = bottom_up(graph, &on_frontier, level, &mut next, &mut seen, &mut hops, cx)?;
            reached += found as u64;
            std::mem::swap(&mut on_frontier, &mut next);
            let shrinks = found < size;
            size = found;
            if found == 0 || (shrinks && found <= n / turns.beta) {
                break;
            }
        }
        frontier = nodes(&on_frontier);
        // The next level is tried top-down, whatever its arcs are.
        frontier_arcs = 0;
    }
    Ok(hops.into_iter().map(AtomicU32::into_inner).collect())
}

/// Follows every arc of the frontier; returns the next one, in any order, and how many arcs leave it.
fn top_down(
    graph: &Csr,
    frontier: &[u32],
    level: u32,
    hops: &[AtomicU32],
    cx: &Context,
) -> Result<(Vec<u32>, usize), Cancelled> {
    let follow = |frontier: &[u32]| {
        let (mut next, mut arcs) = (Vec::new(), 0);
        for &v in frontier {
            for &w in graph.out_neighbors(NodeId(v)) {
                let at = &hops[w as usize];
                // Looked at before it is claimed: most have been seen, and looking is cheaper.
                if at.load(Relaxed) == UNREACHED
                    && at.compare_exchange(UNREACHED, level, Relaxed, Relaxed).is_ok()
                {
                    next.push(w);
                    arcs += graph.out_degree(NodeId(w));
                }
            }
        }
        (next, arcs)
    };
    if frontier.len() <= NODES {
        return Ok(follow(frontier));
    }
    let followed = frontier.par_chunks(NODES).map(|part| cx.check().map(|()| follow(part)));
    let parts: Vec<(Vec<u32>, usize)> = followed.collect::<Result<_, _>>()?;
    let arcs = parts.iter().map(|(_, arcs)| arcs).sum();
    let mut next = Vec::with_capacity(parts.iter().map(|(part, _)| part.len()).sum());
    for (part, _) in &parts {
        next.extend_from_slice(part);
    }
    Ok((next, arcs))
}

/// Lets every unseen node look for an arc from the frontier; returns how many found one.
fn bottom_up(
    graph: &Csr,
    on_frontier: &[u64],
    level: u32,
    next: &mut [u64],
    seen: &mut [u64],
    hops: &mut [AtomicU32],
    cx: &Context,
) -> Result<usize, Cancelled> {
    let is_on_frontier = |&u: &u32| on_frontier[u as usize / 64] >> (u % 64) & 1 == 1;
    next.par_chunks_mut(WORDS)
        .zip(seen.par_chunks_mut(WORDS))
        .zip(hops.par_chunks_mut(64 * WORDS))
        .enumerate()
        .map(|(chunk, ((next, seen), hops))| {
            cx.check()?;
            let mut found = 0;
            for (word, (next, seen)) in next.iter_mut().zip(seen).enumerate() {
                let (mut unseen, mut new) = (!*seen, 0);
                while unseen != 0 {
                    let bit = unseen.trailing_zeros();
                    unseen &= unseen - 1;
                    let at = word * 64 + bit as usize;
                    let v = NodeId((chunk * 64 * WORDS + at) as u32);
                    if graph.in_neighbors(v).iter().any(is_on_frontier) {
                        new |= 1 << bit;
                        *hops[at].get_mut() = level;
                    }
                }
                *next = new;
                *seen |= new;
                found += new.count_ones() as usize;
            }
            Ok(found)
        })
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

/// By node in 64s: whether it need not look for the frontier, because it has been seen or nothing leads to it.
fn seen(graph: &Csr, hops: &mut [AtomicU32]) -> Vec<u64> {
    hops.par_chunks_mut(64)
        .enumerate()
        .map(|(word, hops)| {
            let is_seen = |(bit, hops): (usize, &mut AtomicU32)| {
                let is_seen =
                    *hops.get_mut() != UNREACHED || graph.in_degree(NodeId((word * 64 + bit) as u32)) == 0;
                u64::from(is_seen) << bit
            };
            // The last word has bits that stand for nobody.
            let nobody = if hops.len() == 64 { 0 } else { u64::MAX << hops.len() };
            hops.iter_mut().enumerate().map(is_seen).fold(nobody, |all, bit| all | bit)
        })
        .collect()
}

fn bitmap(nodes: &[u32], n: usize) -> Vec<u64> {
    let mut words = vec![0; n.div_ceil(64)];
    for &v in nodes {
        words[v as usize / 64] |= 1 << (v % 64);
    }
    words
}

/// The nodes of a bitmap, rising.
fn nodes(bitmap: &[u64]) -> Vec<u32> {
    let mut nodes = Vec::with_capacity(bitmap.iter().map(|word| word.count_ones() as usize).sum());
    for (word, &bits) in bitmap.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            nodes.push(word as u32 * 64 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
    nodes
}

/// Powers of the adjacency matrix: a node is as many hops away as the first power in which it has an entry.
#[cfg(test)]
mod oracle {
    pub(super) fn hops(n: usize, arcs: &[(u32, u32)], source: u32, max_hops: u32) -> Vec<u32> {
        let mut hops = vec![super::UNREACHED; n];
        let mut row = vec![false; n];
        row[source as usize] = true;
        for power in 0..=max_hops.min(n as u32) {
            for (hops, _) in hops.iter_mut().zip(&row).filter(|(hops, at)| **at && **hops > power) {
                *hops = power;
            }
            let mut product = vec![false; n];
            for &(u, v) in arcs {
                product[v as usize] |= row[u as usize];
            }
            row = product;
        }
        hops
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, source: u32, max_hops: u32) -> Vec<u32> {
        bfs(graph, NodeId(source), max_hops, &Context::silent()).expect("nobody asked to stop")
    }

    /// Seldom bottom-up, at once and for good, at once and for one level, and now and then.
    const TURNS: [Turns; 4] = [
        Turns { alpha: 1, beta: 1 },
        Turns { alpha: usize::MAX, beta: usize::MAX },
        Turns { alpha: usize::MAX, beta: 1 },
        Turns { alpha: 3, beta: 4 },
    ];

    fn turned(graph: &Csr, source: u32, max_hops: u32) -> Vec<Vec<u32>> {
        let one = |turns| search(graph, NodeId(source), max_hops, turns, &Context::silent());
        TURNS.map(|turns| one(turns).expect("nobody asked to stop")).into()
    }

    proptest! {
        #[test]
        fn hops_are_the_first_power_of_the_matrix_that_gets_there_whichever_way_the_search_looks(
            (n, edges) in random_edges(150, 300), source in 0u32..150, max_hops in prop_oneof![0u32..6, Just(u32::MAX)]
        ) {
            let source = source % n as u32;
            let both: Vec<_> = edges.iter().flat_map(|&(u, v)| [(u, v), (v, u)]).collect();
            for (graph, arcs) in [(Csr::undirected(n, &edges, vec![]), &both), (Csr::directed(n, &edges, vec![]), &edges)] {
                let expected = oracle::hops(n, arcs, source, max_hops);
                prop_assert_eq!(&run(&graph, source, max_hops), &expected);
                for found in turned(&graph, source, max_hops) {
                    prop_assert_eq!(&found, &expected);
                }
            }
        }
    }

    /// Many chunks of work both ways: most arcs lead to few nodes, and a third of the nodes is isolated.
    fn crowd() -> (usize, Vec<(u32, u32)>) {
        let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
        let n = 60_000;
        let place = |i: u32| hash(i) % n % (1 + hash(i ^ 0x5bd1_e995) % n) % (n / 3 * 2);
        (n as usize, (0..400_000).map(|i| (place(i), place(!i))).collect())
    }

    #[test]
    fn one_and_many_threads_give_the_same_hops_in_a_crowd() {
        let (n, edges) = crowd();
        for graph in [Csr::undirected(n, &edges, vec![]), Csr::directed(n, &edges, vec![])] {
            let alone = on_threads(1, || run(&graph, 1, u32::MAX));
            assert!(alone.iter().filter(|&&hops| hops != UNREACHED).count() > n / 10);
            for threads in [2, 5] {
                assert!(on_threads(threads, || run(&graph, 1, u32::MAX)) == alone);
                assert!(
                    on_threads(threads, || turned(&graph, 1, u32::MAX)).iter().all(|hops| *hops == alone)
                );
            }
        }
    }

    #[test]
    fn the_karate_club_is_at_most_three_hops_from_its_instructor() {
        let (n, edges) = karate();
        let hops = run(&Csr::undirected(n, &edges, vec![]), 0, u32::MAX);
        let at = |level| hops.iter().filter(|&&hops| hops == level).count();
        assert_eq!([at(0), at(1), at(2), at(3)], [1, 16, 9, 8]);
        assert_eq!((hops[33], hops[16], hops[26]), (2, 2, 3));
    }

    #[test]
    fn one_node_is_at_home_and_loops_and_parallel_arcs_lead_nowhere_new() {
        assert_eq!(run(&Csr::directed(1, &[], vec![]), 0, 5), [0]);
        let graph = Csr::directed(4, &[(0, 0), (0, 1), (0, 1), (1, 1), (3, 0)], vec![]);
        assert_eq!(run(&graph, 0, u32::MAX), [0, 1, UNREACHED, UNREACHED]);
        assert_eq!(run(&graph, 0, 0), [0, UNREACHED, UNREACHED, UNREACHED]);
    }

    #[test]
    fn a_long_chain_has_as_many_levels_as_nodes() {
        let n = 200_000;
        let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        let hops = run(&Csr::directed(n as usize, &edges, vec![]), 0, u32::MAX);
        assert!(hops.iter().zip(0..).all(|(&hops, v)| hops == v));
    }

    #[test]
    fn a_request_to_stop_ends_the_search() {
        let (n, edges) = crowd();
        let cx = Context::silent();
        cx.cancel.request();
        assert_eq!(bfs(&Csr::undirected(n, &edges, vec![]), NodeId(1), u32::MAX, &cx), Err(Cancelled));
    }
}
