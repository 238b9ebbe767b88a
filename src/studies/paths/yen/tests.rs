use proptest::prelude::*;

use super::*;
use crate::studies::samples::{karate, on_threads, random_edges};

fn run(graph: &Csr, from: u32, to: u32, k: u32, max_hops: u32) -> Vec<(f64, Vec<u32>)> {
    let params = Params { k, max_hops };
    let found = yen(graph, NodeId(from), NodeId(to), &params, &Context::silent());
    found.expect("lengths are sound").into_iter().map(|path| (path.cost, path.nodes)).collect()
}

proptest! {
    #[test]
    fn the_first_of_all_loopless_paths_are_found_in_order(
        (n, edges) in random_edges(7, 24), ends in (0u32..7, 0u32..7), k in 1u32..40,
        max_hops in prop_oneof![0u32..6, Just(u32::MAX)], quarters in prop::collection::vec(0u8..9, 24), tenths: bool
    ) {
        let (from, to) = (ends.0 % n as u32, ends.1 % n as u32);
        // Sums of quarters are exact, and many are the same; sums of tenths are rounded.
        let unit = if tenths { 0.1 } else { 0.25 };
        let lengths: Vec<f64> = quarters[..edges.len()].iter().map(|&q| f64::from(q) * unit).collect();
        let arcs: Vec<_> = edges.iter().zip(&lengths).map(|(&(u, v), &length)| (u, v, length)).collect();
        let both: Vec<_> = arcs.iter().flat_map(|&(u, v, length)| [(u, v, length), (v, u, length)]).collect();
        for (graph, arcs) in [
            (Csr::directed(n, &edges, lengths.clone()), arcs),
            (Csr::undirected(n, &edges, lengths), both),
        ] {
            let all = oracle::paths(n, &arcs, from, to, max_hops);
            let found = run(&graph, from, to, k, max_hops);
            let wanted = &all[..all.len().min(k as usize)];
            if tenths {
                // What ties after rounding need not have tied before it.
                let costs = |paths: &[(f64, Vec<u32>)]| paths.iter().map(|path| path.0).collect::<Vec<_>>();
                prop_assert_eq!(costs(&found), costs(wanted));
                prop_assert!(found.iter().all(|path| all.contains(path)));
            } else {
                prop_assert_eq!(&found[..], wanted);
            }
        }
    }
}

#[test]
fn without_weights_the_karate_club_has_its_shortest_paths_first() {
    let (n, edges) = karate();
    let graph = Csr::undirected(n, &edges, vec![]);
    let search = || run(&graph, 0, 33, 12, u32::MAX);
    let found = search();
    assert_eq!(found[..4].iter().map(|(_, nodes)| nodes[1]).collect::<Vec<_>>(), [8, 13, 19, 31]);
    assert!(found[..4].iter().all(|(cost, _)| cost.to_bits() == 2f64.to_bits()));
    assert!(found[4..].iter().all(|(cost, _)| cost.to_bits() == 3f64.to_bits()));
    assert!(found.is_sorted_by(|(a, p), (b, q)| a < b || p < q));
    assert_eq!(on_threads(1, search), on_threads(2, search));
}

#[test]
fn a_cheaper_path_of_too_many_hops_gives_way_to_one_that_has_few() {
    let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (0, 2), (2, 4), (1, 4)];
    let graph = Csr::directed(5, &edges, vec![1.0, 1.0, 1.0, 1.0, 9.0, 4.0, 4.5, 7.0]);
    assert_eq!(run(&graph, 0, 4, 1, u32::MAX), [(4.0, vec![0, 1, 2, 3, 4])]);
    let few = [(8.0, vec![0, 1, 4]), (8.5, vec![0, 2, 4]), (9.0, vec![0, 4])];
    assert_eq!(run(&graph, 0, 4, 9, 2), few);
    assert_eq!(run(&graph, 0, 4, 2, 3), [(6.0, vec![0, 2, 3, 4]), (6.5, vec![0, 1, 2, 4])]);
    assert!(run(&graph, 0, 4, 9, 0).is_empty());
}

#[test]
fn no_way_home_and_parallel_arcs_are_no_path_one_node_and_one_path() {
    let graph = Csr::directed(3, &[(0, 1), (0, 1), (1, 1), (0, 0)], vec![2.0, 1.0, 0.0, 0.0]);
    assert_eq!(run(&graph, 0, 1, 5, u32::MAX), [(1.0, vec![0, 1])]);
    assert!(run(&graph, 1, 0, 5, u32::MAX).is_empty() && run(&graph, 0, 2, 5, u32::MAX).is_empty());
    assert_eq!(run(&graph, 2, 2, 5, 0), [(0.0, vec![2])]);
    let far = Csr::directed(3, &[(0, 1), (1, 2)], vec![1.5e308, 1.5e308]);
    assert!(run(&far, 0, 2, 5, u32::MAX).is_empty());
    let unsound = Csr::directed(2, &[(0, 1)], vec![-1.0]);
    let found = yen(&unsound, NodeId(0), NodeId(1), &Params::DEFAULT, &Context::silent());
    assert_eq!(found, Err(DeltaSteppingError::Length { edge: 0, value: -1.0 }));
}

#[test]
fn a_long_chain_neither_recurses_nor_tires_and_a_request_to_stop_ends_it() {
    let n = 50_000;
    let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).chain([(0, n - 1)]).collect();
    let lengths = (0..n).map(|v| if v == n - 1 { 1e9 } else { 0.1 }).collect();
    let graph = Csr::directed(n as usize, &edges, lengths);
    assert_eq!(run(&graph, 0, n - 1, 1, u32::MAX)[0].1.len(), n as usize);
    let cx = Context::silent();
    cx.cancel.request();
    let found = yen(&graph, NodeId(0), NodeId(n - 1), &Params::DEFAULT, &cx);
    assert_eq!(found, Err(DeltaSteppingError::Cancelled(Cancelled)));
}
