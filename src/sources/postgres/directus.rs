//! Directus: venues, artists, events and who plays them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::client::{Session, Taken};
use super::columns::{Instant, Start};
use super::millis;
use super::scope::{Named, Scope};
use super::select::{Field, Row, Select};
use crate::config::{Archive, Naming};
use crate::context::Context;
use crate::ontology::{Label, Relation, SourceRef};
use crate::sources::facts::{Address, BY_NAME, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{ArtistRow, DirectusRows, DirectusTables, EventRow, LineupRow, VenueRow};
use crate::sources::spool::SpoolError;
use crate::sources::{Found, SourceError, SourceOptions};

/// Name of this system in source references.
pub const SYSTEM: &str = "directus";

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let Some(layout) = Layout::discover(session, options.of(SYSTEM)).await? else { return Ok(None) };
    let rows = layout.rows(session, cx).await?;
    facts(&rows, into)?;
    Ok(Some(Found { schema: layout.scope.schema, notes: layout.notes, missing: layout.missing }))
}

/// What the modeller chose, as the configuration and Directus's own tables tell it.
#[derive(Debug)]
struct Layout<'o> {
    scope: Scope<'o>,
    notes: Vec<String>,
    /// Collections, and junctions that Directus names, whose tables are not there.
    missing: Vec<String>,
    /// Logical table → field and value that mean "archived".
    archive: BTreeMap<&'static str, Archive>,
    /// Field of the events that names the venue.
    venue: Option<String>,
    lineup: Option<Junction>,
    /// Statuses that mean an event is published.
    published: &'o [String],
}

#[derive(Debug)]
struct Junction {
    table: String,
    event: String,
    artist: String,
    sort: Option<String>,
    /// Of a junction with items of several collections: the field that says which, and the artists' name in it.
    of: Option<(String, String)>,
}

impl Junction {
    fn from_row(row: Vec<Option<String>>) -> Option<Self> {
        let [table, event, artist, sort, of, artists] = <[Option<String>; 6]>::try_from(row).ok()?;
        Some(Self { table: table?, event: event?, artist: artist?, sort, of: of.zip(artists) })
    }
}

/// The collections by their logical names, which are the usual ones as well.
const COLLECTIONS: [&str; 3] = ["venues", "artists", "events"];

impl<'o> Layout<'o> {
    async fn discover(session: &mut Session, naming: &'o Naming) -> Result<Option<Self>, SourceError> {
        let catalog = session.catalog();
        let candidates = catalog.schemas_with(&["directus_collections", "directus_relations"]);
        let Some(schema) = session.choose_schema(SYSTEM, naming.schema.as_ref(), &candidates)? else {
            return Ok(None);
        };
        let scope = Scope::new(SYSTEM, schema.as_str(), naming);
        let mut notes = Vec::new();
        if catalog.table(&schema, "directus_migrations").is_some() {
            let release = session.texts(include_str!("sql/directus_release.sql"), &schema, None).await?;
            notes.extend(release.into_iter().flatten().flatten().map(|version| format!("release {version}")));
        }
        let rules = session.texts(include_str!("sql/directus_archive.sql"), &schema, None).await?;
        let rules: BTreeMap<String, Archive> = rules
            .into_iter()
            .filter_map(|row| match <[Option<String>; 3]>::try_from(row) {
                Ok([Some(collection), Some(field), Some(value)]) => {
                    Some((collection, Archive { field, value }))
                }
                _ => None,
            })
            .collect();
        let mut archive = BTreeMap::new();
        for logical in COLLECTIONS {
            let configured = naming.archive.get(logical);
            let rule = configured.or_else(|| rules.get(scope.name(logical, logical)));
            archive.extend(rule.map(|rule| (logical, rule.clone())));
            notes.extend(scope.table(&catalog, logical, logical)?.and_then(unread_places));
        }
        let names = COLLECTIONS.map(|logical| scope.name(logical, logical).to_owned()).to_vec();
        let venue = session.texts(include_str!("sql/directus_venue.sql"), &schema, Some(&names)).await?;
        let venue = venue.into_iter().flatten().flatten().next();
        notes.extend(venue.iter().filter(|field| *field != "venue").map(|field| format!("venue in {field}")));
        let junctions = session.texts(include_str!("sql/directus_lineup.sql"), &schema, Some(&names)).await?;
        let junctions = junctions.into_iter().filter_map(Junction::from_row);
        let (junctions, lost): (Vec<Junction>, Vec<Junction>) =
            junctions.partition(|junction| catalog.table(&schema, &junction.table).is_some());
        let mut missing = scope.missing(&catalog, &COLLECTIONS.map(|logical| (logical, logical)))?;
        if !naming.tables.contains_key("lineup") {
            missing.extend(lost.iter().map(|junction| format!("{schema}.{}", junction.table)));
            missing.dedup();
        }
        let lineup = choose_lineup(junctions, naming, &mut notes);
        Ok(Some(Self { notes, missing, archive, venue, lineup, published: &naming.published, scope }))
    }

