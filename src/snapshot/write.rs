//! Writing tables at rest.

use polars::prelude::{DataFrame, ParquetCompression, ParquetWriter};

use crate::context::{Diagnose, Fault};

/// What can go wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A frame could not be encoded.
    #[error("cannot encode a table as parquet")]
    Encode(#[source] polars::error::PolarsError),
}

impl Diagnose for SnapshotError {
    fn fault(&self) -> Fault {
        Fault::Environment
    }
}

/// A frame as a Parquet file in memory: zstd, the same bytes for the same frame.
pub fn parquet_bytes(frame: &DataFrame) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .finish(&mut frame.clone())
        .map_err(SnapshotError::Encode)?;
    Ok(bytes)
}
