//! Strongly connected components of a random graph of 2^18 nodes and 2^20 edges.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::community::strong_components::strong_components;

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 18;
    let edges: Vec<_> = (0..1 << 20u32).map(|i| (hash(i) % nodes, hash(!i) % nodes)).collect();
    let graph = Csr::directed(nodes as usize, &edges, vec![]);
    c.bench_function("strong_components", |b| b.iter(|| strong_components(&graph, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
