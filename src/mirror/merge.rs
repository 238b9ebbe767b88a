//! Which source rows are one thing.
//!
//! The crosswalk decides first. Then equal canonical ids, then users that an alias joins, then equal e-mails join what
//! the crosswalk left open; a join that would make one thing of two unified entities is refused and listed. Rows without
//! an id never join by it. Joins are tried in an order made from the rows' contents, never from their delivery.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::MirrorError;
use super::naming::{canonical_ids, name_groups};
use super::report::Report;
use super::resolve::ResolveOptions;
use crate::ontology::canonical::{self, MapsFeature, NoPlaceId, SharedHosts, feature_in, feature_of};
use crate::ontology::{Label, SourceRef, Uid, safe_id};
use crate::sources::facts::{Address, EntityFact, Facts, NodeFact};
use crate::sources::spool::SpoolError;

/// A group of rows that are one thing.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub label: Label,
    pub uid: String,
    pub entity: Option<&'a EntityFact>,
    /// In order of precedence: by system, then by reference.
    pub rows: Vec<Row<'a>>,
    /// The canonical id the node carries.
    pub canonical_id: Option<String>,
}

/// One source row with its reference as text.
#[derive(Debug, Clone)]
pub(super) struct Row<'a> {
    pub reference: String,
    pub fact: &'a NodeFact,
}

/// The groups, and who owns which address.
#[derive(Debug)]
pub(super) struct Merged<'a> {
    /// By label and uid.
    pub groups: Vec<Group<'a>>,
    /// Canonical domain → group of the organisation.
    pub by_domain: HashMap<String, usize>,
    /// `user_id` of the touchpoints → group of the person.
    pub by_user: HashMap<String, usize>,
    /// Pairs that may be one thing.
    pub candidates: Vec<Candidate>,
}

/// Two things that may be one: references or uids, by which rule, how surely.
#[derive(Debug)]
pub(super) struct Candidate {
    pub pair: [String; 2],
    pub rule: &'static str,
    pub confidence: f64,
}

/// What kind of evidence joins; the order is the order in which joins are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Evidence {
    Canonical,
    User,
    Email,
}

/// Systems in order of precedence for names and properties; an entity stands before all of them.
const SYSTEMS: [&str; 3] = ["directus", "twenty", "touchpoints"];

fn precedence(row: &Row) -> usize {
    SYSTEMS.iter().position(|s| *s == row.fact.source.system).unwrap_or(SYSTEMS.len())
}

/// Disjoint sets; a root knows its entity, and two entities never share a root.
struct Joins {
    parent: Vec<usize>,
    entity: Vec<Option<usize>>,
}

impl Joins {
    fn find(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    /// Joins two sets; `false` when both belong to an entity and not to the same one.
    fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return true;
        }
        if self.entity[a].is_some() && self.entity[b].is_some() {
            return false;
        }
        let (root, leaf) = (a.min(b), a.max(b));
        self.parent[leaf] = root;
        self.entity[root] = self.entity[root].or(self.entity[leaf]);
        true
    }
}

/// Everything that may be joined: entities first, then rows, each in byte order.
pub(super) struct Elements<'a> {
    pub entities: Vec<&'a EntityFact>,
    pub rows: Vec<Row<'a>>,
}

impl<'a> Elements<'a> {
    fn of(facts: &'a Facts) -> Self {
        let mut entities: Vec<&EntityFact> = facts.entities.iter().collect();
        entities.sort_by_cached_key(|e| (e.id.clone(), format!("{e:?}")));
        entities.dedup_by(|a, b| a.id == b.id);
        let mut rows: Vec<Row> =
            facts.nodes.iter().map(|fact| Row { reference: fact.source.to_string(), fact }).collect();
        rows.sort_by(|a, b| a.reference.cmp(&b.reference));
        // Rows of one reference are one row read twice: whichever reads smallest stands first.
        for same in rows.chunk_by_mut(|a, b| a.reference == b.reference).filter(|same| same.len() > 1) {
            same.sort_by_cached_key(|row| format!("{:?}", row.fact));
        }
        Self { entities, rows }
    }

