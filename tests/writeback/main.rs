//! Write-back against a real server.

mod broken;
mod command_line;
mod folder;
mod killed;
mod town;
mod whole;

#[path = "../support/mod.rs"]
mod support;

use support::graph;
