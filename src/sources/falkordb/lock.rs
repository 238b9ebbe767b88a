//! One writer per graph: a lock in the server's own keyspace, under `<graph>:sonograph:lock`.
//!
//! The server takes batches of any number of clients as they come, so two runs that each planned on what they had read
//! would mix. A run holds this key while it reads, plans and writes. It is renewed in the background on the run's own
//! connection, and lapses by itself once nobody renews it; where its process is known to be gone, the next run takes it
//! over. Renewal, release and taking over compare first (`WATCH`, `MULTI`: no right to run scripts is needed), so that
//! nobody touches a lock that is another's by now.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value as Wire};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{Client, FalkorError, Process};
use crate::context::Context;

/// How long a lock outlives a holder that was killed.
pub const TTL: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(100);

/// What a killed run had sent already, a batch of some 20 ms, gets this long before its lock is used.
const SETTLE: Duration = Duration::from_millis(500);

/// Who holds a lock: the value of the key, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The command, for example `mirror apply`.
    pub command: String,
    /// Its process.
    #[serde(flatten)]
    pub process: Process,
    /// When it took the lock.
    pub started: jiff::Timestamp,
    /// Tells two holders apart that agree in all else.
    token: String,
}

impl Holder {
    pub(super) fn this(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            process: Process::this(),
            started: jiff::Timestamp::now(),
            token: format!("{:016x}", rand::random::<u64>()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, process: Process { host, pid, .. }, started, .. } = self;
        write!(f, "`{command}` (process {pid} on {host}, since {started:.0})")
    }
}

/// The key beside a graph that says who writes it.
pub fn key(graph: &str) -> String {
    format!("{graph}:sonograph:lock")
}

/// Runs `work` as the only writer of `graph`, and lets others write after it, however it ends.
///
/// A client that holds the lock already goes on under it. Where somebody else holds it, this says so and waits up to
/// `ttl` for it to be given back or to lapse; where that one's process is gone, it takes it over.
///
/// # Errors
/// [`FalkorError::Locked`] where the other one is alive and writes on; what `work` says. From then on every write of
/// this client to the graph is [`FalkorError::LockLost`] once the lock is not its own any more.
pub async fn holding<T, E: From<FalkorError>>(
    client: &mut Client,
    graph: &str,
    command: &str,
    ttl: Duration,
    cx: &Context,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, E>,
) -> Result<T, E> {
    if client.held.as_ref().is_some_and(|lock| lock.graph == graph) {
        return work(client).await;
    }
    client.held = Some(Lock::take(client, graph, command, ttl, cx).await?);
    let result = work(client).await;
    if let Some(lock) = client.held.take() {
        lock.release().await;
    }
    result
}

/// A lock that is ours, renewed until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    graph: String,
    address: String,
    value: String,
    connection: MultiplexedConnection,
    /// Until when nobody else can have it; `None` once it is not ours.
    ours_until: Arc<Mutex<Option<Instant>>>,
    renewal: JoinHandle<()>,
}

impl Lock {
    async fn take(
        client: &mut Client,
        graph: &str,
        command: &str,
        ttl: Duration,
        cx: &Context,
    ) -> Result<Self, FalkorError> {
        let value = serde_json::to_string(&Holder::this(command)).expect("a holder is plain data");
        let (key, px) = (key(graph), ttl.as_millis().to_string());
        let began = Instant::now();
        let (mut seen, mut waiting) = (None::<Held>, None);
        let asked = loop {
            let asked = Instant::now();
            if client.command(&["SET", &key, &value, "NX", "PX", &px], None).await? == Wire::Okay {
                break asked;
            }
            cx.check()?;
            let Some(other) = Held::read(client, &key).await? else { continue };
            if other.is_gone() {
                let asked = Instant::now();
                let take = redis::cmd("SET").arg(&key).arg(&value).arg("PX").arg(&px).to_owned();
                let taken = where_ours(&mut client.connection(), &key, &other.value, &take).await;
                let doing = "taking over a lock";
                if !taken.map_err(|error| FalkorError::of(error, client.address(), Some(graph), doing))? {
                    continue;
                }
                cx.tell(&format!("{} is gone: its lock on graph `{graph}` is taken over", other.holder()));
                tokio::time::sleep(SETTLE.min(ttl / 3)).await;
                break asked;
            }
            let moved =
                seen.as_ref().is_some_and(|seen| *other.value != *seen.value || other.left > seen.left);
            if moved || other.left < 0 || began.elapsed() > ttl + POLL {
                let address = client.address().to_owned();
                let (holder, lapses) = (other.holder(), other.seconds());
                return Err(FalkorError::Locked { graph: graph.to_owned(), address, holder, lapses });
            }
            let step = waiting.get_or_insert_with(|| {
                let (lapses, renews) = (other.seconds().unwrap_or_default(), ttl.as_secs_f64() / 3.0);
                cx.tell(&format!(
                    "waiting for {} to give back graph `{graph}`: if it lives and goes on, this ends within {renews:.0} s; if \
                     it was killed, its lock lapses in at most {lapses} s",
                    other.holder()
                ));
                cx.step("waiting", Some(ttl.as_secs()))
            });
            step.tick(began.elapsed().as_secs().min(ttl.as_secs()), None)?;
            seen = Some(other);
            tokio::time::sleep(POLL).await;
        };
        let ours_until = Arc::new(Mutex::new(Some(asked + ttl)));
        let connection = client.connection();
        let renewal =
            tokio::spawn(renew(connection.clone(), key, value.clone(), ttl, Arc::clone(&ours_until)));
        let address = client.address().to_owned();
        Ok(Self { graph: graph.to_owned(), address, value, connection, ours_until, renewal })
    }

