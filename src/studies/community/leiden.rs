//! Leiden: communities with as much weight inside as can be found beyond what chance would put there.
//!
//! V. A. Traag, L. Waltman, N. J. van Eck: *From Louvain to Leiden: Guaranteeing Well-Connected Communities*, 2019, for the modularity of M. E.
//! J. Newman, M. Girvan 2004 with the resolution of J. Reichardt, S. Bornholdt 2006. Nodes move to the neighbouring community in
//! which they gain most until nobody does, then the communities are put together anew from well-connected parts, and
//! these are the nodes of the next, smaller graph. Two choices are this file's: a part is joined by the node that gains most
//! there, not by chance (θ → 0 in the paper), and what is disconnected in the end, which that leaves rarely, is taken apart. Louvain
//! (V. D. Blondel et al.: *Fast Unfolding of Communities in Large Networks*, 2008) goes without the parts: faster, and its communities may
//! hang together by nothing.
//!
//! One node moves at a time, so one thread does the work; the order in which they begin is drawn from the context's seed.

mod level;
mod moving;

use clap::ValueEnum;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::components::Components;
use crate::context::{Cancelled, Context, Step};
use crate::graph::Csr;
use level::{Level, Weight};
use moving::Moving;

/// How communities are made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Out of well-connected parts
    #[default]
    Leiden,
    /// Whole: faster, and a community may hang together by nothing
    Louvain,
}

/// How communities are found.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// How `leiden` puts communities together
    #[arg(long = "communities", value_enum, default_value_t = Method::Leiden)]
    pub communities: Method,
    /// Above 1 `leiden` finds more and smaller communities, below 1 fewer and larger ones (above 0)
    #[arg(long, value_name = "R", default_value_t = Params::DEFAULT.resolution)]
    pub resolution: f64,
    /// How often `leiden` goes over the communities it has found, at most
    #[arg(long, value_name = "N", default_value_t = Params::DEFAULT.leiden_iterations, value_parser = clap::value_parser!(u32).range(1..))]
    pub leiden_iterations: u32,
}

impl Params {
    /// Modularity as it is, twice.
    pub const DEFAULT: Self = Self { communities: Method::Leiden, resolution: 1.0, leiden_iterations: 2 };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Communities and how good they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Communities {
    /// Who belongs together.
    pub communities: Components,
    /// Weight inside beyond what chance would put there, as a share of all: from −1/2 to 1; 0 where there is none.
    pub modularity: f64,
    /// How often communities were gone over.
    pub iterations: u32,
}

/// Bytes beside the graph.
pub fn memory(nodes: u64, edges: u64) -> u64 {
    // Strengths, communities, parts, what is known of both, queues; the graph, and the smaller one with nearly as many arcs.
    140 * nodes + 2 * (12 + 12) * edges
}

/// Finds communities of high `Q = Σ_c (w_c/w − γ·(s_c/2w)²)` over communities `c`, with `w` the weight of all edges, `w_c` of those
/// inside, `s_c` the strengths of the members added up, and `γ` the resolution. Edges are taken both ways, parallel ones add
/// up, self-loops count nothing; weights must be finite and at least 0. Leiden's communities are connected.
///
/// O(arcs) for every time the nodes are gone over, which is done a few times per iteration; [`memory`].
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::community::leiden::{Params, leiden}};
///
/// let triangles = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 3)];
/// let found = leiden(&Csr::undirected(6, &triangles, vec![]), &Params::default(), &Context::silent())?;
/// assert_eq!(found.communities.of, [0, 0, 0, 1, 1, 1]);
/// assert!((found.modularity - 5.0 / 14.0).abs() < 1e-12);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn leiden(graph: &Csr, params: &Params, cx: &Context) -> Result<Communities, Cancelled> {
    if graph.is_weighted() { found::<f64>(graph, params, cx) } else { found::<u32>(graph, params, cx) }
}

