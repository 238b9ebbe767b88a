//! A server that dies, and a user who stops, in the middle of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sonograph::context::{Bar, Cancel, Context, Diagnose, Fault, Progress};
use sonograph::mirror::MirrorError;
use sonograph::services::{self, Options, Running};
use sonograph::snapshot::tables::Tables;
use sonograph::sources::facts::Facts;
use sonograph::sources::falkordb::Client;
use sonograph::sources::falkordb::marker::Progress as Come;

use crate::{bytes, city, is_settled, read, resolved, run};

/// Does something when so many steps of work have begun or ended. How often a step reports in between is the machine's matter:
/// batches follow the time they take, and waiting ends when it ends.
#[derive(Clone)]
struct After {
    left: Arc<AtomicI64>,
    then: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("After").field("left", &self.left).finish_non_exhaustive()
    }
}

impl After {
    fn new(reports: i64, then: impl Fn() + Send + Sync + 'static) -> Self {
        Self { left: Arc::new(AtomicI64::new(reports)), then: Arc::new(then) }
    }

    fn context(&self) -> Context {
        Context::new(Arc::new(self.clone()), Cancel::default(), 1, 1)
    }

    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.then)();
        }
    }
}

impl Progress for After {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Bar> {
        self.count();
        Box::new(self.clone())
    }
}

impl Bar for After {
    fn set(&self, _: u64, _: Option<u64>) {}

    fn end(&self) {
        self.count();
    }
}

/// A pair of servers of this test's own, removed with it.
struct Private(tempfile::TempDir);

impl Private {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn up(&self) -> Running {
        let options = Options { dir: self.0.path().to_owned(), fast: false };
        let running = services::up(&options, &Context::silent()).expect("the servers start");
        crate::graph::keeps_everything(running.falkordb_url.expose());
        running
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        services::remove(self.0.path()).expect("the servers stop");
    }
}

/// Ends a server process of this test as a power cut would, and waits until it is gone.
pub(crate) fn kill(pid: i32) {
    let process = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).expect("the process is ours");
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !(stat().is_empty() || stat().contains(") Z ")) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

async fn connect(running: &Running) -> Client {
    Client::connect(running.falkordb_url.expose()).await.expect("the server answers")
}

/// How often a step of an undisturbed run begins or ends.
async fn reports(client: &mut Client, graph: &str, facts: &Facts) -> i64 {
    let count = After::new(i64::MAX, || {});
    run(client, graph, facts, &count.context()).await.expect("nothing disturbs it");
    i64::MAX - count.left.load(Ordering::SeqCst)
}

/// The moments at which a run of so many is broken off: the first, the last and some between.
fn moments(reports: i64) -> Vec<i64> {
    let mut all = vec![1, reports / 4, reports / 2, reports * 4 / 5, reports];
    all.retain(|at| *at > 0);
    all.dedup();
    all
}

#[test]
fn a_run_whose_server_dies_says_so_and_is_completed_by_the_next() {
    let private = Private::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let before = city::facts(60, 5);
    let after = city::facts(60, 6);
    runtime.block_on(async {
        let mut client = connect(&private.up()).await;
        let wanted = resolved(&before, &Tables::default()).to_tables().expect("a graph");
        let first = reports(&mut client, "undisturbed", &before).await;
        assert_eq!(bytes(&read(&mut client, "undisturbed").await), bytes(&wanted));
        let second = reports(&mut client, "undisturbed", &after).await;
        let changed = bytes(&read(&mut client, "undisturbed").await);

        for (nth, moment) in moments(first).into_iter().enumerate() {
            let graph = format!("first_{nth}");
            broken_off(&private, &graph, &before, moment).await;
            assert_eq!(bytes(&read(&mut connect(&private.up()).await, &graph).await), bytes(&wanted));
        }
        for (nth, moment) in moments(second).into_iter().enumerate() {
            let graph = format!("second_{nth}");
            let mut client = connect(&private.up()).await;
            run(&mut client, &graph, &before, &Context::silent()).await.expect("nothing disturbs it");
            broken_off(&private, &graph, &after, moment).await;
            assert_eq!(bytes(&read(&mut connect(&private.up()).await, &graph).await), changed);
        }
    });
}

