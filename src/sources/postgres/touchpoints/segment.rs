//! The warehouse tables of Segment, which `RudderStack` and Hightouch write as well: `tracks` with what all events share,
//! one table per event name with its properties, `identifies`, `users` and `aliases`.

use std::collections::BTreeMap;

use super::super::catalog::{Catalog, identifier};
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Wire};
use super::super::scope::{Named, Scope};
use super::super::select::{Field, KEY, Keyed, Row, Select};
use super::actions::{self, ACTIONS, Action, EVENT, NOBODYS, TIMELESS, Which, names_of};
use super::many::{Many, Part, Wanted, as_touches, first_of, is_one_of, list, told};
use super::nothing::{some_id, some_id_of};
use super::{Aside, SYSTEM, Warehouse};
use crate::config::Naming;
use crate::context::Context;
use crate::sources::rows::{AliasRow, IdentifyRow, TouchRow, UserRow};
use crate::sources::spool::Spool;
use crate::sources::{Lacking, SourceError, table_key};

/// Schemas that hold this layout: tables come with their first message, so that `tracks` or `identifies` may be alone. What
/// says who did something tells them from tables of other things of that name.
pub(super) fn schemas<'c>(catalog: &'c Catalog, naming: &Naming) -> Vec<&'c str> {
    let holds = |schema: &str, logical: &'static str, needed: &[&str]| {
        let scope = Scope::new(SYSTEM, schema, naming);
        let Some(table) = catalog.table(schema, scope.name(logical, logical)) else { return false };
        let is_there = |column: &str| table.has(&[scope.column(logical, column).unwrap_or(column)]);
        needed.iter().all(|column| is_there(column)) && (is_there("anonymous_id") || is_there("user_id"))
    };
    let mut schemas = catalog.schemas_with(&[]);
    schemas
        .retain(|schema| holds(schema, "tracks", &["id", "event"]) || holds(schema, "identifies", &["id"]));
    schemas
}

/// What keeps schemas from holding this layout that look like it: of a table of messages that has half of what it must have,
/// the rest; where there are events' own tables, that of the messages.
pub(super) fn lacking(catalog: &Catalog, naming: &Naming) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    let holding = schemas(catalog, naming);
    for schema in catalog.schemas_with(&[]).into_iter().filter(|schema| !holding.contains(schema)) {
        let scope = Scope::new(SYSTEM, schema, naming);
        let name = scope.name("tracks", "tracks");
        let Some(table) = catalog.table(schema, name) else {
            let is_own = |action: &Action| {
                let own = catalog.table(schema, scope.name(action.name, action.name));
                own.is_some_and(|own| own.has(&["anonymous_id"]) || own.has(&["user_id"]))
            };
            if ACTIONS.iter().any(is_own) {
                lacking.push(Lacking::table(SYSTEM, schema, name, table_key(SYSTEM, "tracks")));
            }
            continue;
        };
        let called = |column| scope.column("tracks", column).unwrap_or(column);
        let is_there = |column| table.has(&[called(column)]);
        let who = if is_there("user_id") { "user_id" } else { "anonymous_id" };
        let (has, lacks): (Vec<&str>, Vec<&str>) =
            ["id", "event", who].into_iter().partition(|column| is_there(column));
        if has.len() > lacks.len() {
            let column = |column| Lacking::column(SYSTEM, (schema, name), called(column), ("tracks", column));
            lacking.extend(lacks.into_iter().map(column));
        }
    }
    lacking
}

/// Its tables by their logical names, which are the usual ones as well.
pub(super) fn tables() -> Vec<(&'static str, &'static str)> {
    let shared = ["tracks", "identifies", "users", "aliases"].into_iter();
    shared.chain(ACTIONS.iter().map(|action| action.name)).map(|name| (name, name)).collect()
}

