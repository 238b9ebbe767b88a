//! `unified.entities`: the one row per real-world thing, its crosswalk to source rows and the claims on it.

use polars::prelude::{DataFrame, PolarsResult};

use super::catalog::{Catalog, Table};
use super::client::{Session, Taken};
use super::columns::{Instant, Json};
use super::frame::{instants, texts};
use super::scope::{Scope, choose_schema, untaken};
use super::select::Select;
use crate::config::Naming;
use crate::context::Context;
use crate::ontology::canonical::masked;
use crate::ontology::{Label, SourceRef, Uid, safe_id};
use crate::sources::facts::{CrosswalkFact, EntityFact, Facts};
use crate::sources::rows::{ClaimEventRow, CrosswalkRow, EntityRow, UnifiedRows};
use crate::sources::spool::SpoolError;
use crate::sources::{Found, Lacking, SourceError, SourceOptions};

/// Name of this system in source references.
pub const SYSTEM: &str = "unified";

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let naming = options.of(SYSTEM);
    let catalog = session.catalog();
    let Some(scope) = discover(session, naming)? else {
        is_meant(&catalog, naming)?;
        session.lacks(untaken(lacking(&catalog, naming), &naming.schema, &[]));
        return Ok(None);
    };
    scope.distinct(&["entities", "entity_sources", "claim_events"].map(|logical| (logical, logical)))?;
    let companions = ["entity_sources", "claim_events"].map(|logical| (logical, logical));
    let missing = scope.missing(&catalog, &companions)?;
    entities(session, &scope, into, cx).await?;
    crosswalk(session, &scope, into, cx).await?;
    if let Some(events) = claim_events(session, &scope, cx).await? {
        into.claims.get_or_insert_default().extend(events);
    }
    Ok(Some(Found { schema: scope.schema, notes: Vec::new(), missing }))
}

/// The schema whose `entities` has the columns that make it ours.
pub(super) fn discover<'o>(session: &Session, naming: &'o Naming) -> Result<Option<Scope<'o>>, SourceError> {
    let catalog = session.catalog();
    let scope = |schema: &str| Scope::new(SYSTEM, schema, naming);
    let ours = |schema: &str| {
        let scope = scope(schema);
        let table = catalog.table(schema, scope.name("entities", "entities"));
        // A configured column that is missing is an error of its own, told when it is read.
        let has =
            |table: &Table, column: &str| scope.column("entities", column).is_some() || table.has(&[column]);
        table.is_some_and(|table| CONTRACT.iter().all(|column| has(table, column)))
    };
    let candidates = catalog.schemas_with(&[scope("").name("entities", "entities")]);
    let candidates: Vec<&str> = candidates.into_iter().filter(|schema| ours(schema)).collect();
    let lacking = lacking(&catalog, naming);
    let unfit = is_meant(&catalog, naming).is_err();
    if unfit && candidates.is_empty() {
        return Ok(None);
    }
    let chosen = choose_schema(session.place(), SYSTEM, &naming.schema, &candidates, &lacking)?;
    Ok(chosen.map(|schema| scope(&schema)))
}

/// Whether the table that the configuration names for the entities may be theirs: it is there, and has half of their columns.
///
/// # Errors
/// Where it is not.
fn is_meant(catalog: &Catalog, naming: &Naming) -> Result<(), SourceError> {
    let Some(name) = naming.tables.get("entities") else { return Ok(()) };
    let scope = Scope::new(SYSTEM, "", naming);
    scope.must_be_somewhere(catalog, "entities", &["entities", "entity_sources", "claim_events"])?;
    let meant = naming.schema.names();
    let mut schemas = catalog.schemas_with(&[name]);
    schemas.retain(|schema| meant.is_empty() || meant.iter().any(|named| named == schema));
    let mut unfit = None;
    for table in schemas.into_iter().filter_map(|schema| catalog.table(schema, name)) {
        let (has, lacks) = parts(table, &scope);
        if has * 2 >= CONTRACT.len() {
            return Ok(());
        }
        let lacks: Vec<String> = lacks.iter().map(|column| format!("`{column}`")).collect();
        unfit.get_or_insert(SourceError::TableUnfit {
            source_name: SYSTEM,
            table: table.qualified(),
            key: format!("sources.{SYSTEM}.entities"),
            lacks: lacks.join(", "),
        });
    }
    unfit.map_or(Ok(()), Err)
}

