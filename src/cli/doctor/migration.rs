//! `sonograph doctor migration`: is a database that was moved really the same one?

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{Failure, Outcome, Session, Verdict as Plain};
use crate::cli::connect;
use crate::config::{ConfigError, SecretUrl};
use crate::context::Unfinished;
use crate::sources::postgres::Session as Database;
use crate::sources::postgres::client::{POOLER, is_pooler};
use crate::sources::postgres::migration::{self, Check, Scope, Status, Verdict};
use crate::sources::{self, Databases, SourceError};
use crate::terminal::{Align, Grid};

#[derive(Debug, Args)]
#[command(
    after_help = "Compares everything a database is made of, and every row by an order-free checksum; writes to neither \
    side.\n\nStop all writers first. Exits 1 where one check fails: a warning alone does not. Give addresses as \
    `env:NAME` and no password stands in the list of processes:\n  \
    sonograph doctor migration --from env:OLD_URL --to env:NEW_URL --out verdict"
)]
pub(in crate::cli) struct MigrationArgs {
    /// Where the data comes from: a libpq URL, or env:NAME for the one in that variable
    #[arg(long, value_name = "DSN")]
    from: SecretString,
    /// Where it went
    #[arg(long, value_name = "DSN")]
    to: SecretString,
    /// Look at this schema only (repeatable) [default: all but the system's own]
    #[arg(long = "schema", value_name = "NAME")]
    schemas: Vec<String>,
    /// How the verdict is shown [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Shown>,
    /// Also write verdict.md and verdict.json into this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// Aligned text for people
    Table,
    /// One JSON object
    Json,
    /// A page for a ticket
    Md,
}

pub(super) fn run(args: &MigrationArgs, session: &Session) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let (from, to) = (address(&args.from, "--from")?, address(&args.to, "--to")?);
    if let Some(out) = &args.out {
        refuse_foreign(out)?;
    }
    let scope = Scope { schemas: args.schemas.clone() };
    let verdict = session.block_on(examine(&from, &to, &scope, session))??;
    session.cx.check()?;
    let usual = if std::io::stdout().is_terminal() { Shown::Table } else { Shown::Json };
    match args.format.unwrap_or(usual) {
        Shown::Table => session.printer.data(grid(&verdict))?,
        Shown::Json => session.printer.data(to_json(&verdict)?)?,
        Shown::Md => session.printer.data(verdict.markdown().trim_end())?,
    }
    if let Some(out) = &args.out {
        save(&verdict, out, began.elapsed(), session)?;
        session.printer.note(format_args!("{} written", out.join("verdict.md").display()));
    }
    session.printer.note(verdict.summary());
    Ok(if verdict.passed() { Outcome::Done } else { Outcome::AnswerIsNo })
}

const NAMED: &str = "OLD=postgresql://user:password@host:5432/database in the environment, and env:OLD here";

const REACH: &str = "check host and port, that the server runs, and that it listens on that address and no firewall is in between";

/// The URL that a flag gives or names; never shown.
fn address(given: &SecretString, flag: &str) -> Result<SecretString, Failure> {
    match given.expose_secret().strip_prefix("env:") {
        Some(name) => {
            let url = SecretUrl::from_env(name, "PostgreSQL").map_err(|e| {
                let unset = matches!(e, ConfigError::MissingUrl { .. });
                let failure = Failure::from(e).during(format!("cannot use {flag}"));
                if unset { failure.with_hint(NAMED) } else { failure }
            })?;
            Ok(url.expose().to_owned().into())
        }
        None if !given.expose_secret().contains("://") => {
            Err(Failure::input(format!("cannot use {flag}: it is no URL")).with_hint(NAMED))
        }
        None => Ok(given.clone()),
    }
}

