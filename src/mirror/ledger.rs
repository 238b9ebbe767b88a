//! Which mirror runs there were: one file per run, replaced in one step, so that a run that broke off is seen as one.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Applied, Counts, MirrorError, Summary};
use crate::sources::facts::TableRead;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Being written, or broken off while it was.
    Running,
    /// Written to its end.
    Complete,
    /// Ended with an error.
    Failed,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}

/// One run of `mirror apply`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id; sorts by time.
    pub run: String,
    /// How far it is.
    pub state: RunState,
    /// Key of the graph.
    pub graph: String,
    /// Host and port of the server.
    pub address: String,
    /// Names the plan; see [`super::Plan::digest`].
    pub digest: String,
    /// Changes planned by label.
    pub nodes: BTreeMap<String, Counts>,
    /// Changes planned by relation.
    pub edges: BTreeMap<String, Counts>,
    /// Changes that the sweep guard held back, by table or relation.
    pub held_back: BTreeMap<String, u64>,
    /// Rows read by table.
    pub read: BTreeMap<String, u64>,
    /// Conflicts between the sources.
    pub conflicts: u64,
    /// The generation it wrote; `None` before its end.
    pub generation: Option<i64>,
    /// Rows it wrote.
    pub rows: u64,
    /// Server time of its longest batch, in milliseconds.
    pub longest_batch_ms: f64,
    /// When it began to write.
    pub started: jiff::Timestamp,
    /// When it ended.
    pub finished: Option<jiff::Timestamp>,
    /// What stopped it.
    pub error: Option<String>,
    /// Version of this program.
    pub version: String,
}

impl Run {
    /// A run that is about to write what `summary` says.
    pub fn begin(graph: &str, address: &str, summary: &Summary, read: &[TableRead]) -> Self {
        let started = jiff::Timestamp::now();
        let changed = |counts: &BTreeMap<&'static str, Counts>| {
            let some = counts.iter().filter(|(_, counts)| counts.total() > 0);
            some.map(|(name, counts)| ((*name).to_owned(), *counts)).collect()
        };
        Self {
            // The time sorts, the random end keeps two runs of one millisecond apart.
            run: format!("{}-{:04x}", started.strftime("%Y%m%dT%H%M%S%3fZ"), rand::random::<u16>()),
            state: RunState::Running,
            graph: graph.to_owned(),
            address: address.to_owned(),
            digest: summary.digest.clone(),
            nodes: changed(&summary.nodes),
            edges: changed(&summary.edges),
            held_back: summary.held_back.iter().map(|held| (held.of.clone(), held.held_back)).collect(),
            read: read
                .iter()
                .map(|table| (format!("{}:{}", table.system, table.table), table.rows))
                .collect(),
            conflicts: summary.conflicts.len() as u64,
            generation: None,
            rows: 0,
            longest_batch_ms: 0.0,
            started,
            finished: None,
            error: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Notes how it ended.
    pub fn end(&mut self, outcome: Result<&Applied, &MirrorError>) {
        self.finished = Some(jiff::Timestamp::now());
        match outcome {
            Ok(applied) => {
                self.state = RunState::Complete;
                self.generation = Some(applied.generation);
                self.rows = applied.rows;
                self.longest_batch_ms = applied.longest_batch_ms;
            }
            Err(error) => {
                self.state = RunState::Failed;
                self.error = Some(error.to_string());
            }
        }
    }
}

/// A folder of runs.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

impl Ledger {
    /// The ledger in `dir`, which is made with the first run.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// All runs, oldest first.
    ///
    /// # Errors
    /// A file that cannot be read or is no run, by its name.
    pub fn runs(&self) -> Result<Vec<Run>, MirrorError> {
        let entries = match fs_err::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| failed("read", &self.dir, e))?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| failed("read", &self.dir, e))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs_err::read(&path).map_err(|e| failed("read", &path, e))?;
                runs.push(serde_json::from_slice::<Run>(&text).map_err(|e| failed("read", &path, e))?);
            }
        }
        runs.sort_unstable_by(|a, b| a.run.cmp(&b.run));
        Ok(runs)
    }

    /// Writes a run down, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, run: &Run) -> Result<(), MirrorError> {
        let path = self.dir.join(format!("{}.json", run.run));
        let write = || -> std::io::Result<()> {
            fs_err::create_dir_all(&self.dir)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            serde_json::to_writer_pretty(&mut file, run)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|e| failed("write", &path, e))
    }
}

fn failed(
    doing: &'static str,
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> MirrorError {
    MirrorError::Ledger { doing, path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::super::plan::plan;
    use super::super::resolve::{ResolveOptions, resolve};
    use super::super::sample;
    use super::*;
    use crate::snapshot::tables::Tables;

    #[test]
    fn a_run_is_kept_with_how_it_ended_and_a_damaged_file_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::new(dir.path().join("runs"));
        assert_eq!(ledger.runs().expect("an empty ledger"), []);
        let resolved = resolve(&sample::facts(), &ResolveOptions::default()).expect("a graph");
        let nothing = Tables::default();
        let summary = plan(&resolved, &nothing).summary();
        let mut run = Run::begin("business", "127.0.0.1:1", &summary, &[]);
        ledger.save(&run).expect("written");
        assert_eq!(ledger.runs().expect("one run"), [run.clone()]);
        assert_eq!(run.nodes["Person"].create, 9);
        run.end(Ok(&Applied { generation: 4, rows: 60, batches: 9, longest_batch_ms: 3.5 }));
        ledger.save(&run).expect("written");
        let kept = ledger.runs().expect("one run");
        assert_eq!((kept.len(), kept[0].state, kept[0].generation), (1, RunState::Complete, Some(4)));

        std::fs::write(dir.path().join("runs/torn.json"), "{\"run\": \"2").expect("written");
        let said = ledger.runs().expect_err("a torn file").to_string();
        assert!(said.contains("torn.json"), "{said}");
    }

    #[test]
    fn a_plan_has_the_same_name_as_often_as_it_is_made_and_another_plan_another() {
        let name = |facts: &crate::sources::facts::Facts| {
            let resolved = resolve(facts, &ResolveOptions::default()).expect("a graph");
            plan(&resolved, &Tables::default()).digest()
        };
        let mut facts = sample::facts();
        let first = name(&facts);
        assert_eq!(first.len(), 64);
        facts.nodes.reverse();
        assert_eq!(name(&facts), first);
        facts.nodes[0].name = Some("another".to_owned());
        assert_ne!(name(&facts), first);
    }
}
