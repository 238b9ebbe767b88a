//! Tables → a snapshot folder, whole or not at all.
//!
//! A folder is written as `<dir>.partial` and renamed when it is complete. While it is written a lock is held in it, so
//! that a left-over of a process that was killed can be told from one that is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use polars::prelude::{
    Column, DataFrame, DataType, ParquetCompression, ParquetWriter, PolarsError, PolarsResult,
};
use sha2::{Digest, Sha256};

use super::manifest::{
    MANIFEST, Manifest, ManifestInput, RUN, Run, SCHEMA_VERSION, TableFile, columns, file_stems, hex,
};
use super::memory::{FOLDER, MENTIONS, Memory, MemoryFiles, wrong_mention};
use super::tables::mapped::is_cache;
use super::tables::{INSTANT, Tables, as_of, instants};
use super::{SnapshotError, verify};
use crate::context::{Context, leads_somewhere};

pub(super) const PARTIAL: &str = ".partial";
const REPLACED: &str = ".replaced";
pub(super) const LOCK: &str = ".writing";
/// What we put into a snapshot that its manifest does not name: `synth` its truth, a process that was killed its lock.
const BESIDE: [&str; 4] = [MANIFEST, RUN, "truth.json", LOCK];

/// Writes `tables` as the snapshot folder `dir` and answers with its manifest.
///
/// The same tables give the same bytes in every file but `run.json`. Left-overs of processes that were killed while
/// writing beside `dir` are cleaned away.
///
/// # Errors
///
/// When `dir` holds something that is not a snapshot, or a snapshot that may not be replaced; when the tables are no
/// graph in canonical order or hold a type that must not be at rest; when the disk refuses.
pub fn write(
    dir: &Path,
    tables: &Tables,
    input: &ManifestInput,
    cx: &Context,
) -> Result<Manifest, SnapshotError> {
    write_with(dir, tables, &BTreeMap::new(), input, cx)
}

/// [`write`], with the memory graphs `memory` by key.
///
/// # Errors
///
/// As [`write`]; also when a mention's end is no node.
pub fn write_with(
    dir: &Path,
    tables: &Tables,
    memory: &BTreeMap<String, Memory>,
    input: &ManifestInput,
    cx: &Context,
) -> Result<Manifest, SnapshotError> {
    check_target(dir, input.replace)?;
    // Through a link the folder is replaced, not the link.
    let dir = &fs_err::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let mentions = |memory: &Memory| {
        wrong_mention(tables, memory).map(|what| verify::Problem { place: MENTIONS.into(), what })
    };
    let problems =
        memory.values().flat_map(|m| verify::problems_of(&m.tables).into_iter().chain(mentions(m)));
    if let Some(problem) = verify::problems_of(tables).into_iter().chain(problems).next() {
        return Err(SnapshotError::NotWhole(problem));
    }
    let partial = Partial::begin(dir)?;
    let step = cx.step(
        "write snapshot",
        Some(
            memory.values().map(|m| m.tables.nodes.len() + m.tables.edges.len()).sum::<usize>() as u64
                + (tables.nodes.len() + tables.edges.len() + tables.companions.len()) as u64,
        ),
    );
    let mut done = 0;
    let mut folder = |name: &str, frames: &BTreeMap<String, DataFrame>| {
        fs_err::create_dir(partial.path.join(name)).map_err(SnapshotError::writing)?;
        let mut files = BTreeMap::new();
        for ((table, frame), stem) in frames.iter().zip(file_stems(frames.keys().map(String::as_str))) {
            let file = format!("{name}/{stem}.parquet");
            let frame = at_rest(table, frame)?;
            files.insert(table.clone(), write_table(&partial.path, file, frame)?);
            done += 1;
            step.tick(done, None)?;
        }
        Ok::<_, SnapshotError>(files)
    };
    let stems = file_stems(memory.keys().map(String::as_str));
    let mut remembered = BTreeMap::new();
    for ((graph, memory), stem) in memory.iter().zip(stems) {
        let place = format!("{FOLDER}/{stem}");
        fs_err::create_dir_all(partial.path.join(&place)).map_err(SnapshotError::writing)?;
        let mentions = at_rest(MENTIONS, &memory.mentions)?;
        let files = MemoryFiles {
            node_count: memory.tables.node_count() as u64,
            edge_count: memory.tables.edge_count() as u64,
            nodes: folder(&format!("{place}/nodes"), &memory.tables.nodes)?,
            edges: folder(&format!("{place}/edges"), &memory.tables.edges)?,
            mentions: write_table(&partial.path, format!("{place}/{MENTIONS}.parquet"), mentions)?,
        };
        remembered.insert(graph.clone(), files);
    }
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        sources: input.sources.clone(),
        options: input.options.clone(),
        undirected: tables.undirected,
        as_of: as_of(tables.edges.iter().map(|(r, f)| (r.as_str(), f)))
            .and_then(|at| Timestamp::from_microsecond(at).ok()),
        node_count: tables.node_count() as u64,
        edge_count: tables.edge_count() as u64,
        nodes: folder("nodes", &tables.nodes)?,
        edges: folder("edges", &tables.edges)?,
        tables: folder("tables", &tables.companions)?,
        memory: remembered,
    };
    write_json(&partial.path.join(MANIFEST), &manifest)?;
    let finished = Timestamp::now();
    let run = Run {
        run_id: format!("{}-{:08x}", finished.strftime("%Y%m%dT%H%M%SZ"), rand::random::<u32>()),
        started: input.started,
        finished,
        seconds: (finished - input.started).total(jiff::Unit::Second).unwrap_or(0.0),
        host: fs_err::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "unknown".into(), |h| h.trim().into()),
        positions: input.positions.clone(),
    };
    write_json(&partial.path.join(RUN), &run)?;
    partial.finish(dir, input.replace)?;
    Ok(manifest)
}

