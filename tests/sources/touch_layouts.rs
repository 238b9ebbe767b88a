//! The same touches in other warehouses' layouts give the same facts.
//!
//! The two layouts are written from the documentation of `PostHog`'s batch export and of Snowplow's `atomic.events`.

use std::collections::BTreeMap;

use sonograph::config::{Naming, TouchLayout};
use sonograph::context::{Diagnose as _, Fault};
use sonograph::mirror::{self, ResolveOptions};
use sonograph::sources::facts::{Address, Facts};
use sonograph::sources::rows::{IdentifyRow, TouchRow};

use crate::names::{naming, read};
use crate::scratch::Scratch;
use crate::told;

/// The sample's touches as an export of `PostHog`. It has no time of loading, and no table of users.
pub const POSTHOG: &str = r#"
CREATE SCHEMA ph; SET search_path = ph;
CREATE TABLE events (uuid varchar(200), event varchar(200), properties jsonb, elements jsonb, "set" jsonb, set_once jsonb,
  distinct_id varchar(200), team_id integer, ip varchar(200), site_url varchar(200), "timestamp" timestamptz);
INSERT INTO events(uuid, event, distinct_id, "timestamp", properties, "set") VALUES
 ('i1','$identify','u-ana','2025-12-09T19:05:00Z','{"$anon_distinct_id":"anon-1"}','{"email":"Ana@Fans.example ","name":"Ana Bello"}'),
 ('i2','$identify','u-ana','2025-12-10T08:00:00Z','{"$anon_distinct_id":"anon-2","$set":{"email":"ana@fans.example","name":"Ana Bello"}}',NULL),
 ('i3','$identify','u-ben','2025-12-10T09:00:00Z','{"$anon_distinct_id":"anon-3"}','{"email":"ben@fans.example","name":"Ben Ode"}'),
 ('i4','$identify','u-cy','2025-12-10T21:00:00Z','{"$anon_distinct_id":"anon-3"}','{"email":"cy@fans.example","name":"Cy Park"}'),
 ('p1','$pageview','anon-1','2025-12-09T18:59:00Z','{"$current_url":"https://sonik.example/e/1"}',NULL),
 ('t1','event_viewed','anon-1','2025-12-09T19:00:00Z','{"event_id":1,"utm_source":"instagram","utm_medium":"social","utm_campaign":"foundry-launch"}',NULL),
 ('t2','content_shared','anon-1','2025-12-09T19:02:00Z','{"content_url":"https://sonik.example/e/1","event_id":1,"channel":"whatsapp"}',NULL),
 ('t3','ticket_link_clicked','u-ana','2025-12-09T19:06:00Z','{"event_id":1,"seller":"ra","$device_id":"anon-1"}',NULL),
 ('t4','event_attended','u-ana','2025-12-12T22:00:00Z','{"event_id":1,"method":"rsvp","$device_id":"anon-2"}',NULL),
 ('t5','event_viewed','u-ben','2025-12-10T09:05:00Z','{"event_id":1,"$device_id":"anon-3","utm_source":"newsletter","utm_medium":"email","utm_campaign":"weekly-49"}',NULL),
 ('t6','event_attended','u-ben','2025-12-12T22:30:00Z','{"event_id":1,"$device_id":"anon-3"}',NULL),
 ('t7','event_viewed','anon-9','2025-12-10T10:00:00Z','{"event_id":1,"utm_source":"google","utm_medium":"cpc","utm_campaign":"brand"}',NULL),
 ('t8','artist_followed','anon-9','2025-12-10T10:01:00Z','{"artist_id":"2a000000-0000-4000-8000-000000000002"}',NULL);
"#;

/// The same as Snowplow loads it.
pub const SNOWPLOW: &str = r#"
CREATE SCHEMA atomic; SET search_path = atomic;
CREATE TABLE events (event_id char(36), event_name varchar(1000), collector_tstamp timestamp, derived_tstamp timestamp,
  load_tstamp timestamp, domain_userid varchar(128), network_userid varchar(128), user_id varchar(255),
  mkt_source varchar(255), mkt_medium varchar(255), mkt_campaign varchar(255), domain_sessionid char(128), unstruct_event json);
CREATE FUNCTION described(name text, data json) RETURNS json LANGUAGE sql AS $$ SELECT json_build_object(
  'schema', 'iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0',
  'data', json_build_object('schema', 'iglu:example/' || name || '/jsonschema/1-0-0', 'data', data)) $$;
