//! `snapshot take --incremental`: what it takes over is what a full reading gives, and what it cannot prove it reads.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use sonograph::context::Context;
use sonograph::services::{self, Options, Running};
use sonograph::snapshot::{Manifest, Run};
use sonograph::sources::falkordb::Client;
use sonograph::sources::synthetic::{LoadOptions, generate, load};

use crate::consistency::Server;
use crate::support::graph::all;
use crate::take::{run, said, sonograph, whole};

async fn town(url: &str) {
    let mut client = Client::connect(url).await.expect("it answers");
    let made = "UNWIND range(0, 999) AS i CREATE (a:Person {uid: 'p' + toString(i), name: 'somebody'}), \
                (b:Venue:Bar {uid: 'v' + toString(i), node: i}), (a)-[:FOLLOWS {timestamp: i}]->(b), \
                (a)-[:FOLLOWS {timestamp: i}]->(b), (b)-[:NEAR {weight: 0.5}]->(a)";
    all(&mut client, "town", &[made]).await;
}

fn query(server: &mut redis::Connection, cypher: &str) {
    redis::cmd("GRAPH.QUERY").arg("town").arg(cypher).exec(server).expect("it runs");
}

/// How a take of a snapshot came about: by table, and why.
fn told(dir: &Path) -> Value {
    Run::read(dir).expect("a run").positions["incremental"].clone()
}

fn is_taken_over(dir: &Path) -> bool {
    let told = told(dir);
    let tables = told["tables"].as_object().expect("by table");
    let of_graph = |place: &str| {
        place.starts_with("nodes/") || place.starts_with("edges/") || place == "tables/falkordb_ids"
    };
    let how: Vec<&Value> = tables.iter().filter(|(place, _)| of_graph(place)).map(|(_, how)| how).collect();
    assert!(how.len() > 3 && how.windows(2).all(|two| two[0] == two[1]), "{told}");
    how[0] == "taken over"
}

/// Every file of two snapshots is the same to the byte, but for the record of the run.
fn same(a: &Path, b: &Path) {
    let manifest = Manifest::read(a).expect("a manifest");
    let files = manifest.files().map(|file| file.file.clone()).chain(["manifest.json".to_owned()]);
    for file in files {
        let bytes = |dir: &Path| std::fs::read(dir.join(&file)).expect("it is there");
        assert!(bytes(a) == bytes(b), "{file} of {} and {}", a.display(), b.display());
    }
    whole(a);
}

