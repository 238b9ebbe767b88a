//! The batch export of `PostHog`: a table of all events with their properties as JSON, and one of persons.
//!
//! Written from the documentation of the export, not against a live installation.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::catalog::Catalog;
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Json, Wire, text_literal};
use super::super::scope::{Named, Scope};
use super::super::select::{Field, Row, Select};
use super::actions::{Action, NOBODYS, Properties, TIMELESS, Which, session_number};
use super::many::{Many, Part, Sighting, Wanted, as_touches, is_one_of, list};
use super::nothing::{some_id, some_id_of};
use super::{Aside, SYSTEM, Warehouse, wide};
use crate::config::Naming;
use crate::context::Context;
use crate::ontology::NameHash;
use crate::sources::rows::{AliasRow, IdentifyRow, TouchRow, UserRow};
use crate::sources::spool::{Spool, SpoolError};
use crate::sources::{Lacking, SourceError, table_key};

const IDENTIFY: &str = "$identify";
const ALIAS: &str = "$create_alias";

/// Its rows' schema: no other is read beside it.
const ALONE: u8 = 0;

/// The property that names the device.
const DEVICE: &str = "$device_id";

/// Schemas that hold this layout.
pub(super) fn schemas<'c>(catalog: &'c Catalog, naming: &Naming) -> Vec<&'c str> {
    wide::schemas(catalog, naming, REQUIRED)
}

const REQUIRED: &wide::Required =
    &[("id", "uuid"), ("event", "event"), ("user_id", "distinct_id"), ("properties", "properties")];

/// What keeps schemas from holding this layout that look like it: of the table of events what it must have, or that table
/// beside the one of persons.
pub(super) fn lacking(catalog: &Catalog, naming: &Naming) -> Vec<Lacking> {
    let mut lacking = wide::lacking(catalog, naming, REQUIRED);
    for schema in catalog.schemas_with(&[]) {
        let scope = Scope::new(SYSTEM, schema, naming);
        let events = scope.name("events", "events");
        let persons = catalog.table(schema, scope.name("persons", "persons"));
        let are_persons = persons.is_some_and(|persons| persons.has(&["distinct_id", "person_id"]));
        if are_persons && catalog.table(schema, events).is_none() {
            lacking.push(Lacking::table(SYSTEM, schema, events, table_key(SYSTEM, "events")));
        }
    }
    lacking
}

/// Reads the layout.
pub(super) async fn rows(
    session: &mut Session,
    Warehouse { scope, .. }: &Warehouse<'_>,
    which: Which<'_>,
    into: &mut Aside,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    into.aliases_name_anyone = true;
    let Some(events) = scope.table_by(&catalog, "tracks", ("events", "events"))? else {
        return Ok(());
    };
    identities(session, scope, events, into, cx).await?;
    let persons = scope.table_by(&catalog, "users", ("persons", "persons"))?;
    let persons = match persons {
        Some(persons) => Some(people(session, persons, cx).await?),
        None => None,
    };
    // An alias joins two ids: it makes no user of either.
    let mut users = BTreeSet::new();
    for row in &into.identifies {
        users.extend(row?.user_id);
    }
    let persons = Persons::of(persons.unwrap_or_default(), &mut users);
    touches(session, scope, events, &users, which, &mut into.touches, cx).await?;
    if let (Which::Few(doubled), Ok(many)) = (which, many(scope, &catalog)?) {
        if !doubled.is_empty() {
            let which = Which::These(doubled);
            touches(session, scope, events, &users, which, &mut into.touches, cx).await?;
        }
        let seen = many.sightings(session, doubled, cx).await?.into_iter().filter_map(|sighting| {
            let (device, user) = whose(sighting.user?, &users, || some_id(sighting.device));
            Some(Sighting { device, user, ..sighting })
        });
        as_touches(seen, ALONE, &mut into.touches)?;
    }
    into.known = users;
    Ok(persons.tell(into)?)
}

/// Of the many touches those that are wanted.
pub(super) async fn moved(
    session: &mut Session,
    Warehouse { scope, .. }: &Warehouse<'_>,
    users: &BTreeSet<String>,
    wanted: Wanted<'_>,
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Ok(many) = many(scope, &catalog)? else { return Ok(()) };
    for part in &many.parts {
        let condition = many.moved(part, wanted);
        let which = Which::Moved(&condition, wanted.keys);
        touches(session, scope, many.messages, users, which, into, cx).await?;
    }
    Ok(())
}

