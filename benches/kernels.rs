//! One kernel at a time on one graph, timed where it stands: our side of `scripts/bench-peers`, which asks its peers for the same.
//!
//! `kernels --write FOLDER SCALE [--directed]` draws the graph of `synth graph --kind kronecker`, 16 edges per node, and writes it
//! as everybody reads it: `edges`, pairs of u32, simple and sorted; `weights`, an f32 of 1 to 255 per edge; `nodes`, their number.
//! Undirected, an edge is there once.
//!
//! `kernels --serve FOLDER [--directed] [--weighted]` loads it and answers requests from stdin, a line each: `KERNEL THREADS ANSWER
//! NUMBER…`. A reply is a line of JSON: `seconds`; `peak`, bytes beside the loaded graph; `told`, what else there is to say. The
//! answer goes to the file ANSWER, as f64, or nowhere where that is `-`. What the numbers mean stands at each kernel in [`answer`].
//!
//! Not by criterion: two programs take turns at seconds each, and their answers are compared.
#![allow(clippy::print_stdout)] // replies go there

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Instant;

use bytemuck::{cast_slice, pod_collect_to_vec};
use rayon::prelude::*;
use serde_json::json;
use sonograph::context::{Context, return_large_blocks};
use sonograph::graph::{Csr, NodeId};
use sonograph::sources::synthetic::{BareGraph, Kind};
use sonograph::studies::community::components::components;
use sonograph::studies::community::leiden::{self, leiden};
use sonograph::studies::community::triangles::triangles;
use sonograph::studies::influence::brandes::betweenness;
use sonograph::studies::influence::harmonic_top::harmonic_top;
use sonograph::studies::influence::kadabra::{self, kadabra};
use sonograph::studies::influence::kcore::core_numbers;
use sonograph::studies::influence::pagerank::{self, Dangling, pagerank};
use sonograph::studies::paths::bfs::{UNREACHED, bfs};
use sonograph::studies::paths::bidirectional;
use sonograph::studies::paths::delta_stepping::delta_stepping;
use sonograph::studies::paths::yen::yen;

const DEGREE: u32 = 16;
const SEED: u64 = 7;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn write(folder: &Path, scale: u32, is_directed: bool) -> Result<(), Failed> {
    let cx = Context::silent();
    let drawn = BareGraph::draw(Kind::Kronecker, scale, DEGREE, SEED, &cx)?;
    let mut edges: Vec<[u32; 2]> = Vec::with_capacity(drawn.edge_count() as usize);
    for batch in drawn.edges(&cx) {
        let batch = batch?;
        let (src, dst) = (batch.column("src")?.i64()?, batch.column("dst")?.i64()?);
        let pairs = src.iter().flatten().zip(dst.iter().flatten()).map(|(u, v)| [u as u32, v as u32]);
        let pairs = pairs.filter(|[u, v]| u != v);
        edges.extend(pairs.map(|[u, v]| if is_directed { [u, v] } else { [u.min(v), u.max(v)] }));
    }
    edges.par_sort_unstable();
    edges.dedup();
    let weight = |&[u, v]: &[u32; 2]| {
        let mixed = (u64::from(u) << 32 | u64::from(v)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (1 + (mixed >> 32) % 255) as f32
    };
    let weights: Vec<f32> = edges.par_iter().map(weight).collect();
    fs::write(folder.join("edges"), cast_slice(&edges))?;
    fs::write(folder.join("weights"), cast_slice(&weights))?;
    fs::write(folder.join("nodes"), drawn.node_count().to_string())?;
    Ok(())
}

fn load(folder: &Path, is_directed: bool, is_weighted: bool) -> Result<Csr, Failed> {
    let nodes = fs::read_to_string(folder.join("nodes"))?.parse()?;
    let edges: Vec<[u32; 2]> = pod_collect_to_vec(&fs::read(folder.join("edges"))?);
    let edges: Vec<(u32, u32)> = edges.into_iter().map(|[u, v]| (u, v)).collect();
    let weights: Vec<f32> =
        if is_weighted { pod_collect_to_vec(&fs::read(folder.join("weights"))?) } else { vec![] };
    let weights = weights.into_iter().map(f64::from).collect();
    Ok(if is_directed {
        Csr::of_pairs(nodes, edges, weights)
    } else {
        Csr::undirected(nodes, &edges, weights)
    })
}

/// A field of this process's status, in bytes.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse().ok());
    1024 * kib.unwrap_or(0u64)
}

/// What one request took.
#[derive(Default)]
struct Took {
    seconds: f64,
    /// Highest memory beside what there was before.
    peak: u64,
}

impl Took {
    /// Runs a part of the request.
    fn part<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = memory("VmRSS");
        // Sets the mark of the highest memory back to what is resident now.
        fs::write("/proc/self/clear_refs", "5").ok();
        let began = Instant::now();
        let done = work();
        self.seconds += began.elapsed().as_secs_f64();
        self.peak = self.peak.max(memory("VmHWM").saturating_sub(before));
        done
    }
}

