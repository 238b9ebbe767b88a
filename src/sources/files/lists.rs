//! Files of edges and of nodes, read into rows.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataType, StringChunked, StringChunkedBuilder};

use super::columns::{instants, seconds_to_micros, timestamp, typed, weight};
use super::kind::{Header, Kind};
use super::lines::{Lines, Text, wrong_line};
use super::quotes::{Broken, Quotes};
use super::{FileError, FileRead, Ids, ImportOptions, Layout, numbers, text};
use crate::context::{Context, Step, TICK_EVERY};
use crate::snapshot::tables::{self, DST, LABELS, NAME, NODE, SRC, TIMESTAMP, UID, WEIGHT, parquet};

const NOT_LISTED: &str = "`--add-missing` adds nodes that the file of nodes does not list";

/// Edges by row, ends as numbers of [`Ids`].
#[derive(Debug, Default)]
pub(super) struct EdgeList {
    pub(super) ends: Vec<(u32, u32)>,
    /// Relation by row; empty: the default for all.
    pub(super) relations: Vec<Option<String>>,
    pub(super) properties: Vec<Column>,
}

/// Nodes by row, which is their number in [`Ids`].
#[derive(Debug, Default)]
pub(super) struct NodeList {
    pub(super) rows: u32,
    /// Label by row; empty: the default for all.
    pub(super) labels: Vec<Option<String>>,
    pub(super) name: Option<Column>,
    pub(super) properties: Vec<Column>,
}

impl EdgeList {
    pub(super) fn read(
        options: &ImportOptions,
        ids: &mut Ids,
        notes: &mut Vec<String>,
        cx: &Context,
    ) -> Result<(Self, FileRead), FileError> {
        let path = &options.edges;
        let step = cx.step("read edges", None);
        let header = if options.ends.is_some() { Header::Named } else { Header::Names(&[SRC, DST]) };
        let (kind, text) = Kind::open(path, options.skip_lines, header, &step)?;
        let refuse = |flag, kind| Err(FileError::Flag { flag, file: path.clone(), kind });
        match kind {
            Kind::Text if options.ends.is_some() => {
                return refuse("--src and --dst", "text without a header");
            }
            Kind::Parquet | Kind::Csv if options.layout == Layout::Adjacency => {
                return refuse("--layout adjacency", "a table with a header");
            }
            Kind::Parquet if options.skip_lines > 0 => {
                return refuse("--skip-lines", "Parquet and has no lines");
            }
            _ => {}
        }
        if kind == Kind::Text {
            return match options.layout {
                Layout::Edges => text::edges(text, path, options.skip_lines, ids, &step),
                Layout::Adjacency => text::adjacency(text, path, options.skip_lines, ids, &step),
            };
        }
        let (table, file) = Rows::read(kind, text, path, options.skip_lines, &step)?;
        let names = (SRC, DST);
        let (src, dst) = match &options.ends {
            Some((src, dst)) => (table.find(src)?, table.find(dst)?),
            None => match (table.position(names.0), table.position(names.1)) {
                (Some(src), Some(dst)) => (src, dst),
                _ if table.columns.len() >= 2 => {
                    let [a, b] = [0, 1].map(|i| table.columns[i].name().clone());
                    notes.push(format!("took columns `{a}` and `{b}` of {} as src and dst", path.display()));
                    (0, 1)
                }
                _ => return Err(table.header("an edge needs two columns, src and dst".into())),
            },
        };
        if src == dst {
            return Err(table.header("src and dst are one column".into()));
        }
        let sources = table.texts(src)?;
        let targets = table.texts(dst)?;
        let mut list = Self::default();
        let plain = if ids.closed { None } else { numbers::pairs(sources.iter(), targets.iter()) };
        if let Some(mut ends) = plain
            && numbers::name(&mut ends, ids).is_some()
        {
            list.ends = ends;
        } else {
            for (row, (src, dst)) in sources.iter().zip(targets.iter()).enumerate() {
                let mut end = |id: Option<&str>, name| match id {
                    Some(id) if !id.is_empty() => ids.number(id).ok_or_else(|| table.not_listed(row, id)),
                    _ => Err(table.wrong(row, format!("the {name} is missing"))),
                };
                list.ends.push((end(src, SRC)?, end(dst, DST)?));
            }
        }
        for (at, column) in table.columns.iter().enumerate() {
            match column.name().as_str() {
                _ if at == src || at == dst => {}
                "type" => list.relations = table.names(at)?,
                WEIGHT => list.properties.push(table.weights(at)?),
                TIMESTAMP => list.properties.push(table.timestamps(at)?),
                taken @ (SRC | DST) => {
                    return Err(table.header(format!("column `{taken}` is neither end of the edges")));
                }
                _ => list.properties.push(table.property(at)),
            }
        }
        Ok((list, file))
    }
}

