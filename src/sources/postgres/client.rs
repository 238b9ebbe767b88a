//! A read-only session with one `PostgreSQL` database.
//!
//! Everything is read in one `REPEATABLE READ READ ONLY` transaction, so that all tables are of one moment and nothing
//! can be written; `row_security = off` makes policies that would hide rows fail loudly instead.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};

use super::catalog::{self, Catalog, Table};
use super::columns::{FromColumn as _, Instant, Wire};
use super::failure::{failure, said};
use super::select::{Row, Select};
use super::tls::unencrypted_by_mistake;
use super::touchpoints::Resuming;
use crate::context::{Context, TICK_EVERY};
use crate::sources::facts::{BAD_ROW, BAD_ROWS_KEPT, BadRow, TableRead};
use crate::sources::{ColumnAsked, Lacking, SourceError, TableLayout};

/// Oldest major version that is read.
pub const OLDEST: u32 = 12;

/// The major version sonograph is made for; what is older is read, and `doctor` says so.
pub const TARGET: u32 = 18;

/// What to do about a port that answers for a pooler.
pub const POOLER: &str = "port 6543 is a transaction pooler's (Supabase): it keeps no session settings and no prepared \
     statements; use its session mode on port 5432, or the database's own host (IPv6 only without the IPv4 add-on)";

/// How long a server may take to answer at first.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL row_security = off; SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = pg_catalog";

/// What becomes of one row.
#[derive(Debug)]
pub enum Taken<T> {
    /// It is kept.
    Row(T),
    /// It is left out, for this reason.
    LeftOut(&'static str),
}

/// What is done with tables that are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Their rows are read.
    Read,
    /// It is only noted which columns they are asked for.
    Look,
    /// It is noted which columns they are asked for, that they can be read, and how many rows they have.
    Survey,
}

/// An open transaction on one database, and what is known of it.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    place: String,
    user: String,
    version: u32,
    catalog: Arc<Catalog>,
    manner: Manner,
    /// Columns that were asked for while tables were not read.
    asked: BTreeSet<ColumnAsked>,
    /// What kept schemas from being layouts that they look like.
    lacking: Vec<Lacking>,
    reads: Vec<TableRead>,
    /// Rows that cannot be taken are kept here instead of ending the run.
    bad_rows: Option<Vec<BadRow>>,
    layouts: Vec<TableLayout>,
    /// Whether and from where the reading of touches goes on from an earlier one.
    pub(super) resuming: Option<Resuming>,
}

/// Connects to the database of a libpq URL.
///
/// # Errors
/// Each way this fails is a variant of its own; none shows the URL.
pub async fn connect(url: &str) -> Result<PgConnection, SourceError> {
    let (options, place) = options(url)?;
    let attempt = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 10 seconds");
    let connected = attempt.unwrap_or_else(|_| Err(sqlx::Error::Io(late())));
    connected.map_err(|error| refusal(error, place, &options))
}

/// What a libpq URL asks for, and where it leads (`host:port/database`).
pub(super) fn options(url: &str) -> Result<(PgConnectOptions, String), SourceError> {
    let scheme = url.trim().split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("postgres" | "postgresql")) {
        return Err(SourceError::Url { reason: "it does not begin with postgresql://".to_owned() });
    }
    unencrypted_by_mistake(url)?;
    // The parser's own words may repeat parts of the URL.
    let options = PgConnectOptions::from_str(url.trim())
        .map_err(|_| SourceError::Url { reason: "a part of it is malformed".to_owned() })?
        .application_name("sonograph")
        .disable_statement_logging();
    let place = format!("{}:{}/{}", options.get_host(), options.get_port(), database(&options));
    Ok((options, place))
}

/// Where a libpq URL leads (`host:port/database`) and as whom.
pub(super) fn whereabouts(url: &str) -> Result<(String, String), SourceError> {
    let (options, place) = options(url)?;
    Ok((place, options.get_username().to_owned()))
}

/// Whether a place (`host:port/database`) has the port of a transaction pooler.
pub fn is_pooler(place: &str) -> bool {
    let address = place.split('/').next().unwrap_or_default();
    address.rsplit_once(':').is_some_and(|(_, port)| port == "6543")
}

