//! Detached processes: started, recognised again, stopped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::lodging::Account;

const POLL: Duration = Duration::from_millis(20);
/// A server replaying a large append-only file or recovering from a crash needs its time.
const READY_WITHIN: Duration = Duration::from_mins(3);

/// A process that is recognised again: a process id alone may have been given to somebody else since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub started: u64,
    /// The boot those ticks count from.
    boot: String,
}

impl Process {
    /// The process that now has this id; `None` when there is none (or only its corpse).
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name comes second, in parentheses, and may hold anything.
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let started = fields.nth(18)?.parse().ok()?;
        let boot =
            fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Some(Self { pid, started, boot })
    }

    pub fn alive(&self) -> bool {
        // Collects it where it is our own child; otherwise somebody else does, and the answer does not matter.
        let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends each signal in turn and gives it its time.
    pub fn stop(&self, server: &str, signals: &[(Signal, Duration)]) -> Result<(), Error> {
        let mut refused = Errno::EBUSY;
        for &(signal, patience) in signals {
            if !self.alive() {
                return Ok(());
            }
            if let Err(errno) = kill(Pid::from_raw(self.pid), signal) {
                refused = errno;
                continue;
            }
            let deadline = Instant::now() + patience;
            while Instant::now() < deadline {
                if !self.alive() {
                    return Ok(());
                }
                thread::sleep(POLL);
            }
        }
        if self.alive() {
            Err(Error::Unstoppable { server: server.to_owned(), pid: self.pid, source: refused.into() })
        } else {
            Ok(())
        }
    }
}

/// Closes what our caller left open, then becomes the command. A server that held a caller's file would hold its lock too, until
/// long after the caller's end. Only bash can close descriptors of two digits by itself.
const CLOSE_THE_REST: &str = r#"
for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
done
exec "$@"
"#;

/// A server's command: detached from our terminal and session, with nothing of our environment and no open file of our caller's, as
/// `account` where given.
pub(super) fn command(program: &Path, account: Option<Account>, home: &Path) -> Command {
    let mut command = Command::new("setsid");
    command
        .args(["bash", "-c", CLOSE_THE_REST, "bash"])
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    command.env("HOME", home).current_dir(home).stdin(Stdio::null());
    if let Some(account) = account {
        account.impersonate(&mut command);
    }
    command
}

/// Starts `command` with both its outputs in a new `log`.
pub(super) fn spawn(mut command: Command, server: &'static str, log: &Path) -> Result<Child, Error> {
    let file = fs::File::create(log).attempt("begin a server's log")?.into_parts().0;
    let twin = file.try_clone().attempt("begin a server's log")?;
    command.stdout(file).stderr(twin).spawn().attempt(&format!("start {server}"))
}

/// Polls `ready` until it answers with something, the process ends, or it takes too long.
pub(super) fn wait_ready<T>(
    server: &'static str,
    child: &mut Child,
    log: &Path,
    cx: &Context,
    mut ready: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(answer) = ready()? {
            return Ok(answer);
        }
        if child.try_wait().attempt(&format!("look after {server}"))?.is_some() {
            return Err(died(server, log));
        }
        if Instant::now() > deadline {
            return Err(Error::Slow {
                server,
                seconds: READY_WITHIN.as_secs(),
                log: log.to_owned(),
                tail: tail(log),
            });
        }
        cx.check()?;
        thread::sleep(POLL);
    }
}

/// The error of a server that ended by itself, with what its log says last.
pub(super) fn died(server: &'static str, log: &Path) -> Error {
    Error::Died { server, log: log.to_owned(), tail: tail(log) }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// `preferred` where nobody listens on it, else a port the system says is free.
///
/// Somebody may take it before the server does: the caller tries again (see [`may_work_next_time`]).
pub(super) fn free_port(preferred: u16) -> Result<u16, Error> {
    let bind =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    let address = bind(preferred).or_else(|_| bind(0)).attempt("find a free port on 127.0.0.1")?;
    Ok(address.port())
}

/// How often a server is started when [`may_work_next_time`] says so.
pub(super) const TRIES: u32 = 10;

/// Whether a server ended for a passing reason: somebody else took its port between our look and its start, or backends of a killed
/// PostgreSQL have not noticed yet. Waits a moment when it is so.
pub(super) fn may_work_next_time(error: &Error) -> bool {
    const PASSING: [&str; 2] = ["Address already in use", "pre-existing shared memory block"];
    let passing =
        matches!(error, Error::Died { tail, .. } if PASSING.iter().any(|reason| tail.contains(reason)));
    if passing {
        thread::sleep(Duration::from_millis(300));
    }
    passing
}

/// Whether somebody accepts connections on this port.
pub(super) fn accepts(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_given_to_somebody_else_is_not_taken_for_ours() {
        let own = Process::of(std::process::id().cast_signed()).expect("this very process is there");
        assert!(own.alive());
        assert!(!Process { started: own.started + 1, ..own.clone() }.alive());
        assert!(!Process { boot: "another boot".into(), ..own }.alive());
    }

    #[test]
    fn a_child_that_ended_is_not_alive_even_before_it_is_collected() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is part of every Debian");
        let process = Process::of(child.id().cast_signed()).expect("it sleeps");
        process.stop("sleep", &[(Signal::SIGTERM, Duration::from_secs(5))]).expect("sleep ends at once");
        assert!(!process.alive());
        let _ = child.wait();
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_called_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = taken.local_addr().expect("it is bound").port();
        assert!(accepts(port));
        assert_ne!(free_port(port).expect("another port is free"), port);
    }
}
