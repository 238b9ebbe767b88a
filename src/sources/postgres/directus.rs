//! Directus: venues, artists, events and who plays them.

use std::collections::HashSet;

use super::millis;
use crate::ontology::{Label, Relation, SourceRef};
use crate::sources::facts::{Address, BY_NAME, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{ArtistRow, DirectusRows, EventRow, VenueRow};

/// Name of this system in source references.
pub const SYSTEM: &str = "directus";

/// What the rows claim: venues, artists, events, genres; who hosts, performs at and promotes what.
///
/// An edge to a row that is not among the rows (archived, deleted) is left out.
pub fn facts(rows: &DirectusRows, facts: &mut Facts) {
    let venues = format!("{}.venues", rows.schema);
    let artists = format!("{}.artists", rows.schema);
    let events = format!("{}.events", rows.schema);
    facts.events_table.clone_from(&events);
    facts.artists_table.clone_from(&artists);

    facts.nodes.extend(rows.venues.iter().map(|row| venue(row, &venues)));
    for row in &rows.artists {
        let node = artist(row, &artists);
        facts.edges.extend(genres(&node.source, &row.genres));
        facts.nodes.push(node);
    }

    let venue_ids: HashSet<&str> = rows.venues.iter().map(|v| v.id.as_str()).collect();
    for row in &rows.events {
        let node = event(row, &events);
        let to_event = |relation, src, mut properties: Vec<(&'static str, Value)>| {
            properties.extend(start(row, "timestamp"));
            EdgeFact { relation, src, dst: End::Row(node.source.clone()), properties }
        };
        if let Some(id) = row.venue.as_deref().filter(|id| venue_ids.contains(id)) {
            let host = End::Row(SourceRef::new(SYSTEM, &venues, id));
            facts.edges.push(to_event(Relation::Hosts, host, Vec::new()));
        }
        if row.promoter_domain.is_some() || row.promoter_name.is_some() {
            let weight = if row.promoter_domain.is_some() { 1.0 } else { BY_NAME };
            let promoter =
                End::Organization { domain: row.promoter_domain.clone(), name: row.promoter_name.clone() };
            facts.edges.push(to_event(Relation::Promotes, promoter, vec![("weight", Value::Float(weight))]));
        }
        facts.edges.extend(genres(&node.source, &row.tags));
        facts.nodes.push(node);
    }

    let artist_ids: HashSet<&str> = rows.artists.iter().map(|a| a.id.as_str()).collect();
    let event_starts: std::collections::HashMap<&str, &EventRow> =
        rows.events.iter().map(|e| (e.id.as_str(), e)).collect();
    for row in rows.lineup.iter().filter(|row| artist_ids.contains(row.artist.as_str())) {
        let Some(event) = event_starts.get(row.event.as_str()) else { continue };
        let mut properties: Vec<_> =
            row.sort.map(|sort| ("billing", Value::Integer(sort))).into_iter().collect();
        properties.extend(start(event, "timestamp"));
        facts.edges.push(EdgeFact {
            relation: Relation::PerformsAt,
            src: End::Row(SourceRef::new(SYSTEM, &artists, &row.artist)),
            dst: End::Row(SourceRef::new(SYSTEM, &events, &row.event)),
            properties,
        });
    }
}

fn venue(row: &VenueRow, table: &str) -> NodeFact {
    let mut properties = Vec::new();
    // Outside these bounds a point is refused by the graph; the venue is then known without a location.
    if let (Some(latitude), Some(longitude)) = (row.latitude, row.longitude)
        && latitude.abs() <= 90.0
        && longitude.abs() <= 180.0
    {
        properties.push(("location", Value::Point { latitude, longitude }));
    }
    properties.extend(row.city.clone().map(|city| ("city", Value::Text(city))));
    properties.extend(row.timezone.clone().map(|zone| ("tz", Value::Text(zone))));
    properties.extend(row.capacity.map(|capacity| ("capacity", Value::Integer(capacity))));
    NodeFact {
        label: Label::Venue,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()),
        addresses: row.google_place_id.clone().map(Address::PlaceId).into_iter().collect(),
        properties,
    }
}

fn artist(row: &ArtistRow, table: &str) -> NodeFact {
    NodeFact {
        label: Label::Person,
        extra_labels: vec!["Artist"],
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()),
        addresses: row.instagram_url.clone().map(Address::Instagram).into_iter().collect(),
        properties: Vec::new(),
    }
}

fn event(row: &EventRow, table: &str) -> NodeFact {
    let mut properties: Vec<_> = start(row, "starts_at").into_iter().collect();
    properties.extend(row.end_date.map(|at| ("ends_at", Value::Instant(millis(at)))));
    properties.push(("status", Value::Text(row.status.clone())));
    properties.extend(row.source_url.clone().map(|url| ("source_url", Value::Text(url))));
    properties.extend(row.price_min.map(|price| ("price_min", Value::Float(price))));
    NodeFact {
        label: Label::Event,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()),
        addresses: Vec::new(),
        properties,
    }
}

fn start(row: &EventRow, property: &'static str) -> Option<(&'static str, Value)> {
    row.start_date.map(|clock| (property, Value::WallClock(clock)))
}

fn genres<'a>(of: &'a SourceRef, names: &'a [String]) -> impl Iterator<Item = EdgeFact> + 'a {
    names.iter().map(|name| EdgeFact {
        relation: Relation::HasGenre,
        src: End::Row(of.clone()),
        dst: End::Genre(name.clone()),
        properties: Vec::new(),
    })
}
