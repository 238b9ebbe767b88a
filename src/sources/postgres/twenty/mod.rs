//! Twenty CRM: companies, people, opportunities and the moments a stage was reached.

mod claims;
mod phones;
mod workspace;

use super::client::{Session, Taken};
use super::columns::{Instant, Json};
use super::scope::Scope;
use super::select::{Field, Row, Select};
use crate::context::Context;
use crate::sources::facts::Facts;
use crate::sources::rows::{CompanyRow, ContactRow, OpportunityRow, PromoterRow, StageChangeRow};
use crate::sources::{Found, SourceError, SourceOptions};

use claims::Claims;
pub use claims::facts;
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
    let mut claims = Claims::new(&scope.schema, &promoter.table, &options.won_stages, into);
    companies(session, &scope, &mut claims, cx).await?;
    promoters(session, &scope, &promoter, &mut claims, cx).await?;
    people(session, &scope, &mut claims, cx).await?;
    stage_changes(session, &scope, &mut claims, cx).await?;
    opportunities(session, &scope, &mut claims, cx).await?;
    Ok(Some(Found { schema: scope.schema, notes, missing }))
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
    claims: &mut Claims<'_>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "company", "company")? else { return Ok(()) };
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
            claims.company(&CompanyRow {
                id: row.need(id)?,
                name: row.get(name)?,
                domain_url: row.get(domain_url)?,
                city: row.get(city)?,
                country: row.get(country)?,
                created_at: stamps.created(row)?,
                updated_at: stamps.updated(row)?,
            })?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
}

async fn people(
    session: &mut Session,
    scope: &Scope<'_>,
    claims: &mut Claims<'_>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "person", "person")? else { return Ok(()) };
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
            claims.person(&ContactRow {
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
            })?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
}

async fn opportunities(
    session: &mut Session,
    scope: &Scope<'_>,
    claims: &mut Claims<'_>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "opportunity", "opportunity")? else { return Ok(()) };
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
            claims.opportunity(&OpportunityRow {
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
            })?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
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
    claims: &mut Claims<'_>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "timeline", "timelineActivity")? else { return Ok(()) };
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
                    claims.stage_change(&StageChangeRow { opportunity, before, after, at });
                    Ok(Taken::Row(()))
                }
                _ => Ok(Taken::LeftOut(NO_CHANGE)),
            }
        })
        .await?;
    Ok(())
}

async fn promoters(
    session: &mut Session,
    scope: &Scope<'_>,
    promoter: &Promoter,
    claims: &mut Claims<'_>,
    cx: &Context,
) -> Result<(), SourceError> {
    let catalog = session.catalog();
    let Some(table) = scope.table(&catalog, "promoter", &promoter.table)? else { return Ok(()) };
    let (mut select, id) = Select::new(table, "id")?;
    let stamps = Stamps::of(&mut select)?;
    let name = select.optional("name", &["name"])?;
    let company = select.optional("company", &[promoter.company.as_deref().unwrap_or("companyId")])?;
    session
        .read(&select, cx, |row| {
            if stamps.deleted(row)? {
                return Ok(Taken::LeftOut(DELETED));
            }
            claims.promoter(&PromoterRow {
                id: row.need(id)?,
                name: row.get(name)?,
                company: row.get(company)?,
            })?;
            Ok(Taken::Row(()))
        })
        .await?;
    Ok(())
}

/// The stage that means "won" on a stock installation; users edit the stages, so this is a default only.
pub const DEFAULT_WON_STAGE: &str = "CUSTOMER";
