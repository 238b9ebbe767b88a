//! The city as one graph: what was planted twice is one, what was planted apart stays apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use sonograph::context::Context;
use sonograph::mirror::{ResolveOptions, Unspooled, resolve};
use sonograph::ontology::{Label, Relation, Value};
use sonograph::sources::SourceOptions;
use sonograph::sources::synthetic::{City, generate};

static CITY: LazyLock<City> =
    LazyLock::new(|| generate(3_000, 7, &Context::silent()).expect("nobody cancels"));

static GRAPH: LazyLock<Unspooled> = LazyLock::new(|| {
    resolve(&CITY.facts(&SourceOptions::default()).expect("there is room"), &ResolveOptions::default())
        .expect("the city is one graph")
        .unspooled()
        .expect("its rows can be read")
});

/// Source row → uid of the node it became.
static NODES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut nodes = HashMap::new();
    for row in GRAPH.nodes.values().flatten() {
        for (name, value) in &row.properties {
            if let ("refs", Value::TextList(refs)) = (*name, value) {
                nodes.extend(refs.iter().map(|r| (r.clone(), row.uid.to_string())));
            }
        }
    }
    nodes
});

fn user(id: &str) -> &str {
    &NODES[&format!("touchpoints:sonik_web.users:{id}")]
}

#[test]
fn every_planted_duplicate_is_one_node() {
    let workspace = &CITY.twenty.schema;
    for duplicate in &CITY.truth.duplicates {
        let table = match duplicate.kind.as_str() {
            "venue" => "directus:directus.venues".to_owned(),
            "artist" => "directus:directus.artists".to_owned(),
            _ => format!("twenty:{workspace}.company"),
        };
        let at = |row: &str| &NODES[&format!("{table}:{row}")];
        assert_eq!(at(&duplicate.row), at(&duplicate.duplicate), "{duplicate:?}");
    }
}

#[test]
fn namesakes_and_housemates_stay_two_people() {
    for [one, other] in &CITY.truth.namesakes {
        assert_ne!(user(one), user(other));
    }
    let identified: BTreeSet<&str> =
        GRAPH.edges[&Relation::IdentifiedAs].iter().map(|edge| &*edge.src).collect();
    for device in &CITY.truth.shared_devices {
        assert_ne!(user(&device.users[0]), user(&device.users[1]));
        assert!(!identified.contains(format!("anon:{}", device.anonymous_id).as_str()));
    }
    assert!(identified.len() > 2_000);
}

#[test]
fn the_sources_of_a_city_do_not_contradict_each_other() {
    for note in &GRAPH.notes {
        println!("{} {} {:?}", note.count, note.what, note.samples);
    }
    assert_eq!(GRAPH.conflicts, Vec::new());
    for (label, rows) in &GRAPH.nodes {
        println!("{label}: {}", rows.len());
    }
    for (relation, rows) in &GRAPH.edges {
        println!("{relation}: {}", rows.len());
    }
    for relation in Relation::ALL {
        assert!(GRAPH.edge_count(*relation) > 0, "a city has {relation}");
    }
    assert_eq!(GRAPH.edge_count(Relation::Attended) as u64, CITY.truth.counts.attended);
}

#[test]
fn fans_and_artists_whom_the_crm_knows_are_one_person_each() {
    let contacts = GRAPH.nodes[&Label::Person].iter().filter(|p| p.labels.contains(&"Contact"));
    let (mut fans, mut artists) = (0, 0);
    for person in contacts {
        fans += u64::from(person.labels.contains(&"Fan"));
        artists += u64::from(person.labels.contains(&"Artist"));
    }
    assert_eq!(fans, CITY.truth.counts.crm_fans);
    assert_eq!(artists, CITY.truth.counts.crm_artists);
}

#[test]
fn each_promoter_promotes_its_own_events_under_one_node() {
    let mut events: BTreeMap<&str, u64> = BTreeMap::new();
    for edge in &GRAPH.edges[&Relation::Promotes] {
        *events.entry(&*edge.src).or_default() += 1;
    }
    let mut counted: Vec<u64> = events.values().copied().collect();
    let mut planted: Vec<u64> =
        CITY.truth.promoters.iter().map(|p| p.events).filter(|events| *events > 0).collect();
    counted.sort_unstable();
    planted.sort_unstable();
    assert_eq!(counted, planted);
    for promoter in CITY.truth.promoters.iter().filter(|p| p.events > 0) {
        if let Some(entity) = &promoter.entity {
            assert_eq!(events[format!("ent:{entity}").as_str()], promoter.events, "{}", promoter.name);
        }
    }
}
