//! A bound of the longest shortest path, on a random graph of 2^16 nodes and 2^20 edges.

#[path = "graphs/mod.rs"]
mod graphs;

use criterion::{Criterion, criterion_group, criterion_main};
use graphs::skewed;
use sonograph::context::Context;
use sonograph::graph::{Csr, Simple};
use sonograph::studies::influence::vertex_diameter::vertex_diameter;

fn bench(c: &mut Criterion) {
    let graph = Csr::directed(1 << 16, &skewed(1 << 16, 1 << 20), vec![]);
    let (out, into) = (Simple::out(&graph), Simple::into(&graph));
    c.bench_function("vertex_diameter", |b| {
        b.iter(|| vertex_diameter(&graph, &out, &into, &Context::silent()));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
