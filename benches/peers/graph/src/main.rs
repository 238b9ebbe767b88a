//! `peer-graph FILE`: the edge list as the crate `graph` builds it, both directions; nodes, edges and seconds on stdout.

use std::path::PathBuf;
use std::time::Instant;

use graph_builder::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = PathBuf::from(std::env::args().nth(1).ok_or("a file is missing")?);
    let began = Instant::now();
    let graph: DirectedCsrGraph<u32> =
        GraphBuilder::new().file_format(EdgeListInput::default()).path(file).build()?;
    println!("{} {} {}", graph.node_count(), graph.edge_count(), began.elapsed().as_secs_f64());
    Ok(())
}
