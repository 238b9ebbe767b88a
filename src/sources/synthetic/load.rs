//! A city into a database: the four layouts by our own DDL, filled by `COPY`, in one transaction or not at all.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::city::City;
use super::tables::{Table, tables};
use crate::context::{Cancelled, Context, Diagnose, Fault};
use crate::sources::SourceError;
use crate::sources::postgres::connect;

/// The layouts, in the order in which they are made.
const LAYOUTS: [&str; 4] = [
    include_str!("sql/directus.sql"),
    include_str!("sql/twenty.sql"),
    include_str!("sql/unified.sql"),
    include_str!("sql/touchpoints.sql"),
];

/// What is cheaper to make once the rows are there, and the counter that the given keys overtook.
const FINISH: &str = "CREATE INDEX tracks_received_at_idx ON sonik_web.tracks (received_at); \
     SELECT setval('directus.events_id_seq', (SELECT max(id) FROM directus.events))";

/// The remark on every schema that we made; only such schemas are ever replaced.
const OURS: &str = "sonograph synthetic city";

/// Bytes gathered before they are sent.
const SEND: usize = 512 * 1024;

/// What to do where the schemas exist already, and whether to write at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Drop the schemas of an earlier city first; never any other schema.
    pub replace: bool,
    /// Look and count, write nothing.
    pub dry_run: bool,
}

/// A table that was filled, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedTable {
    /// Schema-qualified and quoted.
    pub table: String,
    /// Rows, those that readers must leave out among them.
    pub rows: u64,
}

