//! The `FalkorDB` room against a real server.

mod client;
mod cypher;
mod lock;
mod moments;
mod scan;
mod schema;
mod shadow;

#[path = "../support/mod.rs"]
mod support;

use support::graph;
