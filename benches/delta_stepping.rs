//! Least costs from the hub of a random graph of 2^16 nodes and 2^20 edges, most of them to few nodes, 1 to 255 long.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::paths::delta_stepping::delta_stepping;

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 16;
    let place = |i: u32| hash(i) % nodes % (1 + hash(i ^ 0x5bd1_e995) % nodes);
    let edges: Vec<_> = (0..1 << 20u32).map(|i| (place(i), place(!i))).collect();
    let lengths = (0..1 << 20u32).map(|i| f64::from(1 + hash(i ^ 0x68e3_1da4) % 255)).collect();
    let graph = Csr::undirected(nodes as usize, &edges, lengths);
    let hub = graph.nodes().max_by_key(|&v| graph.out_degree(v)).expect("a node");
    c.bench_function("delta_stepping", |b| b.iter(|| delta_stepping(&graph, hub, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
