//! The cascade forest: from which earlier share each share came.
//!
//! Parents that a share names itself are kept as they are, inference never overrides them. The others are inferred from
//! whom the sharer follows, as in S. Goel, D. Watts, D. Goldstein: *The Structure of Online Diffusion Networks*, 2012:
//! among the followees who shared the same content strictly earlier, within a window, the latest (or the first). Ties
//! go to the smallest uid. A share without either is the root of a new cascade.
//!
//! Contents are gone through one after another with one array of positions by node, so a share costs what its sharer
//! follows: O(shares·log shares + Σ followees), 16 bytes per node and share.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::structural_virality::ROOT;
use crate::context::{Cancelled, Context, TICK_EVERY};
use crate::graph::{Csr, NodeId};

const MICROSECONDS_PER_DAY: f64 = 86_400e6;

/// How parents of shares are found.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Which parent a share has that names none
    #[arg(long, value_enum, default_value_t = Params::DEFAULT.parents)]
    pub parents: Parents,
    /// How long before a share its inferred parent may lie
    #[arg(long, value_name = "DAYS", default_value_t = Params::DEFAULT.window)]
    pub window: f64,
}

impl Params {
    /// The latest followee within a week.
    pub const DEFAULT: Self = Self { parents: Parents::Last, window: 7.0 };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which parent a share has that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parents {
    /// None: only parents that shares name count
    Explicit,
    /// The followee who shared it last before
    #[default]
    Last,
    /// The followee who shared it first
    First,
}

/// One person's first share of one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Any number that tells contents apart.
    pub content: u32,
    /// Node of the sharer in the follow graph.
    pub sharer: u32,
    /// When, in microseconds.
    pub at: i64,
    /// Rank of the sharer's uid: the smaller wins a tie.
    pub order: u32,
    /// What the share says about its parent.
    pub named: Named,
}

/// What a share says about its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Nothing.
    Nothing,
    /// It is this share, by index.
    Parent(u32),
    /// It is a share that is not among the data.
    Missing,
}

/// Where a share's parent is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It has none: the root of a cascade.
    Root,
    /// The share names it.
    Explicit,
    /// Inferred from whom the sharer follows.
    Inferred,
    /// The share names a parent that is missing, of another content, or its own descendant: a root all the same.
    Orphan,
}

/// Parents of shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forest {
    /// Parent by share, [`ROOT`] where there is none. Never a circle.
    pub parent: Vec<u32>,
    /// Where the parent is known from, by share.
    pub origin: Vec<Origin>,
}

/// Finds the parent of every share.
///
/// * `shares`: at most one per content and sharer, in any order.
/// * `follows`: arcs follower → followed, over the sharers' node ids.
///
/// Where named parents run in a circle (clocks and imports disagree), the earliest share of the circle becomes a root.
///
/// ```
/// use sonograph::{context::Context, graph::Csr};
/// use sonograph::studies::virality::cascade_forest::{Named, Params, Share, cascade_forest};
///
/// let share = |sharer, at| Share { content: 0, sharer, at, order: sharer, named: Named::Nothing };
/// let follows = Csr::directed(2, &[(1, 0)], vec![]);
/// let forest = cascade_forest(&[share(0, 10), share(1, 20)], &follows, &Params::DEFAULT, &Context::silent())?;
/// assert_eq!(forest.parent[1], 0);
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn cascade_forest(
    shares: &[Share],
    follows: &Csr,
    params: &Params,
    cx: &Context,
) -> Result<Forest, Cancelled> {
    let total = shares.len() as u64;
    let step = cx.step("cascades", Some(total));
    let window = (params.window * MICROSECONDS_PER_DAY) as i64;
    let mut forest = Forest { parent: vec![ROOT; shares.len()], origin: vec![Origin::Root; shares.len()] };

    let mut by_content: Vec<u32> = (0..shares.len() as u32).collect();
    by_content.sort_unstable_by_key(|&i| (shares[i as usize].content, i));
    let mut share_of = vec![ROOT; follows.node_count()];
    let mut done = 0u64;
    for group in by_content.chunk_by(|&a, &b| shares[a as usize].content == shares[b as usize].content) {
        for &i in group {
            share_of[shares[i as usize].sharer as usize] = i;
        }
        for &i in group {
            if done.is_multiple_of(TICK_EVERY) {
                step.tick(done, Some(total))?;
            }
            done += 1;
            let share = &shares[i as usize];
            let (parent, origin) = match share.named {
                Named::Parent(p) if p != i && shares[p as usize].content == share.content => {
                    (p, Origin::Explicit)
                }
                Named::Parent(_) | Named::Missing => (ROOT, Origin::Orphan),
                Named::Nothing => match infer(share, shares, follows, &share_of, params.parents, window) {
                    Some(p) => (p, Origin::Inferred),
                    None => (ROOT, Origin::Root),
                },
            };
            (forest.parent[i as usize], forest.origin[i as usize]) = (parent, origin);
        }
        for &i in group {
            share_of[shares[i as usize].sharer as usize] = ROOT;
        }
    }
    cut_circles(&mut forest, shares);
    Ok(forest)
}

