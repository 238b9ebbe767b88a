//! What can go wrong with `FalkorDB`, and whose move it then is.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::client::{OLDEST, Version};
use super::copy::Cost;
use crate::context::{Cancelled, Diagnose, Fault};
use crate::snapshot::tables::assemble::AssembleError;
use crate::sources::spool::SpoolError;

/// What can go wrong with `FalkorDB`. Addresses are host and port; credentials are never shown.
#[derive(Debug, thiserror::Error)]
pub enum FalkorError {
    /// The URL is none, or of another kind.
    #[error("cannot use the FalkorDB URL: {reason}")]
    Url {
        /// Why not, without the URL.
        reason: String,
    },
    /// Nobody answers.
    #[error("cannot reach FalkorDB at {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the network says.
        #[source]
        source: RedisError,
    },
    /// Somebody else listens there.
    #[error("the server at {address} does not speak the Redis protocol")]
    NotRedis {
        /// Host and port.
        address: String,
    },
    /// User or password is wrong or missing.
    #[error("FalkorDB at {address} refuses the user or password")]
    Password {
        /// Host and port.
        address: String,
    },
    /// The server has no graph module.
    #[error("the server at {address} has no FalkorDB module")]
    NoModule {
        /// Host and port.
        address: String,
    },
    /// The module is older than we can rely on.
    #[error("FalkorDB at {address} is version {found}, older than {OLDEST}")]
    TooOld {
        /// Host and port.
        address: String,
        /// What it is.
        found: Version,
    },
    /// No graph lies under that key.
    #[error("there is no graph `{graph}` at {address}")]
    NoGraph {
        /// The key.
        graph: String,
        /// Host and port.
        address: String,
    },
    /// The key holds something else.
    #[error("the key `{graph}` at {address} holds no graph")]
    NotAGraph {
        /// The key.
        graph: String,
        /// Host and port.
        address: String,
    },
    /// The user may not do that.
    #[error("FalkorDB at {address} does not permit {doing}: {message}")]
    Forbidden {
        /// Host and port.
        address: String,
        /// The command and its key.
        doing: String,
        /// What the server says.
        message: String,
    },
    /// The connection ended, or no answer came in time.
    #[error("lost FalkorDB at {address} during {doing}")]
    Lost {
        /// Host and port.
        address: String,
        /// The command and its key.
        doing: String,
        /// What the network says.
        #[source]
        source: RedisError,
    },
    /// The server is there and cannot serve now: loading, out of memory, a replica.
    #[error("FalkorDB at {address} cannot serve {doing} now: {message}")]
    Unready {
        /// Host and port.
        address: String,
        /// The command and its key.
        doing: String,
        /// What the server says.
        message: String,
    },
    /// The query was refused or failed.
    #[error("{doing} failed: {message}")]
    Query {
        /// The command and its key.
        doing: String,
        /// What the server says; may quote the query, never a parameter.
        message: String,
    },
    /// The answer is not shaped as the protocol says.
    #[error("cannot understand FalkorDB's answer to {doing}: {reason}")]
    Reply {
        /// The command and its key.
        doing: String,
        /// What was expected.
        reason: String,
    },
    /// Something cannot be said in Cypher without being changed.
    #[error("cannot send the {what} `{text}` to FalkorDB: {why}")]
    Unspeakable {
        /// Name, text, number or parameter name.
        what: &'static str,
        /// The thing itself.
        text: String,
        /// Why not.
        why: &'static str,
    },
    /// A constraint cannot hold because of what the graph holds.
    #[error("the constraint {constraint} of graph `{graph}` cannot hold: {examples}")]
    Constraint {
        /// The constraint in words.
        constraint: String,
        /// The key.
        graph: String,
        /// The first offenders.
        examples: String,
    },
    /// Indexes or constraints took too long to become operational.
    #[error("{what} of graph `{graph}` is still {status} after {seconds} s")]
    Pending {
        /// The index or constraint in words.
        what: String,
        /// The key.
        graph: String,
        /// What the server calls its state.
        status: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Another run of ours writes the graph.
    #[error("graph `{graph}` at {address} is being written by {holder}")]
    Locked {
        /// The key.
        graph: String,
        /// Host and port.
        address: String,
        /// Command, process, host and time.
        holder: String,
        /// Seconds after which the lock lapses unless it is renewed; `None`: never.
        lapses: Option<u64>,
    },
    /// The lock was lost while the graph was written.
    #[error("lost the lock on graph `{graph}` at {address}: somebody else may write it by now")]
    LockLost {
        /// The key.
        graph: String,
        /// Host and port.
        address: String,
    },
    /// A copy of a graph takes more memory than there is.
    #[error("cannot copy graph `{graph}` at {address}: {cost}")]
    NoRoom {
        /// The key.
        graph: String,
        /// Host and port.
        address: String,
        /// What the copy would cost.
        cost: Box<Cost>,
    },
    /// The server is no replica.
    #[error("FalkorDB at {address} is no replica")]
    NoReplica {
        /// Host and port.
        address: String,
    },
    /// The replica does not follow its primary.
    #[error("the replica at {address} does not follow its primary since {since} s")]
    Detached {
        /// Host and port.
        address: String,
        /// Seconds that the link is down, or that it is catching up.
        since: u64,
    },
    /// Nodes without uid cannot be named in a snapshot.
    #[error("{count} nodes of graph `{graph}` have no text `uid`, the first has label `{label}` and id {id}")]
    NoUid {
        /// The key.
        graph: String,
        /// How many.
        count: u64,
        /// Labels of the first.
        label: String,
        /// Internal id of the first.
        id: u64,
    },
    /// What was read is no graph.
    #[error("graph `{graph}` cannot be put into tables")]
    Tables {
        /// The key.
        graph: String,
        /// Why not.
        #[source]
        source: AssembleError,
    },
    /// What was read could not be kept aside.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl FalkorError {
    /// Classifies what the client library says about `doing` at `address`.
    pub(super) fn of(error: RedisError, address: &str, graph: Option<&str>, doing: &str) -> Self {
        let address = address.to_owned();
        let doing = doing.to_owned();
        let message = match (error.code(), error.detail()) {
            (Some("ERR") | None, Some(detail)) => detail.to_owned(),
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            _ => error.to_string(),
        };
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
                Self::Password { address }
            }
            // An answer that is cut short is a lost connection, too: the library's parser says that bytes were missing.
            (ErrorKind::Parse, _) if !error.to_string().contains("end of input") => {
                Self::NotRedis { address }
            }
            (ErrorKind::Parse | ErrorKind::Io, _) => Self::Lost { address, doing, source: error },
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => Self::Forbidden { address, doing, message },
            (
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown,
                ),
                _,
            )
            | (_, Some("OOM" | "MISCONF" | "BUSY")) => Self::Unready { address, doing, message },
            (_, Some("WRONGTYPE")) => {
                Self::NotAGraph { graph: graph.unwrap_or_default().to_owned(), address }
            }
            _ if message.contains("graph operation on empty key") => {
                Self::NoGraph { graph: graph.unwrap_or_default().to_owned(), address }
            }
            _ if message.to_lowercase().contains("unknown command") => Self::NoModule { address },
            _ => Self::Query { doing, message },
        }
    }
}

