//! The simple graph beneath a multigraph, every edge once, from the node of fewer neighbours to that of more.

use std::cmp::Reverse;

use rayon::prelude::*;

use super::{Csr, NodeId, Simple};

/// Nodes whose lists one thread makes at a time.
const CHUNK: usize = 4_096;

/// Nodes of two neighbours or more, ranked by how many they have, most first, and of each rank the neighbours before it.
///
/// Lists are short even where hubs are large: none has more than the square root of twice the edges. In a list of a graph that is
/// directed and has edges there and back, an entry is twice the rank, plus 1 for such an edge ([`Forward::has_mutual`]);
/// else it is the rank.
///
/// Memory: 4 bytes per edge and 12 per node; while it is made 16 per edge and 16 per node.
#[derive(Debug, Clone)]
pub struct Forward {
    nodes: Vec<u32>,
    degrees: Vec<u32>,
    offsets: Vec<u32>,
    arcs: Vec<u32>,
    has_mutual: bool,
}

impl Forward {
    /// Ranks the nodes of `graph`. O(nodes·log(nodes) + arcs·log(largest degree)), on all threads.
    ///
    /// ```
    /// use sonograph::graph::{Csr, Forward};
    ///
    /// // A triangle of 1, 2 and 3, all of whom 2 knows, and 0 besides.
    /// let forward = Forward::of(&Csr::undirected(4, &[(1, 2), (2, 3), (3, 1), (2, 0)], vec![]));
    /// assert_eq!(forward.nodes(), &[2, 1, 3]);
    /// assert_eq!((forward.before(0), forward.before(1), forward.before(2)), (&[][..], &[0][..], &[0, 1][..]));
    /// ```
    pub fn of(graph: &Csr) -> Self {
        let simple = Simple::both(graph);
        let degree = |v: &u32| simple.degree(NodeId(*v)) as u32;
        let mut nodes: Vec<u32> = (0..simple.node_count() as u32).filter(|v| degree(v) > 1).collect();
        nodes.par_sort_unstable_by_key(|v| (Reverse(degree(v)), *v));
        let degrees = nodes.iter().map(degree).collect();
        let mut rank = vec![u32::MAX; simple.node_count()];
        for (r, &v) in (0..).zip(&nodes) {
            rank[v as usize] = r;
        }
        let is_directed = !graph.is_undirected();
        let part = |chunk: usize| {
            let (mut counts, mut arcs) = (Vec::with_capacity(CHUNK), Vec::new());
            let mut mutual = Mutual::default();
            let first = chunk * CHUNK;
            for (r, &v) in (first as u32..).zip(&nodes[first..nodes.len().min(first + CHUNK)]) {
                let (v, start) = (NodeId(v), arcs.len());
                if is_directed {
                    mutual.look(graph, v);
                }
                for &w in simple.neighbors(v) {
                    let before = rank[w as usize];
                    if before < r {
                        // Ranks are fewer than edges, so that twice a rank fits, too.
                        arcs.push(if is_directed { before << 1 | u32::from(mutual.has(w)) } else { before });
                    }
                }
                arcs[start..].sort_unstable();
                counts.push(arcs.len() as u32);
            }
            (counts, arcs)
        };
        let parts: Vec<(Vec<u32>, Vec<u32>)> =
            (0..nodes.len().div_ceil(CHUNK)).into_par_iter().map(part).collect();
        drop(simple);
        let mut offsets = Vec::with_capacity(nodes.len() + 1);
        let mut arcs: Vec<u32> = Vec::with_capacity(parts.iter().map(|(_, arcs)| arcs.len()).sum());
        offsets.push(0);
        for (counts, part) in parts {
            let base = arcs.len() as u32;
            offsets.extend(counts.into_iter().map(|count| base + count));
            arcs.extend(part);
        }
        let has_mutual = is_directed && arcs.par_iter().any(|arc| arc & 1 == 1);
        if is_directed && !has_mutual {
            arcs.par_iter_mut().for_each(|arc| *arc >>= 1);
        }
        Self { nodes, degrees, offsets, arcs, has_mutual }
    }

    /// Node by rank.
    pub fn nodes(&self) -> &[u32] {
        &self.nodes
    }

    /// Number of neighbours, of lower and higher rank, by rank.
    pub fn degrees(&self) -> &[u32] {
        &self.degrees
    }

    /// Number of edges between ranked nodes.
    pub fn edge_count(&self) -> usize {
        self.arcs.len()
    }