fn infer(
    share: &Share,
    shares: &[Share],
    follows: &Csr,
    share_of: &[u32],
    parents: Parents,
    window: i64,
) -> Option<u32> {
    let followed = follows.out_neighbors(NodeId(share.sharer)).iter().map(|&w| share_of[w as usize]);
    let candidates = followed.filter(|&p| p != ROOT).filter(|&p| {
        let before = share.at.saturating_sub(shares[p as usize].at);
        before > 0 && before <= window
    });
    let (at, order) = (|p: &u32| shares[*p as usize].at, |p: &u32| shares[*p as usize].order);
    match parents {
        Parents::Explicit => None,
        Parents::Last => candidates.min_by_key(|p| (std::cmp::Reverse(at(p)), order(p))),
        Parents::First => candidates.min_by_key(|p| (at(p), order(p))),
    }
}

/// Makes the earliest share of every circle a root.
fn cut_circles(forest: &mut Forest, shares: &[Share]) {
    const NEW: u32 = 0;
    let mut walk = vec![NEW; shares.len()];
    for start in 0..shares.len() as u32 {
        let this_walk = start + 1;
        let mut at = start;
        while at != ROOT && walk[at as usize] == NEW {
            walk[at as usize] = this_walk;
            at = forest.parent[at as usize];
        }
        if at == ROOT || walk[at as usize] != this_walk {
            continue;
        }
        let (mut first, mut v) = (at, forest.parent[at as usize]);
        while v != at {
            let key = |i: u32| (shares[i as usize].at, shares[i as usize].order, i);
            if key(v) < key(first) {
                first = v;
            }
            v = forest.parent[v as usize];
        }
        (forest.parent[first as usize], forest.origin[first as usize]) = (ROOT, Origin::Orphan);
    }
}

/// Compares every share with every other.
#[cfg(test)]
mod oracle {
    use super::{MICROSECONDS_PER_DAY, Named, Params, Parents, Share};

