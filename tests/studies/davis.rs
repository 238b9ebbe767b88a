//! The one public attendance graph with published numbers: 18 women, 14 events, 89 attendances.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::studies::Question;

/// The graph as an import of the file makes it; `None`, loudly, where the data sets are not at hand.
fn davis() -> Option<BusinessGraph> {
    let file = std::env::var_os("SONOGRAPH_SHARED")
        .map(|shared| PathBuf::from(shared).join("datasets/davis_southern_women.csv"));
    let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) else {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!(
                "SKIPPED: set SONOGRAPH_SHARED to the folder that holds datasets/davis_southern_women.csv"
            );
        }
        return None;
    };
    let rows: Vec<(&str, &str)> = text.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    let mut names: Vec<&str> = rows.iter().flat_map(|&(person, event)| [person, event]).collect();
    names.sort_unstable();
    names.dedup();
    let node = |name: &&str| NodeRow::<&'static str> {
        uid: (*name).into(),
        labels: vec![],
        properties: vec![("name", Value::Text((*name).into()))],
    };
    let edge = |&(person, event): &(&str, &str)| EdgeRow {
        src: person.into(),
        dst: event.into(),
        properties: vec![],
    };
    let nodes = BTreeMap::from([("Node".to_owned(), names.iter().map(node).collect())]);
    let edges = BTreeMap::from([("EDGE".to_owned(), rows.iter().map(edge).collect())]);
    Some(BusinessGraph::build(assemble(nodes, edges).expect("sound")).expect("a graph"))
}

#[test]
fn the_southern_women_have_their_known_co_attendance() {
    let Some(graph) = davis() else { return };
    let community = Question::defaults("community").expect("a family");
    let findings = community.run(&graph, &Context::silent()).expect("an answer");
    let frame = &findings.tables[0].frame;
    let row_of = |event: &str, other: &str| {
        let text = |name: &str| frame.column(name).expect("a column").str().expect("text");
        (0..frame.height())
            .find(|&row| text("event").get(row) == Some(event) && text("other").get(row) == Some(other))
    };
    let count =
        |name: &str, row: usize| frame.column(name).expect("a column").i64().expect("counts").get(row);
    // Attendance: E8 14, E9 12, E5 8, E1 3; both E8 and E9: 9 (Davis, Gardner & Gardner 1941, figure 3).
    let row = row_of("E8", "E9").expect("they share people");
    assert_eq!(
        (count("both", row), count("n_event", row), count("n_other", row)),
        (Some(9), Some(14), Some(12))
    );
    let lift = frame.column("lift").expect("a column").f64().expect("numbers").get(row).expect("a number");
    assert!((lift - 9.0 * 18.0 / (14.0 * 12.0)).abs() < 1e-12);
    let row = row_of("E5", "E8").expect("they share people");
    assert_eq!((count("both", row), count("n_event", row)), (Some(7), Some(8)));
    assert_eq!(row_of("E1", "E14"), None);
    assert_eq!(frame.height() % 2, 0);
}
