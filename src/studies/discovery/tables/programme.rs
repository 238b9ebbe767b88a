//! Who plays where, for whom, what is on tonight, and what else people attended.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use polars::prelude::{DataType, StringChunked};

use super::columns::{ALSO_ATTENDED, ARTISTS_AT_VENUE, TONIGHT, VENUES_BY_PROMOTER};
use super::{Cells, Starts, counts, nodes, pairs, table, texts};
use crate::context::Context;
use crate::graph::{BusinessGraph, Csr, NodeId};
use crate::ontology::{Label, Relation};
use crate::studies::StudyError;
use crate::studies::community::coattendance::{self, CoAttendance, Pair, coattendance};
use crate::studies::discovery::shared_events::{Shared, shared_events};
use crate::studies::discovery::tonight::{Happening, Spot, Tonight, tonight};
use crate::studies::findings::{Declared, Fact, Findings, Table};

/// Artists at one venue, or at all.
pub fn artists_at_venue(
    graph: &BusinessGraph,
    venue: Option<NodeId>,
    most: usize,
    findings: &mut Findings,
) -> Result<(), StudyError> {
    let (hosts, performs) = (pairs(graph, Relation::Hosts), pairs(graph, Relation::PerformsAt));
    findings.tables.push(meetings(
        graph,
        &ARTISTS_AT_VENUE,
        hosts,
        &performs,
        venue,
        most,
        &mut findings.caveats,
    )?);
    Ok(())
}

/// Venues of one promoter, or of all.
pub fn venues_by_promoter(
    graph: &BusinessGraph,
    promoter: Option<NodeId>,
    most: usize,
    findings: &mut Findings,
) -> Result<(), StudyError> {
    let (promotes, hosts) = (pairs(graph, Relation::Promotes), pairs(graph, Relation::Hosts));
    let table =
        meetings(graph, &VENUES_BY_PROMOTER, promotes, &hosts, promoter, most, &mut findings.caveats)?;
    findings.tables.push(table);
    Ok(())
}

fn meetings(
    graph: &BusinessGraph,
    declared: &Declared,
    mut left: Vec<(u32, u32)>,
    right: &[(u32, u32)],
    only: Option<NodeId>,
    most: usize,
    caveats: &mut Vec<String>,
) -> Result<Table, StudyError> {
    left.retain(|&(thing, _)| only.is_none_or(|only| only.0 == thing));
    let starts = Starts::of(graph)?;
    let found = shared_events(&left, right, |event| starts.at(event));
    let by_name = |v: u32| (graph.name(NodeId(v)), graph.uid(NodeId(v)));
    let mut groups: Vec<Vec<Shared>> = found.chunk_by(|a, b| a.left == b.left).map(<[_]>::to_vec).collect();
    let total = |group: &[Shared]| group.iter().map(|row| u64::from(row.events)).sum::<u64>();
    groups.sort_by_key(|group| (Reverse(total(group)), by_name(group[0].left)));
    for group in &mut groups {
        group.sort_by_key(|row| (Reverse(row.events), by_name(row.right)));
        group.truncate(most);
    }
    let rows: Vec<Shared> = groups.into_iter().flatten().collect();
    said_cut(declared, found.len() - rows.len(), most, caveats);
    let mut cells: Vec<Cells> = Vec::new();
    cells.extend(nodes(graph, rows.iter().map(|row| row.left)));
    cells.extend(nodes(graph, rows.iter().map(|row| row.right)));
    cells.push(counts(rows.iter().map(|row| u64::from(row.events))));
    cells.push(Cells::Moment(rows.iter().map(|row| row.last).collect()));
    table(declared, cells)
}

/// Says how many rows a table lacks.
pub fn said_cut(declared: &Declared, cut: usize, most: usize, caveats: &mut Vec<String>) {
    if cut > 0 {
        caveats.push(format!(
            "`{}` lacks {cut} further rows: at most {most} are kept each (see --most)",
            declared.name
        ));
    }
}

/// Where the venues are and what their clocks show.
struct Venues {
    /// By row.
    spots: Vec<Option<Spot>>,
    /// By row.
    zones: Vec<Option<TimeZone>>,
}