impl Diagnose for FalkorError {
    fn fault(&self) -> Fault {
        match self {
            Self::Url { .. } | Self::Unspeakable { .. } | Self::NoReplica { .. } => Fault::Input,
            Self::Cancelled(_) => Fault::Cancelled,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Url { .. } => "it looks like redis://user:password@host:6379, or rediss:// with TLS",
            Self::Unreachable { .. } => {
                "is the server running, and are host and port right? `sonograph services up` starts a private one"
            }
            Self::NotRedis { .. } => {
                "host and port lead to another kind of server, a web server for example: FalkorDB listens on 6379 unless told otherwise"
            }
            Self::Password { .. } => "check user and password in the FalkorDB URL",
            Self::NoModule { .. } => {
                "load falkordb.so into this server, or point the URL at the one that has it"
            }
            Self::TooOld { .. } => "upgrade the FalkorDB module",
            Self::NoGraph { .. } => "check the graph's key, or make it with `sonograph mirror apply`",
            Self::NotAGraph { .. } => "check the graph's key",
            Self::Forbidden { .. } => {
                "reading needs `~<graph> +graph.ro_query`, writing `+graph.query`, the schema `+graph.constraint`, mark, lock and the \
                 turn to build indexes `~<graph>:sonograph* ~sonograph:schema +hgetall +hset +set +get +pttl +pexpire +del +watch \
                 +unwatch +multi +exec`, a copy to read from `+graph.copy +graph.delete +graph.memory +graph.list +info` beside \
                 these, a replica `+info`"
            }
            Self::Lost { .. } => {
                "nothing half-written counts as whole: run the command again once the server is back"
            }
            Self::Unready { .. } => "run the command again once the server is ready",
            Self::Query { message, .. } if message.contains("timed out") => {
                "the server's TIMEOUT is too short for this query"
            }
            Self::Constraint { .. } => "merge or remove the offenders, then run the command again",
            Self::Pending { .. } => "the server is still building it: run the command again later",
            Self::Locked { graph, lapses: None, .. } => {
                return Some(format!(
                    "this lock never lapses: remove the key `{}` by hand",
                    super::lock::key(graph)
                ));
            }
            Self::Locked { lapses: Some(seconds), .. } => {
                return Some(format!(
                    "run the command again once that one has ended; where it was killed, its lock lapses by itself in {seconds} s"
                ));
            }
            Self::LockLost { .. } => {
                "nothing was written since: run the command again once the other writer has ended"
            }
            Self::NoRoom { .. } => {
                "`--consistency paged` needs no memory, and a replica can be read instead with `--consistency replica`"
            }
            Self::NoReplica { .. } => {
                "point SONOGRAPH_FALKORDB_URL at a replica of it, or leave `--consistency replica` out"
            }
            Self::Detached { .. } => {
                "what it holds may be old: run the command again once `INFO replication` says `master_link_status:up`"
            }
            Self::NoUid { .. } => {
                "a business graph names every node by `uid`, and somebody else made these: give them one or remove them, or name \
                 another graph; `MATCH (n) WHERE typeOf(n.uid) <> 'String' RETURN labels(n), count(n)` finds them"
            }
            Self::Tables { source, .. } => return source.hint(),
            Self::Spool(source) => return source.hint(),
            Self::Query { .. } | Self::Reply { .. } | Self::Unspeakable { .. } | Self::Cancelled(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
