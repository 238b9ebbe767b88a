//! `mirror apply` and its server, killed at random moments: the next run makes of what is left what an undisturbed one makes.
//!
//! Every case follows from its seed; only how far a run gets in a given time is the machine's. `SONOGRAPH_TEST_KILLS` is how
//! many cases there are.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sonograph::context::Context;
use sonograph::mirror::{self, Ledger, RunState};
use sonograph::services::{self, Guard, Options, Running};
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::marker::{Marker, Progress};
use sonograph::sources::falkordb::{Client, lock};
use sonograph::sources::synthetic::{LoadOptions, generate, load};

use crate::read;
use crate::scratch::Scratch;

const USUAL_CASES: u64 = 12;

/// From the first world to the second: some rows change, some go, some come.
const CHANGES: &str = "
    UPDATE directus.venues SET name = name || ' Annex', capacity = 77 WHERE abs(hashtext(id::text)) % 3 = 0;
    UPDATE directus.artists SET genres = 'Gqom' WHERE abs(hashtext(id::text)) % 4 = 0;
    INSERT INTO directus.artists (id, status, name, genres)
        SELECT gen_random_uuid(), 'published', 'Newcomer ' || n, 'Gqom' FROM generate_series(1, 5) AS n;
    DELETE FROM directus.events_artists WHERE id % 7 = 0;
    DELETE FROM directus.events_artists WHERE events_id % 9 = 0;
    DELETE FROM directus.events WHERE id % 9 = 0;
    DELETE FROM sonik_web.tracks WHERE abs(hashtext(id)) % 8 = 0;";

/// Everything of which the changes take some away. A graph that was begun may hold so little of it that this is all of it.
const MAY_SHRINK: &str = "directus:directus.events,directus:directus.artists.genres,PERFORMS_AT,HOSTS,PROMOTES,ATTENDED,\
    INTERESTED_IN,SHARED,REFERRED,ABOUT,FOLLOWS,HAS_GENRE";

/// The two states of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    First,
    Second,
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Program,
    Server,
}

/// When the victim dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After so many statements to the server, and a little later.
    Statement(u64, Duration),
    /// After so long.
    Delay(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Kill {
    world: World,
    victim: Victim,
    moment: Moment,
}

/// What happens to one graph. Fields from left to right in time.
#[derive(Debug)]
struct Case {
    /// What the graph holds before, to the last row.
    before: Option<World>,
    kills: Vec<Kill>,
    /// The run that nobody disturbs.
    last: World,
}

/// An undisturbed run.
struct Undisturbed {
    statements: u64,
    /// How many of them came before the first that writes.
    reading: u64,
    took: Duration,
    elements: Elements,
}

impl Case {
    fn of(seed: u64, [first, second]: [&Undisturbed; 2]) -> Self {
        use World::{First, Second};
        let rng = &mut StdRng::seed_from_u64(seed);
        // A new graph, a graph that changes, sources that change after the kill, sources that change back after it.
        let (before, broken, last) = [
            (None, First, First),
            (Some(First), Second, Second),
            (None, First, Second),
            (Some(First), Second, First),
        ][(seed % 4) as usize];
        let mut kill = |world| {
            let whole = if world == First { first } else { second };
            let moment = if rng.random_bool(0.7) {
                let later = Duration::from_micros(rng.random_range(0..6_000));
                // Reading the graph asks as much as writing it.
                let from = if rng.random_bool(0.8) { whole.reading } else { 0 };
                Moment::Statement(rng.random_range(from..whole.statements) + 1, later)
            } else {
                Moment::Delay(whole.took.mul_f64(rng.random_range(0.0..1.0)))
            };
            let victim = if rng.random_bool(0.6) { Victim::Program } else { Victim::Server };
            let again = rng.random_bool(0.3);
            (Kill { world, victim, moment }, again)
        };
        let (once, again) = kill(broken);
        let mut kills = vec![once];
        if again {
            kills.push(kill(last).0);
        }
        Self { before, kills, last }
    }
}

/// What a graph holds, a line for each node and edge, without the dense numbers that a scan gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Elements {
    nodes: BTreeSet<String>,
    /// Nodes without those that are marked deleted, and without the number of the run that wrote them.
    claimed: BTreeSet<String>,
    /// Uids of nodes that are marked deleted.
    deleted: BTreeSet<String>,
    /// With repetitions.
    edges: Vec<String>,
}

