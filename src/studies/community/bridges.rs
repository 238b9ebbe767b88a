//! Bridges and articulation points: edges and nodes without which the graph falls apart.
//!
//! R. E. Tarjan: *A Note on Finding the Bridges of a Graph*, 1974; J. Hopcroft, R. Tarjan: *Algorithm 447: Efficient
//! Algorithms for Graph Manipulation*, 1973. One depth-first search over edges taken both ways tells, of every node, the earliest
//! node that can be reached from what was found through it without going back by which it was come to. As nodes are counted in
//! the order in which they are found, how many each of them cuts off is known as well. Without recursion, so that a chain of
//! any length is no matter; the price is that a depth-first search is one thread's work.
//!
//! Of parallel edges none is a bridge, nor of two that lead there and back; loops are nothing.

use std::cmp::Reverse;

use crate::context::{Cancelled, Context, Step, TICK_EVERY};
use crate::graph::{Csr, NodeId};

/// An edge that alone joins two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// Where it leads from; of an undirected graph the smaller end.
    pub src: u32,
    /// Where it leads to.
    pub dst: u32,
    /// Nodes in the smaller of the two parts.
    pub cut_off: u32,
}

/// A node that alone joins two parts or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArticulationPoint {
    /// The node.
    pub node: u32,
    /// Parts that are left of its component without it.
    pub parts: u32,
    /// Nodes in these, but for the largest.
    pub cut_off: u32,
}

/// What holds a graph together; those that cut off most first, then by node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bridges {
    /// Edges.
    pub bridges: Vec<Bridge>,
    /// Nodes.
    pub articulation_points: Vec<ArticulationPoint>,
}

/// A node on the path from where the search began.
#[derive(Debug)]
struct Visit {
    node: u32,
    /// How many of its arcs, those that leave first, were followed.
    followed: u32,
    /// Smallest number of a node that is met from here on.
    low: u32,
    /// Whether the edge by which one came was met again.
    is_back: bool,
    /// Parts found through it that nothing else joins to what is before; nodes in all and in the largest of them.
    parts: u32,
    apart: u32,
    largest: u32,
}

struct Search<'a> {
    graph: &'a Csr,
    /// By node: the how many-th it was found; 0: not yet.
    number: Vec<u32>,
    /// Nodes found.
    count: u32,
    path: Vec<Visit>,
    /// Articulation points of the component at hand.
    points: Vec<Visit>,
    found: Bridges,
}

/// Finds both, edges taken both ways.
///
/// O(nodes + arcs); at most 32 bytes per node beside what is found.
///
/// ```
/// use sonograph::{context::Context, graph::Csr};
/// use sonograph::studies::community::bridges::{ArticulationPoint, Bridge, bridges};
///
/// // A triangle, and 3, whom only 1 knows.
/// let graph = Csr::directed(4, &[(0, 1), (1, 2), (2, 0), (3, 1)], vec![]);
/// let found = bridges(&graph, &Context::silent())?;
/// assert_eq!(found.bridges, [Bridge { src: 3, dst: 1, cut_off: 1 }]);
/// assert_eq!(found.articulation_points, [ArticulationPoint { node: 1, parts: 2, cut_off: 1 }]);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn bridges(graph: &Csr, cx: &Context) -> Result<Bridges, Cancelled> {
    let nodes = graph.node_count();
    let step = cx.step("bridges", Some(nodes as u64));
    // What is set aside for a path is used as far as one goes.
    let path = Vec::with_capacity(nodes);
    let (number, points, found) = (vec![0; nodes], vec![], Bridges::default());
    let mut search = Search { graph, number, count: 0, path, points, found };
    for v in 0..nodes as u32 {
        if search.number[v as usize] == 0 {
            search.component(v, &step)?;
        }
    }
    let mut found = search.found;
    found.bridges.sort_unstable_by_key(|b| (Reverse(b.cut_off), b.src, b.dst));
    found.articulation_points.sort_unstable_by_key(|a| (Reverse(a.cut_off), a.node));
    Ok(found)
}

