//! What a modeller renamed: the configuration's names win over discovery, and a wrong one says what there is instead.

use std::collections::{BTreeMap, BTreeSet};

use sonograph::config::{Archive, Naming, TouchLayout, vocabulary};
use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::ontology::Relation;
use sonograph::sources::facts::{Facts, Value};
use sonograph::sources::rows::Touch;
use sonograph::sources::{Databases, SourceError, SourceOptions, layouts, read_facts};

use crate::scratch::Scratch;
use crate::{WORKSPACE, edges, node, nodes, told};

/// Options with the names of one source.
pub fn naming(source: &str, naming: Naming) -> SourceOptions {
    SourceOptions { naming: BTreeMap::from([(source.to_owned(), naming)]), ..SourceOptions::default() }
}

pub async fn read(scratch: &Scratch, options: &SourceOptions) -> Result<Facts, SourceError> {
    read_facts(&Databases::one(&scratch.url()), options, &Context::silent()).await
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(logical, name)| ((*logical).to_owned(), (*name).to_owned())).collect()
}

const RENAMED: &str = r"SET search_path = directus;
    ALTER TABLE events RENAME TO gigs; ALTER TABLE venues RENAME TO places; ALTER TABLE artists RENAME TO acts;
    ALTER TABLE events_artists RENAME TO gigs_acts;
    ALTER TABLE gigs_acts RENAME events_id TO gigs_id; ALTER TABLE gigs_acts RENAME artists_id TO acts_id;
    ALTER TABLE gigs RENAME name TO headline; ALTER TABLE gigs RENAME start_date TO doors_at;
    ALTER TABLE gigs RENAME venue TO place;
    UPDATE directus_collections SET collection = CASE collection WHEN 'events' THEN 'gigs' WHEN 'venues' THEN 'places'
      WHEN 'artists' THEN 'acts' ELSE 'gigs_acts' END;
    UPDATE directus_relations SET many_collection = 'gigs', many_field = 'place', one_collection = 'places'
      WHERE many_collection = 'events';
    UPDATE directus_relations SET many_collection = 'gigs_acts', many_field = 'gigs_id', one_collection = 'gigs',
      junction_field = 'acts_id' WHERE many_field = 'events_id';
    UPDATE directus_relations SET many_collection = 'gigs_acts', many_field = 'acts_id', one_collection = 'acts',
      junction_field = 'gigs_id' WHERE many_field = 'artists_id';";

