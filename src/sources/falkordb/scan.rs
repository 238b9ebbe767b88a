//! A whole graph → tables, read by pages that are short enough for nobody to notice.
//!
//! While a page is being read, one write makes every client of the server wait until the page ends. So pages are
//! bounded by time: ranges of internal ids whose width follows a [`Pace`](super::pace::Pace). Paging is no
//! snapshot: what other clients write in between is noticed by counting before and after, and said as drift.

use std::collections::BTreeMap;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame};

use super::bulk::Bulk;
use super::counts::{Counts, UNLABELLED};
use super::line::Place;
use super::pages::{Pages, id_bound};
use super::reply::Names;
use super::{Client, CypherValue, Edge, FalkorError, Node, Params, Version, cypher};
use crate::context::Context;
use crate::ontology::{Label, Value};
use crate::snapshot::tables::assemble::{AssembleError, NodeRow};
use crate::snapshot::tables::gather::Gathering;
use crate::snapshot::tables::{NODE, Tables, UID};

/// Stem of the companion table that maps dense node ids to the server's internal ids: `node`, `id`, both `Int64`.
pub const FALKORDB_IDS: &str = "falkordb_ids";

const FIRST_PAGE: u64 = 1_000;

/// A graph as it was read.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// The graph in canonical order, with the companion [`FALKORDB_IDS`].
    pub tables: Tables,
    /// What others changed while we read, in words; empty where nothing was seen of it.
    pub drift: Vec<String>,
    /// What the graph held before it was read, and after.
    pub counted: [Counts; 2],
    /// What others wrote and the tables have no place for, in words.
    pub left_out: Vec<String>,
    /// The server's module version, where the user may ask for it.
    pub version: Option<Version>,
    /// Pages read.
    pub pages: u64,
    /// Server time of the longest page, in milliseconds: how long we may have kept everybody waiting.
    pub longest_page_ms: f64,
}

/// Reads the graph `graph` with `GRAPH.RO_QUERY`, for whoever means to heal it.
///
/// A column of which one value is not of the type that is declared is typed by its values, so that it differs from what
/// the mirror would write. Properties that are called like a column of the tables' own are left out.
///
/// Parallel edges are kept. A node with several labels stands under its vertex (the first of the ontology's labels it
/// has, else the first by name), the others are its further labels. It is read over a connection of its own, which where
/// it is lost is made again; where the client is connected by TLS or a socket of this machine, over the client's, and
/// that is said. Cost: O((n + m) log) time, everything in memory as columns.
pub async fn scan(client: &mut Client, graph: &str, cx: &Context) -> Result<Scanned, FalkorError> {
    read(client, graph, false, cx).await
}

/// [`scan`], for whoever means to keep it: values that are not of the type declared are left out, too, so that every
/// declared column has the type it is declared with.
pub async fn scan_typed(client: &mut Client, graph: &str, cx: &Context) -> Result<Scanned, FalkorError> {
    read(client, graph, true, cx).await
}

/// [`scan`] over the client's own connection, which any kind of it can: slower, and the same tables.
pub async fn scan_rows(client: &mut Client, graph: &str, cx: &Context) -> Result<Scanned, FalkorError> {
    let before = Counts::read(client, graph).await?;
    let (gathering, walked) = gather_rows(client, graph, cx).await?;
    scanned(client, (gathering, walked), before, graph, false).await
}

async fn read(client: &mut Client, graph: &str, typed: bool, cx: &Context) -> Result<Scanned, FalkorError> {
    let before = Counts::read(client, graph).await?;
    let read = if let Some(place) = Place::of(client.info()) {
        gather(client, place, graph, cx).await?
    } else {
        cx.tell(
            "reading the graph over the connection there is, because one of its own for reading faster is made by plain TCP alone",
        );
        gather_rows(client, graph, cx).await?
    };
    scanned(client, read, before, graph, typed).await
}

