//! One writer per graph.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sonograph::context::{Bar, Cancel, Context, Diagnose as _, Fault, Progress};
use sonograph::sources::falkordb::lock::{TTL, holding, key};
use sonograph::sources::falkordb::{Client, FalkorError, Params, Process};

use crate::graph::{OTHER, OtherWriter, url, with_graph};

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(1_500);

async fn another() -> Client {
    Client::connect(&url()).await.expect("the test server answers")
}

fn raw() -> redis::Connection {
    redis::Client::open(url()).expect("a URL").get_connection().expect("the server answers")
}

fn value(graph: &str) -> Option<String> {
    redis::cmd("GET").arg(key(graph)).query(&mut raw()).expect("it answers")
}

async fn write(client: &mut Client, graph: &str) -> Result<(), FalkorError> {
    client.query(graph, "CREATE (:Person {uid: 'p'})", &Params::new()).await.map(drop)
}

async fn people(client: &mut Client, graph: &str) -> Option<u64> {
    client.ro_query(graph, "MATCH (n) RETURN count(n)", &Params::new()).await.expect("counted").count()
}

/// Keeps the titles of the steps, and what is told.
#[derive(Debug, Clone, Default)]
struct Titles(Arc<Mutex<Vec<String>>>);

struct Nothing;

impl Bar for Nothing {
    fn set(&self, _: u64, _: Option<u64>) {}
    fn end(&self) {}
}

impl Progress for Titles {
    fn begin(&self, title: &str, _: Option<u64>) -> Box<dyn Bar> {
        self.0.lock().expect("nobody panics").push(title.to_owned());
        Box::new(Nothing)
    }

    fn tell(&self, line: &str) {
        self.0.lock().expect("nobody panics").push(line.to_owned());
    }
}

#[test]
fn a_second_writer_begins_when_the_first_has_ended_and_the_lock_is_given_back() {
    with_graph("lock_two", async |client, graph| {
        let (cx, mut second) = (Context::silent(), another().await);
        let first_has_ended = Cell::new(false);
        let first = holding(client, graph, "mirror apply", TTL, &cx, async |client| {
            tokio::time::sleep(Duration::from_millis(500)).await;
            write(client, graph).await?;
            first_has_ended.set(true);
            Ok::<_, FalkorError>(())
        });
        let second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            holding(&mut second, graph, "mirror apply", TTL, &cx, async |client| {
                assert!(first_has_ended.get(), "both wrote at once");
                write(client, graph).await
            })
            .await
        };
        let (first, second) = tokio::join!(first, second);
        first.expect("the first writes");
        second.expect("the second writes after it");
        assert_eq!((people(client, graph).await, value(graph)), (Some(2), None));
    });
}

#[test]
fn a_writer_that_fails_gives_the_lock_back_too() {
    with_graph("lock_fails", async |client, graph| {
        let cx = Context::silent();
        let failed: Result<(), FalkorError> =
            holding(client, graph, "mirror apply", TTL, &cx, async |client| {
                client.query(graph, "THIS IS NO CYPHER", &Params::new()).await.map(drop)
            })
            .await;
        failed.expect_err("it is no Cypher");
        assert_eq!(value(graph), None);
    });
}

#[test]
fn a_lock_is_renewed_as_long_as_its_writer_works_and_names_it_to_the_second() {
    with_graph("lock_alive", async |client, graph| {
        let (cx, mut second) = (Context::silent(), another().await);
        let first = holding(client, graph, "writeback undo", SHORT, &cx, async |client| {
            tokio::time::sleep(3 * SHORT).await;
            write(client, graph).await
        });
        let second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            holding(&mut second, graph, "mirror apply", SHORT, &cx, async |client| write(client, graph).await)
                .await
        };
        let (first, second) = tokio::join!(first, second);
        first.expect("the lock was renewed");
        let refused = second.expect_err("the first is alive");
        assert!(matches!(refused, FalkorError::Locked { .. }), "{refused:?}");
        assert_eq!(refused.fault(), Fault::Environment);
        let said = refused.to_string();
        assert!(
            said.contains("`writeback undo`") && said.contains(&std::process::id().to_string()),
            "{said}"
        );
        let hint = refused.hint().expect("a hint");
        assert!(hint.contains("lapses by itself in"), "{hint}");
        assert_eq!(people(client, graph).await, Some(1));
    });
}

