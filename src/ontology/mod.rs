//! The business vocabulary: which things and relations exist, what they carry, how they are named.
//!
//! Pure: no input or output. The mirror writes this vocabulary into `FalkorDB`, snapshots type their columns by it, and
//! studies name labels and relations through it.

pub mod canonical;
pub mod content;
mod name_hash;
pub mod names;
mod schema;
mod uid;
mod value;
mod vocabulary;

pub use canonical::CanonicalId;
pub use name_hash::NameHash;
pub use schema::{Constraint, Index, constraints, indexes};
pub use uid::{SourceRef, Uid, safe_id};
pub use value::Value;
pub use vocabulary::{Label, Property, PropertyKind, Relation};
