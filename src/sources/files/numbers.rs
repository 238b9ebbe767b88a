//! Edges between nodes that are called by whole numbers: the plain case, read in blocks on all threads.
//!
//! A block is cut at line ends into parts, one for each thread at a time, while the next block is read and hashed. What
//! comes of the parts is put together in the order of the file, so that it is the same on any number of threads.

use std::io::{self, Read as _};
use std::path::Path;

use polars::prelude::PlHashMap;
use rayon::prelude::*;

use super::columns::{timestamp, weight};
use super::lines::{Lines, Text, says_nothing, wrong_line};
use super::{FileError, Ids};
use crate::context::{Context, Step};

/// Bytes read at once, and of them those that one thread takes at a time.
const SIZES: (usize, usize) = (8 << 20, 256 << 10);

/// Edges in the order of their file, ends as the numbers that stand there.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Source and target of every edge.
    pub ends: Vec<(u32, u32)>,
    /// What the edges weigh, to the last that says so; empty: no line does.
    pub weights: Vec<Option<f64>>,
    /// When they happened, microseconds UTC, likewise.
    pub times: Vec<Option<i64>>,
    /// Lines that were read, those that say nothing included.
    pub(super) lines: u64,
    /// The largest number, and its first line.
    largest: (u32, u64),
}

