//! Indexes and constraints hold, or the error names who breaks them.

use std::time::Duration;

use sonograph::context::Diagnose as _;
use sonograph::context::{Context, Fault};
use sonograph::ontology::{constraints, indexes};
use sonograph::sources::falkordb::schema::{Piece, State, ensure, settled, state};
use sonograph::sources::falkordb::{FalkorError, Params};

use crate::graph::{all, url, with_graph};

#[test]
fn everything_is_operational_and_doing_it_again_changes_nothing() {
    with_graph("schema", async |client, graph| {
        let cx = Context::silent();
        ensure(client, graph, &cx).await.expect("a new graph takes the schema");
        let pieces = state(client, graph).await.expect("a state");
        assert_eq!(pieces.len(), indexes().len() + constraints().len());
        for piece in &pieces {
            assert_eq!(piece.state, State::Operational, "{}", piece.what);
        }
        ensure(client, graph, &cx).await.expect("again");
        assert_eq!(state(client, graph).await.expect("a state"), pieces);
        for query in
            ["CREATE (:Person {uid: 'a'}), (:Person {uid: 'a'})", "CREATE (:Venue {name: 'nameless'})"]
        {
            let error = client.query(graph, query, &Params::new()).await.expect_err(query);
            assert!(matches!(error, FalkorError::Query { .. }), "{error:?}");
        }
    });
}

#[test]
fn one_client_at_a_time_on_the_whole_server_has_an_index_or_constraint_built() {
    with_graph("turns", async |client, graph| {
        let mut other =
            redis::Client::open(url()).expect("a URL").get_connection().expect("the server answers");
        let take = redis::cmd("SET").arg(&["sonograph:schema", "another's", "NX", "PX", "400"]).to_owned();
        while !take.query::<bool>(&mut other).expect("an answer") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let began = std::time::Instant::now();
        ensure(client, graph, &Context::silent()).await.expect("its turn comes");
        assert!(began.elapsed() >= Duration::from_millis(390), "nobody waited for the turn");
    });
}

#[test]
fn what_is_under_construction_is_waited_for_as_long_as_asked() {
    with_graph("building", async |client, graph| {
        all(
            client,
            graph,
            &[
                "UNWIND range(0, 199999) AS i CREATE (:Person {uid: 'p' + toString(i)})",
                "CREATE INDEX FOR (p:Person) ON (p.uid)",
            ],
        )
        .await;
        let cx = Context::silent();
        let is_open = |pieces: &[Piece]| pieces.iter().any(|p| matches!(p.state, State::Pending(_)));
        let at_once = settled(client, graph, Duration::ZERO, &cx).await.expect("a state");
        assert!(is_open(&at_once), "{at_once:?}");
        let later = settled(client, graph, Duration::from_mins(2), &cx).await.expect("a state");
        assert!(!is_open(&later) && later.iter().any(|p| p.state == State::Operational), "{later:?}");
    });
}

#[test]
fn the_state_of_a_bare_graph_is_missing_and_looking_makes_nothing() {
    with_graph("bare", async |client, graph| {
        assert!(matches!(state(client, graph).await, Err(FalkorError::NoGraph { .. })));
        all(client, graph, &["CREATE (:Person {uid: 'a'})"]).await;
        for _ in 0..2 {
            let pieces = state(client, graph).await.expect("a state");
            assert!(pieces.iter().all(|p| p.state == State::Missing), "{pieces:?}");
        }
    });
}

#[test]
fn duplicates_are_named_and_once_they_are_gone_the_schema_is_made() {
    with_graph("dupes", async |client, graph| {
        let cx = Context::silent();
        all(
            client,
            graph,
            &[
                "CREATE (:Person {uid: 'p1', canonical_id: 'ig:same'}), (:Person {uid: 'p2', canonical_id: 'ig:same'}), (:Person {uid: 'p3', canonical_id: 'ig:other'})",
            ],
        )
        .await;
        let error = ensure(client, graph, &cx).await.expect_err("two of one");
        let said = error.to_string();
        assert!(
            said.contains("unique Person.canonical_id") && said.contains("`ig:same` is held by 2"),
            "{said}"
        );
        assert!(said.contains("`p1`") && said.contains("`p2`") && !said.contains("ig:other"), "{said}");
        assert!(error.hint().is_some());
        assert_eq!(error.fault(), Fault::Environment);
        let failed = state(client, graph).await.expect("a state");
        assert!(failed.iter().any(|p| p.what == "unique Person.canonical_id" && p.state == State::Failed));
        all(client, graph, &["MATCH (n {uid: 'p2'}) SET n.canonical_id = null"]).await;
        ensure(client, graph, &cx).await.expect("holds now");
    });
}

#[test]
fn parallel_edges_of_one_message_and_nodes_without_uid_are_named() {
    with_graph("breaks", async |client, graph| {
        let cx = Context::silent();
        all(client, graph, &["CREATE (a:Person {uid: 'p'})-[:ATTENDED {mid: 'm1'}]->(e:Event {uid: 'e'}), (a)-[:ATTENDED {mid: 'm1'}]->(e), (:Genre {name: 'techno'})"]).await;
        let first = ensure(client, graph, &cx).await.expect_err("a genre without uid").to_string();
        assert!(first.contains("mandatory Genre.uid") && first.contains("`techno`"), "{first}");
        all(client, graph, &["MATCH (n:Genre) SET n.uid = 'g'"]).await;
        let second = ensure(client, graph, &cx).await.expect_err("one message twice").to_string();
        assert!(second.contains("unique ATTENDED.mid") && second.contains("`p → e`"), "{second}");
    });
}
