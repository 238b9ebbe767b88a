//! Label propagation, all at once and one by one, over a random graph of 2^18 nodes and 2^20 edges.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::community::label_propagation::{Mode, Params, label_propagation};

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 18;
    let edges: Vec<_> = (0..1 << 20u32).map(|i| (hash(i) % nodes, hash(!i) % nodes)).collect();
    let graph = Csr::directed(nodes as usize, &edges, vec![]);
    for (name, mode) in [("label_propagation", Mode::Sync), ("label_propagation, async", Mode::Async)] {
        let params = Params { label_propagation: mode, max_iterations: Some(10) };
        let spread = || label_propagation(&graph, None, &params, &Context::silent());
        c.bench_function(name, |b| b.iter(spread));
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
