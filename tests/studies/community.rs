//! Communities by modularity, of graphs whose communities can be seen.

use serde_json::json;
use sonograph::graph::BusinessGraph;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};

use crate::asking::{ask, close, fact, number, refused, row_of};

/// Two triangles joined by an edge whose weight is given; the others weigh 1.
fn triangles(joint: f64) -> BusinessGraph {
    let node = |uid: &&str| NodeRow {
        uid: (*uid).into(),
        labels: vec!["Node"],
        properties: vec![].into_iter().collect(),
    };
    let edges = [
        ("a", "b", 1.0),
        ("b", "c", 1.0),
        ("c", "a", 1.0),
        ("c", "d", joint),
        ("d", "e", 1.0),
        ("e", "f", 1.0),
        ("f", "d", 1.0),
    ];
    let edge = |(src, dst, weight): (&str, &str, f64)| EdgeRow {
        src: src.into(),
        dst: dst.into(),
        properties: [("weight", Value::Float(weight))].into_iter().collect(),
    };
    let nodes = [("Node".to_owned(), ["a", "b", "c", "d", "e", "f"].iter().map(node).collect())].into();
    let edges = [("EDGE".to_owned(), edges.into_iter().map(edge).collect())].into();
    BusinessGraph::build(assemble(nodes, edges).expect("rows are canonical")).expect("tables are a graph")
}

#[test]
fn communities_follow_the_weights_and_the_resolution() {
    let of = |given: &serde_json::Value, joint: f64| {
        let found = ask("community", given, &triangles(joint)).expect("an answer");
        let scores = &found.scores.as_ref().expect("scores").frame;
        let community = |uid| number(scores, "community_leiden", row_of(scores, uid));
        (["a", "b", "c", "d", "e", "f"].map(|uid| community(uid) as i64), fact(&found, "leiden_modularity"))
    };
    let leiden = json!({"metrics": ["leiden"]});
    let (communities, modularity) = of(&leiden, 1.0);
    assert_eq!(communities, [0, 0, 0, 1, 1, 1]);
    // Of seven edges six are inside, and each side has half of all ends.
    assert!(close(modularity, 6.0 / 7.0 - 0.5));
    // Who holds together more than both triangles is a community of their own.
    let (communities, _) = of(&leiden, 20.0);
    assert_eq!(communities[2], communities[3]);
    assert_ne!(communities[0], communities[4]);
    assert_eq!(of(&json!({"metrics": ["leiden"], "weight": "none"}), 20.0).0, [0, 0, 0, 1, 1, 1]);
    assert_eq!(of(&json!({"metrics": ["leiden"], "communities": "louvain"}), 1.0).0, [0, 0, 0, 1, 1, 1]);
    assert_eq!(of(&json!({"metrics": ["leiden"], "resolution": 0.01}), 1.0).0, [0; 6]);
    assert_eq!(of(&json!({"metrics": ["leiden"], "resolution": 9.0}), 1.0).0, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn weights_that_make_no_modularity_are_refused() {
    let given = json!({"metrics": ["leiden"]});
    let error = ask("community", &given, &triangles(-1.0)).expect_err("a weight is negative").to_string();
    assert!(error.contains("row 3") && error.contains("`EDGE`"), "{error}");
    let error = ask("community", &given, &triangles(f64::MAX)).expect_err("no sum").to_string();
    assert!(error.contains("row 3"), "{error}");
    assert!(refused("community", &json!({"metrics": ["leiden"], "resolution": 0.0})).contains("resolution"));
    // What counts edges has no use for weights.
    assert!(ask("community", &json!({"metrics": ["component", "label"]}), &triangles(-1.0)).is_ok());
}
