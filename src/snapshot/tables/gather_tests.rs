//! What is gathered column by column is what is assembled from rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::assemble::{EdgeRow, assemble, fifteen_digits};
use super::*;

/// Values as a graph server gives them.
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (-5i64..5).prop_map(Value::Integer),
        any::<f64>().prop_map(|x| Value::Float(fifteen_digits(x))),
        "[aü]{0,2}".prop_map(Value::Text),
        (-90f64..90.0, -180f64..180.0).prop_map(|(latitude, longitude)| Value::Point { latitude, longitude }),
        proptest::collection::vec("[a-b]{0,2}", 0..3).prop_map(Value::TextList),
        proptest::collection::vec((0i64..3).prop_map(Value::Integer), 0..3).prop_map(Value::List),
    ]
}

type Properties = BTreeMap<&'static str, Value>;

fn properties(names: &'static [&'static str]) -> impl Strategy<Value = Properties> {
    proptest::collection::btree_map(proptest::sample::select(names), values(), 0..5)
}

fn held(properties: &Properties) -> Vec<(Arc<str>, Value)> {
    properties.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn columns_that_come_one_value_at_a_time_are_those_of_rows_also_where_some_came_twice(
        nodes in proptest::collection::vec(
            (
                proptest::sample::select(&["Person", "Venue", "Zoo"][..]),
                proptest::sample::subsequence(vec!["Artist", "Fan"], 0..3),
                properties(&["name", "gen", "starts_at", "location", "refs", "odd"]),
            ),
            1..20,
        ),
        edges in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(),
             proptest::sample::select(&["FOLLOWS", "ODD"][..]), properties(&["timestamp", "weight", "odd"])),
            0..40,
        ),
        again in 0u32..20,
    ) {
        let (mut rows, mut lines): (BTreeMap<String, Vec<NodeRow<_>>>, BTreeMap<String, Vec<_>>) = Default::default();
        let mut all = Gathering::default();
        let uid = |at: usize| format!("u{}", (at * 7) % 20);
        let node = |at: usize| {
            let (label, further, held_by): &(&str, Vec<&str>, Properties) = &nodes[at];
            let labels = further.iter().map(|l| Arc::from(*l)).collect();
            (*label, NodeRow { uid: uid(at).into(), labels, properties: held(held_by) })
        };
        // The first few come, are forgotten, and come again.
        for at in 0..nodes.len().min(again as usize) {
            let (label, row) = node(at);
            all.put_node(at as u64, label, row);
        }
        all.cut(&[]);
        for at in 0..nodes.len() {
            let (label, row) = node(at);
            rows.entry(label.to_owned()).or_default().push(row.clone());
            all.put_node(at as u64, label, row);
        }
        all.settle().expect("no twins");
        for (at, (src, dst, relation, held_by)) in edges.iter().enumerate() {
            let (src, dst) = (src.index(nodes.len()), dst.index(nodes.len()));
            let line = EdgeRow { src: uid(src).into(), dst: uid(dst).into(), properties: held(held_by) };
            lines.entry((*relation).to_owned()).or_default().push(line);
            for _ in 0..=u32::from(at % 3 == 0) {
                let relation_at = all.relation(relation);
                let before = all.edges(relation_at).sheet.rows();
                prop_assert!(all.put_edge(relation, (src as u64, dst as u64), held(held_by)));
                if at % 3 == 0 {
                    all.edges(relation_at).cut(before);
                }
            }
            if at % 3 == 0 {
                prop_assert!(all.put_edge(relation, (src as u64, dst as u64), held(held_by)));
            }
        }
        prop_assert!(!all.put_edge("ODD", (0, 99), Vec::new()));
        let (tables, ids, told) = all.finish(false).expect("a graph");
        prop_assert!(told.is_empty());
        let expected = assemble(rows, lines).expect("a graph");
        prop_assert_eq!(ids.len(), expected.node_count());
        for (ours, theirs) in [(&tables.nodes, &expected.nodes), (&tables.edges, &expected.edges)] {
            prop_assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
            for (name, frame) in ours {
                prop_assert!(frame.equals_missing(&theirs[name]), "{}:\n{}\nis not\n{}", name, frame, &theirs[name]);
                prop_assert_eq!(frame.schema(), theirs[name].schema());
            }
        }
    }
}

proptest! {
    #[test]
    fn edges_that_are_looked_up_by_the_page_are_those_that_are_put_one_by_one(
        edges in proptest::collection::vec((0u64..6, 0u64..8, properties(&["timestamp", "weight", "odd"])), 0..40),
        page in 1usize..20,
    ) {
        let nodes = || {
            let mut all = Gathering::default();
            for id in 0..6u64 {
                let row = NodeRow { uid: format!("u{id}").into(), labels: vec![], properties: vec![] };
                all.put_node(id, "Person", row);
            }
            all.settle().expect("no twins");
            all
        };
        let (mut single, mut paged, mut lost) = (nodes(), nodes(), [0, 0]);
        for (src, dst, held_by) in &edges {
            lost[0] += u32::from(!single.put_edge("FOLLOWS", (*src, *dst), held(held_by)));
        }
        let relation = paged.relation("FOLLOWS");
        for page in edges.chunks(page) {
            for (src, dst, held_by) in page {
                let into = paged.edges(relation);
                for (name, value) in held(held_by) {
                    let column = into.sheet.column(&name);
                    into.sheet.put(column, value);
                }
                into.end_row((*src, *dst));
            }
            lost[1] += paged.resolve(relation);
        }
        prop_assert_eq!(lost[0], lost[1]);
        let [single, paged] = [single, paged].map(|all| all.finish(false).expect("a graph").0.edges);
        prop_assert_eq!(single.len(), paged.len());
        for (relation, table) in &single {
            prop_assert_eq!(table.schema(), paged[relation].schema());
            prop_assert!(table.equals_missing(&paged[relation]), "{}\nis not\n{}", table, &paged[relation]);
        }
    }
}

#[test]
fn a_uid_twice_is_refused_with_both_labels() {
    let mut all = Gathering::default();
    for (id, label) in [(3, "Venue"), (1, "Person"), (2, "Venue")] {
        let uid = if id == 2 { "b" } else { "a" };
        all.put_node(id, label, NodeRow { uid: uid.into(), labels: vec![], properties: vec![] });
    }
    let twice = all.settle().expect_err("twice");
    let expected =
        AssembleError::DuplicateUid { uid: "a".into(), first: "Person".into(), second: "Venue".into() };
    assert_eq!(twice, expected);
}
