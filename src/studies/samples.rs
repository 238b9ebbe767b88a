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
