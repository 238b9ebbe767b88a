//! Private FalkorDB and PostgreSQL as child processes, for the demo, the tests and the lab.
//!
//! Everything belongs to one folder DIR: two folders are two independent pairs of servers, side by side. Servers listen on
//! 127.0.0.1 only, on free ports, with generated passwords, and run detached: they outlive the process that started them until
//! [`down`] stops them. [`Guard`] is the other way: it stops them and removes their data when it is dropped or its process dies.
//!
//! ```text
//! DIR/services.json   ports, passwords, process ids (0600)      DIR/services.lock   one `up` or `down` at a time
//! DIR/data/           falkordb/  postgres/  falkordb.log  postgres.log
//! ```
//!
//! PostgreSQL refuses to run as root, so root's servers run as `nobody`. Where that user cannot reach DIR or the binaries
//! (`/root` is closed to others), they live in a private folder below the system's temporary one while they are up: see [`lodging`].

mod binaries;
mod error;
mod falkordb;
mod guard;
mod lodging;
mod postgres;
mod process;
mod state;

use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::config::SecretUrl;
use crate::context::Context;

pub use error::Error;
pub use guard::Guard;
pub use state::FILES;

use lodging::Lodging;
use state::{Record, State};

/// What [`up`] is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds data, logs and state; created where absent.
    pub dir: PathBuf,
    /// Trades durability for speed (no fsync, no append-only file): for data that dies with the run anyway.
    pub fast: bool,
}

/// A pair of servers that answers.
#[derive(Debug, Clone)]
pub struct Running {
    /// `redis://:password@127.0.0.1:port`
    pub falkordb_url: SecretUrl,
    /// `postgresql://postgres:password@127.0.0.1:port/postgres`
    pub postgres_url: SecretUrl,
    /// Both servers, in the order FalkorDB, PostgreSQL.
    pub servers: Vec<Server>,
}

/// One server as [`status`] sees it.
#[derive(Debug, Clone)]
pub struct Server {
    /// `FalkorDB` or `PostgreSQL`.
    pub name: &'static str,
    /// Whether it runs.
    pub condition: Condition,
    /// Its version; empty before its first start.
    pub version: String,
    /// Its port on 127.0.0.1; 0 before its first start.
    pub port: u16,
    /// Its process, while there is one.
    pub pid: Option<i32>,
    /// Its log.
    pub log: PathBuf,
}

/// Whether a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its process is there and its port accepts connections.
    Running,
    /// Its process is there but its port accepts no connection.
    Silent,
    /// It was started and its process is gone.
    Crashed,
    /// It is not meant to run.
    Stopped,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Silent => "silent",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
        })
    }
}

/// Starts what does not run yet and answers once both servers do.
///
/// Data, passwords and (where they are still free) ports of an earlier `up` in the same folder are kept. Left-overs of a
/// crash are cleaned on the way. When one server cannot be started, those this call started are stopped again.
pub fn up(options: &Options, cx: &Context) -> Result<Running, Error> {
    let dir = state::prepare(&options.dir)?;
    let _lock = state::lock(&dir, cx)?;
    let mut state = State::load(&dir)?.unwrap_or_else(State::fresh);
    if !(state.falkordb.alive() && state.postgres.alive()) {
        let already = [state.falkordb.alive(), state.postgres.alive()];
        if let Err(mut error) = start(&dir, options.fast, &mut state, cx) {
            // The first error is the one to tell; what cannot be stopped stays in the state file for `down`.
            if !already[0] {
                let _ = falkordb::stop(&mut state.falkordb);
            }
            if !already[1] {
                let _ = postgres::stop(&mut state.postgres);
            }
            if already == [false, false] {
                let _ = lodging::go_home(&dir, &mut state);
                error.log_is_in(&lodging::data(&dir, &state));
            }
            state.save(&dir)?;
            return Err(error);
        }
    }
    Ok(running(&dir, &state))
}

fn start(dir: &Path, fast: bool, state: &mut State, cx: &Context) -> Result<(), Error> {
    let binaries = binaries::locate(cx)?;
    let lodging = Lodging::settle(dir, binaries, state)?;
    if !state.falkordb.alive() {
        falkordb::start(&lodging, fast, state, dir, cx)?;
    }
    if !state.postgres.alive() {
        postgres::start(&lodging, fast, state, dir, cx)?;
    }
    Ok(())
}

/// Stops both servers; their data stays in `dir` for the next [`up`]. `false`: there was nothing to stop.
pub fn down(dir: &Path) -> Result<bool, Error> {
    let Ok(dir) = fs::canonicalize(dir) else { return Ok(false) };
    if State::load(&dir)?.is_none() {
        return Ok(false);
    }
    let _lock = state::lock(&dir, &Context::silent())?;
    let Some(mut state) = State::load(&dir)? else { return Ok(false) };
    let stopped = stop(&dir, &mut state);
    state.save(&dir)?;
    stopped
}

fn stop(dir: &Path, state: &mut State) -> Result<bool, Error> {
    let ran = state.falkordb.alive() || state.postgres.alive();
    stop_both(state)?;
    lodging::go_home(dir, state)?;
    Ok(ran)
}

fn stop_both(state: &mut State) -> Result<(), Error> {
    let first = falkordb::stop(&mut state.falkordb);
    first.and(postgres::stop(&mut state.postgres))
}

/// Stops both servers and removes their data, and `dir` too where nothing else is in it.
pub fn remove(dir: &Path) -> Result<bool, Error> {
    let Ok(dir) = fs::canonicalize(dir) else { return Ok(false) };
    if State::load(&dir)?.is_none() {
        return Ok(false);
    }
    let _lock = state::lock(&dir, &Context::silent())?;
    let Some(mut state) = State::load(&dir)? else { return Ok(false) };
    if let Err(error) = stop_both(&mut state) {
        state.save(&dir)?;
        return Err(error);
    }
    lodging::raze(&dir, &mut state)?;
    state::remove(&dir)?;
    Ok(true)
}

/// What runs in `dir`; `None` where there never was an [`up`].
pub fn status(dir: &Path) -> Result<Option<Vec<Server>>, Error> {
    let Ok(dir) = fs::canonicalize(dir) else { return Ok(None) };
    Ok(State::load(&dir)?.map(|state| servers(&dir, &state)))
}

fn running(dir: &Path, state: &State) -> Running {
    Running {
        falkordb_url: secret(&falkordb::url(&state.falkordb)),
        postgres_url: secret(&postgres::url(&state.postgres)),
        servers: servers(dir, state),
    }
}

fn secret(url: &str) -> SecretUrl {
    SecretUrl::parse(url).expect("a URL of ours has hexadecimal digits where others have surprises")
}

fn servers(dir: &Path, state: &State) -> Vec<Server> {
    let data = lodging::data(dir, state);
    let server = |name, record: &Record, log| Server {
        name,
        condition: match &record.process {
            None => Condition::Stopped,
            Some(process) if !process.alive() => Condition::Crashed,
            Some(_) if process::accepts(record.port) => Condition::Running,
            Some(_) => Condition::Silent,
        },
        version: record.version.clone(),
        port: record.port,
        pid: record.process.as_ref().filter(|process| process.alive()).map(|process| process.pid),
        log: data.join(log),
    };
    vec![
        server(falkordb::NAME, &state.falkordb, falkordb::LOG),
        server(postgres::NAME, &state.postgres, postgres::LOG),
    ]
}