INSERT INTO events(event_id, event_name, derived_tstamp, load_tstamp, domain_userid, user_id, unstruct_event, mkt_source, mkt_medium, mkt_campaign) VALUES
 ('i1','identify','2025-12-09 19:05:00','2025-12-09 19:05:01','anon-1','u-ana',described('identify','{"email":"Ana@Fans.example ","name":"Ana Bello"}'),NULL,NULL,NULL),
 ('i2','identify','2025-12-10 08:00:00','2025-12-10 08:00:01','anon-2','u-ana',described('identify','{"email":"ana@fans.example","name":"Ana Bello"}'),NULL,NULL,NULL),
 ('i3','identify','2025-12-10 09:00:00','2025-12-10 09:00:01','anon-3','u-ben',described('identify','{"email":"ben@fans.example","name":"Ben Ode"}'),NULL,NULL,NULL),
 ('i4','identify','2025-12-10 21:00:00','2025-12-10 21:00:01','anon-3','u-cy',described('identify','{"email":"cy@fans.example","name":"Cy Park"}'),NULL,NULL,NULL),
 ('p1','page_view','2025-12-09 18:59:00','2025-12-09 18:59:01','anon-1',NULL,NULL,'instagram','social','foundry-launch'),
 ('t1','event_viewed','2025-12-09 19:00:00','2025-12-09 19:00:01','anon-1',NULL,described('event_viewed','{"event_id":1}'),'instagram','social','foundry-launch'),
 ('t2','content_shared','2025-12-09 19:02:00','2025-12-09 19:02:01','anon-1',NULL,described('content_shared','{"content_url":"https://sonik.example/e/1","event_id":1,"channel":"whatsapp"}'),NULL,NULL,NULL),
 ('t3','ticket_link_clicked','2025-12-09 19:06:00','2025-12-09 19:06:01','anon-1','u-ana',described('ticket_link_clicked','{"event_id":1}'),NULL,NULL,NULL),
 ('t4','event_attended','2025-12-12 22:00:00','2025-12-12 23:00:00','anon-2','u-ana',described('event_attended','{"event_id":1}'),NULL,NULL,NULL),
 ('t5','event_viewed','2025-12-10 09:05:00','2025-12-10 09:05:01','anon-3','u-ben',described('event_viewed','{"event_id":1}'),'newsletter','email','weekly-49'),
 ('t6','event_attended','2025-12-12 22:30:00','2025-12-13 00:00:00','anon-3','u-ben',described('event_attended','{"event_id":1}'),NULL,NULL,NULL),
 ('t7','event_viewed','2025-12-10 10:00:00','2025-12-10 10:00:01','anon-9',NULL,described('event_viewed','{"event_id":1}'),'google','cpc','brand'),
 ('t8','artist_followed','2025-12-10 10:01:00','2025-12-10 10:01:01','anon-9',NULL,described('artist_followed','{"artist_id":"2a000000-0000-4000-8000-000000000002"}'),NULL,NULL,NULL);
"#;

/// What the facts say but for the name of the schema.
fn of_schema(mut facts: Facts, schema: &str, keeps_loading: bool) -> String {
    if !keeps_loading {
        let as_happened = |touches: &mut Vec<TouchRow>| {
            for touch in touches {
                touch.received_at = touch.at;
            }
        };
        facts.touches.revise(as_happened).expect("there is room");
        let as_happened = |identifies: &mut Vec<IdentifyRow>| {
            for identify in identifies {
                identify.received_at = identify.at;
            }
        };
        facts.identifies.revise(as_happened).expect("there is room");
    }
    told(facts).replace(&format!("{schema}.users"), "WEB.users").replace(&format!("\"{schema}\""), "\"WEB\"")
}

#[tokio::test]
async fn an_export_of_posthog_gives_the_facts_of_the_same_touches_in_segment() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let segment = scratch.facts().await.expect("reads");
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    scratch.run(POSTHOG).await;
    let posthog = scratch.facts().await.expect("the layout is found by its tables");
    assert_eq!(of_schema(posthog, "ph", false), of_schema(segment, "sonik_web", false));
}

#[tokio::test]
async fn atomic_events_of_snowplow_give_the_facts_of_the_same_touches_in_segment() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let segment = scratch.facts().await.expect("reads");
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    scratch.run(SNOWPLOW).await;
    let snowplow = scratch.facts().await.expect("the layout is found by its tables");
    assert_eq!(of_schema(snowplow, "atomic", true), of_schema(segment, "sonik_web", true));
}

