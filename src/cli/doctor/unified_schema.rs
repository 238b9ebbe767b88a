//! `sonograph doctor unified-schema`: what an installation lacks of `unified.entities` and its companions.

use clap::Args;

use super::{Failure, Outcome, Session};
use crate::config::SecretUrl;
use crate::sources::postgres::Session as Database;
use crate::sources::postgres::unified::SYSTEM;
use crate::sources::postgres::unified_schema::{SCHEMA, State, plan};
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
    let named = session.config.sources.named();
    let naming = named.into_iter().find(|(name, _)| *name == SYSTEM).map(|(_, naming)| naming.clone());
    let naming = naming.unwrap_or_default();
    let url = match &naming.url_env {
        Some(variable) => SecretUrl::from_env(variable, "PostgreSQL")?,
        None => session.config.postgres_url()?,
    };
    let (place, plan) = session.block_on(async {
        let database = Database::open(url.expose()).await?;
        let found = (database.place().to_owned(), plan(&database, &naming));
        database.close().await;
        Ok::<_, Failure>((found.0, found.1?))
    })??;
    let mut grid = Grid::new(&[("migration", Align::Left), ("makes", Align::Left), ("state", Align::Left)]);
    for step in &plan {
        let state = match &step.state {
            State::Present => "present".to_owned(),
            State::Missing => "missing".to_owned(),
            State::Lacks(columns) => format!("there, without {}", columns.join(", ")),
        };
        grid.row([step.migration.name, &format!("{}.{}", step.schema, step.table), &state]);
    }
    if let Some(step) = plan.iter().find(|step| matches!(step.state, State::Lacks(_))) {
        session.printer.warn(format_args!(
            "`{}.{}` at {place} is not the table of its migration: no migration changes it",
            step.schema, step.table
        ));
    }
    let missing: Vec<_> = plan.iter().filter(|step| step.state == State::Missing).collect();
    if !missing.is_empty() && plan.iter().any(|step| !step.is_made_by_migration()) {
        // Its statements name `unified`: they would begin a second layout beside the one that is there.
        session.printer.warn(format_args!(
            "the migrations make tables in schema `{SCHEMA}` under their usual names: what is missing here has to be made by hand \
             after them"
        ));
        if args.sql {
            session.printer.note(format_args!("{place}\n{grid}"));
        } else {
            session.printer.data(grid)?;
        }
        return Ok(Outcome::Done);
    }
    if !args.sql {
        session.printer.data(grid)?;
        if !missing.is_empty() {
            session.printer.note("--sql prints the migrations that are missing");
        }
        return Ok(Outcome::Done);
    }
    session.printer.note(format_args!("{place}\n{grid}"));
    for step in missing {
        session.printer.data(format_args!("-- {}\n{}", step.migration.name, step.migration.sql))?;
    }
    Ok(Outcome::Done)
}
