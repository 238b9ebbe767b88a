//! What the rows of the four layouts claim, expected by hand.

use std::collections::BTreeMap;

use jiff::civil::date;
use sonograph::context::Context;
use sonograph::ontology::{Label, Relation, SourceRef};
use sonograph::sources::facts::{Address, End, Value};
use sonograph::sources::postgres::{touchpoints, twenty, unified};
use sonograph::sources::rows::Touch;
use sonograph::sources::{Databases, SourceOptions, layouts, read_facts};

use crate::scratch::Scratch;
use crate::{WORKSPACE, edges, instant, micros, node, promoter, told};

#[tokio::test]
async fn the_four_layouts_give_the_facts_their_rows_claim() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let facts = scratch.facts().await.expect("the layouts can be read");

    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for node in facts.nodes.rows().expect("they read") {
        *counts.entry(node.label).or_default() += 1;
    }
    let expected = BTreeMap::from([
        (Label::Person, 10), // 4 artists (the draft stays) + 3 contacts + 3 users; nothing is merged yet
        (Label::Venue, 3),   // 4 rows, `Closed Club` is archived
        (Label::Event, 3),   // 4 rows, `Cancelled show` is archived
        (Label::Organization, 2), // 3 companies, `Old Promoter Ltd` is soft-deleted; the `_promoter` is company 1
        (Label::Opportunity, 2),
    ]);
    assert_eq!(counts, expected);

    let venue = |n: u8| format!("venues:1a000000-0000-4000-8000-00000000000{n}");
    let artist = |n: u8| format!("artists:2a000000-0000-4000-8000-00000000000{n}");
    let company = |n: u8| format!("company:0c000000-0000-4000-8000-00000000000{n}");
    let person = |n: u8| format!("person:0d000000-0000-4000-8000-00000000000{n}");
    let opportunity = |n: u8| format!("opportunity:0e000000-0000-4000-8000-00000000000{n}");
    let event = |n: u8| format!("events:{n}");
    let expected: [(Relation, Vec<(String, String)>); 8] = [
        // Each event at the venue row it names; that rows 1 and 3 are one place is found out later.
        (Relation::Hosts, vec![(venue(1), event(1)), (venue(2), event(2)), (venue(3), event(3))]),
        // Of six junction rows one repeats (event 1, DJ Ostara) and one lost its artist.
        (
            Relation::PerformsAt,
            vec![(artist(1), event(1)), (artist(2), event(1)), (artist(2), event(2)), (artist(3), event(3))],
        ),
        (Relation::WorksFor, vec![(person(1), company(1)), (person(2), company(2))]), // Ana has no company
        (Relation::ContactFor, vec![(person(1), opportunity(1)), (person(2), opportunity(2))]),
        (Relation::ForOrg, vec![(opportunity(1), company(1)), (opportunity(2), company(2))]),
        // Only opportunity 2 is in stage CUSTOMER; it starts at its company, not at its contact.
        (Relation::ConvertedTo, vec![(company(2), opportunity(2))]),
        // csv of artists 1, 2 and 4, json of event 1.
        (
            Relation::HasGenre,
            vec![
                (artist(1), "house".into()),
                (artist(1), "techno".into()),
                (artist(2), "house".into()),
                (artist(4), "ambient".into()),
                (event(1), "techno".into()),
            ],
        ),
        // As raw as the rows have it; that the first and third are one domain is found out later.
        (
            Relation::Promotes,
            vec![
                (promoter("https://nightshift.example/tickets", "Night Shift Presents"), event(3)),
                (promoter("nightshift.example", "Night Shift Presents"), event(1)),
                (promoter("www.harbourtouring.co.uk", "Harbour Touring"), event(2)),
            ],
        ),
    ];
    for (relation, expected) in expected {
        assert_eq!(edges(&facts, relation), expected, "{relation}");
    }
    assert_eq!(facts.entities.len(), 7);
    assert_eq!(facts.crosswalk.len(), 6);
    assert_eq!(facts.claims.as_ref().map(Vec::len), Some(7));
    assert_eq!(facts.identifies.len(), 4);
    assert_eq!(facts.touches.len(), 8); // `tracks`; the page view `p1` is no touch
    assert_eq!(facts.aliases.len(), 0);
    let left_out: Vec<_> = facts.read.iter().filter(|read| !read.left_out.is_empty()).collect();
    let left_out: BTreeMap<&str, _> =
        left_out.iter().map(|read| (read.table.as_str(), &*read.left_out)).collect();
    let company_table = format!("{WORKSPACE}.company");
    let expected: BTreeMap<&str, &[(&str, u64)]> = BTreeMap::from([
        ("directus.venues", &[("archived", 1)][..]),
        ("directus.events", &[("archived", 1)]),
        ("directus.events_artists", &[("duplicate pair", 1), ("half-empty", 1)]),
        (&company_table, &[("soft-deleted", 1)]),
    ]);
    assert_eq!(left_out, expected);
}