    async fn rows(&self, session: &mut Session, cx: &Context) -> Result<DirectusRows, SourceError> {
        Ok(DirectusRows {
            schema: self.scope.schema.clone(),
            tables: self.tables(),
            venues: self.venues(session, cx).await?,
            artists: self.artists(session, cx).await?,
            events: self.events(session, cx).await?,
            lineup: self.lineup(session, cx).await?,
        })
    }

    fn tables(&self) -> DirectusTables {
        let [venues, artists, events] =
            COLLECTIONS.map(|logical| self.scope.name(logical, logical).to_owned());
        DirectusTables { venues, artists, events }
    }

    /// The column that tells archived rows, and the value that does.
    fn archived<'a>(
        &'a self,
        select: &mut Select<'_>,
        logical: &str,
    ) -> Result<impl Fn(&Row<'_>) -> Result<bool, SourceError> + use<'a, 'o>, SourceError> {
        let rule = self.archive.get(logical);
        let table = select.table();
        if let Some(Archive { field, .. }) = rule
            && table.column(&[field]).is_none()
        {
            let (source_name, table, there) = (SYSTEM, table.qualified(), table.columns().join(", "));
            let key = format!("sources.{SYSTEM}.archive.{logical}");
            return Err(if self.scope.archive(logical).is_some() {
                SourceError::NamedColumnMissing { source_name, table, column: field.clone(), key, there }
            } else {
                SourceError::ArchiveMissing { table, column: field.clone(), key }
            });
        }
        let field: Option<Field<String>> =
            rule.map(|rule| select.required("archive", &[&rule.field])).transpose()?;
        Ok(move |row: &Row<'_>| match (field, rule) {
            (Some(field), Some(rule)) => Ok(row.get(field)?.as_ref() == Some(&rule.value)),
            _ => Ok(false),
        })
    }

    async fn venues(&self, session: &mut Session, cx: &Context) -> Result<Vec<VenueRow>, SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "venues", "venues")? else { return Ok(Vec::new()) };
        let (mut select, id) = Select::new(table, "id")?;
        let archived = self.archived(&mut select, "venues")?;
        let status = select.optional("status", &["status"])?;
        let name = select.required("name", &["name", "title"])?;
        let google_place_id = select.optional("google_place_id", &["google_place_id", "place_id"])?;
        let city = select.optional("city", &["city"])?;
        let country = select.optional("country", &["country"])?;
        let latitude = select.optional("latitude", &["latitude", "lat"])?;
        let longitude = select.optional("longitude", &["longitude", "lng", "lon"])?;
        let timezone = select.optional("timezone", &["timezone", "time_zone", "tz"])?;
        let capacity = select.optional("capacity", &["capacity"])?;
        let website = select.optional("website", &["website", "url"])?;
        let instagram_url = select.optional("instagram_url", &["instagram_url", "instagram"])?;
        let (created, updated) = stamps(&mut select)?;
        session
            .read(&select, cx, |row| {
                if archived(row)? {
                    return Ok(Taken::LeftOut(ARCHIVED));
                }
                Ok(Taken::Row(VenueRow {
                    id: row.need(id)?,
                    status: row.get(status)?.unwrap_or_default(),
                    name: row.get(name)?.unwrap_or_default(),
                    google_place_id: row.get(google_place_id)?,
                    city: row.get(city)?,
                    country: row.get(country)?,
                    latitude: row.get(latitude)?,
                    longitude: row.get(longitude)?,
                    timezone: row.get(timezone)?,
                    capacity: row.get(capacity)?,
                    website: row.get(website)?,
                    instagram_url: row.get(instagram_url)?,
                    date_created: row.get(created)?.map(|Instant(at)| at),
                    date_updated: row.get(updated)?.map(|Instant(at)| at),
                }))
            })
            .await
    }

    async fn artists(&self, session: &mut Session, cx: &Context) -> Result<Vec<ArtistRow>, SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "artists", "artists")? else { return Ok(Vec::new()) };
        let (mut select, id) = Select::new(table, "id")?;
        let archived = self.archived(&mut select, "artists")?;
        let status = select.optional("status", &["status"])?;
        let name = select.required("name", &["name", "title"])?;
        let instagram_url = select.optional("instagram_url", &["instagram_url", "instagram"])?;
        let genres = select.optional("genres", &["genres", "genre"])?;
        let (created, updated) = stamps(&mut select)?;
        session
            .read(&select, cx, |row| {
                if archived(row)? {
                    return Ok(Taken::LeftOut(ARCHIVED));
                }
                Ok(Taken::Row(ArtistRow {
                    id: row.need(id)?,
                    status: row.get(status)?.unwrap_or_default(),
                    name: row.get(name)?.unwrap_or_default(),
                    instagram_url: row.get(instagram_url)?,
                    genres: row.get(genres)?.unwrap_or_default(),
                    date_created: row.get(created)?.map(|Instant(at)| at),
                    date_updated: row.get(updated)?.map(|Instant(at)| at),
                }))
            })
            .await
    }

    async fn events(&self, session: &mut Session, cx: &Context) -> Result<Vec<EventRow>, SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "events", "events")? else { return Ok(Vec::new()) };
        let (mut select, id) = Select::new(table, "id")?;
        let archived = self.archived(&mut select, "events")?;
        let status = select.optional("status", &["status"])?;
        let name = select.required("name", &["name", "title"])?;
        let start: Field<Start> =
            select.optional("start_date", &["start_date", "starts_at", "start", "date"])?;
        let end = select.optional("end_date", &["end_date", "ends_at"])?;
        let source = select.optional("source", &["source"])?;
        let source_url = select.optional("source_url", &["source_url", "url"])?;
        let price_min = select.optional("price_min", &["price_min", "price"])?;
        let promoter_name = select.optional("promoter_name", &["promoter_name", "promoter"])?;
        let promoter_domain = select.optional("promoter_domain", &["promoter_domain", "promoter_url"])?;
        let tags = select.optional("tags", &["tags"])?;
        let external_id = select.counter("external_id", &["external_id"])?;
        let venue = match &self.venue {
            Some(field) if table.configured("venue").is_none() => select.required("venue", &[field])?,
            _ => select.optional("venue", &["venue", "venue_id"])?,
        };
        let (created, updated) = stamps(&mut select)?;
        session
            .read(&select, cx, |row| {
                if archived(row)? {
                    return Ok(Taken::LeftOut(ARCHIVED));
                }
                let status: String = row.get(status)?.unwrap_or_default();
                let is_published = self.published.contains(&status);
                let (start_date, starts_at) = match row.get(start)? {
                    Some(Start::WallClock(clock)) => (Some(clock), None),
                    Some(Start::Instant(Instant(at))) => (None, Some(at)),
                    None => (None, None),
                };
                Ok(Taken::Row(EventRow {
                    id: row.need(id)?,
                    status: if is_published { PUBLISHED.to_owned() } else { status },
                    name: row.get(name)?.unwrap_or_default(),
                    start_date,
                    starts_at,
                    end_date: row.get(end)?.map(|Instant(at)| at),
                    source: row.get(source)?,
                    source_url: row.get(source_url)?,
                    price_min: row.get(price_min)?,
                    promoter_name: row.get(promoter_name)?,
                    promoter_domain: row.get(promoter_domain)?,
                    tags: row.get(tags)?.unwrap_or_default(),
                    external_id: row.get(external_id)?,
                    venue: row.get(venue)?,
                    date_created: row.get(created)?.map(|Instant(at)| at),
                    date_updated: row.get(updated)?.map(|Instant(at)| at),
                }))
            })
            .await
    }

    /// Neither half of a pair is mandatory and no pair is unique in a junction: the first by sort order stands.
    async fn lineup(&self, session: &mut Session, cx: &Context) -> Result<Vec<LineupRow>, SourceError> {
        let catalog = session.catalog();
        let Some(junction) = &self.lineup else { return Ok(Vec::new()) };
        let Some(named) = self.scope.table(&catalog, "lineup", &junction.table)? else {
            return Ok(Vec::new());
        };
        let table = named.table;
        let (mut select, id) = Select::new(named, "id")?;
        let event = select.required("event", &[&junction.event])?;
        let artist = select.required("artist", &[&junction.artist])?;
        let sort = select.optional("sort", &[junction.sort.as_deref().unwrap_or("sort")])?;
        if let Some((field, artists)) = &junction.of {
            let field: Field<String> = select.required("collection", &[field])?;
            let field = select.quoted(field).expect("a required column was found");
            select.clauses(format!("WHERE {field} = ANY($1)"), Some(vec![artists.clone()]));
        }
        let mut rows = session
            .read(&select, cx, |row| match (row.get(event)?, row.get(artist)?) {
                (Some(event), Some(artist)) => {
                    let lineup = LineupRow { event, artist, sort: row.get(sort)? };
                    Ok(Taken::Row((lineup, row.need(id)?)))
                }
                _ => Ok(Taken::LeftOut("half-empty")),
            })
            .await?;
        let unsorted = |(row, id): &(LineupRow, String)| (row.sort.is_none(), row.sort, id.len(), id.clone());
        rows.sort_by(|a, b| {
            let pair = (&a.0.event, &a.0.artist).cmp(&(&b.0.event, &b.0.artist));
            pair.then_with(|| unsorted(a).cmp(&unsorted(b)))
        });
        let before = rows.len();
        rows.dedup_by(|later, first| later.0.event == first.0.event && later.0.artist == first.0.artist);
        session.left_out(table, "duplicate pair", (before - rows.len()) as u64);
        Ok(rows.into_iter().map(|(row, _)| row).collect())
    }
}

