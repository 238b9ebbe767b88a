//! `atomic.events` of Snowplow: one table of all events, the properties of each as self-describing JSON.
//!
//! Written from the documentation of its columns, not against a live installation.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::catalog::Catalog;
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Json, Wire, text_literal};
use super::super::scope::{Named, Scope};
use super::super::select::{Field, Select};
use super::actions::{Action, NOBODYS, Properties, TIMELESS, Which, session_number};
use super::many::{Many, Part, Wanted, as_touches, first_of, is_one_of, list, told};
use super::nothing::{some_id, some_id_of};
use super::{Aside, Warehouse, wide};
use crate::config::Naming;
use crate::context::Context;
use crate::ontology::NameHash;
use crate::sources::rows::{IdentifyRow, TouchRow};
use crate::sources::spool::{Place, Spool, SpoolError};
use crate::sources::{Lacking, SourceError};

/// The event that tells a user's traits; no touch.
const IDENTIFY: &str = "identify";

/// Events of the tracker itself that are no touches.
const PAGES: &[&str] = &["page_view", "page_ping"];

/// Schemas that hold this layout.
pub(super) fn schemas<'c>(catalog: &'c Catalog, naming: &Naming) -> Vec<&'c str> {
    wide::schemas(catalog, naming, REQUIRED)
}

const REQUIRED: &wide::Required = &[
    ("id", "event_id"),
    ("event", "event_name"),
    ("collected_at", "collector_tstamp"),
    ("anonymous_id", "domain_userid"),
];

/// What keeps schemas from holding this layout that look like it.
pub(super) fn lacking(catalog: &Catalog, naming: &Naming) -> Vec<Lacking> {
    wide::lacking(catalog, naming, REQUIRED)
}

/// Reads the layout.
pub(super) async fn rows(
    session: &mut Session,
    from: &Warehouse<'_>,
    which: Which<'_>,
    into: &mut Aside,
    cx: &Context,
) -> Result<(), SourceError> {
    let (catalog, scope) = (session.catalog(), &from.scope);
    let Some(events) = scope.table_by(&catalog, "tracks", ("events", "events"))? else {
        return Ok(());
    };
    read(session, from, events, which, into, cx).await?;
    if let (Which::Few(doubled), Ok(many)) = (which, many(scope, &catalog)?) {
        if !doubled.is_empty() {
            read(session, from, events, Which::These(doubled), into, cx).await?;
        }
        as_touches(many.sightings(session, doubled, cx).await?, from.nth, &mut into.touches)?;
    }
    Ok(identify_by_touches(into, from.nth)?)
}

/// Of the many touches those that are wanted.
pub(super) async fn moved(
    session: &mut Session,
    from: &Warehouse<'_>,
    wanted: Wanted<'_>,
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Ok(many) = many(&from.scope, &catalog)? else { return Ok(()) };
    let mut rows = Aside { touches: std::mem::take(into), ..Aside::default() };
    for part in &many.parts {
        let condition = many.moved(part, wanted);
        let which = Which::Moved(&condition, wanted.keys);
        read(session, from, many.messages, which, &mut rows, cx).await?;
    }
    *into = rows.touches;
    Ok(())
}

/// The columns of self-describing events: one of all, or one of each.
fn details(select: &mut Select<'_>, events: Named<'_>) -> Result<Vec<Field<Json>>, SourceError> {
    let mut details = vec![select.json("properties", &["unstruct_event"], "{}")?];
    for column in events.table.columns().into_iter().filter(|name| name.starts_with("unstruct_event_")) {
        details.push(select.json(column, &[column], "{}")?);
    }
    Ok(details)
}

