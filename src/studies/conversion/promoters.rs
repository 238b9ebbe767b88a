//! Promoter conversion: of the people a promoter reached for an event, how many came.
//!
//! The unit is one person and one event. Reached: the person (or any of their devices) showed interest in an event the
//! organisation promotes. Converted: the person attended it at or after their first interest. Intervals and shrinkage
//! stand in their own files; this one counts. Everything is sorted once and merged, O(edges·log edges), and holds one
//! entry per person and event, never per touch.

use std::collections::BTreeMap;

/// What happened between a person and an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    /// Event.
    pub event: u32,
    /// Person, or the device where nobody is known behind it.
    pub person: u32,
    /// When, in microseconds; a touch without a time takes part but never comes before or after anything.
    pub at: Option<i64>,
}

/// The counts of one promoter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// People and events reached.
    pub reached: u64,
    /// Of these, people who then attended.
    pub converted: u64,
    /// Attendances of its events by people never seen interested in them; they are in no rate.
    pub unseen: u64,
    /// From first interest to the first attendance after it, in microseconds, rising.
    pub times: Vec<i64>,
}

impl Counts {
    /// The middle time to convert, in seconds; of an even number the mean of the middle two.
    pub fn median_seconds(&self) -> Option<f64> {
        let n = self.times.len();
        let (&low, &high) = (self.times.get(n.checked_sub(1)? / 2)?, self.times.get(n / 2)?);
        Some(f64::midpoint(low as f64, high as f64) / 1e6)
    }
}

/// Counts reached and converted people by promoter.
///
/// * `promotes`: (organisation, event), each pair counted once.
/// * `interests`, `attendances`: touches of people, devices already resolved to them.
///
/// ```
/// use sonograph::studies::conversion::promoters::{Touch, promoters};
///
/// let touch = |person, at| Touch { event: 0, person, at: Some(at) };
/// let found = promoters(&[(9, 0)], vec![touch(1, 10), touch(2, 10)], vec![touch(1, 30)]);
/// assert_eq!((found[&9].reached, found[&9].converted, found[&9].times[0]), (2, 1, 20));
/// ```
pub fn promoters(
    promotes: &[(u32, u32)],
    mut interests: Vec<Touch>,
    mut attendances: Vec<Touch>,
) -> BTreeMap<u32, Counts> {
    interests.sort_unstable();
    attendances.sort_unstable();
    let mut of_event: BTreeMap<u32, Counts> = BTreeMap::new();
    let same = |a: &Touch, b: &Touch| (a.event, a.person) == (b.event, b.person);
    let mut came = attendances.chunk_by(same).peekable();
    for interest in interests.chunk_by(same) {
        let unit = (interest[0].event, interest[0].person);
        while let Some(attended) = came.next_if(|a| (a[0].event, a[0].person) < unit) {
            of_event.entry(attended[0].event).or_default().unseen += 1;
        }
        let counts = of_event.entry(unit.0).or_default();
        counts.reached += 1;
        if let Some(attended) = came.next_if(|a| (a[0].event, a[0].person) == unit) {
            // Sorted, with those without a time first.
            let first = interest.iter().find_map(|touch| touch.at);
            let then = first.and_then(|first| attended.iter().filter_map(|a| a.at).find(|&at| at >= first));
            if let (Some(first), Some(then)) = (first, then) {
                counts.converted += 1;
                counts.times.push(then.saturating_sub(first));
            }
        }
    }
    for attended in came {
        of_event.entry(attended[0].event).or_default().unseen += 1;
    }

    let mut promotes = promotes.to_vec();
    promotes.sort_unstable();
    promotes.dedup();
    let mut found: BTreeMap<u32, Counts> = BTreeMap::new();
    for (organization, event) in promotes {
        let total = found.entry(organization).or_default();
        if let Some(counts) = of_event.get(&event) {
            total.reached += counts.reached;
            total.converted += counts.converted;
            total.unseen += counts.unseen;
            total.times.extend_from_slice(&counts.times);
        }
    }
    for counts in found.values_mut() {
        counts.times.sort_unstable();
    }
    found
}

/// Asks for every promoter, event and person in turn.
#[cfg(test)]
mod oracle {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Counts, Touch};

    pub(super) fn promoters(
        promotes: &[(u32, u32)],
        interests: &[Touch],
        attendances: &[Touch],
    ) -> BTreeMap<u32, Counts> {
        let people: BTreeSet<u32> = interests.iter().chain(attendances).map(|t| t.person).collect();
        let mut found: BTreeMap<u32, Counts> = BTreeMap::new();
        for (organization, event) in promotes.iter().copied().collect::<BTreeSet<_>>() {
            let counts = found.entry(organization).or_default();
            for &person in &people {
                let of = |touches: &[Touch]| -> Vec<Option<i64>> {
                    touches.iter().filter(|t| t.person == person && t.event == event).map(|t| t.at).collect()
                };
                let (interested, came) = (of(interests), of(attendances));
                if interested.is_empty() {
                    counts.unseen += u64::from(!came.is_empty());
                    continue;
                }
                counts.reached += 1;
                let times = came.iter().flatten().filter_map(|&a| {
                    let first = interested.iter().flatten().copied().min()?;
                    (a >= first).then_some(a - first)
                });
                if let Some(time) = times.min() {
                    counts.converted += 1;
                    counts.times.push(time);
                    counts.times.sort_unstable();
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn touches() -> impl Strategy<Value = Vec<Touch>> {
        let touch = (0u32..4, 0u32..5, prop::option::weighted(0.9, 0i64..20));
        prop::collection::vec(touch.prop_map(|(event, person, at)| Touch { event, person, at }), 0..30)
    }

    proptest! {
        #[test]
        fn counts_are_what_asking_every_pair_gives(
            promotes in prop::collection::vec((10u32..13, 0u32..4), 0..8), interests in touches(), attendances in touches()
        ) {
            let expected = oracle::promoters(&promotes, &interests, &attendances);
            prop_assert_eq!(promoters(&promotes, interests, attendances), expected);
        }
    }

    #[test]
    fn attending_before_the_first_interest_is_no_conversion() {
        let touch = |at| Touch { event: 0, person: 1, at: Some(at) };
        let found = promoters(&[(9, 0), (9, 0)], vec![touch(10), touch(12)], vec![touch(9)]);
        assert_eq!((found[&9].reached, found[&9].converted, found[&9].unseen), (1, 0, 0));
        let at_once = promoters(&[(9, 0)], vec![touch(10)], vec![touch(10)]);
        assert_eq!((at_once[&9].converted, at_once[&9].median_seconds()), (1, Some(0.0)));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let of = |times: &[i64]| Counts { times: times.to_vec(), ..Counts::default() }.median_seconds();
        assert_eq!((of(&[]), of(&[4_000_000])), (None, Some(4.0)));
        assert_eq!((of(&[1_000_000, 2_000_000]), of(&[1, 2_000_000, 9_000_000])), (Some(1.5), Some(2.0)));
    }
}
