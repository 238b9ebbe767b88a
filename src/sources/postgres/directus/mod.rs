//! Directus: venues, artists, events and who plays them.

mod claims;

use std::collections::BTreeMap;

use super::client::{Session, Taken};
use super::columns::{Instant, Start};
use super::scope::{Named, Scope, choose_schema, untaken};
use super::select::{Field, Row, Select};
use crate::config::{Archive, Naming};
use crate::context::Context;
use crate::ontology::NameHash;
use crate::sources::facts::Facts;
use crate::sources::rows::{ArtistRow, DirectusTables, EventRow, LineupRow, VenueRow};
use crate::sources::spool::Spool;
use crate::sources::{Found, Lacking, SourceError, SourceOptions};

use claims::Claims;
pub use claims::facts;

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
    let mut claims = Claims::new(&layout.scope.schema, &layout.tables(), into);
    layout.venues(session, &mut claims, cx).await?;
    layout.artists(session, &mut claims, cx).await?;
    layout.events(session, &mut claims, cx).await?;
    layout.lineup(session, &mut claims, cx).await?;
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

/// Tables of Directus's own by which a schema is known to be one of its.
const TELLING: [&str; 2] = ["directus_collections", "directus_relations"];

/// The collections by their logical names, which are the usual ones as well.
const COLLECTIONS: [&str; 3] = ["venues", "artists", "events"];

impl<'o> Layout<'o> {
    async fn discover(session: &mut Session, naming: &'o Naming) -> Result<Option<Self>, SourceError> {
        let catalog = session.catalog();
        let candidates = catalog.schemas_with(&TELLING);
        let mut lacking = Vec::new();
        for [there, other] in [TELLING, [TELLING[1], TELLING[0]]] {
            let schemas = catalog.schemas_with(&[there]).into_iter();
            let schemas = schemas.filter(|schema| catalog.table(schema, other).is_none());
            lacking.extend(schemas.map(|schema| Lacking::table(SYSTEM, schema, other, None)));
        }
        let chosen = choose_schema(session.place(), SYSTEM, &naming.schema, &candidates, &lacking)?;
        let Some(schema) = chosen else {
            session.lacks(untaken(lacking, &naming.schema, &[]));
            return Ok(None);
        };
        let scope = Scope::new(SYSTEM, schema.as_str(), naming);
        let all = COLLECTIONS.map(|logical| (logical, logical));
        scope.distinct(&[&all[..], &[("lineup", "")]].concat())?;
        let mut notes = Vec::new();
        if catalog.table(&schema, "directus_migrations").is_some() {
            let of = (schema.as_str(), "directus_migrations");
            let release = session.texts(include_str!("../sql/directus_release.sql"), of, None).await?;
            notes.extend(release.into_iter().flatten().flatten().map(|version| format!("release {version}")));
        }
        let of = (schema.as_str(), "directus_collections");
        let rules = session.texts(include_str!("../sql/directus_archive.sql"), of, None).await?;
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
        let of = (schema.as_str(), "directus_relations");
        let venue = session.texts(include_str!("../sql/directus_venue.sql"), of, Some(&names)).await?;
        let venue = venue.into_iter().flatten().flatten().next();
        notes.extend(venue.iter().filter(|field| *field != "venue").map(|field| format!("venue in {field}")));
        let junctions = session.texts(include_str!("../sql/directus_lineup.sql"), of, Some(&names)).await?;
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

    async fn venues(
        &self,
        session: &mut Session,
        claims: &mut Claims<'_>,
        cx: &Context,
    ) -> Result<(), SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "venues", "venues")? else { return Ok(()) };
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
                claims.venue(&VenueRow {
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
                })?;
                Ok(Taken::Row(()))
            })
            .await?;
        Ok(())
    }

    async fn artists(
        &self,
        session: &mut Session,
        claims: &mut Claims<'_>,
        cx: &Context,
    ) -> Result<(), SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "artists", "artists")? else { return Ok(()) };
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
                claims.artist(&ArtistRow {
                    id: row.need(id)?,
                    status: row.get(status)?.unwrap_or_default(),
                    name: row.get(name)?.unwrap_or_default(),
                    instagram_url: row.get(instagram_url)?,
                    genres: row.get(genres)?.unwrap_or_default(),
                    date_created: row.get(created)?.map(|Instant(at)| at),
                    date_updated: row.get(updated)?.map(|Instant(at)| at),
                })?;
                Ok(Taken::Row(()))
            })
            .await?;
        Ok(())
    }

    async fn events(
        &self,
        session: &mut Session,
        claims: &mut Claims<'_>,
        cx: &Context,
    ) -> Result<(), SourceError> {
        let catalog = session.catalog();
        let Some(table) = self.scope.table(&catalog, "events", "events")? else { return Ok(()) };
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
                claims.event(&EventRow {
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
                })?;
                Ok(Taken::Row(()))
            })
            .await?;
        Ok(())
    }

    /// Neither half of a pair is mandatory and no pair is unique in a junction: the first by sort order stands.
    async fn lineup(
        &self,
        session: &mut Session,
        claims: &mut Claims<'_>,
        cx: &Context,
    ) -> Result<(), SourceError> {
        let catalog = session.catalog();
        let Some(junction) = &self.lineup else { return Ok(()) };
        let Some(named) = self.scope.table(&catalog, "lineup", &junction.table)? else { return Ok(()) };
        let table = named.table;
        let (mut select, id) = Select::new(named, "id")?;
        let event: Field<String> = select.required("event", &[&junction.event])?;
        let artist: Field<String> = select.required("artist", &[&junction.artist])?;
        let sort = select.optional("sort", &[junction.sort.as_deref().unwrap_or("sort")])?;
        if let Some((field, artists)) = &junction.of {
            let field: Field<String> = select.required("collection", &[field])?;
            let field = select.quoted(field).expect("a required column was found");
            select.clauses(format!("WHERE {field} = ANY($1)"), Some(vec![artists.clone()]));
        }
        let mut rows: Spool<(LineupRow, String)> = Spool::default();
        let mut pairs = Vec::new();
        session
            .read(&select, cx, |row| match (row.get(event)?, row.get(artist)?) {
                (Some(event), Some(artist)) => {
                    // Their lengths keep the two apart.
                    let pair: String = format!("{} {event}{artist}", event.len());
                    let lineup = LineupRow { event, artist, sort: row.get(sort)? };
                    pairs.push((NameHash::of(&pair), rows.push(&(lineup, row.need(id)?))?));
                    Ok(Taken::Row(()))
                }
                _ => Ok(Taken::LeftOut("half-empty")),
            })
            .await?;
        pairs.sort_unstable();
        let mut left_out = 0;
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let mut all = same.iter().map(|(_, place)| rows.get(*place)).collect::<Result<Vec<_>, _>>()?;
            all.sort_by_cached_key(|(row, id)| (row.sort.is_none(), row.sort, id.len(), id.clone()));
            claims.performs(&all[0].0)?;
            left_out += same.len() as u64 - 1;
        }
        session.left_out(table, "duplicate pair", left_out);
        Ok(())
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
