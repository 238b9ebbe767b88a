//! Core numbers: the largest k for which a node belongs to a part where everybody has k neighbours.
//!
//! S. B. Seidman: *Network Structure and Minimum Degree*, 1983; computed by peeling off nodes of the fewest neighbours, kept sorted
//! by how many they have left (V. Batagelj, M. Zaveršnik: *An O(m) Algorithm for Cores Decomposition of Networks*, 2003). One
//! thread: peeling by levels on several reads every node once per level, which costs more than two threads give back.

use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId, Simple};

/// The core number of every node, edges taken both ways, parallel ones once, self-loops not at all.
///
/// O(nodes + arcs) time; 16 bytes per node, and the [`Simple`] graph where the graph is not simple.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::kcore::core_numbers};
///
/// // A triangle, and a node that hangs at it.
/// let graph = Csr::undirected(4, &[(0, 1), (1, 2), (2, 0), (2, 3)], vec![]);
/// assert_eq!(core_numbers(&graph, &Context::silent())?, [2, 2, 2, 1]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn core_numbers(graph: &Csr, cx: &Context) -> Result<Vec<u32>, Cancelled> {
    let graph = Simple::both(graph);
    let total = graph.node_count() as u64;
    let step = cx.step("cores", Some(total));
    // Neighbours that are left; of a node that was peeled off its core number.
    let mut left: Vec<u32> = graph.nodes().map(|v| graph.degree(v) as u32).collect();
    let most = left.iter().max().map_or(0, |&most| most as usize);
    // Nodes by neighbours left, where each is in that order, and where those of each number begin.
    let mut begin = vec![0u32; most + 2];
    for &degree in &left {
        begin[degree as usize + 1] += 1;
    }
    let mut sum = 0;
    for begin in &mut begin {
        sum += *begin;
        *begin = sum;
    }
    let (mut order, mut place) = (vec![0u32; left.len()], vec![0u32; left.len()]);
    let mut next = begin.clone();
    for (v, &degree) in left.iter().enumerate() {
        let at = &mut next[degree as usize];
        (place[v], order[*at as usize]) = (*at, v as u32);
        *at += 1;
    }
    for peeled in 0..order.len() {
        if (peeled as u64).is_multiple_of(TICK_EVERY) {
            step.tick(peeled as u64, Some(total))?;
        }
        let v = order[peeled];
        let core = left[v as usize];
        for &w in graph.neighbors(NodeId(v)) {
            let degree = left[w as usize];
            if degree > core {
                // Changes places with the first of its number, which thereby becomes the last of the number below.
                let (first, at) = (begin[degree as usize], place[w as usize]);
                let other = order[first as usize];
                (order[first as usize], order[at as usize]) = (w, other);
                (place[w as usize], place[other as usize]) = (first, at);
                begin[degree as usize] += 1;
                left[w as usize] -= 1;
            }
        }
    }
    Ok(left)
}

/// By definition: for k = 1, 2, … whoever has fewer than k neighbours goes, until nobody does.
#[cfg(test)]
mod oracle {
    use std::collections::BTreeSet;

    pub(super) fn core_numbers(n: usize, edges: &[(u32, u32)]) -> Vec<u32> {
        let pairs: BTreeSet<(u32, u32)> =
            edges.iter().filter(|(u, v)| u != v).flat_map(|&(u, v)| [(u, v), (v, u)]).collect();
        let mut core = vec![0; n];
        let mut inside: BTreeSet<u32> = (0..n as u32).collect();
        for k in 1.. {
            loop {
                let neighbours =
                    |u: u32| pairs.range((u, 0)..=(u, u32::MAX)).filter(|(_, v)| inside.contains(v)).count();
                let gone: Vec<u32> = inside.iter().copied().filter(|&u| neighbours(u) < k).collect();
                if gone.is_empty() {
                    break;
                }
                inside.retain(|u| !gone.contains(u));
            }
            if inside.is_empty() {
                return core;
            }
            for &u in &inside {
                core[u as usize] = k as u32;
            }
        }
        core
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Vec<u32> {
        core_numbers(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn cores_are_what_is_left_when_the_poorer_go((n, edges) in random_edges(25, 120)) {
            let cores = run(&Csr::directed(n, &edges, vec![]));
            prop_assert_eq!(&cores, &oracle::core_numbers(n, &edges));
            prop_assert_eq!(cores, run(&Csr::undirected(n, &edges, vec![])));
        }
    }

    #[test]
    fn the_karate_club_has_a_core_of_ten_with_four_friends_each() {
        let (n, edges) = karate();
        let cores = run(&Csr::undirected(n, &edges, vec![]));
        let inner: Vec<usize> = (0..n).filter(|&v| cores[v] == 4).collect();
        assert_eq!(inner, [0, 1, 2, 3, 7, 8, 13, 30, 32, 33]);
        assert_eq!(cores.iter().sum::<u32>(), 99);
    }

    #[test]
    fn nobody_and_loops_and_parallels_make_no_core() {
        assert!(run(&Csr::directed(0, &[], vec![])).is_empty());
        assert_eq!(run(&Csr::directed(2, &[(0, 0), (0, 0)], vec![])), [0, 0]);
        assert_eq!(run(&Csr::undirected(2, &[(0, 1), (1, 0), (0, 1)], vec![])), [1, 1]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }
}
