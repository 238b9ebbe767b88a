//! The proof that a snapshot is whole: bytes, rows, types, ids, ends and order.

use std::fmt;
use std::path::Path;

use polars::prelude::DataFrame;
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::manifest::{MANIFEST, Manifest, TableFile, columns, hex};
use super::memory;
use super::read::{assembled, decode};
use super::tables::{self, DST, LABELS, NODE, SRC, Tables, UID, as_of};
use crate::context::{Context, regular};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File below the snapshot folder, or label or relation of tables in memory.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What verifying a snapshot found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// The manifest, where it could be read.
    pub manifest: Option<Manifest>,
    /// Files looked at.
    pub files: usize,
    /// All that is wrong; empty: the snapshot is whole.
    pub problems: Vec<Problem>,
}

/// Looks at every byte of a snapshot: checksums, sizes, rows, columns and their types, dense ids, unique uids, ends of
/// edges, canonical order, counts. O(nodes log nodes + edges).
///
/// # Errors
///
/// When `dir` is no snapshot at all. What is wrong with a snapshot is no error but the answer.
pub fn verify(dir: &Path, cx: &Context) -> Result<Verification, SnapshotError> {
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(SnapshotError::Manifest { source, .. }) => {
            let problem = Problem { place: MANIFEST.into(), what: format!("cannot be read: {source}") };
            return Ok(Verification { manifest: None, files: 1, problems: vec![problem] });
        }
        Err(other) => return Err(other),
    };
    let mut problems = Vec::new();
    let total = manifest.files().count();
    let step = cx.step("verify snapshot", Some(total as u64));
    for (done, file) in manifest.files().enumerate() {
        if let Err(what) = check_bytes(dir, file) {
            problems.push(Problem { place: file.file.clone(), what });
        }
        step.tick(done as u64 + 1, None)?;
    }
    problems.extend(strangers(dir, &manifest));
    // Rows of files that are not the ones written would only repeat what is said already.
    if problems.is_empty() {
        problems = check_rows(dir, &manifest)?;
    }
    Ok(Verification { manifest: Some(manifest), files: total + 1, problems })
}

