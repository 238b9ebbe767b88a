//! Private servers seen from outside: through `services status`, the process table and their ports.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::program::{done, sonograph};

/// Tests wait for a condition, not for a time; this only ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(10);

/// Waits until something is so.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(POLL);
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub condition: String,
    pub port: u16,
    pub pid: Option<i32>,
}

impl Server {
    /// Neither process nor port is there any more.
    pub fn is_gone(&self) {
        assert!(!self.pid.is_some_and(lives), "the process of {self:?} lives on");
        assert!(!accepts(self.port), "the port of {self:?} is open still");
    }
}

/// What `services status` says of a folder; nothing where it knows no servers.
pub fn status(home: &Path, dir: &str) -> Vec<Server> {
    let text = done(sonograph(home, &["services", "status", "--dir", dir, "--format", "json"]));
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON Lines"));
    rows.map(|row| Server {
        name: row["server"].as_str().expect("a name").to_owned(),
        condition: row["condition"].as_str().expect("a word").to_owned(),
        port: u16::try_from(row["port"].as_u64().unwrap_or(0)).expect("a port"),
        pid: row["pid"].as_i64().map(|pid| i32::try_from(pid).expect("a process id")),
    })
    .collect()
}

/// The servers of a folder, once both answer.
pub fn running(home: &Path, dir: &str) -> Vec<Server> {
    wait_for("a start of both servers", || {
        Some(status(home, dir)).filter(|s| s.len() == 2 && s.iter().all(|s| s.condition == "running"))
    })
}

fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn accepts(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1)).is_ok()
}

/// Ends a process as a power cut would, and waits until it is gone.
pub fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is ours");
    wait_for("the end of a killed process", || (!lives(pid)).then_some(()));
}
