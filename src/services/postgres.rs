//! PostgreSQL: its cluster made once by `initdb`, then the server.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use nix::sys::signal::Signal;

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::lodging::Lodging;
use super::process::{self, Process};
use super::state::{Record, State, write_private};

pub(super) const NAME: &str = "PostgreSQL";
pub(super) const LOG: &str = "postgres.log";
const PID_FILE: &str = "postmaster.pid";

pub(super) fn url(record: &Record) -> String {
    format!("postgresql://postgres:{}@127.0.0.1:{}/postgres", record.password, record.port)
}

/// Starts the server, on a new cluster where there is none, and waits until it answers.
pub(super) fn start(
    lodging: &Lodging,
    fast: bool,
    state: &mut State,
    dir: &Path,
    cx: &Context,
) -> Result<(), Error> {
    state.postgres.version = version(lodging)?;
    let cluster = lodging.data.join("postgres");
    if !cluster.exists() {
        let _step = cx.step("creating a PostgreSQL cluster", None);
        create(lodging, &cluster, &state.postgres, fast)?;
    }
    let _step = cx.step("starting PostgreSQL", None);
    forget_dead_postmaster(&cluster)?;
    let log = lodging.data.join(LOG);
    for attempt in 1.. {
        state.postgres.port = process::free_port(state.postgres.port)?;
        let mut command =
            process::command(&lodging.binaries.postgres.join("postgres"), lodging.account, &lodging.data);
        command.arg("-D").arg(&cluster).arg("-p").arg(state.postgres.port.to_string());
        let mut settings = vec![
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        if fast {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut child = process::spawn(command, NAME, &log)?;
        state.postgres.process = Process::of(child.id().cast_signed());
        state.save(dir)?;
        let (pid_file, pid, port) = (cluster.join(PID_FILE), child.id(), state.postgres.port);
        match process::wait_ready(NAME, &mut child, &log, cx, || {
            Ok((is_ready(&pid_file, pid) && process::accepts(port)).then_some(()))
        }) {
            Ok(()) => return Ok(()),
            Err(error) if attempt < process::TRIES && process::may_work_next_time(&error) => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last attempt returns")
}

/// `18.4` of `postgres (PostgreSQL) 18.4 (Debian …)`.
fn version(lodging: &Lodging) -> Result<String, Error> {
    let output =
        process::command(&lodging.binaries.postgres.join("postgres"), lodging.account, &lodging.data)
            .arg("--version")
            .output()
            .attempt("ask PostgreSQL for its version")?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let version = answer.split_ascii_whitespace().nth(2).unwrap_or("of unknown version").to_owned();
    let major: u32 =
        version.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < 18 {
        return Err(Error::TooOld { server: NAME, found: version, need: "18" });
    }
    Ok(version)
}

/// Made under another name and renamed, so that a cluster is whole or not there.
fn create(lodging: &Lodging, cluster: &Path, record: &Record, fast: bool) -> Result<(), Error> {
    let partial = lodging.data.join("postgres.partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).attempt("remove a half-made PostgreSQL cluster")?;
    }
    let password = lodging.data.join("postgres.password");
    write_private(&password, record.password.as_bytes())
        .and_then(|()| lodging.give(&password))
        .attempt("hand PostgreSQL its password")?;
    let log = lodging.data.join(LOG);
    let mut command =
        process::command(&lodging.binaries.postgres.join("initdb"), lodging.account, &lodging.data);
    command.arg("-D").arg(&partial).arg("--pwfile").arg(&password);
    command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]);
    command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]);
    if fast {
        command.arg("--no-sync");
    }
    let done =
        process::spawn(command, "initdb", &log).and_then(|mut child| child.wait().attempt("wait for initdb"));
    fs::remove_file(&password).attempt("remove the file that handed PostgreSQL its password")?;
    if !done?.success() {
        return Err(process::died("initdb", &log));
    }
    fs::rename(&partial, cluster).attempt("put a new PostgreSQL cluster in its place")
}

/// A postmaster that was killed leaves its file, and the next one refuses while anything at all has that process id.
/// The file is removed only when no living `postgres` has it; backends that outlive their postmaster for a moment still hold the
/// cluster's shared memory, which the server notices by itself (see [`process::may_work_next_time`]).
fn forget_dead_postmaster(cluster: &Path) -> Result<(), Error> {
    let file = cluster.join(PID_FILE);
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if Process::of(pid).is_some() && name.trim() == "postgres" {
        return Ok(());
    }
    fs::remove_file(file).attempt("remove the file of a dead PostgreSQL")
}

/// Line 1 is the postmaster's process, line 8 its condition.
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(pid_file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first().is_some_and(|line| *line == pid.to_string()) && lines.get(7) == Some(&"ready")
}

/// Fast shutdown, then immediate (which recovers at the next start), then the end.
pub(super) fn stop(record: &mut Record) -> Result<(), Error> {
    let seconds = Duration::from_secs;
    record.stop(
        NAME,
        &[(Signal::SIGINT, seconds(30)), (Signal::SIGQUIT, seconds(10)), (Signal::SIGKILL, seconds(5))],
    )
}
