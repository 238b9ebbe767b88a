//! `sonograph services`: a private FalkorDB and PostgreSQL on loopback ports.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use polars::prelude::df;

use super::{Failure, Format, Outcome, Session, print_frame};
use crate::services::{self, Options, Server};

const UP_HELP: &str = "\
The first time, the servers are fetched into ~/.cache/sonograph (or SONOGRAPH_CACHE_DIR): about three minutes.
SONOGRAPH_FALKORDB_MODULE, SONOGRAPH_REDIS_SERVER and SONOGRAPH_POSTGRES_BIN name your own instead.

Example:
  set -a; eval \"$(sonograph services up)\"; set +a; sonograph doctor";

#[derive(Debug, Subcommand)]
pub(super) enum ServicesCommand {
    /// Start both servers, print their URLs as shell assignments, and leave them running
    #[command(after_help = UP_HELP)]
    Up(Up),
    /// Stop both servers; their data stays for the next `up`
    #[command(after_help = "Example:\n  sonograph services down --remove")]
    Down(Down),
    /// Show whether they run, and where
    #[command(after_help = "Example:\n  sonograph services status --format json")]
    Status(Status),
}

#[derive(Debug, Args)]
pub(super) struct Folder {
    /// Where data, logs and passwords of the servers live [default: as configured, .sonograph/services]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Folder {
    fn resolve(&self, session: &Session) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| session.config.services_dir.clone())
    }
}

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    folder: Folder,
    /// Trade durability for speed: for data that may be lost
    #[arg(long)]
    fast: bool,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    #[command(flatten)]
    folder: Folder,
    /// Remove the data too
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    folder: Folder,
    /// How the rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

pub(super) fn run(command: &ServicesCommand, session: &Session) -> Result<Outcome, Failure> {
    let printer = &session.printer;
    match command {
        ServicesCommand::Up(Up { folder, fast }) => {
            let options = Options { dir: folder.resolve(session), fast: *fast };
            let running = services::up(&options, &session.cx)?;
            // Both URLs hold nothing but hexadecimal digits between their fixed parts, so quotes cannot occur in them.
            printer.data(format_args!("SONOGRAPH_FALKORDB_URL='{}'", running.falkordb_url.expose()))?;
            printer.data(format_args!("SONOGRAPH_POSTGRES_URL='{}'", running.postgres_url.expose()))?;
            for Server { name, version, port, .. } in &running.servers {
                printer.note(format_args!("{name} {version} runs on 127.0.0.1:{port}"));
            }
        }
        ServicesCommand::Down(Down { folder, remove }) => {
            let dir = folder.resolve(session);
            let done = if *remove { services::remove(&dir)? } else { services::down(&dir)? };
            let dir = dir.display();
            printer.note(match (done, remove) {
                (true, true) => format!("stopped the servers of {dir} and removed their data"),
                (true, false) => format!("stopped the servers of {dir}; their data stays there"),
                (false, _) => format!("no servers run in {dir}"),
            });
        }
        ServicesCommand::Status(Status { folder, format }) => {
            let dir = folder.resolve(session);
            let servers = services::status(&dir)?.unwrap_or_default();
            if servers.is_empty() {
                printer.note(format_args!("there are no servers in {}", dir.display()));
            }
            let frame = rows(&servers)?;
            print_frame(&frame, Format::or_usual(*format), *printer)?;
        }
    }
    Ok(Outcome::Done)
}

fn rows(servers: &[Server]) -> Result<polars::prelude::DataFrame, Failure> {
    let column = |of: fn(&Server) -> String| servers.iter().map(of).collect::<Vec<_>>();
    let number = |of: fn(&Server) -> Option<i64>| servers.iter().map(of).collect::<Vec<_>>();
    df!(
        "server" => column(|s| s.name.to_owned()),
        "condition" => column(|s| s.condition.to_string()),
        "version" => column(|s| s.version.clone()),
        "port" => number(|s| Some(i64::from(s.port)).filter(|port| *port != 0)),
        "pid" => number(|s| s.pid.map(i64::from)),
        "log" => column(|s| s.log.display().to_string()),
    )
    .map_err(|error| Failure::environment("cannot tabulate the servers", error))
}
