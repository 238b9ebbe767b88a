//! The mirror of a whole city: rows per second and peak memory of each step, and how long others wait meanwhile.
//!
//! `cargo bench --bench mirror -- [PEOPLE]` (default 20,000; the figure to hold is that of 200,000 people and 2 million
//! touches). Servers: those of `SONOGRAPH_FALKORDB_URL` and `SONOGRAPH_POSTGRES_URL` where both are set, in a database and
//! graph of its own, else private ones. A probe reads one node of the graph over and over while it is written; what it
//! waited is printed beside the writes. In the end plans of `--incremental` and whole ones are made in turns after a day's changes,
//! and compared. Not by criterion: one run takes minutes, and its parts are what is asked for.
#![allow(clippy::print_stdout)] // a bench prints its figures

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use sonograph::config::Config;
use sonograph::context::{Context, return_large_blocks};
use sonograph::mirror::{self, ResolveOptions, Since, SweepGuard};
use sonograph::ontology::{Label, Relation};
use sonograph::services::{Guard, Options};
use sonograph::sources::falkordb::{Client, FalkorError, Params};
use sonograph::sources::synthetic::{self, GUEST, Guest, LoadOptions};
use sonograph::sources::{Databases, SourceOptions, read_facts, read_facts_since};
use sqlx::{Connection as _, PgConnection};

/// How long the probe rests between two questions.
const REST: Duration = Duration::from_millis(2);
const SEED: u64 = 7;
/// The part of the bench that the process which is given it does, on the database of the other variable.
const PART: &str = "SONOGRAPH_BENCH_PART";
const DATABASE: &str = "SONOGRAPH_BENCH_DATABASE";

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Resident memory of this process in bytes as `/proc` tells it: `VmHWM` the peak since the last [`mark`], `VmRSS` now.
fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0) * 1024
}

