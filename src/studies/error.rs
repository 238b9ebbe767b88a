//! Why a study has no answer.

use polars::prelude::PolarsError;
use thiserror::Error;

use super::influence::pagerank::PageRankError;
use crate::context::{Cancelled, Diagnose, Fault};
use crate::graph::GraphError;

/// Why a study has no answer.
#[derive(Debug, Error)]
pub enum StudyError {
    /// No family has this name.
    #[error("there is no study `{name}`; there are {known}")]
    UnknownFamily {
        /// As asked for.
        name: String,
        /// Names there are, joined by commas.
        known: String,
    },
    /// The family has no parameter of this name.
    #[error("the study `{family}` has no parameter `{name}`; it has {known}")]
    UnknownParameter {
        /// Family.
        family: &'static str,
        /// As given.
        name: String,
        /// Names there are, joined by commas.
        known: String,
    },
    /// A parameter has a value of the wrong type; the value, which may be a secret gone astray, is not repeated.
    #[error("cannot use the parameter `{name}` of the study `{family}`: expected {expected}")]
    Parameter {
        /// Family.
        family: &'static str,
        /// Parameter.
        name: String,
        /// What it may be.
        expected: String,
    },
    /// Parameters contradict each other or the graph.
    #[error("{0}")]
    Unfit(String),
    /// No edge with a time can lie in the range.
    #[error("no moment is at or after {since} and not after {until}")]
    EmptyRange {
        /// Where the range begins, RFC 3339.
        since: String,
        /// Where it ends, RFC 3339.
        until: String,
        /// Whether the end was asked for; else it is the newest moment of the data.
        asked: bool,
    },
    /// No node has this uid.
    #[error("there is no node with uid `{uid}` in this graph")]
    UnknownNode {
        /// As given.
        uid: String,
        /// Nodes that may be meant: uid and name.
        similar: Vec<(String, String)>,
    },
    /// The graph cannot be projected as asked.
    #[error("cannot take the part of the graph that was asked for")]
    Graph(#[from] GraphError),
    /// PageRank cannot be computed.
    #[error("cannot compute PageRank")]
    PageRank(#[source] PageRankError),
    /// An edge weighs less than nothing, and the study cannot count with that.
    #[error(
        "row {row} of `{relation}` has the weight {value} in `{column}`; this study needs weights of at least 0"
    )]
    NegativeWeight {
        /// Relation.
        relation: String,
        /// Weight column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// What is there.
        value: f64,
    },
    /// An edge has a strength that is none.
    #[error(
        "row {row} of `{relation}` has the strength {value} in `{column}`; a strength is above 0 and at most 1"
    )]
    Strength {
        /// Relation.
        relation: String,
        /// Weight column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// What is there.
        value: f64,
    },
    /// The weights at one node have no finite sum, and the study needs it.
    #[error(
        "the weights in `{column}` add up to more than a number can hold at one node; the greatest is {value:?}, in row {row} of \
         `{relation}`"
    )]
    WeightOverflow {
        /// Relation of the greatest.
        relation: String,
        /// Weight column.
        column: String,
        /// Row of the greatest, from 0.
        row: usize,
        /// The greatest, whatever its sign.
        value: f64,
    },
    /// A column that a study reads is not of the type it must be, or a table cannot be assembled.
    #[error("cannot handle the table `{table}`")]
    Table {
        /// Relation, label or table of the study.
        table: String,
        /// What polars says.
        source: PolarsError,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl StudyError {
    pub(super) fn table(table: &str) -> impl FnOnce(PolarsError) -> Self {
        move |source| Self::Table { table: table.to_owned(), source }
    }
}

impl From<PageRankError> for StudyError {
    fn from(error: PageRankError) -> Self {
        match error {
            PageRankError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::PageRank(error),
        }
    }
}

impl Diagnose for StudyError {
    fn fault(&self) -> Fault {
        match self {
            Self::UnknownFamily { .. }
            | Self::UnknownParameter { .. }
            | Self::Parameter { .. }
            | Self::Unfit(_)
            | Self::EmptyRange { .. }
            | Self::UnknownNode { .. }
            | Self::PageRank(_)
            | Self::NegativeWeight { .. }
            | Self::Strength { .. }
            | Self::WeightOverflow { .. }
            | Self::Table { .. } => Fault::Input,
            Self::Graph(error) => error.fault(),
            Self::Cancelled(_) => Fault::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownFamily { .. } => Some("see `sonograph study --list`".into()),
            Self::UnknownNode { similar, .. } if !similar.is_empty() => {
                let one = |(uid, name): &(String, String)| format!("`{uid}` ({name})");
                Some(format!("did you mean {}?", similar.iter().map(one).collect::<Vec<_>>().join(" or ")))
            }
            Self::UnknownNode { .. } => {
                Some("uids are the column `uid` of the snapshot's node tables".into())
            }
            Self::NegativeWeight { relation, .. } => Some(format!(
                "`--weight none` counts every edge once, `--weight COLUMN` weighs by another column, and `--relations` \
                 can leave `{relation}` out"
            )),
            Self::Strength { .. } => Some(
                "`--cost length` takes weights as they are; a formula such as `--weight \"weight / 5\"` makes strengths of \
                 others"
                    .into(),
            ),
            Self::WeightOverflow { .. } => Some(
                "`--weight none` counts every edge once, `--weight COLUMN` weighs by another column; or divide the weights \
                 by a common factor"
                    .into(),
            ),
            Self::EmptyRange { asked: true, .. } => {
                Some("`--since` takes the earlier moment, `--as-of` the later one".into())
            }
            Self::EmptyRange { until, .. } => {
                Some(format!("the newest moment of this snapshot is {until}: name an earlier one with `--since`"))
            }
            Self::PageRank(PageRankError::NoIterations) => {
                Some("`--max-iterations` takes 1 or more; `--tolerance 0` runs every one of them".into())
            }
            Self::Table { .. } => Some("check the snapshot with `sonograph snapshot verify`".into()),
            Self::Graph(error) => error.hint(),
            _ => None,
        }
    }
}
