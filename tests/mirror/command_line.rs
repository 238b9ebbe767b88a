//! `sonograph mirror` as a user types it.

use assert_cmd::Command;
use serde_json::Value;

use crate::graph::{OtherWriter, url, with_graph};
use crate::scratch::Scratch;

fn mirror(postgres: &str, graph: &str, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command
        .args(["--progress", "none", "mirror"])
        .args(arguments)
        .env("SONOGRAPH_FALKORDB_URL", url())
        .env("SONOGRAPH_POSTGRES_URL", postgres)
        .env("SONOGRAPH_GRAPH", graph)
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
        let postgres = scratch.url();
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
        let other = OtherWriter::of(graph);
        mirror(&scratch.url(), graph, &["plan"]).assert().success();
        mirror(&scratch.url(), graph, &["apply", "--dry-run"]).assert().success();
        let refused = mirror(&scratch.url(), graph, &["apply"]).assert().code(3);
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(told.contains("is being written by `mirror apply` (process 4711 on elsewhere"), "{told}");
        assert!(told.contains("hint: ") && told.contains("lapses by itself in"), "{told}");
        drop(other);
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
    });
}