fn found<W: Weight>(graph: &Csr, params: &Params, cx: &Context) -> Result<Communities, Cancelled> {
    let (ground, named) = Level::<W>::ground(graph);
    let nodes = ground.node_count();
    let strength = strengths(&ground);
    let twice: f64 = strength.iter().sum();
    let mut search = Search {
        factor: params.resolution / twice,
        method: params.communities,
        random: Pcg64::seed_from_u64(cx.seed),
        moves: 0,
        step: cx.step("leiden", Some(nodes as u64)),
    };
    let mut of: Vec<u32> = (0..nodes as u32).collect();
    let mut iterations = 0;
    while iterations < params.leiden_iterations {
        let before = search.moves;
        search.pass(&ground, &strength, &mut of)?;
        iterations += 1;
        if search.moves == before {
            break;
        }
    }
    if params.communities == Method::Leiden {
        of = connected(&ground, &of);
    }
    let modularity = modularity(&ground, &strength, &of, params.resolution);
    drop(ground);
    // Who has no neighbours is alone.
    let mut labels: Vec<u32> = (0..graph.node_count() as u32).collect();
    for (&v, of) in named.iter().zip(of) {
        labels[v as usize] = named[of as usize];
    }
    let communities = Components::numbered(labels, graph.node_count());
    Ok(Communities { communities, modularity, iterations })
}

/// Weight of the arcs of every node.
fn strengths<W: Weight>(level: &Level<W>) -> Vec<f64> {
    let of = |v| {
        let mut sum = W::default();
        level.each(v, |_, weight| sum += weight);
        sum.number()
    };
    (0..level.node_count() as u32).map(of).collect()
}

struct Search {
    /// Resolution by twice the weight of all edges (γ/2w).
    factor: f64,
    method: Method,
    random: Pcg64,
    /// Moves so far, of nodes of any level.
    moves: u64,
    step: Step,
}

/// A level, and what its nodes are made of.
struct Above<W> {
    level: Level<W>,
    /// By node of the level below: the node it is part of.
    node_of: Vec<u32>,
    /// By node of the level: its community and its strength.
    communities: Vec<u32>,
    strength: Vec<f64>,
}

impl Search {
    /// All nodes, in an order that is drawn.
    fn order(&mut self, nodes: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..nodes as u32).collect();
        order.shuffle(&mut self.random);
        order
    }

    /// From the nodes up to the level at which nothing is merged any more.
    fn pass<W: Weight>(
        &mut self,
        ground: &Level<W>,
        strength: &[f64],
        of: &mut [u32],
    ) -> Result<(), Cancelled> {
        let Some(mut at) = self.above(ground, strength, of)? else { return Ok(()) };
        while let Some(next) = self.above(&at.level, &at.strength, &mut at.communities)? {
            let node_of = at.node_of.iter().map(|&node| next.node_of[node as usize]).collect();
            at = Above { node_of, ..next };
        }
        for (of, node) in of.iter_mut().zip(at.node_of) {
            *of = at.communities[node as usize];
        }
        Ok(())
    }

    /// Moves the nodes of a level, and makes the next one of them; `None`: every node stays one of its own.
    fn above<W: Weight>(
        &mut self,
        level: &Level<W>,
        strength: &[f64],
        of: &mut [u32],
    ) -> Result<Option<Above<W>>, Cancelled> {
        let nodes = level.node_count();
        let moving = Moving { level, strength, factor: self.factor };
        let order = self.order(nodes);
        self.moves += moving.settle(of, order, &self.step)?;
        let communities = Components::numbered(of.to_vec(), nodes);
        if communities.sizes.len() == nodes {
            return Ok(None);
        }
        let parts = match self.method {
            Method::Leiden => {
                let order = self.order(nodes);
                Components::numbered(moving.refined(of, &order, &self.step)?, nodes)
            }
            Method::Louvain => communities.clone(),
        };
        let count = parts.sizes.len();
        if count == nodes {
            return Ok(None);
        }
        let level = level.above(&parts.of, count);
        let (mut upper, mut upper_strength) = (vec![0; count], vec![0.0; count]);
        for v in 0..nodes {
            upper_strength[parts.of[v] as usize] += strength[v];
            upper[parts.of[v] as usize] = communities.of[v];
        }
        Ok(Some(Above { level, node_of: parts.of, communities: upper, strength: upper_strength }))
    }
}

