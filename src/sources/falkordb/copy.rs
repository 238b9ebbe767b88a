//! A copy of a graph that nobody writes, for as long as it is read: one state of the graph, however long that takes.
//!
//! The server forks to make one. It stands still while it prepares for that, holds the graph a second time and more until
//! the copy is there, and sends it to its replicas and to its append-only file. So the cost is told before.
//!
//! A copy lies under `<graph>:sonograph:copy:<token>`, beside it under `…:run` whose it is. Both lapse by themselves once
//! nobody renews them; one that a run left which was killed meanwhile is removed by the next.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;

use super::lock::Holder;
use super::server::Info;
use super::{Client, Counts, FalkorError};
use crate::context::Context;

/// How often a copy takes the memory of the graph at its peak, the fork's share of pages and the dump in memory included.
const PEAK: f64 = 3.5;

/// Bytes of a graph that the server is asked about and does not know: per node or edge, properties and matrices included.
const EACH: u64 = 110;

/// How long the server stood still for every mebibyte of a graph of 784, quiet and busy, in milliseconds.
const STOP_MS: [f64; 2] = [2_860.0 / 784.0, 22_000.0 / 784.0];

/// And for every mebibyte that it holds altogether, whose pages a fork lists.
const FORK_MS: f64 = 0.01;

/// The longest that a snapshot may stop a server without being told to.
const HARMLESS_MS: f64 = 30.0;

/// How long a copy outlives a run that was killed.
const LAPSES: Duration = Duration::from_mins(10);

/// How often somebody who waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(200);

const MEBIBYTE: u64 = 1 << 20;

/// What a copy of a graph would cost its server.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Bytes that the graph takes.
    pub graph: u64,
    /// Bytes that the copy takes at its peak.
    pub needed: u64,
    /// Bytes that are free, as far as the server knows.
    pub free: u64,
    /// What they are free of: `maxmemory` or `total_system_memory`.
    pub of: &'static str,
    /// How long the server will stand still, quiet and busy, in milliseconds.
    pub stop_ms: [f64; 2],
    /// Replicas that will be sent the copy.
    pub replicas: u64,
    /// Whether it will be written to the append-only file.
    pub append_only: bool,
}

impl Cost {
    /// Asks the server.
    ///
    /// # Errors
    /// Those of the server; [`FalkorError::Forbidden`] without `+info` and `+graph.memory`.
    pub async fn of(client: &mut Client, graph: &str) -> Result<Self, FalkorError> {
        let info = Info::read(client).await?;
        let wire = client.command(&["GRAPH.MEMORY", "USAGE", graph], Some(graph)).await?;
        let counts = Counts::read(client, graph).await?;
        let elements = counts.nodes + counts.relations.values().sum::<u64>();
        let shape = || FalkorError::Reply {
            doing: format!("GRAPH.MEMORY USAGE of graph `{graph}`"),
            reason: "it tells no size".to_owned(),
        };
        // Whole mebibytes, and none at all of some builds.
        let graph = (total(&wire).ok_or_else(shape)? * MEBIBYTE).max(elements * EACH);
        let rss = info.number("used_memory_rss");
        let (free, of) = [
            (info.number("maxmemory"), info.number("used_memory"), "maxmemory"),
            (info.number("total_system_memory"), rss, "total_system_memory"),
        ]
        .into_iter()
        .filter(|(limit, ..)| *limit > 0)
        .map(|(limit, used, of)| (limit.saturating_sub(used), of))
        .min()
        .unwrap_or((0, "total_system_memory"));
        let mebibytes = |bytes: u64| bytes as f64 / MEBIBYTE as f64;
        Ok(Self {
            graph,
            needed: (graph as f64 * PEAK) as u64,
            free,
            of,
            stop_ms: STOP_MS.map(|each| each * mebibytes(graph) + FORK_MS * mebibytes(rss)),
            replicas: info.number("connected_slaves"),
            append_only: info.number("aof_enabled") > 0,
        })
    }

