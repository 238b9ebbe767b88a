//! What Cognee's adapter really sent, replayed: `cognee-trace/trace.jsonl` of the folder that `SONOGRAPH_SHARED` names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use polars::prelude::DataType;
use serde_json::Value;

use crate::place::{Graphs, url, vector};
use crate::reading::scan;

/// The recorded commands; `None`, said aloud, where they are not at hand.
fn recorded() -> Option<Vec<Value>> {
    let folder = std::env::var("SONOGRAPH_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
    let path = Path::new(&folder).join("cognee-trace/trace.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: set SONOGRAPH_SHARED to the folder that holds cognee-trace/trace.jsonl");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect())
}

/// Puts a vector for every `[<3072 floats, N B>]` and a text for every `<text N B>`.
fn filled(query: &str) -> String {
    let mut out = String::new();
    let mut rest = query;
    while let Some(at) = rest.find('<').filter(|_| rest.contains(" B>")) {
        let end = at + rest[at..].find('>').expect("a marker ends");
        let marker = &rest[at + 1..end];
        let is_marker = marker.ends_with(" B") && marker.contains(|c: char| c.is_ascii_digit());
        if !is_marker {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        if let Some(dimensions) = marker.split_once(" floats") {
            out.push_str(rest[..at].strip_suffix('[').expect("a vector is a list"));
            out.push_str(&vector(dimensions.0.parse().expect("a number")));
            rest = rest[end + 1..].strip_prefix(']').expect("a vector is a list");
        } else {
            let bytes: usize =
                marker.trim_start_matches("text ").trim_end_matches(" B").parse().expect("a number");
            out.push_str(&rest[..at]);
            out.push_str(&"lorem ipsum ".repeat(bytes / 12 + 1)[..bytes]);
            rest = &rest[end + 1..];
        }
    }
    out + rest
}

/// The edges of an elided command, from the `has_edges` that asked for the same ones before.
fn items(asked: &str) -> String {
    let field = |item: &str, name: &str| {
        let at = item.find(name).expect(name) + name.len() + 3;
        item[at..].split('"').next().expect("a value").to_owned()
    };
    let list = asked.split("`items`=[").nth(1).and_then(|rest| rest.split("}]").next()).expect("items");
    let mut out = String::new();
    for item in list.split("},{") {
        let (src, dst, name) = (field(item, "source_id"), field(item, "target_id"), field(item, "rel_name"));
        write!(
            out,
            "{}{{source_id:\"{src}\",target_id:\"{dst}\",props:{{source_node_id:\"{src}\",target_node_id:\"{dst}\",\
             relationship_name:\"{name}\",updated_at:\"2026-11-22 16:55:34\",relationship_type:\"{name}\"}}}}",
            if out.is_empty() { "" } else { "," }
        )
        .expect("a String takes every write");
    }
    format!("[{out}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_adapter_wrote_is_read() {
    let Some(commands) = recorded() else { return };
    let key = format!("test_memory_trace_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&key]);
    let mut asked: HashMap<String, String> = HashMap::new();
    let mut deleted = Vec::new();
    for command in &commands {
        let argv: Vec<&str> =
            command["argv"].as_array().expect("argv").iter().filter_map(Value::as_str).collect();
        match (command["adapter_call"].as_str().expect("a call"), argv.as_slice()) {
            ("has_edges", [_, _, query, ..]) => {
                let relation = query.split("[r:").nth(1).and_then(|r| r.split(']').next()).expect("a type");
                asked.entry(relation.to_owned()).or_insert_with(|| (*query).to_owned());
            }
            ("create_vector_index", ["GRAPH.QUERY", _, query, ..]) => {
                graphs.query(&key, query);
            }
            ("add_nodes" | "add_edge", [_, _, query, ..]) => {
                graphs.query(&key, &filled(query));
            }
            ("add_edges", [_, _, query, ..]) => {
                let relation = query.split("[r:").nth(1).and_then(|r| r.split(']').next()).expect("a type");
                let tail = &query[query.find("UNWIND").expect("a query")..];
                graphs.query(&key, &format!("CYPHER items={} {tail}", items(&asked[relation])));
            }
            ("delete_nodes", [_, _, query, ..]) => deleted.push((*query).to_owned()),
            _ => {}
        }
    }
    let read = scan(&graphs.url, &key).await;
    // As recorded: 4 chunks of one document, 20 entities of 4 types; 4 + 20 + 20 edges.
    let nodes: Vec<(&str, usize)> = read.tables.nodes.iter().map(|(l, f)| (l.as_str(), f.height())).collect();
    assert_eq!(nodes, [("DocumentChunk", 4), ("Entity", 20), ("EntityType", 4), ("TextDocument", 1)]);
    let edges: Vec<(&str, usize)> = read.tables.edges.iter().map(|(r, f)| (r.as_str(), f.height())).collect();
    assert_eq!(edges, [("contains", 20), ("is_a", 20), ("is_part_of", 4)]);
    let vectors: Vec<(&str, u64)> = read.census.vectors.iter().map(|(n, c)| (n.as_str(), *c)).collect();
    assert_eq!(vectors, [("name_vector", 25), ("text_vector", 4)]);
    assert_eq!((read.census.broken_json, read.census.odd_times, read.census.lost), (0, 0, 0));
    assert_eq!((&read.drift, read.census.stubs), (&vec![], 0));
    let times = read.tables.nodes["Entity"].column("created_at").expect("times");
    let first = times.cast(&DataType::Int64).expect("microseconds").i64().expect("integers").get(0);
    assert!(matches!(first, Some(1_795_366_534_971_000 | 1_795_366_534_972_000)), "{first:?}");
    let written = read.tables.edges["is_a"].column("updated_at").expect("times");
    assert_eq!(written.null_count(), 0, "a time the adapter wrote over a text");

    for query in &deleted {
        graphs.query(&key, query);
    }
    let read = scan(&graphs.url, &key).await;
    // Each had one edge to its type and one from its chunk.
    assert_eq!((deleted.len(), read.tables.node_count(), read.tables.edge_count()), (2, 27, 40));
}