/// A run whose server is killed at a moment, and the run after it.
async fn broken_off(private: &Private, graph: &str, facts: &Facts, moment: i64) {
    let running = private.up();
    let mut client = connect(&running).await;
    let pid = running.servers[0].pid.expect("FalkorDB runs");
    let dying = After::new(moment, move || kill(pid));
    let error = run(&mut client, graph, facts, &dying.context()).await.expect_err("the server died");
    assert_eq!(error.fault(), Fault::Environment, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("again")), "{error:?}");

    let running = private.up();
    let mut client = connect(&running).await;
    crate::graph::lapse(running.falkordb_url.expose(), graph);
    let mark = sonograph::mirror::state(&mut client, graph).await.expect("readable").expect("it was begun");
    assert_eq!(mark.progress, Come::Running, "nobody takes the half for the whole");
    let applied = run(&mut client, graph, facts, &Context::silent()).await.expect("the rest is written");
    assert_eq!(applied.generation, mark.generation, "both halves are one run");
    is_settled(&mut client, graph, facts, mark.generation).await;
}

/// The file in which FalkorDB keeps what was written.
fn kept(running: &Running) -> std::path::PathBuf {
    let folder = running.servers[0].log.with_file_name("falkordb").join("appendonlydir");
    let files = std::fs::read_dir(folder).expect("it keeps what is written");
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".incr.aof"));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// A server that keeps what it answered within a second loses, when it dies, the newest of it: the mark with the rows.
#[test]
fn a_server_that_lost_the_newest_writes_passes_no_half_for_the_whole() {
    let private = Private::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let before = city::facts(60, 5);
    let after = city::facts(60, 6);
    runtime.block_on(async {
        let running = private.up();
        let mut client = connect(&running).await;
        run(&mut client, "g", &before, &Context::silent()).await.expect("nothing disturbs it");
        let first = std::fs::read(kept(&running)).expect("it reads").len();
        let old = bytes(&read(&mut client, "g").await);
        run(&mut client, "g", &after, &Context::silent()).await.expect("nothing disturbs it");
        let new = bytes(&read(&mut client, "g").await);
        kill(running.servers[0].pid.expect("FalkorDB runs"));
        let whole = std::fs::read(kept(&running)).expect("it reads");

        let mut halves = 0;
        for sixth in [0, 1, 3, 5, 6] {
            let left = first + (whole.len() - first) * sixth / 6;
            std::fs::write(kept(&running), &whole[..left]).expect("it is cut");
            let running = private.up();
            let mut client = connect(&running).await;
            let mark = sonograph::mirror::state(&mut client, "g").await.expect("readable").expect("a mark");
            let held = bytes(&read(&mut client, "g").await);
            match (mark.progress, mark.generation) {
                (Come::Complete, 1) => assert!(held == old, "{left} bytes of {}", whole.len()),
                (Come::Complete, _) => assert!(held == new, "{left} bytes of {}", whole.len()),
                (Come::Running, _) => halves += 1,
            }
            crate::graph::lapse(running.falkordb_url.expose(), "g");
            run(&mut client, "g", &after, &Context::silent()).await.expect("the rest is written");
            assert!(bytes(&read(&mut client, "g").await) == new, "{left} bytes of {}", whole.len());
            kill(running.servers[0].pid.expect("FalkorDB runs"));
        }
        assert!(halves > 0, "no cut was inside the run");
    });
}

#[test]
fn a_run_that_is_stopped_leaves_its_mark_and_is_completed_by_the_next() {
    crate::graph::with_graph("stopped", async |client, graph| {
        let facts = city::facts(60, 5);
        let cancel = Cancel::default();
        let ask = cancel.clone();
        let stopping = After::new(20, move || ask.request());
        let cx = Context::new(Arc::new(stopping), cancel, 1, 1);
        let error = run(client, graph, &facts, &cx).await.expect_err("it was asked to stop");
        assert!(matches!(&error, MirrorError::Cancelled(_) | MirrorError::Unwritten(_)), "{error:?}");
        assert_eq!(error.fault(), Fault::Cancelled);
        let mark = sonograph::mirror::state(client, graph).await.expect("readable").expect("it was begun");
        assert_eq!(mark.progress, Come::Running);
        run(client, graph, &facts, &Context::silent()).await.expect("the rest is written");
        let wanted = resolved(&facts, &Tables::default()).to_tables().expect("a graph");
        assert_eq!(bytes(&read(client, graph).await), bytes(&wanted));
        is_settled(client, graph, &facts, 1).await;
    });
}
