//! `unified.entities` and its companions, as versioned migrations for an installation that lacks them.
//!
//! Sources are opened read-only: what is missing is shown and printed, and a database administrator runs it.

use super::client::Session;
use super::scope::Scope;
use super::unified::{SYSTEM, discover};
use crate::config::Naming;
use crate::sources::SourceError;

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

/// A migration beside the table that stands for its own in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What would make it.
    pub migration: Migration,
    /// The schema that is looked in.
    pub schema: String,
    /// The table that is looked for.
    pub table: String,
    /// What is there of it.
    pub state: State,
}

impl Step {
    /// Whether the migration would make this very table: its SQL knows no other names.
    pub fn is_made_by_migration(&self) -> bool {
        self.schema == SCHEMA && self.table == self.migration.table
    }
}

/// What a database has of every migration, in order: under configured names, else where the mirror finds the layout, else
/// where the migrations make it.
///
/// # Errors
/// When several schemas hold the layout and none is configured.
pub fn plan(session: &Session, naming: &Naming) -> Result<Vec<Step>, SourceError> {
    let catalog = session.catalog();
    let scope = match naming.schema.names().first() {
        // It need not hold anything yet.
        Some(schema) => Scope::new(SYSTEM, schema, naming),
        None => discover(session, naming)?.unwrap_or_else(|| Scope::new(SYSTEM, SCHEMA, naming)),
    };
    let step = |migration: &Migration| {
        let table = scope.name(migration.table, migration.table).to_owned();
        let state = match catalog.table(&scope.schema, &table) {
            None => State::Missing,
            Some(found) => {
                let is_there = |column: &&str| {
                    let configured = scope.column(migration.table, column);
                    found.has(&[configured.unwrap_or(column)])
                };
                let lacks: Vec<_> =
                    migration.columns.iter().copied().filter(|column| !is_there(column)).collect();
                if lacks.is_empty() { State::Present } else { State::Lacks(lacks) }
            }
        };
        Step { migration: *migration, schema: scope.schema.clone(), table, state }
    };
    Ok(MIGRATIONS.iter().map(step).collect())
}