async fn scanned(
    client: &mut Client,
    (gathering, walked): (Gathering, Walked),
    before: Counts,
    graph: &str,
    typed: bool,
) -> Result<Scanned, FalkorError> {
    let Walked { mut drift, version, pages, longest_page_ms } = walked;
    let after = Counts::read(client, graph).await?;
    let (mut tables, ids, left_out) = gathering.finish(typed).map_err(|source| no_tables(graph, source))?;
    let nodes: Vec<i64> = (0..ids.len() as i64).collect();
    let ids: Vec<i64> = ids.into_iter().map(|id| id as i64).collect();
    let columns = vec![Column::new(NODE.into(), nodes), Column::new("id".into(), ids)];
    let companion = DataFrame::new(tables.node_count(), columns).expect("two columns of one height");
    drift.extend(before.differences_of_labels(&Counts::of(&tables), &after));
    tables.companions.insert(FALKORDB_IDS.to_owned(), companion);
    Ok(Scanned { tables, drift, counted: [before, after], left_out, version, pages, longest_page_ms })
}

fn no_tables(graph: &str, source: AssembleError) -> FalkorError {
    FalkorError::Tables { graph: graph.to_owned(), source }
}

/// Who takes a graph while it is read: all nodes, then all edges.
pub trait Taker {
    /// A node by its internal id and its vertex, which is the first of the ontology's labels it has, else the first by name.
    ///
    /// # Errors
    /// What stops the reading.
    fn node(&mut self, id: u64, label: &str, row: NodeRow<Arc<str>>) -> Result<(), FalkorError>;

    /// There are no more nodes.
    ///
    /// # Errors
    /// What stops the reading.
    fn nodes_end(&mut self) -> Result<(), FalkorError>;

    /// An edge between internal ids; `false` where an end of it is no node that was read.
    ///
    /// # Errors
    /// What stops the reading.
    fn edge(
        &mut self,
        relation: &str,
        ends: (u64, u64),
        properties: Vec<(Arc<str>, Value)>,
    ) -> Result<bool, FalkorError>;

    /// Whether the edges of a relation are only counted, where they begin.
    fn only_counts(&self, _relation: &str) -> bool {
        false
    }

    /// So many edges of such a relation begin at an internal id; `false` where that is no node that was read.
    fn edges_from(&mut self, _relation: &str, _src: u64, _count: u64) -> bool {
        false
    }
}

/// How a graph was read.
#[derive(Debug)]
pub struct Walked {
    /// What others changed while we read, in words.
    pub drift: Vec<String>,
    /// The server's module version, where the user may ask for it.
    pub version: Option<Version>,
    /// Pages read.
    pub pages: u64,
    /// Server time of the longest page, in milliseconds.
    pub longest_page_ms: f64,
}

/// Reads the graph `graph` with `GRAPH.RO_QUERY` and hands over what it reads, of which no more than a page is held.
///
/// # Errors
/// Those of the server; [`FalkorError::NoUid`] where nodes have no uid; what stops `taker`.
pub async fn walk(
    client: &mut Client,
    graph: &str,
    taker: &mut impl Taker,
    cx: &Context,
) -> Result<Walked, FalkorError> {
    let (names, before) = begin(client, graph).await?;
    let mut pages = Pages::of(client, graph, FIRST_PAGE).await?;

    let mut read = Read::default();
    let mut nameless: Nameless = (0, None);
    let step = cx.step("read nodes", Some(before.nodes));
    pages
        .read("MATCH (n) WHERE id(n) >= $from AND id(n) < $to RETURN n", &step, before.nodes, &mut |row| {
            for value in row {
                let CypherValue::Node(node) = value else { continue };
                let (id, labels) = (node.id, node.labels.clone());
                if let Some((label, row)) = named(node) {
                    read.counts.nodes += 1;
                    taker.node(id, &label, row)?;
                } else {
                    nameless.0 += 1;
                    nameless.1.get_or_insert_with(|| (labels.join(":"), id));
                }
            }
            Ok(())
        })
        .await?;
    drop(step);
    all_named(graph, nameless)?;
    taker.nodes_end()?;

    for (relation, &expected) in before.relations.iter().filter(|(_, expected)| **expected > 0) {
        let step = cx.step(&format!("read {relation}"), Some(expected));
        // Naming `e` in the answer is what keeps parallel edges apart.
        let what = if taker.only_counts(relation) { "id(a), count(e)" } else { "e" };
        let query = format!(
            "MATCH (a)-[e:{}]->() WHERE id(a) >= $from AND id(a) < $to RETURN {what}",
            cypher::identifier(relation)?
        );
        let (mut seen, mut lost) = (0, 0);
        pages
            .read(&query, &step, expected, &mut |row| {
                if let [CypherValue::Int(src), CypherValue::Int(count)] = row[..] {
                    seen += count as u64;
                    let known = taker.edges_from(relation, src as u64, count as u64);
                    lost += if known { 0 } else { count as u64 };
                    return Ok(());
                }
                let (taken, left) = take_edges(relation, row, taker)?;
                seen += taken + left;
                lost += left;
                Ok(())
            })
            .await?;
        read.put(relation, seen, lost);
    }

    let Pages { client, count: pages, longest_ms, .. } = pages;
    end(client, graph, &names, (before, read), (pages, longest_ms)).await
}

