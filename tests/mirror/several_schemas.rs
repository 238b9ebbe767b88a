//! A web site and an app, which Segment loads into a schema each: one stream of touches.

use std::collections::BTreeMap;

use sonograph::config::Naming;
use sonograph::mirror::{Counts, SweepGuard};
use sonograph::sources::SourceOptions;
use sonograph::sources::falkordb::{CypherValue, Params};

use crate::graph::with_graph;
use crate::incremental::{World, touch};
use crate::scratch::Scratch;

/// The app: keys of other types than the web site's, no `users` and no `aliases` yet, and a loader that knows one type of number.
const APP: &str = "
CREATE SCHEMA sonik_ios; SET search_path = sonik_ios;
CREATE TABLE tracks (id text PRIMARY KEY, received_at timestamptz, \"timestamp\" timestamptz, anonymous_id text, user_id text,
  event text, context_campaign_source text);
CREATE TABLE identifies (id text PRIMARY KEY, received_at timestamptz, \"timestamp\" timestamptz, anonymous_id text, user_id text, email text);
CREATE TABLE event_viewed (id text PRIMARY KEY, received_at timestamptz, \"timestamp\" timestamptz, event_id numeric(20,2));
CREATE TABLE event_attended (LIKE event_viewed INCLUDING ALL);
CREATE TABLE content_shared (id text PRIMARY KEY, content_url text);
CREATE TABLE user_followed (id text PRIMARY KEY, followed_user_id text);
INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, user_id, event) VALUES
  ('a1', '2025-12-10T11:00:01Z', '2025-12-10T11:00:00Z', 'phone-1', NULL, 'event_viewed'),
  ('a2', '2025-12-11T11:00:01Z', '2025-12-11T11:00:00Z', 'phone-1', 'u-ana', 'event_attended'),
  ('a3', '2025-12-11T12:00:01Z', '2025-12-11T12:00:00Z', 'anon-9', NULL, 'event_viewed'),
  ('a4', '2025-12-11T13:00:01Z', '2025-12-11T13:00:00Z', 'phone-2', 'u-eve', 'content_shared'),
  ('a5', '2025-12-11T14:00:01Z', '2025-12-11T14:00:00Z', 'phone-2', 'u-eve', 'user_followed'),
  ('t1', '2025-12-09T19:30:01Z', '2025-12-09T19:30:00Z', 'phone-9', NULL, 'event_viewed');
INSERT INTO event_viewed(id, event_id) VALUES ('a1', 2), ('a3', 3), ('t1', 2);
INSERT INTO event_attended(id, event_id) VALUES ('a2', 2);
INSERT INTO content_shared VALUES ('a4', 'https://sonik.example/e/1');
INSERT INTO user_followed VALUES ('a5', 'u-ana');
INSERT INTO identifies VALUES
  ('b1', '2025-12-10T11:05:01Z', '2025-12-10T11:05:00Z', 'phone-1', 'u-ana', NULL),
  ('b2', '2025-12-11T12:05:01Z', '2025-12-11T12:05:00Z', 'anon-9', 'u-dee', 'dee@fans.example'),
  ('b3', '2025-12-11T13:05:01Z', '2025-12-11T13:05:00Z', 'anon-1', 'u-eve', NULL);";

fn reading(schemas: &[&str]) -> SourceOptions {
    let schema = serde_json::from_value(serde_json::json!(schemas)).expect("names of schemas");
    let naming = Naming { schema, ..Naming::default() };
    SourceOptions { naming: BTreeMap::from([("touchpoints".to_owned(), naming)]), ..SourceOptions::default() }
}

#[test]
fn an_app_beside_the_web_site_adds_what_people_did_there_to_the_same_people_and_devices() {
    with_graph("schemas", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        world.scratch.run(APP).await;
        world.sources = reading(&["sonik_web", "sonik_ios"]);
        let (planned, ..) = world.plan(None, true).await;
        let counts = |create, update, delete| Counts { create, update, delete };
        // Eve and Dee come; Ana is told of by the app as well. Two telephones come, and not phone-9, which only the copy of
        // t1 tells of; anon-1 is shared from now on, anon-9 seen by the app too.
        assert_eq!(planned.nodes["Person"], counts(2, 1, 0));
        assert_eq!(planned.nodes["Visitor"], counts(2, 2, 0));
        assert_eq!(planned.nodes["Content"], counts(0, 1, 0), "somebody shared it in the app as well");
        // phone-1 is Ana's and anon-9 Dee's; Eve used Ana's anon-1, so that it is nobody's.
        assert_eq!(planned.edges["IDENTIFIED_AS"], counts(2, 0, 1));
        assert_eq!(planned.edges["INTERESTED_IN"], counts(2, 0, 0), "a1 and a3; t1 is there already");
        assert_eq!(planned.edges["ATTENDED"], counts(1, 0, 0), "a2");
        assert_eq!(planned.edges["SHARED"], counts(1, 0, 0), "a4");
        assert_eq!(planned.edges["FOLLOWS"], counts(1, 0, 0), "a5");
        let again = planned.notes.iter().find(|note| note.what == "touches were loaded more than once");
        assert_eq!(again.map(|note| &note.samples[..]), Some(&["t1".to_owned()][..]));

        let text = |text: &str| CypherValue::Text(text.into());
        let list = |texts: &[&str]| CypherValue::List(texts.iter().map(|t| text(t)).collect());
        for (query, expected) in [
            // Whoever was there keeps the name, though the app's comes first in byte order.
            ("MATCH (p:Person {name: 'Ana Bello'}) RETURN p.uid", text("touchpoints:sonik_web.users:u-ana")),
            (
                "MATCH (p:Person {name: 'Ana Bello'})-[a:ATTENDED]->(e:Event) WITH a, e ORDER BY a.mid
                 RETURN collect(a.mid + ' ' + e.name)",
                list(&["a2 Kiln Sessions", "t4 Low Ceiling"]),
            ),
            (
                "MATCH (v:Visitor {uid: 'anon:anon-9'}) RETURN v.refs",
                list(&[
                    "touchpoints:sonik_ios.identifies.anonymous_id:anon-9",
                    "touchpoints:sonik_ios.tracks.anonymous_id:anon-9",
                    "touchpoints:sonik_web.tracks.anonymous_id:anon-9",
                ]),
            ),
            (
                "MATCH (v:Visitor)-[:IDENTIFIED_AS]->(p:Person) WITH v, p ORDER BY v.uid
                 RETURN collect(v.uid + ' ' + p.uid)",
                list(&[
                    "anon:anon-2 touchpoints:sonik_web.users:u-ana",
                    "anon:anon-9 touchpoints:sonik_ios.users:u-dee",
                    "anon:phone-1 touchpoints:sonik_web.users:u-ana",
                ]),
            ),
            (
                "MATCH (c:Content) RETURN c.refs",
                list(&[
                    "touchpoints:sonik_ios.content_shared.content_url:https://sonik.example/e/1",
                    "touchpoints:sonik_web.content_shared.content_url:https://sonik.example/e/1",
                ]),
            ),
        ] {
            let reply = world.client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
            assert_eq!(reply.rows, [vec![expected]], "{query}");
        }
        let (again, ..) = world.plan(None, false).await;
        assert!(again.nodes.values().chain(again.edges.values()).all(|counts| counts.total() == 0));
        // No order among the names means anything.
        world.sources = reading(&["sonik_ios", "sonik_web", "sonik_ios"]);
        assert_eq!(world.plan(None, false).await.0, again);
    });
}

