//! The k least costly loopless paths between two nodes.
//!
//! J. Y. Yen: *Finding the K Shortest Loopless Paths in a Network*, 1971, with E. L. Lawler's rule (*A Procedure for
//! Computing the K Best Solutions*, 1972): of a path that is found only the nodes from where it left an earlier one are
//! tried as places to leave it, so that no path is found twice. Each try is an A* search (P. E. Hart, N. J. Nilsson, B. Raphael,
//! 1968) whose potential is the cost that is left without anything forbidden, from one search backward from the target.
//! That one ends where the source is reached: whoever is farther has at least that cost left. A try ends once it cannot
//! be among the k any more.
//!
//! Rounding makes potentials a little too large now and then; so they are made smaller by more than that, and a try goes on
//! until nobody waits who might do better. The cost is a few nodes followed that need not be, and the gain that costs are
//! the least to the last bit, and that ties are broken by what the paths are, not by the order of the search. With a limit
//! on hops, a try whose answer has too many is made again among all that are the least costly for their hops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::bidirectional::Params;
use super::delta_stepping::{DeltaSteppingError, total_length};
use crate::context::{Cancelled, Context, Step, TICK_EVERY};
use crate::graph::{Csr, NodeId};

/// No label; of a node that none leads through.
const NONE: u32 = u32::MAX;
/// Of a node that is on the path already.
const TAKEN: u32 = u32::MAX - 1;
/// What potentials are made smaller by: more than sums of up to 2^20 lengths can be off.
const SLACK: f64 = 1.0 - 1.0 / (1u64 << 30) as f64;

/// A path and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Costed {
    /// Its lengths, added up from its first node on.
    pub cost: f64,
    /// Its nodes, the first and the last included.
    pub nodes: Vec<u32>,
}

/// The `params.k` least costly loopless paths from one node to another along out-arcs, of at most `params.max_hops` arcs;
/// weights are lengths of at least 0. Fewer where there are no more.
///
/// In the order of cost, then of hops, then of the nodes' ids one after the other. Of parallel arcs the shortest counts:
/// paths differ in their nodes. A path longer than a number can hold is none. From a node to itself there is
/// the path of that one node.
///
/// With L the hops of a path, O(k·L) searches of O((nodes + arcs)·log nodes) at most, and mostly far less: a search stays near
/// its path. 16 bytes per node, and 32 per node that a search meets.
///
/// ```
/// use sonograph::{context::Context, graph::{Csr, NodeId}};
/// use sonograph::studies::paths::{bidirectional::Params, yen::yen};
///
/// let square = Csr::undirected(4, &[(0, 1), (1, 2), (0, 3), (3, 2), (1, 3)], vec![1.0, 4.0, 2.0, 2.0, 0.5]);
/// let params = Params { k: 3, max_hops: u32::MAX };
/// let found = yen(&square, NodeId(0), NodeId(2), &params, &Context::silent())?;
/// assert_eq!(found.iter().map(|path| path.cost).collect::<Vec<_>>(), [3.5, 4.0, 5.0]);
/// assert_eq!(found[0].nodes, [0, 1, 3, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When a length is negative or not a number; when somebody asked to stop.
///
/// # Panics
///
/// When `from` or `to` is not a node of the graph.
pub fn yen(
    graph: &Csr,
    from: NodeId,
    to: NodeId,
    params: &Params,
    cx: &Context,
) -> Result<Vec<Costed>, DeltaSteppingError> {
    total_length(graph)?;
    let k = params.k as usize;
    if from == to {
        return Ok(vec![Costed { cost: 0.0, nodes: vec![from.0] }; k.min(1)]);
    }
    let step = cx.step("least costly paths", Some(u64::from(params.k)));
    let mut tries = Tries::new(graph, from, to, params.max_hops, &step)?;
    let mut found: Vec<Path> = Vec::new();
    // By cost, hops and nodes: those that may be next, no more than are still wanted.
    let mut next: BTreeMap<(u64, usize, Vec<u32>), Path> = BTreeMap::new();
    let first = tries.after(&[from.0], &[0.0], &[], f64::INFINITY)?;
    next.extend(first.map(|path| (path.rank(), path)));
    while found.len() < k {
        let Some((_, path)) = next.pop_first() else { break };
        found.push(path);
        step.tick(found.len() as u64, Some(u64::from(params.k)))?;
        let (wanted, path) = (k - found.len(), &found[found.len() - 1]);
        for left_at in path.left_at..path.nodes.len() - 1 {
            let start = &path.nodes[..=left_at];
            let forbidden: Vec<u32> =
                found.iter().filter(|p| p.nodes.starts_with(start)).map(|p| p.nodes[left_at + 1]).collect();
            let most = match next.last_key_value() {
                Some((_, worst)) if next.len() >= wanted => worst.cost(),
                _ => f64::INFINITY,
            };
            if let Some(path) = tries.after(start, &path.costs[..=left_at], &forbidden, most)? {
                next.insert(path.rank(), path);
                if next.len() > wanted {
                    next.pop_last();
                }
            }
        }
    }
    Ok(found.into_iter().map(|path| Costed { cost: path.cost(), nodes: path.nodes }).collect())
}

