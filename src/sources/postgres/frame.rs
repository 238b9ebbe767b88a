//! Columns of the companion tables.

use polars::prelude::{
    ChunkedArray, Column, Int64Chunked, IntoSeries, NewChunkedArray, StringChunked, TimeUnit, TimeZone,
};

/// A text column.
pub fn texts<S: AsRef<str>>(name: &str, values: impl Iterator<Item = Option<S>>) -> Column {
    let column: StringChunked = ChunkedArray::from_iter_options(name.into(), values);
    column.into_series().into()
}

/// An integer column.
pub fn integers(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    let column: Int64Chunked = ChunkedArray::from_iter_options(name.into(), values);
    column.into_series().into()
}

/// A column of instants from epoch microseconds.
pub fn instants(name: &str, values: impl Iterator<Item = i64>) -> Column {
    let column: Int64Chunked = ChunkedArray::from_iter_values(name.into(), values);
    column.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series().into()
}
