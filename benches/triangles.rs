//! Triangles of a Kronecker graph of 2^16 nodes and 2^20 edges.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::community::triangles::triangles;

fn bench(c: &mut Criterion) {
    let mut state = 1u32;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % 100
    };
    // Graph500's corners: .57, .19, .19, .05.
    let mut edge = || {
        (0..16).fold((0, 0), |(src, dst), _| match draw() {
            0..57 => (2 * src, 2 * dst),
            57..76 => (2 * src, 2 * dst + 1),
            76..95 => (2 * src + 1, 2 * dst),
            _ => (2 * src + 1, 2 * dst + 1),
        })
    };
    let edges: Vec<(u32, u32)> = (0..1 << 20).map(|_| edge()).collect();
    for (name, build) in
        [("triangles", Csr::undirected as fn(_, &[_], _) -> _), ("triangles, directed", Csr::directed)]
    {
        let graph: Csr = build(1 << 16, &edges, vec![]);
        c.bench_function(name, |b| b.iter(|| triangles(&graph, &Context::silent())));
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
