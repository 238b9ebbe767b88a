//! Aliases between devices: one visitor under several anonymous ids.
//!
//! An alias says that two ids are one actor's. Between users it merges people, and between a device and a user it tells
//! whose the device is; both happen elsewhere. Here is what is left: an anonymous id that became another one, and that
//! perhaps a third, of which perhaps only one was ever identified. All of such a chain is one visitor, and a visitor is
//! whoever is known to be behind any of its devices, from the moment on at which the last missing link was said. What
//! keeps people apart:
//!
//! * a device that more than one person used says nothing about another one: no chain goes through it;
//! * a visitor of more than one person is shared: none of its devices is anybody's;
//! * a chain of devices never joins people. Only an alias between two *users* does.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::At;

/// What is known of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Everybody who used it while known.
    pub people: BTreeSet<At>,
    /// When it was first said whose it is, in epoch µs.
    pub since: Option<i64>,
}

/// An alias between two devices: when, the former id, the later one.
pub(super) type Link<'a> = (i64, &'a str, &'a str);

/// What the whole visitor tells of each device that aliases join to another.
///
/// `links` in any order, any of them more than once and in rings; `known` has all devices they name. A device that is shared
/// by itself is not among the answers. Time O(l log l) in the number of links.
pub(super) fn follow<'a>(links: &[Link<'a>], known: &BTreeMap<&'a str, Known>) -> Vec<(&'a str, Known)> {
    let own = |id: &str| known.get(id).filter(|device| device.people.len() < 2);
    let linked = links.iter().filter(|(_, a, b)| own(a).is_some() && own(b).is_some());
    let mut ids: Vec<&str> = linked.clone().flat_map(|(_, a, b)| [*a, *b]).collect();
    ids.sort_unstable();
    ids.dedup();
    let place = |id: &str| ids.binary_search(&id).expect("every end of a link is among the ids");

    // What was said in order of time: whose a device is, or that two are one visitor's.
    let mut said: Vec<(i64, usize, usize)> = linked.map(|(at, a, b)| (*at, place(a), place(b))).collect();
    said.extend(ids.iter().zip(0..).filter_map(|(id, device)| Some((known[id].since?, device, device))));
    said.sort_unstable();

    let mut of: Vec<usize> = (0..ids.len()).collect();
    let mut visitors: Vec<Visitor> =
        ids.iter().zip(0..).map(|(id, device)| Visitor::of(device, &known[id])).collect();
    let mut since = vec![None; ids.len()];
    for (at, a, b) in said {
        let (more, fewer) = if visitors[of[a]].devices.len() < visitors[of[b]].devices.len() {
            (of[b], of[a])
        } else {
            (of[a], of[b])
        };
        if more != fewer {
            let other = std::mem::take(&mut visitors[fewer]);
            for &device in &other.devices {
                of[device] = more;
            }
            visitors[more].absorb(other);
        }
        let visitor = &mut visitors[more];
        visitor.named |= a == b && known[ids[a]].since == Some(at);
        if visitor.named {
            for device in visitor.unnamed.drain(..) {
                since[device] = Some(at);
            }
        }
    }
    let told = |(device, id): (usize, &&'a str)| {
        (*id, Known { people: visitors[of[device]].people.clone(), since: since[device] })
    };
    ids.iter().enumerate().map(told).collect()
}

/// Devices that are one visitor's, by place.
#[derive(Debug, Default)]
struct Visitor {
    devices: Vec<usize>,
    people: BTreeSet<At>,
    /// Whether it was said whose any of them is.
    named: bool,
    /// Those of which it is not known yet whose they are.
    unnamed: Vec<usize>,
}

impl Visitor {
    fn of(device: usize, known: &Known) -> Self {
        Self { devices: vec![device], people: known.people.clone(), named: false, unnamed: vec![device] }
    }

    fn absorb(&mut self, other: Self) {
        self.devices.extend(other.devices);
        self.people.extend(other.people);
        self.named |= other.named;
        self.unnamed.extend(other.unnamed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(of: &[(&'static str, &[At], Option<i64>)]) -> BTreeMap<&'static str, Known> {
        let device = |(id, people, since): &(&'static str, &[At], Option<i64>)| {
            (*id, Known { people: people.iter().copied().collect(), since: *since })
        };
        of.iter().map(device).collect()
    }

    #[test]
    fn a_device_is_known_as_soon_as_the_last_missing_link_of_its_chain_was_said() {
        // c is Ana's at 5; b became c at 3, a became b at 9, and d became a, which tells nothing new, at 7.
        let devices = known(&[("a", &[], None), ("b", &[], None), ("c", &[1], Some(5)), ("d", &[], None)]);
        let links = [(9, "a", "b"), (3, "b", "c"), (7, "d", "a"), (9, "a", "b")];
        let ana = |since| Known { people: BTreeSet::from([1]), since: Some(since) };
        assert_eq!(follow(&links, &devices), [("a", ana(9)), ("b", ana(5)), ("c", ana(5)), ("d", ana(9))]);
    }

    #[test]
    fn no_chain_goes_through_a_device_that_two_people_used() {
        let devices = known(&[("a", &[], None), ("kiosk", &[1, 2], Some(1)), ("z", &[3], Some(2))]);
        assert_eq!(follow(&[(4, "a", "kiosk"), (5, "kiosk", "z")], &devices), []);
    }

    #[test]
    fn a_visitor_of_two_people_is_shared_by_both() {
        let devices = known(&[("a", &[1], Some(1)), ("b", &[], None), ("c", &[2], None)]);
        let told = follow(&[(4, "a", "b"), (5, "b", "c"), (6, "c", "a")], &devices);
        assert!(told.iter().all(|(_, device)| device.people == BTreeSet::from([1, 2])), "{told:?}");
    }
}
