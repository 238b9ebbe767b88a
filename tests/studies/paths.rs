//! What `paths` answers about distances and costs, in a graph of towns and roads that can be worked out by hand.

use std::collections::BTreeMap;

use polars::prelude::{AnyValue, DataFrame};
use serde_json::{Value as Json, json};
use sonograph::context::{Context, Diagnose, Fault};
use sonograph::graph::BusinessGraph;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::studies::{Findings, Question, StudyError};

use crate::town::town;

/// A road one way: from, to, length, when it was built (days).
type Road = (&'static str, &'static str, f64, i64);

/// a → b → c → d and two shortcuts; `e` is beyond, `f` leads in, `g` is alone.
const ROADS: [Road; 8] = [
    ("a", "b", 1.0, 0),
    ("a", "b", 0.5, 10),
    ("a", "c", 4.0, 10),
    ("a", "d", 9.0, 10),
    ("b", "c", 1.0, 10),
    ("c", "d", 1.0, 10),
    ("c", "c", 0.0, 10),
    ("f", "a", 1.0, 10),
];

fn roads(list: &[Road], length: impl Fn(f64) -> f64) -> BusinessGraph {
    const DAY: i64 = 86_400_000;
    let node = |uid: &&'static str| NodeRow::<&'static str> {
        uid: (*uid).into(),
        labels: vec![],
        properties: vec![("name", Value::Text((*uid).into()))],
    };
    let edge = |&(src, dst, weight, day): &Road| EdgeRow {
        src: src.into(),
        dst: dst.into(),
        properties: vec![("weight", Value::Float(length(weight))), ("timestamp", Value::Instant(day * DAY))],
    };
    let nodes =
        BTreeMap::from([("Town".to_owned(), ["a", "b", "c", "d", "f", "g"].iter().map(node).collect())]);
    let edges = BTreeMap::from([("ROAD".to_owned(), list.iter().map(edge).collect())]);
    BusinessGraph::build(assemble(nodes, edges).expect("sound")).expect("a graph")
}

fn ask(given: &Json, graph: &BusinessGraph) -> Result<Findings, StudyError> {
    let given = given.as_object().expect("parameters").clone();
    Question::configured("paths", &given)?.run(graph, &Context::silent())
}

fn answer(given: &Json) -> Findings {
    ask(given, &roads(&ROADS, |length| length)).expect("an answer")
}

fn table<'f>(findings: &'f Findings, name: &str) -> &'f DataFrame {
    &findings.tables.iter().find(|table| table.name == name).expect("the table is there").frame
}

fn names(findings: &Findings) -> Vec<&str> {
    findings.tables.iter().map(|table| table.name).collect()
}

/// The rows of `distances`.
fn distances(findings: &Findings) -> Vec<(String, i64, f64)> {
    let frame = table(findings, "distances");
    let uid = frame.column("uid").expect("a column").str().expect("text").iter();
    let hops = frame.column("hops").expect("a column").i64().expect("counts").iter();
    let distance = frame.column("distance").expect("a column").f64().expect("numbers").iter();
    let rows = uid.zip(hops).zip(distance);
    rows.map(|((uid, hops), distance)| {
        (uid.expect("text").to_owned(), hops.expect("a count"), distance.expect("a number"))
    })
    .collect()
}

fn rows(list: &[(&str, i64, f64)]) -> Vec<(String, i64, f64)> {
    list.iter().map(|&(uid, hops, distance)| (uid.to_owned(), hops, distance)).collect()
}

/// Cost, hops and uids of every path.
fn paths(findings: &Findings) -> Vec<(f64, i64, String)> {
    let frame = table(findings, "paths");
    let cost = frame.column("cost").expect("a column").f64().expect("numbers").iter();
    let hops = frame.column("hops").expect("a column").i64().expect("counts").iter();
    let uids = frame.column("uids").expect("a column");
    let joined = |row: usize| match uids.get(row).expect("a row") {
        AnyValue::List(uids) => uids.str().expect("text").iter().flatten().collect::<String>(),
        other => panic!("{other} is no list"),
    };
    let rows = cost.zip(hops).zip(0..);
    rows.map(|((cost, hops), row)| (cost.expect("a number"), hops.expect("a count"), joined(row))).collect()
}

fn fact(findings: &Findings, name: &str) -> f64 {
    findings.facts.iter().find(|fact| fact.name == name).expect("the fact is there").value
}

