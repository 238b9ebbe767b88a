//! A shortest path between two nodes drawn at random, every shortest path of the two as likely as any other.
//!
//! The sampler of M. Riondato, E. M. Kornaropoulos: *Fast Approximation of Betweenness Centrality through Sampling*, 2014, with the
//! two searches of M. Borassi, E. Natale: *`KADABRA` is an `ADaptive` Algorithm for Betweenness via Random Approximation*,
//! 2016: they go on from both ends, the one with fewer arcs ahead next, until they meet, which on networks whose degrees
//! differ much looks at about the square root of the arcs that one search would.

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use crate::graph::{NodeId, Simple};

/// Two searches that go towards each other, and the paths they found.
pub(super) struct PathSampler {
    /// 0: not reached. From the source 1 more than the hops, from the target 1 more and below 0.
    level: Vec<i32>,
    /// Number of shortest paths from the end that reached the node.
    paths: Vec<f64>,
    /// Nodes reached from the source and from the target, in that order.
    reached: [Vec<u32>; 2],
    /// Arcs over which the two meet: the node that the source reached first.
    meetings: Vec<(u32, u32)>,
    /// Paths drawn that lead through each node.
    pub(super) through: Vec<u32>,
}

impl PathSampler {
    pub(super) fn new(n: usize) -> Self {
        let reached = [Vec::new(), Vec::new()];
        Self { level: vec![0; n], paths: vec![0.0; n], reached, meetings: Vec::new(), through: vec![0; n] }
    }

    /// Draws two nodes and a shortest path from one to the other.
    pub(super) fn sample(&mut self, out: &Simple, into: &Simple, random: &mut Pcg64Mcg) {
        let n = self.level.len() as u32;
        let source = random.random_range(0..n);
        let target = random.random_range(0..n - 1);
        let target = target + u32::from(target >= source);
        if self.meet([out, into], [source, target]) {
            self.draw(out, into, random);
        }
        self.meetings.clear();
        for reached in &mut self.reached {
            reached.drain(..).for_each(|v| self.level[v as usize] = 0);
        }
    }

    /// Goes on from both ends until they meet; `false`: they do not.
    fn meet(&mut self, ways: [&Simple; 2], ends: [u32; 2]) -> bool {
        // What one step of either costs, and where its last nodes begin.
        let (mut ahead, mut last) = ([0, 0], [0, 0]);
        for side in [0, 1] {
            let end = ends[side];
            self.level[end as usize] = if side == 0 { 1 } else { -1 };
            self.paths[end as usize] = 1.0;
            self.reached[side].push(end);
            ahead[side] = ways[side].neighbors(NodeId(end)).len();
        }
        while self.meetings.is_empty() {
            let side = usize::from(ahead[1] < ahead[0]);
            if ahead[side] == 0 {
                return false;
            }
            (last[side], ahead[side]) = match side {
                0 => self.advance::<1>(ways[0], last[0]),
                _ => self.advance::<-1>(ways[1], last[1]),
            };
        }
        true
    }

    /// One step from one end (`SIGN`: that of its levels); where its new nodes begin, and how many arcs lead on from them.
    fn advance<const SIGN: i32>(&mut self, arcs: &Simple, last: usize) -> (usize, usize) {
        let reached = &mut self.reached[usize::from(SIGN < 0)];
        let (begin, mut ahead) = (reached.len(), 0);
        let farther = SIGN * self.level[reached[last] as usize] + 1;
        for at in last..begin {
            let v = reached[at];
            let paths = self.paths[v as usize];
            for &w in arcs.neighbors(NodeId(v)) {
                let level = SIGN * self.level[w as usize];
                // Most are old acquaintances: one comparison for all of these.
                if ((level - 1) as u32) < (farther - 1) as u32 {
                    continue;
                }
                if level == farther {
                    self.paths[w as usize] += paths;
                } else if level < 0 {
                    self.meetings.push(if SIGN > 0 { (v, w) } else { (w, v) });
                } else if self.meetings.is_empty() {
                    // Once the two have met, nobody goes on from new nodes.
                    self.level[w as usize] = SIGN * farther;
                    self.paths[w as usize] = paths;
                    ahead += arcs.neighbors(NodeId(w)).len();
                    reached.push(w);
                }
            }
        }
        (begin, ahead)
    }

