//! What may be joined: unified entities and source rows, known by hashes; the rows themselves are read where they matter.

use std::collections::{BTreeMap, BTreeSet};

use super::MirrorError;
use super::keys::NameHash;
use super::merge::{Candidate, SAME_FEATURE};
use super::report::Report;
use crate::ontology::canonical::{self, MapsFeature, NoPlaceId, SharedHosts, feature_in, feature_of};
use crate::ontology::{Label, Uid};
use crate::sources::facts::{Address, EntityFact, Facts, NodeFact};
use crate::sources::spool::{Place, SpoolError};

/// What kind of evidence joins; the order is the order in which joins are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Evidence {
    Canonical,
    User,
    Email,
}

/// One source row with its reference as text.
#[derive(Debug)]
pub(super) struct Row {
    pub reference: String,
    pub fact: NodeFact,
}

impl Row {
    fn of(fact: NodeFact) -> Self {
        Self { reference: fact.source.to_string(), fact }
    }
}

/// Where a row lies, found by the hash of what names it: an entity's id, a source row's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lies {
    name: NameHash,
    /// The place, and beside it the label's number.
    at: u64,
}

impl Lies {
    fn new(name: &str, place: Place, label: Label) -> Self {
        Self { name: NameHash::of(name), at: place.packed(label as u32) }
    }

    fn place(self) -> Place {
        Place::unpacked(self.at).0
    }

    fn label(self) -> Label {
        Label::ALL[Place::unpacked(self.at).1 as usize]
    }
}

/// The first of what is sorted by name that has it.
fn position(sorted: &[Lies], name: &str) -> Option<usize> {
    let name = NameHash::of(name);
    let at = sorted.partition_point(|lies| lies.name < name);
    sorted.get(at).is_some_and(|lies| lies.name == name).then_some(at)
}

/// An element has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub evidence: Evidence,
    pub label: Label,
    /// Of the address's text.
    pub id: NameHash,
    pub element: u32,
}

impl Key {
    /// What members of one address have in common.
    pub(super) fn address(self) -> (Evidence, Label, NameHash) {
        (self.evidence, self.label, self.id)
    }
}

/// Everything that may be joined: entities first, then rows.
pub(super) struct Elements<'a> {
    facts: &'a Facts,
    shared: &'a SharedHosts,
    /// By hash; each once.
    entities: Vec<Lies>,
    /// By hash, and label where one reference is delivered as several kinds of thing.
    rows: Vec<Lies>,
}

impl<'a> Elements<'a> {
    pub(super) fn of(facts: &'a Facts, shared: &'a SharedHosts) -> Result<Self, MirrorError> {
        let mut rows = Vec::with_capacity(facts.nodes.len());
        for row in facts.nodes.placed() {
            let (place, fact) = row?;
            rows.push(Lies::new(&fact.source.to_string(), place, fact.label));
        }
        rows.sort_unstable_by_key(|row| (row.name, row.label().name(), row.at));
        Ok(Self { facts, shared, entities: entities(facts)?, rows })
    }

    pub(super) fn len(&self) -> usize {
        self.entities.len() + self.rows.len()
    }

    fn lies(&self, at: u32) -> Option<Lies> {
        (at as usize).checked_sub(self.entities.len()).map(|row| self.rows[row])
    }

    /// All entities.
    pub(super) fn entities(&self) -> std::ops::Range<u32> {
        0..self.entities.len() as u32
    }

    /// Whether an element is an entity.
    pub(super) fn is_entity(&self, at: u32) -> bool {
        (at as usize) < self.entities.len()
    }

    pub(super) fn label(&self, at: u32) -> Label {
        self.lies(at).unwrap_or_else(|| self.entities[at as usize]).label()
    }

    /// The entity that an element is; a row is none.
    pub(super) fn entity(&self, at: u32) -> Result<Option<EntityFact>, MirrorError> {
        let lies = self.entities.get(at as usize);
        Ok(lies.map(|lies| self.facts.entities.get(lies.place())).transpose()?)
    }

