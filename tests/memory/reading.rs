//! What is in a memory is in the tables, whatever its shape, and what others do meanwhile is said.

use std::sync::Arc;

use polars::prelude::{DataFrame, DataType};
use sonograph::context::{Bar, Cancel, Context, Progress};
use sonograph::sources::cognee::{self, Remembered};
use sonograph::sources::falkordb::{Client, FalkorError};

use crate::place::{Graphs, url};

pub async fn scan(url: &str, graph: &str) -> Remembered {
    let mut client = Client::connect(url).await.expect("the server answers");
    cognee::scan(&mut client, graph, &Context::silent()).await.expect("a scan")
}

fn cell(frame: &DataFrame, uid: &str, column: &str) -> String {
    let uids = frame.column("uid").and_then(|c| c.str()).expect("uids");
    let row = uids.iter().position(|held| held == Some(uid)).expect(uid);
    frame.column(column).expect(column).get(row).expect("a row").to_string()
}

/// Microseconds of a time.
fn instant(frame: &DataFrame, uid: &str, column: &str) -> Option<i64> {
    let uids = frame.column("uid").and_then(|c| c.str()).expect("uids");
    let row = uids.iter().position(|held| held == Some(uid)).expect(uid);
    let DataType::Datetime(..) = frame.column(column).expect(column).dtype() else {
        panic!("{column} is no time")
    };
    frame
        .column(column)
        .and_then(|c| c.cast(&DataType::Int64))
        .expect("microseconds")
        .i64()
        .expect("integers")
        .get(row)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_memory_is_read_in_all_its_shapes_and_without_its_vectors() {
    let key = format!("test_memory_shapes_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&key]);
    graphs.remember(&key);
    let read = scan(&graphs.url, &key).await;

    let rows = |frames: &std::collections::BTreeMap<String, DataFrame>| {
        frames.iter().map(|(name, frame)| (name.clone(), frame.height())).collect::<Vec<_>>()
    };
    let named =
        |pairs: &[(&str, usize)]| pairs.iter().map(|(n, rows)| ((*n).to_owned(), *rows)).collect::<Vec<_>>();
    // `chunk-1` is a stub; the stub of `velvet` is one with the entity.
    let nodes = [("Entity", 3), ("EntityType", 2), ("NodeSet", 1), ("Stub", 1)];
    assert_eq!(rows(&read.tables.nodes), named(&nodes));
    // The type of the third is `tritt_auf_fur_immer`.
    assert_eq!(rows(&read.tables.edges), named(&[("contains", 1), ("is_a", 2), ("tritt auf/für immer", 1)]));

    let entities = &read.tables.nodes["Entity"];
    assert_eq!(cell(entities, "velvet", "belongs_to_set"), r#"["music", "berlin"]"#);
    assert_eq!(cell(entities, "velvet-2", "belongs_to_set"), r#"["music", "hamburg"]"#);
    assert_eq!(cell(entities, "velvet-2", "metadata"), "\"{broken\"");
    assert_eq!(instant(entities, "velvet", "created_at"), Some(1_795_366_534_971_000));
    assert_eq!(instant(entities, "ceiling", "updated_at"), None);
    assert!(entities.column("name_vector").is_err(), "a vector is in no table");
    assert!(
        cell(&read.tables.nodes["NodeSet"], &format!("{key}:{}", nodeset(&graphs, &key)), "name")
            .contains("music")
    );

    // Two vectors, and a list of numbers that is named as one.
    assert_eq!(read.census.vectors.iter().collect::<Vec<_>>(), [(&"name_vector".to_owned(), &3)]);
    let census = &read.census;
    assert_eq!((census.stubs, census.folded, census.nameless, census.twins), (1, 1, 1, 0));
    assert_eq!((census.broken_json, census.odd_times, census.lost), (1, 0, 0));
    assert_eq!(read.drift, Vec::<String>::new());

    let again = scan(&graphs.url, &key).await;
    for (one, two) in read.tables.nodes.values().zip(again.tables.nodes.values()) {
        assert!(one.equals_missing(two));
    }
}

/// The internal id of the one node that has no id of its own.
fn nodeset(graphs: &Graphs, key: &str) -> i64 {
    let reply = graphs.query(key, "MATCH (n:NodeSet) RETURN id(n)");
    let rows: (redis::Value, Vec<Vec<i64>>, redis::Value) = redis::from_redis_value(reply).expect("a number");
    rows.1[0][0]
}

/// Changes the graph at the moments between two pages and between nodes and edges.
#[derive(Debug)]
struct Meddler {
    url: String,
    key: String,
}

struct Moment {
    edges: bool,
    url: String,
    key: String,
    meddled: std::sync::atomic::AtomicBool,
}

impl Progress for Meddler {
    fn begin(&self, title: &str, _: Option<u64>) -> Box<dyn Bar> {
        let (url, key) = (self.url.clone(), self.key.clone());
        Box::new(Moment { edges: title.contains("edges"), url, key, meddled: false.into() })
    }
}

impl Bar for Moment {
    fn set(&self, done: u64, _: Option<u64>) {
        if (done == 0 && !self.edges) || self.meddled.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let queries: &[&str] = if self.edges {
            // The node's internal id is given to `late` at once, and `late` has an edge of its own.
            &[
                "MATCH (n {id: 'e7'}) DETACH DELETE n",
                "CREATE (:Entity {id: 'late'})",
                "MATCH (a {id: 'e8'}), (b {id: 'late'}) CREATE (a)-[:knows]->(b)",
            ]
        } else {
            &["MATCH (n {id: 'e4999'}) DETACH DELETE n"]
        };
        let mut connection =
            redis::Client::open(self.url.as_str()).expect("a URL").get_connection().expect("it answers");
        for query in queries {
            redis::cmd("GRAPH.QUERY").arg(&self.key).arg(*query).exec(&mut connection).expect("written");
        }
    }

    fn end(&self) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_between_two_pages_is_said_and_no_edge_ends_at_a_stranger() {
    let key = format!("test_memory_drift_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&key]);
    graphs.query(&key, "UNWIND range(0, 4999) AS i CREATE (:Entity {id: 'e' + toString(i), name: 'n'})");
    graphs.query(&key, "MATCH (a:Entity), (b:Entity) WHERE id(b) = id(a) + 1 CREATE (a)-[:knows]->(b)");
    let meddler = Arc::new(Meddler { url: graphs.url.clone(), key: key.clone() });
    let cx = Context::new(meddler, Cancel::default(), 1, 1);
    let mut client = Client::connect(&graphs.url).await.expect("the server answers");
    let read = cognee::scan(&mut client, &key, &cx).await.expect("a scan");

    assert_eq!(read.tables.nodes["Entity"].height(), 4_999, "the last one went before its page");
    // 4999 were there; one went with the last node, two with `e7`, and the one to `late` is nobody's.
    assert_eq!((read.tables.edge_count(), read.census.lost), (4_996, 1));
    let said = read.drift.join("\n");
    assert!(said.contains("nodes: 5000 counted before, 4999 read"), "{said}");
    assert!(said.contains("1 edges end at nodes that came or went"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_is_not_there_is_named_and_an_empty_one_is_read() {
    let key = format!("test_memory_none_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&key]);
    let mut client = Client::connect(&graphs.url).await.expect("the server answers");
    let missing = cognee::scan(&mut client, &key, &Context::silent()).await;
    assert!(matches!(missing, Err(FalkorError::NoGraph { .. })), "{missing:?}");
    // The adapter asks a new graph whether it is empty, and so makes it.
    graphs.query(&key, "MATCH (n) RETURN true LIMIT 1");
    let read = scan(&graphs.url, &key).await;
    assert_eq!((read.tables.node_count(), read.tables.edge_count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_hold_whole_documents_are_read_a_few_at_a_time() {
    let key = format!("test_memory_documents_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&key]);
    let text = "a document ".repeat(9_000);
    let make =
        format!("UNWIND range(1, 400) AS i CREATE (:TextDocument {{id: 'd' + toString(i), text: '{text}'}})");
    graphs.query(&key, &make);
    let read = scan(&graphs.url, &key).await;
    assert_eq!(read.tables.nodes["TextDocument"].height(), 400);
    // 64 of them in the first page, then a page of 1.5 MB holds about fifteen.
    assert!(read.pages > 15, "{} pages", read.pages);
}
