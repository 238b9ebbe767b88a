//! What the rows of Directus claim: venues, artists, events, genres; who hosts, performs at and promotes what.

use std::collections::{HashMap, HashSet};

use super::super::millis;
use super::SYSTEM;
use crate::ontology::{Label, NameHash, Relation, SourceRef};
use crate::sources::facts::{Address, BY_NAME, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{ArtistRow, DirectusRows, DirectusTables, EventRow, LineupRow, VenueRow};
use crate::sources::spool::SpoolError;

/// Takes rows one at a time and keeps of them what others refer to: venues before events, both and artists before the
/// lineup. An edge to a row that was not taken (archived, deleted) is left out.
pub(super) struct Claims<'f> {
    facts: &'f mut Facts,
    venues: String,
    artists: String,
    events: String,
    venue_ids: HashSet<NameHash>,
    artist_ids: HashSet<NameHash>,
    /// Every event, and its start as an edge tells it.
    starts: HashMap<NameHash, Option<Value>>,
}

/// What the rows claim.
///
/// # Errors
/// When there is no room to keep the facts aside.
pub fn facts(rows: &DirectusRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let mut claims = Claims::new(&rows.schema, &rows.tables, facts);
    rows.venues.iter().try_for_each(|row| claims.venue(row))?;
    rows.artists.iter().try_for_each(|row| claims.artist(row))?;
    rows.events.iter().try_for_each(|row| claims.event(row))?;
    rows.lineup.iter().try_for_each(|row| claims.performs(row))
}

impl<'f> Claims<'f> {
    /// Of the rows of collections in a schema.
    pub(super) fn new(schema: &str, tables: &DirectusTables, facts: &'f mut Facts) -> Self {
        let [venues, artists, events] =
            [&tables.venues, &tables.artists, &tables.events].map(|table| format!("{schema}.{table}"));
        facts.events_table.clone_from(&events);
        facts.artists_table.clone_from(&artists);
        Self {
            facts,
            venues,
            artists,
            events,
            venue_ids: HashSet::new(),
            artist_ids: HashSet::new(),
            starts: HashMap::new(),
        }
    }

    pub(super) fn venue(&mut self, row: &VenueRow) -> Result<(), SpoolError> {
        self.venue_ids.insert(NameHash::of(&row.id));
        self.facts.nodes.push(&venue(row, &self.venues)).map(drop)
    }

    pub(super) fn artist(&mut self, row: &ArtistRow) -> Result<(), SpoolError> {
        self.artist_ids.insert(NameHash::of(&row.id));
        let node = artist(row, &self.artists);
        self.facts.edges.extend(genres(&node.source, &row.genres))?;
        self.facts.nodes.push(&node).map(drop)
    }

    pub(super) fn event(&mut self, row: &EventRow) -> Result<(), SpoolError> {
        let start = start(row);
        let node = event(row, start.clone(), &self.events);
        let to_event = |relation, src, properties: Option<(&'static str, Value)>| EdgeFact {
            relation,
            src,
            dst: End::Row(node.source.clone()),
            properties: properties.into_iter().chain(timestamp(start.as_ref())).collect(),
        };
        let venue = row.venue.as_deref().filter(|id| self.venue_ids.contains(&NameHash::of(id)));
        if let Some(id) = venue {
            let host = End::Row(SourceRef::new(SYSTEM, &self.venues, id));
            self.facts.edges.push(&to_event(Relation::Hosts, host, None))?;
        }
        if row.promoter_domain.is_some() || row.promoter_name.is_some() {
            let weight = if row.promoter_domain.is_some() { 1.0 } else { BY_NAME };
            let promoter =
                End::Organization { domain: row.promoter_domain.clone(), name: row.promoter_name.clone() };
            let weight = Some(("weight", Value::Float(weight)));
            self.facts.edges.push(&to_event(Relation::Promotes, promoter, weight))?;
        }
        self.facts.edges.extend(genres(&node.source, &row.tags))?;
        self.facts.nodes.push(&node)?;
        self.starts.insert(NameHash::of(&row.id), start);
        Ok(())
    }

    pub(super) fn performs(&mut self, row: &LineupRow) -> Result<(), SpoolError> {
        let Some(start) = self.starts.get(&NameHash::of(&row.event)) else { return Ok(()) };
        if !self.artist_ids.contains(&NameHash::of(&row.artist)) {
            return Ok(());
        }
        let billing = row.sort.map(|sort| ("billing", Value::Integer(sort)));
        let edge = EdgeFact {
            relation: Relation::PerformsAt,
            src: End::Row(SourceRef::new(SYSTEM, &self.artists, &row.artist)),
            dst: End::Row(SourceRef::new(SYSTEM, &self.events, &row.event)),
            properties: billing.into_iter().chain(timestamp(start.as_ref())).collect(),
        };
        self.facts.edges.push(&edge).map(drop)
    }
}

fn venue(row: &VenueRow, table: &str) -> NodeFact {
    let mut properties = Vec::new();
    if let (Some(latitude), Some(longitude)) = (row.latitude, row.longitude) {
        properties.push(("location", Value::Point { latitude, longitude }));
    }
    properties.extend(row.city.clone().map(|city| ("city", Value::Text(city))));
    properties.extend(row.timezone.clone().map(|zone| ("tz", Value::Text(zone))));
    properties.extend(row.capacity.map(|capacity| ("capacity", Value::Integer(capacity))));
    NodeFact {
        label: Label::Venue,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()).filter(|name| !name.is_empty()),
        addresses: row.google_place_id.clone().map(Address::PlaceId).into_iter().collect(),
        properties,
    }
}

fn artist(row: &ArtistRow, table: &str) -> NodeFact {
    NodeFact {
        label: Label::Person,
        extra_labels: vec!["Artist"],
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()).filter(|name| !name.is_empty()),
        addresses: row.instagram_url.clone().map(Address::Instagram).into_iter().collect(),
        properties: Vec::new(),
    }
}

fn event(row: &EventRow, start: Option<Value>, table: &str) -> NodeFact {
    let mut properties: Vec<_> = start.map(|start| ("starts_at", start)).into_iter().collect();
    properties.extend(row.end_date.map(|at| ("ends_at", Value::Instant(millis(at)))));
    let status = Some(row.status.clone()).filter(|status| !status.is_empty());
    properties.extend(status.map(|status| ("status", Value::Text(status))));
    properties.extend(row.source_url.clone().map(|url| ("source_url", Value::Text(url))));
    properties.extend(row.price_min.map(|price| ("price_min", Value::Float(price))));
    NodeFact {
        label: Label::Event,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: Some(row.name.clone()).filter(|name| !name.is_empty()),
        addresses: Vec::new(),
        properties,
    }
}

fn start(row: &EventRow) -> Option<Value> {
    let clock = row.start_date.map(Value::WallClock);
    clock.or_else(|| row.starts_at.map(|at| Value::Instant(millis(at))))
}

/// When an event starts, on the edges that lead to it.
fn timestamp(start: Option<&Value>) -> Option<(&'static str, Value)> {
    start.cloned().map(|start| ("timestamp", start))
}

fn genres<'a>(of: &'a SourceRef, names: &'a [String]) -> impl Iterator<Item = EdgeFact> + 'a {
    names.iter().map(|name| EdgeFact {
        relation: Relation::HasGenre,
        src: End::Row(of.clone()),
        dst: End::Genre(name.clone()),
        properties: Vec::new(),
    })
}