pub(super) fn not_listed(file: &Path, unit: &'static str, number: u64, id: &str) -> FileError {
    let what = format!("`{id}` is not in the file of nodes");
    FileError::Line { file: file.to_owned(), unit, number, what, hint: Some(NOT_LISTED) }
}

impl NodeList {
    pub(super) fn read(
        path: &Path,
        ids: &mut Ids,
        notes: &mut Vec<String>,
        cx: &Context,
    ) -> Result<(Self, FileRead), FileError> {
        let mut list = Self::default();
        let mut add = |id: &str, wrong: &dyn Fn(String) -> FileError| {
            let expected = ids.numbers.len() as u32;
            match ids.number(id) {
                Some(number) if number == expected => Ok(()),
                Some(_) => Err(wrong(format!("the id `{id}` is there a second time"))),
                None => Err(wrong("more nodes than 32-bit ids can name".into())),
            }
        };
        let step = cx.step("read nodes", None);
        let (kind, text) = Kind::open(path, 0, Header::Names(&["id"]), &step)?;
        if kind == Kind::Text {
            let mut lines = Lines::of(text, path, 0);
            while let Some((number, line)) = lines.next()? {
                let wrong = |what| wrong_line(path, number, what);
                if line.contains(|c: char| c.is_ascii_whitespace()) {
                    return Err(wrong("more than one id".into()));
                }
                add(line, &wrong)?;
                list.rows += 1;
                if u64::from(list.rows).is_multiple_of(TICK_EVERY) {
                    step.tick(u64::from(list.rows), None)?;
                }
            }
            return Ok((list, lines.finish()?));
        }
        let (table, file) = Rows::read(kind, text, path, 0, &step)?;
        let id = match table.position("id") {
            Some(at) => at,
            None if !table.columns.is_empty() => {
                notes.push(format!("took column `{}` of {} as id", table.columns[0].name(), path.display()));
                0
            }
            None => return Err(table.header("a node needs a column id".into())),
        };
        for (row, cell) in table.texts(id)?.iter().enumerate() {
            let cell =
                cell.filter(|c| !c.is_empty()).ok_or_else(|| table.wrong(row, "the id is missing".into()))?;
            add(cell, &|what| table.wrong(row, what))?;
            list.rows += 1;
        }
        for (at, column) in table.columns.iter().enumerate() {
            match column.name().as_str() {
                _ if at == id => {}
                "label" => list.labels = table.names(at)?,
                NAME => list.name = Some(table.text_column(at)?),
                taken @ (NODE | UID | LABELS) => {
                    return Err(table.header(format!("a property of a node cannot be called `{taken}`")));
                }
                _ => list.properties.push(table.property(at)),
            }
        }
        Ok((list, file))
    }
}

/// A file of rows with a header, columns as text (CSV) or as typed in the file (Parquet).
struct Rows {
    file: PathBuf,
    columns: Vec<Column>,
    /// Line of each row; empty: the file has rows, not lines.
    lines: Vec<u64>,
}

impl Rows {
    fn read(
        kind: Kind,
        text: Text,
        path: &Path,
        skip: usize,
        step: &Step,
    ) -> Result<(Self, FileRead), FileError> {
        let (rows, file) = match kind {
            Kind::Parquet => Self::parquet(text, path)?,
            Kind::Csv | Kind::Text => Self::csv(text, path, skip, step)?,
        };
        let mut seen = BTreeSet::new();
        for column in &rows.columns {
            if !seen.insert(column.name().as_str()) {
                return Err(rows.header(format!("column `{}` is there twice", column.name())));
            }
        }
        Ok((rows, file))
    }