/// Where touches are.
pub(super) fn many<'c>(
    scope: &'c Scope<'_>,
    catalog: &'c Catalog,
) -> Result<Result<Many<'c>, String>, SourceError> {
    let Some(messages) = scope.table_by(catalog, "tracks", ("events", "events"))? else {
        return Ok(Err("there is no table of events".to_owned()));
    };
    let (select, fields) = Fields::of(messages, &[])?;
    let name = |field| select.name(field).expect("a required column was found").to_owned();
    let properties = select.name(fields.properties);
    let column = properties.and_then(|name| Some(messages.table.column(&[name])?.1));
    let Some(properties) =
        select.quoted(fields.properties).filter(|_| column.is_some_and(|c| c.kind == "jsonb"))
    else {
        let table = messages.table.qualified();
        return Ok(Err(format!(
            "the properties of `{table}` are no jsonb: the server cannot look into them"
        )));
    };
    let names = Properties::named(scope);
    let event = select.quoted(fields.event).expect("a required column was found");
    let at = select.expression(fields.at).expect("a required column was found").to_owned();
    let stamp = select.expression(fields.received_at).map(str::to_owned);
    let is_touch = format!("(left({event}, 1) <> '$' OR {event} = ANY ({}))", list(names.of(|_| true)));
    let device = text_literal(messages.configured("anonymous_id").unwrap_or(DEVICE));
    let many = list(names.of(Action::is_of_many));
    Ok(Ok(Many {
        messages,
        id: name(fields.id),
        received: stamp.as_ref().map_or_else(|| at.clone(), |stamp| format!("coalesce({stamp}, {at})")),
        stamp: stamp.or_else(|| Some(at.clone())),
        device: (format!("({properties} -> {device})::text"), Wire::Json),
        user: some_id_of(select.expression(fields.distinct_id)),
        is_touch: format!("{at} IS NOT NULL AND {is_touch}"),
        at,
        parts: vec![Part {
            condition: format!("{event} = ANY ({many})"),
            own: None,
            attended: format!("{event} = ANY ({})", list(names.of(Action::is_attendance))),
            event: names.event(&event, |key| format!("({properties} ->> {})", text_literal(key))),
        }],
    }))
}

/// Device and user of whoever did something. Before somebody is identified their id is that of the device.
fn whose(
    who: String,
    users: &BTreeSet<String>,
    device: impl FnOnce() -> Option<String>,
) -> (Option<String>, Option<String>) {
    if users.contains(&who) {
        (device().filter(|device| *device != who), Some(who))
    } else {
        (Some(who), None)
    }
}

/// A column of the table of events, and what of its properties is brought over.
#[derive(Debug, Clone, Copy)]
struct Fields {
    id: Field<String>,
    at: Field<Instant>,
    received_at: Field<Instant>,
    event: Field<String>,
    distinct_id: Field<String>,
    properties: Field<Json>,
}

impl Fields {
    /// `keys` are the properties that are wanted.
    fn of<'c>(events: Named<'c>, keys: &[&str]) -> Result<(Select<'c>, Self), SourceError> {
        let (mut select, id) = Select::keyed(events, "id", &["uuid"])?;
        let part: Vec<String> =
            keys.iter().map(|key| text_literal(key)).map(|key| format!("{key}, {{}} -> {key}")).collect();
        let part = format!("jsonb_build_object({})", part.join(", "));
        let fields = Self {
            id,
            at: select.required("timestamp", &["timestamp"])?,
            received_at: select.optional("received_at", &["inserted_at", "ingested_at", "created_at"])?,
            event: select.required("event", &["event"])?,
            distinct_id: select.required("user_id", &["distinct_id"])?,
            properties: select.json("properties", &["properties"], &part)?,
        };
        Ok((select, fields))
    }

    /// When it happened and when it was loaded; `None` where the row does not say.
    fn clocks(self, row: &Row<'_>) -> Result<Option<(i64, i64)>, SourceError> {
        let Some(Instant(at)) = row.get(self.at)? else { return Ok(None) };
        Ok(Some((at, row.get(self.received_at)?.map_or(at, |Instant(at)| at))))
    }

    fn properties(self, row: &Row<'_>) -> Result<Json, SourceError> {
        Ok(row.get(self.properties)?.unwrap_or(Json(serde_json::Value::Null)))
    }
}

