//! The CRM: promoters as companies, their people, the fans somebody typed in, and sales with their stages.

use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::addresses;
use super::calendar::{DAY, HOUR, NOW, START};
use super::chance::{Purpose, between, happens, one_of, stream, uuid};
use super::names::{Names, TITLES, TOWNS, slug};
use super::people::People;
use super::programme::Programme;
use super::truth::Duplicate;
use crate::sources::rows::{CompanyRow, ContactRow, OpportunityRow, PromoterRow, StageChangeRow, TwentyRows};

/// Schema of the one workspace: base 36 of the id of Twenty's demo workspace.
pub(super) const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";

/// Stages of a sale, in order; the last one is the won set.
pub(super) const STAGES: [&str; 5] = ["NEW", "SCREENING", "MEETING", "PROPOSAL", "CUSTOMER"];

/// The CRM side of the city.
#[derive(Debug, Default)]
pub(super) struct Crm {
    pub rows: TwentyRows,
    /// Soft-deleted rows; `updated_at` is when they were deleted.
    pub deleted: TwentyRows,
    /// `company.id` of each promoter that has one.
    pub companies: Vec<Option<String>>,
    pub duplicates: Vec<Duplicate>,
    /// Index of the artist and `person.id` of each artist the CRM knows.
    pub artists: Vec<(usize, String)>,
    /// Index of the fan and `person.id` of each fan the CRM knows.
    pub fans: Vec<(usize, String)>,
    /// People who work for companies: `person.id` and name.
    pub staff: Vec<(String, String)>,
}