/// A frame as a Parquet file in memory: zstd, types at rest, the same bytes for the same frame.
pub fn parquet_bytes(frame: &DataFrame) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::new();
    encode(at_rest("table", frame)?, &mut bytes).map_err(SnapshotError::Encode)?;
    Ok(bytes)
}

/// The frame with every column in the one type that Spark, `DuckDB` and Python all read as it is meant.
fn at_rest(table: &str, frame: &DataFrame) -> Result<DataFrame, SnapshotError> {
    let cast = |column: &Column| {
        let kept = type_at_rest(column.dtype()).and_then(|dtype| match innermost(&dtype) {
            DataType::Datetime(..) => instants(column),
            _ => column.strict_cast(&dtype),
        });
        kept.map_err(|source| SnapshotError::Cast {
            table: table.to_owned(),
            column: column.name().to_string(),
            dtype: column.dtype().to_string(),
            source,
        })
    };
    let columns = frame.columns().iter().map(cast).collect::<Result<Vec<_>, _>>()?;
    let mut frame =
        DataFrame::new(frame.height(), columns).expect("a cast changes neither names nor heights");
    // How a frame came together must not show in the file.
    frame.rechunk_mut();
    Ok(frame)
}

fn type_at_rest(dtype: &DataType) -> PolarsResult<DataType> {
    Ok(match dtype {
        DataType::Boolean => DataType::Boolean,
        DataType::String | DataType::Null => DataType::String,
        DataType::Date => DataType::Date,
        DataType::Datetime(..) => INSTANT,
        DataType::List(inner) => DataType::List(Box::new(type_at_rest(inner)?)),
        dtype if dtype.is_integer() => DataType::Int64,
        dtype if dtype.is_float() => DataType::Float64,
        other => {
            let reason = format!(
                "{other} is none of Int64, Float64, Boolean, String, Datetime, Date or a list of these"
            );
            return Err(PolarsError::SchemaMismatch(reason.into()));
        }
    })
}