impl Venues {
    fn of(graph: &BusinessGraph) -> Result<Self, StudyError> {
        let label = Label::Venue.name();
        let degrees = |name: &str| -> Result<Vec<Option<f64>>, StudyError> {
            let Some(column) = graph.property(label, name) else { return Ok(vec![]) };
            let column = column.cast(&DataType::Float64).map_err(StudyError::table(label))?;
            Ok(column.f64().map_err(StudyError::table(label))?.iter().collect())
        };
        let (north, east) = (degrees("location_latitude")?, degrees("location_longitude")?);
        let spots = north.into_iter().zip(east);
        let spots = spots
            .map(|(latitude, longitude)| latitude.zip(longitude))
            .map(|spot| spot.map(|(latitude, longitude)| Spot { latitude, longitude }));
        let known = TimeZoneDatabase::bundled();
        let mut by_name: BTreeMap<&str, Option<TimeZone>> = BTreeMap::new();
        let mut zone = |name| by_name.entry(name).or_insert_with(|| known.get(name).ok()).clone();
        let zones = texts(graph, Label::Venue, "tz")?;
        let zones = zones.into_iter().flat_map(StringChunked::iter).map(|name| zone(name?));
        Ok(Self { spots: spots.collect(), zones: zones.collect() })
    }
}

/// What is on in the night of `at`, near somewhere or anywhere.
pub fn events_tonight(
    graph: &BusinessGraph,
    at: Option<i64>,
    near: Option<(Spot, f64)>,
    findings: &mut Findings,
) -> Result<(), StudyError> {
    let (starts, venues) = (Starts::of(graph)?, Venues::of(graph)?);
    let status = texts(graph, Label::Event, "status")?;
    let is_published = |event: NodeId| status.is_none_or(|s| s.get(graph.row(event)) == Some("published"));
    let utc = TimeZone::UTC;
    let mut all = Vec::new();
    for (venue, event) in pairs(graph, Relation::Hosts) {
        if graph.label(NodeId(venue)) != Label::Venue.name() {
            continue;
        }
        let row = graph.row(NodeId(venue));
        let spot = venues.spots.get(row).copied().flatten();
        let zone = venues.zones.get(row).and_then(Option::as_ref).unwrap_or(&utc);
        if let Some(starts_at) = starts.at(event).filter(|_| is_published(NodeId(event))) {
            all.push(Happening { event, venue, starts_at, spot, zone });
        }
    }
    let anywhere = at.map_or_else(Vec::new, |at| tonight(&all, at, None));
    let rows = match (at, near) {
        (Some(at), Some(near)) => tonight(&all, at, Some(near)),
        _ => anywhere.clone(),
    };
    findings.tables.push(tonight_table(graph, &rows, &venues)?);

    let count = graph.nodes_with(Label::Venue.name()).len();
    let missing = |known: usize| (count - known) as u64;
    let unplaced = missing(venues.spots.iter().flatten().count());
    let unzoned = missing(venues.zones.iter().flatten().count());
    findings.facts.extend([
        Fact::count("tonight_events", "events tonight", rows.len() as u64, "events"),
        Fact::count("venues_without_location", "venues without a location", unplaced, "venues"),
    ]);
    let is_placed = |t: &&Tonight| venues.spots.get(graph.row(NodeId(t.venue))).is_some_and(Option::is_some);
    let lost = anywhere.len() - anywhere.iter().filter(is_placed).count();
    if near.is_some() && unplaced > 0 {
        findings.caveats.push(format!(
            "{unplaced} venues without a location are near nobody: {lost} events of tonight are there and left out"
        ));
    }
    if unzoned > 0 {
        findings
            .caveats
            .push(format!("{unzoned} venues without a known time zone: their night is that of UTC"));
    }
    match at {
        None => findings.caveats.push("nothing in the data has a time, so there is no tonight".into()),
        Some(at) => {
            if let Ok(at) = Timestamp::from_microsecond(at) {
                findings.caveats.push(format!("tonight is the night of {at}"));
            }
        }
    }
    Ok(())
}

