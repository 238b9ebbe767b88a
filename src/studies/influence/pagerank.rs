//! PageRank: how often a surfer who follows edges, and now and then jumps, is found at each node.
//!
//! L. Page, S. Brin, R. Motwani, T. Winograd: *The PageRank Citation Ranking: Bringing Order to the Web*, 1999;
//! personalised after T. Haveliwala: *Topic-Sensitive PageRank*, 2002. Mass at nodes without out-edges goes to the
//! teleport vector (LDBC Graphalytics semantics), so ranks sum to 1.
//!
//! Pull-based power iteration: every node sums what its in-neighbours pass on. That reads memory at random but writes
//! each rank once, without atomics, and so gives the same bits with any number of threads. Where what is read at random
//! is more than a cache, sums are made by ranges of targets ([`super::propagation`]). The cost is 24 bytes per node beside
//! the graph, and of such large graphs 12 bytes per arc, of at most 2^26 arcs.

use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::propagation::Propagation;
use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId};

/// Nodes per unit of work; fixed, because partial sums are added in this grouping.
const CHUNK: usize = 4_096;

/// How PageRank is computed.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Probability of following an edge rather than jumping, between 0 and 1
    #[arg(long, value_name = "D", default_value_t = Params::DEFAULT.damping)]
    pub damping: f64,
    /// Stop once all ranks together change by no more than this in one iteration (L1); 0 runs every iteration
    #[arg(long, value_name = "T", default_value_t = Params::DEFAULT.tolerance)]
    pub tolerance: f64,
    /// Stop after this many iterations, at least 1, converged or not
    #[arg(long, value_name = "N", default_value_t = Params::DEFAULT.max_iterations)]
    pub max_iterations: u32,
    /// Where the rank of a node without out-edges goes
    #[arg(long, value_enum, default_value_t = Params::DEFAULT.dangling)]
    pub dangling: Dangling,
}

impl Params {
    /// The literature's damping, converged to six digits.
    pub const DEFAULT: Self =
        Self { damping: 0.85, tolerance: 1e-6, max_iterations: 100, dangling: Dangling::Spread };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where the rank of a node without out-edges goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dangling {
    /// To where a jump would go; ranks sum to 1
    #[default]
    Spread,
    /// Nowhere, as some other tools have it; ranks sum to less than 1
    Drop,
}

/// Ranks and how they were reached.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRank {
    /// Rank by node.
    pub ranks: Vec<f64>,
    /// Iterations run.
    pub iterations: u32,
    /// L1 change of the last iteration.
    pub residual: f64,
    /// Whether the residual came down to the tolerance.
    pub converged: bool,
}

