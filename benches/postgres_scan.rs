//! A whole PostgreSQL table into columns: rows per second, our CPU and memory, beside those of a peer in the same run.
//!
//! `cargo bench --bench postgres_scan -- [ROWS] [--peer PYTHON]` (default 5,000,000 rows). The table is of its own making, in a
//! database of its own that is dropped at the end: `id` uuid, `at` timestamptz, `kind` text, `score` float8, `props` jsonb of
//! about 70 bytes, and `n` int, which only the peer's partitions need. Server: that of `SONOGRAPH_POSTGRES_URL`, else a private
//! one. `--peer` names a Python that has `connectorx` and `pyarrow`; `scripts/bench-postgres` sees to that. Runs alternate, so
//! that what else the machine does falls on all alike; the median of three is told. Not by criterion: one run takes seconds.
#![allow(clippy::print_stdout)] // a bench prints its figures

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sonograph::config::Config;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::sources::postgres::copy::{Pick, ScanOptions, TableName, scan_table};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const DATABASE: &str = "sonograph_bench_scan";
const RUNS: usize = 3;

/// Rows per second that two connections hold on five columns.
const BAR: f64 = 2.0e6;
/// How many times as fast as the peer that is.
const BAR_OVER_PEER: f64 = 3.0;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One run.
#[derive(Clone, Copy)]
struct Figures {
    rows_per_second: f64,
    cpu_seconds: f64,
    peak_mib: u64,
}

/// What is compared.
struct Case {
    name: String,
    columns: Vec<Pick>,
    connections: usize,
    /// Interpreter of the peer; ours where there is none.
    peer: Option<String>,
    runs: Vec<Figures>,
}

/// Peak resident memory of this process in MiB since the last call.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
    // Sets the mark back to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5").ok();
    kib / 1024
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted after the name, which may hold anything; ticks are hundredths of a second.
    let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>() as f64 / 100.0
}

impl Case {
    fn ours(what: &str, columns: &[Pick], connections: usize) -> Self {
        let name = format!("sonograph   {what:<18} {connections} connection(s)");
        Self { name, columns: columns.to_vec(), connections, peer: None, runs: Vec::new() }
    }

    fn peer(what: &str, columns: &[Pick], connections: usize, python: &str) -> Self {
        let name = format!("connectorx  {what:<18} {connections} partition(s)");
        Self { name, peer: Some(python.to_owned()), ..Self::ours(what, columns, connections) }
    }

    async fn run(&mut self, url: &str, rows: u64) -> Result<(), Failed> {
        let figures = match &self.peer {
            Some(python) => self.run_peer(python, url, rows)?,
            None => self.run_ours(url, rows).await?,
        };
        self.runs.push(figures);
        Ok(())
    }

    async fn run_ours(&self, url: &str, rows: u64) -> Result<Figures, Failed> {
        let options = ScanOptions { connections: self.connections, ..ScanOptions::default() };
        let table = TableName::new("public", "attendance");
        peak();
        let (began, before) = (Instant::now(), cpu());
        let scan = scan_table(url, &table, &self.columns, &options, &Context::silent()).await?;
        let seconds = began.elapsed().as_secs_f64();
        let figures =
            Figures { rows_per_second: rows as f64 / seconds, cpu_seconds: cpu() - before, peak_mib: peak() };
        // A small table is one part, which one connection reads.
        let connections = scan.report.parts.min(self.connections as u64);
        if scan.report.rows != rows || scan.report.connections != connections {
            return Err(
                format!("{rows} rows by {} were asked for: {:?}", self.connections, scan.report).into()
            );
        }
        Ok(figures)
    }

    fn run_peer(&self, python: &str, url: &str, rows: u64) -> Result<Figures, Failed> {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|pick| if let Pick::Column(name) = pick { name.as_str() } else { "n" })
            .collect();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/scan-with-connectorx.py");
        let answer = Command::new(python)
            .args([script, &self.connections.to_string(), &names.join(",")])
            .env("SCAN_URL", url)
            .output()?;
        if !answer.status.success() {
            return Err(format!("the peer failed: {}", String::from_utf8_lossy(&answer.stderr)).into());
        }
        let told: Value = serde_json::from_slice(&answer.stdout)?;
        let number = |key: &str| told[key].as_f64().unwrap_or_default();
        if number("rows") as u64 != rows {
            return Err(format!("the peer read {} rows of {rows}", number("rows")).into());
        }
        Ok(Figures {
            rows_per_second: rows as f64 / number("seconds"),
            cpu_seconds: number("cpu_seconds"),
            peak_mib: number("peak_mib") as u64,
        })
    }

    /// The run of middling speed.
    fn median(&self) -> Figures {
        let mut runs = self.runs.clone();
        runs.sort_unstable_by(|a, b| a.rows_per_second.total_cmp(&b.rows_per_second));
        runs[runs.len() / 2]
    }
}