fn innermost(dtype: &DataType) -> &DataType {
    if let DataType::List(inner) = dtype { innermost(inner) } else { dtype }
}

fn encode(mut frame: DataFrame, out: impl Write) -> PolarsResult<u64> {
    ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None)).finish(&mut frame)
}

fn write_table(dir: &Path, file: String, frame: DataFrame) -> Result<TableFile, SnapshotError> {
    let (rows, columns) = (frame.height() as u64, columns(&frame));
    let target = fs_err::File::create(dir.join(&file)).map_err(SnapshotError::writing)?;
    let mut out = Hashing { inner: BufWriter::new(target), hash: Sha256::new(), bytes: 0, refused: None };
    let encoded = encode(frame, &mut out);
    // A full disk is no trouble of the table's.
    if let Some(refused) = out.refused.take() {
        return Err(SnapshotError::writing(refused));
    }
    encoded.map_err(SnapshotError::Encode)?;
    out.flush().map_err(SnapshotError::writing)?;
    out.inner.get_ref().sync_all().map_err(SnapshotError::writing)?;
    Ok(TableFile { file, rows, bytes: out.bytes, sha256: hex(&out.hash.finalize()), columns })
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), SnapshotError> {
    let mut text = serde_json::to_string_pretty(value).expect("names and numbers are always JSON");
    text.push('\n');
    let mut file = fs_err::File::create(path).map_err(SnapshotError::writing)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(SnapshotError::writing)
}

/// Hashes and counts what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
    /// Why the system took no more.
    refused: Option<io::Error>,
}

impl<W> Hashing<W> {
    fn note(&mut self, error: io::Error) -> io::Error {
        let told = io::Error::from(error.kind());
        self.refused = Some(error);
        told
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data).map_err(|error| self.note(error))?;
        self.hash.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| self.note(error))
    }
}

/// Refuses a target that is something else than a snapshot that may be replaced. Cheap, so that it can be asked before
/// anything is read.
pub fn check_target(dir: &Path, replace: bool) -> Result<(), SnapshotError> {
    leads_somewhere(dir).map_err(SnapshotError::writing)?;
    if dir.join(MANIFEST).is_file() {
        // Other programs have a `manifest.json` too, and what is theirs is never replaced.
        return match (ours(&dir.join(MANIFEST)), replace) {
            (true, true) => match foreign(dir).map_err(SnapshotError::writing)? {
                None => Ok(()),
                Some(name) => Err(SnapshotError::Foreign { dir: dir.to_owned(), name }),
            },
            (true, false) => Err(SnapshotError::Exists(dir.to_owned())),
            (false, _) => Err(SnapshotError::Occupied(dir.to_owned())),
        };
    }
    match fs_err::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(SnapshotError::Occupied(dir.to_owned()))
        }
        Err(error) => Err(SnapshotError::writing(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(SnapshotError::Occupied(dir.to_owned())),
        },
    }
}

/// Whether a `manifest.json` is that of a snapshot, of whatever version.
fn ours(manifest: &Path) -> bool {
    let text = fs_err::read(manifest).unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|m| {
        ["schema_version", "tool_version", "node_count", "edges"].iter().all(|key| m.get(key).is_some())
    })
}

/// The first thing in a snapshot that neither its manifest names nor we put beside it, as a path below `dir`.
pub(super) fn foreign(dir: &Path) -> io::Result<Option<String>> {
    let manifest = fs_err::read(dir.join(MANIFEST))?;
    let mut known: BTreeSet<String> = BESIDE.map(str::to_owned).into();
    files(&serde_json::from_slice(&manifest)?, &mut known);
    let (mut folders, mut found) = (vec![PathBuf::new()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        let mut empty = true;
        for entry in fs_err::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            empty = false;
            // A link is nothing that we make, wherever it leads.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if !known.contains(path.to_string_lossy().as_ref()) && !is_cache(&path) {
                found.insert(path.to_string_lossy().into_owned());
            }
        }
        if empty && !["nodes", "edges", "tables"].iter().any(|ours| folder.ends_with(ours)) {
            found.insert(folder.to_string_lossy().into_owned());
        }
    }
    Ok(found.pop_first())
}

