//! Tables for the page: a few rows for people, the whole table at rest beside it.

use std::collections::HashMap;

use polars::prelude::{AnyValue, Column, DataFrame, DataType, TimeUnit};
use serde::Serialize;

use super::numbers;
use crate::snapshot::tables::{NAME, Tables, UID};

/// Display names by uid; a node without a name goes by its uid.
#[derive(Debug, Default)]
pub struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    /// The names of every node. `O(nodes)` time and memory.
    pub fn of(tables: &'a Tables) -> Self {
        let mut names = HashMap::with_capacity(tables.node_count());
        for frame in tables.nodes.values() {
            let (Some(uids), Some(texts)) = (texts(frame, UID), texts(frame, NAME)) else { continue };
            names.extend(uids.zip(texts).filter_map(|(uid, name)| Some((uid?, name?))));
        }
        Self(names)
    }

    /// The name to show for `uid`.
    pub fn show(&self, uid: &str) -> String {
        self.known(uid).unwrap_or_else(|| brief(uid).to_owned())
    }

    fn known(&self, uid: &str) -> Option<String> {
        self.0.get(uid).filter(|name| !name.trim().is_empty()).map(|name| brief(name).to_owned())
    }
}

/// A web address without its scheme, any other text as it is.
fn brief(text: &str) -> &str {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text)
}

/// A column of texts; `None` where it is missing or holds something else.
pub fn texts<'a>(frame: &'a DataFrame, column: &str) -> Option<impl Iterator<Item = Option<&'a str>>> {
    Some(frame.column(column).ok()?.str().ok()?.iter())
}

/// Some rows of a table, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// File stem below `tables/`.
    pub file: String,
    /// Heading for people.
    pub title: String,
    /// Column heads.
    pub columns: Vec<Head>,
    /// Cells, row by row.
    pub rows: Vec<Vec<Cell>>,
    /// Which rows these are, in words.
    pub note: String,
}

/// A column's head.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    /// In words.
    pub text: String,
    /// What the column means, where it was declared; else empty.
    pub meaning: String,
    /// How its cells are set: `n` as numbers, `t` as times, else as words.
    pub class: &'static str,
}

/// One cell.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// As shown.
    pub text: String,
    /// The uid behind a name, else empty.
    pub uid: String,
    /// Whether a word is so long that it may be broken anywhere.
    pub breaks: bool,
}

impl Cell {
    fn new(text: String, uid: String) -> Self {
        let breaks = text.split_whitespace().any(|word| word.chars().count() > 24);
        Self { text, uid, breaks }
    }
}

/// What to show of a frame.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// Row numbers in the order they are shown.
    pub rows: &'a [usize],
    /// How many of them at most.
    pub most: usize,
    /// What they are, in words: `people`.
    pub noun: &'a str,
    /// Columns to show, in the frame's order.
    pub columns: &'a dyn Fn(&str) -> bool,
    /// Prefix that columns share and no head needs: `influence`.
    pub family: &'a str,
    /// What a column means, where that is declared.
    pub meaning: &'a dyn Fn(&str) -> &'static str,
}

/// The rows a person sees. `O(rows shown · columns)` time.
pub fn view(frame: &DataFrame, file: String, title: &str, names: &Names<'_>, shape: Shape<'_>) -> View {
    let columns: Vec<&Column> = frame.columns().iter().filter(|c| (shape.columns)(c.name())).collect();
    // A uid is shown by its name; a column of names beside it would say the same twice.
    let named_by_row = frame.column(NAME).is_ok() && columns.iter().any(|c| c.name() == UID);
    let path_by_uids = columns.iter().any(|c| c.name() == "uids");
    let named_beside = |name: &str| name.strip_suffix("_name").is_some_and(|uid| frame.column(uid).is_ok());
    let said_twice = |name: &str| {
        (named_by_row && name == NAME) || (path_by_uids && name == "names") || named_beside(name)
    };
    let columns: Vec<&Column> = columns.into_iter().filter(|c| !said_twice(c.name())).collect();
    let (all, shown) = (shape.rows.len(), shape.rows.len().min(shape.most));
    let cells = |column: &Column| -> Vec<Cell> {
        let values: Vec<AnyValue<'_>> = shape.rows[..shown].iter().map(|&row| value(column, row)).collect();
        let write = numbers::aligned(values.iter().filter_map(AnyValue::extract::<f64>));
        let of_row = |(value, &row): (&AnyValue<'_>, &usize)| {
            let name = (named_by_row && column.name() == UID).then(|| text(frame, NAME, row)).flatten();
            match name.filter(|name| !name.trim().is_empty()) {
                Some(name) => Cell::new(name, text(frame, UID, row).unwrap_or_default()),
                None => cell(column.name(), value, names, &write),
            }
        };
        values.iter().zip(shape.rows).map(of_row).collect()
    };
    let mut by_column: Vec<_> = columns.iter().map(|c| cells(c).into_iter()).collect();
    View {
        file,
        title: title.to_owned(),
        columns: columns
            .iter()
            .map(|c| Head {
                text: heading(c.name(), shape.family),
                meaning: (shape.meaning)(c.name()).to_owned(),
                class: match c.dtype() {
                    DataType::Datetime(..) => "t",
                    other if other.is_primitive_numeric() => "n",
                    _ => "",
                },
            })
            .collect(),
        rows: (0..shown).map(|_| by_column.iter_mut().filter_map(Iterator::next).collect()).collect(),
        note: match all {
            0 => format!("no {}", shape.noun),
            1 => "the only one".to_owned(),
            _ if shown == all => format!("all {} {}", numbers::count(all as i64), shape.noun),
            _ => format!("{} of {} {}", numbers::count(shown as i64), numbers::count(all as i64), shape.noun),
        },
    }
}

