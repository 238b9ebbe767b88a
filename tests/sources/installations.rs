//! Traps of real installations: stamps that are missing, junctions of several kinds, several workspaces, several databases.

use std::collections::BTreeMap;

use sonograph::config::Naming;
use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::ontology::Relation;
use sonograph::sources::facts::{Address, End, Facts, Value};
use sonograph::sources::{Databases, SourceError, SourceLayout, SourceOptions, layouts, read_facts};

use crate::names::{naming, read};
use crate::scratch::Scratch;
use crate::{WORKSPACE, edges, instant, micros, node, nodes, told};

async fn look(scratch: &Scratch, source: &str) -> SourceLayout {
    let found = layouts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
    let database = found.into_iter().next().expect("one database").expect("it answers");
    database.sources.into_iter().find(|layout| layout.name == source).expect("it is looked for")
}

fn notes(layout: &SourceLayout) -> &[String] {
    &layout.found.as_ref().expect("readable").as_ref().expect("found").notes
}

#[tokio::test]
async fn rows_without_stamps_are_read_and_counted_and_the_newest_stamp_is_whichever_there_is() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    // Event 3 was written by a scraper with SQL: neither stamp. No venue was ever changed through the API: one stamp.
    let facts = scratch.facts().await.expect("reads");
    node(&facts, "directus:directus.events:3");
    let directus = look(&scratch, "directus").await;
    let table = |name: &str| directus.tables.iter().find(|table| table.table == name).expect("it is read");
    assert_eq!(table("directus.events").unstamped, 1);
    assert_eq!(table("directus.venues").newest, Some(micros("2025-12-01T08:00:00Z")));
    assert_eq!(table("directus.events").newest, Some(micros("2025-12-09T10:05:00Z")));
}

#[tokio::test]
async fn a_change_of_the_junction_alone_is_seen_though_the_event_keeps_its_stamp() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let before = edges(&scratch.facts().await.expect("reads"), Relation::PerformsAt);
    scratch.run("UPDATE directus.events_artists SET artists_id = '2a000000-0000-4000-8000-000000000004' WHERE id = 4").await;
    let after = edges(&scratch.facts().await.expect("reads"), Relation::PerformsAt);
    assert_ne!(before, after);
    assert!(after.contains(&("artists:2a000000-0000-4000-8000-000000000004".into(), "events:2".into())));
}

#[tokio::test]
async fn ids_above_two_to_the_53_stay_apart() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "SET search_path = directus; ALTER TABLE events ALTER id TYPE bigint; DELETE FROM events_artists;
             UPDATE events SET id = 9007199254740993 WHERE id = 2;
             INSERT INTO events(id, name, venue) SELECT 9007199254740992, 'Neighbour', venue FROM events WHERE id = 1;",
        )
        .await;
    let facts = scratch.facts().await.expect("reads");
    assert_eq!(node(&facts, "directus:directus.events:9007199254740992").name.as_deref(), Some("Neighbour"));
    assert_eq!(
        node(&facts, "directus:directus.events:9007199254740993").name.as_deref(),
        Some("Kiln Sessions")
    );
}

#[tokio::test]
async fn a_place_that_only_postgis_can_read_is_skipped_by_name_and_the_venue_stays() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    // PostGIS is not at hand: a type of its name stands for it.
    scratch
        .run(
            "CREATE TYPE geometry AS (x float8, y float8);
             ALTER TABLE directus.venues DROP latitude, DROP longitude, ADD location geometry;
             UPDATE directus.venues SET location = ROW(-82.9988, 39.9612)::geometry;",
        )
        .await;
    let facts = scratch.facts().await.expect("reads");
    let venue = node(&facts, "directus:directus.venues:1a000000-0000-4000-8000-000000000001");
    assert!(venue.properties.iter().all(|(name, _)| *name != "location"), "{:?}", venue.properties);
    let directus = look(&scratch, "directus").await;
    let expected = "venues.location not read: latitude and longitude are".to_owned();
    assert!(notes(&directus).contains(&expected), "{:?}", notes(&directus));
    // Named as a number it is refused by its type, not by a row.
    let columns = BTreeMap::from([(
        "venues".to_owned(),
        BTreeMap::from([("latitude".to_owned(), "location".to_owned())]),
    )]);
    let error = read(&scratch, &naming("directus", Naming { columns, ..Naming::default() })).await;
    assert!(matches!(error, Err(SourceError::ColumnType { .. })), "{error:?}");
}

