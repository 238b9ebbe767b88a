//! The `FalkorDB` room against a real server.

mod client;
mod cypher;
mod lock;
mod scan;
mod schema;

#[path = "../support/mod.rs"]
mod support;

use support::graph;
