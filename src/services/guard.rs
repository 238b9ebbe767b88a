//! Servers that live no longer than the process that asked for them.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::{fmt, io::Write as _, mem};

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::{Options, Running, lodging, process, remove, state, stop_both, up};

/// Waits on a pipe that only our process holds. A line says that all is well; its end without one says that we are gone, however
/// that came about, and then the servers in the state file are stopped and what is theirs is removed. It starts before they do, so
/// that there is no moment in which they have nobody. Process ids are checked against start times here too.
///
/// Argument: the services folder.
const WATCHDOG: &str = r#"
read -r _ && exit 0
cd -- "$1" || exit 0
lodging=$(sed -n 's/^  "lodging": "\(.*\)",$/\1/p' services.json)
set -- $(sed -n 's/.*"\(pid\|started\)": \([0-9]*\).*/\2/p' services.json)
is() { [ -n "$1" ] && [ "$(cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }
end() { if is "$1" "$2"; then kill -"$3" "$1"; fi; }
end "$1" "$2" INT; end "$3" "$4" INT
tries=0
while is "$1" "$2" || is "$3" "$4"; do
    tries=$((tries + 1))
    if [ $tries -eq 100 ]; then end "$1" "$2" KILL; end "$3" "$4" QUIT; fi
    if [ $tries -gt 200 ]; then exit 1; fi
    sleep 0.1
done
for again in 1 2 3 4 5; do
    rm -rf -- data ${lodging:+"$lodging"} services.json .gitignore services.lock
    # An `initdb` that was on its way may still write for a moment.
    rmdir -- "$PWD" 2>/dev/null && exit 0
    sleep 1
done
"#;

/// A running pair of servers that is stopped, and its data removed, when this is dropped or its process dies, even by kill -9.
pub struct Guard {
    running: Running,
    /// What was started, for where its folder goes before it.
    state: state::State,
    dir: PathBuf,
    watchdog: Child,
    armed: bool,
}

impl Guard {
    /// Starts servers as [`up`] does and takes charge of them.
    pub fn up(options: &Options, cx: &Context) -> Result<Self, Error> {
        let dir = state::prepare(&options.dir)?;
        let first = state::State::load(&dir)?.is_none();
        let mut watchdog = watch(&dir)?;
        let started = up(options, cx)
            .and_then(|running| Ok((running, state::State::load(&dir)?.unwrap_or_else(state::State::fresh))));
        match started {
            Ok((running, state)) => Ok(Self { running, state, dir, watchdog, armed: true }),
            Err(error) => {
                // Who stops the first start wants nothing of it; after another error the log it names is of use.
                if first && matches!(error, Error::Cancelled(_)) {
                    remove(&dir)?;
                }
                release(&mut watchdog);
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
        self.end()?;
        self.disarm();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        if !remove(&self.dir)? {
            stop_both(&mut self.state)?;
            lodging::raze(&self.dir, &mut self.state)?;
        }
        Ok(())
    }

    fn disarm(&mut self) {
        if mem::take(&mut self.armed) {
            release(&mut self.watchdog);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state holds passwords.
        f.debug_struct("Guard")
            .field("running", &self.running)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed && self.end().is_ok() {
            self.disarm();
        }
        // Where that failed, the watchdog tries once more when its pipe ends with us.
    }
}

fn watch(dir: &Path) -> Result<Child, Error> {
    let mut command = process::command(Path::new("sh"), None, Path::new("/"));
    command.args(["-c", WATCHDOG, "watchdog"]).arg(dir);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().attempt("start the watchdog of the services")
}

fn release(watchdog: &mut Child) {
    if let Some(mut pipe) = watchdog.stdin.take() {
        // Refused only by a watchdog that somebody killed, which does nothing either.
        let _ = pipe.write_all(b"all is well\n");
    }
    let _ = watchdog.wait();
}
