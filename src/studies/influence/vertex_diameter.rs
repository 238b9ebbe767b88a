//! How many nodes a shortest path can have: a bound from above.
//!
//! M. Riondato, E. M. Kornaropoulos: *Fast Approximation of Betweenness Centrality through Sampling*, 2014, call the exact number
//! the vertex diameter and bound it by breadth-first searches. Of an undirected component no two nodes are farther apart than
//! twice the eccentricity of any node; one amid it is found as P. Crescenzi et al., *On Computing the Diameter of Real-World
//! Undirected Graphs*, 2013, do: halfway between two nodes that are far from each other. Along arcs, the bounds of strong
//! components (there and back over one of their nodes) are added up on the way through the components, which is far above the
//! truth where components are many; what is made of it grows with its logarithm.

use crate::context::{Cancelled, Context, Step, TICK_EVERY};
use crate::graph::{Csr, NodeId, Simple};
use crate::studies::community::strong_components::strong_components;

/// Not reached.
const FAR: u32 = u32::MAX;

/// At least the number of nodes of the longest of all shortest paths; 0 where there are no nodes.
///
/// O(nodes + arcs); 40 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::{Csr, Simple}, studies::influence::vertex_diameter::vertex_diameter};
///
/// let path = Csr::undirected(5, &[(0, 1), (1, 2), (2, 3), (3, 4)], vec![]);
/// let arcs = Simple::out(&path);
/// assert_eq!(vertex_diameter(&path, &arcs, &arcs, &Context::silent())?, 5);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn vertex_diameter(graph: &Csr, out: &Simple, into: &Simple, cx: &Context) -> Result<u32, Cancelled> {
    let step = cx.step("vertex diameter", Some(out.node_count() as u64));
    if graph.is_undirected() { both_ways(out, &step) } else { along_arcs(graph, out, into, cx, &step) }
}

/// Breadth-first searches one after the other.
struct Sweep {
    distance: Vec<u32>,
    /// Nodes in the order in which they were reached.
    order: Vec<u32>,
}

impl Sweep {
    fn new(nodes: usize) -> Self {
        Self { distance: vec![FAR; nodes], order: Vec::new() }
    }

    /// Hops to the farthest node that can be reached from here over nodes that are `within`.
    fn run(&mut self, arcs: &Simple, from: u32, within: impl Fn(u32) -> bool) -> u32 {
        self.order.drain(..).for_each(|v| self.distance[v as usize] = FAR);
        self.distance[from as usize] = 0;
        self.order.push(from);
        let (mut at, mut last) = (0, 0);
        while let Some(&v) = self.order.get(at) {
            at += 1;
            last = self.distance[v as usize];
            for &w in arcs.neighbors(NodeId(v)) {
                if self.distance[w as usize] == FAR && within(w) {
                    self.distance[w as usize] = last + 1;
                    self.order.push(w);
                }
            }
        }
        last
    }

    fn farthest(&self) -> u32 {
        self.order[self.order.len() - 1]
    }
}

fn both_ways(arcs: &Simple, step: &Step) -> Result<u32, Cancelled> {
    let nodes = arcs.node_count();
    let (mut sweep, mut is_seen, mut most) = (Sweep::new(nodes), vec![false; nodes], 0);
    for v in 0..nodes as u32 {
        if u64::from(v).is_multiple_of(TICK_EVERY) {
            step.tick(u64::from(v), Some(nodes as u64))?;
        }
        if is_seen[v as usize] {
            continue;
        }
        let around = sweep.run(arcs, v, |_| true);
        sweep.order.iter().for_each(|&w| is_seen[w as usize] = true);
        let size = sweep.order.len() as u32;
        // What is small enough needs no search for its middle.
        if size <= most {
            continue;
        }
        let (end, length) = (sweep.farthest(), sweep.run(arcs, sweep.farthest(), |_| true));
        debug_assert_eq!(sweep.order[0], end);
        let mut middle = sweep.farthest();
        for hops in (length.div_ceil(2)..length).rev() {
            let is_nearer = |w: &&u32| sweep.distance[**w as usize] == hops;
            middle = *arcs.neighbors(NodeId(middle)).iter().find(is_nearer).expect("one was reached from it");
        }
        let hops = 2 * sweep.run(arcs, middle, |_| true).min(around);
        most = most.max(size.min(hops.saturating_add(1)));
    }
    Ok(most)
}