fn check_bytes(dir: &Path, file: &TableFile) -> Result<(), String> {
    let path = file.path(dir).ok_or("the manifest points out of the snapshot folder")?;
    regular(&path).map_err(|error| error.to_string())?;
    let mut input = std::fs::File::open(&path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut hash = Sha256::new();
    let bytes =
        std::io::copy(&mut input, &mut HashWriter(&mut hash)).map_err(|e| format!("cannot be read: {e}"))?;
    differs(file, bytes, &hash.finalize()).map_or(Ok(()), Err)
}

/// How a file of this size and SHA-256 differs from the one that was written.
pub(super) fn differs(file: &TableFile, bytes: u64, sha256: &[u8]) -> Option<String> {
    if bytes != file.bytes {
        return Some(format!("has {bytes} bytes, the manifest says {}", file.bytes));
    }
    let sha256 = hex(sha256);
    (sha256 != file.sha256).then(|| format!("has the SHA-256 {sha256}, the manifest says {}", file.sha256))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Files among the tables that the manifest does not know.
fn strangers(dir: &Path, manifest: &Manifest) -> Vec<Problem> {
    let mut found = Vec::new();
    for folder in ["nodes", "edges", "tables"] {
        let Ok(entries) = std::fs::read_dir(dir.join(folder)) else { continue };
        for entry in entries.flatten() {
            let place = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !manifest.files().any(|f| f.file == place) {
                found.push(Problem { place, what: "is not in the manifest".into() });
            }
        }
    }
    let mut open = vec![memory::FOLDER.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(dir.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let place = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                open.push(place);
            } else if !manifest.files().any(|f| f.file == place) {
                found.push(Problem { place, what: "is not in the manifest".into() });
            }
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

fn check_rows(dir: &Path, manifest: &Manifest) -> Result<Vec<Problem>, SnapshotError> {
    let mut problems = Vec::new();
    let mut check = |file: &TableFile| -> Result<DataFrame, SnapshotError> {
        let frame = decode(dir, file)?;
        if let Some(what) = misfit(file, &frame) {
            problems.push(Problem { place: file.file.clone(), what });
        }
        Ok(frame)
    };
    let all = assembled(manifest, &mut check).and_then(|tables| {
        let graphs = manifest.memory.values().map(|files| Ok((files, files.assembled(&mut check)?)));
        Ok((tables, graphs.collect::<Result<Vec<_>, SnapshotError>>()?))
    });
    let (tables, graphs) = match all {
        Ok(all) => all,
        Err(SnapshotError::Decode { file, source }) => {
            let place = file.strip_prefix(dir).unwrap_or(&file).display().to_string();
            problems.push(Problem { place, what: format!("cannot be decoded: {source}") });
            return Ok(problems);
        }
        Err(other) => return Err(other),
    };
    for problem in problems_of(&tables) {
        let file = manifest.nodes.get(&problem.place).or_else(|| manifest.edges.get(&problem.place));
        let place = file.map_or(problem.place, |f| f.file.clone());
        problems.push(Problem { place, what: problem.what });
    }
    for (files, memory) in &graphs {
        for problem in problems_of(&memory.tables) {
            let file = files.nodes.get(&problem.place).or_else(|| files.edges.get(&problem.place));
            let place = file.map_or(problem.place, |f| f.file.clone());
            problems.push(Problem { place, what: problem.what });
        }
        problems.extend(memory::problem(&tables, memory, files));
        let counts = (memory.tables.node_count() as u64, memory.tables.edge_count() as u64);
        if counts != (files.node_count, files.edge_count) {
            let what = format!(
                "says {} nodes and {} edges of a memory graph, the tables hold {} and {}",
                files.node_count, files.edge_count, counts.0, counts.1
            );
            problems.push(Problem { place: MANIFEST.into(), what });
        }
    }
    let said = |what: &str, found: String, manifest: String| {
        (found != manifest).then(|| Problem {
            place: MANIFEST.into(),
            what: format!("says {manifest} {what}, the tables hold {found}"),
        })
    };
    problems.extend(said("nodes", tables.node_count().to_string(), manifest.node_count.to_string()));
    problems.extend(said("edges", tables.edge_count().to_string(), manifest.edge_count.to_string()));
    let clock = as_of(tables.edges.iter().map(|(r, f)| (r.as_str(), f)));
    let clock = clock.and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    let shown = |at: Option<jiff::Timestamp>| at.map_or("nothing".to_owned(), |at| at.to_string());
    problems.extend(said("as its clock", shown(clock), shown(manifest.as_of)));
    Ok(problems)
}

/// How a decoded frame differs from what the manifest says of its file.
pub(super) fn misfit(file: &TableFile, frame: &DataFrame) -> Option<String> {
    if frame.height() as u64 != file.rows {
        return Some(format!("has {} rows, the manifest says {}", frame.height(), file.rows));
    }
    let found = columns(frame);
    if let Some(column) = found.iter().find(|c| c.dtype.contains('<')) {
        return Some(format!("column `{}` is at rest as {}", column.name, column.dtype));
    }
    (found != file.columns).then(|| {
        let listed = |columns: &[super::manifest::ColumnType]| {
            columns.iter().map(|c| format!("{} {}", c.name, c.dtype)).collect::<Vec<_>>().join(", ")
        };
        format!("has the columns {}, the manifest says {}", listed(&found), listed(&file.columns))
    })
}

/// What keeps tables from being a graph in canonical order; at most one problem per table and check.
pub fn problems_of(tables: &Tables) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut start = 0;
    for (label, frame) in &tables.nodes {
        let mut found = |result: Result<(), String>| {
            problems.extend(result.err().map(|what| Problem { place: label.clone(), what }));
        };
        found(check_ids(frame, start));
        found(check_uids(frame));
        found(frame.column("name").map(|_| ()).map_err(|_| "has no column `name`".to_owned()));
        if let Ok(labels) = frame.column(LABELS) {
            found(labels.list().map(|_| ()).map_err(|_| "column `labels` is no list".to_owned()));
        }
        start += frame.height();
    }
    problems.extend(shared_uid(tables));
    for (relation, frame) in &tables.edges {
        if let Err(what) = check_edges(frame, start) {
            problems.push(Problem { place: relation.clone(), what });
        }
    }
    problems
}

fn check_ids(frame: &DataFrame, start: usize) -> Result<(), String> {
    let ids =
        frame.column(NODE).and_then(|c| c.i64()).map_err(|_| format!("has no Int64 column `{NODE}`"))?;
    match ids.iter().zip(start as i64..).position(|(id, expected)| id != Some(expected)) {
        Some(row) => Err(format!("row {row} has not the node id {}", start + row)),
        None => Ok(()),
    }
}

fn check_uids(frame: &DataFrame) -> Result<(), String> {
    let uids = frame.column(UID).and_then(|c| c.str()).map_err(|_| format!("has no text column `{UID}`"))?;
    let mut before = None;
    for (row, uid) in uids.iter().enumerate() {
        match uid {
            None => return Err(format!("row {row} has no uid")),
            Some(uid) if row > 0 && Some(uid) <= before => {
                let why = if Some(uid) == before { "a second time" } else { "out of byte order" };
                return Err(format!("row {row} has the uid `{uid}` {why}"));
            }
            uid => before = uid,
        }
    }
    Ok(())
}

/// A uid that nodes of two labels share; within a label the order already shows it.
fn shared_uid(tables: &Tables) -> Option<Problem> {
    let mut uids: Vec<(&str, &str)> = Vec::with_capacity(tables.node_count());
    for (label, frame) in &tables.nodes {
        let column = frame.column(UID).ok()?.str().ok()?;
        uids.extend(column.iter().flatten().map(|uid| (uid, label.as_str())));
    }
    uids.sort_unstable();
    uids.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1).map(|pair| Problem {
        place: pair[1].1.to_owned(),
        what: format!("has the uid `{}`, which `{}` has too", pair[1].0, pair[0].1),
    })
}

fn check_edges(frame: &DataFrame, nodes: usize) -> Result<(), String> {
    let ends = |name: &str| {
        let column =
            frame.column(name).and_then(|c| c.i64()).map_err(|_| format!("has no Int64 column `{name}`"))?;
        for (row, id) in column.iter().enumerate() {
            if !id.is_some_and(|id| (0..nodes as i64).contains(&id)) {
                let found = id.map_or("nothing".to_owned(), |id| id.to_string());
                return Err(format!("row {row} has {found} as `{name}`, outside the {nodes} nodes"));
            }
        }
        Ok(column)
    };
    let (src, dst) = (ends(SRC)?, ends(DST)?);
    let properties = tables::properties(frame);
    let mut before = None;
    for (row, pair) in src.iter().zip(dst.iter()).enumerate() {
        let is_after = before.is_none_or(|before| before < pair)
            || (before == Some(pair) && tables::compare_rows(&properties, row - 1, row).is_le());
        if !is_after {
            return Err(format!("row {row} is out of order"));
        }
        before = Some(pair);
    }
    Ok(())
}
