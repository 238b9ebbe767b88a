//! Edges that rows state outright: line-ups, hosts, promoters, the CRM, genres, claims, and candidates for sameness.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::MirrorError;
use super::draft::{At, Draft};
use super::keys::NameHash;
use super::merge::Candidate;
use super::report::Report;
use super::resolve::{Places, held, millis, shown_name};
use crate::ontology::canonical::{self, SharedHosts, masked};
use crate::ontology::{Label, Relation, Uid, Value, safe_id};
use crate::sources::facts::{self, BY_NAME, EdgeFact, End, Facts};

/// Confidence of a candidate that rests on equal names alone.
pub const EQUAL_NAMES: f64 = 0.5;

/// Weight of a link to an organisation that is known by its domain.
const BY_DOMAIN: f64 = 1.0;

/// Relations whose time is the start of the event they lead to.
pub(super) const AT_EVENT_START: [Relation; 3] = [Relation::PerformsAt, Relation::Hosts, Relation::Promotes];

/// Drafts the edges that rows state, and the genres and organisations only they name.
pub(super) fn edges(
    facts: &Facts,
    draft: &mut Draft,
    places: &mut Places,
    shared: &SharedHosts,
    report: &mut Report,
) -> Result<(), MirrorError> {
    let promoters = promoters(facts, draft, places, shared, report)?;
    for edge in &facts.edges {
        let edge = edge?;
        let mut find = |end: &End| -> Result<Option<(At, f64)>, MirrorError> {
            Ok(match end {
                End::Row(row) => places.row(&row.to_string()).map(|at| (at, 1.0)),
                End::Organization { domain, name } => {
                    promoters.find(domain.as_deref(), name.as_deref(), shared)
                }
                End::Genre(raw) => match canonical::genre(raw) {
                    Some(name) => {
                        let (at, _) = draft.node(Label::Genre, &format!("genre:{name}"))?;
                        let node = draft.open(at)?;
                        if let Some(column) = genre_column(facts, &edge) {
                            node.stand_behind(format!("{column}:{name}"));
                        }
                        node.properties.insert("name", Value::Text(name));
                        Some((at, 1.0))
                    }
                    None => None,
                },
            })
        };
        let (Some((src, src_weight)), Some((dst, _))) = (find(&edge.src)?, find(&edge.dst)?) else {
            let named = [&edge.src, &edge.dst].into_iter().find_map(|end| match end {
                End::Row(row) => Some(row.to_string()),
                _ => None,
            });
            let named = named.unwrap_or_default();
            if let End::Genre(raw) = &edge.dst
                && canonical::genre(raw).is_none()
            {
                report.note("genres are empty, too long or hold an address, and were left out", named);
                continue;
            }
            report.note("links lead to a row that was not read", format!("{} {named}", edge.relation));
            continue;
        };
        let mut properties: BTreeMap<&'static str, Value> =
            edge.properties.iter().filter_map(|(name, value)| Some((*name, held(value)?))).collect();
        if AT_EVENT_START.contains(&edge.relation)
            && let Some(start) = places.starts.get(&dst)
        {
            properties.insert("timestamp", Value::Instant(*start));
        }
        if matches!(edge.src, End::Organization { .. }) {
            properties.insert("weight", Value::Float(src_weight));
        }
        draft.edge(edge.relation, src, dst, properties)?;
    }
    Ok(())
}

/// The column whose values name genres, told by the table of the row that has one: a genre has no row of its own.
fn genre_column(facts: &Facts, edge: &EdgeFact) -> Option<String> {
    let End::Row(row) = &edge.src else { return None };
    let column = if row.table == facts.events_table { "tags" } else { "genres" };
    Some(format!("{}:{}.{column}", row.system, row.table))
}

/// Organisations that links name by domain or by name.
#[derive(Default)]
struct Promoters {
    by_domain: BTreeMap<String, At>,
    /// Name key → the organisation; only names that are exactly one organisation's, or nobody's.
    by_name: BTreeMap<String, At>,
}

impl Promoters {
    fn find(&self, domain: Option<&str>, name: Option<&str>, shared: &SharedHosts) -> Option<(At, f64)> {
        let by_domain = domain
            .and_then(|raw| canonical::domain(raw, shared))
            .and_then(|domain| self.by_domain.get(domain.as_str()))
            .map(|&at| (at, BY_DOMAIN));
        by_domain
            .or_else(|| self.by_name.get(&canonical::name_key(&shown_name(name?)?)?).map(|&at| (at, BY_NAME)))
    }
}

