//! Text, plain or gzipped, line by line with its numbers. A file is opened once and hashed while it is read, so that a
//! pipe can be read as well.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{FileError, FileRead};
use crate::context::{Step, TICK_EVERY};

/// Longest line that is read; what is longer is no edge list.
const LONGEST: u64 = 256 << 20;

const BUFFER: usize = 1 << 16;

/// Hashes and counts what is read through it.
pub(super) struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, hash: Sha256::new(), bytes: 0 })
    }

    /// What was read, after whatever nobody asked for yet.
    pub(super) fn finish(mut self, path: &Path) -> Result<FileRead, FileError> {
        let rest = io::copy(&mut self, &mut io::sink());
        rest.map_err(|source| FileError::Read { file: path.to_owned(), source })?;
        let sha256 =
            self.hash.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(FileRead { name, sha256, bytes: self.bytes })
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// A text file, unzipped where its first bytes are those of gzip.
pub(super) enum Text {
    Plain(BufReader<Hashed>),
    Zipped(Box<BufReader<MultiGzDecoder<BufReader<Hashed>>>>),
}

impl Text {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let open = || {
            let mut file = BufReader::with_capacity(BUFFER, Hashed::open(path)?);
            if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
                let unzipped = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file));
                return Ok(Self::Zipped(Box::new(unzipped)));
            }
            Ok(Self::Plain(file))
        };
        open().map_err(|source| FileError::Read { file: path.to_owned(), source })
    }

    /// Passes over the first `lines` lines; a file that has fewer is refused.
    pub(super) fn skip(&mut self, path: &Path, lines: usize, step: &Step) -> Result<(), FileError> {
        for passed in 0..lines {
            let read = self.skip_until(b'\n');
            if read.map_err(|source| FileError::Read { file: path.to_owned(), source })? == 0 {
                return Err(FileError::Short { file: path.to_owned(), asked: lines, found: passed });
            }
            if (passed as u64).is_multiple_of(TICK_EVERY) {
                step.tick(0, None)?;
            }
        }
        Ok(())
    }

    /// What was read, once everything is.
    pub(super) fn finish(self, path: &Path) -> Result<FileRead, FileError> {
        match self {
            Self::Plain(text) => text.into_inner().finish(path),
            Self::Zipped(text) => text.into_inner().into_inner().into_inner().finish(path),
        }
    }

    fn inner(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(text) => text,
            Self::Zipped(text) => text,
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner().read(buffer)
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner().fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner().consume(amount);
    }
}

/// The lines of a file that say something: neither empty nor comments, which begin with `#` or `%`.
pub(super) struct Lines {
    input: Text,
    file: PathBuf,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file and passes over its first `skip` lines.
    pub(super) fn open(path: &Path, skip: usize, step: &Step) -> Result<Self, FileError> {
        let mut input = Text::open(path)?;
        input.skip(path, skip, step)?;
        Ok(Self { input, file: path.to_owned(), buffer: Vec::new(), number: skip as u64 })
    }

    /// What was read, once every line is.
    pub(super) fn finish(self) -> Result<FileRead, FileError> {
        self.input.finish(&self.file)
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
    fn wrong(&self, what: String) -> FileError {
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
