//! Triangles and clustering: how many of a node's neighbours know each other.
//!
//! Every triangle is found once, from its corner of fewest neighbours: N. Chiba, T. Nishizeki: *Arboricity and Subgraph Listing
//! Algorithms*, 1985; M. Latapy: *Main-Memory Triangle Computations for Very Large (Sparse (Power-Law)) Graphs*, 2008. The
//! clustering coefficient is LCC of A. Iosup et al.: *LDBC Graphalytics*, 2016: arcs among the neighbours of a node, those there
//! and back twice, in proportion to all there could be.
//!
//! Nodes are numbered from the one with most neighbours on, and each keeps its neighbours of smaller number, so that what is
//! asked most lies together. Whether two of these are neighbours is a bit: of a hub ([`Hubs`], as much memory as the
//! adjacency at most) in a table of a bit per pair, gone through in blocks that a cache holds; of another node the first
//! corner's neighbours are marked and the other's list is held against them. The price of this is a copy of
//! the graph without parallel edges, and half of it once more.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, Forward};

/// How the work is divided; what comes out is the same.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Bytes of the table of hubs at most.
    hub_bytes: usize,
    /// Words of it that are gone through at a time.
    block_words: usize,
    /// Arcs that one thread goes through at a time.
    chunk_arcs: usize,
}

impl Plan {
    /// A table that larger caches hold, in blocks for those next to a core.
    const DEFAULT: Self = Self { hub_bytes: 64 << 20, block_words: 1 << 17, chunk_arcs: 1 << 19 };
}

/// Triangles, by node and in all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Triangles {
    /// Triangles by node.
    pub of: Vec<u32>,
    /// Clustering coefficient by node; 0 where there are fewer than two neighbours.
    pub clustering: Vec<f64>,
    /// Triangles of the graph.
    pub total: u64,
    /// Pairs of neighbours of one node.
    pub wedges: u64,
}

impl Triangles {
    /// Mean clustering coefficient of all nodes; 0 of none.
    pub fn average_clustering(&self) -> f64 {
        self.clustering.iter().sum::<f64>() / self.clustering.len().max(1) as f64
    }

    /// Share of the pairs of neighbours of one node that are neighbours (transitivity); 0 where there are no such pairs.
    pub fn transitivity(&self) -> f64 {
        3.0 * self.total as f64 / self.wedges.max(1) as f64
    }
}

/// Bytes that counting takes at most on the threads there are.
pub(super) fn memory(nodes: u64, edges: u64) -> u64 {
    let threads = rayon::current_num_threads() as u64;
    (16 * edges + 20 * nodes).max(8 * edges + (32 + 9 * threads) * nodes)
}

/// Counts triangles of nodes joined by an edge, whichever way it leads; parallel edges count once, loops not at all.
///
/// O(arcs^1.5) at worst, and hardly more than linear where hubs are few, on all threads. 16 bytes per edge and 20 per node
/// while lists are made; then 8 per edge and 32 per node, and 4 per node and thread (9 of a directed graph).
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::community::triangles::triangles};
///
/// // A triangle, and a node that knows one of it.
/// let graph = Csr::undirected(4, &[(0, 1), (1, 2), (2, 0), (2, 3)], vec![]);
/// let found = triangles(&graph, &Context::silent())?;
/// assert_eq!((found.of, found.clustering), (vec![1, 1, 1, 0], vec![1.0, 1.0, 1.0 / 3.0, 0.0]));
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn triangles(graph: &Csr, cx: &Context) -> Result<Triangles, Cancelled> {
    counted(graph, Plan::DEFAULT, cx)
}