/// Finds the organisations that links name, and makes those that nobody else knows: first all by domain, then those
/// that only a name tells.
fn promoters(
    facts: &Facts,
    draft: &mut Draft,
    places: &mut Places,
    shared: &SharedHosts,
    report: &mut Report,
) -> Result<Promoters, MirrorError> {
    let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for edge in &facts.edges {
        let edge = edge?;
        for end in [&edge.src, &edge.dst] {
            let End::Organization { domain, name } = end else { continue };
            let name = name.as_deref().and_then(shown_name).map(Cow::into_owned);
            if let Some(domain) = domain.as_deref().and_then(|raw| canonical::domain(raw, shared)) {
                domains.entry(domain.into_string()).or_default().extend(name);
            } else if let Some((key, name)) = name.and_then(|name| Some((canonical::name_key(&name)?, name)))
            {
                names.entry(key).or_default().insert(name);
            }
        }
    }
    let make = |draft: &mut Draft, what: &str, key: &str, name: &str| -> Result<At, MirrorError> {
        let uid = format!("directus:{}.{what}:{}", facts.events_table, safe_id(key));
        let (at, _) = draft.node(Label::Organization, &uid)?;
        let node = draft.open(at)?;
        node.properties.insert("name", Value::Text(name.to_owned()));
        node.properties.insert("refs", Value::TextList(vec![uid]));
        Ok(at)
    };
    let mut found = Promoters::default();
    for (domain, names) in domains {
        let at = if let Some(at) = places.domain(&domain) {
            at
        } else {
            let name = names.first().map_or(&*domain, |name| name);
            let at = make(draft, "promoter_domain", &domain, name)?;
            draft.open(at)?.properties.insert("canonical_id", Value::Text(domain.clone()));
            for name in &names {
                places.called(Label::Organization, name, at);
            }
            at
        };
        found.by_domain.insert(domain, at);
    }
    for (key, spellings) in names {
        let known = places.organizations.get(&key).map_or(&[][..], Vec::as_slice);
        let at = if let [only] = known {
            *only
        } else {
            if !known.is_empty() {
                report.note("promoters' names are those of several organisations, so of none of them", &key);
            }
            let name = spellings.first().expect("a key comes from a spelling");
            make(draft, "promoter_name", &key, name)?
        };
        found.by_name.insert(key, at);
    }
    // Names of those just made are candidates too, but only now: what links to them must not depend on the others.
    for &at in found.by_name.values() {
        if let Some(name) = draft.name(at)? {
            places.called(Label::Organization, &name, at);
        }
    }
    Ok(found)
}

