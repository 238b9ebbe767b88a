//! Which runs there were, and what stood in the graph before each.
//!
//! One folder per run: `run.json`, `before.parquet`, `after.parquet`. A run's folder is written as `<run>.partial` and
//! renamed before anything is written to the graph, and its state is replaced in one step, so that a run that broke
//! off is seen as one.

use std::fmt;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, DataType};
use serde::{Deserialize, Serialize};

use super::{PlannedNode, SCORE_AT, SCORE_RUN, Score, WritebackError};
use crate::context::Unfinished;
use crate::ontology::Value;
use crate::snapshot::tables::parquet;
use crate::snapshot::{parquet_bytes, sha256};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Written down, nothing in the graph yet.
    Planned,
    /// Being written, or broken off while it was.
    Applying,
    /// Written.
    Applied,
    /// Written, and it reads back: from what is on the server's disk, where the server keeps its writes there
    /// ([`super::Applied::on_disk`]).
    Verified,
    /// Being undone, or broken off while it was.
    Undoing,
    /// Taken back.
    Undone,
    /// Taken back except where somebody else wrote since; may be undone again once that is taken back.
    PartlyUndone,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::PartlyUndone => "partly undone",
        })
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, also the value of `score_run`; sorts by time.
    pub run: String,
    /// How far it is.
    pub state: RunState,
    /// Key of the graph.
    pub graph: String,
    /// Host and port of the server.
    pub address: String,
    /// Names the scores; see [`super::Plan::digest`].
    pub digest: String,
    /// Properties it writes, beside `score_run` and `score_at`.
    pub properties: Vec<String>,
    /// Nodes it writes.
    pub nodes: u64,
    /// Nodes found written when it was verified.
    pub written: u64,
    /// Scored nodes that were gone by then: those the plan missed already, and those of `nodes` that went since.
    pub gone: u64,
    /// Scored nodes whose internal id had another `uid` by then, counted likewise.
    pub changed_identity: u64,
    /// How many of `gone` the plan missed already.
    #[serde(default)]
    pub planned_gone: u64,
    /// How many of `changed_identity` the plan found already.
    #[serde(default)]
    pub planned_changed_identity: u64,
    /// Value of `score_at`: when it began, in epoch milliseconds UTC.
    pub score_at: i64,
    /// Version of this program.
    pub version: String,
    /// SHA-256 of what is written of the values before, hexadecimal; `None` until it is.
    #[serde(default)]
    pub before_sha256: Option<String>,
    /// SHA-256 of what is written of the values after, likewise.
    #[serde(default)]
    pub after_sha256: Option<String>,
}

/// A folder of runs.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

const RUN: &str = "run.json";
const BEFORE: &str = "before.parquet";
const AFTER: &str = "after.parquet";
const PARTIAL: &str = "partial";

