use proptest::prelude::*;

use super::super::resolve::{ResolveOptions, resolve};
use super::super::sample::{self, artist};
use super::super::summary::{Counts, Summary};
use super::*;
use crate::snapshot::tables::Tables;
use crate::snapshot::tables::assemble::{EdgeRow, NodeRow};
use crate::sources::facts::Facts;

fn resolved(facts: &Facts) -> Resolved {
    resolve(facts, &ResolveOptions::default()).expect("a graph")
}

/// The graph of tables.
fn held(tables: &Tables) -> Current {
    Current::of(tables).expect("a graph")
}

fn planned<'a>(resolved: &'a Resolved, current: &'a Current) -> Plan<'a> {
    plan(resolved, current).expect("rows can be read")
}

fn summary(plan: &Plan) -> Summary {
    plan.summary().expect("rows can be read")
}

fn changed(plan: &Plan) -> Vec<(&'static str, Counts)> {
    let (nodes, edges) = plan.counts();
    nodes.into_iter().chain(edges).filter(|(_, counts)| counts.total() > 0).collect()
}

#[test]
fn an_empty_graph_gets_everything_and_a_full_one_nothing() {
    let graph = resolved(&sample::facts());
    let nothing = Current::default();
    let first = planned(&graph, &nothing);
    let (nodes, edges) = first.counts();
    assert_eq!(nodes["Person"], Counts { create: 9, update: 0, delete: 0 });
    assert_eq!(edges["HAS_GENRE"], Counts { create: 5, update: 0, delete: 0 });
    assert_eq!(nodes.values().map(|c| c.create).sum::<u64>(), 26);
    assert_eq!(edges.values().map(|c| c.create).sum::<u64>(), 34);
    assert_eq!(nothing.newest_generation, None);

    let full = held(&graph.to_tables().expect("a graph"));
    let second = planned(&graph, &full);
    assert_eq!(changed(&second), []);
    assert!(second.is_empty());
    assert_eq!(full.newest_generation, Some(1));
}

#[test]
fn the_printed_plan_has_the_agreed_shape() {
    let graph = resolved(&sample::facts());
    let json = serde_json::to_value(summary(&planned(&graph, &Current::default()))).expect("plain data");
    assert_eq!(json["nodes"]["Venue"], serde_json::json!({ "create": 2, "update": 0, "delete": 0 }));
    assert_eq!(json["edges"]["CLAIMS"], serde_json::json!({ "create": 0, "update": 0, "delete": 0 }));
    assert!(!json.to_string().contains('@'));
}

#[test]
fn what_changed_is_planned_with_its_reason_and_nothing_else() {
    let before = held(&resolved(&sample::facts()).to_tables().expect("a graph"));
    let mut directus = sample::directus();
    directus.venues[1].capacity = Some(300);
    directus.artists.remove(3);
    directus.artists[1].genres = vec!["techno".into()];
    directus.lineup[1].sort = Some(9);
    let facts = sample::of(&directus, &sample::twenty(), &sample::unified(), &sample::touchpoints());
    let after = resolved(&facts);
    let plan = planned(&after, &before);
    let one = |create, update, delete| Counts { create, update, delete };
    assert_eq!(
        changed(&plan),
        [
            // ambient went with artist 4
            ("Genre", one(0, 0, 1)),
            ("Person", one(0, 0, 1)),
            ("Venue", one(0, 1, 0)),
            // Ostara plays techno instead of house; nobody plays ambient
            ("HAS_GENRE", one(1, 0, 2)),
            ("PERFORMS_AT", one(0, 1, 0)),
            // the two of one name are one
            ("SAME_AS", one(0, 0, 1)),
        ]
    );
    let summary = summary(&plan);
    let why = |of, change| {
        &summary.samples.iter().find(|s| s.of == of && s.change == change).expect("a sample").why
    };
    assert_eq!(why("Venue", "update"), "capacity differs");
    assert_eq!(why("PERFORMS_AT", "update"), "billing differs");
    let gone = &summary.samples.iter().find(|s| s.of == "Person").expect("a sample").what;
    assert_eq!(*gone, format!("directus:directus.artists:{}", artist(4)));
}

#[test]
fn what_others_put_into_the_graph_is_left_alone() {
    use crate::snapshot::tables::assemble::assemble;
    let graph = resolved(&sample::facts());
    let scored = |row: &NodeRow, deleted: bool| {
        let mut row = row.clone();
        row.properties.push(("gen", Value::Integer(4)));
        row.properties.push(("influence_pagerank", Value::Float(0.25)));
        row.labels.push("Vip");
        if deleted {
            row.properties.push(("deleted_at", Value::Instant(7)));
        }
        row
    };
    let mut nodes: BTreeMap<String, Vec<NodeRow>> = BTreeMap::new();
    let rows = graph.unspooled().expect("rows can be read");
    for (label, rows) in &rows.nodes {
        nodes.insert(label.name().into(), rows.iter().map(|row| scored(row, false)).collect());
    }
    let foreign = |uid: &str, properties| NodeRow { uid: uid.into(), labels: vec![], properties };
    let people = nodes.get_mut("Person").expect("people");
    people.push(foreign("somebody:else", vec![]));
    people.push(foreign("gone:before", vec![("gen", Value::Integer(1)), ("deleted_at", Value::Instant(3))]));
    nodes.insert("Campaign".into(), vec![foreign("campaign:1", vec![])]);
    let mut edges: BTreeMap<String, Vec<EdgeRow>> =
        rows.edges.iter().map(|(relation, rows)| (relation.name().into(), rows.clone())).collect();
    let edge = |dst: &str| EdgeRow { src: "somebody:else".into(), dst: dst.into(), properties: vec![] };
    edges.insert("TARGETS".into(), vec![edge("campaign:1")]);
    edges.entry("FOLLOWS".into()).or_default().push(edge("campaign:1"));
    let current = held(&assemble(nodes.clone(), edges).expect("a graph"));
    assert_eq!(changed(&planned(&graph, &current)), []);

    // One of ours that had been marked comes back.
    let ours = nodes.get_mut("Venue").expect("venues");
    ours[0] = scored(&rows.nodes[&Label::Venue][0], true);
    let current = held(&assemble(nodes, BTreeMap::new()).expect("a graph"));
    let back = planned(&graph, &current);
    let update = &back.nodes[&Label::Venue].update;
    assert_eq!(update.len(), 1);
    let row = graph.node(update[0].at).expect("a row");
    assert_eq!(set_of(compared(Label::Venue), update[0].differ, &row.properties), [("deleted_at", None)]);
}