impl Search<'_> {
    /// Goes wherever one comes from `start`.
    fn component(&mut self, start: u32, step: &Step) -> Result<(), Cancelled> {
        let (bridges, before) = (self.found.bridges.len(), self.count);
        self.come_to(start);
        while let Some(visit) = self.path.last() {
            if visit.followed == 0 && u64::from(self.count).is_multiple_of(TICK_EVERY) {
                step.tick(u64::from(self.count), Some(self.graph.node_count() as u64))?;
            }
            match self.follow() {
                Some(unseen) => self.come_to(unseen),
                None => self.leave(),
            }
        }
        // Only now is it known how large the other side is.
        let size = self.count - before;
        for bridge in &mut self.found.bridges[bridges..] {
            bridge.cut_off = bridge.cut_off.min(size - bridge.cut_off);
        }
        self.found.articulation_points.extend(self.points.drain(..).map(|point| {
            let rest = size - 1 - point.apart;
            let cut_off = size - 1 - point.largest.max(rest);
            ArticulationPoint { node: point.node, parts: point.parts + u32::from(rest > 0), cut_off }
        }));
        Ok(())
    }

    fn come_to(&mut self, node: u32) {
        self.count += 1;
        self.number[node as usize] = self.count;
        let (low, is_back) = (self.count, false);
        self.path.push(Visit { node, followed: 0, low, is_back, parts: 0, apart: 0, largest: 0 });
    }

    /// Follows arcs of the last node up to one that leads to a node not seen before.
    fn follow(&mut self) -> Option<u32> {
        let (visit, path) = self.path.split_last_mut()?;
        let before = path.last().map(|before| before.node);
        let node = NodeId(visit.node);
        let out = self.graph.out_neighbors(node);
        let into = if self.graph.is_undirected() { &[] } else { self.graph.in_neighbors(node) };
        let done = visit.followed as usize;
        let ahead = [&out[done.min(out.len())..], &into[done.saturating_sub(out.len())..]];
        for &w in ahead.iter().copied().flatten() {
            visit.followed += 1;
            match self.number[w as usize] {
                0 => return Some(w),
                _ if before == Some(w) && !visit.is_back => visit.is_back = true,
                number => visit.low = visit.low.min(number),
            }
        }
        None
    }

    /// Takes the last node off the path and tells the one before what is behind it.
    fn leave(&mut self) {
        let Some(visit) = self.path.pop() else { return };
        let own = self.number[visit.node as usize];
        let size = self.count + 1 - own;
        let Some(before) = self.path.last_mut() else {
            // Nothing is before it.
            self.points.extend((visit.parts > 1).then_some(visit));
            return;
        };
        before.low = before.low.min(visit.low);
        if visit.low >= self.number[before.node as usize] {
            before.parts += 1;
            before.apart += size;
            before.largest = before.largest.max(size);
        }
        if visit.low == own {
            let (near, far) = (before.node, visit.node);
            let leads_away = before.followed as usize <= self.graph.out_degree(NodeId(near));
            let (src, dst) = match self.graph.is_undirected() {
                true => (near.min(far), near.max(far)),
                false if leads_away => (near, far),
                false => (far, near),
            };
            self.found.bridges.push(Bridge { src, dst, cut_off: size });
        }
        self.points.extend((visit.parts > 0).then_some(visit));
    }
}

/// Takes every edge and every node away in turn, and floods what is left.
#[cfg(test)]
mod oracle {
    use super::{ArticulationPoint, Bridge};

    /// Sizes of the parts of all nodes but `without`, by label of the part of every node.
    fn parts(n: usize, edges: &[(u32, u32)], without: Option<u32>) -> (Vec<Option<usize>>, Vec<u32>) {
        let mut part = vec![None; n];
        let mut sizes = Vec::new();
        for start in 0..n as u32 {
            if part[start as usize].is_some() || Some(start) == without {
                continue;
            }
            let mut stack = vec![start];
            let mut size = 0;
            while let Some(v) = stack.pop() {
                if part[v as usize].is_none() && Some(v) != without {
                    part[v as usize] = Some(sizes.len());
                    size += 1;
                    stack.extend(edges.iter().filter(|e| e.0 == v).map(|e| e.1));
                    stack.extend(edges.iter().filter(|e| e.1 == v).map(|e| e.0));
                }
            }
            sizes.push(size);
        }
        (part, sizes)
    }

    pub(super) fn bridges(n: usize, edges: &[(u32, u32)]) -> Vec<Bridge> {
        let whole = parts(n, edges, None).1.len();
        let without = |i: usize| {
            let (src, dst) = edges[i];
            let (part, sizes) = parts(n, &[&edges[..i], &edges[i + 1..]].concat(), None);
            let size = |v: u32| sizes[part[v as usize].expect("every node is in a part")];
            (sizes.len() > whole).then(|| Bridge { src, dst, cut_off: size(src).min(size(dst)) })
        };
        (0..edges.len()).filter_map(without).collect()
    }

