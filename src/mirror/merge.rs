//! Which source rows are one thing.
//!
//! The crosswalk decides first. Then equal canonical ids, then users that an alias joins, then equal e-mails join what
//! the crosswalk left open; a join that would make one thing of two unified entities is refused and listed. Rows without
//! an id never join by it. Joins are tried in an order made from the rows' contents, never from their delivery: where
//! everything that could be joined has one entity at most, any order gives the same; only where it has more, what is to be
//! joined is put in order first.

use std::collections::{BTreeSet, HashSet};

use super::MirrorError;
use super::elements::{Elements, Evidence, Key, Row};
use super::keys::NameHash;
use super::naming::Namer;
use super::report::Report;
use super::resolve::ResolveOptions;
use crate::ontology::{Label, SourceRef, Uid, safe_id};
use crate::sources::facts::{CrosswalkFact, EntityFact, Facts};
use crate::sources::spool::SpoolError;

/// A group of rows that are one thing.
#[derive(Debug)]
pub(super) struct Group {
    /// One of its elements stands for it.
    pub root: u32,
    pub label: Label,
    pub uid: String,
    pub entity: Option<EntityFact>,
    /// In order of precedence: by system, then by reference.
    pub rows: Vec<Row>,
    /// The canonical id the node carries.
    pub canonical_id: Option<String>,
}

/// Which elements are one thing, and who owns which address.
pub(super) struct Merged<'a> {
    elements: Elements<'a>,
    /// Root of each element's group.
    of: Vec<u32>,
    namer: Namer<'a>,
    found: Found,
}

/// What merging found out beside the groups.
pub(super) struct Found {
    /// Canonical domain → root of the organisation's group.
    pub by_domain: Vec<(NameHash, u32)>,
    /// `user_id` of the touchpoints → root of the person's group.
    pub by_user: Vec<(NameHash, u32)>,
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

/// Confidence of a candidate that rests on the feature which a Place ID seems to hold and an address of a map names.
pub const SAME_FEATURE: f64 = 0.9;

/// Systems in order of precedence for names and properties; an entity stands before all of them.
const SYSTEMS: [&str; 3] = ["directus", "twenty", "touchpoints"];

fn precedence(row: &Row) -> usize {
    SYSTEMS.iter().position(|s| *s == row.fact.source.system).unwrap_or(SYSTEMS.len())
}

/// Disjoint sets of elements, each known by its smallest. Entities are smaller than rows, so a set's root is its entity.
struct Joins {
    parent: Vec<u32>,
}

impl Joins {
    fn of(elements: &Elements) -> Self {
        Self { parent: (0..elements.len() as u32).collect() }
    }

    fn find(&mut self, mut at: u32) -> u32 {
        while self.parent[at as usize] != at {
            let above = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = above;
            at = above;
        }
        at
    }

    /// Joins two sets, whatever is in them.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// The entity that an element belongs to.
    fn entity(&mut self, at: u32, elements: &Elements) -> Option<u32> {
        Some(self.find(at)).filter(|root| elements.is_entity(*root))
    }

