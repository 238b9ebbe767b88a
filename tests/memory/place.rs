//! Graphs of a test's own, and the program that freezes them.

use std::path::Path;
use std::process::{Command, Output};

use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::snapshot::{Snapshot, read, verify};

/// URL of the server that `scripts/test` starts.
pub fn url() -> String {
    ["SONOGRAPH_TEST_FALKORDB_URL", "SONOGRAPH_FALKORDB_URL"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .expect("SONOGRAPH_FALKORDB_URL is not set; scripts/test starts servers and sets it")
}

/// A server of a test's own, gone when the test ends, however it ends.
pub fn private(dir: &Path) -> (Guard, String) {
    let options = Options { dir: dir.join("servers"), fast: true };
    let guard = Guard::up(&options, &Context::silent()).expect("the servers start");
    let url = guard.running().falkordb_url.expose().to_owned();
    (guard, url)
}

/// Graphs on one server, removed when the test ends.
pub struct Graphs {
    pub url: String,
    keys: Vec<String>,
}

impl Graphs {
    pub fn on(url: &str, keys: &[&str]) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let graphs = Self { url: url.to_owned(), keys };
        graphs.remove();
        graphs
    }

    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url.as_str()).expect("a URL").get_connection().expect("it answers")
    }

    pub fn query(&self, graph: &str, cypher: &str) -> redis::Value {
        let mut command = redis::cmd("GRAPH.QUERY");
        let shown = &cypher[..cypher.len().min(300)];
        let reply = command.arg(graph).arg(cypher).query(&mut self.connection());
        reply.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    /// Writes the committed memory.
    pub fn remember(&self, graph: &str) {
        for line in include_str!("hand_written.cypher").lines().filter(|line| !line.starts_with("//")) {
            self.query(graph, &line.replace("[vector]", &vector(1536)));
        }
    }

    fn remove(&self) {
        for key in &self.keys {
            // Absent where the test did not come to make it.
            let _: redis::RedisResult<redis::Value> =
                redis::cmd("GRAPH.DELETE").arg(key).query(&mut self.connection());
        }
    }
}

impl Drop for Graphs {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A list of so many numbers.
pub fn vector(dimensions: usize) -> String {
    let numbers: Vec<String> =
        (0..dimensions).map(|n| format!("0.{:06}", (n * 7919 + 13) % 1_000_000)).collect();
    format!("[{}]", numbers.join(","))
}

/// The program in `dir`, with no configuration of the developer's.
pub fn sonograph(dir: &Path, url: &str, graph: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).args(arguments).env("NO_COLOR", "1").env("SONOGRAPH_FALKORDB_URL", url);
    command.env("SONOGRAPH_GRAPH", graph).env("XDG_CONFIG_HOME", dir.join("no-configuration"));
    command.env_remove("SONOGRAPH_POSTGRES_URL").env_remove("SONOGRAPH_MEMORY_URL");
    command
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Standard output of a run that must succeed.
pub fn done(mut command: Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// A snapshot in which nothing is wrong.
pub fn whole(dir: &Path) -> Snapshot {
    assert_eq!(verify(dir, &Context::silent()).expect("a snapshot").problems, vec![]);
    read(dir).expect("read")
}
