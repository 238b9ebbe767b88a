//! A synthetic city straight from its rows.

use std::time::{Duration, Instant};

use sonograph::context::Context;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::facts::Facts;
use sonograph::sources::falkordb::{Client, Params};
use sonograph::sources::{SourceOptions, facts_of, synthetic};

use crate::graph::{url, with_graph};
use crate::{bytes, is_settled, read, resolved, run};

pub fn facts(people: usize, seed: u64) -> Facts {
    let city = synthetic::generate(people, seed, &Context::silent()).expect("a city");
    facts_of(&city.directus, &city.twenty, &city.unified, &city.touchpoints, &SourceOptions::default())
        .expect("there is room")
}

#[test]
fn a_city_read_back_from_the_server_is_the_city_that_was_resolved() {
    with_graph("city", async |client, graph| {
        let facts = facts(400, 11);
        let wanted = resolved(&facts, &Tables::default()).to_tables().expect("a graph");
        let applied = run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        assert_eq!(applied.rows as usize, wanted.node_count() + wanted.edge_count());
        assert_eq!(bytes(&read(client, graph).await), bytes(&wanted));
        is_settled(client, graph, &facts, 1).await;
    });
}

#[test]
fn readers_of_the_graph_hardly_wait_while_it_is_written() {
    let facts = facts(1_500, 3);
    // A busy machine may hold up any one batch, so a slow run is given two more chances.
    let longest = (0..3).map(|_| {
        with_graph("readers", async |client, graph| write_beside_a_reader(client, graph, &facts).await)
    });
    let quick = longest.into_iter().any(|milliseconds| milliseconds < 250.0);
    assert!(quick, "a reader waits as long as a batch takes, and that is more than 250 ms");
}

/// Writes the graph while somebody reads it, and tells how long the longest batch took, in milliseconds.
async fn write_beside_a_reader(client: &mut Client, graph: &str, facts: &Facts) -> f64 {
    let key = graph.to_owned();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let probe = tokio::spawn(async move {
        let mut reader = Client::connect(&url()).await.expect("the server answers");
        let mut longest = Duration::ZERO;
        let mut asked = 0_u32;
        while stopped.try_recv().is_err() {
            let clock = Instant::now();
            let query = "MATCH (p:Person {uid: 'nobody'}) RETURN p";
            // Before the first batch there is no graph.
            let _ = reader.ro_query(&key, query, &Params::new()).await;
            longest = longest.max(clock.elapsed());
            asked += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (asked, longest)
    });
    let clock = Instant::now();
    let applied = run(client, graph, facts, &Context::silent()).await.expect("it is written");
    let took = clock.elapsed();
    stop.send(()).expect("the probe runs");
    let (asked, longest) = probe.await.expect("the probe ends");
    eprintln!(
        "{} rows in {took:.1?}, longest batch {:.0} ms; {asked} reads beside it, the slowest {longest:.0?}",
        applied.rows, applied.longest_batch_ms
    );
    applied.longest_batch_ms
}
