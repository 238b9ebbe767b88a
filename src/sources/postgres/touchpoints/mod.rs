//! Touchpoints: identities and what people did, in the layout of the warehouse they were loaded into.
//!
//! Each layout is one file that reads the same logical rows: [`segment`] has one table per event, [`posthog`] and
//! [`snowplow`] one table of all events with the properties as JSON.

mod actions;
mod companion;
mod many;
mod posthog;
mod resume;
mod segment;
mod snowplow;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::catalog::Catalog;
use super::client::Session;
use super::scope::Scope;
use crate::config::{Naming, TouchLayout};
use crate::context::Context;
use crate::ontology::{Label, SourceRef};
use crate::sources::facts::{Address, Facts, NodeFact};
use crate::sources::rows::{IdentifyRow, Touch, TouchRow, TouchpointRows};
use crate::sources::spool::{Spool, SpoolError};
use crate::sources::{Found, SourceError, SourceOptions};

use actions::Which;
pub use companion::companion;
pub use many::{Key, KeyRow};
pub use resume::{Resuming, keys, these};

/// Name of this system in source references.
pub const SYSTEM: &str = "touchpoints";

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let Some((layout, scope)) = discover(session, options.of(SYSTEM))? else { return Ok(None) };
    let goes_on = resume::begin(session, layout, &scope, options).await?;
    let which = if goes_on { Which::Few } else { Which::All };
    let (rows, mut notes) = match layout {
        TouchLayout::Segment => segment::rows(session, &scope, which, cx).await?,
        TouchLayout::Posthog => posthog::rows(session, &scope, which, cx).await?,
        TouchLayout::Snowplow => snowplow::rows(session, &scope, which, cx).await?,
    };
    notes.insert(0, format!("layout of {}", layout.name()));
    into_facts(rows, into)?;
    Ok(Some(Found { schema: scope.schema, notes }))
}

/// The layout and the schema that holds it: as configured, else the only one there is.
fn discover<'o>(
    session: &Session,
    naming: &'o Naming,
) -> Result<Option<(TouchLayout, Scope<'o>)>, SourceError> {
    type Holds = for<'c> fn(&'c Catalog, &Naming) -> Vec<&'c str>;
    let catalog = session.catalog();
    let layouts: [(TouchLayout, Holds); 3] = [
        (TouchLayout::Segment, segment::schemas),
        (TouchLayout::Posthog, posthog::schemas),
        (TouchLayout::Snowplow, snowplow::schemas),
    ];
    let layouts = layouts.iter().filter(|(layout, _)| naming.layout.is_none_or(|wanted| wanted == *layout));
    let found: Vec<(TouchLayout, &str)> = layouts
        .flat_map(|(layout, holds)| holds(&catalog, naming).into_iter().map(|schema| (*layout, schema)))
        .collect();
    let schemas: Vec<&str> = found.iter().map(|(_, schema)| *schema).collect();
    let chosen = session.choose_schema(SYSTEM, naming.schema.as_ref(), &schemas)?;
    let Some(schema) = chosen else {
        return match naming.layout {
            None => Ok(None),
            Some(layout) => Err(SourceError::LayoutMissing {
                place: session.place().to_owned(),
                looked_for: format!("{SYSTEM} as of {}", layout.name()),
            }),
        };
    };
    let layout = found.iter().find(|(_, held)| *held == schema).map(|(layout, _)| *layout);
    Ok(layout.map(|layout| (layout, Scope::new(SYSTEM, schema, naming))))
}

/// What the rows claim: a person per `user_id`; identifies, aliases and touches are handed on as rows, because whose
/// they are is decided when identities are resolved.
///
/// # Errors
/// When there is no room to keep the touches aside.
pub fn facts(rows: &TouchpointRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let mut touches = Spool::default();
    rows.touches.iter().try_for_each(|touch| touches.push(touch).map(drop))?;
    let rows = TouchpointRows {
        schema: rows.schema.clone(),
        identifies: rows.identifies.clone(),
        users: rows.users.clone(),
        aliases: rows.aliases.clone(),
        aliases_name_anyone: rows.aliases_name_anyone,
        touches,
    };
    into_facts(rows, facts)
}

