//! Hops from the hub of a random graph of 2^18 nodes and 2^22 edges, most of them to few nodes.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::paths::bfs::bfs;

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 18;
    let place = |i: u32| hash(i) % nodes % (1 + hash(i ^ 0x5bd1_e995) % nodes);
    let edges: Vec<_> = (0..1 << 22u32).map(|i| (place(i), place(!i))).collect();
    let graph = Csr::undirected(nodes as usize, &edges, vec![]);
    let hub = graph.nodes().max_by_key(|&v| graph.out_degree(v)).expect("a node");
    c.bench_function("bfs", |b| b.iter(|| bfs(&graph, hub, u32::MAX, &Context::silent())));
}

criterion_group!(benches, bench);
criterion_main!(benches);
