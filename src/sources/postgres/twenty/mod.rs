//! Twenty CRM: companies, people, opportunities and the moments a stage was reached.

mod phones;
mod workspace;

use std::collections::{HashMap, HashSet};

use super::client::{Session, Taken};
use super::columns::{Instant, Json};
use super::millis;
use super::scope::Scope;
use super::select::{Field, Row, Select};
use crate::context::Context;
use crate::ontology::{Label, Relation, SourceRef};
use crate::sources::facts::{Address, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{CompanyRow, ContactRow, OpportunityRow, PromoterRow, StageChangeRow, TwentyRows};
use crate::sources::spool::SpoolError;
use crate::sources::{Found, SourceError, SourceOptions};

pub use workspace::computed_schema;
use workspace::{Layout, Promoter, discover};

/// Name of this system in source references.
pub const SYSTEM: &str = "twenty";

/// Discovers the layout and reads what it claims.
pub async fn read(
    session: &mut Session,
    options: &SourceOptions,
    into: &mut Facts,
    cx: &Context,
) -> Result<Option<Found>, SourceError> {
    let naming = options.of(SYSTEM);
    let Some(Layout { scope, promoter, notes }) = discover(session, naming).await? else {
        return Ok(None);
    };
    // The others are what the workspace is told by.
    let missing = scope.missing(&session.catalog(), &[("timeline", "timelineActivity")])?;
    let rows = TwentyRows {
        schema: scope.schema.clone(),
        companies: companies(session, &scope, cx).await?,
        people: people(session, &scope, cx).await?,
        opportunities: opportunities(session, &scope, cx).await?,
        stage_changes: stage_changes(session, &scope, cx).await?,
        promoters: promoters(session, &scope, &promoter, cx).await?,
        promoter_table: Some(promoter.table),
    };
    facts(&rows, &options.won_stages, into)?;
    Ok(Some(Found { schema: rows.schema, notes, missing }))
}

/// What every object has: creation, change and soft delete.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    created: Field<Instant>,
    updated: Field<Instant>,
    deleted: Field<Instant>,
}

impl Stamps {
    fn of(select: &mut Select<'_>) -> Result<Self, SourceError> {
        Ok(Self {
            created: select.optional("created_at", &["createdAt"])?,
            updated: select.optional("updated_at", &["updatedAt"])?,
            deleted: select.optional("deleted_at", &["deletedAt"])?,
        })
    }

    fn deleted(self, row: &Row<'_>) -> Result<bool, SourceError> {
        Ok(row.get(self.deleted)?.is_some())
    }

    fn created(self, row: &Row<'_>) -> Result<Option<i64>, SourceError> {
        Ok(row.get(self.created)?.map(|Instant(at)| at))
    }

    fn updated(self, row: &Row<'_>) -> Result<Option<i64>, SourceError> {
        Ok(row.get(self.updated)?.map(|Instant(at)| at))
    }
}

const DELETED: &str = "soft-deleted";
const NO_CHANGE: &str = "no change of stage";

async fn companies(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<Vec<CompanyRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "company", "company")? else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    let name = select.optional("name", &["name"])?;
    let domain_url = select.optional("domain", &["domainNamePrimaryLinkUrl", "domainName"])?;
    let city = select.optional("city", &["addressAddressCity"])?;
    let country = select.optional("country", &["addressAddressCountry"])?;
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            Ok(Taken::Row(CompanyRow {
                id: row.need(id)?,
                name: row.get(name)?,
                domain_url: row.get(domain_url)?,
                city: row.get(city)?,
                country: row.get(country)?,
                created_at: stamps.created(row)?,
                updated_at: stamps.updated(row)?,
            }))
        })
        .await
}

