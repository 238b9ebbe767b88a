//! What was held back once stays so until it is back or let go, whatever else comes, fails or is let go meanwhile.

use crate::command_line::{Runs, mirror};
use crate::failed_reads::{SETTLED, WORKSPACE, city};
use crate::footing::{elsewhere, named, number, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

const INTEREST: &str = "MATCH ()-[r:INTERESTED_IN]->() RETURN count(r)";
const VIEWED: &str = "touchpoints:sonik_web.event_viewed";
const SAVED: &str = "touchpoints:sonik_web.event_saved";

/// A device of two users, one after the other, as Snowplow loads it.
const SNOWPLOW: &str = "CREATE SCHEMA atomic; SET search_path = atomic;
CREATE TABLE events (event_id char(36), event_name text, collector_tstamp timestamp, domain_userid text, user_id text);
INSERT INTO events SELECT 'p' || n, 'page_view', '2025-12-10 07:00', 'anon-1', NULL FROM generate_series(1, 12) n;
INSERT INTO events VALUES ('i3', 'identify', '2025-12-10 09:00', 'anon-3', 'u-ben'),
 ('t5', 'event_viewed', '2025-12-10 09:05', 'anon-3', 'u-ben'), ('i4', 'identify', '2025-12-10 21:00', 'anon-3', 'u-cy');";

#[test]
fn what_is_let_go_does_not_take_along_what_another_failed_table_told() {
    with_graph("one_of_two", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let (before, interest) = (bytes(&read(client, graph).await), number(client, graph, INTEREST).await);

        let failed = scratch.copy().await;
        failed.run("TRUNCATE sonik_web.event_saved; TRUNCATE sonik_web.event_viewed").await;
        // Of two, each change is told once.
        let plan = mirror(&failed.url(), graph, &["plan", "--format", "json"]).assert().success();
        let plan: serde_json::Value = serde_json::from_slice(&plan.get_output().stdout).expect("JSON");
        let held = plan["held_back"].as_array().expect("a list");
        let counts: i64 = held.iter().filter_map(|held| held["held_back"].as_i64()).sum();
        let left = scratch.count("SELECT count(*) FROM sonik_web.ticket_link_clicked").await;
        assert_eq!((held.len(), counts), (2, interest - left), "{plan:#}");

        let said = told(&mut mirror(&failed.url(), graph, &["apply", "--allow-shrink", SAVED]), 0);
        assert!(
            said.contains(&format!("{VIEWED} lost ")) && !said.contains(&format!("{SAVED} lost ")),
            "{said}"
        );
        assert!(said.contains(&format!("--allow-shrink {SAVED},{VIEWED}")), "{said}");
        assert!(bytes(&read(client, graph).await) == before, "what the other told went with it");
        // The next run misses the other still; both go by the way that is told.
        let said = told(&mut mirror(&failed.url(), graph, &["apply"]), 0);
        assert!(said.contains(&format!("{VIEWED} lost ")), "{said}");
        assert!(bytes(&read(client, graph).await) == before, "the other was forgotten");
        let both = format!("{SAVED},{VIEWED}");
        let said = told(&mut mirror(&failed.url(), graph, &["apply", "--allow-shrink", &both]), 0);
        assert!(!said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, INTEREST).await, left);
    });
}

