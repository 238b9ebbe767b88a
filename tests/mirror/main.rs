//! The mirror on real servers: the published layouts by hand, a synthetic city, changes, and servers that die half-way.
#![allow(clippy::print_stderr)] // a test that is skipped says so, a measured one what it measured

mod broken;
mod changes;
mod city;
mod command_line;
mod dead_ends;
mod failed_reads;
mod footing;
mod generations;
mod identity;
mod incremental;
mod journeys;
mod kills;
mod layouts;
mod letting_go;
mod mistyped;
mod odd_rows;
mod orders;
mod renamed;
mod required;
mod secrets;
mod several_schemas;
mod spaces;
mod still_missed;
mod what_stays;
mod worlds;

#[path = "../support/mod.rs"]
mod support;

use support::{graph, scratch};

use std::collections::BTreeMap;

use sonograph::context::Context;
use sonograph::mirror::{self, Applied, Current, MirrorError, ResolveOptions, Resolved, Summary};
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
    resolved_after(facts, &Current::of(current).expect("a graph"))
}

/// What the facts claim, named as the graph remembers.
fn resolved_after(facts: &Facts, current: &Current) -> Resolved {
    let kept = mirror::kept_uids(current).expect("its rows can be read");
    let options = ResolveOptions { kept, ..ResolveOptions::default() };
    mirror::resolve(facts, &options).expect("a graph")
}

/// What a run would do to a graph, and whether that is nothing.
fn planned(wanted: &Resolved, current: &Tables) -> (Summary, bool) {
    let current = Current::of(current).expect("a graph");
    let plan = mirror::plan(wanted, &current).expect("rows can be read");
    (plan.summary().expect("rows can be read"), plan.is_empty())
}

/// One run, as `mirror apply` does it.
async fn run(client: &mut Client, graph: &str, facts: &Facts, cx: &Context) -> Result<Applied, MirrorError> {
    let current = mirror::read_graph(client, graph, &Context::silent()).await?;
    let wanted = resolved_after(facts, &current);
    mirror::apply(client, graph, &mirror::plan(&wanted, &current)?, cx).await
}

/// Planning and applying once more changes nothing, and says so.
async fn is_settled(client: &mut Client, graph: &str, facts: &Facts, generation: i64) {
    let frozen = read(client, graph).await;
    let (summary, is_empty) = planned(&resolved(facts, &frozen), &frozen);
    assert!(is_empty, "{summary:#?}");
    let current = mirror::read_graph(client, graph, &Context::silent()).await.expect("it can be read");
    let wanted = resolved_after(facts, &current);
    let plan = mirror::plan(&wanted, &current).expect("rows can be read");
    assert!(plan.is_empty(), "{:#?}", plan.summary());
    let applied = mirror::apply(client, graph, &plan, &Context::silent()).await.expect("nothing to do");
    assert_eq!(applied, Applied { generation, ..Applied::default() });
    assert_eq!(bytes(&read(client, graph).await), bytes(&frozen));
    let mark = mirror::state(client, graph).await.expect("readable");
    assert_eq!(mark, Some(Marker { generation, progress: Progress::Complete }));
}