fn into_facts(rows: TouchpointRows<Spool<TouchRow>>, facts: &mut Facts) -> Result<(), SpoolError> {
    people(&rows, &mut facts.nodes)?;
    facts.touch_schema = rows.schema;
    facts.identifies.extend(rows.identifies)?;
    facts.aliases.extend(rows.aliases);
    if facts.touches.is_empty() {
        facts.touches = rows.touches;
        return Ok(());
    }
    rows.touches.iter().try_for_each(|touch| facts.touches.push(&touch?).map(drop))
}

/// The reference of the person behind a `user_id`, whether or not `users` has a row for it.
pub fn user_ref(schema: &str, user_id: &str) -> SourceRef {
    SourceRef::new(SYSTEM, format!("{schema}.users"), user_id)
}

/// The ids that only an alias tells to be a user's: later ids that no row uses as a device's, and that are not the former
/// id of a device either. `touched`: those among them that touches use as a device's; `is_user`: whether a row uses an id
/// as a user's.
fn users_by_alias<'a>(
    rows: &'a TouchpointRows<Spool<TouchRow>>,
    touched: &BTreeSet<String>,
    is_user: impl Fn(&str) -> bool,
) -> BTreeSet<&'a str> {
    let mut open: BTreeSet<&str> = rows
        .aliases
        .iter()
        .flat_map(|row| [row.previous_id.as_str(), &row.user_id])
        .filter(|id| !is_user(id))
        .collect();
    let touched = touched.iter().map(String::as_str);
    for id in touched.chain(rows.identifies.iter().filter_map(|row| row.anonymous_id.as_deref())) {
        open.remove(id);
    }
    let mut formers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &rows.aliases {
        formers.entry(&row.user_id).or_default().push(&row.previous_id);
    }
    let mut devices: Vec<&str> =
        formers.keys().copied().filter(|id| !open.contains(id) && !is_user(id)).collect();
    while let Some(device) = devices.pop() {
        let former = formers.get(device).into_iter().flatten();
        devices.extend(former.filter(|id| open.remove(*id)));
    }
    open.retain(|id| formers.contains_key(id));
    open
}

#[derive(Default)]
struct User<'a> {
    name: Option<&'a str>,
    emails: BTreeSet<&'a str>,
}

/// One person per `user_id` seen anywhere, in order of `user_id`: named as in `users`, else as last identified.
fn people(rows: &TouchpointRows<Spool<TouchRow>>, nodes: &mut Spool<NodeFact>) -> Result<(), SpoolError> {
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
    let linked: HashSet<&str> =
        rows.aliases.iter().flat_map(|row| [row.previous_id.as_str(), &row.user_id]).collect();
    let (mut touching, mut touched) = (BTreeSet::new(), BTreeSet::new());
    for touch in &rows.touches {
        let TouchRow { user_id, anonymous_id, touch, .. } = touch?;
        let followed = match touch {
            Touch::UserFollowed { user } => user,
            _ => None,
        };
        let ids = user_id.into_iter().chain(followed);
        touching.extend(ids.filter(|id| !users.contains_key(id.as_str())));
        touched.extend(anonymous_id.filter(|id| linked.contains(id.as_str())));
    }
    for id in &touching {
        users.entry(id).or_default();
    }
    if !rows.aliases_name_anyone {
        for id in users_by_alias(rows, &touched, |id| users.contains_key(id)) {
            users.entry(id).or_default();
        }
    }
    for (id, user) in users {
        let mut addresses = vec![Address::User(id.to_owned())];
        addresses.extend(user.emails.into_iter().map(|email| Address::Email(email.to_owned())));
        nodes.push(&NodeFact {
            label: Label::Person,
            extra_labels: vec!["Fan"],
            source: user_ref(&rows.schema, id),
            name: user.name.map(str::to_owned),
            addresses,
            properties: Vec::new(),
        })?;
    }
    Ok(())
}