#[tokio::test]
async fn renamed_collections_and_columns_give_the_facts_of_the_usual_ones() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let usual = scratch.facts().await.expect("the usual names are found");
    scratch.run(RENAMED).await;
    let missing = scratch.facts().await.expect("collections may be missing");
    assert_eq!(edges(&missing, Relation::Hosts), [], "without names the collections are not there");

    let names = Naming {
        tables: map(&[("events", "gigs"), ("venues", "places"), ("artists", "acts")]),
        columns: BTreeMap::from([(
            "events".to_owned(),
            map(&[("name", "headline"), ("start_date", "doors_at")]),
        )]),
        ..Naming::default()
    };
    let options = naming("directus", names);
    let renamed = read(&scratch, &options).await.expect("the configured names are there");
    // Junction and the field of the venue are found through directus_relations, under the new names of the collections.
    let told = |facts| {
        let text = told(facts);
        [("gigs", "events"), ("places", "venues"), ("acts", "artists")]
            .iter()
            .fold(text, |text, (new, old)| {
                text.replace(&format!("directus.{new}"), &format!("directus.{old}"))
            })
    };
    assert_eq!(told(renamed), told(usual));

    let found = layouts(&Databases::one(&scratch.url()), &options, &Context::silent()).await;
    let database = found.into_iter().next().expect("one database").expect("it answers");
    let directus = &database.sources[0];
    let notes = &directus.found.as_ref().expect("readable").as_ref().expect("found").notes;
    assert!(notes.contains(&"lineup through gigs_acts (gigs_id, acts_id)".to_owned()), "{notes:?}");
    assert!(notes.contains(&"venue in place".to_owned()), "{notes:?}");
    let gigs = directus.tables.iter().find(|table| table.table == "directus.gigs").expect("it is read");
    for renamed in [("name", "headline"), ("start_date", "doors_at")] {
        assert!(gigs.renamed.contains(&(renamed.0.into(), renamed.1.into())), "{:?}", gigs.renamed);
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_says_which_key_gave_it_and_what_there_is() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let columns = BTreeMap::from([("events".to_owned(), map(&[("name", "title")]))]);
    let error = read(&scratch, &naming("directus", Naming { columns, ..Naming::default() })).await;
    let error = error.expect_err("there is no column `title`");
    assert_eq!(
        error.to_string(),
        "table `directus.events` of directus has no column `title`, which the configuration names as \
         `sources.directus.columns.events.name`"
    );
    assert_eq!(error.fault(), Fault::Input);
    let hint = error.hint().unwrap_or_default();
    assert!(hint.starts_with("its columns are date_created, ") && hint.contains(", name, "), "{hint}");

    let tables = map(&[("venues", "rooms")]);
    let error = read(&scratch, &naming("directus", Naming { tables, ..Naming::default() })).await;
    let error = error.expect_err("there is no collection `rooms`");
    assert_eq!(
        error.to_string(),
        "directus has no table `directus.rooms`, which the configuration names as `sources.directus.venues`"
    );
    assert!(error.hint().unwrap_or_default().contains("events_artists, venues"), "{:?}", error.hint());
}

#[tokio::test]
async fn every_column_that_can_be_named_is_looked_for_under_that_name() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "CREATE TABLE sonik_web.event_saved (id text, event_id bigint);
             CREATE SCHEMA ph; CREATE TABLE ph.events (uuid text, event text, distinct_id text, properties jsonb,
               \"timestamp\" timestamptz);
             CREATE TABLE ph.persons (distinct_id text, person_id text, properties jsonb);
             CREATE SCHEMA atomic; CREATE TABLE atomic.events (event_id text, event_name text, collector_tstamp timestamp,
               domain_userid text);",
        )
        .await;
    let mut seen = BTreeSet::new();
    for vocabulary in vocabulary() {
        for column in vocabulary.columns {
            let layout = match (vocabulary.table, *column) {
                (_, "properties") | ("users", "person" | "created_at") | ("tracks", "set") => {
                    TouchLayout::Posthog
                }
                ("tracks", "collected_at" | "network_id") => TouchLayout::Snowplow,
                _ => TouchLayout::Segment,
            };
            let is_touch = vocabulary.source == "touchpoints";
            let columns = BTreeMap::from([(vocabulary.table.to_owned(), map(&[(column, "no_such")]))]);
            let naming_of = Naming { columns, layout: is_touch.then_some(layout), ..Naming::default() };
            let found = layouts(
                &Databases::one(&scratch.url()),
                &naming(vocabulary.source, naming_of),
                &Context::silent(),
            )
            .await;
            let database = found.into_iter().next().expect("one database").expect("it answers");
            let of = database.sources.iter().find(|source| source.name == vocabulary.source);
            let key = format!("sources.{}.columns.{}.{column}", vocabulary.source, vocabulary.table);
            let error = of.expect("looked for").found.as_ref().expect_err(&key).to_string();
            assert!(error.ends_with(&format!("which the configuration names as `{key}`")), "{key}: {error}");
            seen.insert(key);
        }
    }
    assert!(seen.len() > 90, "{}", seen.len());
}