/// The connected parts of every community, each named by one of its nodes.
fn connected<W: Weight>(level: &Level<W>, of: &[u32]) -> Vec<u32> {
    let mut parts = vec![u32::MAX; of.len()];
    let mut open = Vec::new();
    for v in 0..of.len() as u32 {
        if parts[v as usize] != u32::MAX {
            continue;
        }
        parts[v as usize] = v;
        open.push(v);
        while let Some(u) = open.pop() {
            level.each(u, |w, _| {
                if parts[w as usize] == u32::MAX && of[w as usize] == of[v as usize] {
                    parts[w as usize] = v;
                    open.push(w);
                }
            });
        }
    }
    parts
}

fn modularity<W: Weight>(level: &Level<W>, strength: &[f64], of: &[u32], resolution: f64) -> f64 {
    let twice: f64 = strength.iter().sum();
    if twice <= 0.0 {
        return 0.0;
    }
    let mut total = vec![0.0; of.len()];
    let mut inside = 0.0;
    for v in 0..of.len() as u32 {
        total[of[v as usize] as usize] += strength[v as usize];
        let mut sum = W::default();
        level.each(v, |w, weight| {
            if of[w as usize] == of[v as usize] {
                sum += weight;
            }
        });
        inside += sum.number();
    }
    let share = |total: &f64| (total / twice) * (total / twice);
    inside / twice - resolution * total.iter().map(share).sum::<f64>()
}

/// Modularity pair by pair, and the best of all partitions.
#[cfg(test)]
mod oracle {
    pub(super) fn modularity(
        n: usize,
        edges: &[(u32, u32)],
        weights: &[f64],
        of: &[u32],
        resolution: f64,
    ) -> f64 {
        let mut between = vec![vec![0.0; n]; n];
        for (&(u, v), weight) in edges.iter().zip(weights).filter(|((u, v), _)| u != v) {
            between[u as usize][v as usize] += weight;
            between[v as usize][u as usize] += weight;
        }
        let strength: Vec<f64> = between.iter().map(|row| row.iter().sum()).collect();
        let twice: f64 = strength.iter().sum();
        let pairs = (0..n).flat_map(|u| (0..n).map(move |v| (u, v))).filter(|&(u, v)| of[u] == of[v]);
        let beyond = |(u, v): (usize, usize)| between[u][v] - resolution * strength[u] * strength[v] / twice;
        if twice > 0.0 { pairs.map(beyond).sum::<f64>() / twice } else { 0.0 }
    }

    /// Every node joins one of the communities before it, or begins the next.
    fn all(v: usize, count: u32, of: &mut Vec<u32>, look: &mut dyn FnMut(&[u32])) {
        if v == of.len() {
            look(of);
            return;
        }
        for c in 0..=count {
            of[v] = c;
            all(v + 1, count.max(c + 1), of, look);
        }
    }

    pub(super) fn best(n: usize, edges: &[(u32, u32)], weights: &[f64], resolution: f64) -> f64 {
        let (mut of, mut best) = (vec![0u32; n], f64::NEG_INFINITY);
        all(0, 0, &mut of, &mut |of| best = best.max(modularity(n, edges, weights, of, resolution)));
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, params: &Params, seed: u64) -> Communities {
        leiden(graph, params, &Context::silent().with_seed(seed)).expect("nobody asked to stop")
    }

    const LOUVAIN: Params = Params { communities: Method::Louvain, ..Params::DEFAULT };

