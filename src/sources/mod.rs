//! Where facts come from.
//!
//! Every source system is read into its own [`rows`], which are turned into [`facts`], the one vocabulary that the
//! mirror understands: things, links, touches, identities and claims, with addresses as raw as the source holds them.

mod asked;
pub mod cognee;
mod error;
pub mod facts;
pub mod falkordb;
pub mod files;
mod lacking;
pub mod postgres;
pub mod rows;
pub mod spool;
pub mod synthetic;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Naming;
use crate::context::Context;
pub use asked::{ColumnAsked, RowsAsked, column_key, table_key};
pub use error::SourceError;
use facts::{Facts, TableRead};
pub use lacking::Lacking;
use polars::prelude::DataFrame;
use postgres::Session;
use postgres::position::{Position, Since};
use postgres::touchpoints::{Resuming, Tally};
use rows::{DirectusRows, TouchRow, TouchpointRows, TwentyRows, UnifiedRows};
use spool::{Spool, SpoolError};

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
    /// Tables of the layout that are not there, schema-qualified: they count as empty.
    pub missing: Vec<String>,
}

/// What a source may be told; everything else is discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// Stages of an opportunity that count as converted.
    pub won_stages: Vec<String>,
    /// What the modeller of a source named things, by the source's name, where discovery should not choose.
    pub naming: BTreeMap<String, Naming>,
    /// Rows that cannot be taken are left out, counted and listed, instead of ending the run.
    pub skip_bad_rows: bool,
}

impl SourceOptions {
    /// What is configured of a source.
    pub fn of(&self, source_name: &str) -> &Naming {
        static NOTHING: LazyLock<Naming> = LazyLock::new(Naming::default);
        self.naming.get(source_name).unwrap_or(&NOTHING)
    }
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            won_stages: vec![postgres::twenty::DEFAULT_WON_STAGE.to_owned()],
            naming: BTreeMap::new(),
            skip_bad_rows: false,
        }
    }
}

/// Which database each source lives in.
#[derive(Debug, Clone)]
pub struct Databases {
    common: Option<SecretString>,
    own: BTreeMap<String, SecretString>,
}

impl Databases {
    /// All sources live in the database of one libpq URL.
    pub fn one(url: &str) -> Self {
        Self { common: Some(url.into()), own: BTreeMap::new() }
    }

    /// No source lives anywhere, but for those that are [given](Self::with) a database of their own.
    pub fn none() -> Self {
        Self { common: None, own: BTreeMap::new() }
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
            let Some(url) = self.own.get(source.name()).or(self.common.as_ref()) else { continue };
            let url = url.expose_secret();
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
    /// Every column that was asked for, in order.
    pub asked: Vec<ColumnAsked>,
}

/// What was found of one source.
#[derive(Debug)]
pub struct SourceLayout {
    /// Name of the source.
    pub name: &'static str,
    /// Where it is; `None` where it is not in this database.
    pub found: Result<Option<Found>, SourceError>,
    /// What keeps a schema that looks like it from being it, where it is not found.
    pub lacking: Vec<Lacking>,
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
    /// Logical columns and the other names they were found under.
    pub renamed: Vec<(String, String)>,
    /// Rows that no stamp says the age of: no watermark would see them.
    pub unstamped: u64,
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
    Ok(read_databases(databases, options, || None, None, cx).await?.0)
}

/// [`read_facts`], which tells where the next reading of the touches may go on, and goes on itself from where `since` says,
/// if it can: then the many touches that are one edge each are not among the facts, but who was seen on which device is.
///
/// # Errors
/// Those of [`read_facts`].
pub async fn read_facts_since(
    databases: &Databases,
    options: &SourceOptions,
    since: Option<&Since>,
    cx: &Context,
) -> Result<Reading, SourceError> {
    let (mut asked, mut rows) = (Vec::new(), Vec::new());
    let resume = || Some(Resuming::from(since.cloned()));
    let (facts, touches) =
        read_databases(databases, options, resume, Some((&mut asked, &mut rows)), cx).await?;
    let position = Err(NO_TOUCHES.to_owned());
    let mut reading = Reading { facts, asked, rows, position, whole: None, left: None };
    match touches {
        Some((session, resuming)) => {
            reading.position = resuming.position().unwrap_or(reading.position);
            reading.whole = resuming.whole().map(str::to_owned);
            if let Some(mut session) = session {
                session.resume(resuming);
                reading.left = Some(Left { session });
            }
        }
        None => reading.whole = since.map(|_| NO_TOUCHES.to_owned()),
    }
    Ok(reading)
}

const NO_TOUCHES: &str = "there are no touchpoints";

/// Facts, and where the next reading may go on.
#[derive(Debug)]
pub struct Reading {
    /// What was read.
    pub facts: Facts,
    /// Columns that the layouts ask for, of all that there are and whatever is left unread, whether or not the tables have them.
    pub asked: Vec<ColumnAsked>,
    /// How many rows each of those tables holds, of all that there are and whatever is left unread.
    pub rows: Vec<RowsAsked>,
    /// Where the touches were read; why no reading can go on from there, where that is so.
    pub position: Result<Position, String>,
    /// Why all touches were read though it was to go on from an earlier reading.
    pub whole: Option<String>,
    /// The many touches, if they were left where they are.
    pub left: Option<Left>,
}

/// The many touches, in a transaction in which they can still be asked for.
#[derive(Debug)]
pub struct Left {
    session: Session,
}

impl Left {
    /// Whether messages were loaded more than once, all of which are among the facts.
    pub fn has_doubled(&self) -> bool {
        postgres::touchpoints::has_doubled(&self.session)
    }

