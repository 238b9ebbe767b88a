//! The ten least costly loopless paths of one pair in a random graph of 2^14 nodes and 2^17 edges, 1 to 1,000 long.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::{Csr, NodeId};
use sonograph::studies::paths::bidirectional::Params;
use sonograph::studies::paths::yen::yen;

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 14;
    let edges: Vec<_> = (0..1 << 17u32).map(|i| (hash(i) % nodes, hash(!i) % nodes)).collect();
    let lengths = (0..1 << 17u32).map(|i| f64::from(1 + hash(i ^ 0x68e3_1da4) % 1_000)).collect();
    let graph = Csr::undirected(nodes as usize, &edges, lengths);
    let params = Params { k: 10, max_hops: u32::MAX };
    let mut query = 0;
    c.bench_function("yen", |b| {
        b.iter(|| {
            query += 1;
            let (from, to) = (NodeId(hash(query) % nodes), NodeId(hash(!query) % nodes));
            yen(&graph, from, to, &params, &Context::silent())
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