impl Ledger {
    /// The ledger in `dir`, which is made with the first run.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// All runs, oldest first, and why a damaged one is none, by its file.
    pub fn runs(&self) -> Result<(Vec<Run>, Vec<WritebackError>), WritebackError> {
        let entries = match fs_err::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Vec::new(), Vec::new()));
            }
            entries => entries.map_err(|e| failed("read", &self.dir, e))?,
        };
        let (mut runs, mut damaged) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|e| failed("read", &self.dir, e))?.path();
            if path.is_dir() && path.extension().is_none_or(|e| e != PARTIAL) && path.join(RUN).is_file() {
                match read_run(&path.join(RUN))? {
                    Ok(run) => runs.push(run),
                    Err(error) => damaged.push(error),
                }
            }
        }
        runs.sort_unstable_by(|a, b| a.run.cmp(&b.run));
        damaged.sort_unstable_by_key(ToString::to_string);
        Ok((runs, damaged))
    }

    /// One run by its id.
    pub fn run(&self, id: &str) -> Result<Run, WritebackError> {
        let (runs, damaged) = self.runs()?;
        if let Some(run) = runs.into_iter().find(|run| run.run == id) {
            return Ok(run);
        }
        let file = self.dir.join(id).join(RUN);
        let its =
            |error: &WritebackError| matches!(error, WritebackError::Ledger { path, .. } if *path == file);
        let unknown = || WritebackError::NoRun { run: id.to_owned(), ledger: self.dir.clone() };
        Err(damaged.into_iter().find(its).unwrap_or_else(unknown))
    }

    /// The run on this graph that broke off while it was written.
    pub(super) fn unfinished(&self, graph: &str, address: &str) -> Result<Option<Run>, WritebackError> {
        Ok(self
            .runs()?
            .0
            .into_iter()
            .find(|run| run.state == RunState::Applying && run.graph == graph && run.address == address))
    }

    /// Writes a new run down, whole or not at all, and notes in it what its tables sum up to.
    pub(super) fn begin(&self, run: &mut Run, nodes: &[PlannedNode]) -> Result<(), WritebackError> {
        let partial = self.dir.join(format!("{}.{PARTIAL}", run.run));
        fs_err::create_dir_all(&partial).map_err(|e| failed("write", &partial, e))?;
        let _unfinished = Unfinished(&partial);
        let properties = &run.properties;
        let parquet = |name: &str, frame: &DataFrame| {
            let path = partial.join(name);
            let bytes = parquet_bytes(frame).map_err(|e| failed("write", &path, e))?;
            write_through(&path, &bytes)?;
            Ok::<_, WritebackError>(sha256(&bytes))
        };
        let before = parquet(BEFORE, &before_frame(properties, nodes))?;
        let after = parquet(AFTER, &after_frame(properties, nodes))?;
        (run.before_sha256, run.after_sha256) = (Some(before), Some(after));
        write_through(&partial.join(RUN), &json(run))?;
        let path = self.path(run);
        fs_err::rename(&partial, &path).map_err(|e| failed("write", &path, e))?;
        sync_folder(&self.dir);
        Ok(())
    }

    /// Replaces what is written of the run itself.
    pub(super) fn save(&self, run: &Run) -> Result<(), WritebackError> {
        let dir = self.path(run);
        let (partial, path) = (dir.join(format!("{RUN}.{PARTIAL}")), dir.join(RUN));
        write_through(&partial, &json(run))?;
        fs_err::rename(&partial, &path).map_err(|e| failed("write", &path, e))?;
        sync_folder(&dir);
        Ok(())
    }

    /// The nodes of a run with their values before and after, from tables that are what the run wrote to the bit.
    pub(super) fn nodes(&self, run: &Run) -> Result<Vec<PlannedNode>, WritebackError> {
        let dir = self.path(run);
        let frame = |name: &str, noted: Option<&String>| {
            let path = dir.join(name);
            let noted =
                noted.ok_or_else(|| WritebackError::Unsummed { run: run.run.clone(), path: path.clone() })?;
            let bytes = fs_err::read(&path).map_err(|e| failed("read", &path, e))?;
            if sha256(&bytes) != *noted {
                return Err(WritebackError::Damaged { run: run.run.clone(), path });
            }
            let frame = parquet::decode(bytes).map_err(|e| failed("read", &path, e))?;
            Ok((frame, path))
        };
        let (before, before_path) = frame(BEFORE, run.before_sha256.as_ref())?;
        let (after, after_path) = frame(AFTER, run.after_sha256.as_ref())?;
        let held = read_before(&before, &run.properties).map_err(|e| failed("read", &before_path, e))?;
        let mut nodes = read_after(&after, &run.properties).map_err(|e| failed("read", &after_path, e))?;
        if held.len() != nodes.len() {
            return Err(failed("read", &dir, "before and after are not of the same nodes"));
        }
        for (node, held) in nodes.iter_mut().zip(held) {
            node.before = held;
        }
        Ok(nodes)
    }

    fn path(&self, run: &Run) -> PathBuf {
        self.dir.join(&run.run)
    }
}

fn failed(
    doing: &'static str,
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> WritebackError {
    WritebackError::Ledger { doing, path: path.to_owned(), source: source.into() }
}

/// A run, or why the file is none.
fn read_run(path: &Path) -> Result<Result<Run, WritebackError>, WritebackError> {
    let text = fs_err::read(path).map_err(|e| failed("read", path, e))?;
    Ok(serde_json::from_slice(&text).map_err(|e| failed("read", path, e)))
}

fn json(run: &Run) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(run).expect("a run is plain data");
    text.push(b'\n');
    text
}

/// Writes a file and waits until it is on the disk.
fn write_through(path: &Path, bytes: &[u8]) -> Result<(), WritebackError> {
    use std::io::Write as _;
    let write = || {
        let mut file = fs_err::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| failed("write", path, e))
}

/// Not every file system can do it; what is lost then is the latest run's name after a power cut.
fn sync_folder(dir: &Path) {
    let _ = fs_err::File::open(dir).and_then(|folder| folder.sync_all());
}

