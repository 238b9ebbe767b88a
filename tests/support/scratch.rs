//! A `PostgreSQL` database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use sonograph::context::Context;
use sonograph::sources::facts::Facts;
use sonograph::sources::{Databases, SourceError, SourceOptions, read_facts};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of this test's own, dropped with it.
pub struct Scratch {
    pub server: url::Url,
    pub name: String,
}

impl Scratch {
    pub async fn new() -> Self {
        Self::on(url::Url::parse(&super::url("POSTGRES")).expect("it is a URL")).await
    }

    /// On a server of the test's own.
    pub async fn on(server: url::Url) -> Self {
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { server, name };
        run(scratch.server.as_str(), &format!("CREATE DATABASE {}", scratch.name)).await;
        scratch
    }

    /// The database with all four layouts loaded; `None`, said aloud, where these are not at hand.
    pub async fn with_layouts() -> Option<Self> {
        Self::with(&["directus", "twenty", "unified", "touchpoints"]).await
    }

    /// The database with these layouts loaded.
    pub async fn with(layouts: &[&str]) -> Option<Self> {
        let shared = std::env::var("SONOGRAPH_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
        let folder = std::path::Path::new(&shared).join("source-layouts");
        if !folder.join("directus.sql").is_file() {
            eprintln!("SKIPPED: set SONOGRAPH_SHARED to the folder that holds source-layouts/");
            return None;
        }
        let scratch = Self::new().await;
        for layout in layouts {
            let sql =
                std::fs::read_to_string(folder.join(layout).with_extension("sql")).expect("layout reads");
            // Lines that begin with a backslash speak to psql.
            let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with('\\')).collect();
            scratch.run(&sql.join("\n")).await;
        }
        Some(scratch)
    }

    /// Another database that begins as this one is; nobody may be connected to it.
    pub async fn copy(&self) -> Self {
        let name = format!("{}_{}", self.name, NEXT.fetch_add(1, Ordering::Relaxed));
        let copy = Self { server: self.server.clone(), name };
        run(copy.server.as_str(), &format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.name)).await;
        copy
    }

    /// The URL for another role.
    pub fn url_as(&self, role: &str, password: &str) -> String {
        let mut url = url::Url::parse(&self.url()).expect("a URL");
        url.set_username(role).expect("a user");
        url.set_password(Some(password)).expect("a password");
        url.into()
    }

    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    pub async fn run(&self, sql: &str) {
        run(&self.url(), sql).await;
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.url()).await.expect("the server answers");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("the query runs")
    }

    pub async fn facts(&self) -> Result<Facts, SourceError> {
        read_facts(&Databases::one(&self.url()), &SourceOptions::default(), &Context::silent()).await
    }

    pub async fn refusal(&self) -> SourceError {
        self.facts().await.expect_err("the sources cannot be read")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let drop = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(server.as_str(), &sql));
        };
        std::thread::spawn(drop).join().expect("the database of the test is dropped");
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}