    pub(super) fn articulation_points(n: usize, edges: &[(u32, u32)]) -> Vec<ArticulationPoint> {
        let (whole, _) = parts(n, edges, None);
        let without = |node: u32| {
            let (part, sizes) = parts(n, edges, Some(node));
            let near = (0..n).filter(|&v| whole[v] == whole[node as usize]).filter_map(|v| part[v]);
            let mut near: Vec<usize> = near.collect();
            near.sort_unstable();
            near.dedup();
            let all: u32 = near.iter().map(|&part| sizes[part]).sum();
            let largest = near.iter().map(|&part| sizes[part]).max().unwrap_or(0);
            let parts = near.len() as u32;
            (parts > 1).then_some(ArticulationPoint { node, parts, cut_off: all - largest })
        };
        (0..n as u32).filter_map(without).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Bridges {
        bridges(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn without_them_the_graph_falls_apart((n, edges) in random_edges(24, 40)) {
            let found = run(&Csr::directed(n, &edges, vec![]));
            let sorted = |found: &Bridges| {
                let most = |a: &Bridge, b: &Bridge| (Reverse(a.cut_off), a.src, a.dst) <= (Reverse(b.cut_off), b.src, b.dst);
                found.bridges.is_sorted_by(most)
                    && found.articulation_points.is_sorted_by_key(|a| (Reverse(a.cut_off), a.node))
            };
            prop_assert!(sorted(&found));
            let by_ends = |mut all: Vec<Bridge>| {
                all.sort_unstable_by_key(|b| (b.src, b.dst));
                all
            };
            let mut expected = oracle::bridges(n, &edges);
            prop_assert_eq!(by_ends(found.bridges), by_ends(expected.clone()));
            let mut points = found.articulation_points;
            points.sort_unstable_by_key(|a| a.node);
            prop_assert_eq!(&points, &oracle::articulation_points(n, &edges));

            let found = run(&Csr::undirected(n, &edges, vec![]));
            prop_assert!(sorted(&found));
            for bridge in &mut expected {
                (bridge.src, bridge.dst) = (bridge.src.min(bridge.dst), bridge.src.max(bridge.dst));
            }
            prop_assert_eq!(by_ends(found.bridges), by_ends(expected));
            let mut again = found.articulation_points;
            again.sort_unstable_by_key(|a| a.node);
            prop_assert_eq!(again, points);
        }
    }

    #[test]
    fn the_karate_club_hangs_on_its_instructor() {
        let (n, edges) = karate();
        let found = run(&Csr::directed(n, &edges, vec![]));
        // One member knows nobody else, and five know each other and him alone.
        assert_eq!(found.bridges, [Bridge { src: 0, dst: 11, cut_off: 1 }]);
        assert_eq!(found.articulation_points, [ArticulationPoint { node: 0, parts: 3, cut_off: 6 }]);
    }

    #[test]
    fn the_florentine_families_have_five_bridges_at_four_families() {
        // J. Padgett 1994, by the alphabet: Acciaiuoli 0, Albizzi, Barbadori, Bischeri, Castellani, Ginori 5, Guadagni,
        // Lamberteschi, Medici, Pazzi, Peruzzi 10, Ridolfi, Salviati, Strozzi, Tornabuoni.
        let marriages = crate::studies::samples::edges(
            "0-8 4-10 4-13 4-2 8-2 8-11 8-14 8-1 8-12 12-9 10-13 10-3 13-11 13-3 11-14 14-6 1-5 1-6 3-6 6-7",
        );
        let found = run(&Csr::undirected(15, &marriages, vec![]));
        let ends: Vec<_> = found.bridges.iter().map(|b| (b.src, b.dst, b.cut_off)).collect();
        assert_eq!(ends, [(8, 12, 2), (0, 8, 1), (1, 5, 1), (6, 7, 1), (9, 12, 1)]);
        let points: Vec<_> = found.articulation_points.iter().map(|a| (a.node, a.parts, a.cut_off)).collect();
        assert_eq!(points, [(8, 3, 3), (1, 2, 1), (6, 2, 1), (12, 2, 1)]);
    }

    #[test]
    fn parallel_edges_and_edges_there_and_back_are_no_bridges_and_loops_nothing() {
        assert_eq!(run(&Csr::directed(0, &[], vec![])), Bridges::default());
        assert_eq!(run(&Csr::directed(1, &[(0, 0)], vec![])), Bridges::default());
        for twice in [[(0, 1), (0, 1)], [(0, 1), (1, 0)]] {
            assert_eq!(run(&Csr::directed(2, &twice, vec![])), Bridges::default());
            assert_eq!(run(&Csr::undirected(2, &twice, vec![])), Bridges::default());
        }
        let found = run(&Csr::undirected(2, &[(1, 1), (1, 0), (0, 0)], vec![]));
        assert_eq!(found.bridges, [Bridge { src: 0, dst: 1, cut_off: 1 }]);
        assert!(found.articulation_points.is_empty());
    }

    #[test]
    fn a_chain_longer_than_any_stack_is_all_bridges_and_the_middle_cuts_off_most() {
        let n = 300_001;
        let edges: Vec<_> = (1..n).map(|v| (v - 1, v)).collect();
        let found = run(&Csr::directed(n as usize, &edges, vec![]));
        assert_eq!((found.bridges.len(), found.articulation_points.len()), (n as usize - 1, n as usize - 2));
        let middle = ArticulationPoint { node: 150_000, parts: 2, cut_off: 150_000 };
        assert_eq!(found.articulation_points[0], middle);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..30_000u32).map(|i| (i, i.wrapping_mul(7_919) % 40_000)).collect();
        let graph = Csr::directed(40_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }

    #[test]
    fn a_request_to_stop_ends_the_search() {
        let cx = Context::silent();
        cx.cancel.request();
        let chain: Vec<_> = (1..40_000).map(|v| (v - 1, v)).collect();
        assert_eq!(bridges(&Csr::directed(40_000, &chain, vec![]), &cx), Err(Cancelled));
    }
}
