//! A Cognee graph → tables, by the same short pages as the business graph and without its vectors.
//!
//! A whole node carries its embedding: 30 KB as text, of which the server's own report of a query's time says nothing.
//! So nodes are never asked for as a whole but property by property, and a vector answers with its name alone.

use std::collections::BTreeSet;

use super::datapoints::{Census, DataPoint, Link, Memory};
use crate::context::Context;
use crate::snapshot::tables::Tables;
use crate::sources::falkordb::pages::{Pages, count};
use crate::sources::falkordb::{Client, CypherValue, FalkorError, Version};

/// A property by name: the empty map, which no property can hold, stands for a vector, and for a list of numbers
/// that is named as one.
macro_rules! by_name {
    ($of:literal) => {
        concat!(
            "[k IN keys(",
            $of,
            ") | [k, CASE WHEN typeOf(",
            $of,
            "[k]) = 'Vectorf32' \
             OR (k ENDS WITH '_vector' AND typeOf(",
            $of,
            "[k]) = 'List') THEN {} ELSE ",
            $of,
            "[k] END]]"
        )
    };
}

const NODES: &str =
    concat!("MATCH (n) WHERE id(n) >= $from AND id(n) < $to RETURN id(n), labels(n), ", by_name!("n"));

/// The ends' own ids tell whether an internal id was given to somebody else since its node was read.
const EDGES: &str = concat!(
    "MATCH (a)-[e]->(b) WHERE id(a) >= $from AND id(a) < $to RETURN id(a), id(b), a.id, b.id, type(e), ",
    by_name!("e")
);

/// A node may hold a whole document.
const FIRST_PAGE: u64 = 64;

/// A Cognee graph as it was read.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The graph in canonical order, with dense ids of its own.
    pub tables: Tables,
    /// What was found on the way into the tables.
    pub census: Census,
    /// What others changed while we read, in words; empty where the tables are one state of the graph.
    pub drift: Vec<String>,
    /// The server's module version, where the user may ask for it.
    pub version: Option<Version>,
    /// Pages read.
    pub pages: u64,
    /// Server time of the longest page, in milliseconds, printing estimated.
    pub longest_page_ms: f64,
}

/// Reads the Cognee graph `graph` with `GRAPH.RO_QUERY`; a user who may do nothing else is enough.
///
/// # Errors
///
/// When the graph is not there, may not be read, or the server goes away. Broken content is counted, not refused.
pub async fn scan(client: &mut Client, graph: &str, cx: &Context) -> Result<Remembered, FalkorError> {
    let names = client.refresh_names(graph).await?;
    let before = size(client, graph).await?;
    let mut pages = Pages::of(client, graph, FIRST_PAGE).await?;
    let mut memory = Memory::default();
    let mut odd = 0_u64;

    let step = cx.step(&format!("read nodes of {graph}"), Some(before.0));
    pages
        .read(NODES, &step, before.0, &mut |row| {
            match data_point(row) {
                Some(point) => memory.nodes.push(point),
                None => odd += 1,
            }
            Ok(())
        })
        .await?;
    drop(step);
    let step = cx.step(&format!("read edges of {graph}"), Some(before.1));
    pages
        .read(EDGES, &step, before.1, &mut |row| {
            match link(row) {
                Some(link) => memory.edges.push(link),
                None => odd += 1,
            }
            Ok(())
        })
        .await?;
    drop(step);

    let Pages { client, count: pages, longest_ms: longest_page_ms, .. } = pages;
    if odd > 0 {
        return Err(FalkorError::Reply {
            doing: format!("reading graph `{graph}`"),
            reason: format!("{odd} rows are not shaped as they were asked for"),
        });
    }
    let after = size(client, graph).await?;
    let mut drift = Vec::new();
    if !names.are_start_of(&*client.refresh_names(graph).await?) {
        drift.push(
            "the graph was replaced while reading: its labels, properties or relations are other ones".into(),
        );
    }
    let read = (memory.nodes.len() as u64, memory.edges.len() as u64);
    for (what, before, read, after) in
        [("nodes", before.0, read.0, after.0), ("edges", before.1, read.1, after.1)]
    {
        if BTreeSet::from([before, read, after]).len() > 1 {
            drift.push(format!("{what}: {before} counted before, {read} read, {after} counted after"));
        }
    }
    let (tables, census) =
        memory.tables(graph).map_err(|source| FalkorError::Tables { graph: graph.to_owned(), source })?;
    if census.lost > 0 {
        drift.push(format!(
            "{} edges end at nodes that came or went while reading; they are left out",
            census.lost
        ));
    }
    tracing::info!(graph, pages, longest_page_ms, drift = drift.len(), "memory read");
    Ok(Remembered { tables, census, drift, version: client.version(), pages, longest_page_ms })
}

/// Nodes and edges of a Cognee graph, counted by the server.
pub async fn size(client: &mut Client, graph: &str) -> Result<(u64, u64), FalkorError> {
    let nodes = count(client, graph, "MATCH (n) RETURN count(n)").await?;
    Ok((nodes, count(client, graph, "MATCH ()-[e]->() RETURN count(e)").await?))
}

fn data_point(row: Vec<CypherValue>) -> Option<DataPoint> {
    let [id, labels, properties]: [CypherValue; 3] = row.try_into().ok()?;
    let CypherValue::List(labels) = labels else { return None };
    Some(DataPoint {
        internal: internal(&id)?,
        labels: labels.iter().map(|l| l.as_text().map(str::to_owned)).collect::<Option<_>>()?,
        properties: pairs(properties)?,
    })
}

fn link(row: Vec<CypherValue>) -> Option<Link> {
    let [src, dst, src_id, dst_id, kind, properties]: [CypherValue; 6] = row.try_into().ok()?;
    Some(Link {
        src: (internal(&src)?, src_id),
        dst: (internal(&dst)?, dst_id),
        kind: kind.as_text()?.to_owned(),
        properties: pairs(properties)?,
    })
}

fn internal(value: &CypherValue) -> Option<u64> {
    u64::try_from(value.as_int()?).ok()
}

fn pairs(value: CypherValue) -> Option<Vec<(String, CypherValue)>> {
    let CypherValue::List(items) = value else { return None };
    let pair = |item| {
        let CypherValue::List(pair) = item else { return None };
        let [name, value]: [CypherValue; 2] = pair.try_into().ok()?;
        let CypherValue::Text(name) = name else { return None };
        Some((name, value))
    };
    items.into_iter().map(pair).collect()
}
