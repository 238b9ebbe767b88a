//! Comparing what the tables hold, and how far the sequences are.

use std::collections::BTreeMap;

use super::survey::{LARGE_OBJECTS, Sequence, Survey, Table};
use super::verdict::{Check, Status, named};

/// Number of rows and sum of their hashes, table by table.
pub(super) fn tables(from: &Survey, to: &Survey) -> Vec<Check> {
    let new: BTreeMap<&str, &Table> = to.tables.iter().map(|t| (t.name.as_str(), t)).collect();
    let (mut counts, mut sums) = (Vec::new(), Vec::new());
    let mut rows = 0;
    let mut compared = 0;
    for was in &from.tables {
        let Some(is) = new.get(was.name.as_str()) else {
            counts.push(format!("{}: missing", was.name));
            continue;
        };
        let (Some((old_rows, old_sum)), Some((new_rows, new_sum))) = (was.sum, is.sum) else { continue };
        compared += 1;
        rows += old_rows;
        if old_rows != new_rows {
            counts.push(format!("{}: {old_rows} → {new_rows}", was.name));
        } else if old_sum != new_sum {
            sums.push(was.name.clone());
        }
    }
    let unread = |side: &Survey| -> Vec<String> {
        // Hosts let nobody read large objects: that is told where what is hidden is.
        let tables = side.tables.iter().filter(|table| table.sum.is_none() && table.name != LARGE_OBJECTS);
        tables.map(|table| format!("{} at {}", table.name, side.place)).collect()
    };
    let unread = [unread(from), unread(to)].concat();
    let told = |wrong: &[String], right: String, what: &str| {
        if wrong.is_empty() {
            right
        } else {
            let noun = if wrong.len() == 1 { "table" } else { "tables" };
            format!("{} {noun} {what}: {}", wrong.len(), named(wrong))
        }
    };
    let fails = |wrong: &[String]| if wrong.is_empty() { Status::Ok } else { Status::Fail };
    let again = "stop all writers, copy these tables again, and run this check again";
    vec![
        // What cannot be read has not been shown to be the same.
        Check::new(
            "tables read",
            fails(&unread),
            told(&unread, format!("{compared} tables on both sides"), "that the role may not read"),
        )
        .hint("GRANT USAGE on the schema and SELECT on the table, or leave the schema out with --schema")
        .details(unread),
        Check::new(
            "row counts",
            fails(&counts),
            told(&counts, format!("{rows} rows in {compared} tables"), "with another number of rows"),
        )
        .hint(again)
        .details(counts),
        Check::new(
            "row checksums",
            fails(&sums),
            told(&sums, format!("equal in {compared} tables"), "with as many rows and other content"),
        )
        .hint(again)
        .details(sums),
    ]
}

/// Whether the next value of every sequence is still free.
pub(super) fn sequences(from: &Survey, to: &Survey) -> Check {
    let old: BTreeMap<(&str, Option<&str>), &Sequence> =
        from.sequences.iter().map(|s| ((s.name.as_str(), s.column.as_deref()), s)).collect();
    let mut status = Status::Ok;
    let mut behind = Vec::new();
    let mut details = Vec::new();
    for is in &to.sequences {
        let was = old.get(&(is.name.as_str(), is.column.as_deref()));
        let (worth, why) = judge(was.copied(), is);
        if let Some(why) = why {
            status = status.max(worth);
            details.push(format!("{}: {why}", is.name));
            behind.push(is.name.clone());
        }
    }
    let found = if behind.is_empty() {
        format!("{} not behind their columns", to.sequences.len())
    } else {
        format!("{} of {}: {}", behind.len(), to.sequences.len(), named(&details))
    };
    Check::new("sequences against max(column)", status, found)
        .hint("SELECT setval('schema.sequence', (SELECT max(column) FROM schema.table)); logical replication does not carry sequences")
        .details(details)
}

fn judge(was: Option<&Sequence>, is: &Sequence) -> (Status, Option<String>) {
    if !is.readable {
        return (Status::Fail, Some("the role may not read it".to_owned()));
    }
    let told = is.last.map_or_else(|| "no value given out".to_owned(), |last| format!("at {last}"));
    if let (Some(furthest), Some(column)) = (is.furthest, &is.column)
        && lags(is, furthest)
    {
        let why = format!("{told}, but {column} has {furthest}");
        return if was.is_some_and(|was| was.last == is.last && was.readable) {
            (Status::Warn, Some(format!("{why}, as it was before the move")))
        } else {
            (Status::Fail, Some(why))
        };
    }
    match was.and_then(|was| was.last) {
        Some(last) if lags(is, last) => (
            Status::Warn,
            Some(format!("{told}, was at {last}: numbers given out before may be given out again")),
        ),
        _ => (Status::Ok, None),
    }
}

/// Whether a sequence has not yet come to a value.
fn lags(sequence: &Sequence, value: i128) -> bool {
    match sequence.last {
        // One that was never used starts beyond whatever is on its other side.
        None if sequence.descending => value < 0,
        None => value > 0,
        Some(last) if sequence.descending => last > value,
        Some(last) => last < value,
    }
}