#[test]
fn parallel_edges_that_nothing_tells_apart_are_planned_away_and_the_one_that_stays_is_set_right() {
    use crate::snapshot::tables::assemble::assemble;
    let graph = resolved(&sample::facts());
    let rows = graph.unspooled().expect("rows can be read");
    let nodes: BTreeMap<String, Vec<NodeRow>> =
        rows.nodes.iter().map(|(label, rows)| (label.name().into(), rows.clone())).collect();
    let edges: BTreeMap<String, Vec<EdgeRow>> =
        rows.edges.iter().map(|(relation, rows)| (relation.name().into(), rows.clone())).collect();
    let mut damaged = edges.clone();
    let genres = damaged.get_mut("HAS_GENRE").expect("genres");
    let twin = genres[0].clone();
    genres.extend([twin.clone(), twin]);
    // Of one message: the same twice, and once with another property.
    let interests = damaged.get_mut("INTERESTED_IN").expect("interests");
    let mut twin = interests[0].clone();
    let (_, timestamp) =
        twin.properties.iter_mut().find(|(name, _)| *name == "timestamp").expect("it has a time");
    *timestamp = Value::Instant(5);
    interests.push(twin);
    // Nobody claims this one: both of them go for that reason.
    let hosts = damaged.get_mut("HOSTS").expect("hosts");
    let unclaimed = EdgeRow { src: hosts[0].dst.clone(), dst: hosts[0].src.clone(), properties: vec![] };
    hosts.extend([unclaimed.clone(), unclaimed]);
    let current = held(&assemble(nodes, damaged).expect("a graph"));
    let plan = planned(&graph, &current);
    let one = |update, delete| Counts { create: 0, update, delete };
    assert_eq!(
        changed(&plan),
        [("HAS_GENRE", one(0, 2)), ("HOSTS", one(0, 2)), ("INTERESTED_IN", one(1, 1))]
    );
    assert!(!plan.is_empty());
    let why: Vec<_> = summary(&plan)
        .samples
        .into_iter()
        .map(|sample| (sample.of, sample.change, sample.why))
        .filter(|(.., why)| why == "duplicate")
        .collect();
    assert_eq!(
        why,
        [
            ("INTERESTED_IN", "delete", "duplicate".to_owned()),
            ("HAS_GENRE", "delete", "duplicate".to_owned())
        ]
    );
}

#[test]
fn a_node_that_gets_a_new_name_frees_its_canonical_id_first() {
    let mut unified = sample::unified();
    let venue = unified.entities.remove(1);
    let without = sample::of(&sample::directus(), &sample::twenty(), &unified, &sample::touchpoints());
    let before = held(&resolved(&without).to_tables().expect("a graph"));
    unified.entities.push(venue);
    let with = sample::of(&sample::directus(), &sample::twenty(), &unified, &sample::touchpoints());
    let after = resolved(&with);
    let plan = planned(&after, &before);
    let venues = &plan.nodes[&Label::Venue];
    assert_eq!(venues.create.len(), 1, "the entity's node");
    let gone: Vec<_> = venues.delete.iter().map(|d| (before.node(d.held), d.carries_canonical_id)).collect();
    let [(Ok(gone), true)] = &gone[..] else { panic!("one venue that carries an id goes: {gone:?}") };
    assert_eq!(*gone.uid, *format!("directus:directus.venues:{}", sample::venue(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_plan_does_not_depend_on_the_order_of_facts(keep in proptest::collection::vec(any::<bool>(), 40)) {
        let facts = sample::facts();
        let mut fewer = facts.clone();
        let mut keeps = keep.iter().cycle();
        fewer.nodes.revise(|rows| rows.retain(|_| *keeps.next().expect("endless"))).expect("there is room");
        fewer.touches.revise(|rows| rows.retain(|_| *keeps.next().expect("endless"))).expect("there is room");
        let before = held(&resolved(&fewer).to_tables().expect("a graph"));
        let after = resolved(&facts);
        let mut mixed = facts.clone();
        mixed.nodes.revise(|rows| rows.reverse()).expect("there is room");
        mixed.touches.revise(|rows| rows.reverse()).expect("there is room");
        mixed.edges.revise(|rows| rows.reverse()).expect("there is room");
        prop_assert_eq!(summary(&planned(&after, &before)), summary(&planned(&resolved(&mixed), &before)));
    }
}
