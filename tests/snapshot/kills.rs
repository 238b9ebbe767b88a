//! `kill -9` at any moment of `snapshot take` and `import`, and connections that are cut: nothing half is a snapshot, and the
//! next run leaves no trace of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::snapshot::list;
use sonograph::sources::falkordb::Client;

use crate::support::graph::all;
use crate::take::{Place, said, sonograph, whole};

const KILLS: u32 = 10;

/// Runs a command to its end, then kills it at moments all over the time that took; in the folder there is never anything but
/// whole snapshots, and after one more run nothing but these.
fn killed_all_over(dir: &Path, command: &dyn Fn(u32) -> Command) {
    let began = Instant::now();
    let output = command(0).output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let mut took = began.elapsed();
    let nodes = whole(&list(dir).expect("a folder")[0].dir).tables.node_count();
    let mut killed = 0;
    // A machine is not always equally busy: what comes to its end before its moment tells how long it takes now.
    for round in 1..=10 * KILLS {
        let (began, at) = (Instant::now(), took * (2 * killed + 1) / (2 * KILLS));
        let mut child = command(round).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        while began.elapsed() < at && child.try_wait().expect("it is ours").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("it is ours");
        if child.wait().expect("it ends").success() {
            took = began.elapsed();
        } else {
            killed += 1;
        }
        for listed in list(dir).expect("a folder") {
            assert_eq!(whole(&listed.dir).tables.node_count(), nodes, "round {round}");
        }
        if killed == KILLS {
            break;
        }
    }
    assert_eq!(killed, KILLS, "it always came to its end before");
    let last = command(1).output().expect("it runs");
    assert!(last.status.success(), "{}", said(&last));
    let folders: Vec<_> =
        std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(folders.len(), list(dir).expect("a folder").len(), "left over: {folders:?}");
    for folder in folders {
        whole(&folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_that_is_killed_leaves_no_half_snapshot_and_the_next_no_trace_of_it() {
    let place = Place::new().await;
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    let made = "UNWIND range(0, 9999) AS i CREATE (a:Person {uid: 'p' + toString(i), name: 'somebody'}), \
                (b:Venue {uid: 'v' + toString(i)}), (a)-[:FOLLOWS {timestamp: i}]->(b)";
    all(&mut client, &place.graph, &[made]).await;
    for (named, incremental) in [(true, false), (false, false), (true, true)] {
        let dir = tempfile::tempdir().expect("a folder");
        killed_all_over(&dir.path().join("snapshots"), &|round| {
            let mut command = sonograph(dir.path(), &place.falkordb, &place.graph);
            command.args(["snapshot", "take"]);
            if incremental {
                command.arg("--incremental");
            }
            if named {
                command.arg("--out").arg(format!("snapshots/{}", if round == 0 { "whole" } else { "again" }));
                command.arg("--force");
            }
            command
        });
    }
    place.clean().await;
}

#[test]
fn an_import_that_is_killed_leaves_no_half_snapshot_and_the_next_no_trace_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> =
        (0..60_000u32).map(|i| format!("{i} {}", i.wrapping_mul(7919) % 60_000)).collect();
    std::fs::write(dir.path().join("edges.txt"), lines.join("\n")).expect("written");
    killed_all_over(&dir.path().join("snapshots"), &|round| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
        let out = format!("snapshots/{}", if round == 0 { "whole" } else { "again" });
        command.current_dir(dir.path()).args([
            "snapshot",
            "import",
            "--edges",
            "edges.txt",
            "--force",
            "--out",
            &out,
        ]);
        command
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_whose_connections_are_all_cut_goes_on_and_is_the_whole_graph() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options { dir: dir.path().join("servers"), fast: true };
    let guard = Guard::up(&options, &Context::silent()).expect("the servers start");
    let url = guard.running().falkordb_url.expose().to_owned();
    let mut client = Client::connect(&url).await.expect("it answers");
    let made = "UNWIND range(0, 29999) AS i CREATE (a:Person {uid: 'p' + toString(i), name: 'somebody'}), \
                (b:Venue {uid: 'v' + toString(i)}), (a)-[:FOLLOWS {timestamp: i}]->(b), (a)-[:FOLLOWS {timestamp: i}]->(b)";
    all(&mut client, "town", &[made]).await;
    let take = |name: &str| {
        let mut command = sonograph(dir.path(), &url, "town");
        command.args(["snapshot", "take", "--out", name]).spawn().expect("it runs")
    };
    let calm = take("calm").wait_with_output().expect("it ends");
    assert!(calm.status.success(), "{}", said(&calm));

    let mut raw = redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("it answers");
    let child = take("cut");
    let pid = child.id();
    let mut cuts = 0;
    while cuts < 4 && kill(Pid::from_raw(pid.cast_signed()), None::<Signal>).is_ok() {
        let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut raw).expect("a list");
        // It reads once it has named the line it reads over.
        if clients.contains(&format!(" name=sonograph-{pid} ")) {
            redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut raw).expect("all others go");
            cuts += 1;
            std::thread::sleep(Duration::from_millis(60));
        }
    }
    let cut = child.wait_with_output().expect("it ends");
    assert!(cut.status.success(), "{}", said(&cut));
    assert!(
        cuts > 0 && said(&cut).contains("the connection ended: reading the page again"),
        "{}",
        said(&cut)
    );
    let files = |name: &str| whole(&dir.path().join(name)).manifest.files().cloned().collect::<Vec<_>>();
    assert_eq!(files("cut"), files("calm"));
}