    /// The row that an element is; an entity is none.
    pub(super) fn row(&self, at: u32) -> Result<Option<Row>, MirrorError> {
        let lies = self.lies(at);
        Ok(lies.map(|lies| self.facts.nodes.get(lies.place())).transpose()?.map(Row::of))
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<Row, MirrorError>> {
        self.facts.nodes.iter().map(|fact| Ok(Row::of(fact?)))
    }

    /// Text naming an element in reports.
    pub(super) fn name(&self, at: u32) -> Result<String, MirrorError> {
        Ok(match self.entity(at)? {
            Some(entity) => Uid::entity(&entity.id).to_string(),
            None => self.row(at)?.expect("what is no entity is a row").reference,
        })
    }

    pub(super) fn names(&self, members: impl IntoIterator<Item = u32>) -> Result<Vec<String>, MirrorError> {
        members.into_iter().map(|at| self.name(at)).collect()
    }

    /// The first of some elements: an entity before rows, then in byte order.
    pub(super) fn first(&self, members: &[u32]) -> Result<u32, MirrorError> {
        let mut named = Vec::with_capacity(members.len());
        if let [only] = members {
            return Ok(*only);
        }
        for &at in members {
            named.push((!self.is_entity(at), self.name(at)?, at));
        }
        Ok(named.into_iter().min().expect("an address has a member").2)
    }

    /// The first element of a source row's reference.
    pub(super) fn find(&self, reference: &str) -> Option<u32> {
        position(&self.rows, reference).map(|row| (self.entities.len() + row) as u32)
    }

    /// The entity of an id.
    pub(super) fn find_entity(&self, id: &str) -> Option<u32> {
        position(&self.entities, id).map(|at| at as u32)
    }

    /// The first element of a reference and label.
    fn find_as(&self, reference: &str, label: Label) -> u32 {
        let mut at = self.find(reference).expect("every row is an element");
        while self.label(at) != label {
            at += 1;
        }
        at
    }

    /// Rows of one reference and label, which are one row read twice, as neighbours.
    pub(super) fn read_twice(&self) -> impl Iterator<Item = (u32, u32)> {
        let of = |row: &Lies| (row.name, row.label());
        let pairs = self.rows.windows(2).zip(self.entities.len() as u32..);
        pairs.filter(move |(pair, _)| of(&pair[0]) == of(&pair[1])).map(|(_, at)| (at, at + 1))
    }

    /// Who has which address, in order of evidence, label and hash; and the venues of which one names, instead of a Place
    /// ID, the feature that the other's Place ID hints at.
    pub(super) fn keys(&self, report: &mut Report) -> Result<(Vec<Key>, Vec<Candidate>), MirrorError> {
        let mut keys = Vec::new();
        let mut features = Features::default();
        for at in self.entities() {
            let entity = self.entity(at)?.expect("these are the entities");
            let Some(raw) = &entity.canonical_id else { continue };
            if entity.label == Label::Venue {
                features.known(raw, || Uid::entity(&entity.id).to_string());
            }
            match canonical_of(entity.label, raw, self.shared) {
                Some(id) => {
                    let (evidence, label, id) = (Evidence::Canonical, entity.label, NameHash::of(&id));
                    keys.push(Key { evidence, label, id, element: at });
                }
                None if entity.label == Label::Organization && canonical::is_shared(raw, self.shared) => {
                    report.note("entities hold a domain that many share as canonical id", self.name(at)?);
                }
                None => report.note("entities hold a canonical id that is none", self.name(at)?),
            }
        }
        for row in self.rows() {
            let row = row?;
            let label = row.fact.label;
            for address in &row.fact.addresses {
                if let Address::PlaceId(raw) = address {
                    features.known(raw, || row.reference.clone());
                    features.named.extend(feature_in(raw).map(|feature| (feature, row.reference.clone())));
                    damage(raw, label, &row.reference, report);
                }
                if let Some((evidence, id)) = self.told(label, address) {
                    let element = self.find_as(&row.reference, label);
                    keys.push(Key { evidence, label, id: NameHash::of(&id), element });
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok((keys, features.candidates()))
    }

    /// The evidence that an address of a thing is, and its text.
    fn told(&self, label: Label, address: &Address) -> Option<(Evidence, String)> {
        let (evidence, id) = match (label, address) {
            (Label::Person, Address::Instagram(raw))
            | (Label::Organization, Address::Domain(raw))
            | (Label::Venue, Address::PlaceId(raw)) => {
                (Evidence::Canonical, canonical_of(label, raw, self.shared))
            }
            (Label::Person, Address::User(id)) => {
                (Evidence::User, Some(id.clone()).filter(|id| !id.trim().is_empty()))
            }
            (Label::Person, Address::Email(raw)) => (Evidence::Email, canonical::email_sha256(raw)),
            _ => return None,
        };
        Some((evidence, id?))
    }

    /// The canonical ids of an entity.
    pub(super) fn entitys_canonical_id(&self, entity: &EntityFact) -> Option<String> {
        canonical_of(entity.label, entity.canonical_id.as_deref()?, self.shared)
    }

    /// The canonical ids of a row.
    pub(super) fn canonical_ids(&self, row: &Row) -> impl Iterator<Item = String> {
        let told = row.fact.addresses.iter().filter_map(|address| self.told(row.fact.label, address));
        told.filter(|(evidence, _)| *evidence == Evidence::Canonical).map(|(_, id)| id)
    }

    /// The text of the address that a key is of.
    pub(super) fn text(&self, key: Key) -> Result<String, MirrorError> {
        let is_it = |id: &String| NameHash::of(id) == key.id;
        let mut at = key.element;
        // Of a row that was read twice, either may have it.
        loop {
            let text = match (self.entity(at)?, self.row(at)?) {
                (Some(entity), _) => self.entitys_canonical_id(&entity).filter(is_it),
                (None, row) => {
                    let row = row.expect("what is no entity is a row");
                    let told = row.fact.addresses.iter().filter_map(|a| self.told(row.fact.label, a));
                    told.filter(|(evidence, _)| *evidence == key.evidence).map(|(_, id)| id).find(is_it)
                }
            };
            match text {
                Some(text) => return Ok(text),
                None => at += 1,
            }
        }
    }
}

/// Every entity once, by the hash of its id.
fn entities(facts: &Facts) -> Result<Vec<Lies>, MirrorError> {
    let mut all = Vec::with_capacity(facts.entities.len());
    for entity in facts.entities.placed() {
        let (place, entity) = entity?;
        all.push(Lies::new(&entity.id, place, entity.label));
    }
    all.sort_unstable_by_key(|lies| (lies.name, lies.at));
    let mut each = Vec::with_capacity(all.len());
    for same in all.chunk_by(|a, b| a.name == b.name) {
        let mut first = same[0];
        if same.len() > 1 {
            // Of one that was read twice, the same stands in whatever order the two came.
            let content = |lies: &Lies| Ok((format!("{:?}", facts.entities.get(lies.place())?), *lies));
            let contents: Vec<(String, Lies)> =
                same.iter().map(content).collect::<Result<_, SpoolError>>()?;
            let smallest = contents.into_iter().min_by(|a, b| a.0.cmp(&b.0));
            first = smallest.map_or(first, |(_, lies)| lies);
        }
        each.push(first);
    }
    Ok(each)
}

/// Features of maps: who has a Place ID of which, and who names which.
#[derive(Default)]
struct Features {
    known: BTreeMap<MapsFeature, BTreeSet<String>>,
    named: BTreeSet<(MapsFeature, String)>,
}

impl Features {
    fn known(&mut self, raw: &str, name: impl FnOnce() -> String) {
        if let Some(feature) = canonical::place_id(raw).ok().and_then(|id| feature_of(id.as_str())) {
            self.known.entry(feature).or_default().insert(name());
        }
    }

    fn candidates(self) -> Vec<Candidate> {
        let pairs = self.named.iter().flat_map(|(feature, row)| {
            let places = self.known.get(feature).into_iter().flatten();
            places.map(move |place| [row.clone(), place.clone()])
        });
        pairs.map(|pair| Candidate { pair, rule: "maps_feature", confidence: SAME_FEATURE }).collect()
    }
}

/// Notes what is wrong with a venue's Place ID.
fn damage(raw: &str, label: Label, reference: &str, report: &mut Report) {
    if label != Label::Venue {
        return;
    }
    match canonical::place_id(raw) {
        Err(NoPlaceId::Truncated) => {
            report.note("place ids were cut short for display and are not used", reference);
        }
        Err(NoPlaceId::CaseLost) => {
            report.note("place ids lost their upper and lower case and are not used", reference);
        }
        Err(NoPlaceId::TooLong) => {
            report.note("place ids are longer than 4 KiB and are not used", reference);
        }
        Ok(_) | Err(NoPlaceId::Missing | NoPlaceId::Foreign) => {}
    }
}

fn canonical_of(label: Label, raw: &str, shared: &SharedHosts) -> Option<String> {
    let id = match label {
        Label::Person => canonical::instagram(raw),
        Label::Organization => canonical::domain(raw, shared),
        Label::Venue => canonical::place_id(raw).ok(),
        _ => None,
    };
    id.map(canonical::CanonicalId::into_string)
}