async fn execute(url: &str, sql: &str) -> Result<(), Failed> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn fill(url: &str, rows: u64) -> Result<(), Failed> {
    let began = Instant::now();
    let sql = format!(
        "CREATE TABLE attendance (id uuid NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, score float8 NOT NULL,
           props jsonb NOT NULL, n int NOT NULL);
         INSERT INTO attendance SELECT md5(n::text)::uuid, timestamptz '2024-01-01Z' + n * interval '13.7 s',
           (ARRAY['attended', 'interested', 'viewed', 'shared'])[1 + n % 4], n / 7.0::float8,
           jsonb_build_object('src', (ARRAY['instagram', 'mail', 'direct'])[1 + n % 3], 'campaign', 'c' || n % 997, 'seat', n % 50000),
           n FROM generate_series(1, {rows}) AS n"
    );
    execute(url, &sql).await?;
    execute(url, "CREATE INDEX ON attendance (n)").await?;
    execute(url, "VACUUM (FREEZE, ANALYZE) attendance").await?;
    execute(url, "CHECKPOINT").await?;
    println!("{rows} rows made in {:.0} s", began.elapsed().as_secs_f64());
    // What was just written is still being put in order.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

async fn measure(url: &str, rows: u64, peer: Option<&str>) -> Result<(), Failed> {
    fill(url, rows).await?;
    let column = |name: &str| Pick::Column(name.to_owned());
    let four = ["id", "at", "kind", "score"].map(column);
    let five = ["id", "at", "kind", "score", "props"].map(column);
    let source = Pick::Json { column: "props".into(), path: vec!["src".into()], name: "src".into() };
    let projected: Vec<Pick> = four.iter().cloned().chain([source]).collect();
    let mut cases = Vec::new();
    for connections in [2, 1] {
        cases.push(Case::ours("5 columns, jsonb", &five, connections));
        cases.push(Case::ours("4 columns", &four, connections));
        if let Some(python) = peer {
            cases.push(Case::peer("5 columns, jsonb", &five, connections, python));
            cases.push(Case::peer("4 columns", &four, connections, python));
        }
    }
    cases.push(Case::ours("4 columns, props.src", &projected, 2));
    // A first read of each fills the caches of both sides.
    Case::ours("", &five, 2).run(url, rows).await?;
    for _ in 0..RUNS {
        for case in &mut cases {
            case.run(url, rows).await?;
        }
    }
    println!(
        "{:<47} {:>12} {:>10} {:>9}   rows/s of every run",
        "median of three", "rows/s", "client CPU", "peak MiB"
    );
    for case in &cases {
        let Figures { rows_per_second, cpu_seconds, peak_mib } = case.median();
        let all: Vec<String> =
            case.runs.iter().map(|run| format!("{:.2} M", run.rows_per_second / 1e6)).collect();
        println!(
            "{:<47} {rows_per_second:>12.0} {cpu_seconds:>8.2} s {peak_mib:>9}   {}",
            case.name,
            all.join(", ")
        );
    }
    let best = |peer: bool| {
        let of = cases.iter().filter(|case| case.columns == five && case.peer.is_some() == peer);
        of.map(|case| case.median().rows_per_second).fold(0.0, f64::max)
    };
    let two = cases[0].median().rows_per_second;
    let verdict = |holds: bool| if holds { "holds" } else { "FAILS" };
    println!(
        "5 columns, 2 connections: {:.2} M rows/s (bar: {:.1} M): {}",
        two / 1e6,
        BAR / 1e6,
        verdict(two >= BAR)
    );
    if peer.is_some() {
        let ratio = two / best(true);
        println!(
            "over the peer's best: {ratio:.1} times (bar: {BAR_OVER_PEER}): {}",
            verdict(ratio >= BAR_OVER_PEER)
        );
    }
    Ok(())
}

async fn work(server: &str, rows: u64, peer: Option<&str>) -> Result<(), Failed> {
    let mut url = url::Url::parse(server)?;
    url.set_path(DATABASE);
    let drop = format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)");
    execute(server, &drop).await?;
    execute(server, &format!("CREATE DATABASE {DATABASE}")).await?;
    let outcome = measure(url.as_str(), rows, peer).await;
    execute(server, &drop).await?;
    outcome
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let (mut rows, mut peer) = (5_000_000, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => peer = Some(arguments.next().ok_or("--peer names a Python")?),
            // Cargo gives benches a flag of its own.
            "--bench" => {}
            number => rows = number.parse().map_err(|_| format!("{number} is no number of rows"))?,
        }
    }
    // As the program itself does.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Ok(postgres) = Config::default().postgres_url() {
        return runtime.block_on(work(postgres.expose(), rows, peer.as_deref()));
    }
    let dir = tempfile::tempdir()?;
    let options = Options { dir: dir.path().to_owned(), fast: true };
    let guard = Guard::up(&options, &Context::silent())?;
    let postgres = guard.running().postgres_url.clone();
    let outcome = runtime.block_on(work(postgres.expose(), rows, peer.as_deref()));
    guard.stop()?;
    outcome
}
