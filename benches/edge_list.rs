//! A text of edges → a graph: CPU and highest memory beside those of the crate `graph` in the same run; and what the same graph
//! costs as a snapshot, from its cache, and with a weight on every edge.
//!
//! `cargo bench --bench edge_list -- [--scale 20] [--degree 30] [--peer PROGRAM]`; `scripts/bench-edge-list` builds the peer. The
//! graph is Kronecker, its text written to `TMPDIR` (14 bytes per edge, twice) and removed at the end: once sorted by source, once
//! shuffled. Every reading is a process of its own that finds the text in the page cache; readings alternate, the median of
//! three is told. Not by criterion: peaks are of processes.
#![allow(clippy::print_stdout)] // a bench prints its figures

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use rand::{SeedableRng as _, rngs};
use sonograph::context::Context;
use sonograph::graph::{BusinessGraph, Csr, StoredGraph};
use sonograph::snapshot::tables::mapped::{Mapped, Writer};
use sonograph::snapshot::{self, ManifestInput};
use sonograph::sources::files::{self, ImportOptions, Numbers};
use sonograph::sources::synthetic::{BareGraph, Kind};

const RUNS: usize = 3;
const SEED: u64 = 7;

/// What is to be held: parts of the peer's CPU and memory, seconds from the cache, resident bytes per edge with a weight.
const PEER_BAR: f64 = 1.0;
const CACHE_BAR: f64 = 0.15;
const BYTES_BAR: f64 = 17.0;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What a process took.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cpu: f64,
    wall: f64,
    /// Highest resident memory in MiB, and the highest of it that is not pages of files.
    peak: f64,
    own: f64,
}

/// A field of `/proc/PID/status`, in MiB.
fn memory(pid: &str, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: Option<f64> =
        line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// CPU seconds of the children that ended.
fn cpu_of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 16 and 17, counted after the name, which may hold anything; ticks are hundredths of a second.
    let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let ticks = after.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>() as f64 / 100.0
}

/// Runs a program to its end: what it took, and what it printed.
fn run(program: &Path, words: &[&str]) -> Result<(Used, String), Failed> {
    let (began, before) = (Instant::now(), cpu_of_children());
    let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn()?;
    let pid = child.id().to_string();
    let mut used = Used::default();
    // Nobody prints so much that the pipe fills.
    while child.try_wait()?.is_none() {
        used.peak = used.peak.max(memory(&pid, "VmHWM"));
        used.own = used.own.max(memory(&pid, "RssAnon"));
        std::thread::sleep(Duration::from_millis(2));
    }
    used.wall = began.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    used.cpu = cpu_of_children() - before;
    if !output.status.success() {
        return Err(format!("{} {words:?} ended with {}", program.display(), output.status).into());
    }
    Ok((used, String::from_utf8(output.stdout)?))
}

fn median(runs: &[Used]) -> Used {
    let of = |field: fn(&Used) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(field).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    Used { cpu: of(|u| u.cpu), wall: of(|u| u.wall), peak: of(|u| u.peak), own: of(|u| u.own) }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

/// The process that is measured: one step, which prints what can be checked.
fn step(what: &str, words: &[String]) -> Result<(), Failed> {
    let cx = Context::silent();
    let path = |at: usize| words.get(at).map(PathBuf::from).ok_or("a path is missing");
    let began = Instant::now();
    let told = |nodes: usize, edges: usize| println!("{nodes} {edges} {}", began.elapsed().as_secs_f64());
    match what {
        "read" => {
            let numbers = Numbers::of_file(&path(0)?, &cx)?;
            let graph = Csr::of_pairs(numbers.node_count(), numbers.ends, vec![]);
            told(graph.node_count(), graph.edge_count());
        }
        "weigh" => {
            let numbers = Numbers::of_file(&path(0)?, &cx)?;
            let weights = (0..numbers.ends.len()).map(|edge| (edge % 64) as f64 / 4.0).collect();
            let graph = Csr::of_pairs(numbers.node_count(), numbers.ends, weights);
            println!("{} {}", graph.bytes(), memory("self", "RssAnon") * 1_048_576.0);
        }
        "import" => {
            let imported = files::import(&ImportOptions::of(path(0)?), &cx)?;
            snapshot::write(&path(1)?, &imported.tables, &ManifestInput::of(vec![]), &cx)?;
            told(imported.tables.node_count(), imported.tables.edge_count());
        }
        "keep" => {
            let folder = path(0)?;
            let of = snapshot::identity(&folder)?.ok_or("no snapshot")?;
            let graph = BusinessGraph::build(snapshot::read(&folder)?.tables)?;
            let mut writer = Writer::begin(&folder, of)?.ok_or("somebody else writes the cache")?;
            let stored = graph.store(&mut writer)?;
            writer.finish(&stored)?;
        }
        "load" => {
            let folder = path(0)?;
            let of = snapshot::identity(&folder)?.ok_or("no snapshot")?;
            let (mapped, stored) = Mapped::open::<StoredGraph>(&folder, of)?;
            let graph = BusinessGraph::restore(&mapped, &stored)?;
            told(graph.node_count(), graph.edge_count());
        }
        _ => return Err(format!("no step is called {what}").into()),
    }
    Ok(())
}

/// Writes the graph as text, in the order of sources and shuffled.
fn texts(graph: &BareGraph, dir: &Path) -> Result<[PathBuf; 2], Failed> {
    let mut ends: Vec<(i64, i64)> = Vec::with_capacity(graph.edge_count() as usize);
    for batch in graph.edges(&Context::silent()) {
        let batch = batch?;
        let (src, dst) = (batch.column("src")?.i64()?, batch.column("dst")?.i64()?);
        ends.extend(src.iter().flatten().zip(dst.iter().flatten()));
    }
    let write = |name: &str, ends: &[(i64, i64)]| -> Result<PathBuf, Failed> {
        let path = dir.join(name);
        let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(&path)?);
        for (src, dst) in ends {
            writeln!(out, "{src} {dst}")?;
        }
        out.flush()?;
        Ok(path)
    };
    let sorted = write("sorted.txt", &ends)?;
    ends.shuffle(&mut rngs::StdRng::seed_from_u64(SEED));
    Ok([sorted, write("shuffled.txt", &ends)?])
}

