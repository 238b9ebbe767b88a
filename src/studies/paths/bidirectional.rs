//! Shortest paths between two nodes, by edges, searched from both ends at once.
//!
//! Bidirectional breadth-first search (I. Pohl: *Bi-directional Search*, 1971): the side whose frontier has fewer arcs
//! is grown by a whole level, until the two meet. Whole levels make every shortest path known, not only one, so that
//! paths can be listed in a fixed order. The search keeps its two distance arrays between queries and clears only what
//! it touched: 8 bytes per node once, then a query costs what it visits.

use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId};

const UNSEEN: u32 = u32::MAX;

/// How paths between two nodes are searched. The flags are the study's, for it has further defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// How many paths to list at most.
    pub k: u32,
    /// Give up beyond this many hops.
    pub max_hops: u32,
}

impl Params {
    /// One path, no longer than an introduction can be.
    pub const DEFAULT: Self = Self { k: 1, max_hops: 4 };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Searches one graph again and again.
#[derive(Debug)]
pub struct Bidirectional<'g> {
    graph: &'g Csr,
    from: Side,
    to: Side,
}

/// The search from one end.
#[derive(Debug)]
struct Side {
    hops: Vec<u32>,
    /// Every node seen, level after level.
    seen: Vec<u32>,
    /// Where the newest level begins in `seen`.
    frontier: usize,
    level: u32,
}

impl Side {
    fn new(nodes: usize) -> Self {
        Self { hops: vec![UNSEEN; nodes], seen: vec![], frontier: 0, level: 0 }
    }

    fn start(&mut self, at: NodeId) {
        for v in self.seen.drain(..) {
            self.hops[v as usize] = UNSEEN;
        }
        self.seen.push(at.0);
        self.hops[at.index()] = 0;
        (self.frontier, self.level) = (0, 0);
    }

    fn arcs(&self, degree: impl Fn(NodeId) -> usize) -> usize {
        self.seen[self.frontier..].iter().map(|&v| degree(NodeId(v))).sum()
    }

    /// Sees the next level.
    fn grow<'g>(
        &mut self,
        neighbors: impl Fn(NodeId) -> &'g [u32],
        mut tick: impl FnMut(usize) -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        let level = self.frontier..self.seen.len();
        (self.frontier, self.level) = (self.seen.len(), self.level + 1);
        for i in level {
            if (i as u64).is_multiple_of(TICK_EVERY) {
                tick(i)?;
            }
            for &w in neighbors(NodeId(self.seen[i])) {
                if self.hops[w as usize] == UNSEEN {
                    self.hops[w as usize] = self.level;
                    self.seen.push(w);
                }
            }
        }
        Ok(())
    }
}

impl<'g> Bidirectional<'g> {
    /// Makes room for searches of `graph`. O(nodes).
    pub fn new(graph: &'g Csr) -> Self {
        Self { graph, from: Side::new(graph.node_count()), to: Side::new(graph.node_count()) }
    }