fn names(nodes: &[PlannedNode]) -> Vec<Column> {
    vec![
        Column::new("id".into(), nodes.iter().map(|n| n.id as i64).collect::<Vec<_>>()),
        Column::new("uid".into(), nodes.iter().map(|n| n.uid.as_str()).collect::<Vec<_>>()),
        Column::new("label".into(), nodes.iter().map(|n| n.label.as_str()).collect::<Vec<_>>()),
    ]
}

/// Values before as tagged text, because a property may have held anything; missing: there was none.
fn before_frame(properties: &[String], nodes: &[PlannedNode]) -> DataFrame {
    let mut columns = names(nodes);
    for (at, name) in properties.iter().map(String::as_str).chain([SCORE_RUN, SCORE_AT]).enumerate() {
        let cells: Vec<Option<String>> = nodes.iter().map(|n| n.before[at].as_ref().map(tagged)).collect();
        columns.push(Column::new(name.into(), cells));
    }
    DataFrame::new(nodes.len(), columns).expect("one cell per node, names are distinct")
}

fn after_frame(properties: &[String], nodes: &[PlannedNode]) -> DataFrame {
    let mut columns = names(nodes);
    for (at, name) in properties.iter().enumerate() {
        let integers = nodes.iter().any(|n| matches!(n.after[at], Some(Score::Integer(_))));
        columns.push(if integers {
            let cell = |score| if let Score::Integer(n) = score { Some(n) } else { None };
            Column::new(name.into(), nodes.iter().map(|n| n.after[at].and_then(cell)).collect::<Vec<_>>())
        } else {
            Column::new(name.into(), nodes.iter().map(|n| n.after[at].map(Score::as_f64)).collect::<Vec<_>>())
        });
    }
    DataFrame::new(nodes.len(), columns).expect("one cell per node, names are distinct")
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

fn read_before(frame: &DataFrame, properties: &[String]) -> Result<Vec<Vec<Option<Value>>>, Broken> {
    let mut rows = vec![Vec::new(); frame.height()];
    for name in properties.iter().map(String::as_str).chain([SCORE_RUN, SCORE_AT]) {
        for (row, cell) in rows.iter_mut().zip(frame.column(name)?.str()?.iter()) {
            row.push(cell.map(untagged).transpose()?);
        }
    }
    Ok(rows)
}

fn read_after(frame: &DataFrame, properties: &[String]) -> Result<Vec<PlannedNode>, Broken> {
    let mut nodes = Vec::with_capacity(frame.height());
    let (uids, labels) = (frame.column("uid")?.str()?, frame.column("label")?.str()?);
    for ((id, uid), label) in frame.column("id")?.i64()?.iter().zip(uids.iter()).zip(labels.iter()) {
        let (Some(id), Some(uid), Some(label)) = (id, uid, label) else {
            return Err("a node has no name".into());
        };
        nodes.push(PlannedNode {
            id: u64::try_from(id)?,
            uid: uid.to_owned(),
            label: label.to_owned(),
            after: Vec::with_capacity(properties.len()),
            before: Vec::new(),
        });
    }
    for name in properties {
        let column = frame.column(name)?;
        if *column.dtype() == DataType::Int64 {
            nodes
                .iter_mut()
                .zip(column.i64()?.iter())
                .for_each(|(n, cell)| n.after.push(cell.map(Score::Integer)));
        } else {
            nodes
                .iter_mut()
                .zip(column.f64()?.iter())
                .for_each(|(n, cell)| n.after.push(cell.map(Score::Float)));
        }
    }
    Ok(nodes)
}

/// A value as text that reads back as the same, doubles to the bit.
fn tagged(value: &Value) -> String {
    match value {
        Value::Boolean(b) => format!("b{b}"),
        Value::Integer(n) | Value::Instant(n) => format!("i{n}"),
        Value::Float(x) => format!("f{x:?}"),
        Value::Text(text) => format!("t{text}"),
        Value::TextList(items) => list(items.iter().map(|text| format!("t{text}"))),
        Value::List(items) => list(items.iter().map(tagged)),
        Value::Point { .. } => unreachable!("a plan refuses to replace a point"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("l{}", items.collect::<serde_json::Value>())
}

fn untagged(text: &str) -> Result<Value, Broken> {
    let mut rest = text.chars();
    let tag = rest.next();
    let rest = rest.as_str();
    Ok(match tag {
        Some('b') => Value::Boolean(rest.parse()?),
        Some('i') => Value::Integer(rest.parse()?),
        Some('f') => Value::Float(rest.parse()?),
        Some('t') => Value::Text(rest.to_owned()),
        Some('l') => {
            let items: Vec<String> = serde_json::from_str(rest)?;
            let items = items.iter().map(|item| untagged(item)).collect::<Result<Vec<_>, _>>()?;
            if items.iter().all(|i| matches!(i, Value::Text(_))) {
                let text = |item| if let Value::Text(text) = item { Some(text) } else { None };
                Value::TextList(items.into_iter().filter_map(text).collect())
            } else {
                Value::List(items)
            }
        }
        _ => return Err(format!("`{text}` is no value").into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Diagnose as _, Fault};

    #[test]
    fn any_value_before_reads_back_to_the_bit() {
        let values = [
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Float(1.0 / 3.0),
            Value::Float(-0.0),
            Value::Float(5e-324),
            Value::Text("l[\"x\"] 'q'\n".into()),
            Value::TextList(vec!["a\"b".into(), String::new()]),
            Value::TextList(vec![]),
            Value::List(vec![
                Value::Integer(1),
                Value::Text("x".into()),
                Value::List(vec![Value::Boolean(false)]),
            ]),
        ];
        for value in values {
            let back = untagged(&tagged(&value)).expect("reads back");
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }
        assert!(untagged("x1").is_err() && untagged("").is_err() && untagged("ione").is_err());
    }

    #[test]
    fn a_run_reads_back_as_it_was_written_and_half_a_folder_is_no_run() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::new(dir.path().join("runs"));
        assert_eq!(ledger.runs().expect("none yet").0, []);
        let mut run = Run {
            run: "r1".into(),
            state: RunState::Planned,
            graph: "g".into(),
            address: "h:1".into(),
            digest: "d".into(),
            properties: vec!["a".into(), "b".into()],
            nodes: 1,
            written: 0,
            gone: 0,
            changed_identity: 0,
            planned_gone: 0,
            planned_changed_identity: 0,
            score_at: 5,
            version: "0".into(),
            before_sha256: None,
            after_sha256: None,
        };
        let nodes = vec![PlannedNode {
            id: 3,
            uid: "u".into(),
            label: "L".into(),
            after: vec![Some(Score::Integer(2)), None],
            before: vec![Some(Value::Float(0.1)), None, Some(Value::Text("r0".into())), None],
        }];
        ledger.begin(&mut run, &nodes).expect("written");
        assert_eq!(ledger.nodes(&run).expect("read"), nodes);
        assert_eq!(ledger.run("r1").expect("known"), run, "the sums are written down");
        for name in [BEFORE, AFTER] {
            let path = dir.path().join("runs/r1").join(name);
            let whole = fs_err::read(&path).expect("read");
            for at in (0..whole.len()).step_by(97) {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                fs_err::write(&path, flipped).expect("damaged");
                let error = ledger.nodes(&run).expect_err("a flipped bit");
                assert!(matches!(&error, WritebackError::Damaged { .. }), "{error:?}");
                assert!(error.to_string().contains(name) && error.fault() == Fault::Input, "{error}");
            }
            fs_err::write(&path, whole).expect("mended");
        }
        let older = Run { before_sha256: None, ..run.clone() };
        let error = ledger.nodes(&older).expect_err("nothing to hold it against");
        assert!(matches!(&error, WritebackError::Unsummed { .. }) && error.hint().is_some(), "{error:?}");
        run.state = RunState::Applying;
        ledger.save(&run).expect("saved");
        assert_eq!(ledger.unfinished("g", "h:1").expect("a look"), Some(run.clone()));
        assert_eq!(ledger.unfinished("other", "h:1").expect("a look"), None);
        fs_err::create_dir(dir.path().join("runs/r2.partial")).expect("a left-over");
        assert_eq!(ledger.runs().expect("one").0, [run.clone()]);
        assert!(matches!(ledger.run("r2"), Err(WritebackError::NoRun { .. })));
        fs_err::create_dir(dir.path().join("runs/r3")).expect("a folder");
        fs_err::write(dir.path().join("runs/r3/run.json"), "{\"run\": \"r").expect("a torn file");
        let (runs, damaged) = ledger.runs().expect("the others");
        assert_eq!((runs, damaged.len()), (vec![run], 1));
        let error = ledger.run("r3").expect_err("a torn file");
        assert!(error.to_string().contains("r3/run.json") && error.fault() == Fault::Input, "{error}");
    }
}