    fn len(&self) -> usize {
        self.entities.len() + self.rows.len()
    }

    fn label(&self, at: usize) -> Label {
        match at.checked_sub(self.entities.len()) {
            None => self.entities[at].label,
            Some(row) => self.rows[row].fact.label,
        }
    }

    /// Text naming an element in reports.
    pub(super) fn name(&self, at: usize) -> String {
        match at.checked_sub(self.entities.len()) {
            None => Uid::entity(&self.entities[at].id).to_string(),
            Some(row) => self.rows[row].reference.clone(),
        }
    }
}

/// Who has which address.
pub(super) type Keys = BTreeMap<(Label, Evidence, String), Vec<usize>>;

/// Joins the rows of `facts` into things.
pub(super) fn merge<'a>(
    facts: &'a Facts,
    options: &ResolveOptions,
    report: &mut Report,
) -> Result<Merged<'a>, MirrorError> {
    let elements = Elements::of(facts);
    let mut joins = Joins {
        parent: (0..elements.len()).collect(),
        entity: (0..elements.len()).map(|at| (at < elements.entities.len()).then_some(at)).collect(),
    };
    for pair in elements.rows.windows(2).zip(elements.entities.len()..) {
        if let ([a, b], at) = pair
            && a.reference == b.reference
            && a.fact.label == b.fact.label
        {
            joins.join(at, at + 1);
        }
    }
    let mut candidates = by_crosswalk(facts, &elements, &mut joins, report);
    candidates.extend(by_feature(&elements));
    let keys = keys(&elements, &options.shared, report);
    let joins_of = |wanted: Evidence, joins: &mut Joins, report: &mut Report| {
        for ((label, evidence, id), members) in &keys {
            if *evidence == wanted {
                join_all(members, (*label, id), &elements, joins, report);
            }
        }
    };
    joins_of(Evidence::Canonical, &mut joins, report);
    joins_of(Evidence::User, &mut joins, report);
    for (previous, user) in user_aliases(facts)? {
        let of = |id: &str| keys.get(&(Label::Person, Evidence::User, id.to_owned())).map(|m| m[0]);
        if let (Some(a), Some(b)) = (of(previous), of(user)) {
            join_all(&[a, b], (Label::Person, user), &elements, &mut joins, report);
        }
    }
    joins_of(Evidence::Email, &mut joins, report);
    group(&elements, &keys, joins, candidates, options, report)
}

/// Gives crosswalked rows to their entities; what is less than certain is handed back as a candidate.
fn by_crosswalk(
    facts: &Facts,
    elements: &Elements,
    joins: &mut Joins,
    report: &mut Report,
) -> Vec<Candidate> {
    let entity_at: HashMap<&str, usize> =
        elements.entities.iter().enumerate().map(|(at, e)| (e.id.as_str(), at)).collect();
    let mut row_at: HashMap<&str, usize> = HashMap::new();
    for (row, at) in elements.rows.iter().zip(elements.entities.len()..) {
        row_at.entry(&row.reference).or_insert(at);
    }
    let mut crosswalk: Vec<(String, &str, f64)> = facts
        .crosswalk
        .iter()
        .map(|c| (SourceRef::reread(&c.source), c.entity.as_str(), c.confidence))
        .collect();
    crosswalk.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)).then(b.2.total_cmp(&a.2)));
    let mut candidates = Vec::new();
    for (source, entity, confidence) in crosswalk {
        let (Some(&row), Some(&to)) = (row_at.get(source.as_str()), entity_at.get(entity)) else {
            report.note("crosswalk rows name a source row or entity that was not read", source);
            continue;
        };
        if elements.label(row) != elements.label(to) {
            let rows = [elements.name(row), elements.name(to)];
            let what = "the crosswalk joins things of different kinds; it is not followed";
            report.conflict(what, elements.label(to).name(), &source, rows);
        } else if confidence < 1.0 {
            let pair = [source, Uid::entity(entity).to_string()];
            candidates.push(Candidate { pair, rule: "crosswalk", confidence });
        } else if !joins.join(row, to) {
            let rows = [elements.name(row), elements.name(to)];
            let what = "the crosswalk gives one row to two entities; the first in byte order keeps it";
            report.conflict(what, elements.label(to).name(), &source, rows);
        }
    }
    candidates
}