    /// The shortest paths from one node to another along out-arcs, as nodes, in lexicographic order of node ids.
    ///
    /// At most `params.k`, all with the same number of hops; none when the nodes are further apart than
    /// `params.max_hops`. Parallel arcs are one step. From a node to itself there is the path of that one node.
    ///
    /// O(arcs visited + k · hops · degree).
    ///
    /// ```
    /// use sonograph::{context::Context, graph::{Csr, NodeId}};
    /// use sonograph::studies::paths::bidirectional::{Bidirectional, Params};
    ///
    /// let square = Csr::undirected(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], vec![]);
    /// let mut search = Bidirectional::new(&square);
    /// let params = Params { k: 5, ..Params::DEFAULT };
    /// let found = search.shortest(NodeId(0), NodeId(2), &params, &Context::silent())?;
    /// assert_eq!(found, [[0, 1, 2], [0, 3, 2]]);
    /// # Ok::<(), sonograph::context::Cancelled>(())
    /// ```
    pub fn shortest(
        &mut self,
        from: NodeId,
        to: NodeId,
        params: &Params,
        cx: &Context,
    ) -> Result<Vec<Vec<u32>>, Cancelled> {
        self.from.start(from);
        self.to.start(to);
        if from == to {
            return Ok(vec![vec![from.0]]);
        }
        let step = cx.step("shortest path", None);
        let graph = self.graph;
        let mut met = false;
        while !met && self.from.level + self.to.level < params.max_hops {
            let forward = self.from.arcs(|v| graph.out_degree(v));
            let backward = self.to.arcs(|v| graph.in_degree(v));
            if forward == 0 || backward == 0 {
                break;
            }
            let tick = |visited| step.tick(visited as u64, None);
            let (grown, other) = if forward <= backward {
                self.from.grow(|v| graph.out_neighbors(v), tick)?;
                (&self.from, &self.to)
            } else {
                self.to.grow(|v| graph.in_neighbors(v), tick)?;
                (&self.to, &self.from)
            };
            met = grown.seen[grown.frontier..].iter().any(|&v| other.hops[v as usize] != UNSEEN);
        }
        Ok(if met { self.list(from, params.k as usize) } else { vec![] })
    }

    /// Lists paths once the sides have met: depth first over nodes from which the target is as near as it must be.
    fn list(&self, from: NodeId, k: usize) -> Vec<Vec<u32>> {
        let (a, length) = (self.from.level, self.from.level + self.to.level);
        let on_path = self.before_meeting();
        let next = |v: u32, hops: u32| -> Vec<u32> {
            let fits = |&w: &u32| {
                if hops + 1 < a {
                    self.from.hops[w as usize] == hops + 1 && on_path.binary_search(&w).is_ok()
                } else {
                    // From the meeting level on, the target's side knows the way.
                    self.to.hops[w as usize] == length - hops - 1
                }
            };
            let mut steps: Vec<u32> =
                self.graph.out_neighbors(NodeId(v)).iter().copied().filter(fits).collect();
            // Taken from the end: smallest node last.
            steps.sort_unstable_by(|x, y| y.cmp(x));
            steps.dedup();
            steps
        };
        let (mut paths, mut path) = (Vec::new(), vec![from.0]);
        let mut choices = vec![next(from.0, 0)];
        while let Some(steps) = choices.last_mut() {
            let Some(w) = steps.pop() else {
                choices.pop();
                path.pop();
                continue;
            };
            path.push(w);
            if path.len() as u32 == length + 1 {
                paths.push(path.clone());
                path.pop();
                if paths.len() == k {
                    break;
                }
            } else {
                choices.push(next(w, path.len() as u32 - 1));
            }
        }
        paths
    }

    /// The nodes nearer to the source than the meeting level through which a shortest path runs, rising.
    fn before_meeting(&self) -> Vec<u32> {
        let (a, b) = (self.from.level, self.to.level);
        let meets = |v: &&u32| self.from.hops[**v as usize] == a && self.to.hops[**v as usize] == b;
        let mut level: Vec<u32> = self.from.seen.iter().filter(meets).copied().collect();
        let mut all = Vec::new();
        for hops in (1..a).rev() {
            let near = |w: &u32| self.from.hops[*w as usize] == hops;
            let before =
                level.iter().flat_map(|&v| self.graph.in_neighbors(NodeId(v)).iter().copied().filter(near));
            level = before.collect();
            level.sort_unstable();
            level.dedup();
            all.extend_from_slice(&level);
        }
        all.sort_unstable();
        all
    }
}

