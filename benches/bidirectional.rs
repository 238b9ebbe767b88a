//! Shortest paths of one pair in a random graph of 2^18 nodes and 2^20 edges, the search kept between queries.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::{Csr, NodeId};
use sonograph::studies::paths::bidirectional::{Bidirectional, Params};

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1 << 18;
    let edges: Vec<_> = (0..1 << 20u32).map(|i| (hash(i) % nodes, hash(!i) % nodes)).collect();
    let graph = Csr::undirected(nodes as usize, &edges, vec![]);
    let mut search = Bidirectional::new(&graph);
    let params = Params { k: 10, max_hops: 20 };
    let mut query = 0;
    c.bench_function("bidirectional", |b| {
        b.iter(|| {
            query += 1;
            let (from, to) = (NodeId(hash(query) % nodes), NodeId(hash(!query) % nodes));
            search.shortest(from, to, &params, &Context::silent())
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