    /// Reads the file into memory first: Parquet is read from its end, and a pipe has none to begin with.
    fn parquet(mut input: Text, path: &Path) -> Result<(Self, FileRead), FileError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(|source| FileError::Read { file: path.to_owned(), source })?;
        let frame =
            parquet::decode(bytes).map_err(|source| FileError::Parquet { file: path.to_owned(), source })?;
        let rows = Self { file: path.to_owned(), columns: frame.columns().to_vec(), lines: Vec::new() };
        Ok((rows, input.finish(path)?))
    }

    fn csv(mut input: Text, path: &Path, skip: usize, step: &Step) -> Result<(Self, FileRead), FileError> {
        let read = |source| FileError::Read { file: path.to_owned(), source };
        // The reader of CSV does not know of byte order marks.
        let mut mark = [0; 3];
        let mut length = 0;
        while length < 3 {
            match input.read(&mut mark[length..]).map_err(read)? {
                0 => break,
                n => length += n,
            }
        }
        let head = if mark == *b"\xef\xbb\xbf" { &[][..] } else { &mark[..length] };
        let mut reader = csv::Reader::from_reader(Quotes::of(head.chain(input)));
        let broken = |quotes: &Quotes<_>| quotes.broken().map(|broken| broken_quote(path, skip, broken));
        let header = match reader.headers().cloned() {
            Ok(header) => header,
            Err(error) => {
                return Err(broken(reader.get_ref()).unwrap_or_else(|| csv_error(path, skip, error)));
            }
        };
        let mut builders: Vec<StringChunkedBuilder> =
            header.iter().map(|name| StringChunkedBuilder::new(name.trim().into(), 0)).collect();
        let mut lines = Vec::new();
        let mut record = csv::StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                // Lines that a quote swallowed are one row of the wrong shape.
                Err(error) => {
                    return Err(broken(reader.get_ref()).unwrap_or_else(|| csv_error(path, skip, error)));
                }
            }
            for (builder, cell) in builders.iter_mut().zip(&record) {
                builder.append_option((!cell.is_empty()).then_some(cell));
            }
            lines.push(record.position().map_or(0, csv::Position::line) + skip as u64);
            if (lines.len() as u64).is_multiple_of(TICK_EVERY) {
                step.tick(lines.len() as u64, None)?;
            }
        }
        let columns = builders
            .into_iter()
            .map(|b| polars::prelude::IntoSeries::into_series(b.finish()).into())
            .collect();
        if let Some(error) = broken(reader.get_ref()) {
            return Err(error);
        }
        let (_, input) = reader.into_inner().into_inner().into_inner();
        Ok((Self { file: path.to_owned(), columns, lines }, input.finish(path)?))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name() == name)
    }

    fn find(&self, name: &str) -> Result<usize, FileError> {
        self.position(name).ok_or_else(|| {
            let known: Vec<_> = self.columns.iter().map(|c| c.name().as_str()).collect();
            self.header(format!("there is no column `{name}`, only {}", known.join(", ")))
        })
    }

    fn header(&self, what: String) -> FileError {
        FileError::Header { file: self.file.clone(), what }
    }

    fn wrong(&self, row: usize, what: String) -> FileError {
        let (unit, number) = self.place(row);
        FileError::Line { file: self.file.clone(), unit, number, what, hint: None }
    }

    fn not_listed(&self, row: usize, id: &str) -> FileError {
        let (unit, number) = self.place(row);
        not_listed(&self.file, unit, number, id)
    }

    fn place(&self, row: usize) -> (&'static str, u64) {
        self.lines.get(row).map_or(("row", row as u64 + 1), |&line| ("line", line))
    }

    /// The exact text of whole numbers and texts; nothing else names a thing.
    fn text_column(&self, at: usize) -> Result<Column, FileError> {
        let column = &self.columns[at];
        if !column.dtype().is_integer() && *column.dtype() != DataType::String {
            let what = format!("column `{}` holds {}, not names", column.name(), column.dtype());
            return Err(self.header(what));
        }
        self.cast(column, &DataType::String)
    }

    fn texts(&self, at: usize) -> Result<StringChunked, FileError> {
        Ok(self.text_column(at)?.str().expect("cast to text above").clone())
    }

    /// Names of labels or relations by row; an empty one is missing.
    fn names(&self, at: usize) -> Result<Vec<Option<String>>, FileError> {
        let name = |cell: Option<&str>| cell.filter(|c| !c.is_empty()).map(str::to_owned);
        Ok(self.texts(at)?.iter().map(name).collect())
    }

    fn weights(&self, at: usize) -> Result<Column, FileError> {
        let column = &self.columns[at];
        if *column.dtype() == DataType::String {
            return Ok(Column::new(WEIGHT.into(), self.each(at, weight)?));
        }
        let numbers = self.cast(column, &DataType::Float64)?;
        for (row, number) in numbers.f64().expect("cast to numbers above").iter().enumerate() {
            if number.is_some_and(|n| !n.is_finite()) {
                return Err(self.wrong(row, "the weight is no finite number".into()));
            }
        }
        Ok(numbers)
    }

    fn timestamps(&self, at: usize) -> Result<Column, FileError> {
        let column = &self.columns[at];
        let seconds = |micros: &dyn Fn(f64) -> Option<i64>| {
            let numbers = self.cast(column, &DataType::Float64)?;
            let numbers = numbers.f64().expect("cast to numbers above").iter().enumerate();
            let cell = |(row, number): (usize, Option<f64>)| match number.map(micros) {
                Some(None) => Err(self.wrong(row, "the timestamp is no time".into())),
                other => Ok(other.flatten()),
            };
            Ok(instants(TIMESTAMP, numbers.map(cell).collect::<Result<_, FileError>>()?))
        };
        match column.dtype() {
            DataType::String => Ok(instants(TIMESTAMP, self.each(at, timestamp)?)),
            DataType::Datetime(..) => tables::instants(column)
                .map_err(|source| FileError::Columns { file: self.file.clone(), source }),
            dtype if dtype.is_primitive_numeric() => seconds(&seconds_to_micros),
            other => Err(self.header(format!("column `{TIMESTAMP}` holds {other}, not times"))),
        }
    }

    fn property(&self, at: usize) -> Column {
        match (self.lines.is_empty(), self.columns[at].str()) {
            (false, Ok(texts)) => typed(texts.clone()),
            _ => self.columns[at].clone(),
        }
    }

    /// The cells of a text column, each read by `parse`.
    fn each<T>(&self, at: usize, parse: fn(&str) -> Result<T, String>) -> Result<Vec<Option<T>>, FileError> {
        let cells = self.texts(at)?;
        let cell = |(row, cell): (usize, Option<&str>)| match cell.map(str::trim).filter(|c| !c.is_empty()) {
            None => Ok(None),
            Some(text) => parse(text).map(Some).map_err(|what| self.wrong(row, what)),
        };
        cells.iter().enumerate().map(cell).collect()
    }

    fn cast(&self, column: &Column, dtype: &DataType) -> Result<Column, FileError> {
        column.strict_cast(dtype).map_err(|source| FileError::Columns { file: self.file.clone(), source })
    }
}