async fn people(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<Vec<ContactRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "person", "person")? else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    let first_name = select.optional("first_name", &["nameFirstName"])?;
    let last_name = select.optional("last_name", &["nameLastName"])?;
    let primary_email = select.optional("primary_email", &["emailsPrimaryEmail", "email"])?;
    let additional_emails = select.optional("additional_emails", &["emailsAdditionalEmails"])?;
    let phone = select.optional("phone", &["phonesPrimaryPhoneNumber", "phone"])?;
    let calling_code = select.optional("calling_code", &["phonesPrimaryPhoneCallingCode"])?;
    let additional_phones: Field<Json> = select.optional("additional_phones", &["phonesAdditionalPhones"])?;
    let job_title = select.optional("job_title", &["jobTitle"])?;
    let instagram_url = select.optional("instagram", &["instagramPrimaryLinkUrl", "instagram"])?;
    let company = select.optional("company", &["companyId"])?;
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            Ok(Taken::Row(ContactRow {
                id: row.need(id)?,
                first_name: row.get(first_name)?,
                last_name: row.get(last_name)?,
                primary_email: row.get(primary_email)?,
                additional_emails: row.get(additional_emails)?.unwrap_or_default(),
                phone: row.get(phone)?,
                calling_code: row.get(calling_code)?,
                additional_phones: match row.get(additional_phones)? {
                    Some(told) => {
                        phones::further(&told).map_err(|reason| row.refuse(additional_phones, &reason))?
                    }
                    None => Vec::new(),
                },
                job_title: row.get(job_title)?,
                instagram_url: row.get(instagram_url)?,
                company: row.get(company)?,
                created_at: stamps.created(row)?,
                updated_at: stamps.updated(row)?,
            }))
        })
        .await
}

async fn opportunities(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<Vec<OpportunityRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "opportunity", "opportunity")? else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    let name = select.optional("name", &["name"])?;
    let stage = select.required("stage", &["stage"])?;
    let amount_micros = select.optional("amount_micros", &["amountAmountMicros"])?;
    let currency = select.optional("currency", &["amountCurrencyCode"])?;
    let close_date = select.optional("close_date", &["closeDate"])?;
    let contact = select.optional("contact", &["pointOfContactId"])?;
    let company = select.optional("company", &["companyId"])?;
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            Ok(Taken::Row(OpportunityRow {
                id: row.need(id)?,
                name: row.get(name)?,
                stage: row.need(stage)?,
                amount_micros: row.get(amount_micros)?,
                currency: row.get(currency)?,
                close_date: row.get(close_date)?.map(|Instant(at)| at),
                contact: row.get(contact)?,
                company: row.get(company)?,
                created_at: stamps.created(row)?,
                updated_at: stamps.updated(row)?,
            }))
        })
        .await
}

/// What matters of a timeline entry's `properties`.
const STAGES: &str = "jsonb_build_object(
    'diff', CASE WHEN jsonb_typeof({} -> 'diff') = 'object'
                 THEN jsonb_build_object('stage', {} #> '{diff,stage}') END,
    'before', jsonb_build_object('stage', {} #> '{before,stage}'),
    'after', jsonb_build_object('stage', {} #> '{after,stage}'))";

/// The stage before and after, told by `diff` where there is one, else by the whole record before and after.
fn stages(properties: &Json) -> Result<(Option<String>, Option<String>), String> {
    let told = |side| {
        if properties.0.get("diff").is_some_and(serde_json::Value::is_object) {
            properties.text(&["diff", "stage", side])
        } else {
            properties.text(&[side, "stage"])
        }
    };
    Ok((told("before")?, told("after")?))
}

async fn stage_changes(
    session: &mut Session,
    scope: &Scope<'_>,
    cx: &Context,
) -> Result<Vec<StageChangeRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "timeline", "timelineActivity")? else { return Ok(Vec::new()) };
    let (mut select, _) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    // The newer and the older name of the join column.
    let opportunity = select.optional("opportunity", &["targetOpportunityId", "opportunityId"])?;
    let at = select.required("at", &["happensAt", "createdAt"])?;
    let properties = select.json("properties", &["properties"], STAGES)?;
    let name: Field<String> = select.optional("name", &["name"])?;
    if let Some(name) = select.quoted(name) {
        select.clauses(format!("WHERE {name}::text LIKE 'opportunity.%'"), None);
    }
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            let Some(told) = row.get(properties)? else { return Ok(Taken::LeftOut(NO_CHANGE)) };
            let (before, after) = stages(&told).map_err(|reason| row.refuse(properties, &reason))?;
            match (row.get(opportunity)?, after) {
                (Some(opportunity), Some(after)) if before.as_ref() != Some(&after) => {
                    let Instant(at) = row.need(at)?;
                    Ok(Taken::Row(StageChangeRow { opportunity, before, after, at }))
                }
                _ => Ok(Taken::LeftOut(NO_CHANGE)),
            }
        })
        .await
}

