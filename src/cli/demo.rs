//! `sonograph demo`: the whole loop, on a synthetic city.

mod stage;
mod steps;

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Outcome, Session};
use crate::config::{Config, ConfigError, SecretUrl};
use crate::sources::falkordb::Client;
use crate::sources::synthetic::{GUEST, Guest};
use stage::Stage;
use steps::{Loop, Place};

#[derive(Debug, Args)]
#[command(
    after_help = "Report, snapshot and study answers stay in DIR. The servers and their data are removed at the end, \
    unless --keep; two demos in two folders do not meet.\n\nWhere SONOGRAPH_FALKORDB_URL and SONOGRAPH_POSTGRES_URL are both \
    set, those servers are used: a database and a graph `sonograph_demo` are made there and removed at the end, and nothing \
    else is touched; unless that FalkorDB keeps an append-only file, which would not load again.\n\n\
    Examples:\n  sonograph demo --people 20000\n  sonograph demo --people 500 --embedded --dir try"
)]
pub(super) struct DemoArgs {
    /// Registered people in the city; visitors come on top
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    people: usize,
    /// Seed of the city and of everything random after it
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// Folder for everything the demo leaves; replaced where an earlier demo made it
    #[arg(long, value_name = "DIR", default_value = "demo")]
    dir: PathBuf,
    /// Leave the servers running at the end
    #[arg(long, conflicts_with = "embedded")]
    keep: bool,
    /// No server at all: straight from a synthetic snapshot
    #[arg(long)]
    embedded: bool,
    /// Start private servers even where `SONOGRAPH_FALKORDB_URL` and `SONOGRAPH_POSTGRES_URL` name others
    #[arg(long, conflicts_with = "embedded")]
    private: bool,
}

pub(super) fn run(args: &DemoArgs, session: &Session) -> Result<Outcome, Failure> {
    let outcome = play(args, session);
    if outcome.is_err() {
        // Nothing was left where nothing was done.
        std::fs::remove_dir(&args.dir).ok();
    }
    outcome
}

fn play(args: &DemoArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut stage = Stage::prepare(&args.dir, session)?;
    let cx = session.cx.clone().with_seed(args.seed);
    let run = Loop { people: args.people, seed: args.seed, session, cx: &cx };
    let outcome = if args.embedded {
        run.embedded(&mut stage)?
    } else if let Some(given) = given(session, args.private)? {
        as_guest(&run, &given, args.keep, &mut stage)?
    } else {
        let servers = stage.servers(args.keep, &cx)?;
        let running = servers.running();
        let place = Place {
            falkordb_url: running.falkordb_url.expose(),
            postgres_url: running.postgres_url.expose(),
            graph: &session.config.falkordb.graph,
        };
        let outcome = session.block_on(run.on_servers(place, &mut stage)).flatten();
        let Ok(outcome) = outcome else {
            // The graph that the runs were written into goes with its servers.
            drop(servers);
            stage.forget_runs()?;
            return outcome;
        };
        stage.leave(servers, args.keep)?;
        outcome
    };
    stage.summary(args.embedded);
    Ok(outcome)
}

/// The servers of the environment, where it names both and they are wanted.
fn given(session: &Session, private: bool) -> Result<Option<[SecretUrl; 2]>, Failure> {
    if private {
        return Ok(None);
    }
    let config = Config::default();
    let set = |url: Result<SecretUrl, ConfigError>| match url {
        Err(ConfigError::MissingUrl { .. }) => Ok(None),
        url => url.map(Some),
    };
    let named = [set(config.falkordb_url())?, set(config.postgres_url())?];
    let one = named.iter().filter(|url| url.is_some()).count() == 1;
    if let [Some(falkordb), Some(postgres)] = named {
        if session.block_on(async { Client::connect(falkordb.expose()).await?.is_logged().await })?? {
            session.printer.note(format_args!(
                "{falkordb} keeps an append-only file, which FalkorDB 4.22 cannot load a second time once a graph with \
                 constraints was deleted, as a demo's is at its end: using private servers"
            ));
            return Ok(None);
        }
        return Ok(Some([falkordb, postgres]));
    }
    if one {
        session.printer.note(
            "only one of SONOGRAPH_FALKORDB_URL and SONOGRAPH_POSTGRES_URL is set: using private servers",
        );
    }
    Ok(None)
}

/// The loop in a database and a graph of its own on servers that somebody else runs.
fn as_guest(run: &Loop, given: &[SecretUrl; 2], keep: bool, stage: &mut Stage) -> Result<Outcome, Failure> {
    let [falkordb, postgres] = given;
    let session = run.session;
    let printer = &session.printer;
    printer.note(format_args!(
        "using {falkordb} and {postgres}: database and graph `{GUEST}` are made there{}; --private leaves those servers alone",
        if keep { "" } else { " and removed at the end" }
    ));
    session.block_on(async {
        let guest = Guest::arrive(postgres.expose(), falkordb.expose()).await?;
        let place =
            Place { falkordb_url: falkordb.expose(), postgres_url: guest.postgres_url(), graph: GUEST };
        let outcome = run.on_servers(place, stage).await;
        if keep && outcome.is_ok() {
            printer.note(format_args!(
                "database and graph `{GUEST}` stay on those servers; the next demo there removes them"
            ));
        } else {
            stage.forget_runs()?;
            let left = guest.leave().await;
            // What stopped the demo is the error to tell.
            return outcome.and_then(|outcome| left.map(|()| outcome).map_err(Failure::from));
        }
        outcome
    })?
}