fn counted(graph: &Csr, plan: Plan, cx: &Context) -> Result<Triangles, Cancelled> {
    cx.check()?;
    let forward = Forward::of(graph);
    cx.check()?;
    let (triangles, mutual) = if forward.has_mutual() {
        count::<true>(&forward, plan, cx)?
    } else {
        count::<false>(&forward, plan, cx)?
    };
    let nodes = graph.node_count();
    let mut found = Triangles { of: vec![0; nodes], clustering: vec![0.0; nodes], ..Triangles::default() };
    for (rank, (&v, &degree)) in forward.nodes().iter().zip(forward.degrees()).enumerate() {
        let (v, d, count) = (v as usize, u64::from(degree), u64::from(triangles[rank]));
        let twice = if graph.is_undirected() { count } else { mutual.get(rank).map_or(0, |&m| u64::from(m)) };
        found.of[v] = triangles[rank];
        found.clustering[v] = (count + twice) as f64 / (d * (d - 1)) as f64;
        found.total += count;
        found.wedges += d * (d - 1) / 2;
    }
    found.total /= 3;
    Ok(found)
}

/// Triangles by rank, and of how many of them the edge across leads there and back.
fn count<const MUTUAL: bool>(
    forward: &Forward,
    plan: Plan,
    cx: &Context,
) -> Result<(Vec<u32>, Vec<u32>), Cancelled> {
    let ranks = forward.nodes().len();
    let hubs = Hubs::of::<MUTUAL>(forward, plan);
    let chunks = forward.ranges(plan.chunk_arcs);
    let tallies: Vec<Mutex<Tally>> =
        (0..rayon::current_num_threads()).map(|_| Mutex::new(Tally::default())).collect();
    let step = cx.step("triangles", Some(chunks.len() as u64));
    chunks.par_windows(2).enumerate().with_max_len(1).try_for_each(|(done, ends)| {
        let own = rayon::current_thread_index().unwrap_or(0);
        let mut tally = tallies[own].lock().unwrap_or_else(PoisonError::into_inner);
        tally.make_room::<MUTUAL>(ranks);
        let tick = || step.tick(done as u64, Some(chunks.len() as u64));
        tally.close::<MUTUAL>(forward, &hubs, ends[0]..ends[1], tick)
    })?;
    // Whole numbers: the same sums whoever counted what.
    let mut all = Tally::default();
    all.make_room::<MUTUAL>(ranks);
    for tally in tallies {
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let add = |all: &mut [u32], own: &[u32]| all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
        add(&mut all.triangles, &tally.triangles);
        add(&mut all.mutual, &tally.mutual);
    }
    Ok((all.triangles, all.mutual))
}

fn rank_of<const MUTUAL: bool>(arc: u32) -> u32 {
    if MUTUAL { arc >> 1 } else { arc }
}

fn set(bits: &mut [u64], at: u32) {
    bits[at as usize / 64] |= 1 << (at % 64);
}

/// For each of the first ranks a bit per rank before it: whether they are neighbours.
struct Hubs {
    /// Where each rank's words begin, and the end of all.
    starts: Vec<usize>,
    joined: Vec<u64>,
    /// Whether an edge leads there and back; empty where none does.
    mutual: Vec<u64>,
    /// First ranks behind each block.
    blocks: Vec<u32>,
}

impl Hubs {
    fn of<const MUTUAL: bool>(forward: &Forward, plan: Plan) -> Self {
        // h hubs take about h²/16 bytes.
        let bytes = plan.hub_bytes.min(4 * forward.edge_count()) / if MUTUAL { 2 } else { 1 };
        let count = (16 * bytes).isqrt().min(forward.nodes().len()) as u32;
        let mut starts = Vec::with_capacity(count as usize + 1);
        let mut blocks = Vec::new();
        let (mut words, mut block) = (0, 0);
        for hub in 0..count {
            starts.push(words);
            words += hub.div_ceil(64) as usize;
            if words - block > plan.block_words {
                blocks.push(hub + 1);
                block = words;
            }
        }
        starts.push(words);
        if blocks.last() != Some(&count) {
            blocks.push(count);
        }
        let mut hubs = Self { starts, joined: vec![0; words], mutual: vec![], blocks };
        if MUTUAL {
            hubs.mutual.resize(words, 0);
        }
        for hub in 0..count {
            let words = hubs.words(hub);
            for &arc in forward.before(hub) {
                set(&mut hubs.joined[words.clone()], rank_of::<MUTUAL>(arc));
                if MUTUAL && arc & 1 == 1 {
                    set(&mut hubs.mutual[words.clone()], rank_of::<MUTUAL>(arc));
                }
            }
        }
        hubs
    }

