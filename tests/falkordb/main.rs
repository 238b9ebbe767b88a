//! The `FalkorDB` room against a real server.

mod client;
mod cypher;
mod graph;
mod scan;
mod schema;
