//! Collective influence: nodes whose removal would tear the network, though they may have few neighbours themselves.
//!
//! F. Morone, H. A. Makse: *Influence Maximization in Complex Networks through Optimal Percolation*, 2015. The neighbours a node
//! has beyond one, times those that the nodes at distance ℓ have beyond one; ℓ is 2 here, as the authors take it on most
//! networks. The ball round every node is walked, on all threads, and no part of a score depends on the order.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId, Simple};

/// Nodes that a thread takes between two looks at whether to go on.
const CHUNK: usize = 1_024;

/// `CI(v) = (k(v) − 1)·Σ_{d(v,u) = 2} (k(u) − 1)`, with `k` the number of neighbours and `d` the fewest edges between; edges
/// are taken both ways, parallel ones once, self-loops not at all. A node without neighbours has 0.
///
/// O(Σ of the squared degrees); 4 bytes per node and thread, and 8 per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::collective_influence::collective_influence};
///
/// // A path of five: two steps from the one in the middle are its ends, who have no neighbour beyond one.
/// let path = Csr::undirected(5, &[(0, 1), (1, 2), (2, 3), (3, 4)], vec![]);
/// assert_eq!(collective_influence(&path, &Context::silent())?, [0.0, 1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn collective_influence(graph: &Csr, cx: &Context) -> Result<Vec<f64>, Cancelled> {
    let graph = &Simple::both(graph);
    let beyond = |v: u32| (graph.degree(NodeId(v)) as u64).saturating_sub(1);
    let step = cx.step("collective influence", Some(graph.node_count() as u64));
    let mut scores = vec![0.0; graph.node_count()];
    let done = AtomicU64::new(0);
    // By whom a node was seen last: 0 is nobody.
    let seen = || vec![0u32; graph.node_count()];
    scores.par_chunks_mut(CHUNK).enumerate().try_for_each_init(seen, |seen, (chunk, scores)| {
        let before = done.fetch_add(scores.len() as u64, Ordering::Relaxed);
        step.tick(before, None)?;
        for (i, score) in scores.iter_mut().enumerate() {
            let v = (chunk * CHUNK + i) as u32;
            let near = graph.neighbors(NodeId(v));
            let mark = v + 1;
            seen[v as usize] = mark;
            for &u in near {
                seen[u as usize] = mark;
            }
            let mut sum = 0;
            for &w in near.iter().flat_map(|&u| graph.neighbors(NodeId(u))) {
                if std::mem::replace(&mut seen[w as usize], mark) != mark {
                    sum += beyond(w);
                }
            }
            *score = beyond(v) as f64 * sum as f64;
        }
        Ok(())
    })?;
    Ok(scores)
}

/// Distances of all pairs first.
#[cfg(test)]
mod oracle {
    pub(super) fn collective_influence(n: usize, edges: &[(u32, u32)]) -> Vec<f64> {
        let mut distance = vec![vec![usize::MAX / 2; n]; n];
        for &(u, v) in edges {
            (distance[u as usize][v as usize], distance[v as usize][u as usize]) = (1, 1);
        }
        (0..n).for_each(|v| distance[v][v] = 0);
        for k in 0..n {
            for i in 0..n {
                for j in 0..n {
                    distance[i][j] = distance[i][j].min(distance[i][k] + distance[k][j]);
                }
            }
        }
        let of = |v: usize, d: usize| -> Vec<usize> { (0..n).filter(|&u| distance[v][u] == d).collect() };
        let beyond = |v: usize| (of(v, 1).len() as f64 - 1.0).max(0.0);
        (0..n).map(|v| beyond(v) * of(v, 2).into_iter().map(beyond).sum::<f64>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Vec<f64> {
        collective_influence(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn scores_are_those_of_all_distances((n, edges) in random_edges(20, 50)) {
            let scores = run(&Csr::directed(n, &edges, vec![]));
            prop_assert_eq!(&scores, &oracle::collective_influence(n, &edges));
            prop_assert_eq!(scores, run(&Csr::undirected(n, &edges, vec![])));
        }
    }

    #[test]
    fn the_karate_club_has_the_scores_of_the_definition() {
        let (n, edges) = karate();
        let scores = run(&Csr::undirected(n, &edges, vec![]));
        let of: Vec<f64> = [0, 33, 2, 16, 24].map(|v: usize| scores[v]).into();
        assert_eq!(of, [615.0, 656.0, 477.0, 19.0, 114.0]);
    }

    #[test]
    fn who_is_alone_or_only_with_himself_has_no_influence() {
        assert!(run(&Csr::directed(0, &[], vec![])).is_empty());
        assert_eq!(run(&Csr::directed(3, &[(0, 0), (1, 2), (2, 1)], vec![])), [0.0; 3]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..30_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }
}
