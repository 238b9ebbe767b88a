//! Touchpoints in the Segment warehouse layout: identities and what people did.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{DataFrame, PolarsResult};

use super::client::{Session, Taken};
use super::columns::Instant;
use super::frame::{instants, integers, texts};
use super::select::{Field, Row, Select};
use crate::context::Context;
use crate::ontology::{Label, SourceRef};
use crate::sources::facts::{Address, Facts, NodeFact};
use crate::sources::rows::{AliasRow, IdentifyRow, Touch, TouchRow, TouchpointRows, UserRow};
use crate::sources::{Found, SourceError, SourceOptions};

/// Name of this system in source references.
pub const SYSTEM: &str = "touchpoints";

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let catalog = session.catalog();
    let candidates = catalog.schemas_with(&["tracks", "identifies"]);
    let Some(schema) = session.choose_schema(SYSTEM, options.schemas.get(SYSTEM), &candidates)? else {
        return Ok(None);
    };
    let absent = KNOWN.iter().filter(|action| catalog.table(&schema, action).is_none());
    let notes = absent.map(|action| format!("no {action}")).collect();
    let rows = TouchpointRows {
        identifies: identifies(session, &schema, cx).await?,
        users: users(session, &schema, cx).await?,
        aliases: aliases(session, &schema, cx).await?,
        touches: touches(session, &schema, cx).await?,
        schema: schema.clone(),
    };
    into_facts(rows, into);
    Ok(Some(Found { schema, notes }))
}

/// The events whose own tables hold what they were done to.
const KNOWN: &[&str] = &[
    "event_viewed",
    "event_saved",
    "ticket_link_clicked",
    "event_attended",
    "content_shared",
    "artist_followed",
    "user_followed",
];

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
            timestamp: select.optional(&["timestamp"])?,
            original: select.optional(&["original_timestamp"])?,
            received: select.optional(&["received_at", "uuid_ts"])?,
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

const TIMELESS: &str = "without a time";
const NOBODYS: &str = "without a device or user";

async fn identifies(
    session: &mut Session,
    schema: &str,
    cx: &Context,
) -> Result<Vec<IdentifyRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = catalog.table(schema, "identifies") else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(SYSTEM, table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let anonymous_id = select.optional(&["anonymous_id"])?;
    let user_id = select.optional(&["user_id"])?;
    let email = select.optional(&["email"])?;
    let name = select.optional(&["name"])?;
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let (anonymous_id, user_id) = (row.get(anonymous_id)?, row.get(user_id)?);
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let (id, email, name) = (row.need(id)?, row.get(email)?, row.get(name)?);
            Ok(Taken::Row(IdentifyRow { id, at, received_at, anonymous_id, user_id, email, name }))
        })
        .await
}

async fn users(session: &mut Session, schema: &str, cx: &Context) -> Result<Vec<UserRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = catalog.table(schema, "users") else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(SYSTEM, table, "id")?;
    let email = select.optional(&["email"])?;
    let name = select.optional(&["name"])?;
    session
        .read(&select, cx, |row| {
            Ok(Taken::Row(UserRow { id: row.need(id)?, email: row.get(email)?, name: row.get(name)? }))
        })
        .await
}

async fn aliases(session: &mut Session, schema: &str, cx: &Context) -> Result<Vec<AliasRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = catalog.table(schema, "aliases") else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(SYSTEM, table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let previous_id = select.optional(&["previous_id"])?;
    let user_id = select.optional(&["user_id"])?;
    session
        .read(&select, cx, |row| {
            let Some((at, _)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            match (row.get(previous_id)?, row.get(user_id)?) {
                (Some(previous_id), Some(user_id)) => {
                    Ok(Taken::Row(AliasRow { id: row.need(id)?, at, previous_id, user_id }))
                }
                _ => Ok(Taken::LeftOut("half-empty")),
            }
        })
        .await
}

/// One statement per known event, joined to its own table, and one for all others: `tracks` has no properties.
async fn touches(session: &mut Session, schema: &str, cx: &Context) -> Result<Vec<TouchRow>, SourceError> {
    let mut all = Vec::new();
    for action in KNOWN {
        all.extend(touches_of(session, schema, Some(action), cx).await?);
    }
    all.extend(touches_of(session, schema, None, cx).await?);
    Ok(all)
}

async fn touches_of(
    session: &mut Session,
    schema: &str,
    action: Option<&'static str>,
    cx: &Context,
) -> Result<Vec<TouchRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = catalog.table(schema, "tracks") else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(SYSTEM, table, "id")?;
    let clocks = Clocks::of(&mut select)?;
    let anonymous_id = select.optional(&["anonymous_id"])?;
    let user_id = select.optional(&["user_id"])?;
    let event: Field<String> = select.required(&["event"])?;
    let source = select.optional(&["context_campaign_source"])?;
    let medium = select.optional(&["context_campaign_medium"])?;
    let campaign = select.optional(&["context_campaign_name"])?;
    let session_id = select.counter(&["context_session_id"])?;
    if let Some(action) = action {
        select.join(catalog.table(schema, action), "id");
        select.clauses("WHERE t.event = ANY($1)", Some(vec![action.to_owned()]));
    } else {
        let known = KNOWN.iter().map(|&action| action.to_owned()).collect();
        select.clauses("WHERE t.event <> ALL($1) OR t.event IS NULL", Some(known));
    }
    let property = Property::of(&mut select, action)?;
    session
        .read(&select, cx, |row| {
            let Some((at, received_at)) = clocks.read(row)? else { return Ok(Taken::LeftOut(TIMELESS)) };
            let (anonymous_id, user_id) = (row.get(anonymous_id)?, row.get(user_id)?);
            if anonymous_id.is_none() && user_id.is_none() {
                return Ok(Taken::LeftOut(NOBODYS));
            }
            let Some(event) = row.get(event)? else { return Ok(Taken::LeftOut("without an event's name")) };
            Ok(Taken::Row(TouchRow {
                id: row.need(id)?,
                at,
                received_at,
                anonymous_id,
                user_id,
                touch: property.touch(event, row)?,
                source: row.get(source)?,
                medium: row.get(medium)?,
                campaign: row.get(campaign)?,
                session: row.get(session_id)?,
            }))
        })
        .await
}