/// Why there is no PageRank.
#[derive(Debug, Error)]
pub enum PageRankError {
    /// The damping factor is no probability.
    #[error("damping {0} is not between 0 and 1")]
    Damping(f64),
    /// The tolerance is negative or not a number.
    #[error("tolerance {0} is not a number of at least 0")]
    Tolerance(f64),
    /// Nothing may be computed.
    #[error("0 iterations rank nothing")]
    NoIterations,
    /// An edge weighs less than nothing, or is not a number.
    #[error("an edge weighs {0}; PageRank needs finite weights of at least 0")]
    Weight(f64),
    /// The weights that leave one node have no finite sum.
    #[error("the edges of one node weigh more together than a number can hold")]
    Sum,
    /// The teleport vector has another length than the graph has nodes, a negative entry, or no mass.
    #[error("the teleport vector must hold one entry of at least 0 per node and some mass")]
    Teleport,
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Computes PageRank from `1/n` on.
///
/// * `teleport`: where jumps go, one mass ≥ 0 per node, normalised here; `None`: everywhere alike.
/// * Edge weights divide a node's rank among its out-edges; parallel edges add up, a self-loop is one edge.
///
/// With `r` the ranks, `d` the damping, `t` the teleport vector, `W` the weights and `w⁺(u) = Σ_v W(u,v)`:
/// `r'(v) = (1−d)·t(v) + d·( Σ_u r(u)·W(u,v)/w⁺(u) + t(v)·Σ_{w⁺(u)=0} r(u) )`.
///
/// O(nodes + arcs) per iteration; 24 bytes per node, and 12 per arc, of at most 2^26, where nodes are more than 2^22.
///
/// ```
/// use sonograph::{context::Context, graph::Csr};
/// use sonograph::studies::influence::pagerank::{Params, pagerank};
///
/// let cycle = Csr::directed(3, &[(0, 1), (1, 2), (2, 0)], vec![]);
/// let found = pagerank(&cycle, None, &Params::DEFAULT, &Context::silent())?;
/// assert!(found.ranks.iter().all(|r| (r - 1.0 / 3.0).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pagerank(
    graph: &Csr,
    teleport: Option<&[f64]>,
    params: &Params,
    cx: &Context,
) -> Result<PageRank, PageRankError> {
    let n = graph.node_count();
    let d = params.damping;
    if !(0.0..=1.0).contains(&d) {
        return Err(PageRankError::Damping(d));
    }
    if !(params.tolerance >= 0.0 && params.tolerance.is_finite()) {
        return Err(PageRankError::Tolerance(params.tolerance));
    }
    if params.max_iterations == 0 {
        return Err(PageRankError::NoIterations);
    }
    let t = normalised(teleport, n)?;
    if n == 0 {
        return Ok(PageRank { ranks: vec![], iterations: 0, residual: 0.0, converged: true });
    }
    let out_weight = out_weights(graph)?;

    let mut ranks = vec![1.0 / n as f64; n];
    let mut passed = vec![0.0; n];
    let mut next = vec![0.0; n];
    let (mut iterations, mut residual) = (0, f64::INFINITY);
    let mut propagation = Propagation::of_large(graph);
    let step = cx.step("pagerank", Some(u64::from(params.max_iterations)));
    while iterations < params.max_iterations && (params.tolerance == 0.0 || residual > params.tolerance) {
        step.tick(u64::from(iterations), Some(u64::from(params.max_iterations)))?;
        let lost = pass_on(&ranks, &out_weight, &mut passed);
        let jump = match params.dangling {
            Dangling::Spread => 1.0 - d + d * lost,
            Dangling::Drop => 1.0 - d,
        };
        let jump = |v| jump * t.at(v);
        residual = match &mut propagation {
            None => settle(|v, _| pulled(graph, &passed, v), d, jump, &ranks, &mut next),
            Some(propagation) => {
                propagation.sum(graph, &passed, &mut next);
                settle(|_, sum| sum, d, jump, &ranks, &mut next)
            }
        };
        std::mem::swap(&mut ranks, &mut next);
        iterations += 1;
    }
    let converged = residual <= params.tolerance;
    Ok(PageRank { ranks, iterations, residual: if iterations == 0 { 0.0 } else { residual }, converged })
}

/// Where jumps go.
enum Teleport {
    Everywhere(f64),
    Given(Vec<f64>),
}

impl Teleport {
    fn at(&self, v: usize) -> f64 {
        match self {
            Self::Everywhere(share) => *share,
            Self::Given(shares) => shares[v],
        }
    }
}

fn normalised(teleport: Option<&[f64]>, n: usize) -> Result<Teleport, PageRankError> {
    let Some(given) = teleport else { return Ok(Teleport::Everywhere(1.0 / n.max(1) as f64)) };
    let mass: f64 = given.iter().sum();
    let sound = given.len() == n && given.iter().all(|&t| t >= 0.0) && mass.is_finite();
    if !sound || (n > 0 && mass <= 0.0) {
        return Err(PageRankError::Teleport);
    }
    Ok(Teleport::Given(given.iter().map(|t| t / mass).collect()))
}

/// Total weight of the arcs that leave each node.
fn out_weights(graph: &Csr) -> Result<Vec<f64>, PageRankError> {
    let of = |v: u32| {
        if !graph.is_weighted() {
            return Ok(graph.out_degree(NodeId(v)) as f64);
        }
        let sum = graph.out_edges(NodeId(v)).try_fold(0.0, |sum, edge| match graph.weight(edge) {
            weight if weight >= 0.0 && weight.is_finite() => Ok(sum + weight),
            weight => Err(PageRankError::Weight(weight)),
        })?;
        if sum == f64::INFINITY { Err(PageRankError::Sum) } else { Ok(sum) }
    };
    (0..graph.node_count() as u32).map(of).collect()
}

/// Sets what each node passes on per unit of edge weight, and returns the rank at nodes that cannot pass it on.
fn pass_on(ranks: &[f64], out_weight: &[f64], passed: &mut [f64]) -> f64 {
    let lost: Vec<f64> = passed
        .par_chunks_mut(CHUNK)
        .zip(ranks.par_chunks(CHUNK))
        .zip(out_weight.par_chunks(CHUNK))
        .map(|((passed, ranks), out_weight)| {
            let mut lost = 0.0;
            for ((passed, &rank), &weight) in passed.iter_mut().zip(ranks).zip(out_weight) {
                if weight > 0.0 {
                    *passed = rank / weight;
                } else {
                    *passed = 0.0;
                    lost += rank;
                }
            }
            lost
        })
        .collect();
    lost.iter().sum()
}

