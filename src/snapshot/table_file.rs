//! Batches of rows → one Parquet file, a row group at a time: what is held is what was not yet a whole group.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use polars::prelude::{
    Column, CompatLevel, DataFrame, DataType, ParquetCompression, ParquetWriter, PolarsError, PolarsResult,
    SchemaExt, get_encodings,
};
use polars_buffer::Buffer;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Encoding, ParquetType, StatisticsOptions, Version, WriteOptions,
    array_to_columns, compress,
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::manifest::{ColumnType, TableFile, columns, hex};
use super::tables::{INSTANT, instants};
use super::verify::{Problem, differs};
use crate::context::regular;

/// Rows of a row group: what is compressed, and read again, at once. A file has the same groups in whatever batches its
/// rows came.
pub const GROUP_ROWS: usize = 1 << 18;

/// A frame as a Parquet file in memory: zstd, types at rest, the same bytes for the same frame.
pub fn parquet_bytes(frame: &DataFrame) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::new();
    encode("table", [Ok(frame.clone())], &mut bytes)?;
    Ok(bytes)
}

/// Writes the rows of a table, which come in batches of like columns and at least one batch, as `file` below `dir`.
pub(super) fn write_table(
    dir: &Path,
    table: &str,
    file: String,
    batches: impl IntoIterator<Item = Result<DataFrame, SnapshotError>>,
) -> Result<TableFile, SnapshotError> {
    let target = fs_err::File::create(dir.join(&file)).map_err(SnapshotError::writing)?;
    let mut out = Hashing { inner: BufWriter::new(target), hash: Sha256::new(), bytes: 0, refused: None };
    let encoded = encode(table, batches, &mut out);
    // A full disk is no trouble of the table's.
    if let Some(refused) = out.refused.take() {
        return Err(SnapshotError::writing(refused));
    }
    let (rows, columns) = encoded?;
    out.flush().map_err(SnapshotError::writing)?;
    out.inner.get_ref().sync_all().map_err(SnapshotError::writing)?;
    Ok(TableFile { file, rows, bytes: out.bytes, sha256: hex(&out.hash.finalize()), columns })
}

/// Copies the file of a table from another snapshot to the same place below `dir`, if its bytes are those that were written.
pub(super) fn copy_table(from: &Path, file: &TableFile, dir: &Path) -> Result<(), SnapshotError> {
    let source = file.located(from)?;
    regular(&source).map_err(SnapshotError::reading)?;
    let mut source = fs_err::File::open(source).map_err(SnapshotError::reading)?;
    let target = fs_err::File::create(dir.join(&file.file)).map_err(SnapshotError::writing)?;
    let mut out = Hashing { inner: BufWriter::new(target), hash: Sha256::new(), bytes: 0, refused: None };
    let copied = io::copy(&mut source, &mut out).and_then(|_| out.flush());
    match (copied, out.refused.take()) {
        (_, Some(refused)) => return Err(SnapshotError::writing(refused)),
        (Err(error), None) => return Err(SnapshotError::reading(error)),
        (Ok(()), None) => {}
    }
    out.inner.get_ref().sync_all().map_err(SnapshotError::writing)?;
    match differs(file, out.bytes, &out.hash.finalize()) {
        Some(what) => {
            let problem = Problem { place: file.file.clone(), what };
            Err(SnapshotError::Damaged { dir: from.to_owned(), problem })
        }
        None => Ok(()),
    }
}

/// Rows written, and their columns.
fn encode(
    table: &str,
    batches: impl IntoIterator<Item = Result<DataFrame, SnapshotError>>,
    out: impl Write,
) -> Result<(u64, Vec<ColumnType>), SnapshotError> {
    let mut batches = batches.into_iter();
    let none = || SnapshotError::Encode(PolarsError::NoData("not even an empty batch".into()));
    let mut pending = at_rest(table, &batches.next().ok_or_else(none)??)?;
    let (schema, columns) = (pending.schema().clone(), columns(&pending));
    let writer = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None)).batched(&schema);
    let mut writer = writer.map_err(SnapshotError::Encode)?;
    let encoder = Encoder {
        fields: writer.parquet_schema().fields().to_vec(),
        encodings: get_encodings(&schema.to_arrow(CompatLevel::newest())),
    };
    let mut rows = 0;
    let mut write = |frame: DataFrame| {
        rows += frame.height() as u64;
        let groups: Vec<usize> = (0..frame.height()).step_by(GROUP_ROWS).collect();
        // As many at once as there are threads, so that no more of them are held.
        for together in groups.chunks(rayon::current_num_threads()) {
            let slice = |&start: &usize| frame.slice(start as i64, GROUP_ROWS);
            let encoded: Vec<_> = together.par_iter().map(|start| encoder.group(slice(start))).collect();
            for (start, group) in together.iter().zip(encoded) {
                let rows = GROUP_ROWS.min(frame.height() - start);
                writer.write_row_group(rows as u64, &group?)?;
            }
        }
        Ok(())
    };
    for batch in batches {
        let batch = at_rest(table, &batch?)?;
        pending.vstack_mut_owned(batch).map_err(SnapshotError::Encode)?;
        let whole = pending.height() / GROUP_ROWS * GROUP_ROWS;
        if whole > 0 {
            write(pending.slice(0, whole)).map_err(SnapshotError::Encode)?;
            pending = pending.slice(whole as i64, GROUP_ROWS);
        }
    }
    write(pending).map_err(SnapshotError::Encode)?;
    writer.finish().map_err(SnapshotError::Encode)?;
    Ok((rows, columns))
}