/// Reads the layout; tells what of it is not there.
pub(super) async fn rows(
    session: &mut Session,
    from: &Warehouse<'_>,
    which: Which<'_>,
    into: &mut Aside,
    cx: &Context,
) -> Result<Vec<String>, SourceError> {
    let (catalog, scope) = (session.catalog(), &from.scope);
    let messages = scope.table(&catalog, "tracks", "tracks")?;
    let mut notes = Vec::new();
    for action in ACTIONS {
        let Some(named) = scope.table(&catalog, action.name, action.name)? else {
            notes.push(format!("no {}", action.name));
            continue;
        };
        let Some(own) = Keyed::of(named)? else {
            let of = (&*named.table.schema, &*named.table.name);
            session.lacks([Lacking::of_table(SYSTEM, of, KEY, (action.name, KEY))]);
            continue;
        };
        if messages.is_none() {
            // It is there, though nothing tells when and whose its rows are: what is gone is the table that does.
            let mut select = Select::about(own.named);
            for (logical, usual) in action.properties.iter().chain([&(KEY, &[KEY] as &[&str])]) {
                select.optional::<String>(logical, usual)?;
            }
            session.asks(&select);
        }
    }
    identifies(session, from, &mut into.identifies, cx).await?;
    users(session, from, &mut into.users, cx).await?;
    into.aliases.extend(aliases(session, from, cx).await?);
    touches(session, from, which, &mut into.touches, cx).await?;
    if let (Which::Few(doubled), Ok(many)) = (which, many(&from.scope, &catalog)?) {
        if !doubled.is_empty() {
            touches(session, from, Which::These(doubled), &mut into.touches, cx).await?;
        }
        as_touches(many.sightings(session, doubled, cx).await?, from.nth, &mut into.touches)?;
    }
    if let (Which::All, Some(messages), false) = (which, messages, session.is_looking()) {
        let unmatched = unmatched(session, scope, messages).await?;
        if unmatched > 0 {
            notes.push(format!("{unmatched} {UNMATCHED}"));
            session.left_out(messages.table, UNMATCHED, unmatched);
        }
    }
    Ok(notes)
}

const UNMATCHED: &str = "rows of events' own tables without a message of that id and event";

/// How many rows the events' own tables have that no message is joined to: of an event that messages call otherwise, or not
/// loaded yet.
async fn unmatched(
    session: &mut Session,
    scope: &Scope<'_>,
    messages: Named<'_>,
) -> Result<u64, SourceError> {
    let catalog = session.catalog();
    let named = |column| identifier(messages.configured(column).unwrap_or(column));
    let mut rows = Vec::new();
    for action in ACTIONS {
        let Some(Keyed { named, key }) = own(scope, &catalog, action)? else { continue };
        rows.push(format!(
            "SELECT {}::text AS id, {} AS names FROM {}",
            identifier(key),
            list(names_of(scope, action)),
            named.table.quoted(),
        ));
    }
    if rows.is_empty() {
        return Ok(0);
    }
    // Of all events at one go: the messages are many, and are looked through once.
    let sql = format!(
        "SELECT count(*)::text FROM ({}) j WHERE NOT EXISTS (SELECT FROM {} t WHERE t.{}::text = j.id AND t.{}::text = ANY (j.names))",
        rows.join(" UNION ALL "),
        messages.table.quoted(),
        named("id"),
        named("event"),
    );
    let told = session.lines::<1>(&sql, &messages.table.qualified()).await?;
    Ok(told.iter().flatten().flatten().find_map(|count| count.parse().ok()).unwrap_or_default())
}

/// The table of an event's own, where it can be joined.
fn own<'c>(
    scope: &'c Scope<'_>,
    catalog: &'c Catalog,
    action: &'static Action,
) -> Result<Option<Keyed<'c>>, SourceError> {
    let named = scope.table(catalog, action.name, action.name)?;
    Ok(named.map(Keyed::of).transpose()?.flatten())
}