    /// Whether there is the memory for it.
    pub fn fits(&self) -> bool {
        self.needed <= self.free
    }

    /// Whether somebody has to agree to the server standing still for so long.
    pub fn is_felt(&self) -> bool {
        self.stop_ms[1] > HARMLESS_MS
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(MEBIBYTE);
        let [quiet, busy] = self.stop_ms.map(|ms| ms / 1e3);
        write!(
            f,
            "a copy takes {} MiB at its peak ({PEAK} times the graph), {} MiB are free of {}; for about {quiet:.1} s, {busy:.1} s \
             where it is busy, the server answers nobody",
            mib(self.needed),
            mib(self.free),
            self.of,
        )?;
        match self.replicas {
            0 => {}
            1 => f.write_str("; its replica is sent the copy, too")?,
            n => write!(f, "; its {n} replicas are sent the copy, too")?,
        }
        if self.append_only { f.write_str("; so is its append-only file") } else { Ok(()) }
    }
}

/// `total_graph_sz_mb` of names and values in turn, or of pairs.
fn total(wire: &redis::Value) -> Option<u64> {
    let pairs: Vec<(String, redis::Value)> = match wire {
        redis::Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(name, value)| Some((redis::from_redis_value(name.clone()).ok()?, value.clone())))
            .collect(),
        redis::Value::Array(flat) => flat
            .chunks_exact(2)
            .filter_map(|pair| Some((redis::from_redis_value(pair[0].clone()).ok()?, pair[1].clone())))
            .collect(),
        _ => return None,
    };
    let (_, value) = pairs.into_iter().find(|(name, _)| name == "total_graph_sz_mb")?;
    redis::from_redis_value(value).ok()
}

fn prefix(graph: &str) -> String {
    format!("{graph}:sonograph:copy:")
}

/// The key beside a copy that says whose it is.
fn mark(copy: &str) -> String {
    format!("{copy}:run")
}

/// Runs `work` on a copy of `graph`, by the copy's key, and removes the copy, however that ends.
///
/// A server cannot be stopped while it makes one, so that a request to stop is heeded once it is there.
///
/// # Errors
/// [`FalkorError::NoRoom`] where the memory for it is not free; those of the server; what `work` says.
pub async fn with<T, E: From<FalkorError>>(
    client: &mut Client,
    graph: &str,
    cost: &Cost,
    cx: &Context,
    work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, E>,
) -> Result<T, E> {
    if !cost.fits() {
        let (graph, address) = (graph.to_owned(), client.address().to_owned());
        return Err(FalkorError::NoRoom { graph, address, cost: Box::new(cost.clone()) }.into());
    }
    let copy = Copy::begin(client, graph).await?;
    let made = match copy.make(client, graph, cx).await {
        Ok(()) => work(client, &copy.key).await,
        Err(error) => Err(error.into()),
    };
    let key = copy.key.clone();
    if let Err(error) = copy.remove(client).await {
        tracing::warn!(key, %error, "the copy could not be removed");
        cx.tell(&format!(
            "the copy `{key}` of graph `{graph}` could not be removed: it lapses in {} minutes, or with the next `snapshot take`",
            LAPSES.as_secs() / 60
        ));
    }
    made
}

