//! One ranking out of four, of a million nodes of three kinds.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::studies::influence::rank_aggregation::rank_aggregation;

const NODES: u32 = 1_000_000;

fn bench(c: &mut Criterion) {
    let ranking = |by: u32| -> Vec<f64> { (0..NODES).map(|v| f64::from(v.wrapping_mul(by) >> 9)).collect() };
    let rankings: Vec<Vec<f64>> = [2_654_435_761, 40_503, 7_919, 104_729].map(ranking).into();
    let views: Vec<&[f64]> = rankings.iter().map(Vec::as_slice).collect();
    let kinds: Vec<u32> = (0..NODES).map(|v| v % 3).collect();
    c.bench_function("rank_aggregation", |b| b.iter(|| rank_aggregation(&views, &kinds)));
}

criterion_group!(benches, bench);
criterion_main!(benches);
