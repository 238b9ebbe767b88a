//! What was frozen: tables in memory and at rest, their manifest, and the proof that they are whole.

pub mod assemble;
mod column;
pub mod tables;

mod write;

pub use write::{SnapshotError, parquet_bytes};
