//! What was frozen: tables in memory and at rest, their manifest, and the proof that they are whole.
//!
//! [`write()`] makes a folder of Parquet files from [`tables::Tables`], [`read()`] gives them back, [`verify()`] looks at
//! every byte and every row.

mod diff;
mod error;
mod footprint;
mod manifest;
mod memory;
mod read;
mod retention;
pub mod tables;
mod verify;
mod write;

pub use diff::{Diff, diff};
pub use error::SnapshotError;
pub use footprint::{identity, sizes};
pub use manifest::{ColumnType, Manifest, ManifestInput, Origin, Run, SCHEMA_VERSION, TableFile, sha256};
pub use memory::{Memory, MemoryFiles, read_memory};
pub use read::{Listed, Snapshot, latest, list, locate, read};
pub use retention::{Aged, Retention, discard, retention};
pub use verify::{Problem, Verification, problems_of, verify};
pub use write::{check_target, parquet_bytes, write, write_with};