#[test]
fn a_source_is_told_fewest_hops_and_least_cost_of_everybody_it_reaches_each_for_itself() {
    let found = answer(&json!({"source": "a"}));
    assert_eq!(names(&found), ["distances", "hops_distribution"]);
    assert_eq!(distances(&found), rows(&[("a", 0, 0.0), ("b", 1, 0.5), ("c", 1, 1.5), ("d", 1, 2.5)]));
    let by_hops = table(&found, "hops_distribution");
    let counts = |name: &str| {
        let column = by_hops.column(name).expect("a column").i64().expect("counts");
        column.iter().map(|count| count.expect("a count")).collect::<Vec<_>>()
    };
    assert_eq!((counts("hops"), counts("nodes"), counts("within")), (vec![0, 1], vec![1, 3], vec![1, 4]));
    let told = [
        ("distances_reached", 4.0),
        ("distances_unreached", 2.0),
        ("distances_within_1", 4.0),
        ("distances_within_3", 4.0),
        ("distances_mean_hops", 1.0),
        ("distances_most_hops", 1.0),
        ("distances_most_cost", 2.5),
    ];
    for (name, value) in told {
        assert_eq!(fact(&found, name).to_bits(), f64::to_bits(value), "{name}");
    }
    for table in &found.tables {
        let declared = found.declared.iter().find(|d| d.name == table.name).expect("it is declared");
        let columns: Vec<&str> = declared.columns.iter().map(|column| column.name).collect();
        assert_eq!(table.frame.get_column_names(), columns);
    }
}

#[test]
fn edges_are_followed_as_stored_or_both_ways_and_weigh_what_is_asked_for() {
    let of = |given: Json| distances(&answer(&given));
    assert_eq!(of(json!({"source": "g"})), rows(&[("g", 0, 0.0)]));
    let both = [("a", 1, 1.5), ("b", 1, 1.0), ("c", 0, 0.0), ("d", 1, 1.0), ("f", 2, 2.5)];
    assert_eq!(of(json!({"source": "c", "undirected": true})), rows(&both));
    assert_eq!(of(json!({"source": "c", "via": ["ROAD"]})), rows(&both));
    assert_eq!(of(json!({"source": "c"})), rows(&[("c", 0, 0.0), ("d", 1, 1.0)]));
    assert_eq!(
        of(json!({"source": "d", "reverse": ["ROAD"], "max_hops": 1})),
        rows(&[("a", 1, 2.5), ("c", 1, 1.0), ("d", 0, 0.0)])
    );
    let alike = [("a", 1, 1.0), ("b", 2, 2.0), ("c", 2, 2.0), ("d", 2, 2.0), ("f", 0, 0.0)];
    assert_eq!(of(json!({"source": "f", "weight": "none"})), rows(&alike));
    assert_eq!(
        of(json!({"source": "a", "edge_where": "weight < 2", "weight": "weight * 2"})),
        rows(&[("a", 0, 0.0), ("b", 1, 1.0), ("c", 2, 3.0), ("d", 3, 5.0)])
    );
}

#[test]
fn a_pair_is_told_its_least_costly_paths_and_with_a_source_both_are_answered() {
    let found = answer(&json!({"from": "a", "to": "d", "k": 9, "source": "b"}));
    assert_eq!(names(&found), ["distances", "hops_distribution", "paths", "evidence"]);
    assert_eq!(distances(&found), rows(&[("b", 0, 0.0), ("c", 1, 1.0), ("d", 2, 2.0)]));
    let all = [(2.5, 3, "abcd".to_owned()), (5.0, 2, "acd".to_owned()), (9.0, 1, "ad".to_owned())];
    assert_eq!(paths(&found), all);
    assert_eq!(fact(&found, "paths_cost").to_bits(), 2.5f64.to_bits());
    // Parallel roads are one step, and both of them its evidence.
    let evidence = table(&found, "evidence");
    let times = evidence.column("times").expect("a column").i64().expect("counts");
    assert_eq!(times.iter().collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1].map(Some));
    assert!(found.charts.iter().any(|chart| chart.name == "warm_path"));

    let few = answer(&json!({"from": "a", "to": "d", "k": 2, "max_hops": 2}));
    assert_eq!(paths(&few), all[1..]);
    let alike = answer(&json!({"from": "a", "to": "d", "k": 9, "weight": "none"}));
    assert_eq!(paths(&alike), [(1.0, 1, "ad".to_owned())]);
    assert_eq!(paths(&answer(&json!({"from": "d", "to": "a"}))), []);
}