#[tokio::test]
async fn a_junction_with_items_of_several_collections_gives_the_artists_among_them() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let usual = scratch.facts().await.expect("reads");
    scratch
        .run(
            "SET search_path = directus;
             CREATE TABLE events_lineup (id serial PRIMARY KEY, events_id integer, item varchar(255), collection varchar(255), sort integer);
             INSERT INTO events_lineup(events_id, item, collection, sort)
               SELECT events_id, artists_id::text, 'artists', sort FROM events_artists ORDER BY id;
             INSERT INTO events_lineup(events_id, item, collection) VALUES (1, '1a000000-0000-4000-8000-000000000002', 'venues');
             DROP TABLE events_artists;
             DELETE FROM directus_relations WHERE many_collection = 'events_artists';
             INSERT INTO directus_relations(many_collection,many_field,one_collection,one_field,one_collection_field,one_allowed_collections,junction_field,sort_field) VALUES
              ('events_lineup','item',NULL,NULL,'collection','artists,venues','events_id',NULL),
              ('events_lineup','events_id','events','lineup',NULL,NULL,'item','sort');",
        )
        .await;
    let facts = scratch.facts().await.expect("reads");
    assert_eq!(told(facts), told(usual));
    let directus = look(&scratch, "directus").await;
    assert!(notes(&directus).contains(&"lineup through events_lineup (events_id, item)".to_owned()));
}

#[tokio::test]
async fn of_several_junctions_the_first_is_taken_said_and_another_can_be_named() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "SET search_path = directus;
             CREATE TABLE events_support (id serial PRIMARY KEY, events_id integer, artists_id uuid);
             INSERT INTO events_support(events_id, artists_id) VALUES (3, '2a000000-0000-4000-8000-000000000004');
             INSERT INTO directus_relations(many_collection,many_field,one_collection,one_field,junction_field) VALUES
              ('events_support','events_id','events','support','artists_id'),
              ('events_support','artists_id','artists',NULL,'events_id');",
        )
        .await;
    let directus = look(&scratch, "directus").await;
    let said = notes(&directus).join("; ");
    assert!(said.ends_with("not through events_support: sources.directus.lineup can name another"), "{said}");
    assert_eq!(edges(&scratch.facts().await.expect("reads"), Relation::PerformsAt).len(), 4);
    let tables = BTreeMap::from([("lineup".to_owned(), "events_support".to_owned())]);
    let facts =
        read(&scratch, &naming("directus", Naming { tables, ..Naming::default() })).await.expect("reads");
    let expected = ("artists:2a000000-0000-4000-8000-000000000004".to_owned(), "events:3".to_owned());
    assert_eq!(edges(&facts, Relation::PerformsAt), [expected]);
}

#[tokio::test]
async fn the_schema_is_whichever_holds_the_tables_of_directus() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("DROP SCHEMA public; ALTER SCHEMA directus RENAME TO public").await;
    let facts = scratch.facts().await.expect("DB_SEARCH_PATH was not set");
    node(&facts, "directus:public.events:1");
}

/// A second workspace, listed in `core`, with one company.
const SECOND: &str = r#"
CREATE SCHEMA workspace_1;
CREATE TABLE workspace_1.company (LIKE workspace_1wgvd1injqtife6y4rvfbu3h5.company INCLUDING DEFAULTS);
CREATE TABLE workspace_1.person (LIKE workspace_1wgvd1injqtife6y4rvfbu3h5.person INCLUDING DEFAULTS);
CREATE TABLE workspace_1.opportunity (LIKE workspace_1wgvd1injqtife6y4rvfbu3h5.opportunity INCLUDING DEFAULTS);
INSERT INTO workspace_1.company(name) VALUES ('Other');
INSERT INTO core.workspace(id, subdomain, "databaseSchema", "activationStatus")
 VALUES ('00000000-0000-0000-0000-000000000001', 'other', '', 'ACTIVE');"#;

fn workspace(name: &str) -> SourceOptions {
    naming("twenty", Naming { workspace: Some(name.to_owned()), ..Naming::default() })
}

