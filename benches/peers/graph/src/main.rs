//! The crate `graph`, as a peer of `scripts/bench-edge-list` and `scripts/bench-peers`.
//!
//! `peer-graph FILE`: an edge list as the crate builds it, both directions; nodes, edges and seconds on stdout.
//! `peer-graph --serve FOLDER [--directed] [--weighted]`: as `benches/kernels.rs` has it.

mod serve;

use std::path::PathBuf;
use std::time::Instant;

use graph::prelude::*;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", folder, ref flags @ ..] => serve::serve(folder.as_ref(), flags),
        [file] => {
            let began = Instant::now();
            let graph: DirectedCsrGraph<u32> = GraphBuilder::new()
                .file_format(EdgeListInput::default())
                .path(PathBuf::from(file))
                .build()?;
            println!("{} {} {}", graph.node_count(), graph.edge_count(), began.elapsed().as_secs_f64());
            Ok(())
        }
        _ => Err("a file is missing".into()),
    }
}
