//! A connection within one read-only transaction, spoken to in whole statements only: it works through poolers that hand
//! every transaction to another server process and keep no prepared statements.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::{Poll, ready};

use futures_util::{Stream, StreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::TableName;
use crate::sources::SourceError;
use crate::sources::postgres::catalog::identifier;
use crate::sources::postgres::client::{self, OLDEST};
use crate::sources::postgres::columns::text_literal;
use crate::sources::postgres::failure::failure;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What the text of a value depends on, and that nothing waits for ever.
const SETTINGS: &str = "SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'; \
     SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; \
     SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL lock_timeout = '15s'; \
     SET LOCAL idle_in_transaction_session_timeout = 0";

/// The server ends a statement whose client is gone, where its system can tell.
pub(super) const NOTICE_OUR_END: &str = "SELECT set_config('client_connection_check_interval', '1s', true) \
     WHERE version() !~* '(mingw|windows|visual c)'";

/// What begins a transaction that sees what the one sees that exported `snapshot`.
pub(super) fn following(snapshot: &str) -> String {
    format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}; {SETTINGS}", text_literal(snapshot))
}

/// The connection and who it is.
#[derive(Debug)]
pub(super) struct Link {
    connection: PgConnection,
    place: String,
    user: String,
}

impl Link {
    /// Connects and begins a transaction of its own, with a lock on `table` where the server lets readers have one.
    ///
    /// The lock comes before the snapshot, so that what is known of the table and its rows are of one state.
    pub(super) async fn lead(url: &str, table: &TableName) -> Result<Self, SourceError> {
        let mut link = Self::connect(url).await?;
        let what = table.qualified();
        let begin = format!("{BEGIN}; {SETTINGS}");
        let (schema, name) = (identifier(&table.schema), identifier(&table.name));
        let lock = format!("LOCK TABLE {schema}.{name} IN ACCESS SHARE MODE");
        link.execute(&begin, "BEGIN").await?;
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut link.connection).await {
            // No such table, none that can be locked, or not with this role's rights: what follows says which.
            let code = error.as_database_error().and_then(|error| error.code().map(String::from));
            if !code.is_some_and(|code| code.starts_with("42") || code.starts_with("3F")) {
                return Err(link.failure(error, &what));
            }
            link.execute("ROLLBACK", "ROLLBACK").await?;
            link.execute(&begin, "BEGIN").await?;
        }
        let version = link.value("SELECT current_setting('server_version_num')", "version").await?;
        let version = version.and_then(|text| text.parse::<u32>().ok()).unwrap_or_default() / 10_000;
        if version < OLDEST {
            return Err(SourceError::TooOld { place: link.place, version, oldest: OLDEST });
        }
        link.execute(NOTICE_OUR_END, "settings").await?;
        Ok(link)
    }

    /// Connects and begins a transaction that sees what the one sees that exported `snapshot`.
    pub(super) async fn follow(url: &str, snapshot: &str) -> Result<Self, SourceError> {
        let mut link = Self::connect(url).await?;
        link.execute(&following(snapshot), "the snapshot of the first connection").await?;
        link.execute(NOTICE_OUR_END, "settings").await?;
        Ok(link)
    }

    async fn connect(url: &str) -> Result<Self, SourceError> {
        let (place, user) = client::whereabouts(url)?;
        Ok(Self { connection: client::connect(url).await?, place, user })
    }

    /// What lets other transactions see what this one sees, for as long as it is open.
    pub(super) async fn export(&mut self) -> Result<String, SourceError> {
        let id = self.value("SELECT pg_export_snapshot()", "pg_export_snapshot()").await?;
        Ok(id.unwrap_or_default())
    }

    /// `host:port/database`.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The role.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn denied(&self, what: &str) -> SourceError {
        SourceError::Denied { place: self.place.clone(), user: self.user.clone(), what: what.to_owned() }
    }

    fn failure(&self, error: sqlx::Error, what: &str) -> SourceError {
        failure(&self.place, &self.user, error, what)
    }

    /// Runs statements whose answer is of no interest; `what` names them in errors.
    pub(super) async fn execute(&mut self, sql: &str, what: &str) -> Result<(), SourceError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| self.failure(error, what))
    }

    /// Runs a small statement, every one of whose `N` columns is text.
    pub(super) async fn lines<const N: usize>(
        &mut self,
        sql: &str,
        what: &str,
    ) -> Result<Vec<[Option<String>; N]>, SourceError> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await;
        let line = |row: &PgRow| {
            let mut line = [const { None }; N];
            for (i, cell) in line.iter_mut().enumerate() {
                *cell = row.try_get::<Option<String>, _>(i)?;
            }
            Ok(line)
        };
        let lines = rows.and_then(|rows| rows.iter().map(line).collect::<Result<_, _>>());
        lines.map_err(|error| self.failure(error, what))
    }

    async fn value(&mut self, sql: &str, what: &str) -> Result<Option<String>, SourceError> {
        let lines = self.lines::<1>(sql, what).await?;
        Ok(lines.into_iter().next().and_then(|[value]| value))
    }

    /// Begins a `COPY … TO STDOUT`. Dropped before its end, it leaves a connection of no use.
    pub(super) async fn copy(
        &mut self,
        sql: &str,
        what: &str,
    ) -> Result<Copy<impl Stream<Item = sqlx::Result<impl AsRef<[u8]>>> + Send + Unpin>, SourceError> {
        let (place, user, what) = (self.place.clone(), self.user.clone(), what.to_owned());
        match self.connection.copy_out_raw(sql).await {
            Ok(stream) => Ok(Copy { stream, place, user, what }),
            Err(error) => Err(failure(&place, &user, error, &what)),
        }
    }

    /// Ends the transaction and the connection.
    pub(super) async fn close(self) {
        // Nothing was written: a connection that breaks now has lost nothing.
        drop(self.connection.close().await);
    }
}

/// A running `COPY … TO STDOUT`.
pub(super) struct Copy<S> {
    stream: S,
    place: String,
    user: String,
    what: String,
}

impl<B: AsRef<[u8]>, S: Stream<Item = sqlx::Result<B>> + Unpin> Copy<S> {
    /// Hands `take` the bytes as they come until it breaks off, and answers with what; `None` at the end of the copy.
    ///
    /// What is there is taken at one go: rows come one by one, and a wait for each takes a sixth more of our CPU.
    pub(super) async fn until<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> ControlFlow<T>,
    ) -> Result<Option<T>, SourceError> {
        poll_fn(|cx| {
            loop {
                match ready!(self.stream.poll_next_unpin(cx)) {
                    Some(Ok(bytes)) => {
                        if let ControlFlow::Break(value) = take(bytes.as_ref()) {
                            return Poll::Ready(Ok(Some(value)));
                        }
                    }
                    Some(Err(error)) => {
                        let failure = failure(&self.place, &self.user, error, &self.what);
                        return Poll::Ready(Err(failure));
                    }
                    None => return Poll::Ready(Ok(None)),
                }
            }
        })
        .await
    }
}
