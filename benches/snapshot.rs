//! A whole graph out of a server: nodes and edges per second, our CPU beside the server's, and how long others wait.
//!
//! `cargo bench --bench snapshot -- [EDGES] [--peer PYTHON]` (default 10,000,000, with 1.3 million nodes), each edge with a time
//! and a weight, ends of power-law degrees; `scripts/bench-snapshot` gives it a Python with FalkorDB's client, which is measured in
//! the same way after us. Server: that of `SONOGRAPH_FALKORDB_URL`, in a graph of its own that is deleted at the end, else a
//! private one. Loading it stops a server for a second at a time, so give it one that nobody needs. First a reading alone, then
//! readings beside a writer of ten changes a second and a probe, each after as long a time with both and no reading. Not by
//! criterion: one run takes a minute.
#![allow(clippy::print_stdout)] // a bench prints its figures

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use redis::Connection;
use sonograph::config::Config;
use sonograph::context::{Bar, Cancel, Context, Progress};
use sonograph::services::{Guard, Options};
use sonograph::sources::falkordb::{Client, Scanned, scan_typed};

const GRAPH: &str = "bench_snapshot";
const ROUNDS: usize = 2;
/// The longest time that the probe runs without a reading.
const CONTROL: Duration = Duration::from_secs(20);
const NODES_PER_CALL: u64 = 250_000;
const EDGES_PER_CALL: u64 = 500_000;

/// Share of all nodes and of all edges, in thousandths.
const LABELS: [(&str, u64); 5] =
    [("Person", 755), ("Event", 151), ("Content", 75), ("Venue", 15), ("Organization", 4)];
const RELATIONS: [(&str, u64); 5] =
    [("ATTENDED", 400), ("KNOWS", 300), ("VIEWED", 200), ("MEMBER_OF", 80), ("HELD_AT", 20)];

/// What is to be held: rows per second, our CPU in parts of the server's, and milliseconds that others wait.
const NODES_BAR: f64 = 550_000.0;
const EDGES_BAR: f64 = 450_000.0;
const CPU_BAR: f64 = 0.12;
const WAIT_BAR: f64 = 30.0;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Seconds of CPU that the server used.
fn server_cpu(connection: &mut Connection) -> f64 {
    let told: String = redis::cmd("INFO").arg("cpu").query(connection).unwrap_or_default();
    let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    of("used_cpu_user:").unwrap_or(0.0) + of("used_cpu_sys:").unwrap_or(0.0)
}

/// Seconds of CPU that this process used.
fn our_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted after the name, which may hold anything; ticks are hundredths of a second.
    let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>() as f64 / 100.0
}

/// Seconds, and CPU seconds of ours and of the server's.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    seconds: f64,
    ours: f64,
    theirs: f64,
}

impl Used {
    fn plus(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            ours: self.ours + other.ours,
            theirs: self.theirs + other.theirs,
        }
    }
}

/// Measures every step of a reading by its title: from the socket to the columns.
#[derive(Clone, Default)]
struct Meter {
    server: Arc<Mutex<Option<Connection>>>,
    steps: Arc<Mutex<BTreeMap<String, Used>>>,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

struct Metered {
    meter: Meter,
    title: String,
    began: Instant,
    ours: f64,
    theirs: f64,
}

impl Meter {
    fn theirs(&self) -> f64 {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.as_mut().map_or(0.0, server_cpu)
    }

