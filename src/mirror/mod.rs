//! Postgres sources → `FalkorDB` business graph: read, resolve, plan, apply.
//!
//! [`resolve`] is pure: what sources claim becomes one graph, the same whatever order the rows came in. [`plan`] is
//! pure too: the difference between that graph and the one on the server. Only `apply` writes.

mod aliases;
mod apply;
mod current;
mod devices;
mod digest;
mod draft;
mod elements;
mod fed;
mod footing;
mod frozen;
mod incremental;
mod kept;
mod keys;
mod ledger;
mod links;
mod merge;
mod missed;
mod naming;
mod plan;
mod report;
mod resolve;
mod resolved;
mod resting;
#[cfg(test)]
pub(crate) mod sample;
mod shrunk;
mod starts;
mod strangers;
mod summary;
mod sweep;
mod touches;
mod uids;

use crate::context::{Cancelled, Diagnose, Fault};
use crate::snapshot::tables::assemble::AssembleError;
use crate::sources::SourceError;
use crate::sources::falkordb::FalkorError;
use crate::sources::spool::SpoolError;

pub use apply::{Applied, apply, apply_noting, state};
pub use current::{Current, read_graph};
pub use fed::Fed;
pub use footing::{Footing, Lost};
pub use incremental::{Extent, Read, read_since};
pub use kept::{Kept, kept_uids};
pub use ledger::{Ledger, Run, RunState};
pub use missed::Missed;
pub use plan::{Plan, plan};
pub use report::{Conflict, Note};
pub use resolve::{ResolveOptions, resolve};
pub use resolved::{Resolved, Unspooled};
pub use shrunk::Shrunk;
pub use summary::{Counts, Sample, Summary};
pub use sweep::{HeldBack, SweepGuard};

pub use crate::sources::postgres::position::{Position, Since};

