//! What can be wrong with tables, or with what is asked of them.

use polars::prelude::PolarsError;
use thiserror::Error;

use super::ExpressionError;
use crate::context::{Diagnose, Fault};

/// Why tables are not a graph, or a projection cannot be made of it.
#[derive(Debug, Error)]
pub enum GraphError {
    /// A table lacks a column or holds it in another type.
    #[error("cannot read column `{column}` of `{table}`")]
    Column {
        /// Label or relation.
        table: String,
        /// Column.
        column: String,
        /// What polars says.
        source: PolarsError,
    },
    /// Dense ids do not count up through labels and rows.
    #[error("row {row} of `{label}` has node id {found}, expected {expected}")]
    NodeId {
        /// Label.
        label: String,
        /// Row, from 0.
        row: usize,
        /// What is there; `None`: null.
        found: String,
        /// What canonical order asks for.
        expected: usize,
    },
    /// A uid is missing, repeated, or out of byte order.
    #[error("row {row} of `{label}` has no uid, or one that is not after the uid before it")]
    Uid {
        /// Label.
        label: String,
        /// Row, from 0.
        row: usize,
    },
    /// An edge names a node that does not exist.
    #[error("row {row} of `{relation}` has {column} {found}, outside the {nodes} nodes")]
    Endpoint {
        /// Relation.
        relation: String,
        /// `src` or `dst`.
        column: &'static str,
        /// Row, from 0.
        row: usize,
        /// What is there.
        found: String,
        /// Number of nodes.
        nodes: usize,
    },
    /// More nodes or edges than 32-bit ids can name.
    #[error("{what} are more than this build can hold in one graph (2^31)")]
    TooLarge {
        /// `5000000000 edges`.
        what: String,
    },
    /// A projection names a relation that the graph has not.
    #[error("there is no relation `{name}` in this graph; it has {known}")]
    UnknownRelation {
        /// As asked for.
        name: String,
        /// Names there are, joined by commas.
        known: String,
    },
    /// A projection names a label that no node has.
    #[error("there is no label `{name}` in this graph; it has {known}")]
    UnknownLabel {
        /// As asked for.
        name: String,
        /// Names there are, joined by commas.
        known: String,
    },
    /// A projection weighs by a column that none of its relations has.
    #[error("none of the relations {relations} has a number column `{column}` to weigh by")]
    UnknownWeight {
        /// As asked for.
        column: String,
        /// Names of the projected relations, joined by commas.
        relations: String,
    },
    /// A condition or weight cannot be read.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A condition or weight does not fit a table.
    #[error("cannot use `{expression}` on `{table}`: {problem}")]
    Unfit {
        /// As given.
        expression: String,
        /// Label or relation.
        table: String,
        /// Why not.
        problem: String,
    },
    /// A condition or weight names a property that none of the tables has.
    #[error("`{expression}` names `{property}`, which none of {tables} has")]
    UnknownProperty {
        /// As given.
        expression: String,
        /// The property.
        property: String,
        /// Labels or relations, joined by commas.
        tables: String,
    },
    /// A weight is not a number.
    #[error("row {row} of `{relation}` has the weight {value} in `{column}`; weights must be finite")]
    Weight {
        /// Relation.
        relation: String,
        /// Weight column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// What is there.
        value: f64,
    },
}

impl Diagnose for GraphError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooLarge { .. } => Fault::Environment,
            _ => Fault::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Column { .. } | Self::NodeId { .. } | Self::Uid { .. } | Self::Endpoint { .. } => {
                Some("`sonograph snapshot verify` says what else is wrong with a snapshot".to_owned())
            }
            Self::Weight { .. } => Some(
                "`--weight none` counts every edge once, `--weight COLUMN` weighs by another column"
                    .to_owned(),
            ),
            Self::Expression(_) => Some(
                "such as `weight >= 0.5 and source = 'scan'`, or `log1p(views)`; odd names go in backticks"
                    .to_owned(),
            ),
            Self::TooLarge { .. }
            | Self::Unfit { .. }
            | Self::UnknownProperty { .. }
            | Self::UnknownRelation { .. }
            | Self::UnknownLabel { .. }
            | Self::UnknownWeight { .. } => None,
        }
    }
}

pub(super) fn in_column<'a>(table: &'a str, column: &'a str) -> impl Fn(PolarsError) -> GraphError + 'a {
    move |source| GraphError::Column { table: table.to_owned(), column: column.to_owned(), source }
}
