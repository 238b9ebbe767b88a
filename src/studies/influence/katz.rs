//! Katz centrality: all walks that lead to a node, longer ones counting less.
//!
//! L. Katz: *A New Status Index Derived from Sociometric Analysis*, 1953. The sum over all walks exists only where the share
//! α by which a longer walk counts less is below 1/λmax, λmax the greatest eigenvalue of the weights, which is asked of
//! [`super::eigenvector`]. Fixed-point iteration from 1, one product per iteration, the same bits on any number of threads.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::eigenvector::{Way, added, eigenvector, pull};
use crate::context::{Cancelled, Context};
use crate::graph::{Csr, NodeId};

/// Of 1/λmax, the share that α is where none is given.
const USUAL: f64 = 0.9;
/// Iterations stop once scores change by no more than this share of them (L1).
const TOLERANCE: f64 = 1e-12;
/// And here: with α at 0.99/λmax it takes 2,700 to get there.
const MOST_ITERATIONS: u32 = 10_000;

/// How Katz centrality is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// By how much a walk counts less for each further edge; below 1/λmax of the weights [default: 0.9/λmax]
    #[arg(long, value_name = "A")]
    pub katz_alpha: Option<f64>,
}

/// Scores and how they were reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Katz {
    /// Score by node; 1 for whom nothing leads to.
    pub scores: Vec<f64>,
    /// By how much a walk counts less for each further edge.
    pub alpha: f64,
    /// Iterations run.
    pub iterations: u32,
}

/// Why there is no Katz centrality.
#[derive(Debug, Error)]
pub enum KatzError {
    /// α is no share.
    #[error("the Katz factor {0} is not a number above 0")]
    Alpha(f64),
    /// The sum over all walks does not exist.
    #[error(
        "with the Katz factor {alpha} longer walks count for more and more; it must be below {limit:.6}, which is 1/λmax"
    )]
    Diverges {
        /// As given.
        alpha: f64,
        /// The inverse of the greatest eigenvalue.
        limit: f64,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Scores that solve `x(v) = 1 + α·Σ_u W(u,v)·x(u)`, with `W` the weights, which must be finite and at least 0 (β is 1).
///
/// O(nodes + arcs) per iteration, and what the greatest eigenvalue takes; 24 bytes per node.
///
/// # Errors
/// When α is not below 1/λmax, or somebody asks to stop.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::katz::{Params, katz}};
///
/// let path = Csr::directed(3, &[(0, 1), (1, 2)], vec![]);
/// let half = Params { katz_alpha: Some(0.5) };
/// assert_eq!(katz(&path, &half, &Context::silent())?.scores, [1.0, 1.5, 1.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn katz(graph: &Csr, params: &Params, cx: &Context) -> Result<Katz, KatzError> {
    if let Some(alpha) = params.katz_alpha
        && !(alpha > 0.0 && alpha.is_finite())
    {
        return Err(KatzError::Alpha(alpha));
    }
    let n = graph.node_count();
    let greatest = eigenvector(graph, cx)?;
    // Without cycles the scores never settle and any factor will do; no eigenvalue is above the greatest strength.
    let eigenvalue = if greatest.converged { greatest.eigenvalue } else { strength(graph) };
    let alpha = params.katz_alpha.unwrap_or(if eigenvalue > 0.0 { USUAL / eigenvalue } else { USUAL });
    if greatest.converged && alpha * eigenvalue >= 1.0 {
        return Err(KatzError::Diverges { alpha, limit: 1.0 / eigenvalue });
    }
    let (mut scores, mut next) = (vec![1.0; n], vec![0.0; n]);
    let (mut iterations, mut change) = (0, f64::INFINITY);
    let step = cx.step("katz", None);
    while n > 0 && change > TOLERANCE {
        step.tick(u64::from(iterations), None)?;
        pull(graph, Way::Into, &scores, &mut next, |_, sum| 1.0 + alpha * sum);
        let sum = added(&next, |_, x| x);
        if iterations == MOST_ITERATIONS || !sum.is_finite() {
            return Err(KatzError::Diverges { alpha, limit: 1.0 / greatest.eigenvalue });
        }
        change = added(&next, |v, x| (x - scores[v]).abs()) / sum;
        std::mem::swap(&mut scores, &mut next);
        iterations += 1;
    }
    Ok(Katz { scores, alpha, iterations })
}

