//! The nodes of highest harmonic centrality, exactly, without the centrality of the others.
//!
//! After E. Bergamini, M. Borassi, P. Crescenzi, A. Marino, H. Meyerhenke: *Computing Top-k Closeness Centrality Faster in Unweighted
//! Graphs*, 2019: nodes are tried from the one that could score highest, and a search ends as soon as its node can no longer
//! be among the first k: who is not reached after ℓ steps is at least ℓ + 1 away. Searches run 64 at a time in the bits of a
//! word (M. Then et al.: *The More the Merrier: Efficient Multi-Source Graph Traversal*, 2014), from the side of those not yet
//! reached where the frontier is wide. How much is searched depends on the order in which batches end, the answer does not.

use rayon::prelude::*;

use crate::context::{Cancelled, Context, Step};
use crate::graph::{Csr, NodeId, Simple};
use crate::studies::community::components::components;

/// Searches at a time: one for every bit of a word.
const BATCH: usize = u64::BITS as usize;
/// The share of all arcs beyond which the nodes not yet reached look for the frontier.
const WIDE: usize = 16;
/// Bounds are sums in another order than scores: so much more is no more.
const SLACK: f64 = 1.0 + 1e-12;

/// The `count` nodes of highest `H(v) = Σ_u 1/d(u,v)` ([`super::harmonic::harmonic`]) and their scores, the highest first, of
/// equals the smaller node.
///
/// O(nodes + arcs) and what cannot be ruled out: O(nodes·arcs) at worst; 32 bytes per node and thread, 24 per node.
///
/// ```
/// use sonograph::{context::Context, graph::{Csr, NodeId}, studies::influence::harmonic_top::harmonic_top};
///
/// let path = Csr::undirected(4, &[(0, 1), (1, 2), (2, 3)], vec![]);
/// assert_eq!(harmonic_top(&path, 2, &Context::silent())?, [(NodeId(1), 2.5), (NodeId(2), 2.5)]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn harmonic_top(graph: &Csr, count: usize, cx: &Context) -> Result<Vec<(NodeId, f64)>, Cancelled> {
    let n = graph.node_count();
    let count = count.min(n);
    let arcs = Arcs::of(graph, cx)?;
    let mut bounds: Vec<f64> = (0..n as u32).into_par_iter().map(|v| arcs.bound(v)).collect();
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.par_sort_unstable_by(|&a, &b| bounds[b as usize].total_cmp(&bounds[a as usize]).then(a.cmp(&b)));
    for bound in &mut bounds {
        *bound *= SLACK;
    }
    let step = cx.step("harmonic (highest)", Some(n as u64));
    let mut top: Vec<(NodeId, f64)> = Vec::new();
    let mut tried = 0;
    let mut searches: Vec<Search> = Vec::new();
    while tried < n {
        step.tick(tried as u64, Some(n as u64))?;
        let least = if top.len() == count { top.last().map_or(f64::INFINITY, |last| last.1) } else { -1.0 };
        if bounds[order[tried] as usize] < least {
            break;
        }
        // One alone first: what it finds rules out most.
        let together = if tried == 0 { 1 } else { rayon::current_num_threads() };
        searches.resize_with(searches.len().max(together), || Search::new(n));
        let batches = order[tried..].chunks(BATCH).take(together);
        tried = (tried + BATCH * together).min(n);
        let found: Vec<_> = batches
            .zip(&mut searches)
            .par_bridge()
            .map(|(sources, search)| search.run(&arcs, sources, least, &step))
            .collect::<Result<_, _>>()?;
        top.extend(found.into_iter().flatten());
        top.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        top.truncate(count);
    }
    Ok(top)
}

/// Neighbours each once, and how many can reach a node at most.
struct Arcs {
    out: Simple,
    into: Simple,
    /// Of the weak component, without the node itself.
    others: Vec<u32>,
    is_undirected: bool,
}

impl Arcs {
    fn of(graph: &Csr, cx: &Context) -> Result<Self, Cancelled> {
        let parts = components(graph, cx)?;
        let others = parts.of.iter().map(|&part| parts.sizes[part as usize] - 1).collect();
        let into = Simple::into(graph);
        let is_undirected = graph.is_undirected();
        let out = if is_undirected { into.clone() } else { Simple::out(graph) };
        Ok(Self { out, into, others, is_undirected })
    }