#[test]
fn strengths_multiply_and_fade_and_the_strongest_path_costs_least() {
    let graph = roads(&ROADS, |length| if length > 8.0 { 0.125 } else { 0.5 });
    let found = ask(&json!({"from": "a", "to": "d", "k": 9, "cost": "strength"}), &graph).expect("an answer");
    let half = 2f64.ln();
    let costs: Vec<f64> = paths(&found).iter().map(|path| path.0 / half).collect();
    assert_eq!(paths(&found).iter().map(|path| path.2.as_str()).collect::<Vec<_>>(), ["acd", "ad", "abcd"]);
    assert!(costs.iter().zip([2.0, 3.0, 3.0]).all(|(cost, expected)| (cost - expected).abs() < 1e-12));
    assert!(found.caveats.iter().any(|caveat| caveat.contains("as if every step held or failed on its own")));
    // The older of the two roads to `b` is ten half-lives weaker, and fades away; the newer does not.
    let faded = json!({"source": "a", "cost": "strength", "half_life": 1.0, "edge_where": "weight = 0.5"});
    let of_b = |list: &[Road], given: &Json| {
        let found = ask(given, &roads(list, |_| 0.5)).expect("an answer");
        distances(&found).into_iter().find(|row| row.0 == "b").expect("b is reached").2 / half
    };
    assert!((of_b(&ROADS, &faded) - 1.0).abs() < 1e-12);
    let old = [ROADS[0], ("c", "d", 1.0, 10)];
    assert!((of_b(&old, &faded) - 11.0).abs() < 1e-12);
    // What has faded beyond all numbers is still something.
    let gone = json!({"source": "a", "cost": "strength", "half_life": 1e-3});
    assert!((of_b(&old, &gone) - 1_074.0).abs() < 1e-9);
}

#[test]
fn people_are_reached_over_what_introduces_them_either_way_unless_relations_are_named() {
    let of = |given: Json| distances(&ask(&given, &town()).expect("an answer"));
    let warm = of(json!({"source": "art"}));
    assert!(warm.contains(&("e1".into(), 1, 1.0)) && warm.contains(&("cy".into(), 2, 2.0)));
    assert!(!warm.iter().any(|row| row.0.starts_with("https:")));
    assert_eq!(of(json!({"source": "art", "relations": ["FOLLOWS"]})), rows(&[("art", 0, 0.0)]));
    let follows = of(json!({"source": "cy", "relations": ["FOLLOWS"]}));
    assert_eq!(follows, rows(&[("ana", 1, 1.0), ("art", 2, 2.0), ("ben", 1, 1.0), ("cy", 0, 0.0)]));
}

#[test]
fn what_no_path_can_be_made_of_is_named() {
    let refused = |given: &Json, length: fn(f64) -> f64| {
        let error = ask(given, &roads(&ROADS, length)).expect_err("refused");
        assert_eq!(error.fault(), Fault::Input, "{error}");
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (said, hint) = refused(&json!({"source": "a"}), |length| 2.0 - length);
    assert!(said.contains("of `ROAD` has the weight -2 in `weight`"), "{said}");
    assert!(hint.contains("--weight none"), "{hint}");
    let (said, hint) = refused(&json!({"from": "a", "to": "d", "cost": "strength"}), |length| length);
    assert!(said.contains("of `ROAD` has the strength 4 in `weight`"), "{said}");
    assert!(hint.contains("--cost length"), "{hint}");
    let far = |length: f64| if length < 2.0 { 1.5e308 } else { 1.7e308 };
    let given = json!({"source": "a", "edge_where": "weight < 1.6e308"});
    let (said, _) = refused(&given, far);
    assert!(said.contains("more than a number can hold") && said.contains("`ROAD`"), "{said}");
    let given = json!({"from": "b", "to": "d"});
    let (said, _) = refused(&given, far);
    assert!(said.contains("more than a number can hold"), "{said}");
    for given in [
        json!({"source": "nobody"}),
        json!({"source": "a", "half_life": 3.0}),
        json!({"source": "a", "via": ["ROAD"], "relations": ["ROAD"]}),
        json!({"source": "a", "k": 0}),
        json!({"source": "a", "from": "b"}),
        json!({"source": "a", "node_where": "uid != 'a'"}),
        json!({"source": "a", "labels": ["City"]}),
    ] {
        refused(&given, |length| length);
    }
}

#[test]
fn one_and_two_threads_give_the_same_distances_and_paths() {
    let graph = roads(&ROADS, |length| length / 3.0);
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let found =
                ask(&json!({"source": "a", "from": "a", "to": "d", "k": 9}), &graph).expect("an answer");
            (distances(&found), paths(&found), format!("{:?}", found.facts))
        })
    };
    assert_eq!(all(1), all(2));
}