fn database(options: &PgConnectOptions) -> &str {
    options.get_database().unwrap_or(options.get_username())
}

fn refusal(error: sqlx::Error, place: String, options: &PgConnectOptions) -> SourceError {
    match error {
        sqlx::Error::Io(source) => SourceError::Unreachable { place, source },
        sqlx::Error::Database(ref answer) => match answer.code().as_deref() {
            Some("28P01") => SourceError::Password { place, user: options.get_username().to_owned() },
            Some("3D000") => SourceError::DatabaseMissing { place, database: database(options).to_owned() },
            // No row has been read yet.
            Some(code) => {
                SourceError::Refused { place, reason: format!("{} (SQLSTATE {code})", answer.message()) }
            }
            None => SourceError::Refused { place, reason: answer.message().to_owned() },
        },
        _ => SourceError::Refused { place, reason: said(&error) },
    }
}

impl Session {
    /// Connects, checks the version, opens the transaction and learns which tables there are.
    pub async fn open(url: &str) -> Result<Self, SourceError> {
        let (options, place) = options(url)?;
        let mut session = Self {
            connection: connect(url).await?,
            place,
            user: options.get_username().to_owned(),
            version: 0,
            catalog: Arc::default(),
            manner: Manner::Read,
            asked: BTreeSet::new(),
            lacking: Vec::new(),
            reads: Vec::new(),
            bad_rows: None,
            layouts: Vec::new(),
            resuming: None,
        };
        session.begin().await?;
        let number = session.rows("SELECT current_setting('server_version_num')", "version", None).await?;
        let number: String = number.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        session.version = number.parse::<u32>().unwrap_or_default() / 10_000;
        if session.version < OLDEST {
            let (place, version) = (session.place, session.version);
            return Err(SourceError::TooOld { place, version, oldest: OLDEST });
        }
        let mut catalog = Catalog::default();
        for row in session.rows(catalog::STATEMENT, "pg_catalog", None).await? {
            let text = |i: usize| row.try_get::<String, _>(i).unwrap_or_default();
            catalog.add(text(0), text(1), text(2), text(3), row.try_get(4).unwrap_or_default());
        }
        session.catalog = Arc::new(catalog);
        Ok(session)
    }

    async fn begin(&mut self) -> Result<(), SourceError> {
        let begun = sqlx::raw_sql(BEGIN).execute(&mut self.connection).await;
        begun.map(drop).map_err(|error| self.failure(error, "BEGIN"))
    }

    /// Ends the transaction after a failed statement and opens another.
    pub async fn restart(&mut self) -> Result<(), SourceError> {
        let ended = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
        ended.map_err(|error| self.failure(error, "ROLLBACK"))?;
        self.begin().await
    }

    /// Ends the transaction and the connection.
    pub async fn close(self) {
        // Nothing was written: a connection that breaks now has lost nothing.
        drop(self.connection.close().await);
    }

    /// From now on tables are only looked at: [`read`](Self::read) gives no rows, but checks that it could, and counts.
    pub fn survey(&mut self) {
        self.manner = Manner::Survey;
    }

    /// From now on tables are neither read nor looked into: it is only noted which columns they are asked for.
    pub fn look(&mut self) {
        self.manner = Manner::Look;
    }

    /// From now on tables are read; gives the columns that were asked for until now, in order.
    pub fn stop_looking(&mut self) -> Vec<ColumnAsked> {
        self.manner = Manner::Read;
        std::mem::take(&mut self.asked).into_iter().collect()
    }

    /// Whether tables are not even looked into.
    pub fn is_looking(&self) -> bool {
        self.manner == Manner::Look
    }

    /// Notes which columns a statement would ask for that is not run.
    pub fn asks(&mut self, select: &Select<'_>) {
        if self.manner != Manner::Read {
            self.asked.extend(select.asked().iter().cloned());
        }
    }

    /// Notes what keeps schemas from being a layout that they look like.
    pub fn lacks(&mut self, lacking: impl IntoIterator<Item = Lacking>) {
        self.lacking.extend(lacking);
    }

    /// What was [noted](Self::lacks) until now.
    pub fn take_lacking(&mut self) -> Vec<Lacking> {
        std::mem::take(&mut self.lacking)
    }

