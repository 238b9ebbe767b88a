//! The mirror on real servers: the published layouts by hand, a synthetic city, changes, and servers that die half-way.
#![allow(clippy::print_stderr)] // a test that is skipped says so, a measured one what it measured

mod broken;
mod changes;
mod city;
mod command_line;
mod generations;
mod identity;
mod kills;
mod layouts;
mod odd_rows;
mod orders;
mod secrets;
mod spaces;
mod worlds;

#[path = "../support/mod.rs"]
mod support;

use support::{graph, scratch};

use std::collections::BTreeMap;

use sonograph::context::Context;
use sonograph::mirror::{self, Applied, MirrorError, ResolveOptions, Resolved};
use sonograph::snapshot::parquet_bytes;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::facts::Facts;
use sonograph::sources::falkordb::marker::{Marker, Progress};
use sonograph::sources::falkordb::{Client, scan};

/// Every table of a graph as it would lie on disk, without what only the server knows.
fn bytes(tables: &Tables) -> BTreeMap<String, Vec<u8>> {
    let nodes = tables.nodes.iter().map(|(name, frame)| (format!("nodes/{name}"), frame));
    let edges = tables.edges.iter().map(|(name, frame)| (format!("edges/{name}"), frame));
    nodes.chain(edges).map(|(name, frame)| (name, parquet_bytes(frame).expect("it encodes"))).collect()
}

async fn read(client: &mut Client, graph: &str) -> Tables {
    scan(client, graph, &Context::silent()).await.expect("the graph can be read").tables
}

fn resolved(facts: &Facts, current: &Tables) -> Resolved {
    let options = ResolveOptions { kept: mirror::kept_uids(current), ..ResolveOptions::default() };
    mirror::resolve(facts, &options).expect("a graph")
}

/// One run, as `mirror apply` does it.
async fn run(client: &mut Client, graph: &str, facts: &Facts, cx: &Context) -> Result<Applied, MirrorError> {
    let current = mirror::read_graph(client, graph, &Context::silent()).await?;
    let wanted = resolved(facts, &current);
    mirror::apply(client, graph, &mirror::plan(&wanted, &current), cx).await
}

/// Planning and applying once more changes nothing, and says so.
async fn is_settled(client: &mut Client, graph: &str, facts: &Facts, generation: i64) {
    let current = read(client, graph).await;
    let wanted = resolved(facts, &current);
    let plan = mirror::plan(&wanted, &current);
    assert!(plan.is_empty(), "{:#?}", plan.summary());
    let applied = mirror::apply(client, graph, &plan, &Context::silent()).await.expect("nothing to do");
    assert_eq!(applied, Applied { generation, ..Applied::default() });
    assert_eq!(bytes(&read(client, graph).await), bytes(&current));
    let mark = mirror::state(client, graph).await.expect("readable");
    assert_eq!(mark, Some(Marker { generation, progress: Progress::Complete }));
}
