//! Claim stages: how long things stay unclaimed, pending and claimed, where they go next, and which moves cannot be.
//!
//! The moves of every thing are walked in order of time. What leaves a stage has stayed there from its entry; what
//! is still there is an open stay, counted but in no median, because it has not ended. Everything begins unclaimed at an
//! unknown time, so the first stay has no length. The interval of a median is that of order statistics (W. J. Conover:
//! *Practical Nonparametric Statistics*, 1971): exact, without a model of waiting times, and absent below six stays. O(m·log m).

/// A stage of the claim funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody has asked for it.
    Unclaimed,
    /// Somebody has asked; nobody has decided.
    Pending,
    /// It has an owner.
    Claimed,
}

impl Stage {
    /// All of them, in the order of the funnel.
    pub const ALL: [Self; 3] = [Self::Unclaimed, Self::Pending, Self::Claimed];

    /// As the register writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::Pending => "pending",
            Self::Claimed => "claimed",
        }
    }

    /// The stage of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// The next stage of the funnel.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Unclaimed => Some(Self::Pending),
            Self::Pending => Some(Self::Claimed),
            Self::Claimed => None,
        }
    }
}

/// Whether the funnel knows this move: asked for, granted, rejected or released.
pub fn is_legal(from: Option<Stage>, to: Option<Stage>) -> bool {
    use Stage::{Claimed, Pending, Unclaimed};
    let legal = [(Unclaimed, Pending), (Pending, Claimed), (Pending, Unclaimed), (Claimed, Unclaimed)];
    from.zip(to).is_some_and(|step| legal.contains(&step))
}

/// A thing moves from one stage to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The thing; any number that is its own.
    pub of: u32,
    /// When, microseconds.
    pub at: i64,
    /// From where; `None`: no known stage.
    pub from: Option<Stage>,
    /// Where to.
    pub to: Option<Stage>,
}

/// A thing was in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The thing.
    pub of: u32,
    /// The stage.
    pub stage: Stage,
    /// Since when; `None`: from the beginning.
    pub entered: Option<i64>,
    /// When and where to it left; `None`: it is still there.
    pub left: Option<(i64, Stage)>,
}

impl Stay {
    /// How long it was, in seconds, where both ends are known.
    pub fn seconds(&self) -> Option<f64> {
        Some(self.left?.0.saturating_sub(self.entered?) as f64 / 1e6)
    }
}

/// What is wrong with a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The funnel knows no such move.
    Illegal,
    /// It leaves another stage than the one the thing was in.
    Gap,
}

/// The walk of all things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// By thing, then by time.
    pub stays: Vec<Stay>,
    /// Position of the move in the list given, and what is wrong with it; by position.
    pub faults: Vec<(usize, Fault)>,
    /// The last move of every thing, by position, in the order of the things.
    pub last: Vec<usize>,
}

/// Walks every thing through its moves.
///
/// Moves of one thing at the very same time are taken in the order in which they fit together, else in the order given.
/// After a gap the stage before has no known end, so that stay is dropped.
///
/// ```
/// use sonograph::studies::discovery::claim_stages::{Move, Stage, walk};
///
/// let step = |at, from, to| Move { of: 0, at, from: Some(from), to: Some(to) };
/// let found = walk(&[step(5, Stage::Unclaimed, Stage::Pending), step(9, Stage::Pending, Stage::Claimed)]);
/// assert_eq!((found.stays.len(), found.faults.len(), found.stays[1].entered), (3, 0, Some(5)));
/// ```
pub fn walk(moves: &[Move]) -> Walk {
    let mut order: Vec<usize> = (0..moves.len()).collect();
    order.sort_by_key(|&i| (moves[i].of, moves[i].at, i));
    let mut found = Walk::default();
    for of_one in order.chunk_by_mut(|&a, &b| moves[a].of == moves[b].of) {
        let (mut stage, mut entered) = (Some(Stage::Unclaimed), None);
        for k in 0..of_one.len() {
            let at = moves[of_one[k]].at;
            let fits = of_one[k..]
                .iter()
                .take_while(|&&i| moves[i].at == at)
                .position(|&i| moves[i].from == stage)
                .unwrap_or(0);
            of_one[k..=k + fits].rotate_right(1);
            let this = moves[of_one[k]];
            if !is_legal(this.from, this.to) {
                found.faults.push((of_one[k], Fault::Illegal));
            }
            if this.from != stage {
                found.faults.push((of_one[k], Fault::Gap));
            } else if let Some((stage, to)) = stage.zip(this.to) {
                found.stays.push(Stay { of: this.of, stage, entered, left: Some((at, to)) });
            }
            (stage, entered) = (this.to, Some(at));
        }
        let last = of_one[of_one.len() - 1];
        found.stays.extend(stage.map(|stage| Stay { of: moves[last].of, stage, entered, left: None }));
        found.last.push(last);
    }
    found.faults.sort_unstable();
    found
}

