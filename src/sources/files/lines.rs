//! Text, plain or gzipped, line by line with its numbers. A file is opened once and hashed while it is read, so that a
//! pipe can be read as well.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{FileError, FileRead};
use crate::context::{Step, TICK_EVERY, leads_somewhere};

/// Longest line that is read; what is longer is no edge list.
const LONGEST: u64 = 256 << 20;

const BUFFER: usize = 1 << 16;

/// Hashes and counts what is read through it.
struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    fn open(path: &Path) -> io::Result<Self> {
        let file = if path == Path::new("-") {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            leads_somewhere(path)?;
            File::open(path)?
        };
        Ok(Self { file, hash: Sha256::new(), bytes: 0 })
    }

    /// What was read, after whatever nobody asked for yet.
    fn finish(mut self, path: &Path) -> Result<FileRead, FileError> {
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

/// A file, unzipped where its first bytes are those of gzip.
pub(super) struct Text {
    body: Body,
    /// What was looked at ahead, of which `given` bytes were read since.
    ahead: Vec<u8>,
    given: usize,
}

enum Body {
    Plain(BufReader<Hashed>),
    Zipped(Box<BufReader<MultiGzDecoder<BufReader<Hashed>>>>),
}

impl Text {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let open = || {
            let mut file = BufReader::with_capacity(BUFFER, Hashed::open(path)?);
            if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
                let unzipped = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file));
                return Ok(Body::Zipped(Box::new(unzipped)));
            }
            Ok(Body::Plain(file))
        };
        let body = open().map_err(|source| FileError::Read { file: path.to_owned(), source })?;
        Ok(Self { body, ahead: Vec::new(), given: 0 })
    }

    /// What is read next, to the end of the line or of what a header may fill. Asked twice, it answers the same.
    pub(super) fn peek_line(&mut self) -> io::Result<&[u8]> {
        if self.given == self.ahead.len() {
            self.ahead.clear();
            self.given = 0;
            let mut ahead = std::mem::take(&mut self.ahead);
            self.body().take(BUFFER as u64).read_until(b'\n', &mut ahead)?;
            self.ahead = ahead;
        }
        Ok(&self.ahead[self.given..])
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

    /// Has what was read already read again, before anything else.
    pub(super) fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.extend_from_slice(&self.ahead[self.given..]);
        self.ahead = bytes;
        self.given = 0;
    }

    /// What was read, once everything is.
    pub(super) fn finish(self, path: &Path) -> Result<FileRead, FileError> {
        match self.body {
            Body::Plain(text) => text.into_inner().finish(path),
            Body::Zipped(text) => text.into_inner().into_inner().into_inner().finish(path),
        }
    }

    fn body(&mut self) -> &mut dyn BufRead {
        match &mut self.body {
            Body::Plain(text) => text,
            Body::Zipped(text) => text,
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ahead.len() {
            return self.body().read(buffer);
        }
        let read = (&self.ahead[self.given..]).read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.ahead.len() {
            return self.body().fill_buf();
        }
        Ok(&self.ahead[self.given..])
    }

    fn consume(&mut self, amount: usize) {
        if self.given == self.ahead.len() {
            self.body().consume(amount);
        } else {
            self.given += amount;
        }
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
    /// The lines of a file of which `skip` were passed over.
    pub(super) fn of(input: Text, path: &Path, skip: usize) -> Self {
        Self { input, file: path.to_owned(), buffer: Vec::new(), number: skip as u64 }
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
            if !says_nothing(self.buffer.trim_ascii()) {
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

/// Whether a line without the blanks around it is empty or a comment.
pub(super) fn says_nothing(line: &[u8]) -> bool {
    line.is_empty() || line.starts_with(b"#") || line.starts_with(b"%")
}

pub(super) fn wrong_line(file: &Path, number: u64, what: String) -> FileError {
    FileError::Line { file: file.to_owned(), unit: "line", number, what, hint: None }
}
