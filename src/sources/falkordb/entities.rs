//! Whole nodes and edges of a compact answer → columns, without a tree in between.
//!
//! Whole ones, because an answer then tells the type of every value: a column of texts in which somebody writes a number
//! meanwhile stays exact. That costs a server no more than asking for every property by itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use super::reply::{self, Names, Stats, Undecoded};
use super::scan::{Nameless, vertex_of};
use super::wire::{Wire, WireError};
use crate::ontology::Value;
use crate::snapshot::tables::UID;
use crate::snapshot::tables::gather::{Gathering, Sheet};

/// What stands in front of every node, and of every edge: a row of one value of that kind, and its parts.
const NODE: &[u8] = b"*1\r\n*2\r\n:8\r\n*3\r\n";
const EDGE: &[u8] = b"*1\r\n*2\r\n:7\r\n*5\r\n";

const TEXT: i64 = 2;
const INTEGER: i64 = 3;
const BOOLEAN: i64 = 4;
const FLOAT: i64 = 5;
const DATE: i64 = 13;
const DURATION: i64 = 16;

/// Why a page could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    Wire(WireError),
    /// A number stands for a name that came later than [`Names`].
    Name,
}

impl From<WireError> for Unread {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Where the values of properties go, as the row before had them.
#[derive(Debug, Default)]
struct Frames {
    /// Column of every property by number.
    columns: Vec<Option<Column>>,
    /// What stood in front of the first property of the row before, of the second, …
    before: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Uid,
    Of(usize),
}

#[derive(Debug)]
struct Frame {
    tokens: Vec<u8>,
    kind: i64,
    column: Column,
}

impl Frames {
    /// The properties of a row; whether a text `uid` was among them, which is put into `uid`.
    fn read<R: BufRead>(
        &mut self,
        wire: &mut Wire<R>,
        names: &Names,
        sheet: &mut Sheet,
        mut uid: Option<&mut String>,
    ) -> Result<bool, Unread> {
        let (count, mut named) = (wire.array()?, false);
        for nth in 0..count {
            let (kind, column) = self.frame(nth as usize, wire, names, sheet, uid.is_some())?;
            match (column, uid.as_deref_mut()) {
                (Column::Uid, Some(uid)) => {
                    if kind == TEXT {
                        uid.clear();
                        uid.push_str(&lossy(wire.text()?));
                        named = true;
                    } else {
                        wire.tree()?;
                    }
                }
                (Column::Uid, None) => unreachable!("only nodes have uids"),
                (Column::Of(column), _) => value(kind, column, wire, names, sheet)?,
            }
        }
        Ok(named)
    }

    fn frame<R: BufRead>(
        &mut self,
        nth: usize,
        wire: &mut Wire<R>,
        names: &Names,
        sheet: &mut Sheet,
        of_node: bool,
    ) -> Result<(i64, Column), Unread> {
        if let Some(before) = self.before.get(nth)
            && wire.same(&before.tokens)
        {
            return Ok((before.kind, before.column));
        }
        wire.array_of(3, "a property's name, type and value")?;
        let key = wire.id()?;
        let kind = wire.int()?;
        let at = usize::try_from(key).ok().filter(|at| *at < names.properties.len()).ok_or(Unread::Name)?;
        if self.columns.len() <= at {
            self.columns.resize(at + 1, None);
        }
        let column = *self.columns[at].get_or_insert_with(|| match &names.properties[at] {
            name if of_node && **name == *UID => Column::Uid,
            name => Column::Of(sheet.column(name)),
        });
        let frame = Frame { tokens: format!("*3\r\n:{key}\r\n:{kind}\r\n").into_bytes(), kind, column };
        if nth < self.before.len() {
            self.before[nth] = frame;
        } else if nth == self.before.len() {
            self.before.push(frame);
        }
        Ok((kind, column))
    }
}

/// [`String::from_utf8_lossy`], which looks at every byte by itself where it need not.
fn lossy(text: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed)
}

fn value<R: BufRead>(
    kind: i64,
    column: usize,
    wire: &mut Wire<R>,
    names: &Names,
    sheet: &mut Sheet,
) -> Result<(), Unread> {
    match kind {
        TEXT => sheet.put_text(column, &lossy(wire.text()?)),
        INTEGER | DATE..=DURATION => sheet.put(column, Value::Integer(wire.int()?)),
        BOOLEAN => sheet.put(column, Value::Boolean(wire.text()? == b"true")),
        FLOAT => {
            let said = wire.text()?;
            let float = std::str::from_utf8(said).ok().and_then(reply::number);
            let float = float.ok_or_else(|| wire.wrong("a number", "another text"))?;
            sheet.put(column, Value::Float(float));
        }
        _ => {
            let tree = wire.tree()?;
            let value =
                reply::typed(&redis::Value::Int(kind), &tree, names).map_err(|error| match error {
                    Undecoded::Name => Unread::Name,
                    Undecoded::Failed(said) | Undecoded::Shape(said) => wire.wrong("a value", &said).into(),
                })?;
            if let Some(value) = value.into_value() {
                sheet.put(column, value);
            }
        }
    }
    Ok(())
}

