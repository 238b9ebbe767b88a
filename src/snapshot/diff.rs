//! What became of a graph between two snapshots.
//!
//! Nodes are the same by label and `uid`; edges by relation, the `uid`s of their ends and, where both snapshots have it,
//! the message `mid` that tells parallel edges apart. Other parallel edges are nothing by themselves: as many of them as
//! are equal stayed, the others changed in order, and what is left over was added or removed.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use polars::prelude::{
    BooleanChunked, ChunkCompareEq, Column, DataFrame, DataType, IdxCa, IdxSize, NamedFrom, PolarsResult,
    Series, polars_err,
};

use super::SnapshotError;
use super::tables::{DST, NODE, SRC, Tables, UID, compare_cells};
use crate::context::Context;

/// What tells parallel edges of one relation apart.
const MID: &str = "mid";

/// Two snapshots held against each other.
#[derive(Debug)]
pub struct Diff {
    /// Label or relation by row: `kind, name, before, after, added, removed, changed`.
    pub elements: DataFrame,
    /// Property that moved by row: `kind, name, property, changed, set, unset, mean_before, mean_after, largest`.
    ///
    /// `changed` counts other values, `set` values where there was none, `unset` the reverse; the means are over those
    /// that have a number both times, `largest` is the largest change of one of them, with its sign.
    pub properties: DataFrame,
    /// The nodes whose numbers moved most, by property: `label, property, uid, before, after, change`.
    pub movers: DataFrame,
    /// Node that is not as it was by row: `label, uid, change`, which is `added`, `removed` or `changed`.
    pub nodes: DataFrame,
    /// Edge that is not as it was by row: `relation, src, dst, change`, the ends by `uid`.
    pub edges: DataFrame,
}

/// Holds `after` against `before`, with the `top` largest movements of every property.
///
/// O(n + m log m); holds the row numbers of both beside them.
///
/// # Errors
///
/// When a column is not what its name promises, or the run is cancelled.
pub fn diff(before: &Tables, after: &Tables, top: usize, cx: &Context) -> Result<Diff, SnapshotError> {
    let names = |a: &Tables, b: &Tables| -> [BTreeSet<String>; 2] {
        [
            a.nodes.keys().chain(b.nodes.keys()).cloned().collect(),
            a.edges.keys().chain(b.edges.keys()).cloned().collect(),
        ]
    };
    let [labels, relations] = names(before, after);
    let step = cx.step("compare", Some((labels.len() + relations.len()) as u64));
    let (mut done, mut told) = (0, Told::default());
    let decode = SnapshotError::Compare;
    for label in &labels {
        let none = DataFrame::empty();
        let frames = [before, after].map(|side| side.nodes.get(label).unwrap_or(&none));
        let matched = same_nodes(frames).map_err(decode)?;
        told.element("node", label, frames, &matched, top).map_err(decode)?;
        done += 1;
        step.tick(done, None)?;
    }
    let ends = Ends::of(before, after).map_err(decode)?;
    for relation in &relations {
        let none = DataFrame::empty();
        let frames = [before, after].map(|side| side.edges.get(relation).unwrap_or(&none));
        let (keys, matched) = same_edges(frames, &ends).map_err(decode)?;
        told.ends = Some((&ends, keys));
        told.element("edge", relation, frames, &matched, top).map_err(decode)?;
        done += 1;
        step.tick(done, None)?;
    }
    told.finish().map_err(decode)
}

/// Rows that are the same thing in both, and those that are in one only.
#[derive(Default)]
struct Matched {
    /// Row before, row after.
    both: Vec<(IdxSize, IdxSize)>,
    removed: Vec<IdxSize>,
    added: Vec<IdxSize>,
}