const ARCHIVED: &str = "archived";

/// What a published event is called in the graph.
const PUBLISHED: &str = "published";

/// The configured junction, else the first by the order in which the fields were made.
fn choose_lineup(mut junctions: Vec<Junction>, naming: &Naming, notes: &mut Vec<String>) -> Option<Junction> {
    let configured = naming.tables.get("lineup");
    let at = configured.map_or(Some(0), |name| junctions.iter().position(|junction| junction.table == *name));
    let mut chosen = match at {
        Some(at) if at < junctions.len() => Some(junctions.remove(at)),
        _ => None,
    };
    // A junction that Directus does not know as one, with the names it would have given.
    let unknown = || {
        let field = |logical| format!("{}_id", naming.tables.get(logical).map_or(logical, String::as_str));
        Some(Junction {
            table: configured?.clone(),
            event: field("events"),
            artist: field("artists"),
            sort: None,
            of: None,
        })
    };
    chosen = chosen.or_else(unknown);
    notes.push(match &chosen {
        Some(Junction { table, event, artist, .. }) => format!("lineup through {table} ({event}, {artist})"),
        None => "no junction between events and artists".to_owned(),
    });
    if !junctions.is_empty() && configured.is_none() {
        let others: Vec<&str> = junctions.iter().map(|junction| junction.table.as_str()).collect();
        notes.push(format!("not through {}: sources.directus.lineup can name another", others.join(", ")));
    }
    chosen
}

