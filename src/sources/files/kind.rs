//! What a file is: told by its name, or where that is a stream's and tells nothing, by its first line.

use std::path::Path;

use super::lines::Text;
use super::{FileError, ImportOptions};
use crate::context::Step;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Parquet,
    Text,
}

/// Which columns the header of a stream that is CSV has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Header<'a> {
    /// All of these, beside others.
    Names(&'a [&'a str]),
    /// The user named columns, so that there is a header, whatever is in it.
    Named,
}

impl Kind {
    /// As the name says; a stream's says nothing (`-`, `/dev/stdin`, a pipe).
    pub(super) fn named(path: &Path) -> Option<Self> {
        let is = |path: &Path, kind: &str| {
            path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(kind))
        };
        let unzipped = if is(path, "gz") { path.with_extension("") } else { path.to_owned() };
        if is(path, "parquet") {
            Some(Self::Parquet)
        } else if is(&unzipped, "csv") {
            Some(Self::Csv)
        } else {
            (!is_stream(path)).then_some(Self::Text)
        }
    }

    /// Opens a file and passes over its first `skip` lines; Parquet has none.
    pub(super) fn open(
        path: &Path,
        skip: usize,
        header: Header,
        step: &Step,
    ) -> Result<(Self, Text), FileError> {
        let named = Self::named(path);
        let mut text = Text::open(path)?;
        let fail = |source| FileError::Read { file: path.to_owned(), source };
        let is_parquet = match named {
            Some(kind) => kind == Self::Parquet,
            None => text.peek_line().map_err(fail)?.starts_with(b"PAR1"),
        };
        if is_parquet {
            return Ok((Self::Parquet, text));
        }
        text.skip(path, skip, step)?;
        let kind = match named {
            Some(kind) => kind,
            None if header.is_in(text.peek_line().map_err(fail)?) => Self::Csv,
            None => Self::Text,
        };
        Ok((kind, text))
    }
}

impl Header<'_> {
    fn is_in(self, line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line));
        let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"').trim()).collect();
        cells.len() > 1
            && match self {
                Self::Names(names) => names.iter().all(|name| cells.contains(name)),
                Self::Named => true,
            }
    }
}

/// Whether bytes come from another process, under a name that is not their own.
fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
        || path.starts_with("/dev")
        || path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// One stream cannot be read twice.
pub(super) fn refuse_one_stream_for_both(options: &ImportOptions) -> Result<(), FileError> {
    match &options.nodes {
        Some(nodes) if *nodes == options.edges && is_stream(nodes) => Err(FileError::Flag {
            flag: "--edges and --nodes",
            file: nodes.clone(),
            kind: "a stream and can be read once",
        }),
        _ => Ok(()),
    }
}
