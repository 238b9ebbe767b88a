//! Kernels of the crate on a graph that is loaded once. Requests and replies are those of `benches/kernels.rs`.
//!
//! PageRank, components and least costs ask for a directed graph: of an undirected one every edge is an arc each way. PageRank and
//! triangles take as many threads as the process may run on, which is the caller's to set; the others those that are asked for.

use std::fs;
use std::io::BufRead as _;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytemuck::{cast_slice, pod_collect_to_vec};
use graph::prelude::*;

use crate::Failed;

/// Width of a bucket for weights of 1 to 255: of 1, 2, 4, …, 128 the fastest on Kronecker graphs of 2^18 nodes.
const DELTA: f32 = 16.0;
/// Of a node that cannot be reached.
const UNREACHED: f32 = f32::MAX;

/// Which of the crate's graphs a kernel asks for.
enum Loaded {
    Unweighted(DirectedCsrGraph<u32>),
    Weighted(DirectedCsrGraph<u32, (), f32>),
    /// Numbered anew by degree, as triangles want it, and the seconds that took.
    ByDegree(UndirectedCsrGraph<u32>, f64),
}

fn load(folder: &Path, flags: &[&str]) -> Result<Loaded, Failed> {
    let has = |flag: &str| flags.contains(&flag);
    let nodes: usize = fs::read_to_string(folder.join("nodes"))?.parse()?;
    let edges: Vec<[u32; 2]> = pod_collect_to_vec(&fs::read(folder.join("edges"))?);
    let builder = GraphBuilder::new().csr_layout(CsrLayout::Sorted);
    if has("--by-degree") {
        let edges: Vec<(u32, u32)> = edges.into_iter().map(|[u, v]| (u, v)).collect();
        let mut graph: UndirectedCsrGraph<u32> = builder.edges(edges).node_values(vec![(); nodes]).build();
        let began = Instant::now();
        graph.make_degree_ordered();
        return Ok(Loaded::ByDegree(graph, began.elapsed().as_secs_f64()));
    }
    let ways = |&[u, v]: &[u32; 2]| {
        if has("--directed") { [Some((u, v)), None] } else { [Some((u, v)), Some((v, u))] }
    };
    if has("--weighted") {
        let weights: Vec<f32> = pod_collect_to_vec(&fs::read(folder.join("weights"))?);
        let weighed = edges
            .iter()
            .zip(&weights)
            .flat_map(|(edge, &weight)| ways(edge).into_iter().flatten().map(move |(u, v)| (u, v, weight)));
        let weighed: Vec<(u32, u32, f32)> = weighed.collect();
        return Ok(Loaded::Weighted(builder.edges_with_values(weighed).node_values(vec![(); nodes]).build()));
    }
    let arcs: Vec<(u32, u32)> = edges.iter().flat_map(|edge| ways(edge).into_iter().flatten()).collect();
    Ok(Loaded::Unweighted(builder.edges(arcs).node_values(vec![(); nodes]).build()))
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse().ok());
    1024 * kib.unwrap_or(0u64)
}

#[derive(Default)]
struct Took {
    seconds: f64,
    peak: u64,
}

impl Took {
    fn part<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // SAFETY: gives free memory back to the system and touches nothing else.
        unsafe { malloc_trim(0) };
        let before = memory("VmRSS");
        fs::write("/proc/self/clear_refs", "5").ok();
        let began = Instant::now();
        let done = work();
        self.seconds += began.elapsed().as_secs_f64();
        self.peak = self.peak.max(memory("VmHWM").saturating_sub(before));
        done
    }
}

unsafe extern "C" {
    fn malloc_trim(pad: usize) -> i32;
}

fn answer(
    loaded: &Loaded,
    kernel: &str,
    numbers: &[f64],
    took: &mut Took,
) -> Result<(Vec<f64>, f64), Failed> {
    let number = |at: usize| numbers.get(at).copied().ok_or("a number is missing");
    Ok(match (kernel, loaded) {
        ("pagerank", Loaded::Unweighted(graph)) => {
            let config = PageRankConfig::new(number(0)? as usize, number(1)?, 0.85);
            let (ranks, iterations, _) = took.part(|| page_rank(graph, config));
            (ranks.into_iter().map(f64::from).collect(), iterations as f64)
        }
        // The faster of the crate's two.
        ("components", Loaded::Unweighted(graph)) => {
            let found = took.part(|| wcc_afforest(graph, WccConfig::default()));
            (found.to_vec().into_iter().map(f64::from).collect(), 0.0)
        }
        ("sssp", Loaded::Weighted(graph)) => {
            let mut costs = Vec::new();
            for &source in numbers {
                let config = DeltaSteppingConfig::new(source as usize, DELTA);
                let found = took.part(|| delta_stepping(graph, config));
                let cost = |cost: f32| if cost == UNREACHED { f64::INFINITY } else { cost.into() };
                costs.extend(found.iter().map(|at| cost(at.load(Relaxed))));
            }
            (costs, 0.0)
        }
        // Tells the seconds of numbering anew, which are not among those of counting.
        ("triangles", Loaded::ByDegree(graph, seconds)) => {
            let total = took.part(|| global_triangle_count(graph));
            (vec![total as f64], *seconds)
        }
        _ => return Err(format!("no kernel is called {kernel}, or not of this graph").into()),
    })
}

pub fn serve(folder: &Path, flags: &[&str]) -> Result<(), Failed> {
    let loaded = load(folder, flags)?;
    println!("{{\"loaded\": {}}}", memory("VmRSS"));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let (Some(kernel), Some(threads), Some(file)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("no request: {line}").into());
        };
        let numbers = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
        let mut took = Took::default();
        let (answer, told) = pool.install(|| answer(&loaded, kernel, &numbers, &mut took))?;
        if file != "-" {
            fs::write(file, cast_slice(&answer))?;
        }
        println!("{{\"seconds\": {}, \"peak\": {}, \"told\": {told}}}", took.seconds, took.peak);
    }
    Ok(())
}
