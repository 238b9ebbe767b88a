//! The rows of a snapshot's file, a batch of whole row groups at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, FileMetadataRef, PolarsError};
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::manifest::{Manifest, TableFile};
use super::read::loaded;
use super::tables::parquet;
use super::verify::{HashWriter, Problem, differs, strange_columns, wrong_height};
use crate::context::regular;

/// A snapshot whose tables are read one by one, whole or a batch of rows at a time.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
}

impl Reader {
    /// Opens the snapshot in `dir`.
    ///
    /// # Errors
    ///
    /// When `dir` is no snapshot, or is one of another layout.
    pub fn open(dir: &Path) -> Result<Self, SnapshotError> {
        Ok(Self { dir: dir.to_owned(), manifest: Manifest::read(dir)? })
    }

    /// All rows of one of its files.
    ///
    /// # Errors
    ///
    /// When the file is missing or not what the manifest says.
    pub fn whole(&self, file: &TableFile) -> Result<DataFrame, SnapshotError> {
        loaded(&self.dir, file)
    }

    /// The rows of one of its files in batches, at least one. Every byte is held against the manifest before the first.
    ///
    /// # Errors
    ///
    /// When the file is missing or not what the manifest says.
    pub fn batches(
        &self,
        file: &TableFile,
    ) -> Result<impl Iterator<Item = Result<DataFrame, SnapshotError>> + use<>, SnapshotError> {
        let (dir, file) = (self.dir.clone(), file.clone());
        let damaged = move |what, place: &TableFile| SnapshotError::Damaged {
            dir: dir.clone(),
            problem: Problem { place: place.file.clone(), what },
        };
        let path = file.located(&self.dir)?;
        let decode =
            |source: std::io::Error| SnapshotError::Decode { file: path.clone(), source: source.into() };
        let mut input = regular(&path).and_then(|()| File::open(&path)).map_err(decode)?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut input, &mut HashWriter(&mut hash)).map_err(decode)?;
        if let Some(what) = differs(&file, bytes, &hash.finalize()) {
            return Err(damaged(what, &file));
        }
        let mut rows = 0;
        let batches = Batches::open(&self.dir, &file)?;
        // Before anybody makes room for them.
        if let Some(what) = wrong_height(&file, batches.footer.num_rows as u64) {
            return Err(damaged(what, &file));
        }
        let mut batches = batches.peekable();
        Ok(std::iter::from_fn(move || {
            let batch = match batches.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            };
            rows += batch.height() as u64;
            let wrong = strange_columns(&file, &batch)
                .or_else(|| if batches.peek().is_none() { wrong_height(&file, rows) } else { None });
            Some(wrong.map_or(Ok(batch), |what| Err(damaged(what, &file))))
        }))
    }
}

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
        let mut file =
            regular(&path).and_then(|()| File::open(&path)).map_err(|error| decode(error.into()))?;
        let footer = parquet::footer(&mut file).map_err(decode)?;
        parquet::check_pages(&mut file, &footer).map_err(decode)?;
        Ok(Self { path, file, footer, groups: 0, rows: 0, begun: false })
    }

    fn batch(&self, rows: usize) -> Result<DataFrame, PolarsError> {
        parquet::rows(self.file.try_clone()?, &self.footer, self.rows, rows)
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
