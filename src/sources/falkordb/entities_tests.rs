//! Answers of whole nodes and edges: exact where they are whole, refused and forgotten where they are not.

use std::io::BufReader;

use proptest::prelude::*;

use super::*;
use crate::snapshot::tables::Tables;

fn names() -> Names {
    let of = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    Names {
        labels: of(&["Person", "Fan", "Zoo"]),
        properties: of(&["uid", "gen", "open", "score", "place", "refs", "name"]),
        relations: of(&["FOLLOWS"]),
    }
}

/// What a server prints: spaces are the ends of lines.
fn said(tokens: &str) -> Vec<u8> {
    tokens.replace(' ', "\r\n").into_bytes()
}

/// Rows as a whole answer.
fn answer(rows: &[String]) -> Vec<u8> {
    let time = "Query internal execution time: 0.250000 milliseconds";
    let mut all = said(&format!("*3 *1 *2 :1 $1 x *{} {}*1 ", rows.len(), rows.concat()));
    all.extend_from_slice(format!("${}\r\n{time}\r\n", time.len()).as_bytes());
    all
}

fn node_answer() -> Vec<u8> {
    let uid = |id| format!("*3 :0 :2 $2 u{id} ");
    let nodes = [
        format!("*1 *2 :8 *3 :3 *2 :1 :0 *4 {}*3 :1 :3 :-7 *3 :2 :4 $4 true *3 :3 :5 $3 1.5 ", uid(3)),
        format!("*1 *2 :8 *3 :4 *2 :1 :0 *3 {}*3 :1 :3 :8 *3 :4 :11 *2 $4 52.5 $2 13 ", uid(4)),
        format!("*1 *2 :8 *3 :5 *0 *2 *3 :5 :6 *2 *2 :2 $1 a *2 :2 $0  {}", uid(5)),
        format!("*1 *2 :8 *3 :9 *1 :2 *3 {}*3 :6 :1 $-1 *3 :1 :5 $3 inf ", uid(9)),
    ];
    answer(&nodes)
}

fn edge_answer() -> Vec<u8> {
    let edge = |id, src, dst| format!("*1 *2 :7 *5 :{id} :0 :{src} :{dst} ");
    let edges = [
        edge(0, 3, 4) + "*2 *3 :1 :3 :5 *3 :3 :5 $2 -0 ",
        edge(1, 3, 4) + "*2 *3 :1 :3 :5 *3 :3 :5 $2 -0 ",
        edge(2, 4, 9) + "*0 ",
        edge(5, 5, 7) + "*1 *3 :1 :3 :6 ",
    ];
    answer(&edges)
}

fn read<P: Reader>(
    reader: &mut P,
    bytes: &[u8],
    buffer: usize,
    into: &mut Gathering,
) -> Result<(P::Page, f64), Unread> {
    reader.read(&mut Wire::new(BufReader::with_capacity(buffer, bytes)), &names(), into)
}

/// Everything that the answers say, after what `before` does to the readers.
fn tables(
    before: impl Fn(&mut NodeReader, &mut Gathering),
    then: impl Fn(&mut EdgeReader, &mut Gathering),
) -> Tables {
    let (mut all, mut reader) = (Gathering::default(), NodeReader::default());
    reader.begin(0..10, &all);
    before(&mut reader, &mut all);
    let (page, ms) = read(&mut reader, &node_answer(), 64, &mut all).expect("whole");
    assert_eq!((page.nodes, page.nameless, ms), (4, (0, None), 0.25));
    all.settle().expect("no twins");
    let mut reader = EdgeReader::of(all.relation("FOLLOWS"));
    reader.begin(End::Source, 0..10);
    then(&mut reader, &mut all);
    let (page, _) = read(&mut reader, &edge_answer(), 64, &mut all).expect("whole");
    assert_eq!((page.edges, page.ordered, page.last.0), (4, true, 5));
    assert_eq!(page.last.1, 3);
    reader.keep(&mut all);
    assert_eq!((reader.seen, reader.lost), (4, 1));
    let (tables, ids, told) = all.finish(false).expect("a graph");
    assert_eq!((ids, told), (vec![5, 3, 4, 9], vec![]));
    tables
}

fn same(ours: &Tables, theirs: &Tables) -> bool {
    let frames =
        |tables: &Tables| tables.nodes.values().chain(tables.edges.values()).cloned().collect::<Vec<_>>();
    let (ours, theirs) = (frames(ours), frames(theirs));
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| a.equals_missing(b))
}

#[test]
fn whole_nodes_and_edges_become_columns_of_their_types() {
    let tables = tables(|_, _| {}, |_, _| {});
    assert_eq!(tables.nodes.keys().collect::<Vec<_>>(), ["Node", "Person", "Zoo"]);
    let people = &tables.nodes["Person"];
    let columns =
        ["node", "uid", "name", "labels", "gen", "open", "place_latitude", "place_longitude", "score"];
    let mut found: Vec<&str> =
        people.get_column_names().into_iter().map(polars::prelude::PlSmallStr::as_str).collect();
    found[4..].sort_unstable();
    assert_eq!(found, columns);
    assert_eq!(people.column("gen").expect("there").i64().expect("integers").get(0), Some(-7));
    assert_eq!(people.column("place_latitude").expect("there").f64().expect("floats").get(1), Some(52.5));
    assert_eq!(tables.nodes["Node"].column("refs").expect("there").null_count(), 0);
    assert_eq!(tables.edges["FOLLOWS"].height(), 3);
}

#[test]
fn a_name_that_came_later_and_an_id_nobody_asked_for_are_no_rows() {
    let mut all = Gathering::default();
    let mut reader = NodeReader::default();
    reader.begin(0..10, &all);
    let later = String::from_utf8(node_answer()).expect("text").replace("*3\r\n:2\r\n:4", "*3\r\n:7\r\n:4");
    assert!(matches!(read(&mut reader, later.as_bytes(), 64, &mut all), Err(Unread::Name)));
    reader.forget(true, &mut all);
    reader.begin(4..10, &all);
    let error = read(&mut reader, &node_answer(), 64, &mut all).expect_err("3 lies outside");
    assert!(format!("{error:?}").contains("an id that was asked for"), "{error:?}");
    reader.forget(false, &mut all);
    assert!(all.marks().iter().all(|rows| *rows == 0));
}

proptest! {
    #[test]
    fn answers_that_were_damaged_are_forgotten_without_trace(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..5),
        buffer in 1usize..200,
    ) {
        let damaged = |mut said: Vec<u8>| {
            for (at, byte, how) in &changes {
                let at = at.index(said.len());
                match how {
                    0 => said[at] = *byte,
                    // Another digit makes another number, length or type.
                    1 => said[at] = b'0' + byte % 10,
                    2 => said.insert(at, *byte),
                    _ => said.truncate(at.max(1)),
                }
            }
            said
        };
        let whole = tables(|_, _| {}, |_, _| {});
        let after = tables(
            |reader, all| {
                let _ = read(reader, &damaged(node_answer()), buffer, all);
                reader.forget(false, all);
            },
            |reader, all| {
                let _ = read(reader, &damaged(edge_answer()), buffer, all);
                reader.forget(false, all);
            },
        );
        prop_assert!(same(&whole, &after));
    }
}