    /// Whether the graph is directed and any edge leads there and back.
    pub fn has_mutual(&self) -> bool {
        self.has_mutual
    }

    /// The neighbours before a rank, rising.
    pub fn before(&self, rank: u32) -> &[u32] {
        &self.arcs[self.offsets[rank as usize] as usize..self.offsets[rank as usize + 1] as usize]
    }

    /// Ends of ranges of ranks, from 0 on, whose lists together have about so many entries.
    pub fn ranges(&self, entries: usize) -> Vec<u32> {
        let ranks = self.nodes.len() as u32;
        let mut ends = vec![0];
        while let Some(&end) = ends.last().filter(|&&end| end < ranks) {
            let most = self.offsets[end as usize].saturating_add(entries as u32);
            let beyond = self.offsets.partition_point(|&offset| offset <= most) as u32;
            ends.push((beyond - 1).max(end + 1));
        }
        ends
    }
}

/// Which neighbours of one node are met both ways, asked in rising order.
#[derive(Debug, Default)]
struct Mutual {
    out: Vec<u32>,
    into: Vec<u32>,
    at: [usize; 2],
}

impl Mutual {
    fn look(&mut self, graph: &Csr, v: NodeId) {
        let rising = |own: &mut Vec<u32>, given: &[u32]| {
            own.clear();
            own.extend_from_slice(given);
            own.sort_unstable();
        };
        rising(&mut self.out, graph.out_neighbors(v));
        rising(&mut self.into, graph.in_neighbors(v));
        self.at = [0, 0];
    }

    fn has(&mut self, w: u32) -> bool {
        let is_in = |list: &[u32], at: &mut usize| {
            while list.get(*at).is_some_and(|&other| other < w) {
                *at += 1;
            }
            list.get(*at) == Some(&w)
        };
        let [out, into] = &mut self.at;
        is_in(&self.out, out) & is_in(&self.into, into)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_edge_of_ranked_nodes_is_met_once_and_leads_to_no_fewer_neighbours(
            nodes in 1u32..30,
            list in proptest::collection::vec((0u32..30, 0u32..30), 0..120),
            is_undirected in any::<bool>(),
            entries in 1usize..40,
        ) {
            let list: Vec<(u32, u32)> = list.into_iter().map(|(s, t)| (s % nodes, t % nodes)).collect();
            let build = if is_undirected { Csr::undirected } else { Csr::directed };
            let graph = build(nodes as usize, &list, vec![]);
            let forward = Forward::of(&graph);
            let arcs: BTreeSet<(u32, u32)> = list.iter().copied().filter(|(s, t)| s != t).collect();
            let joined = |s: u32, t: u32| arcs.contains(&(s, t)) || arcs.contains(&(t, s));
            let degree = |v: u32| (0..nodes).filter(|&w| joined(v, w)).count() as u32;
            let ranked: BTreeSet<u32> = (0..nodes).filter(|&v| degree(v) > 1).collect();
            prop_assert_eq!(&forward.nodes().iter().copied().collect::<BTreeSet<u32>>(), &ranked);
            prop_assert!(forward.degrees().is_sorted_by(|a, b| a >= b));
            let mut met = BTreeSet::new();
            for (rank, &v) in forward.nodes().iter().enumerate() {
                prop_assert_eq!(forward.degrees()[rank], degree(v));
                prop_assert!(forward.before(rank as u32).is_sorted());
                for &entry in forward.before(rank as u32) {
                    let before = if forward.has_mutual() { entry >> 1 } else { entry };
                    let w = forward.nodes()[before as usize];
                    prop_assert!((before as usize) < rank && met.insert((v.min(w), v.max(w))));
                    let both = arcs.contains(&(v, w)) && arcs.contains(&(w, v));
                    let is_mutual = forward.has_mutual() && entry & 1 == 1;
                    prop_assert_eq!(is_mutual, both && !is_undirected);
                }
            }
            let pairs = ranked.iter().flat_map(|&s| ranked.iter().map(move |&t| (s, t)));
            prop_assert!(met.into_iter().eq(pairs.filter(|&(s, t)| s < t && joined(s, t))));

            let ends = forward.ranges(entries);
            prop_assert!(ends.is_sorted() && ends[0] == 0 && ends.last() == Some(&(ranked.len() as u32)));
            for range in ends.windows(2).filter(|range| range[1] - range[0] > 1) {
                prop_assert!((range[0]..range[1]).map(|r| forward.before(r).len()).sum::<usize>() <= entries);
            }
        }
    }
}
