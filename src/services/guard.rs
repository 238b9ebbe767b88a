//! Servers that live no longer than the process that asked for them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{io::Write as _, mem};

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::process::{self, Process};
use super::state::State;
use super::{Options, Running, lodging, remove, up};

/// Waits on a pipe that only our process holds. A line says that all is well; its end without one says that we are gone, however
/// that came about, and then the servers are stopped and what is theirs is removed. Process ids are checked against start times.
///
/// Arguments: pid and start time of each server, folders to remove.
const WATCHDOG: &str = r#"
read -r _ && exit 0
is() { [ "$(cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }
end() { is "$1" "$2" && kill -"$3" "$1"; }
end "$1" "$2" TERM; end "$3" "$4" INT
tries=0
while is "$1" "$2" || is "$3" "$4"; do
    tries=$((tries + 1))
    [ $tries -eq 100 ] && { end "$1" "$2" KILL; end "$3" "$4" QUIT; }
    [ $tries -gt 200 ] && exit 1
    sleep 0.1
done
dir=$5; shift 5
rm -rf -- "$@"
rmdir -- "$dir"
"#;

/// A running pair of servers that is stopped, and its data removed, when this is dropped or its process dies, even by kill -9.
#[derive(Debug)]
pub struct Guard {
    running: Running,
    dir: PathBuf,
    watchdog: Child,
    armed: bool,
}

impl Guard {
    /// Starts servers as [`up`] does and takes charge of them.
    pub fn up(options: &Options, cx: &Context) -> Result<Self, Error> {
        let running = up(options, cx)?;
        let dir = fs_err::canonicalize(&options.dir).attempt("find the services folder")?;
        match watch(&dir) {
            Ok(watchdog) => Ok(Self { running, dir, watchdog, armed: true }),
            Err(error) => {
                let _ = remove(&dir);
                Err(error)
            }
        }
    }

    /// How to reach the servers.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Lets the servers live on, until [`super::down`].
    pub fn keep(mut self) -> Running {
        self.disarm();
        self.running.clone()
    }

    /// Stops the servers and removes their data now, where dropping would keep an error to itself.
    pub fn stop(mut self) -> Result<(), Error> {
        remove(&self.dir)?;
        self.disarm();
        Ok(())
    }

    fn disarm(&mut self) {
        if mem::take(&mut self.armed) {
            if let Some(mut pipe) = self.watchdog.stdin.take() {
                let _ = pipe.write_all(b"all is well\n");
            }
            let _ = self.watchdog.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed && remove(&self.dir).is_ok() {
            self.disarm();
        }
        // Where that failed, the watchdog tries once more when its pipe ends with us.
    }
}

fn watch(dir: &Path) -> Result<Child, Error> {
    let state = State::load(dir)?;
    let state = state.as_ref();
    let process = |process: Option<&Process>| {
        process.map_or([String::new(), String::new()], |p| [p.pid.to_string(), p.started.to_string()])
    };
    let mut command = process::command(Path::new("sh"), None, Path::new("/"));
    command.args(["-c", WATCHDOG, "watchdog"]);
    command.args(process(state.and_then(|state| state.falkordb.process.as_ref())));
    command.args(process(state.and_then(|state| state.postgres.process.as_ref())));
    command.arg(dir);
    command.args(state.map(|state| lodging::folders(dir, state)).unwrap_or_default());
    command.args(super::state::files(dir));
    let command: &mut Command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().attempt("start the watchdog of the services")
}
