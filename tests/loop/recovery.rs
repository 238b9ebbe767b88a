//! `FalkorDB` is killed in the middle of a command and started again: the command says so with exit code 3, nothing
//! half-written passes for whole, and the same command again completes the work.

use std::collections::BTreeMap;
use std::process::{Child, Command};

use redis::Connection;
use serde_json::Value;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};

use crate::files::{self, Files};
use crate::program::{Said, done, ended, said, sonograph};
use crate::servers::{kill_hard, running, status, wait_for};

/// Durable servers of a test's own with a city in them, gone when the test ends, however it ends.
struct City {
    /// Its watchdog looks after what is started again in the folder later, too. Dropped before the folder, which it needs.
    _guard: Guard,
    home: tempfile::TempDir,
    urls: BTreeMap<String, String>,
}

impl City {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let options = Options { dir: home.path().join("servers"), fast: false };
        let guard = Guard::up(&options, &Context::silent()).expect("the servers start");
        let mut city = Self { _guard: guard, home, urls: BTreeMap::new() };
        city.up();
        done(city.command(&["synth", "city", "--people", "1500", "--seed", "7", "--to", "sources"]));
        city
    }

    /// Starts what does not run, and learns where it is.
    fn up(&mut self) {
        let text = done(sonograph(self.home.path(), &["services", "up", "--dir", "servers"]));
        let assignments = text.lines().filter_map(|line| line.split_once('='));
        self.urls = assignments.map(|(name, url)| (name.into(), url.trim_matches('\'').into())).collect();
        assert_eq!(self.urls.len(), 2, "{text}");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sonograph(self.home.path(), arguments);
        command.envs(&self.urls);
        command
    }

    /// The same on another graph of the same server.
    fn on_graph(&self, graph: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("SONOGRAPH_GRAPH", graph);
        command
    }

    fn connect(&self) -> Connection {
        let client = redis::Client::open(&*self.urls["SONOGRAPH_FALKORDB_URL"]).expect("a URL");
        client.get_connection().expect("the server answers")
    }

    /// Starts a command, kills `FalkorDB` as soon as it is in the middle, and starts that again.
    fn broken_off(&mut self, arguments: &[&str], middle: impl FnMut(&mut Connection) -> bool) -> Said {
        self.try_to_break_off(arguments, middle).unwrap_or_else(|said| panic!("it was too late: {said:#?}"))
    }

    /// `Err`: the command was over before the server was.
    fn try_to_break_off(
        &mut self,
        arguments: &[&str],
        mut middle: impl FnMut(&mut Connection) -> bool,
    ) -> Result<Said, Said> {
        let servers = running(self.home.path(), "servers");
        let falkordb = servers.iter().find(|server| server.name == "FalkorDB").expect("it runs");
        let mut connection = self.connect();
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let is_over = |child: &mut Child| child.try_wait().expect("it is our child").is_some();
        wait_for("the middle of the command", || {
            (middle(&mut connection) || is_over(&mut child)).then_some(())
        });
        kill_hard(falkordb.pid.expect("it runs"));
        let said = ended(child);
        let conditions: Vec<String> =
            status(self.home.path(), "servers").into_iter().map(|server| server.condition).collect();
        assert_eq!(conditions, ["crashed", "running"]);
        self.up();
        if said.code == 0 { Err(said) } else { Ok(said) }
    }

    /// Node and edge tables of a snapshot that is whole.
    fn graph_of(&self, snapshot: &str) -> Files {
        done(self.command(&["snapshot", "verify", snapshot]));
        files::below(&files::all(&self.home.path().join(snapshot)), &["nodes/", "edges/"])
    }

    fn snapshots(&self) -> String {
        done(self.command(&["snapshot", "list", "--format", "json"]))
    }
}

fn count(connection: &mut Connection, query: &str) -> i64 {
    let reply: redis::RedisResult<Vec<redis::Value>> =
        redis::cmd("GRAPH.RO_QUERY").arg("business").arg(query).query(connection);
    // There is no graph before the first write.
    let Ok(reply) = reply else { return 0 };
    let (_, rows, _): (redis::Value, Vec<(i64,)>, redis::Value) =
        redis::from_redis_value(redis::Value::Array(reply)).expect("one number");
    rows[0].0
}

/// How many queries the server was asked since it started.
fn queries(connection: &mut Connection) -> u64 {
    let text: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("it answers");
    let of_graphs = text.lines().filter(|line| line.starts_with("cmdstat_graph."));
    of_graphs.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok()).sum()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Everything a plan of the mirror would create, change or remove.
fn planned(city: &City) -> u64 {
    let plan = json(&done(city.command(&["mirror", "plan", "--format", "json"])));
    let of =
        |kind: &str| plan[kind].as_object().expect("counts by name").values().cloned().collect::<Vec<_>>();
    let counts = of("nodes").into_iter().chain(of("edges"));
    counts
        .flat_map(|counts| {
            ["create", "update", "delete"].map(|change| counts[change].as_u64().expect("a count"))
        })
        .sum()
}

