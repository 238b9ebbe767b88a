//! The snapshot's table of touches.

use polars::prelude::{DataFrame, PolarsResult};

use super::super::directus;
use super::super::frame::{instants, integers, texts};
use super::user_ref;
use crate::ontology::canonical::{self, masked};
use crate::ontology::{SourceRef, safe_id};
use crate::sources::facts::Facts;
use crate::sources::rows::{Touch, TouchRow};
use crate::sources::spool::SpoolError;

/// The snapshot's `touchpoints` table: one row per touch, by time and message id.
///
/// Ids stand in it as in the uids of the graph; no e-mail address and no telephone number is in it.
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
/// When the touches that were kept aside cannot be read; within, only if polars refuses columns of equal length.
pub fn companion(facts: &Facts) -> Result<PolarsResult<DataFrame>, SpoolError> {
    let mut rows = facts.touches.rows()?;
    rows.sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let object_of = |row: &TouchRow| object(row, facts);
    let about = |row: &TouchRow| match &row.touch {
        Touch::Shared { event: Some(id), .. } => Some(event_ref(facts, id)),
        _ => None,
    };
    let ids =
        |name, of: fn(&TouchRow) -> Option<&str>| texts(name, rows.iter().map(|row| of(row).map(safe_id)));
    let told =
        |name, of: fn(&TouchRow) -> Option<&str>| texts(name, rows.iter().map(|row| of(row).map(masked)));
    let columns = vec![
        ids("mid", |row| Some(&row.id)),
        instants("timestamp", rows.iter().map(|r| r.at)),
        instants("received_at", rows.iter().map(|r| r.received_at)),
        ids("anonymous_id", |row| row.anonymous_id.as_deref()),
        ids("user_id", |row| row.user_id.as_deref()),
        told("action", |row| Some(row.touch.action())),
        texts("object", rows.iter().map(object_of)),
        texts("about", rows.iter().map(about)),
        told("source", |row| row.source.as_deref()),
        told("medium", |row| row.medium.as_deref()),
        told("campaign", |row| row.campaign.as_deref()),
        integers("session", rows.iter().map(|r| r.session)),
        told("channel", |row| share(&row.touch).0),
        ids("parent", |row| share(&row.touch).1),
    ];
    Ok(DataFrame::new(rows.len(), columns))
}

fn event_ref(facts: &Facts, id: &str) -> String {
    SourceRef::new(directus::SYSTEM, &facts.events_table, id).to_string()
}

fn object(row: &TouchRow, facts: &Facts) -> Option<String> {
    match &row.touch {
        Touch::Viewed { event }
        | Touch::TicketClicked { event }
        | Touch::Saved { event }
        | Touch::Attended { event } => event.as_deref().map(|id| event_ref(facts, id)),
        Touch::Shared { content_url, .. } => canonical::content_url(content_url.as_deref()?),
        Touch::ArtistFollowed { artist } => {
            let id = artist.as_deref()?;
            Some(SourceRef::new(directus::SYSTEM, &facts.artists_table, id).to_string())
        }
        Touch::UserFollowed { user } => {
            Some(user_ref(facts.touch_schema(row.schema), user.as_deref()?).to_string())
        }
        Touch::Other { .. } => None,
    }
}

fn share(touch: &Touch) -> (Option<&str>, Option<&str>) {
    match touch {
        Touch::Shared { channel, parent, .. } => (channel.as_deref(), parent.as_deref()),
        _ => (None, None),
    }
}
