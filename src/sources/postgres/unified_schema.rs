//! `unified.entities` and its companions, as versioned migrations for an installation that lacks them.
//!
//! Sources are opened read-only: what is missing is shown and printed, and a database administrator runs it.

use super::catalog::Catalog;

/// The schema the migrations make their tables in.
pub const SCHEMA: &str = "unified";

/// One step; its file says what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// `0001_entities`.
    pub name: &'static str,
    /// The table it makes.
    pub table: &'static str,
    /// Columns that the table has afterwards.
    pub columns: &'static [&'static str],
    /// What is to be run.
    pub sql: &'static str,
}

/// Every step, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_entities",
        table: "entities",
        columns: &["id", "entity_type", "canonical_id", "claim_status", "claimed_by", "metadata"],
        sql: include_str!("sql/unified/0001_entities.sql"),
    },
    Migration {
        name: "0002_entity_sources",
        table: "entity_sources",
        columns: &[
            "entity_id",
            "source_system",
            "source_table",
            "source_id",
            "match_rule",
            "confidence",
            "matched_at",
        ],
        sql: include_str!("sql/unified/0002_entity_sources.sql"),
    },
    Migration {
        name: "0003_claim_events",
        table: "claim_events",
        columns: &[
            "id",
            "entity_id",
            "from_status",
            "to_status",
            "claimant",
            "method",
            "reason",
            "occurred_at",
        ],
        sql: include_str!("sql/unified/0003_claim_events.sql"),
    },
];

/// What a database has of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The table is there, with every column.
    Present,
    /// The table is not there.
    Missing,
    /// A table of that name lacks these columns: a person has to look.
    Lacks(Vec<&'static str>),
}

/// What the database has of every migration, in order.
pub fn plan(catalog: &Catalog) -> Vec<(Migration, State)> {
    let state = |migration: &Migration| match catalog.table(SCHEMA, migration.table) {
        None => State::Missing,
        Some(table) => {
            let lacks: Vec<_> =
                migration.columns.iter().copied().filter(|column| !table.has(&[column])).collect();
            if lacks.is_empty() { State::Present } else { State::Lacks(lacks) }
        }
    };
    MIGRATIONS.iter().map(|migration| (*migration, state(migration))).collect()
}
