use super::super::kept::kept_uids;
use super::super::plan::plan;
use super::super::resolve::{ResolveOptions, resolve};
use super::super::sample;
use super::*;
use crate::ontology::Label;
use crate::sources::facts::Facts;
use crate::sources::rows::{DirectusRows, EventRow, TouchpointRows, TwentyRows, UnifiedRows, VenueRow};

/// Forty events at twenty venues, of which each event has two lookers.
fn town() -> (DirectusRows, TouchpointRows) {
    let mut directus = DirectusRows { schema: "directus".into(), ..DirectusRows::default() };
    let mut touchpoints = TouchpointRows { schema: "web".into(), ..<TouchpointRows>::default() };
    for n in 0..20 {
        let venue = VenueRow { id: format!("v{n}"), name: format!("Venue {n}"), ..VenueRow::default() };
        directus.venues.push(venue);
    }
    for n in 0..40 {
        let venue = Some(format!("v{}", n % 20));
        directus.events.push(EventRow {
            id: n.to_string(),
            name: format!("Event {n}"),
            venue,
            ..EventRow::default()
        });
        for who in 0..2 {
            touchpoints.touches.push(crate::sources::rows::TouchRow {
                id: format!("m{n}-{who}"),
                at: 1_000_000 * n,
                received_at: 1_000_000 * n,
                anonymous_id: Some(format!("device-{who}")),
                touch: crate::sources::rows::Touch::Viewed { event: Some(n.to_string()) },
                ..crate::sources::rows::TouchRow::default()
            });
        }
    }
    (directus, touchpoints)
}

fn facts(directus: &DirectusRows, touchpoints: &TouchpointRows) -> Facts {
    sample::of(directus, &TwentyRows::default(), &UnifiedRows::default(), touchpoints)
}

fn graph(facts: &Facts) -> Current {
    let tables = resolve(facts, &ResolveOptions::default()).expect("a graph").to_tables().expect("tables");
    Current::of(&tables).expect("a graph")
}

/// What a run over `facts` would do to `current`: deletions of nodes and of edges, and what is held back.
fn run(guard: &SweepGuard, facts: &Facts, current: &Current) -> (u64, u64, Vec<HeldBack>) {
    let kept = kept_uids(current).expect("the graph remembers");
    let options = ResolveOptions { kept, ..ResolveOptions::default() };
    let wanted = resolve(facts, &options).expect("a graph");
    let mut plan = plan(&wanted, current).expect("a plan");
    guard.hold_back(&mut plan).expect("it is guarded");
    let summary = plan.summary().expect("it is told");
    let deletes =
        |counts: &BTreeMap<&str, super::super::summary::Counts>| counts.values().map(|c| c.delete).sum();
    (deletes(&summary.nodes), deletes(&summary.edges), summary.held_back)
}

#[test]
fn a_few_rows_that_went_are_swept() {
    let (mut directus, touchpoints) = town();
    let before = graph(&facts(&directus, &touchpoints));
    directus.events.truncate(35);
    let (nodes, edges, held) = run(&SweepGuard::default(), &facts(&directus, &touchpoints), &before);
    assert_eq!((nodes, edges, held), (5, 15, vec![]), "five events, each hosted once and looked at twice");
}

#[test]
fn a_table_that_shrank_by_more_than_the_share_is_not_swept_and_its_edges_stay() {
    let (mut directus, touchpoints) = town();
    let before = graph(&facts(&directus, &touchpoints));
    directus.events.truncate(20);
    let shrunk = facts(&directus, &touchpoints);
    let (nodes, edges, held) = run(&SweepGuard::default(), &shrunk, &before);
    assert_eq!((nodes, edges), (0, 0));
    let tables: Vec<_> = held.iter().map(|h| (h.of.as_str(), h.before, h.gone)).collect();
    assert!(tables.contains(&("directus:directus.events", 40, 20)), "{tables:?}");

    // Edges of what goes go with it.
    let allowed = ["directus:directus.events"].map(str::to_owned).into();
    let guard = SweepGuard { allowed, ..SweepGuard::default() };
    assert_eq!(run(&guard, &shrunk, &before), (20, 60, vec![]), "whoever is told so sweeps");
    let generous = SweepGuard { max_shrink: 0.6, ..SweepGuard::default() };
    assert_eq!(run(&generous, &shrunk, &before), (20, 60, vec![]));
}

#[test]
fn a_source_that_vanished_leaves_everything_as_it_was() {
    let current = graph(&sample::facts());
    let (d, t, u, p) = (sample::directus(), sample::twenty(), sample::unified(), sample::touchpoints());
    let without = [
        sample::of(&DirectusRows::default(), &t, &u, &p),
        sample::of(&d, &TwentyRows::default(), &u, &p),
        sample::of(&d, &t, &UnifiedRows::default(), &p),
        sample::of(&d, &t, &u, &<TouchpointRows>::default()),
    ];
    for (nth, facts) in without.iter().enumerate() {
        let (nodes, edges, held) = run(&SweepGuard::default(), facts, &current);
        assert_eq!((nodes, edges), (0, 0), "source {nth}: {held:#?}");
        assert!(!held.is_empty(), "source {nth}");
    }
}

#[test]
fn a_vanished_crosswalk_makes_no_second_node_of_a_thing() {
    let current = graph(&sample::facts());
    let facts =
        sample::of(&sample::directus(), &sample::twenty(), &UnifiedRows::default(), &sample::touchpoints());
    let kept = kept_uids(&current).expect("the graph remembers");
    let options = ResolveOptions { kept, ..ResolveOptions::default() };
    let wanted = resolve(&facts, &options).expect("a graph");
    let mut plan = plan(&wanted, &current).expect("a plan");
    SweepGuard::default().hold_back(&mut plan).expect("it is guarded");
    let made = plan.nodes[&Label::Venue].create.iter().chain(&plan.nodes[&Label::Person].create);
    let made: Vec<_> = made.map(|&at| wanted.node(at).expect("a row").uid).collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn of_what_stays_goes_only_the_canonical_id_that_another_takes() {
    let (mut directus, touchpoints) = town();
    for (n, venue) in directus.venues.iter_mut().enumerate() {
        venue.google_place_id = Some(format!("ChIJ-of-a-place-{n:04}"));
    }
    let before = graph(&facts(&directus, &touchpoints));
    let mut moved = directus.venues[0].clone();
    moved.id = "moved".into();
    directus.venues = vec![moved];
    let (nodes, _, held) = run(&SweepGuard::default(), &facts(&directus, &touchpoints), &before);
    let of = |held: &HeldBack| (held.of.clone(), held.before, held.gone, held.held_back);
    let venues = ("directus:directus.venues".to_owned(), 20, 20, 19);
    assert_eq!(nodes, 1, "one place is no two venues: {held:?}");
    assert!(held.iter().map(of).any(|of| of == venues), "{held:?}");
}
