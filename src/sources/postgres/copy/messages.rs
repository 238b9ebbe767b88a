//! What a server sends, cut into its messages: a letter, a length, a content.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>. Bytes are never believed: room is made once, and what
//! does not fit into it is refused; only the rows of a copy may be longer, for they are handed on as they come.

use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;

use crate::sources::postgres::failure::Told;

/// Why no more messages can be had.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server said so.
    Told(Told),
    /// The connection broke, or what came is no message.
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The messages of a connection.
pub(super) struct Messages<R> {
    source: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
    /// Bytes of the buffer that have come.
    come: usize,
    /// Bytes of the row under way that were not taken.
    row: usize,
}

impl<R: Read> Messages<R> {
    /// The messages of `source`, with `room` for as many bytes at one go, and for no longer message that is no row.
    pub(super) fn of(source: R, room: usize) -> Self {
        Self { source, buffer: vec![0; room], taken: 0, come: 0, row: 0 }
    }

    /// What they come from.
    pub(super) fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// The next one, outside of a copy: its letter and content.
    pub(super) fn next(&mut self) -> io::Result<(u8, &[u8])> {
        let (kind, length) = self.head()?;
        Ok((kind, self.content(length)?))
    }

    /// Hands `take` the rows of what was asked for as they come, in any pieces, until it breaks off, and answers with what;
    /// `None` where all was answered.
    pub(super) fn rows<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> ControlFlow<T>,
    ) -> Result<Option<T>, Broken> {
        loop {
            if self.row == 0 {
                let (kind, length) = self.head()?;
                match kind {
                    b'd' => self.row = length,
                    b'E' => return Err(Broken::Told(told(self.content(length)?))),
                    b'Z' => return self.content(length).map(|_| None).map_err(Broken::from),
                    _ => drop(self.content(length)?),
                }
                continue;
            }
            self.fill(1)?;
            let bytes = &self.buffer[self.taken..self.come];
            let bytes = &bytes[..bytes.len().min(self.row)];
            self.taken += bytes.len();
            self.row -= bytes.len();
            if let ControlFlow::Break(value) = take(bytes) {
                return Ok(Some(value));
            }
        }
    }

    /// The letter of the next one, and how long its content is.
    fn head(&mut self) -> io::Result<(u8, usize)> {
        self.fill(5)?;
        let head = &self.buffer[self.taken..self.taken + 5];
        let (kind, length) = (head[0], u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
        self.taken += 5;
        // The length counts itself.
        let length = length.checked_sub(4).ok_or_else(garbled)?;
        Ok((kind, length as usize))
    }

    fn content(&mut self, length: usize) -> io::Result<&[u8]> {
        self.fill(length)?;
        self.taken += length;
        Ok(&self.buffer[self.taken - length..self.taken])
    }

    /// Waits until as many bytes have come that were not taken.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.come - self.taken >= wanted {
            return Ok(());
        }
        if wanted > self.buffer.len() {
            return Err(garbled());
        }
        self.buffer.copy_within(self.taken..self.come, 0);
        self.come -= self.taken;
        self.taken = 0;
        while self.come < wanted {
            match self.source.read(&mut self.buffer[self.come..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.come += read,
            }
        }
        Ok(())
    }
}

/// What no server of `PostgreSQL`'s says.
pub(super) fn garbled() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "what came is no message of PostgreSQL's")
}

/// An error, from its fields: a letter each, and a text that ends with a zero.
pub(super) fn told(content: &[u8]) -> Told {
    let mut told = Told::default();
    for field in content.split(|byte| *byte == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'C' => told.code = Some(text),
            b'M' => told.message = text,
            b'R' => told.routine = Some(text),
            _ => {}
        }
    }
    told
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