/// Rows of `frame` whose `label` is `label`, largest `by` first.
pub fn ranked_of(frame: &DataFrame, by: &str, label: &str) -> Vec<usize> {
    let labels = texts(frame, "label").into_iter().flatten().enumerate();
    largest_first(frame, by, labels.filter(|(_, l)| *l == Some(label)).map(|(row, _)| row).collect())
}

/// Row numbers of `frame`, largest `by` first; equal values stay in the frame's own order. `O(rows · log rows)` time.
pub fn ranked(frame: &DataFrame, by: &str) -> Vec<usize> {
    largest_first(frame, by, (0..frame.height()).collect())
}

fn largest_first(frame: &DataFrame, by: &str, mut rows: Vec<usize>) -> Vec<usize> {
    if let Some(values) = floats(frame, by) {
        let at = |row: usize| values[row].filter(|v| !v.is_nan()).unwrap_or(f64::NEG_INFINITY);
        rows.sort_by(|&a, &b| at(b).total_cmp(&at(a)));
    }
    rows
}

/// A column as numbers; `None` where it is missing or not numeric.
pub fn floats(frame: &DataFrame, column: &str) -> Option<Vec<Option<f64>>> {
    let column = frame.column(column).ok()?;
    if !column.dtype().is_primitive_numeric() {
        return None;
    }
    Some(column.cast(&DataType::Float64).ok()?.f64().ok()?.iter().collect())
}

/// One number of a frame.
pub fn float(frame: &DataFrame, column: &str, row: usize) -> Option<f64> {
    frame.column(column).ok()?.get(row).ok()?.extract::<f64>()
}

/// One text of a frame.
pub fn text(frame: &DataFrame, column: &str, row: usize) -> Option<String> {
    Some(frame.column(column).ok()?.str().ok()?.get(row)?.to_owned())
}

/// One cell of a frame as a list of texts: of a list as it is, of a text as one.
pub fn list(frame: &DataFrame, column: &str, row: usize) -> Option<Vec<String>> {
    match value(frame.column(column).ok()?, row) {
        AnyValue::Null => None,
        AnyValue::List(items) => Some(items.iter().map(|v| exact(&v)).collect()),
        other => Some(vec![exact(&other)]),
    }
}

fn value(column: &Column, row: usize) -> AnyValue<'_> {
    column.get(row).unwrap_or(AnyValue::Null)
}

