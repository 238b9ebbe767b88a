//! Graphs that no command can read: `doctor` names what is wrong and the way out, and the way leads out.

use assert_cmd::Command;
use sonograph::mirror as engine;
use sonograph::sources::falkordb::marker::{self, Marker, Progress};
use sonograph::sources::falkordb::{CypherValue, Params};

use crate::command_line::{Runs, mirror};
use crate::graph::{all, url, with_graph};
use crate::scratch::Scratch;
use crate::{bytes, read};

/// What `doctor` prints, and whether it found nothing wrong.
fn doctor(scratch: &Scratch, graph: &str, memory: Option<&str>) -> (String, bool) {
    let dir = tempfile::tempdir().expect("a folder");
    if let Some(memory) = memory {
        let config = format!("[falkordb]\nmemory_graphs = [\"{memory}\"]\n");
        std::fs::write(dir.path().join("sonograph.toml"), config).expect("written");
    }
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command.args(["--progress", "none", "doctor", "--format", "csv"]).current_dir(dir.path());
    command.env("SONOGRAPH_FALKORDB_URL", url()).env("SONOGRAPH_GRAPH", graph);
    let output = command.env("SONOGRAPH_POSTGRES_URL", scratch.url()).output().expect("it runs");
    let code = output.status.code().expect("it ends");
    assert!([0, 3].contains(&code), "{code}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), code == 0)
}

fn failing(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.contains(",failed,")).collect()
}

#[test]
fn nodes_of_one_uid_are_named_and_the_way_out_leads_out() {
    with_graph("twins", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let _runs = Runs::of(graph);
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
        let (told, sound) = doctor(&scratch, graph, None);
        assert!(sound && told.contains(",nodes,ok,"), "{told}");

        all(client, graph, &["CREATE (:Legend {uid: 'directus:directus.events:2', name: 'a copy'})"]).await;
        let refused = mirror(&scratch.url(), graph, &["apply"]).assert().code(3);
        let hint = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(hint.contains("`sonograph doctor` names such nodes"), "{hint}");

        let (told, _) = doctor(&scratch, graph, None);
        let failed = failing(&told);
        assert_eq!(failed.len(), 1, "{told}");
        let query = "MATCH (n {uid: 'directus:directus.events:2'}) RETURN id(n), labels(n)[0] ORDER BY id(n)";
        let reply = client.ro_query(graph, query, &Params::new()).await.expect("it reads");
        let holders: Vec<String> = reply
            .rows
            .iter()
            .map(|row| {
                format!("{} ({})", row[0].as_int().expect("an id"), row[1].as_text().expect("a label"))
            })
            .collect();
        let named = format!("uid `directus:directus.events:2` belongs to nodes {}", holders.join(", "));
        assert!(failed[0].contains(&named), "{named} in {told}");

        // Word for word what the hint says.
        let way = failed[0].split('`').find(|part| part.contains("DELETE")).expect("a statement").to_owned();
        all(client, graph, &[&way]).await;
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
        let (told, sound) = doctor(&scratch, graph, None);
        assert!(sound, "{told}");
        let again = mirror(&scratch.url(), graph, &["plan", "--format", "table"]).assert().success();
        assert!(String::from_utf8_lossy(&again.get_output().stderr).contains("nothing to do"));
    });
}

#[test]
fn nodes_without_a_uid_are_counted_with_a_query_that_finds_them() {
    with_graph("nameless", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let _runs = Runs::of(graph);
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
        all(client, graph, &["CREATE (:Legend {name: 'a'}), (:Legend {uid: 7}), ({name: 'c'})"]).await;
        mirror(&scratch.url(), graph, &["apply"]).assert().code(3);
        let (told, _) = doctor(&scratch, graph, None);
        let failed = failing(&told);
        assert_eq!(failed.len(), 1, "{told}");
        assert!(failed[0].contains("3 nodes of graph") && failed[0].contains("label `Legend`"), "{told}");
        let way = failed[0].split('`').find(|part| part.starts_with("MATCH")).expect("a query").to_owned();
        let found = client.ro_query(graph, &way, &Params::new()).await.expect("it reads");
        let counted: i64 = found.rows.iter().filter_map(|row| row.last().and_then(CypherValue::as_int)).sum();
        assert_eq!(counted, 3);
    });
}

