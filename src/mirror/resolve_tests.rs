use proptest::prelude::*;

use super::super::resolved::Unspooled;
use super::super::sample::{self, artist, at, entity, venue};
use super::*;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow};
use crate::sources::rows::PhoneRow;

pub(super) fn resolved(facts: &Facts) -> Unspooled {
    let graph = resolve(facts, &ResolveOptions::default()).expect("facts that make a graph");
    graph.unspooled().expect("its rows can be read")
}

pub(super) fn node<'a>(graph: &'a Unspooled, label: Label, uid: &str) -> &'a NodeRow {
    let rows = graph.nodes.get(&label).map_or(&[][..], Vec::as_slice);
    rows.iter().find(|n| &*n.uid == uid).unwrap_or_else(|| panic!("no {label} `{uid}` among {rows:#?}"))
}

pub(super) fn property<'a>(properties: &'a [(&'static str, Value)], name: &str) -> Option<&'a Value> {
    properties.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
}

pub(super) fn text(t: &str) -> Value {
    Value::Text(t.to_owned())
}

pub(super) fn instant(t: &str) -> Value {
    Value::Instant(at(t) / 1000)
}

pub(super) fn edges(graph: &Unspooled, relation: Relation) -> &[EdgeRow] {
    graph.edges.get(&relation).map_or(&[], Vec::as_slice)
}

pub(super) fn ends(graph: &Unspooled, relation: Relation) -> Vec<(String, String)> {
    edges(graph, relation).iter().map(|e| (e.src.to_string(), e.dst.to_string())).collect()
}

pub(super) fn noted(graph: &Unspooled, what: &str) -> u64 {
    graph.notes.iter().filter(|n| n.what.contains(what)).map(|n| n.count).sum()
}

#[test]
fn the_published_layouts_give_the_graph_that_the_rules_give() {
    let graph = resolved(&sample::facts());
    let nodes = Label::ALL.iter().map(|&l| (l.name(), graph.node_count(l))).collect::<Vec<_>>();
    assert_eq!(
        nodes,
        [
            // entities 3, 4, 7; artist 4, whose name is that of 7 but no id says so; Mara, Leo, Ana, Ben, Cy
            ("Person", 9),
            // 1 and 3 are one by crosswalk, 2 is the entity's by its place id
            ("Venue", 2),
            // the archived one is not read
            ("Event", 3),
            ("Organization", 2),
            ("Opportunity", 2),
            ("Content", 1),
            // techno, house, ambient
            ("Genre", 3),
            // anon-1, anon-2, anon-3, anon-9
            ("Visitor", 4),
        ]
    );
    let edges = Relation::ALL.iter().map(|&r| (r.name(), graph.edge_count(r))).collect::<Vec<_>>();
    assert_eq!(
        edges,
        [
            // Velvet and Ostara at 1, Ostara at 2, Velvet (by her second row) at 3
            ("PERFORMS_AT", 4),
            ("HOSTS", 3),
            ("PROMOTES", 3),
            // t4, t6
            ("ATTENDED", 2),
            // t1, t3, t5, t7
            ("INTERESTED_IN", 4),
            // t2
            ("SHARED", 1),
            ("REFERRED", 0),
            ("ABOUT", 1),
            // t8
            ("FOLLOWS", 1),
            // Mara, Leo
            ("WORKS_FOR", 2),
            ("CONTACT_FOR", 2),
            ("FOR_ORG", 2),
            // opportunity 2 reached CUSTOMER
            ("CONVERTED_TO", 1),
            // anon-1 and anon-2 are Ana's; anon-3 is shared, anon-9 unknown
            ("IDENTIFIED_AS", 2),
            // no source knows the claimants
            ("CLAIMS", 0),
            // Velvet techno, house; Ostara house; No Handle Yet ambient; event 1 techno
            ("HAS_GENRE", 5),
            // No Handle Yet: the entity without an id and artist 4
            ("SAME_AS", 1),
        ]
    );
    assert_eq!(noted(&graph, "whom no source knows"), 3, "claimants of entities 1, 3 and 5");
    assert!(graph.conflicts.is_empty(), "{:?}", graph.conflicts);
    assert_eq!(graph.clock, Some(at("2025-12-13T00:00:00Z") / 1000), "t6 was the last to arrive");
}

#[test]
fn the_published_layouts_give_the_properties_that_the_rules_give() {
    let graph = resolved(&sample::facts());
    let event = |n: u8| &node(&graph, Label::Event, &format!("directus:directus.events:{n}")).properties;
    // 21:00 in New York in December is 02:00 the next day in UTC.
    assert_eq!(property(event(1), "starts_at"), Some(&instant("2025-12-13T02:00:00Z")));
    assert_eq!(property(event(1), "local_start"), Some(&text("2025-12-12T21:00:00")));
    // Event 3 hangs on a row without a zone; the row it is merged with has one.
    assert_eq!(property(event(3), "starts_at"), Some(&instant("2026-01-01T03:00:00Z")));
    for edge in edges(&graph, Relation::Hosts) {
        let start = property(&node(&graph, Label::Event, &edge.dst).properties, "starts_at");
        assert_eq!(property(&edge.properties, "timestamp"), start);
    }

    let foundry = node(&graph, Label::Venue, &format!("ent:{}", entity(1)));
    let refs = [
        format!("directus:directus.venues:{}", venue(1)),
        format!("directus:directus.venues:{}", venue(3)),
        format!("unified:unified.entities:{}", entity(1)),
    ];
    assert_eq!(property(&foundry.properties, "refs"), Some(&Value::TextList(refs.into())));
    assert_eq!(property(&foundry.properties, "claim_status"), Some(&text("claimed")));
    assert_eq!(property(&foundry.properties, "tz"), Some(&text("America/New_York")));

    // Her row of the touchpoints is smaller than that of Twenty; her name is Twenty's.
    let ana = node(&graph, Label::Person, "touchpoints:sonik_web.users:u-ana");
    assert_eq!(ana.labels, ["Contact", "Fan"]);
    assert_eq!(property(&ana.properties, "canonical_id"), Some(&text("instagram.com/ana_b")));
    let hash = canonical::email_sha256("ana@fans.example").expect("an e-mail");
    assert_eq!(property(&ana.properties, "email_sha256"), Some(&Value::Text(hash)));
    assert!(!format!("{graph:?}").contains('@'), "no e-mail is in the graph");

    let velvet = format!("ent:{}", entity(3));
    assert_eq!(
        property(&node(&graph, Label::Person, &velvet).properties, "claim_status"),
        Some(&text("pending"))
    );
    assert_eq!(
        ends(&graph, Relation::SameAs),
        [(format!("directus:directus.artists:{}", artist(4)), format!("ent:{}", entity(7)),)]
    );
    let night_shift = format!("ent:{}", entity(5));
    let promoted = ends(&graph, Relation::Promotes);
    assert_eq!(promoted.iter().filter(|(org, _)| *org == night_shift).count(), 2, "events 1 and 3");
    let touched = |mid: &str| {
        let found = edges(&graph, Relation::InterestedIn).iter();
        found.into_iter().find(|e| property(&e.properties, "mid") == Some(&text(mid))).expect("a touch")
    };
    let ticket = touched("t3");
    assert_eq!(&*ticket.src, "touchpoints:sonik_web.users:u-ana");
    assert_eq!(property(&ticket.properties, "kind"), Some(&text("ticket_click")));
    assert_eq!(property(&ticket.properties, "attribution_source"), Some(&text("direct")));
    let seen = touched("t1");
    assert_eq!(&*seen.src, "anon:anon-1", "nobody was known then");
    assert_eq!(property(&seen.properties, "attribution_source"), Some(&text("instagram/social")));
    let device = &node(&graph, Label::Visitor, "anon:anon-3").properties;
    assert_eq!(property(device, "shared"), Some(&Value::Boolean(true)));
    assert_eq!(property(device, "first_seen"), Some(&instant("2025-12-10T09:00:00Z")));
    assert_eq!(property(device, "last_seen"), Some(&instant("2025-12-12T22:30:00Z")));
    let won = format!("twenty:{}.opportunity:0e000000-0000-4000-8000-000000000002", sample::WORKSPACE);
    assert_eq!(ends(&graph, Relation::ConvertedTo), [(format!("ent:{}", entity(6)), won)]);
}

#[test]
fn the_tables_of_a_graph_hold_what_it_holds() {
    let graph = resolved(&sample::facts());
    let tables = graph.into_tables().expect("a graph");
    assert_eq!((tables.node_count(), tables.edge_count()), (26, 34));
    let generations = tables.nodes["Person"].column("gen").expect("every node has one");
    assert!(generations.i64().expect("integers").iter().all(|g| g == Some(1)));
}

#[test]
fn a_person_shows_the_primary_phone_and_a_further_one_only_where_that_is_none() {
    let further =
        |number: &str, code: &str| PhoneRow { number: number.into(), calling_code: Some(code.into()) };
    let mut rows = sample::twenty();
    let [mara, leo, ana] = &mut rows.people[..] else { panic!("three people") };
    (mara.phone, mara.calling_code) = (Some("6145550101".into()), Some("+1".into()));
    mara.additional_phones = vec![further("20 7946 0001", "+44")];
    // Not the calling code of the primary one, which is none.
    (leo.phone, leo.calling_code) = (Some("ask at the door".into()), Some("+1".into()));
    leo.additional_phones =
        vec![further("12", "+44"), further("020 7946 0001", "+44"), further("6145550102", "+1")];
    // The same number as Leo's: a telephone may be an office's and joins nobody.
    ana.additional_phones = vec![further("+44 20 7946 0001", "")];
    let graph = resolved(&sample::of(&sample::directus(), &rows, &sample::unified(), &sample::touchpoints()));
    let phone = |n: u8| {
        let reference = format!("twenty:{}.person:{}", sample::WORKSPACE, sample::contact(n));
        let stands = |row: &&NodeRow| matches!(property(&row.properties, "refs"), Some(Value::TextList(refs)) if refs.contains(&reference));
        let person = graph.nodes[&Label::Person].iter().find(stands).expect("everybody is there");
        property(&person.properties, "phone_sha256").cloned()
    };
    let hash = |number: &str| Some(Value::Text(canonical::phone_sha256("", number).expect("a number")));
    assert_eq!([phone(1), phone(2), phone(3)], ["+16145550101", "+442079460001", "+442079460001"].map(hash));
    assert_eq!(graph.node_count(Label::Person), 9, "nobody was joined");
}

#[test]
fn facts_in_any_order_and_of_any_share_in_memory_give_the_same_graph() {
    let facts = sample::facts();
    let want = resolved(&facts);
    proptest!(ProptestConfig::with_cases(48), |(seed in any::<u64>(), buffer in 0..3_000_usize)| {
        let mixed = shuffled(&facts, seed);
        prop_assert_eq!(&resolved(&mixed), &want);
        prop_assert_eq!(&resolved(&buffered(mixed, buffer)), &want);
    });
}

/// Facts of which only so many bytes of each kind stay in memory.
fn buffered(facts: Facts, bytes: usize) -> Facts {
    let mut apart = Facts::buffered(bytes);
    apart.nodes.extend(facts.nodes.rows().expect("they read")).expect("there is room");
    apart.edges.extend(facts.edges.rows().expect("they read")).expect("there is room");
    apart.identifies.extend(facts.identifies.rows().expect("they read")).expect("there is room");
    apart.touches.extend(facts.touches.rows().expect("they read")).expect("there is room");
    apart.entities.extend(facts.entities.rows().expect("they read")).expect("there is room");
    apart.crosswalk.extend(facts.crosswalk.rows().expect("they read")).expect("there is room");
    let Facts { nodes, edges, entities, crosswalk, identifies, touches, .. } = apart;
    Facts { nodes, edges, entities, crosswalk, identifies, touches, ..facts }
}

pub(super) fn shuffled(facts: &Facts, seed: u64) -> Facts {
    use rand::seq::SliceRandom;
    let mut rng = <rand_pcg::Pcg64 as rand::SeedableRng>::seed_from_u64(seed);
    let mut mixed = facts.clone();
    mixed.nodes.revise(|nodes| nodes.shuffle(&mut rng)).expect("there is room");
    mixed.edges.revise(|edges| edges.shuffle(&mut rng)).expect("there is room");
    mixed.entities.revise(|rows| rows.shuffle(&mut rng)).expect("there is room");
    mixed.crosswalk.revise(|rows| rows.shuffle(&mut rng)).expect("there is room");
    mixed.identifies.revise(|rows| rows.shuffle(&mut rng)).expect("there is room");
    mixed.aliases.shuffle(&mut rng);
    mixed.touches.revise(|touches| touches.shuffle(&mut rng)).expect("there is room");
    if let Some(claims) = &mut mixed.claims {
        claims.shuffle(&mut rng);
    }
    mixed
}

#[path = "contradiction_tests.rs"]
mod contradictions;
#[path = "touch_tests.rs"]
mod touches;

#[test]
fn every_node_names_what_it_came_from() {
    let graph = resolved(&sample::facts());
    let refs = |label, uid: &str| match property(&node(&graph, label, uid).properties, "refs") {
        Some(Value::TextList(refs)) => refs.clone(),
        other => panic!("{label} {uid} has refs {other:?}"),
    };
    assert_eq!(refs(Label::Visitor, "anon:anon-9"), ["touchpoints:sonik_web.tracks.anonymous_id:anon-9"]);
    assert_eq!(
        refs(Label::Visitor, "anon:anon-1"),
        [
            "touchpoints:sonik_web.identifies.anonymous_id:anon-1",
            "touchpoints:sonik_web.tracks.anonymous_id:anon-1"
        ]
    );
    let page = "https://sonik.example/e/1";
    assert_eq!(
        refs(Label::Content, page),
        [format!("touchpoints:sonik_web.content_shared.content_url:{page}")]
    );
    assert_eq!(property(&node(&graph, Label::Content, page).properties, "kind"), Some(&text("page")));
    // Velvet Meridian plays it and event 1 is tagged with it; nobody's event is tagged with house.
    assert_eq!(
        refs(Label::Genre, "genre:techno"),
        ["directus:directus.artists.genres:techno", "directus:directus.events.tags:techno"]
    );
    assert_eq!(refs(Label::Genre, "genre:house"), ["directus:directus.artists.genres:house"]);
    // The custom object that names its company is that company.
    let night_shift = refs(Label::Organization, &format!("ent:{}", entity(5)));
    assert!(night_shift.contains(&format!("twenty:{}._promoter:any", sample::WORKSPACE)), "{night_shift:?}");
    for (label, rows) in &graph.nodes {
        for row in rows {
            let some =
                matches!(property(&row.properties, "refs"), Some(Value::TextList(refs)) if !refs.is_empty());
            assert!(some, "{label} {} has no refs", row.uid);
        }
    }
}

#[test]
fn a_promoter_of_a_company_that_was_not_read_is_noted_and_makes_no_node() {
    let mut rows = sample::twenty();
    rows.companies.retain(|company| company.name.as_deref() != Some("Night Shift Presents"));
    let facts = sample::of(&sample::directus(), &rows, &sample::unified(), &sample::touchpoints());
    let graph = resolved(&facts);
    assert_eq!(graph.node_count(Label::Organization), 2);
    assert_eq!(noted(&graph, "the thing of a row that was not read"), 1);
}
