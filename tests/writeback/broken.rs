//! The connection ends in the middle: the ledger shows it, doing it again completes it, undo takes it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::sources::falkordb::{Client, FalkorError, Params, scan};
use sonograph::writeback::{Ledger, RunState, Score, UndoOptions, WritebackError, apply, plan, resume, undo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::graph::{all, lapse, url, with_graph};
use crate::town::{dump, frozen, scores};

/// A way to the server that is cut once so many bytes went there.
async fn cut_after(bytes: usize) -> (String, Arc<AtomicUsize>) {
    let mut address = url::Url::parse(&url()).expect("a url");
    let server = (address.host_str().expect("a host").to_owned(), address.port().unwrap_or(6379));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    address.set_host(Some("127.0.0.1")).expect("a host");
    address.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
    let left = Arc::new(AtomicUsize::new(bytes));
    let budget = Arc::clone(&left);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("a client");
        drop(listener);
        let (mut from, mut back) = client.into_split();
        let (mut answers, mut to) = TcpStream::connect(server).await.expect("the server").into_split();
        let returning = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
        let mut buffer = vec![0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            if budget.load(Ordering::Relaxed) < n {
                break;
            }
            budget.fetch_sub(n, Ordering::Relaxed);
            if to.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
        returning.abort();
    });
    (address.into(), left)
}

const PEOPLE: usize = 3_000;

async fn town(client: &mut Client, graph: &str) -> Vec<String> {
    all(
        client,
        graph,
        &["UNWIND range(0, 2999) AS i CREATE (:Person {uid: 'p' + toString(i), old: i * 0.1})"],
    )
    .await;
    (0..PEOPLE).map(|i| format!("p{i}")).collect()
}

#[test]
fn a_write_back_that_is_cut_anywhere_is_visible_completes_and_can_be_undone() {
    with_graph("cut", async |client, graph| {
        let cx = Context::silent();
        let uids = town(client, graph).await;
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let rows: Vec<(&str, &str)> = uids.iter().map(|u| (u.as_str(), "Person")).collect();
        let values = (0..PEOPLE).map(|i| Some(Score::Float(i as f64 / 7.0 + 0.01))).collect();
        let given = [scores(&rows, &[("old", values)])];
        let mut half = 0;
        // Bytes at which the connection ends: during the check, the first, a middle and the last writes, the reading back.
        for bytes in [300, 9_000, 40_000, 90_000, 120_000] {
            let dir = tempfile::tempdir().expect("a folder");
            let ledger = Ledger::new(dir.path());
            let planned = plan(client, graph, &tables, &given, &cx).await.expect("a plan");
            assert_eq!(planned.set, PEOPLE as u64);
            let (address, left) = cut_after(usize::MAX / 2).await;
            let mut fragile = Client::connect(&address).await.expect("the way is open");
            left.store(bytes, Ordering::Relaxed);
            let error = apply(&mut fragile, graph, &planned, &ledger, &cx).await.expect_err("cut");
            lapse(&url(), graph);
            assert!(matches!(error, WritebackError::Falkor(FalkorError::Lost { .. })), "{error:?}");
            assert_eq!(error.fault(), Fault::Environment);
            let Some(run) = ledger.runs().expect("a look").0.pop() else {
                assert_eq!(bytes, 300, "nothing was begun");
                assert_eq!(dump(client, graph).await, before);
                continue;
            };
            assert!([RunState::Applying, RunState::Applied].contains(&run.state), "{run:?}");
            let now = dump(client, graph).await;
            half += usize::from(now != before && run.state == RunState::Applying);

            // The address differs by the way, not by the server: complete it by name.
            let applied = resume(client, &ledger, &run.run, &cx).await.expect("completed");
            assert_eq!(applied.written, PEOPLE as u64);
            let rest = plan(client, graph, &tables, &given, &cx).await.expect("a plan");
            assert_eq!((rest.set, rest.unchanged), (0, PEOPLE as u64));

            let undone =
                undo(client, &ledger, &run.run, UndoOptions::default(), &cx).await.expect("restored");
            assert_eq!(undone.restored, PEOPLE as u64);
            assert!(dump(client, graph).await == before, "cut after {bytes}: undo does not restore");
        }
        assert!(half > 1, "no cut fell into the writes");
    });
}

