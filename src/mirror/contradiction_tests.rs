use proptest::prelude::*;
use serde::Serialize;

use super::super::super::current::Current;
use super::super::super::kept::kept_uids;
use super::super::super::sample::{self, artist, entity};
use super::*;
use crate::ontology::SourceRef;
use crate::sources::facts::{CrosswalkFact, EntityFact, NodeFact};
use crate::sources::rows::{DirectusRows, EventRow, UnifiedRows};
use crate::sources::spool::Spool;

fn of(directus: &DirectusRows, unified: &UnifiedRows) -> Unspooled {
    resolved(&sample::of(directus, &sample::twenty(), unified, &sample::touchpoints()))
}

#[test]
fn one_address_of_two_entities_joins_nothing_and_is_listed() {
    let mut unified = sample::unified();
    // The crosswalk gives company 1 to Harbour although its domain is Night Shift's.
    unified.crosswalk[4].entity = entity(6);
    let graph = of(&sample::directus(), &unified);
    assert_eq!(graph.node_count(Label::Organization), 2);
    let harbour = &node(&graph, Label::Organization, &format!("ent:{}", entity(6))).properties;
    let Some(Value::TextList(refs)) = property(harbour, "refs") else { panic!("refs are a list") };
    assert_eq!(refs.iter().filter(|r| r.contains(".company:")).count(), 2, "the crosswalk wins");
    assert_eq!(property(harbour, "canonical_id"), Some(&text("harbourtouring.co.uk")));
    let night_shift = &node(&graph, Label::Organization, &format!("ent:{}", entity(5))).properties;
    assert_eq!(
        property(night_shift, "canonical_id"),
        Some(&text("nightshift.example")),
        "its owner keeps it"
    );
    let listed = graph.conflicts.iter().any(|c| c.id == "nightshift.example" && c.rows.len() == 2);
    assert!(listed, "{:?}", graph.conflicts);
}

#[test]
fn a_crosswalk_row_short_of_certainty_is_a_candidate() {
    let mut facts = sample::facts();
    let source = format!("directus:directus.artists:{}", artist(4));
    let less = CrosswalkFact { entity: entity(7), source, confidence: 0.8 };
    facts.crosswalk.push(&less).expect("there is room");
    let graph = resolved(&facts);
    let rules: Vec<_> = edges(&graph, Relation::SameAs)
        .iter()
        .map(|e| (property(&e.properties, "rule").cloned(), property(&e.properties, "confidence").cloned()))
        .collect();
    let candidate = |rule, confidence| (Some(text(rule)), Some(Value::Float(confidence)));
    assert_eq!(rules, [candidate("crosswalk", 0.8), candidate("name", 0.5)]);
}

#[test]
fn promoters_known_by_events_only_are_made_once_by_domain_and_once_by_name() {
    let mut directus = sample::directus();
    let event = |id: &str, name: Option<&str>, domain: Option<&str>| EventRow {
        id: id.into(),
        status: "published".into(),
        name: id.into(),
        promoter_name: name.map(Into::into),
        promoter_domain: domain.map(Into::into),
        ..EventRow::default()
    };
    directus.events = vec![
        event("10", Some("Dock Eleven"), Some("https://dock11.example/a")),
        event("11", Some("DOCK 11"), Some("www.dock11.example")),
        event("12", Some("dock eleven"), Some("https://dock11.bandcamp.com")),
        event("13", Some("Harbour touring"), None),
        event("14", Some("Nobody Else Knows"), None),
        event("15", None, Some("10.0.0.1")),
    ];
    let graph = of(&directus, &sample::unified());
    let by = |event: &str| {
        edges(&graph, Relation::Promotes)
            .iter()
            .find(|e| e.dst.ends_with(&format!(":{event}")))
            .map(|e| (e.src.to_string(), property(&e.properties, "weight").cloned()))
    };
    let known = |uid: &str, weight| Some((uid.to_owned(), Some(Value::Float(weight))));
    let dock = "directus:directus.events.promoter_domain:dock11.example";
    assert_eq!(by("10"), known(dock, 1.0));
    assert_eq!(by("11"), known(dock, 1.0));
    // A shared host says nothing, and the name is that of the one organisation which a domain tells.
    assert_eq!(by("12"), known(dock, 0.5));
    assert_eq!(by("13"), known(&format!("ent:{}", entity(6)), 0.5));
    assert_eq!(by("14"), known("directus:directus.events.promoter_name:nobody else knows", 0.5));
    assert_eq!(by("15"), None);
}

