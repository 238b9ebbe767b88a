//! Write-back against a real server.

mod broken;
mod command_line;
mod folder;
mod graph;
mod killed;
mod town;
mod whole;
