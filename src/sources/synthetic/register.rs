//! The unified register: entities, the crosswalk to source rows, and the claim funnel.

use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::calendar::{DAY, HOUR, NOW, START};
use super::chance::{Purpose, between, happens, one_of, stream, uuid};
use super::crm::{Crm, WORKSPACE};
use super::programme::Programme;
use super::truth::Duplicate;
use crate::sources::rows::{ClaimEventRow, CrosswalkRow, EntityRow, UnifiedRows};

/// The register and which promoter became which entity.
#[derive(Debug)]
pub(super) struct Register {
    pub rows: UnifiedRows,
    pub promoters: Vec<Option<String>>,
    claimants: Vec<String>,
}

/// Who may claim what, and by which proof.
struct Claim<'a> {
    kind: &'a str,
    methods: &'a [&'a str],
}

const VENUE: Claim = Claim { kind: "venue", methods: &["manual", "phone"] };
const ARTIST: Claim = Claim { kind: "person", methods: &["instagram_dm", "instagram_dm", "manual"] };
const ORGANIZATION: Claim =
    Claim { kind: "organization", methods: &["email_domain", "email_domain", "manual"] };

impl Register {
    /// Fills the register and says on each duplicate how it can be found.
    pub(super) fn new(seed: u64, programme: &Programme, crm: &Crm, duplicates: &mut [Duplicate]) -> Self {
        let mut register = Self {
            rows: UnifiedRows {
                schema: "unified".into(),
                claim_events: Some(Vec::new()),
                ..UnifiedRows::default()
            },
            promoters: vec![None; programme.promoters.len()],
            claimants: Vec::new(),
        };
        register.staff(seed, crm);
        register.venues(seed, programme, duplicates);
        register.artists(seed, programme, duplicates);
        register.organizations(seed, programme, crm, duplicates);
        if let Some(events) = &mut register.rows.claim_events {
            events.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
        }
        register
    }

