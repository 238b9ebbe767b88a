//! The simple graph beneath a multigraph: parallel arcs once, no self-loops.

use polars_buffer::Buffer;
use rayon::prelude::*;

use super::adjacency::Adjacency;
use super::{Csr, NodeId};

/// Nodes whose neighbours one thread gathers at a time.
const CHUNK: usize = 4_096;

/// Neighbours of every node: each once, rising, never the node itself.
///
/// Memory: none where the graph is simple already, as most are; else 4 bytes per arc and 4 per node, and as much again while it
/// is made.
#[derive(Debug, Clone)]
pub struct Simple {
    offsets: Buffer<u32>,
    neighbors: Buffer<u32>,
}

impl Simple {
    /// Where arcs lead to from each node. O(nodes + arcs·log(largest degree)), on all threads.
    ///
    /// ```
    /// use sonograph::graph::{Csr, NodeId, Simple};
    ///
    /// let graph = Csr::directed(3, &[(0, 2), (0, 1), (0, 1), (1, 1)], vec![]);
    /// assert_eq!(Simple::out(&graph).neighbors(NodeId(0)), &[1, 2]);
    /// assert_eq!(Simple::both(&graph).neighbors(NodeId(1)), &[0]);
    /// ```
    pub fn out(graph: &Csr) -> Self {
        Self::shared(&graph.out)
            .unwrap_or_else(|| Self::gathered(graph, |v, all| all.extend_from_slice(graph.out_neighbors(v))))
    }

    /// Where arcs come from to each node. O(nodes + arcs·log(largest degree)), on all threads.
    pub fn into(graph: &Csr) -> Self {
        Self::shared(&graph.into)
            .unwrap_or_else(|| Self::gathered(graph, |v, all| all.extend_from_slice(graph.in_neighbors(v))))
    }

    /// Whom an arc joins to each node, whichever way it leads. O(nodes + arcs·log(largest degree)), on all threads.
    pub fn both(graph: &Csr) -> Self {
        if graph.is_undirected() {
            return Self::out(graph);
        }
        Self::gathered(graph, |v, all| {
            all.extend_from_slice(graph.out_neighbors(v));
            all.extend_from_slice(graph.in_neighbors(v));
        })
    }

    /// The arcs of one direction, where they are simple as they are.
    fn shared(way: &Adjacency) -> Option<Self> {
        let nodes = way.offsets.len() - 1;
        let rising = |v: usize| {
            let ends = &way.ends[way.offsets[v] as usize..way.offsets[v + 1] as usize];
            ends.windows(2).all(|pair| pair[0] < pair[1]) && ends.binary_search(&(v as u32)).is_err()
        };
        let all = (0..nodes).into_par_iter().with_min_len(CHUNK).all(rising);
        all.then(|| Self { offsets: way.offsets.clone(), neighbors: way.ends.clone() })
    }

    fn gathered(graph: &Csr, gather: impl Fn(NodeId, &mut Vec<u32>) + Sync) -> Self {
        let nodes = graph.node_count();
        let part = |chunk: usize| {
            let (mut counts, mut all, mut one) = (Vec::with_capacity(CHUNK), Vec::new(), Vec::new());
            for v in (chunk * CHUNK..((chunk + 1) * CHUNK).min(nodes)).map(|v| NodeId(v as u32)) {
                one.clear();
                gather(v, &mut one);
                one.sort_unstable();
                one.dedup();
                all.extend(one.iter().filter(|&&w| w != v.0));
                counts.push(all.len() as u32);
            }
            (counts, all)
        };
        let parts: Vec<(Vec<u32>, Vec<u32>)> = (0..nodes.div_ceil(CHUNK)).into_par_iter().map(part).collect();
        let arcs = parts.iter().map(|(_, all)| all.len()).sum();
        let (mut offsets, mut neighbors) = (Vec::with_capacity(nodes + 1), Vec::with_capacity(arcs));
        offsets.push(0);
        for (counts, all) in parts {
            let base = neighbors.len() as u32;
            offsets.extend(counts.into_iter().map(|count| base + count));
            neighbors.extend(all);
        }
        Self { offsets: offsets.into(), neighbors: neighbors.into() }
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of arcs: of neighbours of all nodes together.
    pub fn arc_count(&self) -> usize {
        self.neighbors.len()
    }

    /// All node ids.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.node_count() as u32).map(NodeId)
    }

    /// The neighbours of `v`, rising.
    pub fn neighbors(&self, v: NodeId) -> &[u32] {
        &self.neighbors[self.offsets[v.index()] as usize..self.offsets[v.index() + 1] as usize]
    }

    /// How many neighbours `v` has.
    pub fn degree(&self, v: NodeId) -> usize {
        (self.offsets[v.index() + 1] - self.offsets[v.index()]) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_neighbour_is_met_once_and_nobody_meets_themselves(
            nodes in 1u32..30,
            list in proptest::collection::vec((0u32..30, 0u32..30), 0..120),
            is_undirected in any::<bool>(),
        ) {
            let list: Vec<(u32, u32)> = list.into_iter().map(|(s, t)| (s % nodes, t % nodes)).collect();
            let build = if is_undirected { Csr::undirected } else { Csr::directed };
            let graph = build(nodes as usize, &list, vec![]);
            let back: Vec<(u32, u32)> = list.iter().map(|&(s, t)| (t, s)).collect();
            let both = [&list[..], &back].concat();
            let check = |found: Simple, pairs: &[(u32, u32)]| {
                let set: BTreeSet<(u32, u32)> = pairs.iter().copied().filter(|(s, t)| s != t).collect();
                let pairs = found.nodes().flat_map(|v| found.neighbors(v).iter().map(move |&w| (v.0, w)));
                prop_assert_eq!(found.node_count(), nodes as usize);
                prop_assert_eq!(found.arc_count(), set.len());
                prop_assert!(pairs.eq(set));
                Ok(())
            };
            check(Simple::both(&graph), &both)?;
            check(Simple::out(&graph), if is_undirected { &both } else { &list })?;
            check(Simple::into(&graph), if is_undirected { &both } else { &back })?;
        }
    }

    #[test]
    fn neighbours_of_many_chunks_are_in_their_places() {
        let nodes = 2 * CHUNK as u32 + 5;
        let ring: Vec<(u32, u32)> = (0..nodes).map(|v| (v, (v + 1) % nodes)).collect();
        let found = Simple::both(&Csr::directed(nodes as usize, &ring, vec![]));
        for v in found.nodes() {
            let mut around = [(v.0 + 1) % nodes, (v.0 + nodes - 1) % nodes];
            around.sort_unstable();
            assert_eq!((found.neighbors(v), found.degree(v)), (&around[..], 2));
        }
        assert_eq!(Simple::both(&Csr::directed(0, &[], vec![])).node_count(), 0);
    }
}
