//! One ranking out of several, and how far it hangs on any one of them.
//!
//! Borda's count (J.-C. de Borda: *Mémoire sur les élections au scrutin*, 1781; for rankings of the web C. Dwork, R. Kumar, M. Naor,
//! D. Sivakumar: *Rank Aggregation Methods for the Web*, 2001): a node scores, in every ranking, the share of the others of its
//! kind that it stands above, equals counting half, and in the end the mean of these. Only the order within a ranking
//! counts, not its scale, which differs by powers of ten between centralities. The band is the jackknife's (M. H. Quenouille:
//! *Notes on Bias in Estimation*, 1956): the best and the worst rank with each ranking left out in turn.

/// The ranking of all, and where it would have been otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// By node: from 0, below all others of its kind in every ranking, to 1, above all; 1 for who is alone.
    pub scores: Vec<f64>,
    /// By node: 1 more than the number of its kind with a higher score.
    pub ranks: Vec<u32>,
    /// The best and the worst rank with one of the rankings left out, or with none.
    pub bands: Vec<(u32, u32)>,
    /// By node: the ranking whose view of it is farthest from the mean of all; of equally far ones the first.
    pub at_odds: Vec<u8>,
}

/// Joins `rankings` (each a value by node, the higher the better) within each of the `kinds` (a number by node).
///
/// O(rankings·nodes·log nodes); 8 bytes per node and ranking and 32 per node.
///
/// # Panics
///
/// When there is no ranking, or one has another length than `kinds`.
///
/// ```
/// use sonograph::studies::influence::rank_aggregation::rank_aggregation;
///
/// // Of three persons one comes first and second; the event is alone.
/// let found = rank_aggregation(&[&[9.0, 5.0, 1.0, 7.0], &[2.0, 3.0, 1.0, 7.0]], &[0, 0, 0, 1]);
/// assert_eq!(found.scores, [0.75, 0.75, 0.0, 1.0]);
/// assert_eq!(found.bands[0], (1, 2));
/// ```
pub fn rank_aggregation(rankings: &[&[f64]], kinds: &[u32]) -> Ranked {
    let n = kinds.len();
    let views: Vec<Vec<u32>> = rankings.iter().map(|values| points(values, kinds)).collect();
    let mut sums = vec![0u64; n];
    for view in &views {
        sums.iter_mut().zip(view).for_each(|(sum, &points)| *sum += u64::from(points));
    }
    let ranks = places(&sums, kinds);
    let mut bands: Vec<(u32, u32)> = ranks.iter().map(|&rank| (rank, rank)).collect();
    if views.len() > 1 {
        for view in &views {
            let others: Vec<u64> =
                sums.iter().zip(view).map(|(sum, &points)| sum - u64::from(points)).collect();
            for (band, rank) in bands.iter_mut().zip(places(&others, kinds)) {
                *band = (band.0.min(rank), band.1.max(rank));
            }
        }
    }
    let at_odds = |v: usize| {
        let off = |i: &usize| (u64::from(views[*i][v]) * views.len() as u64).abs_diff(sums[v]);
        (0..views.len()).rev().max_by_key(off).expect("there is a ranking") as u8
    };
    let mut sizes = vec![0u32; kinds.iter().max().map_or(0, |&kind| kind as usize + 1)];
    for &kind in kinds {
        sizes[kind as usize] += 1;
    }
    let score = |v: usize| match sizes[kinds[v] as usize] {
        1 => 1.0,
        size => sums[v] as f64 / (2 * u64::from(size - 1) * views.len() as u64) as f64,
    };
    Ranked { scores: (0..n).map(score).collect(), ranks, bands, at_odds: (0..n).map(at_odds).collect() }
}

/// By node, twice the number of others of its kind that it is above, equals counting half.
fn points(values: &[f64], kinds: &[u32]) -> Vec<u32> {
    // What compares as the order of numbers compares as whole numbers, too.
    let keys: Vec<u64> = values
        .iter()
        .map(|value| {
            let bits = (value + 0.0).to_bits();
            if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
        })
        .collect();
    let mut points = vec![0; keys.len()];
    by_kind(&keys, kinds, |v, below, equals, _| points[v] = (2 * below + equals - 1) as u32);
    points
}

