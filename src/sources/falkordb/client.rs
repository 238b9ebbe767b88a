//! One connection to `FalkorDB`: commands, errors, and the names behind the numbers of compact replies.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, Value as Wire};

use super::bulk::{PAUSE, RETRIES};
use super::lock::Lock;
use super::reply::{Names, Reply, Undecoded, decode};
use super::{FalkorError, Params};

/// The oldest module version whose behaviour we know.
pub const OLDEST: Version = Version { major: 4, minor: 22, patch: 0 };

/// How long a command may take; a page takes milliseconds, but a big graph's `count` or an index build takes longer.
pub(super) const RESPONSE: Duration = Duration::from_mins(5);
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// The first version whose engine is the one written in Rust; it calls itself the same and speaks the same.
const RUST: u32 = 6;

/// What a build that is no release says for its version.
const UNRELEASED: u32 = 99;

/// A module version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes what is stored.
    pub major: u32,
    /// Adds.
    pub minor: u32,
    /// Repairs.
    pub patch: u32,
}

impl Version {
    /// Which engine it is: `C`, `Rust`, or `unknown` of a build that is no release.
    ///
    /// What is known of locks, freezes and copies is known of the first.
    pub fn engine(self) -> &'static str {
        match self.major {
            UNRELEASED.. => "unknown",
            RUST.. => "Rust",
            _ => "C",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A connection to `FalkorDB`. It never repeats a command by itself: a write that was sent twice is written twice.
pub struct Client {
    connection: MultiplexedConnection,
    info: ConnectionInfo,
    address: String,
    version: Option<Version>,
    names: HashMap<String, Arc<Names>>,
    /// The graph that this client alone may write.
    pub(super) held: Option<Lock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to `url` (`redis://` or `rediss://`) and checks that a module of version 4.22 or newer is there.
    pub async fn connect(url: &str) -> Result<Self, FalkorError> {
        let client = redis::Client::open(url.trim()).map_err(|_| {
            // The parser's own words may repeat parts of the URL.
            let scheme = url.trim().split_once("://").map(|(scheme, _)| scheme);
            let reason = match scheme {
                Some("redis" | "rediss") => "a part of it is malformed",
                _ => "it does not begin with redis:// or rediss://",
            };
            FalkorError::Url { reason: reason.to_owned() }
        })?;
        let address = match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            other => other.to_string(),
        };
        let connection = dial(&client, &address, Some(RESPONSE)).await?;
        let info = client.get_connection_info().clone();
        let mut client = Self { connection, info, address, version: None, names: HashMap::new(), held: None };
        client.version = client.probe().await?;
        match client.version {
            Some(found) if found < OLDEST => Err(FalkorError::TooOld { address: client.address, found }),
            _ => Ok(client),
        }
    }

    /// Connects again where the connection was lost meanwhile.
    pub(super) async fn revive(&mut self) -> Result<(), FalkorError> {
        match self.command(&["PING"], None).await {
            Err(FalkorError::Lost { .. }) => {
                self.connection = self.another(Some(RESPONSE)).await?;
                Ok(())
            }
            // Who answers that this is not permitted is there.
            Err(FalkorError::Forbidden { .. }) => Ok(()),
            alive => alive.map(drop),
        }
    }

    /// Another connection to the same place, which waits so long for an answer; `None`: for ever.
    pub(super) async fn another(
        &self,
        response: Option<Duration>,
    ) -> Result<MultiplexedConnection, FalkorError> {
        let client = redis::Client::open(self.info.clone())
            .map_err(|error| FalkorError::of(error, &self.address, None, "connecting"))?;
        dial(&client, &self.address, response).await
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The module's version; `None` where the user may not ask for it.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Runs a query that may write; one under a lock that was lost is not sent.
    pub async fn query(&mut self, graph: &str, cypher: &str, params: &Params) -> Result<Reply, FalkorError> {
        self.may_write(graph)?;
        self.run("GRAPH.QUERY", graph, cypher, params).await
    }

    /// Runs a query that only reads; the server refuses one that writes.
    pub async fn ro_query(
        &mut self,
        graph: &str,
        cypher: &str,
        params: &Params,
    ) -> Result<Reply, FalkorError> {
        self.run("GRAPH.RO_QUERY", graph, cypher, params).await
    }

    /// [`Client::ro_query`], asked again over a new connection where that was lost, unless a lock went with it.
    pub(in crate::sources) async fn page(
        &mut self,
        graph: &str,
        cypher: &str,
        params: &Params,
    ) -> Result<Reply, FalkorError> {
        for lost in 0..RETRIES {
            match self.ro_query(graph, cypher, params).await {
                Err(FalkorError::Lost { source, .. }) if self.held.is_none() && !source.is_timeout() => {
                    tracing::warn!(graph, error = %source, lost, "the connection ended: reading the page again");
                    tokio::time::sleep(PAUSE * (1 << lost)).await;
                    // Where nobody answers yet, the old one says the same again.
                    if let Ok(connection) = self.another(Some(RESPONSE)).await {
                        self.connection = connection;
                    }
                }
                answered => return answered,
            }
        }
        self.ro_query(graph, cypher, params).await
    }

    /// Whether the key holds a graph. A reading query on a missing key makes none.
    pub async fn exists(&mut self, graph: &str) -> Result<bool, FalkorError> {
        match self.ro_query(graph, "RETURN 1", &Params::new()).await {
            Ok(_) => Ok(true),
            Err(FalkorError::NoGraph { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits, five seconds at most, until what this connection wrote is on the server's disk, from where it comes back after a
    /// crash; `false` where the server keeps no append-only file, is slower than that, or does not let this user ask.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn on_disk(&mut self) -> Result<bool, FalkorError> {
        match self.command(&["WAITAOF", "1", "0", "5000"], None).await {
            Ok(Wire::Array(kept)) => Ok(matches!(kept.first(), Some(Wire::Int(1)))),
            Err(error @ FalkorError::Lost { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// Whether the server keeps an append-only file, as far as it tells this user. One that does starts once more after a
    /// graph with constraints was deleted, and then never again (4.22).
    pub async fn is_logged(&mut self) -> Result<bool, FalkorError> {
        super::server::is_logged(self).await
    }

    /// The keys of all graphs, in byte order.
    pub async fn graphs(&mut self) -> Result<Vec<String>, FalkorError> {
        let wire = self.command(&["GRAPH.LIST"], None).await?;
        let mut graphs: Vec<String> = redis::from_redis_value(wire).map_err(|_| FalkorError::Reply {
            doing: "GRAPH.LIST".to_owned(),
            reason: "it is no list of names".to_owned(),
        })?;
        graphs.sort_unstable();
        Ok(graphs)
    }

    /// Deletes a graph, where there is one, and the mark of the mirror beside it.
    pub async fn delete_graph(&mut self, graph: &str) -> Result<(), FalkorError> {
        self.names.remove(graph);
        match self.command(&["GRAPH.DELETE", graph], Some(graph)).await {
            // A run that broke off may have left its mark alone.
            Err(FalkorError::NoGraph { .. }) => {}
            deleted => deleted.map(drop)?,
        }
        super::marker::remove(self, graph).await
    }

    /// Asks for the names behind the numbers of compact replies.
    ///
    /// A graph that somebody else deletes and makes again may number them otherwise; a scan asks before and after.
    pub(in crate::sources) async fn refresh_names(&mut self, graph: &str) -> Result<Arc<Names>, FalkorError> {
        let names = Arc::new(Names {
            labels: self.names_of(graph, "CALL db.labels()").await?,
            properties: self.names_of(graph, "CALL db.propertyKeys()").await?,
            relations: self.names_of(graph, "CALL db.relationshipTypes()").await?,
        });
        self.names.insert(graph.to_owned(), Arc::clone(&names));
        Ok(names)
    }

    async fn names_of(&mut self, graph: &str, call: &str) -> Result<Vec<Arc<str>>, FalkorError> {
        let reply = self.ro_query(graph, call, &Params::new()).await?;
        reply.texts().ok_or_else(|| FalkorError::Reply {
            doing: format!("{call} on graph `{graph}`"),
            reason: "a name is no text".to_owned(),
        })
    }

    /// Refuses where this client's lock on the graph is not its own any more.
    pub(super) fn may_write(&self, graph: &str) -> Result<(), FalkorError> {
        self.held.as_ref().map_or(Ok(()), |lock| lock.check(graph))
    }

    /// The connection itself, for what must go on beside the queries.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Where it is connected to, and as whom.
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Sends one command, once.
    pub(super) async fn command(&mut self, argv: &[&str], graph: Option<&str>) -> Result<Wire, FalkorError> {
        let mut command = redis::Cmd::new();
        for arg in argv {
            command.arg(*arg);
        }
        let result: Result<Wire, _> = command.query_async(&mut self.connection).await;
        result.map_err(|error| {
            let doing = graph.map_or_else(|| argv[0].to_owned(), |graph| doing(argv[0], graph));
            FalkorError::of(error, &self.address, graph, &doing)
        })
    }

    async fn run(
        &mut self,
        verb: &str,
        graph: &str,
        cypher: &str,
        params: &Params,
    ) -> Result<Reply, FalkorError> {
        let text = params.head()? + cypher;
        let wire = self.command(&[verb, graph, &text, "--compact"], Some(graph)).await?;
        let known = self.names.get(graph).cloned().unwrap_or_default();
        let decoded = match decode(&wire, &known) {
            // Only nodes and edges hold numbers of names, the calls below return texts: this does not recurse again.
            Err(Undecoded::Name) => decode(&wire, &*Box::pin(self.refresh_names(graph)).await?),
            decoded => decoded,
        };
        decoded.map_err(|undecoded| {
            let doing = doing(verb, graph);
            match undecoded {
                Undecoded::Failed(message) => FalkorError::Query { doing, message },
                Undecoded::Shape(reason) => FalkorError::Reply { doing, reason },
                Undecoded::Name => FalkorError::Reply { doing, reason: "a name has no entry".to_owned() },
            }
        })
    }

    /// The module's version, `None` where the user may not ask.
    async fn probe(&mut self) -> Result<Option<Version>, FalkorError> {
        let wire = match self.command(&["MODULE", "LIST"], None).await {
            Ok(wire) => wire,
            Err(FalkorError::Forbidden { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let modules: Vec<HashMap<String, Wire>> = redis::from_redis_value(wire).unwrap_or_default();
        for module in modules {
            if let (Some(Wire::BulkString(name)), Some(Wire::Int(number))) =
                (module.get("name"), module.get("ver"))
                && name == b"graph"
            {
                let number = u32::try_from(*number).unwrap_or_default();
                let version =
                    Version { major: number / 10_000, minor: number / 100 % 100, patch: number % 100 };
                return Ok(Some(version));
            }
        }
        Err(FalkorError::NoModule { address: self.address.clone() })
    }
}

async fn dial(
    client: &redis::Client,
    address: &str,
    response: Option<Duration>,
) -> Result<MultiplexedConnection, FalkorError> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(response);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| match FalkorError::of(
        error,
        address,
        None,
        "connecting",
    ) {
        FalkorError::Lost { address, source, .. } => FalkorError::Unreachable { address, source },
        other => other,
    })
}

fn doing(verb: &str, graph: &str) -> String {
    format!("{verb} on graph `{graph}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_by_the_version_and_not_guessed_of_a_build_that_is_no_release() {
        let engine = |major| Version { major, ..OLDEST }.engine();
        assert_eq!([4, 5, 6, 7, 99].map(engine), ["C", "C", "Rust", "Rust", "unknown"]);
    }
}