impl Crm {
    /// Fills the CRM.
    pub(super) fn new(seed: u64, names: Names, people: &People, programme: &Programme) -> Self {
        let mut crm = Self {
            rows: TwentyRows { schema: WORKSPACE.into(), ..TwentyRows::default() },
            deleted: TwentyRows { schema: WORKSPACE.into(), ..TwentyRows::default() },
            companies: vec![None; programme.promoters.len()],
            ..Self::default()
        };
        let mut human = people.fans.len();
        for (index, promoter) in programme.promoters.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Company, index as u64);
            let Some(domain) = promoter.domain.as_deref() else {
                // Known by name only: a row of the custom object, tied to no company.
                if happens(&mut rng, 0.5) {
                    let row =
                        PromoterRow { id: uuid(&mut rng), name: Some(promoter.name.clone()), company: None };
                    crm.rows.promoters.push(row);
                }
                continue;
            };
            if index % 7 == 5 {
                continue;
            }
            let company = crm.company(&mut rng, &promoter.name, domain);
            let short = promoter.name.rsplit_once(' ').map_or(promoter.name.as_str(), |(short, _)| short);
            let custom = PromoterRow {
                id: uuid(&mut rng),
                name: Some(short.to_owned()),
                company: Some(company.clone()),
            };
            crm.rows.promoters.push(custom);
            crm.staff(&mut rng, names, &mut human, &company, domain);
            crm.companies[index] = Some(company);
        }
        for index in 0..programme.venues.len() / 2 + 4 {
            let mut rng = stream(seed, Purpose::Company, (1 << 32) + index as u64);
            let name = names.company(index);
            let domain = format!("{}.example", slug(&name, ""));
            let company = crm.company(&mut rng, &name, &domain);
            crm.staff(&mut rng, names, &mut human, &company, &domain);
        }
        crm.duplicate_companies(seed, programme);
        crm.known_artists(seed, programme);
        crm.known_fans(seed, people);
        crm.soft_deleted(seed, names, human);
        crm
    }

    fn company(&mut self, rng: &mut Pcg64, name: &str, domain: &str) -> String {
        let id = uuid(rng);
        let (created_at, updated_at) = edited(rng);
        self.rows.companies.push(CompanyRow {
            id: id.clone(),
            name: Some(name.to_owned()),
            domain_url: Some(addresses::website(rng, domain)),
            city: Some(one_of(rng, &TOWNS).to_owned()),
            country: Some("United States".to_owned()),
            created_at,
            updated_at,
        });
        id
    }

    fn staff(&mut self, rng: &mut Pcg64, names: Names, human: &mut usize, company: &str, domain: &str) {
        let mut first_contact = None;
        for _ in 0..rng.random_range(1..=3_u32) {
            let (first, last) = names.human(*human);
            *human += 1;
            let local = format!("{}.{}", slug(&first, ""), slug(&last, ""));
            let id = uuid(rng);
            let (created_at, updated_at) = edited(rng);
            self.staff.push((id.clone(), format!("{first} {last}")));
            first_contact.get_or_insert_with(|| id.clone());
            self.rows.people.push(ContactRow {
                id,
                first_name: Some(first),
                last_name: Some(last),
                primary_email: Some(format!("{local}@{domain}")),
                additional_emails: if happens(rng, 0.2) {
                    vec![format!("{local}@mail.example")]
                } else {
                    Vec::new()
                },
                job_title: Some(one_of(rng, &TITLES).to_owned()),
                instagram_url: happens(rng, 0.25)
                    .then(|| addresses::instagram(rng, &local.replace('-', "_"))),
                company: Some(company.to_owned()),
                created_at,
                updated_at,
                ..ContactRow::default()
            });
        }
        if happens(rng, 0.65) {
            self.sale(rng, company, first_contact);
        }
    }

    /// A sale walks up the stages from `NEW` and stops somewhere; each step is in the timeline.
    fn sale(&mut self, rng: &mut Pcg64, company: &str, contact: Option<String>) {
        let id = uuid(rng);
        let reached = (rng.random::<f64>().sqrt() * STAGES.len() as f64) as usize % STAGES.len();
        let created = between(rng, START - 60 * DAY, NOW - 20 * DAY) / 1000 * 1000;
        let mut at = created;
        for step in 1..=reached {
            at = (at + between(rng, DAY, 16 * DAY) / 1000 * 1000).min(NOW - HOUR * (6 - step as i64));
            self.rows.stage_changes.push(StageChangeRow {
                opportunity: id.clone(),
                before: Some(STAGES[step - 1].to_owned()),
                after: STAGES[step].to_owned(),
                at,
            });
        }
        let company_name = self.rows.companies.last().and_then(|c| c.name.clone()).unwrap_or_default();
        self.rows.opportunities.push(OpportunityRow {
            id,
            name: Some(format!(
                "{company_name} - {}",
                one_of(rng, &["spring programme", "ticketing", "summer dates"])
            )),
            stage: STAGES[reached].to_owned(),
            amount_micros: happens(rng, 0.9).then(|| between(rng, 4, 240) as f64 * 250_000_000.0),
            currency: Some("USD".to_owned()),
            close_date: Some(START + between(rng, 0, 160) * DAY),
            contact: contact.filter(|_| happens(rng, 0.9)),
            company: Some(company.to_owned()).filter(|_| !happens(rng, 0.04)),
            created_at: Some(created),
            updated_at: Some(at),
        });
    }

    /// 2 % of the companies, at least one, were typed in twice with another spelling of the address.
    fn duplicate_companies(&mut self, seed: u64, programme: &Programme) {
        let known: Vec<usize> = (0..self.companies.len()).filter(|&i| self.companies[i].is_some()).collect();
        let wanted = (known.len() / 50).max(1).min(known.len());
        for n in 0..wanted {
            let index = known[(n * known.len() / wanted + 1) % known.len()];
            let mut rng = stream(seed, Purpose::Company, (2 << 32) + n as u64);
            let promoter = &programme.promoters[index];
            let (Some(row), Some(domain)) = (self.companies[index].clone(), promoter.domain.clone()) else {
                continue;
            };
            let duplicate = uuid(&mut rng);
            let (created_at, updated_at) = edited(&mut rng);
            self.rows.companies.push(CompanyRow {
                id: duplicate.clone(),
                name: Some(format!("{} Ltd", promoter.name)),
                domain_url: Some(format!("HTTP://tickets.{domain}:8080/")),
                created_at,
                updated_at,
                ..CompanyRow::default()
            });
            self.duplicates.push(Duplicate {
                kind: "company".into(),
                row,
                duplicate,
                canonical_id: domain,
                by: String::new(),
            });
        }
    }

    fn known_artists(&mut self, seed: u64, programme: &Programme) {
        for (index, artist) in programme.artists.iter().enumerate().filter(|(i, _)| i % 20 == 7) {
            let Some(handle) = artist.handle.as_deref() else { continue };
            let mut rng = stream(seed, Purpose::Contact, (1 << 32) + index as u64);
            let id = uuid(&mut rng);
            let (created_at, updated_at) = edited(&mut rng);
            self.artists.push((index, id.clone()));
            self.rows.people.push(ContactRow {
                id,
                first_name: Some(artist.name.clone()),
                instagram_url: Some(addresses::instagram(&mut rng, handle)),
                job_title: Some("Artist".to_owned()),
                created_at,
                updated_at,
                ..ContactRow::default()
            });
        }
    }

    fn known_fans(&mut self, seed: u64, people: &People) {
        for (index, fan) in people.fans.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Contact, index as u64);
            if fan.namesake || fan.strength > 1.0 || !happens(&mut rng, 0.02) {
                continue;
            }
            let id = uuid(&mut rng);
            let (created_at, updated_at) = edited(&mut rng);
            self.fans.push((index, id.clone()));
            let second = happens(&mut rng, 0.2);
            let other = fan.email.replace("@fans.example", "@mail.example");
            self.rows.people.push(ContactRow {
                id,
                first_name: Some(fan.first.clone()),
                last_name: Some(fan.last.clone()),
                primary_email: Some(if second { other } else { fan.email.clone() }),
                additional_emails: if second { vec![fan.email.clone()] } else { Vec::new() },
                created_at,
                updated_at,
                ..ContactRow::default()
            });
        }
    }

    fn soft_deleted(&mut self, seed: u64, names: Names, human: usize) {
        for index in 0..(self.rows.companies.len() / 12).max(1) {
            let mut rng = stream(seed, Purpose::Hidden, index as u64);
            let name = names.company(100_000 + index);
            let domain = format!("{}.example", slug(&name, ""));
            let company = uuid(&mut rng);
            let (created_at, updated_at) =
                (Some(START - 90 * DAY), Some(between(&mut rng, START, NOW) / 1000 * 1000));
            self.deleted.companies.push(CompanyRow {
                id: company.clone(),
                name: Some(name),
                domain_url: Some(format!("https://{domain}")),
                created_at,
                updated_at,
                ..CompanyRow::default()
            });
            let (first, last) = names.human(human + index);
            let person = uuid(&mut rng);
            self.deleted.people.push(ContactRow {
                id: person.clone(),
                primary_email: Some(format!("{}@{domain}", slug(&first, ""))),
                first_name: Some(first),
                last_name: Some(last),
                company: Some(company.clone()),
                created_at,
                updated_at,
                ..ContactRow::default()
            });
            self.deleted.opportunities.push(OpportunityRow {
                id: uuid(&mut rng),
                name: Some("entered by mistake".to_owned()),
                stage: STAGES[0].to_owned(),
                contact: Some(person),
                company: Some(company),
                created_at,
                updated_at,
                ..OpportunityRow::default()
            });
        }
    }
}

/// When a row was made and last changed, to the millisecond as the CRM writes it.
fn edited(rng: &mut Pcg64) -> (Option<i64>, Option<i64>) {
    let created = between(rng, START - 200 * DAY, NOW - DAY) / 1000 * 1000;
    let updated = between(rng, created, NOW) / 1000 * 1000;
    (Some(created), Some(updated))
}
