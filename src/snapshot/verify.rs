//! The proof that a snapshot is whole: bytes, rows, types, ids, ends and order.

use std::fmt;
use std::path::Path;

use polars::prelude::DataFrame;
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::manifest::{MANIFEST, Manifest, TableFile, columns, hex};
use super::memory;
use super::order::{EdgeOrder, NodeOrder};
use super::read::decode;
use super::stream::Batches;
use super::tables::{Clock, Tables, UID};
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
/// edges, canonical order, counts. O(nodes log nodes + edges) time; memory holds a batch of rows and, where there are
/// several labels, all uids.
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
        problems = check_rows(dir, &manifest, cx)?;
    }
    Ok(Verification { manifest: Some(manifest), files: total + 1, problems })
}

/// The first of these files of a snapshot whose bytes are not those that were written.
///
/// # Errors
///
/// When somebody asked to stop.
pub fn damage<'a>(
    dir: &Path,
    files: impl Iterator<Item = &'a TableFile>,
    cx: &Context,
) -> Result<Option<Problem>, SnapshotError> {
    let step = cx.step("verify snapshot", None);
    for (file, done) in files.zip(0..) {
        step.tick(done, None)?;
        if let Err(what) = check_bytes(dir, file) {
            return Ok(Some(Problem { place: file.file.clone(), what }));
        }
    }
    Ok(None)
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

pub(super) struct HashWriter<'a>(pub &'a mut Sha256);

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

fn check_rows(dir: &Path, manifest: &Manifest, cx: &Context) -> Result<Vec<Problem>, SnapshotError> {
    let mut problems = Vec::new();
    match look_at_rows(dir, manifest, &mut problems, cx) {
        Err(SnapshotError::Decode { file, source }) => {
            let place = file.strip_prefix(dir).unwrap_or(&file).display().to_string();
            problems.push(Problem { place, what: format!("cannot be decoded: {source}") });
        }
        looked => looked?,
    }
    Ok(problems)
}

/// Looks at every row, a batch at a time; of several labels the uids are held together.
fn look_at_rows(
    dir: &Path,
    manifest: &Manifest,
    problems: &mut Vec<Problem>,
    cx: &Context,
) -> Result<(), SnapshotError> {
    let step = cx.step("verify rows", Some(manifest.node_count.saturating_add(manifest.edge_count)));
    let mut seen = 0;
    let mut each = |file: &TableFile,
                    problems: &mut Vec<Problem>,
                    look: &mut dyn FnMut(DataFrame) -> Vec<String>|
     -> Result<u64, SnapshotError> {
        let mut rows = 0;
        let mut found = Vec::new();
        for batch in Batches::open(dir, file)? {
            let batch = batch?;
            if found.is_empty() {
                found.extend(strange_columns(file, &batch));
            }
            rows += batch.height() as u64;
            seen += batch.height() as u64;
            found.extend(look(batch));
            step.tick(seen, None)?;
        }
        found.extend(wrong_height(file, rows));
        problems.extend(found.into_iter().map(|what| Problem { place: file.file.clone(), what }));
        Ok(rows)
    };
    let needs_nodes = manifest.nodes.len() > 1 || !manifest.memory.is_empty();
    let (mut order, mut business) = (NodeOrder::default(), Tables::default());
    for (label, file) in &manifest.nodes {
        order.label();
        let mut uids: Option<DataFrame> = None;
        each(file, problems, &mut |batch| {
            let found = order.problems(&batch);
            if let (true, Ok(batch)) = (needs_nodes, batch.select([UID])) {
                match &mut uids {
                    Some(uids) => _ = uids.vstack_mut_owned(batch).expect("one column of one file"),
                    None => uids = Some(batch),
                }
            }
            found
        })?;
        business.nodes.extend(uids.map(|uids| (label.clone(), uids)));
    }
    if let Some(Problem { place, what }) = shared_uid(&business) {
        problems.push(Problem { place: manifest.nodes[&place].file.clone(), what });
    }
    let (mut edges, mut clock) = (0, Clock::default());
    for (relation, file) in &manifest.edges {
        let mut order = EdgeOrder::between(order.count);
        let mut is_told = false;
        edges += each(file, problems, &mut |batch| {
            clock.see(relation, &batch);
            // What comes after a row out of place is no news.
            let found = if is_told { None } else { order.check(&batch).err() };
            is_told |= found.is_some();
            found.into_iter().collect()
        })?;
    }
    for file in manifest.tables.values().chain(manifest.raw.values()) {
        each(file, problems, &mut |_| vec![])?;
    }
    look_at_memory(dir, manifest, &business, problems)?;
    let mut said = |what: &str, found: String, manifest: String| {
        if found != manifest {
            let what = format!("says {manifest} {what}, the tables hold {found}");
            problems.push(Problem { place: MANIFEST.into(), what });
        }
    };
    said("nodes", order.count.to_string(), manifest.node_count.to_string());
    said("edges", edges.to_string(), manifest.edge_count.to_string());
    let clock = clock.at().and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    let shown = |at: Option<jiff::Timestamp>| at.map_or("nothing".to_owned(), |at| at.to_string());
    said("as its clock", shown(clock), shown(manifest.as_of));
    Ok(())
}

fn look_at_memory(
    dir: &Path,
    manifest: &Manifest,
    business: &Tables,
    problems: &mut Vec<Problem>,
) -> Result<(), SnapshotError> {
    for files in manifest.memory.values() {
        let memory = files.assembled(&mut |file| {
            let frame = decode(dir, file)?;
            let what = misfit(file, &frame);
            problems.extend(what.map(|what| Problem { place: file.file.clone(), what }));
            Ok(frame)
        })?;
        for problem in problems_of(&memory.tables) {
            let file = files.nodes.get(&problem.place).or_else(|| files.edges.get(&problem.place));
            let place = file.map_or(problem.place, |f| f.file.clone());
            problems.push(Problem { place, what: problem.what });
        }
        problems.extend(memory::problem(business, &memory, files));
        let counts = (memory.tables.node_count() as u64, memory.tables.edge_count() as u64);
        if counts != (files.node_count, files.edge_count) {
            let what = format!(
                "says {} nodes and {} edges of a memory graph, the tables hold {} and {}",
                files.node_count, files.edge_count, counts.0, counts.1
            );
            problems.push(Problem { place: MANIFEST.into(), what });
        }
    }
    Ok(())
}

/// How a decoded frame differs from what the manifest says of its file.
pub(super) fn misfit(file: &TableFile, frame: &DataFrame) -> Option<String> {
    wrong_height(file, frame.height() as u64).or_else(|| strange_columns(file, frame))
}

/// How many rows a file has where they are not as many as the manifest says.
pub(super) fn wrong_height(file: &TableFile, rows: u64) -> Option<String> {
    (rows != file.rows).then(|| format!("has {rows} rows, the manifest says {}", file.rows))
}

/// How the columns of rows differ from what the manifest says of their file.
pub(super) fn strange_columns(file: &TableFile, frame: &DataFrame) -> Option<String> {
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
    let mut order = NodeOrder::default();
    for (label, frame) in &tables.nodes {
        order.label();
        let found = order.problems(frame).into_iter();
        problems.extend(found.map(|what| Problem { place: label.clone(), what }));
    }
    problems.extend(shared_uid(tables));
    for (relation, frame) in &tables.edges {
        if let Err(what) = EdgeOrder::between(order.count).check(frame) {
            problems.push(Problem { place: relation.clone(), what });
        }
    }
    problems
}

/// A uid that nodes of two labels share; within a label the order already shows it.
pub(super) fn shared_uid(tables: &Tables) -> Option<Problem> {
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
