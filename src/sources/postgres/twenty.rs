//! Twenty CRM: companies, people, opportunities and the moments a stage was reached.

use std::collections::{HashMap, HashSet};

use super::millis;
use crate::ontology::{Label, Relation, SourceRef};
use crate::sources::facts::{Address, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{CompanyRow, ContactRow, OpportunityRow, PromoterRow, TwentyRows};

/// Name of this system in source references.
pub const SYSTEM: &str = "twenty";

/// The stage that means "won" on a stock installation; users edit the stages, so this is a default only.
pub const DEFAULT_WON_STAGE: &str = "CUSTOMER";

/// What the rows claim: organisations, people who work for them, opportunities, and who was converted to which.
///
/// `won_stages` are the stages that count as converted. A promoter that names its company *is* that company and gives
/// no node of its own. An edge to a row that is not among the rows (soft-deleted) is left out.
pub fn facts(rows: &TwentyRows, won_stages: &[String], facts: &mut Facts) {
    let companies = format!("{}.company", rows.schema);
    let people = format!("{}.person", rows.schema);
    let opportunities = format!("{}.opportunity", rows.schema);
    let promoters = format!("{}._promoter", rows.schema);
    let company_ids: HashSet<&str> = rows.companies.iter().map(|c| c.id.as_str()).collect();
    let person_ids: HashSet<&str> = rows.people.iter().map(|p| p.id.as_str()).collect();
    let company_of = |id: &Option<String>| {
        let id = id.as_deref().filter(|id| company_ids.contains(id))?;
        Some(End::Row(SourceRef::new(SYSTEM, &companies, id)))
    };

    facts.nodes.extend(rows.companies.iter().map(|row| company(row, &companies)));
    facts
        .nodes
        .extend(rows.promoters.iter().filter(|p| p.company.is_none()).map(|row| promoter(row, &promoters)));
    for row in &rows.people {
        let node = person(row, &people);
        if let Some(employer) = company_of(&row.company) {
            facts.edges.push(EdgeFact {
                relation: Relation::WorksFor,
                src: End::Row(node.source.clone()),
                dst: employer,
                properties: row
                    .job_title
                    .clone()
                    .map(|title| ("title", Value::Text(title)))
                    .into_iter()
                    .collect(),
            });
        }
        facts.nodes.push(node);
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
            facts.edges.push(link(Relation::ContactFor, person.clone(), here.clone(), Vec::new()));
        }
        if let Some(company) = &company {
            facts.edges.push(link(Relation::ForOrg, here.clone(), company.clone(), Vec::new()));
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
            facts.edges.push(link(Relation::ConvertedTo, who, here, properties));
        }
        facts.nodes.push(node);
    }
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