#[test]
fn a_run_that_was_cut_is_completed_by_applying_again_undone_half_and_not_mixed_with_another() {
    with_graph("again", async |client, graph| {
        let cx = Context::silent();
        let uids = town(client, graph).await;
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let rows: Vec<(&str, &str)> = uids.iter().map(|u| (u.as_str(), "Person")).collect();
        let given = |scale: f64| {
            let values = (0..PEOPLE).map(|i| Some(Score::Float(i as f64 / scale + 0.01))).collect();
            [scores(&rows, &[("old", values)])]
        };
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::new(dir.path());
        let planned = plan(client, graph, &tables, &given(7.0), &cx).await.expect("a plan");
        let (address, left) = cut_after(usize::MAX / 2).await;
        let mut fragile = Client::connect(&address).await.expect("the way is open");
        left.store(40_000, Ordering::Relaxed);
        apply(&mut fragile, graph, &planned, &ledger, &cx).await.expect_err("cut");
        lapse(&url(), graph);
        let run = ledger.runs().expect("a look").0.pop().expect("a run");
        // As if it had gone the usual way.
        let file = dir.path().join(&run.run).join("run.json");
        let text = std::fs::read_to_string(&file).expect("read").replace(&run.address, client.address());
        std::fs::write(&file, text).expect("written");

        let other = plan(client, graph, &tables, &given(3.0), &cx).await.expect("a plan");
        let error = apply(client, graph, &other, &ledger, &cx).await.expect_err("one is open");
        assert!(
            matches!(&error, WritebackError::Unfinished { run: open, .. } if *open == run.run),
            "{error:?}"
        );
        assert!(error.hint().expect("a hint").contains(&run.run));

        let undone =
            undo(client, &ledger, &run.run, UndoOptions::default(), &cx).await.expect("half is restored");
        assert!(undone.restored > 0 && undone.untouched > 0, "{undone:?}");
        assert_eq!(undone.restored + undone.untouched, PEOPLE as u64);
        assert!(dump(client, graph).await == before);

        // Once more, and this time the same command completes it under the same run.
        let (address, left) = cut_after(usize::MAX / 2).await;
        let mut fragile = Client::connect(&address).await.expect("the way is open");
        left.store(40_000, Ordering::Relaxed);
        apply(&mut fragile, graph, &planned, &ledger, &cx).await.expect_err("cut");
        lapse(&url(), graph);
        let run = ledger.runs().expect("a look").0.pop().expect("a run");
        let file = dir.path().join(&run.run).join("run.json");
        let text = std::fs::read_to_string(&file).expect("read").replace(&run.address, client.address());
        std::fs::write(&file, text).expect("written");
        let rest = plan(client, graph, &tables, &given(7.0), &cx).await.expect("a plan");
        assert!(rest.set > 0 && rest.unchanged > 0);
        let applied = apply(client, graph, &rest, &ledger, &cx).await.expect("completed");
        assert_eq!((applied.run, applied.written), (Some(run.run), PEOPLE as u64));
        let by = "MATCH (n:Person) RETURN count(DISTINCT n.score_run)";
        assert_eq!(client.ro_query(graph, by, &Params::new()).await.expect("counted").count(), Some(1));
    });
}

#[test]
fn a_scan_that_is_cut_is_an_error_and_not_half_a_graph() {
    with_graph("scancut", async |client, graph| {
        town(client, graph).await;
        for bytes in [0, 200, 1_000, 1_600] {
            let (address, left) = cut_after(usize::MAX / 2).await;
            let mut fragile = Client::connect(&address).await.expect("the way is open");
            left.store(bytes, Ordering::Relaxed);
            let error = scan(&mut fragile, graph, &Context::silent()).await.expect_err("cut");
            assert!(matches!(error, FalkorError::Lost { .. }), "{error:?}");
            assert_eq!(error.fault(), Fault::Environment);
            assert!(error.hint().is_some());
        }
    });
}