/// Why a business graph could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// One source row was delivered as two different kinds of thing.
    #[error("source row `{uid}` is delivered both as {first} and as {second}")]
    TwoLabels {
        /// The name both would have.
        uid: String,
        /// The one label.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The resolved rows are no graph.
    #[error("cannot build the tables of the business graph")]
    Assemble(#[from] AssembleError),
    /// The graph is not the one that the plan was made for.
    #[error(
        "graph `{graph}` changed since it was read: {reached} of {expected} rows of a batch found their place"
    )]
    Moved {
        /// The key.
        graph: String,
        /// Rows sent.
        expected: usize,
        /// Rows that found their nodes.
        reached: i64,
    },
    /// The graph holds a node under another label than the sources claim.
    #[error("node `{uid}` shall be of label {shall}, and the graph holds it as {is}")]
    OtherLabel {
        /// Its uid.
        uid: String,
        /// Its label.
        is: String,
        /// The label that the sources give it.
        shall: &'static str,
    },
    /// A canonical id stands on a node that is not the mirror's.
    #[error("the canonical id of {label} `{uid}` is held by `{holder}`, which the mirror did not make")]
    IdTaken {
        /// Label of both.
        label: &'static str,
        /// Who shall carry it.
        uid: String,
        /// Who does.
        holder: String,
    },
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The graph could not be read.
    #[error("cannot read the business graph")]
    Unread(#[source] FalkorError),
    /// The graph could not be written.
    #[error("cannot write the business graph")]
    Unwritten(#[from] FalkorError),
    /// The plan is not the one that was looked at.
    #[error("the world moved: the plan is {now} now, not `{wanted}`")]
    OtherPlan {
        /// The digest that was asked for.
        wanted: String,
        /// The first digits of the plan's.
        now: String,
    },
    /// What may shrink is no table and no relation.
    #[error("cannot allow `{name}` to shrink: no table and no relation is called that")]
    NoSuchName {
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// What the graph rests on is not found any more.
    #[error("the last run read what is not found any more: {}", told(lost, |lost| &lost.what))]
    Lost {
        /// All that is gone and was not let go.
        lost: Vec<Lost>,
    },
    /// Tables that say who is who lost rows in a way that looks like a failed read.
    #[error("{}, and {} who is who", fewer(tables), if tables.len() == 1 { "it says" } else { "they say" })]
    Shrunk {
        /// All that did and were not let go.
        tables: Vec<Shrunk>,
    },
    /// A run could not be written down, or read again.
    #[error("cannot {doing} the mirror's ledger at `{}`", path.display())]
    Ledger {
        /// `read` or `write`.
        doing: &'static str,
        /// File or folder.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Rows could not be kept aside.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What each has fewer of.
fn fewer(tables: &[Shrunk]) -> String {
    let told =
        tables.iter().map(|Shrunk { of, before, gone, .. }| format!("`{of}` lost {gone} of {before} rows"));
    told.collect::<Vec<_>>().join(", ")
}

/// Each once, in order.
fn told(lost: &[Lost], what: fn(&Lost) -> &String) -> String {
    let mut told: Vec<&str> = lost.iter().map(|lost| &**what(lost)).filter(|told| !told.is_empty()).collect();
    told.dedup();
    told.join(", ")
}

impl Diagnose for MirrorError {
    fn fault(&self) -> Fault {
        match self {
            Self::TwoLabels { .. } | Self::Assemble(_) | Self::NoSuchName { .. } => Fault::Input,
            Self::Moved { .. }
            | Self::OtherPlan { .. }
            | Self::OtherLabel { .. }
            | Self::IdTaken { .. }
            | Self::Lost { .. }
            | Self::Shrunk { .. }
            | Self::Ledger { .. } => Fault::Environment,
            Self::Unread(error) | Self::Unwritten(error) => error.fault(),
            Self::Spool(error) => error.fault(),
            Self::Source(error) => error.fault(),
            Self::Cancelled(_) => Fault::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TwoLabels { .. } | Self::Assemble(_) | Self::Cancelled(_) => None,
            Self::NoSuchName { known, .. } => Some(format!("there are {known}")),
            Self::OtherPlan { .. } => {
                Some("look at `sonograph mirror plan` again; nothing was written".to_owned())
            }
            Self::Lost { lost } => {
                let others = if lost.iter().any(|lost| lost.is_replaced) {
                    "rows of another schema or table are other nodes, with uids of their own; "
                } else {
                    ""
                };
                let keys = told(lost, |lost| &lost.key);
                let otherwise = if keys.is_empty() {
                    "no configuration names it otherwise: it must be as before".to_owned()
                } else {
                    format!("name what is called otherwise now in sonograph.toml ({keys})")
                };
                let names = |is_there: bool| {
                    let lost = lost.iter().filter(|lost| lost.is_there == is_there);
                    lost.map(|lost| &*lost.name).collect::<Vec<_>>().join(",")
                };
                let (gone, there) = (names(false), names(true));
                let gone = (!gone.is_empty()).then(|| {
                    format!(
                        "; what is meant to be gone goes, with all that rests on it, by `sonograph mirror apply \
                         --allow-shrink {gone}`"
                    )
                });
                let there = (!there.is_empty()).then(|| {
                    format!(
                        "; do not let go of what is only called otherwise: `--allow-shrink {there}` deletes all that the \
                         schema told"
                    )
                });
                let [gone, there] = [gone, there].map(Option::unwrap_or_default);
                Some(format!("nothing was written; {others}{otherwise}{gone}{there}"))
            }
            Self::Shrunk { tables } => {
                let names: Vec<&str> = tables.iter().map(|table| &*table.of).collect();
                Some(format!(
                    "nothing was written; that looks like a failed read, after which things would be taken apart or put \
                     together wrongly; if it is meant, --allow-shrink {}",
                    names.join(",")
                ))
            }
            Self::Ledger { .. } => Some("`mirror_dir` in the configuration names the folder".to_owned()),
            Self::Moved { .. } => {
                Some("somebody else writes to it: run `sonograph mirror apply` again".to_owned())
            }
            Self::OtherLabel { is, shall, .. } => Some(format!(
                "nothing was written; `MATCH (n {{uid: …}}) SET n:{shall} REMOVE n:{is}` makes it what it shall be, then run this again"
            )),
            Self::IdTaken { .. } => Some(
                "nothing was written; remove `canonical_id` from that node, or the node, then run this again"
                    .to_owned(),
            ),
            Self::Unread(error) | Self::Unwritten(error) => error.hint(),
            Self::Spool(error) => error.hint(),
            Self::Source(error) => error.hint(),
        }
    }
}