#[test]
fn a_schema_that_is_called_otherwise_does_not_take_along_what_another_lost() {
    with_graph("one_of_two_schemas", async |client, graph| {
        let scratch = city().await;
        scratch
            .run(
                "CREATE SCHEMA ios; CREATE TABLE ios.tracks (LIKE sonik_web.tracks);
                 CREATE TABLE ios.event_viewed (LIKE sonik_web.event_viewed);
                 INSERT INTO ios.tracks SELECT * FROM sonik_web.tracks t WHERE event = 'event_viewed' ORDER BY id LIMIT 20;
                 UPDATE ios.tracks SET id = 'ios-' || id;
                 INSERT INTO ios.event_viewed(id, event_id)
                   SELECT 'ios-' || v.id, v.event_id FROM sonik_web.event_viewed v JOIN ios.tracks t ON t.id = 'ios-' || v.id",
            )
            .await;
        let dir = tempfile::tempdir().expect("a folder");
        let schemas = |names: &str| format!("[sources.touchpoints]\nschema = [{names}]\n");
        let run = |config: &str, arguments: &[&str]| {
            told(&mut elsewhere(&scratch, graph, dir.path(), config, arguments), 0)
        };
        run(&schemas(r#""ios", "sonik_web""#), &["apply"]);
        let interest = number(client, graph, INTEREST).await;
        scratch.run("ALTER SCHEMA ios RENAME TO mobile; TRUNCATE sonik_web.event_saved").await;
        for _ in 0..2 {
            let said = run(&schemas(r#""mobile", "sonik_web""#), &["apply"]);
            assert!(said.contains(&format!("--allow-shrink {SAVED}")), "{said}");
            assert_eq!(number(client, graph, INTEREST).await, interest, "{said}");
        }
    });
}

#[test]
fn rows_that_came_are_not_those_that_went() {
    with_graph("other_rows", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let interest = number(client, graph, INTEREST).await;
        for (table, name, rows) in [("event_viewed", VIEWED, 380), ("event_saved", SAVED, 2_000)] {
            let failed = scratch.copy().await;
            let went =
                format!("CREATE TABLE kept AS SELECT * FROM sonik_web.{table}; TRUNCATE sonik_web.{table}");
            failed.run(&went).await;
            mirror(&failed.url(), graph, &["apply"]).assert().success();
            failed
                .run(&format!(
                    "WITH t AS (SELECT row_number() OVER () AS n, user_id, anonymous_id, timestamp FROM \
                       (SELECT * FROM sonik_web.tracks ORDER BY id) q, generate_series(1, 9) LIMIT {rows}),
                     i AS (INSERT INTO sonik_web.tracks(id, received_at, timestamp, anonymous_id, user_id, event)
                           SELECT 'new' || n, now(), timestamp, anonymous_id, user_id, '{table}' FROM t)
                     INSERT INTO sonik_web.{table}(id, event_id)
                     SELECT 'new' || n, (SELECT min(id) FROM directus.events) FROM t"
                ))
                .await;
            for _ in 0..2 {
                let said = told(&mut mirror(&failed.url(), graph, &["apply"]), 0);
                assert!(said.contains(&format!("--allow-shrink {name}")), "{said}");
                assert_eq!(number(client, graph, INTEREST).await, interest + rows, "{said}");
            }
            // Those that went are back, beside the others.
            failed.run(&format!("INSERT INTO sonik_web.{table} SELECT * FROM kept")).await;
            let said = told(&mut mirror(&failed.url(), graph, &["apply", "--format", "table"]), 0);
            assert!(said.contains(SETTLED), "{said}");
            mirror(&postgres, graph, &["apply", "--max-shrink", "1"]).assert().success();
            assert_eq!(number(client, graph, INTEREST).await, interest);
        }
    });
}

#[test]
fn rows_that_took_the_place_of_a_tables_own_do_not_let_those_go() {
    let artists = "DELETE FROM directus.artists; INSERT INTO directus.artists(id, status, name) \
                   SELECT gen_random_uuid(), 'published', 'New ' || n FROM generate_series(1, 100) n";
    let others = |table: &str| format!("UPDATE {table} SET id = gen_random_uuid()");
    let company = format!("{WORKSPACE}.company");
    for (system, table, change) in [
        ("directus", "directus.artists", artists.to_owned()),
        ("directus", "directus.venues", others("directus.venues")),
        ("twenty", &company, others(&company)),
    ] {
        with_graph("replaced_rows", async |client, graph| {
            let (scratch, name) = (city().await, format!("{system}:{table}"));
            let (postgres, _runs) = (scratch.url(), Runs::of(graph));
            mirror(&postgres, graph, &["apply"]).assert().success();
            scratch.run(&format!("SET session_replication_role = replica; {change}")).await;
            let said = told(&mut mirror(&postgres, graph, &["apply"]), 0);
            assert!(said.contains(&format!("--allow-shrink {name}")), "{said}");
            let once = bytes(&read(client, graph).await);
            for _ in 0..2 {
                let said = told(&mut mirror(&postgres, graph, &["apply", "--format", "table"]), 0);
                assert!(said.contains("nothing to do beside what is held back"), "{name}: {said}");
                assert!(bytes(&read(client, graph).await) == once, "{name}: {said}");
            }
            // Let go, they go; and that is all.
            mirror(&postgres, graph, &["apply", "--allow-shrink", &name]).assert().success();
            let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
            assert!(said.contains(SETTLED), "{name}: {said}");
        });
    }
}

#[test]
fn a_table_that_is_called_otherwise_and_lost_its_rows_is_let_go_by_either_name() {
    with_graph("renamed_and_empty", async |client, graph| {
        let (scratch, dir) = (city().await, tempfile::tempdir().expect("a folder"));
        let run = |config: &str, arguments: &[&str]| {
            told(&mut elsewhere(&scratch, graph, dir.path(), config, arguments), 0)
        };
        run("", &["apply"]);
        let interest = number(client, graph, INTEREST).await;
        scratch.run("ALTER TABLE sonik_web.event_saved RENAME TO kept; TRUNCATE sonik_web.kept").await;
        let config = named("sources.touchpoints.event_saved", "kept");
        let called = "touchpoints:sonik_web.kept";
        for _ in 0..2 {
            let said = run(&config, &["apply"]);
            assert!(said.contains(&format!("--allow-shrink {called}")), "{said}");
            assert_eq!(number(client, graph, INTEREST).await, interest, "{said}");
        }
        let said = run(&config, &["apply", "--allow-shrink", called]);
        assert!(!said.contains("held back") && number(client, graph, INTEREST).await < interest, "{said}");
    });
}

#[test]
fn the_one_table_of_events_says_who_is_who() {
    with_graph("one_table", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        scratch.run("DROP SCHEMA sonik_web CASCADE").await;
        scratch.run(SNOWPLOW).await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        // Of a device that two users had only one is left, who would be told to be whose it is.
        let failed = scratch.copy().await;
        failed.run("DELETE FROM atomic.events WHERE event_id NOT IN ('i3', 't5')").await;
        let said = told(&mut mirror(&failed.url(), graph, &["apply"]), 3);
        assert!(said.contains("--allow-shrink touchpoints:atomic.events"), "{said}");
        // Called otherwise, its key is told, and leads out.
        scratch.run("ALTER TABLE atomic.events RENAME TO happened").await;
        let said = told(&mut mirror(&postgres, graph, &["apply"]), 3);
        let key = "sources.touchpoints.events";
        assert!(said.contains(key), "{said}");
        let dir = tempfile::tempdir().expect("a folder");
        let plan = ["plan", "--format", "table"];
        let said = told(&mut elsewhere(&scratch, graph, dir.path(), &named(key, "happened"), &plan), 0);
        assert!(said.contains(SETTLED), "{said}");
        assert!(bytes(&read(client, graph).await) == before, "something was written");
    });
}

#[test]
fn rows_that_went_while_others_were_skipped_are_counted_with_those_that_go_later() {
    with_graph("lost_beside_skipped", async |client, graph| {
        let (scratch, _runs) = (city().await, Runs::of(graph));
        let postgres = scratch.url();
        mirror(&postgres, graph, &["apply"]).assert().success();
        let interest = number(client, graph, INTEREST).await;
        let lose = |rows: u32| {
            format!(
                "DELETE FROM sonik_web.event_viewed WHERE id IN (SELECT id FROM sonik_web.event_viewed ORDER BY id LIMIT {rows})"
            )
        };
        let clicked = "WHERE id = (SELECT min(id) FROM sonik_web.tracks WHERE event = 'ticket_link_clicked')";
        scratch
            .run(&format!(
                "ALTER TABLE sonik_web.tracks ADD was timestamptz; UPDATE sonik_web.tracks SET was = timestamp;
                 UPDATE sonik_web.tracks SET timestamp = 'infinity' {clicked}; {}",
                lose(80)
            ))
            .await;
        mirror(&postgres, graph, &["apply", "--skip-bad-rows"]).assert().success();
        assert_eq!(number(client, graph, INTEREST).await, interest);
        // So many alone are a decision, and together with those they are none.
        scratch.run(&format!("UPDATE sonik_web.tracks SET timestamp = was; {}", lose(80))).await;
        let said = told(&mut mirror(&postgres, graph, &["apply"]), 0);
        assert!(said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, INTEREST).await, interest, "{said}");
        let said = told(&mut mirror(&postgres, graph, &["apply", "--allow-shrink", VIEWED]), 0);
        assert!(!said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, INTEREST).await, interest - 160);
    });
}
