//! A whole PostgreSQL table into columns: rows per second, our CPU and memory, beside those of a peer in the same run.
//!
//! `cargo bench --bench postgres_scan -- [ROWS] [--peer PYTHON]` (default 5,000,000 rows). The table is of its own making, in a
//! database of its own that is dropped at the end: `id` uuid, `at` timestamptz, `kind` text, `score` float8, `props` jsonb of
//! about 70 bytes, and `n` int, which only the peer's partitions need. Server: that of `SONOGRAPH_POSTGRES_URL`, else a private
//! one. `--peer` names a Python that has `connectorx` and `pyarrow`; `scripts/bench-postgres` sees to that. Runs alternate, so
//! that what else the machine does falls on all alike; the median of three is told. Not by criterion: one run takes seconds.
//!
//! Two more take the same statements on as many connections and tell what is the machine's from what is ours: the driver alone,
//! which drops the rows as they come, and the server alone, which writes them to its own `/dev/null` (where the role may): no
//! client is faster than that. The server's CPU is that of all its processes, where it runs on this machine.
#![allow(clippy::print_stdout)] // a bench prints its figures

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use serde_json::Value;
use sonograph::config::Config;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::sources::postgres::copy::{Pick, ScanOptions, TableName, scan_table};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const DATABASE: &str = "sonograph_bench_scan";
const RUNS: usize = 3;

/// Between the end of a run and the server's CPU being looked at: its processes end after their connections.
const SETTLE: Duration = Duration::from_millis(100);

/// Rows per second that two connections hold on five columns.
const BAR: f64 = 2.0e6;
/// How many times as fast as the peer that is.
const BAR_OVER_PEER: f64 = 3.0;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One run.
#[derive(Clone, Copy)]
struct Figures {
    rows_per_second: f64,
    /// Of whoever reads; `None` where nobody does.
    cpu_seconds: Option<f64>,
    /// Of the server, where it runs here.
    server_cpu_seconds: Option<f64>,
    peak_mib: Option<u64>,
}

/// Who takes the rows.
enum Reader {
    Ours,
    /// The peer, by its interpreter.
    Peer(String),
    /// The driver, and nobody keeps what it reads.
    Driver,
    /// The server writes to its own `/dev/null`.
    Server,
}

/// What is compared.
struct Case {
    name: String,
    columns: Vec<Pick>,
    connections: usize,
    reader: Reader,
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

/// Name, parent and CPU seconds of a process, and those of its children that have ended.
fn process(pid: &str) -> Option<(String, String, f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; ticks are hundredths of a second.
    let (before, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let seconds = |field: usize| fields.get(field)?.parse::<u64>().ok().map(|ticks| ticks as f64 / 100.0);
    let name = before.split_once('(')?.1.to_owned();
    let parent = (*fields.get(1)?).to_owned();
    Some((name, parent, seconds(11)? + seconds(12)?, seconds(13)? + seconds(14)?))
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    process("self").map_or(0.0, |(_, _, own, _)| own)
}

/// CPU seconds of a server by its first process, and of all it has started.
fn server_cpu(pid: &str) -> Option<f64> {
    let (_, _, own, ended) = process(pid)?;
    let running = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let (_, parent, own, _) = process(entry.file_name().to_str()?)?;
        (parent == pid).then_some(own)
    });
    Some(own + ended + running.sum::<f64>())
}

/// The first process of a server, where it runs here.
async fn server_pid(connection: &mut PgConnection) -> Result<Option<String>, Failed> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?;
    Ok(process(&pid.to_string()).filter(|(name, ..)| name == "postgres").map(|(_, parent, ..)| parent))
}

impl Case {
    fn new(who: &str, what: &str, columns: &[Pick], connections: usize, reader: Reader) -> Self {
        let name = format!("{who:<13} {what:<18} {connections} connection(s)");
        Self { name, columns: columns.to_vec(), connections, reader, runs: Vec::new() }
    }

