//! Two snapshots held against each other, and against sets that somebody else might have made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use polars::prelude::*;
use proptest::prelude::*;
use sonograph::context::Context;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::snapshot::{diff, write};

use crate::graphs;

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .args(["snapshot", "diff"])
        .args(args)
        .output()
        .expect("it runs")
}

fn csv(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, &[args, &["--format", "csv"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn node(uid: &str, properties: Vec<(&'static str, Value)>) -> NodeRow {
    NodeRow { uid: uid.to_owned().into(), labels: vec![], properties }
}

fn edge(src: &str, dst: &str, mid: Option<&str>, ms: i64) -> EdgeRow {
    let mid = mid.map(|mid| ("mid", Value::Text(mid.to_owned())));
    let properties = mid.into_iter().chain([("timestamp", Value::Instant(ms))]).collect();
    EdgeRow { src: src.to_owned().into(), dst: dst.to_owned().into(), properties }
}

/// Two weeks of a tiny city, every kind of change in it once.
fn weeks() -> tempfile::TempDir {
    let score = |x: f64| ("influence_pagerank", Value::Float(x));
    let name = |n: &'static str| ("name", Value::Text(n.into()));
    let graph = |people: Vec<NodeRow>, attended: Vec<EdgeRow>, follows: Vec<EdgeRow>| {
        let nodes = BTreeMap::from([
            ("Person".to_owned(), people),
            ("Event".to_owned(), vec![node("e1", vec![name("One")])]),
        ]);
        let edges = BTreeMap::from([("ATTENDED".to_owned(), attended), ("FOLLOWS".to_owned(), follows)]);
        assemble(nodes, edges).expect("a graph")
    };
    let monday = graph(
        vec![
            node("ana", vec![name("Ana"), score(0.25)]),
            node("ben", vec![name("Ben"), score(0.5)]),
            node("cem", vec![name("Cem")]),
        ],
        vec![
            edge("ana", "e1", Some("t1"), 1),
            edge("ana", "e1", Some("t2"), 2),
            edge("cem", "e1", Some("t3"), 3),
        ],
        vec![edge("ana", "ben", None, 10), edge("ana", "ben", None, 11), edge("ben", "ana", None, 12)],
    );
    let next = graph(
        vec![
            // A node before the others moves every dense id.
            node("aaa", vec![name("New")]),
            node("ana", vec![name("Ana"), score(0.75)]),
            node("ben", vec![name("Benjamin")]),
        ],
        vec![
            edge("ana", "e1", Some("t1"), 1),
            edge("ana", "e1", Some("t4"), 2),
            edge("aaa", "e1", Some("t5"), 3),
        ],
        vec![edge("ana", "ben", None, 11), edge("ana", "ben", None, 15), edge("ana", "ben", None, 16)],
    );
    let dir = tempfile::tempdir().expect("a folder");
    for (name, tables) in [("monday", &monday), ("next", &next)] {
        write(&dir.path().join("snapshots").join(name), tables, &graphs::input(), &Context::silent())
            .expect("written");
    }
    dir
}

#[test]
fn nodes_and_edges_are_counted_by_what_became_of_them() {
    let dir = weeks();
    assert_eq!(
        csv(dir.path(), &["monday", "next"]),
        // ATTENDED: t2 and t3 went, t4 and t5 came. FOLLOWS: of ana → ben 11 stayed, 10 changed, one came; ben → ana went.
        "kind,name,before,after,added,removed,changed\n\
         node,Event,1,1,0,0,0\n\
         node,Person,3,3,1,1,2\n\
         edge,ATTENDED,3,3,2,2,0\n\
         edge,FOLLOWS,3,3,1,1,1\n"
    );
    assert_eq!(
        csv(dir.path(), &["monday", "next", "--table", "nodes"]),
        "label,uid,change\nPerson,aaa,added\nPerson,ana,changed\nPerson,ben,changed\nPerson,cem,removed\n"
    );
    assert_eq!(
        csv(dir.path(), &["monday", "next", "--table", "edges"]),
        "relation,src,dst,change\nATTENDED,aaa,e1,added\nATTENDED,ana,e1,added\nATTENDED,ana,e1,removed\n\
         ATTENDED,cem,e1,removed\nFOLLOWS,ana,ben,added\nFOLLOWS,ana,ben,changed\nFOLLOWS,ben,ana,removed\n"
    );
}

#[test]
fn the_movement_of_properties_is_told_with_the_nodes_that_moved_most() {
    let dir = weeks();
    assert_eq!(
        csv(dir.path(), &["monday", "next", "--table", "properties"]),
        "kind,name,property,changed,set,unset,mean_before,mean_after,largest\n\
         node,Person,influence_pagerank,1,0,1,0.25,0.75,0.5\n\
         node,Person,name,1,0,0,,,\n\
         edge,FOLLOWS,timestamp,1,0,0,,,\n"
    );
    assert_eq!(
        csv(dir.path(), &["monday", "next", "--table", "movers"]),
        "label,property,uid,before,after,change\nPerson,influence_pagerank,ana,0.25,0.75,0.5\n"
    );
    assert_eq!(csv(dir.path(), &["monday", "next", "--table", "movers", "--top", "0"]).lines().count(), 1);
}

#[test]
fn what_cannot_be_compared_is_named() {
    let dir = weeks();
    let missing = run(dir.path(), &["sunday", "next"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`sunday` is not a snapshot"));
    std::fs::write(dir.path().join("snapshots/next/nodes/Person.parquet"), "no parquet").expect("written");
    let damaged = run(dir.path(), &["monday", "next"]);
    assert_ne!(damaged.status.code(), Some(0));
    let said = String::from_utf8_lossy(&damaged.stderr);
    assert!(said.contains("nodes/Person.parquet"), "{said}");
}

/// A graph as sets: (label, uid) → cells; (relation, src, dst) → rows of cells.
type Cells = BTreeMap<String, String>;
type Sets = (BTreeMap<(String, String), Cells>, BTreeMap<(String, String, String), Vec<Cells>>);

fn sets(tables: &Tables) -> Sets {
    let cells = |frame: &DataFrame, row: usize| -> Cells {
        let all =
            frame.columns().iter().filter(|c| !["node", "uid", "src", "dst"].contains(&c.name().as_str()));
        all.map(|c| (c.name().to_string(), c.to_physical_repr().get(row).expect("a cell").to_string()))
            .filter(|(_, cell)| cell != "null")
            .collect()
    };
    let (mut nodes, mut edges, mut uids) = (BTreeMap::new(), BTreeMap::<_, Vec<Cells>>::new(), Vec::new());
    for (label, frame) in &tables.nodes {
        for row in 0..frame.height() {
            let uid =
                frame.column("uid").expect("uids").str().expect("text").get(row).expect("a uid").to_owned();
            nodes.insert((label.clone(), uid.clone()), cells(frame, row));
            uids.push(uid);
        }
    }
    for (relation, frame) in &tables.edges {
        for row in 0..frame.height() {
            let end = |name: &str| {
                let id = frame.column(name).expect("an end").i64().expect("ids").get(row).expect("an id");
                uids[usize::try_from(id).expect("a dense id")].clone()
            };
            edges.entry((relation.clone(), end("src"), end("dst"))).or_default().push(cells(frame, row));
        }
    }
    (nodes, edges)
}

/// Added, removed, changed by name, from nothing but the sets.
fn expected(before: &Sets, after: &Sets) -> BTreeMap<(&'static str, String), [i64; 3]> {
    let mut all = BTreeMap::<_, [i64; 3]>::new();
    for key in before.0.keys().chain(after.0.keys()).collect::<BTreeSet<_>>() {
        let counts = all.entry(("node", key.0.clone())).or_default();
        match (before.0.get(key), after.0.get(key)) {
            (None, _) => counts[0] += 1,
            (_, None) => counts[1] += 1,
            (a, b) => counts[2] += i64::from(a != b),
        }
    }
    for key in before.1.keys().chain(after.1.keys()).collect::<BTreeSet<_>>() {
        let counts = all.entry(("edge", key.0.clone())).or_default();
        let mut gone = before.1.get(key).cloned().unwrap_or_default();
        let mut come = Vec::new();
        for row in after.1.get(key).into_iter().flatten() {
            match gone.iter().position(|other| other == row) {
                Some(at) => drop(gone.swap_remove(at)),
                None => come.push(row),
            }
        }
        let changed = gone.len().min(come.len());
        for (count, n) in counts.iter_mut().zip([come.len() - changed, gone.len() - changed, changed]) {
            *count += i64::try_from(n).expect("few");
        }
    }
    all
}

proptest! {
    #[test]
    fn any_two_graphs_differ_by_what_their_sets_differ_by(before in graphs::any_graph(), after in graphs::any_graph()) {
        let found = diff(&before, &after, 3, &Context::silent()).expect("they can be compared").elements;
        let text = |name: &str, row| found.column(name).expect(name).str().expect("text").get(row).expect("a cell").to_owned();
        let number = |name: &str, row| found.column(name).expect(name).i64().expect("numbers").get(row).expect("a cell");
        let mut told = BTreeMap::new();
        for row in 0..found.height() {
            let kind = if text("kind", row) == "node" { "node" } else { "edge" };
            told.insert((kind, text("name", row)), ["added", "removed", "changed"].map(|name| number(name, row)));
        }
        prop_assert_eq!(told, expected(&sets(&before), &sets(&after)));
        let same = diff(&before, &before, 3, &Context::silent()).expect("it can be compared");
        prop_assert_eq!(same.nodes.height() + same.edges.height() + same.properties.height() + same.movers.height(), 0);
    }
}
