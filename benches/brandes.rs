//! Betweenness of every node, on a random graph of 2^10 nodes and 2^14 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::brandes::betweenness;

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 10, &skewed(1 << 10, 1 << 14), vec![]);
    c.bench_function("brandes", |b| b.iter(|| betweenness(&graph, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
