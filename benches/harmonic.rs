//! Nearness of every node, on a random graph of 2^12 nodes and 2^16 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::harmonic::harmonic;

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 12, &skewed(1 << 12, 1 << 16), vec![]);
    c.bench_function("harmonic", |b| b.iter(|| harmonic(&graph, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
