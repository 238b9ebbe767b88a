//! FalkorDB: a Redis server with its module.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::lodging::Lodging;
use super::process::{self, Process};
use super::state::{Record, State, write_private};

pub(super) const NAME: &str = "FalkorDB";
pub(super) const LOG: &str = "falkordb.log";
/// 4.22.0, as the module reports it.
const OLDEST: u32 = 4_22_00;

pub(super) fn url(record: &Record) -> String {
    format!("redis://:{}@127.0.0.1:{}", record.password, record.port)
}

/// Starts the server and waits until it answers; `state` is saved as soon as there is a process.
pub(super) fn start(
    lodging: &Lodging,
    fast: bool,
    state: &mut State,
    dir: &Path,
    cx: &Context,
) -> Result<(), Error> {
    let _step = cx.step("starting FalkorDB", None);
    let home = lodging.data.join("falkordb");
    lodging.folder(&home)?;
    let (log, conf) = (lodging.data.join(LOG), home.join("redis.conf"));
    for attempt in 1.. {
        state.falkordb.port = process::free_port(state.falkordb.port)?;
        write_private(&conf, configuration(lodging, &home, &state.falkordb, fast).as_bytes())
            .and_then(|()| lodging.give(&conf))
            .attempt("write FalkorDB's configuration")?;
        let mut command = process::command(&lodging.binaries.redis, lodging.account, &home);
        command.arg(&conf);
        let mut child = process::spawn(command, NAME, &log)?;
        state.falkordb.process = Process::of(child.id().cast_signed());
        state.save(dir)?;
        let record = &state.falkordb;
        match process::wait_ready(NAME, &mut child, &log, cx, || version(record)) {
            Ok(version) => {
                if version < OLDEST {
                    return Err(Error::TooOld { server: NAME, found: dotted(version), need: "4.22" });
                }
                state.falkordb.version = dotted(version);
                return state.save(dir);
            }
            Err(error) if attempt < process::TRIES && process::may_work_next_time(&error) => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last attempt returns")
}

/// No snapshots by fork: FalkorDB may give them up half-way without saying so. The append-only file keeps every write.
fn configuration(lodging: &Lodging, home: &Path, record: &Record, fast: bool) -> String {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    let (module, home) = (quoted(&lodging.binaries.module), quoted(home));
    let (port, password, appendonly) = (record.port, &record.password, if fast { "no" } else { "yes" });
    format!(
        "bind 127.0.0.1\nport {port}\nprotected-mode yes\nrequirepass {password}\ndir {home}\nloadmodule {module}\n\
         daemonize no\nlogfile \"\"\nsave \"\"\nappendonly {appendonly}\nappendfsync everysec\n"
    )
}

/// The module's version; `None` while the server does not answer or still loads its data.
fn version(record: &Record) -> Result<Option<u32>, Error> {
    if !process::accepts(record.port) {
        return Ok(None);
    }
    let ask = || {
        let client = redis::Client::open(url(record))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        redis::cmd("PING").query::<()>(&mut connection)?;
        redis::cmd("MODULE").arg("LIST").query::<Vec<HashMap<String, redis::Value>>>(&mut connection)
    };
    match ask() {
        Ok(modules) => Ok(Some(modules.iter().find_map(graph_version).unwrap_or(0))),
        Err(error) if error.is_io_error() || error.is_timeout() || error.code() == Some("LOADING") => {
            Ok(None)
        }
        Err(source) => Err(Error::Ask { server: NAME, port: record.port, source }),
    }
}

fn graph_version(module: &HashMap<String, redis::Value>) -> Option<u32> {
    let name: String = redis::from_redis_value(module.get("name")?.clone()).ok()?;
    if name == "graph" { redis::from_redis_value(module.get("ver")?.clone()).ok() } else { None }
}

fn dotted(version: u32) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// SIGTERM lets Redis write its append-only file out; a query that never ends does not hold it up for ever.
pub(super) fn stop(record: &mut Record) -> Result<(), Error> {
    let patience = [(Signal::SIGTERM, Duration::from_secs(15)), (Signal::SIGKILL, Duration::from_secs(5))];
    record.stop(NAME, &patience)
}
