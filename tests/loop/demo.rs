//! `sonograph demo`: what it leaves, that it leaves nothing else, and that it leaves the same every time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sonograph::sources::falkordb::{Client, Params};
use sqlx::{Connection as _, PgConnection};

use crate::files::{self, Files};
use crate::program::{Said, done, ended, said, sonograph};
use crate::servers::{Server, kill_hard, running, status, wait_for};

const CITY: [&str; 7] = ["demo", "--people", "400", "--seed", "7", "--dir", "demo"];

/// What a demo without servers leaves.
fn embedded(home: &Path, arguments: &[&str]) -> Files {
    done(sonograph(home, &[&CITY[..], &["--embedded"], arguments].concat()));
    files::all(&home.join("demo"))
}

/// Runs the demo on servers, and sees that those are gone afterwards.
fn on_servers(home: &Path) -> Files {
    let child = sonograph(home, &CITY).spawn().expect("the program starts");
    let servers = running(home, "demo/servers");
    let said = ended(child);
    assert_eq!(said.code, 0, "{said:#?}");
    left_nothing(home, &servers);
    files::all(&home.join("demo"))
}

fn left_nothing(home: &Path, servers: &[Server]) {
    servers.iter().for_each(Server::is_gone);
    assert!(!home.join("demo/servers").exists(), "the servers' folder is there still");
}

#[test]
fn a_demo_on_servers_leaves_report_snapshot_and_answers_and_neither_process_nor_port() {
    let home = tempfile::tempdir().expect("a folder");
    let left = on_servers(home.path());
    for file in [
        "truth.json",
        "report/index.html",
        "report/report.md",
        "snapshot/manifest.json",
        "snapshot/nodes/Person.parquet",
        "snapshot/edges/ATTENDED.parquet",
        "snapshot/tables/touchpoints.parquet",
        "snapshot/tables/claim_events.parquet",
        "studies/influence/findings.json",
        "studies/influence/scores.parquet",
        "studies/community/scores.parquet",
        "studies/community/coattendance.parquet",
        "studies/conversion/promoters.parquet",
        "studies/virality/cascades.parquet",
        "studies/paths/findings.json",
    ] {
        assert!(left.contains_key(file), "there is no {file} among {:?}", left.keys());
    }
    let figures = |ending: &str| {
        left.keys().filter(|name| name.starts_with("report/figures/") && name.ends_with(ending)).count()
    };
    assert!(figures(".svg") >= 5 && figures(".svg") == figures(".png"), "{:?}", left.keys());
    let foreign: Vec<&String> = left
        .keys()
        .filter(|name| {
            let first = name.split('/').next().expect("a name");
            !["truth.json", "report", "snapshot", "studies"].contains(&first) || name.contains(".partial")
        })
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    // Again into the same folder: a time, a run id or a port in a name or in a file would show.
    let again = on_servers(home.path());
    files::are_the_same(&left, &again);

    // The same city without servers, on another number of threads.
    let same = [
        "snapshot/nodes/",
        "snapshot/edges/",
        "snapshot/tables/touchpoints",
        "snapshot/tables/claim_events",
        "studies/",
        "truth.json",
    ];
    let without = embedded(home.path(), &["--threads", "1"]);
    files::are_the_same(&files::below(&left, &same), &files::below(&without, &same));
    files::are_the_same(&without, &embedded(home.path(), &["--threads", "2"]));
}

#[test]
fn another_seed_is_another_city() {
    let home = tempfile::tempdir().expect("a folder");
    let one = embedded(home.path(), &[]);
    let arguments = ["demo", "--people", "400", "--seed", "8", "--dir", "demo", "--embedded"];
    done(sonograph(home.path(), &arguments));
    let other = files::all(&home.path().join("demo"));
    for file in ["snapshot/nodes/Person.parquet", "studies/influence/scores.parquet", "report/index.html"] {
        assert_ne!(one[file], other[file], "{file}");
    }
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("demo");
    std::fs::create_dir_all(dir.join("snapshot")).expect("a folder");
    std::fs::write(dir.join("snapshot/mine.txt"), "years of work").expect("written");
    std::fs::write(dir.join("thesis.txt"), "years of work").expect("written");
    let before = files::all(&dir);
    for how in [&[][..], &["--embedded"]] {
        let said = said(sonograph(home.path(), &[&CITY[..], how].concat()));
        said.is_an_error_with_a_hint(2);
        assert!(said.stderr.contains("`snapshot`, which no demo made"), "{said:#?}");
        assert_eq!(files::all(&dir), before);
    }
}

