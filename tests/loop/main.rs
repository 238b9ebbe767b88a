//! The whole loop, through the program alone: what a user types, and what is on disk and in the servers afterwards.
#![allow(clippy::print_stderr)] // a test that is skipped says so

mod demo;
mod files;
mod program;
mod recovery;
mod servers;
mod shared;

#[path = "../support/mod.rs"]
mod support;

use support::scratch;