/// How the columns of a table become pages.
struct Encoder {
    fields: Vec<ParquetType>,
    encodings: Buffer<Vec<Encoding>>,
}

impl Encoder {
    const OPTIONS: WriteOptions = WriteOptions {
        statistics: StatisticsOptions {
            min_value: true,
            max_value: true,
            distinct_count: false,
            null_count: true,
            binary_statistics_truncate_length: None,
        },
        version: Version::V1,
        compression: CompressionOptions::Zstd(None),
        data_page_size: None,
    };

    /// The compressed pages of a row group, by column.
    fn group(&self, mut frame: DataFrame) -> PolarsResult<Vec<Vec<CompressedPage>>> {
        // How a frame came together must not show in the file.
        frame.rechunk_mut();
        let mut columns = Vec::with_capacity(self.fields.len());
        for batch in frame.iter_chunks(CompatLevel::newest(), false) {
            for ((array, field), encoding) in
                batch.columns().iter().zip(&self.fields).zip(&self.encodings[..])
            {
                for pages in array_to_columns(array, field.clone(), Self::OPTIONS, encoding)? {
                    let compressed = |page| Ok(compress(page, Vec::new(), Self::OPTIONS.compression)?);
                    columns.push(pages.map(|page| page.and_then(compressed)).collect::<PolarsResult<_>>()?);
                }
            }
        }
        Ok(columns)
    }
}

/// The frame with every column in the one type that Spark, `DuckDB` and Python all read as it is meant.
fn at_rest(table: &str, frame: &DataFrame) -> Result<DataFrame, SnapshotError> {
    let cast = |column: &Column| {
        let kept = type_at_rest(column.dtype()).and_then(|dtype| match innermost(&dtype) {
            DataType::Datetime(..) => instants(column),
            _ => column.strict_cast(&dtype),
        });
        kept.map_err(|source| SnapshotError::Cast {
            table: table.to_owned(),
            column: column.name().to_string(),
            dtype: column.dtype().to_string(),
            source,
        })
    };
    let columns = frame.columns().iter().map(cast).collect::<Result<Vec<_>, _>>()?;
    Ok(DataFrame::new(frame.height(), columns).expect("a cast changes neither names nor heights"))
}

fn type_at_rest(dtype: &DataType) -> PolarsResult<DataType> {
    Ok(match dtype {
        DataType::Boolean => DataType::Boolean,
        DataType::String | DataType::Null => DataType::String,
        DataType::Date => DataType::Date,
        DataType::Datetime(..) => INSTANT,
        DataType::List(inner) => DataType::List(Box::new(type_at_rest(inner)?)),
        dtype if dtype.is_integer() => DataType::Int64,
        dtype if dtype.is_float() => DataType::Float64,
        other => {
            let reason = format!(
                "{other} is none of Int64, Float64, Boolean, String, Datetime, Date or a list of these"
            );
            return Err(PolarsError::SchemaMismatch(reason.into()));
        }
    })
}

fn innermost(dtype: &DataType) -> &DataType {
    if let DataType::List(inner) = dtype { innermost(inner) } else { dtype }
}

/// Hashes and counts what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
    /// Why the system took no more.
    refused: Option<io::Error>,
}

impl<W> Hashing<W> {
    fn note(&mut self, error: io::Error) -> io::Error {
        let told = io::Error::from(error.kind());
        self.refused = Some(error);
        told
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data).map_err(|error| self.note(error))?;
        self.hash.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| self.note(error))
    }
}