    proptest! {
        #[test]
        fn modularity_is_that_of_all_pairs_and_near_the_best((n, edges) in random_edges(7, 14), seed in 0u64..99, is_weighted: bool, fine: bool) {
            let resolution = if fine { 1.7 } else { 1.0 };
            let weights: Vec<f64> = (0..edges.len()).map(|i| if is_weighted { (i % 4) as f64 / 2.0 } else { 1.0 }).collect();
            let given = if is_weighted { weights.clone() } else { vec![] };
            let best = oracle::best(n, &edges, &weights, resolution);
            for graph in [Csr::directed(n, &edges, given.clone()), Csr::undirected(n, &edges, given)] {
                for params in [Params { resolution, ..Params::DEFAULT }, Params { resolution, ..LOUVAIN }] {
                    let found = run(&graph, &params, seed);
                    let exact = oracle::modularity(n, &edges, &weights, &found.communities.of, resolution);
                    prop_assert!((found.modularity - exact).abs() < 1e-12, "{} {exact}", found.modularity);
                    let alone: Vec<u32> = (0..n as u32).collect();
                    prop_assert!(exact >= oracle::modularity(n, &edges, &weights, &alone, resolution) - 1e-12);
                    // It climbs, and may come to a stop beside the summit.
                    prop_assert!(exact <= best + 1e-12 && exact >= best - 0.12, "{exact} {best}");
                }
            }
        }

        #[test]
        fn communities_are_connected((n, edges) in random_edges(60, 90), seed in 0u64..99) {
            let graph = Csr::undirected(n, &edges, vec![]);
            let of = run(&graph, &Params::DEFAULT, seed).communities.of;
            let inside: Vec<_> = edges.iter().copied().filter(|&(u, v)| of[u as usize] == of[v as usize]).collect();
            let parts = super::super::components::components(&Csr::undirected(n, &inside, vec![]), &Context::silent());
            prop_assert_eq!(parts.expect("nobody asked to stop").of, of);
        }
    }

    #[test]
    fn the_karate_club_has_the_best_partition_there_is() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        // U. Brandes et al.: *On Modularity Clustering*, 2008: the optimum is 0.419790.
        let best = (0..20).map(|seed| run(&graph, &Params::DEFAULT, seed).modularity).fold(0.0, f64::max);
        assert!((best - 0.419_789_612).abs() < 1e-9, "{best}");
        let all_good = (0..20).all(|seed| run(&graph, &Params::DEFAULT, seed).modularity > 0.405);
        assert!(all_good);
        let coarse = run(&graph, &Params { resolution: 0.3, ..Params::DEFAULT }, 1).communities.sizes.len();
        let fine = run(&graph, &Params { resolution: 3.0, ..Params::DEFAULT }, 1).communities.sizes.len();
        assert!(coarse < 4 && fine > 4, "{coarse} {fine}");
    }

    #[test]
    fn cliques_on_a_ring_are_communities_by_either_method_and_any_seed() {
        let clique = |c: u32| (0..5).flat_map(move |u| (u + 1..5).map(move |v| (5 * c + u, 5 * c + v)));
        let ring = (0..8u32).map(|c| (5 * c, 5 * ((c + 1) % 8) + 1));
        let edges: Vec<_> = (0..8).flat_map(clique).chain(ring).collect();
        let graph = Csr::undirected(40, &edges, vec![]);
        for params in [Params::DEFAULT, LOUVAIN] {
            for seed in 0..10 {
                let found = run(&graph, &params, seed);
                assert!((0..40u32).all(|v| found.communities.of[v as usize] == v / 5), "{found:?}");
            }
        }
    }

    #[test]
    fn nobody_belongs_to_nobody_and_loops_count_nothing() {
        assert_eq!(
            run(&Csr::directed(0, &[], vec![]), &Params::DEFAULT, 1).communities,
            Components::default()
        );
        let found = run(&Csr::undirected(3, &[(0, 0), (1, 1)], vec![]), &Params::DEFAULT, 1);
        assert_eq!((found.communities.of, found.modularity), (vec![0, 1, 2], 0.0));
        // Nothing holds where nothing weighs.
        let found = run(&Csr::undirected(2, &[(0, 1)], vec![0.0]), &Params::DEFAULT, 1);
        assert_eq!(found.communities.of, [0, 1]);
    }

    #[test]
    fn any_number_of_threads_finds_the_same() {
        let edges: Vec<_> = (0..6_000u32).map(|i| (i % 1_000, i.wrapping_mul(7_919) % 997)).collect();
        let graph = Csr::directed(1_000, &edges, vec![]);
        let one = on_threads(1, || run(&graph, &Params::DEFAULT, 3));
        assert_eq!(one, on_threads(2, || run(&graph, &Params::DEFAULT, 3)));
        assert_ne!(one, run(&graph, &Params::DEFAULT, 4));
    }
}