/// What stands in front of a row's value, however it is printed.
fn opening<R: BufRead>(
    wire: &mut Wire<R>,
    tokens: &'static [u8],
    kind: i64,
    parts: u64,
) -> Result<(), WireError> {
    if wire.same(tokens) {
        return Ok(());
    }
    wire.array_of(1, "a row of one value")?;
    wire.array_of(2, "a type and a value")?;
    let (expected, found) = (if kind == 8 { "a node" } else { "an edge" }, wire.int()?);
    if found != kind {
        return Err(wire.wrong(expected, &format!("a value of type {found}")));
    }
    wire.array_of(parts, expected)
}

/// Goes to the rows, and tells how many there are.
fn rows<R: BufRead>(wire: &mut Wire<R>) -> Result<u64, WireError> {
    wire.array_of(3, "header, rows and statistics")?;
    wire.tree()?;
    wire.array()
}

/// What follows the rows: the server's time in milliseconds.
fn time<R: BufRead>(wire: &mut Wire<R>) -> Result<f64, WireError> {
    let mut stats = Stats::default();
    for _ in 0..wire.array()? {
        stats.read(&String::from_utf8_lossy(wire.text()?));
    }
    Ok(stats.milliseconds)
}

fn within<R: BufRead>(wire: &mut Wire<R>, range: &Range<u64>) -> Result<u64, WireError> {
    let id = wire.id()?;
    if range.contains(&id) { Ok(id) } else { Err(wire.wrong("an id that was asked for", &id.to_string())) }
}

/// Whoever reads the answers to one kind of query, page by page.
pub(super) trait Reader {
    /// What is to be known of a page.
    type Page;

    /// Reads an answer into the columns; also gives the time that the server reports, in milliseconds.
    fn read<R: BufRead>(
        &mut self,
        wire: &mut Wire<R>,
        names: &Names,
        into: &mut Gathering,
    ) -> Result<(Self::Page, f64), Unread>;

    /// Forgets what came of the page that is being read, and what was learnt of names where these are other ones now.
    fn forget(&mut self, renamed: bool, into: &mut Gathering);
}

/// How nodes are read; what is learnt of one page helps with the next.
#[derive(Debug, Default)]
pub(super) struct NodeReader {
    /// Labels by number → vertex and further labels.
    vertices: HashMap<Vec<u64>, (usize, u32)>,
    /// By vertex.
    frames: Vec<Frames>,
    /// Labels of the row before.
    before: Vec<u64>,
    at: (usize, u32),
    labels: Vec<u64>,
    uid: String,
    /// Ids of the page, and how many rows there were before it.
    ids: Range<u64>,
    marks: Vec<u32>,
}

/// Nodes of an answer.
#[derive(Debug, Default)]
pub(super) struct NodePage {
    pub(super) nodes: u64,
    pub(super) nameless: Nameless,
}

impl Reader for NodeReader {
    type Page = NodePage;

    fn read<R: BufRead>(
        &mut self,
        wire: &mut Wire<R>,
        names: &Names,
        into: &mut Gathering,
    ) -> Result<(NodePage, f64), Unread> {
        let mut page = NodePage::default();
        for _ in 0..rows(wire)? {
            opening(wire, NODE, 8, 3)?;
            let id = within(wire, &self.ids)?;
            self.labels.clear();
            for _ in 0..wire.array()? {
                self.labels.push(wire.id()?);
            }
            if self.labels != self.before || self.vertices.is_empty() {
                self.at = self.vertex(names, into)?;
                self.before.clone_from(&self.labels);
            }
            let (vertex, further) = self.at;
            if self.frames.len() <= vertex {
                self.frames.resize_with(vertex + 1, Frames::default);
            }
            let nodes = into.nodes(vertex);
            if self.frames[vertex].read(wire, names, &mut nodes.sheet, Some(&mut self.uid))? {
                nodes.end_row(&self.uid, id, further);
                page.nodes += 1;
            } else {
                nodes.cut(nodes.sheet.rows());
                page.nameless.0 += 1;
                let labels = || self.labels.iter().map(|&l| &*names.labels[l as usize]).collect::<Vec<_>>();
                page.nameless.1.get_or_insert_with(|| (labels().join(":"), id));
            }
        }
        Ok((page, time(wire)?))
    }

