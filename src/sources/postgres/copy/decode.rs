//! `COPY … (FORMAT binary)` → columns, whatever pieces the bytes come in.
//!
//! Header, rows, trailer, as in "Binary Format" of the `PostgreSQL` manual's page on COPY. Nothing is believed: a length
//! makes no room before its bytes are there, so memory is O(bytes fed), and every flaw names row, column and offset.

use polars::prelude::{DataFrame, PlSmallStr};

use super::cells::{Cells, Kind};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags and length of the extension.
const HEADER: usize = SIGNATURE.len() + 8;

const NO_COPY: &str = "does not begin as a binary copy";

/// Header extensions are skipped; none is known to exist.
const LONGEST_EXTENSION: usize = 1 << 16;

/// What the server can send as one row.
const LONGEST_ROW: usize = 0x3fff_ffff;

/// A column that is to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name in the frame.
    pub name: PlSmallStr,
    /// How its values travel.
    pub kind: Kind,
}

/// What is wrong with a stream, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Row of the stream, the first being 1; 0 in the header.
    pub row: u64,
    /// The column, where the flaw is in a value.
    pub column: Option<String>,
    /// Byte of the stream where it stands.
    pub offset: u64,
    /// What is wrong; never the value.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    End,
    /// After a flaw: the columns are of different heights.
    Broken,
}

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    cells: Vec<Cells>,
    /// Bytes of a row that is not whole yet.
    pending: Vec<u8>,
    /// How many pending bytes it takes to go on.
    enough: usize,
    /// Bytes of the stream before the pending ones.
    offset: u64,
    rows: u64,
    held_rows: usize,
    held_bytes: u64,
    odd: Vec<u64>,
}

impl Decoder {
    /// A decoder of rows of these columns. `forgiving`: times that no column can hold become null and are counted.
    /// `room`: rows to make room for, at first.
    pub fn new(shape: &[Shape], forgiving: bool, room: usize) -> Self {
        let cells = shape.iter().map(|s| Cells::new(s.kind, s.name.clone(), forgiving, room)).collect();
        Self {
            state: State::Header,
            cells,
            pending: Vec::new(),
            enough: 0,
            offset: 0,
            rows: 0,
            held_rows: 0,
            held_bytes: 0,
            odd: vec![0; shape.len()],
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// On the first flaw; the decoder is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.held_bytes += bytes.len() as u64;
        if self.pending.is_empty() {
            let used = self.decode(bytes)?;
            self.pending.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() < self.enough {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.decode(&pending)?;
        pending.drain(..used);
        self.pending = pending;
        Ok(())
    }

    /// Rows that the next [`take`](Self::take) gives.
    pub fn held_rows(&self) -> usize {
        self.held_rows
    }

    /// Bytes of the stream since the last [`take`](Self::take).
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The rows since the last call; room is made for as many again.
    pub fn take(&mut self) -> DataFrame {
        if self.state == State::Broken {
            return DataFrame::empty();
        }
        let height = std::mem::take(&mut self.held_rows);
        self.held_bytes = 0;
        let mut columns = Vec::with_capacity(self.cells.len());
        for (cells, odd) in self.cells.iter_mut().zip(&mut self.odd) {
            let another = cells.another(height);
            let (column, n) = std::mem::replace(cells, another).finish();
            columns.push(column);
            *odd += n;
        }
        DataFrame::new(height, columns).expect("every row gives one value to every column, and names differ")
    }

    /// Ends the stream: how many values of each column became null because no column can hold them.
    ///
    /// # Errors
    /// When the stream is not at its end.
    pub fn finish(&mut self) -> Result<&[u64], Flaw> {
        match self.state {
            State::End => Ok(&self.odd),
            State::Header if !self.pending.iter().zip(SIGNATURE).all(|(byte, known)| byte == known) => {
                Err(self.flaw(0, None, NO_COPY.to_owned()))
            }
            _ => Err(self.flaw(self.pending.len(), None, "ends too early".to_owned())),
        }
    }

    fn flaw(&mut self, at: usize, column: Option<usize>, reason: String) -> Flaw {
        let row = if self.state == State::Header { 0 } else { self.rows + 1 };
        self.state = State::Broken;
        let column = column.map(|i| self.cells[i].name().to_owned());
        Flaw { row, column, offset: self.offset + at as u64, reason }
    }

    /// Decodes what is whole and answers how many bytes that was.
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, Flaw> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let step = match self.state {
                State::Header => self.header(rest),
                State::Rows => self.row(rest),
                State::End if rest.is_empty() => Ok(None),
                State::End => Err((0, None, "has bytes after its end".to_owned())),
                State::Broken => Err((0, None, "goes on after a flaw".to_owned())),
            };
            match step {
                Ok(Some(used)) => at += used,
                Ok(None) => {
                    self.offset += at as u64;
                    return Ok(at);
                }
                Err((within, column, reason)) => return Err(self.flaw(at + within, column, reason)),
            }
        }
    }

    /// Skips the header, where it is whole.
    fn header(&mut self, bytes: &[u8]) -> Step {
        let Some((flags, extension)) = word(bytes, 11).zip(word(bytes, 15)) else {
            self.enough = HEADER;
            return Ok(None);
        };
        if !bytes.starts_with(SIGNATURE) {
            return Err((0, None, NO_COPY.to_owned()));
        }
        if flags >> 16 != 0 {
            return Err((11, None, format!("has flags that are not known: {flags:#x}")));
        }
        let end = HEADER + extension as usize;
        if extension as usize > LONGEST_EXTENSION {
            return Err((15, None, format!("has a header extension of {extension} bytes")));
        }
        if bytes.len() < end {
            self.enough = end;
            return Ok(None);
        }
        self.state = State::Rows;
        Ok(Some(end))
    }

    /// Decodes one row, or the trailer, where it is whole.
    fn row(&mut self, bytes: &[u8]) -> Step {
        let Some(count) = bytes.first_chunk::<2>() else {
            self.enough = 2;
            return Ok(None);
        };
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            self.state = State::End;
            return Ok(Some(2));
        }
        if usize::try_from(count) != Ok(self.cells.len()) {
            return Err((0, None, format!("has {count} columns instead of {}", self.cells.len())));
        }
        // Once over the lengths first, so that a row is taken whole or not at all.
        let mut end = 2;
        for column in 0..self.cells.len() {
            let Some(length) = word(bytes, end) else {
                self.enough = end + 4;
                return Ok(None);
            };
            let claim = match length as i32 {
                -1 => Some(0),
                length => usize::try_from(length).ok(),
            };
            let Some(claim) = claim.filter(|claim| end + 4 + claim <= LONGEST_ROW) else {
                return Err((end, Some(column), format!("claims to have {} bytes", length as i32)));
            };
            end += 4 + claim;
        }
        if bytes.len() < end {
            self.enough = end;
            return Ok(None);
        }
        let mut from = 2;
        for (column, cells) in self.cells.iter_mut().enumerate() {
            let length = word(bytes, from).expect("the lengths were looked at") as i32;
            from += 4;
            match usize::try_from(length) {
                Ok(length) => {
                    let value = &bytes[from..from + length];
                    cells.push(value).map_err(|reason| (from, Some(column), reason))?;
                    from += length;
                }
                Err(_) => cells.push_null(),
            }
        }
        self.rows += 1;
        self.held_rows += 1;
        Ok(Some(end))
    }
}

/// Bytes taken, `None` where more are needed; or offset, column and reason of a flaw.
type Step = Result<Option<usize>, (usize, Option<usize>, String)>;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
