//! Which business nodes the entities of a memory may mean.
//!
//! A mention is a guess from a name, so it is a candidate with a confidence below 1: nothing is merged, and neither
//! graph is written. Two rules, by what Cognee says an entity is (its `is_a` types, and theirs in turn):
//!
//! * `name+type`: equal names, and one of the types is a word for the business node's label: 0.9.
//! * `name`: equal names, and Cognee names no type, or only types we have no word for: 0.5.
//!
//! Where the types are words for other labels only, there is no candidate: a person named Berghain is not the venue.
//! A name that fits several is worth less: the confidence is shared among all business nodes that the entity may mean,
//! and again among all entities that may mean the business node.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{Column, DataFrame};

use crate::ontology::Label;
use crate::ontology::canonical::name_key;
use crate::snapshot::tables::{DST, NAME, NODE, SRC, Tables, UID};

const BY_TYPE: (&str, f64) = ("name+type", 0.9);
const BY_NAME: (&str, f64) = ("name", 0.5);

/// Class of what has a name in the world, and of what such a thing is.
const ENTITY: &str = "Entity";
const ENTITY_TYPE: &str = "EntityType";
const IS_A: &str = "is_a";

/// Words for a label, as [`name_key`] writes them. An artist is a person, a promoter an organization.
const WORDS: &[(Label, &[&str])] = &[
    (
        Label::Person,
        &[
            "person",
            "people",
            "human",
            "individual",
            "artist",
            "musician",
            "dj",
            "performer",
            "singer",
            "rapper",
            "producer",
            "band",
            "act",
            "fan",
            "contact",
            "user",
            "customer",
            "attendee",
        ],
    ),
    (
        Label::Venue,
        &[
            "venue",
            "place",
            "location",
            "club",
            "nightclub",
            "night club",
            "bar",
            "hall",
            "concert hall",
            "theatre",
            "theater",
            "arena",
            "stadium",
            "building",
        ],
    ),
    (
        Label::Organization,
        &[
            "organization",
            "organisation",
            "company",
            "promoter",
            "agency",
            "business",
            "corporation",
            "brand",
            "label",
            "record label",
            "institution",
            "collective",
            "team",
        ],
    ),
    (
        Label::Event,
        &["event", "concert", "festival", "show", "gig", "party", "performance", "club night", "rave"],
    ),
    (
        Label::Content,
        &["content", "article", "post", "video", "document", "webpage", "web page", "url", "link", "media"],
    ),
    (Label::Genre, &["genre", "music genre", "style", "music style", "tag"]),
    (Label::Opportunity, &["opportunity", "deal", "sales opportunity"]),
];

/// The candidates, one row for each pair of nodes: `memory_node`, `business_node` (dense ids), `memory_uid`,
/// `business_uid`, `label` (of the business node), `rule`, `confidence`; by the two dense ids.
///
/// Business nodes that are marked as deleted, and visitors, which have no names, are not looked at.
/// Cost: O(n log n + pairs) over the names of both graphs.
pub fn mentions(business: &Tables, memory: &Tables) -> DataFrame {
    let named = by_name(business);
    let kinds = kinds(memory);
    let mut found: Vec<Candidate> = Vec::new();
    for (node, uid, name) in rows(memory, ENTITY) {
        let Some(candidates) = name.and_then(name_key).and_then(|key| named.get(&key)) else { continue };
        let known = kinds.get(&node);
        for &(label, business_node, business_uid) in candidates {
            let (rule, confidence) = match known {
                None => BY_NAME,
                Some(labels) if labels.contains(&label) => BY_TYPE,
                Some(_) => continue,
            };
            found.push(Candidate { node, uid, business_node, business_uid, label, rule, confidence });
        }
    }
    let mut of_entity: BTreeMap<i64, u32> = BTreeMap::new();
    let mut of_business: BTreeMap<i64, u32> = BTreeMap::new();
    for one in &found {
        *of_entity.entry(one.node).or_default() += 1;
        *of_business.entry(one.business_node).or_default() += 1;
    }
    found.sort_unstable_by_key(|one| (one.node, one.business_node));
    for one in &mut found {
        one.confidence /= f64::from(of_entity[&one.node]) * f64::from(of_business[&one.business_node]);
    }
    frame(&found)
}

