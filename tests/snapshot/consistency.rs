//! `snapshot take --consistency`, and `snapshot verify --against`, on servers of their own.

use std::path::Path;
use std::process::{Child, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::snapshot::{Manifest, Run};
use sonograph::sources::falkordb::Client;
use sonograph::sources::synthetic::{LoadOptions, generate, load};

use crate::support::graph::all;
use crate::take::{Place, run, said, sonograph, whole};

/// A FalkorDB of a test's own.
pub struct Server {
    /// Dropped before the folder, which it needs to stop the servers.
    guard: Guard,
    dir: tempfile::TempDir,
}

impl Server {
    pub fn up() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options { dir: dir.path().join("servers"), fast: true };
        let guard = Guard::up(&options, &Context::silent()).expect("the servers start");
        Self { guard, dir }
    }

    pub fn url(&self) -> &str {
        self.guard.running().falkordb_url.expose()
    }

    pub fn raw(&self) -> redis::Connection {
        redis::Client::open(self.url()).expect("a URL").get_connection().expect("it answers")
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = sonograph(self.dir.path(), self.url(), "town");
        command.args(["snapshot", "take"]).args(args).spawn().expect("it runs")
    }

    pub fn take(&self, args: &[&str]) -> Output {
        self.start(args).wait_with_output().expect("it ends")
    }

    pub fn at(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// The copies of the graph that there are.
    fn copies(&self) -> Vec<String> {
        let graphs: Vec<String> = redis::cmd("GRAPH.LIST").query(&mut self.raw()).expect("a list");
        graphs.into_iter().filter(|key| key.starts_with("town:sonograph:copy:")).collect()
    }

    /// Waits until a run reads a copy.
    fn copied(&self) {
        let began = Instant::now();
        while self.copies().is_empty() {
            assert!(began.elapsed() < Duration::from_mins(1), "nobody copies");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

async fn town(url: &str) {
    let mut client = Client::connect(url).await.expect("it answers");
    let made = "UNWIND range(0, 29999) AS i CREATE (a:Person {uid: 'p' + toString(i), name: 'somebody'}), \
                (b:Venue:Bar {uid: 'v' + toString(i)}), (a)-[:FOLLOWS {timestamp: i}]->(b), (a)-[:FOLLOWS {timestamp: i}]->(b)";
    all(&mut client, "town", &[made]).await;
}

fn files(dir: &Path) -> Vec<sonograph::snapshot::TableFile> {
    whole(dir).manifest.files().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_for_who_agrees_and_is_gone_after_it_however_the_run_ends() {
    let server = Server::up();
    town(server.url()).await;
    let paged = server.take(&["--out", "paged"]);
    assert!(paged.status.success(), "{}", said(&paged));

    let unasked = server.take(&["--out", "s", "--consistency", "copy"]);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    for told in [
        "will not copy graph `town` unasked",
        "(3.5 times the graph)",
        "free of total_system_memory",
        "the server answers nobody",
        "--yes",
    ] {
        assert!(said(&unasked).contains(told), "{told}: {}", said(&unasked));
    }
    assert!(server.copies().is_empty() && !server.at("s").exists());

    let taken = server.take(&["--out", "s", "--consistency", "copy", "--yes"]);
    assert!(
        taken.status.success() && said(&taken).contains("copying graph `town`: a copy takes "),
        "{}",
        said(&taken)
    );
    assert_eq!(files(&server.at("s")), files(&server.at("paged")), "the same tables, ids included");
    let manifest = Manifest::read(&server.at("s")).expect("a manifest");
    assert_eq!(manifest.options["consistency"], "copy");
    let detail = &manifest.sources[0].detail;
    assert_eq!((&detail["engine"], detail.get("drift")), (&"C".into(), None));
    let held = serde_json::json!({"nodes": 60_000, "labels": {"Bar": 30_000, "Person": 30_000, "Venue": 30_000},
        "relations": {"FOLLOWS": 60_000}});
    assert_eq!(detail["counts"], serde_json::json!({"before": held, "after": held}));
    assert_eq!(detail["graph"], "town", "and not the key of the copy");
    assert_eq!(server.copies(), Vec::<String>::new());

    // Asked to stop in the middle.
    let child = server.start(&["--out", "stopped", "--consistency", "copy", "--yes"]);
    server.copied();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("it is ours");
    let stopped = child.wait_with_output().expect("it ends");
    assert_eq!(stopped.status.code(), Some(130), "{}", said(&stopped));
    assert!(server.copies().is_empty() && !server.at("stopped").exists());

    // Killed in the middle: the next run removes what it left, in whatever way it reads.
    let mut child = server.start(&["--out", "killed", "--consistency", "copy", "--yes"]);
    server.copied();
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let left = server.copies();
    assert_eq!(left.len(), 1);
    let lapses: i64 =
        redis::cmd("TTL").arg(format!("{}:run", left[0])).query(&mut server.raw()).expect("a time");
    assert!((1..=600).contains(&lapses), "{lapses}");
    let next = server.take(&["--out", "next"]);
    assert!(next.status.success(), "{}", said(&next));
    assert!(
        said(&next).contains(&format!("removed `{}`, a copy of graph `town`", left[0])),
        "{}",
        said(&next)
    );
    assert!(server.copies().is_empty());
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("town:sonograph*").query(&mut server.raw()).expect("a list");
    assert_eq!(keys, Vec::<String>::new());

    // Where the memory is not free, nothing is begun.
    let used: String = redis::cmd("INFO").arg("memory").query(&mut server.raw()).expect("it answers");
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a number");
    let limit = used.trim().parse::<u64>().expect("a number") + (8 << 20);
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit).exec(&mut server.raw()).expect("set");
    let refused = server.take(&["--out", "short", "--consistency", "copy", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(
        said(&refused).contains("free of maxmemory")
            && said(&refused).contains("hint: `--consistency paged`"),
        "{}",
        said(&refused)
    );
    assert!(server.copies().is_empty() && !server.at("short").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_no_count_shows_are_told_and_their_absence_is_noted() {
    let server = Server::up();
    town(server.url()).await;
    let writes = |name: &str| {
        let positions = Run::read(&server.at(name)).expect("a run").positions;
        positions["falkordb"]["writes_meanwhile"].as_u64().expect("a number")
    };
    let calm = server.take(&["--out", "calm"]);
    assert!(calm.status.success() && !said(&calm).contains("written to"), "{}", said(&calm));
    assert_eq!(writes("calm"), 0);

    let mut child = server.start(&["--out", "beside"]);
    let mut raw = server.raw();
    while child.try_wait().expect("it is ours").is_none() {
        let query = "MATCH (n:Person) WHERE id(n) = 8 SET n.name = n.name + '.'";
        redis::cmd("GRAPH.QUERY").arg("town").arg(query).exec(&mut raw).expect("written");
        std::thread::sleep(Duration::from_millis(2));
    }
    let beside = child.wait_with_output().expect("it ends");
    assert!(beside.status.success(), "{}", said(&beside));
    assert!(said(&beside).contains("no count of it changed, a property may have"), "{}", said(&beside));
    assert!(writes("beside") > 0);
    assert_eq!(whole(&server.at("beside")).manifest.sources[0].detail.get("drift"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_only_where_it_is_one_and_follows_its_primary() {
    let (primary, replica) = (Server::up(), Server::up());
    town(primary.url()).await;
    let refused = primary.take(&["--out", "s", "--consistency", "replica"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(
        said(&refused).contains("is no replica")
            && said(&refused).contains("hint: point SONOGRAPH_FALKORDB_URL"),
        "{}",
        said(&refused)
    );

    let of = url::Url::parse(primary.url()).expect("a URL");
    let mut raw = replica.raw();
    redis::cmd("CONFIG")
        .arg("SET")
        .arg("masterauth")
        .arg(of.password().expect("one"))
        .exec(&mut raw)
        .expect("set");
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(of.port().expect("one")).exec(&mut raw).expect("it follows");
    let began = Instant::now();
    loop {
        let info: String = redis::cmd("INFO").arg("replication").query(&mut raw).expect("it answers");
        if info.contains("master_link_status:up") {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{info}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let taken = replica.take(&["--out", "s", "--consistency", "replica"]);
    assert!(taken.status.success(), "{}", said(&taken));
    assert!(said(&taken).contains("the replica heard of its primary"), "{}", said(&taken));
    assert_eq!(Manifest::read(&replica.at("s")).expect("a manifest").options["consistency"], "replica");
    let positions = Run::read(&replica.at("s")).expect("a run").positions;
    for moment in ["before", "after"] {
        assert_eq!(positions["falkordb"]["replica"][moment]["behind_bytes"], 0, "{positions:?}");
    }
    let paged = primary.take(&["--out", "s"]);
    assert!(paged.status.success(), "{}", said(&paged));
    assert_eq!(files(&replica.at("s")), files(&primary.at("s")));
    // All it holds may come anew from its primary, and it counts no write.
    let again = replica.take(&["--out", "u", "--consistency", "replica", "--incremental", "--against", "s"]);
    assert!(again.status.success() && said(&again).contains("a replica may be given"), "{}", said(&again));
    let again = replica.take(&["--out", "v", "--incremental", "--against", "s"]);
    assert!(again.status.success() && said(&again).contains("does not tell how far"), "{}", said(&again));
    // A replica lets nobody copy.
    let copied = replica.take(&["--out", "c", "--consistency", "copy", "--yes"]);
    assert_eq!(copied.status.code(), Some(3), "{}", said(&copied));

    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut raw).expect("it follows nobody");
    let refused = replica.take(&["--out", "t", "--consistency", "replica"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(
        said(&refused).contains("does not follow its primary") && said(&refused).contains("hint:"),
        "{}",
        said(&refused)
    );
    assert!(!replica.at("t").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_against_the_sources_names_what_came_or_went_since() {
    let place = Place::new().await;
    let cx = Context::silent();
    let city = generate(60, 3, &cx).expect("a city");
    load(&city, &place.postgres(), LoadOptions::default(), &cx).await.expect("loaded");
    let mut client = Client::connect(&place.falkordb).await.expect("it answers");
    all(
        &mut client,
        &place.graph,
        &["CREATE (a:Person {uid: 'a'})-[:FOLLOWS]->(:Person:Fan {uid: 'b'}), (a)-[:FOLLOWS]->(a)"],
    )
    .await;
    let dir = tempfile::tempdir().expect("a folder");
    let taken = place.take(dir.path(), &["--out", "s"]);
    assert!(taken.status.success(), "{}", said(&taken));
    let verify = |args: &[&str]| {
        let mut command = sonograph(dir.path(), &place.falkordb, "another");
        command
            .env("SONOGRAPH_POSTGRES_URL", place.postgres())
            .args(["snapshot", "verify", "s", "--format", "csv"]);
        command.args(args).output().expect("it runs")
    };
    let same = verify(&["--against", "sources"]);
    assert!(same.status.success(), "{}{}", String::from_utf8_lossy(&same.stdout), said(&same));
    assert!(said(&same).contains("the same counts as falkordb, postgres"), "{}", said(&same));

    all(
        &mut client,
        &place.graph,
        &["CREATE (:Venue:Fan {uid: 'c'})", "MATCH (:Person)-[e:FOLLOWS]->(:Fan) DELETE e"],
    )
    .await;
    let manifest = Manifest::read(&dir.path().join("s")).expect("a manifest");
    let read = manifest.sources[1].detail["rows"].as_object().expect("tables").clone();
    let (table, rows) = read
        .iter()
        .find(|(table, rows)| table.contains(":sonik_web.") && **rows != 0)
        .expect("a table that nothing points at");
    let (_, name) = table.split_once(':').expect("a source and a table");
    run(&place.postgres(), &format!("DELETE FROM {name}")).await;
    let told = |args: &[&str]| {
        let differs = verify(args);
        assert_eq!(differs.status.code(), Some(1), "{}", said(&differs));
        String::from_utf8(differs.stdout).expect("text")
    };
    let graph = format!("falkordb:{}", place.graph);
    let moved = [
        format!("{graph},\"nodes: 2 when it was frozen, 3 now\""),
        format!("{graph},\"nodes Fan: 1 when it was frozen, 2 now\""),
        format!("{graph},\"nodes Venue: 0 when it was frozen, 1 now\""),
        format!("{graph},\"edges FOLLOWS: 2 when it was frozen, 1 now\""),
    ];
    let found = told(&["--against", "falkordb"]);
    assert_eq!(found.lines().skip(1).collect::<Vec<_>>(), moved);
    let tables = told(&["--against", "postgres"]);
    let gone = format!("postgres,\"{table}: {rows} rows when it was frozen, 0 now\"");
    let gone = [gone.replace('"', ""), gone];
    assert!(tables.lines().any(|line| gone.iter().any(|gone| line == gone)), "{table}: {tables}");
    assert_eq!(told(&["--against", "sources"]).lines().count(), tables.lines().count() + moved.len());
    assert!(verify(&[]).status.success(), "it is whole all the same");

    std::fs::write(dir.path().join("edges.txt"), "1 2\n").expect("written");
    let mut import = sonograph(dir.path(), &place.falkordb, "another");
    let imported =
        import.args(["snapshot", "import", "--edges", "edges.txt", "--out", "i"]).output().expect("it runs");
    assert!(imported.status.success(), "{}", said(&imported));
    let mut verify = sonograph(dir.path(), &place.falkordb, "another");
    let nobody = verify.args(["snapshot", "verify", "i", "--against", "sources"]).output().expect("it runs");
    assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
    assert!(said(&nobody).contains("it comes of file"), "{}", said(&nobody));
    place.clean().await;
}