/// How many of the columns a table has that make it ours, and the others.
fn parts(table: &Table, scope: &Scope<'_>) -> (usize, Vec<&'static str>) {
    let is_there = |column: &&&str| table.has(&[scope.column("entities", column).unwrap_or(column)]);
    let (has, lacks): (Vec<&str>, Vec<&str>) = CONTRACT.iter().partition(is_there);
    (has.len(), lacks)
}

/// What keeps schemas from being ours: of one that has a companion, the table of the entities; of a table that has half of the
/// columns that make it ours, the others.
fn lacking(catalog: &Catalog, naming: &Naming) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    for schema in catalog.schemas_with(&[]) {
        let scope = Scope::new(SYSTEM, schema, naming);
        let name = scope.name("entities", "entities");
        let Some(table) = catalog.table(schema, name) else {
            let is_companion = |logical| {
                let table = catalog.table(schema, scope.name(logical, logical));
                table.is_some_and(|table| table.has(&["entity_id"]))
            };
            if ["entity_sources", "claim_events"].into_iter().any(is_companion) {
                let key = Some(format!("sources.{SYSTEM}.entities"));
                lacking.push(Lacking::table(SYSTEM, schema, name, key));
            }
            continue;
        };
        let (has, lacks) = parts(table, &scope);
        if has * 2 >= CONTRACT.len() {
            let column = |column| Lacking::column(SYSTEM, (schema, name), column, ("entities", column));
            lacking.extend(lacks.into_iter().map(column));
        }
    }
    lacking
}

/// The columns that make a table `entities` ours.
const CONTRACT: &[&str] = &["id", "entity_type", "canonical_id", "claim_status", "claimed_by", "metadata"];

const STATUSES: &[&str] = &["unclaimed", "pending", "claimed"];

