//! Touchpoints: identities and what people did, in the layout of the warehouse they were loaded into.
//!
//! Each layout is one file that reads the same logical rows: [`segment`] has one table per event, [`posthog`] and
//! [`snowplow`] one table of all events with the properties as JSON.

mod actions;
mod companion;
mod many;
mod nothing;
mod people;
mod posthog;
mod resume;
mod segment;
mod snowplow;

use super::catalog::Catalog;
use super::client::Session;
use super::scope::Scope;
use crate::config::{Naming, TouchLayout};
use crate::context::Context;
use crate::ontology::SourceRef;
use crate::sources::facts::Facts;
use crate::sources::rows::{AliasRow, IdentifyRow, TouchRow, TouchpointRows, UserRow};
use crate::sources::spool::{Spool, SpoolError};
use crate::sources::{Found, SourceError, SourceOptions};

use actions::Which;
pub use companion::companion;
pub use many::{Actor, Tally};
pub use resume::{Resuming, has_doubled, moved, tallies};

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
    let missing = scope.missing(&session.catalog(), layout_tables(layout))?;
    Ok(Some(Found { schema: scope.schema, notes, missing }))
}

/// Tables of a layout by their logical and usual names, without those that come with the first event of their name.
fn layout_tables(layout: TouchLayout) -> &'static [(&'static str, &'static str)] {
    match layout {
        TouchLayout::Segment => {
            &[("tracks", "tracks"), ("identifies", "identifies"), ("users", "users"), ("aliases", "aliases")]
        }
        TouchLayout::Posthog => &[("users", "persons")],
        TouchLayout::Snowplow => &[],
    }
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

/// The rows of a layout while they are read: those that come with every person lie aside.
#[derive(Debug, Default)]
struct Aside {
    /// Named after the source.
    schema: String,
    identifies: Spool<IdentifyRow>,
    users: Spool<UserRow>,
    aliases: Vec<AliasRow>,
    aliases_name_anyone: bool,
    touches: Spool<TouchRow>,
}

/// What the rows claim: a person per `user_id`; identifies, aliases and touches are handed on as rows, because whose
/// they are is decided when identities are resolved.
///
/// # Errors
/// When there is no room to keep the rows aside.
pub fn facts(rows: &TouchpointRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let mut aside = Aside {
        schema: rows.schema.clone(),
        aliases: rows.aliases.clone(),
        aliases_name_anyone: rows.aliases_name_anyone,
        ..Aside::default()
    };
    rows.identifies.iter().try_for_each(|row| aside.identifies.push(row).map(drop))?;
    rows.users.iter().try_for_each(|row| aside.users.push(row).map(drop))?;
    rows.touches.iter().try_for_each(|row| aside.touches.push(row).map(drop))?;
    into_facts(aside, facts)
}

fn into_facts(rows: Aside, facts: &mut Facts) -> Result<(), SpoolError> {
    people::people(&rows, &mut facts.nodes)?;
    facts.touch_schema = rows.schema;
    facts.aliases.extend(rows.aliases);
    rows.identifies.moved_behind(&mut facts.identifies)?;
    rows.touches.moved_behind(&mut facts.touches)
}

/// The reference of the person behind a `user_id`, whether or not `users` has a row for it.
pub fn user_ref(schema: &str, user_id: &str) -> SourceRef {
    SourceRef::new(SYSTEM, format!("{schema}.users"), user_id)
}
