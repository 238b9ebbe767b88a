//! Postgres sources → `FalkorDB` business graph: read, resolve, plan, apply.
//!
//! [`resolve`] is pure: what sources claim becomes one graph, the same whatever order the rows came in. [`plan`] is
//! pure too: the difference between that graph and the one on the server. Only `apply` writes.

mod links;
mod merge;
mod report;
mod resolve;
mod resolved;
#[cfg(test)]
pub(crate) mod sample;
mod touches;

use crate::context::{Diagnose, Fault};

pub use report::{Conflict, Note};
pub use resolve::{ResolveOptions, resolve};
pub use resolved::Resolved;

/// Why a business graph could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// One source row was delivered as two different kinds of thing.
    #[error("source row `{uid}` is delivered both as {first} and as {second}")]
    TwoLabels {
        /// The name both would have.
        uid: String,
        /// The one label.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The resolved rows are no graph.
    #[error("cannot build the tables of the business graph")]
    Assemble(#[from] crate::snapshot::tables::assemble::AssembleError),
}

impl Diagnose for MirrorError {
    fn fault(&self) -> Fault {
        match self {
            Self::TwoLabels { .. } | Self::Assemble(_) => Fault::Input,
        }
    }
}