#[tokio::test]
async fn values_arrive_as_the_rows_hold_them() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let facts = scratch.facts().await.expect("the layouts can be read");

    let event = node(&facts, "directus:directus.events:1");
    let start = date(2025, 12, 12).at(21, 0, 0, 0);
    let expected = [
        ("starts_at", Value::WallClock(start)), // a wall clock: no zone until venues are merged
        ("ends_at", instant("2025-12-13T07:00:00Z")),
        ("status", Value::Text("published".into())),
        ("source_url", Value::Text("https://ra.example/e/1".into())),
        ("price_min", Value::Float(15.0)),
    ];
    assert_eq!(event.properties, expected);
    let hosts = facts
        .edges
        .rows()
        .expect("they read")
        .into_iter()
        .find(|edge| edge.relation == Relation::Hosts && edge.dst == End::Row(event.source.clone()));
    assert_eq!(hosts.expect("event 1 is hosted").properties, [("timestamp", Value::WallClock(start))]);

    // `real` keeps 24 bits: 39.9612 is the nearest of those, not 39.9612.
    let venue = node(&facts, "directus:directus.venues:1a000000-0000-4000-8000-000000000001");
    let location = Value::Point { latitude: 39.961_200_714_111_33, longitude: -82.998_802_185_058_6 };
    let near = venue.properties.iter().find(|(name, _)| *name == "location").map(|(_, value)| value);
    assert!(
        matches!((near, location), (Some(Value::Point { latitude: a, longitude: b }), Value::Point { latitude: c, longitude: d })
        if (a - c).abs() < 1e-13 && (b - d).abs() < 1e-13),
        "{near:?}"
    );
    let unplaced = node(&facts, "directus:directus.venues:1a000000-0000-4000-8000-000000000003");
    assert_eq!(unplaced.properties, [("city", Value::Text("Columbus".into()))]);
    assert_eq!(unplaced.addresses, [Address::PlaceId(" ChIJN1t_tDeuEmsRUsoyG83frY4".into())]); // raw, with its space

    let mara = node(&facts, &format!("twenty:{WORKSPACE}.person:0d000000-0000-4000-8000-000000000001"));
    assert_eq!(
        (mara.label, &*mara.extra_labels, mara.name.as_deref()),
        (Label::Person, &["Contact"][..], Some("Mara Quist"))
    );
    let expected = [
        Address::Email("mara@nightshift.example".into()),
        Address::Email("mara.q@mail.example".into()),
        Address::Instagram("https://www.instagram.com/mara.books/?hl=en".into()),
    ];
    assert_eq!(mara.addresses, expected);
    let opportunity =
        node(&facts, &format!("twenty:{WORKSPACE}.opportunity:0e000000-0000-4000-8000-000000000002"));
    assert!(opportunity.properties.contains(&("amount", Value::Float(9000.0)))); // 9e9 micros
    let converted = facts
        .edges
        .rows()
        .expect("they read")
        .into_iter()
        .find(|edge| edge.relation == Relation::ConvertedTo)
        .expect("one is won");
    assert_eq!(converted.properties[0], ("timestamp", instant("2025-12-01T10:00:00Z"))); // from the timeline

    let ana = node(&facts, "touchpoints:sonik_web.users:u-ana");
    assert_eq!((&*ana.extra_labels, ana.name.as_deref()), (&["Fan"][..], Some("Ana Bello")));
    // Every spelling seen; trimming and hashing is resolving.
    let expected = [
        Address::User("u-ana".into()),
        Address::Email("Ana@Fans.example ".into()),
        Address::Email("ana@fans.example".into()),
    ];
    assert_eq!(ana.addresses, expected);

    let touches = facts.touches.rows().expect("they read");
    let touch = |id: &str| touches.iter().find(|touch| touch.id == id).expect("the touch is read");
    let late = touch("t4"); // loaded an hour after it happened
    assert_eq!(late.received_at - late.at, 3_600_000_000);
    let event = || Some("1".to_owned());
    assert_eq!(touch("t1").touch, Touch::Viewed { event: event() });
    assert_eq!(touch("t1").source.as_deref(), Some("instagram"));
    let content_url = Some("https://sonik.example/e/1".to_owned());
    let shared =
        Touch::Shared { content_url, event: event(), channel: Some("whatsapp".to_owned()), parent: None };
    assert_eq!(touch("t2").touch, shared);
    assert_eq!(touch("t3").touch, Touch::TicketClicked { event: event() });
    assert_eq!(touch("t6").touch, Touch::Attended { event: event() });
    let artist = Some("2a000000-0000-4000-8000-000000000002".to_owned());
    assert_eq!(touch("t8").touch, Touch::ArtistFollowed { artist });
}

