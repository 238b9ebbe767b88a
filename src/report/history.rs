//! The headline row: what happened in the last seven days of the data, and week by week before that.

use polars::prelude::{DataFrame, DataType, TimeUnit};

use crate::snapshot::tables::{DST, NODE, SRC, TIMESTAMP, Tables};

/// Weeks the headline looks back.
pub const WEEKS: usize = 12;
const WEEK: i64 = 7 * 24 * 3600 * 1_000_000;
/// Relations by which a person shows to be active.
const ACTIVITY: [&str; 4] = ["ATTENDED", "INTERESTED_IN", "SHARED", "FOLLOWS"];

/// One measure of the headline row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What is counted.
    pub label: &'static str,
    /// Over the whole snapshot.
    pub total: i64,
    /// What the total counts, in words.
    pub of: &'static str,
    /// By week of seven days, the last one ending at the data's newest instant; empty without times.
    pub weeks: Vec<i64>,
}

/// The measures of a snapshot whose newest instant is `as_of` (µs). `O(nodes + edges)` time, `O(nodes)` memory.
///
/// A graph without the business labels is counted as nodes and edges alone.
pub fn headline(tables: &Tables, as_of: Option<i64>) -> Vec<Measure> {
    if !["Event", "Person"].iter().any(|l| tables.nodes.contains_key(*l)) {
        let count = |label, of, total: usize| Measure { label, total: total as i64, of, weeks: Vec::new() };
        return vec![
            count("Nodes", "in the snapshot", tables.node_count()),
            count("Edges", "in the snapshot", tables.edge_count()),
        ];
    }
    let oldest = ACTIVITY
        .iter()
        .filter_map(|r| instants(tables.edges.get(*r)?, TIMESTAMP)?.into_iter().flatten().min())
        .min();
    let span = as_of.zip(oldest).map(|(end, start)| {
        let weeks = ((end - start) / WEEK + 1).clamp(1, WEEKS as i64) as usize;
        (end, weeks)
    });
    let events = tables.nodes.get("Event");
    let edges = |relation: &str| tables.edges.get(relation);
    vec![
        Measure {
            label: "Events",
            total: events.map_or(0, DataFrame::height) as i64,
            of: "events in the snapshot",
            weeks: by_week(events, "starts_at", span),
        },
        Measure {
            label: "Active people",
            total: tables.nodes.get("Person").map_or(0, DataFrame::height) as i64,
            of: "people known",
            weeks: active_people(tables, span),
        },
        Measure {
            label: "Shares",
            total: edges("SHARED").map_or(0, DataFrame::height) as i64,
            of: "shares in the snapshot",
            weeks: by_week(edges("SHARED"), TIMESTAMP, span),
        },
        Measure {
            label: "Conversions",
            total: edges("ATTENDED").map_or(0, DataFrame::height) as i64,
            of: "attendances in the snapshot",
            weeks: by_week(edges("ATTENDED"), TIMESTAMP, span),
        },
    ]
}

fn instants(frame: &DataFrame, column: &str) -> Option<Vec<Option<i64>>> {
    let column = frame.column(column).ok()?;
    let DataType::Datetime(_, zone) = column.dtype() else { return None };
    let micros = column.cast(&DataType::Datetime(TimeUnit::Microseconds, zone.clone())).ok()?;
    Some(micros.cast(&DataType::Int64).ok()?.i64().ok()?.iter().collect())
}

/// Index of the week that holds `at`, 0 the oldest; `None` outside.
fn week(at: i64, (end, weeks): (i64, usize)) -> Option<usize> {
    let back = usize::try_from((end - at).div_euclid(WEEK)).ok()?;
    weeks.checked_sub(back + 1)
}

fn by_week(frame: Option<&DataFrame>, column: &str, span: Option<(i64, usize)>) -> Vec<i64> {
    let Some(span) = span else { return Vec::new() };
    let mut counts = vec![0; span.1];
    for at in frame.and_then(|f| instants(f, column)).into_iter().flatten().flatten() {
        if let Some(week) = week(at, span) {
            counts[week] += 1;
        }
    }
    counts
}

/// People with an activity in each week; one bit per person and week.
fn active_people(tables: &Tables, span: Option<(i64, usize)>) -> Vec<i64> {
    let Some(span) = span else { return Vec::new() };
    let people: Vec<i64> = tables.nodes.get("Person").map(|f| ids(f, NODE)).unwrap_or_default();
    // Dense ids count up within a label, so that a person's place is its id less the first one.
    let first = people.first().copied().unwrap_or(0);
    let mut seen = vec![0u16; people.len()];
    for frame in ACTIVITY.iter().filter_map(|r| tables.edges.get(*r)) {
        let Some(times) = instants(frame, TIMESTAMP) else { continue };
        for (person, at) in ids(frame, SRC).into_iter().zip(times) {
            let place = usize::try_from(person - first).ok().and_then(|i| seen.get_mut(i));
            if let (Some(place), Some(week)) = (place, at.and_then(|at| week(at, span))) {
                *place |= 1 << week;
            }
        }
    }
    (0..span.1).map(|week| seen.iter().filter(|bits| *bits & (1 << week) != 0).count() as i64).collect()
}

fn ids(frame: &DataFrame, column: &str) -> Vec<i64> {
    debug_assert!([NODE, SRC, DST].contains(&column), "only dense id columns");
    frame
        .column(column)
        .ok()
        .and_then(|c| c.i64().ok())
        .map(|c| c.iter().flatten().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use polars::prelude::{IntoColumn, NamedFrom, Series, TimeZone, df};

    use super::*;

    #[test]
    fn weeks_are_counted_back_from_the_newest_instant_and_a_person_counts_once() {
        let day = WEEK / 7;
        let times = Series::new(TIMESTAMP.into(), [100 * day, 99 * day, 92 * day])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
            .expect("integers are instants");
        let mut shared = df!(SRC => [5i64, 5, 6], DST => [0i64, 0, 0]).expect("columns of one length");
        shared.with_column(times.into_column()).expect("a third column");
        let person = df!(NODE => [5i64, 6], "uid" => ["a", "b"]).expect("columns of one length");
        let tables = Tables {
            nodes: BTreeMap::from([("Person".to_owned(), person)]),
            edges: BTreeMap::from([("SHARED".to_owned(), shared)]),
            ..Tables::default()
        };
        let measures = headline(&tables, Some(100 * day));
        let of = |label: &str| measures.iter().find(|m| m.label == label).expect("a measure").weeks.clone();
        assert_eq!(of("Shares"), [1, 2]);
        assert_eq!(of("Active people"), [1, 1]);
        assert_eq!(of("Events"), [0, 0]);
    }

    #[test]
    fn a_graph_of_other_people_counts_nodes_and_edges() {
        let measures = headline(&Tables::default(), None);
        assert_eq!(measures.iter().map(|m| m.label).collect::<Vec<_>>(), ["Nodes", "Edges"]);
    }
}