/// Where touches are.
pub(super) fn many<'c>(
    scope: &'c Scope<'_>,
    catalog: &'c Catalog,
) -> Result<Result<Many<'c>, String>, SourceError> {
    let Some(messages) = scope.table(catalog, "tracks", "tracks")? else {
        return Ok(Err("there is no table `tracks`".to_owned()));
    };
    let (mut select, id) = Select::new(messages, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let device: Field<String> = select.optional("anonymous_id", &["anonymous_id"])?;
    let user: Field<String> = select.optional("user_id", &["user_id"])?;
    let event: Field<String> = select.required("event", &["event"])?;
    let [timestamp, original, received] =
        [clocks.timestamp, clocks.original, clocks.received].map(|clock| select.expression(clock));
    let Some(at) = first_of([timestamp, original, received]) else {
        return Ok(Err(format!("`{}` has no clock", messages.table.qualified())));
    };
    let [device, user] = [device, user].map(|field| some_id_of(select.expression(field)));
    let named = told(select.expression(event));
    let quoted = select.quoted(event).expect("a required column was found");
    let mut parts = Vec::new();
    for action in ACTIONS.iter().filter(|action| action.is_of_many()) {
        let own = own(scope, catalog, action)?;
        let mut joined = Select::about(messages);
        joined.join(own, select.name(id).expect("a key was found"));
        let event: Field<String> = joined.of_joined(EVENT.0, EVENT.1)?;
        parts.push(Part {
            condition: format!("{quoted} = ANY ({})", list(names_of(scope, action))),
            own,
            attended: action.is_attendance().to_string(),
            event: told(joined.expression(event)),
        });
    }
    Ok(Ok(Many {
        messages,
        id: select.name(id).expect("a key was found").to_owned(),
        received: received.map_or_else(|| at.clone(), |received| format!("coalesce({received}, {at})")),
        is_touch: format!(
            "{at} IS NOT NULL AND coalesce({device}, {user}) IS NOT NULL AND {named} IS NOT NULL"
        ),
        stamp: received.map(str::to_owned),
        at,
        device: (device, Wire::Text),
        user,
        parts,
    }))
}

/// The clocks of a message: the corrected one counts, the others stand in for it.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    timestamp: Field<Instant>,
    original: Field<Instant>,
    received: Field<Instant>,
}

impl Clocks {
    fn of(select: &mut Select<'_>) -> Result<Self, SourceError> {
        Ok(Self {
            timestamp: select.optional("timestamp", &["timestamp"])?,
            original: select.optional("original_timestamp", &["original_timestamp"])?,
            received: select.optional("received_at", &["received_at", "uuid_ts"])?,
        })
    }

    /// When it happened and when it was loaded; `None` where no clock says.
    fn read(self, row: &Row<'_>) -> Result<Option<(i64, i64)>, SourceError> {
        let received = row.get(self.received)?.map(|Instant(at)| at);
        let at = match row.get(self.timestamp)? {
            Some(Instant(at)) => Some(at),
            None => row.get(self.original)?.map(|Instant(at)| at).or(received),
        };
        Ok(at.map(|at| (at, received.unwrap_or(at))))
    }
}

async fn identifies(
    session: &mut Session,
    from: &Warehouse<'_>,
    into: &mut Spool<IdentifyRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = from.scope.table(&catalog, "identifies", "identifies")? else { return Ok(()) };
    let (mut select, id) = Select::new(table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let anonymous_id = select.optional("anonymous_id", &["anonymous_id"])?;
    let user_id = select.optional("user_id", &["user_id"])?;
    let email = select.optional("email", &["email"])?;
    let name = select.optional("name", &["name"])?;
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let (anonymous_id, user_id) = (some_id(row.get(anonymous_id)?), some_id(row.get(user_id)?));
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let (id, email, name, schema) = (row.need(id)?, row.get(email)?, row.get(name)?, from.nth);
            into.push(&IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name, schema })?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}

