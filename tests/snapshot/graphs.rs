//! Graphs to freeze.

use std::collections::BTreeMap;

use polars::prelude::*;
use proptest::prelude::*;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::snapshot::{ManifestInput, Origin};

/// A small business graph with every kind of property, parallel edges, missing values and a companion.
pub fn small() -> Tables {
    let node = |uid: &str, labels: Vec<&'static str>, properties: Vec<(&'static str, Value)>| NodeRow {
        uid: uid.into(),
        labels,
        properties,
    };
    let text = |t: &str| Value::Text(t.into());
    let edge = |src: &str, dst: &str, properties: Vec<(&'static str, Value)>| EdgeRow {
        src: src.into(),
        dst: dst.into(),
        properties,
    };
    let nodes = BTreeMap::from([
        (
            "Person".to_owned(),
            vec![
                node("ben", vec![], vec![("name", text("Ben"))]),
                node("ana", vec!["Artist", "Fan"], vec![("refs", Value::TextList(vec!["a:b:1".into()]))]),
            ],
        ),
        (
            "Event".to_owned(),
            vec![
                node(
                    "e2",
                    vec![],
                    vec![("name", text("Two")), ("starts_at", Value::Instant(1_700_000_000_000))],
                ),
                node("e1", vec![], vec![("name", text("One")), ("price_min", Value::Float(0.1))]),
            ],
        ),
        (
            "Venue".to_owned(),
            vec![node("v", vec![], vec![("location", Value::Point { latitude: 52.5, longitude: 13.4 })])],
        ),
    ]);
    let at = |ms| ("timestamp", Value::Instant(ms));
    let edges = BTreeMap::from([
        (
            "ATTENDED".to_owned(),
            vec![
                edge("ben", "e1", vec![at(2_000), ("weight", Value::Float(1.0))]),
                edge("ben", "e1", vec![at(1_000)]),
                edge("ana", "e2", vec![at(3_000)]),
            ],
        ),
        ("HOSTS".to_owned(), vec![edge("v", "e1", vec![at(99_000)]), edge("v", "e2", vec![])]),
    ]);
    let mut tables = assemble(nodes, edges).expect("a graph");
    tables
        .companions
        .insert("touchpoints".into(), df!("id" => ["t1", "t2"], "n" => [1i64, 2]).expect("a frame"));
    tables
}

/// Graphs of up to 20 nodes in up to 3 labels and 30 edges in up to 2 relations, with uids of any text.
pub fn any_graph() -> impl Strategy<Value = Tables> {
    let uids = proptest::collection::btree_set("[a-z0-9é/ ]{0,6}", 1..20);
    (uids, proptest::collection::vec((0usize..20, 0usize..20, any::<i32>(), 0usize..2), 0..30)).prop_map(
        |(uids, pairs)| {
            let uids: Vec<String> = uids.into_iter().collect();
            let mut nodes: BTreeMap<String, Vec<NodeRow>> = BTreeMap::new();
            for (i, uid) in uids.iter().enumerate() {
                let properties =
                    if i % 2 == 0 { vec![("name", Value::Text(format!("n {i}")))] } else { vec![] };
                let labels = if i % 5 == 0 { vec!["Fan"] } else { vec![] };
                nodes.entry(["Person", "Event", "odd/name"][i % 3].to_owned()).or_default().push(NodeRow {
                    uid: uid.as_str().into(),
                    labels,
                    properties,
                });
            }
            let mut edges: BTreeMap<String, Vec<EdgeRow>> = BTreeMap::new();
            for (src, dst, at, relation) in pairs {
                let properties = match at % 3 {
                    0 => vec![("timestamp", Value::Instant(i64::from(at)))],
                    1 => vec![("weight", Value::Float(f64::from(at) / 8.0))],
                    _ => vec![],
                };
                edges.entry(["ATTENDED", "FOLLOWS"][relation].to_owned()).or_default().push(EdgeRow {
                    src: uids[src % uids.len()].as_str().into(),
                    dst: uids[dst % uids.len()].as_str().into(),
                    properties,
                });
            }
            assemble(nodes, edges).expect("a graph")
        },
    )
}

pub fn input() -> ManifestInput {
    ManifestInput::of(vec![Origin::new("synthetic", "1").with("people", 2)])
}

/// Whether two sets of tables hold the same rows in the same order.
pub fn same(a: &Tables, b: &Tables) -> bool {
    let equal = |a: &BTreeMap<String, DataFrame>, b: &BTreeMap<String, DataFrame>| {
        a.keys().eq(b.keys())
            && a.values().zip(b.values()).all(|(a, b)| a.equals_missing(b) && a.dtypes() == b.dtypes())
    };
    equal(&a.nodes, &b.nodes)
        && equal(&a.edges, &b.edges)
        && equal(&a.companions, &b.companions)
        && a.undirected == b.undirected
}
