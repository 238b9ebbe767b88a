//! Label propagation: every node goes along with most of its neighbours until nobody moves.
//!
//! U. N. Raghavan, R. Albert, S. Kumara: *Near Linear Time Algorithm to Detect Community Structures in Large-Scale Networks*,
//! 2007. `sync`, the default, is CDLP of A. Iosup et al.: *LDBC Graphalytics: A Benchmark for Large-Scale Graph Analysis on
//! Parallel and Distributed Platforms*, 2016: all nodes look at the labels of the round before, and the smallest of the
//! most frequent labels wins. That can be compared with other tools and runs on all threads, but on graphs of two kinds
//! of nodes labels may change places for ever. `async` is the paper's own: nodes one after the other, in an order
//! and with ties drawn from the seed; a node whose label is among the most frequent keeps it, so that every move joins more
//! neighbours than it parts and an end is certain. The price is one thread.
//!
//! Edges count both ways, parallel ones and those there and back as often as they are; loops do not count. Once few nodes
//! move, only those are looked at again that have a neighbour which did.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::components::Components;
use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId};

/// Nodes per unit of work.
const CHUNK: usize = 4_096;
/// Up to so many neighbours' labels are sorted; more are counted in an array over all labels.
const SORTED: usize = 48;
/// Nodes are looked at one by one where those that moved have fewer than one in so many arcs.
const FEW: usize = 8;

/// How labels spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// How labels spread from neighbour to neighbour
    #[arg(long, value_enum, default_value_t = Params::DEFAULT.label_propagation)]
    pub label_propagation: Mode,
    /// Stop label propagation after this many rounds [default: 10 with sync, as LDBC has it; 100 with async]
    #[arg(long, value_name = "N")]
    pub max_iterations: Option<u32>,
}

impl Params {
    /// LDBC's rule.
    pub const DEFAULT: Self = Self { label_propagation: Mode::Sync, max_iterations: None };

    /// Rounds at most.
    pub fn most_iterations(&self) -> u32 {
        self.max_iterations.unwrap_or(match self.label_propagation {
            Mode::Sync => 10,
            Mode::Async => 100,
        })
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// When a node sees that its neighbours' labels changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In the next round, all nodes at once; the smallest of the most frequent labels wins (LDBC CDLP)
    #[default]
    Sync,
    /// At once, nodes one by one in an order drawn from --seed; ends when nobody moves
    Async,
}

/// Nodes that agreed on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Nodes of one label; numbered by the smallest node.
    pub communities: Components,
    /// Rounds run.
    pub iterations: u32,
    /// Nodes whose label changed in the last round; 0: it is an end.
    pub moving: u32,
}

/// Spreads labels over `graph`.
///
/// * `places`: by node, its place in the order of first labels, each of `0..nodes` once; `None`: the order of nodes.
///
/// O(nodes + arcs) per round; 9 bytes per node, 4 per node and thread, and 4 per neighbour of the largest hub and
/// thread.
///
/// ```
/// use sonograph::{context::Context, graph::Csr};
/// use sonograph::studies::community::label_propagation::{Params, label_propagation};
///
/// // Two triangles and one edge between them.
/// let graph = Csr::undirected(6, &[(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (4, 5), (3, 5)], vec![]);
/// let found = label_propagation(&graph, None, &Params::DEFAULT, &Context::silent())?;
/// assert_eq!((found.communities.of, found.moving), (vec![0, 0, 0, 1, 1, 1], 0));
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
///
/// # Panics
///
/// When there is not one place per node.
pub fn label_propagation(
    graph: &Csr,
    places: Option<Vec<u32>>,
    params: &Params,
    cx: &Context,
) -> Result<Labels, Cancelled> {
    let nodes = graph.node_count();
    let labels = places.unwrap_or_else(|| (0..nodes as u32).collect());
    assert!(labels.len() == nodes, "one place per node");
    let most = params.most_iterations();
    let (labels, iterations, moving) = match params.label_propagation {
        Mode::Sync => together(graph, labels, most, cx)?,
        Mode::Async => in_turn(graph, labels, most, cx)?,
    };
    Ok(Labels { communities: Components::numbered(labels, nodes), iterations, moving })
}

