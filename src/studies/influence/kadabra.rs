//! KADABRA: betweenness from sampled shortest paths, with a bound on the error.
//!
//! M. Borassi, E. Natale: *`KADABRA` is an `ADaptive` Algorithm for Betweenness via Random Approximation*, 2016. A pair of nodes is
//! drawn, and one of the shortest paths between them, each as likely as any other; the share of paths that lead through a
//! node estimates its betweenness. Two breadth-first searches, from either end, meet in the middle, the one with fewer
//! arcs ahead going next. After ω samples every estimate holds with the probability asked for (by the vertex diameter, M. Riondato,
//! E. M. Kornaropoulos 2014); looking at the estimates, the work often ends sooner. What the paper leaves open is fixed
//! here so that threads do not show: how many samples lie between two looks, and a stream of random numbers per sample. The samples
//! from which the probability of error is distributed over nodes (`τ₀`) are thrown away, as the proof asks.
//!
//! In the paper's symbols `ε` is [`Params::epsilon`], `δ` [`Params::delta`], `ω` [`Kadabra::most_samples`], `τ`
//! [`Kadabra::samples`], `b̃` the estimates, `f` and `g` [`below`] and [`above`].

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::path_sampler::PathSampler;
use super::vertex_diameter::vertex_diameter;
use crate::context::{Cancelled, Context};
use crate::graph::{Csr, Simple};

/// Looks at the estimates until ω at the most, and samples between two of them at least.
const LOOKS: u64 = 50;
const LEAST_SAMPLES: u64 = 1_000;
/// Samples a thread takes between two looks at the clock.
const TICK: u64 = 256;
/// The share of δ that nodes have whatever their estimate.
const ALIKE: f64 = 0.001;

/// How near estimates of betweenness are to be.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// How far an estimate of betweenness may be off, as a share of all pairs (above 0, below 1)
    #[arg(long, value_name = "E", default_value_t = Params::DEFAULT.epsilon)]
    pub epsilon: f64,
    /// With which probability any of the estimates may be farther off (above 0, below 1)
    #[arg(long, value_name = "D", default_value_t = Params::DEFAULT.delta)]
    pub delta: f64,
    /// End as soon as this many nodes of highest betweenness are known in their order, or up to --epsilon; the others are as near
    /// as they are by then
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub betweenness_top: Option<u32>,
}

