//! `sonograph doctor grants`: the statements that make a role which reads one source and nothing else.

use clap::Args;

use super::{Failure, Outcome, Session};
use crate::cli::connect;
use crate::sources::SOURCES;
use crate::sources::postgres::grants::{readings, script};

/// The most bytes that a name has in `PostgreSQL`.
const LONGEST_NAME: usize = 63;

#[derive(Debug, Args)]
#[command(
    after_help = "Looks at every layout with the configured role and names exactly the tables that a mirror run reads. \
    Executes nothing; no password stands in the output, psql asks for it:\n  \
    sonograph doctor grants > grants.sql && psql -f grants.sql"
)]
pub(in crate::cli) struct GrantsArgs {
    /// Sources to make roles for [default: all that are found]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// One role of this name for all of them [default: one each, `sonograph_<source>`]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

pub(super) fn run(args: &GrantsArgs, session: &Session) -> Result<Outcome, Failure> {
    let known: Vec<&str> = SOURCES.iter().map(|source| source.name()).collect();
    if let Some(unknown) = args.sources.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::input(format!("there is no source `{unknown}`"))
            .with_hint(format!("the sources are {}", known.join(", "))));
    }
    if args.role.as_ref().is_some_and(|role| role.is_empty() || role.contains(['$', '\0'])) {
        return Err(Failure::input("a role needs a name without `$`"));
    }
    if args.role.as_ref().is_some_and(|role| role.len() > LONGEST_NAME) {
        return Err(Failure::input(format!("a role's name has at most {LONGEST_NAME} bytes"))
            .with_hint("PostgreSQL cuts longer ones, and makes another role than the one that was named"));
    }
    let databases = connect::databases(session)?;
    let options = connect::source_options(&session.config);
    let mut found = session.block_on(readings(&databases, &options, &session.cx))??;
    found.retain(|reading| args.sources.is_empty() || args.sources.iter().any(|name| name == reading.source));
    if found.is_empty() {
        return Err(Failure::environment(
            "cannot print grants",
            anyhow::anyhow!("none of these sources was found"),
        )
        .with_hint("`sonograph doctor` lists what is found"));
    }
    session.printer.data(script(&found, args.role.as_deref()).trim_end())?;
    session.printer.note("nothing was executed: pipe this into psql as the owner of the tables");
    Ok(Outcome::Done)
}