/// One order of the text, ours and the peer's in turns.
fn compare(what: &str, text: &Path, ours: &Path, peer: Option<&Path>, edges: u64) -> Result<(), Failed> {
    let file = text.to_str().ok_or("a path that is no text")?;
    // Into the page cache.
    std::io::copy(&mut fs::File::open(text)?, &mut std::io::sink())?;
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    for _ in 0..RUNS {
        let (used, told) = run(ours, &["--step", "read", file])?;
        our_runs.push(used);
        counts.push(told);
        if let Some(peer) = peer {
            let (used, told) = run(peer, &[file])?;
            their_runs.push(used);
            counts.push(told);
        }
    }
    let count = |told: &String| told.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    if counts.iter().any(|told| count(told) != count(&counts[0]) || count(told)[1] != edges.to_string()) {
        return Err(format!("not the same graph: {counts:?}").into());
    }
    let line = |name: &str, used: Used| {
        println!(
            "{what:<9} {name:<11} CPU {:>6.2} s, wall {:>6.2} s, peak {:>6.0} MiB, of it no file {:>6.0} MiB",
            used.cpu, used.wall, used.peak, used.own
        );
    };
    let ours = median(&our_runs);
    line("sonograph", ours);
    if their_runs.is_empty() {
        return Ok(());
    }
    let theirs = median(&their_runs);
    line("graph", theirs);
    for (what, ours, theirs) in [
        ("CPU", ours.cpu, theirs.cpu),
        ("peak memory", ours.peak, theirs.peak),
        ("peak memory that is no file", ours.own, theirs.own),
    ] {
        let ratio = ours / theirs;
        println!("  {what}: {ratio:.2} of the peer's  {} ({PEER_BAR:.1})", verdict(ratio <= PEER_BAR));
    }
    Ok(())
}

fn measure(scale: u32, degree: u32, peer: Option<&Path>) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let graph = BareGraph::draw(Kind::Kronecker, scale, degree, SEED, &Context::silent())?;
    let edges = graph.edge_count();
    let texts = texts(&graph, dir.path())?;
    drop(graph);
    let bytes = fs::metadata(&texts[0])?.len();
    println!("Kronecker 2^{scale}, {edges} edges, {:.0} MB of text", bytes as f64 / 1e6);
    let ours = std::env::current_exe()?;
    for (what, text) in ["sorted", "shuffled"].into_iter().zip(&texts) {
        compare(what, text, &ours, peer, edges)?;
    }

    let snapshot = dir.path().join("snapshot");
    let words = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path that is no text");
    let (file, folder) = (words(&texts[1])?, words(&snapshot)?);
    let (_, told) = run(&ours, &["--step", "weigh", &file])?;
    let told: Vec<f64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [held, resident] = told[..] else { return Err("no bytes were told".into()) };
    let (held, resident) = (held / edges as f64, resident / edges as f64);
    println!(
        "weighted  both directions {held:.2} bytes per edge, the whole process {resident:.2}  {} ({BYTES_BAR})",
        verdict(held.max(resident) <= BYTES_BAR)
    );

    let (used, _) = run(&ours, &["--step", "import", &file, &folder])?;
    println!(
        "import    snapshot written: CPU {:.2} s, wall {:.2} s, {:.1} M edges/s, peak {:.0} MiB",
        used.cpu,
        used.wall,
        edges as f64 / used.wall / 1e6,
        used.peak
    );
    run(&ours, &["--step", "keep", &folder])?;
    let mut loads = Vec::new();
    for _ in 0..RUNS {
        let (_, told) = run(&ours, &["--step", "load", &folder])?;
        loads.push(
            told.split_whitespace()
                .nth(2)
                .and_then(|seconds| seconds.parse::<f64>().ok())
                .ok_or("no seconds")?,
        );
    }
    loads.sort_unstable_by(f64::total_cmp);
    let load = loads[RUNS / 2];
    println!("cached    loaded in {load:.3} s  {} ({CACHE_BAR} s)", verdict(load <= CACHE_BAR));
    Ok(())
}

fn main() -> Result<(), Failed> {
    let (mut scale, mut degree, mut peer) = (20, 30, None);
    // Cargo gives benches a flag of its own.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--scale" => scale = value.parse()?,
            "--degree" => degree = value.parse()?,
            "--peer" => peer = Some(PathBuf::from(value)),
            "--step" => return step(&value, &words.collect::<Vec<_>>()),
            _ => return Err(format!("{word} is no flag").into()),
        }
    }
    measure(scale, degree, peer.as_deref())
}
