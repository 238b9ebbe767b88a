//! A city on a real `PostgreSQL`: what the readers read back is what was made, and nothing else is ever replaced.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use sonograph::context::{Context, Diagnose, Fault};
use sonograph::sources::facts::Facts;
use sonograph::sources::spool::Spool;
use sonograph::sources::synthetic::{City, LoadError, LoadOptions, generate, load};
use sonograph::sources::{Databases, SourceOptions, read_facts};

use crate::scratch::Scratch;

fn city(seed: u64) -> City {
    generate(2_000, seed, &Context::silent()).expect("nobody cancels")
}

fn sorted<T: Debug>(what: &str, all: &[T]) -> Vec<String> {
    assert!(!all.is_empty(), "there are {what}");
    let mut lines: Vec<String> = all.iter().map(|one| format!("{one:?}")).collect();
    lines.sort_unstable();
    lines
}

fn assert_same<T: Debug>(what: &str, made: &[T], read: &[T]) {
    let (made, read) = (sorted(what, made), sorted(what, read));
    assert_eq!(made.len(), read.len(), "{what}");
    for (made, read) in made.iter().zip(&read) {
        assert_eq!(made, read, "{what}");
    }
}

fn assert_same_rows<T: Debug + DeserializeOwned>(what: &str, made: &Spool<T>, read: &Spool<T>) {
    let [made, read] = [made, read].map(|spool| spool.rows().expect("they read"));
    assert_same(what, &made, &read);
}

fn assert_same_facts(made: &Facts, read: &Facts) {
    assert_same_rows("nodes", &made.nodes, &read.nodes);
    assert_same_rows("edges", &made.edges, &read.edges);
    assert_same_rows("entities", &made.entities, &read.entities);
    assert_same_rows("crosswalk", &made.crosswalk, &read.crosswalk);
    assert_eq!(made.claims, read.claims);
    assert_same_rows("identifies", &made.identifies, &read.identifies);
    assert_same("aliases", &made.aliases, &read.aliases);
    assert_same_rows("touches", &made.touches, &read.touches);
    assert_eq!(made.touch_schemas, read.touch_schemas);
    assert_eq!((&made.events_table, &made.artists_table), (&read.events_table, &read.artists_table));
}

#[tokio::test]
async fn a_loaded_city_reads_back_row_for_row_without_its_hidden_rows() {
    let scratch = Scratch::new().await;
    let city = city(7);
    let cx = Context::silent();
    let dry = LoadOptions { dry_run: true, ..LoadOptions::default() };
    let planned = load(&city, &scratch.url(), dry, &cx).await.expect("an empty database takes a city");
    assert_eq!(scratch.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'directus'").await, 0);
    let loaded = load(&city, &scratch.url(), LoadOptions::default(), &cx).await.expect("the city loads");
    assert_eq!(planned, loaded, "a dry run counts what a run writes");

    let read = read_facts(&Databases::one(&scratch.url()), &SourceOptions::default(), &cx)
        .await
        .expect("the readers read the city");
    assert_same_facts(&city.facts(&SourceOptions::default()).expect("there is room"), &read);

    let left_out = |table: &str, reason: &str| {
        let read = read.read.iter().find(|r| r.table.ends_with(table)).expect("the table was read");
        read.left_out.iter().find(|(why, _)| *why == reason).map_or(0, |(_, n)| *n)
    };
    let hidden = &city.hidden;
    assert_eq!(left_out(".venues", "archived"), hidden.directus.venues.len() as u64);
    assert_eq!(left_out(".artists", "archived"), hidden.directus.artists.len() as u64);
    assert_eq!(left_out(".events", "archived"), hidden.directus.events.len() as u64);
    assert_eq!(left_out(".events_artists", "half-empty"), hidden.orphans.len() as u64);
    assert_eq!(left_out(".events_artists", "duplicate pair"), hidden.repeats.len() as u64);
    assert_eq!(left_out(".company", "soft-deleted"), hidden.twenty.companies.len() as u64);
    assert_eq!(left_out(".person", "soft-deleted"), hidden.twenty.people.len() as u64);
    assert_eq!(left_out(".opportunity", "soft-deleted"), hidden.twenty.opportunities.len() as u64);
    assert!(!hidden.repeats.is_empty() && !hidden.orphans.is_empty() && !hidden.twenty.people.is_empty());

    let next = "SELECT nextval('directus.events_id_seq') - max(id) FROM directus.events";
    assert_eq!(scratch.count(next).await, 1, "the next event gets a free key");
}

#[tokio::test]
async fn a_city_replaces_a_city_only_when_told_to() {
    let scratch = Scratch::new().await;
    let cx = Context::silent();
    let url = scratch.url();
    load(&city(1), &url, LoadOptions::default(), &cx).await.expect("the first city loads");
    let refused = load(&city(2), &url, LoadOptions::default(), &cx).await.expect_err("a city is there");
    assert_eq!(refused.fault(), Fault::Input);
    let said = refused.to_string();
    assert!(said.contains("holds a synthetic city already") && said.contains("`directus`"), "{said}");
    let replace = LoadOptions { replace: true, ..LoadOptions::default() };
    load(&city(2), &url, replace, &cx).await.expect("the second city replaces the first");
    let read = read_facts(&Databases::one(&url), &SourceOptions::default(), &cx).await.expect("it reads");
    assert_same_facts(&city(2).facts(&SourceOptions::default()).expect("there is room"), &read);
}

#[tokio::test]
async fn what_no_city_made_is_never_replaced() {
    let scratch = Scratch::new().await;
    scratch.run("CREATE SCHEMA unified; CREATE TABLE unified.entities (id int)").await;
    let replace = LoadOptions { replace: true, ..LoadOptions::default() };
    let refused =
        load(&city(1), &scratch.url(), replace, &Context::silent()).await.expect_err("somebody lives there");
    assert!(matches!(refused, LoadError::Foreign { .. }), "{refused}");
    assert_eq!(refused.fault(), Fault::Input);
    assert_eq!(scratch.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'unified'").await, 1);
    assert_eq!(scratch.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'directus'").await, 0);
}

#[tokio::test]
async fn a_load_that_is_stopped_or_refused_leaves_nothing() {
    let scratch = Scratch::new().await;
    let made = city(1);
    let cx = Context::silent();
    cx.cancel.request();
    let stopped = load(&made, &scratch.url(), LoadOptions::default(), &cx).await.expect_err("stopped");
    assert_eq!(stopped.fault(), Fault::Cancelled);
    assert_eq!(scratch.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'directus'").await, 0);

    let mut broken = made;
    broken.unified.crosswalk[0].confidence = 2.0;
    let refused = load(&broken, &scratch.url(), LoadOptions::default(), &Context::silent()).await;
    let refused = refused.expect_err("a check of the table refuses it");
    assert!(
        matches!(&refused, LoadError::Server { what, .. } if what.contains("entity_sources")),
        "{refused}"
    );
    assert_eq!(refused.fault(), Fault::Environment);
    assert_eq!(scratch.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'directus'").await, 0);
}