impl Params {
    /// A hundredth of all pairs, nine times in ten.
    pub const DEFAULT: Self = Self { epsilon: 0.01, delta: 0.1, betweenness_top: None };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why there are no estimates.
#[derive(Debug, Error)]
pub enum KadabraError {
    /// ε or δ is no share.
    #[error("{0} is {1}, not a number above 0 and below 1")]
    Share(&'static str, f64),
    /// No machine takes as many samples.
    #[error("an --epsilon of {0} asks for more than 10^15 samples")]
    Samples(f64),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Estimates, and what they rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Kadabra {
    /// By node, the share of all ordered pairs of two nodes whose shortest paths lead through it, pairs that do not reach each
    /// other counting as any other.
    pub scores: Vec<f64>,
    /// Shortest paths drawn.
    pub samples: u64,
    /// After how many the work would have ended whatever they were.
    pub most_samples: u64,
}

/// Estimates `B(v) / (n·(n−1))` of [`super::brandes::betweenness`] over ordered pairs: with probability of at least 1 − δ all of
/// them within ε at once; with `betweenness_top`, as many of the highest in their right order, or within ε. Parallel
/// arcs are one, self-loops none. The seed is the context's; no graph of fewer than three nodes takes a sample.
///
/// O((log(diameter) + log(1/δ))/ε² · arcs met on the way between two nodes), and O(nodes + arcs) before; 24 bytes per node and
/// thread and 60 per node.
///
/// # Errors
/// When ε or δ is no number above 0 and below 1, or somebody asks to stop.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::kadabra::{Params, kadabra}};
///
/// let path = Csr::undirected(3, &[(0, 1), (1, 2)], vec![]);
/// let found = kadabra(&path, &Params::default(), &Context::silent())?;
/// // One of three pairs leads through the middle.
/// assert!((found.scores[1] - 1.0 / 3.0).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kadabra(graph: &Csr, params: &Params, cx: &Context) -> Result<Kadabra, KadabraError> {
    for (name, share) in [("--epsilon", params.epsilon), ("--delta", params.delta)] {
        if !(share > 0.0 && share < 1.0) {
            return Err(KadabraError::Share(name, share));
        }
    }
    let n = graph.node_count();
    let out = Simple::out(graph);
    let into = if graph.is_undirected() { out.clone() } else { Simple::into(graph) };
    let diameter = vertex_diameter(graph, &out, &into, cx)?;
    if diameter < 3 {
        return Ok(Kadabra { scores: vec![0.0; n], samples: 0, most_samples: 0 });
    }
    let most = most_samples(diameter, params);
    if most > 1e15 {
        return Err(KadabraError::Samples(params.epsilon));
    }
    let most = most.ceil() as u64;
    let mut sampler = Sampler::new(&out, &into, cx);
    let first = (most / 100).max(LEAST_SAMPLES.min(most));
    sampler.take(first, most)?;
    let apart = Apart::new(&sampler.estimates(), params, most);
    sampler.forget();
    let round = (most / LOOKS).max(LEAST_SAMPLES);
    let mut estimates = vec![0.0; n];
    while sampler.samples < most {
        sampler.take(round.min(most - sampler.samples), most)?;
        estimates = sampler.estimates();
        if apart.is_enough(&estimates, sampler.samples, params) {
            break;
        }
    }
    Ok(Kadabra { scores: estimates, samples: sampler.samples, most_samples: most })
}

/// ω: after so many samples all estimates are within ε with a probability of at least 1 − δ/2.
fn most_samples(vertex_diameter: u32, params: &Params) -> f64 {
    let dimension = f64::from((vertex_diameter - 2).ilog2()) + 1.0;
    0.5 / (params.epsilon * params.epsilon) * (dimension + (2.0 / params.delta).ln())
}

/// How the other half of δ is shared out, the same for being below the truth and for being above it.
struct Apart {
    /// ln(1/δ(v)) by node.
    doubt: Vec<f64>,
    /// ω.
    most: f64,
}

impl Apart {
    fn new(estimates: &[f64], params: &Params, most: u64) -> Self {
        let n = estimates.len() as f64;
        // How near each is wanted to be: among the highest, near enough to tell it from the next.
        let mut wanted = vec![f64::INFINITY; estimates.len()];
        let order = params.betweenness_top.map(|top| highest(estimates, top as usize + 1));
        for pair in order.iter().flat_map(|order| order.windows(2)) {
            let gap = (estimates[pair[0] as usize] - estimates[pair[1] as usize]) / 2.0;
            for &v in pair {
                wanted[v as usize] = wanted[v as usize].min(gap.max(params.epsilon));
            }
        }
        wanted.iter_mut().filter(|wanted| wanted.is_infinite()).for_each(|wanted| *wanted = params.epsilon);
        // A node whose estimate is b̃ needs about b̃/wanted² samples; δ goes where that is much, by a factor that lets all sum up.
        let need = |v: usize| wanted[v] * wanted[v] / estimates[v].max(1.0 / most as f64);
        let needs: Vec<f64> = (0..estimates.len()).map(need).collect();
        let target = params.delta / 2.0 * (1.0 - ALIKE);
        let sum = |factor: f64| needs.iter().map(|need| 2.0 * (-factor * need).exp()).sum::<f64>();
        let (mut low, mut high) = (0.0, 1.0);
        while sum(high) > target {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if sum(middle) > target { low = middle } else { high = middle }
        }
        let alike = params.delta / 2.0 * ALIKE / (2.0 * n);
        let doubt = needs.iter().map(|need| -((-high * need).exp() + alike).ln()).collect();
        Self { doubt, most: most as f64 }
    }