/// What the in-neighbours of a node pass on to it.
fn pulled(graph: &Csr, passed: &[f64], v: usize) -> f64 {
    let node = NodeId(v as u32);
    let sources = graph.in_neighbors(node);
    if graph.is_weighted() {
        let weights = graph.in_edges(node).map(|edge| graph.weight(edge));
        sources.iter().zip(weights).map(|(&u, w)| passed[u as usize] * w).sum()
    } else {
        sources.iter().map(|&u| passed[u as usize]).sum()
    }
}

/// Sets the next rank of every node from its sum, which is told by the node and what is in its place, and returns the L1
/// change.
fn settle(
    sum: impl Fn(usize, f64) -> f64 + Sync,
    d: f64,
    jump: impl Fn(usize) -> f64 + Sync,
    ranks: &[f64],
    next: &mut [f64],
) -> f64 {
    let changes: Vec<f64> = next
        .par_chunks_mut(CHUNK)
        .enumerate()
        .map(|(chunk, next)| {
            let mut change = 0.0;
            for (i, next) in next.iter_mut().enumerate() {
                let v = chunk * CHUNK + i;
                *next = jump(v) + d * sum(v, *next);
                change += (*next - ranks[v]).abs();
            }
            change
        })
        .collect();
    changes.iter().sum()
}

