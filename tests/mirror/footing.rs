//! Columns, tables and schemas that the last run read and that are gone: named, and nothing is lost for them.

use std::path::Path;

use assert_cmd::Command;
use sonograph::sources::falkordb::{Client, CypherValue, Params};

use crate::command_line::{Runs, mirror};
use crate::graph::{url, with_graph};
use crate::scratch::Scratch;
use crate::{bytes, read};

/// Optional columns of which each carries identity, time or edges, by the key that names them.
const COLUMNS: [(&str, &str, &str); 8] = [
    // Every event's time, and that of its edges.
    ("directus.events", "start_date", "sources.directus.columns.events.start_date"),
    // Who PROMOTES what.
    ("directus.events", "promoter_domain", "sources.directus.columns.events.promoter_domain"),
    // Canonical ids of artists: who is one with the CRM's people.
    ("directus.artists", "instagram_url", "sources.directus.columns.artists.instagram_url"),
    // Canonical ids of venues: which rows are one place.
    ("directus.venues", "google_place_id", "sources.directus.columns.venues.google_place_id"),
    // Nothing but a property; a loss all the same.
    ("directus.venues", "capacity", "sources.directus.columns.venues.capacity"),
    // INTERESTED_IN: the column of a table that is only joined.
    ("sonik_web.event_viewed", "event_id", "sources.touchpoints.columns.event_viewed.event"),
    // Which device was whose.
    ("sonik_web.identifies", "anonymous_id", "sources.touchpoints.columns.identifies.anonymous_id"),
    // How sure the crosswalk is: those who are not sure enough merge nothing.
    ("unified.entity_sources", "confidence", "sources.unified.columns.entity_sources.confidence"),
];

/// What a command says that ends with this code.
pub fn told(command: &mut Command, code: i32) -> String {
    String::from_utf8_lossy(&command.assert().code(code).get_output().stderr).into_owned()
}

/// The command with a configuration, and as on another machine: without the ledger of the runs before.
pub fn elsewhere(scratch: &Scratch, graph: &str, dir: &Path, config: &str, arguments: &[&str]) -> Command {
    let file = dir.join("sonograph.toml");
    std::fs::write(&file, config).expect("written");
    let mut command = mirror(&scratch.url(), graph, arguments);
    command.arg("--config").arg(file).env("SONOGRAPH_MIRROR_DIR", dir.join("runs"));
    command
}

/// `[a.b]` and `c = "name"` for the key `a.b.c`.
pub fn named(key: &str, name: &str) -> String {
    let (table, key) = key.rsplit_once('.').expect("a dotted key");
    format!("[{table}]\n{key} = \"{name}\"\n")
}

pub fn doctor(scratch: &Scratch, graph: &str) -> Command {
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command.args(["--progress", "none", "doctor", "--format", "csv"]).current_dir(std::env::temp_dir());
    command.env("SONOGRAPH_FALKORDB_URL", url()).env("SONOGRAPH_GRAPH", graph);
    command.env("SONOGRAPH_POSTGRES_URL", scratch.url());
    command
}

pub async fn number(client: &mut Client, graph: &str, query: &str) -> i64 {
    let reply = client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
    reply.rows[0].first().and_then(CypherValue::as_int).expect("a number")
}

#[test]
fn a_column_that_the_last_run_read_ends_the_run_until_it_is_named_or_let_go() {
    with_graph("columns", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let settled = "the graph is what the sources claim: nothing to do";
        for arguments in [&["plan", "--format", "table"][..], &["plan", "--incremental", "--format", "table"]]
        {
            let said = told(&mut mirror(&postgres, graph, arguments), 0);
            assert!(said.contains(settled), "{said}");
        }

        for (table, column, key) in COLUMNS {
            scratch.run(&format!("ALTER TABLE {table} RENAME {column} TO renamed")).await;
            for verb in [&["plan"][..], &["plan", "--incremental"], &["apply"]] {
                let said = told(&mut elsewhere(&scratch, graph, dir.path(), "", verb), 3);
                assert!(said.contains(&format!("column `{column}` of {table}")), "{said}");
                let system = key.split('.').nth(1).expect("a source");
                let way = format!("--allow-shrink {system}:{table}.{column}`");
                assert!(said.contains(key) && said.contains(&way), "{said}");
            }
            let found = doctor(&scratch, graph).assert().code(3);
            let found = String::from_utf8_lossy(&found.get_output().stdout).into_owned();
            assert!(
                found.contains(&format!("column `{column}` of {table}")) && found.contains(key),
                "{found}"
            );
            // The key that the hint names leads out.
            let config = named(key, "renamed");
            let plan = &["plan", "--format", "table"];
            let said = told(&mut elsewhere(&scratch, graph, dir.path(), &config, plan), 0);
            assert!(said.contains(settled), "{key}: {said}");
            scratch.run(&format!("ALTER TABLE {table} RENAME renamed TO {column}")).await;
        }
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");
        doctor(&scratch, graph).assert().success();
    });
}

