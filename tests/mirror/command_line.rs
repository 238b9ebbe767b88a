//! `sonograph mirror` as a user types it.

use assert_cmd::Command;
use serde_json::Value;

use crate::graph::{OtherWriter, url, with_graph};
use crate::scratch::Scratch;
use crate::{bytes, read};

pub(crate) fn mirror(postgres: &str, graph: &str, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command
        .args(["--progress", "none", "mirror"])
        .args(arguments)
        .env("SONOGRAPH_FALKORDB_URL", url())
        .env("SONOGRAPH_POSTGRES_URL", postgres)
        .env("SONOGRAPH_GRAPH", graph)
        .env("SONOGRAPH_MIRROR_DIR", std::env::temp_dir().join(format!("sonograph-runs-{graph}")))
        .current_dir(std::env::temp_dir());
    command
}

fn json(command: &mut Command) -> Value {
    let done = command.assert().success();
    serde_json::from_slice(&done.get_output().stdout).expect("one JSON object")
}

#[test]
fn a_plan_writes_nothing_and_a_second_apply_finds_nothing_to_do() {
    with_graph("command", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let counts = |create| serde_json::json!({ "create": create, "update": 0, "delete": 0 });
        for arguments in [&["plan", "--format", "json"][..], &["apply", "--dry-run", "--format", "json"]] {
            let plan = json(&mut mirror(&postgres, graph, arguments));
            assert_eq!(plan["nodes"]["Person"], counts(9));
            assert_eq!(plan["edges"]["PERFORMS_AT"], counts(4));
            assert!(!client.exists(graph).await.expect("the server answers"), "nothing was written");
        }
        let applied = json(&mut mirror(&postgres, graph, &["apply", "--format", "json"]));
        assert_eq!(applied["nodes"]["Venue"], counts(2));
        assert!(
            client.exists(graph).await.expect("the server answers"),
            "it was written under the given key"
        );
        let again = mirror(&postgres, graph, &["apply", "--format", "table"]).assert().success();
        let told = String::from_utf8_lossy(&again.get_output().stderr).into_owned();
        assert!(told.contains("nothing to do"), "{told}");
        assert!(told.contains("claims are by somebody whom no source knows: 3"), "{told}");
        assert!(!told.contains('@'), "{told}");
        assert!(again.get_output().stdout.is_empty());
    });
}

#[test]
fn a_source_that_is_not_there_is_named_by_plan_and_apply() {
    with_graph("absent", async |_, graph| {
        let Some(scratch) = Scratch::with(&["directus", "touchpoints"]).await else { return };
        let _runs = Runs::of(graph);
        for verb in ["plan", "apply"] {
            let done = mirror(&scratch.url(), graph, &[verb]).assert().success();
            let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
            for absent in ["twenty", "unified"] {
                assert!(told.contains(&format!("{absent}: no such layout was found")), "{told}");
            }
            assert!(!told.contains("touchpoints: no such layout"), "{told}");
        }
    });
}

#[test]
fn a_claim_that_no_event_tells_of_is_counted_where_there_is_a_record_at_all() {
    with_graph("moveless", async |_, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let note = |sql: &'static str| async {
            scratch.run(sql).await;
            let plan = json(&mut mirror(&scratch.url(), graph, &["plan", "--format", "json"]));
            let notes = plan["notes"].as_array().expect("a list").clone();
            let what = "entities have a claim status that no claim event gives";
            notes.into_iter().find(|note| note["what"] == what).map(|note| note["count"].clone())
        };
        assert_eq!(note("SELECT 1").await, None, "every move is on record");
        // The Foundry is claimed, Velvet Meridian pending; the unclaimed ones never moved.
        let gone = "DELETE FROM unified.claim_events WHERE right(entity_id::text, 1) IN ('1', '3')";
        assert_eq!(note(gone).await, Some(2.into()));
        assert_eq!(note("DROP TABLE unified.claim_events").await, None, "nobody records moves");
    });
}

#[test]
fn what_is_around_us_ends_with_3_and_what_was_typed_with_2() {
    with_graph("wrong", async |_, graph| {
        let nowhere = "postgresql://ana:s3cret@127.0.0.1:1/nowhere";
        let unreachable = mirror(nowhere, graph, &["plan"]).assert().code(3);
        let told = String::from_utf8_lossy(&unreachable.get_output().stderr).into_owned();
        assert!(told.contains("127.0.0.1:1") && !told.contains("s3cret"), "{told}");
        mirror(nowhere, graph, &["apply", "--format", "yaml"]).assert().code(2);
    });
}