struct Candidate<'a> {
    node: i64,
    uid: &'a str,
    business_node: i64,
    business_uid: &'a str,
    label: Label,
    rule: &'static str,
    confidence: f64,
}

fn frame(found: &[Candidate]) -> DataFrame {
    let texts = |name: &str, of: fn(&Candidate) -> String| {
        Column::new(name.into(), found.iter().map(of).collect::<Vec<_>>())
    };
    let columns = vec![
        Column::new("memory_node".into(), found.iter().map(|c| c.node).collect::<Vec<_>>()),
        Column::new("business_node".into(), found.iter().map(|c| c.business_node).collect::<Vec<_>>()),
        texts("memory_uid", |c| c.uid.to_owned()),
        texts("business_uid", |c| c.business_uid.to_owned()),
        texts("label", |c| c.label.to_string()),
        texts("rule", |c| c.rule.to_owned()),
        Column::new("confidence".into(), found.iter().map(|c| c.confidence).collect::<Vec<_>>()),
    ];
    DataFrame::new(found.len(), columns).expect("columns of one height with distinct names make a frame")
}

/// Business nodes by the key of their name.
fn by_name(business: &Tables) -> BTreeMap<String, Vec<(Label, i64, &str)>> {
    let mut named: BTreeMap<String, Vec<(Label, i64, &str)>> = BTreeMap::new();
    for (label, _) in WORDS {
        let deleted = business.nodes.get(label.name()).and_then(|frame| frame.column("deleted_at").ok());
        for (row, (node, uid, name)) in rows(business, label.name()).enumerate() {
            let gone = deleted.is_some_and(|at| at.is_not_null().get(row) == Some(true));
            if let Some(key) = name.and_then(name_key).filter(|_| !gone) {
                named.entry(key).or_default().push((*label, node, uid));
            }
        }
    }
    named
}

/// Dense id, uid and name of every node of a label.
fn rows<'a>(tables: &'a Tables, label: &str) -> impl Iterator<Item = (i64, &'a str, Option<&'a str>)> {
    let columns = tables.nodes.get(label).and_then(|frame| {
        let text = |name| frame.column(name).and_then(|column| column.str()).ok();
        Some((frame.column(NODE).and_then(|c| c.i64()).ok()?, text(UID)?, text(NAME)?))
    });
    columns.into_iter().flat_map(|(nodes, uids, names)| {
        let ends = nodes.iter().zip(uids.iter());
        ends.zip(names.iter()).filter_map(|((node, uid), name)| Some((node?, uid?, name)))
    })
}

/// The labels that the types of an entity are words for, theirs in turn included; an entity whose types are none is absent.
fn kinds(memory: &Tables) -> BTreeMap<i64, BTreeSet<Label>> {
    let words: BTreeMap<&str, Label> =
        WORDS.iter().flat_map(|(label, words)| words.iter().map(|word| (*word, *label))).collect();
    let types: BTreeMap<i64, Option<Label>> = rows(memory, ENTITY_TYPE)
        .map(|(node, _, name)| (node, name.and_then(name_key).and_then(|key| words.get(&*key).copied())))
        .collect();
    let mut parents: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    if let Some(frame) = memory.edges.get(IS_A)
        && let Ok(sources) = frame.column(SRC).and_then(|c| c.i64())
        && let Ok(targets) = frame.column(DST).and_then(|c| c.i64())
    {
        for (src, dst) in sources.iter().zip(targets.iter()) {
            if let (Some(src), Some(dst)) = (src, dst)
                && types.contains_key(&dst)
            {
                parents.entry(src).or_default().push(dst);
            }
        }
    }
    let mut all = BTreeMap::new();
    for (node, ..) in rows(memory, ENTITY) {
        let (mut seen, mut open) = (BTreeSet::from([node]), vec![node]);
        let mut labels = BTreeSet::new();
        while let Some(at) = open.pop() {
            labels.extend(types.get(&at).copied().flatten());
            open.extend(parents.get(&at).into_iter().flatten().copied().filter(|up| seen.insert(*up)));
        }
        if !labels.is_empty() {
            all.insert(node, labels);
        }
    }
    all
}

#[cfg(test)]
#[path = "mentions_tests.rs"]
mod tests;