#[test]
fn a_claim_is_an_edge_where_a_source_knows_the_claimant() {
    let mut unified = sample::unified();
    unified.entities[4].claimed_by = Some(sample::contact(1));
    for event in unified.claim_events.iter_mut().flatten().filter(|e| e.entity == entity(5)) {
        event.claimant = Some(sample::contact(1));
    }
    let graph = of(&sample::directus(), &unified);
    let [claim] = edges(&graph, Relation::Claims) else { panic!("Mara's, and only hers") };
    assert_eq!(*claim.dst, *format!("ent:{}", entity(5)));
    assert_eq!(property(&claim.properties, "status"), Some(&text("claimed")));
    assert_eq!(property(&claim.properties, "timestamp"), Some(&instant("2025-12-05T10:00:00Z")));
}

#[test]
fn what_is_left_out_is_told_by_its_own_reason() {
    let mut directus = sample::directus();
    directus.venues[0].latitude = Some(500.0);
    directus.venues[0].longitude = Some(-82.9);
    directus.artists[0].genres.push("x".repeat(300));
    directus.artists[0].genres.push("ana@fans.example".into());
    let facts = sample::of(&directus, &sample::twenty(), &sample::unified(), &sample::touchpoints());
    let shared = SharedHosts::with(["nightshift.example".to_owned()]).expect("a domain");
    let options = ResolveOptions { shared, ..ResolveOptions::default() };
    let graph = resolve(&facts, &options).expect("a graph");
    let noted =
        |what: &str| graph.notes.iter().filter(|n| n.what.contains(what)).map(|n| n.count).sum::<u64>();
    assert_eq!(noted("numbers that no graph can hold"), 1, "{:?}", graph.notes);
    assert_eq!(noted("genres are empty, too long or hold an address"), 2);
    assert_eq!(noted("links lead to a row that was not read"), 0);
    assert_eq!((noted("a domain that many share"), noted("a canonical id that is none")), (1, 0));
}

#[test]
fn damage_of_ids_and_times_is_counted_and_not_guessed_away() {
    let mut directus = sample::directus();
    directus.venues[1].google_place_id = Some("chijrtlr-gyuemsrbfy61i59si0".into());
    directus.venues[1].timezone = Some("America/Nowhere".into());
    let graph = of(&directus, &sample::unified());
    assert_eq!(graph.node_count(Label::Venue), 3, "the damaged id joins nothing");
    assert_eq!(noted(&graph, "upper and lower case"), 1);
    assert_eq!(noted(&graph, "time zone is unknown"), 1);
    let kiln = &node(&graph, Label::Event, "directus:directus.events:2").properties;
    assert_eq!(property(kiln, "starts_at"), None);
    assert_eq!(property(kiln, "local_start"), Some(&text("2025-12-13T20:00:00")));
}

fn spooled<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Spool<T> {
    let mut spool = Spool::default();
    spool.extend(rows).expect("there is room");
    spool
}

fn by_email(system: &'static str, email: Option<&str>) -> NodeFact {
    NodeFact {
        label: Label::Person,
        extra_labels: vec![],
        source: SourceRef::new(system, "t.person", "1"),
        name: None,
        addresses: email.map(|e| Address::Email(e.into())).into_iter().collect(),
        properties: vec![],
    }
}

fn people(facts: &Facts, kept: &[(&str, &str)]) -> Vec<String> {
    // What the graph would remember of a run before.
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (row, uid) in kept {
        rows.entry(uid).or_default().push((*row).to_owned());
    }
    let remembered = |(uid, rows): (&str, Vec<String>)| NodeRow {
        uid: uid.into(),
        labels: vec![],
        properties: vec![("refs", Value::TextList(rows))],
    };
    let before = BTreeMap::from([(Label::Person, rows.into_iter().map(remembered).collect())]);
    let before = Unspooled { nodes: before, ..Unspooled::default() }.into_tables().expect("a graph");
    let kept = kept_uids(&Current::of(&before).expect("a graph")).expect("it remembers");
    let options = ResolveOptions { kept, ..ResolveOptions::default() };
    let graph = resolve(facts, &options).expect("a graph").unspooled().expect("its rows can be read");
    graph.nodes[&Label::Person].iter().map(|n| n.uid.to_string()).collect()
}

#[test]
fn a_uid_once_given_is_kept_when_a_smaller_row_joins() {
    const GIVEN: &str = "twenty:t.person:1";
    const SMALLER: &str = "directus:t.person:1";
    let email = Some("a@b.example");
    let alone = Facts { nodes: spooled([by_email("twenty", email)]), ..Facts::default() };
    assert_eq!(people(&alone, &[]), [GIVEN]);
    let joined = Facts {
        nodes: spooled([by_email("twenty", email), by_email("directus", email)]),
        ..Facts::default()
    };
    assert_eq!(people(&joined, &[]), [SMALLER]);
    assert_eq!(people(&joined, &[(GIVEN, GIVEN)]), [GIVEN]);
    // Two rows that were one thing part: the one that the uid names keeps it.
    let parted =
        Facts { nodes: spooled([by_email("twenty", email), by_email("directus", None)]), ..Facts::default() };
    assert_eq!(people(&parted, &[(GIVEN, GIVEN), (SMALLER, GIVEN)]), [SMALLER, GIVEN]);
}