/// The columns of an event's own table.
#[derive(Debug, Clone, Copy)]
struct Property {
    /// What it was done to.
    object: Field<String>,
    /// Of a share: the event it is about, where to, and which share it passes on.
    share: [Field<String>; 3],
}

impl Property {
    fn of(select: &mut Select<'_>, action: Option<&str>) -> Result<Self, SourceError> {
        let object: &[&str] = match action {
            Some("content_shared") => &["content_url"],
            Some("artist_followed") => &["artist_id"],
            Some("user_followed") => &["followed_user_id"],
            Some(_) => &["event_id"],
            None => &[],
        };
        let share: [&[&str]; 3] = match action {
            Some("content_shared") => [&["event_id"], &["channel"], &["parent_share_id"]],
            _ => [&[], &[], &[]],
        };
        let [about, channel, parent] = share;
        Ok(Self {
            object: select.of_joined(object)?,
            share: [select.of_joined(about)?, select.of_joined(channel)?, select.of_joined(parent)?],
        })
    }

    fn touch(self, action: String, row: &Row<'_>) -> Result<Touch, SourceError> {
        let object = row.get(self.object)?;
        Ok(match action.as_str() {
            "event_viewed" => Touch::Viewed { event: object },
            "event_saved" => Touch::Saved { event: object },
            "ticket_link_clicked" => Touch::TicketClicked { event: object },
            "event_attended" => Touch::Attended { event: object },
            "artist_followed" => Touch::ArtistFollowed { artist: object },
            "user_followed" => Touch::UserFollowed { user: object },
            "content_shared" => {
                let [event, channel, parent] = self.share;
                let (event, channel, parent) = (row.get(event)?, row.get(channel)?, row.get(parent)?);
                Touch::Shared { content_url: object, event, channel, parent }
            }
            _ => Touch::Other { action },
        })
    }
}

/// What the rows claim: a person per `user_id`; identifies, aliases and touches are handed on as rows, because whose
/// they are is decided when identities are resolved.
pub fn facts(rows: &TouchpointRows, facts: &mut Facts) {
    facts.nodes.extend(people(rows));
    facts.touch_schema.clone_from(&rows.schema);
    facts.identifies.extend(rows.identifies.iter().cloned());
    facts.aliases.extend(rows.aliases.iter().cloned());
    facts.touches.extend(rows.touches.iter().cloned());
}

/// The same as [`facts`] without a second copy of the rows in memory.
pub fn into_facts(rows: TouchpointRows, facts: &mut Facts) {
    facts.nodes.extend(people(&rows));
    facts.touch_schema = rows.schema;
    facts.identifies.extend(rows.identifies);
    facts.aliases.extend(rows.aliases);
    facts.touches.extend(rows.touches);
}

/// The reference of the person behind a `user_id`, whether or not `users` has a row for it.
pub fn user_ref(schema: &str, user_id: &str) -> SourceRef {
    SourceRef::new(SYSTEM, format!("{schema}.users"), user_id)
}

#[derive(Default)]
struct User<'a> {
    name: Option<&'a str>,
    emails: BTreeSet<&'a str>,
}

