//! What can go wrong with write-back, and whose move it then is.

use std::path::PathBuf;

use super::RunState;
use crate::context::{Cancelled, Diagnose, Fault};
use crate::sources::falkordb::FalkorError;

/// What can go wrong with write-back.
#[derive(Debug, thiserror::Error)]
pub enum WritebackError {
    /// The graph server.
    #[error(transparent)]
    Falkor(#[from] FalkorError),
    /// The snapshot does not know internal ids.
    #[error("the snapshot was not read from FalkorDB: it has no table `falkordb_ids`")]
    NoIds,
    /// The scores are about nodes that the snapshot does not hold.
    #[error("{count} scored nodes are not in the snapshot, the first is `{first}`")]
    NotInSnapshot {
        /// How many.
        count: usize,
        /// uid of the first.
        first: String,
    },
    /// A table of scores is not shaped as one.
    #[error("cannot read scores: {reason}")]
    Scores {
        /// Why not.
        reason: String,
    },
    /// A score is no number that can be stored.
    #[error("the score `{property}` of `{uid}` is {value}, which cannot be stored")]
    NotFinite {
        /// Whose score.
        uid: String,
        /// Which score.
        property: String,
        /// Infinite, or not a number.
        value: f64,
    },
    /// What a node holds could not be put back.
    #[error("`{property}` of `{uid}` holds something that could not be put back: {found}")]
    Irreversible {
        /// Whose property.
        uid: String,
        /// Which property.
        property: String,
        /// What it holds.
        found: String,
    },
    /// A run before this one broke off.
    #[error("run {run} on graph `{graph}` broke off and wrote other scores than these")]
    Unfinished {
        /// The run.
        run: String,
        /// Its graph.
        graph: String,
    },
    /// The ledger does not know the run.
    #[error("there is no run `{run}` in {}", ledger.display())]
    NoRun {
        /// The run.
        run: String,
        /// The ledger's folder.
        ledger: PathBuf,
    },
    /// The run is in no state for that.
    #[error("cannot {what} run {run}: it is {state}")]
    State {
        /// `undo` or `resume`.
        what: &'static str,
        /// The run.
        run: String,
        /// Its state.
        state: RunState,
    },
    /// Somebody wrote over the scores since.
    #[error("{count} nodes of run {run} were written since, the first is `{first}`, by {by}")]
    Overwritten {
        /// The run.
        run: String,
        /// How many.
        count: usize,
        /// uid of the first.
        first: String,
        /// Its `score_run` now.
        by: String,
    },
    /// What was written does not read back.
    #[error("{count} nodes of run {run} do not hold what was written, the first is `{first}`")]
    Unverified {
        /// The run.
        run: String,
        /// How many.
        count: usize,
        /// uid of the first.
        first: String,
    },
    /// The ledger's folder or file.
    #[error("cannot {doing} {}", path.display())]
    Ledger {
        /// `read` or `write`.
        doing: &'static str,
        /// Folder or file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table of the ledger is not what its run wrote.
    #[error("{} is damaged: it is not what run {run} wrote (SHA-256)", path.display())]
    Damaged {
        /// The run.
        run: String,
        /// The table.
        path: PathBuf,
    },
    /// Nothing tells whether a table of the ledger is what its run wrote.
    #[error("cannot tell whether {} is whole: run {run} noted no SHA-256 of it", path.display())]
    Unsummed {
        /// The run.
        run: String,
        /// The table.
        path: PathBuf,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for WritebackError {
    fn fault(&self) -> Fault {
        match self {
            Self::Falkor(error) => error.fault(),
            Self::Cancelled(_) => Fault::Cancelled,
            Self::Unverified { .. } => Fault::Negative,
            Self::Ledger { doing, source, .. } => match source.downcast_ref() {
                Some(refused) => Fault::of_path(refused),
                // A run's record that cannot be understood is a damaged file.
                None if *doing == "read" => Fault::Input,
                None => Fault::Environment,
            },
            Self::NoIds
            | Self::NotInSnapshot { .. }
            | Self::Scores { .. }
            | Self::NotFinite { .. }
            | Self::Irreversible { .. }
            | Self::Unfinished { .. }
            | Self::NoRun { .. }
            | Self::State { .. }
            | Self::Overwritten { .. }
            | Self::Damaged { .. }
            | Self::Unsummed { .. } => Fault::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Falkor(error) => return error.hint(),
            Self::NoIds => "take one with `sonograph snapshot take`".to_owned(),
            Self::NotInSnapshot { .. } => {
                "name the snapshot that the study read: `--snapshot DIR`".to_owned()
            }
            Self::Irreversible { .. } => "rename the property in the graph, or remove it".to_owned(),
            Self::Unfinished { run, .. } => format!(
                "complete it with `sonograph writeback apply --resume {run}` or take it back with `sonograph writeback undo {run}`"
            ),
            Self::NoRun { .. } => "`sonograph writeback history` lists the runs".to_owned(),
            Self::Overwritten { run, .. } => format!(
                "`sonograph writeback undo {run} --skip-overwritten` leaves these as they are and takes back the rest"
            ),
            Self::Unverified { run, .. } => {
                format!(
                    "somebody else writes these properties, too; `sonograph writeback undo {run}` takes the run back"
                )
            }
            Self::Damaged { .. } => {
                "nothing was written; put the file back from a copy, then run the command again".to_owned()
            }
            Self::Unsummed { .. } => {
                "nothing was written; an earlier pre-release wrote this run: take it back with that version"
                    .to_owned()
            }
            Self::Scores { .. }
            | Self::NotFinite { .. }
            | Self::State { .. }
            | Self::Ledger { .. }
            | Self::Cancelled(_) => {
                return None;
            }
        })
    }
}