    /// What a node scores at most: its neighbours, theirs as if they were all others, and everybody else three steps away.
    fn bound(&self, v: u32) -> f64 {
        let neighbors = self.into.neighbors(NodeId(v));
        let back = usize::from(self.is_undirected);
        let beyond: usize = neighbors.iter().map(|&u| self.into.neighbors(NodeId(u)).len() - back).sum();
        if neighbors.is_empty() {
            return 0.0;
        }
        let rest = self.others[v as usize] as usize - neighbors.len();
        let second = beyond.min(rest);
        neighbors.len() as f64 + second as f64 / 2.0 + (rest - second) as f64 / 3.0
    }
}

/// A batch of searches against the arcs.
struct Search {
    /// By which searches a node was reached, by bits.
    seen: Vec<u64>,
    /// By which of them it was reached in the last step, and in this one.
    last: Vec<u64>,
    next: Vec<u64>,
    /// The nodes that were reached in the last step, and in this one.
    active: Vec<u32>,
    reached: Vec<u32>,
}

impl Search {
    fn new(n: usize) -> Self {
        let bits = || vec![0; n];
        Self { seen: bits(), last: bits(), next: bits(), active: vec![], reached: vec![] }
    }

    /// The scores of those that may have `least` or more.
    fn run(
        &mut self,
        arcs: &Arcs,
        sources: &[u32],
        least: f64,
        step: &Step,
    ) -> Result<Vec<(NodeId, f64)>, Cancelled> {
        self.seen.fill(0);
        self.last.fill(0);
        self.active.clear();
        for (bit, &v) in sources.iter().enumerate() {
            (self.seen[v as usize], self.last[v as usize]) = (1 << bit, 1 << bit);
            self.active.push(v);
        }
        let mut alive = u64::MAX >> (BATCH - sources.len());
        let (mut scores, mut known) = ([0.0; BATCH], [0u32; BATCH]);
        let mut done = Vec::new();
        for hops in 1u32.. {
            step.tick(0, None)?;
            let ahead: usize = self.active.iter().map(|&v| arcs.into.neighbors(NodeId(v)).len()).sum();
            if ahead > arcs.into.arc_count() / WIDE {
                self.look_back(arcs, alive);
            } else {
                self.go_on(arcs, alive);
            }
            let mut new = [0u32; BATCH];
            for &w in &self.reached {
                let mut bits = std::mem::take(&mut self.next[w as usize]);
                self.seen[w as usize] |= bits;
                self.last[w as usize] = bits;
                while bits != 0 {
                    new[bits.trailing_zeros() as usize] += 1;
                    bits &= bits - 1;
                }
            }
            std::mem::swap(&mut self.active, &mut self.reached);
            for (bit, &source) in sources.iter().enumerate() {
                if alive >> bit & 1 == 0 {
                    continue;
                }
                scores[bit] += f64::from(new[bit]) / f64::from(hops);
                known[bit] += new[bit];
                let rest = arcs.others[source as usize] - known[bit];
                let is_complete = new[bit] == 0 || rest == 0;
                let most = scores[bit] + f64::from(rest) / f64::from(hops + 1);
                if is_complete {
                    done.push((NodeId(source), scores[bit]));
                }
                if is_complete || most * SLACK < least {
                    alive &= !(1 << bit);
                }
            }
            if alive == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// From the frontier along its arcs.
    fn go_on(&mut self, arcs: &Arcs, alive: u64) {
        self.reached.clear();
        for v in self.active.drain(..) {
            let here = std::mem::take(&mut self.last[v as usize]) & alive;
            if here == 0 {
                continue;
            }
            for &w in arcs.into.neighbors(NodeId(v)) {
                let new = here & !self.seen[w as usize];
                if new != 0 {
                    let next = &mut self.next[w as usize];
                    if *next == 0 {
                        self.reached.push(w);
                    }
                    *next |= new;
                }
            }
        }
    }

    /// From those that somebody has not reached yet, back to the frontier.
    fn look_back(&mut self, arcs: &Arcs, alive: u64) {
        self.reached.clear();
        for (w, &seen) in self.seen.iter().enumerate() {
            let missing = alive & !seen;
            if missing == 0 {
                continue;
            }
            let mut new = 0;
            for &v in arcs.out.neighbors(NodeId(w as u32)) {
                new |= self.last[v as usize];
                if new & missing == missing {
                    break;
                }
            }
            if new & missing != 0 {
                self.next[w] = new & missing;
                self.reached.push(w as u32);
            }
        }
        self.active.drain(..).for_each(|v| self.last[v as usize] = 0);
    }
}

/// Everybody's distances, one by one, sorted by what they come to.
#[cfg(test)]
mod oracle {
    pub(super) fn scores(n: usize, edges: &[(u32, u32)], is_undirected: bool) -> Vec<(u32, f64)> {
        let score = |to: usize| {
            let mut hops = vec![usize::MAX; n];
            hops[to] = 0;
            for round in 1..=n {
                for &(u, v) in edges {
                    for (u, v) in [(u as usize, v as usize), (v as usize, u as usize)]
                        .into_iter()
                        .take(1 + usize::from(is_undirected))
                    {
                        if hops[v] == round - 1 && hops[u] == usize::MAX {
                            hops[u] = round;
                        }
                    }
                }
            }
            hops.iter().filter(|&&hops| hops > 0 && hops < usize::MAX).map(|&hops| 1.0 / hops as f64).sum()
        };
        let mut all: Vec<(u32, f64)> = (0..n).map(|v| (v as u32, score(v))).collect();

        all.sort_by(|a, b| if (a.1 - b.1).abs() < 1e-9 { a.0.cmp(&b.0) } else { b.1.total_cmp(&a.1) });
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, count: usize) -> Vec<(NodeId, f64)> {
        harmonic_top(graph, count, &Context::silent()).expect("nobody asked to stop")
    }

    /// The same scores, each of them that of its node.
    fn agrees(found: &[(NodeId, f64)], all: &[(u32, f64)]) -> bool {
        let score = |v: NodeId| all.iter().find(|(u, _)| *u == v.0).expect("a node").1;
        found.iter().zip(all).all(|(found, expected)| {
            (found.1 - expected.1).abs() < 1e-9 && (found.1 - score(found.0)).abs() < 1e-9
        })
    }

    proptest! {
        #[test]
        fn the_highest_are_those_of_all((n, edges) in random_edges(90, 160), count in 0usize..100) {
            let (directed, undirected) = (Csr::directed(n, &edges, vec![]), Csr::undirected(n, &edges, vec![]));
            for graph in [directed, undirected] {
                let found = run(&graph, count);
                prop_assert_eq!(found.len(), count.min(n));
                prop_assert!(agrees(&found, &oracle::scores(n, &edges, graph.is_undirected())), "{found:?}");
            }
        }
    }

    #[test]
    fn the_karate_club_has_those_networkx_gives() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]), 3);
        let expected = [(33, 23.25), (0, 23.166_666_666_7), (2, 21.0)];
        assert!(agrees(&found, &expected) && found[0].0 == NodeId(33), "{found:?}");
    }

    #[test]
    fn nobody_comes_first_among_nobody_and_equals_come_in_their_order() {
        assert!(run(&Csr::directed(0, &[], vec![]), 3).is_empty());
        assert_eq!(run(&Csr::directed(3, &[(1, 1)], vec![]), 2), [(NodeId(0), 0.0), (NodeId(1), 0.0)]);
        // Along the arcs: who is reached scores.
        assert_eq!(run(&Csr::directed(3, &[(0, 1), (0, 1), (1, 2)], vec![]), 1), [(NodeId(2), 1.5)]);
    }

    #[test]
    fn most_are_ruled_out_and_any_number_of_threads_finds_the_same() {
        let hub = (1..400u32).map(|v| (0, v));
        let edges: Vec<_> =
            hub.chain((0..6_000u32).map(|i| (i % 2_000, i.wrapping_mul(7_919) % 2_000))).collect();
        let graph = Csr::directed(2_000, &edges, vec![]);
        let one = on_threads(1, || run(&graph, 10));
        assert_eq!(one, on_threads(2, || run(&graph, 10)));
        assert_eq!(one, on_threads(3, || run(&graph, 10)));
        assert_eq!(one[..], run(&graph, 2_000)[..10]);
    }
}
