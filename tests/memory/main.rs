//! The memory of agents, Cognee's graph, against real servers.
#![allow(clippy::print_stderr)] // a test that is skipped says so, a measured one what it measured

mod candidates;
mod harmless;
mod place;
mod reading;
mod trace;