impl Numbers {
    /// Reads a whole text file, plain or gzipped, of lines `src dst [weight [timestamp]]` whose ids are numbers below
    /// 2^32 without leading zeros: `#` and `%` begin comments. O(bytes) time; 8 bytes per edge, and 16 more for each of
    /// weight and time where there are any.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, a line is anything else, or a number is so large for so few edges that a table by
    /// number would be all but empty; the error names file and line.
    ///
    /// ```
    /// use sonograph::context::Context;
    /// use sonograph::graph::Csr;
    /// use sonograph::sources::files::Numbers;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let file = dir.path().join("ring.txt");
    /// std::fs::write(&file, "# a ring\n0 1\n1 2\n2 0\n")?;
    /// let edges = Numbers::of_file(&file, &Context::silent())?;
    /// let ring = Csr::of_pairs(edges.node_count(), edges.ends, vec![]);
    /// assert_eq!((ring.node_count(), ring.edge_count()), (3, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_file(path: &Path, cx: &Context) -> Result<Self, FileError> {
        let step = cx.step("read edges", None);
        let mut text = Text::open(path)?;
        let numbers = Self::read(&mut text, path, 0, &step)?;
        let mut rest = Lines::of(text, path, numbers.lines as usize);
        if let Some((number, _)) = rest.next()? {
            let what = "it is not `src dst [weight [timestamp]]` with numbers below 2^32 as ids";
            return Err(wrong_line(path, number, what.into()));
        }
        let (largest, line) = numbers.largest;
        if !is_dense(largest, numbers.ends.len()) {
            let edges = numbers.ends.len();
            let what = format!("the id {largest} is too large for a table by number of {edges} edges");
            return Err(wrong_line(path, line, what));
        }
        Ok(numbers)
    }

    /// One more than the largest number; 0 where there is no edge.
    pub fn node_count(&self) -> usize {
        if self.ends.is_empty() { 0 } else { self.largest.0 as usize + 1 }
    }

    /// No edge, after so many lines.
    pub(super) fn after(skipped: usize) -> Self {
        Self { lines: skipped as u64, ..Self::default() }
    }

    /// The lines of a text of which `skipped` were passed over, up to the first that does not say what edges between
    /// numbers say. That one is what is read of the text next.
    pub(super) fn read(text: &mut Text, path: &Path, skipped: usize, step: &Step) -> Result<Self, FileError> {
        Self::read_by(SIZES, text, path, skipped, step)
    }

    fn read_by(
        (size, part): (usize, usize),
        text: &mut Text,
        path: &Path,
        skipped: usize,
        step: &Step,
    ) -> Result<Self, FileError> {
        let fail = |source| FileError::Read { file: path.to_owned(), source };
        let mut numbers = Self::after(skipped);
        let (mut block, mut next, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        fill(text, &mut block, size).map_err(fail)?;
        if skipped == 0 && block.starts_with(b"\xef\xbb\xbf") {
            block.drain(..3);
            // The file does not end where the mark was.
            fill(text, &mut block, size).map_err(fail)?;
        }
        loop {
            let is_last = block.len() < size;
            let lines = if is_last { Some(block.len()) } else { after_last_line(&block) };
            // Half a line is carried over; one that is longer than a block is no edge between numbers.
            let lines = lines.unwrap_or(0);
            next.clear();
            next.extend_from_slice(&block[lines..]);
            if lines == 0 {
                text.give_back(next);
                return Ok(numbers);
            }
            let (stopped, filled) = rayon::join(
                || numbers.take(&block[..lines], part, &mut parts),
                || if is_last { Ok(()) } else { fill(text, &mut next, size) },
            );
            filled.map_err(fail)?;
            if let Some(at) = stopped {
                block.truncate(lines);
                block.drain(..at);
                block.append(&mut next);
                text.give_back(block);
                return Ok(numbers);
            }
            step.tick(numbers.ends.len() as u64, None)?;
            if is_last {
                return Ok(numbers);
            }
            std::mem::swap(&mut block, &mut next);
        }
    }

    /// Reads a file in blocks and parts of so many bytes: the edges, and what is left.
    #[cfg(test)]
    pub(super) fn cut(sizes: (usize, usize), path: &Path) -> Result<(Self, Vec<u8>), FileError> {
        let mut text = Text::open(path)?;
        let numbers = Self::read_by(sizes, &mut text, path, 0, &Context::silent().step("read edges", None))?;
        let mut rest = Vec::new();
        text.read_to_end(&mut rest).map_err(|source| FileError::Read { file: path.to_owned(), source })?;
        Ok((numbers, rest))
    }

    /// Takes whole lines; where the first begins that is something else.
    fn take(&mut self, lines: &[u8], size: usize, parts: &mut Vec<Part>) -> Option<usize> {
        let mut texts = Vec::new();
        let mut rest = lines;
        while !rest.is_empty() {
            let end = rest.get(size - 1..).and_then(|later| later.iter().position(|&byte| byte == b'\n'));
            let (text, later) = rest.split_at(end.map_or(rest.len(), |end| size + end));
            texts.push(text);
            rest = later;
        }
        parts.resize_with(parts.len().max(texts.len()), Part::default);
        parts.par_iter_mut().zip(&texts).for_each(|(part, text)| part.read(text));
        let mut at = 0;
        for (part, text) in parts.iter().zip(texts) {
            self.append(&part.read);
            if let Some(stopped) = part.stopped {
                return Some(at + stopped);
            }
            at += text.len();
        }
        None
    }

    fn append(&mut self, more: &Self) {
        let edges = self.ends.len();
        self.ends.extend_from_slice(&more.ends);
        extend(&mut self.weights, edges, &more.weights);
        extend(&mut self.times, edges, &more.times);
        if more.largest.0 > self.largest.0 || edges == 0 {
            self.largest = (more.largest.0, self.lines + more.largest.1);
        }
        self.lines += more.lines;
    }

    fn push(&mut self, ends: (u32, u32)) {
        let larger = ends.0.max(ends.1);
        if larger > self.largest.0 || self.ends.is_empty() {
            self.largest = (larger, self.lines + 1);
        }
        self.ends.push(ends);
    }

    /// A line that may be more than two numbers and what parts them; `None`: it is something else.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let line = line.trim_ascii();
        if says_nothing(line) {
            return Some(());
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut end = || whole(words.next()?);
        let ends = (end()?, end()?);
        let mut word = || words.next().map(std::str::from_utf8);
        let weight = word().map(|word| weight(word.ok()?).ok());
        let time = word().map(|word| timestamp(word.ok()?).ok());
        if word().is_some() || weight == Some(None) || time == Some(None) {
            return None;
        }
        let row = self.ends.len();
        if let Some(weight) = weight {
            extend(&mut self.weights, row, &[weight]);
        }
        if let Some(time) = time {
            extend(&mut self.times, row, &[time]);
        }
        self.push(ends);
        Some(())
    }
}

/// What one thread made of its part of a block; kept for its memory.
#[derive(Default)]
struct Part {
    read: Numbers,
    /// Where the first line begins that is something else.
    stopped: Option<usize>,
}

