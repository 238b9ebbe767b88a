//! A whole graph → tables, read by pages that are short enough for nobody to notice.
//!
//! While a page is being read, one write makes every client of the server wait until the page ends. So pages are
//! bounded by time: ranges of internal ids whose width follows a [`Pace`](super::pace::Pace). Paging is no
//! snapshot: what other clients write in between is noticed by counting before and after, and said as drift.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use polars::prelude::{Column, DataFrame};

use super::pages::{Pages, count};
use super::{Client, CypherValue, Edge, FalkorError, Node, Version, cypher};
use crate::context::Context;
use crate::ontology::Label;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use crate::snapshot::tables::sieve::sieve;
use crate::snapshot::tables::{NODE, Tables, UID};

/// Stem of the companion table that maps dense node ids to the server's internal ids: `node`, `id`, both `Int64`.
pub const FALKORDB_IDS: &str = "falkordb_ids";

const FIRST_PAGE: u64 = 1_000;

/// Vertex of a node without any label.
const UNLABELLED: &str = "Node";

/// A graph as it was read.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// The graph in canonical order, with the companion [`FALKORDB_IDS`].
    pub tables: Tables,
    /// What others changed while we read, in words; empty where the tables are one state of the graph.
    pub drift: Vec<String>,
    /// What others wrote and the tables have no place for, in words.
    pub left_out: Vec<String>,
    /// The server's module version, where the user may ask for it.
    pub version: Option<Version>,
    /// Pages read.
    pub pages: u64,
    /// Server time of the longest page, in milliseconds, printing estimated: how long we may have kept everybody waiting.
    pub longest_page_ms: f64,
}

/// Reads the graph `graph` with `GRAPH.RO_QUERY`, for whoever means to heal it.
///
/// A column of which one value is not of the type that is declared is typed by its values, so that it differs from what
/// the mirror would write. Properties that are called like a column of the tables' own are left out.
///
/// Parallel edges are kept. A node with several labels stands under its vertex (the first of the ontology's labels it
/// has, else the first by name), the others are its further labels. Cost: O(n + m) on the server, everything in memory.
pub async fn scan(client: &mut Client, graph: &str, cx: &Context) -> Result<Scanned, FalkorError> {
    read(client, graph, false, cx).await
}

/// [`scan`], for whoever means to keep it: values that are not of the type declared are left out, too, so that every
/// declared column has the type it is declared with.
pub async fn scan_typed(client: &mut Client, graph: &str, cx: &Context) -> Result<Scanned, FalkorError> {
    read(client, graph, true, cx).await
}

async fn read(client: &mut Client, graph: &str, typed: bool, cx: &Context) -> Result<Scanned, FalkorError> {
    let names = client.refresh_names(graph).await?;
    let before = Counts::read(client, graph, &names.relations).await?;
    let mut pages = Pages::of(client, graph, FIRST_PAGE).await?;

    let mut nodes = Nodes::default();
    let step = cx.step("read nodes", Some(before.nodes));
    pages
        .read("MATCH (n) WHERE id(n) >= $from AND id(n) < $to RETURN n", &step, before.nodes, &mut |row| {
            for value in row {
                if let CypherValue::Node(node) = value {
                    nodes.put(node);
                }
            }
        })
        .await?;
    drop(step);
    if let Some((labels, id)) = nodes.nameless.1.take() {
        return Err(FalkorError::NoUid {
            graph: graph.to_owned(),
            count: nodes.nameless.0,
            label: labels,
            id,
        });
    }

    let mut edges: BTreeMap<String, Vec<EdgeRow<Arc<str>>>> = BTreeMap::new();
    let mut read = Counts { nodes: nodes.uids.len() as u64, edges: BTreeMap::new() };
    let mut drift = Vec::new();
    for (relation, &expected) in before.edges.iter().filter(|(_, expected)| **expected > 0) {
        let step = cx.step(&format!("read {relation}"), Some(expected));
        // Naming `e` in the answer is what keeps parallel edges apart.
        let query = format!(
            "MATCH (a)-[e:{}]->() WHERE id(a) >= $from AND id(a) < $to RETURN e",
            cypher::identifier(relation)?
        );
        let mut rows = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        let (mut seen, mut lost) = (0, 0);
        pages
            .read(&query, &step, expected, &mut |row| {
                for value in row {
                    if let CypherValue::Edge(edge) = value {
                        seen += 1;
                        match nodes.edge(edge) {
                            Some(row) => rows.push(row),
                            None => lost += 1,
                        }
                    }
                }
            })
            .await?;
        if lost > 0 {
            drift.push(format!(
                "{lost} edges {relation} end at nodes that came or went while reading; they are left out"
            ));
        }
        read.edges.insert(relation.clone(), seen);
        edges.insert(relation.clone(), rows);
    }

    let Pages { client, count: pages, longest_ms: longest_page_ms, .. } = pages;
    let names_after = client.refresh_names(graph).await?;
    if !names.are_start_of(&names_after) {
        drift.push(
            "the graph was replaced while reading: its labels, properties or relations are other ones".into(),
        );
    }
    let after = Counts::read(client, graph, &names_after.relations).await?;
    drift.extend(before.differences(&read, &after));

    let version = client.version();
    let tables_error = |source| FalkorError::Tables { graph: graph.to_owned(), source };
    let left_out = sieve(&mut nodes.rows, &mut edges, typed);
    let mut tables = assemble(nodes.rows, edges).map_err(tables_error)?;
    let companion = ids_of(&tables, &nodes.ids);
    tables.companions.insert(FALKORDB_IDS.to_owned(), companion);
    tracing::info!(graph, pages, longest_page_ms, drift = drift.len(), "graph read");
    Ok(Scanned { tables, drift, left_out, version, pages, longest_page_ms })
}

