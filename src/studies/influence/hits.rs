//! Hubs and authorities: good hubs lead to good authorities, and good authorities are led to from good hubs.
//!
//! J. M. Kleinberg: *Authoritative Sources in a Hyperlinked Environment*, 1999. On edges from one kind of node to another
//! (people and the events they attend) the first kind are hubs and the second authorities. Where a graph falls apart, one part
//! takes all: a share of every score can be given to all alike instead (A. Y. Ng, A. X. Zheng, M. I. Jordan: *Stable Algorithms
//! for Link Analysis*, 2001). Power iteration from equal scores, the same bits on any number of threads.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::eigenvector::{Way, distance, normalise, pull};
use crate::context::{Cancelled, Context};
use crate::graph::Csr;

/// Iterations stop once scores of length 1 change by no more than this (L2).
const TOLERANCE: f64 = 1e-10;
/// And here, settled or not.
const MOST_ITERATIONS: u32 = 1_000;

/// How hubs and authorities are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Share of hub and authority scores that all nodes get alike, so that no part of a graph takes all
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub hits_restart: f64,
}

/// Scores, each of length 1, and how they were reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// Hub score by node.
    pub hubs: Vec<f64>,
    /// Authority score by node.
    pub authorities: Vec<f64>,
    /// Iterations run.
    pub iterations: u32,
    /// Whether they settled.
    pub converged: bool,
}

/// Why there are no hubs and authorities.
#[derive(Debug, Error)]
pub enum HitsError {
    /// The share is none.
    #[error("the share {0} that all hubs and authorities get alike is not at least 0 and below 1")]
    Restart(f64),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Scores with `a(v) ∝ Σ_u W(u,v)·h(u)` and `h(u) ∝ Σ_v W(u,v)·a(v)`, with `W` the weights, which must be finite and at least
/// 0; with the share `r` given alike, `a = (1−r)·Wᵀh/‖Wᵀh‖ + r/√n`, `h` likewise, before each is made of length 1.
///
/// O(nodes + arcs) per iteration, at most 1,000; 32 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::hits::{Params, hits}};
///
/// let found = hits(&Csr::directed(3, &[(0, 2), (1, 2)], vec![]), &Params::default(), &Context::silent())?;
/// assert!((found.authorities[2] - 1.0).abs() < 1e-9 && (found.hubs[0] - 0.5f64.sqrt()).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hits(graph: &Csr, params: &Params, cx: &Context) -> Result<Hits, HitsError> {
    let (n, restart) = (graph.node_count(), params.hits_restart);
    if !(0.0..1.0).contains(&restart) {
        return Err(HitsError::Restart(restart));
    }
    let alike = 1.0 / (n.max(1) as f64).sqrt();
    let (mut hubs, mut authorities) = (vec![alike; n], vec![alike; n]);
    let (mut new_hubs, mut new_authorities) = (vec![0.0; n], vec![0.0; n]);
    let (mut iterations, mut converged) = (0, n == 0);
    let step = cx.step("hits", Some(u64::from(MOST_ITERATIONS)));
    let share = |scores: &mut Vec<f64>| {
        normalise(scores);
        if restart > 0.0 {
            for score in &mut *scores {
                *score = (1.0 - restart) * *score + restart * alike;
            }
            normalise(scores);
        }
    };
    while !converged && iterations < MOST_ITERATIONS {
        step.tick(u64::from(iterations), Some(u64::from(MOST_ITERATIONS)))?;
        pull(graph, Way::Into, &hubs, &mut new_authorities, |_, sum| sum);
        share(&mut new_authorities);
        pull(graph, Way::Out, &new_authorities, &mut new_hubs, |_, sum| sum);
        share(&mut new_hubs);
        converged =
            distance(&hubs, &new_hubs) <= TOLERANCE && distance(&authorities, &new_authorities) <= TOLERANCE;
        std::mem::swap(&mut hubs, &mut new_hubs);
        std::mem::swap(&mut authorities, &mut new_authorities);
        iterations += 1;
    }
    Ok(Hits { hubs, authorities, iterations, converged })
}

