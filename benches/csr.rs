//! Building, walking and cutting a weighted graph of 2^18 nodes and 2^22 edges, beside petgraph's `Graph` and `Csr` in the
//! same run. petgraph's `Csr` wants its edges sorted and merges parallel ones; ours takes them as they come and keeps them.

use criterion::{Criterion, criterion_group, criterion_main};
use petgraph::graph::DiGraph;
use petgraph::visit::Bfs;
use sonograph::graph::{Csr, NodeId};

fn bench(c: &mut Criterion) {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let nodes = 1u32 << 18;
    let list: Vec<(u32, u32)> = (0..1 << 22u32).map(|i| (hash(i) % nodes, hash(!i) % nodes)).collect();
    let weights: Vec<f64> = (0..list.len()).map(|i| (i % 64) as f64 / 4.0).collect();
    let mut sorted: Vec<(u32, u32, f32)> =
        list.iter().zip(&weights).map(|(&(s, t), &w)| (s, t, w as f32)).collect();
    sorted.sort_unstable_by_key(|&(s, t, _)| (s, t));
    let pairs: Vec<(u32, u32)> = sorted.iter().map(|&(s, t, _)| (s, t)).collect();

    let mut group = c.benchmark_group("csr");
    group.sample_size(10);
    group.bench_function("build", |b| b.iter(|| Csr::directed(nodes as usize, &list, weights.clone())));
    group.bench_function("build_sorted", |b| {
        b.iter(|| Csr::directed(nodes as usize, &pairs, weights.clone()));
    });
    group.bench_function("build_undirected", |b| b.iter(|| Csr::undirected(nodes as usize, &list, vec![])));
    let theirs = || {
        let mut graph = DiGraph::<(), f32>::with_capacity(nodes as usize, list.len());
        let ids: Vec<_> = (0..nodes).map(|_| graph.add_node(())).collect();
        for (&(s, t), &w) in list.iter().zip(&weights) {
            graph.add_edge(ids[s as usize], ids[t as usize], w as f32);
        }
        graph
    };
    group.bench_function("build_petgraph_graph", |b| b.iter(theirs));
    let mut distinct = sorted.clone();
    distinct.dedup_by_key(|&mut (s, t, _)| (s, t));
    group.bench_function("build_sorted_petgraph_csr", |b| {
        b.iter(|| petgraph::csr::Csr::<(), f32>::from_sorted_edges(&distinct));
    });

    let (graph, their_graph) = (Csr::directed(nodes as usize, &list, weights.clone()), theirs());
    group.bench_function("bfs", |b| {
        b.iter(|| {
            let mut bfs = Bfs::new(&graph, NodeId(0));
            std::iter::from_fn(|| bfs.next(&graph)).count()
        });
    });
    group.bench_function("bfs_petgraph_graph", |b| {
        b.iter(|| {
            let mut bfs = Bfs::new(&their_graph, 0.into());
            std::iter::from_fn(|| bfs.next(&their_graph)).count()
        });
    });
    group.bench_function("weighted_in_sums", |b| {
        let sum = |v: NodeId| graph.in_edges(v).map(|edge| graph.weight(edge)).sum::<f64>();
        b.iter(|| graph.nodes().map(sum).fold(0.0, f64::max));
    });
    group.bench_function("weighted_in_sums_petgraph_graph", |b| {
        let incoming = petgraph::Direction::Incoming;
        let sum = |v| their_graph.edges_directed(v, incoming).map(|e| f64::from(*e.weight())).sum::<f64>();
        b.iter(|| their_graph.node_indices().map(sum).fold(0.0, f64::max));
    });
    group.bench_function("induced_half", |b| {
        b.iter(|| graph.induced(graph.nodes().filter(|v| v.0.is_multiple_of(2))));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
