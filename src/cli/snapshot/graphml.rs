//! A graph as GraphML 1.0, for Gephi, yEd, `NetworkX`, igraph and others: one file, written row by row.
//!
//! The format's node ids are names without most signs, so nodes are `n0`, `n1`, … by dense id, as its canonical form wants
//! them, and carry `uid` beside. Its types have no instant, date or list: these are texts, RFC 3339 and JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use polars::prelude::{AnyValue, Column, DataFrame, DataType};

use crate::cli::output::text;
use crate::context::{Cancelled, Step};
use crate::graph::{BusinessGraph, EdgeTable};
use crate::snapshot::tables::NODE;

/// Rows between two looks at whether to go on.
const ROWS: usize = 1 << 14;

/// What cannot be said: XML has no sign for it, not even an escaped one.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    /// Characters that were replaced by U+FFFD.
    pub characters: u64,
}

/// Why a graph could not be written.
#[derive(Debug)]
pub(super) enum Stopped {
    Io(io::Error),
    Cancelled(Cancelled),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Cancelled> for Stopped {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

/// Writes nodes and edges of the given labels and relations; `label` and `relation` tell which they are of.
pub(super) fn write(
    graph: &BusinessGraph,
    labels: &[&String],
    relations: &[&String],
    undirected: bool,
    step: &Step,
    out: &mut impl Write,
) -> Result<Unsaid, Stopped> {
    let nodes: Vec<(&String, &DataFrame)> = labels
        .iter()
        .map(|label| (*label, graph.node_frame(label).expect("a label of the manifest is in the graph")))
        .collect();
    let edges: Vec<(&String, &EdgeTable)> = relations
        .iter()
        .map(|relation| {
            (*relation, graph.edges(relation).expect("a relation of the manifest is in the graph"))
        })
        .collect();
    let (mut unsaid, mut keys) = (Unsaid::default(), Keys::default());
    let of_nodes: Vec<Vec<String>> = nodes.iter().map(|(_, frame)| keys.of("node", frame)).collect();
    let of_edges: Vec<Vec<String>> = edges.iter().map(|(_, table)| keys.of("edge", &table.frame)).collect();

    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns \
         http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n  \
         <key id=\"label\" for=\"node\" attr.name=\"label\" attr.type=\"string\"/>\n  \
         <key id=\"relation\" for=\"edge\" attr.name=\"relation\" attr.type=\"string\"/>"
    )?;
    keys.write(out, &mut unsaid)?;
    writeln!(
        out,
        "  <graph id=\"G\" edgedefault=\"{}\" parse.nodes=\"{}\" parse.edges=\"{}\" parse.nodeids=\"canonical\" \
         parse.edgeids=\"canonical\" parse.order=\"nodesfirst\">",
        if undirected { "undirected" } else { "directed" },
        nodes.iter().map(|(_, frame)| frame.height()).sum::<usize>(),
        edges.iter().map(|(_, table)| table.src.len()).sum::<usize>(),
    )?;
    let mut done = 0;
    for ((label, frame), keys) in nodes.iter().zip(&of_nodes) {
        let columns = frame.columns();
        for row in 0..frame.height() {
            tick(step, &mut done)?;
            let id = frame.column(NODE).expect("a node table has its dense ids").get(row);
            write!(out, "    <node id=\"n{}\">", text(&id.unwrap_or(AnyValue::Null)))?;
            data(out, "label", label, &mut unsaid)?;
            cells(out, keys, columns, row, &mut unsaid)?;
            out.write_all(b"</node>\n")?;
        }
    }
    let mut number = 0u64;
    for ((relation, table), keys) in edges.iter().zip(&of_edges) {
        let columns = table.frame.columns();
        for (row, (src, dst)) in table.src.iter().zip(table.dst.iter()).enumerate() {
            tick(step, &mut done)?;
            write!(out, "    <edge id=\"e{number}\" source=\"n{src}\" target=\"n{dst}\">")?;
            data(out, "relation", relation, &mut unsaid)?;
            cells(out, keys, columns, row, &mut unsaid)?;
            out.write_all(b"</edge>\n")?;
            number += 1;
        }
    }
    out.write_all(b"  </graph>\n</graphml>\n")?;
    out.flush()?;
    Ok(unsaid)
}

fn tick(step: &Step, done: &mut usize) -> Result<(), Cancelled> {
    *done += 1;
    if done.is_multiple_of(ROWS) { step.tick(*done as u64, None) } else { Ok(()) }
}

/// Declarations of properties: one for every name and type of nodes, and of edges.
#[derive(Debug, Default)]
struct Keys(BTreeMap<(&'static str, String, &'static str), String>);

impl Keys {
    /// The keys of a frame's columns; empty for the dense id, which is the node's own.
    fn of(&mut self, kind: &'static str, frame: &DataFrame) -> Vec<String> {
        let key = |column: &Column| {
            if column.name() == NODE {
                return String::new();
            }
            let next = format!("d{}", self.0.len());
            self.0.entry((kind, column.name().to_string(), attribute(column.dtype()))).or_insert(next).clone()
        };
        frame.columns().iter().map(key).collect()
    }