/// All nodes at once, by the labels of the round before.
fn together(
    graph: &Csr,
    mut labels: Vec<u32>,
    most: u32,
    cx: &Context,
) -> Result<(Vec<u32>, u32, u32), Cancelled> {
    let counts: Vec<Mutex<Count>> =
        (0..rayon::current_num_threads()).map(|_| Mutex::new(Count::default())).collect();
    let step = cx.step("label propagation", Some(u64::from(most)));
    let mut next = labels.clone();
    let mut awake: Option<Vec<AtomicBool>> = None;
    let (mut iterations, mut moving) = (0, 0);
    while iterations < most {
        let look = |(chunk, next): (usize, &mut [u32])| {
            step.tick(u64::from(iterations), Some(u64::from(most)))?;
            let own = rayon::current_thread_index().unwrap_or(0);
            let mut count = counts[own].lock().unwrap_or_else(PoisonError::into_inner);
            let mut moved = Vec::new();
            for (v, next) in (chunk * CHUNK..).zip(next) {
                *next = labels[v];
                if awake.as_ref().is_some_and(|awake| !awake[v].load(Ordering::Relaxed)) {
                    continue;
                }
                let favourite = count.favourite(graph, &labels, v as u32, |label| label);
                if let Some(label) = favourite.filter(|label| label != next) {
                    *next = label;
                    moved.push(v as u32);
                }
            }
            Ok(moved)
        };
        let moved: Vec<Vec<u32>> =
            next.par_chunks_mut(CHUNK).enumerate().map(look).collect::<Result<_, Cancelled>>()?;
        std::mem::swap(&mut labels, &mut next);
        iterations += 1;
        moving = moved.iter().map(Vec::len).sum::<usize>() as u32;
        if moving == 0 {
            break;
        }
        awake = to_look_at(graph, &moved, awake);
    }
    Ok((labels, iterations, moving))
}

/// Whether each node has a neighbour that moved; `None`: so many moved that it is as well to look at all.
fn to_look_at(graph: &Csr, moved: &[Vec<u32>], before: Option<Vec<AtomicBool>>) -> Option<Vec<AtomicBool>> {
    let met = |v: u32| around(graph, v).iter().map(|neighbors| neighbors.len()).sum::<usize>();
    let all = if graph.is_undirected() { graph.arc_count() } else { 2 * graph.arc_count() };
    if moved.iter().flatten().map(|&v| met(v)).sum::<usize>() > all / FEW {
        return None;
    }
    let mut awake = before.unwrap_or_default();
    awake.resize_with(graph.node_count(), AtomicBool::default);
    awake.par_iter_mut().for_each(|awake| *awake.get_mut() = false);
    moved.par_iter().flatten().for_each(|&v| {
        for &w in around(graph, v).iter().copied().flatten() {
            awake[w as usize].store(true, Ordering::Relaxed);
        }
    });
    Some(awake)
}

/// One node after the other, in an order that the seed gives.
fn in_turn(
    graph: &Csr,
    mut labels: Vec<u32>,
    most: u32,
    cx: &Context,
) -> Result<(Vec<u32>, u32, u32), Cancelled> {
    let nodes = graph.node_count();
    let mut order: Vec<u32> = (0..nodes as u32).collect();
    order.shuffle(&mut Pcg64::seed_from_u64(cx.seed));
    let mut awake = vec![true; nodes];
    let mut count = Count::default();
    let step = cx.step("label propagation", Some(u64::from(most)));
    let (mut iterations, mut moving) = (0, 0);
    while iterations < most {
        moving = 0;
        for (i, &v) in order.iter().enumerate() {
            if (i as u64).is_multiple_of(TICK_EVERY) {
                step.tick(u64::from(iterations), Some(u64::from(most)))?;
            }
            if !std::mem::replace(&mut awake[v as usize], false) {
                continue;
            }
            let own = labels[v as usize];
            let drawn = |label| (label != own, mixed(cx.seed, v, label), label);
            let favourite = count.favourite(graph, &labels, v, drawn);
            if let Some(label) = favourite.filter(|&label| label != own) {
                labels[v as usize] = label;
                moving += 1;
                around(graph, v).iter().copied().flatten().for_each(|&w| awake[w as usize] = true);
            }
        }
        iterations += 1;
        if moving == 0 {
            break;
        }
    }
    Ok((labels, iterations, moving))
}

