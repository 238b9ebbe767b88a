//! Touchpoints: identities and what people did, in the layout of the warehouse they were loaded into.
//!
//! Each layout is one file that reads the same logical rows: [`segment`] has one table per event, [`posthog`] and
//! [`snowplow`] one table of all events with the properties as JSON.
//!
//! Segment loads every source of its own (the web site, an app) into a schema of its own. Several that are named are read one
//! after the other into one stream: ids of messages, devices and users are the same things in all of them.

mod actions;
mod companion;
mod many;
mod nothing;
mod people;
mod posthog;
mod resume;
mod segment;
mod snowplow;
mod wide;

use std::collections::BTreeSet;

use super::catalog::Catalog;
use super::client::Session;
use super::scope::{Scope, choose_schemas, untaken};
use crate::config::{Naming, TouchLayout};
use crate::context::Context;
use crate::ontology::SourceRef;
use crate::sources::facts::{Facts, MOST_TOUCH_SCHEMAS};
use crate::sources::rows::{AliasRow, IdentifyRow, TouchRow, TouchpointRows, UserRow};
use crate::sources::spool::{Spool, SpoolError};
use crate::sources::{Found, Lacking, SourceError, SourceOptions};

use actions::{ACTIONS, Which};
pub use companion::companion;
pub use many::{Actor, Tally};
pub use resume::{Resuming, has_doubled, moved, tallies};

/// Name of this system in source references.
pub const SYSTEM: &str = "touchpoints";

/// One of the schemas that touchpoints are read from.
#[derive(Debug)]
struct Warehouse<'o> {
    layout: TouchLayout,
    scope: Scope<'o>,
    /// Its place among them, which its rows tell.
    nth: u8,
}

impl<'o> Warehouse<'o> {
    /// All of them, in order, by layout and schema.
    fn all(of: &[(TouchLayout, String)], naming: &'o Naming) -> Vec<Self> {
        let warehouse = |((layout, schema), nth): (&(TouchLayout, String), u8)| {
            let others = of.iter().map(|(_, other)| other).filter(|other| *other != schema);
            let scope = Scope::new(SYSTEM, schema, naming).beside(others.cloned().collect());
            Self { layout: *layout, scope, nth }
        };
        of.iter().zip(0..).map(warehouse).collect()
    }
}

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let warehouses = discover(session, options.of(SYSTEM))?;
    if warehouses.is_empty() {
        return Ok(None);
    }
    let doubled = resume::begin(session, &warehouses, options, cx).await?;
    let which = doubled.as_deref().map_or(Which::All, Which::Few);
    let schemas: Vec<String> = warehouses.iter().map(|from| from.scope.schema.clone()).collect();
    let (mut notes, mut missing) = (Vec::new(), Vec::new());
    let mut rows = Aside { schemas: schemas.clone(), ..Aside::default() };
    for from in &warehouses {
        from.scope.distinct(&tables(from.layout))?;
        let mut told = vec![format!("layout of {}", from.layout.name())];
        match from.layout {
            TouchLayout::Segment => told.extend(segment::rows(session, from, which, &mut rows, cx).await?),
            TouchLayout::Posthog => posthog::rows(session, from, which, &mut rows, cx).await?,
            TouchLayout::Snowplow => snowplow::rows(session, from, which, &mut rows, cx).await?,
        }
        missing.extend(from.scope.missing(&session.catalog(), layout_tables(from.layout))?);
        match &schemas[..] {
            [_] => notes.extend(told),
            _ => notes.push(format!("{}: {}", from.scope.schema, told.join(", "))),
        }
    }
    if let Some(doubled) = doubled {
        resume::leave(session, &warehouses, std::mem::take(&mut rows.known), doubled);
    }
    into_facts(rows, into)?;
    Ok(Some(Found { schema: schemas.join(", "), notes, missing }))
}

/// Tables of a layout by their logical and usual names, without those that come with the first event of their name.
fn layout_tables(layout: TouchLayout) -> &'static [(&'static str, &'static str)] {
    match layout {
        TouchLayout::Segment => {
            &[("tracks", "tracks"), ("identifies", "identifies"), ("users", "users"), ("aliases", "aliases")]
        }
        TouchLayout::Posthog => &[("persons", "persons")],
        TouchLayout::Snowplow => &[],
    }
}

