//! Betweenness by length, on a random graph of 2^10 nodes and 2^14 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::influence::weighted_brandes::{Sum, weighted_brandes};

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(
        1 << 10,
        &skewed(1 << 10, 1 << 14),
        (0..1 << 14).map(|i| f64::from(1 + i % 9)).collect(),
    );
    c.bench_function("weighted_brandes", |b| {
        b.iter(|| weighted_brandes(&graph, Sum::Betweenness, &Context::silent()));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