#[tokio::test]
async fn of_several_workspaces_the_active_one_is_read_and_two_active_ones_need_a_choice() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(SECOND).await;
    let error = scratch.refusal().await;
    let expected = format!("twenty: other (workspace_1), sonik ({WORKSPACE})");
    assert!(error.to_string().ends_with(&expected), "{error}");

    let companies = |facts: &Facts| {
        let of = nodes(facts).into_iter().filter(|node| node.source.table.ends_with(".company"));
        of.map(|node| node.name.unwrap_or_default()).collect::<Vec<_>>()
    };
    let other = read(&scratch, &workspace("other")).await.expect("the subdomain is listed");
    assert_eq!(companies(&other), ["Other"]);
    let by_schema = naming("twenty", Naming { schema: [WORKSPACE].into(), ..Naming::default() });
    let sonik = read(&scratch, &by_schema).await.expect("the schema is there");
    assert_eq!(companies(&sonik).len(), 2);
    let wrong = read(&scratch, &workspace("nobody")).await.expect_err("there is none");
    assert_eq!(wrong.fault(), Fault::Input);
    assert!(wrong.to_string().contains("no `nobody` as a workspace of Twenty: there are other"), "{wrong}");

    scratch
        .run(r#"UPDATE core.workspace SET "activationStatus" = 'SUSPENDED' WHERE subdomain = 'other'"#)
        .await;
    assert_eq!(companies(&scratch.facts().await.expect("one is active")).len(), 2);
    let said = notes(&look(&scratch, "twenty").await).join("; ");
    assert!(said.contains("not read: other (workspace_1, SUSPENDED)"), "{said}");
    scratch.run(r#"UPDATE core.workspace SET "deletedAt" = now() WHERE subdomain = 'sonik'"#).await;
    let error = scratch.refusal().await.to_string();
    assert!(
        error.ends_with("no active workspace of Twenty: there are other (workspace_1, SUSPENDED)"),
        "{error}"
    );
}

#[tokio::test]
async fn empty_text_of_older_rows_is_missing_and_deleted_rows_keep_nobody_from_their_address() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(&format!(
            r#"SET search_path = {WORKSPACE};
               UPDATE person SET "emailsPrimaryEmail" = '', "nameLastName" = '', "instagramPrimaryLinkUrl" = '',
                "emailsAdditionalEmails" = '["", "leo@second.example"]' WHERE "nameFirstName" = 'Leo';
               UPDATE person SET "deletedAt" = now() WHERE "nameFirstName" = 'Mara';
               UPDATE company SET "domainNamePrimaryLinkUrl" = '' WHERE name = 'Harbour Touring';"#
        ))
        .await;
    let facts = scratch.facts().await.expect("reads");
    let leo = node(&facts, &format!("twenty:{WORKSPACE}.person:0d000000-0000-4000-8000-000000000002"));
    assert_eq!(leo.name.as_deref(), Some("Leo"));
    assert_eq!(leo.addresses, [Address::Email("leo@second.example".into())]);
    let harbour = node(&facts, &format!("twenty:{WORKSPACE}.company:0c000000-0000-4000-8000-000000000002"));
    assert!(harbour.addresses.is_empty());
    assert!(nodes(&facts).iter().all(|node| node.name.as_deref() != Some("Mara Quist")));
    // Opportunity 1 had Mara as its contact; she is gone, and no edge leads from nowhere.
    assert_eq!(edges(&facts, Relation::ContactFor).len(), 1);
}

#[tokio::test]
async fn a_stage_is_read_from_before_and_after_where_the_timeline_has_no_diff() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    for properties in [
        r#"{"before":{"stage":"PROPOSAL"},"after":{"stage":"CUSTOMER"},"updatedFields":["stage"]}"#,
        r#"{"before":{"stage":"PROPOSAL"},"after":{"stage":"CUSTOMER"},"diff":null}"#,
        r#"{"after":{"stage":"CUSTOMER"}}"#,
    ] {
        let of_json = format!(r#"UPDATE {WORKSPACE}."timelineActivity" SET properties = '{properties}'"#);
        scratch.run(&of_json).await;
        let facts = scratch.facts().await.expect("reads");
        let converted = facts
            .edges
            .rows()
            .expect("they read")
            .into_iter()
            .find(|edge| edge.relation == Relation::ConvertedTo)
            .expect("won");
        assert_eq!(converted.properties[0], ("timestamp", instant("2025-12-01T10:00:00Z")), "{properties}");
    }
    // As text it is parsed here, so that a bad one is told by its row.
    scratch
        .run(&format!(
            r#"ALTER TABLE {WORKSPACE}."timelineActivity" ALTER properties TYPE text;
               UPDATE {WORKSPACE}."timelineActivity" SET id = '0f000000-0000-4000-8000-00000000000a', properties = '{{"diff":'"#
        ))
        .await;
    let expected = format!(
        "row `0f000000-0000-4000-8000-00000000000a` of table `{WORKSPACE}.timelineActivity` of twenty: column \
         `properties` is not JSON that can be read"
    );
    assert_eq!(scratch.refusal().await.to_string(), expected);
}

