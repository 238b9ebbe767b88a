//! Write-back against a real server.

mod broken;
mod graph;

mod town;
mod whole;
