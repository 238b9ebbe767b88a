//! VoteRank: spreaders who do not share their audience.
//!
//! J.-X. Zhang, D.-B. Chen, Q. Dong, Z.-D. Zhao: *Identifying a Set of Influential Spreaders in Complex Networks*, 2016. Every
//! node has one vote for each of its neighbours; whoever gets most is elected and votes no more, and the votes of its neighbours
//! count less by one over the mean degree. Scores change only within two steps of the elected, and are kept in a heap that is put
//! right when it is asked. One thread.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId, Simple};

/// How many are elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// How many spreaders VoteRank elects at most
    #[arg(long, value_name = "K", default_value_t = Params::DEFAULT.voterank_top)]
    pub voterank_top: usize,
}

impl Params {
    /// More than anybody invites.
    pub const DEFAULT: Self = Self { voterank_top: 100 };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The elected, first first; of equals the one with the smaller id. Ends where nobody gets a vote any more.
///
/// On a directed graph a node is voted for by those its arcs lead to: it reaches them. Parallel arcs count once, self-loops not
/// at all. O(nodes + arcs + Σ of the degrees of the neighbours of the elected); 24 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::voterank::{Params, voterank}};
///
/// // Two stars: both centres come before any leaf.
/// let stars = Csr::undirected(7, &[(0, 1), (0, 2), (0, 3), (4, 5), (4, 6)], vec![]);
/// assert_eq!(voterank(&stars, &Params::DEFAULT, &Context::silent())?[..2], [0, 4]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn voterank(graph: &Csr, params: &Params, cx: &Context) -> Result<Vec<u32>, Cancelled> {
    let reached = Simple::out(graph);
    let mean_degree = reached.arc_count() as f64 / reached.node_count() as f64;
    let weaker = 1.0 / mean_degree;
    let mut voice = vec![1.0; reached.node_count()];
    let votes = |v: u32, voice: &[f64]| -> f64 {
        reached.neighbors(NodeId(v)).iter().fold(0.0, |sum, &w| sum + voice[w as usize])
    };
    let mut heap: BinaryHeap<Candidate> =
        reached.nodes().map(|v| Candidate { votes: reached.degree(v) as f64, node: v.0 }).collect();
    let mut elected = Vec::new();
    let step = cx.step("voterank", Some(params.voterank_top as u64));
    while elected.len() < params.voterank_top {
        step.tick(elected.len() as u64, Some(params.voterank_top as u64))?;
        let best = loop {
            let Some(best) = heap.pop() else { return Ok(elected) };
            // Votes only ever become fewer, so that who still has what was noted has most.
            let now = votes(best.node, &voice);
            if now >= best.votes {
                break best;
            }
            heap.push(Candidate { votes: now, ..best });
        };
        if best.votes <= 0.0 {
            return Ok(elected);
        }
        elected.push(best.node);
        voice[best.node as usize] = 0.0;
        for &w in reached.neighbors(NodeId(best.node)) {
            voice[w as usize] = (voice[w as usize] - weaker).max(0.0);
        }
    }
    Ok(elected)
}

/// Somebody who may be elected, by the votes there were at some time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    votes: f64,
    node: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.votes.total_cmp(&other.votes).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Counts all votes anew for every election.
#[cfg(test)]
mod oracle {
    use std::collections::BTreeSet;

    pub(super) fn voterank(n: usize, edges: &[(u32, u32)], is_undirected: bool) -> Vec<u32> {
        let mut arcs: BTreeSet<(u32, u32)> = edges.iter().copied().filter(|(u, v)| u != v).collect();
        if is_undirected {
            arcs.extend(edges.iter().filter(|(u, v)| u != v).map(|&(u, v)| (v, u)));
        }
        let mean = arcs.len() as f64 / n as f64;
        let mut voice = vec![1.0; n];
        let mut elected: Vec<u32> = vec![];
        loop {
            let mut votes = vec![0.0_f64; n];
            for &(u, v) in &arcs {
                votes[u as usize] += voice[v as usize];
            }
            for &v in &elected {
                votes[v as usize] = 0.0;
            }
            // The last of equals from behind is the first.
            let order = |a: &usize, b: &usize| votes[*a].total_cmp(&votes[*b]);
            let best = (0..n).rev().max_by(order).expect("there are nodes");
            if votes[best] <= 0.0 {
                return elected;
            }
            let best = best as u32;
            elected.push(best);
            voice[best as usize] = 0.0;
            for &(_, v) in arcs.iter().filter(|arc| arc.0 == best) {
                voice[v as usize] = f64::max(voice[v as usize] - 1.0 / mean, 0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, voterank_top: usize) -> Vec<u32> {
        voterank(graph, &Params { voterank_top }, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn the_elected_are_those_of_a_full_count((n, edges) in random_edges(20, 60)) {
            let directed = run(&Csr::directed(n, &edges, vec![]), n);
            prop_assert_eq!(directed, oracle::voterank(n, &edges, false));
            let undirected = run(&Csr::undirected(n, &edges, vec![]), n);
            prop_assert_eq!(undirected, oracle::voterank(n, &edges, true));
        }
    }

    #[test]
    fn the_karate_club_elects_whom_networkx_elects() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        assert_eq!(run(&graph, 6), [33, 0, 32, 2, 1, 5]);
        assert_eq!(run(&graph, 100).len(), 14);
    }

    #[test]
    fn where_nobody_reaches_anybody_nobody_is_elected() {
        assert!(run(&Csr::directed(0, &[], vec![]), 5).is_empty());
        assert!(run(&Csr::directed(2, &[(1, 1)], vec![]), 5).is_empty());
        assert!(run(&Csr::directed(2, &[(0, 1)], vec![]), 0).is_empty());
        assert_eq!(run(&Csr::directed(3, &[(2, 0), (2, 0)], vec![]), 5), [2]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph, 50)), on_threads(2, || run(&graph, 50)));
    }
}
