//! What can go wrong with private servers.

use std::io;
use std::path::{Path, PathBuf};

use crate::context::{Cancelled, Diagnose, Fault, hint_for};

/// Why private servers could not be started, stopped or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, folder or process could not be handled.
    #[error("cannot {attempted}")]
    Io {
        /// What was attempted, on what.
        attempted: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The servers' binaries could not be found or fetched.
    #[error("{message}")]
    Binaries {
        /// What is missing.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The state file is not one this version wrote.
    #[error("cannot read the state file {path}")]
    State {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// What should be the folder of the services is something else.
    #[error("`{0}` is no folder, so no services can live there")]
    NoFolder(PathBuf),
    /// A server ended while it was starting.
    #[error("{server} stopped while starting; the end of {log} says:\n{tail}")]
    Died {
        /// Which server.
        server: &'static str,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A server did not answer in time.
    #[error("{server} did not become ready in {seconds} s; the end of {log} says:\n{tail}")]
    Slow {
        /// Which server.
        server: &'static str,
        /// How long we waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A server is older than what the workbench needs.
    #[error("{server} {found} is too old, need {need} or newer")]
    TooOld {
        /// Which server.
        server: &'static str,
        /// Its version.
        found: String,
        /// The oldest version that will do.
        need: &'static str,
    },
    /// A server that answers the port is not the one just started, or refuses its own password.
    #[error("cannot ask {server} on port {port} for its version")]
    Ask {
        /// Which server.
        server: &'static str,
        /// Its port.
        port: u16,
        /// Its answer.
        source: redis::RedisError,
    },
    /// A process survived every signal.
    #[error("cannot stop {server}, process {pid}")]
    Unstoppable {
        /// Which server.
        server: String,
        /// Its process.
        pid: i32,
        /// What the system said to the last signal.
        source: io::Error,
    },
    /// Root has no ordinary user to run the servers as.
    #[error("cannot run PostgreSQL as root, and there is no user `nobody` to run it as")]
    NoAccount,
    /// The data belongs to another user.
    #[error("cannot use {path}: it belongs to user id {owner}")]
    Foreign {
        /// The data folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// The data moved since: where a log is named, it is found there now.
    pub(super) fn log_is_in(&mut self, data: &Path) {
        if let Self::Died { log, .. } | Self::Slow { log, .. } = self
            && let Some(name) = log.file_name()
        {
            *log = data.join(name);
        }
    }
}

impl Diagnose for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Cancelled(_) => Fault::Cancelled,
            Self::NoFolder(_) => Fault::Input,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Binaries { hint, .. } => Some(hint.clone()),
            Self::State { path, .. } => {
                Some(format!("remove {} if no servers of this folder run any more; its data needs the passwords in that file", path.display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("choose a folder of your own with `--dir`; binaries cannot run from a folder mounted noexec (`TMPDIR` names another)".into())
            }
            Self::Died { .. } | Self::Slow { .. } => Some("the log has the whole story; `--dir` with a new folder starts afresh".into()),
            Self::TooOld { .. } | Self::Ask { .. } => {
                Some("unset SONOGRAPH_FALKORDB_MODULE, SONOGRAPH_REDIS_SERVER and SONOGRAPH_POSTGRES_BIN to use the pinned versions".into())
            }
            Self::Unstoppable { pid, .. } => Some(format!("was it started by another user? see `ps -fp {pid}`")),
            Self::NoAccount => Some("run as an ordinary user".into()),
            Self::Foreign { .. } => Some("run as that user, or choose another folder with `--dir`".into()),
            Self::NoFolder(_) => Some("name a folder, there already or not, with `--dir`".into()),
            Self::Io { source, .. } => hint_for(source),
            Self::Cancelled(_) => None,
        }
    }
}

/// Says what was attempted when the system refuses.
pub(super) trait Attempt<T> {
    fn attempt(self, what: &str) -> Result<T, Error>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Io { attempted: what.to_owned(), source })
    }
}
