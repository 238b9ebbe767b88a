//! `sonograph doctor`: is everything there that the other commands need?

mod footing;
mod grants;
mod memory;
mod migration;
mod nodes;
mod read_only;
mod unified_schema;

use std::time::Duration;

use clap::{Args, Subcommand};
use polars::prelude::df;
use serde::Serialize;

use super::{Failure, Format, Outcome, Session, connect, print_frame};
use crate::context::Fault;
use crate::sources::falkordb::marker::{self, Progress};
use crate::sources::falkordb::{Client, FalkorError, schema};
use crate::sources::postgres::client::{POOLER, is_pooler};
use crate::sources::{self, ColumnAsked, DatabaseLayout};
use crate::terminal::{Align, Grid};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exits 3 where a check fails. A check that is only noted (a layout that is not there, a graph that \
    was never mirrored) fails nothing. Exits 1 where only the proof of --prove-read-only fails.\n\n\
    Examples:\n  sonograph doctor --json\n  sonograph doctor --prove-read-only"
)]
pub(super) struct DoctorArgs {
    /// One JSON object a line, as `--format json`
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
    /// How the checks come out [default: table]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
    /// Also prove that reading touches nothing: what the role may do, and checksums before and after a full read
    #[arg(long)]
    prove_read_only: bool,
    #[command(subcommand)]
    command: Option<DoctorCommand>,
}

#[derive(Debug, Subcommand)]
enum DoctorCommand {
    /// Compare a database with the one it was moved to: structure, rows, sequences, rights, services
    Migration(migration::MigrationArgs),
    /// Print the statements that make one read-only role per source
    Grants(grants::GrantsArgs),
    /// Show what an installation lacks of unified.entities and its companions, and print the migrations
    UnifiedSchema(unified_schema::UnifiedSchemaArgs),
}

/// One line of the examination.
#[derive(Debug, Serialize)]
struct Check {
    system: &'static str,
    #[serde(rename = "check")]
    what: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Note,
    Failed,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "failed",
        })
    }
}

impl Check {
    fn new(
        system: &'static str,
        what: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
    ) -> Self {
        Self { system, what: what.into(), verdict, found: found.into(), hint: None }
    }

    fn ok(system: &'static str, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(system, what, Verdict::Ok, found)
    }

    fn note(system: &'static str, what: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..Self::new(system, what, Verdict::Note, found) }
    }

    fn failed(system: &'static str, what: impl Into<String>, failure: &Failure) -> Self {
        let found = failure.error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Self { hint: failure.hint.clone(), ..Self::new(system, what, Verdict::Failed, found) }
    }
}

pub(super) fn run(args: &DoctorArgs, session: &Session) -> Result<Outcome, Failure> {
    if let Some(command) = &args.command {
        return match command {
            DoctorCommand::Migration(args) => migration::run(args, session),
            DoctorCommand::Grants(args) => grants::run(args, session),
            DoctorCommand::UnifiedSchema(args) => unified_schema::run(args, session),
        };
    }
    let mut checks = session.block_on(async {
        let mut checks = Vec::new();
        falkordb(session, &mut checks).await;
        memory::examine(session, &mut checks).await;
        postgres(session, &mut checks).await;
        checks
    })?;
    session.cx.check()?;
    let failed = failures(&checks);
    let mut proven = true;
    if args.prove_read_only && failed == 0 {
        let proof = session.block_on(read_only::prove(session))??;
        proven = failures(&proof) == 0;
        checks.extend(proof);
    }
    print(&checks, if args.json { Format::Json } else { args.format.unwrap_or(Format::Table) }, session)?;
    if failed == 0 {
        return Ok(if proven { Outcome::Done } else { Outcome::AnswerIsNo });
    }
    Err(Failure {
        error: anyhow::anyhow!("{failed} of {} checks failed", checks.len()),
        fault: Fault::Environment,
        hint: None,
    })
}

fn failures(checks: &[Check]) -> usize {
    checks.iter().filter(|check| check.verdict == Verdict::Failed).count()
}

const FALKORDB: &str = "FalkorDB";
const POSTGRES: &str = "PostgreSQL";

async fn falkordb(session: &Session, checks: &mut Vec<Check>) {
    let mut client = match connect::falkordb(session).await {
        Ok(client) => client,
        Err(failure) => return checks.push(Check::failed(FALKORDB, "reachable", &failure)),
    };
    checks.push(Check::ok(FALKORDB, "reachable", client.address()));
    let version = client.version().map_or_else(|| "not told to this user".to_owned(), |v| v.to_string());
    checks.push(Check::ok(FALKORDB, "module version", version));
    if let Err(error) = graph(&mut client, session, checks).await {
        checks.push(Check::failed(FALKORDB, "graph", &Failure::from(error)));
    }
}