async fn users(
    session: &mut Session,
    from: &Warehouse<'_>,
    into: &mut Spool<UserRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = from.scope.table(&catalog, "users", "users")? else { return Ok(()) };
    let (mut select, id) = Select::new(table, "id")?;
    let email = select.optional("email", &["email"])?;
    let name = select.optional("name", &["name"])?;
    session
        .read(&select, cx, |row| {
            let Some(id) = some_id(Some(row.need(id)?)) else { return Ok(Taken::LeftOut(NOBODYS)) };
            into.push(&UserRow { id, email: row.get(email)?, name: row.get(name)?, schema: from.nth })?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}

async fn aliases(
    session: &mut Session,
    from: &Warehouse<'_>,
    cx: &Context,
) -> Result<Vec<AliasRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = from.scope.table(&catalog, "aliases", "aliases")? else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let previous_id = select.optional("previous_id", &["previous_id"])?;
    let user_id = select.optional("user_id", &["user_id"])?;
    session
        .read(&select, cx, |row| {
            let Some((at, _)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            match (some_id(row.get(previous_id)?), some_id(row.get(user_id)?)) {
                (Some(previous_id), Some(user_id)) => {
                    let (id, schema) = (row.need(id)?, from.nth);
                    Ok(Taken::Row(AliasRow { id, at, previous_id, user_id, schema }))
                }
                _ => Ok(Taken::LeftOut("half-empty")),
            }
        })
        .await
}

/// One statement per known event, joined to its own table, and one for all others: `tracks` has no properties.
async fn touches(
    session: &mut Session,
    from: &Warehouse<'_>,
    which: Which<'_>,
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    for action in ACTIONS.iter().map(Some).chain([None]).filter(|action| which.has(*action)) {
        touches_of(session, from, action, which, into, cx).await?;
    }
    Ok(())
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
    for (action, part) in ACTIONS.iter().filter(|action| action.is_of_many()).zip(&many.parts) {
        let condition = many.moved(part, wanted);
        touches_of(session, from, Some(action), Which::Moved(&condition, wanted.keys), into, cx).await?;
    }
    Ok(())
}

async fn touches_of(
    session: &mut Session,
    Warehouse { scope, nth, .. }: &Warehouse<'_>,
    action: Option<&'static Action>,
    which: Which<'_>,
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "tracks", "tracks")? else { return Ok(()) };
    let (mut select, id) = Select::new(table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let anonymous_id = select.optional("anonymous_id", &["anonymous_id"])?;
    let user_id = select.optional("user_id", &["user_id"])?;
    let event: Field<String> = select.required("event", &["event"])?;
    let source = select.optional("source", &["context_campaign_source"])?;
    let medium = select.optional("medium", &["context_campaign_medium"])?;
    let campaign = select.optional("campaign", &["context_campaign_name"])?;
    let session_id = select.counter("session", &["context_session_id"])?;
    let mut properties: BTreeMap<&str, Field<String>> = BTreeMap::new();
    let quoted = select.quoted(event).expect("a required column was found");
    let (only, parameter) = match (which, select.name(id)) {
        (Which::These(ids), Some(column)) => {
            (format!(" AND {}", is_one_of(table, column)), Some(ids.to_vec()))
        }
        (Which::Moved(condition, keys), _) => (format!(" AND {condition}"), Some(keys.to_vec())),
        _ => (String::new(), None),
    };
    if let Some(action) = action {
        let key = select.name(id).expect("a key was found").to_owned();
        select.join(own(scope, &catalog, action)?, &key);
        let names = list(names_of(scope, action));
        select.clauses(format!("WHERE {quoted} = ANY ({names}){only}"), parameter);
        for (logical, usual) in action.properties {
            properties.insert(*logical, select.of_joined(logical, usual)?);
        }
    } else {
        let known = list(ACTIONS.iter().flat_map(|action| names_of(scope, action)));
        let others = format!("WHERE ({quoted} <> ALL ({known}) OR {quoted} IS NULL){only}");
        select.clauses(others, parameter);
    }
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let (anonymous_id, user_id) = (some_id(row.get(anonymous_id)?), some_id(row.get(user_id)?));
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let Some(event) = row.get(event)? else { return Ok(Taken::LeftOut("without an event's name")) };
            into.push(&TouchRow {
                id: row.need(id)?,
                at,
                received_at,
                anonymous_id,
                user_id,
                touch: actions::touch(action, event, |name| match properties.get(name) {
                    Some(field) => row.get(*field),
                    None => Ok(None),
                })?,
                source: row.get(source)?,
                medium: row.get(medium)?,
                campaign: row.get(campaign)?,
                session: row.get(session_id)?,
                schema: *nth,
            })?;
            Ok(Taken::Row(()))
        })
        .await
        .map(drop)
}