impl Elements {
    fn of(tables: &Tables) -> Self {
        let mut all = Self::default();
        let mut uids = std::collections::HashMap::new();
        for (label, frame) in &tables.nodes {
            for row in 0..frame.height() {
                let value = |name: &str| frame.column(name).expect("it has one").get(row).expect("a row");
                let uid = value("uid").str_value().into_owned();
                uids.insert(value("node").try_extract::<i64>().expect("a number"), uid.clone());
                let told = |but: &[&str]| format!("{label} {}", properties(frame, row, but));
                all.nodes.insert(told(&["node"]));
                if frame.column("deleted_at").is_ok() && !value("deleted_at").is_null() {
                    all.deleted.insert(uid);
                } else {
                    all.claimed.insert(told(&["node", "gen"]));
                }
            }
        }
        for (relation, frame) in &tables.edges {
            for row in 0..frame.height() {
                let end = |name: &str| {
                    let node = frame.column(name).expect("it has one").get(row).expect("a row");
                    uids[&node.try_extract::<i64>().expect("a number")].as_str()
                };
                let (src, dst) = (end("src"), end("dst"));
                all.edges.push(format!("{src} {relation} {dst} {}", properties(frame, row, &["src", "dst"])));
            }
        }
        all.edges.sort_unstable();
        all
    }

    /// Both say the same of what is there now.
    fn claim_the_same(&self, other: &Self) -> bool {
        self.claimed == other.claimed && self.edges == other.edges
    }

    /// A few of the lines that are in one and not in the other.
    fn differences(&self, other: &Self) -> Vec<String> {
        let edges = |of: &Self| of.edges.iter().cloned().collect::<BTreeSet<_>>();
        let (here, there) = (&self.nodes | &edges(self), &other.nodes | &edges(other));
        let more = here.difference(&there).map(|line| format!("+ {line}"));
        let less = there.difference(&here).map(|line| format!("- {line}"));
        more.take(6).chain(less.take(6)).collect()
    }
}

fn properties(frame: &polars::prelude::DataFrame, row: usize, but: &[&str]) -> String {
    let columns = frame.columns().iter().filter(|column| !but.contains(&column.name().as_str()));
    let values = columns.filter_map(|column| {
        let value = column.get(row).expect("a row");
        (!value.is_null()).then(|| format!("{}={value:?}", column.name()))
    });
    values.collect::<Vec<_>>().join(" ")
}

/// The servers of this test: durable ones for the graphs, a database for each state of the sources.
struct Stage {
    guard: Guard,
    home: tempfile::TempDir,
    running: Running,
    worlds: [Scratch; 2],
}

/// How a run of the program ended.
#[derive(Debug)]
struct Ended {
    /// `None`: it was killed.
    code: Option<i32>,
    told: String,
    statements: u64,
    reading: u64,
    took: Duration,
}

