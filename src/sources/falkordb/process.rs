//! Processes that are recognised again, here only where that is certain.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process, as a lock or a run names the one that it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The machine it runs on.
    pub host: String,
    /// Its id there.
    pub pid: u32,
    /// The boot and the space of process ids that the id belongs to; empty where the system tells none.
    #[serde(default)]
    space: String,
    /// When it began, in clock ticks since that boot: an id is given again, an id and its beginning are not.
    #[serde(default)]
    born: u64,
}

impl Process {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let born = match look(pid) {
            Seen::Alive { born } => born,
            Seen::Dead | Seen::Unknown => 0,
        };
        Self { host: host.trim().to_owned(), pid, space: space().unwrap_or_default(), born }
    }

    /// Whether it ended for certain. One of another machine, container or system is never taken for gone.
    pub fn is_gone(&self) -> bool {
        if self.born == 0 || self.space.is_empty() || space().as_ref() != Some(&self.space) {
            return false;
        }
        match look(self.pid) {
            Seen::Alive { born } => born != self.born,
            Seen::Dead => true,
            Seen::Unknown => false,
        }
    }
}

/// A host's name may be another's, too; a boot and the number of a space of process ids in it may not.
fn space() -> Option<String> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let ids = fs_err::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), ids.display()))
}

enum Seen {
    Alive {
        /// Clock ticks since boot.
        born: u64,
    },
    Dead,
    /// It is there, and may not be looked at.
    Unknown,
}

fn look(pid: u32) -> Seen {
    // The signal asks only whether there is one: `/proc` may hide processes of other users, this does not.
    match i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), None)) {
        Ok(Err(Errno::ESRCH)) => return Seen::Dead,
        Ok(_) => {}
        Err(_) => return Seen::Unknown,
    }
    let Ok(stat) = fs_err::read_to_string(format!("/proc/{pid}/stat")) else { return Seen::Unknown };
    // The command's name comes second, in parentheses, and may hold anything.
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    match (fields.next(), fields.nth(18).map(str::parse)) {
        // Its corpse, until its parent looks at it.
        (Some("Z" | "X"), _) => Seen::Dead,
        (Some(_), Some(Ok(born))) => Seen::Alive { born },
        _ => Seen::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_once_it_was_killed_or_its_id_is_anothers_and_not_where_that_is_uncertain() {
        let this = Process::this();
        assert!(this.born > 0 && !this.space.is_empty(), "{this:?}");
        assert!(!this.is_gone());
        assert!(Process { born: this.born + 1, ..this.clone() }.is_gone(), "the id was given again");
        assert!(!Process { born: 0, ..this.clone() }.is_gone());

        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it starts");
        let Seen::Alive { born } = look(child.id()) else { panic!("it runs") };
        let its = Process { pid: child.id(), born, ..this };
        assert!(!its.is_gone());
        child.kill().expect("it is ours");
        while !its.is_gone() {
            std::thread::yield_now();
        }
        child.wait().expect("it ended");
        assert!(its.is_gone());
        let elsewhere = Process { space: "another boot".to_owned(), ..its.clone() };
        let untold = Process { space: String::new(), ..its };
        assert!(!elsewhere.is_gone() && !untold.is_gone());
    }
}
