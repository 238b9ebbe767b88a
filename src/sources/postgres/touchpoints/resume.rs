//! Reading touches where an earlier reading left off.

use std::collections::BTreeSet;

use super::super::client::Session;
use super::super::position::{Position, Since, Standing};
use super::super::scope::Scope;
use super::many::{Actor, Many, Tally};
use super::{SYSTEM, posthog, segment, snowplow};
use crate::config::TouchLayout;
use crate::context::Context;
use crate::sources::rows::TouchRow;
use crate::sources::spool::Spool;
use crate::sources::{SourceError, SourceOptions};

/// What a session was told, and found out, about going on from an earlier reading.
#[derive(Debug, Default)]
pub struct Resuming {
    /// From where; `None`: everything is read, and it is only noted where the reading stands.
    since: Option<Since>,
    /// Where it stands, or why none can go on from it.
    standing: Option<Result<Standing, String>>,
    /// Why everything was read though it might have gone on.
    whole: Option<String>,
    /// The touches that are still to be asked for.
    rest: Option<Rest>,
}

/// Touches that were left where they are.
#[derive(Debug)]
struct Rest {
    layout: TouchLayout,
    schema: String,
    /// `PostHog`: ids that are users and no devices.
    users: BTreeSet<String>,
    /// Messages that were loaded more than once, and are read already.
    doubled: Vec<String>,
}

impl Rest {
    /// Whose a touch is that [`Many::tallies`] names by this key.
    fn actor<'k>(&self, key: &'k str) -> Actor<'k> {
        match key.split_at_checked(1) {
            Some(("u", user)) if self.layout != TouchLayout::Posthog || self.users.contains(user) => {
                Actor::User(user)
            }
            Some((_, device)) => Actor::Device(device),
            None => Actor::Device(key),
        }
    }
}

impl Resuming {
    /// Goes on from there where that is possible.
    pub fn from(since: Option<Since>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Where the reading stands, or why none can go on from it; `None` where there are no touches.
    pub fn position(&self) -> Option<Result<Position, String>> {
        let standing = self.standing.as_ref()?;
        Some(standing.as_ref().map(|standing| standing.position.clone()).map_err(Clone::clone))
    }

    /// Why all touches were read though an earlier position was given.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }

    /// Whether touches were left where they are.
    pub fn is_partial(&self) -> bool {
        self.rest.is_some()
    }
}

/// Notes where a session stands, and whether the many touches may be left for later.
pub(super) async fn begin(
    session: &mut Session,
    layout: TouchLayout,
    scope: &Scope<'_>,
    options: &SourceOptions,
) -> Result<bool, SourceError> {
    let Some(resuming) = &session.resuming else { return Ok(false) };
    let since = resuming.since.clone();
    let catalog = session.catalog();
    let standing = match many(layout, scope, &catalog)? {
        Ok(many) => many.standing(session, options.of(SYSTEM)).await?,
        Err(reason) => Err(reason),
    };
    let refused = match (&standing, &since) {
        (Err(reason), _) => Some(reason.clone()),
        (Ok(standing), Some(since)) => standing.refusal(since),
        (Ok(_), None) => None,
    };
    let goes_on = since.is_some() && refused.is_none();
    if let Some(resuming) = &mut session.resuming {
        resuming.standing = Some(standing);
        resuming.whole = refused.filter(|_| since.is_some());
    }
    Ok(goes_on)
}

/// Leaves the many touches of a layout for later, but for those `doubled`; `users` tells a layout's users from its devices.
pub(super) fn leave(
    session: &mut Session,
    layout: TouchLayout,
    schema: &str,
    users: BTreeSet<String>,
    doubled: Vec<String>,
) {
    if let Some(resuming) = &mut session.resuming {
        resuming.rest = Some(Rest { layout, schema: schema.to_owned(), users, doubled });
    }
}

/// Where a layout keeps its touches; why they cannot be left unread, where that is so.
pub(super) fn many<'c>(
    layout: TouchLayout,
    scope: &'c Scope<'_>,
    catalog: &'c super::Catalog,
) -> Result<Result<Many<'c>, String>, SourceError> {
    let many = match layout {
        TouchLayout::Segment => segment::many(scope, catalog)?,
        TouchLayout::Posthog => posthog::many(scope, catalog)?,
        TouchLayout::Snowplow => snowplow::many(scope, catalog)?,
    };
    Ok(many)
}

/// Whether messages were loaded more than once.
pub fn has_doubled(session: &Session) -> bool {
    let rest = session.resuming.as_ref().and_then(|resuming| resuming.rest.as_ref());
    rest.is_some_and(|rest| !rest.doubled.is_empty())
}

/// Tells of everybody how many of the touches that a session left they made at `events`, and whether the rows are as they
/// were; but for messages that were loaded more than once, which are read already.
///
/// # Errors
/// When the tables cannot be read.
pub async fn tallies(
    session: &mut Session,
    options: &SourceOptions,
    events: &[String],
    see: &mut (dyn FnMut(Tally<'_>) + Send),
    cx: &Context,
) -> Result<(), SourceError> {
    let Some(Resuming { since: Some(since), standing: Some(Ok(standing)), rest, .. }) = &mut session.resuming
    else {
        return Ok(());
    };
    let (since, standing) = (since.clone(), standing.clone());
    let Some(rest) = rest.take() else { return Ok(()) };
    let scope = Scope::new(SYSTEM, rest.schema.clone(), options.of(SYSTEM));
    let catalog = session.catalog();
    // It could be when the session began to read.
    if let Ok(many) = many(rest.layout, &scope, &catalog)? {
        let mut see = |key: &str, [interest, attended, others, written, unstamped, nameless]: [i64; 6]| {
            see(Tally {
                key,
                actor: rest.actor(key),
                edges: [interest as u64, attended as u64],
                others: others as u64,
                is_written: written > 0,
                unstamped: unstamped as u64,
                nameless: nameless as u64,
            });
        };
        many.tallies(session, (&standing, &since), (events, &rest.doubled), &mut see, cx).await?;
    }
    if let Some(resuming) = &mut session.resuming {
        resuming.rest = Some(rest);
    }
    Ok(())
}

/// Reads those of the touches that a session left that are by one of `keys`, or at none of `events`.
///
/// # Errors
/// When the tables cannot be read or a row cannot be taken.
pub async fn moved(
    session: &mut Session,
    options: &SourceOptions,
    (keys, events): (&[String], &[String]),
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let Some(rest) = session.resuming.as_mut().and_then(|resuming| resuming.rest.take()) else {
        return Ok(());
    };
    let scope = Scope::new(SYSTEM, rest.schema, options.of(SYSTEM));
    let which = (keys, events, &rest.doubled[..]);
    match rest.layout {
        TouchLayout::Segment => segment::moved(session, &scope, which, into, cx).await,
        TouchLayout::Posthog => posthog::moved(session, &scope, &rest.users, which, into, cx).await,
        TouchLayout::Snowplow => snowplow::moved(session, &scope, which, into, cx).await,
    }
}