fn tonight_table(graph: &BusinessGraph, rows: &[Tonight], venues: &Venues) -> Result<Table, StudyError> {
    let mut bills: BTreeMap<u32, Vec<(i64, &str, &str)>> =
        rows.iter().map(|row| (row.event, vec![])).collect();
    if let Some(performs) = graph.edges(Relation::PerformsAt.name()) {
        let billing = performs.frame.column("billing").ok();
        let billing = billing.map(|c| c.i64().map_err(StudyError::table(&performs.relation))).transpose()?;
        for (row, (artist, event)) in performs.src.iter().zip(performs.dst.iter()).enumerate() {
            if let Some(bill) = bills.get_mut(event) {
                let place = billing.and_then(|billing| billing.get(row)).unwrap_or(i64::MAX);
                bill.push((place, graph.name(NodeId(artist)), graph.uid(NodeId(artist))));
            }
        }
    }
    for bill in bills.values_mut() {
        bill.sort_unstable();
    }
    let artists = |row: &Tonight| {
        let bill = bills.get(&row.event).map_or(&[][..], Vec::as_slice);
        Some(bill.iter().map(|&(_, name, _)| name.to_owned()).collect())
    };
    let local = |row: &Tonight| {
        let zone = venues.zones.get(graph.row(NodeId(row.venue))).cloned().flatten();
        let start = Timestamp::from_microsecond(row.starts_at).ok()?;
        Some(zone.unwrap_or(TimeZone::UTC).to_datetime(start).to_string())
    };
    let mut cells: Vec<Cells> = Vec::new();
    cells.extend(nodes(graph, rows.iter().map(|row| row.event)));
    cells.extend(nodes(graph, rows.iter().map(|row| row.venue)));
    cells.extend([
        Cells::Texts(rows.iter().map(artists).collect()),
        Cells::Moment(rows.iter().map(|row| Some(row.starts_at)).collect()),
        Cells::Text(rows.iter().map(local).collect()),
        Cells::Number(rows.iter().map(|row| row.distance).collect()),
    ]);
    table(&TONIGHT, cells)
}

/// Events that share their people with one event, or with any.
pub fn also_attended(
    graph: &BusinessGraph,
    event: Option<NodeId>,
    params: &coattendance::Params,
    cx: &Context,
    findings: &mut Findings,
) -> Result<(), StudyError> {
    let csr = Csr::of_pairs(graph.node_count(), pairs(graph, Relation::Attended), vec![]);
    let mut found = coattendance(&csr, params, cx)?;
    found.pairs.retain(|pair| event.is_none_or(|event| event.0 == pair.event));
    let number = |value: fn(&CoAttendance, Pair) -> f64| {
        Cells::Number(found.pairs.iter().map(|&pair| Some(value(&found, pair))).collect())
    };
    let people = |pick: fn(&Pair) -> u32| {
        counts(found.pairs.iter().map(pick).map(|event| u64::from(found.attendance[event as usize])))
    };
    let mut cells: Vec<Cells> = Vec::new();
    cells.extend(nodes(graph, found.pairs.iter().map(|pair| pair.event)));
    cells.extend(nodes(graph, found.pairs.iter().map(|pair| pair.other)));
    cells.extend([
        counts(found.pairs.iter().map(|pair| u64::from(pair.both))),
        people(|pair| pair.event),
        people(|pair| pair.other),
        number(CoAttendance::share),
        number(CoAttendance::lift),
    ]);
    findings.tables.push(table(&ALSO_ATTENDED, cells)?);
    findings.facts.push(Fact::count(
        "attendees",
        "people who attended any event",
        u64::from(found.people),
        "people",
    ));
    if found.cut > 0 {
        findings.caveats.push(format!(
            "`{}` keeps at most {} others per event: {} weaker pairs are left out, over all events",
            ALSO_ATTENDED.name, found.kept, found.cut
        ));
    }
    if found.left_out > 0 {
        findings.caveats.push(format!(
            "{} attendees with more than {} events are left out of `{}`",
            found.left_out, params.max_events, ALSO_ATTENDED.name
        ));
    }
    Ok(())
}