    /// From now on a row that cannot be taken is left out, counted and listed.
    pub fn skip_bad_rows(&mut self) {
        self.bad_rows = Some(Vec::new());
    }

    /// From now on it is noted where the reading of touches stands, and what `resuming` allows is left for later.
    pub fn resume(&mut self, resuming: Resuming) {
        self.resuming = Some(resuming);
    }

    /// What came of that; taken out.
    pub fn take_resuming(&mut self) -> Resuming {
        self.resuming.take().unwrap_or_default()
    }

    /// `host:port/database`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Major version of the server.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The tables of the database.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    /// What was read so far, per table; taken out.
    pub fn take_reads(&mut self) -> Vec<TableRead> {
        std::mem::take(&mut self.reads)
    }

    /// The rows that could not be taken so far; taken out.
    pub fn take_bad_rows(&mut self) -> Vec<BadRow> {
        self.bad_rows.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What was found so far, per table; taken out.
    pub fn take_layouts(&mut self) -> Vec<TableLayout> {
        std::mem::take(&mut self.layouts)
    }

    /// Runs a small statement of ours; `what` names it in errors.
    pub async fn rows(
        &mut self,
        sql: &str,
        what: &str,
        parameter: Option<&Vec<String>>,
    ) -> Result<Vec<PgRow>, SourceError> {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = if let Some(texts) = parameter { query.bind(texts) } else { query };
        query.fetch_all(&mut self.connection).await.map_err(|error| self.failure(error, what))
    }

    /// Runs a small statement of ours over a `table` of the `schema` it names `{schema}`; every column of its rows is text.
    pub async fn texts(
        &mut self,
        sql: &str,
        (schema, table): (&str, &str),
        parameter: Option<&Vec<String>>,
    ) -> Result<Vec<Vec<Option<String>>>, SourceError> {
        let sql = sql.replace("{schema}", &catalog::identifier(schema));
        let rows = self.rows(&sql, &format!("{schema}.{table}"), parameter).await?;
        let text = |row: &PgRow, i: usize| row.try_get::<Option<String>, _>(i).unwrap_or_default();
        Ok(rows.iter().map(|row| (0..row.len()).map(|i| text(row, i)).collect()).collect())
    }

    /// Runs a small statement of ours, every one of whose `N` columns is text; `what` names it in errors.
    pub async fn lines<const N: usize>(
        &mut self,
        sql: &str,
        what: &str,
    ) -> Result<Vec<[Option<String>; N]>, SourceError> {
        let rows = self.rows(sql, what, None).await?;
        let line = |row: &PgRow| {
            let mut line = [const { None }; N];
            for (i, cell) in line.iter_mut().enumerate() {
                *cell = row.try_get::<Option<String>, _>(i)?;
            }
            Ok(line)
        };
        rows.iter().map(line).collect::<Result<_, _>>().map_err(|error| self.failure(error, what))
    }

    /// Reads the rows of a statement one by one, keeps what `take` keeps and counts what it leaves out.
    ///
    /// # Errors
    /// When the table may not be read, the connection breaks, a row cannot be taken or somebody asks to stop.
    pub async fn read<T>(
        &mut self,
        select: &Select<'_>,
        cx: &Context,
        mut take: impl FnMut(&Row<'_>) -> Result<Taken<T>, SourceError>,
    ) -> Result<Vec<T>, SourceError> {
        let table = select.table().qualified();
        if let Some(what) = select.denied() {
            return Err(self.denied(what));
        }
        if self.manner != Manner::Read {
            self.asks(select);
            if self.manner == Manner::Survey {
                self.look_at(select).await?;
            }
            return Ok(Vec::new());
        }
        let step = cx.step(&format!("read {table}"), None);
        let query = sqlx::query(AssertSqlSafe(select.sql())).persistent(false);
        let query = if let Some(texts) = select.parameter() { query.bind(texts.clone()) } else { query };
        let mut stream = query.fetch(&mut self.connection);
        let mut kept = Vec::new();
        let mut bad = 0;
        let mut read =
            TableRead { system: select.source_name(), table: table.clone(), rows: 0, left_out: Vec::new() };
        let broken = loop {
            match stream.try_next().await {
                Ok(Some(row)) => match (take(&Row::new(&row, select)), &mut self.bad_rows) {
                    (Ok(Taken::Row(row)), _) => kept.push(row),
                    (Ok(Taken::LeftOut(reason)), _) => read.leave_out(reason, 1),
                    (Err(SourceError::Value { source_name, table, key, column, reason }), Some(bad_rows)) => {
                        read.leave_out(BAD_ROW, 1);
                        bad += 1;
                        if bad <= BAD_ROWS_KEPT {
                            bad_rows.push(BadRow { source: source_name, table, key, column, reason });
                        }
                    }
                    (Err(error), _) => return Err(error),
                },
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
            read.rows += 1;
            if read.rows.is_multiple_of(TICK_EVERY) {
                step.tick(read.rows, None)?;
            }
        };
        drop(stream);
        if let Some(error) = broken {
            return Err(self.failure(error, &table));
        }
        if select.is_counted() {
            TableRead::add(&mut self.reads, read);
        }
        Ok(kept)
    }

    /// Counts rows of the table read last that were left out after they were read.
    pub fn left_out(&mut self, table: &Table, reason: &'static str, rows: u64) {
        let table = table.qualified();
        if let Some(read) = self.reads.iter_mut().rev().find(|read| read.table == table && rows > 0) {
            read.left_out.push((reason, rows));
            read.left_out.sort_unstable();
        }
    }

    /// Notes which columns a statement lacks, that its table can be read, how many rows it has and the newest of them.
    async fn look_at(&mut self, select: &Select<'_>) -> Result<(), SourceError> {
        let table = select.table();
        let what = table.qualified();
        self.rows(&format!("{} LIMIT 0", select.sql()), &what, select.parameter()).await?;
        let known = self.layouts.iter_mut().find(|layout| layout.table == what);
        if let Some(layout) = known {
            layout.missing.extend(select.missing().iter().cloned());
            layout.missing.sort_unstable();
            layout.missing.dedup();
            return Ok(());
        }
        let stamps = STAMPS.iter().filter(|name| {
            let column = table.column(&[name]);
            column.is_some_and(|(_, column)| column.readable && column.kind == "timestamp with time zone")
        });
        let stamps: Vec<String> = stamps.map(|name| catalog::identifier(name)).collect();
        let (newest, bare) = if stamps.is_empty() {
            ("NULL".to_owned(), "false".to_owned())
        } else {
            let newest: Vec<String> = stamps.iter().map(|name| format!("max({name})")).collect();
            (newest.join(", "), format!("coalesce({}) IS NULL", stamps.join(", ")))
        };
        let sql = format!(
            "SELECT count(*), greatest({newest})::timestamptz, count(*) FILTER (WHERE {bare}) FROM {}",
            table.quoted()
        );
        let counted = self.rows(&sql, &what, None).await?;
        let number =
            |at: usize| counted.first().and_then(|row| row.try_get::<i64, _>(at).ok()).unwrap_or_default();
        let (rows, unstamped) = (number(0), number(2));
        let newest = counted.first().and_then(|row| {
            let bytes = row.try_get_raw(1).ok()?.as_bytes().ok()?;
            Instant::decode(bytes, Wire::Binary).ok().flatten()
        });
        self.layouts.push(TableLayout {
            table: what,
            rows: rows as u64,
            newest: newest.map(|Instant(micros)| micros),
            missing: select.missing().to_vec(),
            renamed: select.renamed().to_vec(),
            unstamped: unstamped as u64,
        });
        Ok(())
    }

    fn denied(&self, what: &str) -> SourceError {
        SourceError::Denied { place: self.place.clone(), user: self.user.clone(), what: what.to_owned() }
    }

    fn failure(&self, error: sqlx::Error, what: &str) -> SourceError {
        failure(&self.place, &self.user, error, what)
    }
}

/// Columns that say when a row was written, over all layouts.
const STAMPS: &[&str] = &[
    "date_updated",
    "date_created",
    "updatedAt",
    "deletedAt",
    "received_at",
    "occurred_at",
    "matched_at",
    "updated_at",
];