    /// Joins two sets; `false` when both belong to an entity and not to the same one.
    fn join_one(&mut self, a: u32, b: u32, elements: &Elements) -> bool {
        let [one, other] = [a, b].map(|at| self.entity(at, elements));
        let may = one.is_none() || other.is_none() || one == other;
        if may {
            self.join(a, b);
        }
        may
    }
}

/// Joins the rows of `facts` into things.
pub(super) fn merge<'a>(
    facts: &'a Facts,
    options: &'a ResolveOptions,
    report: &mut Report,
) -> Result<Merged<'a>, MirrorError> {
    let elements = Elements::of(facts, &options.shared)?;
    let mut joins = Joins::of(&elements);
    for (a, b) in elements.read_twice() {
        joins.join(a, b);
    }
    let (certain, mut candidates) = by_crosswalk(facts, &elements, report)?;
    let (keys, by_feature) = elements.keys(report)?;
    candidates.extend(by_feature);
    let aliases = by_alias(facts, &elements, &keys)?;

    let contested = contested(&elements, &certain, &keys, &aliases);
    for of_one_row in certain.chunk_by(|a, b| a.0 == b.0) {
        let mut in_order = Vec::with_capacity(of_one_row.len());
        for &(row, entity) in of_one_row {
            let name = if of_one_row.len() > 1 { elements.name(entity)? } else { String::new() };
            in_order.push((name, row, entity));
        }
        in_order.sort_unstable();
        for (_, row, entity) in in_order {
            if !joins.join_one(row, entity, &elements) {
                let rows = elements.names([row, entity])?;
                let source = elements.name(row)?;
                let what = "the crosswalk gives one row to two entities; the first in byte order keeps it";
                report.conflict(what, elements.label(entity).name(), &source, rows);
            }
        }
    }
    for evidence in [Evidence::Canonical, Evidence::User, Evidence::Email] {
        let mut in_order: Vec<(Label, String, Vec<u32>)> = Vec::new();
        for alike in alike(&keys).filter(|alike| alike.len() > 1 && alike[0].evidence == evidence) {
            if contested.contains(&alike[0].element) {
                let members = alike.iter().map(|key| key.element).collect();
                in_order.push((alike[0].label, elements.text(alike[0])?, members));
            } else {
                alike[1..].iter().for_each(|key| joins.join(alike[0].element, key.element));
            }
        }
        in_order.sort_unstable();
        for (label, id, members) in in_order {
            // An e-mail is its hash already.
            let told = if evidence == Evidence::Email { format!("sha256-{id}").into() } else { safe_id(&id) };
            join_all(&members, (label, &told), &elements, &mut joins, report)?;
        }
        if evidence == Evidence::User {
            for (pair, user) in &aliases {
                join_all(pair, (Label::Person, &safe_id(user)), &elements, &mut joins, report)?;
            }
        }
    }
    drop(contested);

    let of: Vec<u32> = (0..elements.len() as u32).map(|at| joins.find(at)).collect();
    drop(joins);
    let owners = |wanted: Evidence, label: Label| {
        let wanted = alike(&keys).filter(|alike| (alike[0].evidence, alike[0].label) == (wanted, label));
        wanted.map(|alike| Ok((alike[0].id, of[owner(alike, &of, &elements)? as usize]))).collect()
    };
    let by_domain = owners(Evidence::Canonical, Label::Organization)?;
    let by_user: Result<_, MirrorError> = owners(Evidence::User, Label::Person);
    let by_user = by_user?;
    let namer = Namer::of(&elements, &keys, &of, &options.kept, report)?;
    Ok(Merged { elements, of, namer, found: Found { by_domain, by_user, candidates } })
}

/// Keys of one address each.
pub(super) fn alike(keys: &[Key]) -> impl Iterator<Item = &[Key]> {
    keys.chunk_by(|a, b| a.address() == b.address())
}

/// Who of all that have an address counts as its owner: the first in byte order, an entity before rows.
pub(super) fn owner(alike: &[Key], of: &[u32], elements: &Elements) -> Result<u32, MirrorError> {
    let first = alike[0].element;
    if alike.iter().all(|key| of[key.element as usize] == of[first as usize]) {
        return Ok(first);
    }
    let members: Vec<u32> = alike.iter().map(|key| key.element).collect();
    elements.first(&members)
}

/// Every element of which the joins, were none refused, would make one thing of two entities.
fn contested(
    elements: &Elements,
    certain: &[(u32, u32)],
    keys: &[Key],
    aliases: &[([u32; 2], &str)],
) -> HashSet<u32> {
    let mut joins = Joins::of(elements);
    elements.read_twice().for_each(|(a, b)| joins.join(a, b));
    for (row, entity) in certain {
        joins.join(*row, *entity);
    }
    for alike in alike(keys) {
        alike[1..].iter().for_each(|key| joins.join(alike[0].element, key.element));
    }
    for ([a, b], _) in aliases {
        joins.join(*a, *b);
    }
    let roots: HashSet<u32> = elements
        .entities()
        .filter_map(|entity| Some(joins.find(entity)).filter(|root| *root != entity))
        .collect();
    if roots.is_empty() {
        return HashSet::new();
    }
    (0..elements.len() as u32).filter(|at| roots.contains(&joins.find(*at))).collect()
}

/// Rows that the crosswalk gives to entities for certain, sorted and each pair once; what is less than certain is handed back
/// as a candidate.
#[allow(clippy::type_complexity)]
fn by_crosswalk(
    facts: &Facts,
    elements: &Elements,
    report: &mut Report,
) -> Result<(Vec<(u32, u32)>, Vec<Candidate>), MirrorError> {
    let (mut certain, mut candidates) = (Vec::new(), Vec::new());
    for row in &facts.crosswalk {
        let CrosswalkFact { entity, source, confidence } = row?;
        let source = SourceRef::reread(&source);
        let (Some(row), Some(to)) = (elements.find(&source), elements.find_entity(&entity)) else {
            report.note("crosswalk rows name a source row or entity that was not read", source);
            continue;
        };
        if elements.label(row) != elements.label(to) {
            let rows = elements.names([row, to])?;
            let what = "the crosswalk joins things of different kinds; it is not followed";
            report.conflict(what, elements.label(to).name(), &source, rows);
        } else if confidence < 1.0 {
            let pair = [source, Uid::entity(&entity).to_string()];
            candidates.push(Candidate { pair, rule: "crosswalk", confidence });
        } else {
            certain.push((row, to));
        }
    }
    certain.sort_unstable();
    certain.dedup();
    // Of one pair, the surest.
    candidates.sort_by(|a, b| a.pair.cmp(&b.pair).then(b.confidence.total_cmp(&a.confidence)));
    Ok((certain, candidates))
}

