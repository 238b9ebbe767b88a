//! A town of five people, three events and two promoters.

use std::collections::BTreeMap;
use std::sync::Arc;

use sonograph::graph::BusinessGraph;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};

const DAY: i64 = 86_400_000;

fn day(day: i64) -> Value {
    Value::Instant(1_772_323_200_000 + day * DAY)
}

fn node(uid: &str, labels: &[&'static str], more: Vec<(&'static str, Value)>) -> NodeRow {
    let name = Value::Text(uid.to_uppercase());
    let properties = std::iter::once(("name", name)).chain(more).collect();
    NodeRow { uid: uid.into(), labels: labels.to_vec(), properties }
}

fn edges(list: &[(&str, &str, Option<i64>)]) -> Vec<EdgeRow> {
    let edge = |(i, &(src, dst, at)): (usize, &(&str, &str, Option<i64>))| EdgeRow {
        src: src.into(),
        dst: dst.into(),
        properties: std::iter::once(("mid", Value::Text(format!("x{i}"))))
            .chain(at.map(|at| ("timestamp", day(at))))
            .collect(),
    };
    list.iter().enumerate().map(edge).collect()
}

fn share(src: &str, dst: &str, at: i64, mid: &str, parent: Option<&str>) -> EdgeRow {
    let mut properties = vec![("timestamp", day(at)), ("mid", Value::Text(mid.into()))];
    properties.extend(parent.map(|parent| ("parent", Value::Text(parent.into()))));
    EdgeRow { src: Arc::from(src), dst: Arc::from(dst), properties }
}

/// Everything at once; the answers stand in the tests.
pub fn town() -> BusinessGraph {
    BusinessGraph::build(tables()).expect("the town is a graph")
}

/// The town as frozen.
pub fn tables() -> Tables {
    let nodes = BTreeMap::from([
        (
            "Person".to_owned(),
            vec![
                node("ana", &["Fan"], vec![]),
                node("art", &["Artist"], vec![]),
                node("ben", &["Fan"], vec![]),
                node("cy", &["Fan"], vec![]),
                node("leo", &["Contact"], vec![]),
            ],
        ),
        (
            "Event".to_owned(),
            vec![
                node("e1", &[], vec![("starts_at", day(10))]),
                node("e2", &[], vec![("starts_at", day(12))]),
                node("e3", &[], vec![("starts_at", day(99))]),
            ],
        ),
        ("Organization".to_owned(), vec![node("harbour", &[], vec![]), node("night", &[], vec![])]),
        ("Content".to_owned(), vec![node("https://a/1,2", &[], vec![]), node("https://a/3", &[], vec![])]),
        (
            "Visitor".to_owned(),
            vec![node("anon:1", &[], vec![]), node("anon:9", &[], vec![]), node("anon:s", &[], vec![])],
        ),
    ]);
    let (c1, c2) = ("https://a/1,2", "https://a/3");
    let relations = BTreeMap::from([
        (
            "PROMOTES".to_owned(),
            edges(&[
                ("night", "e1", None),
                ("night", "e2", None),
                ("night", "e3", None),
                ("harbour", "e2", None),
            ]),
        ),
        (
            "IDENTIFIED_AS".to_owned(),
            edges(&[("anon:1", "ana", None), ("anon:s", "ana", None), ("anon:s", "ben", None)]),
        ),
        (
            "INTERESTED_IN".to_owned(),
            edges(&[
                ("anon:1", "e1", Some(1)),
                ("anon:9", "e1", Some(2)),
                ("ana", "e1", Some(3)),
                ("ben", "e1", Some(5)),
                ("cy", "e1", Some(6)),
                ("ben", "e2", Some(8)),
                ("ana", "e3", Some(9)),
            ]),
        ),
        (
            "ATTENDED".to_owned(),
            edges(&[
                ("ana", "e1", Some(10)),
                ("ben", "e1", Some(4)),
                ("cy", "e1", Some(10)),
                ("cy", "e1", Some(11)),
                ("ben", "e2", Some(12)),
                ("cy", "e2", Some(12)),
            ]),
        ),
        (
            "FOLLOWS".to_owned(),
            edges(&[("cy", "ben", Some(0)), ("cy", "ana", Some(0)), ("ana", "art", Some(0))]),
        ),
        ("PERFORMS_AT".to_owned(), edges(&[("art", "e1", None)])),
        (
            "SHARED".to_owned(),
            vec![
                share("ana", c1, 1, "m1", None),
                share("ben", c1, 2, "m2", Some("m1")),
                share("cy", c1, 3, "m3", None),
                share("anon:9", c1, 4, "m4", Some("gone")),
                share("ben", c1, 5, "m5", None),
                share("leo", c1, 6, "m6", Some("m5")),
                share("cy", c2, 7, "m7", None),
            ],
        ),
    ]);
    assemble(nodes, relations).expect("the town is sound")
}