/// The greatest weight that enters one node.
fn strength(graph: &Csr) -> f64 {
    let of = |v: NodeId| {
        if graph.is_weighted() {
            graph.in_edges(v).fold(0.0, |sum, edge| sum + graph.weight(edge))
        } else {
            graph.in_degree(v) as f64
        }
    };
    graph.nodes().map(of).fold(0.0, f64::max)
}

/// Adds the walks of every length one length after another.
#[cfg(test)]
mod oracle {
    pub(super) fn katz(n: usize, edges: &[(u32, u32)], weights: &[f64], alpha: f64) -> Vec<f64> {
        let mut walks = vec![1.0; n];
        let mut all = walks.clone();
        for _ in 0..3_000 {
            let mut longer = vec![0.0; n];
            for (i, &(u, v)) in edges.iter().enumerate() {
                longer[v as usize] += alpha * weights.get(i).copied().unwrap_or(1.0) * walks[u as usize];
            }
            all.iter_mut().zip(&longer).for_each(|(all, more)| *all += more);
            walks = longer;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, katz_alpha: Option<f64>) -> Katz {
        katz(graph, &Params { katz_alpha }, &Context::silent()).expect("walks add up")
    }

    proptest! {
        #[test]
        fn scores_are_all_walks_added_up((n, edges) in random_edges(12, 40), seed in 0u64..1000) {
            let weights: Vec<f64> = (0..edges.len()).map(|i| ((seed + i as u64 * 7) % 5) as f64).collect();
            for weights in [vec![], weights] {
                let found = run(&Csr::directed(n, &edges, weights.clone()), None);
                for (a, b) in found.scores.iter().zip(oracle::katz(n, &edges, &weights, found.alpha)) {
                    prop_assert!((a - b).abs() <= 1e-8 * b, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn the_karate_club_has_the_scores_a_linear_solver_gives() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let found = run(&graph, None);
        assert!((found.alpha - 0.133_815_113).abs() < 1e-8, "{}", found.alpha);
        for (node, expected) in [(0, 17.387_721_32), (33, 18.125_454_34), (16, 2.313_692_10)] {
            assert!((found.scores[node] - expected).abs() < 1e-6, "node {node}: {}", found.scores[node]);
        }
        assert!((run(&graph, Some(0.1)).scores[0] - 4.982_993_57).abs() < 1e-7);
    }

    #[test]
    fn a_factor_that_lets_walks_add_up_to_no_number_is_refused() {
        let (n, edges) = karate();
        let graph = Csr::undirected(n, &edges, vec![]);
        let refused = |alpha| katz(&graph, &Params { katz_alpha: Some(alpha) }, &Context::silent());
        let error = refused(0.149).expect_err("1/λmax is 0.1487");
        assert_eq!(
            error.to_string(),
            "with the Katz factor 0.149 longer walks count for more and more; it must be below 0.148683, which is 1/λmax"
        );
        for alpha in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(refused(alpha), Err(KatzError::Alpha(_))), "{alpha}");
        }
    }

    #[test]
    fn without_edges_or_cycles_every_factor_will_do() {
        assert!(run(&Csr::directed(0, &[], vec![]), None).scores.is_empty());
        assert_eq!(run(&Csr::directed(2, &[], vec![]), None).scores, [1.0, 1.0]);
        let found = run(&Csr::directed(4, &[(0, 1), (0, 2), (2, 1), (1, 3)], vec![]), None);
        assert!((found.alpha - 0.45).abs() < 1e-15);
        assert_eq!(run(&Csr::directed(3, &[(0, 1), (1, 2)], vec![]), Some(7.0)).scores, [1.0, 8.0, 57.0]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph, None)), on_threads(2, || run(&graph, None)));
    }
}
