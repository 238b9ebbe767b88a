//! `atomic.events` of Snowplow: one table of all events, the properties of each as self-describing JSON.
//!
//! Written from the documentation of its columns, not against a live installation.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::catalog::Catalog;
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Json};
use super::super::scope::{Named, Scope};
use super::super::select::{Field, Select};
use super::actions::{self, NOBODYS, Properties, TIMELESS, session_number};
use crate::config::Naming;
use crate::context::Context;
use crate::sources::SourceError;
use crate::sources::rows::{IdentifyRow, TouchRow, TouchpointRows};
use crate::sources::spool::{Spool, SpoolError};

/// The event that tells a user's traits; no touch.
const IDENTIFY: &str = "identify";

/// Events of the tracker itself that are no touches.
const PAGES: &[&str] = &["page_view", "page_ping"];

/// Schemas that hold this layout.
pub(super) fn schemas<'c>(catalog: &'c Catalog, naming: &Naming) -> Vec<&'c str> {
    let events = actions::events_table(naming);
    let columns = ["event_id", "event_name", "collector_tstamp", "domain_userid"];
    let mut schemas = catalog.schemas_with(&[events]);
    schemas.retain(|schema| catalog.table(schema, events).is_some_and(|table| table.has(&columns)));
    schemas
}

/// Reads the layout; with it, what to tell the user.
pub(super) async fn rows(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<(TouchpointRows<Spool<TouchRow>>, Vec<String>), SourceError> {
    let catalog = session.catalog();
    let mut rows = TouchpointRows { schema: scope.schema.clone(), ..TouchpointRows::default() };
    let Some(events) = scope.table(&catalog, "tracks", scope.name("events", "events"))? else {
        return Ok((rows, Vec::new()));
    };
    read(session, scope, events, &mut rows, cx).await?;
    identify_by_touches(&mut rows)?;
    Ok((rows, Vec::new()))
}

async fn read(
    session: &mut Session,
    scope: &Scope<'_>,
    events: Named<'_>,
    into: &mut TouchpointRows<Spool<TouchRow>>,
    cx: &Context,
) -> Result<(), SourceError> {
    let names = Properties::named(scope);
    let email_of = scope.column("identifies", "email").unwrap_or("email");
    let name_of = scope.column("identifies", "name").unwrap_or("name");
    let (mut select, id) = Select::keyed(events, "id", &["event_id"])?;
    let event: Field<String> = select.required("event", &["event_name"])?;
    let derived = select.optional("timestamp", &["derived_tstamp"])?;
    let collected = select.optional("collected_at", &["collector_tstamp"])?;
    let loaded = select.optional("received_at", &["load_tstamp"])?;
    let device = select.optional("anonymous_id", &["domain_userid"])?;
    let network = select.optional("network_id", &["network_userid"])?;
    let user = select.optional("user_id", &["user_id"])?;
    let source = select.optional("source", &["mkt_source"])?;
    let medium = select.optional("medium", &["mkt_medium"])?;
    let campaign = select.optional("campaign", &["mkt_campaign"])?;
    let number: Field<String> = select.optional("session", &["domain_sessionid"])?;
    // One column of all self-describing events, or one of each.
    let mut details = vec![select.json("properties", &["unstruct_event"], "{}")?];
    for column in events.table.columns().into_iter().filter(|name| name.starts_with("unstruct_event_")) {
        details.push(select.json("properties_of_event", &[column], "{}")?);
    }
    let quoted = select.quoted(event).expect("a required column was found");
    let pages = PAGES.iter().filter(|page| !names.actions().any(|action| action == **page));
    let pages = pages.map(|page| (*page).to_owned()).collect();
    select.clauses(format!("WHERE {quoted} <> ALL($1) OR {quoted} IS NULL"), Some(pages));
    session
        .read(&select, cx, |row| {
            let instant = |field| Ok::<_, SourceError>(row.get(field)?.map(|Instant(at)| at));
            let (derived, collected, loaded) = (instant(derived)?, instant(collected)?, instant(loaded)?);
            let Some(at) = derived.or(collected).or(loaded) else { return Ok(Taken::LeftOut(TIMELESS)) };
            let received_at = loaded.or(collected).unwrap_or(at);
            let anonymous_id = match row.get(device)? {
                Some(device) => Some(device),
                None => row.get(network)?,
            };
            let (id, user_id): (_, Option<String>) = (row.need(id)?, row.get(user)?);
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let Some(event) = row.get(event)? else { return Ok(Taken::LeftOut("without an event's name")) };
            let mut told = Vec::new();
            for field in &details {
                told.extend(row.get(*field)?.map(|json| (*field, inner(json))));
            }
            let text = |key: &str| {
                for (field, json) in &told {
                    if let Some(text) = json.text(&[key]).map_err(|reason| row.refuse(*field, &reason))? {
                        return Ok(Some(text));
                    }
                }
                Ok::<_, SourceError>(None)
            };
            if event == IDENTIFY {
                let (email, name) = (text(email_of)?, text(name_of)?);
                into.identifies.push(IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name });
                return Ok(Taken::Row(()));
            }
            into.touches.push(&TouchRow {
                id,
                at,
                received_at,
                anonymous_id,
                user_id,
                touch: names.touch(event, |key| text(key))?,
                source: row.get(source)?,
                medium: row.get(medium)?,
                campaign: row.get(campaign)?,
                session: row.get(number)?.as_deref().map(session_number),
            })?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}

/// The event's own object inside the envelopes that say which schema each part has.
fn inner(Json(mut value): Json) -> Json {
    while let Some(object) = value.as_object_mut().filter(|object| object.contains_key("schema")) {
        match object.remove("data") {
            Some(data) => value = data,
            None => break,
        }
    }
    Json(value)
}

/// A user id beside a device id links both: the first such touch of each pair stands for an identify, unless one came
/// before it.
fn identify_by_touches(rows: &mut TouchpointRows<Spool<TouchRow>>) -> Result<(), SpoolError> {
    let mut told: HashMap<(&str, &str), i64> = HashMap::new();
    for row in &rows.identifies {
        if let (Some(device), Some(user)) = (row.anonymous_id.as_deref(), row.user_id.as_deref()) {
            let at = told.entry((device, user)).or_insert(row.at);
            *at = (*at).min(row.at);
        }
    }
    let mut first: HashMap<(String, String), (i64, String, i64)> = HashMap::new();
    for touch in &rows.touches {
        let TouchRow { id, at, received_at, anonymous_id: Some(device), user_id: Some(user), .. } = touch?
        else {
            continue;
        };
        if told.get(&(&*device, &*user)).is_none_or(|told| at < *told) {
            let this = (at, id, received_at);
            match first.entry((device, user)) {
                Entry::Vacant(place) => {
                    place.insert(this);
                }
                Entry::Occupied(mut known) if this < *known.get() => {
                    known.insert(this);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    let mut links: Vec<IdentifyRow> = first
        .into_iter()
        .map(|((device, user), (at, id, received_at))| IdentifyRow {
            id,
            at,
            received_at,
            anonymous_id: Some(device),
            user_id: Some(user),
            email: None,
            name: None,
        })
        .collect();
    links.sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    rows.identifies.extend(links);
    Ok(())
}