#[test]
fn a_column_is_let_go_by_name_once_and_one_that_never_was_is_not_missed() {
    with_graph("letting_go", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        scratch
            .run("ALTER TABLE directus.venues DROP COLUMN city; UPDATE directus.venues SET capacity = 200")
            .await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        mirror(&postgres, graph, &["apply"]).assert().success();
        let capacities = "MATCH (v:Venue) WHERE v.capacity IS NOT NULL RETURN count(v)";
        let before = number(client, graph, capacities).await;
        assert!(before > 0);

        let drop =
            "ALTER TABLE directus.venues DROP COLUMN capacity; ALTER TABLE directus.events DROP COLUMN tags";
        scratch.run(drop).await;
        let both = ["directus:directus.venues.capacity", "directus:directus.events.tags"];
        // Of two that are gone, the one that was not let go is named, and only that.
        let said = told(&mut mirror(&postgres, graph, &["apply", "--allow-shrink", both[0]]), 3);
        assert!(said.contains("column `tags` of directus.events") && !said.contains("capacity"), "{said}");
        assert_eq!(number(client, graph, capacities).await, before);

        let names = both.join(",");
        mirror(&postgres, graph, &["apply", "--allow-shrink", &names]).assert().success();
        assert_eq!(number(client, graph, capacities).await, 0, "it was let go");
        mirror(&postgres, graph, &["apply"]).assert().success();
        doctor(&scratch, graph).assert().success();
        // It is gone: there is nothing to let go any more.
        let said = told(&mut mirror(&postgres, graph, &["plan", "--allow-shrink", both[0]]), 2);
        assert!(said.contains("cannot allow"), "{said}");

        // A column that comes is read, and missed from then on.
        scratch.run("ALTER TABLE directus.venues ADD city text").await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        scratch.run("ALTER TABLE directus.venues DROP COLUMN city").await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        assert!(said.contains("column `city` of directus.venues"), "{said}");
    });
}

#[test]
fn a_schema_called_otherwise_is_named_before_everything_is_made_anew() {
    with_graph("renamed_schema", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let live = "MATCH (e:Event) WHERE e.deleted_at IS NULL RETURN count(e)";
        let (events, hosts) = (number(client, graph, live).await, "MATCH ()-[h:HOSTS]->() RETURN count(h)");
        let hosted = number(client, graph, hosts).await;

        scratch.run("ALTER SCHEMA directus RENAME TO cms").await;
        for verb in ["plan", "apply"] {
            let said = told(&mut mirror(&postgres, graph, &[verb]), 3);
            assert!(said.contains("schema `directus` of directus, where `cms` is found now"), "{said}");
            assert!(said.contains("sources.directus.schema") && said.contains("uids of their own"), "{said}");
            assert!(said.contains("--allow-shrink directus:directus`"), "{said}");
        }
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");

        // Whoever names the new one knows; but not while the old one is there, beside which it may be a copy.
        let dir = tempfile::tempdir().expect("a folder");
        let cms = named("sources.directus.schema", "cms");
        let plan =
            elsewhere(&scratch, graph, dir.path(), &cms, &["plan", "--format", "json"]).assert().success();
        let plan: serde_json::Value = serde_json::from_slice(&plan.get_output().stdout).expect("JSON");
        let changed = &plan["nodes"]["Event"];
        assert_eq!((&changed["create"], &changed["delete"]), (&events.into(), &events.into()), "{plan:#}");
        assert_eq!(plan["held_back"], serde_json::json!([]));
        scratch.run("CREATE SCHEMA directus; CREATE TABLE directus.x (id int)").await;
        let said = told(&mut elsewhere(&scratch, graph, dir.path(), &cms, &["plan"]), 3);
        assert!(said.contains("--allow-shrink directus:directus`"), "{said}");
        scratch.run("DROP SCHEMA directus CASCADE").await;

        // Where it is meant, the old rows go and the new ones come, and that is all there is to say.
        let said = told(&mut mirror(&postgres, graph, &["apply", "--allow-shrink", "directus:directus"]), 0);
        assert!(!said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, live).await, events);
        assert_eq!(number(client, graph, hosts).await, hosted);
        let of_old = "MATCH (e:Event) WHERE e.deleted_at IS NULL AND e.uid STARTS WITH 'directus:directus.' RETURN count(e)";
        assert_eq!(number(client, graph, of_old).await, 0);
        let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains("nothing to do"), "{said}");
    });
}

