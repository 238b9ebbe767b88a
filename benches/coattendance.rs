//! Co-attendance of 2 000 events by 50 000 people who attended eight each.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::community::coattendance::{Params, coattendance};

fn bench(c: &mut Criterion) {
    let (people, events) = (50_000, 2_000);
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let edges: Vec<_> = (0..8 * people).map(|i| (i / 8, people + hash(i) % events)).collect();
    let graph = Csr::directed((people + events) as usize, &edges, vec![]);
    let count = || coattendance(&graph, &Params::DEFAULT, &Context::silent());
    c.bench_function("coattendance", |b| b.iter(count));
}

criterion_group!(benches, bench);
criterion_main!(benches);