/// The matrix of who is led to by the same hubs, squared again and again until only its greatest direction is left.
#[cfg(test)]
mod oracle {
    pub(super) fn authorities(n: usize, edges: &[(u32, u32)], weights: &[f64]) -> Vec<f64> {
        let mut a = vec![vec![0.0; n]; n];
        for (i, &(u, v)) in edges.iter().enumerate() {
            a[u as usize][v as usize] += weights.get(i).copied().unwrap_or(1.0);
        }
        let product = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let cell = |i: usize, j: usize| (0..n).map(|k| a[k][i] * b[k][j]).sum();
            (0..n).map(|i| (0..n).map(|j| cell(i, j)).collect()).collect()
        };
        // Symmetric, so that a product of columns is one of rows.
        let mut shared = product(&a, &a);
        for _ in 0..40 {
            let greatest = shared.iter().flatten().fold(f64::MIN_POSITIVE, |m: f64, x| m.max(x.abs()));
            shared.iter_mut().flatten().for_each(|x| *x /= greatest);
            shared = product(&shared, &shared);
        }
        let scores: Vec<f64> = shared.iter().map(|row| row.iter().sum()).collect();
        let length = scores.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
        scores.iter().map(|score| if length > 0.0 { score / length } else { 0.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr, hits_restart: f64) -> Hits {
        hits(graph, &Params { hits_restart }, &Context::silent()).expect("the share is one")
    }

    proptest! {
        #[test]
        fn authorities_are_the_direction_that_all_hubs_point_to((n, edges) in random_edges(9, 30), seed in 0u64..1000) {
            let weights: Vec<f64> = (0..edges.len()).map(|i| 1.0 + ((seed + i as u64 * 7) % 5) as f64).collect();
            let found = run(&Csr::directed(n, &edges, weights.clone()), 0.0);
            prop_assume!(found.converged);
            for (a, b) in found.authorities.iter().zip(oracle::authorities(n, &edges, &weights)) {
                prop_assert!((a - b).abs() < 1e-4, "{:?}", found.authorities);
            }
        }

        #[test]
        fn hubs_are_the_authorities_of_the_edges_turned_round((n, edges) in random_edges(9, 30)) {
            let back: Vec<(u32, u32)> = edges.iter().map(|&(u, v)| (v, u)).collect();
            let found = run(&Csr::directed(n, &edges, vec![]), 0.0);
            prop_assume!(found.converged);
            for (a, b) in found.hubs.iter().zip(oracle::authorities(n, &back, &[])) {
                prop_assert!((a - b).abs() < 1e-4, "{:?}", found.hubs);
            }
        }
    }

    #[test]
    fn in_the_karate_club_hubs_and_authorities_are_the_eigenvector() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]), 0.0);
        assert!((found.hubs[33] - 0.373_363).abs() < 1e-6 && (found.authorities[0] - 0.355_491).abs() < 1e-6);
    }

    #[test]
    fn one_part_takes_all_unless_some_is_given_to_everybody() {
        // A star of three and one of two.
        let stars = Csr::directed(7, &[(0, 3), (1, 3), (2, 3), (4, 6), (5, 6)], vec![]);
        let plain = run(&stars, 0.0);
        assert!((plain.authorities[3] - 1.0).abs() < 1e-9 && plain.hubs[4] < 1e-9);
        let shared = run(&stars, 0.1);
        assert!(shared.authorities[3] > shared.authorities[6] && shared.authorities[6] > 0.05);
        assert!(shared.hubs[4] > 0.05 && shared.converged);
    }

    #[test]
    fn nobody_has_no_score_and_no_edge_gives_none() {
        assert!(run(&Csr::directed(0, &[], vec![]), 0.0).hubs.is_empty());
        assert_eq!(run(&Csr::directed(2, &[], vec![]), 0.0).authorities, [0.0, 0.0]);
        assert!(matches!(
            hits(&Csr::default(), &Params { hits_restart: 1.0 }, &Context::silent()),
            Err(HitsError::Restart(_))
        ));
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph, 0.0)), on_threads(2, || run(&graph, 0.0)));
    }
}
