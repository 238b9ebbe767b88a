//! Who matters in the network.

pub mod degree;
pub mod pagerank;
