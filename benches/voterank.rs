//! A hundred spreaders elected, on a random graph of 2^16 nodes and 2^20 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::voterank::{Params, voterank};

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 16, &skewed(1 << 16, 1 << 20), vec![]);
    c.bench_function("voterank", |b| b.iter(|| voterank(&graph, &Params::DEFAULT, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
