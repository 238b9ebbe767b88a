//! Which source rows are one thing.
//!
//! The crosswalk decides first. Then equal canonical ids, then users that an alias joins, then equal e-mails join what
//! the crosswalk left open; a join that would make one thing of two unified entities is refused and listed. Rows without
//! an id never join by it. Joins are tried in an order made from the rows' contents, never from their delivery.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::report::Report;
use super::resolve::ResolveOptions;
use crate::ontology::canonical::{self, NoPlaceId, SharedHosts};
use crate::ontology::{Label, SourceRef, Uid};
use crate::sources::facts::{Address, EntityFact, Facts, NodeFact};

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
    /// Crosswalk rows below certainty: source row, entity, confidence.
    pub candidates: Vec<(String, String, f64)>,
}

/// What kind of evidence joins; the order is the order in which joins are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Evidence {
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
struct Elements<'a> {
    entities: Vec<&'a EntityFact>,
    rows: Vec<Row<'a>>,
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
    fn name(&self, at: usize) -> String {
        match at.checked_sub(self.entities.len()) {
            None => Uid::entity(&self.entities[at].id).to_string(),
            Some(row) => self.rows[row].reference.clone(),
        }
    }
}

type Keys = BTreeMap<(Label, Evidence, String), Vec<usize>>;

/// Joins the rows of `facts` into things.
pub(super) fn merge<'a>(
    facts: &'a Facts,
    options: &ResolveOptions,
    shared: &SharedHosts,
    report: &mut Report,
) -> Merged<'a> {
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
    let candidates = by_crosswalk(facts, &elements, &mut joins, report);
    let keys = keys(&elements, shared, report);
    let joins_of = |wanted: Evidence, joins: &mut Joins, report: &mut Report| {
        for ((label, evidence, id), members) in &keys {
            if *evidence == wanted {
                join_all(members, (*label, id), &elements, joins, report);
            }
        }
    };
    joins_of(Evidence::Canonical, &mut joins, report);
    joins_of(Evidence::User, &mut joins, report);
    for (previous, user) in user_aliases(facts) {
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
) -> Vec<(String, String, f64)> {
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
            report.conflict(what, elements.label(to).name(), source, rows);
        } else if confidence < 1.0 {
            candidates.push((source, Uid::entity(entity).to_string(), confidence));
        } else if !joins.join(row, to) {
            let rows = [elements.name(row), elements.name(to)];
            let what = "the crosswalk gives one row to two entities; the first in byte order keeps it";
            report.conflict(what, elements.label(to).name(), source, rows);
        }
    }
    candidates
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
                (Label::Person, Address::User(id)) => (Evidence::User, Some(id.clone())),
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
fn user_aliases(facts: &Facts) -> BTreeSet<(&str, &str)> {
    let devices: HashSet<&str> = facts
        .touches
        .iter()
        .filter_map(|t| t.anonymous_id.as_deref())
        .chain(facts.identifies.iter().filter_map(|i| i.anonymous_id.as_deref()))
        .collect();
    facts
        .aliases
        .iter()
        .map(|alias| (alias.previous_id.as_str(), alias.user_id.as_str()))
        .filter(|(previous, _)| !devices.contains(previous))
        .collect()
}

fn join_all(
    members: &[usize],
    (label, id): (Label, &str),
    elements: &Elements,
    joins: &mut Joins,
    report: &mut Report,
) {
    let refused: Vec<usize> =
        members[1..].iter().copied().filter(|&at| !joins.join(members[0], at)).collect();
    if !refused.is_empty() {
        let rows = members.iter().map(|&at| elements.name(at));
        let what = "one address leads to two entities; the crosswalk wins, nothing is joined";
        report.conflict(what, label.name(), id, rows);
    }
}

fn group<'a>(
    elements: &Elements<'a>,
    keys: &Keys,
    mut joins: Joins,
    candidates: Vec<(String, String, f64)>,
    options: &ResolveOptions,
    report: &mut Report,
) -> Merged<'a> {
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
    name_groups(&mut groups, &options.kept);
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
    Merged { groups, by_domain, by_user, candidates }
}

/// Gives every group its uid: the entity's; else the one its rows were given before; else the byte-smallest reference.
fn name_groups(groups: &mut [Group], kept: &BTreeMap<String, String>) {
    let mut home: HashMap<String, usize> = HashMap::new();
    for (index, group) in groups.iter().enumerate() {
        for row in &group.rows {
            home.entry(row.reference.clone()).or_insert(index);
        }
    }
    // A uid given before goes to the group that has the row it names, else to the first group that has a row of it.
    let mut owner: HashMap<&str, usize> = HashMap::new();
    for (reference, uid) in kept {
        if let Some(&index) = home.get(reference)
            && groups[index].entity.is_none()
        {
            owner.entry(uid).or_insert_with(|| home.get(uid).copied().unwrap_or(index));
        }
    }
    for (index, group) in groups.iter_mut().enumerate() {
        group.uid = if let Some(entity) = group.entity {
            Uid::entity(&entity.id).to_string()
        } else {
            let references = || group.rows.iter().map(|row| row.reference.as_str());
            let before = references()
                .filter_map(|r| kept.get(r).map(String::as_str))
                .filter(|uid| !uid.starts_with("ent:") && owner.get(uid) == Some(&index))
                .min();
            before.or_else(|| references().min()).expect("a group without an entity has a row").to_owned()
        };
    }
}

/// Chooses the canonical id of each group: the entity's own, else that of its first row; no two nodes carry the same.
fn canonical_ids(
    groups: &mut [Group],
    keys: &Keys,
    of_element: &[usize],
    elements: &Elements,
    report: &mut Report,
) {
    // group → (rank of the best member that has the id, id)
    let mut ids: BTreeMap<usize, BTreeSet<(usize, &str)>> = BTreeMap::new();
    for ((label, evidence, id), members) in keys {
        if *evidence != Evidence::Canonical {
            continue;
        }
        let owners: BTreeSet<usize> = members.iter().map(|&at| of_element[at]).collect();
        let keeper = of_element[members[0]];
        if owners.len() > 1 {
            let rows = members.iter().map(|&at| elements.name(at));
            let what = "two things have one canonical id; only one carries it";
            report.conflict(what, label.name(), id.as_str(), rows);
        }
        let rank = members
            .iter()
            .filter(|&&at| of_element[at] == keeper)
            .map(|&at| rank(&groups[keeper], elements, at))
            .min()
            .expect("the keeper is the group of a member");
        ids.entry(keeper).or_default().insert((rank, id));
    }
    for (index, ids) in ids {
        let group = &mut groups[index];
        if ids.len() > 1 {
            let rows = group.rows.iter().map(|row| row.reference.clone());
            let what = "one thing has several canonical ids; the first by precedence is carried";
            let all = ids.iter().map(|(_, id)| *id).collect::<Vec<_>>().join(" ");
            report.conflict(what, group.label.name(), all, rows);
        }
        group.canonical_id = ids.first().map(|(_, id)| (*id).to_owned());
    }
}

/// 0 for the entity, 1 + position among the rows for a row.
fn rank(group: &Group, elements: &Elements, at: usize) -> usize {
    at.checked_sub(elements.entities.len()).map_or(0, |row| {
        let reference = &elements.rows[row].reference;
        1 + group.rows.iter().position(|r| r.reference == *reference).unwrap_or(group.rows.len())
    })
}
