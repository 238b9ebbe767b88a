//! What tables take in memory, told before any of them is read.

use std::collections::BTreeMap;

use super::{DST, SRC, UID};

/// The tables of a snapshot by what they take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// By label.
    pub nodes: BTreeMap<String, TableSize>,
    /// By relation.
    pub edges: BTreeMap<String, TableSize>,
    /// By companion.
    pub companions: BTreeMap<String, TableSize>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
}

/// A table by what it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Rows.
    pub rows: u64,
    /// Bytes of its file.
    pub file: u64,
    /// Bytes by column in memory.
    pub columns: BTreeMap<String, u64>,
}

impl TableSize {
    /// Bytes of all columns in memory.
    pub fn bytes(&self) -> u64 {
        self.columns.values().sum()
    }
}

impl Sizes {
    /// Number of nodes.
    pub fn node_count(&self) -> u64 {
        self.nodes.values().map(|table| table.rows).sum()
    }

    /// Edges of one relation; 0 where there is none.
    pub fn edges_of(&self, relation: &str) -> u64 {
        self.edges.get(relation).map_or(0, |table| table.rows)
    }

    /// Bytes of every node's uid.
    pub fn uids(&self) -> u64 {
        self.nodes.values().filter_map(|table| table.columns.get(UID)).sum()
    }

    fn tables(&self) -> impl Iterator<Item = &TableSize> {
        self.nodes.values().chain(self.edges.values()).chain(self.companions.values())
    }

    /// Bytes that the loaded graph stays in: its tables, with the ends of edges in half of what they take at rest.
    pub fn resident(&self) -> u64 {
        let ends =
            |table: &TableSize| -> u64 { [SRC, DST].iter().filter_map(|c| table.columns.get(*c)).sum() };
        let saved: u64 = self.edges.values().map(|table| ends(table).saturating_sub(8 * table.rows)).sum();
        self.tables().map(TableSize::bytes).sum::<u64>().saturating_sub(saved)
    }

    /// Bytes at the peak of loading: all tables as at rest, beside them the largest file with what it is decoded to a
    /// second time, or the ends and times of the largest relation.
    pub fn loading(&self) -> u64 {
        let reading = self.tables().map(|table| table.file + table.bytes() / 2).max().unwrap_or(0);
        let indexing = self.edges.values().map(|table| 24 * table.rows).max().unwrap_or(0);
        self.tables().map(TableSize::bytes).sum::<u64>() + reading.max(indexing)
    }
}