/// How long indexes that are being built are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

async fn graph(client: &mut Client, session: &Session, checks: &mut Vec<Check>) -> Result<(), FalkorError> {
    let graph = &session.config.falkordb.graph;
    if !client.exists(graph).await? {
        let found = format!("there is no graph `{graph}`");
        checks.push(Check::note(FALKORDB, "graph", found, "`sonograph mirror apply` makes it"));
        return Ok(());
    }
    checks.push(Check::ok(FALKORDB, "graph", graph));
    checks.push(last_run(client, graph).await?);
    checks.extend(last_scores(client, graph).await?);
    nodes::examine(client, session, checks).await?;
    let pieces = schema::settled(client, graph, PATIENCE, &session.cx).await?;
    let all = pieces.len();
    let (open, settled): (Vec<_>, Vec<_>) =
        pieces.into_iter().partition(|piece| matches!(piece.state, schema::State::Pending(_)));
    if !open.is_empty() {
        let found = format!("under construction, {} of {all}", open.len());
        let hint =
            "the server builds them anew after it was started: run `sonograph doctor` again in a while";
        checks.push(Check::note(FALKORDB, "indexes and constraints", found, hint));
    }
    for piece in settled {
        if piece.state == schema::State::Operational {
            checks.push(Check::ok(FALKORDB, piece.what, piece.state.to_string()));
        } else {
            let check = Check::new(FALKORDB, piece.what, Verdict::Failed, piece.state.to_string());
            let hint = match piece.state {
                schema::State::Failed => {
                    "the graph holds what it forbids: `sonograph mirror apply` heals what is the mirror's and names the rest"
                }
                _ => "`sonograph mirror apply` makes what is missing",
            };
            checks.push(Check { hint: Some(hint.to_owned()), ..check });
        }
    }
    Ok(())
}

/// Whether the last mirror run into the graph came to its end.
async fn last_run(client: &mut Client, graph: &str) -> Result<Check, FalkorError> {
    const WHAT: &str = "last mirror run";
    Ok(match marker::read(client, graph).await {
        Err(FalkorError::Forbidden { .. }) => {
            let hint = format!("`~{} +hgetall` lets it be read", marker::key(graph));
            Check::note(FALKORDB, WHAT, "not told to this user", &hint)
        }
        Err(error) => return Err(error),
        Ok(None) => Check::note(FALKORDB, WHAT, "none left its mark", "`sonograph mirror apply` leaves one"),
        Ok(Some(mark)) if mark.progress == Progress::Complete => {
            Check::ok(FALKORDB, WHAT, format!("complete, generation {}", mark.generation))
        }
        Ok(Some(mark)) => {
            let found = format!("generation {} did not come to its end", mark.generation);
            let hint = "it is running still, or broke off: `sonograph mirror apply` completes it";
            Check { hint: Some(hint.to_owned()), ..Check::new(FALKORDB, WHAT, Verdict::Failed, found) }
        }
    })
}

/// Whether the nodes hold whole write-back runs; nothing to tell where this user may not know.
async fn last_scores(client: &mut Client, graph: &str) -> Result<Option<Check>, FalkorError> {
    const WHAT: &str = "last write-back run";
    match marker::unfinished_scores(client, graph).await {
        Err(FalkorError::Forbidden { .. }) | Ok(None) => Ok(None),
        Err(error) => Err(error),
        Ok(Some(run)) => {
            let hint = "it is running still, or broke off: `sonograph writeback apply` completes it, `writeback undo` takes it back";
            let check = Check::new(FALKORDB, WHAT, Verdict::Failed, format!("{run} did not come to its end"));
            Ok(Some(Check { hint: Some(hint.to_owned()), ..check }))
        }
    }
}

async fn postgres(session: &Session, checks: &mut Vec<Check>) {
    let databases = match connect::databases(session) {
        Ok(databases) => databases,
        Err(failure) => return checks.push(Check::failed(POSTGRES, "reachable", &failure)),
    };
    let options = connect::source_options(&session.config);
    let (mut asked, mut lacking) = (Some(Vec::new()), Vec::new());
    for database in sources::layouts(&databases, &options, &session.cx).await {
        match database {
            Err(error) => {
                asked = None;
                checks.push(Check::failed(POSTGRES, "reachable", &Failure::from(error)));
            }
            Ok(database) => {
                // What could not be looked at is not gone.
                let is_known = database.sources.iter().all(|source| source.found.is_ok());
                asked = asked.filter(|_| is_known);
                if let Some(asked) = &mut asked {
                    asked.extend_from_slice(&database.asked);
                }
                for source in &database.sources {
                    lacking.extend_from_slice(&source.lacking);
                }
                layouts(database, checks);
            }
        }
    }
    if let Some(asked) = asked {
        footing::examine((&asked, &lacking), session, checks).await;
    }
}

