//! Scores → node properties: plan, apply, verify, undo.
//!
//! A score goes to a node by its internal id, guarded by its `uid`, because internal ids are given to other nodes
//! once theirs is deleted. What stood there before is in the [`Ledger`] before the first write, so that a run can be
//! completed after a break and undone to the bit.

mod apply;
mod current;
mod error;
mod ledger;
mod plan;
mod score;
mod undo;

pub use apply::{Applied, apply, resume};
pub use error::WritebackError;
pub use ledger::{Ledger, Run, RunState};
pub use plan::{Line, Plan, PlannedNode, Range, Sample, plan};
pub use score::Score;
pub use undo::{LeftAlone, UndoOptions, Undone, undo};

/// Node property that names the run which wrote the scores.
pub const SCORE_RUN: &str = "score_run";
/// Node property that says when that run began, in epoch milliseconds UTC.
pub const SCORE_AT: &str = "score_at";
