//! `unified.entities`: the one row per real-world thing, its crosswalk to source rows and the claims on it.

use polars::prelude::{DataFrame, PolarsResult};

use super::frame::{instants, texts};
use crate::ontology::{Label, SourceRef, Uid};
use crate::sources::facts::{CrosswalkFact, EntityFact, Facts};
use crate::sources::rows::{EntityRow, UnifiedRows};

/// Name of this system in source references.
pub const SYSTEM: &str = "unified";

/// What the rows claim: entities, which source rows they are, and how they were claimed.
pub fn facts(rows: &UnifiedRows, facts: &mut Facts) {
    let table = format!("{}.entities", rows.schema);
    facts.entities.extend(rows.entities.iter().filter_map(|row| entity(row, &table)));
    facts.crosswalk.extend(rows.crosswalk.iter().map(|row| CrosswalkFact {
        entity: row.entity.clone(),
        source: format!("{}:{}:{}", row.source_system, row.source_table, row.source_id),
        confidence: row.confidence,
    }));
    if let Some(events) = &rows.claim_events {
        facts.claims.get_or_insert_default().extend(events.iter().cloned());
    }
}

/// The label an `entity_type` stands for; an artist is a `person`, a promoter an `organization`.
pub fn label_of(entity_type: &str) -> Option<Label> {
    match entity_type {
        "person" => Some(Label::Person),
        "venue" => Some(Label::Venue),
        "organization" => Some(Label::Organization),
        _ => None,
    }
}

/// `None` for an `entity_type` outside the contract, which the reader refuses before it comes here.
fn entity(row: &EntityRow, table: &str) -> Option<EntityFact> {
    let label = label_of(&row.entity_type)?;
    let mut extra_labels: Vec<&'static str> = row.roles.iter().filter_map(|role| extra_label(role)).collect();
    if label != Label::Person {
        extra_labels.clear();
    }
    Some(EntityFact {
        id: row.id.clone(),
        label,
        extra_labels,
        source: SourceRef::new(SYSTEM, table, &row.id),
        canonical_id: row.canonical_id.clone(),
        claim_status: row.claim_status.clone(),
        claimed_by: row.claimed_by.clone(),
        name: row.name.clone(),
    })
}

fn extra_label(role: &str) -> Option<&'static str> {
    match role {
        "artist" => Some("Artist"),
        "fan" => Some("Fan"),
        "contact" => Some("Contact"),
        _ => None,
    }
}

/// The snapshot's `claim_events` table, by time, entity and id; `None` where the installation has none.
///
/// Columns `id, entity` (uid), `from_status, to_status, claimant, method` text, `occurred_at` (µs, UTC).
///
/// # Errors
/// Only if polars refuses columns of equal length.
pub fn claim_events_companion(facts: &Facts) -> PolarsResult<Option<DataFrame>> {
    let Some(claims) = &facts.claims else { return Ok(None) };
    let mut rows: Vec<_> = claims.iter().collect();
    rows.sort_unstable_by(|a, b| (a.occurred_at, &a.entity, &a.id).cmp(&(b.occurred_at, &b.entity, &b.id)));
    let columns = vec![
        texts("id", rows.iter().map(|r| Some(r.id.as_str()))),
        texts("entity", rows.iter().map(|r| Some(Uid::entity(&r.entity).to_string()))),
        texts("from_status", rows.iter().map(|r| Some(r.from_status.as_str()))),
        texts("to_status", rows.iter().map(|r| Some(r.to_status.as_str()))),
        texts("claimant", rows.iter().map(|r| r.claimant.as_deref())),
        texts("method", rows.iter().map(|r| r.method.as_deref())),
        instants("occurred_at", rows.iter().map(|r| r.occurred_at)),
    ];
    DataFrame::new(rows.len(), columns).map(Some)
}