/// Nodes as they are read.
#[derive(Default)]
struct Nodes {
    rows: BTreeMap<String, Vec<NodeRow<Arc<str>>>>,
    /// Internal id → uid.
    uids: HashMap<u64, Arc<str>>,
    /// Uid → internal id.
    ids: HashMap<Arc<str>, u64>,
    /// How many have no uid, and labels and id of the first.
    nameless: (u64, Option<(String, u64)>),
}

impl Nodes {
    fn put(&mut self, node: Node) {
        let mut uid = None;
        let mut properties = Vec::with_capacity(node.properties.len());
        for (name, value) in node.properties {
            if &*name == UID
                && let CypherValue::Text(text) = value
            {
                uid = Some(Arc::from(text));
            } else if &*name != UID
                && let Some(value) = value.into_value()
            {
                properties.push((name, value));
            }
        }
        let Some(uid) = uid else {
            self.nameless.0 += 1;
            self.nameless.1.get_or_insert_with(|| (node.labels.join(":"), node.id));
            return;
        };
        let mut labels = node.labels;
        labels.sort_unstable();
        let vertex = Label::ALL.iter().find_map(|known| labels.iter().position(|l| **l == *known.name()));
        let label =
            if labels.is_empty() { Arc::from(UNLABELLED) } else { labels.remove(vertex.unwrap_or(0)) };
        self.uids.insert(node.id, Arc::clone(&uid));
        self.ids.insert(Arc::clone(&uid), node.id);
        self.rows.entry(label.to_string()).or_default().push(NodeRow { uid, labels, properties });
    }

    /// The edge by uids; `None` where an end was not read.
    fn edge(&self, edge: Edge) -> Option<EdgeRow<Arc<str>>> {
        Some(EdgeRow {
            src: Arc::clone(self.uids.get(&edge.src)?),
            dst: Arc::clone(self.uids.get(&edge.dst)?),
            properties: edge
                .properties
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.into_value()?)))
                .collect(),
        })
    }
}

/// The companion table: internal ids in the order of dense ids.
fn ids_of(tables: &Tables, ids: &HashMap<Arc<str>, u64>) -> DataFrame {
    let mut by_node = Vec::with_capacity(tables.node_count());
    for frame in tables.nodes.values() {
        let uids = frame.column(UID).and_then(|c| c.str().cloned()).expect("assembled tables have uids");
        by_node.extend(uids.iter().flatten().map(|uid| ids.get(uid).map(|&id| id as i64)));
    }
    let nodes: Vec<i64> = (0..by_node.len() as i64).collect();
    DataFrame::new(by_node.len(), vec![Column::new(NODE.into(), nodes), Column::new("id".into(), by_node)])
        .expect("two columns of one height")
}

/// How many nodes, and edges by relation.
struct Counts {
    nodes: u64,
    edges: BTreeMap<String, u64>,
}

impl Counts {
    async fn read(client: &mut Client, graph: &str, relations: &[Arc<str>]) -> Result<Self, FalkorError> {
        let nodes = count(client, graph, "MATCH (n) RETURN count(n)").await?;
        let mut edges = BTreeMap::new();
        for relation in relations {
            let query = format!("MATCH ()-[e:{}]->() RETURN count(e)", cypher::identifier(relation)?);
            edges.insert(relation.to_string(), count(client, graph, &query).await?);
        }
        Ok(Self { nodes, edges })
    }

    /// Where before, what was read and after are not the same.
    fn differences(&self, read: &Self, after: &Self) -> Vec<String> {
        let zero = |counts: &Self, relation: &str| counts.edges.get(relation).copied().unwrap_or(0);
        let nodes = ("nodes".to_owned(), [self.nodes, read.nodes, after.nodes]);
        let edges = self
            .edges
            .keys()
            .chain(after.edges.keys().filter(|r| !self.edges.contains_key(*r)))
            .map(|r| (format!("edges {r}"), [zero(self, r), zero(read, r), zero(after, r)]));
        std::iter::once(nodes)
            .chain(edges)
            .filter(|(_, [before, read, after])| before != read || read != after)
            .map(|(what, [before, read, after])| {
                format!("{what}: {before} counted before, {read} read, {after} counted after")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_or_went_while_reading_is_said() {
        let counts = |nodes, follows: &[u64]| Counts {
            nodes,
            edges: follows.iter().map(|&n| ("FOLLOWS".to_owned(), n)).collect(),
        };
        assert!(counts(3, &[2]).differences(&counts(3, &[2]), &counts(3, &[2])).is_empty());
        assert_eq!(
            counts(3, &[]).differences(&counts(3, &[]), &counts(4, &[1])),
            [
                "nodes: 3 counted before, 3 read, 4 counted after",
                "edges FOLLOWS: 0 counted before, 0 read, 1 counted after"
            ]
        );
    }
}
