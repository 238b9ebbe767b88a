//! Other people's data, from beginning to end: the published source layouts and two public graphs with known numbers.
//!
//! They lie in the folder that `SONOGRAPH_SHARED` names, outside the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::files;
use crate::program::{done, said, sonograph};
use crate::scratch::Scratch;
use crate::support;

/// A file of the shared folder; `None`, said aloud, where it is not at hand.
fn shared(file: &str) -> Option<PathBuf> {
    let folder = std::env::var("SONOGRAPH_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
    let path = Path::new(&folder).join(file);
    if !path.is_file() {
        eprintln!("SKIPPED: set SONOGRAPH_SHARED to the folder that holds {file}");
        return None;
    }
    Some(path.canonicalize().expect("it is there"))
}

/// Rows of a table that a study wrote with `--format json`.
fn rows(home: &Path, table: &str) -> Vec<Value> {
    let path = home.join(table).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect()
}

/// A value with the same in its column is in exactly one row; that row.
fn row<'r>(rows: &'r [Value], column: &str, value: &str) -> &'r Value {
    let found: Vec<&Value> = rows.iter().filter(|row| row[column] == value).collect();
    assert_eq!(found.len(), 1, "{column} = {value} in {rows:?}");
    found[0]
}

fn close(value: &Value, expected: f64) {
    let value = value.as_f64().expect("a number");
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

fn sum(rows: &[Value], column: &str) -> f64 {
    rows.iter().map(|row| row[column].as_f64().expect("a number")).sum()
}

fn count(rows: &[Value], column: &str) -> i64 {
    rows.iter().map(|row| row[column].as_i64().expect("a count")).sum()
}

/// A graph of one test on the shared server, removed when the test ends.
struct Graph {
    url: String,
    key: String,
}

impl Graph {
    fn new(key: &str) -> Self {
        Self { url: support::url("FALKORDB"), key: format!("test_{key}_{}", std::process::id()) }
    }

    /// Every property of every node, as the server prints it.
    fn properties(&self) -> String {
        let query = "MATCH (n) UNWIND keys(n) AS k WITH n, k ORDER BY n.uid, k RETURN n.uid, k, n[k]";
        let reply: Vec<redis::Value> =
            self.ask(redis::cmd("GRAPH.RO_QUERY").arg(&self.key).arg(query)).expect("the graph answers");
        format!("{:?}", reply[1])
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> redis::RedisResult<T> {
        command.query(&mut redis::Client::open(&*self.url)?.get_connection()?)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // Absent where the test failed before it was made.
        let _ = self.ask::<redis::Value>(redis::cmd("GRAPH.DELETE").arg(&self.key));
        let _ = self.ask::<redis::Value>(redis::cmd("DEL").arg(format!("{}:sonograph", self.key)));
    }
}

#[test]
fn the_published_layouts_go_all_the_way_round_without_a_hand_made_step() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Some(scratch) = runtime.block_on(Scratch::with_layouts()) else { return };
    let graph = Graph::new("loop");
    let home = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| -> Command {
        let mut command = sonograph(home.path(), arguments);
        command.env("SONOGRAPH_POSTGRES_URL", scratch.url()).env("SONOGRAPH_FALKORDB_URL", &graph.url);
        command.env("SONOGRAPH_GRAPH", &graph.key);
        command
    };
    let json_of = |arguments: &[&str]| -> Value {
        serde_json::from_str(&done(run(&[arguments, &["--format", "json"]].concat()))).expect("one object")
    };

    done(run(&["mirror", "apply"]));
    let before = graph.properties();
    done(run(&["snapshot", "take"]));
    done(run(&["snapshot", "verify"]));
    done(run(&["study", "all"]));
    done(run(&["report", "weekly", "--out", "report"]));
    let page = std::fs::read_to_string(home.path().join("report/index.html")).expect("a report");
    assert!(page.contains("Night Shift Presents"), "the report does not know the promoter");

    let planned = json_of(&["writeback", "plan"]);
    done(run(&["writeback", "apply"]));
    let after = json_of(&["writeback", "plan"]);
    assert_eq!((&after["set"], &after["unchanged"]), (&0.into(), &planned["set"]));
    assert_eq!(planned["set"], 26, "every node has scores");
    assert_ne!(graph.properties(), before);
    let history = json_of(&["writeback", "history"]);
    done(run(&["writeback", "undo", history["run"].as_str().expect("a run")]));
    assert_eq!(graph.properties(), before, "undo puts back what was there");
    assert_eq!(
        said(run(&["mirror", "plan", "--format", "table"])).stdout,
        "",
        "scores are none of the mirror's business"
    );

    figures(home.path(), &run);
}

/// What the rows of the layouts come to, counted by hand after the rules of the sources.
fn figures(home: &Path, run: &dyn Fn(&[&str]) -> Command) {
    let ask = |arguments: &[&str]| done(run(&[&["study"], arguments, &["--format", "json"]].concat()));
    let manifest: Value =
        serde_json::from_str(&done(run(&["snapshot", "show", "--format", "json"]))).expect("the manifest");
    assert_eq!((&manifest["node_count"], &manifest["edge_count"]), (&26.into(), &34.into()));
    let tables = |kind: &str, name: &str| manifest[kind][name]["rows"].as_u64();
    let nodes = [
        ("Person", 9),
        ("Venue", 2),
        ("Event", 3),
        ("Organization", 2),
        ("Opportunity", 2),
        ("Content", 1),
        ("Genre", 3),
        ("Visitor", 4),
    ];
    assert_eq!(nodes.map(|(label, _)| tables("nodes", label)), nodes.map(|(_, rows)| Some(rows)));
    // t1, t3, t5 and t7 show interest, t4 and t6 came, t2 shared, t8 follows: a page seen (p1) is no touch.
    assert_eq!(tables("tables", "touchpoints"), Some(8));
    assert_eq!(tables("tables", "claim_events"), Some(7));

    // Low Ceiling: Ana (her device viewed it before she was known, then she clicked), Ben and a visitor whom nobody knows
    // were interested, Ana and Ben came. The two other events have not begun.
    ask(&["conversion"]);
    let promoters = rows(home, "out/conversion/promoters");
    assert_eq!(promoters.len(), 1, "Harbour Touring reached nobody: {promoters:?}");
    let night_shift = row(&promoters, "name", "Night Shift Presents");
    assert_eq!(night_shift["uid"], "ent:3a000000-0000-7000-8000-000000000005");
    assert_eq!((&night_shift["reached"], &night_shift["converted"]), (&3.into(), &2.into()));
    close(&night_shift["rate"], 2.0 / 3.0);
    // Wilson: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.959964.
    assert!((night_shift["rate_low"].as_f64().expect("a number") - 0.207_66).abs() < 1e-5, "{night_shift}");
    assert!((night_shift["rate_high"].as_f64().expect("a number") - 0.938_51).abs() < 1e-5, "{night_shift}");
    // Ana from 9 December 19:00 to 12 December 22:00, Ben from 10 December 09:05 to 12 December 22:30.
    close(&night_shift["median_time_to_convert_s"], f64::midpoint(75.0 * 3600.0, 61.0 * 3600.0 + 1500.0));

    // One event was attended, so no two events share people.
    ask(&["community"]);
    assert_eq!(rows(home, "out/community/coattendance"), Vec::<Value>::new());

    // Ana to Velvet Meridian: both were at Low Ceiling.
    let ana = "touchpoints:sonik_web.users:u-ana";
    let velvet = "ent:3a000000-0000-7000-8000-000000000003";
    ask(&["paths", "--from", ana, "--to", velvet, "-k", "3"]);
    let paths = rows(home, "out/paths/paths");
    assert_eq!(paths.len(), 1, "{paths:?}");
    assert_eq!((&paths[0]["rank"], &paths[0]["hops"]), (&1.into(), &2.into()));
    assert_eq!(paths[0]["names"], json!(["Ana Bello", "Low Ceiling", "Velvet Meridian"]));
    assert_eq!(paths[0]["relations"], json!(["ATTENDED", "PERFORMS_AT"]));

    // Somebody on anon-1 shared the page of event 1, and nobody passed it on.
    ask(&["virality"]);
    let cascades = rows(home, "out/virality/cascades");
    assert_eq!(cascades.len(), 1, "{cascades:?}");
    assert_eq!(
        (&cascades[0]["root"], &cascades[0]["content"]),
        (&"anon:anon-1".into(), &"https://sonik.example/e/1".into())
    );
    assert_eq!((&cascades[0]["size"], &cascades[0]["depth"]), (&1.into(), &0.into()));

    ask(&["influence"]);
    let scores = rows(home, "out/influence/scores");
    assert_eq!(scores.len(), 26);
    assert!((sum(&scores, "influence_pagerank") - 1.0).abs() < 1e-9);
    let ana = row(&scores, "uid", ana);
    // In: identified on anon-1 and anon-2. Out: t3 and t4.
    assert_eq!((&ana["influence_in_degree"], &ana["influence_out_degree"]), (&2.into(), &2.into()), "{ana}");
}

/// Imports a graph, and gives what the families know of its nodes.
fn imported(home: &Path, file: &Path, how: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let file = file.to_str().expect("a plain name");
    let import = ["snapshot", "import", "--edges", file, "--out", "snapshots/graph"];
    done(sonograph(home, &[&import, how].concat()));
    done(sonograph(home, &["snapshot", "verify"]));
    for family in ["influence", "community"] {
        done(sonograph(home, &["study", family, "--format", "json"]));
    }
    (rows(home, "out/influence/scores"), rows(home, "out/community/scores"))
}

/// A fact of the community study that was asked last.
fn fact(home: &Path, name: &str) -> f64 {
    let path = home.join("out/community/findings.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let findings: Value = serde_json::from_str(&text).expect("findings are JSON");
    let facts = findings["facts"].as_array().expect("a list of facts");
    facts.iter().find(|fact| fact["name"] == name).and_then(|fact| fact["value"].as_f64()).expect("a fact")
}

/// Whole numbers are as they must be, others to the digits given.
fn facts(home: &Path, expected: &[(&str, f64)]) {
    for &(name, value) in expected {
        let found = fact(home, name);
        assert!((found - value).abs() < 1e-9, "{name}: {found} instead of {value}");
    }
}

fn components(rows: &[Value]) -> usize {
    let ids: std::collections::BTreeSet<i64> =
        rows.iter().map(|row| row["community_component"].as_i64().expect("an id")).collect();
    ids.len()
}

#[test]
fn the_southern_women_are_eighteen_at_fourteen_events_and_one_company() {
    let Some(file) = shared("datasets/davis_southern_women.csv") else { return };
    let home = tempfile::tempdir().expect("a folder");
    let (scores, communities) = imported(home.path(), &file, &[]);
    assert_eq!(scores.len(), 32);
    assert_eq!(components(&communities), 1);
    assert!((sum(&scores, "influence_pagerank") - 1.0).abs() < 1e-9);
    let with = |column: &str| scores.iter().filter(|row| row[column].as_i64() > Some(0)).count();
    assert_eq!((with("influence_out_degree"), with("influence_in_degree")), (18, 14));
    assert_eq!(count(&scores, "influence_out_degree"), 89);
    // Davis, Gardner & Gardner 1941, figure 3: Evelyn Jefferson was at 8 events, 14 women were at the eighth.
    assert_eq!(row(&scores, "uid", "Evelyn Jefferson")["influence_out_degree"], 8);
    assert_eq!(row(&scores, "uid", "E8")["influence_in_degree"], 14);
    let pairs = rows(home.path(), "out/community/coattendance");
    let pair = |event: &str, other: &str| {
        pairs.iter().find(|row| row["event"] == event && row["other"] == other).expect("they share people")
    };
    let eight = pair("E8", "E9");
    assert_eq!((&eight["both"], &eight["n_event"], &eight["n_other"]), (&9.into(), &14.into(), &12.into()));
    close(&eight["share"], 9.0 / 14.0);
    close(&eight["lift"], 9.0 * 18.0 / (14.0 * 12.0));
    assert_eq!(pair("E9", "E8")["both"], 9);
}

#[test]
fn the_circles_of_facebook_are_4039_people_88234_friendships_and_one_component() {
    let Some(file) = shared("datasets/facebook_combined.txt.gz") else { return };
    let home = tempfile::tempdir().expect("a folder");
    let (scores, communities) = imported(home.path(), &file, &["--undirected"]);
    let manifest: Value =
        serde_json::from_str(&done(sonograph(home.path(), &["snapshot", "show", "--format", "json"])))
            .expect("the manifest");
    assert_eq!((&manifest["node_count"], &manifest["edge_count"]), (&4039.into(), &88_234.into()));
    assert_eq!(manifest["undirected"], true);
    assert_eq!((scores.len(), components(&communities)), (4039, 1));
    assert!((sum(&scores, "influence_pagerank") - 1.0).abs() < 1e-9);
    // Every friendship counts at both ends; user 107 has the most friends.
    assert_eq!(count(&scores, "influence_in_degree"), 2 * 88_234);
    assert_eq!(row(&scores, "uid", "107")["influence_in_degree"], 1045);
    let most = scores.iter().filter_map(|row| row["influence_in_degree"].as_i64()).max();
    assert_eq!(most, Some(1045));
    // The four highest of this graph by PageRank with damping 0.85, in order.
    let mut by_rank: Vec<&Value> = scores.iter().collect();
    by_rank.sort_by(|a, b| {
        let of = |row: &Value| row["influence_pagerank"].as_f64().expect("a number");
        of(b).total_cmp(&of(a))
    });
    let top: Vec<&str> = by_rank.iter().take(4).filter_map(|row| row["uid"].as_str()).collect();
    assert_eq!(top, ["3437", "107", "1684", "0"]);
    // Triangles and mean clustering as SNAP tells them (1,612,010 and 0.6055), the rest by NetworkX's definitions.
    facts(
        home.path(),
        &[
            ("triangles", 1_612_010.0),
            ("clustering_average", 0.605_546_718_620_087_6),
            ("transitivity", 0.519_174_277_543_307_5),
            ("bridges", 75.0),
            ("articulation_points", 11.0),
        ],
    );
    assert!(files::all(home.path()).keys().all(|name| !name.contains(".partial")));
}

#[test]
fn the_mails_of_an_institute_are_one_large_component_and_803_who_reach_each_other() {
    let Some(file) = shared("datasets/email-Eu-core.txt.gz") else { return };
    let home = tempfile::tempdir().expect("a folder");
    let (_, communities) = imported(home.path(), &file, &[]);
    assert_eq!(communities.len(), 1005);
    // Sizes, triangles and, of the undirected graph, mean clustering as SNAP tells them (986, 803, 105,461, 0.3994).
    facts(
        home.path(),
        &[
            ("component_largest", 986.0),
            ("strong_components", 203.0),
            ("strong_component_largest", 803.0),
            ("triangles", 105_461.0),
            ("clustering_average", 0.345_588_039_763_123_13),
            ("bridges", 82.0),
            ("articulation_points", 73.0),
        ],
    );
    done(sonograph(
        home.path(),
        &["study", "community", "--undirected", "--metrics", "triangles,clustering"],
    ));
    facts(
        home.path(),
        &[
            ("triangles", 105_461.0),
            ("clustering_average", 0.399_354_966_422_153_9),
            ("transitivity", 0.267_392_428_770_402_04),
        ],
    );
}
