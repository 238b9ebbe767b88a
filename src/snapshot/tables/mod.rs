//! The tables of a snapshot in memory.

pub mod assemble;
mod column;

use std::collections::BTreeMap;

use polars::prelude::DataFrame;

/// Name of the dense node id column, `Int64`, over the whole snapshot.
pub const NODE: &str = "node";
/// Name of the unique text id column.
pub const UID: &str = "uid";
/// Name of the display name column.
pub const NAME: &str = "name";
/// Name of the further-labels column, `List(String)`; absent where no node has any.
pub const LABELS: &str = "labels";
/// Dense node id of an edge's source, `Int64`.
pub const SRC: &str = "src";
/// Dense node id of an edge's target, `Int64`.
pub const DST: &str = "dst";
/// When an edge happened, `Datetime(µs, UTC)`.
pub const TIMESTAMP: &str = "timestamp";
/// Strength of an edge, `Float64`.
pub const WEIGHT: &str = "weight";

/// A graph as tables: one per label, one per relation, and companions that are neither.
///
/// Order is canonical: labels and relations by name; dense ids count up through labels in that order and, within a
/// label, in byte order of `uid`; edges lie by `src`, `dst` and then their properties. The same graph therefore gives
/// the same bytes, whatever order a source delivered it in.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Label → `node, uid, name[, labels], properties…`.
    pub nodes: BTreeMap<String, DataFrame>,
    /// Relation → `src, dst, properties…`.
    pub edges: BTreeMap<String, DataFrame>,
    /// Further tables by file stem: `touchpoints`, `claim_events`, `falkordb_ids`.
    pub companions: BTreeMap<String, DataFrame>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
}

impl Tables {
    /// Number of nodes over all labels.
    pub fn node_count(&self) -> usize {
        self.nodes.values().map(DataFrame::height).sum()
    }

    /// Number of edges over all relations.
    pub fn edge_count(&self) -> usize {
        self.edges.values().map(DataFrame::height).sum()
    }
}