#[tokio::test]
async fn archived_and_published_mean_what_the_collection_or_the_configuration_says() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "SET search_path = directus;
             UPDATE directus_collections SET archive_field = 'source', archive_value = 'scraper:dice'
              WHERE collection = 'events';
             UPDATE events SET status = 'live' WHERE id = 1;",
        )
        .await;
    let by_collection = scratch.facts().await.expect("reads");
    let status = |facts: &Facts, id: u8| {
        let node = nodes(facts)
            .into_iter()
            .find(|n| n.source.to_string() == format!("directus:directus.events:{id}"))?;
        node.properties.iter().find(|(name, _)| *name == "status").map(|(_, value)| value.clone())
    };
    assert_eq!(status(&by_collection, 2), None, "event 2 is archived by another field");
    assert_eq!(
        status(&by_collection, 4),
        Some(Value::Text("archived".into())),
        "the usual one counts no more"
    );
    assert_eq!(status(&by_collection, 1), Some(Value::Text("live".into())));

    let names = Naming {
        published: vec!["live".into(), "published".into()],
        archive: BTreeMap::from([(
            "events".to_owned(),
            Archive { field: "status".into(), value: "archived".into() },
        )]),
        ..Naming::default()
    };
    let configured = read(&scratch, &naming("directus", names)).await.expect("reads");
    assert_eq!(status(&configured, 1), Some(Value::Text("published".into())));
    assert_eq!(status(&configured, 2), Some(Value::Text("published".into())));
    assert_eq!(status(&configured, 4), None);
}

#[tokio::test]
async fn a_field_of_archived_rows_that_is_missing_is_told_with_the_key_that_can_name_another() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("ALTER TABLE directus.venues DROP COLUMN status").await;
    let by_collection = scratch.refusal().await;
    assert_eq!(by_collection.fault(), Fault::Environment);
    let told = by_collection.to_string();
    assert_eq!(
        told,
        "table `directus.venues` of directus has no column `status`, by which its settings tell archived rows"
    );
    let hint = by_collection.hint().expect("there is something to do");
    assert!(hint.contains("`sources.directus.archive.venues = { field = "), "{hint}");

    let archived_by = async |field: &str| {
        let archive =
            BTreeMap::from([("venues".to_owned(), Archive { field: field.into(), value: "x".into() })]);
        read(&scratch, &naming("directus", Naming { archive, ..Naming::default() })).await
    };
    let configured = archived_by("no_such").await.expect_err("no such column");
    assert_eq!(configured.fault(), Fault::Input, "the user's file says so");
    let told = configured.to_string();
    assert!(
        told.ends_with("`no_such`, which the configuration names as `sources.directus.archive.venues`"),
        "{told}"
    );
    archived_by("city").await.expect("the key that the hint names is read");
}

#[tokio::test]
async fn renamed_custom_objects_fields_and_touch_events_are_read_under_their_names() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let usual = scratch.facts().await.expect("the usual names are found");
    scratch
        .run(&format!(
            r#"SET search_path = {WORKSPACE};
               ALTER TABLE "_promoter" RENAME TO "_booker"; ALTER TABLE "_booker" RENAME "companyId" TO "agencyId";
               UPDATE core."objectMetadata" SET "nameSingular" = 'booker' WHERE "nameSingular" = 'promoter';
               INSERT INTO core."fieldMetadata"("objectMetadataId",type,name,label,settings,"relationTargetObjectMetadataId","workspaceId")
                VALUES ('0a000000-0000-4000-8000-000000000004','RELATION','agency','Agency','{{"joinColumnName":"agencyId"}}',
                 '0a000000-0000-4000-8000-000000000002','20202020-1c25-4d02-bf25-6aeccf7ea419');
               ALTER TABLE person RENAME "instagramPrimaryLinkUrl" TO "socialPrimaryLinkUrl";
               SET search_path = sonik_web;
               ALTER TABLE event_viewed RENAME TO gig_opened; ALTER TABLE gig_opened RENAME event_id TO gig;
               UPDATE tracks SET event = 'gig_opened' WHERE event = 'event_viewed';"#
        ))
        .await;
    let twenty = Naming {
        tables: map(&[("promoter", "_booker")]),
        columns: BTreeMap::from([("person".to_owned(), map(&[("instagram", "socialPrimaryLinkUrl")]))]),
        ..Naming::default()
    };
    let touchpoints = Naming {
        tables: map(&[("event_viewed", "gig_opened")]),
        columns: BTreeMap::from([("event_viewed".to_owned(), map(&[("event", "gig")]))]),
        ..Naming::default()
    };
    let options = SourceOptions {
        naming: BTreeMap::from([("twenty".to_owned(), twenty), ("touchpoints".to_owned(), touchpoints)]),
        ..SourceOptions::default()
    };
    let renamed = read(&scratch, &options).await.expect("the configured names are there");
    // The booker names its company by a column that only the metadata tell: it is that company, no node of its own.
    assert_eq!(told(renamed).replace("._booker", "._promoter"), told(usual));
}