/// Neighbours of `v` whichever way edges lead, each as often as there are edges.
fn around(graph: &Csr, v: u32) -> [&[u32]; 2] {
    let into = if graph.is_undirected() { &[] } else { graph.in_neighbors(NodeId(v)) };
    [graph.out_neighbors(NodeId(v)), into]
}

/// A number that says nothing of what it is made of (`SplitMix64` of G. Steele, D. Lea, C. Flood 2014).
fn mixed(seed: u64, v: u32, label: u32) -> u64 {
    let mut z =
        seed.wrapping_add((u64::from(v) << 32 | u64::from(label)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What counts labels, kept from node to node.
#[derive(Debug, Default)]
struct Count {
    /// Labels of the neighbours.
    labels: Vec<u32>,
    /// Times by label, all zero between two nodes; empty until first asked.
    times: Vec<u32>,
}

impl Count {
    /// The most frequent label around `v`, and of several the one with the smallest key; `None`: it has no neighbour.
    fn favourite<K: Ord>(
        &mut self,
        graph: &Csr,
        labels: &[u32],
        v: u32,
        key: impl Fn(u32) -> K,
    ) -> Option<u32> {
        let around = around(graph, v);
        self.labels.clear();
        for &neighbors in &around {
            self.labels.extend(neighbors.iter().filter(|&&w| w != v).map(|&w| labels[w as usize]));
        }
        let (&first, more) = self.labels.split_first()?;
        if more.iter().all(|&label| label == first) {
            return Some(first);
        }
        let rank = |label, times| (times, Reverse(key(label)));
        let mut best = None;
        let mut consider = |label: u32, times: u32| {
            if best.as_ref().is_none_or(|(_, most, _)| times >= *most) {
                let rank = rank(label, times);
                if best.as_ref().is_none_or(|(_, _, best)| rank > *best) {
                    best = Some((label, times, rank));
                }
            }
        };
        if self.labels.len() <= SORTED {
            self.labels.sort_unstable();
            self.labels.chunk_by(|a, b| a == b).for_each(|same| consider(same[0], same.len() as u32));
        } else {
            self.times.resize(labels.len(), 0);
            self.labels.iter().for_each(|&label| self.times[label as usize] += 1);
            for &label in &self.labels {
                // Only the first of equals finds a count.
                let times = std::mem::take(&mut self.times[label as usize]);
                if times > 0 {
                    consider(label, times);
                }
            }
        }
        best.map(|(label, ..)| label)
    }
}

/// Every node asks the list of edges, with a map of counts.
#[cfg(test)]
mod oracle {
    use std::collections::BTreeMap;

    /// How often each label is met around `v`.
    pub(super) fn met(edges: &[(u32, u32)], labels: &[u32], v: u32) -> BTreeMap<u32, usize> {
        let mut met = BTreeMap::new();
        for &(s, t) in edges.iter().filter(|(s, t)| s != t) {
            if s == v {
                *met.entry(labels[t as usize]).or_default() += 1;
            }
            if t == v {
                *met.entry(labels[s as usize]).or_default() += 1;
            }
        }
        met
    }

    /// LDBC's rule, round by round.
    pub(super) fn together(edges: &[(u32, u32)], first: &[u32], rounds: u32) -> Vec<u32> {
        let mut labels = first.to_vec();
        for _ in 0..rounds {
            let of = |v: usize| {
                let met = met(edges, &labels, v as u32);
                let most = met.values().max();
                met.iter().find(|(_, times)| Some(*times) == most).map_or(labels[v], |(&label, _)| label)
            };
            labels = (0..labels.len()).map(of).collect();
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{LDBC_DIRECTED, LDBC_UNDIRECTED, edges, karate, on_threads, random_edges};

    const ASYNC: Params = Params { label_propagation: Mode::Async, max_iterations: None };

    fn run(graph: &Csr, params: &Params, seed: u64) -> Labels {
        let cx = Context::silent().with_seed(seed);
        label_propagation(graph, None, params, &cx).expect("nobody asked to stop")
    }

    fn rounds(graph: &Csr, first: Vec<u32>, most: u32) -> Vec<u32> {
        together(graph, first, most, &Context::silent()).expect("nobody asked to stop").0
    }

    proptest! {
        #[test]
        fn all_at_once_is_ldbc_s_rule_round_by_round(
            (n, edges) in random_edges(30, 90), most in 0u32..12, offset in 0u32..30,
        ) {
            let first: Vec<u32> = (0..n as u32).map(|v| (v + offset) % n as u32).collect();
            let expected = oracle::together(&edges, &first, most);
            for graph in [Csr::directed(n, &edges, vec![]), Csr::undirected(n, &edges, vec![])] {
                prop_assert_eq!(&rounds(&graph, first.clone(), most), &expected);
            }
        }

        #[test]
        fn hubs_and_late_rounds_follow_the_same_rule((n, edges) in random_edges(400, 500), hub in 0u32..400) {
            // Enough neighbours that labels are counted, and long chains that settle while most nodes rest.
            let hub = hub % n as u32;
            let mut edges = edges;
            edges.extend((0..n as u32 / 2).map(|v| (hub, v)));
            let first: Vec<u32> = (0..n as u32).collect();
            let expected = oracle::together(&edges, &first, 15);
            prop_assert_eq!(rounds(&Csr::directed(n, &edges, vec![]), first, 15), expected);
        }

        #[test]
        fn one_by_one_ends_where_everybody_is_with_most_of_their_neighbours(
            (n, edges) in random_edges(40, 120), seed in any::<u64>(),
        ) {
            let graph = Csr::directed(n, &edges, vec![]);
            let found = run(&graph, &ASYNC, seed);
            prop_assert_eq!(found.moving, 0);
            for v in 0..n as u32 {
                let met = oracle::met(&edges, &found.communities.of, v);
                let own = met.get(&found.communities.of[v as usize]);
                prop_assert_eq!(own, met.values().max());
            }
            // The same edges met from the other side, in the same order, are the same graph.
            prop_assert_eq!(run(&Csr::undirected(n, &edges, vec![]), &ASYNC, seed), found);
        }
    }

    /// Labels by vertex, from vertex `first` on.
    fn ldbc(text: &str, first: u32, rounds_run: u32, undirected: bool) -> Vec<u32> {
        let list: Vec<_> = edges(text).iter().map(|&(s, t)| (s - first, t - first)).collect();
        let n = list.iter().map(|&(s, t)| s.max(t)).max().map_or(0, |v| v + 1);
        let build = if undirected { Csr::undirected } else { Csr::directed };
        let found = rounds(&build(n as usize, &list, vec![]), (0..n).collect(), rounds_run);
        found.iter().map(|label| label + first).collect()
    }

    #[test]
    fn the_examples_of_the_graphalytics_specification_have_their_labels() {
        assert_eq!(ldbc(LDBC_DIRECTED, 1, 2, false), [1, 2, 3, 4, 1, 1, 2, 3, 2, 1]);
        assert_eq!(ldbc(LDBC_UNDIRECTED, 2, 2, true), [2, 3, 2, 2, 6, 5, 2, 5, 5]);
        // The graph of its validation tests: most edges there and back, which count twice.
        let validation = "1-2 1-3 1-7 2-1 2-3 3-1 3-2 4-5 4-6 5-4 5-6 5-7 6-5 6-7 7-5 7-6 7-8 8-6";
        assert_eq!(ldbc(validation, 1, 5, false), [1, 1, 1, 5, 4, 4, 4, 4]);
    }

    #[test]
    fn two_cliques_with_one_edge_between_them_are_two_communities_for_any_seed() {
        let clique = |from: u32| (from..from + 8).flat_map(move |v| (from..v).map(move |w| (w, v)));
        let edges: Vec<_> = clique(0).chain(clique(8)).chain([(0, 8)]).collect();
        let graph = Csr::undirected(16, &edges, vec![]);
        for seed in 0..50 {
            assert_eq!(run(&graph, &ASYNC, seed).communities.sizes, [8, 8]);
        }
    }

    #[test]
    fn the_karate_club_is_no_crowd_of_singles_and_another_seed_may_see_it_otherwise() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let all: Vec<Labels> = (0..20).map(|seed| run(&graph, &ASYNC, seed)).collect();
        assert!(all.iter().all(|found| found.moving == 0 && found.communities.sizes.len() <= 10));
        assert!(all.iter().any(|found| found.communities != all[0].communities));
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) % 9_000, if i % 7 == 0 { 3 } else { i % 20_000 }))
            .collect();
        let graph = Csr::directed(20_000, &edges, vec![]);
        for params in [Params { max_iterations: Some(30), ..Params::DEFAULT }, ASYNC] {
            let run = || run(&graph, &params, 7);
            assert_eq!(on_threads(1, run), on_threads(2, run));
        }
    }

    #[test]
    fn first_labels_decide_who_wins_a_tie() {
        let star = Csr::undirected(3, &[(0, 1), (0, 2)], vec![]);
        assert_eq!(rounds(&star, vec![0, 1, 2], 1), [1, 0, 0]);
        assert_eq!(rounds(&star, vec![0, 2, 1], 1), [1, 0, 0]);
        assert_eq!(rounds(&star, vec![2, 1, 0], 1), [0, 2, 2]);
    }

    #[test]
    fn a_pair_changes_places_for_ever_all_at_once_and_agrees_one_by_one() {
        let pair = Csr::undirected(2, &[(0, 1)], vec![]);
        let found = run(&pair, &Params::DEFAULT, 1);
        assert_eq!((found.communities.sizes, found.iterations, found.moving), (vec![1, 1], 10, 2));
        let found = run(&pair, &ASYNC, 1);
        assert_eq!((found.communities.sizes, found.moving), (vec![2], 0));
    }

    #[test]
    fn no_node_lone_nodes_loops_and_no_rounds_leave_labels_as_they_are() {
        for params in [Params::DEFAULT, ASYNC] {
            assert!(run(&Csr::directed(0, &[], vec![]), &params, 1).communities.of.is_empty());
            let found = run(&Csr::directed(3, &[(1, 1), (1, 1)], vec![]), &params, 1);
            assert_eq!((found.communities.of, found.iterations, found.moving), (vec![0, 1, 2], 1, 0));
            let none = Params { max_iterations: Some(0), ..params };
            let found = run(&Csr::directed(2, &[(0, 1)], vec![]), &none, 1);
            assert_eq!((found.communities.of, found.iterations), (vec![0, 1], 0));
        }
    }

    #[test]
    fn a_request_to_stop_ends_the_rounds() {
        let cx = Context::silent();
        cx.cancel.request();
        let pair = Csr::directed(2, &[(0, 1)], vec![]);
        for params in [Params::DEFAULT, ASYNC] {
            assert_eq!(label_propagation(&pair, None, &params, &cx), Err(Cancelled));
        }
    }
}