/// The stationary distribution by solving the linear system, dense, by elimination.
#[cfg(test)]
mod oracle {
    pub(super) fn ranks(
        n: usize,
        edges: &[(u32, u32)],
        weights: &[f64],
        teleport: &[f64],
        d: f64,
    ) -> Vec<f64> {
        let weight = |i: usize| weights.get(i).copied().unwrap_or(1.0);
        let mut transition = vec![vec![0.0; n]; n];
        for (i, &(u, v)) in edges.iter().enumerate() {
            transition[u as usize][v as usize] += weight(i);
        }
        for row in &mut transition {
            let total: f64 = row.iter().sum();
            for (v, p) in row.iter_mut().enumerate() {
                *p = if total > 0.0 { *p / total } else { teleport[v] };
            }
        }
        // (I − d·Pᵀ) x = (1 − d) t
        let mut system: Vec<Vec<f64>> = (0..n)
            .map(|v| {
                let mut row: Vec<f64> = (0..n).map(|u| f64::from(u == v) - d * transition[u][v]).collect();
                row.push((1.0 - d) * teleport[v]);
                row
            })
            .collect();
        for i in 0..n {
            let pivot = (i..n).max_by(|&a, &b| system[a][i].abs().total_cmp(&system[b][i].abs()));
            system.swap(i, pivot.expect("i < n"));
            for row in 0..n {
                if row != i {
                    let factor = system[row][i] / system[i][i];
                    let pivot_row = system[i].clone();
                    for (x, p) in system[row].iter_mut().zip(&pivot_row).skip(i) {
                        *x -= factor * p;
                    }
                }
            }
        }
        (0..n).map(|i| system[i][n] / system[i][i]).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    const EXACT: Params = Params { tolerance: 1e-13, max_iterations: 1_000, ..Params::DEFAULT };

    fn run(graph: &Csr, teleport: Option<&[f64]>, params: &Params) -> PageRank {
        pagerank(graph, teleport, params, &Context::silent()).expect("the parameters are sound")
    }

    fn close(a: &[f64], b: &[f64], within: f64) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within)
    }

    proptest! {
        #[test]
        fn ranks_solve_the_linear_system((n, edges) in random_edges(12, 40), seed in 0u64..1000) {
            let weights: Vec<f64> = (0..edges.len()).map(|i| ((seed + i as u64 * 7) % 5) as f64).collect();
            let uniform = vec![1.0 / n as f64; n];
            let plain = run(&Csr::directed(n, &edges, vec![]), None, &EXACT);
            prop_assert!(close(&plain.ranks, &oracle::ranks(n, &edges, &[], &uniform, 0.85), 1e-9));
            prop_assert!((plain.ranks.iter().sum::<f64>() - 1.0).abs() < 1e-9);

            let mut jump = vec![0.0; n];
            jump[seed as usize % n] = 2.0;
            jump[0] += 2.0;
            let shares: Vec<f64> = jump.iter().map(|j| j / 4.0).collect();
            let weighted = run(&Csr::directed(n, &edges, weights.clone()), Some(&jump), &EXACT);
            prop_assert!(close(&weighted.ranks, &oracle::ranks(n, &edges, &weights, &shares, 0.85), 1e-9));
        }

        #[test]
        fn one_and_two_threads_give_the_same_bits((n, edges) in random_edges(200, 800)) {
            let graph = Csr::directed(n, &edges, vec![]);
            let ranks = |threads| on_threads(threads, || run(&graph, None, &Params::DEFAULT).ranks);
            prop_assert_eq!(ranks(1), ranks(2));
        }
    }

    #[test]
    fn many_chunks_give_the_same_bits_on_one_and_two_threads() {
        let n = 5 * CHUNK as u32 + 17;
        let edges: Vec<_> =
            (0..4 * n).map(|i| (i.wrapping_mul(2_654_435_761) % n, i.wrapping_mul(40_503) % n / 3)).collect();
        let graph = Csr::directed(n as usize, &edges, vec![]);
        let ranks = |threads| on_threads(threads, || run(&graph, None, &Params::DEFAULT));
        assert_eq!(ranks(1), ranks(2));
    }

    #[test]
    fn the_karate_club_has_the_ranks_networkx_gives() {
        let (n, edges) = karate();
        let ranks = run(&Csr::undirected(n, &edges, vec![]), None, &EXACT).ranks;
        for (node, expected) in [(0, 0.097_00), (33, 0.100_92), (32, 0.071_69), (2, 0.057_08)] {
            assert!((ranks[node] - expected).abs() < 1e-5, "node {node}: {}", ranks[node]);
        }
    }

    #[test]
    fn tolerance_zero_runs_exactly_the_iterations_asked_for() {
        let star = Csr::directed(3, &[(1, 0), (2, 0)], vec![]);
        let params = Params { tolerance: 0.0, max_iterations: 1, ..Params::DEFAULT };
        let found = run(&star, None, &params);
        // One step from 1/3: node 0 takes both leaves' rank; its own, dangling, is spread over three.
        let jump = 0.15 / 3.0 + 0.85 / 9.0;
        assert!(close(&found.ranks, &[jump + 0.85 * 2.0 / 3.0, jump, jump], 1e-15));
        assert_eq!(found.iterations, 1);
        assert_eq!(run(&star, None, &Params { max_iterations: 7, ..params }).iterations, 7);
    }

    #[test]
    fn dropped_mass_leaves_the_graph() {
        let edge = Csr::directed(2, &[(0, 1)], vec![]);
        let params = Params { dangling: Dangling::Drop, ..EXACT };
        let ranks = run(&edge, None, &params).ranks;
        assert!(close(&ranks, &[0.075, 0.075 + 0.85 * 0.075], 1e-12));
    }

    #[test]
    fn parallel_edges_add_up_and_a_self_loop_keeps_its_share() {
        let parallel = run(&Csr::directed(3, &[(0, 1), (0, 1), (0, 2)], vec![]), None, &EXACT).ranks;
        let weighted = run(&Csr::directed(3, &[(0, 1), (0, 2)], vec![2.0, 1.0]), None, &EXACT).ranks;
        assert!(close(&parallel, &weighted, 1e-12));
        let looped = run(&Csr::directed(2, &[(0, 0), (0, 1), (1, 0)], vec![]), None, &EXACT).ranks;
        assert!(close(&looped, &oracle::ranks(2, &[(0, 0), (0, 1), (1, 0)], &[], &[0.5, 0.5], 0.85), 1e-10));
    }

    #[test]
    fn no_node_one_node_and_no_edge_have_ranks() {
        assert!(run(&Csr::directed(0, &[], vec![]), None, &EXACT).ranks.is_empty());
        assert!(close(&run(&Csr::directed(1, &[], vec![]), None, &EXACT).ranks, &[1.0], 1e-12));
        assert!(close(&run(&Csr::directed(2, &[], vec![]), None, &EXACT).ranks, &[0.5, 0.5], 1e-12));
    }

    #[test]
    fn unsound_parameters_are_named() {
        let edge = Csr::directed(2, &[(0, 1)], vec![-1.0]);
        let told = |graph: &Csr, teleport: Option<&[f64]>, params: Params| {
            pagerank(graph, teleport, &params, &Context::silent()).expect_err("unsound").to_string()
        };
        assert_eq!(told(&edge, None, Params { damping: 1.5, ..EXACT }), "damping 1.5 is not between 0 and 1");
        assert!(told(&edge, None, Params { tolerance: f64::NAN, ..EXACT }).starts_with("tolerance NaN"));
        assert!(told(&edge, None, EXACT).starts_with("an edge weighs -1"));
        assert!(told(&edge, Some(&[0.0, 0.0]), EXACT).starts_with("the teleport vector"));
    }

    #[test]
    fn a_request_to_stop_ends_the_iteration() {
        let cx = Context::silent();
        cx.cancel.request();
        let edge = Csr::directed(2, &[(0, 1)], vec![]);
        assert!(matches!(pagerank(&edge, None, &EXACT, &cx), Err(PageRankError::Cancelled(_))));
    }
}
