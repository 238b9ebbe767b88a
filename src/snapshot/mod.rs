//! What was frozen: tables in memory and at rest, their manifest, and the proof that they are whole.

pub mod tables;

mod write;

pub use tables::assemble;
pub use write::{SnapshotError, parquet_bytes};
