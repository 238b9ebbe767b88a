//! Rows that are kept aside: in a buffer while they are few, in a temporary file when they are many.
//!
//! A [`Spool`] is append-only. What is in it is found again by its [`Place`], or by going through all of it. The file has
//! no name: nobody else can open it, and it is gone when the spool is, however the process ends.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{Diagnose, Fault};

/// Bytes that stay in memory before a file is made.
pub const BUFFER: usize = 256 * 1024;

/// Bytes of a row that are read at once where its length is not known yet.
const GUESS: usize = 512;

/// Bytes in front of a row that tell its length.
const PREFIX: usize = 4;

/// Where a row stands in its [`Spool`]: a byte position that fits into five bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    /// Bits that a place takes.
    pub const BITS: u32 = 40;

    /// Where no row is.
    pub const NOWHERE: Self = Self((1 << Self::BITS) - 1);

    /// Packs it with something of up to 24 bits beside it.
    pub const fn packed(self, beside: u32) -> u64 {
        ((beside as u64) << Self::BITS) | self.0
    }

    /// The place, and what stands beside it.
    pub const fn unpacked(packed: u64) -> (Self, u32) {
        (Self(packed & ((1 << Self::BITS) - 1)), (packed >> Self::BITS) as u32)
    }
}

/// Rows could not be kept aside, or not be found again.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file could not be made or written.
    #[error("cannot keep rows aside in a temporary file in `{}`", folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file could not be read.
    #[error("cannot read the rows that were kept aside in `{}`", folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Diagnose for SpoolError {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        let room =
            "the environment variable TMPDIR names another folder, one with room for the rows of all sources";
        Some(room.to_owned())
    }
}