    fn write(&self, out: &mut impl Write, unsaid: &mut Unsaid) -> io::Result<()> {
        for ((kind, name, attribute), id) in &self.0 {
            write!(out, "  <key id=\"{id}\" for=\"{kind}\" attr.name=\"")?;
            escape(out, name, unsaid)?;
            writeln!(out, "\" attr.type=\"{attribute}\"/>")?;
        }
        Ok(())
    }
}

fn attribute(dtype: &DataType) -> &'static str {
    match dtype {
        DataType::Boolean => "boolean",
        DataType::Int64 => "long",
        DataType::Float64 => "double",
        _ => "string",
    }
}

fn cells(
    out: &mut impl Write,
    keys: &[String],
    columns: &[Column],
    row: usize,
    unsaid: &mut Unsaid,
) -> io::Result<()> {
    for (key, column) in keys.iter().zip(columns).filter(|(key, _)| !key.is_empty()) {
        match column.get(row).unwrap_or(AnyValue::Null) {
            AnyValue::Null => {}
            // As XML Schema and so the format's `double` spell them.
            AnyValue::Float64(value) if value.is_infinite() => {
                data(out, key, if value > 0.0 { "INF" } else { "-INF" }, unsaid)?;
            }
            value => data(out, key, &text(&value), unsaid)?,
        }
    }
    Ok(())
}

fn data(out: &mut impl Write, key: &str, value: &str, unsaid: &mut Unsaid) -> io::Result<()> {
    write!(out, "<data key=\"{key}\">")?;
    escape(out, value, unsaid)?;
    out.write_all(b"</data>")
}

/// Text as it may stand in content and in a quoted attribute, and is read back the same.
fn escape(out: &mut impl Write, text: &str, unsaid: &mut Unsaid) -> io::Result<()> {
    let mut from = 0;
    for (at, sign) in text.char_indices() {
        let said = match sign {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            // What a parser would make a space or a line's end of.
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                unsaid.characters += 1;
                "\u{fffd}"
            }
            _ => continue,
        };
        out.write_all(&text.as_bytes()[from..at])?;
        out.write_all(said.as_bytes())?;
        from = at + sign.len_utf8();
    }
    out.write_all(&text.as_bytes()[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_mean_something_to_a_parser_are_escaped_and_those_that_xml_lacks_are_replaced() {
        let (mut out, mut unsaid) = (Vec::new(), Unsaid::default());
        escape(&mut out, "a<b & \"c\"\r\n\td\0\u{b}é\u{ffff}]]>", &mut unsaid).expect("written");
        let expected = "a&lt;b &amp; &quot;c&quot;&#13;&#10;&#9;d\u{fffd}\u{fffd}é\u{fffd}]]&gt;";
        assert_eq!((String::from_utf8(out).expect("text").as_str(), unsaid.characters), (expected, 3));
    }
}