/// Places that only `PostGIS` can read: said by name, because a venue without them seems to have no location.
fn unread_places(named: Named<'_>) -> Option<String> {
    let bare = |kind: &str| kind.rsplit('.').next().unwrap_or(kind).trim_matches('"').to_owned();
    let places =
        named.table.columns_of(|kind| ["geometry", "geography", "point"].contains(&bare(kind).as_str()));
    (!places.is_empty())
        .then(|| format!("{}.{} not read: latitude and longitude are", named.table.name, places.join(", ")))
}

fn stamps(select: &mut Select<'_>) -> Result<(Field<Instant>, Field<Instant>), SourceError> {
    Ok((
        select.optional("date_created", &["date_created"])?,
        select.optional("date_updated", &["date_updated"])?,
    ))
}

/// What the rows claim: venues, artists, events, genres; who hosts, performs at and promotes what.
///
/// An edge to a row that is not among the rows (archived, deleted) is left out.
///
/// # Errors
/// When there is no room to keep the facts aside.
pub fn facts(rows: &DirectusRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let venues = format!("{}.{}", rows.schema, rows.tables.venues);
    let artists = format!("{}.{}", rows.schema, rows.tables.artists);
    let events = format!("{}.{}", rows.schema, rows.tables.events);
    facts.events_table.clone_from(&events);
    facts.artists_table.clone_from(&artists);

    facts.nodes.extend(rows.venues.iter().map(|row| venue(row, &venues)))?;
    for row in &rows.artists {
        let node = artist(row, &artists);
        facts.edges.extend(genres(&node.source, &row.genres))?;
        facts.nodes.push(&node)?;
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
            facts.edges.push(&to_event(Relation::Hosts, host, Vec::new()))?;
        }
        if row.promoter_domain.is_some() || row.promoter_name.is_some() {
            let weight = if row.promoter_domain.is_some() { 1.0 } else { BY_NAME };
            let promoter =
                End::Organization { domain: row.promoter_domain.clone(), name: row.promoter_name.clone() };
            let weight = vec![("weight", Value::Float(weight))];
            facts.edges.push(&to_event(Relation::Promotes, promoter, weight))?;
        }
        facts.edges.extend(genres(&node.source, &row.tags))?;
        facts.nodes.push(&node)?;
    }

    let artist_ids: HashSet<&str> = rows.artists.iter().map(|a| a.id.as_str()).collect();
    let events_by_id: HashMap<&str, &EventRow> = rows.events.iter().map(|e| (e.id.as_str(), e)).collect();
    for row in rows.lineup.iter().filter(|row| artist_ids.contains(row.artist.as_str())) {
        let Some(event) = events_by_id.get(row.event.as_str()) else { continue };
        let mut properties: Vec<_> =
            row.sort.map(|sort| ("billing", Value::Integer(sort))).into_iter().collect();
        properties.extend(start(event, "timestamp"));
        facts.edges.push(&EdgeFact {
            relation: Relation::PerformsAt,
            src: End::Row(SourceRef::new(SYSTEM, &artists, &row.artist)),
            dst: End::Row(SourceRef::new(SYSTEM, &events, &row.event)),
            properties,
        })?;
    }
    Ok(())
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

fn event(row: &EventRow, table: &str) -> NodeFact {
    let mut properties: Vec<_> = start(row, "starts_at").into_iter().collect();
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

fn start(row: &EventRow, property: &'static str) -> Option<(&'static str, Value)> {
    let clock = row.start_date.map(Value::WallClock);
    let start = clock.or_else(|| row.starts_at.map(|at| Value::Instant(millis(at))));
    start.map(|start| (property, start))
}

fn genres<'a>(of: &'a SourceRef, names: &'a [String]) -> impl Iterator<Item = EdgeFact> + 'a {
    names.iter().map(|name| EdgeFact {
        relation: Relation::HasGenre,
        src: End::Row(of.clone()),
        dst: End::Genre(name.clone()),
        properties: Vec::new(),
    })
}