    /// Draws where the path crosses, and follows it to both ends.
    fn draw(&mut self, out: &Simple, into: &Simple, random: &mut Pcg64Mcg) {
        let ways = |&(v, w): &(u32, u32)| self.paths[v as usize] * self.paths[w as usize];
        let (v, w) = drawn(&self.meetings, self.meetings.iter().map(ways).sum(), ways, random);
        for (mut at, arcs, towards) in [(v, into, -1), (w, out, 1)] {
            loop {
                let level = self.level[at as usize];
                if level.abs() == 1 {
                    break;
                }
                self.through[at as usize] += 1;
                let paths = |&u: &u32| {
                    if self.level[u as usize] == level + towards { self.paths[u as usize] } else { 0.0 }
                };
                at = drawn(arcs.neighbors(NodeId(at)), self.paths[at as usize], paths, random);
            }
        }
    }
}

/// One of them, each with a probability in proportion to its weight; at least one weighs more than nothing.
fn drawn<T: Copy>(all: &[T], total: f64, weight: impl Fn(&T) -> f64, random: &mut Pcg64Mcg) -> T {
    let mut left = random.random::<f64>() * total;
    let mut last = None;
    for one in all {
        let weight = weight(one);
        if weight > 0.0 {
            last = Some(*one);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    last.expect("a shortest path leads here")
}

/// Longer and longer loopless paths of every pair, until some arrive.
#[cfg(test)]
pub(super) mod oracle {
    use std::collections::BTreeMap;

    /// By source and target; pairs that do not reach each other are absent.
    pub(in super::super) fn shortest_paths(
        n: usize,
        edges: &[(u32, u32)],
        is_undirected: bool,
    ) -> BTreeMap<(u32, u32), Vec<Vec<u32>>> {
        let mut arc = vec![vec![false; n]; n];
        for &(u, v) in edges.iter().filter(|(u, v)| u != v) {
            arc[u as usize][v as usize] = true;
            arc[v as usize][u as usize] |= is_undirected;
        }
        let mut all = BTreeMap::new();
        for source in 0..n as u32 {
            for target in (0..n as u32).filter(|&target| target != source) {
                let mut paths = vec![vec![source]];
                while !paths.is_empty() {
                    let on = |path: &Vec<u32>| {
                        let last = path[path.len() - 1] as usize;
                        let next = (0..n as u32).filter(|&v| arc[last][v as usize] && !path.contains(&v));
                        next.map(|v| path.iter().copied().chain([v]).collect()).collect::<Vec<Vec<u32>>>()
                    };
                    paths = paths.iter().flat_map(on).collect();
                    let arrived: Vec<_> =
                        paths.iter().filter(|path| path.ends_with(&[target])).cloned().collect();
                    if !arrived.is_empty() {
                        all.insert((source, target), arrived);
                        break;
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;
    use crate::graph::Csr;
    use crate::studies::samples::edges;

    #[test]
    fn every_shortest_path_is_as_likely_as_any_other_of_its_pair() {
        // Three ways from 0 to 5 over two nodes each, of which two share their second; a longer one over 6 to 8; 9 alone.
        let edges = edges("0-1 0-2 0-3 1-4 2-4 3-10 4-5 10-5 0-6 6-7 7-8 8-5 5-5 0-1");
        for is_undirected in [false, true] {
            let graph = if is_undirected { Csr::undirected } else { Csr::directed }(11, &edges, vec![]);
            let (out, into) = (Simple::out(&graph), Simple::into(&graph));
            let paths = oracle::shortest_paths(11, &edges, is_undirected);
            let mut sampler = PathSampler::new(11);
            let mut random = Pcg64Mcg::seed_from_u64(7);
            let draws = 200_000;
            for _ in 0..draws {
                sampler.sample(&out, &into, &mut random);
            }
            for v in 0..11u32 {
                let share = |all: &Vec<Vec<u32>>| {
                    let inner = all.iter().filter(|path| path[1..path.len() - 1].contains(&v)).count();
                    inner as f64 / all.len() as f64
                };
                let expected = paths.values().map(share).sum::<f64>() / 110.0;
                let found = f64::from(sampler.through[v as usize]) / f64::from(draws);
                // Five standard errors of a share.
                let error = 5.0 * (expected * (1.0 - expected) / f64::from(draws)).sqrt();
                assert!((found - expected).abs() <= error, "{v}: {found} {expected}");
            }
        }
    }
}