/// Aliases whose former id is a user and no device, in byte order, as the people they join and the later id.
fn by_alias<'f>(
    facts: &'f Facts,
    elements: &Elements,
    keys: &[Key],
) -> Result<Vec<([u32; 2], &'f str)>, MirrorError> {
    let of = |id: &str| {
        let address = (Evidence::User, Label::Person, NameHash::of(id));
        let alike = &keys[keys.partition_point(|key| key.address() < address)..];
        let members = alike.iter().take_while(|key| key.address() == address).map(|key| key.element);
        let members: Vec<u32> = members.collect();
        if members.is_empty() { Ok(None) } else { elements.first(&members).map(Some) }
    };
    let mut aliases = Vec::new();
    for (previous, user) in user_aliases(facts)? {
        if let (Some(a), Some(b)) = (of(previous)?, of(user)?) {
            aliases.push(([a, b], user));
        }
    }
    Ok(aliases)
}

/// Aliases whose former id is a user and no device, in byte order.
fn user_aliases(facts: &Facts) -> Result<BTreeSet<(&str, &str)>, SpoolError> {
    let mut users: HashSet<&str> = facts.aliases.iter().map(|alias| alias.previous_id.as_str()).collect();
    if !users.is_empty() {
        for identify in &facts.identifies {
            users.remove(identify?.anonymous_id.as_deref().unwrap_or_default());
        }
        for touch in &facts.touches {
            users.remove(touch?.anonymous_id.as_deref().unwrap_or_default());
        }
    }
    let aliases = facts.aliases.iter().map(|alias| (alias.previous_id.as_str(), alias.user_id.as_str()));
    Ok(aliases.filter(|(previous, _)| users.contains(previous)).collect())
}

/// Joins everything that has one address, as it may be told.
///
/// Where that is two entities', neither is joined, and rows that are nobody's yet follow the one entity that has the address
/// as its own canonical id; without such an owner nobody could say whose they are.
fn join_all(
    members: &[u32],
    (label, told): (Label, &str),
    elements: &Elements,
    joins: &mut Joins,
    report: &mut Report,
) -> Result<(), MirrorError> {
    let entities: BTreeSet<u32> = members.iter().filter_map(|&at| joins.entity(at, elements)).collect();
    if entities.len() < 2 {
        for &at in &members[1..] {
            joins.join(members[0], at);
        }
        return Ok(());
    }
    let mut owners = members.iter().copied().filter(|&at| elements.is_entity(at));
    let what = if let (Some(owner), None) = (owners.next(), owners.next()) {
        for &at in members {
            if joins.entity(at, elements).is_none() {
                joins.join(owner, at);
            }
        }
        "one address leads to two entities; the crosswalk wins, and what is left is its owner's"
    } else {
        "one address leads to two entities; the crosswalk wins, nothing is joined"
    };
    report.conflict(what, label.name(), told, elements.names(members.iter().copied())?);
    Ok(())
}

impl Merged<'_> {
    /// Number of elements, which the roots of groups are among.
    pub(super) fn elements(&self) -> usize {
        self.of.len()
    }

    /// What is left once the groups are drafted.
    pub(super) fn found(self) -> Found {
        self.found
    }

    /// Shows every group, one at a time.
    pub(super) fn groups(
        &self,
        report: &mut Report,
        mut show: impl FnMut(&Group, &mut Report) -> Result<(), MirrorError>,
    ) -> Result<(), MirrorError> {
        let mut order: Vec<u32> = (0..self.of.len() as u32).collect();
        order.sort_unstable_by_key(|&at| (self.of[at as usize], at));
        for members in order.chunk_by(|a, b| self.of[*a as usize] == self.of[*b as usize]) {
            show(&self.group(members, report)?, report)?;
        }
        Ok(())
    }

    fn group(&self, members: &[u32], report: &mut Report) -> Result<Group, MirrorError> {
        let root = self.of[members[0] as usize];
        let entity = self.elements.entity(root)?;
        let mut rows = Vec::with_capacity(members.len());
        for &at in members {
            rows.extend(self.elements.row(at)?);
        }
        rows.sort_unstable_by(|a, b| {
            (precedence(a), &a.reference)
                .cmp(&(precedence(b), &b.reference))
                .then_with(|| format!("{:?}", a.fact).cmp(&format!("{:?}", b.fact)))
        });
        let label = self.elements.label(root);
        let mut group = Group { root, label, uid: String::new(), entity, rows, canonical_id: None };
        self.namer.name(&mut group, &self.elements, &self.of, report)?;
        Ok(group)
    }
}