/// The middle of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Median {
    /// The middle value; of an even number the mean of the middle two.
    pub value: f64,
    /// At least 95 % sure to hold the median they were drawn from; `None` below six values.
    pub interval: Option<(f64, f64)>,
    /// How many values there are.
    pub n: u64,
}

/// The median with its interval; `None` of nothing.
pub fn median(mut values: Vec<f64>) -> Option<Median> {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    let (&low, &high) = (values.get(n.checked_sub(1)? / 2)?, values.get(n / 2)?);
    // The r-th smallest and r-th largest hold the median unless fewer than r values fall on one side of it.
    let (mut rank, mut outside) = (0, 0.0);
    let mut log_share = -(n as f64) * std::f64::consts::LN_2;
    while rank < n {
        outside += log_share.exp();
        if outside > 0.025 {
            break;
        }
        log_share += ((n - rank) as f64 / (rank + 1) as f64).ln();
        rank += 1;
    }
    let interval = (rank > 0).then(|| (values[rank - 1], values[n - rank]));
    Some(Median { value: f64::midpoint(low, high), interval, n: n as u64 })
}

/// Looks at every thing at every moment, and tosses every coin.
#[cfg(test)]
mod oracle {
    use super::{Move, Stage};

    /// The stage of `of` after its moves up to `at`, which differ in time.
    pub(super) fn stage_at(moves: &[Move], of: u32, at: i64) -> Option<Stage> {
        let past = moves.iter().filter(|m| m.of == of && m.at <= at);
        past.max_by_key(|m| m.at).map_or(Some(Stage::Unclaimed), |m| m.to)
    }

    /// The chance that fewer than `rank` of `n` coins show heads, by all 2ⁿ outcomes.
    pub(super) fn fewer_than(rank: u32, n: u32) -> f64 {
        let few = (0u32..1 << n).filter(|coins| coins.count_ones() < rank).count();
        few as f64 / f64::from(1u32 << n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let stage = || prop::option::weighted(0.95, prop::sample::select(Stage::ALL.to_vec()));
        let one = (0..3u32, stage(), stage());
        prop::collection::vec(one, 0..20).prop_map(|all| {
            let one = |(at, (of, from, to))| Move { of, at, from, to };
            (0..).zip(all).map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn during_a_stay_the_thing_is_in_that_stage(moves in moves()) {
            let found = walk(&moves);
            for stay in &found.stays {
                let (from, until) = (stay.entered.unwrap_or(-1), stay.left.map_or(99, |(at, _)| at));
                for at in from..until {
                    prop_assert_eq!(oracle::stage_at(&moves, stay.of, at), Some(stay.stage));
                }
            }
            for &(i, fault) in &found.faults {
                let before = oracle::stage_at(&moves, moves[i].of, moves[i].at - 1);
                match fault {
                    Fault::Illegal => prop_assert!(!is_legal(moves[i].from, moves[i].to)),
                    Fault::Gap => prop_assert_ne!(before, moves[i].from),
                }
            }
            // Every move either has a fault or ends a stay.
            let gaps = found.faults.iter().filter(|(_, fault)| *fault == Fault::Gap).count();
            let ended = found.stays.iter().filter(|stay| stay.left.is_some()).count();
            let to_nowhere = moves.iter().filter(|m| m.from.is_none() || m.to.is_none()).count();
            prop_assert!(ended + gaps + to_nowhere >= moves.len());
        }
    }

    #[test]
    fn moves_of_one_moment_are_taken_in_the_order_that_fits() {
        let step = |from, to| Move { of: 1, at: 7, from: Some(from), to: Some(to) };
        let back = step(Stage::Pending, Stage::Unclaimed);
        let forth = step(Stage::Unclaimed, Stage::Pending);
        let found = walk(&[back, forth, step(Stage::Pending, Stage::Claimed), forth]);
        assert!(found.faults.is_empty(), "{:?}", found.faults);
        assert_eq!(found.last, [2]);
    }

    #[test]
    fn a_gap_and_an_illegal_move_are_told_apart() {
        let step = |at, from, to| Move { of: 1, at, from: Some(from), to: Some(to) };
        let found = walk(&[step(1, Stage::Pending, Stage::Claimed), step(2, Stage::Claimed, Stage::Pending)]);
        assert_eq!(found.faults, [(0, Fault::Gap), (1, Fault::Illegal)]);
    }

    #[test]
    fn the_interval_of_a_median_misses_it_on_either_side_at_most_once_in_forty() {
        for n in 1..=16u32 {
            let found = median((0..n).map(f64::from).collect()).expect("there are values");
            let rank = found.interval.map_or(0, |(low, _)| low as u32 + 1);
            assert!(oracle::fewer_than(rank, n) <= 0.025 && oracle::fewer_than(rank + 1, n) > 0.025, "{n}");
            assert_eq!(found.interval.map(|(_, high)| high as u32), (rank > 0).then(|| n - rank));
            assert!((found.value - f64::from(n - 1) / 2.0).abs() < 1e-12);
        }
        assert_eq!(median(vec![]), None);
        assert!(median((0..5_000).map(f64::from).collect()).expect("values").interval.is_some());
    }
}