/// Nodes of one label lie by `uid`: two sorted lists.
fn same_nodes(frames: [&DataFrame; 2]) -> PolarsResult<Matched> {
    let [a, b] = frames.map(uids);
    let (a, b) = (a?, b?);
    let (mut i, mut j, mut matched) = (0, 0, Matched::default());
    while i < a.len() || j < b.len() {
        let order = match (a.get(i), b.get(j)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        match order {
            Ordering::Less => matched.removed.push(i as IdxSize),
            Ordering::Greater => matched.added.push(j as IdxSize),
            Ordering::Equal => matched.both.push((i as IdxSize, j as IdxSize)),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    Ok(matched)
}

fn uids(frame: &DataFrame) -> PolarsResult<Vec<&str>> {
    if frame.height() == 0 {
        return Ok(Vec::new());
    }
    Ok(frame.column(UID)?.str()?.iter().map(Option::unwrap_or_default).collect())
}

/// One number for the node of a `uid` in both snapshots.
struct Ends<'a> {
    /// Dense node id → number.
    before: Vec<u32>,
    after: Vec<u32>,
    /// Number → `uid`.
    uids: Vec<&'a str>,
}

impl<'a> Ends<'a> {
    fn of(before: &'a Tables, after: &'a Tables) -> PolarsResult<Self> {
        let mut numbers = HashMap::<&str, u32>::new();
        let mut all = Vec::new();
        let mut side = |tables: &'a Tables| -> PolarsResult<Vec<u32>> {
            let mut by_node = Vec::with_capacity(tables.node_count());
            // Dense ids count up through the labels.
            for frame in tables.nodes.values() {
                for uid in uids(frame)? {
                    by_node.push(*numbers.entry(uid).or_insert_with(|| {
                        all.push(uid);
                        (all.len() - 1) as u32
                    }));
                }
            }
            Ok(by_node)
        };
        let (before, after) = (side(before)?, side(after)?);
        Ok(Self { before, after, uids: all })
    }
}

/// The ends of every row as numbers of [`Ends`], before and after.
type Keys = [Vec<u64>; 2];

fn same_edges(frames: [&DataFrame; 2], ends: &Ends<'_>) -> PolarsResult<(Keys, Matched)> {
    let keys = [keys(frames[0], &ends.before)?, keys(frames[1], &ends.after)?];
    let shared: Vec<&str> =
        names(frames[0]).filter(|name| names(frames[1]).any(|other| other == *name)).collect();
    let mid = shared.contains(&MID).then_some(MID);
    // The message first: two edges of different messages are never one that changed.
    let compared: Vec<&str> = mid.into_iter().chain(shared.into_iter().filter(|name| *name != MID)).collect();
    let columns: [Vec<&Column>; 2] = [columns(frames[0], &compared)?, columns(frames[1], &compared)?];
    let order = |side: usize| -> Vec<IdxSize> {
        let mut rows: Vec<IdxSize> = (0..keys[side].len() as IdxSize).collect();
        rows.sort_by(|&a, &b| {
            keys[side][a as usize]
                .cmp(&keys[side][b as usize])
                .then_with(|| compare_cells(&columns[side], a as usize, &columns[side], b as usize))
        });
        rows
    };
    let (before, after) = (order(0), order(1));
    let (mut at, mut matched) = ([0, 0], Matched::default());
    while at[0] < before.len() || at[1] < after.len() {
        let left = [&before[at[0]..], &after[at[1]..]];
        let next = |side: usize| left[side].first().map(|&row| keys[side][row as usize]);
        let key = next(0).into_iter().chain(next(1)).min().expect("one of the two lists goes on");
        let run = |side: usize| left[side].iter().take_while(|&&row| keys[side][row as usize] == key).count();
        let runs = [run(0), run(1)];
        parallel(&left[0][..runs[0]], &left[1][..runs[1]], &columns, mid.is_some(), &mut matched);
        at = [at[0] + runs[0], at[1] + runs[1]];
    }
    Ok((keys, matched))
}

/// Edges of one pair of ends, both lists in order of their columns.
fn parallel(a: &[IdxSize], b: &[IdxSize], columns: &[Vec<&Column>; 2], has_mid: bool, matched: &mut Matched) {
    let (mut i, mut j, mut left) = (0, 0, [Vec::new(), Vec::new()]);
    // With a message, the rows of one are the same edge; without, only rows that agree in everything are.
    let deciding = if has_mid { 1 } else { columns[0].len() };
    while i < a.len() && j < b.len() {
        let (before, after) = (&columns[0][..deciding], &columns[1][..deciding]);
        let order = compare_cells(before, a[i] as usize, after, b[j] as usize);
        match order {
            Ordering::Less => left[0].push(a[i]),
            Ordering::Greater => left[1].push(b[j]),
            Ordering::Equal => matched.both.push((a[i], b[j])),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    left[0].extend(&a[i..]);
    left[1].extend(&b[j..]);
    let changed = if has_mid { 0 } else { left[0].len().min(left[1].len()) };
    matched.both.extend(left[0].iter().copied().zip(left[1].iter().copied()).take(changed));
    matched.removed.extend(&left[0][changed..]);
    matched.added.extend(&left[1][changed..]);
}

fn keys(frame: &DataFrame, numbers: &[u32]) -> PolarsResult<Vec<u64>> {
    if frame.height() == 0 {
        return Ok(Vec::new());
    }
    let end = |name| -> PolarsResult<Vec<u32>> {
        let ids = frame.column(name)?.i64()?;
        let number = |(row, id): (usize, Option<i64>)| {
            let number = id.and_then(|id| numbers.get(usize::try_from(id).ok()?)).copied();
            number.ok_or_else(|| {
                let found = id.map_or("nothing".to_owned(), |id| id.to_string());
                polars_err!(OutOfBounds: "row {row} has {found} as `{name}`, outside the {} nodes", numbers.len())
            })
        };
        ids.iter().enumerate().map(number).collect()
    };
    let (src, dst) = (end(SRC)?, end(DST)?);
    Ok(src.into_iter().zip(dst).map(|(src, dst)| (u64::from(src) << 32) | u64::from(dst)).collect())
}

/// The properties of a table.
fn names(frame: &DataFrame) -> impl Iterator<Item = &str> {
    frame.columns().iter().map(|c| c.name().as_str()).filter(|name| ![NODE, UID, SRC, DST].contains(name))
}

fn columns<'a>(frame: &'a DataFrame, names: &[&str]) -> PolarsResult<Vec<&'a Column>> {
    names.iter().map(|name| frame.column(name)).collect()
}

/// What has been found so far, column by column.
#[derive(Default)]
struct Told<'a> {
    ends: Option<(&'a Ends<'a>, Keys)>,
    elements: Vec<(&'static str, String, [usize; 5])>,
    properties: Vec<Moved>,
    movers: Vec<(String, String, String, [f64; 2])>,
    nodes: Vec<(String, String, &'static str)>,
    edges: Vec<(String, [String; 2], &'static str)>,
}

/// What became of one property.
struct Moved {
    kind: &'static str,
    name: String,
    property: String,
    changed: usize,
    set: usize,
    unset: usize,
    means: Option<[f64; 2]>,
    largest: Option<f64>,
}

const ADDED: &str = "added";
const REMOVED: &str = "removed";
const CHANGED: &str = "changed";

impl Told<'_> {
    fn element(
        &mut self,
        kind: &'static str,
        name: &str,
        frames: [&DataFrame; 2],
        matched: &Matched,
        top: usize,
    ) -> PolarsResult<()> {
        let rows = [
            IdxCa::from_vec("row".into(), matched.both.iter().map(|pair| pair.0).collect()),
            IdxCa::from_vec("row".into(), matched.both.iter().map(|pair| pair.1).collect()),
        ];
        let mut differs = vec![false; matched.both.len()];
        let properties: BTreeSet<&str> = names(frames[0]).chain(names(frames[1])).collect();
        for property in properties {
            let side = |side: usize| match frames[side].column(property) {
                Ok(column) => column.as_materialized_series().take(&rows[side]),
                Err(_) => Ok(Series::full_null(property.into(), matched.both.len(), &DataType::Null)),
            };
            let [a, b] = [side(0)?, side(1)?];
            let unequal = unequal(&a, &b)?;
            let (had, has) = (a.is_not_null(), b.is_not_null());
            let mut moved = Moved {
                kind,
                name: name.to_owned(),
                property: property.to_owned(),
                changed: 0,
                set: 0,
                unset: 0,
                means: None,
                largest: None,
            };
            for (row, ((unequal, had), has)) in unequal.iter().zip(had.iter()).zip(has.iter()).enumerate() {
                if unequal != Some(true) {
                    continue;
                }
                differs[row] = true;
                match (had == Some(true), has == Some(true)) {
                    (true, false) => moved.unset += 1,
                    (false, true) => moved.set += 1,
                    _ => moved.changed += 1,
                }
            }
            if moved.changed + moved.set + moved.unset > 0 {
                self.numbers(&mut moved, &a, &b, frames[1], &matched.both, top)?;
                self.properties.push(moved);
            }
        }
        let changed: Vec<IdxSize> = matched
            .both
            .iter()
            .zip(&differs)
            .filter(|(_, differs)| **differs)
            .map(|(pair, _)| pair.1)
            .collect();
        let counts = [
            frames[0].height(),
            frames[1].height(),
            matched.added.len(),
            matched.removed.len(),
            changed.len(),
        ];
        self.elements.push((kind, name.to_owned(), counts));
        for (side, rows, what) in
            [(0, &matched.removed, REMOVED), (1, &matched.added, ADDED), (1, &changed, CHANGED)]
        {
            self.list(kind, name, frames[side], side, rows, what)?;
        }
        Ok(())
    }

    /// Means and largest movements, where both are numbers.
    fn numbers(
        &mut self,
        moved: &mut Moved,
        a: &Series,
        b: &Series,
        after: &DataFrame,
        both: &[(IdxSize, IdxSize)],
        top: usize,
    ) -> PolarsResult<()> {
        if !(is_number(a.dtype()) && is_number(b.dtype())) {
            return Ok(());
        }
        let [a, b] = [a.cast(&DataType::Float64)?, b.cast(&DataType::Float64)?];
        let (mut sums, mut n, mut movers) = ([0.0, 0.0], 0_u64, Vec::new());
        for (row, pair) in a.f64()?.iter().zip(b.f64()?.iter()).enumerate() {
            let (Some(a), Some(b)) = pair else { continue };
            (sums, n) = ([sums[0] + a, sums[1] + b], n + 1);
            if a.total_cmp(&b).is_ne() {
                movers.push((row, [a, b]));
            }
        }
        if n > 0 {
            moved.means = Some(sums.map(|sum| sum / n as f64));
        }
        // Rows of nodes lie by uid: a stable sort leaves ties in that order.
        let size = |of: &(usize, [f64; 2])| (of.1[1] - of.1[0]).abs();
        movers.sort_by(|x, y| size(y).total_cmp(&size(x)));
        moved.largest = movers.first().map(|(_, [a, b])| b - a);
        if moved.kind == "node" {
            let uids = uids(after)?;
            self.movers.extend(movers.into_iter().take(top).map(|(row, numbers)| {
                let uid = uids[both[row].1 as usize].to_owned();
                (moved.name.clone(), moved.property.clone(), uid, numbers)
            }));
        }
        Ok(())
    }

    fn list(
        &mut self,
        kind: &str,
        name: &str,
        frame: &DataFrame,
        side: usize,
        rows: &[IdxSize],
        what: &'static str,
    ) -> PolarsResult<()> {
        match &self.ends {
            Some((ends, keys)) if kind == "edge" => {
                let uid = |number: u64| ends.uids[(number & u64::from(u32::MAX)) as usize].to_owned();
                self.edges.extend(rows.iter().map(|&row| {
                    let key = keys[side][row as usize];
                    (name.to_owned(), [uid(key >> 32), uid(key)], what)
                }));
            }
            _ => {
                let uids = uids(frame)?;
                self.nodes
                    .extend(rows.iter().map(|&row| (name.to_owned(), uids[row as usize].to_owned(), what)));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> PolarsResult<Diff> {
        self.nodes.sort();
        self.edges.sort();
        let (of, moved) = (&self.elements, &self.properties);
        let counted = |at: usize| of.iter().map(move |e| e.2[at] as i64).collect::<Vec<_>>();
        let elements = frame(vec![
            text("kind", of.iter().map(|e| e.0)),
            text("name", of.iter().map(|e| e.1.as_str())),
            Column::new("before".into(), counted(0)),
            Column::new("after".into(), counted(1)),
            Column::new(ADDED.into(), counted(2)),
            Column::new(REMOVED.into(), counted(3)),
            Column::new(CHANGED.into(), counted(4)),
        ])?;
        let count = |name: &str, n: &dyn Fn(&Moved) -> usize| {
            Column::new(name.into(), moved.iter().map(|m| n(m) as i64).collect::<Vec<_>>())
        };
        let number = |name: &str, x: &dyn Fn(&Moved) -> Option<f64>| {
            Column::new(name.into(), moved.iter().map(x).collect::<Vec<_>>())
        };
        let properties = frame(vec![
            text("kind", moved.iter().map(|m| m.kind)),
            text("name", moved.iter().map(|m| m.name.as_str())),
            text("property", moved.iter().map(|m| m.property.as_str())),
            count(CHANGED, &|m| m.changed),
            count("set", &|m| m.set),
            count("unset", &|m| m.unset),
            number("mean_before", &|m| m.means.map(|means| means[0])),
            number("mean_after", &|m| m.means.map(|means| means[1])),
            number("largest", &|m| m.largest),
        ])?;
        let number = |name: &str, x: &dyn Fn([f64; 2]) -> f64| {
            Column::new(name.into(), self.movers.iter().map(|m| x(m.3)).collect::<Vec<_>>())
        };
        let movers = frame(vec![
            text("label", self.movers.iter().map(|m| m.0.as_str())),
            text("property", self.movers.iter().map(|m| m.1.as_str())),
            text(UID, self.movers.iter().map(|m| m.2.as_str())),
            number("before", &|[a, _]| a),
            number("after", &|[_, b]| b),
            number("change", &|[a, b]| b - a),
        ])?;
        let nodes = frame(vec![
            text("label", self.nodes.iter().map(|n| n.0.as_str())),
            text(UID, self.nodes.iter().map(|n| n.1.as_str())),
            text("change", self.nodes.iter().map(|n| n.2)),
        ])?;
        let edges = frame(vec![
            text("relation", self.edges.iter().map(|e| e.0.as_str())),
            text(SRC, self.edges.iter().map(|e| e.1[0].as_str())),
            text(DST, self.edges.iter().map(|e| e.1[1].as_str())),
            text("change", self.edges.iter().map(|e| e.2)),
        ])?;
        Ok(Diff { elements, properties, movers, nodes, edges })
    }
}

fn text<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

fn frame(columns: Vec<Column>) -> PolarsResult<DataFrame> {
    DataFrame::new(columns[0].len(), columns)
}

fn is_number(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Int64 | DataType::Float64)
}

/// Where two columns of one length differ; a value differs from none.
fn unequal(a: &Series, b: &Series) -> PolarsResult<BooleanChunked> {
    if a.dtype() == b.dtype() {
        return a.not_equal_missing(b);
    }
    if is_number(a.dtype()) && is_number(b.dtype()) {
        return a.cast(&DataType::Float64)?.not_equal_missing(&b.cast(&DataType::Float64)?);
    }
    // Of other types, or of none: the same only where both are missing.
    let either = &a.is_not_null() | &b.is_not_null();
    Ok(BooleanChunked::new("unequal".into(), either.iter().map(|e| e == Some(true)).collect::<Vec<bool>>()))
}
