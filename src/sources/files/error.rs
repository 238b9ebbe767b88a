//! What can be wrong with somebody's file.

use std::path::PathBuf;

use crate::context::{Cancelled, Diagnose, Fault, hint_for};

/// What can be wrong with somebody's file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no Parquet.
    #[error("cannot read `{file}` as Parquet")]
    Parquet {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: polars::error::PolarsError,
    },
    /// Its columns do not fit together.
    #[error("cannot use the columns of `{file}`")]
    Columns {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: polars::error::PolarsError,
    },
    /// Its header lacks or repeats a column, or has one by a name that is taken.
    #[error("cannot understand the header of `{file}`: {what}")]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A line is not what it should be.
    #[error("cannot understand {unit} {number} of `{file}`: {what}")]
    Line {
        /// The file.
        file: PathBuf,
        /// `line`, or `row` where the file has no lines.
        unit: &'static str,
        /// From 1.
        number: u64,
        /// What is wrong.
        what: String,
        /// What to try next.
        hint: Option<&'static str>,
    },
    /// More lines are to be passed over than there are.
    #[error("cannot pass over {asked} lines of `{file}`: it has {found}")]
    Short {
        /// The file.
        file: PathBuf,
        /// Lines to pass over.
        asked: usize,
        /// Lines it has.
        found: usize,
    },
    /// Flags that do not fit the file.
    #[error("cannot use {flag} with `{file}`, which is {kind}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// `text without a header`.
        kind: &'static str,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for FileError {
    fn fault(&self) -> Fault {
        if matches!(self, Self::Cancelled(_)) { Fault::Cancelled } else { Fault::Input }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Some(
                "check its name: a path without `/` at its head begins in the folder you are in".to_owned(),
            ),
            Self::Read { source, .. } => hint_for(source),
            Self::Parquet { .. } => {
                Some("what ends in `.parquet` is read as Parquet: give text another ending".to_owned())
            }
            Self::Line { hint, .. } => hint.map(str::to_owned),
            Self::Short { .. } => Some("`--skip-lines N` passes over the lines before the data".to_owned()),
            Self::Header { .. } => {
                Some("`--src COLUMN --dst COLUMN` name the columns of the two ends".to_owned())
            }
            _ => None,
        }
    }
}
