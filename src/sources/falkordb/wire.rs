//! RESP2 as it arrives, token by token, over anything that is read through a buffer.
//!
//! Nothing is allocated for what a length promises, only for what has come; whatever the bytes are, the answer is an
//! error that names the byte.

use std::io::{self, BufRead, ErrorKind};

use redis::Value as Tree;

/// A text may be as long as the server lets one be.
const LONGEST_TEXT: i64 = 512 << 20;

/// A line that is no text: a number, or what went wrong.
const LONGEST_LINE: usize = 1 << 16;

/// Digits that fit into an integer whatever they are.
const SAFE_DIGITS: usize = 18;

/// Signs and digits of a number, zeros in front of it among them.
const LONGEST_NUMBER: usize = 64;

/// Lists within lists.
const DEEPEST: usize = 64;

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The connection ended.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server says what went wrong: the line of its answer.
    #[error("{}", String::from_utf8_lossy(.0))]
    Refused(Vec<u8>),
    /// It is not shaped as the protocol says.
    #[error("at byte {at} expected {expected}, got {got}")]
    Shape {
        /// Bytes of the answer before it.
        at: u64,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
}

/// Answers of a server.
#[derive(Debug)]
pub(super) struct Wire<R> {
    from: R,
    /// Bytes of this answer that were taken.
    at: u64,
    /// Bytes of those that still lie in the buffer, because somebody looks at the text that they are.
    due: usize,
    /// A text that did not lie in the buffer as a whole.
    text: Vec<u8>,
}