#[test]
fn a_table_that_is_gone_or_called_otherwise_is_named_whatever_rests_on_it() {
    with_graph("renamed_table", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);

        // Of these no node tells, so that no sweep would miss them: who is who, when a stage was reached, who follows whom.
        let tables = [
            ("unified.entity_sources", "unified"),
            ("sonik_web.aliases", "touchpoints"),
            ("sonik_web.user_followed", "touchpoints"),
        ];
        for (table, system) in tables {
            scratch.run(&format!("ALTER TABLE {table} RENAME TO renamed")).await;
            let said = told(&mut mirror(&postgres, graph, &["apply"]), 3);
            assert!(said.contains(&format!("table `{table}` of {system}")), "{said}");
            assert!(said.contains(&format!("--allow-shrink {system}:{table}`")), "{said}");
            let (schema, name) = table.split_once('.').expect("a schema");
            scratch.run(&format!("ALTER TABLE {schema}.renamed RENAME TO {name}")).await;
        }

        // Who names the collection by its new name has its rows, but as other nodes: that is said as well.
        scratch
            .run(
                "ALTER TABLE directus.events RENAME TO gigs;
                 UPDATE directus.directus_collections SET collection = 'gigs' WHERE collection = 'events'",
            )
            .await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        assert!(said.contains("table `directus.events` of directus") && !said.contains("uids"), "{said}");
        let gigs = "[sources.directus]\nevents = \"gigs\"\nlineup = \"events_artists\"\n\
                    [sources.directus.columns.lineup]\nevent = \"events_id\"\n";
        let said = told(&mut elsewhere(&scratch, graph, dir.path(), gigs, &["plan"]), 3);
        assert!(said.contains("where `gigs` is read now") && said.contains("uids of their own"), "{said}");
        assert!(!said.contains("sonograph.toml"), "it is named already: {said}");
        let meant = ["plan", "--allow-shrink", "directus:directus.events", "--format", "json"];
        let plan = elsewhere(&scratch, graph, dir.path(), gigs, &meant).assert().success();
        let plan: serde_json::Value = serde_json::from_slice(&plan.get_output().stdout).expect("JSON");
        let events = &plan["nodes"]["Event"];
        assert_eq!((&events["create"], &events["delete"]), (&3.into(), &3.into()), "{plan:#}");
        assert_eq!(plan["held_back"], serde_json::json!([]));

        // Where only the table moved, naming the schema that it is in now would not lead out.
        scratch.run("ALTER TABLE unified.entities SET SCHEMA public").await;
        let said =
            told(&mut mirror(&postgres, graph, &["plan", "--allow-shrink", "directus:directus.events"]), 3);
        let way = "no configuration names it otherwise: it must be as before";
        assert!(said.contains("where `public` is found now") && said.contains(way), "{said}");
        scratch.run("ALTER TABLE public.entities SET SCHEMA unified").await;

        // A source that is gone whole.
        scratch.run("ALTER TABLE directus.gigs RENAME TO events; DROP SCHEMA unified CASCADE").await;
        let said = told(&mut mirror(&postgres, graph, &["plan"]), 3);
        assert!(said.contains("schema `unified` of unified, where nothing of it is found now"), "{said}");
        assert_eq!(bytes(&read(client, graph).await), before, "nothing was written");
    });
}