/// Removes copies of a graph that runs left which were killed. Who may not see or remove them leaves them.
///
/// # Errors
/// Those of the server.
pub async fn sweep(client: &mut Client, graph: &str, cx: &Context) -> Result<(), FalkorError> {
    let graphs = match client.graphs().await {
        Err(FalkorError::Forbidden { .. }) => return Ok(()),
        graphs => graphs?,
    };
    let prefix = prefix(graph);
    for copy in graphs.iter().filter(|key| key.starts_with(&prefix)) {
        let removed = match holder(client, copy).await {
            Ok(Some(holder)) if !holder.process.is_gone() => continue,
            Ok(_) => remove(client, copy).await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => cx.tell(&format!("removed `{copy}`, a copy of graph `{graph}` that a killed run left")),
            Err(FalkorError::Forbidden { .. }) => {
                cx.tell(&format!(
                    "`{copy}`, a copy of graph `{graph}`, is left: this user may not remove it"
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn holder(client: &mut Client, copy: &str) -> Result<Option<Holder>, FalkorError> {
    let wire = client.command(&["GET", &mark(copy)], None).await?;
    let said: Option<String> = redis::from_redis_value(wire).unwrap_or_default();
    // Of a mark that is none of ours, nobody knows who renews it.
    Ok(said.and_then(|said| serde_json::from_str(&said).ok()))
}

async fn remove(client: &mut Client, copy: &str) -> Result<(), FalkorError> {
    match client.command(&["GRAPH.DELETE", copy], Some(copy)).await {
        // It was never made, or lapsed.
        Err(FalkorError::NoGraph { .. }) => {}
        deleted => deleted.map(drop)?,
    }
    client.command(&["DEL", &mark(copy)], None).await.map(drop)
}

/// A copy that is ours, there or not yet.
struct Copy {
    key: String,
    renewal: JoinHandle<()>,
}

impl Copy {
    /// Says whose the copy will be, and goes on saying so.
    async fn begin(client: &mut Client, graph: &str) -> Result<Self, FalkorError> {
        let key = format!("{}{:016x}", prefix(graph), rand::random::<u64>());
        let holder = serde_json::to_string(&Holder::this("snapshot take")).expect("a holder is plain data");
        let px = LAPSES.as_millis().to_string();
        client.command(&["SET", &mark(&key), &holder, "PX", &px], None).await?;
        let renewal = tokio::spawn(renew(client.connection(), key.clone()));
        Ok(Self { key, renewal })
    }

    async fn make(&self, client: &mut Client, graph: &str, cx: &Context) -> Result<(), FalkorError> {
        // On a connection of its own, or nobody could renew anything until it is there.
        let mut connection = client.another(None).await?;
        let step = cx.step("copy the graph", None);
        let doing = format!("GRAPH.COPY of graph `{graph}`");
        let (mut copying, mut told) = (Box::pin(copying(&mut connection, graph, &self.key)), false);
        let copied = loop {
            tokio::select! {
                copied = &mut copying => break copied,
                () = tokio::time::sleep(LOOK), if !told => if cx.check().is_err() {
                    told = true;
                    cx.tell("waiting for the server to complete its copy, which nothing stops, to remove it");
                },
            }
        };
        drop(step);
        copied.map_err(|error| FalkorError::of(error, client.address(), Some(graph), &doing))?;
        let px = LAPSES.as_millis().to_string();
        client.command(&["PEXPIRE", &self.key, &px], None).await?;
        Ok(cx.check()?)
    }

    async fn remove(self, client: &mut Client) -> Result<(), FalkorError> {
        self.renewal.abort();
        client.revive().await?;
        remove(client, &self.key).await
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn copying(connection: &mut MultiplexedConnection, graph: &str, copy: &str) -> redis::RedisResult<()> {
    // A server has one child at a time, and may be saving.
    const TRIES: u32 = 150;
    let mut tries = 1;
    loop {
        match redis::cmd("GRAPH.COPY").arg(graph).arg(copy).query_async::<()>(connection).await {
            Err(error) if tries < TRIES && error.to_string().contains("could not fork") => {
                tries += 1;
                tokio::time::sleep(LOOK).await;
            }
            copied => return copied,
        }
    }
}

async fn renew(mut connection: MultiplexedConnection, copy: String) {
    let px = LAPSES.as_millis().to_string();
    loop {
        tokio::time::sleep(LAPSES / 5).await;
        for key in [&copy, &mark(&copy)] {
            // Where the server cannot be reached now, there are four more times.
            let _ = redis::cmd("PEXPIRE").arg(key).arg(&px).query_async::<()>(&mut connection).await;
        }
    }
}
