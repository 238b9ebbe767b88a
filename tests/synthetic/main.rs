//! The synthetic city: that what is planted can be found again in the rows alone, and that the rows survive a server.

#![allow(clippy::print_stdout, reason = "a person who tunes the city wants to see its figures")]

mod command_line;
mod graph;
mod load;
mod realism;
mod resolved;
mod sameness;

#[path = "../support/mod.rs"]
mod support;

use support::scratch;