#[tokio::test]
async fn the_older_generation_of_twenty_gives_the_same_facts() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let newer = scratch.facts().await.expect("the layouts can be read");
    scratch
        .run(&format!(
            r#"CREATE SCHEMA metadata; ALTER TABLE core."objectMetadata" SET SCHEMA metadata;
               ALTER TABLE core."fieldMetadata" SET SCHEMA metadata; SET search_path = {WORKSPACE};
               ALTER TABLE "noteTarget" RENAME "targetPersonId" TO "personId";
               ALTER TABLE "noteTarget" RENAME "targetCompanyId" TO "companyId";
               ALTER TABLE "noteTarget" RENAME "targetOpportunityId" TO "opportunityId";
               ALTER TABLE "timelineActivity" RENAME "targetPersonId" TO "personId";
               ALTER TABLE "timelineActivity" RENAME "targetCompanyId" TO "companyId";
               ALTER TABLE "timelineActivity" RENAME "targetOpportunityId" TO "opportunityId";
               ALTER TABLE opportunity DROP COLUMN "ownerId"; ALTER TABLE person DROP COLUMN city;
               ALTER TABLE company DROP COLUMN "updatedBySource", DROP COLUMN "updatedByName";
               UPDATE core.workspace SET "databaseSchema" = '';"#
        ))
        .await;
    let older = scratch.facts().await.expect("the older layout can be read");
    assert_eq!(told(older), told(newer));
}

#[tokio::test]
async fn what_an_installation_lacks_counts_as_empty() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "DROP TABLE unified.claim_events, unified.entity_sources, sonik_web.aliases, sonik_web.users,
                        sonik_web.user_followed, sonik_web.event_attended;
             ALTER TABLE sonik_web.tracks DROP COLUMN context_campaign_source, DROP COLUMN context_session_id;
             ALTER TABLE directus.venues DROP COLUMN timezone, DROP COLUMN latitude;
             ALTER TABLE directus.events DROP COLUMN tags, DROP COLUMN end_date;",
        )
        .await;
    let facts = scratch.facts().await.expect("optional tables and columns may be missing");
    assert_eq!((facts.entities.len(), facts.crosswalk.len(), facts.claims.clone()), (7, 0, None));
    assert_eq!(unified::claim_events_companion(&facts).expect("no frame").map(|frame| frame.height()), None);
    assert_eq!(facts.touches.len(), 8);
    let touches = facts.touches.rows().expect("they read");
    assert!(touches.iter().any(|touch| touch.touch == Touch::Attended { event: None }));
    assert!(touches.iter().all(|touch| touch.source.is_none() && touch.session.is_none()));
    // Without `users` people are still known by their identifies.
    assert_eq!(node(&facts, "touchpoints:sonik_web.users:u-ben").name.as_deref(), Some("Ben Ode"));

    let found = layouts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
    let found: Vec<_> = found.into_iter().map(|database| database.expect("the database answers")).collect();
    assert!(found[0].version >= 18, "the tests are made for PostgreSQL 18");
    let told: Vec<_> = found[0]
        .sources
        .iter()
        .map(|source| (source.name, source.found.as_ref().ok().cloned().flatten()))
        .collect();
    let schemas: Vec<_> =
        told.iter().map(|(name, found)| (*name, found.as_ref().map(|found| found.schema.as_str()))).collect();
    let expected = [
        ("directus", Some("directus")),
        ("twenty", Some(WORKSPACE)),
        ("unified", Some("unified")),
        ("touchpoints", Some("sonik_web")),
    ];
    assert_eq!(schemas, expected);
    let notes = |source: usize| told[source].1.as_ref().expect("found").notes.join(", ");
    assert_eq!(notes(0), "release 20260909A, lineup through events_artists (events_id, artists_id)");
    assert_eq!(notes(2), "");
    let missing = |source: usize| told[source].1.as_ref().expect("found").missing.join(", ");
    assert_eq!(missing(2), "unified.entity_sources, unified.claim_events");
    assert_eq!([missing(0), missing(3)], ["", "sonik_web.users, sonik_web.aliases"]);
    let venues = &found[0].sources[0].tables[0];
    assert_eq!((venues.table.as_str(), venues.rows), ("directus.venues", 4));
    assert_eq!(venues.newest, Some(micros("2025-12-01T08:00:00Z")));
    assert!(venues.missing.contains(&"`timezone` or `time_zone` or `tz`".to_owned()), "{:?}", venues.missing);
}