    /// Whether the estimates are as near as was asked for.
    fn is_enough(&self, estimates: &[f64], samples: u64, params: &Params) -> bool {
        let samples = samples as f64;
        let range = |v: usize| {
            let estimate = estimates[v];
            (
                below(estimate, self.doubt[v], self.most, samples),
                above(estimate, self.doubt[v], self.most, samples),
            )
        };
        let is_near = |v: usize| {
            let (below, above) = range(v);
            below <= params.epsilon && above <= params.epsilon
        };
        let Some(top) = params.betweenness_top else { return (0..estimates.len()).all(is_near) };
        let order = highest(estimates, (top as usize).min(estimates.len()));
        let lowest = |v: u32| estimates[v as usize] - range(v as usize).0;
        let uppermost = |v: usize| estimates[v] + range(v).1;
        let in_order = order.windows(2).all(|pair| {
            lowest(pair[0]) > uppermost(pair[1] as usize)
                || is_near(pair[0] as usize) && is_near(pair[1] as usize)
        });
        let last = order[order.len() - 1];
        let bar = lowest(last);
        let is_in: std::collections::HashSet<u32> = order.iter().copied().collect();
        in_order
            && (0..estimates.len())
                .filter(|&v| !is_in.contains(&(v as u32)))
                .all(|v| uppermost(v) < bar || is_near(v) && is_near(last as usize))
    }
}

/// f: by how much the truth may be below an estimate.
fn below(estimate: f64, doubt: f64, most: f64, samples: f64) -> f64 {
    let x = 1.0 / 3.0 - most / samples;
    (doubt / samples * (x + (x * x + 2.0 * estimate * most / doubt).sqrt())).min(estimate)
}

/// g: by how much it may be above.
fn above(estimate: f64, doubt: f64, most: f64, samples: f64) -> f64 {
    let x = 1.0 / 3.0 + most / samples;
    (doubt / samples * (x + (x * x + 2.0 * estimate * most / doubt).sqrt())).min(1.0 - estimate)
}

/// The nodes of the highest estimates in their order, of equals the smaller node first.
fn highest(estimates: &[f64], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..estimates.len() as u32).collect();
    let by = |a: &u32, b: &u32| estimates[*b as usize].total_cmp(&estimates[*a as usize]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count, by);
        order.truncate(count);
    }
    order.sort_unstable_by(by);
    order
}

/// Shortest paths drawn so far.
struct Sampler<'g> {
    out: &'g Simple,
    into: &'g Simple,
    cx: &'g Context,
    step: crate::context::Step,
    searches: Vec<PathSampler>,
    /// Number of the next sample, of all that were ever drawn.
    next: u64,
    samples: u64,
}

impl<'g> Sampler<'g> {
    fn new(out: &'g Simple, into: &'g Simple, cx: &'g Context) -> Self {
        let searches =
            (0..rayon::current_num_threads()).map(|_| PathSampler::new(out.node_count())).collect();
        Self { out, into, cx, step: cx.step("betweenness (samples)", None), searches, next: 0, samples: 0 }
    }

    fn take(&mut self, count: u64, most: u64) -> Result<(), Cancelled> {
        let (out, into, seed) = (self.out, self.into, self.cx.seed);
        let threads = self.searches.len() as u64;
        let end = self.next + count;
        while self.next < end {
            self.step.tick(self.samples, Some(most))?;
            let first = self.next;
            let each = (end - first).div_ceil(threads).min(TICK);
            self.searches.par_iter_mut().enumerate().for_each(|(i, search)| {
                let i = i as u64;
                for sample in (first + i * each).min(end)..(first + (i + 1) * each).min(end) {
                    search.sample(out, into, &mut stream(seed, sample));
                }
            });
            self.next = (first + threads * each).min(end);
            self.samples += self.next - first;
        }
        Ok(())
    }

    fn estimates(&self) -> Vec<f64> {
        let mut sums = vec![0u64; self.out.node_count()];
        for search in &self.searches {
            sums.iter_mut().zip(&search.through).for_each(|(sum, &through)| *sum += u64::from(through));
        }
        sums.into_iter().map(|sum| sum as f64 / self.samples as f64).collect()
    }

    fn forget(&mut self) {
        self.searches.iter_mut().for_each(|search| search.through.fill(0));
        self.samples = 0;
    }
}

