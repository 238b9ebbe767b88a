//! `sonograph doctor unified-schema`: what an installation lacks of `unified.entities` and its companions.

use clap::Args;

use super::{Failure, Outcome, Session};
use crate::config::SecretUrl;
use crate::sources::postgres::Session as Database;
use crate::sources::postgres::unified::SYSTEM;
use crate::sources::postgres::unified_schema::{State, plan};
use crate::terminal::{Align, Grid};

#[derive(Debug, Args)]
#[command(
    after_help = "Executes nothing: sources are opened read-only. The plan is shown first; --sql prints the migrations that \
    are missing, in order, for psql. Every migration can be run again and loads on PostgreSQL 15 and newer:\n  \
    sonograph doctor unified-schema\n  \
    sonograph doctor unified-schema --sql > unified.sql && psql -v ON_ERROR_STOP=1 -1 -f unified.sql"
)]
pub(in crate::cli) struct UnifiedSchemaArgs {
    /// Print the SQL of what is missing; the plan then goes to stderr
    #[arg(long)]
    sql: bool,
}

pub(super) fn run(args: &UnifiedSchemaArgs, session: &Session) -> Result<Outcome, Failure> {
    let sources = session.config.sources.named();
    let own =
        sources.into_iter().find(|(name, _)| *name == SYSTEM).and_then(|(_, naming)| naming.url_env.as_ref());
    let url = match own {
        Some(variable) => SecretUrl::from_env(variable, "PostgreSQL")?,
        None => session.config.postgres_url()?,
    };
    let (place, plan) = session.block_on(async {
        let database = Database::open(url.expose()).await?;
        let found = (database.place().to_owned(), plan(&database.catalog()));
        database.close().await;
        Ok::<_, Failure>(found)
    })??;
    let mut grid = Grid::new(&[("migration", Align::Left), ("makes", Align::Left), ("state", Align::Left)]);
    for (migration, state) in &plan {
        let state = match state {
            State::Present => "present".to_owned(),
            State::Missing => "missing".to_owned(),
            State::Lacks(columns) => format!("there, without {}", columns.join(", ")),
        };
        grid.row([migration.name, &format!("unified.{}", migration.table), &state]);
    }
    if let Some((migration, _)) = plan.iter().find(|(_, state)| matches!(state, State::Lacks(_))) {
        session.printer.warn(format_args!(
            "`unified.{}` at {place} is not the table of its migration: no migration changes it",
            migration.table
        ));
    }
    let missing: Vec<_> = plan.iter().filter(|(_, state)| *state == State::Missing).collect();
    if !args.sql {
        session.printer.data(grid)?;
        if !missing.is_empty() {
            session.printer.note("--sql prints the migrations that are missing");
        }
        return Ok(Outcome::Done);
    }
    session.printer.note(format_args!("{place}\n{grid}"));
    for (migration, _) in missing {
        session.printer.data(format_args!("-- {}\n{}", migration.name, migration.sql))?;
    }
    Ok(Outcome::Done)
}