#[tokio::test]
async fn only_an_entry_into_the_won_set_is_a_conversion() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(&format!(
            r#"SET search_path = {WORKSPACE};
               ALTER TYPE opportunity_stage_enum ADD VALUE 'RENEWED';
               INSERT INTO "timelineActivity"("happensAt",name,properties,"targetOpportunityId") VALUES
                ('2025-12-02T10:00:00Z','opportunity.updated','{{"diff":{{"stage":{{"before":"CUSTOMER","after":"MEETING"}}}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-05T10:00:00Z','opportunity.updated','{{"before":{{"stage":"MEETING"}},"after":{{"stage":"CUSTOMER"}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-07T10:00:00Z','opportunity.updated','{{"diff":{{"stage":{{"before":"CUSTOMER","after":"RENEWED"}}}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-08T10:00:00Z','opportunity.updated','{{"diff":{{"name":{{"before":"a","after":"b"}}}},"after":{{"stage":"RENEWED"}}}}','0e000000-0000-4000-8000-000000000002');"#
        ))
        .await;
    scratch
        .run(&format!(
            r#"UPDATE {WORKSPACE}.opportunity SET stage = 'RENEWED' WHERE stage = 'CUSTOMER';
               UPDATE {WORKSPACE}.company SET "deletedAt" = now() WHERE name = 'Harbour Touring';"#
        ))
        .await;
    let won_stages = vec!["CUSTOMER".to_owned(), "RENEWED".to_owned()];
    let options = SourceOptions { won_stages, ..SourceOptions::default() };
    let facts =
        read_facts(&Databases::one(&scratch.url()), &options, &Context::silent()).await.expect("reads");
    let converted: Vec<_> = facts
        .edges
        .rows()
        .expect("they read")
        .into_iter()
        .filter(|edge| edge.relation == Relation::ConvertedTo)
        .collect();
    // Left the set on the 2nd and came back on the 5th; the 7th moves inside it, the 8th changes another field.
    assert_eq!(converted.len(), 1);
    assert_eq!(converted[0].properties[0], ("timestamp", instant("2025-12-05T10:00:00Z")));
    // Its company is gone, so it starts at its contact.
    let contact =
        SourceRef::new("twenty", format!("{WORKSPACE}.person"), "0d000000-0000-4000-8000-000000000002");
    assert_eq!(converted[0].src, End::Row(contact));
}

#[tokio::test]
async fn companions_have_the_same_rows_whatever_order_they_came_in() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let mut facts = scratch.facts().await.expect("the layouts can be read");
    let touches = touchpoints::companion(&facts).expect("they read").expect("a frame");
    let claims = unified::claim_events_companion(&facts).expect("a frame").expect("claim_events is there");
    assert_eq!((touches.height(), claims.height()), (8, 7));
    facts.touches.revise(|touches| touches.reverse()).expect("there is room");
    facts.claims.as_mut().expect("claims").reverse();
    assert!(touches.equals_missing(&touchpoints::companion(&facts).expect("they read").expect("a frame")));
    assert!(
        claims.equals_missing(&unified::claim_events_companion(&facts).expect("a frame").expect("claims"))
    );
    for column in touches.columns().iter().filter_map(|column| column.str().ok()) {
        assert!(
            column.iter().flatten().all(|text| !text.contains('@')),
            "an e-mail address in {}",
            column.name()
        );
    }
    let text = |column: &str, row: usize| {
        touches.column(column).expect("column").str().expect("text").get(row).map(str::to_owned)
    };
    assert_eq!(text("mid", 0).as_deref(), Some("t1")); // the earliest
    assert_eq!(text("object", 0).as_deref(), Some("directus:directus.events:1"));
    assert_eq!(text("object", 1).as_deref(), Some("https://sonik.example/e/1"));
    assert_eq!(text("about", 1).as_deref(), Some("directus:directus.events:1"));
}

#[test]
fn a_workspace_schema_is_its_uuid_in_base_36() {
    let expected = [
        ("20202020-1c25-4d02-bf25-6aeccf7ea419", Some(WORKSPACE)),
        ("00000000-0000-0000-0000-000000000001", Some("workspace_1")),
        ("00000000-0000-0000-0000-000000000000", Some("workspace_0")),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", Some("workspace_f5lxx1zz5pnorynqglhzmsp33")),
        ("not a uuid", None),
    ];
    for (uuid, schema) in expected {
        assert_eq!(twenty::computed_schema(uuid).as_deref(), schema, "{uuid}");
    }
}
