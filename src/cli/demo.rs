//! `sonograph demo`: the whole loop, on a synthetic city.

mod stage;
mod steps;

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Outcome, Session};
use stage::Stage;
use steps::Loop;

#[derive(Debug, Args)]
#[command(
    after_help = "Report, snapshot and study answers stay in DIR. The servers and their data are removed at the end, \
    unless --keep; two demos in two folders do not meet."
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
}

pub(super) fn run(args: &DemoArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut stage = Stage::prepare(&args.dir, session)?;
    let cx = session.cx.clone().with_seed(args.seed);
    let run = Loop { people: args.people, seed: args.seed, session, cx: &cx };
    let outcome = if args.embedded {
        run.embedded(&mut stage)?
    } else {
        let servers = stage.servers(args.keep, &cx)?;
        let outcome = session.block_on(run.on_servers(servers.running(), &mut stage))??;
        stage.leave(servers, args.keep)?;
        outcome
    };
    stage.summary(args.embedded);
    Ok(outcome)
}
