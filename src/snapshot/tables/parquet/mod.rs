//! The one place where Parquet is decoded, whoever wrote it.
//!
//! The decoder believes what a file says about itself: a length of four bytes in a damaged one makes it ask for 4 GiB, and
//! where pages contradict each other it panics. So what a file claims is held against how long it is before anything is
//! decoded, and what the decoder still stumbles over becomes an error. What was claimed costs no more than 64 KiB for each
//! byte of the file, which is more than any codec makes of one.

mod thrift;

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{
    DataFrame, FileMetadataRef, ParquetReader, PolarsError, PolarsResult, SerReader, polars_err,
};
use polars_parquet::read::ColumnChunkMetadata;

/// Bytes that a file may claim to become, by each of its own: zstd makes 32 KiB of one at most.
const LARGEST: u64 = 1 << 16;
/// Values of all columns, by each byte: a value takes 16 in memory. Our own files have a third of it at most, where every
/// row is the same.
const MOST_VALUES: u64 = LARGEST / 16;
/// A file ends in the length of its footer and this.
const MAGIC: &[u8; 4] = b"PAR1";
const TAIL: u64 = 8;

/// All rows of a file.
///
/// # Errors
///
/// When the bytes are no Parquet, or not whole; where it can be told, the error names the byte.
pub fn decode(bytes: Vec<u8>) -> PolarsResult<DataFrame> {
    let mut input = Cursor::new(&bytes[..]);
    let footer = footer(&mut input)?;
    check_pages(&mut input, &footer)?;
    caught(|| {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        reader.set_metadata(footer);
        whole(reader.finish()?)
    })
}

/// Columns within columns; lists of lists have two for each.
const DEEPEST: usize = 64;
/// The field of a footer that is its schema, and of an element of it what all but the first say, and how many it holds.
const SCHEMA: i16 = 2;
const REPETITION: i16 = 3;
const CHILDREN: i16 = 5;

/// What a file says about itself at its end.
///
/// # Errors
///
/// When there is no footer, or it claims more than a file of its length can hold.
pub fn footer(input: &mut (impl Read + Seek)) -> PolarsResult<FileMetadataRef> {
    let length = input.seek(SeekFrom::End(0))?;
    let (mut tail, mut bytes) = ([0; TAIL as usize], Vec::new());
    if length >= TAIL + MAGIC.len() as u64 {
        input.seek(SeekFrom::Start(length - TAIL))?;
        input.read_exact(&mut tail)?;
    }
    if tail[4..] != *MAGIC {
        return Err(polars_err!(ComputeError: "it does not end as Parquet does"));
    }
    let told = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let Some(start) = (length - TAIL).checked_sub(told) else {
        return Err(polars_err!(ComputeError: "its footer is said to be {told} bytes long, it has {length}"));
    };
    input.seek(SeekFrom::Start(start))?;
    input.take(told + TAIL).read_to_end(&mut bytes)?;
    // Columns within columns, by how many are still to come of each: the decoder goes down one by one.
    let (mut open, mut deepest) = (Vec::new(), 0);
    let mut see = |held_by: i16, id: i16, value: i64| match (held_by, id) {
        (SCHEMA, REPETITION) => {
            while open.pop_if(|left| *left == 0).is_some() {}
            open.last_mut().into_iter().for_each(|left| *left -= 1);
        }
        (SCHEMA, CHILDREN) if value > 0 => {
            open.push(value);
            deepest = deepest.max(open.len());
        }
        _ => {}
    };
    thrift::walk(&bytes[..bytes.len().saturating_sub(TAIL as usize)], thrift::FOOTER, &mut see)
        .map_err(|flaw| broken(start, flaw))?;
    if deepest > DEEPEST {
        return Err(polars_err!(ComputeError: "its columns lie {deepest} deep within each other"));
    }
    // The decoder reads a footer from the end of a file: this is one of nothing else.
    let footer = caught(|| Ok(ParquetReader::new(Cursor::new(bytes)).get_metadata()?.clone()))?;
    caught(|| check_claims(&footer, length))?;
    Ok(footer)
}

/// Holds every page of a file against its footer, without decoding it.
///
/// # Errors
///
/// When a page is not what its column says, or claims more than a file of its length can hold.
pub fn check_pages(input: &mut (impl Read + Seek), footer: &FileMetadataRef) -> PolarsResult<()> {
    footer
        .row_groups
        .iter()
        .flat_map(|group| group.parquet_columns().iter())
        .try_for_each(|chunk| check_chunk(input, chunk))
}

/// These rows of a file whose footer and pages are what they should be.
///
/// # Errors
///
/// When they cannot be decoded.
pub fn rows(
    file: std::fs::File,
    footer: &FileMetadataRef,
    from: usize,
    rows: usize,
) -> PolarsResult<DataFrame> {
    caught(|| {
        let mut reader = ParquetReader::new(file);
        reader.set_metadata(footer.clone());
        whole(reader.with_slice(Some((from, rows))).finish()?)
    })
}

