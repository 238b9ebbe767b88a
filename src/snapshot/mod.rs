//! What was frozen: tables in memory and at rest, their manifest, and the proof that they are whole.
//!
//! [`write()`] makes a folder of Parquet files from [`tables::Tables`], [`Writing`] from batches of rows; [`read()`] gives
//! them back, [`verify()`] looks at every byte and every row.

mod diff;
mod earlier;
mod error;
mod footprint;
mod manifest;
mod memory;
mod order;
mod partial;
mod read;
mod retention;
mod stream;
mod table_file;
pub mod tables;
mod verify;
mod write;

pub use diff::{Diff, diff};
pub use earlier::Earlier;
pub use error::SnapshotError;
pub use footprint::{identity, sizes};
pub use manifest::{ColumnType, Manifest, ManifestInput, Origin, Run, SCHEMA_VERSION, TableFile, sha256};
pub use memory::{Memory, MemoryFiles, read_memory};
pub use partial::check_target;
pub use read::{Listed, Snapshot, latest, list, locate, read};
pub use retention::{Aged, Retention, discard, retention};
pub use stream::Reader;
pub use table_file::{GROUP_ROWS, parquet_bytes};
pub use verify::{Problem, Verification, damage, problems_of, verify};
pub use write::{Writing, write};