/// Every `file` that a manifest of whatever version names.
fn files(manifest: &serde_json::Value, known: &mut BTreeSet<String>) {
    match manifest {
        serde_json::Value::Object(fields) => {
            known.extend(fields.get("file").and_then(|file| file.as_str()).map(str::to_owned));
            fields.values().for_each(|value| files(value, known));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| files(value, known)),
        _ => {}
    }
}

/// A folder that is being written; removed unless it is finished.
struct Partial {
    path: PathBuf,
    lock: Option<File>,
}

impl Partial {
    fn begin(dir: &Path) -> Result<Self, SnapshotError> {
        let path = beside(dir, PARTIAL);
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(parent).map_err(SnapshotError::writing)?;
        clean(parent);
        // Whoever cleans beside us may take the folder for a left-over before the lock is ours; then it is made again.
        for attempt in 0..20 {
            match Self::claim(dir, &path) {
                Ok(Some(lock)) => return Ok(Self { path, lock: Some(lock) }),
                Err(error) if attempt == 0 || !matches!(error, SnapshotError::Busy(_)) => return Err(error),
                Ok(None) | Err(_) => {}
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(SnapshotError::Busy(dir.to_owned()))
    }

    /// Makes the folder and locks it; `None` where somebody cleaned it away in between.
    fn claim(dir: &Path, path: &Path) -> Result<Option<File>, SnapshotError> {
        // Killed before the lock was made, a process leaves an empty folder; one with something in it is in use.
        let _ = std::fs::remove_dir(path);
        fs_err::create_dir(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SnapshotError::Busy(dir.to_owned()),
            _ => SnapshotError::writing(error),
        })?;
        let lock = match File::create(path.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            made => made.map_err(SnapshotError::writing)?,
        };
        // A file system without locks costs the cleaning of left-overs, not the snapshot.
        let taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
        Ok(Some(lock).filter(|_| !taken && path.join(LOCK).is_file()))
    }

    fn finish(mut self, dir: &Path, may_replace: bool) -> Result<(), SnapshotError> {
        let replaced = beside(dir, REPLACED);
        let replace = may_replace && dir.join(MANIFEST).is_file();
        if replace {
            // There already only where a process was killed in the middle of this and `dir` was written again since.
            remove(&replaced)?;
            fs_err::rename(dir, &replaced).map_err(SnapshotError::writing)?;
        }
        // Somebody may have put a snapshot there since the target was looked at.
        fs_err::rename(&self.path, dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                SnapshotError::Exists(dir.to_owned())
            }
            _ => SnapshotError::writing(error),
        })?;
        self.lock = None;
        fs_err::remove_file(dir.join(LOCK)).map_err(SnapshotError::writing)?;
        if replace { remove(&replaced) } else { Ok(()) }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.lock.take().is_some() {
            // The error that led here is the one to tell; what stays is cleaned by the next write.
            let _ = fs_err::remove_dir_all(&self.path);
        }
    }
}

pub(super) fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().map_or_else(|| "snapshot".into(), std::ffi::OsStr::to_os_string);
    name.push(suffix);
    dir.with_file_name(name)
}

fn remove(dir: &Path) -> Result<(), SnapshotError> {
    match fs_err::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SnapshotError::writing(error)),
        _ => Ok(()),
    }
}

/// Removes the left-overs in `folder` whose writers are gone: `….partial` with a lock that nobody holds.
fn clean(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_partial(path)) {
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        // Held until the folder is gone, so that nobody can lock it meanwhile.
        if lock.try_lock().is_ok() {
            // What cannot be removed is told by the write that needs its name.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

/// Whether a folder is one that was never finished.
pub(super) fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(PARTIAL.as_bytes()))
        && path.is_dir()
}