/// A path while it may still be left for another.
struct Path {
    nodes: Vec<u32>,
    /// Up to each of its nodes.
    costs: Vec<f64>,
    /// The place of the last node that it shares with the path it was found from.
    left_at: usize,
}

impl Path {
    fn cost(&self) -> f64 {
        self.costs[self.costs.len() - 1]
    }

    fn rank(&self) -> (u64, usize, Vec<u32>) {
        // Numbers of at least 0 are in the order of their bits.
        (self.cost().to_bits(), self.nodes.len(), self.nodes.clone())
    }
}

/// A way to a node that a try has found.
#[derive(Clone, Copy)]
struct Label {
    node: u32,
    cost: f64,
    hops: u32,
    /// The way it goes on from.
    before: u32,
    /// Another way to the same node.
    other: u32,
    is_beaten: bool,
}

/// Tries to go on from the start of a path, again and again.
struct Tries<'g> {
    graph: &'g Csr,
    to: NodeId,
    max_hops: u32,
    /// By node: the least cost left; infinite where there is no way.
    left: Vec<f64>,
    /// By node: the fewest hops left; made once paths turn out to have too many.
    hops_left: Option<Vec<u32>>,
    /// By node: the latest label.
    heads: Vec<u32>,
    labels: Vec<Label>,
    waiting: BinaryHeap<Reverse<(u64, u32, u32)>>,
    step: &'g Step,
    followed: u64,
}

impl<'g> Tries<'g> {
    fn new(
        graph: &'g Csr,
        from: NodeId,
        to: NodeId,
        max_hops: u32,
        step: &'g Step,
    ) -> Result<Self, Cancelled> {
        let n = graph.node_count();
        Ok(Self {
            graph,
            to,
            max_hops,
            left: costs_left(graph, from, to, step)?,
            hops_left: None,
            heads: vec![NONE; n],
            labels: vec![],
            waiting: BinaryHeap::new(),
            step,
            followed: 0,
        })
    }

    /// The best path that starts like this, does not go on to any of these nodes, and costs at most so much.
    fn after(
        &mut self,
        start: &[u32],
        costs: &[f64],
        forbidden: &[u32],
        most: f64,
    ) -> Result<Option<Path>, Cancelled> {
        let hops = start.len() as u32 - 1;
        if hops >= self.max_hops {
            return Ok(None);
        }
        let mut end = self.search::<false>(start, costs, forbidden, most)?;
        if end.is_some_and(|end| self.labels[end as usize].hops > self.max_hops) {
            self.clear();
            if self.hops_left.is_none() {
                self.hops_left = Some(self.fewest_hops());
            }
            end = self.search::<true>(start, costs, forbidden, most)?;
        }
        let path = end.map(|end| {
            let mut path = Path { nodes: start.to_vec(), costs: costs.to_vec(), left_at: start.len() - 1 };
            let from = path.nodes.len();
            let mut at = end;
            while self.labels[at as usize].before != NONE {
                let Label { node, cost, before, .. } = self.labels[at as usize];
                path.nodes.push(node);
                path.costs.push(cost);
                at = before;
            }
            path.nodes[from..].reverse();
            path.costs[from..].reverse();
            path
        });
        self.clear();
        for &v in start {
            self.heads[v as usize] = NONE;
        }
        Ok(path)
    }