/// An append-only run of rows of one kind.
pub struct Spool<T> {
    /// What was written already; shared with clones until one of them is written to.
    file: Option<Arc<File>>,
    written: u64,
    /// Whole rows that are not written yet.
    tail: Vec<u8>,
    rows: usize,
    buffer: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T> Spool<T> {
    /// An empty spool that writes to disk once it has more than `buffer` bytes.
    pub const fn buffered(buffer: usize) -> Self {
        Self { file: None, written: 0, tail: Vec::new(), rows: 0, buffer, kind: PhantomData }
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has no row.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes that may stay in memory.
    pub const fn buffer(&self) -> usize {
        self.buffer
    }

    fn end(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    fn unread(source: io::Error) -> SpoolError {
        SpoolError::Read { folder: std::env::temp_dir(), source }
    }

    /// Writes the tail behind what was written already.
    fn flush(&mut self) -> io::Result<()> {
        let shared = match &mut self.file {
            Some(file) => match Arc::get_mut(file) {
                Some(file) => {
                    file.write_all_at(&self.tail, self.written)?;
                    None
                }
                None => Some(Arc::clone(file)),
            },
            None => Some(Arc::new(tempfile::tempfile()?)),
        };
        if let Some(shared) = shared {
            // A clone reads on what it knows; from here on this spool has a file of its own.
            let own = tempfile::tempfile()?;
            let mut chunk = vec![0; BUFFER];
            let mut at = 0;
            while at < self.written {
                let part = &mut chunk[..BUFFER.min((self.written - at) as usize)];
                shared.read_exact_at(part, at)?;
                own.write_all_at(part, at)?;
                at += part.len() as u64;
            }
            own.write_all_at(&self.tail, self.written)?;
            self.file = Some(Arc::new(own));
        }
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<(), SpoolError> {
        let beyond = || io::Error::new(io::ErrorKind::UnexpectedEof, "no row stands there");
        let file = self.file.as_ref().ok_or_else(beyond);
        file.and_then(|file| file.read_exact_at(into, at)).map_err(Self::unread)
    }
}

impl<T: Serialize> Spool<T> {
    /// Appends a row.
    ///
    /// # Errors
    /// When the file cannot be made or written, say because the disk is full.
    pub fn push(&mut self, row: &T) -> Result<Place, SpoolError> {
        self.append(row).map_err(|source| SpoolError::Write { folder: std::env::temp_dir(), source })
    }

    fn append(&mut self, row: &T) -> io::Result<Place> {
        let (at, start) = (self.end(), self.tail.len());
        self.tail.extend([0; PREFIX]);
        let encoded = postcard::to_io(row, &mut self.tail).map(drop).map_err(io::Error::other);
        let length = u32::try_from(self.tail.len() - start - PREFIX).map_err(io::Error::other);
        let fits = match (encoded, length) {
            (Ok(()), Ok(length)) if at < Place::NOWHERE.0 => Ok(length),
            (Ok(()), Ok(_)) => Err(io::ErrorKind::FileTooLarge.into()),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        match fits {
            Ok(length) => self.tail[start..start + PREFIX].copy_from_slice(&length.to_le_bytes()),
            Err(error) => {
                self.tail.truncate(start);
                return Err(error);
            }
        }
        if self.tail.len() > self.buffer
            && let Err(error) = self.flush()
        {
            self.tail.truncate(start);
            return Err(error);
        }
        self.rows += 1;
        Ok(Place(at))
    }

    /// Appends all rows to another spool; to an empty one by taking its place.
    ///
    /// # Errors
    /// As [`push`](Self::push) and [`get`](Self::get).
    pub fn moved_behind(self, others: &mut Self) -> Result<(), SpoolError>
    where
        T: DeserializeOwned,
    {
        if others.is_empty() {
            *others = self;
            return Ok(());
        }
        self.iter().try_for_each(|row| others.push(&row?).map(drop))
    }

    /// Appends rows.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn extend(&mut self, rows: impl IntoIterator<Item = T>) -> Result<(), SpoolError> {
        rows.into_iter().try_for_each(|row| self.push(&row).map(drop))
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Lets few rows be changed in memory.
    ///
    /// # Errors
    /// As [`push`](Self::push) and [`get`](Self::get).
    pub fn revise(&mut self, change: impl FnOnce(&mut Vec<T>)) -> Result<(), SpoolError> {
        let mut rows = self.rows()?;
        change(&mut rows);
        *self = Self::buffered(self.buffer);
        self.extend(rows)
    }
}

impl<T: DeserializeOwned> Spool<T> {
    /// All rows in memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rows(&self) -> Result<Vec<T>, SpoolError> {
        self.iter().collect()
    }

    /// The row at a place that [`push`](Self::push) gave.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, Place(at): Place) -> Result<T, SpoolError> {
        if let Some(start) = at.checked_sub(self.written) {
            return Self::decode(self.tail.get(start as usize..).unwrap_or_default());
        }
        let known = (self.written - at) as usize;
        let mut guess = [0; GUESS];
        let guess = &mut guess[..GUESS.min(known)];
        self.read_at(guess, at)?;
        let length = PREFIX + length(guess).unwrap_or_default();
        if length <= guess.len() {
            return Self::decode(guess);
        }
        let mut row = vec![0; length.min(known)];
        self.read_at(&mut row, at)?;
        Self::decode(&row)
    }

    /// All rows in the order in which they were pushed. What comes after an error is nothing.
    pub fn iter(&self) -> Rows<'_, T> {
        Rows { spool: self, at: 0, window: Vec::new(), start: 0 }
    }

    /// All rows with their places, in the order in which they were pushed.
    pub fn placed(&self) -> impl Iterator<Item = Result<(Place, T), SpoolError>> {
        let mut rows = self.iter();
        std::iter::from_fn(move || {
            let place = Place(rows.at);
            Some(rows.next()?.map(|row| (place, row)))
        })
    }

    /// Decodes the row that `bytes` begin with.
    fn decode(bytes: &[u8]) -> Result<T, SpoolError> {
        let row = length(bytes).and_then(|length| bytes.get(PREFIX..PREFIX + length));
        let row = row.ok_or(postcard::Error::DeserializeUnexpectedEnd).and_then(postcard::from_bytes);
        row.map_err(|error| Self::unread(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

/// The length in front of a row.
fn length(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<PREFIX>()?;
    Some(u32::from_le_bytes(*prefix) as usize)
}

/// The rows of a [`Spool`], in order.
#[derive(Debug)]
pub struct Rows<'s, T> {
    spool: &'s Spool<T>,
    at: u64,
    /// Bytes of the file from `start` on.
    window: Vec<u8>,
    start: u64,
}

impl<T: DeserializeOwned> Rows<'_, T> {
    /// At least `wanted` bytes from the next row on, where there are so many.
    fn bytes(&mut self, wanted: usize) -> Result<&[u8], SpoolError> {
        if let Some(start) = self.at.checked_sub(self.spool.written) {
            return Ok(&self.spool.tail[start as usize..]);
        }
        let ahead = (self.start + self.window.len() as u64).saturating_sub(self.at) as usize;
        let known = (self.spool.written - self.at) as usize;
        if ahead < wanted.min(known) {
            self.window.resize(BUFFER.max(wanted).min(known), 0);
            self.start = self.at;
            self.spool.read_at(&mut self.window, self.start)?;
        }
        Ok(&self.window[(self.at - self.start) as usize..])
    }

    fn row(&mut self) -> Result<T, SpoolError> {
        let whole = PREFIX + length(self.bytes(PREFIX)?).unwrap_or_default();
        let row = Spool::<T>::decode(self.bytes(whole)?)?;
        self.at += whole as u64;
        Ok(row)
    }
}

impl<T: DeserializeOwned> Iterator for Rows<'_, T> {
    type Item = Result<T, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.spool.end() {
            return None;
        }
        let row = self.row();
        if row.is_err() {
            self.at = self.spool.end();
        }
        Some(row)
    }
}

impl<'s, T: DeserializeOwned> IntoIterator for &'s Spool<T> {
    type Item = Result<T, SpoolError>;
    type IntoIter = Rows<'s, T>;

    fn into_iter(self) -> Rows<'s, T> {
        self.iter()
    }
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self::buffered(BUFFER)
    }
}

impl<T> Clone for Spool<T> {
    fn clone(&self) -> Self {
        Self { file: self.file.clone(), tail: self.tail.clone(), kind: PhantomData, ..*self }
    }
}

/// Rows are not shown: they may hold what is told to nobody.
impl<T> std::fmt::Debug for Spool<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("rows", &self.rows).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
