//! Reading touches where an earlier reading left off.

use std::collections::{BTreeSet, HashSet};

use super::super::client::Session;
use super::super::position::{Position, Since, Standing};
use super::super::scope::Scope;
use super::actions::Which;
use super::many::{Key, Many};
use super::{SYSTEM, posthog, segment, snowplow};
use crate::config::TouchLayout;
use crate::context::Context;
use crate::sources::facts::Facts;
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
    doubled: HashSet<String>,
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
        let doubled = doubled.into_iter().collect();
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

/// Shows every key of the touches that a session left to `see`, but for messages that were loaded more than once.
///
/// # Errors
/// When the tables cannot be read.
pub async fn keys(
    session: &mut Session,
    options: &SourceOptions,
    see: &mut (dyn FnMut(Key<'_>) + Send),
    cx: &Context,
) -> Result<(), SourceError> {
    let Some(Resuming { since: Some(since), standing: Some(Ok(standing)), rest: Some(rest), .. }) =
        &session.resuming
    else {
        return Ok(());
    };
    let (since, standing, layout) = (since.clone(), standing.clone(), rest.layout);
    let doubled = rest.doubled.clone();
    let mut see = |key: Key<'_>| {
        if !doubled.contains(key.id) {
            see(key);
        }
    };
    let scope = Scope::new(SYSTEM, rest.schema.clone(), options.of(SYSTEM));
    let catalog = session.catalog();
    match many(layout, &scope, &catalog)? {
        Ok(many) => many.keys(session, (&standing, &since), &mut see, cx).await,
        // It could be when the session began to read.
        Err(_) => Ok(()),
    }
}

/// Reads the messages of these ids among the touches that a session left.
///
/// # Errors
/// When the tables cannot be read or a row cannot be taken.
pub async fn these(
    session: &mut Session,
    options: &SourceOptions,
    ids: &[String],
    into: &mut Facts,
    cx: &Context,
) -> Result<(), SourceError> {
    let Some(rest) = session.resuming.as_mut().and_then(|resuming| resuming.rest.take()) else {
        return Ok(());
    };
    let scope = Scope::new(SYSTEM, rest.schema, options.of(SYSTEM));
    let into = &mut into.touches;
    match rest.layout {
        TouchLayout::Segment => segment::touches(session, &scope, Which::These(ids), into, cx).await,
        TouchLayout::Posthog => posthog::these(session, &scope, &rest.users, ids, into, cx).await,
        TouchLayout::Snowplow => snowplow::these(session, &scope, ids, into, cx).await,
    }
}
