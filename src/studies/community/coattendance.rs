//! Co-attendance: for every event, which other events its people went to, and how much more often than by chance.
//!
//! The pair counts of association rules (R. Agrawal, T. Imieliński, A. Swami: *Mining Association Rules between Sets of
//! Items in Large Databases*, 1993) with lift (S. Brin et al.: *Dynamic Itemset Counting*, 1997). A person who attended
//! d events costs d² steps, so people with more than [`Params::max_events`] (a ticket scanner, a staff account) are left
//! out altogether, from the counts of events too, and their number is returned; per event only the
//! strongest pairs are kept ([`Params::max_others`]), so that hubs cannot fill the memory with pairs.

use std::cmp::Reverse;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::context::{Cancelled, Context};
use crate::graph::Csr;

/// Events per unit of work.
const CHUNK: usize = 256;
/// Pairs kept where nobody says how many.
const MOST_PAIRS: usize = 5_000_000;
/// Pairs kept per event, however many events there are.
const FEWEST_OTHERS: usize = 100;

/// How co-attendance is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Leave out pairs of events that fewer people have in common
    #[arg(long, value_name = "PEOPLE", default_value_t = Params::DEFAULT.min_support)]
    pub min_support: u32,
    /// Leave out people who attended more events than this: scanners and staff accounts, not guests
    #[arg(long, value_name = "EVENTS", default_value_t = Params::DEFAULT.max_events)]
    pub max_events: u32,
    /// Keep at most this many other events per event, those with most people in common [default: all, as long as the
    /// table stays below five million rows; at least 100]
    #[arg(long, value_name = "EVENTS")]
    pub max_others: Option<u32>,
}

impl Params {
    /// Everything that fits, within bounds that keep hubs harmless.
    pub const DEFAULT: Self = Self { min_support: 1, max_events: 1_000, max_others: None };
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// An event and another that some of its people attended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Node of the event.
    pub event: u32,
    /// Node of the other event.
    pub other: u32,
    /// People who attended both.
    pub both: u32,
}

/// Pairs and the counts that set them in proportion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoAttendance {
    /// By event rising; within an event the most people in common first, then the smaller other event by attendance,
    /// then by node.
    pub pairs: Vec<Pair>,
    /// People who attended the event, by node; 0 for nodes that are no events.
    pub attendance: Vec<u32>,
    /// People who attended any event.
    pub people: u32,
    /// People left out because they attended too many events.
    pub left_out: u32,
    /// Other events kept per event at most.
    pub kept: u32,
    /// Pairs left out because their event had enough others.
    pub cut: u64,
}

impl CoAttendance {
    /// Share of the event's people who also attended the other one.
    pub fn share(&self, pair: Pair) -> f64 {
        f64::from(pair.both) / f64::from(self.attendance[pair.event as usize])
    }

    /// How many times more often both were attended than if people chose independently: both·N/(`n_x`·`n_y`).
    pub fn lift(&self, pair: Pair) -> f64 {
        let expected =
            f64::from(self.attendance[pair.event as usize]) * f64::from(self.attendance[pair.other as usize]);
        f64::from(pair.both) * f64::from(self.people) / expected
    }
}

/// Counts the people every two events have in common; arcs run person → event, parallel ones count once.
///
/// O(Σ d²) over people who attended d events; 4 bytes per arc twice, and 4 bytes per event per unit of work.
///
/// ```
/// use sonograph::{context::Context, graph::Csr};
/// use sonograph::studies::community::coattendance::{Params, coattendance};
///
/// // People 0 and 1 attended 3; 1 and 2 attended 4.
/// let graph = Csr::directed(5, &[(0, 3), (1, 3), (1, 4), (2, 4)], vec![]);
/// let found = coattendance(&graph, &Params::DEFAULT, &Context::silent())?;
/// assert_eq!((found.pairs[0].both, found.share(found.pairs[0]), found.lift(found.pairs[0])), (1, 0.5, 0.75));
/// # Ok::<(), sonograph::context::Cancelled>(())
/// ```
pub fn coattendance(graph: &Csr, params: &Params, cx: &Context) -> Result<CoAttendance, Cancelled> {
    let n = graph.node_count();
    // Distinct events by person, and from them distinct people by event.
    let mut attended = Vec::with_capacity(graph.arc_count());
    let mut found = CoAttendance { attendance: vec![0; n], ..CoAttendance::default() };
    let mut events = Vec::new();
    for person in graph.nodes() {
        events.clear();
        events.extend_from_slice(graph.out_neighbors(person));
        events.sort_unstable();
        events.dedup();
        if events.len() > params.max_events as usize {
            found.left_out += 1;
            continue;
        }
        found.people += u32::from(!events.is_empty());
        for &event in &events {
            found.attendance[event as usize] += 1;
            attended.push((person.0, event));
        }
    }
    let attended = Csr::directed(n, &attended, vec![]);
    let events: Vec<u32> = graph.nodes().map(|v| v.0).filter(|&v| found.attendance[v as usize] > 0).collect();
    let mut position = vec![0u32; n];
    for (i, &event) in events.iter().enumerate() {
        position[event as usize] = i as u32;
    }

    let enough = || (MOST_PAIRS / events.len().max(1)).max(FEWEST_OTHERS) as u32;
    found.kept = params.max_others.unwrap_or_else(enough);

    let step = cx.step("co-attendance", Some(events.len() as u64));
    let counted: Vec<(Vec<Pair>, u64)> = events
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, of)| {
            step.tick((chunk * CHUNK) as u64, Some(events.len() as u64))?;
            let mut both = vec![0u32; events.len()];
            let (mut pairs, mut cut) = (Vec::new(), 0);
            for &event in of {
                cut += others(&attended, event, &found, params, &position, &mut both, &mut pairs);
            }
            Ok((pairs, cut))
        })
        .collect::<Result<_, Cancelled>>()?;
    for (pairs, cut) in counted {
        found.pairs.extend(pairs);
        found.cut += cut;
    }
    Ok(found)
}

