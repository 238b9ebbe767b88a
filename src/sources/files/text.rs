//! Text without a header: edges between numbers in blocks, what follows the last of them line by line.

use std::path::Path;

use polars::prelude::Column;

use super::columns::{instants, timestamp, weight};
use super::lines::{Lines, Text, wrong_line};
use super::lists::{EdgeList, not_listed};
use super::numbers::{self, Numbers};
use super::{FileError, FileRead, Ids};
use crate::context::{Step, TICK_EVERY};
use crate::snapshot::tables::{TIMESTAMP, WEIGHT};

/// `src dst [weight [timestamp]]` to a line.
pub(super) fn edges(
    mut text: Text,
    path: &Path,
    skip: usize,
    ids: &mut Ids,
    step: &Step,
) -> Result<(EdgeList, FileRead), FileError> {
    // Which line names a node that is not listed is known where lines are read one by one.
    let numbers = if ids.closed { Numbers::after(skip) } else { Numbers::read(&mut text, path, skip, step)? };
    let Numbers { mut ends, mut weights, mut times, lines, .. } = numbers;
    numbers::name(&mut ends, ids)
        .ok_or_else(|| wrong_line(path, lines, "more nodes than 32-bit ids can name".into()))?;
    let mut list = EdgeList { ends, ..EdgeList::default() };
    let mut lines = Lines::of(text, path, lines as usize);
    while let Some((number, line)) = lines.next()? {
        let mut words = line.split_ascii_whitespace();
        let (Some(src), Some(dst)) = (words.next(), words.next()) else {
            let hint = line.contains(',').then_some(
                "a table with a header is known by `.csv` in the file's name, or in a stream by `src` and `dst` in the header; \
                 `--src COLUMN --dst COLUMN` name others",
            );
            let what = "an edge needs two ids".into();
            return Err(FileError::Line { file: path.into(), unit: "line", number, what, hint });
        };
        let wrong = |what| wrong_line(path, number, what);
        let (weight_word, time_word) = (words.next(), words.next());
        if words.next().is_some() {
            let hint = "`--layout adjacency` reads `v n1 n2 …`, `--skip-lines 1` passes over a header";
            let what = "more than `src dst [weight [timestamp]]`".into();
            return Err(FileError::Line { file: path.into(), unit: "line", number, what, hint: Some(hint) });
        }
        let end =
            |ids: &mut Ids, id: &str| ids.number(id).ok_or_else(|| not_listed(path, "line", number, id));
        let row = list.ends.len();
        list.ends.push((end(ids, src)?, end(ids, dst)?));
        // Columns that no line fills are not made; the first that is filled finds all before it missing.
        if let Some(word) = weight_word {
            weights.resize(row, None);
            weights.push(Some(weight(word).map_err(wrong)?));
        }
        if let Some(word) = time_word {
            times.resize(row, None);
            times.push(Some(timestamp(word).map_err(wrong)?));
        }
        if (row as u64).is_multiple_of(TICK_EVERY) {
            step.tick(row as u64, None)?;
        }
    }
    if !weights.is_empty() {
        weights.resize(list.ends.len(), None);
        list.properties.push(Column::new(WEIGHT.into(), weights));
    }
    if !times.is_empty() {
        times.resize(list.ends.len(), None);
        list.properties.push(instants(TIMESTAMP, times));
    }
    Ok((list, lines.finish()?))
}

/// `v n1 n2 …` to a line.
pub(super) fn adjacency(
    text: Text,
    path: &Path,
    skip: usize,
    ids: &mut Ids,
    step: &Step,
) -> Result<(EdgeList, FileRead), FileError> {
    let mut lines = Lines::of(text, path, skip);
    let mut list = EdgeList::default();
    while let Some((number, line)) = lines.next()? {
        let mut src = None;
        for id in line.split_ascii_whitespace() {
            let id = ids.number(id).ok_or_else(|| not_listed(path, "line", number, id))?;
            match src {
                None => src = Some(id),
                Some(src) => list.ends.push((src, id)),
            }
        }
        if number.is_multiple_of(TICK_EVERY) {
            step.tick(list.ends.len() as u64, None)?;
        }
    }
    Ok((list, lines.finish()?))
}
