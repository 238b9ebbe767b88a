//! The ten nearest to everybody, on a random graph of 2^16 nodes and 2^20 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::harmonic_top::harmonic_top;

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 16, &skewed(1 << 16, 1 << 20), vec![]);
    c.bench_function("harmonic_top", |b| b.iter(|| harmonic_top(&graph, 10, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
