//! The frozen tables as a graph: compressed adjacency, projections by label and relation, petgraph's traits.
//!
//! [`BusinessGraph`] keeps the tables and knows its nodes by dense id; [`BusinessGraph::project`] turns the relations a
//! question is about into a [`Csr`] over the same ids.
#![warn(missing_docs)]

mod adjacency;
mod build;
mod builder;
mod csr;
mod deleted;
mod error;
mod evaluate;
mod expression;
mod forward;
mod induced;
mod petgraph;
mod simple;
mod sources;
mod stored;
mod view;
#[cfg(test)]
mod view_tests;
mod weights;

pub use build::{BusinessGraph, EdgeTable};
pub use builder::GraphBuilder;
pub use csr::{Csr, EdgeIds, NodeId};
pub use deleted::Deleted;
pub use error::GraphError;
pub use expression::{Expression, ExpressionError};
pub use forward::Forward;
pub use induced::Induced;
pub use petgraph::{AllArcs, Arc, Arcs, Undirected, Visited};
pub use simple::Simple;
pub use sources::Sources;
pub use stored::StoredGraph;
pub use view::{HalfLife, Projected, Projection, Weight};
pub use weights::Weights;
