//! Eigenvector centrality: whom matter those that matter.
//!
//! P. Bonacich: *Factoring and Weighting Approaches to Status Scores and Clique Identification*, 1972. Power iteration from
//! equal scores with the matrix shifted by one (x + Aᵀx), for without the shift it swings for ever on bipartite graphs. Where the
//! greatest eigenvalue belongs to several parts of the graph, equal scores at the start decide between them. One product per
//! iteration, pulled by every node from its in-neighbours, so that the bits are those of any number of threads.

use rayon::prelude::*;

use crate::context::{Cancelled, Context};
use crate::graph::{Csr, EdgeIds, NodeId};

/// Nodes per unit of work; fixed, because partial sums are added in this grouping.
const CHUNK: usize = 4_096;
/// Iterations stop once scores of length 1 change by no more than this (L2).
const TOLERANCE: f64 = 1e-10;
/// And here, whatever they do: on a graph without cycles they never settle.
const MOST_ITERATIONS: u32 = 1_000;

/// Scores of length 1, and how they were reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenvector {
    /// Score by node.
    pub scores: Vec<f64>,
    /// The greatest eigenvalue, as far as the scores tell it.
    pub eigenvalue: f64,
    /// Iterations run.
    pub iterations: u32,
    /// Whether they settled.
    pub converged: bool,
}

/// Scores proportional to the weight of the edges that lead to a node times the scores of where they come from:
/// `λ·x(v) = Σ_u W(u,v)·x(u)`, with `W` the weights, which must be finite and at least 0, and `λ` the greatest eigenvalue.
///
/// O(nodes + arcs) per iteration, at most 1,000; 16 bytes per node.
///
/// ```
/// use sonograph::{context::Context, graph::Csr, studies::influence::eigenvector::eigenvector};
///
/// let path = Csr::undirected(3, &[(0, 1), (1, 2)], vec![]);
/// let found = eigenvector(&path, &Context::silent())?;
/// assert!((found.eigenvalue - 2f64.sqrt()).abs() < 1e-9 && (found.scores[1] - 0.5f64.sqrt()).abs() < 1e-9);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn eigenvector(graph: &Csr, cx: &Context) -> Result<Eigenvector, Cancelled> {
    let n = graph.node_count();
    let mut scores = vec![1.0 / (n.max(1) as f64).sqrt(); n];
    let mut next = vec![0.0; n];
    let (mut iterations, mut converged, mut eigenvalue) = (0, n == 0, 0.0);
    let step = cx.step("eigenvector", Some(u64::from(MOST_ITERATIONS)));
    while !converged && iterations < MOST_ITERATIONS {
        step.tick(u64::from(iterations), Some(u64::from(MOST_ITERATIONS)))?;
        pull(graph, Way::Into, &scores, &mut next, |v, sum| scores[v] + sum);
        let length = normalise(&mut next);
        eigenvalue = length - 1.0;
        converged = distance(&scores, &next) <= TOLERANCE;
        std::mem::swap(&mut scores, &mut next);
        iterations += 1;
    }
    Ok(Eigenvector { scores, eigenvalue, iterations, converged })
}

/// Which arcs of a node are summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Those that enter it.
    Into,
    /// Those that leave it.
    Out,
}

/// Sets `to(v, Σ W·x)` of every node `v`, the sum over its arcs one way.
pub(super) fn pull(graph: &Csr, way: Way, x: &[f64], y: &mut [f64], to: impl Fn(usize, f64) -> f64 + Sync) {
    let arcs = |v: NodeId| -> (&[u32], EdgeIds<'_>) {
        match way {
            Way::Into => (graph.in_neighbors(v), graph.in_edges(v)),
            Way::Out => (graph.out_neighbors(v), graph.out_edges(v)),
        }
    };
    let neighbors = |v| if way == Way::Into { graph.in_neighbors(v) } else { graph.out_neighbors(v) };
    let sum = |v: NodeId| -> f64 {
        if graph.is_weighted() {
            let (ends, edges) = arcs(v);
            ends.iter().zip(edges).fold(0.0, |sum, (&u, edge)| sum + graph.weight(edge) * x[u as usize])
        } else {
            neighbors(v).iter().fold(0.0, |sum, &u| sum + x[u as usize])
        }
    };
    y.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, y)| {
        for (i, y) in y.iter_mut().enumerate() {
            let v = chunk * CHUNK + i;
            *y = to(v, sum(NodeId(v as u32)));
        }
    });
}

/// Makes a vector one of length 1, unless it is nothing; answers with how long it was.
pub(super) fn normalise(x: &mut [f64]) -> f64 {
    // Scaled before it is squared: the square of a number may be more than a number can hold.
    let greatest =
        x.par_chunks(CHUNK).map(|x| x.iter().fold(0.0, |m: f64, x| m.max(x.abs()))).reduce(|| 0.0, f64::max);
    if greatest == 0.0 || !greatest.is_finite() {
        return greatest;
    }
    let length = greatest * added(x, |_, x| (x / greatest).powi(2)).sqrt();
    x.par_iter_mut().for_each(|x| *x /= length);
    length
}

/// How far two vectors are apart (L2).
pub(super) fn distance(x: &[f64], y: &[f64]) -> f64 {
    added(x, |v, x| (x - y[v]).powi(2)).sqrt()
}

