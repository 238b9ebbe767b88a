//! Shape of cascades: size, depth, breadth and structural virality of every tree of a forest.
//!
//! S. Goel, A. Anderson, J. Hofman, D. Watts: *The Structural Virality of Online Diffusion*, 2016. The average distance
//! between two nodes of a tree of n is v = 2W/(n(n−1)) with W = Σ s(n−s) over its edges, s the nodes below the edge: one
//! pass from the leaves up, O(n), where comparing all pairs takes O(n²). W passes 2⁶⁴ on a chain of 4.8 million, so it is
//! summed in 128 bits. Levels are walked as lists, never by recursion: a chain is as deep as it is long.

/// No parent: the root of a tree.
pub const ROOT: u32 = u32::MAX;

/// Shapes of the trees of a forest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shapes {
    /// The trees, by root rising.
    pub trees: Vec<Shape>,
    /// Tree by node: index into `trees`.
    pub tree: Vec<u32>,
    /// Steps from the root by node.
    pub depth: Vec<u32>,
    /// Number of nodes by depth, over all trees.
    pub generations: Vec<u64>,
}

/// The shape of one tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Its root.
    pub root: u32,
    /// Nodes in it.
    pub size: u32,
    /// Steps from the root to the deepest node.
    pub depth: u32,
    /// Most nodes at one depth.
    pub breadth: u32,
    /// Mean distance between two nodes; 0 for a single one.
    pub structural_virality: f64,
}

/// Measures every tree of a forest given by the parent of each node ([`ROOT`]: none).
///
/// O(nodes); 24 bytes per node.
///
/// # Panics
///
/// When a parent is not a node, or parents run in a circle.
///
/// ```
/// use sonograph::studies::virality::structural_virality::{ROOT, shapes};
///
/// let star = shapes(&[ROOT, 0, 0, 0]);
/// assert_eq!((star.trees[0].size, star.trees[0].structural_virality), (4, 1.5));
/// ```
pub fn shapes(parent: &[u32]) -> Shapes {
    let n = parent.len();
    let depth = depths(parent);
    let deepest = depth.iter().max().map_or(0, |&d| d as usize + 1);
    let mut generations = vec![0u64; deepest];
    for &d in &depth {
        generations[d as usize] += 1;
    }

    // Nodes level by level, roots first.
    let mut next: Vec<u64> =
        generations.iter().scan(0, |at, &count| Some(std::mem::replace(at, *at + count))).collect();
    let mut by_depth = vec![0u32; n];
    for (v, &d) in depth.iter().enumerate() {
        by_depth[next[d as usize] as usize] = v as u32;
        next[d as usize] += 1;
    }

    let mut tree = vec![0u32; n];
    let mut trees = Vec::new();
    for &v in &by_depth {
        tree[v as usize] = if parent[v as usize] == ROOT {
            trees.push(Shape { root: v, size: 0, depth: 0, breadth: 0, structural_virality: 0.0 });
            trees.len() as u32 - 1
        } else {
            tree[parent[v as usize] as usize]
        };
    }
    breadths(&by_depth, &depth, &tree, &mut trees);

    let mut below = vec![1u32; n];
    let mut apart = vec![0u128; trees.len()];
    for &v in by_depth.iter().rev() {
        if parent[v as usize] != ROOT {
            let (s, in_tree) = (below[v as usize], tree[v as usize] as usize);
            below[parent[v as usize] as usize] += s;
            apart[in_tree] += u128::from(s) * u128::from(trees[in_tree].size - s);
        }
    }
    for (shape, w) in trees.iter_mut().zip(apart) {
        let n = f64::from(shape.size);
        if shape.size > 1 {
            shape.structural_virality = 2.0 * w as f64 / (n * (n - 1.0));
        }
    }
    Shapes { trees, tree, depth, generations }
}

/// Steps to the root by node: walks up to the first node that knows its own, then writes the way back down.
fn depths(parent: &[u32]) -> Vec<u32> {
    const UNKNOWN: u32 = u32::MAX;
    let mut depth = vec![UNKNOWN; parent.len()];
    let mut way = Vec::new();
    for v in 0..parent.len() as u32 {
        let mut at = v;
        while depth[at as usize] == UNKNOWN && parent[at as usize] != ROOT {
            way.push(at);
            assert!(way.len() <= parent.len(), "parents run in a circle through node {at}");
            at = parent[at as usize];
        }
        if parent[at as usize] == ROOT {
            depth[at as usize] = 0;
        }
        let mut steps = depth[at as usize];
        while let Some(w) = way.pop() {
            steps += 1;
            depth[w as usize] = steps;
        }
    }
    depth
}