/// A column's name in words, without its family's prefix.
pub fn heading(name: &str, family: &str) -> String {
    let short = name.strip_prefix(family).and_then(|n| n.strip_prefix('_')).unwrap_or(name);
    let known = match short {
        "uid" => "Name",
        "uids" => "Path",
        "pagerank" => "PageRank",
        "r" => "Shares led to per share",
        "next" => "Led to",
        "generation" => "Steps from the root",
        "both" => "Attended both",
        "src" => "From",
        "dst" => "To",
        "cut_off" => "Nodes cut off",
        "event" => "Event",
        "other" => "Also attended",
        "n_event" => "Attended the event",
        "n_other" => "Attended the other",
        "rate_low" => "95\u{a0}% low",
        "rate_high" => "95\u{a0}% high",
        "rate_shrunk" => "Shrunk rate",
        "half_life_s" => "Half-life",
        "distance_m" => "Distance in m",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    capitalised(&short.strip_suffix("_s").unwrap_or(short).replace('_', " "))
}

/// Words that begin with a capital letter.
pub fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn is_share(name: &str) -> bool {
    ["rate", "share", "probability"].iter().any(|w| name.split('_').any(|part| part == *w))
}

/// One cell of the column `name`; `write` writes a plain number of it.
fn cell(name: &str, value: &AnyValue<'_>, names: &Names<'_>, write: &dyn Fn(f64) -> String) -> Cell {
    let plain = |text: String| Cell::new(text, String::new());
    let span = name.ends_with("_s");
    match value {
        AnyValue::Null => plain("–".to_owned()),
        AnyValue::Boolean(yes) => plain(if *yes { "yes" } else { "no" }.to_owned()),
        AnyValue::Int64(n) if !span => plain(numbers::count(*n)),
        AnyValue::Float64(x) if is_share(name) => plain(numbers::percent(*x)),
        AnyValue::Datetime(..) | AnyValue::DatetimeOwned(..) => {
            plain(instant(value).map_or_else(String::new, numbers::instant))
        }
        AnyValue::List(items) => {
            let items: Vec<String> = items.iter().map(|v| cell(name, &v, names, write).text).collect();
            plain(items.join(" → "))
        }
        AnyValue::String(s) => named(s, names),
        AnyValue::StringOwned(s) => named(s, names),
        other => match other.extract::<f64>() {
            Some(x) if span => plain(numbers::duration(x)),
            Some(x) => plain(write(x)),
            None => plain(other.to_string()),
        },
    }
}

fn named(text: &str, names: &Names<'_>) -> Cell {
    match names.known(text) {
        Some(name) => Cell::new(name, text.to_owned()),
        None if brief(text) != text => Cell::new(brief(text).to_owned(), text.to_owned()),
        None => Cell::new(text.to_owned(), String::new()),
    }
}

/// An instant in µs since 1970. (Polars itself cannot write one that has a time zone without its `timezones` feature.)
fn instant(value: &AnyValue<'_>) -> Option<i64> {
    let (AnyValue::Datetime(t, unit, _) | AnyValue::DatetimeOwned(t, unit, _)) = value else { return None };
    let t = *t;
    Some(match unit {
        TimeUnit::Nanoseconds => t / 1_000,
        TimeUnit::Microseconds => t,
        TimeUnit::Milliseconds => t.saturating_mul(1_000),
    })
}

/// A value exactly; null is empty.
fn exact(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(s) => (*s).to_owned(),
        AnyValue::StringOwned(s) => s.to_string(),
        AnyValue::Float64(x) => x.to_string(),
        AnyValue::Datetime(..) | AnyValue::DatetimeOwned(..) => {
            instant(value).map_or_else(String::new, numbers::exact_instant)
        }
        AnyValue::List(items) => items.iter().map(|v| exact(&v)).collect::<Vec<_>>().join(" > "),
        other => other.to_string(),
    }
}

/// The frame as CSV that a spreadsheet opens without running any of it: RFC 4180 with LF, and every text that a
/// spreadsheet would take for a formula begins with an apostrophe. Exact values are in the Parquet file beside it.
pub fn csv(frame: &DataFrame) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(frame.columns().iter().map(|c| c.name().as_str()))?;
    for row in 0..frame.height() {
        writer.write_record(frame.columns().iter().map(|c| {
            let text = exact(&value(c, row));
            if c.dtype().is_primitive_numeric() { text } else { defused(text) }
        }))?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}

fn defused(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    fn frame() -> DataFrame {
        df!("uid" => ["b", "a", "c"], "label" => ["Person", "Person", "Venue"], "x_rate" => [0.5, 0.25, f64::NAN])
            .expect("columns of one length")
    }

    #[test]
    fn rows_come_largest_first_and_a_label_picks_its_own() {
        let names = Names(HashMap::from([("b", "Bea")]));
        let shape = Shape {
            rows: &ranked_of(&frame(), "x_rate", "Person"),
            most: 1,
            noun: "people",
            columns: &|c| c != "label",
            family: "x",
            meaning: &|_| "",
        };
        let view = view(&frame(), "t".into(), "T", &names, shape);
        assert_eq!((view.rows[0][0].text.as_str(), view.rows[0][0].uid.as_str()), ("Bea", "b"));
        assert_eq!(view.rows[0][1].text, "50.0\u{a0}%");
        assert_eq!((view.columns[1].text.as_str(), view.note.as_str()), ("Rate", "1 of 2 people"));
    }

    #[test]
    fn a_formula_in_a_name_stays_text_in_a_spreadsheet_and_a_negative_number_a_number() {
        let frame = df!("name" => ["=1+1", "@x", "ok"], "n" => [-1i64, 2, 3]).expect("columns of one length");
        let bytes = csv(&frame).expect("written");
        assert_eq!(String::from_utf8(bytes).expect("text"), "name,n\n'=1+1,-1\n'@x,2\nok,3\n");
    }
}