    fn count(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    fn words(&self, hub: u32) -> std::ops::Range<usize> {
        self.starts[hub as usize]..self.starts[hub as usize + 1]
    }
}

/// What one thread counts, by rank.
#[derive(Debug, Default)]
struct Tally {
    triangles: Vec<u32>,
    /// Triangles whose edge across leads there and back; empty where none does.
    mutual: Vec<u32>,
    /// A bit for every neighbour before the node at hand, and for those met both ways.
    marked: Vec<u64>,
    marked_mutual: Vec<u64>,
    /// Ranks whose lists lead to hubs that are still ahead, and how far each is.
    open: Vec<(u32, u32)>,
}

impl Tally {
    fn make_room<const MUTUAL: bool>(&mut self, ranks: usize) {
        self.triangles.resize(ranks, 0);
        self.marked.resize(ranks.div_ceil(64), 0);
        if MUTUAL {
            self.mutual.resize(ranks, 0);
            self.marked_mutual.resize(ranks.div_ceil(64), 0);
        }
    }

    /// Counts the triangles whose last corner is in `ranks`.
    fn close<const MUTUAL: bool>(
        &mut self,
        forward: &Forward,
        hubs: &Hubs,
        ranks: std::ops::Range<u32>,
        tick: impl Fn() -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        // Before the first of a list there is no third corner.
        let mut open = std::mem::take(&mut self.open);
        open.extend(ranks.clone().filter(|&u| forward.before(u).len() > 1).map(|u| (u, 1)));
        for &end in &hubs.blocks {
            tick()?;
            open.retain_mut(|(u, at)| {
                let list = forward.before(*u);
                while let Some(&arc) = list.get(*at as usize) {
                    let v = rank_of::<MUTUAL>(arc);
                    if v >= end {
                        return v < hubs.count();
                    }
                    let words = hubs.words(v);
                    let mutual = if MUTUAL { &hubs.mutual[words.clone()] } else { &[][..] };
                    self.corners::<MUTUAL>((*u, v, arc), &list[..*at as usize], &hubs.joined[words], mutual);
                    *at += 1;
                }
                false
            });
        }
        self.open = open;
        for u in ranks {
            let list = forward.before(u);
            let beyond = list.partition_point(|&arc| rank_of::<MUTUAL>(arc) < hubs.count()).max(1);
            if beyond < list.len() {
                self.hold_against::<MUTUAL>(forward, u, &list[beyond..]);
            }
        }
        tick()
    }

    /// Counts the triangles of `u` and one of `others`, whose lists are gone through.
    fn hold_against<const MUTUAL: bool>(&mut self, forward: &Forward, u: u32, others: &[u32]) {
        let list = forward.before(u);
        let (mut marked, mut mutual) =
            (std::mem::take(&mut self.marked), std::mem::take(&mut self.marked_mutual));
        for &arc in list {
            set(&mut marked, rank_of::<MUTUAL>(arc));
            if MUTUAL && arc & 1 == 1 {
                set(&mut mutual, rank_of::<MUTUAL>(arc));
            }
        }
        for &arc in others {
            let v = rank_of::<MUTUAL>(arc);
            self.corners::<MUTUAL>((v, u, arc), forward.before(v), &marked, &mutual);
        }
        for &arc in list {
            marked[rank_of::<MUTUAL>(arc) as usize / 64] = 0;
            if MUTUAL {
                mutual[rank_of::<MUTUAL>(arc) as usize / 64] = 0;
            }
        }
        (self.marked, self.marked_mutual) = (marked, mutual);
    }

