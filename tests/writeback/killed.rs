//! The server is killed in the middle of a write-back and started again: the same command completes it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sonograph::context::Context;
use sonograph::services::{self, Options};
use sonograph::sources::falkordb::{Client, Params};
use sonograph::writeback::Score;

use crate::folder::{lay, out, sonograph};
use crate::graph::all;
use crate::town::{frozen, scores};

const PEOPLE: usize = 40_000;

/// Servers in a folder, gone when the test ends, however it ends.
struct Servers(tempfile::TempDir);

impl Servers {
    fn up(&self) -> services::Running {
        let options = Options { dir: self.0.path().join("servers"), fast: false };
        let running = services::up(&options, &Context::silent()).expect("the servers start");
        crate::graph::keeps_everything(running.falkordb_url.expose());
        running
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        services::remove(&self.0.path().join("servers")).expect("the servers stop");
    }
}

async fn written(client: &mut Client) -> Option<u64> {
    let query = "MATCH (n:Person) WHERE n.score_run IS NOT NULL RETURN count(n)";
    client.ro_query("town", query, &Params::new()).await.ok()?.count()
}

#[test]
fn a_server_killed_while_scores_are_written_ends_with_exit_3_and_the_same_command_completes_the_run() {
    let servers = Servers(tempfile::tempdir().expect("a folder"));
    let dir = servers.0.path();
    let running = servers.up();
    let url = running.falkordb_url.expose().to_owned();
    let apply = ["writeback", "apply", "--snapshot", "snapshot"];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut client = Client::connect(&url).await.expect("the server answers");
        all(
            &mut client,
            "town",
            &[
                "CREATE INDEX FOR (n:Person) ON (n.uid)",
                "UNWIND range(0, 39999) AS i CREATE (:Person {uid: 'p' + toString(i)})",
            ],
        )
        .await;
        let tables = frozen(&mut client, "town").await;
        let uids: Vec<String> = (0..PEOPLE).map(|i| format!("p{i}")).collect();
        let rows: Vec<(&str, &str)> = uids.iter().map(|u| (u.as_str(), "Person")).collect();
        let values = (0..PEOPLE).map(|i| Some(Score::Float(i as f64 / 7.0))).collect();
        lay(dir, &tables, &scores(&rows, &[("influence_pagerank", values)]));

        let child = sonograph(dir, &url, "town", &apply).spawn().expect("the program runs");
        while written(&mut client).await.expect("the server answers") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let pid = running.servers.iter().find(|s| s.name == "FalkorDB").and_then(|s| s.pid).expect("it runs");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is ours");
        let output = child.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("lost FalkorDB") && said.contains("hint:") && output.stdout.is_empty(),
            "{said}"
        );
    });

    let (code, history, _) = out(sonograph(dir, &url, "town", &["writeback", "history"]));
    let run: Value = serde_json::from_str(history.trim()).expect("one run");
    assert_eq!((code, &run["state"]), (0, &"applying".into()));

    let again = servers.up();
    assert_eq!(again.falkordb_url.expose(), url);
    let half = runtime.block_on(async {
        written(&mut Client::connect(&url).await.expect("the server answers")).await.expect("counted")
    });
    assert!(half > 0 && half < PEOPLE as u64, "{half} were written when the server was killed");
    let (code, stdout, stderr) = out(sonograph(dir, &url, "town", &apply));
    assert_eq!(code, 0, "{stderr}");
    let applied: Value = serde_json::from_str(stdout.trim()).expect("an answer");
    assert_eq!((&applied["run"], &applied["written"]), (&run["run"], &PEOPLE.into()));
    assert_eq!((&applied["on_disk"], stderr.contains("its disk")), (&true.into(), false), "{stderr}");
    let (code, stdout, stderr) =
        out(sonograph(dir, &url, "town", &["writeback", "undo", run["run"].as_str().expect("a run")]));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(serde_json::from_str::<Value>(stdout.trim()).expect("an answer")["restored"], PEOPLE);
    let left = runtime.block_on(async {
        written(&mut Client::connect(&url).await.expect("the server answers")).await.expect("counted")
    });
    assert_eq!(left, 0);

    // One that keeps no such file says nothing of its disk.
    crate::graph::set(&url, "appendonly", "no");
    let (code, stdout, stderr) = out(sonograph(dir, &url, "town", &apply));
    assert_eq!(code, 0, "{stderr}");
    let applied: Value = serde_json::from_str(stdout.trim()).expect("an answer");
    assert_eq!((&applied["on_disk"], stderr.contains("its disk")), (&false.into(), true), "{stderr}");
}
