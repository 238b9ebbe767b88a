//! Shared events: which two things meet at events, how often, and when last.
//!
//! An artist plays a venue, a promoter works with a venue: both are two edges that end at one event. This is the join of
//! the two edge lists over their events (the one-mode projection of a two-mode network: R. L. Breiger, *The Duality of
//! Persons and Groups*, 1974), counted in distinct events, because a line-up may name the same artist twice. Sorting the
//! meetings instead of hashing them keeps the order fixed; O(t·log t) time and O(t) memory for t meetings.

/// Two things and the events they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// The first thing.
    pub left: u32,
    /// The second.
    pub right: u32,
    /// Distinct events of both.
    pub events: u32,
    /// The latest of them, as told by `when`; `None` where none has a time.
    pub last: Option<i64>,
}

/// Joins two lists of (thing, event) over their events; parallel edges count once. By `left`, then `right`.
///
/// ```
/// use sonograph::studies::discovery::shared_events::shared_events;
///
/// // Venue 1 hosts events 7 and 8; artist 4 plays both, the first one twice.
/// let found = shared_events(&[(1, 7), (1, 8)], &[(4, 7), (4, 7), (4, 8)], |event| Some(i64::from(event) * 10));
/// assert_eq!((found.len(), found[0].events, found[0].last), (1, 2, Some(80)));
/// ```
pub fn shared_events(
    left: &[(u32, u32)],
    right: &[(u32, u32)],
    when: impl Fn(u32) -> Option<i64>,
) -> Vec<Shared> {
    let mut guests: Vec<(u32, u32)> = right.iter().map(|&(thing, event)| (event, thing)).collect();
    guests.sort_unstable();
    guests.dedup();
    let mut meetings = Vec::new();
    for &(thing, event) in left {
        let first = guests.partition_point(|&(e, _)| e < event);
        let here = guests[first..].iter().take_while(|&&(e, _)| e == event);
        meetings.extend(here.map(|&(_, guest)| (thing, guest, event)));
    }
    meetings.sort_unstable();
    meetings.dedup();
    let of_pair = |run: &[(u32, u32, u32)]| Shared {
        left: run[0].0,
        right: run[0].1,
        events: run.len() as u32,
        last: run.iter().filter_map(|&(.., event)| when(event)).max(),
    };
    meetings.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).map(of_pair).collect()
}

/// Intersects the sets of events of every two things.
#[cfg(test)]
mod oracle {
    use std::collections::{BTreeMap, BTreeSet};

    use super::Shared;

    pub(super) fn shared(
        left: &[(u32, u32)],
        right: &[(u32, u32)],
        when: impl Fn(u32) -> i64,
    ) -> Vec<Shared> {
        let sets = |edges: &[(u32, u32)]| {
            let mut sets: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
            for &(thing, event) in edges {
                sets.entry(thing).or_default().insert(event);
            }
            sets
        };
        let (left, right) = (sets(left), sets(right));
        let mut all = Vec::new();
        for (&l, of_left) in &left {
            for (&r, of_right) in &right {
                let both: Vec<u32> = of_left.intersection(of_right).copied().collect();
                if let Some(last) = both.iter().map(|&event| when(event)).max() {
                    all.push(Shared { left: l, right: r, events: both.len() as u32, last: Some(last) });
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edges() -> impl Strategy<Value = Vec<(u32, u32)>> {
        prop::collection::vec((0..6u32, 0..8u32), 0..40)
    }

    proptest! {
        #[test]
        fn what_is_shared_is_the_intersection_of_the_events(left in edges(), right in edges()) {
            let when = |event: u32| i64::from(event * 7 % 5);
            prop_assert_eq!(shared_events(&left, &right, |e| Some(when(e))), oracle::shared(&left, &right, when));
        }
    }

    #[test]
    fn events_without_a_time_count_and_nothing_meets_nobody() {
        let found = shared_events(&[(1, 7), (1, 8)], &[(2, 7), (2, 8)], |event| (event == 7).then_some(3));
        assert_eq!(found, [Shared { left: 1, right: 2, events: 2, last: Some(3) }]);
        assert!(shared_events(&[], &[(2, 7)], |_| None).is_empty());
    }
}
