//! Communities of high modularity, on a random graph of 2^14 nodes and 2^18 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::community::leiden::{Params, leiden};

fn bench(c: &mut Criterion) {
    let graph = Csr::undirected(1 << 14, &skewed(1 << 14, 1 << 18), vec![]);
    c.bench_function("leiden", |b| b.iter(|| leiden(&graph, &Params::DEFAULT, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