async fn promoters(
    session: &mut Session,
    scope: &Scope<'_>,
    promoter: &Promoter,
    cx: &Context,
) -> Result<Vec<PromoterRow>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "promoter", &promoter.table)? else { return Ok(Vec::new()) };
    let (mut select, id) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    let name = select.optional("name", &["name"])?;
    let company = select.optional("company", &[promoter.company.as_deref().unwrap_or("companyId")])?;
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            Ok(Taken::Row(PromoterRow {
                id: row.need(id)?,
                name: row.get(name)?,
                company: row.get(company)?,
            }))
        })
        .await
}

/// The stage that means "won" on a stock installation; users edit the stages, so this is a default only.
pub const DEFAULT_WON_STAGE: &str = "CUSTOMER";

/// What the rows claim: organisations, people who work for them, opportunities, and who was converted to which.
///
/// `won_stages` are the stages that count as converted. A promoter that names its company *is* that company: its row
/// stands behind the company's node and gives none of its own. An edge to a row that is not among the rows (soft-deleted) is left out.
///
/// # Errors
/// When there is no room to keep the facts aside.
pub fn facts(rows: &TwentyRows, won_stages: &[String], facts: &mut Facts) -> Result<(), SpoolError> {
    let companies = format!("{}.company", rows.schema);
    let people = format!("{}.person", rows.schema);
    let opportunities = format!("{}.opportunity", rows.schema);
    let promoters = format!("{}.{}", rows.schema, rows.promoter_table.as_deref().unwrap_or("_promoter"));
    let company_ids: HashSet<&str> = rows.companies.iter().map(|c| c.id.as_str()).collect();
    let person_ids: HashSet<&str> = rows.people.iter().map(|p| p.id.as_str()).collect();
    let company_of = |id: &Option<String>| {
        let id = id.as_deref().filter(|id| company_ids.contains(id))?;
        Some(End::Row(SourceRef::new(SYSTEM, &companies, id)))
    };

    facts.nodes.extend(rows.companies.iter().map(|row| company(row, &companies)))?;
    for row in &rows.promoters {
        match &row.company {
            None => {
                facts.nodes.push(&promoter(row, &promoters))?;
            }
            Some(company) => facts.same_rows.push((
                SourceRef::new(SYSTEM, &promoters, &row.id),
                SourceRef::new(SYSTEM, &companies, company),
            )),
        }
    }
    for row in &rows.people {
        let node = person(row, &people);
        if let Some(employer) = company_of(&row.company) {
            facts.edges.push(&EdgeFact {
                relation: Relation::WorksFor,
                src: End::Row(node.source.clone()),
                dst: employer,
                properties: row
                    .job_title
                    .clone()
                    .map(|title| ("title", Value::Text(title)))
                    .into_iter()
                    .collect(),
            })?;
        }
        facts.nodes.push(&node)?;
    }

    let won_at = won_instants(rows, won_stages);
    for row in &rows.opportunities {
        let node = opportunity(row, &opportunities);
        let here = End::Row(node.source.clone());
        let contact = row.contact.as_deref().filter(|id| person_ids.contains(id));
        let contact = contact.map(|id| End::Row(SourceRef::new(SYSTEM, &people, id)));
        let company = company_of(&row.company);
        let link = |relation, src: End, dst: End, properties| EdgeFact { relation, src, dst, properties };
        if let Some(person) = &contact {
            facts.edges.push(&link(Relation::ContactFor, person.clone(), here.clone(), Vec::new()))?;
        }
        if let Some(company) = &company {
            facts.edges.push(&link(Relation::ForOrg, here.clone(), company.clone(), Vec::new()))?;
        }
        if won_stages.contains(&row.stage)
            && let Some(who) = company.or(contact)
        {
            let at = won_at.get(row.id.as_str());
            let evidence = if at.is_some() { "timelineActivity" } else { "stage" };
            let mut properties: Vec<_> =
                at.map(|&at| ("timestamp", Value::Instant(millis(at)))).into_iter().collect();
            properties.push(("weight", Value::Float(1.0)));
            properties.push(("attribution_source", Value::Text(evidence.to_owned())));
            facts.edges.push(&link(Relation::ConvertedTo, who, here, properties))?;
        }
        facts.nodes.push(&node)?;
    }
    Ok(())
}

