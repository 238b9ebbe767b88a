//! Touchpoints in the Segment warehouse layout: identities and what people did.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{DataFrame, PolarsResult};

use super::frame::{instants, integers, texts};
use crate::ontology::{Label, SourceRef};
use crate::sources::facts::{Address, Facts, NodeFact};
use crate::sources::rows::{IdentifyRow, Touch, TouchRow, TouchpointRows};

/// Name of this system in source references.
pub const SYSTEM: &str = "touchpoints";

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