#[test]
fn a_row_delivered_as_two_kinds_of_thing_is_refused() {
    let person = by_email("twenty", None);
    let venue = NodeFact { label: Label::Venue, ..person.clone() };
    let facts = Facts { nodes: spooled([person, venue]), ..Facts::default() };
    let error = resolve(&facts, &ResolveOptions::default()).expect_err("two labels");
    assert_eq!(error.to_string(), "source row `twenty:t.person:1` is delivered both as Person and as Venue");
}

/// People with few addresses, few entities and a wild crosswalk, so that most of these contradict themselves.
fn contradictions() -> impl Strategy<Value = Facts> {
    let row = (0..8_u8, proptest::option::of(0..3_u8), proptest::collection::vec(0..4_u8, 0..3), 0..3_u8);
    let rows = proptest::collection::vec(row, 0..10);
    let entities = proptest::collection::vec((0..4_u8, proptest::option::of(0..3_u8)), 0..4);
    let crosswalk = proptest::collection::vec((0..4_u8, 0..8_u8), 0..6);
    (rows, entities, crosswalk).prop_map(|(rows, entities, crosswalk)| {
        let mut facts = Facts::default();
        for (pk, handle, mails, name) in rows {
            let mails = mails.into_iter().map(|m| Address::Email(format!("{m}@b.example")));
            let handle = handle.map(|h| Address::Instagram(format!("@h{h}")));
            let node = NodeFact {
                source: SourceRef::new("directus", "d.artists", pk.to_string()),
                name: Some(format!("name {name}")),
                addresses: mails.chain(handle).collect(),
                ..by_email("directus", None)
            };
            facts.nodes.push(&node).expect("there is room");
        }
        let entity = |(id, handle): (u8, Option<u8>)| EntityFact {
            id: id.to_string(),
            label: Label::Person,
            extra_labels: vec![],
            source: SourceRef::new("unified", "unified.entities", id.to_string()),
            canonical_id: handle.map(|h| format!("instagram.com/h{h}")),
            claim_status: "unclaimed".into(),
            claimed_by: None,
            name: None,
        };
        facts.entities = spooled(entities.into_iter().map(entity));
        let crossing = |(entity, pk): (u8, u8)| CrosswalkFact {
            entity: entity.to_string(),
            source: format!("directus:d.artists:{pk}"),
            confidence: 1.0,
        };
        facts.crosswalk = spooled(crosswalk.into_iter().map(crossing));
        facts
    })
}

