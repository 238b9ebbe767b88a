//! `sonograph snapshot diff`: what became of the graph.

use clap::{Args, ValueEnum};

use crate::cli::{Failure, Format, Outcome, Session, print_frame};
use crate::snapshot;

#[derive(Debug, Args)]
#[command(
    after_help = "Nodes are the same by label and uid; edges by relation, the uids of their ends and, where there is \
    one, their message `mid`. Tables: `elements` counts what was added, removed and changed by label and relation, \
    `properties` by property, `movers` are the nodes whose numbers moved most, `nodes` and `edges` list all that is not \
    as it was. Exits 0 whatever changed.\n\n\
    Examples:\n  \
    sonograph snapshot diff snapshots/monday latest\n  \
    sonograph snapshot diff monday latest --table movers --top 20 --format csv"
)]
pub(in crate::cli) struct DiffArgs {
    /// The earlier snapshot: folder, name of one in the folder of snapshots, or `latest`
    #[arg(value_name = "A")]
    before: String,
    /// The later one
    #[arg(value_name = "B", default_value = "latest")]
    after: String,
    /// What to tell
    #[arg(long, value_enum, default_value_t = Table::Elements)]
    table: Table,
    /// How many nodes of every property `movers` names
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Output")]
    top: usize,
    /// How the rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Table {
    /// Counts by label and relation
    Elements,
    /// Counts and means by property
    Properties,
    /// Nodes whose numbers moved most
    Movers,
    /// Every node that was added, removed or changed
    Nodes,
    /// Every edge that was
    Edges,
}

pub(super) fn run(args: &DiffArgs, session: &Session) -> Result<Outcome, Failure> {
    let read = |asked: &str| -> Result<_, Failure> {
        Ok(snapshot::read(&snapshot::locate(asked, &session.config.snapshots_dir)?)?)
    };
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    if before.tables.undirected != after.tables.undirected {
        session
            .printer
            .warn("the edges of one of the two stand for both directions, those of the other do not");
    }
    let found = snapshot::diff(&before.tables, &after.tables, args.top, &session.cx)?;
    let table = match args.table {
        Table::Elements => found.elements,
        Table::Properties => found.properties,
        Table::Movers => found.movers,
        Table::Nodes => found.nodes,
        Table::Edges => found.edges,
    };
    print_frame(&table, Format::or_usual(args.format), session.printer)?;
    Ok(Outcome::Done)
}