#[test]
fn of_two_schemas_only_what_changed_in_either_is_read_again() {
    with_graph("schemas_since", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let mut web = "SET search_path = sonik_web;".to_owned();
        for n in 0..40_u32 {
            let device = format!("both-{}", n % 8);
            web += &touch(&format!("w{n}"), "event_viewed", i64::from(n), Some(&device), None, n % 3 + 1);
        }
        scratch.run(&web).await;
        scratch.run(&format!("{APP} {}", web.replace("'w", "'i").replace("sonik_web", "sonik_ios"))).await;
        let mut world = World::begin_with(scratch, client, graph, reading(&["sonik_web", "sonik_ios"])).await;
        let nothing = world.after("nothing", "").await;
        // t1 is read every time, because it was loaded twice.
        assert!(nothing.read < 10 && nothing.skipped > 80, "{nothing:?}");
        for schema in ["sonik_ios", "sonik_web"] {
            world.schema = schema;
            let new = touch(&format!("n{schema}"), "event_viewed", 300, Some("new-1"), Some("u-ana"), 1);
            let device = touch(&format!("o{schema}"), "event_attended", 400, Some("both-3"), None, 2);
            let identified = format!(
                "INSERT INTO identifies(id, received_at, \"timestamp\", anonymous_id, user_id)
                 VALUES ('k{schema}', '2025-12-12Z', '2025-12-12Z', 'both-4', 'u-of-{schema}')"
            );
            let twice = "INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, event)
                 SELECT id, received_at, \"timestamp\" - interval '1 minute', 'both-5', event FROM {other}.tracks WHERE id ~ '^[wi]7$'";
            let other = if schema == "sonik_ios" { "sonik_web" } else { "sonik_ios" };
            let twice = twice.replace("{other}", other);
            for (what, sql) in [
                ("new rows", new.as_str()),
                ("of a device of both", &device),
                ("a device is identified", &identified),
                ("another event", "UPDATE event_viewed SET event_id = 3 WHERE id ~ '^[wi]1$'"),
                ("another device", "UPDATE tracks SET anonymous_id = 'both-6' WHERE id ~ '^[wi]2$'"),
                ("messages go", "DELETE FROM tracks WHERE id ~ '^[wi]3$'"),
                ("a message of the other's", &twice),
                ("nothing more", ""),
                (
                    "and it goes",
                    "DELETE FROM tracks t USING identifies WHERE t.anonymous_id = 'both-5' AND t.id IN ('w7', 'i7')",
                ),
            ] {
                let extent = world.after(&format!("{what} in {schema}"), sql).await;
                assert!(extent.skipped > 30, "{what} in {schema}: {extent:?}");
            }
        }
        // Who belongs to which schema is a part of how they are read.
        let since = world.since();
        world.sources = reading(&["sonik_web"]);
        let (gone, _, extent) = world.plan(Some(since), false).await;
        let whole = extent.and_then(|extent| extent.whole).expect("everything is read");
        assert!(whole.contains("what is read of the touchpoints"), "{whole}");
        assert!(gone.edges["INTERESTED_IN"].delete > 30, "what the app tells is not claimed");
    });
}

#[test]
fn a_schema_that_is_suddenly_empty_is_not_swept() {
    with_graph("schemas_lost", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run(APP).await;
        let mut world = World::begin_with(scratch, client, graph, reading(&["sonik_web", "sonik_ios"])).await;
        world.scratch.run("TRUNCATE sonik_ios.tracks, sonik_ios.identifies").await;
        let held = world.held_back(&SweepGuard::default()).await;
        for table in ["sonik_ios.tracks.anonymous_id", "sonik_ios.identifies.anonymous_id", "sonik_ios.users"]
        {
            assert!(held.contains(&format!("touchpoints:{table}")), "{table} of {held:?}");
        }
        assert!(held.iter().all(|of| !of.contains("sonik_web")), "{held:?}");
    });
}
