//! A whole table → columns, by binary `COPY` over several connections that see one moment.
//!
//! What a column becomes:
//!
//! | `PostgreSQL` | frame |
//! |---|---|
//! | `bool` | `Boolean` |
//! | `int2`, `int4`, `int8` | `Int64` |
//! | `float4`, `float8` | `Float64`, exactly |
//! | `numeric` | `String`, exactly as the server writes it; [`Pick::Number`] is the nearest `Float64` |
//! | `text`, `varchar`, `bpchar` (padded, as it is kept), `name`, enums, `json`, `jsonb` | `String` |
//! | `uuid` | `String`, hyphenated, lower case |
//! | `bytea` | `Binary` |
//! | `date` | `Date` |
//! | `timestamptz` | `Datetime(µs, UTC)` |
//! | `timestamp` | `Datetime(µs)` without a zone: a wall clock |
//! | arrays of booleans, integers, floats, texts, enums, uuids | `List` of the above |
//! | arrays of anything else | `List(String)`, elements as the server writes them |
//! | domains | as the type beneath |
//! | anything else (`time`, `interval` in ISO 8601, `inet`, ranges, …) | `String`, as the server writes it |
//!
//! Infinite times, and those outside the years -9999 to 9999, end the scan with an error that names the cell, or become
//! null and are counted ([`ScanOptions::forgive_times`]). An array of more than one dimension ends it, too:
//! [`Pick::Text`] takes it as text.
//!
//! Tables are read by ranges of blocks, in their order, partitions and heirs one after another; the rows are the same in
//! the same order however many connections read them. Views, foreign tables, tables without blocks and those of which
//! the role may not read every part by itself are read by one statement on one connection, as is everything through a
//! transaction pooler. A foreign table's rows are of whatever moment its own server says.
//!
//! Several connections are threads of their own where password or trust is all that the server asks for; what the driver alone
//! knows (TLS, Unix sockets) is read by the driver. One more connection holds the snapshot then, and reads nothing.
//!
//! Nothing is written: every connection is in a `READ ONLY` transaction, and row-level security that would hide rows is
//! an error. Bytes are never believed: memory is made as they come.

mod array;
mod cells;
mod decode;
mod error;
mod lane;
mod link;
mod messages;
mod scan;
mod table;
mod team;

pub use cells::Kind;
pub use decode::{Decoder, Flaw, Shape};
pub use error::CopyError;
pub use scan::{estimate, scan_chunks, scan_table};

use polars::prelude::DataFrame;

/// A table, view, materialized view or foreign table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name, as it is.
    pub name: String,
}

impl TableName {
    /// The table `name` of `schema`; both are taken as they are and quoted where they go into a statement.
    pub fn new(schema: &str, name: &str) -> Self {
        Self { schema: schema.to_owned(), name: name.to_owned() }
    }

    /// `schema.table`, for people.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// A column that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// A column as its type says.
    Column(String),
    /// A column as the text the server writes.
    Text(String),
    /// The nearest double of a column of numbers, `numeric` above all.
    Number(String),
    /// The text at a path of keys (or positions) of a `json` or `jsonb` column; the server takes it out.
    Json {
        /// The column.
        column: String,
        /// Keys from the outside in.
        path: Vec<String>,
        /// What the frame's column is called.
        name: String,
    },
}

impl Pick {
    /// The table's column.
    fn column(&self) -> &str {
        match self {
            Self::Column(column) | Self::Text(column) | Self::Number(column) | Self::Json { column, .. } => {
                column
            }
        }
    }

    /// The frame's column.
    fn name(&self) -> &str {
        match self {
            Self::Json { name, .. } => name,
            Self::Column(column) | Self::Text(column) | Self::Number(column) => column,
        }
    }
}

/// How a table is scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanOptions {
    /// Connections that read at once, at least 1; a server with others to serve is asked by few. With more than one there may be
    /// another that holds the snapshot.
    pub connections: usize,
    /// Blocks that one statement reads, at least 1.
    pub part_blocks: u64,
    /// Times that no column can hold become null and are counted, instead of ending the scan.
    pub forgive_times: bool,
    /// Wall clocks and bytes come as the text the server writes, for who keeps neither.
    pub plain: bool,
    /// Bytes that the columns of [`scan_table`] may take.
    pub memory_limit: Option<u64>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { connections: 2, part_blocks: 2_048, forgive_times: false, plain: false, memory_limit: None }
    }
}

/// What a scan is expected to take, by what the server's planner knows of the table: nothing of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Bytes of the columns in memory.
    pub bytes: u64,
    /// Blocks to be read.
    pub blocks: u64,
}

/// What a scan did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanReport {
    /// Rows read.
    pub rows: u64,
    /// Connections that read them.
    pub connections: u64,
    /// Statements they were read by.
    pub parts: u64,
    /// Columns with times that became null, and how many.
    pub forgiven: Vec<(String, u64)>,
    /// What else should be known, for people.
    pub notes: Vec<String>,
}

/// A table in memory.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Its rows.
    pub frame: DataFrame,
    /// How they were read.
    pub report: ScanReport,
}