/// What stands under a key of the event's own object as the server tells it: nothing where it might fail to, or where the
/// object lies deeper than usual. See [`inner`].
fn under(key: &str, details: &[String]) -> String {
    let key = text_literal(key);
    // The server refuses to tell some texts that JSON can spell.
    let escapes: Vec<String> = details.iter().map(|of| format!("strpos({of}::text, '\\u') > 0")).collect();
    let told = details.iter().map(|of| {
        let (data, deeper) = (format!("({of} -> 'data')"), format!("({of} -> 'data' -> 'data')"));
        let schema = |of: &str| format!("({of} -> 'schema')");
        format!(
            "nullif(CASE WHEN {0} IS NULL THEN {of} ->> {key} WHEN {1} IS NULL THEN {data} ->> {key} \
             WHEN {2} IS NULL THEN {deeper} ->> {key} END, '')",
            schema(of),
            schema(&data),
            schema(&deeper)
        )
    });
    let told = told.collect::<Vec<_>>().join(", ");
    format!("(CASE WHEN {} THEN NULL ELSE coalesce({told}) END)", escapes.join(" OR "))
}

/// Events that are no touches: of the tracker itself, unless somebody calls a touch so.
fn pages(names: &Properties<'_>) -> Vec<&'static str> {
    PAGES.iter().copied().filter(|page| !names.actions().any(|action| action == *page)).collect()
}

/// Where touches are.
pub(super) fn many<'c>(
    scope: &'c Scope<'_>,
    catalog: &'c Catalog,
) -> Result<Result<Many<'c>, String>, SourceError> {
    let Some(messages) = scope.table_by(catalog, "tracks", ("events", "events"))? else {
        return Ok(Err("there is no table of events".to_owned()));
    };
    let names = Properties::named(scope);
    let (mut select, id) = Select::keyed(messages, "id", &["event_id"])?;
    let event: Field<String> = select.required("event", &["event_name"])?;
    let clocks: [Field<Instant>; 3] = [
        select.optional("timestamp", &["derived_tstamp"])?,
        select.optional("collected_at", &["collector_tstamp"])?,
        select.optional("received_at", &["load_tstamp"])?,
    ];
    let who: [Field<String>; 3] = [
        select.optional("anonymous_id", &["domain_userid"])?,
        select.optional("network_id", &["network_userid"])?,
        select.optional("user_id", &["user_id"])?,
    ];
    let mut properties = Vec::new();
    for field in details(&mut select, messages)? {
        let (Some(name), Some(column)) = (select.name(field), select.quoted(field)) else { continue };
        let kind = messages.table.column(&[name]).map(|(_, column)| column.kind.as_str());
        if !matches!(kind, Some("json" | "jsonb")) {
            let table = messages.table.qualified();
            return Ok(Err(format!("`{name}` of `{table}` is no json: the server cannot look into it")));
        }
        properties.push(column);
    }
    if properties.is_empty() {
        properties.push("NULL::jsonb".to_owned());
    }
    let [derived, collected, loaded] = clocks.map(|clock| select.expression(clock));
    let Some(at) = first_of([derived, collected, loaded]) else {
        return Ok(Err(format!("`{}` has no clock", messages.table.qualified())));
    };
    let [device, network, user] = who.map(|field| some_id_of(select.expression(field)));
    let device = format!("coalesce({device}, {network})");
    let named = told(select.expression(event));
    let quoted = select.quoted(event).expect("a required column was found");
    let no_touches: Vec<&str> = pages(&names).into_iter().chain([IDENTIFY]).collect();
    let many = names.of(Action::is_of_many);
    let many: Vec<&str> = many.into_iter().filter(|name| *name != IDENTIFY).collect();
    Ok(Ok(Many {
        messages,
        id: select.name(id).expect("a key was found").to_owned(),
        received: first_of([loaded, collected, Some(&at)]).expect("one of them is there"),
        is_touch: format!(
            "{at} IS NOT NULL AND coalesce({device}, {user}) IS NOT NULL AND {named} IS NOT NULL \
             AND {quoted} <> ALL ({})",
            list(no_touches)
        ),
        stamp: loaded.or(collected).map(str::to_owned),
        at,
        device: (device, Wire::Text),
        user,
        parts: vec![Part {
            condition: format!("{quoted} = ANY ({})", list(many)),
            own: None,
            attended: format!("{quoted} = ANY ({})", list(names.of(Action::is_attendance))),
            event: names.event(&quoted, |key| under(key, &properties)),
        }],
    }))
}