/// Confidence of a candidate that rests on the feature which a Place ID seems to hold and an address of a map names.
pub const SAME_FEATURE: f64 = 0.9;

/// Venues of which one names, instead of a Place ID, the feature that the other's Place ID hints at.
fn by_feature(elements: &Elements) -> Vec<Candidate> {
    let mut places: BTreeMap<MapsFeature, BTreeSet<String>> = BTreeMap::new();
    let mut named: BTreeSet<(MapsFeature, &str)> = BTreeSet::new();
    let mut of_id = |raw: &str, at: usize| {
        if let Some(feature) = canonical::place_id(raw).ok().and_then(|id| feature_of(id.as_str())) {
            places.entry(feature).or_default().insert(elements.name(at));
        }
    };
    for (at, entity) in elements.entities.iter().enumerate().filter(|(_, e)| e.label == Label::Venue) {
        of_id(entity.canonical_id.as_deref().unwrap_or_default(), at);
    }
    for (row, at) in elements.rows.iter().zip(elements.entities.len()..) {
        for address in &row.fact.addresses {
            if let Address::PlaceId(raw) = address {
                of_id(raw, at);
                named.extend(feature_in(raw).map(|feature| (feature, row.reference.as_str())));
            }
        }
    }
    let pairs = named.into_iter().flat_map(|(feature, row)| {
        let places = places.get(&feature).into_iter().flatten();
        places.map(move |place| [row.to_owned(), place.clone()])
    });
    pairs.map(|pair| Candidate { pair, rule: "maps_feature", confidence: SAME_FEATURE }).collect()
}

/// Who has which address. The owner of a canonical id as an entity stands first among its members.
fn keys(elements: &Elements, shared: &SharedHosts, report: &mut Report) -> Keys {
    let mut keys = Keys::new();
    let mut add = |label, evidence, id: String, at| {
        let members = keys.entry((label, evidence, id)).or_default();
        if members.last() != Some(&at) {
            members.push(at);
        }
    };
    for (at, entity) in elements.entities.iter().enumerate() {
        if let Some(raw) = &entity.canonical_id {
            match canonical_of(entity.label, raw, shared) {
                Some(id) => add(entity.label, Evidence::Canonical, id, at),
                None => report.note("entities hold a canonical id that is none", elements.name(at)),
            }
        }
    }
    for (row, at) in elements.rows.iter().zip(elements.entities.len()..) {
        let label = row.fact.label;
        for address in &row.fact.addresses {
            let (evidence, id) = match (label, address) {
                (Label::Person, Address::Instagram(raw)) | (Label::Organization, Address::Domain(raw)) => {
                    (Evidence::Canonical, canonical_of(label, raw, shared))
                }
                (Label::Venue, Address::PlaceId(raw)) => {
                    (Evidence::Canonical, place(raw, &row.reference, report))
                }
                (Label::Person, Address::User(id)) => {
                    (Evidence::User, Some(id.clone()).filter(|id| !id.trim().is_empty()))
                }
                (Label::Person, Address::Email(raw)) => (Evidence::Email, canonical::email_sha256(raw)),
                _ => continue,
            };
            if let Some(id) = id {
                add(label, evidence, id, at);
            }
        }
    }
    keys
}