proptest! {
    #[test]
    fn contradictions_are_decided_alike_in_any_order(facts in contradictions(), seed in any::<u64>()) {
        let graph = resolved(&facts);
        prop_assert_eq!(&resolved(&shuffled(&facts, seed)), &graph);
        let nodes = || graph.nodes.values().flatten();
        let mut carried: Vec<String> =
            nodes().filter_map(|n| property(&n.properties, "canonical_id")).map(|id| format!("{id:?}")).collect();
        let all = carried.len();
        carried.sort_unstable();
        carried.dedup();
        prop_assert_eq!(carried.len(), all, "two nodes carry one canonical id");
        prop_assert!(graph.clone().into_tables().is_ok());
        let entities = facts.entities.rows().expect("they read");
        let mut known: Vec<&str> = entities.iter().map(|e| e.id.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        prop_assert_eq!(nodes().filter(|n| n.uid.starts_with("ent:")).count(), known.len());
    }
}

#[test]
fn a_wall_clock_that_a_change_of_clocks_skips_or_repeats_is_read_by_rule_and_noted() {
    let start = |clock: &str, zone: Option<&str>| {
        let mut directus = sample::directus();
        // The zone stands on row 3 of the Foundry only; the event hangs on row 1.
        directus.venues[0].timezone = None;
        directus.venues[2].timezone = zone.map(Into::into);
        directus.events[0].start_date = Some(clock.parse().expect("a wall clock"));
        let graph = of(&directus, &sample::unified());
        let event = &node(&graph, Label::Event, "directus:directus.events:1").properties;
        assert_eq!(property(event, "local_start"), Some(&text(&format!("{clock}:00"))));
        let start = match property(event, "starts_at") {
            Some(Value::Instant(at)) => {
                Some(jiff::Timestamp::from_millisecond(*at).expect("a time").to_string())
            }
            _ => None,
        };
        let notes: Vec<(String, u64)> = graph
            .notes
            .iter()
            .filter(|note| note.what.starts_with("events "))
            .map(|note| (note.what.to_owned(), note.count))
            .collect();
        (start, notes)
    };
    let (new_york, berlin) = (Some("America/New_York"), Some(" Europe/Berlin "));
    for (clock, zone, want, noted) in [
        ("2026-03-08T01:59", new_york, Some("2026-03-08T06:59:00Z"), None),
        // 02:30 is skipped: by the clock before it (UTC-5) it is 03:30 of the new one.
        ("2026-03-08T02:30", new_york, Some("2026-03-08T07:30:00Z"), Some("skips")),
        ("2026-03-08T03:00", new_york, Some("2026-03-08T07:00:00Z"), None),
        // 01:30 comes twice: the first is still summer time (UTC-4).
        ("2026-11-01T01:30", new_york, Some("2026-11-01T05:30:00Z"), Some("repeats")),
        ("2026-11-01T02:00", new_york, Some("2026-11-01T07:00:00Z"), None),
        ("2026-03-29T02:30", berlin, Some("2026-03-29T01:30:00Z"), Some("skips")),
        ("2026-10-25T02:30", berlin, Some("2026-10-25T00:30:00Z"), Some("repeats")),
        ("2026-03-08T02:30", Some("EST5EDT,nonsense"), None, Some("time zone is unknown")),
        ("2026-03-08T02:30", Some(""), None, Some("time zone is unknown")),
        ("2026-03-08T02:30", None, None, Some("no venue with a time zone")),
    ] {
        let (start, notes) = start(clock, zone);
        assert_eq!(start.as_deref(), want, "{clock} {zone:?}");
        let about = notes.iter().filter(|(what, _)| noted.is_some_and(|noted| what.contains(noted))).count();
        assert_eq!(about, usize::from(noted.is_some()), "{clock} {zone:?}: {notes:?}");
    }
}

#[test]
fn an_email_of_two_entities_joins_nobody_and_is_listed_as_its_hash_with_its_rows() {
    let row = |pk: &str| NodeFact {
        source: SourceRef::new("twenty", "t.person", pk),
        ..by_email("twenty", Some("A@b.example"))
    };
    let entity = |id: &str| EntityFact {
        id: id.into(),
        label: Label::Person,
        extra_labels: vec![],
        source: SourceRef::new("unified", "unified.entities", id),
        canonical_id: None,
        claim_status: "unclaimed".into(),
        claimed_by: None,
        name: None,
    };
    let crossing = |entity: &str, pk: &str| CrosswalkFact {
        entity: entity.into(),
        source: format!("twenty:t.person:{pk}"),
        confidence: 1.0,
    };
    let facts = Facts {
        nodes: spooled([row("1"), row("2"), row("3"), row("4")]),
        entities: spooled([entity("a"), entity("b")]),
        crosswalk: spooled([crossing("a", "1"), crossing("b", "2")]),
        ..Facts::default()
    };
    // Rows 3 and 4 could be either's: they stay what they are.
    assert_eq!(people(&facts, &[]), ["ent:a", "ent:b", "twenty:t.person:3", "twenty:t.person:4"]);
    let graph = resolved(&facts);
    let [conflict] = &graph.conflicts[..] else { panic!("{:?}", graph.conflicts) };
    let hash = canonical::email_sha256("a@b.example").expect("an e-mail");
    assert_eq!(conflict.id, format!("sha256-{hash}"));
    assert_eq!(conflict.rows, [1, 2, 3, 4].map(|pk| format!("twenty:t.person:{pk}")));
    // With one entity less nothing contradicts it, and all are one.
    let one = Facts { entities: spooled([entity("a")]), ..facts };
    assert_eq!(people(&one, &[]), ["ent:a"]);
}

#[test]
fn a_venue_that_names_the_feature_of_another_ones_place_id_is_a_candidate_and_no_more() {
    let mut directus = sample::directus();
    // Kiln Room's row holds what an address of a map has, and it is the Foundry's.
    let of_foundry = "https://www.google.com/maps/place/x/data=!1s0x6b12ae37b47f5b37:0x8eaddfcd1b32ca52";
    directus.venues[1].google_place_id = Some(of_foundry.into());
    let graph = of(&directus, &sample::unified());
    let candidates: Vec<_> = edges(&graph, Relation::SameAs)
        .iter()
        .filter(|edge| property(&edge.properties, "rule") == Some(&text("maps_feature")))
        .map(|edge| (edge.dst.to_string(), property(&edge.properties, "confidence").cloned()))
        .collect();
    let foundry = format!("ent:{}", entity(1));
    assert_eq!(candidates, [(foundry, Some(Value::Float(0.9)))]);
}
