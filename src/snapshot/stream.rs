//! The rows of a snapshot's file, a batch of whole row groups at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, FileMetadataRef, ParquetReader, PolarsError, SerReader};

use super::SnapshotError;
use super::manifest::TableFile;
use crate::context::regular;

/// Rows that a batch has at least, unless the file ends.
const BATCH_ROWS: usize = 1 << 20;

/// The batches of one file, whose bytes somebody has held against the manifest; at least one, which is empty where the
/// file has no rows.
#[derive(Debug)]
pub(super) struct Batches {
    path: PathBuf,
    file: File,
    footer: FileMetadataRef,
    /// Row groups behind us, and rows.
    groups: usize,
    rows: usize,
    begun: bool,
}

impl Batches {
    pub fn open(dir: &Path, file: &TableFile) -> Result<Self, SnapshotError> {
        let path = file.located(dir)?;
        let decode = |source: PolarsError| SnapshotError::Decode { file: path.clone(), source };
        let file = regular(&path).and_then(|()| File::open(&path)).map_err(|error| decode(error.into()))?;
        let footer = ParquetReader::new(file.try_clone().map_err(|error| decode(error.into()))?)
            .get_metadata()
            .map_err(decode)?
            .clone();
        Ok(Self { path, file, footer, groups: 0, rows: 0, begun: false })
    }

    fn batch(&self, rows: usize) -> Result<DataFrame, PolarsError> {
        let mut reader = ParquetReader::new(self.file.try_clone()?);
        reader.set_metadata(self.footer.clone());
        reader.with_slice(Some((self.rows, rows))).finish()
    }
}

impl Iterator for Batches {
    type Item = Result<DataFrame, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = 0;
        while let Some(group) = self.footer.row_groups.get(self.groups).filter(|_| rows < BATCH_ROWS) {
            rows += group.num_rows();
            self.groups += 1;
        }
        if rows == 0 && self.begun {
            return None;
        }
        let batch = self.batch(rows);
        self.rows += rows;
        self.begun = true;
        if batch.is_err() {
            self.groups = self.footer.row_groups.len();
        }
        Some(batch.map_err(|source| SnapshotError::Decode { file: self.path.clone(), source }))
    }
}
