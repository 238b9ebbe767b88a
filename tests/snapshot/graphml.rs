//! GraphML, read back by somebody else's parser.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{AnyValue, Column, DataFrame, df};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use sonograph::context::Context;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::snapshot::write;

use crate::graphs;

/// What a file says, by the format's own rules.
#[derive(Debug, Default)]
struct Read {
    /// Key → what it is for, name, type.
    keys: BTreeMap<String, (String, String, String)>,
    graph: BTreeMap<String, String>,
    /// Attributes and data of every node and edge, in order.
    nodes: Vec<Element>,
    edges: Vec<Element>,
}

#[derive(Debug, Default, Clone)]
struct Element {
    attributes: BTreeMap<String, String>,
    data: Vec<(String, String)>,
}

fn attributes(tag: &BytesStart) -> BTreeMap<String, String> {
    let attributes = tag.attributes().map(|attribute| {
        let attribute = attribute.expect("well-formed");
        let value = attribute.unescape_value().expect("entities that are known").into_owned();
        (String::from_utf8(attribute.key.as_ref().to_vec()).expect("a name"), value)
    });
    attributes.collect()
}

fn parsed(text: &str) -> Read {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    (config.check_end_names, config.check_comments) = (true, true);
    let (mut read, mut open): (Read, Vec<String>) = Default::default();
    let (mut element, mut data) = (Element::default(), None::<(String, String)>);
    loop {
        let event = reader.read_event().expect("well-formed");
        match event {
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"key" => {
                let mut key = attributes(&tag);
                let mut part = |name: &str| key.remove(name).expect(name);
                let key = (part("id"), (part("for"), part("attr.name"), part("attr.type")));
                assert!(read.keys.insert(key.0, key.1).is_none(), "a key twice");
            }
            Event::Start(tag) => {
                let name = String::from_utf8(tag.name().as_ref().to_vec()).expect("a name");
                match name.as_str() {
                    "graph" => read.graph = attributes(&tag),
                    "node" | "edge" => element = Element { attributes: attributes(&tag), data: Vec::new() },
                    "data" => data = Some((attributes(&tag).remove("key").expect("its key"), String::new())),
                    "graphml" => {
                        assert_eq!(attributes(&tag)["xmlns"], "http://graphml.graphdrawing.org/xmlns");
                    }
                    other => panic!("no element of GraphML: {other}"),
                }
                open.push(name);
            }
            Event::End(_) => match open.pop().expect("something to end").as_str() {
                "data" => element.data.push(data.take().expect("it began")),
                "node" => read.nodes.push(std::mem::take(&mut element)),
                "edge" => read.edges.push(std::mem::take(&mut element)),
                _ => {}
            },
            Event::Text(text) => match &mut data {
                Some((_, said)) => said.push_str(&text.xml10_content().expect("UTF-8")),
                None => assert!(text.iter().all(u8::is_ascii_whitespace), "text between elements"),
            },
            Event::GeneralRef(reference) => {
                let sign = match reference.resolve_char_ref().expect("a number") {
                    Some(sign) => sign.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference.decode().expect("UTF-8"))
                        .expect("an entity of XML")
                        .to_owned(),
                };
                data.as_mut().expect("within data").1.push_str(&sign);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    read
}

impl Read {
    /// Data of an element by name, each a value of the type that its key declares.
    fn values(&self, of: &str, element: &Element) -> BTreeMap<String, serde_json::Value> {
        let value = |(key, said): &(String, String)| {
            let (kind, name, attribute) = &self.keys[key];
            assert_eq!(kind, of);
            let value = match attribute.as_str() {
                "string" => said.as_str().into(),
                "long" => said.parse::<i64>().expect("a whole number").into(),
                "double" => said.parse::<f64>().expect("a number").into(),
                "boolean" => said.parse::<bool>().expect("true or false").into(),
                other => panic!("no type of GraphML: {other}"),
            };
            (if key == "label" || key == "relation" { format!("#{name}") } else { name.clone() }, value)
        };
        let values: BTreeMap<_, _> = element.data.iter().map(value).collect();
        assert_eq!(values.len(), element.data.len(), "nothing is said twice");
        values
    }
}

/// A cell as the file should say it.
fn expected(column: &Column, row: usize) -> Option<serde_json::Value> {
    Some(match column.get(row).expect("a row") {
        AnyValue::Null => return None,
        AnyValue::Boolean(v) => v.into(),
        AnyValue::Int64(v) => v.into(),
        AnyValue::Float64(v) => v.into(),
        AnyValue::String(v) => v.into(),
        AnyValue::StringOwned(v) => v.as_str().into(),
        AnyValue::Datetime(v, ..) | AnyValue::DatetimeOwned(v, ..) => {
            jiff::Timestamp::from_microsecond(v).expect("an instant").to_string().into()
        }
        AnyValue::List(items) => {
            let items = Column::from(items);
            let items: Vec<_> = (0..items.len()).map(|at| expected(&items, at)).collect();
            serde_json::to_string(&items).expect("JSON").into()
        }
        other => panic!("{other:?}"),
    })
}

fn row(kind: (&str, &str), frame: &DataFrame, row: usize) -> BTreeMap<String, serde_json::Value> {
    let own = frame.columns().iter().filter(|c| !["node", "src", "dst"].contains(&c.name().as_str()));
    let own = own.filter_map(|c| Some((c.name().to_string(), expected(c, row)?)));
    own.chain([(format!("#{}", kind.0), kind.1.into())]).collect()
}

fn assert_is(read: &Read, tables: &Tables) {
    let ids: Vec<String> = (0..tables.node_count()).map(|id| format!("n{id}")).collect();
    assert_eq!(
        read.nodes.iter().map(|node| &node.attributes["id"]).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    let mut nodes = read.nodes.iter();
    for (label, frame) in &tables.nodes {
        for at in 0..frame.height() {
            let node = nodes.next().expect("a node of every row");
            assert_eq!(read.values("node", node), row(("label", label), frame, at));
        }
    }
    let mut edges = read.edges.iter().enumerate();
    for (relation, frame) in &tables.edges {
        let ends = |name: &str| frame.column(name).expect("ends").i64().expect("ids").clone();
        let (src, dst) = (ends("src"), ends("dst"));
        for at in 0..frame.height() {
            let (number, edge) = edges.next().expect("an edge of every row");
            let end = |ids: &polars::prelude::Int64Chunked| format!("n{}", ids.get(at).expect("an id"));
            let ends = [("id", format!("e{number}")), ("source", end(&src)), ("target", end(&dst))];
            assert_eq!(edge.attributes, ends.map(|(name, value)| (name.to_owned(), value)).into());
            assert_eq!(read.values("edge", edge), row(("relation", relation), frame, at));
        }
    }
    assert!(nodes.next().is_none() && edges.next().is_none());
    assert_eq!(read.graph["parse.nodes"], tables.node_count().to_string());
    assert_eq!(read.graph["parse.edges"], tables.edge_count().to_string());
    assert_eq!(read.graph["edgedefault"], if tables.undirected { "undirected" } else { "directed" });
}

/// Freezes tables in a folder, exports them and reads what came out; also what was told.
fn exported(dir: &Path, tables: &Tables) -> (Read, String) {
    let input = sonograph::snapshot::ManifestInput { replace: true, ..graphs::input() };
    write(&dir.join("snapshots/s"), tables, &input, &Context::silent()).expect("written");
    let _ = std::fs::remove_dir_all(dir.join("out"));
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env("NO_COLOR", "1").args(["snapshot", "export", "s", "--format", "graphml"]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    let text = std::fs::read_to_string(dir.join("out/graph.graphml")).expect("a file");
    (parsed(&text), said)
}

fn node(uid: &str, properties: Vec<(&'static str, Value)>) -> NodeRow {
    NodeRow { uid: uid.into(), labels: vec![], properties }
}

#[test]
fn a_graph_with_every_kind_of_value_is_read_back_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tables = graphs::small();
    let (read, said) = exported(dir.path(), &tables);
    assert_is(&read, &tables);
    assert!(said.contains("left out 1 table(s), which GraphML has no place for"), "{said}");

    // The same name of another type, names and texts that mean something to a parser, numbers at their ends.
    let odd = "<&>\"' ]]> \r\n\t a  b\u{85}\u{2028}🎵";
    let person = vec![
        ("name", Value::Text(odd.into())),
        ("label", Value::Text("mine".into())),
        ("a<b&\"c\"", Value::Boolean(true)),
        ("mixed", Value::Integer(i64::MIN)),
        ("free", Value::Float(1.0 / 3.0)),
        ("empty", Value::Text(String::new())),
        ("numbers", Value::List(vec![Value::Float(1e300), Value::Float(-0.5)])),
    ];
    let nodes = BTreeMap::from([
        ("Person".to_owned(), vec![node(odd, person), node("b", vec![("free", Value::Float(f64::MAX))])]),
        ("Odd & <label>".to_owned(), vec![node("c", vec![("mixed", Value::Text("7".into()))])]),
    ]);
    let edge = |held| EdgeRow { src: odd.into(), dst: odd.into(), properties: held };
    let edges = BTreeMap::from([
        ("NOTHING".to_owned(), vec![edge(vec![]), edge(vec![])]),
        (
            "R & S".to_owned(),
            vec![edge(vec![("relation", Value::Text(odd.into()))]), edge(vec![("n", Value::Integer(1))])],
        ),
    ]);
    tables = assemble(nodes, edges).expect("a graph");
    tables.undirected = true;
    let (read, said) = exported(dir.path(), &tables);
    assert_is(&read, &tables);
    assert!(!said.contains("left out") && !said.contains("replaced"), "{said}");
}

#[test]
fn a_sign_that_xml_lacks_is_replaced_and_that_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let nodes = BTreeMap::from([(
        "Person".to_owned(),
        vec![node("p", vec![("name", Value::Text("a\u{0}b\u{1f}".into()))])],
    )]);
    let tables = assemble(nodes, BTreeMap::new()).expect("a graph");
    let (read, said) = exported(dir.path(), &tables);
    assert_eq!(read.values("node", &read.nodes[0])["name"], "a\u{fffd}b\u{fffd}");
    assert!(said.contains("replaced 2 character(s) by U+FFFD"), "{said}");
}

#[test]
fn an_empty_graph_is_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (read, _) = exported(dir.path(), &Tables::default());
    assert_is(&read, &Tables::default());
}

#[test]
fn floats_without_a_number_are_spelt_as_xml_schema_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tables = Tables::default();
    let frame = df!("node" => [0i64, 1, 2], "uid" => ["a", "b", "c"], "name" => [None::<&str>, None, None],
        "x" => [f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    tables.nodes.insert("P".to_owned(), frame.expect("a frame"));
    let (read, _) = exported(dir.path(), &tables);
    let said: Vec<&str> = read.nodes.iter().map(|node| node.data.last().expect("x").1.as_str()).collect();
    assert_eq!(said, ["INF", "-INF", "NaN"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_graph_is_read_back_as_it_is(tables in graphs::any_graph()) {
        let dir = tempfile::tempdir().expect("a folder");
        assert_is(&exported(dir.path(), &tables).0, &tables);
    }
}