async fn gather_rows(
    client: &mut Client,
    graph: &str,
    cx: &Context,
) -> Result<(Gathering, Walked), FalkorError> {
    let mut rows = Rows { graph: graph.to_owned(), gathering: Gathering::default() };
    let walked = walk(client, graph, &mut rows, cx).await?;
    Ok((rows.gathering, walked))
}

/// [`walk`] at full speed: over a connection of its own, into columns.
async fn gather(
    client: &mut Client,
    place: Place,
    graph: &str,
    cx: &Context,
) -> Result<(Gathering, Walked), FalkorError> {
    let (names, before) = begin(client, graph).await?;
    let bound = id_bound(client, graph).await?;
    let mut bulk = Bulk::new(place, graph, Arc::clone(&names), bound, cx);
    let (cx, key) = (cx.clone(), graph.to_owned());
    let reading = move || -> Result<_, FalkorError> {
        let mut read = Read::default();
        let step = cx.step("read nodes", Some(before.nodes));
        let (nodes, nameless) = bulk.nodes(&step, before.nodes)?;
        drop(step);
        all_named(&key, nameless)?;
        read.counts.nodes = nodes;
        bulk.gathering.settle().map_err(|source| no_tables(&key, source))?;
        for (relation, &expected) in before.relations.iter().filter(|(_, expected)| **expected > 0) {
            let step = cx.step(&format!("read {relation}"), Some(expected));
            let (seen, lost) = bulk.edges(relation, &step, expected)?;
            read.put(relation, seen, lost);
        }
        Ok((bulk, before, read))
    };
    let reading = tokio::task::spawn_blocking(reading).await;
    let (bulk, before, read) = reading.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))?;
    let Bulk { gathering, pages, longest_ms, .. } = bulk;
    let walked = end(client, graph, &names, (before, read), (pages, longest_ms)).await?;
    Ok((gathering, walked))
}

async fn begin(client: &mut Client, graph: &str) -> Result<(Arc<Names>, Counts), FalkorError> {
    let names = client.refresh_names(graph).await?;
    let before = Counts::of_relations(client, graph, &names.relations).await?;
    Ok((names, before))
}

async fn end(
    client: &mut Client,
    graph: &str,
    names: &Names,
    (before, read): (Counts, Read),
    (pages, longest_page_ms): (u64, f64),
) -> Result<Walked, FalkorError> {
    let mut drift = read.lost();
    // A server may have let go of a connection on which nobody spoke for so long.
    client.revive().await?;
    let names_after = client.refresh_names(graph).await?;
    if !names.are_start_of(&names_after) {
        drift.push(
            "the graph was replaced while reading: its labels, properties or relations are other ones".into(),
        );
    }
    let after = Counts::of_relations(client, graph, &names_after.relations).await?;
    drift.extend(before.differences(&read.counts, &after));
    let version = client.version();
    tracing::info!(graph, pages, longest_page_ms, drift = drift.len(), "graph read");
    Ok(Walked { drift, version, pages, longest_page_ms })
}

/// How many nodes have no uid, and labels and id of the first.
pub(super) type Nameless = (u64, Option<(String, u64)>);

fn all_named(graph: &str, nameless: Nameless) -> Result<(), FalkorError> {
    match nameless {
        (count, Some((label, id))) => Err(FalkorError::NoUid { graph: graph.to_owned(), count, label, id }),
        (_, None) => Ok(()),
    }
}