#[test]
fn a_mirror_whose_server_dies_is_completed_by_the_same_command_and_half_of_it_is_never_frozen() {
    let mut city = City::new();
    done(city.on_graph("undisturbed", &["mirror", "apply"]));
    done(city.on_graph("undisturbed", &["snapshot", "take", "--out", "undisturbed"]));
    let whole = planned(&city);
    assert!(whole > 0);

    // Once among the nodes, and once more among the edges of what was left.
    let middles = ["MATCH (n) RETURN count(n)", "MATCH ()-[e:ATTENDED]->() RETURN count(e)"];
    for middle in middles {
        let broken = city.broken_off(&["mirror", "apply"], |connection| count(connection, middle) > 0);
        broken.is_an_error_with_a_hint(3);
        assert!(broken.stderr.contains("FalkorDB") && broken.stdout.is_empty(), "{broken:#?}");
        assert!(planned(&city) > 0, "it was over already");

        let refused = said(city.command(&["snapshot", "take"]));
        refused.is_an_error_with_a_hint(3);
        assert!(refused.stderr.contains("did not come to its end"), "{refused:#?}");
        assert!(refused.stderr.contains("sonograph mirror apply"), "{refused:#?}");
        assert_eq!(city.snapshots(), "");
    }
    done(city.command(&["mirror", "apply"]));
    assert_eq!(planned(&city), 0);
    done(city.command(&["snapshot", "take", "--out", "completed"]));
    files::are_the_same(&city.graph_of("undisturbed"), &city.graph_of("completed"));
}

#[test]
fn a_snapshot_whose_server_dies_leaves_none_and_the_same_command_takes_it() {
    let mut city = City::new();
    done(city.command(&["mirror", "apply"]));
    let before = queries(&mut city.connect());
    done(city.command(&["snapshot", "take", "--out", "undisturbed"]));
    let needed = queries(&mut city.connect()) - before;

    // The graph is read in a moment, so the middle may be missed: then earlier.
    let take = ["snapshot", "take", "--out", "snapshots/monday"];
    let broken_off = [2, 4, 8, needed].into_iter().find_map(|part| {
        let from = queries(&mut city.connect());
        let said = city.try_to_break_off(&take, |connection| queries(connection) >= from + needed / part);
        if said.is_err() {
            std::fs::remove_dir_all(city.home.path().join("snapshots")).expect("removed");
        }
        said.ok()
    });
    let broken = broken_off.expect("one of the moments is before the end");
    broken.is_an_error_with_a_hint(3);
    assert!(broken.stderr.contains("lost FalkorDB") && broken.stdout.is_empty(), "{broken:#?}");
    assert_eq!(city.snapshots(), "");
    assert_eq!(said(city.command(&["snapshot", "verify"])).code, 2, "there is no latest one");

    done(city.command(&take));
    assert_eq!(city.snapshots().lines().count(), 1);
    files::are_the_same(&city.graph_of("undisturbed"), &city.graph_of("snapshots/monday"));
}

#[test]
fn a_write_back_whose_server_dies_is_completed_by_the_same_command_and_can_be_undone() {
    let mut city = City::new();
    done(city.command(&["mirror", "apply"]));
    done(city.command(&["snapshot", "take", "--out", "snapshots/before"]));
    done(city.command(&["study", "all"]));
    let planned = |city: &City| json(&done(city.command(&["writeback", "plan", "--format", "json"])));
    let whole = planned(&city);

    let scored = "MATCH (n) WHERE n.score_run IS NOT NULL RETURN count(n)";
    let apply = ["writeback", "apply"];
    let broken = city.broken_off(&apply, |connection| count(connection, scored) > 0);
    broken.is_an_error_with_a_hint(3);
    assert!(broken.stderr.contains("lost FalkorDB") && broken.stdout.is_empty(), "{broken:#?}");
    let half = count(&mut city.connect(), scored);
    assert!(half > 0 && half < whole["set"].as_i64().expect("a count"), "{half} of {whole}");
    assert!(planned(&city)["set"].as_i64() > Some(0), "half of it passes for whole");
    let frozen = said(city.command(&["snapshot", "take", "--out", "snapshots/half"]));
    assert_eq!(frozen.code, 0, "{frozen:#?}");
    assert!(frozen.stderr.contains("did not come to its end: some nodes hold its scores"), "{frozen:#?}");
    let manifest = std::fs::read_to_string(city.home.path().join("snapshots/half/manifest.json"));
    assert!(manifest.expect("a manifest").contains("unfinished_scores"));
    let doctor = said(city.command(&["doctor", "--format", "json"]));
    assert!(doctor.code == 3 && doctor.stdout.contains("last write-back run"), "{doctor:#?}");

    done(city.command(&apply));
    let whole_again = said(city.command(&["snapshot", "take", "--out", "snapshots/scored"]));
    assert!(!whole_again.stderr.contains("write-back"), "{whole_again:#?}");
    let after = planned(&city);
    assert_eq!((&after["set"], &after["unchanged"]), (&0.into(), &whole["set"]), "{after}");

    let history = done(city.command(&["writeback", "history", "--format", "json"]));
    assert_eq!(history.lines().count(), 1, "both halves are one run: {history}");
    let run = json(&history);
    assert_eq!(run["state"], "verified");
    done(city.command(&["writeback", "undo", run["run"].as_str().expect("a run")]));
    done(city.command(&["snapshot", "take", "--out", "snapshots/undone"]));
    files::are_the_same(&city.graph_of("snapshots/before"), &city.graph_of("snapshots/undone"));
}