/// When each opportunity last *entered* the won set, in epoch µs; moving inside the set is not entering it.
fn won_instants<'a>(rows: &'a TwentyRows, won_stages: &[String]) -> HashMap<&'a str, i64> {
    let mut at: HashMap<&str, i64> = HashMap::new();
    for change in &rows.stage_changes {
        let was_won = change.before.as_ref().is_some_and(|stage| won_stages.contains(stage));
        if won_stages.contains(&change.after) && !was_won {
            let last = at.entry(change.opportunity.as_str()).or_insert(change.at);
            *last = (*last).max(change.at);
        }
    }
    at
}

fn company(row: &CompanyRow, table: &str) -> NodeFact {
    NodeFact {
        label: Label::Organization,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: row.name.clone(),
        addresses: row.domain_url.clone().map(Address::Domain).into_iter().collect(),
        properties: Vec::new(),
    }
}

fn promoter(row: &PromoterRow, table: &str) -> NodeFact {
    NodeFact {
        label: Label::Organization,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: row.name.clone(),
        addresses: Vec::new(),
        properties: Vec::new(),
    }
}

fn person(row: &ContactRow, table: &str) -> NodeFact {
    let names: Vec<&str> =
        [&row.first_name, &row.last_name].into_iter().flatten().map(String::as_str).collect();
    let mut addresses: Vec<Address> = row.primary_email.iter().cloned().map(Address::Email).collect();
    addresses.extend(row.additional_emails.iter().cloned().map(Address::Email));
    let phone = |number: &String, calling_code: &Option<String>| Address::Phone {
        calling_code: calling_code.clone().unwrap_or_default(),
        number: number.clone(),
    };
    addresses.extend(row.phone.iter().map(|number| phone(number, &row.calling_code)));
    addresses.extend(row.additional_phones.iter().map(|row| phone(&row.number, &row.calling_code)));
    addresses.extend(row.instagram_url.clone().map(Address::Instagram));
    NodeFact {
        label: Label::Person,
        extra_labels: vec!["Contact"],
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: (!names.is_empty()).then(|| names.join(" ")),
        addresses,
        properties: Vec::new(),
    }
}

fn opportunity(row: &OpportunityRow, table: &str) -> NodeFact {
    let mut properties = vec![("stage", Value::Text(row.stage.clone()))];
    properties.extend(row.amount_micros.map(|micros| ("amount", Value::Float(micros / 1e6))));
    properties.extend(row.currency.clone().map(|code| ("currency", Value::Text(code))));
    properties.extend(row.close_date.map(|at| ("close_at", Value::Instant(millis(at)))));
    properties.extend(row.created_at.map(|at| ("created_at", Value::Instant(millis(at)))));
    NodeFact {
        label: Label::Opportunity,
        extra_labels: Vec::new(),
        source: SourceRef::new(SYSTEM, table, &row.id),
        name: row.name.clone(),
        addresses: Vec::new(),
        properties,
    }
}