async fn entities(
    session: &mut Session,
    scope: &Scope<'_>,
    into: &mut Facts,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "entities", "entities")? else { return Ok(()) };
    let of_table = format!("{}.{}", scope.schema, scope.name("entities", "entities"));
    let (mut select, id) = Select::new(table, "id")?;
    let entity_type = select.required("entity_type", &["entity_type"])?;
    let canonical_id = select.required("canonical_id", &["canonical_id"])?;
    let claim_status = select.required("claim_status", &["claim_status"])?;
    let claimed_by = select.required("claimed_by", &["claimed_by"])?;
    let part = "jsonb_build_object('name', {} -> 'name', 'roles', {} -> 'roles')";
    let metadata = select.json("metadata", &["metadata"], part)?;
    session
        .read(&select, cx, |row| {
            let kind: String = row.need(entity_type)?;
            let status: String = row.need(claim_status)?;
            if label_of(&kind).is_none() {
                return Err(row.refuse(entity_type, "is none of person, venue, organization"));
            }
            if !STATUSES.contains(&status.as_str()) {
                return Err(row.refuse(claim_status, NO_STATUS));
            }
            let refused = |reason: String| row.refuse(metadata, &reason);
            let told = row.get(metadata)?.unwrap_or(Json(serde_json::Value::Null));
            let row = EntityRow {
                id: row.need(id)?,
                entity_type: kind,
                canonical_id: row.get(canonical_id)?,
                claim_status: status,
                claimed_by: row.get(claimed_by)?,
                name: told.text(&["name"]).map_err(refused)?,
                roles: told.list("roles").map_err(refused)?,
            };
            into.entities.extend(entity(&row, &of_table))?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
}

const NO_STATUS: &str = "is none of unclaimed, pending, claimed";

async fn crosswalk(
    session: &mut Session,
    scope: &Scope<'_>,
    into: &mut Facts,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "entity_sources", "entity_sources")? else { return Ok(()) };
    // The key is (source_system, source_table, source_id); the last part names a row well enough.
    let (mut select, source_id) = Select::new(table, "source_id")?;
    let entity = select.required("entity_id", &["entity_id"])?;
    let source_system = select.required("source_system", &["source_system"])?;
    let source_table = select.required("source_table", &["source_table"])?;
    let match_rule = select.optional("match_rule", &["match_rule"])?;
    let confidence = select.optional("confidence", &["confidence"])?;
    session
        .read(&select, cx, |row| {
            into.crosswalk.push(&crossing(&CrosswalkRow {
                entity: row.need(entity)?,
                source_system: row.need(source_system)?,
                source_table: row.need(source_table)?,
                source_id: row.need(source_id)?,
                match_rule: row.get(match_rule)?.unwrap_or_default(),
                confidence: row.get(confidence)?.unwrap_or(1.0),
            }))?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
}

async fn claim_events(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<Option<Vec<ClaimEventRow>>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "claim_events", "claim_events")? else { return Ok(None) };
    let (mut select, id) = Select::new(table, "id")?;
    let entity = select.required("entity_id", &["entity_id"])?;
    let from_status = select.required("from_status", &["from_status"])?;
    let to_status = select.required("to_status", &["to_status"])?;
    let claimant = select.optional("claimant", &["claimant"])?;
    let method = select.optional("method", &["method"])?;
    let occurred_at = select.required("occurred_at", &["occurred_at"])?;
    let mut events = session
        .read(&select, cx, |row| {
            let mut statuses = [String::new(), String::new()];
            for (status, field) in statuses.iter_mut().zip([from_status, to_status]) {
                *status = row.need(field)?;
                if !STATUSES.contains(&status.as_str()) {
                    return Err(row.refuse(field, NO_STATUS));
                }
            }
            let [from_status, to_status] = statuses;
            let Instant(occurred_at) = row.need(occurred_at)?;
            Ok(Taken::Row(ClaimEventRow {
                id: row.need(id)?,
                entity: row.need(entity)?,
                from_status,
                to_status,
                claimant: row.get(claimant)?,
                method: row.get(method)?,
                occurred_at,
            }))
        })
        .await?;
    events.sort_unstable_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
    Ok(Some(events))
}

/// What the rows claim: entities, which source rows they are, and how they were claimed.
///
/// # Errors
/// When there is no room to keep the facts aside.
pub fn facts(rows: &UnifiedRows, facts: &mut Facts) -> Result<(), SpoolError> {
    let table = format!("{}.entities", rows.schema);
    facts.entities.extend(rows.entities.iter().filter_map(|row| entity(row, &table)))?;
    facts.crosswalk.extend(rows.crosswalk.iter().map(crossing))?;
    if let Some(events) = &rows.claim_events {
        facts.claims.get_or_insert_default().extend(events.iter().cloned());
    }
    Ok(())
}

fn crossing(row: &CrosswalkRow) -> CrosswalkFact {
    CrosswalkFact {
        entity: row.entity.clone(),
        source: format!("{}:{}:{}", row.source_system, row.source_table, row.source_id),
        confidence: row.confidence,
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
        texts("id", rows.iter().map(|r| Some(safe_id(&r.id)))),
        texts("entity", rows.iter().map(|r| Some(Uid::entity(&r.entity).to_string()))),
        texts("from_status", rows.iter().map(|r| Some(masked(&r.from_status)))),
        texts("to_status", rows.iter().map(|r| Some(masked(&r.to_status)))),
        texts("claimant", rows.iter().map(|r| r.claimant.as_deref().map(safe_id))),
        texts("method", rows.iter().map(|r| r.method.as_deref().map(masked))),
        instants("occurred_at", rows.iter().map(|r| r.occurred_at)),
    ];
    DataFrame::new(rows.len(), columns).map(Some)
}
