//! What the rows of Twenty claim: organisations, people who work for them, opportunities, and who was converted to which.

use std::collections::{HashMap, HashSet};

use super::super::millis;
use super::SYSTEM;
use crate::ontology::{Label, NameHash, Relation, SourceRef};
use crate::sources::facts::{Address, EdgeFact, End, Facts, NodeFact, Value};
use crate::sources::rows::{CompanyRow, ContactRow, OpportunityRow, PromoterRow, StageChangeRow, TwentyRows};
use crate::sources::spool::SpoolError;

/// Takes rows one at a time and keeps of them what others refer to: companies before promoters and people, and both, and
/// changes of stage, before opportunities.
pub(super) struct Claims<'f> {
    facts: &'f mut Facts,
    won_stages: &'f [String],
    companies: String,
    people: String,
    opportunities: String,
    promoters: String,
    company_ids: HashSet<NameHash>,
    person_ids: HashSet<NameHash>,
    /// When each opportunity last *entered* the won set, in epoch µs; moving inside the set is not entering it.
    won_at: HashMap<NameHash, i64>,
}

/// What the rows claim.
///
/// `won_stages` are the stages that count as converted. A promoter that names its company *is* that company: its row
/// stands behind the company's node and gives none of its own. An edge to a row that is not among the rows (soft-deleted) is left out.
///
/// # Errors
/// When there is no room to keep the facts aside.
pub fn facts(rows: &TwentyRows, won_stages: &[String], facts: &mut Facts) -> Result<(), SpoolError> {
    let mut claims = Claims::new(&rows.schema, "_promoter", won_stages, facts);
    rows.companies.iter().try_for_each(|row| claims.company(row))?;
    rows.promoters.iter().try_for_each(|row| claims.promoter(row))?;
    rows.people.iter().try_for_each(|row| claims.person(row))?;
    rows.stage_changes.iter().for_each(|row| claims.stage_change(row));
    rows.opportunities.iter().try_for_each(|row| claims.opportunity(row))
}

impl<'f> Claims<'f> {
    /// Of the rows in a workspace's schema.
    pub(super) fn new(schema: &str, promoters: &str, won_stages: &'f [String], facts: &'f mut Facts) -> Self {
        let table = |name: &str| format!("{schema}.{name}");
        Self {
            facts,
            won_stages,
            companies: table("company"),
            people: table("person"),
            opportunities: table("opportunity"),
            promoters: table(promoters),
            company_ids: HashSet::new(),
            person_ids: HashSet::new(),
            won_at: HashMap::new(),
        }
    }

    pub(super) fn company(&mut self, row: &CompanyRow) -> Result<(), SpoolError> {
        self.company_ids.insert(NameHash::of(&row.id));
        self.facts.nodes.push(&company(row, &self.companies)).map(drop)
    }

    pub(super) fn promoter(&mut self, row: &PromoterRow) -> Result<(), SpoolError> {
        match &row.company {
            None => self.facts.nodes.push(&promoter(row, &self.promoters)).map(drop),
            Some(company) => {
                self.facts.same_rows.push((
                    SourceRef::new(SYSTEM, &self.promoters, &row.id),
                    SourceRef::new(SYSTEM, &self.companies, company),
                ));
                Ok(())
            }
        }
    }

    /// The company of an id, where it was among the rows.
    fn employer(&self, id: Option<&String>) -> Option<End> {
        let id = id.filter(|id| self.company_ids.contains(&NameHash::of(id)))?;
        Some(End::Row(SourceRef::new(SYSTEM, &self.companies, id)))
    }

    pub(super) fn person(&mut self, row: &ContactRow) -> Result<(), SpoolError> {
        self.person_ids.insert(NameHash::of(&row.id));
        let node = person(row, &self.people);
        if let Some(employer) = self.employer(row.company.as_ref()) {
            let title = row.job_title.clone().map(|title| ("title", Value::Text(title)));
            self.facts.edges.push(&EdgeFact {
                relation: Relation::WorksFor,
                src: End::Row(node.source.clone()),
                dst: employer,
                properties: title.into_iter().collect(),
            })?;
        }
        self.facts.nodes.push(&node).map(drop)
    }

    pub(super) fn stage_change(&mut self, change: &StageChangeRow) {
        let is_won = |stage| self.won_stages.contains(stage);
        if is_won(&change.after) && !change.before.as_ref().is_some_and(is_won) {
            let last = self.won_at.entry(NameHash::of(&change.opportunity)).or_insert(change.at);
            *last = (*last).max(change.at);
        }
    }

    pub(super) fn opportunity(&mut self, row: &OpportunityRow) -> Result<(), SpoolError> {
        let node = opportunity(row, &self.opportunities);
        let here = End::Row(node.source.clone());
        let contact = row.contact.as_deref().filter(|id| self.person_ids.contains(&NameHash::of(id)));
        let contact = contact.map(|id| End::Row(SourceRef::new(SYSTEM, &self.people, id)));
        let company = self.employer(row.company.as_ref());
        let link = |relation, src: End, dst: End, properties| EdgeFact { relation, src, dst, properties };
        if let Some(person) = &contact {
            self.facts.edges.push(&link(Relation::ContactFor, person.clone(), here.clone(), Vec::new()))?;
        }
        if let Some(company) = &company {
            self.facts.edges.push(&link(Relation::ForOrg, here.clone(), company.clone(), Vec::new()))?;
        }
        if self.won_stages.contains(&row.stage)
            && let Some(who) = company.or(contact)
        {
            let at = self.won_at.get(&NameHash::of(&row.id));
            let evidence = if at.is_some() { "timelineActivity" } else { "stage" };
            let mut properties: Vec<_> =
                at.map(|&at| ("timestamp", Value::Instant(millis(at)))).into_iter().collect();
            properties.push(("weight", Value::Float(1.0)));
            properties.push(("attribution_source", Value::Text(evidence.to_owned())));
            self.facts.edges.push(&link(Relation::ConvertedTo, who, here, properties))?;
        }
        self.facts.nodes.push(&node).map(drop)
    }
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