fn layouts(database: DatabaseLayout, checks: &mut Vec<Check>) {
    if is_pooler(&database.place) {
        checks.push(Check::note(POSTGRES, "port", &database.place, POOLER));
    }
    checks.push(Check::ok(POSTGRES, "reachable", database.place));
    checks.push(Check::ok(POSTGRES, "version", database.version.to_string()));
    for source in database.sources {
        for lacking in &source.lacking {
            checks.push(Check::note(POSTGRES, source.name, lacking.to_string(), &lacking.hint()));
        }
        match source.found {
            Err(error) => checks.push(Check::failed(POSTGRES, source.name, &Failure::from(error))),
            Ok(None) if !source.lacking.is_empty() => {}
            Ok(None) => {
                let hint = format!(
                    "name its schema or tables in [sources.{}] where it has another shape",
                    source.name
                );
                checks.push(Check::note(POSTGRES, source.name, "no such layout in this database", &hint));
            }
            Ok(Some(found)) => {
                let mut said = vec![format!("schema {}", found.schema)];
                said.extend(found.notes);
                let mut missing = found.missing;
                let mut keys = missing
                    .first()
                    .map(|_| format!("[sources.{}]", source.name))
                    .into_iter()
                    .collect::<Vec<_>>();
                let lacks = |asked: &&ColumnAsked| {
                    asked.system == source.name && !asked.is_there && asked.tells_who_or_when()
                };
                for column in database.asked.iter().filter(lacks) {
                    missing.push(column.qualified());
                    keys.extend(column.key());
                }
                checks.push(if missing.is_empty() {
                    Check::ok(POSTGRES, source.name, said.join("; "))
                } else {
                    said.push(format!("not found: {}", missing.join(", ")));
                    let hint = format!(
                        "they count as empty; where they are called otherwise, name them: {}",
                        keys.join(", ")
                    );
                    Check::note(POSTGRES, source.name, said.join("; "), &hint)
                });
            }
        }
        for table in source.tables {
            let newest = table.newest.and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
            let newest = newest.map(|at| format!(", newest {at}")).unwrap_or_default();
            let without = Some(table.missing.join(", ")).filter(|m| !m.is_empty());
            let without = without.map(|m| format!(", without {m}")).unwrap_or_default();
            let renamed: Vec<String> =
                table.renamed.iter().map(|(logical, name)| format!("{logical} is `{name}`")).collect();
            let renamed = Some(renamed.join(", ")).filter(|r| !r.is_empty());
            let renamed = renamed.map(|r| format!(", {r}")).unwrap_or_default();
            let unstamped = Some(table.unstamped).filter(|rows| *rows > 0);
            let unstamped = unstamped.map(|rows| format!(", {rows} without a stamp")).unwrap_or_default();
            let found = format!("{} rows{newest}{unstamped}{renamed}{without}", table.rows);
            checks.push(Check::ok(POSTGRES, table.table, found));
        }
    }
}

fn print(checks: &[Check], format: Format, session: &Session) -> Result<(), Failure> {
    if format == Format::Json {
        for check in checks {
            let line =
                serde_json::to_string(check).map_err(|e| Failure::environment("cannot write JSON", e))?;
            session.printer.data(line)?;
        }
        return Ok(());
    }
    if format != Format::Table {
        let text = |of: fn(&Check) -> String| checks.iter().map(of).collect::<Vec<_>>();
        let frame = df!(
            "system" => text(|c| c.system.to_owned()),
            "check" => text(|c| c.what.clone()),
            "verdict" => text(|c| c.verdict.to_string()),
            "found" => text(|c| c.found.clone()),
            "hint" => checks.iter().map(|c| c.hint.clone()).collect::<Vec<_>>(),
        )
        .map_err(|error| Failure::environment("cannot tabulate the checks", error))?;
        return print_frame(&frame, format, session.printer);
    }
    let mut grid = Grid::new(&[
        ("", Align::Left),
        ("system", Align::Left),
        ("check", Align::Left),
        ("found", Align::Left),
    ]);
    for check in checks {
        let mark = match check.verdict {
            Verdict::Failed => "FAILED".to_owned(),
            verdict => verdict.to_string(),
        };
        let hint = check.hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        grid.row([&*mark, check.system, &check.what, &format!("{}{hint}", check.found)]);
    }
    Ok(session.printer.data(grid)?)
}
