//! What Cognee writes, in the shapes it writes it.

use proptest::prelude::*;

use super::*;
use crate::sources::cognee::mentions;

fn text(t: &str) -> CypherValue {
    CypherValue::Text(t.into())
}

fn node(internal: u64, label: &str, properties: &[(&str, CypherValue)]) -> DataPoint {
    DataPoint {
        internal,
        labels: if label.is_empty() { vec![] } else { vec![label.to_owned()] },
        properties: properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

fn link(src: (u64, &str), dst: (u64, &str), kind: &str, name: Option<&str>) -> Link {
    Link {
        src: (src.0, text(src.1)),
        dst: (dst.0, text(dst.1)),
        kind: kind.to_owned(),
        properties: name.map(|n| (RELATIONSHIP_NAME.to_owned(), text(n))).into_iter().collect(),
    }
}

fn column(tables: &Tables, label: &str, name: &str) -> Vec<String> {
    let column = tables.nodes[label].column(name).expect(name);
    (0..column.len()).map(|row| column.get(row).expect("a row").to_string()).collect()
}

#[test]
fn a_node_written_after_its_edge_is_one_with_the_stub_that_the_edge_left() {
    let memory = Memory {
        nodes: vec![
            node(0, "", &[("id", text("a"))]),
            node(1, "", &[("id", text("never written"))]),
            node(2, "Entity", &[("id", text("a")), ("name", text("A"))]),
        ],
        edges: vec![link((0, "a"), (1, "never written"), "knows", None)],
    };
    let (tables, census) = memory.tables("g").expect("tables");
    assert_eq!((tables.node_count(), tables.edge_count()), (2, 1));
    assert_eq!((census.stubs, census.folded), (1, 1));
    assert_eq!(tables.nodes.keys().collect::<Vec<_>>(), ["Entity", STUB]);
    // The edge begins at the entity: dense id 0.
    assert_eq!(tables.edges["knows"].column(SRC).expect("src").i64().expect("ids").get(0), Some(0));
}

#[test]
fn a_node_without_id_and_a_second_one_of_another_class_are_named_by_the_graph() {
    let memory = Memory {
        nodes: vec![
            node(7, "Entity", &[("id", text("a"))]),
            node(8, "Event", &[("id", text("a"))]),
            node(9, "Event", &[("name", CypherValue::Int(1999))]),
        ],
        edges: vec![],
    };
    let (tables, census) = memory.tables("g").expect("tables");
    assert_eq!((census.nameless, census.twins), (1, 1));
    assert_eq!(column(&tables, "Event", UID), ["\"g:8\"", "\"g:9\""]);
    assert_eq!(
        column(&tables, "Event", "id"),
        ["\"a\"", "null"],
        "what the uid does not say stays a property"
    );
    assert_eq!(column(&tables, "Event", "name"), ["null", "\"1999\""]);
}

#[test]
fn a_set_is_a_list_in_either_shape_and_a_broken_one_is_counted() {
    let sets = [
        (CypherValue::List(vec![text("x"), text("y")]), Some(vec!["x", "y"]), true),
        (text(r#"["x", "y"]"#), Some(vec!["x", "y"]), true),
        (text(r#"[{"name": "x", "id": "1"}]"#), Some(vec!["x"]), true),
        (text(r#""x""#), Some(vec!["x"]), true),
        (text("null"), None, true),
        (text(" "), None, true),
        (text("['x', 'y']"), Some(vec!["['x', 'y']"]), false),
    ];
    for (held, expected, whole) in sets {
        let mut census = Census::default();
        let expected = expected.map(|items| Value::TextList(items.into_iter().map(Into::into).collect()));
        assert_eq!(census.value("belongs_to_set", held.clone()), expected, "{held:?}");
        assert_eq!(census.broken_json == 0, whole, "{held:?}");
    }
}

#[test]
fn times_are_milliseconds_in_whatever_shape_and_what_is_no_time_is_counted() {
    let ms = 1_795_366_534_000;
    for held in [
        CypherValue::Int(ms),
        CypherValue::Float(ms as f64),
        CypherValue::Seconds(ms / 1000),
        text("1795366534000"),
        text("2026-11-22 16:55:34"),
        text("2026-11-22T17:55:34+01:00"),
    ] {
        assert_eq!(instant(&held), Some(ms), "{held:?}");
    }
    let mut census = Census::default();
    for held in [text("soon"), CypherValue::Int(i64::MAX), CypherValue::Bool(true), CypherValue::Float(0.5)] {
        assert_eq!(census.value("created_at", held), None);
    }
    assert_eq!(census.odd_times, 4);
}

#[test]
fn broken_metadata_stays_the_text_it_is() {
    let mut census = Census::default();
    for (held, broken) in [(r#"{"index_fields": ["name"]}"#, 0), ("{'index_fields'", 1)] {
        assert_eq!(census.value("metadata", text(held)), Some(Value::Text(held.into())));
        assert_eq!(census.broken_json, broken);
    }
}

#[test]
fn a_property_named_like_a_column_of_the_table_does_not_take_its_place() {
    let held =
        [("id", text("a")), ("uid", text("mine")), ("labels", CypherValue::Int(3)), ("node", text("n"))];
    let memory = Memory { nodes: vec![node(0, "Entity", &held)], edges: vec![] };
    let (tables, _) = memory.tables("g").expect("tables");
    assert_eq!(
        tables.nodes["Entity"].get_column_names(),
        ["node", "uid", "name", "labels_", "node_", "uid_"]
    );
}

#[test]
fn an_edge_whose_end_became_somebody_else_is_left_out() {
    let memory = Memory {
        nodes: vec![node(0, "Entity", &[("id", text("a"))]), node(1, "Entity", &[("id", text("b"))])],
        edges: vec![
            link((0, "a"), (1, "b"), "t", None),
            link((0, "a"), (1, "c"), "t", None),
            link((0, "a"), (5, "e"), "t", None),
        ],
    };
    let (tables, census) = memory.tables("g").expect("tables");
    assert_eq!((tables.edge_count(), census.lost), (1, 2));
}

/// A small graph with few ids and names, so that they collide.
fn memories() -> impl Strategy<Value = Memory> {
    let value = prop_oneof![
        "[ab]?".prop_map(CypherValue::Text),
        (0..3_i64).prop_map(CypherValue::Int),
        Just(CypherValue::Map(vec![])),
        Just(CypherValue::List(vec![CypherValue::Bool(true)])),
        any::<i64>().prop_map(CypherValue::Int),
        any::<i64>().prop_map(CypherValue::Seconds),
        any::<f64>().prop_map(CypherValue::Float),
        "\\PC{0,20}".prop_map(CypherValue::Text),
        "[\u{200b}\u{202e}\u{2066}\"{}\\[\\]:,0-9]{0,8}".prop_map(CypherValue::Text),
        Just(CypherValue::Text("y".repeat(100_000))),
        Just(CypherValue::Text("0001-01-01T00:00:00Z".into())),
        Just(CypherValue::Text("9999-12-31 23:59:59".into())),
        Just(CypherValue::Point { latitude: -90.0, longitude: 180.0 }),
    ];
    let name = prop::sample::select(vec![
        "id",
        "name",
        "created_at",
        "belongs_to_set",
        "metadata",
        "v_vector",
        "node",
    ]);
    let properties = || prop::collection::btree_map(name.clone(), value.clone(), 0..5);
    let own = |held: BTreeMap<&'static str, CypherValue>| {
        held.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()
    };
    let label = prop::collection::vec(prop::sample::select(vec!["Entity", "Event"]), 0..2);
    let nodes = prop::collection::vec((label, properties()), 0..8).prop_map(move |all| {
        let made = all.into_iter().zip(0..).map(|((labels, held), internal)| DataPoint {
            internal,
            labels: labels.into_iter().map(str::to_owned).collect(),
            properties: own(held),
        });
        made.collect::<Vec<_>>()
    });
    let ends = prop::collection::vec((0..9_u64, 0..9_u64, "[t-u]", properties()), 0..10);
    (nodes, ends).prop_map(move |(nodes, ends)| {
        let end = |internal: u64| {
            let id = nodes.get(internal as usize).and_then(|n: &DataPoint| {
                n.properties.iter().find(|(name, _)| name == "id").map(|(_, value)| value.clone())
            });
            (internal, id.unwrap_or(CypherValue::Null))
        };
        let edges = ends.into_iter().map(|(src, dst, kind, held)| Link {
            src: end(src),
            dst: end(dst),
            kind,
            properties: own(held),
        });
        Memory { edges: edges.collect(), nodes: nodes.clone() }
    })
}

proptest! {
    #[test]
    fn rows_in_any_order_give_the_same_tables(memory in memories(), seed in any::<u64>()) {
        use rand::SeedableRng as _;
        use rand::seq::SliceRandom as _;
        let mut other = memory.clone();
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
        other.nodes.shuffle(&mut rng);
        other.edges.shuffle(&mut rng);
        let (one, census) = memory.tables("g").expect("tables");
        let (two, again) = other.tables("g").expect("tables");
        prop_assert_eq!(census, again);
        prop_assert_eq!(one.nodes.keys().collect::<Vec<_>>(), two.nodes.keys().collect::<Vec<_>>());
        prop_assert_eq!(one.edges.keys().collect::<Vec<_>>(), two.edges.keys().collect::<Vec<_>>());
        let frames = |t: &Tables| t.nodes.values().chain(t.edges.values()).cloned().collect::<Vec<_>>();
        prop_assert_eq!(mentions(&one, &one).height(), mentions(&two, &two).height());
        for (a, b) in frames(&one).iter().zip(frames(&two)) {
            prop_assert!(a.equals_missing(&b), "{a} differs from {b}");
        }
    }
}
