//! What Leiden sees of a graph: arcs both ways without loops, of the graph itself or of one whose nodes are communities.

use std::cmp::Reverse;
use std::ops::AddAssign;

use crate::graph::{Csr, EdgeIds, NodeId};

/// What an arc weighs: a whole number where every edge weighs 1, which takes half the memory.
pub(super) trait Weight: Copy + Default + PartialEq + AddAssign {
    fn of_edge(weight: f64) -> Self;
    fn number(self) -> f64;
}

impl Weight for u32 {
    fn of_edge(_: f64) -> Self {
        1
    }

    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Weight for f64 {
    fn of_edge(weight: f64) -> Self {
        weight
    }

    fn number(self) -> f64 {
        self
    }
}

/// The arcs of every node.
#[derive(Debug)]
pub(super) struct Level<W> {
    offsets: Vec<usize>,
    ends: Vec<u32>,
    /// Empty where all weigh 1.
    weights: Vec<W>,
}

impl<W: Weight> Level<W> {
    /// The nodes that have neighbours, those with most arcs first, and what they are called in the graph: what is looked at most often
    /// lies together, which is worth more than the copy costs.
    pub(super) fn ground(graph: &Csr) -> (Self, Vec<u32>) {
        let mut count = vec![0usize; graph.node_count()];
        for v in graph.nodes() {
            arcs(graph, v, |_, _| count[v.index()] += 1);
        }
        let mut nodes: Vec<u32> = (0..graph.node_count() as u32).filter(|&v| count[v as usize] > 0).collect();
        nodes.sort_unstable_by_key(|&v| (Reverse(count[v as usize]), v));
        let mut rank = vec![0u32; graph.node_count()];
        for (at, &v) in (0..).zip(&nodes) {
            rank[v as usize] = at;
        }
        let all = nodes.iter().map(|&v| count[v as usize]).sum();
        drop(count);
        let mut offsets = Vec::with_capacity(nodes.len() + 1);
        let (mut ends, mut weights) = (Vec::with_capacity(all), Vec::new());
        offsets.push(0);
        if graph.is_weighted() {
            weights.reserve_exact(all);
        }
        for &v in &nodes {
            arcs(graph, NodeId(v), |w, weight| {
                ends.push(rank[w as usize]);
                if graph.is_weighted() {
                    weights.push(W::of_edge(weight));
                }
            });
            offsets.push(ends.len());
        }
        (Self { offsets, ends, weights }, nodes)
    }

    pub(super) fn node_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Calls `meet` with the other end and the weight of every arc of `v`.
    #[inline]
    pub(super) fn each(&self, v: u32, mut meet: impl FnMut(u32, W)) {
        let range = self.offsets[v as usize]..self.offsets[v as usize + 1];
        if self.weights.is_empty() {
            self.ends[range].iter().for_each(|&w| meet(w, W::of_edge(1.0)));
        } else {
            let arcs = self.ends[range.clone()].iter().zip(&self.weights[range]);
            arcs.for_each(|(&w, &weight)| meet(w, weight));
        }
    }

    /// Makes one node of all nodes of a community; `of` is each node's, all below `communities`.
    pub(super) fn above(&self, of: &[u32], communities: usize) -> Self {
        // Members one community after the other.
        let mut starts = vec![0u32; communities + 1];
        for &c in of {
            starts[c as usize + 1] += 1;
        }
        (0..communities).for_each(|c| starts[c + 1] += starts[c]);
        let mut members = vec![0u32; of.len()];
        let mut next = starts.clone();
        for (v, &c) in (0..).zip(of) {
            members[next[c as usize] as usize] = v;
            next[c as usize] += 1;
        }
        drop(next);
        let mut above = Self { offsets: Vec::with_capacity(communities + 1), ends: vec![], weights: vec![] };
        above.offsets.push(0);
        let mut to = vec![W::default(); communities];
        let mut touched: Vec<u32> = Vec::new();
        for c in 0..communities {
            for &v in &members[starts[c] as usize..starts[c + 1] as usize] {
                self.each(v, |w, weight| {
                    let other = of[w as usize];
                    let to = &mut to[other as usize];
                    if *to == W::default() {
                        touched.push(other);
                    }
                    *to += weight;
                });
            }
            for other in touched.drain(..) {
                let weight = std::mem::take(&mut to[other as usize]);
                // What lies inside moves with the node.
                if other as usize != c {
                    above.ends.push(other);
                    above.weights.push(weight);
                }
            }
            above.offsets.push(above.ends.len());
        }
        above
    }
}

/// Calls `meet` with the other end and the weight of every arc of `v` either way that is no loop and weighs anything.
fn arcs(graph: &Csr, v: NodeId, mut meet: impl FnMut(u32, f64)) {
    let mut way = |ends: &[u32], edges: EdgeIds<'_>| {
        if !graph.is_weighted() {
            ends.iter().filter(|&&w| w != v.0).for_each(|&w| meet(w, 1.0));
            return;
        }
        for (&w, edge) in ends.iter().zip(edges).filter(|(w, _)| **w != v.0) {
            let weight = graph.weight(edge);
            if weight > 0.0 {
                meet(w, weight);
            }
        }
    };
    way(graph.out_neighbors(v), graph.out_edges(v));
    if !graph.is_undirected() {
        way(graph.in_neighbors(v), graph.in_edges(v));
    }
}
