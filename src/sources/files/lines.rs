//! Text, plain or gzipped, line by line with its numbers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::FileError;

/// Longest line that is read; what is longer is no edge list.
const LONGEST: u64 = 256 << 20;

/// Opens a file for reading; unzips it where its first bytes are those of gzip.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, FileError> {
    let open = || -> io::Result<Box<dyn BufRead>> {
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file))));
        }
        Ok(Box::new(file))
    };
    open().map_err(|source| FileError::Read { file: path.to_owned(), source })
}

/// The lines of a file that say something: neither empty nor comments, which begin with `#` or `%`.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    file: PathBuf,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file and passes over its first `skip` lines.
    pub(super) fn open(path: &Path, skip: usize) -> Result<Self, FileError> {
        let mut lines = Self { input: open(path)?, file: path.to_owned(), buffer: Vec::new(), number: 0 };
        for _ in 0..skip {
            lines.read()?;
        }
        Ok(lines)
    }

    /// The next line that says something, with its number from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &str)>, FileError> {
        loop {
            if !self.read()? {
                return Ok(None);
            }
            let line = self.buffer.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"%") {
                break;
            }
        }
        match std::str::from_utf8(self.buffer.trim_ascii()) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(error) => Err(self.wrong(format!("byte {} is not UTF-8", error.valid_up_to() + 1))),
        }
    }

    /// An error about the line read last.
    pub(super) fn wrong(&self, what: String) -> FileError {
        wrong_line(&self.file, self.number, what)
    }

    fn read(&mut self) -> Result<bool, FileError> {
        self.buffer.clear();
        let read = self.input.by_ref().take(LONGEST).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|source| FileError::Read { file: self.file.clone(), source })?;
        self.number += 1;
        if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        if read as u64 == LONGEST {
            return Err(self.wrong(format!("the line is longer than {} MiB", LONGEST >> 20)));
        }
        Ok(read > 0)
    }
}

pub(super) fn wrong_line(file: &Path, number: u64, what: String) -> FileError {
    FileError::Line { file: file.to_owned(), unit: "line", number, what, hint: None }
}