#[tokio::test]
async fn every_source_may_live_in_a_database_of_its_own_and_one_that_is_not_there_is_an_error() {
    // Ids and times that the layouts leave to the server.
    let fixed = format!(
        r#"UPDATE {WORKSPACE}."_promoter" SET id = '0a000000-0000-4000-8000-0000000000aa';
           UPDATE {WORKSPACE}.opportunity SET "createdAt" = '2025-11-30T00:00:00Z';
           UPDATE unified.claim_events SET id = md5(entity_id::text || occurred_at)::uuid;"#
    );
    let Some(whole) = Scratch::with_layouts().await else { return };
    whole.run(&fixed).await;
    let expected = whole.facts().await.expect("reads");
    let sources = [
        ("directus", "DROP SCHEMA unified, core, sonik_web, workspace_1wgvd1injqtife6y4rvfbu3h5 CASCADE"),
        ("twenty", "DROP SCHEMA directus, unified, sonik_web CASCADE"),
        ("unified", "DROP SCHEMA directus, core, sonik_web, workspace_1wgvd1injqtife6y4rvfbu3h5 CASCADE"),
        ("touchpoints", "DROP SCHEMA directus, unified, core, workspace_1wgvd1injqtife6y4rvfbu3h5 CASCADE"),
    ];
    let mut own = Vec::new();
    for (name, others) in sources {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run(&fixed).await;
        scratch.run(others).await;
        own.push((name, scratch));
    }
    let databases = own.iter().fold(Databases::none(), |all, (name, scratch)| all.with(name, &scratch.url()));
    let options = SourceOptions::default();
    let apart = read_facts(&databases, &options, &Context::silent()).await.expect("each in its own");
    assert_eq!(apart.servers.len(), 4);
    let same = |mut facts: Facts| {
        facts.servers.clear();
        told(facts)
    };
    assert_eq!(same(apart), same(expected));

    // Directus is not in the database that was given for it, though another source is.
    let databases = Databases::one(&whole.url()).with("directus", &own[1].1.url());
    let error = read_facts(&databases, &options, &Context::silent()).await.expect_err("no Directus there");
    assert!(error.to_string().starts_with("found no layout of directus at "), "{error}");
    // One database that cannot be reached does not hide the others from doctor.
    let nowhere = "postgresql://nobody@127.0.0.1:1/none";
    let databases = Databases::one(&whole.url()).with("twenty", nowhere);
    let looked = layouts(&databases, &options, &Context::silent()).await;
    assert_eq!(looked.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_custom_object_that_names_its_company_is_that_company_and_one_without_is_a_node() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(&format!(r#"INSERT INTO {WORKSPACE}."_promoter"(id, name) VALUES ('0a000000-0000-4000-8000-0000000000aa', 'Solo Nights')"#)).await;
    let facts = scratch.facts().await.expect("reads");
    let solo = node(&facts, &format!("twenty:{WORKSPACE}._promoter:0a000000-0000-4000-8000-0000000000aa"));
    assert_eq!(solo.name.as_deref(), Some("Solo Nights"));
    let edges = facts.edges.rows().expect("they read");
    let hosts = edges.iter().filter(|edge| edge.relation == Relation::Hosts);
    // A wall clock stays one until venues are merged.
    assert!(hosts.flat_map(|edge| &edge.properties).all(|(_, value)| matches!(value, Value::WallClock(_))));
    assert!(edges.iter().all(|edge| edge.src != End::Row(solo.source.clone())));
}