impl Stage {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let guard = Guard::up(&options(home.path()), &Context::silent()).expect("the servers start");
        let first = Scratch::new().await;
        let city = generate(60, 5, &Context::silent()).expect("a city");
        load(&city, &first.url(), LoadOptions::default(), &Context::silent()).await.expect("it is loaded");
        let second = first.copy().await;
        second.run(CHANGES).await;
        let running = guard.running().clone();
        Self { guard, home, running, worlds: [first, second] }
    }

    fn runs(&self, graph: &str) -> std::path::PathBuf {
        self.home.path().join("runs").join(graph)
    }

    fn command(&self, graph: &str, world: World, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
        command
            .args(["--progress", "none", "mirror"])
            .args(arguments)
            .args(["--format", "json", "--allow-shrink", MAY_SHRINK])
            .env("SONOGRAPH_FALKORDB_URL", self.running.falkordb_url.expose())
            .env("SONOGRAPH_POSTGRES_URL", self.worlds[world as usize].url())
            .env("SONOGRAPH_GRAPH", graph)
            .env("SONOGRAPH_MIRROR_DIR", self.runs(graph))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `mirror apply`, and kills it or its server on the way.
    fn apply(&mut self, graph: &str, world: World, kill: Option<Kill>) -> Ended {
        let mut listener = Listener::new(self.running.falkordb_url.expose());
        let clock = Instant::now();
        let mut child = self.command(graph, world, &["apply"]).spawn().expect("the program starts");
        match kill.map(|kill| kill.moment) {
            Some(Moment::Statement(statements, later)) => {
                listener.wait(&mut child, statements);
                std::thread::sleep(later);
            }
            Some(Moment::Delay(delay)) => std::thread::sleep(delay),
            None => listener.wait(&mut child, u64::MAX),
        }
        match kill.map(|kill| kill.victim) {
            Some(Victim::Program) => child.kill().expect("it is our child"),
            Some(Victim::Server) => {
                super::broken::kill(self.running.servers[0].pid.expect("FalkorDB runs"));
            }
            None => {}
        }
        let output = child.wait_with_output().expect("the program ends");
        let took = clock.elapsed();
        self.running =
            services::up(&options(self.home.path()), &Context::silent()).expect("they start again");
        Ended {
            code: output.status.code(),
            told: String::from_utf8_lossy(&output.stderr).into_owned(),
            statements: listener.heard,
            reading: listener.first_mark.unwrap_or(listener.heard),
            took,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(self.running.falkordb_url.expose()).await.expect("the server answers")
    }

    /// Mark and content of a graph; `None` where it is absent.
    async fn look(&self, graph: &str) -> (Option<Marker>, Option<Elements>) {
        let client = &mut self.client().await;
        let mark = mirror::state(client, graph).await.expect("readable");
        let there = client.exists(graph).await.expect("the server answers");
        (mark, if there { Some(Elements::of(&read(client, graph).await)) } else { None })
    }

    async fn undisturbed(&mut self, graph: &str, world: World) -> Undisturbed {
        let Ended { code, told, statements, reading, took } = self.apply(graph, world, None);
        assert_eq!(code, Some(0), "{told}");
        let (mark, elements) = self.look(graph).await;
        assert_eq!(mark.map(|mark| mark.progress), Some(Progress::Complete));
        Undisturbed { statements, reading, took, elements: elements.expect("it is there") }
    }
}

fn options(home: &std::path::Path) -> Options {
    Options { dir: home.join("servers"), fast: false }
}

/// Hears what the server is asked.
struct Listener {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    heard: u64,
    /// What it had heard when a run marked the graph for the first time.
    first_mark: Option<u64>,
}

impl Listener {
    fn new(url: &str) -> Self {
        let url = url::Url::parse(url).expect("a URL");
        let address = (url.host_str().expect("a host"), url.port().expect("a port"));
        let mut stream = TcpStream::connect(address).expect("the server answers");
        stream.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
        let password = url.password().expect("a password");
        stream.write_all(format!("AUTH {password}\r\nMONITOR\r\n").as_bytes()).expect("it is sent");
        let mut listener =
            Self { stream: BufReader::new(stream), line: Vec::new(), heard: 0, first_mark: None };
        for _ in 0..2 {
            while !listener.hears() {}
        }
        listener.heard = 0;
        listener
    }

    /// Whether one more command, or answer, was heard.
    fn hears(&mut self) -> bool {
        // What came of a line before the timeout stays.
        let whole = self.stream.read_until(b'\n', &mut self.line).is_ok_and(|bytes| bytes > 0);
        if whole {
            let marks = self.line.windows(6).any(|word| word == b"\"HSET\"");
            self.first_mark = self.first_mark.or_else(|| marks.then_some(self.heard));
            self.line.clear();
            self.heard += 1;
        }
        whole
    }

    /// Until the server was asked so often, or the program is over.
    fn wait(&mut self, child: &mut Child, statements: u64) {
        while self.heard < statements {
            if !self.hears() && child.try_wait().expect("it is our child").is_some() {
                return;
            }
        }
    }
}

#[test]
fn a_run_killed_at_any_moment_is_completed_by_the_next_as_if_nothing_had_happened() {
    let cases = std::env::var("SONOGRAPH_TEST_KILLS").ok();
    let cases = cases.map_or(USUAL_CASES, |cases| cases.parse().expect("SONOGRAPH_TEST_KILLS is a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut stage = Stage::new().await;
        let first = stage.undisturbed("first", World::First).await;
        let only_second = stage.undisturbed("second", World::Second).await;
        stage.undisturbed("both", World::First).await;
        let second = stage.undisturbed("both", World::Second).await;
        assert!(!second.elements.claim_the_same(&first.elements), "the worlds differ");
        assert!(!second.elements.deleted.is_empty() && second.elements.claim_the_same(&only_second.elements));

        let clock = Instant::now();
        let (mut killed, mut middle) = (0_usize, 0_usize);
        for seed in 0..cases {
            let case = Case::of(seed, [&first, &second]);
            let graph = format!("killed_{seed}");
            if let Some(world) = case.before {
                assert_eq!(stage.apply(&graph, world, None).code, Some(0));
            }
            killed += case.kills.len();
            middle += case.stands(&mut stage, &graph, seed, [&first, &second]).await;
        }
        eprintln!(
            "{killed} kills in {cases} cases, {middle} of them amid writing, took {:.1?}",
            clock.elapsed()
        );
        assert!(middle * 4 >= killed, "{middle} of {killed} kills came amid writing");
        drop(stage.guard);
    });
}

impl Case {
    /// Plays the case; answers how many of its kills left a graph half-written.
    async fn stands(
        &self,
        stage: &mut Stage,
        graph: &str,
        seed: u64,
        [first, second]: [&Undisturbed; 2],
    ) -> usize {
        let of = |world| if world == World::First { first } else { second };
        let mut may_be: Vec<World> = self.before.into_iter().collect();
        let (mut halves, mut was) = (0, stage.look(graph).await.0);
        for kill in &self.kills {
            let known = runs(stage, graph).len();
            let ended = stage.apply(graph, kill.world, Some(*kill));
            let at = format!("case {seed}, {kill:?} of {self:?}: {ended:?}");
            may_be.push(kill.world);

            // The ledger says what happened.
            let runs = runs(stage, graph);
            assert!(runs.len() <= known + 1, "{at}: {runs:?}");
            let state = runs[known..].first().copied();
            match ended.code {
                Some(0) => assert_eq!(state, Some(RunState::Complete), "{at}"),
                Some(3) => {
                    assert!(matches!(state, None | Some(RunState::Failed)), "{at}: {state:?}");
                    assert!(ended.told.contains("error: ") && ended.told.contains("hint: "), "{at}");
                }
                None => assert!(
                    matches!(state, None | Some(RunState::BrokenOff | RunState::Complete)),
                    "{at}: {state:?}"
                ),
                Some(_) => panic!("{at}"),
            }
            assert!(ended.took < Duration::from_secs(25), "{at}");

            // Nobody takes a half for the whole.
            let (mark, elements) = stage.look(graph).await;
            match mark.map(|mark| mark.progress) {
                None => assert!(elements.is_none_or(|found| found == Elements::default()), "{at}"),
                Some(Progress::Complete) => {
                    let found = elements.expect("it is there");
                    let whole = may_be.iter().any(|world| found.claim_the_same(&of(*world).elements));
                    assert!(whole, "{at}: a half passes for the whole");
                }
                Some(Progress::Running) => {
                    assert!(state.is_some() || mark == was, "{at}: it writes before the ledger knows of it");
                    halves += 1;
                }
            }
            was = mark;
        }

        let known = runs(stage, graph).len();
        let ended = stage.apply(graph, self.last, None);
        let at = format!("case {seed}, {self:?}: {ended:?}");
        assert_eq!(ended.code, Some(0), "{at}");
        // The lock of who was killed would lapse in 30 s.
        assert!(ended.took < of(self.last).took * 3 + Duration::from_secs(10), "{at}");
        assert_eq!(runs(stage, graph)[known..], [RunState::Complete], "{at}");
        let (mark, elements) = stage.look(graph).await;
        let found = elements.expect("it is there");
        assert_eq!(mark.map(|mark| mark.progress), Some(Progress::Complete), "{at}");
        let wanted = &of(self.last).elements;
        if self.kills.iter().all(|kill| kill.world == self.last) {
            assert!(found == *wanted, "{at}: {:#?}", found.differences(wanted));
        } else {
            // What the other world alone claimed was never written or is marked deleted.
            assert!(found.claim_the_same(wanted), "{at}: {:#?}", found.differences(wanted));
        }

        let plan =
            stage.command(graph, self.last, &["plan"]).stdout(Stdio::piped()).output().expect("it runs");
        let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("one JSON object");
        let nothing = serde_json::json!({ "create": 0, "update": 0, "delete": 0 });
        for kind in ["nodes", "edges"] {
            let mut counts = plan[kind].as_object().expect("counts by name").values();
            assert!(counts.len() > 0 && counts.all(|counts| *counts == nothing), "{at}: {plan}");
        }
        // Of a lock it would say that it is no graph.
        let held = stage.client().await.exists(&lock::key(graph)).await;
        assert!(matches!(held, Ok(false)), "{at}: {held:?}");
        halves
    }
}

/// How the runs into a graph ended, in their order.
fn runs(stage: &Stage, graph: &str) -> Vec<RunState> {
    let (runs, damaged) = Ledger::new(stage.runs(graph)).runs().expect("a ledger");
    assert!(damaged.is_empty(), "{damaged:?}");
    runs.iter().map(|run| run.state).collect()
}