    /// Shows how much everybody did at events of these keys to `see`, in no order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tallies(
        &mut self,
        options: &SourceOptions,
        events: &[String],
        see: &mut (dyn FnMut(Tally<'_>) + Send),
        cx: &Context,
    ) -> Result<(), SourceError> {
        postgres::touchpoints::tallies(&mut self.session, options, events, see, cx).await
    }

    /// Reads the touches of those whom `keys` name, by schema, and those at none of `events`; tells what was read, and ends
    /// the transaction.
    ///
    /// # Errors
    /// When the database cannot be read or a row cannot be taken.
    pub async fn moved(
        mut self,
        options: &SourceOptions,
        (keys, events): (&[Vec<String>], &[String]),
        into: &mut Spool<TouchRow>,
        cx: &Context,
    ) -> Result<Vec<TableRead>, SourceError> {
        postgres::touchpoints::moved(&mut self.session, options, (keys, events), into, cx).await?;
        let reads = self.session.take_reads();
        self.session.close().await;
        Ok(reads)
    }
}

/// Where touches were found, and the session they can still be asked for in.
type Touches = Option<(Option<Session>, Resuming)>;

/// Reads every database; `resume` says of each whether the touches go on from an earlier reading. Notes which columns are
/// `asked` for and how many rows their tables hold, where that is wanted.
async fn read_databases(
    databases: &Databases,
    options: &SourceOptions,
    resume: impl Fn() -> Option<Resuming>,
    mut asked: Option<(&mut Vec<ColumnAsked>, &mut Vec<RowsAsked>)>,
    cx: &Context,
) -> Result<(Facts, Touches), SourceError> {
    let mut facts = Facts::default();
    let mut touches = None;
    for (url, sources) in databases.grouped() {
        cx.check()?;
        let mut session = Session::open(url).await?;
        if options.skip_bad_rows {
            session.skip_bad_rows();
        }
        if let Some((asked, rows)) = &mut asked {
            // Before anything is left unread: which columns there are does not depend on that.
            session.look();
            for source in &sources {
                source.read(&mut session, options, &mut Facts::default(), cx).await?;
            }
            let columns = session.stop_looking();
            rows.extend(session.count_rows(&columns, cx).await?);
            asked.extend(columns);
            session.take_lacking();
        }
        if let Some(resuming) = resume() {
            session.resume(resuming);
        }
        let mut found = 0;
        for source in &sources {
            let layout = source.read(&mut session, options, &mut facts, cx).await?;
            let is_there = layout.is_some();
            let missing = layout.into_iter().flat_map(|found| found.missing);
            facts.missing.extend(missing.map(|table| format!("{}:{table}", source.name())));
            let lacking = session.take_lacking();
            facts.lacking.extend(lacking.iter().cloned());
            if !is_there && databases.own.contains_key(source.name()) {
                let (place, looked_for) = (session.place().to_owned(), source.name().to_owned());
                return Err(SourceError::LayoutMissing { place, looked_for, lacking });
            }
            found += usize::from(is_there);
            facts.absent.extend((!is_there).then(|| source.name()));
        }
        if found == 0 {
            let looked_for = sources.iter().map(|source| source.name()).collect::<Vec<_>>().join(", ");
            let (place, lacking) = (session.place().to_owned(), facts.lacking);
            return Err(SourceError::LayoutMissing { place, looked_for, lacking });
        }
        facts.schemas.extend(session.catalog().schemas_with(&[]).into_iter().map(str::to_owned));
        facts.read.extend(session.take_reads());
        facts.bad_rows.extend(session.take_bad_rows());
        facts.servers.push(session.version());
        let resuming = session.take_resuming();
        if resuming.is_partial() {
            touches = Some((Some(session), resuming));
            continue;
        }
        if resuming.position().is_some() {
            touches = Some((None, resuming));
        }
        session.close().await;
    }
    Ok((facts, touches))
}

/// Finds out what every database holds and whether it can be read, without reading it.
/// One result a database: one that cannot be opened does not hide the others, nor does one source hide its neighbours,
/// whose trouble stands in [`SourceLayout::found`].
pub async fn layouts(
    databases: &Databases,
    options: &SourceOptions,
    cx: &Context,
) -> Vec<Result<DatabaseLayout, SourceError>> {
    let mut all = Vec::new();
    for (url, sources) in databases.grouped() {
        all.push(layout(url, &sources, options, cx).await);
    }
    all
}

async fn layout(
    url: &str,
    sources: &[&'static dyn Source],
    options: &SourceOptions,
    cx: &Context,
) -> Result<DatabaseLayout, SourceError> {
    cx.check()?;
    let mut session = Session::open(url).await?;
    session.survey();
    let mut layouts = Vec::new();
    for source in sources {
        let found = source.read(&mut session, options, &mut Facts::default(), cx).await;
        if found.is_err() {
            session.restart().await?;
        }
        let (lacking, tables) = (session.take_lacking(), session.take_layouts());
        layouts.push(SourceLayout { name: source.name(), found, lacking, tables });
    }
    let asked = session.stop_looking();
    let (place, version) = (session.place().to_owned(), session.version());
    session.close().await;
    Ok(DatabaseLayout { place, version, sources: layouts, asked })
}

/// What a snapshot keeps beside the graph, by file stem: `touchpoints`, and `claim_events` where the installation has them.
///
/// # Errors
/// When the touches that were kept aside cannot be read.
pub fn companions(facts: &Facts) -> Result<BTreeMap<String, DataFrame>, SpoolError> {
    const EQUAL: &str = "the columns of a companion are of one height";
    let claims = postgres::unified::claim_events_companion(facts).expect(EQUAL);
    let touches = postgres::touchpoints::companion(facts)?.expect(EQUAL);
    let named = [("touchpoints", Some(touches)), ("claim_events", claims)];
    Ok(named.into_iter().filter_map(|(name, frame)| Some((name.to_owned(), frame?))).collect())
}

/// What the rows of all four layouts claim together.
///
/// # Errors
/// When there is no room to keep the touches aside.
pub fn facts_of(
    directus: &DirectusRows,
    twenty: &TwentyRows,
    unified: &UnifiedRows,
    touchpoints: &TouchpointRows,
    options: &SourceOptions,
) -> Result<Facts, SpoolError> {
    let mut facts = Facts::default();
    postgres::directus::facts(directus, &mut facts)?;
    postgres::twenty::facts(twenty, &options.won_stages, &mut facts)?;
    postgres::unified::facts(unified, &mut facts)?;
    postgres::touchpoints::facts(touchpoints, &mut facts)?;
    Ok(facts)
}
