//! Which mirror runs there were: one file per run, replaced in one step, so that a run that broke off is seen as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Applied, Counts, MirrorError, Summary};
use crate::sources::facts::TableRead;
use crate::sources::falkordb::Process;
use crate::sources::falkordb::marker::{Marker, Progress};
use crate::sources::postgres::position::Position;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Being written, as far as is known.
    Running,
    /// Broken off while it was written: its process is gone, or another run began since. Never in the file itself.
    BrokenOff,
    /// Written to its end.
    Complete,
    /// Ended with an error.
    Failed,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::BrokenOff => "broken off",
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
    /// What the identities rest on, by name: versions of lists, and what the installation adds to them.
    #[serde(default)]
    pub rules: serde_json::Map<String, serde_json::Value>,
    /// The generation it wrote; `None` before its end.
    pub generation: Option<i64>,
    /// Rows it wrote; of a failed run, those that the server confirmed. `None`: not known.
    pub rows: Option<u64>,
    /// Server time of its longest batch, in milliseconds.
    pub longest_batch_ms: f64,
    /// When it began to write.
    pub started: jiff::Timestamp,
    /// When it ended.
    pub finished: Option<jiff::Timestamp>,
    /// What stopped it, with its causes.
    pub error: Option<String>,
    /// Where it read the touches, for the next run to go on from; `None` where none can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The process that wrote it.
    #[serde(default)]
    pub process: Option<Process>,
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
            rules: serde_json::Map::new(),
            generation: None,
            rows: None,
            longest_batch_ms: 0.0,
            started,
            finished: None,
            error: None,
            position: None,
            process: Some(Process::this()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Notes how it ended, and what it wrote until then.
    pub fn end(&mut self, outcome: Result<(), &MirrorError>, applied: &Applied) {
        self.finished = Some(jiff::Timestamp::now());
        self.rows = Some(applied.rows);
        self.longest_batch_ms = applied.longest_batch_ms;
        match outcome {
            Ok(()) => {
                self.state = RunState::Complete;
                self.generation = Some(applied.generation);
            }
            Err(error) => {
                self.state = RunState::Failed;
                self.error = Some(with_causes(error));
            }
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text += &[": ", &said].concat();
        }
        cause = next.source();
    }
    text
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

    /// All runs, oldest first, and why a damaged file is none, by its name.
    ///
    /// # Errors
    /// A folder or file that the system does not let us read.
    pub fn runs(&self) -> Result<(Vec<Run>, Vec<MirrorError>), MirrorError> {
        let entries = match fs_err::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Vec::new(), Vec::new()));
            }
            entries => entries.map_err(|e| failed("read", &self.dir, e))?,
        };
        let (mut runs, mut damaged) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|e| failed("read", &self.dir, e))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs_err::read(&path).map_err(|e| failed("read", &path, e))?;
                match serde_json::from_slice::<Run>(&text) {
                    Ok(run) => runs.push(run),
                    Err(error) => damaged.push(failed("read", &path, error)),
                }
            }
        }
        runs.sort_unstable_by(|a, b| a.run.cmp(&b.run));
        damaged.sort_unstable_by_key(ToString::to_string);
        // Runs on one graph exclude each other: when one begins, those before it are over.
        let mut began_since = BTreeSet::new();
        for run in runs.iter_mut().rev() {
            let over = !began_since.insert((run.address.clone(), run.graph.clone()));
            if run.state == RunState::Running && (over || run.process.as_ref().is_some_and(Process::is_gone))
            {
                (run.state, run.rows) = (RunState::BrokenOff, None);
            }
        }
        Ok((runs, damaged))
    }

    /// Where the run read the touches that left a graph as it is, given the mark beside that graph; why there is no such
    /// place, where that is so.
    ///
    /// # Errors
    /// Those of [`runs`](Self::runs).
    pub fn position(
        &self,
        graph: &str,
        address: &str,
        mark: Option<Marker>,
    ) -> Result<Result<Position, String>, MirrorError> {
        let (runs, _) = self.runs()?;
        let last = runs.into_iter().rfind(|run| run.graph == graph && run.address == address);
        let reason = match last {
            None => "no run of this ledger wrote the graph",
            Some(run) if run.state != RunState::Complete => "the last run did not come to its end",
            Some(run) if mark.is_none_or(|mark| Some(mark.generation) != run.generation) => {
                "the graph is not the one that the last run of this ledger left"
            }
            Some(_) if mark.is_none_or(|mark| mark.progress != Progress::Complete) => {
                "a run broke off while it wrote the graph"
            }
            Some(run) if !run.held_back.is_empty() => "the last run held back a part of what it was to write",
            Some(Run { position: Some(position), .. }) => return Ok(Ok(position)),
            Some(_) => "the last run could not note where it read the touches",
        };
        Ok(Err(reason.to_owned()))
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
    use super::super::current::Current;
    use super::super::plan::plan;
    use super::super::resolve::{ResolveOptions, resolve};
    use super::super::resolved::Resolved;
    use super::super::sample;
    use super::*;
    use crate::sources::facts::NodeFact;
    use crate::sources::falkordb::FalkorError;

    /// What a first run would do.
    fn summary_of(resolved: &Resolved) -> Summary {
        let nothing = Current::default();
        let plan = plan(resolved, &nothing).expect("a plan");
        plan.summary().expect("its rows can be read")
    }

    #[test]
    fn a_run_is_kept_with_how_it_ended_and_a_damaged_file_is_named_and_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::new(dir.path().join("runs"));
        let kept = || ledger.runs().expect("a ledger").0;
        assert_eq!(kept(), []);
        let resolved = resolve(&sample::facts(), &ResolveOptions::default()).expect("a graph");
        let summary = summary_of(&resolved);
        let mut run = Run::begin("business", "127.0.0.1:1", &summary, &[]);
        ledger.save(&run).expect("written");
        assert_eq!(kept(), [run.clone()]);
        assert_eq!(run.nodes["Person"].create, 9);
        run.end(Ok(()), &Applied { generation: 4, rows: 60, batches: 9, longest_batch_ms: 3.5 });
        ledger.save(&run).expect("written");
        let of = |run: &Run| (run.state, run.generation, run.rows);
        let all = |runs: &[Run]| runs.iter().map(of).collect::<Vec<_>>();
        assert_eq!(all(&kept()), [(RunState::Complete, Some(4), Some(60))]);

        std::fs::write(dir.path().join("runs/torn.json"), "{\"run\": \"2").expect("written");
        let (runs, damaged) = ledger.runs().expect("the others");
        assert_eq!((runs.len(), damaged.len()), (1, 1));
        let said = damaged[0].to_string();
        assert!(said.contains("torn.json"), "{said}");
    }

    #[test]
    fn a_run_that_left_nothing_of_its_end_is_broken_off_once_another_began_or_its_process_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::new(dir.path());
        let resolved = resolve(&sample::facts(), &ResolveOptions::default()).expect("a graph");
        let summary = summary_of(&resolved);
        let begun = |name: &str, graph: &str| {
            let run = Run { run: name.to_owned(), ..Run::begin(graph, "127.0.0.1:1", &summary, &[]) };
            ledger.save(&run).expect("written");
            run
        };
        let states = || ledger.runs().expect("a ledger").0.iter().map(|run| run.state).collect::<Vec<_>>();
        begun("1", "business");
        begun("2", "other");
        assert_eq!(states(), [RunState::Running, RunState::Running]);
        let last = begun("3", "business");
        assert_eq!(states(), [RunState::BrokenOff, RunState::Running, RunState::Running]);
        assert_eq!(ledger.runs().expect("a ledger").0[0].rows, None);

        let mut killed = serde_json::to_value(&last).expect("plain data");
        killed["process"]["born"] = 1.into();
        std::fs::write(dir.path().join("3.json"), killed.to_string()).expect("written");
        assert_eq!(states(), [RunState::BrokenOff, RunState::Running, RunState::BrokenOff]);
    }

    #[test]
    fn a_run_that_failed_keeps_what_it_wrote_and_why_it_ended_with_the_causes() {
        let resolved = resolve(&sample::facts(), &ResolveOptions::default()).expect("a graph");
        let summary = summary_of(&resolved);
        let mut run = Run::begin("business", "127.0.0.1:1", &summary, &[]);
        let place = |graph: &str| FalkorError::NoGraph { graph: graph.to_owned(), address: "h:1".to_owned() };
        let error = MirrorError::Unwritten(place("business"));
        run.end(Err(&error), &Applied { generation: 2, rows: 250, batches: 1, longest_batch_ms: 3.5 });
        assert_eq!((run.state, run.rows, run.generation), (RunState::Failed, Some(250), None));
        let said = run.error.expect("why");
        assert_eq!(said, "cannot write the business graph: there is no graph `business` at h:1");
    }

    #[test]
    fn a_plan_has_the_same_name_as_often_as_it_is_made_and_another_plan_another() {
        let name = |facts: &crate::sources::facts::Facts| {
            let resolved = resolve(facts, &ResolveOptions::default()).expect("a graph");
            summary_of(&resolved).digest
        };
        let mut facts = sample::facts();
        let first = name(&facts);
        assert_eq!(first.len(), 64);
        facts.nodes.revise(|nodes| nodes.reverse()).expect("there is room");
        assert_eq!(name(&facts), first);
        let another = |nodes: &mut Vec<NodeFact>| nodes[0].name = Some("another".to_owned());
        facts.nodes.revise(another).expect("there is room");
        assert_ne!(name(&facts), first);
    }
}