/// Tries every loopless walk up to the length limit and keeps the shortest.
#[cfg(test)]
mod oracle {
    pub(super) fn shortest(
        n: usize,
        arcs: &[(u32, u32)],
        from: u32,
        to: u32,
        max_hops: u32,
    ) -> Vec<Vec<u32>> {
        let mut walks = vec![vec![from]];
        for _ in 0..=max_hops {
            let mut arrived: Vec<_> = walks.iter().filter(|w| w.last() == Some(&to)).cloned().collect();
            if !arrived.is_empty() {
                arrived.sort();
                arrived.dedup();
                return arrived;
            }
            walks = walks
                .iter()
                .flat_map(|walk| {
                    let end = *walk.last().expect("a walk has a start");
                    (0..n as u32)
                        .filter(move |&w| arcs.contains(&(end, w)) && !walk.contains(&w))
                        .map(|w| walk.iter().copied().chain([w]).collect())
                })
                .collect();
        }
        vec![]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, from: u32, to: u32, k: u32, max_hops: u32) -> Vec<Vec<u32>> {
        let params = Params { k, max_hops };
        let mut search = Bidirectional::new(graph);
        search.shortest(NodeId(from), NodeId(to), &params, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn all_shortest_paths_are_found_in_order(
            (n, edges) in random_edges(9, 20), from in 0u32..9, to in 0u32..9, k in 1u32..6, max_hops in 0u32..8
        ) {
            let (from, to) = (from % n as u32, to % n as u32);
            let both: Vec<_> = edges.iter().flat_map(|&(u, v)| [(u, v), (v, u)]).collect();
            for (graph, arcs) in [(Csr::undirected(n, &edges, vec![]), &both), (Csr::directed(n, &edges, vec![]), &edges)] {
                let mut expected = oracle::shortest(n, arcs, from, to, max_hops);
                expected.truncate(k as usize);
                prop_assert_eq!(run(&graph, from, to, k, max_hops), expected);
            }
        }

        #[test]
        fn a_search_leaves_nothing_behind_for_the_next((n, edges) in random_edges(30, 60), a in 0u32..30, b in 0u32..30) {
            let graph = Csr::undirected(n, &edges, vec![]);
            let (a, b) = (NodeId(a % n as u32), NodeId(b % n as u32));
            let params = Params { k: 9, max_hops: 30 };
            let mut search = Bidirectional::new(&graph);
            let cx = Context::silent();
            let first = search.shortest(a, b, &params, &cx).expect("nobody asked to stop");
            search.shortest(b, a, &params, &cx).expect("nobody asked to stop");
            prop_assert_eq!(search.shortest(a, b, &params, &cx).expect("nobody asked to stop"), first);
        }
    }

    #[test]
    fn the_karate_club_has_its_known_ways_from_instructor_to_president() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let through = |k| run(&graph, 0, 33, k, 4).iter().map(|p| p[1]).collect::<Vec<_>>();
        assert_eq!(through(10), [8, 13, 19, 31]);
        assert_eq!(through(1), [8]);
        assert_eq!(run(&graph, 16, 26, 1, 10)[0].len() - 1, 5);
        assert_eq!(
            on_threads(1, || run(&graph, 16, 26, 9, 10)),
            on_threads(2, || run(&graph, 16, 26, 9, 10))
        );
    }

    #[test]
    fn too_far_or_not_at_all_is_no_path_and_home_is_no_hop() {
        let chain = Csr::undirected(5, &[(0, 1), (1, 2), (2, 3), (2, 2), (0, 1)], vec![]);
        assert!(run(&chain, 0, 3, 1, 2).is_empty());
        assert_eq!(run(&chain, 0, 3, 9, 3), [[0, 1, 2, 3]]);
        assert!(run(&chain, 0, 4, 1, 99).is_empty());
        assert_eq!(run(&chain, 4, 4, 1, 0), [[4]]);
    }

    #[test]
    fn a_long_chain_neither_recurses_nor_tires() {
        let n = 200_000;
        let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        let graph = Csr::undirected(n as usize, &edges, vec![]);
        assert_eq!(run(&graph, 0, n - 1, 1, n)[0].len(), n as usize);
    }
}