#[tokio::test]
async fn persons_and_aliases_of_posthog_link_further_devices() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    scratch.run(POSTHOG).await;
    scratch
        .run(
            r#"CREATE TABLE ph.persons (team_id int, distinct_id varchar, person_id varchar, properties jsonb, created_at timestamptz);
               INSERT INTO ph.persons VALUES
                (1,'u-ana','pa','{"email":"ana@new.example","name":"Ana B."}','2025-12-01T00:00:00Z'),
                (1,'anon-9','pa','{"email":"ana@new.example"}','2025-12-01T00:00:00Z'),
                (1,'anon-7','px','{}','2025-12-01T00:00:00Z');
               INSERT INTO ph.events(uuid,event,distinct_id,"timestamp",properties) VALUES
                ('a1','$create_alias','u-ben','2025-12-10T09:10:00Z','{"alias":"anon-5"}');"#,
        )
        .await;
    let facts = scratch.facts().await.expect("reads");
    let mut aliases: Vec<(&str, &str)> =
        facts.aliases.iter().map(|alias| (alias.previous_id.as_str(), alias.user_id.as_str())).collect();
    aliases.sort_unstable();
    assert_eq!(aliases, [("anon-5", "u-ben"), ("anon-9", "u-ana")]);
    let ana = crate::node(&facts, "touchpoints:ph.users:u-ana");
    assert_eq!(ana.name.as_deref(), Some("Ana B."), "the export of persons has the latest traits");
    assert!(ana.addresses.contains(&Address::Email("ana@new.example".into())));
}

#[tokio::test]
async fn an_alias_of_posthog_joins_two_ids_and_makes_a_user_of_neither() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    scratch.run(POSTHOG).await;
    let people = |facts: &Facts| {
        let people = crate::nodes(facts).into_iter().filter(|node| node.source.system == "touchpoints");
        people.map(|person| person.source.pk).collect::<Vec<_>>()
    };
    let before = people(&scratch.facts().await.expect("reads"));
    // Of a device that was seen and one that was not, of two that were not, and of one with the user on the other side.
    scratch
        .run(
            r#"INSERT INTO ph.events(uuid,event,distinct_id,"timestamp",properties) VALUES
                ('a1','$create_alias','anon-9','2025-12-10T09:10:00Z','{"alias":"anon-8"}'),
                ('a2','$create_alias','anon-21','2025-12-10T09:10:00Z','{"alias":"anon-20"}'),
                ('a3','$create_alias','anon-11','2025-12-10T09:10:00Z','{"alias":"u-ben"}'),
                ('t9','event_viewed','anon-11','2025-12-10T09:20:00Z','{"event_id":1}')"#,
        )
        .await;
    let facts = scratch.facts().await.expect("reads");
    assert_eq!(people(&facts), before, "nobody was identified by an alias");
    let users = facts.touches.rows().expect("they read").into_iter().filter_map(|touch| touch.user_id);
    assert!(users.into_iter().all(|user| user.starts_with("u-")), "anonymous touches stay anonymous");

    let tables = mirror::resolve(&facts, &ResolveOptions::default()).and_then(|graph| graph.to_tables());
    let tables = tables.expect("a graph");
    let mut uids: Vec<String> = Vec::new();
    for frame in tables.nodes.values() {
        let own = frame.column("uid").expect("they have one").str().expect("texts");
        uids.extend(own.iter().flatten().map(str::to_owned));
    }
    let identified = &tables.edges["IDENTIFIED_AS"];
    let end = |name: &str| identified.column(name).expect("an end").i64().expect("ids").clone();
    let (src, dst) = (end("src"), end("dst"));
    let uid = |node: Option<i64>| uids[usize::try_from(node.expect("a node")).expect("a place")].clone();
    let mut pairs: Vec<_> = src.iter().zip(dst.iter()).map(|(src, dst)| (uid(src), uid(dst))).collect();
    pairs.sort();
    // Ana's two devices as before; Ben's, whichever side of the alias he is on; nobody knows whose the others are.
    let identified = [("anon-1", "u-ana"), ("anon-11", "u-ben"), ("anon-2", "u-ana")];
    let identified =
        identified.map(|(id, user)| (format!("anon:{id}"), format!("touchpoints:ph.users:{user}")));
    assert_eq!(pairs, identified);
}

#[tokio::test]
async fn where_two_layouts_are_found_one_has_to_be_named() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(POSTHOG).await;
    let error = scratch.refusal().await;
    assert!(error.to_string().ends_with("hold the layout of touchpoints: sonik_web, ph"), "{error}");
    let layout = |layout| naming("touchpoints", Naming { layout: Some(layout), ..Naming::default() });
    let posthog = read(&scratch, &layout(TouchLayout::Posthog)).await.expect("it is there");
    assert_eq!((posthog.touch_schema(0), posthog.touches.len()), ("ph", 8));
    let snowplow = read(&scratch, &layout(TouchLayout::Snowplow)).await.expect_err("it is not");
    assert!(
        snowplow.to_string().starts_with("found no layout of touchpoints as of snowplow at "),
        "{snowplow}"
    );

    // Events and properties under other names.
    scratch
        .run(
            r#"UPDATE ph.events SET event = 'gig opened', properties = properties - 'event_id' || '{"gig":1}'
                WHERE event = 'event_viewed'"#,
        )
        .await;
    let names = Naming {
        schema: ["ph"].into(),
        tables: BTreeMap::from([("event_viewed".to_owned(), "gig opened".to_owned())]),
        columns: BTreeMap::from([(
            "event_viewed".to_owned(),
            BTreeMap::from([("event".to_owned(), "gig".to_owned())]),
        )]),
        ..Naming::default()
    };
    let renamed = read(&scratch, &naming("touchpoints", names)).await.expect("reads");
    assert_eq!(told(renamed), told(posthog));
    assert_eq!(error.fault(), Fault::Input);
}

