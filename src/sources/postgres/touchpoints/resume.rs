//! Reading touches where an earlier reading left off.

use std::collections::BTreeSet;

use super::super::client::Session;
use super::super::position::{Position, Since, Standing};
use super::many::{self, Actor, Many, Tally, Wanted};
use super::{SYSTEM, Warehouse, posthog, segment, snowplow};
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
    /// Layouts and schemas, in the order in which rows name them.
    of: Vec<(TouchLayout, String)>,
    /// `PostHog`: ids that are users and no devices.
    users: BTreeSet<String>,
    /// Messages that were loaded more than once, and are read already.
    doubled: Vec<String>,
}

impl Rest {
    /// Whose a touch in a layout is that [`Many::tallies`] names by this key.
    fn actor<'k>(&self, layout: TouchLayout, key: &'k str) -> Actor<'k> {
        match key.split_at_checked(1) {
            Some(("u", user)) if layout != TouchLayout::Posthog || self.users.contains(user) => {
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

/// Notes where a session stands; where the many touches may be left for later, the messages among them that were loaded more
/// than once, and must not.
pub(super) async fn begin(
    session: &mut Session,
    warehouses: &[Warehouse<'_>],
    options: &SourceOptions,
    cx: &Context,
) -> Result<Option<Vec<String>>, SourceError> {
    let Some(resuming) = &session.resuming else { return Ok(None) };
    let since = resuming.since.clone();
    let catalog = session.catalog();
    let all = warehouses.iter().map(|from| many(from, &catalog)).collect::<Result<Vec<_>, _>>()?;
    let all: Result<Vec<Many<'_>>, String> = all.into_iter().collect();
    let standing = match &all {
        Ok(all) => many::standing(session, all, options.of(SYSTEM)).await?,
        Err(reason) => Err(reason.clone()),
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
    match all {
        Ok(all) if goes_on => Ok(Some(many::doubled(session, &all, cx).await?)),
        _ => Ok(None),
    }
}

/// Leaves the many touches for later, but for those `doubled`; `users` tells `PostHog`'s users from its devices.
pub(super) fn leave(
    session: &mut Session,
    warehouses: &[Warehouse<'_>],
    users: BTreeSet<String>,
    doubled: Vec<String>,
) {
    if let Some(resuming) = &mut session.resuming {
        let of = warehouses.iter().map(|from| (from.layout, from.scope.schema.clone())).collect();
        resuming.rest = Some(Rest { of, users, doubled });
    }
}

/// Where a schema keeps its touches; why they cannot be left unread, where that is so.
fn many<'c>(
    from: &'c Warehouse<'_>,
    catalog: &'c super::Catalog,
) -> Result<Result<Many<'c>, String>, SourceError> {
    match from.layout {
        TouchLayout::Segment => segment::many(&from.scope, catalog),
        TouchLayout::Posthog => posthog::many(&from.scope, catalog),
        TouchLayout::Snowplow => snowplow::many(&from.scope, catalog),
    }
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
    let catalog = session.catalog();
    for from in Warehouse::all(&rest.of, options.of(SYSTEM)) {
        // It could be when the session began to read.
        let Ok(many) = many(&from, &catalog)? else { continue };
        let mut see = |key: &str, [interest, attended, others, written, unstamped, nameless]: [i64; 6]| {
            see(Tally {
                schema: from.nth,
                key,
                actor: rest.actor(from.layout, key),
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

/// Reads those of the touches that a session left that are by one of `keys`, told by schema, or at none of `events`.
///
/// # Errors
/// When the tables cannot be read or a row cannot be taken.
pub async fn moved(
    session: &mut Session,
    options: &SourceOptions,
    (keys, events): (&[Vec<String>], &[String]),
    into: &mut Spool<TouchRow>,
    cx: &Context,
) -> Result<(), SourceError> {
    let Some(rest) = session.resuming.as_mut().and_then(|resuming| resuming.rest.take()) else {
        return Ok(());
    };
    for (from, keys) in Warehouse::all(&rest.of, options.of(SYSTEM)).iter().zip(keys) {
        let wanted = Wanted { keys, events, doubled: &rest.doubled };
        match from.layout {
            TouchLayout::Segment => segment::moved(session, from, wanted, into, cx).await?,
            TouchLayout::Posthog => posthog::moved(session, from, &rest.users, wanted, into, cx).await?,
            TouchLayout::Snowplow => snowplow::moved(session, from, wanted, into, cx).await?,
        }
    }
    Ok(())
}