fn broken_quote(file: &Path, skip: usize, broken: Broken) -> FileError {
    let what = match broken.closes {
        None => "a quote that opens here is closed nowhere".to_owned(),
        Some(line) => {
            format!("a quote that opens here is closed on line {} only, inside a cell", line + skip as u64)
        }
    };
    let hint = Some(
        "a quote inside a quoted cell is written twice; a cell that begins with one is quoted as a whole",
    );
    FileError::Line { file: file.to_owned(), unit: "line", number: broken.line + skip as u64, what, hint }
}

fn csv_error(file: &Path, skip: usize, error: csv::Error) -> FileError {
    let number = error.position().map_or(0, csv::Position::line) + skip as u64;
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let cells = if *len == 1 { "cell" } else { "cells" };
            let what = format!("it has {len} {cells}, the header {expected_len}");
            let hint = Some(
                "a cell that holds the separator stands in quotes; one that is empty still has its separator",
            );
            return FileError::Line { file: file.to_owned(), unit: "line", number, what, hint };
        }
        csv::ErrorKind::Utf8 { err, .. } => format!("cell {} is not UTF-8", err.field() + 1),
        _ => {
            return match error.into_kind() {
                csv::ErrorKind::Io(source) => FileError::Read { file: file.to_owned(), source },
                other => FileError::Header { file: file.to_owned(), what: format!("{other:?}") },
            };
        }
    };
    wrong_line(file, number, what)
}