    pub(super) fn parent(i: usize, shares: &[Share], arcs: &[(u32, u32)], params: &Params) -> Option<usize> {
        let me = &shares[i];
        match me.named {
            Named::Parent(p) if p as usize != i && shares[p as usize].content == me.content => {
                Some(p as usize)
            }
            Named::Parent(_) | Named::Missing => None,
            Named::Nothing => {
                let mut candidates: Vec<usize> = (0..shares.len())
                    .filter(|&j| shares[j].content == me.content && shares[j].at < me.at)
                    .filter(|&j| (me.at - shares[j].at) as f64 <= params.window * MICROSECONDS_PER_DAY)
                    .filter(|&j| arcs.contains(&(me.sharer, shares[j].sharer)))
                    .collect();
                candidates.sort_by_key(|&j| (shares[j].at, shares[j].order));
                match params.parents {
                    Parents::Explicit => None,
                    Parents::First => candidates.first().copied(),
                    Parents::Last => {
                        let latest = shares[*candidates.last()?].at;
                        candidates.into_iter().find(|&j| shares[j].at == latest)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{on_threads, random_edges};
    use crate::studies::virality::structural_virality::shapes;

    fn run(shares: &[Share], follows: &Csr, params: &Params) -> Forest {
        cascade_forest(shares, follows, params, &Context::silent()).expect("nobody asked to stop")
    }

    /// A share of content 0 that names nothing.
    fn share(sharer: u32, at: i64) -> Share {
        Share { content: 0, sharer, at, order: sharer, named: Named::Nothing }
    }

    fn named(sharer: u32, at: i64, parent: u32) -> Share {
        Share { named: Named::Parent(parent), ..share(sharer, at) }
    }

    const DAY: i64 = MICROSECONDS_PER_DAY as i64;

    proptest! {
        #[test]
        fn parents_are_the_best_of_all_earlier_shares(
            (n, arcs) in random_edges(8, 40),
            draws in prop::collection::vec((0u32..3, 0u32..8, 0i64..12), 0..30),
            parents in prop::sample::select(&[Parents::Explicit, Parents::Last, Parents::First]),
            naming in prop::collection::vec(0u32..60, 30),
        ) {
            let mut once = BTreeSet::new();
            let mut shares: Vec<Share> = draws
                .iter()
                .map(|&(content, sharer, day)| (content, sharer % n as u32, day))
                .filter(|&(content, sharer, _)| once.insert((content, sharer)))
                .map(|(content, sharer, day)| Share { content, order: 99 - sharer, ..share(sharer, day * DAY) })
                .collect();
            // Some name a share that lies before them in the list, which cannot make a circle with inference off.
            for i in 0..shares.len() {
                shares[i].named = match naming[i] {
                    0..6 => Named::Missing,
                    name if parents == Parents::Explicit && (name as usize) < i + 6 => Named::Parent(name - 6),
                    _ => Named::Nothing,
                };
            }
            let params = Params { parents, window: 4.0 };
            let graph = Csr::directed(n, &arcs, vec![]);
            let found = run(&shares, &graph, &params);
            for i in 0..shares.len() {
                let expected = oracle::parent(i, &shares, &arcs, &params).map_or(ROOT, |p| p as u32);
                prop_assert_eq!(found.parent[i], expected);
            }
            prop_assert_eq!(on_threads(1, || run(&shares, &graph, &params)), on_threads(2, || run(&shares, &graph, &params)));
        }

        #[test]
        fn whatever_shares_name_there_is_no_circle(
            (n, arcs) in random_edges(12, 40),
            draws in prop::collection::vec((0i64..6, 0u32..14), 12),
        ) {
            let shares: Vec<Share> = (0..n as u32)
                .map(|i| {
                    let (at, name) = draws[i as usize];
                    let share = share(i, at);
                    if name < n as u32 { Share { named: Named::Parent(name), ..share } } else { share }
                })
                .collect();
            let forest = run(&shares, &Csr::directed(n, &arcs, vec![]), &Params::DEFAULT);
            // `shapes` refuses circles.
            prop_assert_eq!(shapes(&forest.parent).tree.len(), n);
            for (&parent, &origin) in forest.parent.iter().zip(&forest.origin) {
                prop_assert_eq!(parent == ROOT, matches!(origin, Origin::Root | Origin::Orphan));
            }
        }
    }

    #[test]
    fn a_named_parent_is_never_overridden() {
        // 2 follows 1, who shared last, but says it was 0; and 3 names a share nobody has.
        let follows = Csr::directed(4, &[(2, 1), (3, 1)], vec![]);
        let missing = Share { named: Named::Missing, ..share(3, 4) };
        let forest = run(&[share(0, 1), share(1, 2), named(2, 3, 0), missing], &follows, &Params::DEFAULT);
        assert_eq!(forest.parent, [ROOT, ROOT, 0, ROOT]);
        assert_eq!(forest.origin, [Origin::Root, Origin::Root, Origin::Explicit, Origin::Orphan]);
    }

    #[test]
    fn a_parent_of_another_content_makes_an_orphan() {
        let other = Share { content: 7, ..share(0, 1) };
        let forest = run(&[other, named(1, 2, 0)], &Csr::directed(2, &[], vec![]), &Params::DEFAULT);
        assert_eq!((forest.parent[1], forest.origin[1]), (ROOT, Origin::Orphan));
    }

    #[test]
    fn ties_go_to_the_smallest_uid_and_the_window_is_closed() {
        let follows = Csr::directed(3, &[(2, 1), (2, 0)], vec![]);
        let (mut a, b) = (share(0, 0), share(1, 0));
        a.order = 9;
        let week = Params::DEFAULT;
        assert_eq!(run(&[a, b, share(2, 7 * DAY)], &follows, &week).parent[2], 1);
        assert_eq!(run(&[a, b, share(2, 7 * DAY + 1)], &follows, &week).parent[2], ROOT);
        assert_eq!(run(&[a, b, share(2, 0)], &follows, &week).parent[2], ROOT);
    }

    #[test]
    fn the_earliest_share_of_a_circle_becomes_its_root() {
        let nobody = Csr::directed(4, &[], vec![]);
        let forest =
            run(&[named(0, 5, 1), named(1, 3, 2), named(2, 4, 0), named(3, 6, 0)], &nobody, &Params::DEFAULT);
        assert_eq!(forest.parent, [1, ROOT, 0, 0]);
        let own = run(&[named(0, 5, 0)], &nobody, &Params::DEFAULT);
        assert_eq!((own.parent[0], own.origin[0]), (ROOT, Origin::Orphan));
    }

    #[test]
    fn no_share_is_no_forest_and_a_long_chain_is_one() {
        assert_eq!(run(&[], &Csr::directed(0, &[], vec![]), &Params::DEFAULT), Forest::default());
        let n = 200_000u32;
        let shares: Vec<Share> = (0..n).map(|v| share(v, i64::from(v))).collect();
        let follows: Vec<_> = (1..n).map(|v| (v, v - 1)).collect();
        let forest = run(&shares, &Csr::directed(n as usize, &follows, vec![]), &Params::DEFAULT);
        assert_eq!(shapes(&forest.parent).trees[0].depth, n - 1);
    }
}