#[test]
fn an_apply_is_refused_while_another_run_writes_and_a_plan_is_not() {
    with_graph("busy", async |_, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (other, _runs) = (OtherWriter::of(graph), Runs::of(graph));
        mirror(&scratch.url(), graph, &["plan"]).assert().success();
        mirror(&scratch.url(), graph, &["apply", "--dry-run"]).assert().success();
        let refused = mirror(&scratch.url(), graph, &["apply"]).assert().code(3);
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(told.contains("is being written by `mirror apply` (process 4711 on elsewhere"), "{told}");
        assert!(told.contains("hint: ") && told.contains("lapses by itself in"), "{told}");
        assert!(told.starts_with("waiting for `mirror apply` (process 4711"), "{told}");
        for waits in ["if it lives and goes on, this ends within 10 s", "its lock lapses in at most 20 s"] {
            assert!(told.contains(waits), "{told}");
        }
        drop(other);
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
    });
}

#[test]
fn a_row_that_cannot_be_taken_ends_the_run_or_is_skipped_listed_and_not_swept() {
    with_graph("bad_rows", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        scratch
            .run(
                "ALTER TABLE directus.venues ALTER capacity TYPE text;
                 UPDATE directus.venues SET capacity = 'ask ana@fans.example' WHERE name = 'Kiln Room';
                 UPDATE sonik_web.tracks SET \"timestamp\" = 'infinity' WHERE id = 't7';",
            )
            .await;
        let refused = mirror(&postgres, graph, &["plan"]).assert().code(3);
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        let venue = "row `1a000000-0000-4000-8000-000000000002` of table `directus.venues` of directus: column `capacity`";
        assert!(told.contains(venue) && told.contains("--skip-bad-rows"), "{told}");

        let skipped =
            mirror(&postgres, graph, &["apply", "--skip-bad-rows", "--format", "json"]).assert().success();
        let told = String::from_utf8_lossy(&skipped.get_output().stderr).into_owned();
        assert!(told.contains("left out of directus.venues: 1 (cannot be taken)"), "{told}");
        assert!(told.contains("skipped row `t7` of table `sonik_web.tracks`"), "{told}");
        assert!(!told.contains("ana@fans"), "{told}");
        let plan: Value = serde_json::from_slice(&skipped.get_output().stdout).expect("one JSON object");
        let bad = |at: usize, key: &str| plan["bad_rows"][at][key].as_str().unwrap_or_default().to_owned();
        let listed: Vec<_> =
            (0..2).map(|at| (bad(at, "source"), bad(at, "column"), bad(at, "reason"))).collect();
        let expected = [
            ("directus", "capacity", "is not a 64-bit integer"),
            ("touchpoints", "timestamp", "is infinite"),
        ];
        assert_eq!(listed, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
        // A skipped row cannot be told from a deleted one: neither the venue nor the touch is gone.
        let after = bytes(&read(client, graph).await);
        assert_eq!(before["nodes/Venue"], after["nodes/Venue"]);
        assert_eq!(before["edges/INTERESTED_IN"], after["edges/INTERESTED_IN"]);
    });
}

#[test]
fn the_configuration_names_databases_and_columns_and_a_wrong_name_is_told_with_what_there_is() {
    with_graph("names", async |_, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let Some(crm) = Scratch::with_layouts().await else { return };
        let workspace = "workspace_1wgvd1injqtife6y4rvfbu3h5";
        crm.run("DROP SCHEMA directus, unified, sonik_web CASCADE").await;
        scratch
            .run(&format!(
                "DROP SCHEMA core, {workspace} CASCADE; ALTER TABLE directus.events RENAME name TO title"
            ))
            .await;
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sonograph.toml");
        let with = |text: &str| {
            std::fs::write(&file, text).expect("written");
            let (postgres, config) = (scratch.url(), file.display().to_string());
            let mut command = mirror(&postgres, graph, &["plan", "--format", "json", "--config", &config]);
            command.env("CRM_URL", crm.url());
            command
        };
        let twenty = "[sources.twenty]\nurl_env = 'CRM_URL'\nworkspace = 'sonik'\n";
        let names = "[sources.directus.columns.events]\nname = 'title'\n";
        let plan = json(&mut with(&format!("{twenty}{names}")));
        assert_eq!(plan["nodes"]["Opportunity"]["create"], 2, "from the CRM's own database");
        assert_eq!(plan["nodes"]["Event"]["create"], 3);

        let told = |command: &mut Command| {
            let refused = command.assert().code(2);
            String::from_utf8_lossy(&refused.get_output().stderr).into_owned()
        };
        let unset = told(&mut with("[sources.twenty]\nurl_env = 'NOT_SET'\n"));
        assert!(unset.contains("`NOT_SET`"), "{unset}");
        let unknown = told(&mut with("[sources.directus.columns.events]\nnaem = 'title'\n"));
        assert!(
            unknown.contains("line 2") && unknown.contains("^^^^") && unknown.contains("`name`"),
            "{unknown}"
        );
        let missing =
            told(&mut with(&format!("{twenty}[sources.directus.columns.events]\nname = 'heading'\n")));
        assert!(missing.contains("no column `heading`") && missing.contains("title"), "{missing}");
    });
}

