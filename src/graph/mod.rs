//! The frozen tables as a graph: compressed adjacency, projections by label and relation, petgraph's traits.
//!
//! [`BusinessGraph`] keeps the tables and knows its nodes by dense id; [`BusinessGraph::project`] turns the relations a
//! question is about into a [`Csr`] over the same ids.
#![warn(missing_docs)]

mod build;
mod csr;
mod deleted;
mod error;
mod petgraph;
mod view;

pub use build::{BusinessGraph, EdgeTable};
pub use csr::{Csr, NodeId};
pub use deleted::Deleted;
pub use error::GraphError;
pub use petgraph::{Arc, Undirected, Visited};
pub use view::{HalfLife, Projected, Projection, Weight};
