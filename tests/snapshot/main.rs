//! Snapshots: written whole or not at all, read back as they were, verified to the last byte.

mod at_rest;
mod cache;
mod consistency;
mod damage;
mod diff;
mod folder;
mod graphml;
mod graphs;
mod import;
mod incremental;
mod kills;
mod raw_tables;
mod retention;
mod take;
mod verbs;

#[path = "../support/mod.rs"]
mod support;