#[tokio::test]
async fn people_who_follow_people_are_read_from_the_table_that_says_so() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            r#"SET search_path = sonik_web;
               ALTER TABLE user_followed RENAME TO member_followed;
               ALTER TABLE member_followed RENAME followed_user_id TO member;
               INSERT INTO tracks(id, received_at, "timestamp", anonymous_id, user_id, event) VALUES
                ('f1', '2025-12-11T10:00:01Z', '2025-12-11T10:00:00Z', 'anon-2', 'u-ana', 'member_followed'),
                ('f2', '2025-12-11T11:00:01Z', '2025-12-11T11:00:00Z', 'anon-9', NULL, 'member_followed');
               INSERT INTO member_followed(id, member) VALUES ('f1', 'u-ben'), ('f2', 'u-new');"#,
        )
        .await;
    let names = Naming {
        tables: map(&[("user_followed", "member_followed")]),
        columns: BTreeMap::from([("user_followed".to_owned(), map(&[("user", "member")]))]),
        ..Naming::default()
    };
    let facts = read(&scratch, &naming("touchpoints", names)).await.expect("reads");
    let touches = facts.touches.rows().expect("they read");
    let touch = touches.iter().find(|touch| touch.id == "f1").expect("the touch is read");
    assert_eq!(touch.touch, Touch::UserFollowed { user: Some("u-ben".into()) });
    node(&facts, "touchpoints:sonik_web.users:u-new"); // known by being followed

    let resolved = sonograph::mirror::resolve(&facts, &sonograph::mirror::ResolveOptions::default());
    let tables = resolved.expect("resolves").to_tables().expect("tables");
    let follows = &tables.edges["FOLLOWS"];
    let ends = |column: &str| -> Vec<i64> {
        follows.column(column).expect("an end").i64().expect("ids").iter().flatten().collect()
    };
    let uids: BTreeMap<i64, String> = tables
        .nodes
        .values()
        .flat_map(|frame| {
            let ids = frame.column("node").expect("ids").i64().expect("ids").iter().flatten();
            let uids = frame.column("uid").expect("uids").str().expect("texts").iter().flatten();
            ids.zip(uids.map(str::to_owned)).collect::<Vec<_>>()
        })
        .collect();
    let named: BTreeSet<(&str, &str)> = ends("src")
        .iter()
        .zip(ends("dst"))
        .map(|(src, dst)| (uids[src].as_str(), uids[&dst].as_str()))
        .collect();
    // Ana is one person with the CRM's contact, Ben is known by his touches alone.
    let ana = uids.values().find(|uid| {
        *uid == "touchpoints:sonik_web.users:u-ana"
            || uid.starts_with("twenty:") && uid.ends_with("0d000000-0000-4000-8000-000000000003")
    });
    let ana = ana.expect("Ana has a uid").as_str();
    assert!(named.contains(&(ana, "touchpoints:sonik_web.users:u-ben")), "{named:?}");
    assert!(named.contains(&("anon:anon-9", "touchpoints:sonik_web.users:u-new")), "{named:?}");
}