/// Appends the pairs of one event and returns how many were cut; `both` is all zero before and after.
fn others(
    attended: &Csr,
    event: u32,
    found: &CoAttendance,
    params: &Params,
    position: &[u32],
    both: &mut [u32],
    pairs: &mut Vec<Pair>,
) -> u64 {
    use crate::graph::NodeId;
    let mut touched = Vec::new();
    for &person in attended.in_neighbors(NodeId(event)) {
        for &other in attended.out_neighbors(NodeId(person)) {
            let count = &mut both[position[other as usize] as usize];
            if *count == 0 {
                touched.push(other);
            }
            *count += 1;
        }
    }
    let start = pairs.len();
    for other in touched {
        let both = std::mem::take(&mut both[position[other as usize] as usize]);
        if other != event && both >= params.min_support {
            pairs.push(Pair { event, other, both });
        }
    }
    pairs[start..].sort_unstable_by_key(|p| (Reverse(p.both), found.attendance[p.other as usize], p.other));
    let cut = (pairs.len() - start).saturating_sub(found.kept as usize);
    pairs.truncate(pairs.len() - cut);
    cut as u64
}

/// Intersects the sets of people of every two events.
#[cfg(test)]
mod oracle {
    use std::collections::{BTreeMap, BTreeSet};

    pub(super) fn pairs(edges: &[(u32, u32)]) -> BTreeMap<(u32, u32), u32> {
        let mut people: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for &(person, event) in edges {
            people.entry(event).or_default().insert(person);
        }
        let mut pairs = BTreeMap::new();
        for (&x, of_x) in &people {
            for (&y, of_y) in &people {
                let both = of_x.intersection(of_y).count() as u32;
                if x != y && both > 0 {
                    pairs.insert((x, y), both);
                }
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::studies::samples::{on_threads, random_edges};

    fn run(n: usize, edges: &[(u32, u32)], params: &Params) -> CoAttendance {
        coattendance(&Csr::directed(n, edges, vec![]), params, &Context::silent())
            .expect("nobody asked to stop")
    }

    fn by_pair(found: &CoAttendance) -> BTreeMap<(u32, u32), u32> {
        found.pairs.iter().map(|p| ((p.event, p.other), p.both)).collect()
    }

    proptest! {
        #[test]
        fn pairs_are_the_intersections_of_their_people((n, edges) in random_edges(20, 80)) {
            let found = run(n, &edges, &Params::DEFAULT);
            prop_assert_eq!(by_pair(&found), oracle::pairs(&edges));
        }

        #[test]
        fn support_only_takes_pairs_away((n, edges) in random_edges(20, 80), min_support in 1u32..5) {
            let found = run(n, &edges, &Params { min_support, ..Params::DEFAULT });
            let mut expected = oracle::pairs(&edges);
            expected.retain(|_, both| *both >= min_support);
            prop_assert_eq!(by_pair(&found), expected);
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let edges: Vec<_> =
            (0..20_000u32).map(|i| (i % 3_000, 3_000 + i.wrapping_mul(2_654_435_761) % 700)).collect();
        let run = || run(3_700, &edges, &Params::DEFAULT);
        assert_eq!(on_threads(1, run), on_threads(2, run));
    }

    #[test]
    fn people_with_too_many_events_are_left_out_everywhere() {
        let mut edges: Vec<_> = (10..14).map(|event| (0, event)).collect();
        edges.extend([(1, 10), (1, 11), (1, 10)]);
        let found = run(14, &edges, &Params { max_events: 3, ..Params::DEFAULT });
        assert_eq!((found.left_out, found.people, found.attendance[10]), (1, 1, 1));
        assert_eq!(by_pair(&found), BTreeMap::from([((10, 11), 1), ((11, 10), 1)]));
    }

    #[test]
    fn only_the_strongest_others_are_kept_and_the_rest_counted() {
        // Event 10 shares two people with 11 and one each with 12 and 13, of which 12 is the smaller.
        let edges = [(0, 10), (0, 11), (1, 10), (1, 11), (2, 10), (2, 12), (3, 10), (3, 13), (4, 13)];
        let found = run(14, &edges, &Params { max_others: Some(2), ..Params::DEFAULT });
        let of_ten: Vec<u32> = found.pairs.iter().filter(|p| p.event == 10).map(|p| p.other).collect();
        assert_eq!((of_ten, found.cut), (vec![11, 12], 1));
    }

    #[test]
    fn no_event_and_one_event_have_no_pairs() {
        assert!(run(0, &[], &Params::DEFAULT).attendance.is_empty());
        assert!(run(3, &[(0, 2), (1, 2), (1, 2)], &Params::DEFAULT).pairs.is_empty());
    }
}
