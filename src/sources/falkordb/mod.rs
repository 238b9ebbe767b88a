//! `FalkorDB`: the business graph's server.
//!
//! [`Client`] speaks to it, [`cypher`] writes what may be put into a query, [`schema`] makes indexes and constraints,
//! [`scan`] and [`walk`] read a whole graph by bounded pages, [`uids`] looks for nodes that they would stop at, [`lock`] keeps a
//! second writer away, [`copy`] makes a copy to read from, [`server`] says what else is known of the server.

mod bulk;
mod client;
pub mod copy;
mod counts;
pub mod cypher;
mod entities;
mod error;
mod line;
pub mod lock;
pub mod marker;
pub mod pace;
pub(in crate::sources) mod pages;
mod process;
mod reply;
mod scan;
pub mod schema;
pub mod server;
mod turn;
pub mod uids;
mod wire;

pub use client::{Client, Version};
pub use counts::Counts;
pub use cypher::{Param, Params};
pub use error::FalkorError;
pub use process::Process;
pub use reply::{CypherValue, Edge, Node, Reply, Stats};
pub use scan::{FALKORDB_IDS, Scanned, Taker, Walked, scan, scan_rows, scan_typed, walk, walk_from};
