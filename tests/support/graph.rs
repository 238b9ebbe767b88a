//! A graph of one's own on the test server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sonograph::sources::falkordb::{Client, Params, lock};

/// URL of the server that `scripts/test` starts.
pub fn url() -> String {
    super::url("FALKORDB")
}

/// Takes away the lock that a writer left which was cut off, so that nobody waits until it lapses.
pub fn lapse(url: &str, graph: &str) {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    redis::cmd("DEL").arg(lock::key(graph)).exec(&mut connection).expect("the lock goes");
}

/// Has a server keep whatever it answered, at once. Told to keep it within a second, it holds an answered write back for as
/// long as a slow disk is at the one before, and a kill then takes it and all that came after.
pub fn keeps_everything(url: &str) {
    set(url, "appendfsync", "always");
}

/// Sets what a server does.
pub fn set(url: &str, setting: &str, value: &str) {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let set = redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).exec(&mut connection);
    set.expect("it does so");
}

/// Another writer of a graph, which is alive and renews its lock until it is dropped.
pub struct OtherWriter {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OtherWriter {
    pub fn of(graph: &str) -> Self {
        let client = redis::Client::open(url()).expect("a URL");
        let mut connection = client.get_connection().expect("the server answers");
        let key = lock::key(graph);
        redis::cmd("SET").arg(&key).arg(OTHER).arg("PX").arg(20_000).exec(&mut connection).expect("taken");
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(150));
                redis::cmd("PEXPIRE").arg(&key).arg(20_000).exec(&mut connection).expect("renewed");
            }
            redis::cmd("DEL").arg(&key).exec(&mut connection).expect("given back");
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for OtherWriter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the lock is given back");
        }
    }
}

/// What that writer says of itself.
pub const OTHER: &str = r#"{"command":"mirror apply","host":"elsewhere","pid":4711,"started":"2026-11-22T20:00:00Z","token":"x"}"#;

/// Runs `test` on a connection and the key of a graph nobody else uses, which is deleted afterwards.
pub fn with_graph<T>(name: &str, test: impl AsyncFnOnce(&mut Client, &str) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let key = format!("test_{name}_{}", std::process::id());
        let mut client = Client::connect(&url()).await.expect("the test server answers");
        if client.exists(&key).await.expect("the key can be looked at") {
            client.delete_graph(&key).await.expect("a left-over goes");
        }
        let result = test(&mut client, &key).await;
        if client.exists(&key).await.unwrap_or(false) {
            client.delete_graph(&key).await.expect("the test's graph goes");
        }
        result
    })
}

/// Runs queries without parameters.
pub async fn all(client: &mut Client, graph: &str, queries: &[&str]) {
    for query in queries {
        client.query(graph, query, &Params::new()).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}