#[test]
fn a_memory_graph_that_is_not_there_is_nothing_that_the_mirror_makes() {
    with_graph("memoryless", async |_, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (told, sound) = doctor(&scratch, graph, Some("test_no_such_memory"));
        let failed = failing(&told);
        assert!(!sound && failed.len() == 1, "{told}");
        assert!(failed[0].contains("there is no graph `test_no_such_memory`"), "{told}");
        assert!(failed[0].contains("memory_graphs") && !failed[0].contains("mirror apply"), "{told}");
    });
}

#[test]
fn a_run_with_nothing_to_do_leaves_the_mark_that_the_graph_lacks_and_nothing_else() {
    with_graph("markless", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let dir = tempfile::tempdir().expect("a folder");
        // What it says, and what the manifest keeps.
        let take = |name: &str| {
            let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
            command.args(["--progress", "none", "snapshot", "take", "--out", name]).current_dir(dir.path());
            command.env("SONOGRAPH_FALKORDB_URL", url()).env("SONOGRAPH_GRAPH", graph);
            let done = command.env("SONOGRAPH_POSTGRES_URL", &postgres).assert().success();
            let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
            let manifest = std::fs::read(dir.path().join(name).join("manifest.json")).expect("a manifest");
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
            assert_eq!(told.contains("cannot tell whether the last mirror run"), told.contains("no mark"));
            (
                told.contains("no mark"),
                manifest["sources"][0]["detail"]["mirror_run"].as_str().map(str::to_owned),
            )
        };
        all(client, graph, &["CREATE (:Legend {uid: 'l'})"]).await;
        assert_eq!(take("stranger"), (false, None), "no mirror run wrote this graph");

        mirror(&postgres, graph, &["apply"]).assert().success();
        let mark = |generation| Marker { generation, progress: Progress::Complete };
        let frozen = bytes(&read(client, graph).await);
        let redis = redis::Client::open(url()).expect("a URL");
        let mut connection = redis.get_connection().expect("the server answers");
        redis::cmd("DEL").arg(marker::key(graph)).exec(&mut connection).expect("the mark goes");
        let (told, sound) = doctor(&scratch, graph, None);
        assert!(sound && told.contains("none left its mark"), "{told}");
        assert_eq!(take("markless"), (true, Some("unknown".to_owned())));
        mirror(&postgres, graph, &["apply", "--dry-run"]).assert().success();
        assert_eq!(engine::state(client, graph).await.expect("readable"), None, "nothing was to be written");

        // A mark of its own; one older than the graph is another's; one that is newer may be its own.
        for (left, becomes) in [(None, 1), (Some(0), 1), (Some(7), 7)] {
            if let Some(generation) = left {
                marker::write(client, graph, mark(generation)).await.expect("written");
            }
            let idle = mirror(&postgres, graph, &["apply", "--format", "table"]).assert().success();
            let told = String::from_utf8_lossy(&idle.get_output().stderr).into_owned();
            assert!(told.contains("nothing to do") && !told.contains("wrote"), "{told}");
            assert_eq!(engine::state(client, graph).await.expect("readable"), Some(mark(becomes)));
            assert_eq!(bytes(&read(client, graph).await), frozen, "and nothing else");
            let plan = mirror(&postgres, graph, &["plan", "--incremental"]).assert().success();
            let told = String::from_utf8_lossy(&plan.get_output().stderr).into_owned();
            assert!(!told.contains("read everything"), "{told}");
        }
        let (told, sound) = doctor(&scratch, graph, None);
        assert!(sound && told.contains("\"complete, generation 7\""), "{told}");
        assert_eq!(take("marked"), (false, None));
    });
}