    /// The label at the target. `LIMITED`: of paths with as many hops as there may be; else of all.
    fn search<const LIMITED: bool>(
        &mut self,
        start: &[u32],
        costs: &[f64],
        forbidden: &[u32],
        most: f64,
    ) -> Result<Option<u32>, Cancelled> {
        let (first, before) = start.split_last().expect("a path has a start");
        for &v in before {
            self.heads[v as usize] = TAKEN;
        }
        let hops = before.len() as u32;
        self.labels.push(Label {
            node: *first,
            cost: costs[before.len()],
            hops,
            before: NONE,
            other: NONE,
            is_beaten: false,
        });
        self.heads[*first as usize] = 0;
        self.waiting.push(Reverse((0, hops, 0)));
        while let Some(Reverse((_, hops, at))) = self.waiting.pop() {
            let Label { node, cost, is_beaten, .. } = self.labels[at as usize];
            if is_beaten {
                continue;
            }
            if node == self.to.0 {
                return Ok(Some(at));
            }
            self.followed += 1;
            if self.followed.is_multiple_of(TICK_EVERY) {
                self.step.tick(0, None)?;
            }
            if LIMITED && hops >= self.max_hops {
                continue;
            }
            let (targets, edges) =
                (self.graph.out_neighbors(NodeId(node)), self.graph.out_edges(NodeId(node)));
            for (&w, edge) in targets.iter().zip(edges) {
                if self.heads[w as usize] == TAKEN || (at == 0 && forbidden.contains(&w)) {
                    continue;
                }
                let cost = cost + self.graph.weight(edge);
                // What it costs in the end, or at least; at the target there is nothing to be unsure of.
                let least = if w == self.to.0 { cost } else { (cost + self.left[w as usize]) * SLACK };
                // Not at all where there is no way, or none that a number can hold.
                if least > most || least.is_infinite() {
                    continue;
                }
                if LIMITED {
                    let left = self.hops_left.as_ref().map_or(0, |left| left[w as usize]);
                    if left > self.max_hops - hops - 1 {
                        continue;
                    }
                }
                if let Some(label) = self.settle::<LIMITED>(w, cost, hops + 1, at) {
                    self.waiting.push(Reverse((least.to_bits(), hops + 1, label)));
                }
            }
        }
        Ok(None)
    }

    /// Takes in a way to a node, unless one is known that is as good; beats those that are no better.
    fn settle<const LIMITED: bool>(&mut self, node: u32, cost: f64, hops: u32, before: u32) -> Option<u32> {
        let mut at = self.heads[node as usize];
        while at != NONE {
            let known = self.labels[at as usize];
            if !known.is_beaten {
                let is_same = known.cost.to_bits() == cost.to_bits() && known.hops == hops;
                let is_no_better = if is_same {
                    !self.is_smaller(before, known.before)
                } else if LIMITED {
                    known.cost <= cost && known.hops <= hops
                } else {
                    (known.cost, known.hops) <= (cost, hops)
                };
                if is_no_better {
                    return None;
                }
                // Whoever is here is no worse in something, else it would have been the answer.
                self.labels[at as usize].is_beaten =
                    !LIMITED || is_same || (cost <= known.cost && hops <= known.hops);
            }
            at = known.other;
        }
        let label = self.labels.len() as u32;
        let other = self.heads[node as usize];
        self.labels.push(Label { node, cost, hops, before, other, is_beaten: false });
        self.heads[node as usize] = label;
        Some(label)
    }