/// The sum of what `of` makes of every entry, added in chunks of fixed length.
pub(super) fn added(x: &[f64], of: impl Fn(usize, f64) -> f64 + Sync) -> f64 {
    let chunks = x.par_chunks(CHUNK).enumerate();
    let sums: Vec<f64> = chunks
        .map(|(chunk, x)| x.iter().enumerate().fold(0.0, |sum, (i, &x)| sum + of(chunk * CHUNK + i, x)))
        .collect();
    sums.iter().sum()
}

/// All eigenvalues of a symmetric matrix, and their vectors, by Jacobi's rotations.
#[cfg(test)]
mod oracle {
    pub(super) fn greatest(n: usize, edges: &[(u32, u32)], weights: &[f64]) -> (f64, Vec<f64>) {
        let mut a = vec![vec![0.0; n]; n];
        for (i, &(u, v)) in edges.iter().enumerate() {
            let (u, v, weight) = (u as usize, v as usize, weights.get(i).copied().unwrap_or(1.0));
            a[u][v] += weight;
            if u != v {
                a[v][u] += weight;
            }
        }
        let mut vectors: Vec<Vec<f64>> =
            (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
        for _ in 0..100 {
            for p in 0..n {
                for q in p + 1..n {
                    if a[p][q].abs() < 1e-15 {
                        continue;
                    }
                    let theta = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                    let (s, c) = theta.sin_cos();
                    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                    for row in &mut a {
                        let (left, right) = row.split_at_mut(q);
                        turn(&mut left[p], &mut right[0]);
                    }
                    let (upper, lower) = a.split_at_mut(q);
                    upper[p].iter_mut().zip(&mut lower[0]).for_each(|(x, y)| turn(x, y));
                    for row in &mut vectors {
                        let (left, right) = row.split_at_mut(q);
                        turn(&mut left[p], &mut right[0]);
                    }
                }
            }
        }
        let greatest = (0..n).map(|i| a[i][i]).fold(f64::NEG_INFINITY, f64::max);
        // Equal scores, seen in the directions of all eigenvectors of the greatest eigenvalue.
        let mut scores = vec![0.0; n];
        for i in (0..n).filter(|&i| greatest - a[i][i] < 1e-9) {
            let share: f64 = vectors.iter().map(|row| row[i]).sum();
            scores.iter_mut().zip(&vectors).for_each(|(score, row)| *score += share * row[i]);
        }
        let length = scores.iter().map(|score| score * score).sum::<f64>().sqrt();
        (greatest, scores.iter().map(|score| score / length).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, on_threads, random_edges};

    fn run(graph: &Csr) -> Eigenvector {
        eigenvector(graph, &Context::silent()).expect("nobody asked to stop")
    }

    proptest! {
        #[test]
        fn scores_are_the_eigenvector_of_the_greatest_eigenvalue((n, edges) in random_edges(10, 30), seed in 0u64..1000) {
            let weights: Vec<f64> = (0..edges.len()).map(|i| 1.0 + ((seed + i as u64 * 7) % 5) as f64).collect();
            let found = run(&Csr::undirected(n, &edges, weights.clone()));
            let (eigenvalue, scores) = oracle::greatest(n, &edges, &weights);
            prop_assume!(found.converged);
            prop_assert!((found.eigenvalue - eigenvalue).abs() < 1e-6, "{} {eigenvalue}", found.eigenvalue);
            for (a, b) in found.scores.iter().zip(&scores) {
                prop_assert!((a - b).abs() < 1e-4, "{:?} {scores:?}", found.scores);
            }
        }
    }

    #[test]
    fn the_karate_club_has_the_scores_networkx_gives() {
        let (n, edges) = karate();
        let found = run(&Csr::undirected(n, &edges, vec![]));
        assert!((found.eigenvalue - 6.725_697_7).abs() < 1e-6, "{}", found.eigenvalue);
        for (node, expected) in [(0, 0.355_491), (33, 0.373_363), (2, 0.317_193), (16, 0.023_636)] {
            assert!((found.scores[node] - expected).abs() < 1e-6, "node {node}: {}", found.scores[node]);
        }
    }

    #[test]
    fn scores_follow_the_direction_of_edges() {
        // A cycle, and a node that is pointed at from it.
        let found = run(&Csr::directed(4, &[(0, 1), (1, 2), (2, 0), (0, 3)], vec![]));
        assert!((found.eigenvalue - 1.0).abs() < 1e-9);
        found.scores.iter().for_each(|score| assert!((score - 0.5).abs() < 1e-8, "{:?}", found.scores));
    }

    #[test]
    fn what_has_no_cycle_never_settles_and_nothing_is_nothing() {
        assert!(!run(&Csr::directed(3, &[(0, 1), (1, 2)], vec![])).converged);
        let nobody = run(&Csr::directed(0, &[], vec![]));
        assert!(nobody.converged && nobody.scores.is_empty());
        assert_eq!(run(&Csr::directed(4, &[], vec![])).scores, vec![0.5; 4]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> = (0..60_000u32).map(|i| (i % 9_000, i.wrapping_mul(7_919) % 9_000)).collect();
        let graph = Csr::directed(9_000, &edges, vec![]);
        assert_eq!(on_threads(1, || run(&graph)), on_threads(2, || run(&graph)));
    }
}