    async fn run(&mut self, url: &str, rows: u64, server: Option<&str>) -> Result<(), Failed> {
        let before = server.and_then(server_cpu);
        let mut figures = match &self.reader {
            Reader::Ours => self.run_ours(url, rows).await?,
            Reader::Peer(python) => self.run_peer(python, url, rows)?,
            Reader::Driver | Reader::Server => self.run_alone(url, rows).await?,
        };
        tokio::time::sleep(SETTLE).await;
        let after = server.and_then(server_cpu);
        figures.server_cpu_seconds = after.zip(before).map(|(after, before)| after - before);
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
        let figures = Figures {
            rows_per_second: rows as f64 / seconds,
            cpu_seconds: Some(cpu() - before),
            server_cpu_seconds: None,
            peak_mib: Some(peak()),
        };
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
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/scan-with-connectorx.py");
        let answer = Command::new(python)
            .args([script, &self.connections.to_string(), &self.names()])
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
            cpu_seconds: Some(number("cpu_seconds")),
            server_cpu_seconds: None,
            peak_mib: Some(number("peak_mib") as u64),
        })
    }

    /// The statements of [`run_ours`](Self::run_ours), with nobody who keeps the rows.
    async fn run_alone(&self, url: &str, rows: u64) -> Result<Figures, Failed> {
        let size = ScanOptions::default().part_blocks;
        let mut connection = PgConnection::connect(url).await?;
        let blocks = "SELECT pg_relation_size('attendance') / current_setting('block_size')::int8";
        let blocks: i64 = sqlx::query_scalar(blocks).fetch_one(&mut connection).await?;
        connection.close().await?;
        let next = Arc::new(AtomicU64::new(0));
        let (began, before) = (Instant::now(), cpu());
        let mut team = tokio::task::JoinSet::new();
        let to = if matches!(self.reader, Reader::Server) { "'/dev/null'" } else { "STDOUT" };
        for _ in 0..self.connections {
            let (url, names, next) = (url.to_owned(), self.names(), Arc::clone(&next));
            team.spawn(async move {
                let mut connection = PgConnection::connect(&url).await?;
                loop {
                    let first = next.fetch_add(size, Ordering::Relaxed);
                    if first >= blocks as u64 {
                        return connection.close().await;
                    }
                    let sql = format!(
                        "COPY (SELECT {names} FROM ONLY attendance WHERE ctid >= '({first},0)'::tid AND ctid < '({},0)'::tid)
                         TO {to} (FORMAT binary)",
                        first + size
                    );
                    if to == "STDOUT" {
                        let mut bytes = connection.copy_out_raw(&sql).await?;
                        while bytes.try_next().await?.is_some() {}
                    } else {
                        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
                    }
                }
            });
        }
        while let Some(ended) = team.join_next().await {
            ended??;
        }
        Ok(Figures {
            rows_per_second: rows as f64 / began.elapsed().as_secs_f64(),
            cpu_seconds: (to == "STDOUT").then(|| cpu() - before),
            server_cpu_seconds: None,
            peak_mib: None,
        })
    }

    /// The columns as statements and the peer name them.
    fn names(&self) -> String {
        let name = |pick: &Pick| if let Pick::Column(name) = pick { name.clone() } else { "n".to_owned() };
        self.columns.iter().map(name).collect::<Vec<_>>().join(",")
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
    let mut connection = PgConnection::connect(url).await?;
    let may = "SELECT pg_has_role(current_user, 'pg_write_server_files', 'MEMBER')";
    let to_null: bool = sqlx::query_scalar(may).fetch_one(&mut connection).await?;
    let server = server_pid(&mut connection).await?;
    connection.close().await?;
    let mut cases = Vec::new();
    for connections in [2, 1] {
        for (what, columns) in [("5 columns, jsonb", &five[..]), ("4 columns", &four[..])] {
            let case = |who, reader| Case::new(who, what, columns, connections, reader);
            cases.push(case("sonograph", Reader::Ours));
            cases.extend(peer.map(|python| case("connectorx", Reader::Peer(python.to_owned()))));
            cases.push(case("driver alone", Reader::Driver));
            if to_null {
                cases.push(case("server alone", Reader::Server));
            }
        }
    }
    cases.push(Case::new("sonograph", "4 columns, props.src", &projected, 2, Reader::Ours));
    // A first read of each fills the caches of both sides.
    Case::new("", "", &five, 2, Reader::Ours).run(url, rows, None).await?;
    for _ in 0..RUNS {
        for case in &mut cases {
            case.run(url, rows, server.as_deref()).await?;
        }
    }
    println!(
        "{:<48} {:>9}  {:>18}  {:>18}  {:>8}   rows/s of every run",
        "median of three", "rows/s", "client CPU", "server CPU", "peak MiB"
    );
    let cpu = |seconds: Option<f64>| {
        let told = |seconds: f64| format!("{seconds:.2} s {:.2} µs/row", seconds / rows as f64 * 1e6);
        seconds.map_or("–".to_owned(), told)
    };
    for case in &cases {
        let Figures { rows_per_second, cpu_seconds, server_cpu_seconds, peak_mib } = case.median();
        let all: Vec<String> =
            case.runs.iter().map(|run| format!("{:.2} M", run.rows_per_second / 1e6)).collect();
        println!(
            "{:<48} {rows_per_second:>9.0}  {:>18}  {:>18}  {:>8}   {}",
            case.name,
            cpu(cpu_seconds),
            cpu(server_cpu_seconds),
            peak_mib.map_or("–".to_owned(), |mib| mib.to_string()),
            all.join(", ")
        );
    }
    let best = |of: fn(&Reader) -> bool, connections: &[usize]| {
        let cases = cases.iter().filter(|case| case.columns == five && of(&case.reader));
        let cases = cases.filter(|case| connections.contains(&case.connections));
        cases.map(|case| case.median().rows_per_second).fold(0.0, f64::max)
    };
    let two = best(|reader| matches!(reader, Reader::Ours), &[2]);
    let verdict = |holds: bool| if holds { "holds" } else { "FAILS" };
    println!(
        "5 columns, 2 connections: {:.2} M rows/s (bar: {:.1} M): {}",
        two / 1e6,
        BAR / 1e6,
        verdict(two >= BAR)
    );
    let ours = cases[0].median();
    if let Some((client, server)) = ours.cpu_seconds.zip(ours.server_cpu_seconds) {
        let (row, cores) = ((client + server) / rows as f64, std::thread::available_parallelism()?);
        println!(
            "a row costs {:.2} µs of CPU, client and server together: {cores} idle cores give {:.2} M rows/s at most",
            row * 1e6,
            cores.get() as f64 / row / 1e6
        );
    }
    let driver = best(|reader| matches!(reader, Reader::Driver), &[2]);
    println!("that is {:.0} % of the driver alone ({:.2} M rows/s)", two / driver * 100.0, driver / 1e6);
    if to_null {
        let server = best(|reader| matches!(reader, Reader::Server), &[2]);
        println!(
            "and {:.0} % of the server alone, which no reader exceeds ({:.2} M rows/s)",
            two / server * 100.0,
            server / 1e6
        );
    }
    if peer.is_some() {
        let ratio = two / best(|reader| matches!(reader, Reader::Peer(_)), &[1, 2]);
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