    /// Whether the first way reads smaller than the second, node by node; both are of as many hops.
    fn is_smaller(&self, mut a: u32, mut b: u32) -> bool {
        let mut is_smaller = false;
        // Both begin at the same label, and the first difference is the last one met.
        while a != b {
            let (one, other) = (self.labels[a as usize], self.labels[b as usize]);
            if one.node != other.node {
                is_smaller = one.node < other.node;
            }
            (a, b) = (one.before, other.before);
        }
        is_smaller
    }

    fn clear(&mut self) {
        for label in self.labels.drain(..) {
            self.heads[label.node as usize] = NONE;
        }
        self.waiting.clear();
    }

    /// By node: the fewest hops to the target, as far as paths may have them.
    fn fewest_hops(&self) -> Vec<u32> {
        let mut left = vec![u32::MAX; self.graph.node_count()];
        left[self.to.index()] = 0;
        let mut level = vec![self.to.0];
        for hops in 1..=self.max_hops {
            let mut next = Vec::new();
            for &w in &level {
                for &v in self.graph.in_neighbors(NodeId(w)) {
                    if left[v as usize] == u32::MAX {
                        left[v as usize] = hops;
                        next.push(v);
                    }
                }
            }
            level = next;
            if level.is_empty() {
                break;
            }
        }
        left
    }
}

/// By node: the least cost to the target, or for whoever is farther than `from` at least the cost from there; infinite where
/// there is no way. E. W. Dijkstra's search, backward.
fn costs_left(graph: &Csr, from: NodeId, to: NodeId, step: &Step) -> Result<Vec<f64>, Cancelled> {
    let mut left = vec![f64::INFINITY; graph.node_count()];
    left[to.index()] = 0.0;
    let mut waiting = BinaryHeap::from([Reverse((0, to.0))]);
    let mut followed = 0u64;
    while let Some(Reverse((bits, w))) = waiting.pop() {
        let cost = f64::from_bits(bits);
        if cost > left[w as usize] {
            continue;
        }
        if w == from.0 {
            // Whoever has been met but waits still is no nearer than this, and nor are those who have not been met.
            for left in &mut left {
                *left = left.min(cost);
            }
            break;
        }
        followed += 1;
        if followed.is_multiple_of(TICK_EVERY) {
            step.tick(0, None)?;
        }
        for (&v, edge) in graph.in_neighbors(NodeId(w)).iter().zip(graph.in_edges(NodeId(w))) {
            let sum = cost + graph.weight(edge);
            if sum < left[v as usize] {
                left[v as usize] = sum;
                waiting.push(Reverse((sum.to_bits(), v)));
            }
        }
    }
    Ok(left)
}

/// Every loopless path, by going on and back, in order.
#[cfg(test)]
mod oracle {
    pub(super) fn paths(
        n: usize,
        arcs: &[(u32, u32, f64)],
        from: u32,
        to: u32,
        max_hops: u32,
    ) -> Vec<(f64, Vec<u32>)> {
        fn go_on(
            length: &[Vec<f64>],
            path: &mut Vec<u32>,
            cost: f64,
            to: u32,
            max_hops: u32,
            all: &mut Vec<(f64, Vec<u32>)>,
        ) {
            let end = path[path.len() - 1];
            if end == to {
                all.push((cost, path.clone()));
            } else if path.len() as u32 <= max_hops {
                for w in 0..length.len() as u32 {
                    let sum = cost + length[end as usize][w as usize];
                    if sum.is_finite() && !path.contains(&w) {
                        path.push(w);
                        go_on(length, path, sum, to, max_hops, all);
                        path.pop();
                    }
                }
            }
        }
        let mut length = vec![vec![f64::INFINITY; n]; n];
        for &(u, v, one) in arcs {
            let least = &mut length[u as usize][v as usize];
            *least = least.min(one);
        }
        let mut all = Vec::new();
        go_on(&length, &mut vec![from], 0.0, to, max_hops, &mut all);
        all.sort_by(|(a, p), (b, q)| a.total_cmp(b).then(p.len().cmp(&q.len())).then(p.cmp(q)));
        all
    }
}

#[cfg(test)]
mod tests;
