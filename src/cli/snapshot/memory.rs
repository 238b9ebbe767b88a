//! The memory of agents beside the business graph: read, bridged by candidates, and said what it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::{Failure, Session, connect};
use crate::context::Context;
use crate::snapshot::tables::Tables;
use crate::snapshot::{Memory, Origin};
use crate::sources::cognee::{self, Remembered};
use crate::sources::falkordb::{Client, FalkorError};

const LOOKS_LIKE: &str = "`sonograph doctor` names the graphs that look like memory";

/// Where memory graphs are read from.
pub(in crate::cli) struct Memories {
    client: Client,
    graphs: Vec<String>,
}

impl Memories {
    /// Connects where graphs are `asked` for, or else configured; `None` where neither is.
    pub(super) async fn of(asked: &[String], session: &Session) -> Result<Option<Self>, Failure> {
        let config = &session.config;
        let mut graphs =
            if asked.is_empty() { config.falkordb.memory_graphs.clone() } else { asked.to_vec() };
        graphs.sort_unstable();
        graphs.dedup();
        if graphs.is_empty() {
            return Ok(None);
        }
        let one_server = config.memory_url()?.to_string() == config.falkordb_url()?.to_string();
        if one_server && graphs.contains(&config.falkordb.graph) {
            let graph = &config.falkordb.graph;
            let why = format!("cannot read `{graph}` as the memory of agents: it is the business graph");
            return Err(Failure::input(why).with_hint(LOOKS_LIKE));
        }
        Ok(Some(Self { client: connect::memory(session).await?, graphs }))
    }

    /// Reads every graph and looks for what it may mention in `business`; where it came from goes into `sources`, how far
    /// it was read is the answer's second part.
    pub(super) async fn read(
        mut self,
        business: &Tables,
        sources: &mut Vec<Origin>,
        session: &Session,
        cx: &Context,
    ) -> Result<(BTreeMap<String, Memory>, Value), Failure> {
        let mut memory = BTreeMap::new();
        let mut positions = serde_json::Map::new();
        for graph in self.graphs {
            let read = match cognee::scan(&mut self.client, &graph, cx).await {
                Err(error @ FalkorError::NoGraph { .. }) => {
                    return Err(Failure::from(error).with_hint(LOOKS_LIKE));
                }
                read => read?,
            };
            let mentions = cognee::mentions(business, &read.tables);
            told(&graph, &read, mentions.height(), session);
            sources.push(origin(&graph, &read, mentions.height()));
            positions.insert(
                graph.clone(),
                json!({ "pages": read.pages, "longest_page_ms": read.longest_page_ms }),
            );
            memory.insert(graph, Memory { tables: read.tables, mentions });
        }
        Ok((memory, positions.into()))
    }
}

fn origin(graph: &str, read: &Remembered, mentions: usize) -> Origin {
    let census = &read.census;
    let version = read.version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
    let mut origin = Origin::new("cognee", version)
        .with("graph", graph)
        .with("nodes", read.tables.node_count())
        .with("edges", read.tables.edge_count())
        .with("mentions", mentions)
        .with("vectors_skipped", json!(census.vectors));
    for (what, count) in odd(read) {
        if count > 0 {
            origin = origin.with(what, count);
        }
    }
    if !read.drift.is_empty() {
        origin = origin.with("drift", read.drift.clone());
    }
    origin
}

/// What is not as Cognee means it to be, by its key in the manifest.
fn odd(read: &Remembered) -> [(&'static str, u64); 7] {
    let census = &read.census;
    [
        ("unlabelled", census.stubs),
        ("unlabelled_folded", census.folded),
        ("without_id", census.nameless),
        ("shared_id", census.twins),
        ("broken_json", census.broken_json),
        ("odd_times", census.odd_times),
        ("edges_lost", census.lost),
    ]
}

fn told(graph: &str, read: &Remembered, mentions: usize, session: &Session) {
    let skipped: u64 = read.census.vectors.values().sum();
    session.printer.note(format_args!(
        "memory {graph}: {} nodes, {} edges, {mentions} candidates of a mention; {skipped} vectors not fetched",
        read.tables.node_count(),
        read.tables.edge_count(),
    ));
    let odd: Vec<String> = odd(read)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {}", what.replace('_', " ")))
        .collect();
    if !odd.is_empty() {
        session.printer.note(format_args!("memory {graph}: {}", odd.join(", ")));
    }
    for change in &read.drift {
        session.printer.warn(format_args!("memory {graph}: {change}: it is no single state of the graph"));
    }
}