/// By node, 1 more than the number of its kind with a higher value.
fn places(values: &[u64], kinds: &[u32]) -> Vec<u32> {
    let mut places = vec![0; values.len()];
    by_kind(values, kinds, |v, below, equals, all| places[v] = (all - below - equals) as u32 + 1);
    places
}

/// Tells of every node how many of its kind have a lower value, how many the same (itself among them), and how many there are.
fn by_kind(values: &[u64], kinds: &[u32], mut tell: impl FnMut(usize, usize, usize, usize)) {
    assert_eq!(values.len(), kinds.len(), "a ranking has a value for every node");
    let mut order: Vec<u32> = (0..kinds.len() as u32).collect();
    order.sort_unstable_by_key(|&v| (kinds[v as usize], values[v as usize]));
    for kind in order.chunk_by(|a, b| kinds[*a as usize] == kinds[*b as usize]) {
        let mut below = 0;
        for equals in kind.chunk_by(|a, b| values[*a as usize] == values[*b as usize]) {
            for &v in equals {
                tell(v as usize, below, equals.len(), kind.len());
            }
            below += equals.len();
        }
    }
}

/// Every two of a kind against each other.
#[cfg(test)]
mod oracle {
    pub(super) fn score(rankings: &[&[f64]], kinds: &[u32], v: usize) -> f64 {
        let others: Vec<usize> = (0..kinds.len()).filter(|&u| u != v && kinds[u] == kinds[v]).collect();
        if others.is_empty() {
            return 1.0;
        }
        let wins = |values: &[f64]| -> f64 {
            let win = |&u: &usize| match values[v].partial_cmp(&values[u]) {
                Some(std::cmp::Ordering::Greater) => 1.0,
                Some(std::cmp::Ordering::Equal) => 0.5,
                _ => 0.0,
            };
            others.iter().map(win).sum()
        };
        let all: f64 = rankings.iter().map(|values| wins(values)).sum();
        all / (others.len() * rankings.len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rankings() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<u32>)> {
        (1..12usize, 1..5usize).prop_flat_map(|(n, count)| {
            let values = prop::collection::vec((0..6u8).prop_map(f64::from), n);
            (prop::collection::vec(values, count), prop::collection::vec(0..3u32, n))
        })
    }

    proptest! {
        #[test]
        fn every_two_of_a_kind_are_compared((rankings, kinds) in rankings()) {
            let all: Vec<&[f64]> = rankings.iter().map(Vec::as_slice).collect();
            let found = rank_aggregation(&all, &kinds);
            for v in 0..kinds.len() {
                let expected = oracle::score(&all, &kinds, v);
                prop_assert!((found.scores[v] - expected).abs() < 1e-12, "{v}: {found:?}");
                let mut all_ranks = vec![];
                for left_out in 0..=all.len() {
                    let mut some = all.clone();
                    if left_out < all.len() && all.len() > 1 {
                        some.remove(left_out);
                    }
                    let of = |u| oracle::score(&some, &kinds, u);
                    let higher = (0..kinds.len()).filter(|&u| kinds[u] == kinds[v] && of(u) > of(v) + 1e-12);
                    all_ranks.push(1 + higher.count() as u32);
                }
                prop_assert_eq!(found.ranks[v], all_ranks[all.len()]);
                let band = (*all_ranks.iter().min().expect("ranks"), *all_ranks.iter().max().expect("ranks"));
                prop_assert_eq!(found.bands[v], band);
            }
        }
    }

    #[test]
    fn who_is_first_everywhere_has_one_and_no_band() {
        let (a, b) = ([3.0, 2.0, 1.0], [30.0, 10.0, 20.0]);
        let found = rank_aggregation(&[&a, &b], &[0; 3]);
        assert_eq!(found.scores, [1.0, 0.25, 0.25]);
        assert_eq!((found.ranks, &found.bands[..]), (vec![1, 2, 2], &[(1, 1), (2, 3), (2, 3)][..]));
        assert_eq!(found.at_odds, [0, 0, 0]);
        assert_eq!(rank_aggregation(&[&[]], &[]).scores, [] as [f64; 0]);
        assert_eq!(rank_aggregation(&[&a], &[0; 3]).bands[2], (3, 3));
    }
}