#[test]
fn the_lock_of_a_writer_that_was_killed_lapses_while_the_next_one_waits_and_says_so() {
    with_graph("lock_lapses", async |client, graph| {
        let taken = Instant::now();
        redis::cmd("SET").arg(key(graph)).arg(OTHER).arg("PX").arg(1_000).exec(&mut raw()).expect("taken");
        let titles = Titles::default();
        let cx = Context::new(Arc::new(titles.clone()), Cancel::default(), 1, 1);
        holding(client, graph, "mirror apply", TTL, &cx, async |client| write(client, graph).await)
            .await
            .expect("it lapses");
        assert!(taken.elapsed() >= Duration::from_secs(1));
        let said = titles.0.lock().expect("nobody panics").join("\n");
        assert!(said.contains("waiting for `mirror apply` (process 4711 on elsewhere"), "{said}");
        for told in ["if it lives and goes on, this ends within 10 s", "its lock lapses in at most 1 s"] {
            assert!(said.contains(told), "{said}");
        }
    });
}

/// What a process of this machine with that id and beginning would leave.
fn left_by(pid: u32, born: u64) -> String {
    let mut holder: serde_json::Value = serde_json::from_str(OTHER).expect("a lock");
    for (name, value) in serde_json::to_value(Process::this()).expect("plain data").as_object().expect("one")
    {
        holder[name] = value.clone();
    }
    (holder["pid"], holder["born"]) = (pid.into(), born.into());
    holder.to_string()
}

#[test]
fn the_lock_of_a_process_that_is_gone_is_taken_over_at_once_and_that_of_one_that_lives_is_not() {
    with_graph("lock_gone", async |client, graph| {
        let born =
            serde_json::to_value(Process::this()).expect("plain data")["born"].as_u64().expect("ticks");
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        child.wait().expect("it ends");
        // One that ended, and one whose id is by now another's: ours.
        for left in [left_by(child.id(), born), left_by(std::process::id(), born - 1)] {
            redis::cmd("SET")
                .arg(key(graph))
                .arg(&left)
                .arg("PX")
                .arg(30_000)
                .exec(&mut raw())
                .expect("taken");
            let titles = Titles::default();
            let cx = Context::new(Arc::new(titles.clone()), Cancel::default(), 1, 1);
            let began = Instant::now();
            holding(client, graph, "mirror apply", TTL, &cx, async |client| {
                assert_ne!(value(graph), Some(left.clone()), "it is ours");
                write(client, graph).await
            })
            .await
            .expect("nobody holds it");
            assert!(began.elapsed() < Duration::from_secs(10), "it waited for the lock to lapse");
            assert_eq!(value(graph), None);
            let said = titles.0.lock().expect("nobody panics").join("\n");
            assert!(said.contains("is gone: its lock on graph") && !said.contains("waiting"), "{said}");
        }
        let alive = left_by(std::process::id(), born);
        redis::cmd("SET").arg(key(graph)).arg(&alive).arg("PX").arg(1_500).exec(&mut raw()).expect("taken");
        let began = Instant::now();
        let cx = Context::silent();
        holding(client, graph, "mirror apply", TTL, &cx, async |client| write(client, graph).await)
            .await
            .expect("it lapses");
        assert!(began.elapsed() >= Duration::from_secs(1), "it was taken from one that lives");
    });
}

#[test]
fn a_writer_whose_lock_is_anothers_writes_nothing_more_and_leaves_that_ones_lock() {
    with_graph("lock_lost", async |client, graph| {
        let cx = Context::silent();
        let lost = holding(client, graph, "mirror apply", SHORT, &cx, async |client| {
            write(client, graph).await?;
            redis::cmd("SET")
                .arg(key(graph))
                .arg(OTHER)
                .arg("PX")
                .arg(60_000)
                .exec(&mut raw())
                .expect("taken");
            tokio::time::sleep(SHORT).await;
            write(client, graph).await
        })
        .await
        .expect_err("somebody else has it");
        assert!(matches!(lost, FalkorError::LockLost { .. }), "{lost:?}");
        assert_eq!(lost.fault(), Fault::Environment);
        assert!(lost.hint().is_some());
        assert_eq!((people(client, graph).await, value(graph).as_deref()), (Some(1), Some(OTHER)));
        crate::graph::lapse(&url(), graph);
    });
}

#[test]
fn a_wait_for_the_lock_can_be_cancelled() {
    with_graph("lock_cancel", async |client, graph| {
        let _other = OtherWriter::of(graph);
        let cx = Context::silent();
        cx.cancel.request();
        let stopped: Result<(), FalkorError> =
            holding(client, graph, "mirror apply", TTL, &cx, async |_| Ok(())).await;
        assert_eq!(stopped.expect_err("asked to stop").fault(), Fault::Cancelled);
    });
}
