//! What a snapshot says about itself: `manifest.json`, the same bytes for the same graph, and `run.json`, which alone
//! knows when, where and how long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use polars::prelude::{DataFrame, DataType, TimeUnit, TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::memory::MemoryFiles;
use super::verify::Problem;
use crate::context::{leads_somewhere, regular};

/// Name of the manifest in a snapshot folder; a folder that has it is a snapshot.
pub const MANIFEST: &str = "manifest.json";
/// Name of the record of the run that made a snapshot.
pub const RUN: &str = "run.json";
/// Version of the folder's layout.
pub const SCHEMA_VERSION: u32 = 1;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's layout, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of sonograph that wrote it.
    pub tool_version: String,
    /// Where the data came from.
    pub sources: Vec<Origin>,
    /// Options in force when it was made.
    pub options: Map<String, Value>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
    /// The data's own clock; see [`super::tables::as_of`].
    pub as_of: Option<Timestamp>,
    /// Nodes over all labels.
    pub node_count: u64,
    /// Edges over all relations.
    pub edge_count: u64,
    /// Label → its file.
    pub nodes: BTreeMap<String, TableFile>,
    /// Relation → its file.
    pub edges: BTreeMap<String, TableFile>,
    /// Companion → its file.
    pub tables: BTreeMap<String, TableFile>,
    /// `schema.table` of `PostgreSQL` → its file: rows as they are, which no study reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, TableFile>,
    /// Key of a memory graph → its files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memory: BTreeMap<String, MemoryFiles>,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// A system or file that data came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// `falkordb`, `postgres`, `cognee`, `file`, `synthetic`.
    pub system: String,
    /// Version of a server, SHA-256 of a file.
    pub version: String,
    /// What else names it: graph key, layouts found, name of the file. Never an address or a secret.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
}

/// One Parquet file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Path below the snapshot folder, with `/`.
    pub file: String,
    /// Rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its columns in order.
    pub columns: Vec<ColumnType>,
}

/// A column and its type at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnType {
    /// Name.
    pub name: String,
    /// `int64`, `float64`, `boolean`, `string`, `datetime[us, UTC]`, `date`, or `list[…]` of one of these.
    #[serde(rename = "type")]
    pub dtype: String,
}

/// The run that made a snapshot: the only place where clocks, hosts and run ids stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Names the run.
    pub run_id: String,
    /// When it began.
    pub started: Timestamp,
    /// When the folder was complete.
    pub finished: Timestamp,
    /// Seconds between.
    pub seconds: f64,
    /// The machine it ran on.
    pub host: String,
    /// How far each source had got.
    pub positions: Map<String, Value>,
}

/// What whoever makes a snapshot knows beside its tables.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestInput {
    /// Where the data came from.
    pub sources: Vec<Origin>,
    /// Options in force.
    pub options: Map<String, Value>,
    /// When the run began; into `run.json`.
    pub started: Timestamp,
    /// How far each source had got; into `run.json`.
    pub positions: Map<String, Value>,
    /// Whether a snapshot that is there already may be replaced.
    pub replace: bool,
}

impl ManifestInput {
    /// Of these sources, begun now, with nothing else to say.
    pub fn of(sources: Vec<Origin>) -> Self {
        Self {
            sources,
            options: Map::new(),
            started: Timestamp::now(),
            positions: Map::new(),
            replace: false,
        }
    }
}

impl Origin {
    /// A system of this version.
    pub fn new(system: &str, version: impl Into<String>) -> Self {
        Self { system: system.to_owned(), version: version.into(), detail: Map::new() }
    }

    /// With one more thing that names it.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}

impl Manifest {
    /// Reads the manifest of a snapshot folder.
    pub fn read(dir: &Path) -> Result<Self, SnapshotError> {
        let file = dir.join(MANIFEST);
        leads_somewhere(dir).map_err(SnapshotError::reading)?;
        let text = match regular(&file).and_then(|()| fs_err::read(&file)) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(SnapshotError::NotASnapshot(dir.to_owned()));
            }
            Err(error) => return Err(SnapshotError::reading(error)),
        };
        let parse = |source| SnapshotError::Manifest { file: file.clone(), source };
        // The version alone first: another layout may lack what this one needs.
        let found = serde_json::from_slice::<Version>(&text).map_err(parse)?.schema_version;
        if found != SCHEMA_VERSION {
            return Err(SnapshotError::Version { file, found, known: SCHEMA_VERSION });
        }
        serde_json::from_slice(&text).map_err(parse)
    }

    /// All files, in the order nodes, edges, companions, raw tables, memory.
    pub fn files(&self) -> impl Iterator<Item = &TableFile> {
        let own = self.nodes.values().chain(self.edges.values()).chain(self.tables.values());
        let own = own.chain(self.raw.values());
        own.chain(self.memory.values().flat_map(MemoryFiles::files))
    }

    /// SHA-256 over the names and sums of all files: names the data, whoever made it and when.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for file in self.files() {
            digest.update(&file.file);
            digest.update(&file.sha256);
        }
        hex(&digest.finalize())
    }
}

