//! PageRank, ten iterations on a random graph of 2^16 nodes and 2^20 edges.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::pagerank::{Params, pagerank};

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 16, &edges(1 << 16, 1 << 20), vec![]);
    let params = Params { tolerance: 0.0, max_iterations: 10, ..Params::DEFAULT };
    c.bench_function("pagerank", |b| b.iter(|| pagerank(&graph, None, &params, &Context::silent())));
}

/// Edges spread by a multiplicative hash, many of them to few nodes.
fn edges(nodes: u32, count: u32) -> Vec<(u32, u32)> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    (0..count)
        .map(|i| (hash(i) % nodes, hash(i ^ 0x5bd1_e995) % nodes % (1 + hash(i + count) % nodes)))
        .collect()
}

criterion_group!(benches, bench);
criterion_main!(benches);