/// The random numbers of one sample.
fn stream(seed: u64, sample: u64) -> Pcg64Mcg {
    // S. Vigna's mixer, so that neighbouring samples share no bits.
    let mixed = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    Pcg64Mcg::seed_from_u64(mixed(mixed(seed).wrapping_add(sample.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
}

/// Every shortest path of every pair, one by one.
#[cfg(test)]
mod oracle {
    use crate::studies::influence::path_sampler::oracle::shortest_paths;

    pub(super) fn shares(n: usize, edges: &[(u32, u32)], is_undirected: bool) -> Vec<f64> {
        let mut shares = vec![0.0; n];
        for paths in shortest_paths(n, edges, is_undirected).values() {
            for v in paths.iter().flat_map(|path| &path[1..path.len() - 1]) {
                shares[*v as usize] += 1.0 / paths.len() as f64 / (n * (n - 1)) as f64;
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::samples::{karate, on_threads};

    fn run(graph: &Csr, params: &Params, seed: u64) -> Kadabra {
        kadabra(graph, params, &Context::silent().with_seed(seed)).expect("nobody asked to stop")
    }

    fn farthest(found: &[f64], exact: &[f64]) -> f64 {
        found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// Two parts that do not reach each other, two ways round, self-loops, parallel edges and a node alone.
    const PARTS: [(u32, u32); 13] = [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 0),
        (2, 4),
        (4, 5),
        (5, 5),
        (4, 5),
        (6, 7),
        (7, 8),
        (8, 9),
        (9, 6),
        (7, 6),
    ];

    #[test]
    fn of_two_hundred_seeds_nine_in_ten_are_as_near_as_was_asked_for() {
        let params = Params { epsilon: 0.05, delta: 0.1, betweenness_top: None };
        let (n, edges) = karate();
        let graphs = [
            (Csr::undirected(n, &edges, vec![]), oracle::shares(n, &edges, true)),
            (Csr::directed(n, &edges, vec![]), oracle::shares(n, &edges, false)),
            (Csr::undirected(11, &PARTS, vec![]), oracle::shares(11, &PARTS, true)),
            (Csr::directed(11, &PARTS, vec![]), oracle::shares(11, &PARTS, false)),
        ];
        for (graph, exact) in graphs {
            let is_near = |seed: &u64| farthest(&run(&graph, &params, *seed).scores, &exact) <= 0.05;
            let near = (0..200).filter(is_near).count();
            assert!(near >= 180, "{near} of 200");
        }
    }

    #[test]
    fn many_samples_come_near_the_truth() {
        let params = Params { epsilon: 0.004, delta: 0.01, betweenness_top: None };
        let (n, edges) = karate();
        for (graph, exact) in [
            (Csr::undirected(n, &edges, vec![]), oracle::shares(n, &edges, true)),
            (Csr::undirected(11, &PARTS, vec![]), oracle::shares(11, &PARTS, true)),
            (Csr::directed(11, &PARTS, vec![]), oracle::shares(11, &PARTS, false)),
        ] {
            let found = run(&graph, &params, 5);
            assert!(farthest(&found.scores, &exact) <= 0.004, "{:?}", found.scores);
        }
    }

    #[test]
    fn the_highest_are_known_sooner_than_all() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let all = Params { epsilon: 0.005, delta: 0.1, betweenness_top: None };
        let top = run(&graph, &Params { betweenness_top: Some(3), ..all }, 1);
        assert_eq!(highest(&top.scores, 3), [0, 33, 32]);
        assert!(top.samples < run(&graph, &all, 1).samples);
        // More than there are is all of them.
        assert_eq!(
            run(&graph, &Params { betweenness_top: Some(99), epsilon: 0.05, ..all }, 1).scores.len(),
            n
        );
    }

    #[test]
    fn where_nobody_can_lie_between_nobody_does() {
        for graph in [
            Csr::directed(0, &[], vec![]),
            Csr::directed(1, &[(0, 0)], vec![]),
            Csr::undirected(2, &[(0, 1), (0, 1)], vec![]),
            Csr::directed(4, &[(0, 1), (2, 3)], vec![]),
        ] {
            let found = run(&graph, &Params::default(), 1);
            assert_eq!((found.samples, found.scores.iter().sum::<f64>()), (0, 0.0));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let graph = Csr::undirected(3, &[(0, 1), (1, 2)], vec![]);
        for params in [
            Params { epsilon: 0.0, ..Params::DEFAULT },
            Params { epsilon: f64::NAN, ..Params::DEFAULT },
            Params { delta: 1.0, ..Params::DEFAULT },
            Params { epsilon: 1e-9, ..Params::DEFAULT },
        ] {
            assert!(kadabra(&graph, &params, &Context::silent()).is_err(), "{params:?}");
        }
    }

    #[test]
    fn any_number_of_threads_draws_the_same_paths() {
        let edges: Vec<_> = (0..4_000u32).map(|i| (i % 1_000, i.wrapping_mul(7_919) % 1_000)).collect();
        let graph = Csr::directed(1_000, &edges, vec![]);
        let params = Params { epsilon: 0.02, ..Params::DEFAULT };
        let one = on_threads(1, || run(&graph, &params, 3));
        assert_eq!(one, on_threads(2, || run(&graph, &params, 3)));
        assert_eq!(one, on_threads(3, || run(&graph, &params, 3)));
        assert_ne!(one, run(&graph, &params, 4));
        // Nobody stands out, which is seen long before ω.
        assert!(one.samples < one.most_samples, "{} of {}", one.samples, one.most_samples);
    }
}