/// The answer to a request, and what else there is to say of it.
fn answer(
    graph: &Csr,
    kernel: &str,
    numbers: &[f64],
    took: &mut Took,
    cx: &Context,
) -> Result<(Vec<f64>, f64), Failed> {
    let number = |at: usize| numbers.get(at).copied().ok_or("a number is missing");
    let node = |number: f64| NodeId(number as u32);
    Ok(match kernel {
        // ITERATIONS TOLERANCE; tells iterations.
        "pagerank" => {
            let (max_iterations, tolerance) = (number(0)? as u32, number(1)?);
            let dangling = Dangling::Drop;
            let params =
                pagerank::Params { max_iterations, tolerance, dangling, ..pagerank::Params::DEFAULT };
            let found = took.part(|| pagerank(graph, None, &params, cx))?;
            (found.ranks, f64::from(found.iterations))
        }
        // Tells how many.
        "components" => {
            let found = took.part(|| components(graph, cx))?;
            (found.of.into_iter().map(f64::from).collect(), found.sizes.len() as f64)
        }
        // SOURCE…; tells how many nodes were reached.
        "bfs" => {
            let mut hops = Vec::new();
            for &source in numbers {
                let found = took.part(|| bfs(graph, node(source), u32::MAX, cx))?;
                hops.extend(found.into_iter().map(|h| if h == UNREACHED { f64::INFINITY } else { h.into() }));
            }
            let reached = hops.iter().filter(|hops| hops.is_finite()).count();
            (hops, reached as f64)
        }
        // SOURCE…; tells how many nodes were reached.
        "sssp" => {
            let mut costs = Vec::new();
            for &source in numbers {
                costs.extend(took.part(|| delta_stepping(graph, node(source), cx))?);
            }
            let reached = costs.iter().filter(|cost| cost.is_finite()).count();
            (costs, reached as f64)
        }
        // Tells how many.
        "triangles" => {
            let found = took.part(|| triangles(graph, cx))?;
            (vec![found.total as f64], found.total as f64)
        }
        // ε and δ; tells how many paths were drawn.
        "kadabra" => {
            let params = kadabra::Params { epsilon: number(0)?, delta: number(1)?, betweenness_top: None };
            let found = took.part(|| kadabra(graph, &params, cx))?;
            (found.scores, found.samples as f64)
        }
        // K; the answer is the highest scores.
        "harmonic" => {
            let top = took.part(|| harmonic_top(graph, number(0)? as usize, cx).map_err(Failed::from))?;
            (top.into_iter().map(|(_, score)| score).collect(), 0.0)
        }
        // Tells the modularity.
        "leiden" => {
            let found = took.part(|| leiden(graph, &leiden::Params::DEFAULT, cx))?;
            (found.communities.of.into_iter().map(f64::from).collect(), found.modularity)
        }
        "betweenness" => (took.part(|| betweenness(graph, cx))?, 0.0),
        // Tells the highest.
        "kcore" => {
            let cores = took.part(|| core_numbers(graph, cx))?;
            let most = cores.iter().max().copied().unwrap_or(0);
            (cores.into_iter().map(f64::from).collect(), most.into())
        }
        // K and pairs of FROM TO; the answer is what each path costs.
        "yen" => {
            let params = bidirectional::Params { k: number(0)? as u32, max_hops: u32::MAX };
            let mut costs = Vec::new();
            for pair in numbers[1..].chunks_exact(2) {
                let paths = took.part(|| yen(graph, node(pair[0]), node(pair[1]), &params, cx))?;
                costs.extend(paths.into_iter().map(|path| path.cost));
            }
            let found = costs.len();
            (costs, found as f64)
        }
        _ => return Err(format!("no kernel is called {kernel}").into()),
    })
}

fn serve(graph: &Csr) -> Result<(), Failed> {
    println!("{}", json!({ "loaded": memory("VmRSS") }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let (Some(kernel), Some(threads), Some(file)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("no request: {line}").into());
        };
        let numbers = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let threads = threads.parse()?;
        let mut cx = Context::silent();
        cx.threads = threads;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut took = Took::default();
        let (answer, told) = pool.install(|| answer(graph, kernel, &numbers, &mut took, &cx))?;
        if file != "-" {
            fs::write(file, cast_slice(&answer))?;
        }
        println!("{}", json!({ "seconds": took.seconds, "peak": took.peak, "told": told }));
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn main() -> Result<(), Failed> {
    // Memory that a kernel frees is not to be there for the next.
    return_large_blocks();
    // Cargo gives benches a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let is_asked = |flag: &str| words.iter().any(|word| word == flag);
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--write", folder, scale, ..] => write(Path::new(folder), scale.parse()?, is_asked("--directed")),
        ["--serve", folder, ..] => {
            serve(&load(Path::new(folder), is_asked("--directed"), is_asked("--weighted"))?)
        }
        _ => {
            println!("driven by scripts/bench-peers");
            Ok(())
        }
    }
}