#[test]
fn a_second_demo_in_one_folder_is_told_and_the_first_goes_on() {
    let home = tempfile::tempdir().expect("a folder");
    let mut first = AtWork::begin(home.path());
    first.hear("make the city");
    for how in [&[][..], &["--embedded"]] {
        let second = said(sonograph(home.path(), &[&CITY[..], how].concat()));
        second.is_an_error_with_a_hint(3);
        assert!(second.stderr.contains("another demo runs in `demo`"), "{second:#?}");
    }
    let first = first.ended();
    assert_eq!(first.code, 0, "{first:#?}");
    assert!(home.path().join("demo/report/index.html").exists());
}

#[test]
fn a_demo_that_is_refused_leaves_no_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let refused = said(sonograph(home.path(), &["demo", "--people", "0", "--embedded"]));
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(!home.path().join("demo").exists());
}

/// A demo at work.
struct AtWork {
    child: Child,
    stderr: BufReader<ChildStderr>,
    heard: String,
}

impl AtWork {
    fn begin(home: &Path) -> Self {
        let mut command = sonograph(home, &CITY);
        // A terminal sends Ctrl-C to the whole group, so the demo gets one of its own.
        command.process_group(0);
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, stderr, heard: String::new() }
    }

    /// Waits until a step is over.
    fn hear(&mut self, step: &str) {
        while !self.heard.lines().any(|line| line.starts_with(step)) {
            let read = self.stderr.read_line(&mut self.heard).expect("it is text");
            assert!(read > 0, "no `{step}` in {}", self.heard);
        }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(-self.child.id().cast_signed()), Signal::SIGINT).expect("the demo runs");
    }

    fn ended(mut self) -> Said {
        self.stderr.read_to_string(&mut self.heard).expect("it is text");
        Said { stderr: self.heard, ..ended(self.child) }
    }
}

#[test]
fn a_demo_that_is_interrupted_ends_with_130_and_takes_its_servers_along() {
    // While servers start, right after they did, and in the middle of the mirror.
    for moment in [None, Some("start servers"), Some("read the sources")] {
        let home = tempfile::tempdir().expect("a folder");
        let mut demo = AtWork::begin(home.path());
        let servers = if let Some(step) = moment {
            demo.hear(step);
            running(home.path(), "demo/servers")
        } else {
            let state = home.path().join("demo/servers/services.json");
            wait_for("the start of the servers", || state.exists().then_some(()));
            status(home.path(), "demo/servers")
        };
        demo.interrupt();
        let said = demo.ended();
        assert_eq!((said.code, &*said.stdout), (130, ""), "{moment:?}: {said:#?}");
        assert!(said.stderr.contains("stopping after the current step"), "{moment:?}: {said:#?}");
        left_nothing(home.path(), &servers);
    }
}

#[test]
fn a_demo_whose_falkordb_dies_ends_with_3_and_takes_the_other_server_along() {
    let home = tempfile::tempdir().expect("a folder");
    let mut demo = AtWork::begin(home.path());
    demo.hear("read the sources");
    let servers = running(home.path(), "demo/servers");
    kill_hard(servers[0].pid.expect("FalkorDB runs"));
    let said = demo.ended();
    said.is_an_error_with_a_hint(3);
    assert!(said.stderr.contains("FalkorDB"), "{said:#?}");
    left_nothing(home.path(), &servers);
}

#[test]
fn a_demo_replaces_only_what_a_demo_made() {
    let home = tempfile::tempdir().expect("a folder");
    let embedded =
        |dir: &str| said(sonograph(home.path(), &["demo", "--people", "400", "--embedded", "--dir", dir]));
    let mine = |path: &str| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, "mine").expect("written");
        path
    };
    // Folders of these names, though no demo was here.
    for (dir, file) in [
        ("a", "a/report/thesis.tex"),
        ("b", "b/studies/notes.md"),
        ("c", "c/snapshot/mine.txt"),
        ("d", "d/servers/hosts.yml"),
    ] {
        let path = mine(file);
        embedded(dir).is_an_error_with_a_hint(2);
        assert_eq!(std::fs::read_to_string(path).expect("it is there"), "mine");
    }
    // A file among those of an earlier demo.
    assert_eq!(embedded("demo").code, 0);
    for file in [
        "report/my.png",
        "studies/notes.md",
        "studies/influence/my.csv",
        "snapshot/nodes/Mine.parquet",
        "servers/x",
    ] {
        let path = mine(&format!("demo/{file}"));
        embedded("demo").is_an_error_with_a_hint(2);
        std::fs::remove_file(path).expect("it is there");
    }
    let again = embedded("demo");
    assert_eq!(again.code, 0, "{again:#?}");
}