async fn examine(
    from: &SecretString,
    to: &SecretString,
    scope: &Scope,
    session: &Session,
) -> Result<Verdict, Failure> {
    let cx = &session.cx;
    let open = async |url: &SecretString, flag: &str| {
        Database::open(url.expose_secret()).await.map_err(|error| {
            // A private server would be neither of the two.
            let closed = matches!(&error, SourceError::Unreachable { place, .. } if !is_pooler(place));
            let failure = Failure::from(error).during(format!("cannot look at {flag}"));
            if closed { failure.with_hint(REACH) } else { failure }
        })
    };
    // Both transactions begin before anything is read, so that both sides are of about the same moment.
    let (mut left, mut right) = (open(from, "--from").await?, open(to, "--to").await?);
    for side in [&left, &right] {
        if is_pooler(side.place()) {
            session.printer.warn(format_args!("{}: {POOLER}", side.place()));
        }
    }
    let from_side = migration::survey(&mut left, scope, "from", cx).await?;
    left.close().await;
    let to_side = migration::survey(&mut right, scope, "to", cx).await?;
    right.close().await;
    if from_side.fingerprint == to_side.fingerprint {
        return Err(Failure::input(format!("--from and --to are one database, {}", to_side.place))
            .with_hint("a database always agrees with itself; name the old one and the new one"));
    }
    let mut services = layouts(from, to, session).await?;
    services.extend(graph(session).await);
    Ok(migration::compare(&from_side, &to_side, services))
}

async fn layouts(from: &SecretString, to: &SecretString, session: &Session) -> Result<Vec<Check>, Failure> {
    let options = connect::source_options(&session.config);
    let mut found = Vec::new();
    for url in [from, to] {
        for layout in sources::layouts(&Databases::one(url.expose_secret()), &options, &session.cx).await {
            found.push(layout?);
        }
    }
    Ok(match found.as_slice() {
        [from, to] => migration::compare_services(from, to),
        _ => unreachable!("one URL is one database"),
    })
}

/// The graph that is made of the moved data, where one is configured.
async fn graph(session: &Session) -> Vec<Check> {
    if matches!(session.config.falkordb_url(), Err(ConfigError::MissingUrl { .. })) {
        return Vec::new();
    }
    let mut checks = Vec::new();
    super::falkordb(session, &mut checks).await;
    let told = checks.into_iter().map(|check| {
        let status = match check.verdict {
            Plain::Ok => Status::Ok,
            Plain::Note => Status::Warn,
            Plain::Failed => Status::Fail,
        };
        let told = Check::new(format!("service FalkorDB, {}", check.what), status, check.found);
        match check.hint {
            Some(hint) => told.hint(hint),
            None => told,
        }
    });
    told.collect()
}

fn grid(verdict: &Verdict) -> Grid {
    let mut grid = Grid::new(&[
        ("", Align::Left),
        ("check", Align::Left),
        ("found", Align::Left),
        ("hint", Align::Left),
    ]);
    grid.row(["", "from", &verdict.from, ""]);
    grid.row(["", "to", &verdict.to, ""]);
    for check in &verdict.checks {
        grid.row([
            check.status.word(),
            &check.check,
            &check.found,
            check.hint.as_deref().unwrap_or_default(),
        ]);
    }
    grid
}

fn to_json(verdict: &Verdict) -> Result<String, Failure> {
    serde_json::to_string_pretty(verdict).map_err(|e| Failure::environment("cannot write JSON", e))
}

const PAGE: &str = "verdict.md";
const DATA: &str = "verdict.json";

/// Only a folder of our own is replaced.
fn refuse_foreign(out: &Path) -> Result<(), Failure> {
    let empty = || out.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !out.exists() || out.join(DATA).is_file() || empty() {
        return Ok(());
    }
    Err(Failure::input(format!("`{}` holds something else than a verdict", out.display()))
        .with_hint("name another folder with --out"))
}

fn save(verdict: &Verdict, out: &Path, took: Duration, session: &Session) -> Result<(), Failure> {
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        fs_err::remove_dir_all(&partial)?;
    }
    fs_err::create_dir_all(&partial)?;
    let _unfinished = Unfinished(&partial);
    let run = json!({
        "finished": jiff::Timestamp::now().to_string(),
        "took_ms": took.as_secs_f64() * 1e3,
        "threads": session.cx.threads,
        "tool": concat!("sonograph ", env!("CARGO_PKG_VERSION")),
    });
    fs_err::write(partial.join(PAGE), verdict.markdown())?;
    fs_err::write(partial.join(DATA), to_json(verdict)? + "\n")?;
    fs_err::write(partial.join("run.json"), format!("{run:#}\n"))?;
    if out.exists() {
        fs_err::remove_dir_all(out)?;
    }
    Ok(fs_err::rename(&partial, out)?)
}