/// Drafts who claims what, where a source knows the claimant as a person.
///
/// The status is the last that the claimant's own moves reached, the timestamp when; without moves, the entity's.
pub(super) fn claims(
    facts: &Facts,
    draft: &mut Draft,
    places: &Places,
    report: &mut Report,
) -> Result<(), MirrorError> {
    let mut moves: BTreeMap<(&str, &str), (i64, &str, &str)> = BTreeMap::new();
    let mut ends: BTreeMap<&str, (i64, &str, &str)> = BTreeMap::new();
    for event in facts.claims.iter().flatten() {
        let this = (event.occurred_at, event.id.as_str(), event.to_status.as_str());
        let end = ends.entry(&event.entity).or_insert(this);
        *end = this.max(*end);
        if let Some(claimant) = &event.claimant {
            let last = moves.entry((&event.entity, claimant)).or_insert(this);
            *last = this.max(*last);
        }
    }
    let mut claims: BTreeMap<[String; 2], (Option<i64>, String)> = moves
        .into_iter()
        .map(|((entity, claimant), (at, _, status))| {
            ([entity, claimant].map(str::to_owned), (Some(at), status.to_owned()))
        })
        .collect();
    for entity in &facts.entities {
        let entity = entity?;
        if let Some(owner) = &entity.claimed_by {
            let pair = [entity.id.clone(), owner.clone()];
            claims.entry(pair).or_insert_with(|| (None, entity.claim_status.clone()));
        }
        match ends.get(entity.id.as_str()) {
            Some((.., status)) if *status != entity.claim_status => {
                report.note(
                    "entities have a claim status that their last claim event does not give",
                    &entity.id,
                );
            }
            // As everything begins; without a record of moves nothing can be said.
            None if facts.claims.is_some() && entity.claim_status != "unclaimed" => {
                report.note("entities have a claim status that no claim event gives", safe_id(&entity.id));
            }
            _ => {}
        }
    }
    let wanted: BTreeSet<&str> = claims.keys().map(|[_, claimant]| claimant.as_str()).collect();
    let mut people: BTreeMap<&str, BTreeSet<At>> = BTreeMap::new();
    for claimant in &wanted {
        let entity = draft.find(Uid::entity(claimant).as_str());
        let user = places.user(claimant);
        people.entry(claimant).or_default().extend(entity.into_iter().chain(user));
    }
    for fact in facts.nodes.iter().filter(|_| !wanted.is_empty()) {
        let fact = fact?;
        let Some(&claimant) = wanted.get(fact.source.pk.as_str()) else { continue };
        let at = places.row(&fact.source.to_string());
        people.entry(claimant).or_default().extend(at);
    }
    for all in people.values_mut() {
        all.retain(|&at| draft.label(at) == Label::Person);
    }
    for ([entity, claimant], (at, status)) in &claims {
        let Some(claimed) = draft.find(Uid::entity(entity).as_str()) else {
            report.note("claims are on an entity that was not read", entity);
            continue;
        };
        let people = &people[claimant.as_str()];
        match (people.len(), people.first()) {
            (1, Some(&person)) => {
                let status = ("status", Value::Text(masked(status).into_owned()));
                let at = at.map(|at| ("timestamp", Value::Instant(millis(at))));
                draft.edge(Relation::Claims, person, claimed, std::iter::once(status).chain(at))?;
            }
            (0, _) => report.note("claims are by somebody whom no source knows", safe_id(claimant)),
            _ => report.note("claims are by an id that several people have", safe_id(claimant)),
        }
    }
    Ok(())
}

/// Drafts candidates for sameness: what merging found short of certainty, and different things of one name.
pub(super) fn same_as(
    candidates: &[Candidate],
    limit: usize,
    draft: &mut Draft,
    places: Places,
    report: &mut Report,
) -> Result<(), MirrorError> {
    for Candidate { pair, rule, confidence } in candidates {
        let [a, b] = pair.each_ref().map(|name| places.row(name).or_else(|| draft.find(name)));
        if let (Some(a), Some(b)) = (a, b) {
            let pair = by_uid([a, b], draft)?;
            same(&pair[0], &pair[1], rule, *confidence, draft)?;
        }
    }
    let Places { organizations, mut named, .. } = places;
    let of = |&(name, at): &(NameHash, At)| (draft.label(at), name, at);
    named.sort_unstable_by_key(of);
    named.dedup();
    let alike = named.chunk_by(|a, b| (of(a).0, a.0) == (of(b).0, b.0)).filter(|alike| alike.len() > 1);
    let named: Vec<Vec<At>> = alike.map(|alike| alike.iter().map(|(_, at)| *at).collect()).collect();
    for things in organizations.into_values().chain(named).filter(|things| things.len() > 1) {
        let things = by_uid(things, draft)?;
        if things.len() > limit {
            report.note("names belong to too many things to be a hint of sameness", &things[0].0);
            continue;
        }
        for (nth, a) in things.iter().enumerate() {
            things[nth + 1..].iter().try_for_each(|b| same(a, b, "name", EQUAL_NAMES, draft))?;
        }
    }
    Ok(())
}

/// Things with their uids, in byte order of these.
fn by_uid(things: impl IntoIterator<Item = At>, draft: &Draft) -> Result<Vec<(Arc<str>, At)>, MirrorError> {
    let told = things.into_iter().map(|at| Ok((draft.uid(at)?, at)));
    let mut told = told.collect::<Result<Vec<_>, MirrorError>>()?;
    told.sort_unstable();
    Ok(told)
}

/// Drafts that two things may be one, from the smaller uid to the greater.
fn same(
    (_, src): &(Arc<str>, At),
    (_, dst): &(Arc<str>, At),
    rule: &str,
    confidence: f64,
    draft: &mut Draft,
) -> Result<(), MirrorError> {
    if src == dst {
        return Ok(());
    }
    let confidence = held(&facts::Value::Float(confidence)).unwrap_or(Value::Float(EQUAL_NAMES));
    let properties = [("rule", Value::Text(rule.to_owned())), ("confidence", confidence)];
    draft.edge(Relation::SameAs, *src, *dst, properties)
}
