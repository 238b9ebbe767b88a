//! Private servers, for real: every test starts its own.

mod command_line;
mod crash;
mod lifetime;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redis::Value;
use sonograph::context::Context;
use sonograph::services::{self, Guard, Options, Running, Server};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Servers in a folder, gone with all they hold when the test ends, however it ends.
struct Pair {
    home: tempfile::TempDir,
    dir: PathBuf,
    /// From the first `up`; its watchdog looks after everything that is started in the folder later.
    guard: OnceLock<Guard>,
}

impl Pair {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("the temporary folder is writable");
        let dir = home.path().join("servers");
        std::fs::create_dir(&dir).expect("the temporary folder is writable");
        Self { home, dir, guard: OnceLock::new() }
    }

    fn path(&self) -> &Path {
        &self.dir
    }

    fn up(&self, fast: bool) -> Running {
        let (options, cx) = (Options { dir: self.dir.clone(), fast }, Context::silent());
        self.guard.get_or_init(|| Guard::up(&options, &cx).expect("the servers start"));
        services::up(&options, &cx).expect("the servers start")
    }

    fn status(&self) -> Vec<Server> {
        services::status(self.path()).expect("the state can be read").expect("there was an `up`")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        match self.guard.take() {
            Some(guard) => guard.stop().expect("the servers stop"),
            None => assert!(services::remove(&self.dir).is_ok(), "the servers do not stop"),
        }
    }
}

fn graph(running: &Running, query: &str) -> redis::RedisResult<Vec<Value>> {
    let client = redis::Client::open(running.falkordb_url.expose())?;
    redis::cmd("GRAPH.QUERY").arg("g").arg(query).query(&mut client.get_connection()?)
}

/// The rows of a query, as FalkorDB's reply is printed.
fn rows(running: &Running, query: &str) -> String {
    format!("{:?}", graph(running, query).expect("the query runs").swap_remove(1))
}

fn raw(running: &Running, command: &str, arguments: &[&str]) -> redis::RedisResult<Value> {
    let client = redis::Client::open(running.falkordb_url.expose())?;
    redis::cmd(command).arg(arguments).query(&mut client.get_connection()?)
}

fn sql(running: &Running, statements: &[&str]) {
    let work = async {
        let mut connection = PgConnection::connect(running.postgres_url.expose()).await?;
        for statement in statements {
            connection.execute(sqlx::AssertSqlSafe((*statement).to_owned())).await?;
        }
        connection.close().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work).expect("the statements run");
}

fn ask(running: &Running, query: &str) -> String {
    let work = async {
        let mut connection = PgConnection::connect(running.postgres_url.expose()).await?;
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work).expect("the query runs")
}

fn pids(servers: &[Server]) -> BTreeSet<i32> {
    servers.iter().filter_map(|server| server.pid).collect()
}

fn is_there(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn kill(pid: i32) {
    let process = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).expect("the process is ours");
    while is_there(pid) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