    /// Some of the people behind companies are entities themselves: these are who claims.
    fn staff(&mut self, seed: u64, crm: &Crm) {
        for (index, (person, name)) in crm.staff.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Entity, index as u64);
            if !happens(&mut rng, 0.5) {
                continue;
            }
            let id = uuid(&mut rng);
            let confidence = if happens(&mut rng, 0.9) { 1.0 } else { 0.875 };
            self.entity(&id, "person", None, name, &["contact"]);
            self.map(&id, "twenty", &format!("{WORKSPACE}.person"), person, "email", confidence);
            self.claimants.push(id);
        }
    }

    fn venues(&mut self, seed: u64, programme: &Programme, duplicates: &mut [Duplicate]) {
        for (index, venue) in programme.venues.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Entity, (1 << 32) + index as u64);
            let listed = happens(&mut rng, 0.65);
            let Some(place_id) = venue.place_id.as_deref().filter(|_| listed) else {
                continue;
            };
            let id = uuid(&mut rng);
            self.entity(&id, "venue", Some(place_id), &venue.name, &[]);
            self.map(&id, "directus", "directus.venues", &venue.row, "google_place_id", 1.0);
            self.twin(
                &mut rng,
                &id,
                "directus",
                "directus.venues",
                &venue.row,
                "google_place_id",
                duplicates,
            );
            self.claim(&mut rng, &id, &VENUE);
        }
    }

    fn artists(&mut self, seed: u64, programme: &Programme, duplicates: &mut [Duplicate]) {
        for (index, artist) in programme.artists.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Entity, (2 << 32) + index as u64);
            if !happens(&mut rng, if artist.handle.is_some() { 0.6 } else { 0.15 }) {
                continue;
            }
            let id = uuid(&mut rng);
            let canonical = artist.handle.as_ref().map(|h| format!("instagram.com/{h}"));
            let rule = if canonical.is_some() { "instagram" } else { "manual" };
            self.entity(&id, "person", canonical.as_deref(), &artist.name, &["artist"]);
            // Where the canonical id says it all, the crosswalk may be silent.
            if canonical.is_none() || happens(&mut rng, 0.8) {
                self.map(&id, "directus", "directus.artists", &artist.row, rule, 1.0);
                self.twin(&mut rng, &id, "directus", "directus.artists", &artist.row, rule, duplicates);
            }
            self.claim(&mut rng, &id, &ARTIST);
        }
    }

    fn organizations(&mut self, seed: u64, programme: &Programme, crm: &Crm, duplicates: &mut [Duplicate]) {
        for (index, promoter) in programme.promoters.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Entity, (3 << 32) + index as u64);
            let listed = happens(&mut rng, 0.75);
            let Some(domain) = promoter.domain.as_deref().filter(|_| listed) else {
                continue;
            };
            let id = uuid(&mut rng);
            self.entity(&id, "organization", Some(domain), &promoter.name, &[]);
            if let Some(company) = crm.companies[index].as_deref().filter(|_| happens(&mut rng, 0.85)) {
                let table = format!("{WORKSPACE}.company");
                self.map(&id, "twenty", &table, company, "domain", 1.0);
                self.twin(&mut rng, &id, "twenty", &table, company, "domain", duplicates);
            }
            self.claim(&mut rng, &id, &ORGANIZATION);
            self.promoters[index] = Some(id);
        }
    }

    fn entity(&mut self, id: &str, kind: &str, canonical_id: Option<&str>, name: &str, roles: &[&str]) {
        self.rows.entities.push(EntityRow {
            id: id.to_owned(),
            entity_type: kind.to_owned(),
            canonical_id: canonical_id.map(str::to_owned),
            claim_status: "unclaimed".to_owned(),
            claimed_by: None,
            name: Some(name.to_owned()),
            roles: roles.iter().map(|&r| r.to_owned()).collect(),
        });
    }

    fn map(&mut self, entity: &str, system: &str, table: &str, row: &str, rule: &str, confidence: f64) {
        self.rows.crosswalk.push(CrosswalkRow {
            entity: entity.to_owned(),
            source_system: system.to_owned(),
            source_table: table.to_owned(),
            source_id: row.to_owned(),
            match_rule: rule.to_owned(),
            confidence,
        });
    }

    /// Where the row just mapped has a duplicate: half of these are mapped too, the others share a canonical id only.
    #[allow(clippy::too_many_arguments, reason = "one crosswalk row has that many columns")]
    fn twin(
        &mut self,
        rng: &mut Pcg64,
        entity: &str,
        system: &str,
        table: &str,
        row: &str,
        rule: &str,
        duplicates: &mut [Duplicate],
    ) {
        let Some(twin) = duplicates.iter_mut().find(|d| d.row == row) else { return };
        let mapped = happens(rng, 0.5);
        if mapped { "crosswalk" } else { "entity" }.clone_into(&mut twin.by);
        if mapped {
            let other = twin.duplicate.clone();
            self.map(entity, system, table, &other, rule, 1.0);
        }
    }

    /// Walks the newest entity through legal moves of the claim funnel.
    fn claim(&mut self, rng: &mut Pcg64, entity: &str, claim: &Claim<'_>) {
        let mut status = "unclaimed";
        let mut claimant = None;
        let mut at = between(rng, START - 40 * DAY, NOW - 2 * DAY);
        let interested = happens(rng, if claim.kind == "organization" { 0.6 } else { 0.4 });
        let mut moves = if interested { 1 + usize::from(happens(rng, 0.75)) } else { 0 };
        while moves > 0 && at < NOW - HOUR {
            let before = status;
            (status, moves) = match before {
                "unclaimed" => ("pending", moves - 1),
                "pending" if happens(rng, 0.75) => ("claimed", moves - 1),
                // Rejected: half of these try again.
                "pending" => ("unclaimed", if happens(rng, 0.5) { 2 } else { 0 }),
                _ => break,
            };
            if before == "unclaimed" {
                claimant = Some(self.claimant(rng));
            }
            self.step(rng, entity, before, status, claimant.clone(), claim, at);
            at += between(rng, HOUR, 6 * DAY);
        }
        if status == "claimed" && at < NOW - HOUR && happens(rng, 0.05) {
            self.step(rng, entity, "claimed", "unclaimed", claimant.clone(), claim, at);
            status = "unclaimed";
        }
        let row = self.rows.entities.last_mut().expect("the entity was just made");
        status.clone_into(&mut row.claim_status);
        row.claimed_by = claimant.filter(|_| status == "claimed");
    }

    #[allow(clippy::too_many_arguments, reason = "one claim event has that many columns")]
    fn step(
        &mut self,
        rng: &mut Pcg64,
        entity: &str,
        from: &str,
        to: &str,
        claimant: Option<String>,
        claim: &Claim<'_>,
        at: i64,
    ) {
        let row = ClaimEventRow {
            id: uuid(rng),
            entity: entity.to_owned(),
            from_status: from.to_owned(),
            to_status: to.to_owned(),
            claimant,
            method: Some(one_of(rng, claim.methods).to_owned()),
            occurred_at: at,
        };
        self.rows.claim_events.get_or_insert_default().push(row);
    }

    /// Mostly an entity of a known person; sometimes an account that no source can name.
    fn claimant(&self, rng: &mut Pcg64) -> String {
        if self.claimants.is_empty() || happens(rng, 0.12) {
            return uuid(rng);
        }
        self.claimants[rng.random_range(0..self.claimants.len())].clone()
    }
}