async fn identities(
    session: &mut Session,
    scope: &Scope<'_>,
    events: Named<'_>,
    rows: &mut Aside,
    cx: &Context,
) -> Result<(), SourceError> {
    let email = scope.column("identifies", "email").unwrap_or("email");
    let name = scope.column("identifies", "name").unwrap_or("name");
    let (mut select, fields) = Fields::of(events, &["$anon_distinct_id", "alias", "$set"])?;
    let set: Field<Json> = select.json("set", &["set"], "{}")?;
    let event = select.quoted(fields.event).expect("a required column was found");
    let names = vec![IDENTIFY.to_owned(), ALIAS.to_owned()];
    select.clauses(format!("WHERE {event} = ANY($1)"), Some(names));
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = fields.clocks(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let told = fields.properties(row)?;
            let text = |json: &Json, path: &[&str], of: Field<Json>| {
                json.text(path).map_err(|reason| row.refuse(of, &reason))
            };
            let (id, user_id) = (row.need(fields.id)?, some_id(Some(row.need(fields.distinct_id)?)));
            if row.need(fields.event)? == ALIAS {
                let previous_id = some_id(text(&told, &["alias"], fields.properties)?);
                return Ok(match (previous_id, user_id) {
                    (Some(previous_id), Some(user_id)) if previous_id != user_id => {
                        rows.aliases.push(AliasRow { id, at, previous_id, user_id, schema: ALONE });
                        Taken::Row(())
                    }
                    _ => Taken::LeftOut("half-empty"),
                });
            }
            let set_column = row.get(set)?.unwrap_or(Json(serde_json::Value::Null));
            let trait_of = |key: &str| match text(&set_column, &[key], set)? {
                Some(value) => Ok::<_, SourceError>(Some(value)),
                None => text(&told, &["$set", key], fields.properties),
            };
            let (email, name) = (trait_of(email)?, trait_of(name)?);
            let anonymous_id = some_id(text(&told, &["$anon_distinct_id"], fields.properties)?);
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let schema = ALONE;
            let row = IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name, schema };
            rows.identifies.push(&row)?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}

/// A row of `persons`: one per `distinct_id`.
#[derive(Debug, Default)]
struct PersonRow {
    distinct_id: String,
    person: String,
    email: Option<String>,
    name: Option<String>,
    created_at: Option<i64>,
}

async fn people(
    session: &mut Session,
    persons: Named<'_>,
    cx: &Context,
) -> Result<Vec<PersonRow>, SourceError> {
    let (mut select, distinct_id) = Select::keyed(persons, "id", &["distinct_id"])?;
    let person = select.required("person", &["person_id"])?;
    let keys = ["email", "name"].map(|logical| persons.configured(logical).unwrap_or(logical));
    let part = keys.map(text_literal).map(|key| format!("{key}, {{}} -> {key}")).join(", ");
    let properties = select.json("properties", &["properties"], &format!("jsonb_build_object({part})"))?;
    let created_at = select.optional("created_at", &["created_at"])?;
    session
        .read(&select, cx, |row| {
            let Some(distinct_id) = some_id(Some(row.need(distinct_id)?)) else {
                return Ok(Taken::LeftOut(NOBODYS));
            };
            let told = row.get(properties)?.unwrap_or(Json(serde_json::Value::Null));
            let text = |key| told.text(&[key]).map_err(|reason| row.refuse(properties, &reason));
            Ok(Taken::Row(PersonRow {
                distinct_id,
                person: row.need(person)?,
                email: text(keys[0])?,
                name: text(keys[1])?,
                created_at: row.get(created_at)?.map(|Instant(at)| at),
            }))
        })
        .await
}

/// What the export of persons adds: which devices belong to a user, and the users' latest traits.
#[derive(Debug, Default)]
struct Persons {
    users: Vec<UserRow>,
    /// Device, user, when the person was first seen.
    devices: Vec<(String, String, Option<i64>)>,
}

impl Persons {
    /// A person is a user where one of its ids was identified, or where it has an e-mail address: then its byte-smallest
    /// id names it, and is added to `users`.
    fn of(rows: Vec<PersonRow>, users: &mut BTreeSet<String>) -> Self {
        let mut by_person: BTreeMap<String, Vec<PersonRow>> = BTreeMap::new();
        for row in rows {
            by_person.entry(row.person.clone()).or_default().push(row);
        }
        let mut persons = Self::default();
        for mut ids in by_person.into_values() {
            ids.sort_unstable_by(|a, b| a.distinct_id.cmp(&b.distinct_id));
            let identified = ids.iter().position(|row| users.contains(&row.distinct_id));
            let Some(at) = identified.or_else(|| ids.iter().position(|row| row.email.is_some())) else {
                continue;
            };
            let user = ids.remove(at);
            users.insert(user.distinct_id.clone());
            for device in ids.into_iter().filter(|row| !users.contains(&row.distinct_id)) {
                persons.devices.push((device.distinct_id, user.distinct_id.clone(), device.created_at));
            }
            let (id, schema) = (user.distinct_id, ALONE);
            persons.users.push(UserRow { id, email: user.email, name: user.name, schema });
        }
        persons
    }