impl Run {
    /// Reads the record of the run that made a snapshot; `None` where it is missing or cannot be read, as it may be
    /// left behind when a snapshot is copied.
    pub fn read(dir: &Path) -> Option<Self> {
        let file = dir.join(RUN);
        regular(&file).ok()?;
        serde_json::from_slice(&fs_err::read(file).ok()?).ok()
    }
}

impl TableFile {
    /// Where the file lies; `None` where the manifest points out of the folder.
    pub(super) fn path(&self, dir: &Path) -> Option<PathBuf> {
        let file = Path::new(&self.file);
        let inside = file.components().all(|c| matches!(c, Component::Normal(_)));
        (inside && !self.file.is_empty()).then(|| dir.join(file))
    }

    /// The same, or what is wrong with the snapshot.
    pub(super) fn located(&self, dir: &Path) -> Result<PathBuf, SnapshotError> {
        self.path(dir).ok_or_else(|| SnapshotError::Damaged {
            dir: dir.to_owned(),
            problem: Problem { place: self.file.clone(), what: "lies outside the snapshot folder".into() },
        })
    }
}

/// The columns of a frame with their types at rest; a type that must not be there is named in angle brackets.
pub(super) fn columns(frame: &DataFrame) -> Vec<ColumnType> {
    let column =
        |c: &polars::prelude::Column| ColumnType { name: c.name().to_string(), dtype: dtype_name(c.dtype()) };
    frame.columns().iter().map(column).collect()
}

fn dtype_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Int64 => "int64".into(),
        DataType::Float64 => "float64".into(),
        DataType::Boolean => "boolean".into(),
        DataType::String => "string".into(),
        DataType::Date => "date".into(),
        DataType::Datetime(TimeUnit::Microseconds, Some(zone)) if *zone == TimeZone::UTC => {
            "datetime[us, UTC]".into()
        }
        DataType::List(inner) => format!("list[{}]", dtype_name(inner)),
        other => format!("<{other}>"),
    }
}

/// File stems for names, none of them alike even where case is ignored.
#[derive(Debug, Default)]
pub(super) struct Stems(BTreeSet<String>);

impl Stems {
    /// The stem for the next name.
    ///
    /// Letters, digits, `_`, `-` and a `.` between two of them stay, any other byte becomes `%XX`; what is too long for a file name ends in its hash.
    pub fn next(&mut self, name: &str) -> String {
        const LONGEST: usize = 120;
        let mut stem = String::new();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let bytes = name.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            let is_inside =
                at > 0 && is_plain(bytes[at - 1]) && bytes.get(at + 1).is_some_and(|next| is_plain(*next));
            if is_plain(byte) || (byte == b'.' && is_inside) {
                stem.push(char::from(byte));
            } else {
                let _ = write!(stem, "%{byte:02X}");
            }
        }
        if stem.len() > LONGEST {
            stem.truncate(LONGEST - 17);
            stem = format!("{stem}-{}", &hex(&Sha256::digest(name))[..16]);
        }
        let mut unique = stem.clone();
        let mut number = 2;
        while unique.is_empty() || !self.0.insert(unique.to_lowercase()) {
            unique = format!("{stem}~{number}");
            number += 1;
        }
        unique
    }
}

/// The SHA-256 of a file's bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_stems_are_safe_readable_and_differ_even_where_case_is_ignored() {
        let long = "x".repeat(300);
        let names = ["Person", "a/b", "..", "", "person", &long, "Ort–1"];
        let mut stems = Stems::default();
        let stems = names.map(|name| stems.next(name));
        assert_eq!(stems[..5], ["Person", "a%2Fb", "%2E%2E", "~2", "person~2"]);
        assert_eq!((stems[5].len(), stems[6].as_str()), (120, "Ort%E2%80%931"));
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_none() {
        let file = |path: &str| TableFile {
            file: path.into(),
            rows: 0,
            bytes: 0,
            sha256: String::new(),
            columns: vec![],
        };
        let dir = Path::new("snapshot");
        assert_eq!(file("nodes/Person.parquet").path(dir), Some(dir.join("nodes/Person.parquet")));
        for outside in ["", "../x", "/etc/passwd", "nodes/../../x"] {
            assert_eq!(file(outside).path(dir), None, "{outside}");
        }
    }
}
