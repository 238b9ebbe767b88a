//! Tables, keys and columns that are called otherwise: what is told leads out, and nothing is lost on the way.

use crate::command_line::{Runs, mirror};
use crate::failed_reads::WORKSPACE;
use crate::footing::{doctor, elsewhere, named, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

const ACTIONS: [&str; 7] = [
    "event_viewed",
    "event_saved",
    "ticket_link_clicked",
    "event_attended",
    "content_shared",
    "artist_followed",
    "user_followed",
];

/// A name in which nothing is to be put in anything's place.
const ODD: &str = "re{schema}named";

/// One message each of the events that the layout has none of.
const OTHERS: &str = r#"SET search_path = sonik_web;
    CREATE TABLE event_saved (LIKE event_viewed);
    INSERT INTO tracks(id, received_at, "timestamp", anonymous_id, user_id, event) VALUES
      ('t9', '2025-12-11T10:00:01Z', '2025-12-11T10:00:00Z', 'anon-9', NULL, 'event_saved'),
      ('t10', '2025-12-11T10:01:01Z', '2025-12-11T10:01:00Z', 'anon-2', 'u-ana', 'user_followed');
    INSERT INTO event_saved(id, event_id) VALUES ('t9', 2);
    INSERT INTO user_followed(id, followed_user_id) VALUES ('t10', 'u-ben');"#;

#[test]
fn a_table_or_key_of_an_event_that_is_called_otherwise_is_named_and_its_name_leads_out() {
    with_graph("renamed_events", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run(OTHERS).await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let settled = |config: &str, what: &str| {
            for arguments in
                [&["plan", "--format", "table"][..], &["apply", "--incremental", "--format", "table"]]
            {
                let said = told(&mut elsewhere(&scratch, graph, dir.path(), config, arguments), 0);
                assert!(
                    said.contains("nothing to do") && !said.contains("left out of sonik_web"),
                    "{what}: {said}"
                );
            }
        };
        for action in ACTIONS {
            scratch.run(&format!(r#"ALTER TABLE sonik_web.{action} RENAME TO "{ODD}""#)).await;
            let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
            let key = format!("sources.touchpoints.{action}");
            assert!(said.contains(&format!("({key})")), "{action}: {said}");
            settled(&named(&key, ODD), action);
            scratch.run(&format!(r#"ALTER TABLE sonik_web."{ODD}" RENAME TO {action}"#)).await;
            // What is read is noted under its name, now the usual one again.
            mirror(&postgres, graph, &["apply"]).assert().success();

            // Its key, by which messages are joined to it.
            scratch.run(&format!("ALTER TABLE sonik_web.{action} RENAME id TO message_id")).await;
            let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
            let key = format!("sources.touchpoints.columns.{action}.id");
            let lacks = format!("table `sonik_web.{action}` of touchpoints is there, but it lacks `id`");
            assert!(said.contains(&lacks) && said.contains(&format!("({key})")), "{said}");
            let table = format!("touchpoints:sonik_web.{action}");
            assert!(said.contains(&format!("--allow-shrink {table}`")), "{said}");
            mirror(&postgres, graph, &["plan", "--allow-shrink", &table]).assert().success();
            settled(&named(&key, "message_id"), action);
            scratch.run(&format!("ALTER TABLE sonik_web.{action} RENAME message_id TO id")).await;
            mirror(&postgres, graph, &["apply"]).assert().success();
        }

        // Of the messages themselves.
        scratch.run("ALTER TABLE sonik_web.tracks RENAME id TO message_id").await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        let key = "sources.touchpoints.columns.tracks.id";
        assert!(said.contains("`sonik_web.tracks`") && said.contains(key), "{said}");
        settled(&named(key, "message_id"), "tracks.id");
        scratch.run("ALTER TABLE sonik_web.tracks RENAME message_id TO id").await;
        mirror(&postgres, graph, &["apply"]).assert().success();

        scratch.run("ALTER TABLE sonik_web.tracks RENAME TO messages").await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        let key = "sources.touchpoints.tracks";
        assert!(said.contains("table `sonik_web.tracks` of touchpoints") && said.contains(key), "{said}");
        assert!(ACTIONS.iter().all(|action| !said.contains(action)), "they are there: {said}");
        settled(&named(key, "messages"), "tracks");
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");
    });
}

#[test]
fn a_column_that_is_gone_is_missed_though_another_one_beside_it_could_be_read() {
    with_graph("beside", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        // When a row was made, which every table tells, is neither when a stage was reached nor when an event starts.
        let timeline = format!("{WORKSPACE}.timelineActivity");
        let quoted = format!(r#"{WORKSPACE}."timelineActivity""#);
        scratch
            .run(r#"ALTER TABLE directus.events ADD "date" date; UPDATE directus.events SET "date" = date_created"#)
            .await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let settled = |config: &str| {
            let plan = ["plan", "--format", "table"];
            let said = told(&mut elsewhere(&scratch, graph, dir.path(), config, &plan), 0);
            said.contains("nothing to do")
        };
        for (table, shown, column, other, key) in [
            (&*quoted, &*timeline, "happensAt", "createdAt", "sources.twenty.columns.timeline.at"),
            (
                "directus.events",
                "directus.events",
                "start_date",
                "date",
                "sources.directus.columns.events.start_date",
            ),
        ] {
            scratch.run(&format!(r#"ALTER TABLE {table} RENAME "{column}" TO renamed"#)).await;
            let what = format!("column `{column}` of {shown}, where `{other}` is read now");
            for verb in [&["plan"][..], &["plan", "--incremental"], &["apply"]] {
                let said = told(&mut mirror(&postgres, graph, verb), 3);
                assert!(said.contains(&what) && said.contains(&format!("({key})")), "{said}");
                assert!(said.contains(&format!("{shown}.{column}`")), "{said}");
            }
            let found = doctor(&scratch, graph).assert().code(3);
            let found = String::from_utf8_lossy(&found.get_output().stdout).into_owned();
            assert!(found.contains(&what) && found.contains(key), "{found}");
            // Either can be named; whoever names the other means what it says.
            assert!(settled(&named(key, "renamed")), "{key}");
            assert!(!settled(&named(key, other)), "{key}");
            scratch.run(&format!(r#"ALTER TABLE {table} RENAME renamed TO "{column}""#)).await;
            assert!(settled(""), "{key}");
        }
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");
        // Another usual name, under which nothing stood before, is the same column.
        scratch.run("ALTER TABLE directus.venues RENAME timezone TO tz").await;
        assert!(settled(""), "found under another usual name");
        // One that is let go is not missed again, though what is read now was there before.
        scratch.run("ALTER TABLE directus.events RENAME start_date TO renamed").await;
        let allowed = ["apply", "--allow-shrink", "directus:directus.events.start_date"];
        mirror(&postgres, graph, &allowed).assert().success();
        assert!(settled(""), "it was let go");
        doctor(&scratch, graph).assert().success();
    });
}