/// What of a layout must not be called alike: its tables, or the names of events.
fn tables(layout: TouchLayout) -> Vec<(&'static str, &'static str)> {
    match layout {
        TouchLayout::Segment => segment::tables(),
        TouchLayout::Posthog | TouchLayout::Snowplow => {
            ACTIONS.iter().map(|action| (action.name, action.name)).collect()
        }
    }
}

/// The schemas to read, and the layout that each holds: those configured, else the only one there is.
fn discover<'o>(session: &mut Session, naming: &'o Naming) -> Result<Vec<Warehouse<'o>>, SourceError> {
    type Holds = for<'c> fn(&'c Catalog, &Naming) -> Vec<&'c str>;
    type Lacks = fn(&Catalog, &Naming) -> Vec<Lacking>;
    let catalog = session.catalog();
    let layouts: [(TouchLayout, Holds, Lacks); 3] = [
        (TouchLayout::Segment, segment::schemas, segment::lacking),
        (TouchLayout::Posthog, posthog::schemas, posthog::lacking),
        (TouchLayout::Snowplow, snowplow::schemas, snowplow::lacking),
    ];
    let (mut found, mut lacking) = (Vec::new(), Vec::new());
    for (layout, holds, lacks) in layouts {
        if naming.layout.is_none_or(|wanted| wanted == layout) {
            found.extend(holds(&catalog, naming).into_iter().map(|schema| (layout, schema)));
            lacking.extend(lacks(&catalog, naming));
        }
    }
    let schemas: Vec<&str> = found.iter().map(|(_, schema)| *schema).collect();
    lacking.retain(|lacking| !schemas.contains(&&*lacking.schema));
    let chosen = choose_schemas(session.place(), SYSTEM, &naming.schema, &schemas, &lacking)?;
    if chosen.is_empty() {
        let near: Vec<&str> =
            segment::tables().into_iter().chain([("", "persons")]).map(|(_, usual)| usual).collect();
        for logical in ["tracks", "events"] {
            Scope::new(SYSTEM, "", naming).must_be_somewhere(&catalog, logical, &near)?;
        }
    }
    let is_lacking = !lacking.is_empty();
    session.lacks(untaken(lacking, &naming.schema, &chosen));
    if let (true, false, Some(layout)) = (chosen.is_empty(), is_lacking, naming.layout) {
        return Err(SourceError::LayoutMissing {
            place: session.place().to_owned(),
            looked_for: format!("{SYSTEM} as of {}", layout.name()),
            lacking: Vec::new(),
        });
    }
    let named = chosen.join(", ");
    let layout = |schema: &String| found.iter().find(|(_, held)| held == schema).map(|(layout, _)| *layout);
    let of: Vec<(TouchLayout, String)> =
        chosen.into_iter().filter_map(|schema| Some((layout(&schema)?, schema))).collect();
    let reason = if of.len() > 1 && of.iter().any(|(layout, _)| *layout == TouchLayout::Posthog) {
        "an id of PostHog may be a user's in one of them and a device's in another"
    } else if of.len() > MOST_TOUCH_SCHEMAS {
        "they are more than eight"
    } else {
        return Ok(Warehouse::all(&of, naming));
    };
    Err(SourceError::NotOneStream { source_name: SYSTEM, schemas: named, reason })
}

/// Rows while they are read: those that come with every person lie aside.
#[derive(Debug, Default)]
struct Aside {
    /// Where they are from.
    schemas: Vec<String>,
    identifies: Spool<IdentifyRow>,
    users: Spool<UserRow>,
    aliases: Vec<AliasRow>,
    aliases_name_anyone: bool,
    touches: Spool<TouchRow>,
    /// `PostHog`: ids that are users and no devices.
    known: BTreeSet<String>,
}

/// What the rows claim: a person per `user_id`; identifies, aliases and touches are handed on as rows, because whose
/// they are is decided when identities are resolved.
///
/// # Errors
/// When there is no room to keep the rows aside.
pub fn facts(rows: &TouchpointRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let mut aside = Aside {
        schemas: vec![rows.schema.clone()],
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
    facts.touch_schemas = rows.schemas;
    facts.aliases.extend(rows.aliases);
    rows.identifies.moved_behind(&mut facts.identifies)?;
    rows.touches.moved_behind(&mut facts.touches)
}

/// The reference of the person behind a `user_id`, whether or not `users` has a row for it.
pub fn user_ref(schema: &str, user_id: &str) -> SourceRef {
    SourceRef::new(SYSTEM, format!("{schema}.users"), user_id)
}
