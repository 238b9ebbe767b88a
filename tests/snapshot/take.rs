//! `snapshot take` from real servers: whole, the same again, refused where the graph is a mixture, and clear about a
//! server that goes away in the middle.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sonograph::context::Context;
use sonograph::mirror;
use sonograph::services::{self, Options};
use sonograph::snapshot::{Snapshot, read, verify};
use sonograph::sources::falkordb::marker::{self, Marker, Progress};
use sonograph::sources::falkordb::{Client, Params};
use sonograph::sources::synthetic::{LoadOptions, generate, load};
use sonograph::sources::{Databases, SourceOptions, companions, read_facts};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{graphs, support};

/// A graph and a database of a test's own on the servers that `scripts/test` starts.
pub struct Place {
    pub falkordb: String,
    pub graph: String,
    postgres: url::Url,
    database: String,
}

impl Place {
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("take_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let postgres = url::Url::parse(&support::url("POSTGRES")).expect("a URL");
        run(postgres.as_str(), &format!("CREATE DATABASE {name}")).await;
        Self { falkordb: support::url("FALKORDB"), graph: name.clone(), postgres, database: name }
    }

    pub fn postgres(&self) -> String {
        let mut url = self.postgres.clone();
        url.set_path(&self.database);
        url.into()
    }

    /// Runs `sonograph snapshot take` in `dir`.
    pub fn take(&self, dir: &Path, args: &[&str]) -> Output {
        let mut command = sonograph(dir, &self.falkordb, &self.graph);
        command.env("SONOGRAPH_POSTGRES_URL", self.postgres()).args(["snapshot", "take"]).args(args);
        command.output().expect("it runs")
    }

    pub async fn clean(self) {
        let mut client = Client::connect(&self.falkordb).await.expect("the server answers");
        if client.exists(&self.graph).await.expect("the key can be looked at") {
            client.delete_graph(&self.graph).await.expect("the graph goes");
        }
        let mut raw =
            redis::Client::open(self.falkordb.as_str()).expect("a URL").get_connection().expect("it answers");
        redis::cmd("DEL").arg(format!("{}:sonograph", self.graph)).exec(&mut raw).expect("the mark goes");
        run(self.postgres.as_str(), &format!("DROP DATABASE {} WITH (FORCE)", self.database)).await;
    }
}

pub async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

