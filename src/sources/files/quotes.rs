//! Quotes of a CSV that swallow what follows them.
//!
//! The reader of CSV takes a quote that nothing closes for one long cell, to the end of the file, and one that the next
//! quoted cell closes for a cell over several lines. Both lose rows in silence, so the quotes are followed beside it.

use std::io::{self, Read};

/// Follows the quotes of the CSV that is read through it.
pub(super) struct Quotes<R> {
    input: R,
    state: State,
    /// Line, from 1.
    line: u64,
    /// Line of the last quote that opened a cell.
    opened: u64,
    ended: bool,
    broken: Option<Broken>,
}

/// A quote that does not close where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    /// Line, from 1, where the cell opens.
    pub(super) line: u64,
    /// A later line on which the next quote stands inside another cell; `None`: there is none before the end.
    pub(super) closes: Option<u64>,
}

/// Where the last byte left the reader; as `csv` has it, only a quote at the start of a cell opens.
#[derive(Clone, Copy)]
enum State {
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: its end, or the first of two.
    Closing,
}

impl<R: Read> Quotes<R> {
    pub(super) fn of(input: R) -> Self {
        Self { input, state: State::Start, line: 1, opened: 0, ended: false, broken: None }
    }

    /// The first quote in what was read so far that swallowed lines.
    pub(super) fn broken(&self) -> Option<Broken> {
        let open = self.ended && matches!(self.state, State::Quoted);
        self.broken.or(open.then_some(Broken { line: self.opened, closes: None }))
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }

    fn follow(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Start, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Quoted, b'"') => State::Closing,
            (State::Quoted, _) | (State::Closing, b'"') => State::Quoted,
            (_, b',' | b'\r' | b'\n') => State::Start,
            (State::Closing, _) => {
                // Within a line it is somebody's loose way of writing a cell.
                if self.line > self.opened && self.broken.is_none() {
                    self.broken = Some(Broken { line: self.opened, closes: Some(self.line) });
                }
                State::Plain
            }
            (State::Start | State::Plain, _) => State::Plain,
        };
        self.line += u64::from(byte == b'\n');
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        for &byte in &buffer[..read] {
            self.follow(byte);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Option<(u64, Option<u64>)> {
        let mut quotes = Quotes::of(text.as_bytes());
        io::copy(&mut quotes, &mut io::sink()).expect("text can be read");
        quotes.broken().map(|b| (b.line, b.closes))
    }

    #[test]
    fn a_quote_that_nothing_closes_is_found_on_the_line_where_it_opens() {
        assert_eq!(broken("src,dst\n1,\"2\n3\n"), Some((2, None)));
        assert_eq!(broken("a,b\r\n\"x\ny\",z\r\nc,\"d\"\"\r\n"), Some((4, None)));
        assert_eq!(broken("\""), Some((1, None)));
    }

    #[test]
    fn a_quote_that_the_next_quoted_cell_closes_is_found_too() {
        assert_eq!(broken("a,b\nc,\"d\n1,2\n\"e\",\"f\"\n"), Some((2, Some(4))));
    }

    #[test]
    fn quotes_that_close_and_quotes_inside_cells_are_no_matter() {
        for text in
            ["", "a,b\n\"1\",\"2\"", "a,b\n\"x\n\"\"y\"\"\nz\",2\n", "a\n5\"\n6\"x\n", "a\n\"x\"y\n\"\"\n"]
        {
            assert_eq!(broken(text), None, "{text}");
        }
    }
}
