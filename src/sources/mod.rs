//! Where facts come from.
//!
//! Every source system is read into its own [`rows`], which are turned into [`facts`], the one vocabulary that the
//! mirror understands: things, links, touches, identities and claims, with addresses as raw as the source holds them.

pub mod cognee;
mod error;
pub mod facts;
pub mod falkordb;
pub mod files;
pub mod postgres;
pub mod rows;
pub mod synthetic;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use crate::context::Context;
pub use error::SourceError;
use facts::Facts;
use polars::prelude::DataFrame;
use postgres::Session;
use rows::{DirectusRows, TouchpointRows, TwentyRows, UnifiedRows};

/// One layout that facts can be read from.
pub trait Source: std::fmt::Debug + Sync {
    /// Its name: in source references, in the configuration and in front of the user.
    fn name(&self) -> &'static str;

    /// Discovers the layout and reads its facts; `None` where this database does not hold it.
    fn read<'a>(
        &'a self,
        session: &'a mut Session,
        options: &'a SourceOptions,
        facts: &'a mut Facts,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<Option<Found>, SourceError>>;
}

/// Every source there is. Adding one is one file and one entry here.
pub const SOURCES: &[&dyn Source] =
    &[&postgres::DIRECTUS, &postgres::TWENTY, &postgres::UNIFIED, &postgres::TOUCHPOINTS];

/// Where a layout was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The schema it lives in.
    pub schema: String,
    /// What else was discovered, for the user to read.
    pub notes: Vec<String>,
}

/// What a source may be told; everything else is discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// Stages of an opportunity that count as converted.
    pub won_stages: Vec<String>,
    /// Schema of a source by its name, where discovery should not choose; for example `touchpoints` → `sonik_web`.
    pub schemas: BTreeMap<String, String>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { won_stages: vec![postgres::twenty::DEFAULT_WON_STAGE.to_owned()], schemas: BTreeMap::new() }
    }
}

/// Which database each source lives in.
#[derive(Debug, Clone)]
pub struct Databases {
    default: SecretString,
    own: BTreeMap<String, SecretString>,
}

impl Databases {
    /// All sources live in the database of one libpq URL.
    pub fn one(url: &str) -> Self {
        Self { default: url.into(), own: BTreeMap::new() }
    }

    /// The source of this name lives in a database of its own.
    #[must_use]
    pub fn with(mut self, source_name: &str, url: &str) -> Self {
        self.own.insert(source_name.to_owned(), url.into());
        self
    }

    /// Every database once, with the sources to look for in it.
    fn grouped(&self) -> Vec<(&str, Vec<&'static dyn Source>)> {
        let mut groups: Vec<(&str, Vec<&'static dyn Source>)> = Vec::new();
        for source in SOURCES {
            let url = self.own.get(source.name()).unwrap_or(&self.default).expose_secret();
            match groups.iter_mut().find(|(known, _)| *known == url) {
                Some((_, sources)) => sources.push(*source),
                None => groups.push((url, vec![*source])),
            }
        }
        groups
    }
}

/// What one database holds, for `doctor`.
#[derive(Debug)]
pub struct DatabaseLayout {
    /// `host:port/database`.
    pub place: String,
    /// Major version of the server.
    pub version: u32,
    /// Every source that was looked for.
    pub sources: Vec<SourceLayout>,
}

/// What was found of one source.
#[derive(Debug)]
pub struct SourceLayout {
    /// Name of the source.
    pub name: &'static str,
    /// Where it is; `None` where it is not in this database.
    pub found: Result<Option<Found>, SourceError>,
    /// Its tables, in the order they are read.
    pub tables: Vec<TableLayout>,
}

/// What was found of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// Schema-qualified table.
    pub table: String,
    /// Number of its rows, whatever their state.
    pub rows: u64,
    /// When the newest of them was written, in epoch µs; `None` where the table does not say.
    pub newest: Option<i64>,
    /// Columns that the layout knows and the table lacks: they count as empty.
    pub missing: Vec<String>,
}

/// Reads what all sources claim, each database in one read-only transaction.
///
/// A source whose layout is in no database is left out, unless its schema or database was configured.
///
/// # Errors
/// When a database cannot be read, holds no layout at all, or a row cannot be taken.
pub async fn read_facts(
    databases: &Databases,
    options: &SourceOptions,
    cx: &Context,
) -> Result<Facts, SourceError> {
    let mut facts = Facts::default();
    for (url, sources) in databases.grouped() {
        cx.check()?;
        let mut session = Session::open(url).await?;
        let mut found = 0;
        for source in &sources {
            found += usize::from(source.read(&mut session, options, &mut facts, cx).await?.is_some());
        }
        if found == 0 {
            let looked_for = sources.iter().map(|source| source.name()).collect::<Vec<_>>().join(", ");
            return Err(SourceError::LayoutMissing { place: session.place().to_owned(), looked_for });
        }
        facts.read.extend(session.take_reads());
        facts.servers.push(session.version());
        session.close().await;
    }
    Ok(facts)
}

/// Finds out what every database holds and whether it can be read, without reading it.
///
/// # Errors
/// When a database cannot be opened; what is wrong with one source stands in its [`SourceLayout::found`].
pub async fn layouts(
    databases: &Databases,
    options: &SourceOptions,
    cx: &Context,
) -> Result<Vec<DatabaseLayout>, SourceError> {
    let mut all = Vec::new();
    for (url, sources) in databases.grouped() {
        cx.check()?;
        let mut session = Session::open(url).await?;
        session.survey();
        let mut layouts = Vec::new();
        for source in sources {
            let found = source.read(&mut session, options, &mut Facts::default(), cx).await;
            if found.is_err() {
                session.restart().await?;
            }
            layouts.push(SourceLayout { name: source.name(), found, tables: session.take_layouts() });
        }
        all.push(DatabaseLayout {
            place: session.place().to_owned(),
            version: session.version(),
            sources: layouts,
        });
        session.close().await;
    }
    Ok(all)
}

/// What a snapshot keeps beside the graph, by file stem: `touchpoints`, and `claim_events` where the installation has them.
pub fn companions(facts: &Facts) -> BTreeMap<String, DataFrame> {
    const EQUAL: &str = "the columns of a companion are of one height";
    let claims = postgres::unified::claim_events_companion(facts).expect(EQUAL);
    let touches = postgres::touchpoints::companion(facts).expect(EQUAL);
    let named = [("touchpoints", Some(touches)), ("claim_events", claims)];
    named.into_iter().filter_map(|(name, frame)| Some((name.to_owned(), frame?))).collect()
}

/// What the rows of all four layouts claim together.
pub fn facts_of(
    directus: &DirectusRows,
    twenty: &TwentyRows,
    unified: &UnifiedRows,
    touchpoints: &TouchpointRows,
    options: &SourceOptions,
) -> Facts {
    let mut facts = Facts::default();
    postgres::directus::facts(directus, &mut facts);
    postgres::twenty::facts(twenty, &options.won_stages, &mut facts);
    postgres::unified::facts(unified, &mut facts);
    postgres::touchpoints::facts(touchpoints, &mut facts);
    facts
}
