//! What can go wrong while a table is scanned. No variant holds the value of a row.

use crate::context::{Cancelled, Diagnose, Fault};
use crate::sources::SourceError;

/// A table could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The server could not be reached, refused something or went away.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no such table.
    #[error("{place} has no table `{table}`")]
    NoTable {
        /// `host:port/database`.
        place: String,
        /// Schema-qualified table.
        table: String,
    },
    /// There is no such column.
    #[error("table `{table}` has no column `{column}`")]
    NoColumn {
        /// Schema-qualified table.
        table: String,
        /// The column.
        column: String,
        /// The columns there are.
        there: String,
    },
    /// A path into a column that holds no JSON.
    #[error("column `{column}` of table `{table}` is of type {found}, wanted json or jsonb")]
    NoJson {
        /// Schema-qualified table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Two columns of one name are asked for.
    #[error("two columns of table `{table}` would be called `{name}`")]
    Twice {
        /// Schema-qualified table.
        table: String,
        /// The name.
        name: String,
    },
    /// A value that no column can hold; it is not told.
    #[error("row {row} of {part}: column `{column}` {reason} (byte {offset} of the copy)")]
    Cell {
        /// Table and blocks that one statement read.
        part: String,
        /// Row among the part's, the first being 1.
        row: u64,
        /// The column.
        column: String,
        /// Byte of the part's stream where the value stands.
        offset: u64,
        /// What is wrong with it.
        reason: String,
        /// What shows the row, where rows have an order.
        query: Option<String>,
    },
    /// What came is no binary copy of the columns asked for.
    #[error("the copy of {part} {reason} (row {row}, byte {offset})")]
    Stream {
        /// Table and blocks that one statement read.
        part: String,
        /// Row among the part's, 0 in the header.
        row: u64,
        /// Byte of the part's stream.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The columns do not fit into the memory that is granted.
    #[error(
        "the columns of table `{table}` {} {} MiB, more than the limit of {} MiB",
        if *.estimated { "are estimated at" } else { "take" },
        .needed.div_ceil(1 << 20),
        .limit >> 20
    )]
    Memory {
        /// Schema-qualified table.
        table: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes granted.
        limit: u64,
        /// Whether that is an estimate made before anything was read.
        estimated: bool,
    },
    /// Whoever takes the chunks could not.
    #[error("cannot hand on rows of table `{table}`")]
    Taking {
        /// Schema-qualified table.
        table: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for CopyError {
    fn fault(&self) -> Fault {
        match self {
            Self::Source(source) => source.fault(),
            Self::NoTable { .. }
            | Self::NoColumn { .. }
            | Self::NoJson { .. }
            | Self::Twice { .. }
            | Self::Memory { .. } => Fault::Input,
            Self::Cell { .. } | Self::Stream { .. } | Self::Taking { .. } => Fault::Environment,
            Self::Cancelled(_) => Fault::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Source(source) => source.hint(),
            Self::NoTable { .. } => Some("`sonograph doctor` lists what is found".to_owned()),
            Self::NoColumn { there, .. } => Some(format!("its columns are {there}")),
            Self::Cell { query, .. } => query.as_ref().map(|query| format!("this shows the row: {query}")),
            Self::Memory { .. } => {
                Some("ask for fewer columns, or only for what is needed of JSON".to_owned())
            }
            Self::NoJson { .. }
            | Self::Twice { .. }
            | Self::Stream { .. }
            | Self::Taking { .. }
            | Self::Cancelled(_) => None,
        }
    }
}
