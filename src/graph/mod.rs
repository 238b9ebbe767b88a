//! The frozen tables as a graph: compressed adjacency, projections by label and relation, petgraph's traits.

mod csr;

pub use csr::{Csr, NodeId};
