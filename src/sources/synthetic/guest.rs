//! Room for a demo on servers that somebody else runs: a database and a graph of its own, removed when it goes.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

use crate::context::{Diagnose, Fault};
use crate::sources::SourceError;
use crate::sources::falkordb::{Client, FalkorError};
use crate::sources::postgres::connect;

/// Name of both the database and the graph.
pub const GUEST: &str = "sonograph_demo";

/// The remark on the database: what lacks it is never removed.
const OURS: &str = "made by sonograph demo, removed at its end";

/// Room on given servers.
#[derive(Debug)]
pub struct Guest {
    server: String,
    database: String,
    falkordb: Client,
    /// While it is open nobody else can remove the database.
    presence: PgConnection,
}

/// No room could be made, or it could not be cleared.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// `PostgreSQL` cannot be opened.
    #[error(transparent)]
    Postgres(#[from] SourceError),
    /// `FalkorDB` refused something or went away.
    #[error(transparent)]
    Falkor(#[from] FalkorError),
    /// `PostgreSQL` refused something or went away.
    #[error("cannot {what} database `{GUEST}`")]
    Server {
        /// What was attempted.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Something of that name is there.
    #[error("there is a {what} `{GUEST}` already, which no demo left behind")]
    Foreign {
        /// `database` or `graph`.
        what: &'static str,
    },
    /// Somebody is connected to it.
    #[error("database `{GUEST}` is in use, by another demo it seems")]
    Busy,
}

impl Diagnose for GuestError {
    fn fault(&self) -> Fault {
        match self {
            Self::Postgres(source) => source.fault(),
            Self::Falkor(source) => source.fault(),
            Self::Foreign { .. } => Fault::Input,
            Self::Server { .. } | Self::Busy => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Postgres(source) => source.hint(),
            Self::Falkor(source) => source.hint(),
            Self::Server { .. } | Self::Foreign { .. } => {
                Some("`--private` runs the demo on servers of its own".to_owned())
            }
            Self::Busy => Some("wait for it, or run this one with `--private`".to_owned()),
        }
    }
}

impl Guest {
    /// Makes an empty database and sees that there is no graph; what a killed demo left is removed first.
    ///
    /// # Errors
    /// Each way this fails is a variant of its own. Nothing that no demo made is touched.
    pub async fn arrive(postgres_url: &str, falkordb_url: &str) -> Result<Self, GuestError> {
        let mut admin = connect(postgres_url).await?;
        let mut falkordb = Client::connect(falkordb_url).await?;
        let server = |what| move |source| GuestError::Server { what, source };
        let remark: Option<Option<String>> = sqlx::query_scalar(
            "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = $1",
        )
        .bind(GUEST)
        .fetch_optional(&mut admin)
        .await
        .map_err(server("look for"))?;
        if remark.as_ref().is_some_and(|remark| remark.as_deref() != Some(OURS)) {
            return Err(GuestError::Foreign { what: "database" });
        }
        if falkordb.exists(GUEST).await? {
            // The database goes last, so a graph without it is somebody else's.
            if remark.is_none() {
                return Err(GuestError::Foreign { what: "graph" });
            }
            if in_use(&mut admin).await.map_err(server("look into"))? {
                return Err(GuestError::Busy);
            }
            falkordb.delete_graph(GUEST).await?;
        }
        if remark.is_some() {
            drop_database(&mut admin).await?;
        }
        match run(&mut admin, "make", &format!("CREATE DATABASE {GUEST}")).await {
            // Somebody was faster by a hair: it is there now, or about to be.
            Err(GuestError::Server { source: sqlx::Error::Database(answer), .. })
                if matches!(answer.code().as_deref(), Some("42P04" | "23505")) =>
            {
                return Err(GuestError::Busy);
            }
            made => made?,
        }
        run(&mut admin, "mark", &format!("COMMENT ON DATABASE {GUEST} IS '{OURS}'")).await?;
        admin.close().await.ok();
        let mut database = Url::parse(postgres_url.trim())
            .map_err(|error| SourceError::Url { reason: error.to_string() })?;
        database.set_path(GUEST);
        let presence = connect(database.as_str()).await?;
        Ok(Self { server: postgres_url.to_owned(), database: database.into(), falkordb, presence })
    }

    /// URL of the database, with its credentials.
    pub fn postgres_url(&self) -> &str {
        &self.database
    }

    /// Removes the graph, then the database.
    ///
    /// # Errors
    /// When a server refuses or went away: the next [`Guest::arrive`] removes what is left.
    pub async fn leave(mut self) -> Result<(), GuestError> {
        self.presence.close().await.ok();
        self.falkordb.delete_graph(GUEST).await?;
        let mut admin = connect(&self.server).await?;
        drop_database(&mut admin).await?;
        admin.close().await.ok();
        Ok(())
    }
}

async fn in_use(admin: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let sessions = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = $1)";
    sqlx::query_scalar(sessions).bind(GUEST).fetch_one(admin).await
}

async fn drop_database(admin: &mut PgConnection) -> Result<(), GuestError> {
    match run(admin, "remove", &format!("DROP DATABASE IF EXISTS {GUEST}")).await {
        Err(GuestError::Server { source: sqlx::Error::Database(answer), .. })
            if answer.code().as_deref() == Some("55006") =>
        {
            Err(GuestError::Busy)
        }
        done => done,
    }
}

async fn run(admin: &mut PgConnection, what: &'static str, sql: &str) -> Result<(), GuestError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await;
    done.map(drop).map_err(|source| GuestError::Server { what, source })
}
