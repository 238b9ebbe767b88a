//! Where the servers' binaries are; fetched where they are not anywhere yet.
//!
//! `scripts/fetch-servers` alone knows the pinned versions, their hashes, the cache and the variables that name other binaries.
//! It travels inside the program, so that an installed one can fetch too.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::context::Context;

use super::error::{Attempt as _, Error};

const FETCH: &str = include_str!("../../scripts/fetch-servers");

/// The three things a pair of servers is started from.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    /// `falkordb.so`
    pub module: PathBuf,
    /// `redis-server`
    pub redis: PathBuf,
    /// The folder of `postgres` and `initdb`.
    pub postgres: PathBuf,
}

/// Finds the binaries, fetching and building them where absent (about three minutes, once).
pub(super) fn locate(cx: &Context) -> Result<Binaries, Error> {
    let mut script = Command::new("bash")
        .args(["-c", FETCH, "fetch-servers"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .attempt("run bash to look for the servers' binaries")?;
    let group = Pid::from_raw(script.id().cast_signed());
    let (sender, lines) = mpsc::channel();
    let stderr = BufReader::new(script.stderr.take().expect("stderr is piped"));
    let reader =
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));

    // Each line is a step that lasts until the next one; the last ones are the error when it fails.
    let mut said: Vec<String> = Vec::new();
    let mut step = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => {
                drop(step.take());
                step = Some(cx.step(&line, None));
                said.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if cx.cancel.is_requested() => {
                // It removes its half-made files; an answer other than "gone already" is impossible for our own child.
                let _ = killpg(group, Signal::SIGTERM);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    drop(step);
    let _ = reader.join();
    let output = script.wait_with_output().attempt("wait for fetch-servers")?;
    cx.check()?;

    let paths = String::from_utf8_lossy(&output.stdout);
    let path = |name: &str| {
        let value = paths.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.filter(|_| output.status.success()).and_then(|value| std::path::absolute(value).ok())
    };
    match (path("SONOGRAPH_FALKORDB_MODULE"), path("SONOGRAPH_REDIS_SERVER"), path("SONOGRAPH_POSTGRES_BIN"))
    {
        (Some(module), Some(redis), Some(postgres)) => Ok(Binaries { module, redis, postgres }),
        _ => Err(complaint(&said)),
    }
}

fn complaint(said: &[String]) -> Error {
    let last = |prefix: &str| said.iter().rev().find_map(|line| line.strip_prefix(prefix));
    let Some(message) = last("error: ") else {
        let tail = said[said.len().saturating_sub(10)..].join("\n");
        return Error::Binaries {
            message: format!("cannot get the servers' binaries; fetch-servers ended with:\n{tail}"),
            hint: "scripts/fetch-servers can be run by itself".into(),
        };
    };
    // What pip, npm or make said stands before the error.
    let before =
        said.iter().take_while(|line| !line.starts_with("error: ")).map(String::as_str).collect::<Vec<_>>();
    let tail = before[before.len().saturating_sub(20)..].join("\n");
    let message = if tail.is_empty() { message.to_owned() } else { format!("{message}, after:\n{tail}") };
    Error::Binaries { message, hint: last("hint: ").unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Diagnose as _;

    #[test]
    fn a_failed_fetch_is_told_with_its_own_message_and_hint() {
        let said = [
            "fetching FalkorDB",
            "error: cannot fetch the servers without npm",
            "hint: sudo apt-get install -y npm",
        ];
        let error = complaint(&said.map(str::to_owned));
        assert_eq!(error.to_string(), "cannot fetch the servers without npm, after:\nfetching FalkorDB");
        assert_eq!(error.hint().as_deref(), Some("sudo apt-get install -y npm"));
    }
}