    fn forget(&mut self, renamed: bool, into: &mut Gathering) {
        into.cut(&self.marks);
        if renamed {
            let (ids, marks) = (self.ids.clone(), std::mem::take(&mut self.marks));
            *self = Self { ids, marks, ..Self::default() };
        }
    }
}

impl NodeReader {
    /// The next page is of these ids.
    pub(super) fn begin(&mut self, ids: Range<u64>, into: &Gathering) {
        (self.ids, self.marks) = (ids, into.marks());
    }

    fn vertex(&mut self, names: &Names, into: &mut Gathering) -> Result<(usize, u32), Unread> {
        if let Some(known) = self.vertices.get(&self.labels) {
            return Ok(*known);
        }
        let name = |number: &u64| names.labels.get(usize::try_from(*number).ok()?).cloned();
        let mut labels: Vec<Arc<str>> =
            self.labels.iter().map(name).collect::<Option<_>>().ok_or(Unread::Name)?;
        let vertex = vertex_of(&mut labels);
        let found = (into.vertex(&vertex), into.further(labels));
        self.vertices.insert(self.labels.clone(), found);
        Ok(found)
    }
}

/// Which end of an edge a page is a range of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Target,
}

/// How the edges of a relation are read.
#[derive(Debug)]
pub(super) struct EdgeReader {
    relation: usize,
    /// Edges that were read.
    pub(super) seen: u64,
    /// Those of which an end is no node that was read, but for the page that is being read.
    pub(super) lost: u64,
    frames: Frames,
    /// What the page is a range of, and edges that were read before it.
    range: (End, Range<u64>),
    start: u64,
}

/// Edges of an answer.
#[derive(Debug)]
pub(super) struct EdgePage {
    pub(super) edges: u64,
    /// Whether they came in the order of the end that the page is a range of.
    pub(super) ordered: bool,
    /// That end of the last, and how many were read before the first of it.
    pub(super) last: (u64, u64),
}

impl EdgeReader {
    pub(super) fn of(relation: usize) -> Self {
        Self { relation, seen: 0, lost: 0, frames: Frames::default(), range: (End::Source, 0..0), start: 0 }
    }

    /// The next page is of edges whose one end is of these ids.
    pub(super) fn begin(&mut self, end: End, ids: Range<u64>) {
        (self.range, self.start) = ((end, ids), self.seen);
    }

    /// Forgets what was read after so many, or all of the page.
    pub(super) fn cut(&mut self, seen: Option<u64>, into: &mut Gathering) {
        self.seen = seen.unwrap_or(self.start);
        into.edges(self.relation).cut((self.seen - self.lost) as u32);
    }

    /// The page is whole and stays.
    pub(super) fn keep(&mut self, into: &mut Gathering) {
        self.lost += u64::from(into.resolve(self.relation));
    }
}

impl Reader for EdgeReader {
    type Page = EdgePage;

    fn read<R: BufRead>(
        &mut self,
        wire: &mut Wire<R>,
        names: &Names,
        into: &mut Gathering,
    ) -> Result<(EdgePage, f64), Unread> {
        let (end, ids) = self.range.clone();
        let mut page = EdgePage { edges: 0, ordered: true, last: (0, self.seen) };
        page.edges = rows(wire)?;
        let edges = into.edges(self.relation);
        for _ in 0..page.edges {
            opening(wire, EDGE, 7, 5)?;
            wire.id()?;
            wire.id()?;
            let (src, dst) = match end {
                End::Source => (within(wire, &ids)?, wire.id()?),
                End::Target => (wire.id()?, within(wire, &ids)?),
            };
            let key = if end == End::Source { src } else { dst };
            if key != page.last.0 || self.seen == page.last.1 {
                page.ordered &= key >= page.last.0;
                page.last = (key, self.seen);
            }
            self.frames.read(wire, names, &mut edges.sheet, None)?;
            edges.end_row((src, dst));
            self.seen += 1;
        }
        Ok((page, time(wire)?))
    }

    fn forget(&mut self, renamed: bool, into: &mut Gathering) {
        self.cut(None, into);
        if renamed {
            self.frames = Frames::default();
        }
    }
}

#[cfg(test)]
#[path = "entities_tests.rs"]
mod tests;
