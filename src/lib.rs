//! sonograph: a graph analytics and benchmark workbench for an event platform.
//!
//! The crate reads in one direction:
//!
//! ```text
//! sources → mirror → snapshot → graph → studies → report / writeback
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | [`cli`] | command line → settings; one file per verb, no domain logic |
//! | [`terminal`] | everything a human sees: printer, progress, tables, errors, exit codes |
//! | [`context`] | progress, cancellation, seed and threads, handed to everything that runs |
//! | [`config`] | `sonograph.toml`, `SONOGRAPH_*` and flags, resolved into one value |
//! | [`ontology`] | the business vocabulary: labels, relations, uids, canonical ids |
//! | [`sources`] | where facts come from: Postgres layouts, FalkorDB, files, the synthetic city |
//! | [`mirror`] | Postgres sources → FalkorDB business graph: read, resolve, plan, apply |
//! | [`snapshot`] | what was frozen: tables at rest, manifest, verification |
//! | [`graph`] | frozen tables as a graph: compressed adjacency and projections |
//! | [`studies`] | questions and their algorithms |
//! | [`report`] | findings → HTML, Markdown, figures |
//! | [`writeback`] | scores → node properties, with plan, ledger and undo |
//! | [`services`] | private FalkorDB and PostgreSQL as child processes |
//!
//! Which room may import which is a table in `tests/architecture.rs`.

pub mod cli;
pub mod config;
pub mod context;
pub mod graph;
pub mod mirror;
pub mod ontology;
pub mod report;
pub mod services;
pub mod snapshot;
pub mod sources;
pub mod studies;
pub mod terminal;
pub mod writeback;
