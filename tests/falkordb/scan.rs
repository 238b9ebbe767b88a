//! A scanned graph is the graph: every node, every edge, every value.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{AnyValue, DataFrame};
use sonograph::context::Context;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::{
    Client, FALKORDB_IDS, FalkorError, Param, Params, Scanned, scan, scan_rows,
};

use crate::graph::{all, with_graph};
use crate::shadow::live;

fn assert_same(ours: &Tables, theirs: &Tables) {
    let frames = |t: &Tables| -> BTreeMap<String, DataFrame> {
        t.nodes.iter().chain(&t.edges).map(|(name, frame)| (name.clone(), frame.clone())).collect()
    };
    let (ours, theirs) = (frames(ours), frames(theirs));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, frame) in &ours {
        assert!(frame.equals_missing(&theirs[name]), "{name}:\n{frame}\nis not\n{}", theirs[name]);
        assert_eq!(frame.schema(), theirs[name].schema());
    }
}

#[test]
fn a_random_graph_with_parallel_edges_deletions_and_reused_ids_is_read_exactly() {
    for seed in 0..3 {
        with_graph(&format!("scan{seed}"), async |client, graph| {
            let shadow = live(client, graph, seed, 250).await;
            let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
            assert_same(&scanned.tables, &shadow.tables());
            assert_eq!(scanned.drift, Vec::<String>::new());
            let ids = &scanned.tables.companions[FALKORDB_IDS];
            assert_eq!(ids.height(), shadow.nodes.len());
            let dense: Vec<String> = scanned.tables.nodes.values().flat_map(uids).collect();
            for (row, uid) in dense.iter().enumerate() {
                let AnyValue::Int64(id) = ids.column("id").expect("ids").get(row).expect("a row") else {
                    panic!("row {row} has no internal id");
                };
                let params = Params::new().with("id", Param::Int(id)).with("uid", Param::Text(uid.clone()));
                let query = "MATCH (n) WHERE id(n) = $id AND n.uid = $uid RETURN count(n)";
                assert_eq!(client.ro_query(graph, query, &params).await.expect("looked up").count(), Some(1));
            }
        });
    }
}

fn uids(frame: &DataFrame) -> Vec<String> {
    frame.column("uid").expect("uid").str().expect("text").iter().flatten().map(str::to_owned).collect()
}

#[test]
fn more_nodes_than_a_page_are_all_read_and_a_scan_twice_is_the_same() {
    with_graph("pages", async |client, graph| {
        all(
            client,
            graph,
            &[
                "UNWIND range(0, 4999) AS i CREATE (:Person {uid: 'p' + toString(i), gen: i})",
                "MATCH (n:Person) WHERE n.gen % 7 = 0 DELETE n",
                "MATCH (a:Person), (b:Person) WHERE b.gen = (a.gen * 17) % 5000 CREATE (a)-[:FOLLOWS {timestamp: a.gen}]->(b), (a)-[:FOLLOWS {timestamp: a.gen}]->(b)",
                "MATCH (a:Person {gen: 1}), (b:Person) CREATE (b)-[:HUB]->(a), (a)-[:HUB]->(b)",
            ],
        )
        .await;
        let one = scan(client, graph, &Context::silent()).await.expect("a scan");
        let two = scan(client, graph, &Context::silent()).await.expect("a scan");
        assert!(one.pages > 3);
        assert_eq!(one.tables.nodes["Person"].height(), 5_000 - 715);
        assert_eq!(one.tables.edges["HUB"].height(), 2 * (5_000 - 715));
        assert_same(&one.tables, &two.tables);
        let loops = client.ro_query(graph, "MATCH ()-[e:FOLLOWS]->() RETURN count(e)", &Params::new()).await;
        assert_eq!(
            one.tables.edges["FOLLOWS"].height() as u64,
            loops.expect("counted").count().expect("a number")
        );
    });
}

#[test]
fn an_empty_graph_is_read_as_one() {
    with_graph("empty", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid: 'a'})", "MATCH (n) DELETE n"]).await;
        let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
        assert_eq!((scanned.tables.node_count(), scanned.tables.edge_count()), (0, 0));
    });
}

#[test]
fn a_node_without_uid_is_named_instead_of_left_out() {
    with_graph("nouid", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid: 'a'}), (:B {x: 1}), (:B {uid: 3})"]).await;
        let error = scan(client, graph, &Context::silent()).await.expect_err("no names");
        assert!(matches!(error, FalkorError::NoUid { count: 2, .. }), "{error:?}");
    });
}

#[test]
fn a_graph_deleted_and_made_again_by_somebody_else_is_read_with_its_new_names() {
    with_graph("again", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid: 'a', one: 1})"]).await;
        scan(client, graph, &Context::silent()).await.expect("a scan");
        let mut other = Client::connect(&crate::graph::url()).await.expect("another client");
        other.delete_graph(graph).await.expect("gone");
        all(&mut other, graph, &["CREATE (:B {two: 2, uid: 'b'})"]).await;
        let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
        assert_eq!(scanned.tables.nodes["B"].get_column_names(), ["node", "uid", "name", "two"]);
    });
}

#[test]
fn scanning_stops_when_asked_to() {
    with_graph("stop", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid: 'a'})"]).await;
        let cx = Context::silent();
        cx.cancel.request();
        assert!(matches!(scan(client, graph, &cx).await, Err(FalkorError::Cancelled(_))));
    });
}

