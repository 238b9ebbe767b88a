//! A scanned graph is the graph: every node, every edge, every value.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{AnyValue, DataFrame};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sonograph::context::Context;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::sources::falkordb::{
    Client, FALKORDB_IDS, FalkorError, Param, Params, Scanned, scan, scan_rows,
};

use crate::graph::{all, with_graph};

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

type Properties = Vec<(&'static str, Value)>;

/// What a graph should hold, kept beside the server while it is changed.
#[derive(Default)]
struct Shadow {
    nodes: BTreeMap<String, (&'static str, Vec<&'static str>, Properties)>,
    edges: Vec<(String, String, &'static str, Properties)>,
}

impl Shadow {
    fn tables(&self) -> Tables {
        let mut nodes: BTreeMap<String, Vec<NodeRow>> = BTreeMap::new();
        for (uid, (label, further, properties)) in &self.nodes {
            nodes.entry((*label).into()).or_default().push(NodeRow {
                uid: uid.as_str().into(),
                labels: further.clone(),
                properties: properties.clone(),
            });
        }
        let mut edges: BTreeMap<String, Vec<EdgeRow>> = BTreeMap::new();
        for (src, dst, relation, properties) in &self.edges {
            edges.entry((*relation).into()).or_default().push(EdgeRow {
                src: src.as_str().into(),
                dst: dst.as_str().into(),
                properties: properties.clone(),
            });
        }
        assemble(nodes, edges).expect("a graph")
    }
}

fn properties(rng: &mut impl rand::Rng, names: &[&'static str]) -> Vec<(&'static str, Value)> {
    let mut held = Vec::new();
    for &name in names {
        if rng.random_bool(0.3) {
            continue;
        }
        let texts = ["", "it's", "a\\b", "Ünï\n🎵", "x"];
        let text = |rng: &mut _| (*texts.choose(rng).expect("some")).to_owned();
        held.push((
            name,
            match name {
                "gen" | "count" => Value::Integer(rng.random()),
                "starts_at" | "timestamp" => {
                    Value::Instant(rng.random_range(-4_000_000_000_000..4_000_000_000_000))
                }
                "price_min" | "weight" | "free" => Value::Float(rng.random::<f64>() * 1e6 - 1e3),
                "location" | "place" => Value::Point {
                    latitude: rng.random_range(-90.0..90.0),
                    longitude: rng.random_range(-180.0..180.0),
                },
                "open" => Value::Boolean(rng.random()),
                "refs" => Value::TextList((0..rng.random_range(0..4)).map(|_| text(rng)).collect()),
                "numbers" => {
                    Value::List((0..rng.random_range(1..4)).map(|_| Value::Integer(rng.random())).collect())
                }
                "mixed" => match rng.random_range(0..4) {
                    0 => Value::Integer(7),
                    1 => Value::Boolean(true),
                    2 => Value::List(vec![Value::Text(text(rng)), Value::Integer(1)]),
                    _ => Value::Text(text(rng)),
                },
                _ => Value::Text(text(rng)),
            },
        ));
    }
    held
}

fn map(properties: &[(&'static str, Value)]) -> (Param, String) {
    let entries = properties.iter().map(|(name, value)| ((*name).to_owned(), Param::from(value))).collect();
    let points: Vec<String> = properties
        .iter()
        .filter(|(_, value)| matches!(value, Value::Point { .. }))
        .map(|(name, _)| format!(" SET x.{name} = point($p.{name})"))
        .collect();
    (Param::Map(entries), points.concat())
}

async fn set(
    client: &mut Client,
    graph: &str,
    make: &str,
    params: Params,
    properties: &[(&'static str, Value)],
) {
    let plain: Vec<_> =
        properties.iter().filter(|(_, value)| !matches!(value, Value::Point { .. })).cloned().collect();
    let params = params.with("q", map(&plain).0).with("p", map(properties).0);
    let query = format!("{make} SET x += $q{}", map(properties).1);
    client.query(graph, &query, &params).await.unwrap_or_else(|error| panic!("{query}: {error}"));
}

/// Random creation and deletion, so that internal ids are reused across labels.
async fn live(client: &mut Client, graph: &str, seed: u64, steps: usize) -> Shadow {
    const LABELS: [(&str, &[&str]); 4] =
        [("Person", &["Artist", "Fan"]), ("Venue", &[]), ("Event", &[]), ("Zoo", &["Zoon"])];
    const RELATIONS: [&str; 3] = ["FOLLOWS", "ATTENDED", "odd name"];
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let mut shadow = Shadow::default();
    for at in 0..steps {
        let uids: Vec<String> = shadow.nodes.keys().cloned().collect();
        let roll = rng.random_range(0..100);
        if roll < 40 || uids.len() < 2 {
            let (label, possible) = *LABELS.choose(&mut rng).expect("some");
            let further: Vec<_> = possible.iter().copied().filter(|_| rng.random_bool(0.5)).collect();
            let names = [
                "name",
                "gen",
                "starts_at",
                "price_min",
                "location",
                "open",
                "refs",
                "numbers",
                "mixed",
                "free",
                "place",
            ];
            let held = properties(&mut rng, &names);
            let uid = format!("u'{at}\\");
            let labels = further.iter().chain([&label]).copied().collect::<Vec<_>>().join(":");
            let params = Params::new().with("uid", Param::Text(uid.clone()));
            set(client, graph, &format!("CREATE (x:{labels} {{uid: $uid}})"), params, &held).await;
            shadow.nodes.insert(uid, (label, further, held));
        } else if roll < 85 {
            let (src, dst) =
                (uids.choose(&mut rng).expect("some").clone(), uids.choose(&mut rng).expect("some").clone());
            let relation = *RELATIONS.choose(&mut rng).expect("some");
            // Few values, so that parallel edges with equal properties happen.
            let held: Vec<_> = if rng.random_bool(0.4) {
                vec![]
            } else {
                properties(&mut rng, &["timestamp", "weight", "mid", "count"])
            };
            let params =
                Params::new().with("a", Param::Text(src.clone())).with("b", Param::Text(dst.clone()));
            let make = format!("MATCH (a {{uid: $a}}), (b {{uid: $b}}) CREATE (a)-[x:`{relation}`]->(b)");
            for _ in 0..rng.random_range(1..4) {
                set(client, graph, &make, params.clone(), &held).await;
                shadow.edges.push((src.clone(), dst.clone(), relation, held.clone()));
            }
        } else {
            let uid = uids.choose(&mut rng).expect("some").clone();
            let params = Params::new().with("uid", Param::Text(uid.clone()));
            client.query(graph, "MATCH (n {uid: $uid}) DELETE n", &params).await.expect("deleted");
            shadow.nodes.remove(&uid);
            shadow.edges.retain(|(src, dst, ..)| *src != uid && *dst != uid);
        }
    }
    shadow
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