async fn read(
    session: &mut Session,
    Warehouse { scope, nth, .. }: &Warehouse<'_>,
    events: Named<'_>,
    which: Which<'_>,
    into: &mut Aside,
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
    let details = details(&mut select, events)?;
    let quoted = select.quoted(event).expect("a required column was found");
    let pages = pages(&names);
    match which {
        Which::All => {
            let pages = pages.into_iter().map(str::to_owned).collect();
            select.clauses(format!("WHERE {quoted} <> ALL($1) OR {quoted} IS NULL"), Some(pages));
        }
        Which::Few(_) => {
            let few = names.of(|action| !action.is_of_many()).into_iter().chain([IDENTIFY]);
            let few = few.map(str::to_owned).collect();
            select.clauses(format!("WHERE {quoted} = ANY($1)"), Some(few));
        }
        Which::These(ids) => {
            let column = select.name(id).expect("a key was found");
            let few = names.of(|action| !action.is_of_many()).into_iter().chain([IDENTIFY]);
            let others = list(pages.into_iter().chain(few));
            let these = is_one_of(events, column);
            let these = format!("WHERE ({quoted} <> ALL ({others}) OR {quoted} IS NULL) AND {these}");
            select.clauses(these, Some(ids.to_vec()));
        }
        Which::Moved(condition, keys) => select.clauses(format!("WHERE {condition}"), Some(keys.to_vec())),
    }
    session
        .read(&select, cx, |row| {
            let instant = |field| Ok::<_, SourceError>(row.get(field)?.map(|Instant(at)| at));
            let (derived, collected, loaded) = (instant(derived)?, instant(collected)?, instant(loaded)?);
            let Some(at) = derived.or(collected).or(loaded) else { return Ok(Taken::LeftOut(TIMELESS)) };
            let received_at = loaded.or(collected).unwrap_or(at);
            let anonymous_id = match some_id(row.get(device)?) {
                Some(device) => Some(device),
                None => some_id(row.get(network)?),
            };
            let (id, user_id) = (row.need(id)?, some_id(row.get(user)?));
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
                let schema = *nth;
                let row = IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name, schema };
                into.identifies.push(&row)?;
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
                schema: *nth,
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
/// before it. Of rows of the `nth` schema.
fn identify_by_touches(rows: &mut Aside, nth: u8) -> Result<(), SpoolError> {
    let pair = |device: &str, user: &str| (NameHash::of(device), NameHash::of(user));
    let mut told: HashMap<(NameHash, NameHash), i64> = HashMap::new();
    for row in &rows.identifies {
        let row = row?;
        if let (true, Some(device), Some(user)) = (row.schema == nth, &row.anonymous_id, &row.user_id) {
            let at = told.entry(pair(device, user)).or_insert(row.at);
            *at = (*at).min(row.at);
        }
    }
    // When, and where the touch lies; of touches at one time, the first by id.
    let mut first: HashMap<(NameHash, NameHash), (i64, Place)> = HashMap::new();
    for touch in rows.touches.placed() {
        let (place, touch) = touch?;
        let TouchRow { id, at, anonymous_id: Some(device), user_id: Some(user), schema, .. } = touch else {
            continue;
        };
        if schema != nth {
            continue;
        }
        let pair = pair(&device, &user);
        if told.get(&pair).is_some_and(|told| at >= *told) {
            continue;
        }
        match first.entry(pair) {
            Entry::Vacant(entry) => {
                entry.insert((at, place));
            }
            Entry::Occupied(mut known) => {
                let (before, held) = *known.get();
                if at < before || (at == before && id < rows.touches.get(held)?.id) {
                    known.insert((at, place));
                }
            }
        }
    }
    drop(told);
    let mut links: Vec<(i64, Place)> = first.into_values().collect();
    links.sort_unstable();
    for same_time in links.chunk_by(|a, b| a.0 == b.0) {
        let touches = same_time.iter().map(|(_, place)| rows.touches.get(*place));
        let mut touches = touches.collect::<Result<Vec<TouchRow>, SpoolError>>()?;
        touches.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for TouchRow { id, at, received_at, anonymous_id, user_id, schema, .. } in touches {
            let (email, name) = (None, None);
            let row = IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name, schema };
            rows.identifies.push(&row)?;
        }
    }
    Ok(())
}
