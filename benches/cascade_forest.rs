//! Parents and shapes of a million shares of 10 000 contents, eight followees each; ten million with
//! `SONOGRAPH_BENCH_SHARES=10000000`.

use criterion::{Criterion, criterion_group, criterion_main};
use sonograph::context::Context;
use sonograph::graph::Csr;
use sonograph::studies::virality::cascade_forest::{Named, Params, Share, cascade_forest};
use sonograph::studies::virality::structural_virality::shapes;

fn bench(c: &mut Criterion) {
    let given = std::env::var("SONOGRAPH_BENCH_SHARES").ok().and_then(|text| text.parse().ok());
    let (shares, contents) = (given.unwrap_or(1_000_000u32), 10_000);
    let people = (shares / contents).max(1) * 10;
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let follows: Vec<_> = (0..8 * people).map(|i| (i / 8, hash(i) % people)).collect();
    let follows = Csr::directed(people as usize, &follows, vec![]);
    let share = |i: u32| {
        // Every tenth person shares a content: each once.
        let (content, sharer) = (i % contents, (i / contents * 10 + i % 10) % people);
        Share { content, sharer, at: i64::from(hash(i)), order: sharer, named: Named::Nothing }
    };
    let shares: Vec<_> = (0..shares).map(share).collect();
    let grow = || cascade_forest(&shares, &follows, &Params::DEFAULT, &Context::silent());
    let mut group = c.benchmark_group("cascade_forest");
    group.sample_size(10);
    group.bench_function("parents", |b| b.iter(grow));
    let forest = grow().expect("nobody asks to stop");
    group.bench_function("shapes", |b| b.iter(|| shapes(&forest.parent)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