/// Sets the peak back to what is resident now.
fn mark() {
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

const MIB: f64 = 1024.0 * 1024.0;

/// What batches, pages and buffers of rows may take, however many rows there are.
const BATCHES: u64 = 64 << 20;

/// Tells how each step went.
struct Steps {
    /// Resident before the first.
    start: u64,
    worst: u64,
}

impl Steps {
    fn begin() -> Self {
        mark();
        println!(
            "{:<10} {:>10} {:<8} {:>10} {:>13} {:>22}",
            "step", "", "", "time", "rate", "peak above the start"
        );
        Self { start: resident("VmRSS"), worst: 0 }
    }

    fn told(&mut self, step: &str, what: &str, count: u64, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        let above = resident("VmHWM").saturating_sub(self.start);
        self.worst = self.worst.max(above);
        println!(
            "{step:<10} {count:>10} {what:<8} {seconds:>8.2} s {:>10.0} /s {:>18.1} MiB",
            count as f64 / seconds,
            above as f64 / MIB
        );
        mark();
    }

    /// What was used in the worst step, and what may be.
    fn end(&self, (nodes, edges): (u64, u64)) {
        let keys = 64 * nodes + 32 * edges;
        println!(
            "peak above the start: measured {:.1} MiB; bar {:.1} MiB, of which keys (64 B a node, 32 B an edge) {:.1}, batches {:.1}",
            self.worst as f64 / MIB,
            (keys + BATCHES) as f64 / MIB,
            keys as f64 / MIB,
            BATCHES as f64 / MIB
        );
    }
}

/// What a reader of the graph waited, in milliseconds, until it was told to stop.
async fn probe(url: String, stop: Arc<AtomicBool>) -> Result<Vec<f64>, FalkorError> {
    let mut client = Client::connect(&url).await?;
    let mut waited = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        match client.ro_query(GUEST, "MATCH (n:Person) RETURN n.uid LIMIT 1", &Params::new()).await {
            Ok(_) => waited.push(began.elapsed().as_secs_f64() * 1e3),
            Err(FalkorError::NoGraph { .. }) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(REST).await;
    }
    waited.sort_unstable_by(f64::total_cmp);
    Ok(waited)
}

async fn work(people: usize, postgres: &str, falkordb: &str) -> Result<(), Failed> {
    let guest = Guest::arrive(postgres, falkordb).await?;
    let outcome = measure(people, guest.postgres_url(), falkordb);
    guest.leave().await?;
    outcome
}

/// Makes the city and loads it.
async fn load(people: usize, postgres: &str) -> Result<(), Failed> {
    let cx = Context::silent();
    let city = synthetic::generate(people, SEED, &cx)?;
    println!("{people} people, {} touches", city.touchpoints.touches.len());
    synthetic::load(&city, postgres, LoadOptions::default(), &cx).await?;
    Ok(())
}

/// Every part by a process of its own: what one took would be there for the taking, and the next not seem to need it.
fn measure(people: usize, postgres: &str, falkordb: &str) -> Result<(), Failed> {
    for part in ["load", "run", "again", "compare"] {
        let mut process = Command::new(std::env::current_exe()?);
        process.arg(people.to_string()).env(PART, part).env(DATABASE, postgres);
        if !process.env("SONOGRAPH_FALKORDB_URL", falkordb).status()?.success() {
            return Err(format!("{part} failed").into());
        }
    }
    Ok(())
}

/// What a process was started for.
async fn do_part(part: &str, people: usize, postgres: &str) -> Result<(), Failed> {
    if part == "load" {
        return load(people, postgres).await;
    }
    // As the command does.
    return_large_blocks();
    let falkordb = Config::default().falkordb_url().map_err(|_| "the part is told no server")?;
    let falkordb = falkordb.expose();
    let cx = Context::silent();
    let mut client = Client::connect(falkordb).await?;
    println!("{part}");
    let mut steps = Steps::begin();
    if part == "compare" {
        return compare(&mut client, postgres, &mut steps, &cx).await;
    }
    let (written, size) = run(&mut client, postgres, falkordb, &mut steps, &cx).await?;
    steps.end(size);
    if (written == 0) == (part == "again") {
        Ok(())
    } else {
        Err(format!("{written} rows were written").into())
    }
}

/// One run as `mirror apply` does it: how many rows it wrote, and how many nodes and edges there are.
async fn run(
    client: &mut Client,
    postgres: &str,
    falkordb: &str,
    steps: &mut Steps,
    cx: &Context,
) -> Result<(u64, (u64, u64)), Failed> {
    let began = Instant::now();
    let facts = read_facts(&Databases::one(postgres), &SourceOptions::default(), cx).await?;
    steps.told("read", "rows", facts.read.iter().map(|table| table.rows).sum(), began);

    let began = Instant::now();
    let current = mirror::read_graph(client, GUEST, cx).await?;
    let kept = mirror::kept_uids(&current)?;
    steps.told("read graph", "rows", (current.node_count() + current.edge_count()) as u64, began);

    let began = Instant::now();
    let resolved = mirror::resolve(&facts, &ResolveOptions { kept, ..ResolveOptions::default() })?;
    drop(facts);
    let nodes: usize = Label::ALL.iter().map(|label| resolved.node_count(*label)).sum();
    let edges: usize = Relation::ALL.iter().map(|relation| resolved.edge_count(*relation)).sum();
    let rows = (nodes + edges) as u64;
    steps.told("resolve", "rows", rows, began);

    let began = Instant::now();
    let mut plan = mirror::plan(&resolved, &current)?;
    SweepGuard::default().hold_back(&mut plan)?;
    steps.told("plan", "rows", rows, began);
    let began = Instant::now();
    let summary = plan.summary()?;
    let changes = summary.nodes.values().chain(summary.edges.values()).map(|counts| counts.total()).sum();
    steps.told("tell", "changes", changes, began);

    let stop = Arc::new(AtomicBool::new(false));
    let probing = tokio::spawn(probe(falkordb.to_owned(), Arc::clone(&stop)));
    let began = Instant::now();
    let applied = mirror::apply(client, GUEST, &plan, cx).await;
    stop.store(true, Ordering::Relaxed);
    let waited = probing.await??;
    let applied = applied?;
    steps.told("apply", "rows", applied.rows, began);
    println!(
        "           {} batches, the longest {:.0} ms; {} reads beside them: median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms (bar: 250)",
        applied.batches,
        applied.longest_batch_ms,
        waited.len(),
        waited.get(waited.len() / 2).copied().unwrap_or_default(),
        waited.get(waited.len() * 99 / 100).copied().unwrap_or_default(),
        waited.last().copied().unwrap_or_default(),
    );
    Ok((applied.rows, (nodes as u64, edges as u64)))
}

/// What a day of the city changes: somebody new comes, somebody known comes back, and touches are taken back.
const A_DAY: &str = "SET search_path = sonik_web;
    INSERT INTO tracks (id, received_at, \"timestamp\", anonymous_id, event)
      SELECT 'new-' || n, now(), now(), 'new-' || n, 'event_viewed' FROM generate_series(1, 100) n;
    INSERT INTO tracks (id, received_at, \"timestamp\", anonymous_id, user_id, event)
      SELECT 'again-' || id, now(), now(), anonymous_id, user_id, event FROM tracks WHERE event = 'event_viewed' ORDER BY id LIMIT 100;
    INSERT INTO event_viewed (id, received_at, \"timestamp\", event_id)
      SELECT id, now(), now(), (SELECT min(event_id) FROM event_viewed) FROM tracks WHERE id LIKE 'new-%' OR id LIKE 'again-%';
    DELETE FROM tracks WHERE id IN (SELECT id FROM tracks WHERE event = 'event_attended' ORDER BY id LIMIT 20)";

/// Plans after a day's changes, by reading everything and by reading what may have changed, in turns.
async fn compare(client: &mut Client, postgres: &str, steps: &mut Steps, cx: &Context) -> Result<(), Failed> {
    const TURNS: usize = 3;
    let position =
        read_facts_since(&Databases::one(postgres), &SourceOptions::default(), None, cx).await?.position?;
    let mut database = PgConnection::connect(postgres).await?;
    sqlx::raw_sql(A_DAY).execute(&mut database).await?;
    let since = Since { position, overlap: SignedDuration::from_mins(5) };
    let mut took = [const { Vec::new() }; 2];
    let mut digests = BTreeSet::new();
    for turn in 0..2 * TURNS {
        let which = turn % 2;
        let began = Instant::now();
        let since = (which == 1).then(|| Ok(since.clone()));
        let (databases, sources) = (Databases::one(postgres), SourceOptions::default());
        let graph = (&mut *client, GUEST);
        let read =
            mirror::read_since(graph, &databases, &sources, &ResolveOptions::default(), since, cx).await?;
        let summary = mirror::plan(&read.resolved, &read.current)?.summary()?;
        if let Some(reason) = read.extent.as_ref().and_then(|extent| extent.whole.as_ref()) {
            return Err(format!("everything was read: {reason}").into());
        }
        let rows = read.extent.map_or(0, |extent| extent.skipped);
        steps.told(["whole", "since"][which], "unread", rows, began);
        took[which].push(began.elapsed().as_secs_f64());
        digests.insert(summary.digest);
    }
    let [whole, since] = took.map(|mut took| {
        took.sort_unstable_by(f64::total_cmp);
        took[TURNS / 2]
    });
    println!(
        "a plan of what may have changed takes {:.2} of a whole one (medians of {TURNS}, in turns)",
        since / whole
    );
    if digests.len() == 1 { Ok(()) } else { Err("the plans are not the same".into()) }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    // Cargo gives benches a flag of its own.
    let people = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    if let (Ok(part), Ok(postgres)) = (std::env::var(PART), std::env::var(DATABASE)) {
        return do_part(&part, people, &postgres).await;
    }
    let config = Config::default();
    if let (Ok(falkordb), Ok(postgres)) = (config.falkordb_url(), config.postgres_url()) {
        return work(people, postgres.expose(), falkordb.expose()).await;
    }
    let dir = tempfile::tempdir()?;
    let options = Options { dir: dir.path().to_owned(), fast: true };
    let guard = Guard::up(&options, &Context::silent())?;
    let (falkordb, postgres) = (guard.running().falkordb_url.clone(), guard.running().postgres_url.clone());
    let outcome = work(people, postgres.expose(), falkordb.expose()).await;
    guard.stop()?;
    outcome
}
