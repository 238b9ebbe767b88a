//! Engagement: who touched how much, and how many people an organisation's events reach.
//!
//! Counts of an implicit-feedback log (Y. Hu, Y. Koren, C. Volinsky: *Collaborative Filtering for Implicit Feedback
//! Datasets*, 2008, take the same counts as confidence). Nothing is weighed: a lead list must be explainable to the one who
//! calls. Sorted once and merged, O(t·log t) time and O(t) memory for t touches.

use std::cmp::Reverse;

/// Somebody did something about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    /// Person, or device.
    pub who: u32,
    /// Event.
    pub event: u32,
    /// When, microseconds; a touch without a time counts but is never the last.
    pub at: Option<i64>,
}

/// What one person or device did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engaged {
    /// Person, or device.
    pub who: u32,
    /// Touches.
    pub touches: u64,
    /// Distinct events.
    pub events: u64,
    /// The last of the touches that have a time.
    pub last: Option<i64>,
}

/// Whom an organisation's events reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Organisation.
    pub promoter: u32,
    /// Its events that anybody touched.
    pub events: u64,
    /// Distinct people over all of them.
    pub people: u64,
    /// Touches on them.
    pub touches: u64,
    /// The last of the touches that have a time.
    pub last: Option<i64>,
}

/// Everybody who touched anything: most touches first, then most events, then the smaller node.
///
/// ```
/// use sonograph::studies::discovery::engagement::{Touch, engaged};
///
/// let touch = |who, event| Touch { who, event, at: Some(1) };
/// let found = engaged(vec![touch(5, 1), touch(4, 1), touch(5, 1)]);
/// assert_eq!((found[0].who, found[0].touches, found[0].events), (5, 2, 1));
/// ```
pub fn engaged(mut touches: Vec<Touch>) -> Vec<Engaged> {
    touches.sort_unstable();
    let of_one = |run: &[Touch]| Engaged {
        who: run[0].who,
        touches: run.len() as u64,
        events: run.chunk_by(|a, b| a.event == b.event).count() as u64,
        last: run.iter().filter_map(|touch| touch.at).max(),
    };
    let mut found: Vec<Engaged> = touches.chunk_by(|a, b| a.who == b.who).map(of_one).collect();
    found.sort_unstable_by_key(|e| (Reverse((e.touches, e.events)), e.who));
    found
}

/// The organisations that reach anybody: most people first, then most events, then the smaller node.
///
/// * `promotes`: (organisation, event), each pair counted once.
/// * `touches`: devices already resolved to the people behind them.
pub fn reach(promotes: &[(u32, u32)], mut touches: Vec<Touch>) -> Vec<Reach> {
    touches.sort_unstable_by_key(|touch| (touch.event, touch.who, touch.at));
    let mut promotes = promotes.to_vec();
    promotes.sort_unstable();
    promotes.dedup();
    let mut found = Vec::new();
    for of_one in promotes.chunk_by(|a, b| a.0 == b.0) {
        let mut total = Reach { promoter: of_one[0].0, events: 0, people: 0, touches: 0, last: None };
        let mut people = Vec::new();
        for &(_, event) in of_one {
            let first = touches.partition_point(|touch| touch.event < event);
            let here = touches[first..].iter().take_while(|touch| touch.event == event);
            let before = total.touches;
            for touch in here {
                total.touches += 1;
                total.last = total.last.max(touch.at);
                people.push(touch.who);
            }
            total.events += u64::from(total.touches > before);
        }
        people.sort_unstable();
        people.dedup();
        total.people = people.len() as u64;
        if total.people > 0 {
            found.push(total);
        }
    }
    found.sort_unstable_by_key(|r| (Reverse((r.people, r.events)), r.promoter));
    found
}

/// Asks for everybody in turn.
#[cfg(test)]
mod oracle {
    use std::collections::BTreeSet;

    use super::{Engaged, Reach, Touch};

    pub(super) fn engaged(touches: &[Touch], who: u32) -> Option<Engaged> {
        let own: Vec<&Touch> = touches.iter().filter(|t| t.who == who).collect();
        let events: BTreeSet<u32> = own.iter().map(|t| t.event).collect();
        let last = own.iter().filter_map(|t| t.at).max();
        (!own.is_empty()).then_some(Engaged {
            who,
            touches: own.len() as u64,
            events: events.len() as u64,
            last,
        })
    }

    pub(super) fn reach(promotes: &[(u32, u32)], touches: &[Touch], promoter: u32) -> Option<Reach> {
        let own: BTreeSet<u32> = promotes.iter().filter(|p| p.0 == promoter).map(|p| p.1).collect();
        let of_own: Vec<&Touch> = touches.iter().filter(|t| own.contains(&t.event)).collect();
        let distinct = |pick: fn(&Touch) -> u32| {
            of_own.iter().map(|touch| pick(touch)).collect::<BTreeSet<_>>().len() as u64
        };
        (!of_own.is_empty()).then(|| Reach {
            promoter,
            events: distinct(|t| t.event),
            people: distinct(|t| t.who),
            touches: of_own.len() as u64,
            last: of_own.iter().filter_map(|t| t.at).max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn touches() -> impl Strategy<Value = Vec<Touch>> {
        let touch = (0..5u32, 0..5u32, prop::option::of(0..9i64));
        prop::collection::vec(touch.prop_map(|(who, event, at)| Touch { who, event, at }), 0..40)
    }

    proptest! {
        #[test]
        fn everybody_is_counted_as_if_asked_alone(touches in touches()) {
            let found = engaged(touches.clone());
            let mut expected: Vec<_> = (0..5).filter_map(|who| oracle::engaged(&touches, who)).collect();
            expected.sort_by_key(|e| (Reverse(e.touches), Reverse(e.events), e.who));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn every_organisation_is_counted_as_if_asked_alone(
            promotes in prop::collection::vec((10..14u32, 0..5u32), 0..20), touches in touches(),
        ) {
            let found = reach(&promotes, touches.clone());
            let mut expected: Vec<_> =
                (10..14).filter_map(|promoter| oracle::reach(&promotes, &touches, promoter)).collect();
            expected.sort_by_key(|r| (Reverse(r.people), Reverse(r.events), r.promoter));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn nobody_touching_anything_is_no_lead() {
        assert!(engaged(vec![]).is_empty());
        assert!(reach(&[(1, 2)], vec![]).is_empty());
    }
}
