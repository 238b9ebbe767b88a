//! Betweenness from samples, on a random graph of 2^16 nodes and 2^20 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::kadabra::{Params, kadabra};

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 16, &skewed(1 << 16, 1 << 20), vec![]);
    c.bench_function("kadabra", |b| b.iter(|| kadabra(&graph, &Params::default(), &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