/// One person per `user_id` seen anywhere, in order of `user_id`: named as in `users`, else as last identified.
fn people(rows: &TouchpointRows) -> Vec<NodeFact> {
    let mut users: BTreeMap<&str, User> = BTreeMap::new();
    let mut identifies: Vec<&IdentifyRow> = rows.identifies.iter().collect();
    identifies.sort_unstable_by_key(|row| (row.at, row.id.as_str()));
    for row in identifies {
        let Some(id) = row.user_id.as_deref() else { continue };
        let user = users.entry(id).or_default();
        user.name = row.name.as_deref().or(user.name);
        user.emails.extend(row.email.as_deref());
    }
    for row in &rows.users {
        let user = users.entry(&row.id).or_default();
        user.name = row.name.as_deref().or(user.name);
        user.emails.extend(row.email.as_deref());
    }
    for row in &rows.aliases {
        users.entry(&row.user_id).or_default();
    }
    for row in &rows.touches {
        if let Some(id) = row.user_id.as_deref() {
            users.entry(id).or_default();
        }
        if let Touch::UserFollowed { user: Some(id) } = &row.touch {
            users.entry(id).or_default();
        }
    }
    let node = |(id, user): (&str, User)| {
        let mut addresses = vec![Address::User(id.to_owned())];
        addresses.extend(user.emails.into_iter().map(|email| Address::Email(email.to_owned())));
        NodeFact {
            label: Label::Person,
            extra_labels: vec!["Fan"],
            source: user_ref(&rows.schema, id),
            name: user.name.map(str::to_owned),
            addresses,
            properties: Vec::new(),
        }
    };
    users.into_iter().map(node).collect()
}

/// The snapshot's `touchpoints` table: one row per touch, by time and message id; no e-mail is in it.
///
/// | column | |
/// |---|---|
/// | `mid` | message id |
/// | `timestamp`, `received_at` | when it happened, when it was loaded (µs, UTC) |
/// | `anonymous_id`, `user_id` | who, as the row says |
/// | `action` | name of the event's own table |
/// | `object` | what it was done to: `system:table:pk`, for shared content its URL |
/// | `about` | the event that shared content is about, `system:table:pk` |
/// | `source`, `medium`, `campaign` | where the visit came from |
/// | `session` | `Int64`, where the tracker counts sessions |
/// | `channel`, `parent` | of a share: where to, and which share it passes on |
///
/// # Errors
/// Only if polars refuses columns of equal length.
pub fn companion(facts: &Facts) -> PolarsResult<DataFrame> {
    let mut rows: Vec<&TouchRow> = facts.touches.iter().collect();
    rows.sort_unstable_by_key(|row| (row.at, row.id.as_str()));
    let object_of = |row: &&TouchRow| object(&row.touch, facts);
    let about = |row: &&TouchRow| match &row.touch {
        Touch::Shared { event: Some(id), .. } => Some(event_ref(facts, id)),
        _ => None,
    };
    let columns = vec![
        texts("mid", rows.iter().map(|r| Some(r.id.as_str()))),
        instants("timestamp", rows.iter().map(|r| r.at)),
        instants("received_at", rows.iter().map(|r| r.received_at)),
        texts("anonymous_id", rows.iter().map(|r| r.anonymous_id.as_deref())),
        texts("user_id", rows.iter().map(|r| r.user_id.as_deref())),
        texts("action", rows.iter().map(|r| Some(r.touch.action()))),
        texts("object", rows.iter().map(object_of)),
        texts("about", rows.iter().map(about)),
        texts("source", rows.iter().map(|r| r.source.as_deref())),
        texts("medium", rows.iter().map(|r| r.medium.as_deref())),
        texts("campaign", rows.iter().map(|r| r.campaign.as_deref())),
        integers("session", rows.iter().map(|r| r.session)),
        texts("channel", rows.iter().map(|r| share(&r.touch).0)),
        texts("parent", rows.iter().map(|r| share(&r.touch).1)),
    ];
    DataFrame::new(rows.len(), columns)
}

fn event_ref(facts: &Facts, id: &str) -> String {
    SourceRef::new(super::directus::SYSTEM, &facts.events_table, id).to_string()
}

fn object(touch: &Touch, facts: &Facts) -> Option<String> {
    match touch {
        Touch::Viewed { event }
        | Touch::TicketClicked { event }
        | Touch::Saved { event }
        | Touch::Attended { event } => event.as_deref().map(|id| event_ref(facts, id)),
        Touch::Shared { content_url, .. } => content_url.clone(),
        Touch::ArtistFollowed { artist } => {
            let id = artist.as_deref()?;
            Some(SourceRef::new(super::directus::SYSTEM, &facts.artists_table, id).to_string())
        }
        Touch::UserFollowed { user } => Some(user_ref(&facts.touch_schema, user.as_deref()?).to_string()),
        Touch::Other { .. } => None,
    }
}

fn share(touch: &Touch) -> (Option<&str>, Option<&str>) {
    match touch {
        Touch::Shared { channel, parent, .. } => (channel.as_deref(), parent.as_deref()),
        _ => (None, None),
    }
}