/// Takes the vertex out of the labels of a node, which are put in order.
pub(super) fn vertex_of(labels: &mut Vec<Arc<str>>) -> Arc<str> {
    labels.sort_unstable();
    let vertex = Label::ALL.iter().find_map(|known| labels.iter().position(|l| **l == *known.name()));
    if labels.is_empty() { Arc::from(UNLABELLED) } else { labels.remove(vertex.unwrap_or(0)) }
}

/// Hands over the edges of a row of an answer: how many were taken, and how many end at nodes that were not read.
fn take_edges(
    relation: &str,
    row: Vec<CypherValue>,
    taker: &mut impl Taker,
) -> Result<(u64, u64), FalkorError> {
    let (mut taken, mut left) = (0, 0);
    for value in row {
        let CypherValue::Edge(Edge { src, dst, properties, .. }) = value else { continue };
        let held = properties.into_iter().filter_map(|(name, value)| Some((name, value.into_value()?)));
        if taker.edge(relation, (src, dst), held.collect())? {
            taken += 1;
        } else {
            left += 1;
        }
    }
    Ok((taken, left))
}

/// Reads the edges of a relation that begin at some nodes: internal ids, each with about how many there are. No query asks for
/// many more than 2,000.
///
/// # Errors
/// Those of the server; what stops `taker`.
pub async fn walk_from(
    client: &mut Client,
    graph: &str,
    relation: &str,
    from: &[(u64, u64)],
    taker: &mut impl Taker,
    cx: &Context,
) -> Result<(), FalkorError> {
    const WIDEST: u64 = 2_000;
    let query = format!(
        "UNWIND $ids AS i MATCH (a)-[e:{}]->() WHERE id(a) = i RETURN e",
        cypher::identifier(relation)?
    );
    let step = cx.step(&format!("read {relation}"), Some(from.iter().map(|(_, count)| count).sum()));
    let (mut rest, mut read) = (from, 0);
    while !rest.is_empty() {
        step.tick(read, None)?;
        let mut edges = 0;
        let fits = |(_, count): &&(u64, u64)| {
            edges += count;
            edges <= WIDEST
        };
        let (page, further) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        let ids = page.iter().map(|(id, _)| cypher::Param::Int(*id as i64)).collect();
        let params = Params::new().with("ids", cypher::Param::List(ids));
        for row in client.ro_query(graph, &query, &params).await?.rows {
            read += take_edges(relation, row, taker)?.0;
        }
        rest = further;
    }
    Ok(())
}

/// The vertex and the row of a node; `None` where it has no uid.
fn named(node: Node) -> Option<(Arc<str>, NodeRow<Arc<str>>)> {
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
    let uid = uid?;
    let mut labels = node.labels;
    let label = vertex_of(&mut labels);
    Some((label, NodeRow { uid, labels, properties }))
}

/// A graph while it is read row by row.
struct Rows {
    graph: String,
    gathering: Gathering,
}

impl Taker for Rows {
    fn node(&mut self, id: u64, label: &str, row: NodeRow<Arc<str>>) -> Result<(), FalkorError> {
        self.gathering.put_node(id, label, row);
        Ok(())
    }

    fn nodes_end(&mut self) -> Result<(), FalkorError> {
        self.gathering.settle().map_err(|source| no_tables(&self.graph, source))
    }

    fn edge(
        &mut self,
        relation: &str,
        ends: (u64, u64),
        properties: Vec<(Arc<str>, Value)>,
    ) -> Result<bool, FalkorError> {
        Ok(self.gathering.put_edge(relation, ends, properties))
    }
}

/// What was read of a graph.
#[derive(Default)]
struct Read {
    /// Nodes and edges, whatever their ends.
    counts: Counts,
    /// Edges that end at no node that was read, by relation.
    lost: BTreeMap<String, u64>,
}

impl Read {
    fn put(&mut self, relation: &str, seen: u64, lost: u64) {
        self.counts.relations.insert(relation.to_owned(), seen);
        if lost > 0 {
            self.lost.insert(relation.to_owned(), lost);
        }
    }

    fn lost(&self) -> Vec<String> {
        let words = |(relation, lost): (&String, &u64)| {
            format!("{lost} edges {relation} end at nodes that came or went while reading; they are left out")
        };
        self.lost.iter().map(words).collect()
    }
}