pub fn sonograph(dir: &Path, falkordb: &str, graph: &str) -> Command {
    let config = dir.join("sonograph.toml");
    std::fs::write(config, format!("[falkordb]\ngraph = \"{graph}\"\n")).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env("NO_COLOR", "1").env("SONOGRAPH_FALKORDB_URL", falkordb);
    command.env_remove("SONOGRAPH_POSTGRES_URL").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

pub fn whole(dir: &Path) -> Snapshot {
    assert_eq!(verify(dir, &Context::silent()).expect("a snapshot").problems, vec![]);
    read(dir).expect("read")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mirrored_is_what_is_frozen_the_same_every_time() {
    let place = Place::new().await;
    let cx = Context::silent();
    let city = generate(60, 3, &cx).expect("a city");
    load(&city, &place.postgres(), LoadOptions::default(), &cx).await.expect("loaded");
    let facts =
        read_facts(&Databases::one(&place.postgres()), &SourceOptions::default(), &cx).await.expect("read");
    let resolved = mirror::resolve(&facts, &mirror::ResolveOptions::default()).expect("resolved");
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    let empty = mirror::Current::default();
    let plan = mirror::plan(&resolved, &empty).expect("planned");
    mirror::apply(&mut client, &place.graph, &plan, &cx).await.expect("applied");

    let dir = tempfile::tempdir().expect("a folder");
    let taken = place.take(dir.path(), &["--out", "a"]);
    assert!(taken.status.success(), "{}", said(&taken));
    assert_eq!(String::from_utf8_lossy(&taken.stdout), "a\n");
    let frozen = whole(&dir.path().join("a"));
    let mut expected = resolved.to_tables().expect("tables");
    expected.companions.extend(companions(&facts).expect("they read"));
    let mut found = frozen.tables.clone();
    assert!(found.companions.remove("falkordb_ids").is_some(), "internal ids are kept for write-back");
    assert!(graphs::same(&found, &expected), "a snapshot is what resolving says, byte for byte");
    let systems: Vec<&str> = frozen.manifest.sources.iter().map(|s| s.system.as_str()).collect();
    assert_eq!(systems, ["falkordb", "postgres"]);
    let manifest = std::fs::read_to_string(dir.path().join("a/manifest.json")).expect("a manifest");
    for secret in
        [place.falkordb.as_str(), place.postgres.as_str(), place.postgres.password().unwrap_or("postgres://")]
    {
        assert!(!manifest.contains(secret), "an address or a secret stands in the manifest");
    }

    // Without --out the folder is named by the time; the content is the same.
    let again = place.take(dir.path(), &[]);
    assert!(again.status.success(), "{}", said(&again));
    let named = String::from_utf8(again.stdout).expect("text");
    let named = named.trim_end();
    assert!(
        named.starts_with("snapshots/2")
            && named.ends_with('Z')
            && named.len() == "snapshots/20261122T202844Z".len(),
        "{named}"
    );
    let files = |s: &Snapshot| s.manifest.files().cloned().collect::<Vec<_>>();
    assert_eq!(files(&whole(&dir.path().join(named))), files(&frozen));
    let occupied = place.take(dir.path(), &["--out", "a"]);
    assert_eq!(occupied.status.code(), Some(2));
    assert!(said(&occupied).contains("`a` is a snapshot already") && said(&occupied).contains("--force"));
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_whose_mirror_run_broke_off_is_not_frozen() {
    let place = Place::new().await;
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    client.query(&place.graph, "CREATE (:Person {uid: 'p'})", &Params::new()).await.expect("made");
    let mark = |progress| Marker { generation: 1, progress };
    marker::write(&mut client, &place.graph, mark(Progress::Running)).await.expect("marked");
    let dir = tempfile::tempdir().expect("a folder");
    let refused = place.take(dir.path(), &["--out", "s"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(said(&refused).contains("did not come to its end"), "{}", said(&refused));
    assert!(said(&refused).contains("hint: `sonograph mirror apply`"), "{}", said(&refused));
    assert!(!dir.path().join("s").exists());

    // Complete, but the database holds no layout: nothing half-taken is left.
    marker::write(&mut client, &place.graph, mark(Progress::Complete)).await.expect("marked");
    let refused = place.take(dir.path(), &["--out", "s"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(!dir.path().join("s").exists() && !dir.path().join("s.partial").exists());

    // Without a database: the graph alone, and that is said.
    let mut command = sonograph(dir.path(), &place.falkordb, &place.graph);
    let alone = command.args(["snapshot", "take", "--out", "s"]).output().expect("it runs");
    assert!(alone.status.success(), "{}", said(&alone));
    assert!(said(&alone).contains("holds no touchpoints"), "{}", said(&alone));
    assert_eq!(whole(&dir.path().join("s")).tables.node_count(), 1);
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_read_the_mark_of_a_half_written_graph_is_told_and_so_is_the_manifest() {
    let place = Place::new().await;
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    client.query(&place.graph, "CREATE (:Person {uid: 'p'})", &Params::new()).await.expect("made");
    let running = Marker { generation: 1, progress: Progress::Running };
    marker::write(&mut client, &place.graph, running).await.expect("marked");
    let mut admin =
        redis::Client::open(place.falkordb.as_str()).expect("a URL").get_connection().expect("it answers");
    let mut may = |rules: &str| {
        let mut user = redis::cmd("ACL");
        user.arg("SETUSER").arg(&place.graph);
        for rule in rules.split(' ') {
            user.arg(rule);
        }
        user.exec(&mut admin).expect("a user");
    };
    let mut reader = url::Url::parse(&place.falkordb).expect("a URL");
    reader.set_username(&place.graph).expect("a name");
    reader.set_password(Some("only-reads")).expect("a password");
    let dir = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let output = sonograph(dir.path(), reader.as_str(), &place.graph).args(arguments).output();
        output.expect("it runs")
    };
    let checked = |output: &Output| {
        let told = String::from_utf8(output.stdout.clone()).expect("text");
        told.lines().find(|line| line.contains("last mirror run")).map(str::to_owned).expect("it is checked")
    };

    // The least that a reader of the graph has: the mark is not the graph.
    may(&format!("on >only-reads ~{} -@all +graph.ro_query +graph.explain +graph.list", place.graph));
    let taken = run(&["snapshot", "take", "--out", "s"]);
    assert!(taken.status.success(), "{}", said(&taken));
    assert!(said(&taken).contains("cannot tell whether the last mirror run"), "{}", said(&taken));
    assert_eq!(whole(&dir.path().join("s")).manifest.sources[0].detail["mirror_run"], "unknown");
    let doctor = checked(&run(&["doctor"]));
    assert!(doctor.contains("note") && doctor.contains("not told to this user"), "{doctor}");

    // With what the warning asks for, the same user is refused, and doctor says why.
    may(&format!("~{} +hgetall", marker::key(&place.graph)));
    let refused = run(&["snapshot", "take", "--out", "t"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("did not come to its end"), "{}", said(&refused));
    let doctor = checked(&run(&["doctor"]));
    assert!(doctor.contains("FAILED") && doctor.contains("did not come to its end"), "{doctor}");

    marker::write(&mut client, &place.graph, Marker { progress: Progress::Complete, ..running })
        .await
        .expect("marked");
    let taken = run(&["snapshot", "take", "--out", "t"]);
    assert!(taken.status.success() && !said(&taken).contains("cannot tell"), "{}", said(&taken));
    assert!(!whole(&dir.path().join("t")).manifest.sources[0].detail.contains_key("mirror_run"));
    assert!(checked(&run(&["doctor"])).contains("complete, generation 1"));
    redis::cmd("ACL").arg("DELUSER").arg(&place.graph).exec(&mut admin).expect("the user goes");
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_have_no_place_for_is_left_out_told_and_kept_in_the_manifest() {
    let place = Place::new().await;
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    let made = "CREATE (p:Person {uid: 'p', labels: 3}), (e:Event {uid: 'e', node: 7}), \
                (p)-[:ATTENDED {timestamp: 'yesterday', src: 1}]->(e), (p)-[:ATTENDED {timestamp: 5}]->(e)";
    client.query(&place.graph, made, &Params::new()).await.expect("made");
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = sonograph(dir.path(), &place.falkordb, &place.graph);
    let taken = command.args(["snapshot", "take", "--out", "s"]).output().expect("it runs");
    assert!(taken.status.success(), "{}", said(&taken));
    let frozen = whole(&dir.path().join("s"));
    let kept = frozen.manifest.sources[0].detail["left_out"].as_array().expect("a list").clone();
    for (property, of) in
        [("node", "1 Event"), ("labels", "1 Person"), ("src", "1 ATTENDED"), ("timestamp", "1 ATTENDED")]
    {
        let left_out = format!("left out the property `{property}` of {of}, ");
        assert!(said(&taken).contains(&left_out), "{}", said(&taken));
        assert!(kept.iter().any(|k| k.as_str().is_some_and(|k| k.starts_with(&left_out))), "{kept:?}");
    }
    let mut command = sonograph(dir.path(), &place.falkordb, &place.graph);
    let studied = command.args(["study", "influence", "--snapshot", "s"]).output().expect("it runs");
    assert!(studied.status.success(), "{}", said(&studied));
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_is_not_there_is_named() {
    let place = Place::new().await;
    let dir = tempfile::tempdir().expect("a folder");
    let missing = place.take(dir.path(), &["--out", "s"]);
    assert!(matches!(missing.status.code(), Some(2 | 3)), "{}", said(&missing));
    assert!(said(&missing).contains(&place.graph) && said(&missing).contains("hint:"), "{}", said(&missing));
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_taken_in_the_same_second_get_names_of_their_own() {
    let place = Place::new().await;
    let mut client = Client::connect(&place.falkordb).await.expect("the server answers");
    let dir = tempfile::tempdir().expect("a folder");
    let folders = || std::fs::read_dir(dir.path().join("snapshots")).map_or(0, Iterator::count);
    let failed = place.take(dir.path(), &[]);
    assert_eq!((failed.status.code(), folders()), (Some(3), 0), "no name is kept: {}", said(&failed));

    client.query(&place.graph, "CREATE (:Person {uid: 'p'})", &Params::new()).await.expect("made");
    let mut commands: Vec<_> = (0..6).map(|_| sonograph(dir.path(), &place.falkordb, &place.graph)).collect();
    let children: Vec<_> =
        commands.iter_mut().map(|c| c.args(["snapshot", "take"]).spawn().expect("it runs")).collect();
    let mut names = std::collections::BTreeSet::new();
    for child in children {
        let taken = child.wait_with_output().expect("it ends");
        assert!(taken.status.success(), "{}", said(&taken));
        let name = String::from_utf8(taken.stdout).expect("text").trim_end().to_owned();
        assert_eq!(whole(&dir.path().join(&name)).tables.node_count(), 1);
        names.insert(name);
    }
    assert_eq!((names.len(), folders()), (6, 6), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("-2")), "six began within two seconds: {names:?}");
    place.clean().await;
}

/// Servers in a folder, gone when the test ends, however it ends.
struct Servers(tempfile::TempDir);

impl Servers {
    fn up(&self) -> services::Running {
        let options = Options { dir: self.0.path().join("servers"), fast: false };
        services::up(&options, &Context::silent()).expect("the servers start")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        services::remove(&self.0.path().join("servers")).expect("the servers stop");
    }
}

/// Reading queries the server has answered.
fn queries(connection: &mut redis::Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("it answers");
    let line = info
        .lines()
        .find_map(|l| l.to_lowercase().strip_prefix("cmdstat_graph.ro_query:calls=").map(str::to_owned));
    line.and_then(|l| l.split(',').next().and_then(|n| n.parse().ok())).unwrap_or(0)
}

#[test]
fn a_server_killed_while_it_is_read_ends_with_exit_3_and_the_same_command_completes() {
    let servers = Servers(tempfile::tempdir().expect("a folder"));
    let dir = servers.0.path();
    let running = servers.up();
    let url = running.falkordb_url.expose().to_owned();
    let mut raw = redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("it answers");
    for query in [
        "UNWIND range(0, 59999) AS i CREATE (:Person {uid: 'p' + toString(i), name: 'somebody'})",
        "MATCH (a:Person), (b:Person) WHERE id(b) = (id(a) * 7 + 1) % 60000 CREATE (a)-[:FOLLOWS {timestamp: 1}]->(b)",
    ] {
        let _: redis::Value = redis::cmd("GRAPH.QUERY").arg("town").arg(query).query(&mut raw).expect("made");
    }
    redis::cmd("SAVE").exec(&mut raw).expect("saved");
    let take = || {
        let mut command = sonograph(dir, &url, "town");
        command.args(["snapshot", "take", "--out", "snapshots/s"]);
        command
    };
    let before = queries(&mut raw);
    let child = take().spawn().expect("it runs");
    while queries(&mut raw) < before + 8 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = running.servers.iter().find(|s| s.name == "FalkorDB").and_then(|s| s.pid).expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is ours");
    let broken = child.wait_with_output().expect("it ends");
    assert_eq!(broken.status.code(), Some(3), "{}", said(&broken));
    assert!(said(&broken).contains("hint:") && broken.stdout.is_empty(), "{}", said(&broken));
    let listed =
        sonograph(dir, &url, "town").args(["snapshot", "list", "--format", "csv"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 1, "no half snapshot is listed");

    assert_eq!(servers.up().falkordb_url.expose(), url, "the server comes back where it was");
    let completed = take().output().expect("it runs");
    assert!(completed.status.success(), "{}", said(&completed));
    let tables = whole(&dir.join("snapshots/s")).tables;
    assert_eq!((tables.node_count(), tables.edge_count()), (60_000, 60_000));
}
