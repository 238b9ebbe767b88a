//! What can go wrong with a snapshot.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use polars::error::PolarsError;

use super::verify::Problem;
use crate::context::{Cancelled, Diagnose, Fault, hint_for};

/// What can go wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A frame could not be encoded.
    #[error("cannot encode a table as parquet")]
    Encode(#[source] PolarsError),
    /// A column holds what must not be at rest.
    #[error("cannot keep column `{column}` of `{table}` at rest as {dtype}")]
    Cast {
        /// Label, relation or companion.
        table: String,
        /// Column.
        column: String,
        /// What it holds.
        dtype: String,
        /// Why not.
        source: PolarsError,
    },
    /// Two snapshots whose tables are not alike enough.
    #[error("cannot compare two snapshots")]
    Compare(#[source] PolarsError),
    /// Tables that are not a graph in canonical order.
    #[error("cannot write a snapshot of tables that are not whole: {0}")]
    NotWhole(Problem),
    /// The folder is a snapshot already.
    #[error("`{0}` is a snapshot already")]
    Exists(PathBuf),
    /// The folder holds something else.
    #[error("`{0}` is not empty and not a snapshot")]
    Occupied(PathBuf),
    /// The folder is a snapshot that holds something else, too.
    #[error("the snapshot `{dir}` holds `{name}`, which is no part of it")]
    Foreign {
        /// The snapshot.
        dir: PathBuf,
        /// Path below it.
        name: String,
    },
    /// Another process writes the same folder.
    #[error("`{0}` is being written by another process")]
    Busy(PathBuf),
    /// A folder has no manifest.
    #[error("`{0}` is not a snapshot: it has no manifest.json")]
    NotASnapshot(PathBuf),
    /// `latest` of nothing.
    #[error("there is no snapshot in `{0}`")]
    NoSnapshot(PathBuf),
    /// A manifest that cannot be understood.
    #[error("cannot read the manifest `{file}`")]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// A manifest of another time.
    #[error("`{file}` has schema version {found}; this build reads version {known}")]
    Version {
        /// The manifest.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A file that cannot be decoded.
    #[error("cannot read the table `{file}`")]
    Decode {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: PolarsError,
    },
    /// A file that is not what the manifest says.
    #[error("the snapshot `{dir}` is damaged: {problem}")]
    Damaged {
        /// The snapshot.
        dir: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A file or folder could not be read or written; the source names it.
    #[error("cannot {what} the snapshot")]
    Io {
        /// `read`, `write`.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl SnapshotError {
    pub(super) fn reading(source: io::Error) -> Self {
        Self::Io { what: "read", source }
    }

    pub(super) fn writing(source: io::Error) -> Self {
        Self::Io { what: "write", source }
    }
}

impl From<Infallible> for SnapshotError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Diagnose for SnapshotError {
    fn fault(&self) -> Fault {
        match self {
            Self::Io { source, .. } => Fault::of_path(source),
            Self::Compare(_) | Self::Encode(_) | Self::Busy(_) | Self::NotWhole(_) => Fault::Environment,
            Self::Cancelled(_) => Fault::Cancelled,
            _ => Fault::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists(_) => "`--force` replaces it".to_owned(),
            Self::Occupied(_) => "give a folder that does not exist yet".to_owned(),
            Self::Foreign { .. } => {
                "move it, or name another folder: a snapshot is replaced whole".to_owned()
            }
            Self::Busy(_) => "run it again once the other one is done, or name another folder".to_owned(),
            Self::NotASnapshot(_) => "`sonograph snapshot list` names the snapshots there are".to_owned(),
            Self::NoSnapshot(_) => {
                "make one with `sonograph snapshot take`, `snapshot import` or `synth city`".to_owned()
            }
            Self::Decode { .. } | Self::Damaged { .. } | Self::Manifest { .. } => {
                "`sonograph snapshot verify` says all that is wrong with it".to_owned()
            }
            Self::Io { source, .. } => return hint_for(source),
            _ => return None,
        })
    }
}