fn check_claims(footer: &FileMetadataRef, length: u64) -> PolarsResult<()> {
    let too_much = |claim: u64, what: &str| polars_err!(ComputeError: "it claims to hold {claim} {what}, more than a file of {length} bytes can");
    let most_values = length.saturating_mul(MOST_VALUES);
    let (mut rows, mut values) = (0_u64, 0_u64);
    for (number, group) in footer.row_groups.iter().enumerate() {
        rows = rows.saturating_add(group.num_rows() as u64);
        for chunk in group.parquet_columns() {
            let (range, held) = (chunk.byte_range(), u64::try_from(chunk.num_values()).unwrap_or(u64::MAX));
            if range.end > length || range.start < MAGIC.len() as u64 {
                return Err(
                    polars_err!(ComputeError: "a column of row group {number} lies at {range:?}, outside its {length} bytes"),
                );
            }
            values = values.saturating_add(held);
            let unpacked = u64::try_from(chunk.uncompressed_size()).unwrap_or(u64::MAX);
            if unpacked > length.saturating_mul(LARGEST) {
                return Err(too_much(unpacked, "bytes"));
            }
            let is_nested = chunk.descriptor().descriptor.max_rep_level > 0;
            if held != group.num_rows() as u64 && !is_nested || held < group.num_rows() as u64 {
                return Err(polars_err!(ComputeError:
                    "row group {number} has {} rows, and a column of it {held} values", group.num_rows()));
            }
        }
    }
    if rows.max(values) > most_values {
        return Err(too_much(rows.max(values), "values"));
    }
    if rows != footer.num_rows as u64 {
        return Err(
            polars_err!(ComputeError: "it says {} rows, its row groups have {rows}", footer.num_rows),
        );
    }
    Ok(())
}

/// What the head of a page says.
#[derive(Debug, Default)]
struct Page {
    kind: i64,
    unpacked: i64,
    packed: i64,
    /// Of data, of a dictionary.
    values: i64,
    entries: i64,
}

fn check_chunk(input: &mut (impl Read + Seek), chunk: &ColumnChunkMetadata) -> PolarsResult<()> {
    let range = chunk.byte_range();
    let (mut at, mut values, mut bytes) = (range.start, 0_u64, Vec::new());
    while values < chunk.num_values() as u64 {
        let mut page = Page::default();
        let mut see = |held_by: i16, id: i16, value: i64| match (held_by, id) {
            (0, 1) => page.kind = value,
            (0, 2) => page.unpacked = value,
            (0, 3) => page.packed = value,
            (5 | 8, 1) => page.values = value,
            (7, 1) => page.entries = value,
            _ => {}
        };
        // Heads are short, unless the largest value that they name is long.
        let mut ahead = 1 << 12;
        let head = loop {
            bytes.clear();
            input.seek(SeekFrom::Start(at))?;
            input.take(ahead.min(range.end - at)).read_to_end(&mut bytes)?;
            match thrift::walk(&bytes, thrift::PAGE, &mut see) {
                Ok(head) => break head as u64,
                Err(_) if ahead < range.end - at => ahead *= 8,
                Err(flaw) => return Err(broken(at, flaw)),
            }
        };
        let wrong = |what: &str| Err(polars_err!(ComputeError: "the page at byte {at} {what}"));
        let Page { kind, unpacked, packed, values: held, entries } = page;
        let sizes =
            (u64::try_from(packed), u64::try_from(unpacked), u64::try_from(held), u64::try_from(entries));
        let (Ok(packed), Ok(unpacked), Ok(held), Ok(entries)) = sizes else {
            return wrong("has a length below nothing");
        };
        if head + packed > range.end - at {
            return wrong("is said to be longer than its column");
        }
        if unpacked > (head + packed).saturating_mul(LARGEST) {
            return wrong("is said to become more than it can");
        }
        if entries > unpacked {
            return wrong("is said to list more values than it has bytes");
        }
        // 0 and 3 are pages of data.
        values += if matches!(kind, 0 | 3) { held } else { 0 };
        at += head + packed;
    }
    if values > chunk.num_values() as u64 {
        let told = chunk.num_values();
        return Err(
            polars_err!(ComputeError: "the pages from byte {} on hold {values} values, their column says {told}", range.start),
        );
    }
    Ok(())
}

fn broken(start: u64, flaw: thrift::Flaw) -> PolarsError {
    polars_err!(ComputeError: "byte {} of it cannot be understood: {}", start + flaw.at as u64, flaw.what)
}

/// The frame, if its columns are as long as it is.
fn whole(frame: DataFrame) -> PolarsResult<DataFrame> {
    match frame.columns().iter().find(|column| column.len() != frame.height()) {
        Some(column) => Err(
            polars_err!(ComputeError: "column `{}` has {} rows, the file {}", column.name(), column.len(), frame.height()),
        ),
        None => Ok(frame),
    }
}

/// Work of the decoder in which a panic is an error.
fn caught<T>(work: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    /// How many are at it.
    static AT_IT: AtomicUsize = AtomicUsize::new(0);
    static QUIET: Once = Once::new();
    // What becomes an error is told once, as one.
    QUIET.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            let is_decoder = panic.location().is_some_and(|place| place.file().contains("/polars"));
            if !is_decoder || AT_IT.load(Ordering::SeqCst) == 0 {
                tell(panic);
            }
        }));
    });
    AT_IT.fetch_add(1, Ordering::SeqCst);
    // Nothing of what it worked on is used afterwards.
    let result = catch_unwind(AssertUnwindSafe(work));
    AT_IT.fetch_sub(1, Ordering::SeqCst);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(polars_err!(ComputeError: "it cannot be decoded: {what}"))
    })
}