#[tokio::test]
async fn a_warehouse_whose_other_tables_no_message_has_made_yet_is_read_and_a_source_that_is_absent_is_named()
{
    let Some(scratch) = Scratch::with(&["directus", "touchpoints"]).await else { return };
    let whole = scratch.facts().await.expect("reads");
    assert_eq!(whole.absent, ["twenty", "unified"]);
    // A collection of pieces of music has the name, and no messages.
    scratch.run("CREATE TABLE directus.tracks (id uuid PRIMARY KEY, name text, event integer)").await;
    scratch.run("DROP TABLE sonik_web.identifies, sonik_web.users, sonik_web.aliases, sonik_web.pages").await;
    let facts = scratch.facts().await.expect("reads");
    let ids = |facts: &Facts| {
        let mut ids: Vec<String> =
            facts.touches.rows().expect("they read").into_iter().map(|touch| touch.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&facts), ids(&whole));
    assert_eq!((facts.identifies.len(), facts.touch_schema(0)), (0, "sonik_web"));

    let scratch = Scratch::with(&["directus", "touchpoints"]).await.expect("it was at hand");
    scratch.run("DROP TABLE sonik_web.tracks").await;
    let facts = scratch.facts().await.expect("reads");
    assert_eq!((facts.identifies.len(), facts.touches.len()), (whole.identifies.len(), 0));
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    assert_eq!(scratch.facts().await.expect("reads").absent, ["twenty", "unified", "touchpoints"]);
}

/// Words that stand for nothing in place of ids, beside the rows without ids that they amount to.
#[tokio::test]
async fn words_that_stand_for_nothing_are_read_as_rows_without_ids_and_told_like_them() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let rows = |nothing: &str, user: &str| {
        format!(
            "SET search_path = sonik_web;
             DELETE FROM tracks WHERE id LIKE 'w%'; DELETE FROM identifies WHERE id LIKE 'w%'; DELETE FROM aliases WHERE id LIKE 'w%';
             INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, user_id, event) VALUES
              ('w1', '2025-12-10Z', '2025-12-10Z', {nothing}, 'u-ana', 'event_viewed'),
              ('w2', '2025-12-10Z', '2025-12-10Z', {nothing}, {user}, 'event_viewed'),
              ('w3', '2025-12-10Z', '2025-12-10Z', 'anon-9', {user}, 'event_viewed');
             INSERT INTO identifies(id, received_at, \"timestamp\", anonymous_id, user_id) VALUES
              ('w4', '2025-12-10Z', '2025-12-10Z', {nothing}, 'u-ana'), ('w5', '2025-12-10Z', '2025-12-10Z', {nothing}, {user}),
              ('w6', '2025-12-10Z', '2025-12-10Z', {nothing}, 'u-ben');
             INSERT INTO aliases(id, received_at, \"timestamp\", previous_id, user_id) VALUES
              ('w7', '2025-12-10Z', '2025-12-10Z', {nothing}, 'u-ana');"
        )
    };
    scratch.run(&rows("NULL", "NULL")).await;
    let without = scratch.facts().await.expect("reads");
    let left_out = |facts: &Facts| {
        let of = |table: &str| facts.read.iter().find(|read| read.table == format!("sonik_web.{table}"));
        ["tracks", "identifies", "aliases"].map(|table| of(table).expect("it is read").left_out.clone())
    };
    let nobodys = left_out(&without);
    assert!(nobodys.iter().all(|reasons| reasons.iter().any(|(_, rows)| *rows > 0)), "{nobodys:?}");
    let without = told(without);
    for (device, user) in [
        ("'null'", "'undefined'"),
        ("E' NULL\\t'", "'None'"),
        ("'00000000-0000-0000-0000-000000000000'", "'nil'"),
        ("'N/A'", "'NaN'"),
        ("'unknown'", "'00000000-0000-0000-0000-000000000000'"),
    ] {
        scratch.run(&rows(device, user)).await;
        let facts = scratch.facts().await.expect("reads");
        assert_eq!(left_out(&facts), nobodys, "{device} {user}");
        assert_eq!(told(facts), without, "{device} {user}");
    }
    scratch.run(&rows("'nobody'", "'u-null'")).await;
    assert_ne!(told(scratch.facts().await.expect("reads")), without, "these are ids");
}
