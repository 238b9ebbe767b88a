//! A reading beside a writer: of a copy it is one moment of the graph, of the graph itself it says what moved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polars::prelude::DataFrame;
use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::copy::{self, Cost};
use sonograph::sources::falkordb::{
    Client, Counts, FALKORDB_IDS, FalkorError, Params, scan, scan_rows, scan_typed,
};

use crate::graph::with_graph;
use crate::shadow::{Life, Shadow, live};

fn frames(tables: &Tables) -> BTreeMap<&String, &DataFrame> {
    tables.nodes.iter().chain(&tables.edges).collect()
}

fn same(ours: &Tables, theirs: &Tables) -> bool {
    let (ours, theirs) = (frames(ours), frames(theirs));
    ours.keys().eq(theirs.keys())
        && ours.iter().all(|(name, frame)| {
            frame.equals_missing(theirs[name]) && frame.schema() == theirs[name].schema()
        })
}

/// The keys that a copy leaves as long as it is there.
fn left(url: &str, graph: &str) -> Vec<String> {
    let mut raw = redis::Client::open(url).expect("a URL").get_connection().expect("it answers");
    redis::cmd("KEYS").arg(format!("{graph}:sonograph:copy:*")).query(&mut raw).expect("a list")
}

/// A server of a test's own: a copy stops the one that others use for a moment.
fn server() -> (tempfile::TempDir, Guard, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options { dir: dir.path().join("servers"), fast: true };
    let guard = Guard::up(&options, &Context::silent()).expect("the servers start");
    let url = guard.running().falkordb_url.expose().to_owned();
    (dir, guard, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_read_beside_a_writer_is_one_state_the_graph_was_in() {
    let (_dir, _guard, url) = server();
    let mut client = Client::connect(&url).await.expect("it answers");
    for seed in 0..3 {
        let graph = format!("moment{seed}");
        let mut life = Life::new(seed);
        for _ in 0..150 {
            life.step(&mut client, &graph).await;
        }
        let begun = life.log.len();
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, key, to) = (Arc::clone(&stop), graph.clone(), url.clone());
        let writer = tokio::spawn(async move {
            let mut other = Client::connect(&to).await.expect("another client");
            while !asked.load(Ordering::Relaxed) {
                life.step(&mut other, &key).await;
            }
            life
        });
        let cx = Context::silent();
        let cost = Cost::of(&mut client, &graph).await.expect("a cost");
        let scanned = copy::with(&mut client, &graph, &cost, &cx, async |client, copy| {
            assert!(copy.starts_with(&format!("{graph}:sonograph:copy:")));
            let keys = left(&url, &graph);
            assert_eq!(keys.len(), 2, "the copy, and whose it is");
            let mut raw =
                redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("it answers");
            for key in keys {
                let lapses: i64 = redis::cmd("TTL").arg(&key).query(&mut raw).expect("a time");
                assert!((500..=600).contains(&lapses), "{key} lapses by itself, in {lapses} s");
            }
            scan_typed(client, copy, &cx).await
        });
        let scanned = scanned.await.expect("a scan of a copy");
        stop.store(true, Ordering::Relaxed);
        let life = writer.await.expect("the writer ends");
        assert!(life.log.len() > begun + 5, "somebody wrote meanwhile");
        assert_eq!(scanned.drift, Vec::<String>::new());
        assert_eq!(scanned.counted[0], scanned.counted[1]);
        assert_eq!(left(&url, &graph), Vec::<String>::new(), "the copy is gone");

        let mut shadow = Shadow::default();
        let mut moments = Vec::new();
        for (at, change) in life.log.iter().enumerate() {
            shadow.apply(change);
            if at + 1 >= begun
                && shadow.nodes.len() == scanned.tables.node_count()
                && same(&scanned.tables, &shadow.tables())
            {
                moments.push(at + 1);
            }
        }
        assert!(
            !moments.is_empty(),
            "seed {seed}: no state between {begun} and {} is what was read",
            life.log.len()
        );

        // The copy has the ids of the graph, which write-back goes by.
        let whole = scan_typed(&mut client, &graph, &cx).await.expect("a scan");
        let ids = |tables: &Tables| -> BTreeMap<String, i64> {
            let uids = tables.nodes.values().flat_map(|frame| {
                let uids = frame.column("uid").expect("uids").str().expect("texts").iter().flatten();
                uids.map(str::to_owned).collect::<Vec<_>>()
            });
            let ids = tables.companions[FALKORDB_IDS].column("id").expect("ids").i64().expect("numbers");
            uids.zip(ids.iter().flatten()).collect()
        };
        let (copied, live) = (ids(&scanned.tables), ids(&whole.tables));
        assert!(copied.iter().all(|(uid, id)| live.get(uid).is_none_or(|now| now == id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_over_the_connection_there_is_goes_on_at_the_page_when_that_is_cut() {
    let (_dir, _guard, url) = server();
    let mut client = Client::connect(&url).await.expect("it answers");
    let made = "UNWIND range(0, 29999) AS i CREATE (a:Person {uid: 'p' + toString(i)}), (b:Venue {uid: 'v' + toString(i)}), \
                (a)-[:FOLLOWS {timestamp: i}]->(b), (a)-[:FOLLOWS {timestamp: i}]->(b)";
    client.query("rows", made, &Params::new()).await.expect("made");
    let whole = scan_rows(&mut client, "rows", &Context::silent()).await.expect("a scan");
    let over = Arc::new(AtomicBool::new(false));
    let (asked, to) = (Arc::clone(&over), url.clone());
    let killer = std::thread::spawn(move || {
        let mut raw = redis::Client::open(to.as_str()).expect("a URL").get_connection().expect("it answers");
        let mut killed = 0u32;
        while killed < 4 && !asked.load(Ordering::Relaxed) {
            let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut raw).expect("a list");
            if list.contains("cmd=graph.RO_QUERY") {
                let gone: u32 =
                    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(&mut raw).expect("told");
                killed += gone;
                std::thread::sleep(std::time::Duration::from_millis(40));
            }
        }
        killed
    });
    // What comes before the pages and after them is asked once.
    let cut = loop {
        match scan_rows(&mut client, "rows", &Context::silent()).await {
            Err(FalkorError::Lost { .. }) => client = Client::connect(&url).await.expect("it answers"),
            done => break done,
        }
    };
    over.store(true, Ordering::Relaxed);
    assert!(killer.join().expect("it ends") > 0, "the reading was never cut");
    assert!(same(&cut.expect("a scan in spite of all").tables, &whole.tables));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_removed_whatever_becomes_of_who_reads_it() {
    let (_dir, _guard, url) = server();
    let mut client = Client::connect(&url).await.expect("it answers");
    live(&mut client, "ends", 5, 60).await;
    let cx = Context::silent();
    let cost = Cost::of(&mut client, "ends").await.expect("a cost");
    assert!(cost.fits() && !cost.is_felt(), "{cost}");
    let failed: Result<(), FalkorError> =
        copy::with(&mut client, "ends", &cost, &cx, async |client, copy| {
            client.ro_query(copy, "RETURN nonsense(", &Params::new()).await.map(drop)
        })
        .await;
    assert!(matches!(failed, Err(FalkorError::Query { .. })), "{failed:?}");
    assert_eq!(left(&url, "ends"), Vec::<String>::new());

    // Cut off in the middle, the client that is to remove it connects again.
    let cut: Result<(), FalkorError> = copy::with(&mut client, "ends", &cost, &cx, async |client, copy| {
        let mut raw = redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("it answers");
        redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .exec(&mut raw)
            .expect("all but this one go");
        client.ro_query(copy, "RETURN 1", &Params::new()).await.map(drop)
    })
    .await;
    assert!(matches!(cut, Err(FalkorError::Lost { .. })), "{cut:?}");
    assert_eq!(left(&url, "ends"), Vec::<String>::new());

    cx.cancel.request();
    let stopped: Result<(), FalkorError> =
        copy::with(&mut client, "ends", &cost, &cx, async |_, _| panic!("nobody reads it any more")).await;
    assert!(matches!(stopped, Err(FalkorError::Cancelled(_))), "{stopped:?}");
    assert_eq!(left(&url, "ends"), Vec::<String>::new());

    // More than there is: nothing is begun.
    let cx = Context::silent();
    let short = Cost { free: cost.needed - 1, ..cost };
    let refused: Result<(), FalkorError> =
        copy::with(&mut client, "ends", &short, &cx, async |_, _| panic!("there is no copy")).await;
    assert!(matches!(refused, Err(FalkorError::NoRoom { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_removed_and_what_one_at_work_reads_is_not() {
    let (_dir, _guard, url) = server();
    let mut client = Client::connect(&url).await.expect("it answers");
    live(&mut client, "swept", 5, 20).await;
    let mut raw = redis::Client::open(url.as_str()).expect("a URL").get_connection().expect("it answers");
    let mut copied = |name: &str| {
        redis::cmd("GRAPH.COPY").arg("swept").arg(name).exec(&mut raw).expect("copied");
    };
    copied("swept:sonograph:copy:00");
    copied("other:sonograph:copy:00");
    copied("swept:copy");
    let cx = Context::silent();
    let cost = Cost::of(&mut client, "swept").await.expect("a cost");
    let read: Result<(), FalkorError> = copy::with(&mut client, "swept", &cost, &cx, async |client, copy| {
        copy::sweep(client, "swept", &cx).await?;
        let graphs = client.graphs().await?;
        assert_eq!(graphs, ["other:sonograph:copy:00", "swept", "swept:copy", copy]);
        Ok(())
    })
    .await;
    read.expect("it is left alone");
}

#[test]
fn a_reading_beside_a_writer_says_which_labels_and_relations_moved() {
    with_graph("moved", async |client, graph| {
        live(client, graph, 11, 200).await;
        let before = Counts::read(client, graph).await.expect("counted");
        let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
        assert_eq!(
            (scanned.drift.as_slice(), &scanned.counted),
            ([].as_slice(), &[before.clone(), before.clone()])
        );

        // Only more and more, so that whatever was written between the counts shows in them.
        let (stop, key) = (Arc::new(AtomicBool::new(false)), graph.to_owned());
        let asked = Arc::clone(&stop);
        let writer = tokio::spawn(async move {
            let mut other = Client::connect(&crate::graph::url()).await.expect("another client");
            let query = "MATCH (a) WHERE a.uid STARTS WITH 'u' WITH a LIMIT 1 \
                         CREATE (b:Venue:Open {uid: randomUUID()}), (a)-[:FOLLOWS]->(b)";
            let mut written = 0;
            while !asked.load(Ordering::Relaxed) {
                other.query(&key, query, &Params::new()).await.expect("written");
                written += 1;
            }
            written
        });
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let scanned = scan(client, graph, &Context::silent()).await.expect("a scan");
        stop.store(true, Ordering::Relaxed);
        assert!(writer.await.expect("the writer ends") > 1);
        for moved in ["nodes: ", "nodes Venue: ", "nodes Open: ", "edges FOLLOWS: "] {
            assert!(scanned.drift.iter().any(|d| d.starts_with(moved)), "{moved}{:?}", scanned.drift);
        }
        assert!(!scanned.drift.iter().any(|d| d.starts_with("nodes Zoo")), "{:?}", scanned.drift);
        let [first, last] = &scanned.counted;
        assert!(first.nodes < last.nodes && first.labels["Venue"] < last.labels["Venue"]);
        assert!(!first.since(last).is_empty());
    });
}
