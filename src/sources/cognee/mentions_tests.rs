//! Candidates, counted by hand.

use super::*;
use crate::ontology::Value;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};

type Node = (&'static str, &'static str, &'static str);

fn tables(nodes: &[Node], is_a: &[(&str, &str)]) -> Tables {
    let mut rows: BTreeMap<String, Vec<NodeRow>> = BTreeMap::new();
    for &(label, uid, name) in nodes {
        let mut properties = vec![("name", Value::Text(name.into()))];
        if uid.ends_with("-gone") {
            properties.push(("deleted_at", Value::Instant(1)));
        }
        rows.entry(label.into()).or_default().push(NodeRow { uid: uid.into(), labels: vec![], properties });
    }
    let edge =
        |(src, dst): &(&str, &str)| EdgeRow { src: (*src).into(), dst: (*dst).into(), properties: vec![] };
    assemble(rows, BTreeMap::from([(IS_A.to_owned(), is_a.iter().map(edge).collect())])).expect("a graph")
}

/// `memory uid > business uid: rule confidence`, in the order of the table.
fn found(business: &Tables, memory: &Tables) -> Vec<String> {
    let frame = mentions(business, memory);
    let text = |name: &str, row: usize| {
        frame.column(name).and_then(|c| c.str()).expect("text").get(row).expect("a cell").to_owned()
    };
    let confidence = frame.column("confidence").and_then(|c| c.f64()).expect("floats");
    (0..frame.height())
        .map(|row| {
            let ends = format!("{} > {}", text("memory_uid", row), text("business_uid", row));
            format!("{ends}: {} {}", text("rule", row), confidence.get(row).expect("a cell"))
        })
        .collect()
}

#[test]
fn an_equal_name_counts_more_where_the_type_agrees_and_nothing_where_it_contradicts() {
    let business = tables(
        &[
            ("Person", "p", "Velvet Meridian"),
            ("Venue", "v", "Low Ceiling"),
            ("Venue", "w", "Berghain"),
            ("Event", "e-gone", "Old Night"),
            ("Visitor", "x", "nobody"),
        ],
        &[],
    );
    let memory = tables(
        &[
            ("Entity", "m1", "velvet-meridian"),
            ("Entity", "m2", "LOW CEILING"),
            ("Entity", "m3", "Berghain"),
            ("Entity", "m4", "old night"),
            ("Entity", "m5", "nobody"),
            ("DocumentChunk", "m6", "Low Ceiling"),
            ("EntityType", "t1", "Artist"),
            ("EntityType", "t2", "person"),
            ("EntityType", "t3", "cocktail"),
        ],
        &[("m1", "t1"), ("m2", "t3"), ("m3", "t2")],
    );
    assert_eq!(found(&business, &memory), ["m1 > p: name+type 0.9", "m2 > v: name 0.5"]);
}

#[test]
fn a_type_of_a_type_is_a_type_even_in_a_circle() {
    let business = tables(&[("Venue", "v", "Low Ceiling")], &[]);
    let memory = tables(
        &[
            ("Entity", "m", "Low Ceiling"),
            ("EntityType", "cellar", "cellar"),
            ("EntityType", "venue", "venue"),
        ],
        &[("m", "cellar"), ("cellar", "venue"), ("venue", "cellar")],
    );
    assert_eq!(found(&business, &memory), ["m > v: name+type 0.9"]);
}

#[test]
fn a_name_that_fits_several_is_worth_less() {
    let business = tables(&[("Person", "p", "Ana"), ("Person", "q", "ana"), ("Venue", "v", "Ana")], &[]);
    let memory = tables(
        &[("Entity", "m", "Ana"), ("Entity", "n", "Ana"), ("EntityType", "t", "person")],
        &[("m", "t")],
    );
    // m may be p or q; n may be any of the three. Of p and of q there are two who may mean them.
    let expected = [
        ("m > p: name+type", 0.9 / 4.0),
        ("m > q: name+type", 0.9 / 4.0),
        ("n > p: name", 0.5 / 6.0),
        ("n > q: name", 0.5 / 6.0),
        ("n > v: name", 0.5 / 3.0),
    ];
    assert_eq!(found(&business, &memory), expected.map(|(what, confidence)| format!("{what} {confidence}")));
}

#[test]
fn every_word_is_written_as_names_are_compared_and_stands_for_one_label() {
    let mut seen = BTreeSet::new();
    for word in WORDS.iter().flat_map(|(_, words)| *words) {
        assert_eq!(name_key(word).as_deref(), Some(*word));
        assert!(seen.insert(word), "{word} stands for two labels");
    }
}
