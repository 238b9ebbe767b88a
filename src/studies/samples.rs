//! Graphs that tests of several kernels share.

use proptest::prelude::*;

/// Runs `work` in a pool of this many threads.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(work)
}

/// A number of nodes and edges among them; self-loops, parallel edges and isolated nodes happen.
pub(crate) fn random_edges(
    most_nodes: usize,
    most_edges: usize,
) -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
    (1..=most_nodes).prop_flat_map(move |n| {
        let node = 0..n as u32;
        (Just(n), prop::collection::vec((node.clone(), node), 0..=most_edges))
    })
}

/// W. Zachary's karate club (1977): 34 members, 78 friendships.
pub(crate) fn karate() -> (usize, Vec<(u32, u32)>) {
    const FRIENDS: [&[u32]; 33] = [
        &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
        &[2, 3, 7, 13, 17, 19, 21, 30],
        &[3, 7, 8, 9, 13, 27, 28, 32],
        &[7, 12, 13],
        &[6, 10],
        &[6, 10, 16],
        &[16],
        &[],
        &[30, 32, 33],
        &[33],
        &[],
        &[],
        &[],
        &[33],
        &[32, 33],
        &[32, 33],
        &[],
        &[],
        &[32, 33],
        &[33],
        &[32, 33],
        &[],
        &[32, 33],
        &[25, 27, 29, 32, 33],
        &[25, 27, 31],
        &[31],
        &[29, 33],
        &[33],
        &[31, 33],
        &[32, 33],
        &[32, 33],
        &[32, 33],
        &[33],
    ];
    let edges = FRIENDS.iter().enumerate();
    let edges: Vec<_> = edges.flat_map(|(u, friends)| friends.iter().map(move |&v| (u as u32, v))).collect();
    assert_eq!(edges.len(), 78);
    (34, edges)
}

/// Edges as text: `1-3 1-5`.
pub(crate) fn edges(text: &str) -> Vec<(u32, u32)> {
    let node = |text: &str| text.parse().expect("a node is a number");
    let edge =
        |pair: &str| pair.split_once('-').map(|(s, t)| (node(s), node(t))).expect("an edge is two nodes");
    text.split_whitespace().map(edge).collect()
}

/// The directed example of the specification of LDBC Graphalytics, vertices 1 to 10.
pub(crate) const LDBC_DIRECTED: &str =
    "1-3 1-5 2-4 2-5 2-10 3-1 3-5 3-8 3-10 5-3 5-4 5-8 6-3 6-4 7-4 8-1 9-4";

/// Its undirected example, vertices 2 to 10.
pub(crate) const LDBC_UNDIRECTED: &str = "2-3 2-4 3-4 3-5 3-8 5-6 5-8 6-7 6-8 6-9 6-10 7-9";