    /// Counts those in the list of `a` that are neighbours of `b`, too, by its bits.
    fn corners<const MUTUAL: bool>(
        &mut self,
        (a, b, between): (u32, u32, u32),
        list: &[u32],
        joined: &[u64],
        mutual: &[u64],
    ) {
        let (mut found, mut mutual_a, mut mutual_b) = (0, 0, 0);
        for &arc in list {
            let w = rank_of::<MUTUAL>(arc) as usize;
            // Added whether it is 0 or 1: whether it is cannot be guessed, and a wrong guess costs more.
            let is_closed = (joined[w / 64] >> (w % 64)) as u32 & 1;
            found += is_closed;
            self.triangles[w] += is_closed;
            if MUTUAL {
                mutual_a += is_closed & arc;
                mutual_b += (mutual[w / 64] >> (w % 64)) as u32 & 1;
                self.mutual[w] += is_closed & between;
            }
        }
        self.triangles[a as usize] += found;
        self.triangles[b as usize] += found;
        if MUTUAL {
            // Across from a is the edge between b and the third, and the other way round.
            self.mutual[a as usize] += mutual_b;
            self.mutual[b as usize] += mutual_a;
        }
    }
}

/// Asks every two neighbours of every node in a matrix of arcs.
#[cfg(test)]
mod oracle {
    /// Triangles and LDBC's clustering coefficient by node.
    pub(super) fn triangles(n: usize, edges: &[(u32, u32)], undirected: bool) -> (Vec<u32>, Vec<f64>) {
        let mut arc = vec![vec![false; n]; n];
        for &(s, t) in edges.iter().filter(|(s, t)| s != t) {
            arc[s as usize][t as usize] = true;
            arc[t as usize][s as usize] |= undirected;
        }
        let of = |v: usize| {
            let neighbors: Vec<usize> = (0..n).filter(|&w| arc[v][w] || arc[w][v]).collect();
            let pairs = || neighbors.iter().flat_map(|&u| neighbors.iter().map(move |&w| (u, w)));
            let arcs = pairs().filter(|&(u, w)| arc[u][w]).count();
            let joined = pairs().filter(|&(u, w)| u < w && (arc[u][w] || arc[w][u])).count();
            let most = neighbors.len() * neighbors.len().saturating_sub(1);
            (joined as u32, if most == 0 { 0.0 } else { arcs as f64 / most as f64 })
        };
        (0..n).map(of).unzip()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{LDBC_DIRECTED, LDBC_UNDIRECTED, edges, karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Triangles {
        triangles(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn triangles_are_pairs_of_neighbours_that_are_neighbours(
            (n, edges) in random_edges(40, 400),
            hub_bytes in prop_oneof![Just(0), 1usize..300, Just(1 << 20)],
            block_words in 1usize..30,
            chunk_arcs in 1usize..60,
        ) {
            let plan = Plan { hub_bytes, block_words, chunk_arcs };
            for (undirected, graph) in
                [(false, Csr::directed(n, &edges, vec![])), (true, Csr::undirected(n, &edges, vec![]))]
            {
                let found = counted(&graph, plan, &Context::silent()).expect("nobody asked to stop");
                let (of, clustering) = oracle::triangles(n, &edges, undirected);
                prop_assert_eq!(found.total, of.iter().map(|&t| u64::from(t)).sum::<u64>() / 3);
                prop_assert_eq!(&found.of, &of);
                prop_assert_eq!(&found.clustering, &clustering);
                prop_assert_eq!(run(&graph), found);
            }
        }

        #[test]
        fn a_directed_graph_without_mutual_edges_has_half_the_clustering((n, edges) in random_edges(40, 300)) {
            let one_way: Vec<_> = edges.iter().map(|&(s, t)| (s.min(t), s.max(t))).collect();
            let directed = run(&Csr::directed(n, &one_way, vec![]));
            let undirected = run(&Csr::undirected(n, &one_way, vec![]));
            prop_assert_eq!(directed.of, undirected.of);
            let half: Vec<f64> = undirected.clustering.iter().map(|c| c / 2.0).collect();
            prop_assert_eq!(directed.clustering, half);
        }
    }

    #[test]
    fn the_karate_club_has_its_45_triangles() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]));
        assert_eq!((found.total, found.of[0], found.of[33], found.of[11]), (45, 18, 15, 0));
        // As NetworkX tells them.
        assert!((found.average_clustering() - 0.570_638_478_207_682_3).abs() < 1e-12);
        assert!((found.transitivity() - 0.255_681_818_181_818_2).abs() < 1e-12);
        assert!((found.clustering[0] - 0.15).abs() < 1e-12);
    }