/// A city could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database cannot be opened.
    #[error("cannot load the city")]
    Connect(#[source] SourceError),
    /// Schemas of an earlier city are in the way.
    #[error("database `{database}` holds a synthetic city already, in {schemas}")]
    Taken {
        /// The database.
        database: String,
        /// The schemas, comma-separated.
        schemas: String,
    },
    /// Schemas that are not ours are in the way.
    #[error("database `{database}` has {schemas} that no synthetic city made")]
    Foreign {
        /// The database.
        database: String,
        /// The schemas, comma-separated.
        schemas: String,
    },
    /// The server refused something or went away; nothing was kept.
    #[error("cannot {what} in database `{database}`; nothing was changed")]
    Server {
        /// What was attempted.
        what: String,
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The server went away while it was asked to keep everything.
    #[error(
        "lost database `{database}` while it was told to keep the city: it may be there whole, or not at all"
    )]
    Uncertain {
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Somebody asked to stop; nothing was kept.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for LoadError {
    fn fault(&self) -> Fault {
        match self {
            Self::Connect(source) => source.fault(),
            Self::Taken { .. } | Self::Foreign { .. } => Fault::Input,
            Self::Server { .. } | Self::Uncertain { .. } => Fault::Environment,
            Self::Cancelled(_) => Fault::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(source) => source.hint(),
            Self::Taken { .. } => Some("`--replace` drops that city first".to_owned()),
            Self::Foreign { .. } => {
                Some("give an empty database; what sonograph did not make it does not replace".to_owned())
            }
            Self::Uncertain { .. } => Some("run it again with `--replace`".to_owned()),
            Self::Server { .. } | Self::Cancelled(_) => None,
        }
    }
}

/// Loads the city into the database of a libpq URL; answers what each table got.
///
/// # Errors
/// Each way this fails is a variant of its own. Whatever fails, the database is as it was before.
pub async fn load(
    city: &City,
    url: &str,
    options: LoadOptions,
    cx: &Context,
) -> Result<Vec<LoadedTable>, LoadError> {
    let connection = connect(url).await.map_err(LoadError::Connect)?;
    let mut loader = Loader { connection, database: String::new() };
    loader.database =
        loader.query("SELECT current_database()::text").await?.into_iter().next().unwrap_or_default();
    // An error closes the connection, and with it the transaction.
    let loaded = loader.run(city, options, cx).await?;
    loader.connection.close().await.ok();
    Ok(loaded)
}

struct Loader {
    connection: PgConnection,
    database: String,
}

impl Loader {
    async fn run(
        &mut self,
        city: &City,
        options: LoadOptions,
        cx: &Context,
    ) -> Result<Vec<LoadedTable>, LoadError> {
        self.execute("begin", "BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'").await?;
        let old = self.obstacles(city, options.replace).await?;
        if options.dry_run {
            return Ok(tables(city).into_iter().map(count).collect());
        }
        for schema in old {
            self.execute(&format!("drop schema `{schema}`"), &format!("DROP SCHEMA \"{schema}\" CASCADE"))
                .await?;
        }
        for layout in LAYOUTS {
            self.execute("make the tables of the city", layout).await?;
        }
        let all = tables(city);
        let step = cx.step("load the city into PostgreSQL", Some(all.len() as u64));
        let mut loaded = Vec::with_capacity(all.len());
        for (done, table) in all.into_iter().enumerate() {
            step.tick(done as u64, None)?;
            loaded.push(self.fill(table, cx).await?);
        }
        self.execute("finish the tables of the city", FINISH).await?;
        cx.check()?;
        let kept = sqlx::raw_sql("COMMIT").execute(&mut self.connection).await;
        kept.map_err(|source| LoadError::Uncertain { database: self.database.clone(), source })?;
        Ok(loaded)
    }

    /// The schemas to drop first; an error where any may not be dropped.
    async fn obstacles(&mut self, city: &City, replace: bool) -> Result<Vec<String>, LoadError> {
        let ours = [
            city.directus.schema.as_str(),
            "core",
            city.twenty.schema.as_str(),
            city.unified.schema.as_str(),
            city.touchpoints.schema.as_str(),
        ];
        let names: Vec<String> = ours.iter().map(|name| format!("'{name}'")).collect();
        let found = |condition: &str| {
            format!(
                "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname IN ({}) \
                 AND pg_catalog.obj_description(oid, 'pg_namespace') IS {condition} '{OURS}' ORDER BY 1",
                names.join(", ")
            )
        };
        let foreign = self.query(&found("DISTINCT FROM")).await?;
        if !foreign.is_empty() {
            return Err(LoadError::Foreign { database: self.database.clone(), schemas: listed(&foreign) });
        }
        let old = self.query(&found("NOT DISTINCT FROM")).await?;
        if !old.is_empty() && !replace {
            return Err(LoadError::Taken { database: self.database.clone(), schemas: listed(&old) });
        }
        Ok(old)
    }

    async fn fill(&mut self, table: Table<'_>, cx: &Context) -> Result<LoadedTable, LoadError> {
        let what = format!("fill table {}", table.name);
        let database = self.database.clone();
        let failed = |source| LoadError::Server { what: what.clone(), database: database.clone(), source };
        let statement = format!("COPY {} ({}) FROM STDIN", table.name, table.columns);
        let mut copy = self.connection.copy_in_raw(&statement).await.map_err(&failed)?;
        let mut buffer: Vec<u8> = Vec::with_capacity(SEND + 4096);
        for line in table.lines {
            buffer.extend_from_slice(line.as_bytes());
            if buffer.len() >= SEND {
                copy.send(buffer.as_slice()).await.map_err(&failed)?;
                buffer.clear();
                if let Err(cancelled) = cx.check() {
                    copy.abort("cancelled").await.ok();
                    return Err(cancelled.into());
                }
            }
        }
        copy.send(buffer.as_slice()).await.map_err(&failed)?;
        let rows = copy.finish().await.map_err(&failed)?;
        Ok(LoadedTable { table: table.name, rows })
    }

    async fn execute(&mut self, what: &str, sql: &str) -> Result<(), LoadError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        done.map(|_| ()).map_err(|source| self.failure(what, source))
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<String>, LoadError> {
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
        rows.map_err(|source| self.failure("look around", source))
    }

    fn failure(&self, what: &str, source: sqlx::Error) -> LoadError {
        LoadError::Server { what: what.to_owned(), database: self.database.clone(), source }
    }
}

fn count(table: Table<'_>) -> LoadedTable {
    LoadedTable { rows: table.lines.count() as u64, table: table.name }
}

fn listed(schemas: &[String]) -> String {
    schemas.iter().map(|schema| format!("schema `{schema}`")).collect::<Vec<_>>().join(", ")
}