impl<R: BufRead> Wire<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, at: 0, due: 0, text: Vec::new() }
    }

    /// Where the answers come from.
    pub(super) fn source(&mut self) -> &mut R {
        &mut self.from
    }

    /// Waits for the first byte of the next answer, from which its bytes are counted.
    pub(super) fn begin(&mut self) -> Result<(), WireError> {
        self.at = 0;
        self.buffered().map(drop)
    }

    /// How many items an array has that follow.
    pub(super) fn array(&mut self) -> Result<u64, WireError> {
        let at = self.at;
        let length = self.number(b'*', "an array")?;
        u64::try_from(length).map_err(|_| shape(at, "an array", "nothing"))
    }

    /// An array of so many items.
    pub(super) fn array_of(&mut self, items: u64, expected: &'static str) -> Result<(), WireError> {
        let at = self.at;
        match self.array()? {
            length if length == items => Ok(()),
            length => Err(shape(at, expected, format!("an array of {length}"))),
        }
    }

    /// An integer.
    pub(super) fn int(&mut self) -> Result<i64, WireError> {
        self.number(b':', "an integer")
    }

    /// An integer that is none below zero.
    pub(super) fn id(&mut self) -> Result<u64, WireError> {
        let at = self.at;
        let number = self.int()?;
        u64::try_from(number).map_err(|_| shape(at, "an id", number.to_string()))
    }

    /// The bytes of a text.
    pub(super) fn text(&mut self) -> Result<&[u8], WireError> {
        if self.buffered()?[0] == b'+' {
            self.text = self.line()?.split_off(1);
            self.text.truncate(self.text.len() - 1);
            self.text.pop_if(|byte| *byte == b'\r');
            return Ok(&self.text);
        }
        let at = self.at;
        match self.number(b'$', "a text")? {
            -1 => Err(shape(at, "a text", "nothing")),
            length => self.bytes(length),
        }
    }

    /// What was taken last is not what belongs there.
    pub(super) fn wrong(&self, expected: &'static str, got: &str) -> WireError {
        shape(self.at, expected, got)
    }

    /// Takes these bytes where they are what comes next and have come as a whole: most rows begin as the one before.
    pub(super) fn same(&mut self, tokens: &[u8]) -> bool {
        let same = matches!(self.arrived(), Ok(arrived) if arrived.starts_with(tokens));
        if same {
            self.take(tokens.len());
        }
        same
    }

    /// Whatever comes, as a whole.
    pub(super) fn tree(&mut self) -> Result<Tree, WireError> {
        self.branch(DEEPEST)
    }

    fn branch(&mut self, deeper: usize) -> Result<Tree, WireError> {
        let at = self.at;
        Ok(match self.buffered()?[0] {
            b':' => Tree::Int(self.int()?),
            b'+' => Tree::SimpleString(String::from_utf8_lossy(self.text()?).into_owned()),
            b'$' => match self.number(b'$', "a text")? {
                -1 => Tree::Nil,
                length => Tree::BulkString(self.bytes(length)?.to_vec()),
            },
            b'*' if deeper == 0 => return Err(shape(at, "a value", "lists within lists without end")),
            b'*' => match self.number(b'*', "an array")? {
                -1 => Tree::Nil,
                length => {
                    let mut items = Vec::new();
                    for _ in 0..length {
                        items.push(self.branch(deeper - 1)?);
                    }
                    Tree::Array(items)
                }
            },
            _ => return Err(self.another("a value")),
        })
    }

    /// So many bytes and the end of their line.
    fn bytes(&mut self, length: i64) -> Result<&[u8], WireError> {
        if !(0..=LONGEST_TEXT).contains(&length) {
            return Err(shape(self.at, "a text that a server can hold", format!("one of {length} bytes")));
        }
        let (length, mut missing) = (length as usize, length as usize + 2);
        // Most lie in the buffer as a whole, and are looked at there.
        if matches!(self.arrived(), Ok(arrived) if arrived.get(length..missing) == Some(b"\r\n")) {
            self.at += missing as u64;
            self.due = missing;
            return Ok(&self.from.fill_buf()?[..length]);
        }
        self.text.clear();
        while missing > 0 {
            self.buffered()?;
            let arrived = self.from.fill_buf()?;
            let taken = arrived.len().min(missing);
            self.text.extend_from_slice(&arrived[..taken]);
            self.take(taken);
            missing -= taken;
        }
        if &self.text[length..] != b"\r\n" {
            return Err(shape(self.at - 2, "the end of a text", "more of it"));
        }
        self.text.truncate(length);
        Ok(&self.text)
    }

    /// A line of one number. Most lie in the buffer as a whole.
    fn number(&mut self, kind: u8, expected: &'static str) -> Result<i64, WireError> {
        let found = match self.arrived() {
            Ok([first, line @ ..]) if *first == kind => digits(line),
            _ => None,
        };
        if let Some((number, length)) = found {
            self.take(1 + length);
            return Ok(number);
        }
        if self.buffered()?[0] != kind {
            return Err(self.another(expected));
        }
        let at = self.at;
        let line = self.line()?;
        digits(&line[1..])
            .map(|(number, _)| number)
            .ok_or_else(|| shape(at, expected, String::from_utf8_lossy(line.trim_ascii_end())))
    }

    /// What has come and is not taken yet; nothing where the connection ended.
    fn arrived(&mut self) -> io::Result<&[u8]> {
        if self.due > 0 {
            self.from.consume(std::mem::take(&mut self.due));
        }
        self.from.fill_buf()
    }

    /// What has come and is not taken yet: at least a byte.
    fn buffered(&mut self) -> Result<&[u8], WireError> {
        while let Err(error) = self.arrived() {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        let arrived = self.from.fill_buf()?;
        if arrived.is_empty() { Err(io::Error::from(ErrorKind::UnexpectedEof).into()) } else { Ok(arrived) }
    }

    fn take(&mut self, bytes: usize) {
        self.from.consume(bytes);
        self.at += bytes as u64;
    }

    /// A line with its end.
    fn line(&mut self) -> Result<Vec<u8>, WireError> {
        let (at, mut line) = (self.at, Vec::new());
        loop {
            let arrived = self.buffered()?;
            let end = arrived.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(arrived.len(), |end| end + 1);
            line.extend_from_slice(&arrived[..taken.min(LONGEST_LINE)]);
            self.take(taken);
            if line.len() > LONGEST_LINE {
                return Err(shape(at, "a line", "one without end"));
            }
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Something else lies there than was expected: what the server says went wrong, or nothing of the protocol.
    fn another(&mut self, expected: &'static str) -> WireError {
        let at = self.at;
        let kind = match self.buffered() {
            Ok([b'-', ..]) => return self.line().map_or_else(|error| error, WireError::Refused),
            Ok([b'*', ..]) => "an array".to_owned(),
            Ok([b':', ..]) => "an integer".to_owned(),
            Ok([b'$' | b'+', ..]) => "a text".to_owned(),
            Ok(bytes) => format!("`{}`", bytes[0].escape_ascii()),
            Err(error) => return error,
        };
        shape(at, expected, kind)
    }
}

fn shape(at: u64, expected: &'static str, got: impl Into<String>) -> WireError {
    WireError::Shape { at, expected, got: got.into() }
}

/// The number at the start of a line, and the bytes of the line; `None` where it is no whole line of a number.
fn digits(line: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(line.first() == Some(&b'-'));
    let mut number = 0_i64;
    for (count, byte) in line[sign..].iter().take(SAFE_DIGITS + 1).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let end = sign + count;
            let whole = count > 0 && line[end..].starts_with(b"\r\n");
            return whole.then_some((if sign == 1 { -number } else { number }, end + 2));
        }
        if count < SAFE_DIGITS {
            number = number * 10 + i64::from(digit);
        }
    }
    let end = line.iter().take(LONGEST_NUMBER).position(|byte| *byte == b'\r')?;
    let text = std::str::from_utf8(&line[..end]).ok().filter(|text| !text.starts_with('+'))?;
    line[end..].starts_with(b"\r\n").then_some((text.parse().ok()?, end + 2))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