fn place(raw: &str, reference: &str, report: &mut Report) -> Option<String> {
    match canonical::place_id(raw) {
        Ok(id) => Some(id.into_string()),
        Err(NoPlaceId::Truncated) => {
            report.note("place ids were cut short for display and are not used", reference);
            None
        }
        Err(NoPlaceId::CaseLost) => {
            report.note("place ids lost their upper and lower case and are not used", reference);
            None
        }
        Err(NoPlaceId::TooLong) => {
            report.note("place ids are longer than 4 KiB and are not used", reference);
            None
        }
        Err(NoPlaceId::Missing | NoPlaceId::Foreign) => None,
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

/// Aliases whose former id is a user and no device, in byte order.
fn user_aliases(facts: &Facts) -> Result<BTreeSet<(&str, &str)>, SpoolError> {
    let mut users: HashSet<&str> = facts.aliases.iter().map(|alias| alias.previous_id.as_str()).collect();
    for identify in &facts.identifies {
        users.remove(identify.anonymous_id.as_deref().unwrap_or_default());
    }
    if !users.is_empty() {
        for touch in &facts.touches {
            users.remove(touch?.anonymous_id.as_deref().unwrap_or_default());
        }
    }
    let aliases = facts.aliases.iter().map(|alias| (alias.previous_id.as_str(), alias.user_id.as_str()));
    Ok(aliases.filter(|(previous, _)| users.contains(previous)).collect())
}

/// Joins everything that has one address.
///
/// Where that is two entities', neither is joined, and rows that are nobody's yet follow the one entity that has the address
/// as its own canonical id; without such an owner nobody could say whose they are.
fn join_all(
    members: &[usize],
    (label, id): (Label, &str),
    elements: &Elements,
    joins: &mut Joins,
    report: &mut Report,
) {
    let entity = |joins: &mut Joins, at| {
        let root = joins.find(at);
        joins.entity[root]
    };
    let entities: BTreeSet<usize> = members.iter().filter_map(|&at| entity(joins, at)).collect();
    if entities.len() < 2 {
        for &at in &members[1..] {
            joins.join(members[0], at);
        }
        return;
    }
    let mut owners = members.iter().copied().filter(|&at| at < elements.entities.len());
    let what = if let (Some(owner), None) = (owners.next(), owners.next()) {
        for &at in members {
            if entity(joins, at).is_none() {
                joins.join(owner, at);
            }
        }
        "one address leads to two entities; the crosswalk wins, and what is left is its owner's"
    } else {
        "one address leads to two entities; the crosswalk wins, nothing is joined"
    };
    report.conflict(what, label.name(), &safe_id(id), members.iter().map(|&at| elements.name(at)));
}

fn group<'a>(
    elements: &Elements<'a>,
    keys: &Keys,
    mut joins: Joins,
    candidates: Vec<Candidate>,
    options: &ResolveOptions,
    report: &mut Report,
) -> Result<Merged<'a>, MirrorError> {
    let mut group_at: HashMap<usize, usize> = HashMap::new();
    let mut of_element = Vec::with_capacity(elements.len());
    let mut groups: Vec<Group> = Vec::new();
    for at in 0..elements.len() {
        let root = joins.find(at);
        let index = *group_at.entry(root).or_insert_with(|| {
            let entity = joins.entity[root].map(|e| elements.entities[e]);
            groups.push(Group {
                label: elements.label(at),
                uid: String::new(),
                entity,
                rows: Vec::new(),
                canonical_id: None,
            });
            groups.len() - 1
        });
        of_element.push(index);
        if let Some(row) = at.checked_sub(elements.entities.len()) {
            groups[index].rows.push(elements.rows[row].clone());
        }
    }
    for group in &mut groups {
        group.rows.sort_by(|a, b| (precedence(a), &a.reference).cmp(&(precedence(b), &b.reference)));
    }
    name_groups(&mut groups, &options.kept)?;
    canonical_ids(&mut groups, keys, &of_element, elements, report);

    let mut by_domain = HashMap::new();
    let mut by_user = HashMap::new();
    for ((label, evidence, id), members) in keys {
        let index = of_element[members[0]];
        match (label, evidence) {
            (Label::Organization, Evidence::Canonical) => by_domain.insert(id.clone(), index),
            (_, Evidence::User) => by_user.insert(id.clone(), index),
            _ => None,
        };
    }
    Ok(Merged { groups, by_domain, by_user, candidates })
}