#[tokio::test]
async fn a_demo_on_servers_that_keep_a_log_uses_its_own() {
    let home = tempfile::tempdir().expect("a folder");
    let up = done(sonograph(home.path(), &["services", "up", "--dir", "given"]));
    let mut command = sonograph(home.path(), &CITY);
    command.envs(
        up.lines().filter_map(|line| line.split_once('=')).map(|(name, url)| (name, url.trim_matches('\''))),
    );
    let demo = said(command);
    assert_eq!(demo.code, 0, "{demo:#?}");
    assert!(
        demo.stderr.contains("keeps an append-only file") && demo.stderr.contains("start servers"),
        "{demo:#?}"
    );
    done(sonograph(home.path(), &["services", "down", "--remove", "--dir", "given"]));
}

#[tokio::test]
async fn a_demo_on_given_servers_makes_room_there_and_leaves_them_as_they_were() {
    let home = tempfile::tempdir().expect("a folder");
    let up = done(sonograph(home.path(), &["services", "up", "--fast", "--dir", "given"]));
    let given: Vec<(&str, &str)> = up
        .lines()
        .map(|line| line.split_once('=').expect("an assignment"))
        .map(|(name, quoted)| (name, quoted.trim_matches('\'')))
        .collect();
    let url = |name: &str| given.iter().find(|(given, _)| *given == name).expect("it is given").1;
    let (falkordb, postgres) = (url("SONOGRAPH_FALKORDB_URL"), url("SONOGRAPH_POSTGRES_URL"));
    let demo = |arguments: &[&str]| {
        let mut command = sonograph(home.path(), &[&CITY[..], arguments].concat());
        command.envs(given.iter().copied());
        said(command)
    };
    let mut client = Client::connect(falkordb).await.expect("FalkorDB answers");
    let mut admin = PgConnection::connect(postgres).await.expect("PostgreSQL answers");
    let databases = "SELECT datname::text FROM pg_database ORDER BY 1";
    let before: Vec<String> = sqlx::query_scalar(databases).fetch_all(&mut admin).await.expect("a list");

    let first = demo(&[]);
    assert_eq!(first.code, 0, "{first:#?}");
    assert!(first.stderr.contains("using redis://127.0.0.1:"), "{first:#?}");
    assert!(!home.path().join("demo/servers").exists(), "servers of its own were started");
    assert!(home.path().join("demo/report/index.html").exists());
    assert_eq!(client.graphs().await.expect("a list"), Vec::<String>::new());
    let after: Vec<String> = sqlx::query_scalar(databases).fetch_all(&mut admin).await.expect("a list");
    assert_eq!(before, after);

    // What is kept is the next demo's to remove.
    let kept = demo(&["--keep"]);
    assert_eq!(kept.code, 0, "{kept:#?}");
    assert_eq!(client.graphs().await.expect("a list"), ["sonograph_demo"]);
    assert_eq!(demo(&[]).code, 0);
    assert_eq!(client.graphs().await.expect("a list"), Vec::<String>::new());

    // What no demo made is nobody's to remove.
    client.query("sonograph_demo", "CREATE (:Mine)", &Params::new()).await.expect("a graph");
    demo(&[]).is_an_error_with_a_hint(2);
    assert_eq!(client.graphs().await.expect("a list"), ["sonograph_demo"]);
    client.delete_graph("sonograph_demo").await.expect("deleted");
    sqlx::raw_sql("CREATE DATABASE sonograph_demo").execute(&mut admin).await.expect("a database");
    demo(&[]).is_an_error_with_a_hint(2);
    let after: Vec<String> = sqlx::query_scalar(databases).fetch_all(&mut admin).await.expect("a list");
    assert!(after.contains(&"sonograph_demo".to_owned()), "{after:?}");

    done(sonograph(home.path(), &["services", "down", "--remove", "--dir", "given"]));
}