    /// Whether a write to `graph` may go out now.
    pub(super) fn check(&self, graph: &str) -> Result<(), FalkorError> {
        let until = *self.ours_until.lock().unwrap_or_else(PoisonError::into_inner);
        if graph != self.graph || until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        Err(FalkorError::LockLost { graph: self.graph.clone(), address: self.address.clone() })
    }

    /// Gives it back. Where that cannot be, it lapses.
    async fn release(mut self) {
        self.renewal.abort();
        let delete = redis::cmd("DEL").arg(key(&self.graph)).to_owned();
        match where_ours(&mut self.connection, &key(&self.graph), &self.value, &delete).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(graph = self.graph, "the lock was another's before it was given back");
            }
            Err(_) => tracing::warn!(graph = self.graph, "the lock could not be given back and will lapse"),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(
    mut connection: MultiplexedConnection,
    key: String,
    value: String,
    ttl: Duration,
    ours_until: Arc<Mutex<Option<Instant>>>,
) {
    let longer = redis::cmd("PEXPIRE").arg(&key).arg(ttl.as_millis().to_string()).to_owned();
    loop {
        tokio::time::sleep(ttl / 3).await;
        let asked = Instant::now();
        let until = match where_ours(&mut connection, &key, &value, &longer).await {
            Ok(true) => Some(asked + ttl),
            Ok(false) => None,
            // A lost connection ends the next write anyhow; until then the time that was given counts.
            Err(_) => continue,
        };
        *ours_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        if until.is_none() {
            return;
        }
    }
}

/// Does `then` to the key if it holds `value`, and nothing where anybody touched it in between.
pub(super) async fn where_ours(
    connection: &mut MultiplexedConnection,
    key: &str,
    value: &str,
    then: &Cmd,
) -> RedisResult<bool> {
    redis::cmd("WATCH").arg(key).query_async::<()>(connection).await?;
    let held: Option<String> = redis::cmd("GET").arg(key).query_async(connection).await?;
    if held.as_deref() != Some(value) {
        redis::cmd("UNWATCH").query_async::<()>(connection).await?;
        return Ok(false);
    }
    let done: Option<(Wire,)> =
        redis::pipe().atomic().add_command(then.clone()).query_async(connection).await?;
    Ok(matches!(done, Some((Wire::Okay | Wire::Int(1),))))
}

/// Somebody else's lock.
struct Held {
    value: String,
    /// Milliseconds until it lapses; negative: never.
    left: i64,
}

impl Held {
    /// `None`: it was given back just now.
    async fn read(client: &mut Client, key: &str) -> Result<Option<Self>, FalkorError> {
        let shape = |_| FalkorError::Reply { doing: format!("GET {key}"), reason: "it is no lock".into() };
        let value: Option<String> =
            redis::from_redis_value(client.command(&["GET", key], None).await?).map_err(shape)?;
        let left: i64 =
            redis::from_redis_value(client.command(&["PTTL", key], None).await?).map_err(shape)?;
        Ok(value.filter(|_| left != -2).map(|value| Self { value, left }))
    }

    fn known(&self) -> Option<Holder> {
        serde_json::from_str(&self.value).ok()
    }

    fn holder(&self) -> String {
        self.known().map_or_else(|| "somebody unknown".to_owned(), |holder| holder.to_string())
    }

    fn is_gone(&self) -> bool {
        self.known().is_some_and(|holder| holder.process.is_gone())
    }

    fn seconds(&self) -> Option<u64> {
        u64::try_from(self.left).ok().map(|left| left.div_ceil(1000))
    }
}