/// Takes the graph of a server twice, incrementally and in full, which has to come to the same; what the first said.
fn both(server: &Server, name: &str) -> (PathBuf, String) {
    let (whole, again) = (format!("full/{name}"), format!("snapshots/{name}"));
    let taken = server.take(&["--incremental", "--out", &again]);
    assert!(taken.status.success(), "{name}: {}", said(&taken));
    let full = server.take(&["--out", &whole]);
    assert!(full.status.success(), "{name}: {}", said(&full));
    same(&server.at(&again), &server.at(&whole));
    (server.at(&again), said(&taken))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_nobody_wrote_to_is_taken_over_and_one_that_anybody_wrote_to_is_read() {
    let server = Server::up();
    town(server.url()).await;
    let (first, words) = both(&server, "0");
    assert!(!is_taken_over(&first) && words.contains("there is no snapshot of graph `town`"), "{words}");
    assert_eq!(told(&first)["against"], Value::Null);

    let (again, words) = both(&server, "1");
    assert!(is_taken_over(&again), "{words}");
    let expected = "took over from `0`, because the server was not written to since: nodes/Person, nodes/Venue, \
                    edges/FOLLOWS, edges/NEAR, tables/falkordb_ids";
    assert!(words.contains(expected) && words.contains("left out the property `node`"), "{words}");
    let positions = Run::read(&again).expect("a run").positions;
    assert_eq!(
        (&positions["falkordb"]["pages"], &positions["falkordb"]["writes_meanwhile"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        (&told(&again)["against"], &told(&again)["tables"]["nodes/Person"]),
        (&"0".into(), &"taken over".into())
    );
    // Memory is read, and means the nodes that are taken over.
    let memory =
        "UNWIND ['Nobody', 'somebody'] AS name CREATE (:Entity {id: name, name: name, type: 'Entity'})";
    redis::cmd("GRAPH.QUERY").arg("cognee").arg(memory).exec(&mut server.raw()).expect("it runs");
    // The first is of a server that was just written to.
    for (out, incremental) in [
        ("snapshots/before-memory", None),
        ("snapshots/memory", Some("--incremental")),
        ("full/memory", None),
    ] {
        let flags: Vec<&str> = ["--memory", "cognee", "--out", out].into_iter().chain(incremental).collect();
        let taken = server.take(&flags);
        assert!(taken.status.success(), "{}", said(&taken));
    }
    let dir = server.at("snapshots/memory");
    same(&dir, &server.at("full/memory"));
    assert!(is_taken_over(&dir) && told(&dir)["tables"]["memory/cognee"] == "read", "{}", told(&dir));
    assert!(Manifest::read(&dir).expect("a manifest").memory["cognee"].mentions.rows > 0);

    // What was taken over is as good a base as what was read, and stands without it.
    std::fs::remove_dir_all(&first).expect("it goes");
    assert!(is_taken_over(&both(&server, "2").0));

    let mut raw = server.raw();
    let writes = [
        ("set-by-hand", "MATCH (n:Person {uid: 'p7'}) SET n.name = 'somebody else'"),
        ("set-on-an-edge", "MATCH (:Person {uid: 'p7'})-[e:FOLLOWS]->() SET e.timestamp = 3"),
        (
            "as-many-edges",
            "MATCH (a:Person {uid: 'p7'})-[e:FOLLOWS]->() DELETE e WITH a, count(e) AS n MATCH (b:Venue {uid: 'v9'}) \
                           UNWIND range(1, n) AS i CREATE (a)-[:FOLLOWS {timestamp: 5}]->(b)",
        ),
        ("edges-added", "MATCH (a:Person {uid: 'p1'}), (b:Person {uid: 'p2'}) CREATE (a)-[:KNOWS]->(b)"),
        ("edges-deleted", "MATCH ()-[e:KNOWS]->() DELETE e"),
        ("labelled", "MATCH (n:Person {uid: 'p3'}) SET n:Artist"),
    ];
    for (name, write) in writes {
        query(&mut raw, write);
        let (dir, words) = both(&server, name);
        assert!(!is_taken_over(&dir) && words.contains("was written to 1 times since"), "{name}: {words}");
        let (dir, words) = both(&server, &format!("{name}-again"));
        assert!(is_taken_over(&dir), "{name}: {words}");
    }

    // Other nodes of the same label get the ids of those that go: no count moves.
    let ids = |dir: &Path| std::fs::read(dir.join("tables/falkordb_ids.parquet")).expect("it is there");
    let before = ids(&server.at("snapshots/labelled"));
    query(&mut raw, "MATCH (n:Venue) WHERE n.uid IN ['v1', 'v2', 'v3'] DELETE n");
    query(
        &mut raw,
        "CREATE (:Venue:Bar {uid: 'w3', node: 1}), (:Venue:Bar {uid: 'a', node: 1}), (:Venue:Bar {uid: 'w', node: 1})",
    );
    let (dir, words) = both(&server, "reused");
    assert!(!is_taken_over(&dir) && words.contains("written to 2 times"), "{words}");
    assert_ne!(ids(&dir), before);

    // A write to another key is a write, too; so is one that sets what stood there already none.
    query(&mut raw, "MATCH (n:Person {uid: 'p7'}) SET n.name = 'somebody else'");
    assert!(is_taken_over(&both(&server, "set-the-same").0));
    redis::cmd("SET").arg("somebody").arg("else").exec(&mut raw).expect("set");
    assert!(!is_taken_over(&both(&server, "another-key").0));

    // A save begins the count anew, and here nothing else tells.
    redis::cmd("SAVE").exec(&mut raw).expect("saved");
    let (dir, words) = both(&server, "saved");
    assert!(!is_taken_over(&dir) && words.contains("saved its data since"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_the_base_is_refused_where_it_was_named_and_passed_over_aloud_where_not() {
    let server = Server::up();
    town(server.url()).await;
    let all_of = |output: &Output, why: &str| {
        assert!(output.status.success(), "{}", said(output));
        let words = said(output);
        assert!(words.contains("reading all of graph `town`") && words.contains(why), "{why}: {words}");
    };
    let base = server.take(&["--out", "base"]);
    assert!(base.status.success(), "{}", said(&base));
    let against = |name: &str, out: &str| server.take(&["--incremental", "--against", name, "--out", out]);
    assert!(against("base", "named").status.success());
    assert!(is_taken_over(&server.at("named")));

    // Damaged: one byte of one file, and each of them.
    for (at, file) in
        ["nodes/Person.parquet", "edges/NEAR.parquet", "tables/falkordb_ids.parquet"].iter().enumerate()
    {
        let path = server.at("base").join(file);
        let good = std::fs::read(&path).expect("it is there");
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        std::fs::write(&path, bad).expect("written");
        let out = format!("damaged-{at}");
        all_of(&against("base", &out), &format!("it is damaged: {file}: has the SHA-256"));
        same(&server.at(&out), &server.at("named"));
        std::fs::write(&path, good).expect("written");
    }

    // Without the record of its run, and of another version.
    let of_run = std::fs::read(server.at("base/run.json")).expect("it is there");
    std::fs::remove_file(server.at("base/run.json")).expect("it goes");
    all_of(&against("base", "no-run"), "it has no run.json");
    std::fs::write(server.at("base/run.json"), of_run).expect("written");
    let manifest = std::fs::read_to_string(server.at("base/manifest.json")).expect("it is there");
    let other = |from: &str, to: &str| {
        assert!(manifest.contains(from), "{manifest}");
        std::fs::write(server.at("base/manifest.json"), manifest.replace(from, to)).expect("written");
    };
    other(&format!("\"tool_version\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"tool_version\": \"0.0.1\"");
    all_of(&against("base", "other-version"), "it was taken by version 0.0.1");
    other("\"Person\": 1000", "\"Person\": 999");
    all_of(&against("base", "other-counts"), "counts other nodes or edges");
    other("\"schema_version\": 1", "\"schema_version\": 2");
    assert_eq!(against("base", "other-layout").status.code(), Some(2));
    other("\"graph\": \"town\"", "\"graph\": \"village\"");
    let refused = against("base", "other-graph");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("it is of graph `village`"), "{}", said(&refused));
    other("town", "town");
    assert_eq!(against("nowhere", "nothing").status.code(), Some(2));
    assert_eq!(
        server.take(&["--against", "base", "--out", "alone"]).status.code(),
        Some(2),
        "without --incremental"
    );

    // Somebody who is not told how far the server was written to.
    let mut raw = server.raw();
    let user = [
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">only-reads",
        "~town",
        "-@all",
        "+graph.ro_query",
        "+graph.explain",
    ];
    redis::cmd(user[0]).arg(&user[1..]).exec(&mut raw).expect("a user");
    let mut reader = url::Url::parse(server.url()).expect("a URL");
    reader.set_username("reader").expect("a name");
    reader.set_password(Some("only-reads")).expect("a password");
    let mut command = sonograph(&server.at("."), reader.as_str(), "town");
    let untold =
        command.args(["snapshot", "take", "--incremental", "--against", "base", "--out", "untold"]).output();
    all_of(&untold.expect("it runs"), "`+info`");
    assert_eq!(
        server.take(&["--incremental", "--against", "untold", "--out", "of-untold"]).status.code(),
        Some(0)
    );
    assert!(!is_taken_over(&server.at("of-untold")));

    // A copy is a write, and none is made of what is as it was; a primary is no replica for all that.
    let copy = ["--incremental", "--against", "base", "--consistency", "copy", "--out", "no-copy"];
    let kept = server.take(&copy);
    assert!(kept.status.success() && !said(&kept).contains("copying graph"), "{}", said(&kept));
    let replica =
        server.take(&["--incremental", "--against", "base", "--consistency", "replica", "--out", "r"]);
    assert_eq!(replica.status.code(), Some(2), "{}", said(&replica));
    let copied = server.take(&["--consistency", "copy", "--yes", "--out", "copied"]);
    assert!(copied.status.success(), "{}", said(&copied));
    all_of(&against("copied", "of-copied"), "it is of a copy");
    all_of(&against("base", "after-the-copy"), "times since");
    same(&server.at("after-the-copy"), &server.at("named"));
}

/// Servers that keep what they are told, and can be started again.
struct Kept {
    dir: tempfile::TempDir,
    running: Running,
}

impl Kept {
    fn options(dir: &Path) -> Options {
        Options { dir: dir.join("servers"), fast: false }
    }

    fn up() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let running =
            services::up(&Self::options(dir.path()), &Context::silent()).expect("the servers start");
        Self { dir, running }
    }

    fn restart(&mut self) {
        services::down(&self.dir.path().join("servers")).expect("they stop");
        self.running =
            services::up(&Self::options(self.dir.path()), &Context::silent()).expect("they start again");
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = sonograph(self.dir.path(), self.running.falkordb_url.expose(), "town");
        command.env("SONOGRAPH_POSTGRES_URL", self.running.postgres_url.expose()).args(args);
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        said(&output)
    }

    /// Incrementally and in full; whether the graph was taken over, and what was said.
    fn both(&self, name: &str) -> (bool, String) {
        let (again, full) = (format!("snapshots/{name}"), format!("full/{name}"));
        let words = self.run(&["snapshot", "take", "--incremental", "--out", &again]);
        self.run(&["snapshot", "take", "--out", &full]);
        let dir = self.dir.path();
        same(&dir.join(&again), &dir.join(&full));
        (is_taken_over(&dir.join(&again)), words)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = services::down(&self.dir.path().join("servers"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_and_writeback_have_the_graph_read_and_the_sources_are_read_whatever_it_is() {
    let mut servers = Kept::up();
    let postgres = servers.running.postgres_url.expose().to_owned();
    let cx = Context::silent();
    let city = generate(60, 3, &cx).expect("a city");
    load(&city, &postgres, LoadOptions::default(), &cx).await.expect("loaded");
    servers.run(&["mirror", "apply"]);
    assert!(!servers.both("first").0);
    let (is_taken_over, words) = servers.both("calm");
    assert!(is_taken_over && words.contains("read: tables/claim_events, tables/touchpoints"), "{words}");

    // What the sources hold is read each time, and a graph that is as it was is not.
    run(
        &postgres,
        "DELETE FROM sonik_web.event_viewed WHERE id IN (SELECT id FROM sonik_web.event_viewed LIMIT 3)",
    )
    .await;
    assert!(servers.both("sources").0);
    let touches = |name: &str| {
        let manifest = Manifest::read(&servers.dir.path().join("snapshots").join(name)).expect("a manifest");
        manifest.tables["touchpoints"].sha256.clone()
    };
    assert_ne!(touches("sources"), touches("calm"));
    servers.run(&["mirror", "apply"]);
    let (is_taken_over, words) = servers.both("mirrored");
    assert!(!is_taken_over && words.contains("times since"), "{words}");

    servers.run(&["study", "influence", "--metrics", "pagerank,degree"]);
    servers.run(&["writeback", "apply"]);
    let (is_taken_over, words) = servers.both("scored");
    assert!(!is_taken_over && words.contains("times since"), "{words}");

    // Its file tells where a save began the count anew; another start of the server nobody can look behind.
    let mut raw = redis::Client::open(servers.running.falkordb_url.expose())
        .expect("a URL")
        .get_connection()
        .expect("it answers");
    redis::cmd("SAVE").exec(&mut raw).expect("saved");
    assert!(servers.both("saved").0);
    query(&mut raw, "MATCH (n:Person) WITH n LIMIT 1 SET n.name = n.name + '.'");
    redis::cmd("SAVE").exec(&mut raw).expect("saved");
    assert!(!servers.both("set-and-saved").0);
    drop(raw);
    servers.restart();
    let began = Instant::now();
    while let Err(error) = Client::connect(servers.running.falkordb_url.expose()).await {
        assert!(began.elapsed() < Duration::from_mins(1), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (is_taken_over, words) = servers.both("restarted");
    assert!(!is_taken_over && words.contains("was started again"), "{words}");
    assert!(servers.both("restarted-again").0);
}