    #[test]
    fn the_examples_of_the_graphalytics_specification_have_their_coefficients() {
        let close = |found: &[f64], expected: &[f64]| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-15)
        };
        let found = run(&Csr::directed(11, &edges(LDBC_DIRECTED), vec![])).clustering;
        let expected = [2.0 / 3.0, 1.0 / 6.0, 0.15, 0.05, 0.25, 0.0, 0.0, 5.0 / 6.0, 0.0, 0.0];
        assert!(close(&found[1..], &expected));
        let found = run(&Csr::undirected(11, &edges(LDBC_UNDIRECTED), vec![])).clustering;
        let expected = [1.0, 1.0 / 3.0, 1.0, 2.0 / 3.0, 0.2, 1.0, 2.0 / 3.0, 1.0, 0.0];
        assert!(close(&found[2..], &expected));
    }

    #[test]
    fn of_a_complete_graph_all_triples_are_triangles() {
        let edges: Vec<_> = (0..200u32).flat_map(|v| (0..v).map(move |w| (v, w))).collect();
        let found = run(&Csr::directed(200, &edges, vec![]));
        assert_eq!((found.total, found.of[7]), (200 * 199 * 198 / 6, 199 * 198 / 2));
        assert!((found.transitivity() - 1.0).abs() < 1e-15);
        // Each pair there and back.
        let both: Vec<_> = edges.iter().flat_map(|&(s, t)| [(s, t), (t, s), (s, t)]).collect();
        let found = run(&Csr::directed(200, &both, vec![]));
        assert!(
            found.total == 200 * 199 * 198 / 6 && found.clustering.iter().all(|&c| (c - 1.0).abs() < 1e-15)
        );
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) % 900, i.wrapping_mul(i) % 2_000))
            .collect();
        let plan = Plan { hub_bytes: 1 << 14, block_words: 100, chunk_arcs: 500 };
        for graph in [Csr::directed(2_000, &edges, vec![]), Csr::undirected(2_000, &edges, vec![])] {
            let run = || counted(&graph, plan, &Context::silent());
            assert!(run().expect("nobody asked to stop").total > 1_000);
            assert_eq!(on_threads(1, run), on_threads(2, run));
        }
    }

    #[test]
    fn no_node_one_node_loops_and_parallel_edges_are_graphs_too() {
        assert_eq!(run(&Csr::directed(0, &[], vec![])), Triangles::default());
        let found = run(&Csr::directed(1, &[(0, 0)], vec![]));
        assert_eq!((found.transitivity(), found.of, found.clustering), (0.0, vec![0], vec![0.0]));
        // Loops and a second edge neither close nor open anything; the last two are a part of their own.
        let edges = [(0, 1), (1, 2), (2, 0), (0, 1), (1, 1), (2, 3), (4, 5), (5, 4)];
        let found = run(&Csr::undirected(6, &edges, vec![]));
        assert_eq!((found.of, found.total, found.wedges), (vec![1, 1, 1, 0, 0, 0], 1, 5));
    }

    #[test]
    fn a_request_to_stop_ends_the_counting() {
        let cx = Context::silent();
        cx.cancel.request();
        assert_eq!(triangles(&Csr::directed(2, &[(0, 1)], vec![]), &cx), Err(Cancelled));
    }
}