#[test]
fn what_others_write_while_we_read_is_said() {
    with_graph("drift", async |client, graph| {
        all(client, graph, &["UNWIND range(0, 19999) AS i CREATE (:Person {uid: 'p' + toString(i)})"]).await;
        let mut other = Client::connect(&crate::graph::url()).await.expect("another client");
        let key = graph.to_owned();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asked = std::sync::Arc::clone(&stop);
        let writer = tokio::spawn(async move {
            let mut made = BTreeSet::new();
            for i in 0.. {
                if asked.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let params = Params::new().with("u", Param::Text(format!("n{i}")));
                other.query(&key, "CREATE (:Person {uid: $u})", &params).await.expect("written");
                made.insert(i);
            }
            made.len()
        });
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(writer.await.expect("the writer ends") > 1);
        assert!(scanned.drift.iter().any(|d| d.starts_with("nodes: ")), "{:?}", scanned.drift);
    });
}

#[test]
fn a_scan_over_the_connection_there_is_gives_the_same_tables() {
    with_graph("ways", async |client, graph| {
        live(client, graph, 7, 200).await;
        for query in [
            "MATCH (n) WITH n LIMIT 3 SET n.v = vecf32([1.5, 2, 3]), n.at = date('2024-02-03'), n.nested = [[1], ['a']]",
            "MATCH ()-[e]->() WITH e LIMIT 5 SET e.timestamp = 'never', e.src = 1",
        ] {
            all(client, graph, &[query]).await;
        }
        let bulk = scan(client, graph, &Context::silent()).await.expect("a scan");
        let rows = scan_rows(client, graph, &Context::silent()).await.expect("a scan");
        assert_same(&bulk.tables, &rows.tables);
        let ids = |scanned: &Scanned| scanned.tables.companions[FALKORDB_IDS].clone();
        assert!(ids(&bulk).equals(&ids(&rows)));
        assert_eq!((&bulk.left_out, &bulk.drift), (&rows.left_out, &rows.drift));
        assert!(bulk.left_out.iter().any(|told| told.contains("`src`")), "{:?}", bulk.left_out);
    });
}

#[test]
fn hubs_of_more_edges_than_a_page_are_read_exactly() {
    with_graph("hub", async |client, graph| {
        all(
            client,
            graph,
            &[
                "UNWIND range(0, 59999) AS i CREATE (:Person {uid: 'p' + toString(i), gen: i})",
                "MATCH (a:Person {gen: 3}) WITH a MATCH (b:Person) WHERE b.gen % 2 = 0 CREATE (a)-[:FAN {timestamp: b.gen}]->(b)",
                "MATCH (a:Person {gen: 900}) WITH a MATCH (b:Person) WHERE b.gen < 40000 CREATE (a)-[:FAN {timestamp: b.gen}]->(b)",
                "MATCH (a:Person {gen: 4}) WITH a MATCH (b:Person {gen: 70}) WITH a, b UNWIND range(1, 15000) AS i CREATE (a)-[:FAN {timestamp: -i}]->(b)",
                "MATCH (a:Person {gen: 4}) WITH a MATCH (b:Person {gen: 90}) CREATE (a)-[:FAN {timestamp: 5}]->(b), (a)-[:FAN]->(a)",
            ],
        )
        .await;
        let bulk = scan(client, graph, &Context::silent()).await.expect("a scan");
        let rows = scan_rows(client, graph, &Context::silent()).await.expect("a scan");
        assert_eq!(bulk.drift, Vec::<String>::new());
        assert_eq!(bulk.tables.edges["FAN"].height(), 30_000 + 40_000 + 15_002);
        assert_same(&bulk.tables, &rows.tables);
    });
}

#[test]
fn a_reading_whose_connection_is_cut_goes_on_at_the_page() {
    with_graph("cut", async |client, graph| {
        all(
            client,
            graph,
            &[
                "UNWIND range(0, 39999) AS i CREATE (:Person {uid: 'p' + toString(i), gen: i, name: 'n' + toString(i)})",
                "MATCH (a:Person), (b:Person) WHERE b.gen = (a.gen * 17) % 40000 CREATE (a)-[:FOLLOWS {timestamp: a.gen}]->(b), (a)-[:FOLLOWS {timestamp: a.gen}]->(b)",
            ],
        )
        .await;
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asked = std::sync::Arc::clone(&over);
        let killer = std::thread::spawn(move || {
            let server = redis::Client::open(crate::graph::url()).expect("a URL");
            let mut server = server.get_connection().expect("it answers");
            let named = format!(" name=sonograph-{} ", std::process::id());
            // As often as one page may be cut.
            let (mut killed, mut last) = (0, std::time::Instant::now());
            while killed < 5 && !asked.load(std::sync::atomic::Ordering::Relaxed) {
                let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut server).expect("a list");
                // In the middle of an answer: while the query runs, or while it is being sent.
                let line = list.lines().find(|l| l.contains(&named) && l.contains("cmd=graph.RO_QUERY"));
                let line = line.or_else(|| list.lines().find(|l| l.contains(&named)));
                if let Some(line) = line
                    && last.elapsed() > std::time::Duration::from_millis(40)
                {
                    let id = line.split(' ').find_map(|part| part.strip_prefix("id=")).expect("an id");
                    let gone: u32 =
                        redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query(&mut server).expect("told");
                    killed += gone;
                    last = std::time::Instant::now();
                }
            }
            killed
        });
        let cut = scan(client, graph, &Context::silent()).await;
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let killed = killer.join().expect("it ends");
        let whole = scan(client, graph, &Context::silent()).await.expect("a scan");
        let cut = cut.expect("a scan in spite of all");
        assert!(killed > 0, "the reading was never cut");
        assert_same(&cut.tables, &whole.tables);
        assert_eq!(cut.drift, Vec::<String>::new());
        assert_eq!(cut.tables.edges["FOLLOWS"].height(), 80_000);
    });
}