/// Sets size, depth and breadth: counts each tree's nodes of one level, then clears the counts of that level.
fn breadths(by_depth: &[u32], depth: &[u32], tree: &[u32], trees: &mut [Shape]) {
    let mut count = vec![0u32; trees.len()];
    for level in by_depth.chunk_by(|&a, &b| depth[a as usize] == depth[b as usize]) {
        for &v in level {
            let t = tree[v as usize] as usize;
            count[t] += 1;
            trees[t].size += 1;
            trees[t].depth = depth[v as usize];
            trees[t].breadth = trees[t].breadth.max(count[t]);
        }
        for &v in level {
            count[tree[v as usize] as usize] = 0;
        }
    }
}

/// Distances between all pairs of a tree, by flooding from every node.
#[cfg(test)]
mod oracle {
    use std::collections::VecDeque;

    use super::ROOT;

    /// Mean distance over all pairs of different nodes that hang together, by node of the tree asked about.
    pub(super) fn mean_distance(parent: &[u32], root: u32) -> f64 {
        let n = parent.len();
        let mut beside = vec![vec![]; n];
        for (v, &p) in parent.iter().enumerate() {
            if p != ROOT {
                beside[v].push(p as usize);
                beside[p as usize].push(v);
            }
        }
        let flood = |from: usize| {
            let mut hops = vec![None; n];
            hops[from] = Some(0u32);
            let mut queue = VecDeque::from([from]);
            while let Some(v) = queue.pop_front() {
                for &w in &beside[v] {
                    if hops[w].is_none() {
                        hops[w] = hops[v].map(|h| h + 1);
                        queue.push_back(w);
                    }
                }
            }
            hops
        };
        let members: Vec<usize> = (0..n).filter(|&v| flood(root as usize)[v].is_some()).collect();
        let total: u32 = members.iter().flat_map(|&v| flood(v)).flatten().sum();
        let pairs = members.len() * (members.len() - 1);
        if pairs == 0 { 0.0 } else { f64::from(total) / pairs as f64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::on_threads;

    /// Parents among smaller nodes, some roots, in an order that hides it.
    fn forests() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(0u32..1_000, 1..30).prop_map(|draws| {
            let n = draws.len() as u32;
            let flip = |v: u32| n - 1 - v;
            let mut parent = vec![ROOT; draws.len()];
            for (v, &draw) in draws.iter().enumerate().skip(1) {
                if draw % 5 != 0 {
                    parent[flip(v as u32) as usize] = flip(draw % v as u32);
                }
            }
            parent
        })
    }

    proptest! {
        #[test]
        fn structural_virality_is_the_mean_distance_between_two_sharers(parent in forests()) {
            let found = shapes(&parent);
            for shape in &found.trees {
                let expected = oracle::mean_distance(&parent, shape.root);
                prop_assert!((shape.structural_virality - expected).abs() < 1e-12);
            }
            prop_assert_eq!(found.trees.iter().map(|t| t.size as usize).sum::<usize>(), parent.len());
            prop_assert_eq!(found.generations.iter().sum::<u64>() as usize, parent.len());
            prop_assert!(found.trees.is_sorted_by_key(|t| t.root));
            prop_assert_eq!(on_threads(1, || shapes(&parent)), on_threads(2, || shapes(&parent)));
        }
    }

    fn only(parent: &[u32]) -> Shape {
        let found = shapes(parent);
        assert_eq!(found.trees.len(), 1);
        found.trees[0]
    }

    #[test]
    fn stars_chains_pairs_and_single_shares_have_their_closed_forms() {
        assert!(shapes(&[]).trees.is_empty());
        let single = only(&[ROOT]);
        assert_eq!((single.size, single.depth, single.breadth, single.structural_virality), (1, 0, 1, 0.0));
        assert!((only(&[ROOT, 0]).structural_virality - 1.0).abs() < 1e-15);
        for n in [3u32, 10, 57] {
            let star: Vec<u32> = (0..n).map(|v| if v == 0 { ROOT } else { 0 }).collect();
            let star = only(&star);
            assert_eq!((star.depth, star.breadth), (1, n - 1));
            assert!((star.structural_virality - 2.0 * f64::from(n - 1) / f64::from(n)).abs() < 1e-12);
            let chain: Vec<u32> = (0..n).map(|v| v.wrapping_sub(1)).collect();
            let chain = only(&chain);
            assert_eq!((chain.depth, chain.breadth), (n - 1, 1));
            assert!((chain.structural_virality - f64::from(n + 1) / 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_chain_of_five_million_neither_overflows_nor_recurses() {
        let n = 5_000_000u32;
        let chain: Vec<u32> = (0..n).map(|v| if v + 1 == n { ROOT } else { v + 1 }).collect();
        let shape = only(&chain);
        assert_eq!(shape.depth, n - 1);
        assert!((shape.structural_virality / (f64::from(n + 1) / 3.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "parents run in a circle")]
    fn a_circle_is_refused() {
        shapes(&[1, 2, 0]);
    }
}