    fn tell(self, rows: &mut Aside) -> Result<(), SpoolError> {
        let mut first: HashMap<NameHash, i64> = HashMap::new();
        for touch in &rows.touches {
            let touch = touch?;
            if let Some(id) = touch.anonymous_id {
                let at = first.entry(NameHash::of(&id)).or_insert(touch.at);
                *at = (*at).min(touch.at);
            }
        }
        let pair = |device: &str, user: &str| (NameHash::of(device), NameHash::of(user));
        let mut known: HashSet<(NameHash, NameHash)> =
            rows.aliases.iter().map(|row| pair(&row.previous_id, &row.user_id)).collect();
        for row in &rows.identifies {
            let row = row?;
            known.extend(row.anonymous_id.as_deref().zip(row.user_id.as_deref()).map(|(d, u)| pair(d, u)));
        }
        let devices = self.devices.into_iter().filter_map(|(device, user, created_at)| {
            let at = created_at.or_else(|| first.get(&NameHash::of(&device)).copied())?;
            let id = format!("person:{user}:{device}");
            let is_new = !known.contains(&pair(&device, &user));
            is_new.then_some(AliasRow { id, at, previous_id: device, user_id: user, schema: ALONE })
        });
        let devices: Vec<AliasRow> = devices.collect();
        rows.aliases.extend(devices);
        rows.users.extend(self.users)
    }
}

/// Every event but those that only `PostHog` knows, which begin with `$`.
async fn touches(
    session: &mut Session,
    scope: &Scope<'_>,
    events: Named<'_>,
    users: &BTreeSet<String>,
    which: Which<'_>,
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let named = |logical, usual| events.configured(logical).unwrap_or(usual);
    let [device, number] = [named("anonymous_id", DEVICE), named("session", "$session_id")];
    let utm =
        [named("source", "utm_source"), named("medium", "utm_medium"), named("campaign", "utm_campaign")];
    let names = Properties::named(scope);
    let mut keys = vec![device, number];
    keys.extend(utm);
    keys.extend(names.keys());
    let (mut select, fields) = Fields::of(events, &keys)?;
    let event = select.quoted(fields.event).expect("a required column was found");
    let is_touch = format!("(left({event}, 1) <> '$' OR {event} = ANY ({}))", list(names.of(|_| true)));
    match which {
        Which::All => select.clauses(format!("WHERE {is_touch}"), None),
        Which::Few(_) => {
            let few = list(names.of(|action| !action.is_of_many()));
            select.clauses(format!("WHERE {event} = ANY ({few})"), None);
        }
        Which::These(ids) => {
            let column = select.name(fields.id).expect("a key was found");
            let these = is_one_of(events, column);
            let few = list(names.of(|action| !action.is_of_many()));
            let these = format!("WHERE {is_touch} AND {event} <> ALL ({few}) AND {these}");
            select.clauses(these, Some(ids.to_vec()));
        }
        Which::Moved(condition, keys) => select.clauses(format!("WHERE {condition}"), Some(keys.to_vec())),
    }
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = fields.clocks(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let told = fields.properties(row)?;
            let text = |key: &str| told.text(&[key]).map_err(|reason| row.refuse(fields.properties, &reason));
            let Some(who) = some_id(Some(row.need(fields.distinct_id)?)) else {
                return Ok(Taken::LeftOut(NOBODYS));
            };
            let device = if users.contains(&who) { some_id(text(device)?) } else { None };
            let (anonymous_id, user_id) = whose(who, users, || device);
            into.push(&TouchRow {
                id: row.need(fields.id)?,
                at,
                received_at,
                anonymous_id,
                user_id,
                touch: names.touch(row.need(fields.event)?, |key| text(key))?,
                source: text(utm[0])?,
                medium: text(utm[1])?,
                campaign: text(utm[2])?,
                session: text(number)?.as_deref().map(session_number),
                schema: ALONE,
            })?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}