fn along_arcs(graph: &Csr, out: &Simple, into: &Simple, cx: &Context, step: &Step) -> Result<u32, Cancelled> {
    let nodes = out.node_count();
    let parts = strong_components(graph, cx)?;
    let of = |v: u32| parts.of[v as usize] as usize;
    // The best-connected node of every component stands in its middle, as far as one can tell at a glance.
    let degree = |v: u32| out.neighbors(NodeId(v)).len() + into.neighbors(NodeId(v)).len();
    let mut middle = vec![FAR; parts.sizes.len()];
    for v in 0..nodes as u32 {
        let best = &mut middle[of(v)];
        if *best == FAR || degree(v) > degree(*best) {
            *best = v;
        }
    }
    let mut sweep = Sweep::new(nodes);
    let mut across = Vec::with_capacity(middle.len());
    for (part, (&middle, &size)) in middle.iter().zip(&parts.sizes).enumerate() {
        if (part as u64).is_multiple_of(TICK_EVERY) {
            step.tick(part as u64, Some(nodes as u64))?;
        }
        let hops = match size {
            1 => 0,
            _ => [out, into].map(|arcs| sweep.run(arcs, middle, |w| of(w) == part)).into_iter().sum(),
        };
        across.push(hops.min(size - 1));
    }
    // Node by node in the order of components: a component is left once all arcs into it from others have been followed.
    let mut waiting = vec![0u32; across.len()];
    let others = |v: u32| out.neighbors(NodeId(v)).iter().copied().filter(move |&w| of(w) != of(v));
    (0..nodes as u32).flat_map(others).for_each(|w| waiting[of(w)] += 1);
    let mut members: Vec<u32> = (0..nodes as u32).collect();
    members.sort_by_key(|&v| of(v));
    let mut first = vec![0usize];
    first.extend(parts.sizes.iter().scan(0, |end, &size| {
        *end += size as usize;
        Some(*end)
    }));
    // Hops of the longest way to where a component is entered.
    let (mut before, mut most) = (vec![0u32; across.len()], 0);
    let mut ready: Vec<usize> = (0..across.len()).filter(|&part| waiting[part] == 0).collect();
    while let Some(part) = ready.pop() {
        let hops = before[part] + across[part];
        most = most.max(hops + 1);
        for w in members[first[part]..first[part + 1]].iter().flat_map(|&v| others(v)) {
            before[of(w)] = before[of(w)].max(hops + 1);
            waiting[of(w)] -= 1;
            if waiting[of(w)] == 0 {
                ready.push(of(w));
            }
        }
    }
    Ok(most)
}

/// By distances of all pairs.
#[cfg(test)]
mod oracle {
    pub(super) fn vertex_diameter(n: usize, edges: &[(u32, u32)], is_undirected: bool) -> u32 {
        let mut hops = vec![vec![None::<u32>; n]; n];
        for (v, hops) in hops.iter_mut().enumerate() {
            hops[v] = Some(0);
        }
        for &(u, v) in edges.iter().filter(|(u, v)| u != v) {
            hops[u as usize][v as usize] = Some(1);
            if is_undirected {
                hops[v as usize][u as usize] = Some(1);
            }
        }
        for over in 0..n {
            for from in 0..n {
                for to in 0..n {
                    let way = hops[from][over].zip(hops[over][to]).map(|(a, b)| a + b);
                    hops[from][to] = hops[from][to].into_iter().chain(way).min();
                }
            }
        }
        hops.iter().flatten().flatten().max().map_or(0, |hops| hops + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, random_edges};

    fn bound(graph: &Csr) -> u32 {
        let (out, into) = (Simple::out(graph), Simple::into(graph));
        vertex_diameter(graph, &out, &into, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn no_shortest_path_has_more_nodes((n, edges) in random_edges(14, 30)) {
            let (directed, exact) = (bound(&Csr::directed(n, &edges, vec![])), oracle::vertex_diameter(n, &edges, false));
            prop_assert!(exact <= directed && directed as usize <= n, "{exact} {directed}");
            let (found, exact) = (bound(&Csr::undirected(n, &edges, vec![])), oracle::vertex_diameter(n, &edges, true));
            prop_assert!(exact <= found && found <= 2 * exact, "{exact} {found}");
        }
    }

    #[test]
    fn a_chain_is_as_long_as_it_is_and_nothing_has_no_length() {
        let chain: Vec<_> = (0..99).map(|v| (v, v + 1)).collect();
        assert_eq!(bound(&Csr::undirected(100, &chain, vec![])), 100);
        assert_eq!(bound(&Csr::directed(100, &chain, vec![])), 100);
        assert_eq!(bound(&Csr::directed(0, &[], vec![])), 0);
        assert_eq!(bound(&Csr::undirected(1, &[(0, 0)], vec![])), 1);
        let (n, edges) = karate();
        assert_eq!(oracle::vertex_diameter(n, &edges, true), 6);
        assert_eq!(bound(&Csr::undirected(n, &edges, vec![])), 7);
    }
}