#[test]
fn a_table_that_vanished_is_not_swept_until_somebody_says_that_it_is_meant() {
    with_graph("shrunk", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let looked_at = json(&mut mirror(&postgres, graph, &["plan", "--format", "json"]));
        scratch.run("UPDATE directus.artists SET status = 'archived'").await;

        let digest = &looked_at["digest"].as_str().expect("a digest")[..12];
        let moved = mirror(&postgres, graph, &["apply", "--plan", digest]).assert().code(3);
        let told = String::from_utf8_lossy(&moved.get_output().stderr).into_owned();
        assert!(told.contains("the world moved") && told.contains("hint: look at"), "{told}");

        let before = bytes(&read(client, graph).await);
        let kept = mirror(&postgres, graph, &["apply"]).assert().success();
        let told = String::from_utf8_lossy(&kept.get_output().stderr).into_owned();
        assert!(told.contains("--allow-shrink directus:directus.artists"), "{told}");
        let after = bytes(&read(client, graph).await);
        assert_eq!(before["nodes/Person"], after["nodes/Person"], "nobody was swept");
        assert_eq!(before["edges/PERFORMS_AT"], after["edges/PERFORMS_AT"], "nobody's shows were");

        // What is left is held back, and is not called as the plan of a graph that needs nothing.
        let left = json(&mut mirror(&postgres, graph, &["plan", "--format", "json"]));
        assert_ne!(left["digest"], looked_at["digest"]);
        let told = mirror(&postgres, graph, &["plan", "--format", "table"]).assert().success();
        let told = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
        assert!(told.contains("nothing to do beside what is held back"), "{told}");

        for wrong in ["directus:directus.artist", "all", "", "HOSTS,Person"] {
            let refused = mirror(&postgres, graph, &["apply", "--allow-shrink", wrong]).assert().code(2);
            let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            let name = wrong.rsplit(',').next().unwrap_or_default();
            assert!(told.contains(&format!("cannot allow `{name}` to shrink")), "{told}");
            assert!(told.contains("directus:directus.artists,") && told.contains("PERFORMS_AT"), "{told}");
        }

        let plan = json(&mut mirror(&postgres, graph, &["plan", "--allow-shrink", ALL, "--format", "json"]));
        let digest = plan["digest"].as_str().expect("a digest");
        assert_eq!(plan["held_back"], serde_json::json!([]));
        mirror(&postgres, graph, &["apply", "--plan", digest, "--allow-shrink", ALL]).assert().success();
        let swept = json(&mut mirror(&postgres, graph, &["plan", "--allow-shrink", ALL, "--format", "json"]));
        assert_eq!(
            swept["edges"]["PERFORMS_AT"],
            serde_json::json!({ "create": 0, "update": 0, "delete": 0 })
        );
        assert_ne!(before["nodes/Person"], bytes(&read(client, graph).await)["nodes/Person"]);

        let history = mirror(&postgres, graph, &["history", "--format", "json"]).assert().success();
        let runs: Vec<Value> = String::from_utf8_lossy(&history.get_output().stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("one object a line"))
            .collect();
        let states: Vec<&str> = runs.iter().filter_map(|run| run["state"].as_str()).collect();
        assert_eq!(states, ["complete"; 3], "a refused plan is no run");
        assert_eq!(runs[2]["digest"], digest);
        assert_eq!(runs[2]["rules"]["won_stages"], serde_json::json!(["CUSTOMER"]));
        assert!(runs[1]["held_back"]["directus:directus.artists"].as_u64() > Some(0), "{:#?}", runs[1]);
        mirror(&postgres, graph, &["apply", "--plan", "xyz"]).assert().code(2);
        mirror(&postgres, graph, &["plan", "--max-shrink", "1.5"]).assert().code(2);
    });
}

/// Everything that goes when no artist is left.
const ALL: &str = "directus:directus.artists,directus:directus.artists.genres,PERFORMS_AT,HAS_GENRE,FOLLOWS";

/// The ledger of a test's graph, removed with it.
pub(crate) struct Runs(pub std::path::PathBuf);

impl Runs {
    pub(crate) fn of(graph: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sonograph-runs-{graph}")))
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