    fn take(&self) -> BTreeMap<String, Used> {
        std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress for Meter {
    fn begin(&self, title: &str, _: Option<u64>) -> Box<dyn Bar> {
        let (meter, title, theirs) = (self.clone(), title.to_owned(), self.theirs());
        Box::new(Metered { meter, title, theirs, ours: our_cpu(), began: Instant::now() })
    }
}

impl Bar for Metered {
    fn set(&self, _: u64, _: Option<u64>) {}

    fn end(&self) {
        let used = Used {
            seconds: self.began.elapsed().as_secs_f64(),
            ours: our_cpu() - self.ours,
            theirs: self.meter.theirs() - self.theirs,
        };
        self.meter.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(self.title.clone(), used);
    }
}

/// A part of `GRAPH.BULK`: what it is called, its properties, and its rows as the server's importer takes them.
struct Token(Vec<u8>);

impl Token {
    fn of(name: &str, properties: &[&str]) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(&(properties.len() as u32).to_le_bytes());
        for property in properties {
            bytes.extend_from_slice(property.as_bytes());
            bytes.push(0);
        }
        Self(bytes)
    }

    fn text(&mut self, text: &str) {
        self.0.push(3);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    fn integer(&mut self, number: i64) {
        self.0.push(4);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn float(&mut self, number: f64) {
        self.0.push(2);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn send(&self, server: &mut Connection, nodes: u64, edges: u64, begin: bool) -> Result<(), Failed> {
        let mut command = redis::cmd("GRAPH.BULK");
        command.arg(GRAPH);
        if begin {
            command.arg("BEGIN");
        }
        command.arg(nodes).arg(edges).arg(u8::from(nodes > 0)).arg(u8::from(edges > 0)).arg(&self.0);
        Ok(command.exec(server)?)
    }
}

/// A node, the first of them most often.
fn end(rng: &mut impl Rng, nodes: u64) -> u64 {
    let uniform: f64 = rng.random();
    ((uniform.powf(2.5) * nodes as f64) as u64).min(nodes - 1)
}

/// Loads the graph: how many nodes and edges it has.
fn load(server: &mut Connection, edges: u64) -> Result<(u64, u64), Failed> {
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(7);
    let (began, mut nodes) = (Instant::now(), 0);
    for (label, share) in LABELS {
        let mut left = (edges * 1_325 / 10_000 * share / 1_000).max(1);
        while left > 0 {
            let count = left.min(NODES_PER_CALL);
            let mut token = Token::of(label, &["uid", "name", "gen", "created", "rating", "reach"]);
            for _ in 0..count {
                token.text(&format!("{label}-{:016x}", rng.random::<u64>()));
                token.text(&format!("{label} number {nodes}"));
                token.integer(1);
                token.integer(1_700_000_000_000 + nodes as i64 * 977);
                token.float(rng.random());
                token.float(f64::from(rng.random_range(0..100_000)) / 7.0);
                nodes += 1;
            }
            token.send(server, count, 0, nodes == count)?;
            left -= count;
        }
    }
    let mut all = 0;
    for (relation, share) in RELATIONS {
        let mut left = edges * share / 1_000;
        while left > 0 {
            let count = left.min(EDGES_PER_CALL);
            let mut token = Token::of(relation, &["timestamp", "weight"]);
            for _ in 0..count {
                token.0.extend_from_slice(&end(&mut rng, nodes).to_le_bytes());
                token.0.extend_from_slice(&end(&mut rng, nodes).to_le_bytes());
                token.integer(1_700_000_000_000 + rng.random_range(0..40_000_000_000));
                token.float(f64::from(rng.random_range(0..1_000)) / 8.0);
            }
            token.send(server, 0, count, false)?;
            (all, left) = (all + count, left - count);
        }
    }
    println!("{nodes} nodes and {all} edges loaded in {:.0} s", began.elapsed().as_secs_f64());
    Ok((nodes, all))
}

/// Milliseconds that a probe waited for the answer to `PING`.
#[derive(Debug, Clone, Default)]
struct Waits(Vec<f64>);

impl Waits {
    fn add(&mut self, more: Self) {
        self.0.extend(more.0);
        self.0.sort_unstable_by(f64::total_cmp);
    }

    fn quantile(&self, part: f64) -> f64 {
        let at = ((self.0.len() as f64 * part) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(0.0)
    }

    fn told(&self, what: &str) {
        println!(
            "{what:<28} PING p50 {:>6.2} ms, p99 {:>6.2} ms, p99.9 {:>6.2} ms, max {:>6.2} ms of {}",
            self.quantile(0.5),
            self.quantile(0.99),
            self.quantile(0.999),
            self.quantile(1.0),
            self.0.len()
        );
    }

    fn told_against(&self, what: &str, control: &Self) {
        self.told(what);
        let (high, more) = (self.quantile(0.999), self.quantile(1.0) - control.quantile(1.0));
        println!("  p99.9 {high:.1} ms  {} ({WAIT_BAR} ms)", verdict(high <= WAIT_BAR));
        println!("  max {more:+.1} ms against no reading  {} ({WAIT_BAR} ms)", verdict(more <= WAIT_BAR));
    }
}

/// Somebody who changes ten nodes a second, and somebody who asks whether the server answers.
struct Others {
    over: Arc<AtomicBool>,
    probe: std::thread::JoinHandle<Waits>,
}

impl Others {
    /// What came of `work`, and how long the probe waited meanwhile.
    async fn end_after<T>(self, work: impl Future<Output = T>) -> Result<(T, Waits), Failed> {
        let outcome = work.await;
        self.over.store(true, Ordering::Relaxed);
        Ok((outcome, self.probe.join().map_err(|_| "the probe died")?))
    }
}

fn others(url: &str, nodes: u64) -> Result<Others, Failed> {
    let server = redis::Client::open(url)?;
    let (mut writer, mut probe) = (server.get_connection()?, server.get_connection()?);
    let over = Arc::new(AtomicBool::new(false));
    let writing = Arc::clone(&over);
    std::thread::spawn(move || {
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(11);
        while !writing.load(Ordering::Relaxed) {
            let id = rng.random_range(0..nodes);
            let change = format!("CYPHER id={id} MATCH (n) WHERE id(n) = $id SET n.reach = n.reach + 1");
            let _: Result<redis::Value, _> =
                redis::cmd("GRAPH.QUERY").arg(GRAPH).arg(change).query(&mut writer);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let asking = Arc::clone(&over);
    let probe = std::thread::spawn(move || {
        let mut waits = Waits::default();
        while !asking.load(Ordering::Relaxed) {
            let began = Instant::now();
            if redis::cmd("PING").exec(&mut probe).is_ok() {
                waits.0.push(began.elapsed().as_secs_f64() * 1e3);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        waits.add(Waits::default());
        waits
    });
    Ok(Others { over, probe })
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

/// What nodes and edges took of a reading beside which nobody did anything.
fn told_alone(steps: [(Used, u64); 2]) {
    for ((used, count), (what, bar)) in steps.iter().zip([("nodes", NODES_BAR), ("edges", EDGES_BAR)]) {
        let (rate, each) = (*count as f64 / used.seconds, 1e6 / *count as f64);
        println!("  {what}/s {rate:>10.0}  {} ({bar:.0})", verdict(rate >= bar));
        println!(
            "  {what}: server {:.2} µs, client {:.2} µs each = {:.1} %",
            used.theirs * each,
            used.ours * each,
            used.ours / used.theirs * 100.0
        );
    }
    let all = steps[0].0.plus(steps[1].0);
    let share = all.ours / all.theirs;
    println!(
        "  client CPU from socket to columns {:.1} % of the server's  {} ({:.0} %)",
        share * 100.0,
        verdict(share <= CPU_BAR),
        CPU_BAR * 100.0
    );
}

/// A reading by FalkorDB's Python client, in a process of its own.
struct Peer {
    nodes: Used,
    edges: Used,
    longest_page_ms: f64,
}

impl Peer {
    async fn read(python: &str, url: &str, nodes: u64, edges: u64) -> Result<Self, Failed> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/scan-with-falkordb.py");
        let named = |names: [(&str, u64); 5]| names.map(|(name, _)| name).join(",");
        let mut command = Command::new(python);
        command
            .args([script, GRAPH, &nodes.to_string(), &named(LABELS), &named(RELATIONS)])
            .env("SCAN_URL", url);
        let answer = tokio::task::spawn_blocking(move || command.output()).await??;
        if !answer.status.success() {
            return Err(format!("the peer failed: {}", String::from_utf8_lossy(&answer.stderr)).into());
        }
        let told: serde_json::Value = serde_json::from_slice(&answer.stdout)?;
        let found = [&told["nodes"]["rows"], &told["edges"]["rows"]].map(serde_json::Value::as_u64);
        if found != [Some(nodes), Some(edges)] {
            return Err(format!("the peer read {found:?} instead of {nodes} nodes and {edges} edges").into());
        }
        let used = |what: &str| {
            let number = |key: &str| told[what][key].as_f64().unwrap_or_default();
            Used { seconds: number("seconds"), ours: number("ours"), theirs: number("theirs") }
        };
        let longest = |what: &str| told[what]["longest_ms"].as_f64().unwrap_or_default();
        let longest_page_ms = longest("nodes").max(longest("edges"));
        Ok(Self { nodes: used("nodes"), edges: used("edges"), longest_page_ms })
    }
}

fn whole(scanned: &Scanned, nodes: u64, edges: u64) -> Result<(), Failed> {
    let found = (scanned.tables.node_count() as u64, scanned.tables.edge_count() as u64);
    if found != (nodes, edges) {
        return Err(format!("read {found:?} instead of {nodes} nodes and {edges} edges").into());
    }
    Ok(())
}

async fn measure(url: &str, edges: u64, peer: Option<&str>) -> Result<(), Failed> {
    let mut server = redis::Client::open(url)?.get_connection()?;
    let (nodes, edges) = load(&mut server, edges)?;
    let meter = Meter::default();
    *meter.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    let cx = Context::new(Arc::new(meter.clone()), Cancel::default(), 0, 2);
    let mut client = Client::connect(url).await?;

    let (began, ours) = (Instant::now(), our_cpu());
    let scanned = scan_typed(&mut client, GRAPH, &cx).await?;
    let (seconds, ours) = (began.elapsed(), our_cpu() - ours);
    whole(&scanned, nodes, edges)?;
    println!(
        "alone: {:.1} s, {ours:.1} s of our CPU with the order of all rows; {} pages",
        seconds.as_secs_f64(),
        scanned.pages
    );
    let mut steps = meter.take();
    let of_nodes = steps.remove("read nodes").unwrap_or_default();
    let of_edges = steps.values().fold(Used::default(), |all, step| all.plus(*step));
    told_alone([(of_nodes, nodes), (of_edges, edges)]);

    let (mut with, mut without) = (Waits::default(), Waits::default());
    for _ in 0..ROUNDS {
        without.add(others(url, nodes)?.end_after(tokio::time::sleep(seconds.min(CONTROL))).await?.1);
        let (scanned, waits) = others(url, nodes)?.end_after(scan_typed(&mut client, GRAPH, &cx)).await?;
        with.add(waits);
        let scanned = scanned?;
        whole(&scanned, nodes, edges)?;
        println!("beside a writer: {} pages, the longest {:.1} ms", scanned.pages, scanned.longest_page_ms);
    }
    without.told("a writer and no reading");
    with.told_against("a writer and a reading", &without);

    if let Some(python) = peer {
        let alone = Peer::read(python, url, nodes, edges).await?;
        println!("FalkorDB's Python client alone: {:.1} s", alone.nodes.seconds + alone.edges.seconds);
        told_alone([(alone.nodes, nodes), (alone.edges, edges)]);
        let (beside, waits) = others(url, nodes)?.end_after(Peer::read(python, url, nodes, edges)).await?;
        println!("beside a writer: the longest page {:.1} ms", beside?.longest_page_ms);
        waits.told_against("a writer and the peer", &without);
    }
    Ok(())
}

async fn work(url: &str, edges: u64, peer: Option<&str>) -> Result<(), Failed> {
    let delete = || -> Result<(), Failed> {
        let mut server = redis::Client::open(url)?.get_connection()?;
        Ok(redis::cmd("UNLINK").arg(GRAPH).exec(&mut server)?)
    };
    delete()?;
    let outcome = measure(url, edges, peer).await;
    delete()?;
    outcome
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let (mut edges, mut peer) = (10_000_000, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => peer = Some(arguments.next().ok_or("--peer names a Python")?),
            // Cargo gives benches a flag of its own.
            "--bench" => {}
            number => edges = number.parse().map_err(|_| format!("{number} is no number of edges"))?,
        }
    }
    // As the program itself does.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Ok(falkordb) = Config::default().falkordb_url() {
        return runtime.block_on(work(falkordb.expose(), edges, peer.as_deref()));
    }
    let dir = tempfile::tempdir()?;
    let options = Options { dir: dir.path().to_owned(), fast: true };
    let guard = Guard::up(&options, &Context::silent())?;
    let falkordb = guard.running().falkordb_url.clone();
    let outcome = runtime.block_on(work(falkordb.expose(), edges, peer.as_deref()));
    guard.stop()?;
    outcome
}
