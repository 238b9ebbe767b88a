//! Degrees and strengths: how many edges, and how much weight, enter and leave each node.
//!
//! The oldest centrality (L. C. Freeman: *Centrality in Social Networks: Conceptual Clarification*, 1978; weighted:
//! A. Barrat et al.: *The Architecture of Complex Weighted Networks*, 2004). Parallel edges add up; a self-loop counts
//! once in and once out. On an undirected graph in and out are equal.

use crate::graph::{Csr, EdgeIds, NodeId};

/// Degrees and strengths by node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Degrees {
    /// Arcs that enter.
    pub in_degree: Vec<u32>,
    /// Arcs that leave.
    pub out_degree: Vec<u32>,
    /// Weight that enters.
    pub in_strength: Vec<f64>,
    /// Weight that leaves.
    pub out_strength: Vec<f64>,
}

/// Counts and weighs the edges at every node. O(nodes + arcs); 24 bytes per node.
///
/// ```
/// use sonograph::{graph::Csr, studies::influence::degree::degrees};
///
/// let found = degrees(&Csr::directed(2, &[(0, 1), (0, 1)], vec![0.5, 2.0]));
/// assert_eq!((found.in_degree, found.out_strength), (vec![0, 2], vec![2.5, 0.0]));
/// ```
pub fn degrees(graph: &Csr) -> Degrees {
    // An empty `sum` of floats is -0, which would be written as such.
    let strength = |edges: EdgeIds<'_>| edges.fold(0.0, |sum, edge| sum + graph.weight(edge));
    let in_strength =
        |v| if graph.is_weighted() { strength(graph.in_edges(v)) } else { graph.in_degree(v) as f64 };
    let nodes = || (0..graph.node_count() as u32).map(NodeId);
    Degrees {
        in_degree: nodes().map(|v| graph.in_degree(v) as u32).collect(),
        out_degree: nodes().map(|v| graph.out_degree(v) as u32).collect(),
        in_strength: nodes().map(in_strength).collect(),
        out_strength: nodes().map(|v| strength(graph.out_edges(v))).collect(),
    }
}

/// Adds every edge to both its ends, one after another.
#[cfg(test)]
mod oracle {
    use super::Degrees;

    pub(super) fn degrees(n: usize, edges: &[(u32, u32)], weights: &[f64]) -> Degrees {
        let mut all = Degrees {
            in_degree: vec![0; n],
            out_degree: vec![0; n],
            in_strength: vec![0.0; n],
            out_strength: vec![0.0; n],
        };
        for (&(u, v), &w) in edges.iter().zip(weights) {
            all.out_degree[u as usize] += 1;
            all.in_degree[v as usize] += 1;
            all.out_strength[u as usize] += w;
            all.in_strength[v as usize] += w;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{karate, random_edges};

    proptest! {
        #[test]
        fn degrees_count_every_edge_at_both_ends((n, edges) in random_edges(20, 60)) {
            let weights: Vec<f64> = (0..edges.len()).map(|i| i as f64 / 4.0).collect();
            let found = degrees(&Csr::directed(n, &edges, weights.clone()));
            prop_assert_eq!(found, oracle::degrees(n, &edges, &weights));
        }
    }

    #[test]
    fn the_karate_club_has_its_known_degrees() {
        let (n, edges) = karate();
        let found = degrees(&Csr::undirected(n, &edges, vec![]));
        assert_eq!((found.in_degree[0], found.in_degree[33], found.out_degree[32]), (16, 17, 12));
        assert_eq!(found.in_degree.iter().sum::<u32>(), 2 * 78);
        assert_eq!(found.in_degree, found.out_degree);
    }

    #[test]
    fn a_self_loop_is_one_in_and_one_out() {
        let directed = degrees(&Csr::directed(1, &[(0, 0)], vec![]));
        assert_eq!((directed.in_degree, directed.out_degree), (vec![1], vec![1]));
        assert_eq!(degrees(&Csr::undirected(1, &[(0, 0)], vec![])).in_degree, vec![1]);
        assert!(degrees(&Csr::directed(0, &[], vec![])).in_degree.is_empty());
    }
}