impl Part {
    fn read(&mut self, text: &[u8]) {
        let Numbers { mut ends, mut weights, mut times, .. } = std::mem::take(&mut self.read);
        ends.clear();
        weights.clear();
        times.clear();
        self.read = Numbers { ends, weights, times, ..Numbers::default() };
        self.stopped = None;
        let mut at = 0;
        while at < text.len() {
            if let Some((ends, after)) = plain(text, at) {
                self.read.push(ends);
                at = after;
            } else {
                let end = text[at..].iter().position(|&byte| byte == b'\n');
                let end = end.map_or(text.len(), |end| at + end + 1);
                if self.read.line(&text[at..end]).is_none() {
                    self.stopped = Some(at);
                    return;
                }
                at = end;
            }
            self.read.lines += 1;
        }
    }
}

/// Reads on until there are `size` bytes, or no more.
fn fill(text: &mut Text, block: &mut Vec<u8>, size: usize) -> io::Result<()> {
    let missing = size - block.len();
    block.reserve_exact(missing);
    text.take(missing as u64).read_to_end(block).map(|_| ())
}

fn after_last_line(block: &[u8]) -> Option<usize> {
    block.iter().rposition(|&byte| byte == b'\n').map(|end| end + 1)
}

/// Cells after those of the first `rows` rows, which are missing where there are not as many.
fn extend<T: Copy>(cells: &mut Vec<Option<T>>, rows: usize, more: &[Option<T>]) {
    if !more.is_empty() {
        cells.resize(rows, None);
        cells.extend_from_slice(more);
    }
}

/// Two numbers, parted by one blank and ended by a line feed, and where the next line begins.
fn plain(text: &[u8], at: usize) -> Option<((u32, u32), usize)> {
    let (src, at) = number(text, at)?;
    if !matches!(text.get(at), Some(b' ' | b'\t')) {
        return None;
    }
    let (dst, at) = number(text, at + 1)?;
    (text.get(at) == Some(&b'\n')).then_some(((src, dst), at + 1))
}

/// The number at a place and where it ends, if it is written as numbers are: `007` is a name.
fn number(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let (mut value, mut end) = (0u64, at);
    while let Some(digit) = text.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        // Wraps only where there are too many digits anyway.
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    let digits = end - at;
    let is_plain = (1..=10).contains(&digits) && (text[at] != b'0' || digits == 1);
    if is_plain { Some((u32::try_from(value).ok()?, end)) } else { None }
}

/// A word that is a number, and nothing else.
fn whole(word: &[u8]) -> Option<u32> {
    number(word, 0).and_then(|(value, end)| (end == word.len()).then_some(value))
}

/// Two columns of ids as numbers, where all of them are.
pub(super) fn pairs<'a>(
    sources: impl Iterator<Item = Option<&'a str>>,
    targets: impl Iterator<Item = Option<&'a str>>,
) -> Option<Vec<(u32, u32)>> {
    let whole = |id: Option<&str>| whole(id?.as_bytes());
    sources.zip(targets).map(|(src, dst)| Some((whole(src)?, whole(dst)?))).collect()
}

/// Turns ends that are ids into ends by what `ids` calls them, each id that is new by its first edge. `None`: there are
/// more nodes than `ids` can tell apart. O(edges) time; beside `ids` at most 4 × 4 bytes per edge.
pub(super) fn name(ends: &mut [(u32, u32)], ids: &mut Ids) -> Option<()> {
    const NONE: u32 = u32::MAX;
    let Some(largest) = ends.iter().map(|&(src, dst)| src.max(dst)).max() else { return Some(()) };
    let mut add = |id: u32| ids.number(&id.to_string()).filter(|&number| number != NONE);
    if is_dense(largest, ends.len()) {
        let mut numbers = vec![NONE; largest as usize + 1];
        for end in ends.iter_mut().flat_map(|(src, dst)| [src, dst]) {
            let number = &mut numbers[*end as usize];
            if *number == NONE {
                *number = add(*end)?;
            }
            *end = *number;
        }
    } else {
        let mut numbers: PlHashMap<u32, u32> = PlHashMap::default();
        for end in ends.iter_mut().flat_map(|(src, dst)| [src, dst]) {
            *end = match numbers.get(end) {
                Some(&number) => number,
                None => *numbers.entry(*end).or_insert(add(*end)?),
            };
        }
    }
    Some(())
}

/// Whether a table by number is worth its memory: 4 bytes for each up to the largest.
fn is_dense(largest: u32, edges: usize) -> bool {
    const ALWAYS: usize = 1 << 20;
    largest as usize / 4 < edges.max(ALWAYS / 4)
}
