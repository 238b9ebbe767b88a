//! What is no plain table, what may not be read apart, and connections that are refused.

use std::io::ErrorKind;
use std::time::Duration;

use sonograph::context::Context;
use sonograph::sources::postgres::copy::{ScanOptions, TableName, scan_table};
use tokio::net::{TcpListener, TcpStream};

use crate::scratch::Scratch;
use crate::{integers, scan, whole};

fn sorted(mut keys: Vec<Option<i64>>) -> Vec<i64> {
    keys.sort_unstable();
    keys.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_and_materialized_views_are_read() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE t AS SELECT k FROM generate_series(1, 2000) AS k;
             CREATE VIEW v AS SELECT k, k::text AS text FROM t WHERE k % 2 = 0;
             CREATE MATERIALIZED VIEW m AS SELECT k FROM t WHERE k % 3 = 0",
        )
        .await;
    let view = scan(&scratch, "v", &[], 2).await.expect("a view is read");
    assert_eq!((view.report.connections, view.report.parts), (1, 1));
    assert_eq!(sorted(integers(&view.frame, "k")), (1..=1000).map(|k| 2 * k).collect::<Vec<_>>());
    let kept = scan(&scratch, "m", &[], 2).await.expect("a materialized view is read");
    assert!(kept.report.parts > 1, "it lies in blocks");
    assert_eq!(sorted(integers(&kept.frame, "k")), (1..=666).map(|k| 3 * k).collect::<Vec<_>>());
}

const PARTITIONED: &str = "CREATE TABLE p (k int, note text) PARTITION BY RANGE (k);
     CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (1000);
     CREATE TABLE p_high (note text, gone int, k int);
     ALTER TABLE p_high DROP gone;
     ALTER TABLE p ATTACH PARTITION p_high FOR VALUES FROM (1000) TO (2000);
     CREATE TABLE p_rest PARTITION OF p DEFAULT PARTITION BY LIST (k);
     CREATE TABLE p_rest_all PARTITION OF p_rest DEFAULT;
     INSERT INTO p SELECT k, 'n' || k FROM generate_series(0, 2999) AS k;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_read_one_by_one_at_any_depth_whatever_the_order_of_their_columns() {
    let scratch = Scratch::new().await;
    scratch.run(PARTITIONED).await;
    let read = scan(&scratch, "p", &[], 2).await.expect("it is read");
    assert!(read.report.parts > 6, "{} parts", read.report.parts);
    assert_eq!(sorted(integers(&read.frame, "k")), (0..3000).collect::<Vec<_>>());
    let notes = crate::texts(&read.frame, "note");
    for (k, note) in integers(&read.frame, "k").into_iter().zip(notes) {
        assert_eq!(note, k.map(|k| format!("n{k}")));
    }
}

#[tokio::test]
async fn foreign_tables_are_read_and_so_are_those_that_are_partitions() {
    let scratch = Scratch::new().await;
    // A file that every server has: its one line is the major version.
    scratch
        .run(
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
             CREATE FOREIGN TABLE far (k int) SERVER files OPTIONS (filename 'PG_VERSION');
             CREATE TABLE near (k int) PARTITION BY RANGE (k);
             CREATE TABLE near_low PARTITION OF near FOR VALUES FROM (0) TO (1);
             CREATE FOREIGN TABLE near_far PARTITION OF near FOR VALUES FROM (1) TO (1000)
               SERVER files OPTIONS (filename 'PG_VERSION');
             INSERT INTO near VALUES (0)",
        )
        .await;
    let version = scratch.count("SELECT current_setting('server_version_num')::int8 / 10000").await;
    assert_eq!(integers(&whole(&scratch, "far").await, "k"), [Some(version)]);
    assert_eq!(sorted(integers(&whole(&scratch, "near").await, "k")), [0, version]);
}

#[tokio::test]
async fn the_rows_of_heirs_are_among_those_of_the_table() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE parent (k int); CREATE TABLE heir (more text) INHERITS (parent);
             CREATE TABLE grandchild () INHERITS (heir, parent);
             INSERT INTO parent VALUES (1); INSERT INTO heir VALUES (2, 'x'); INSERT INTO grandchild VALUES (3, 'y')",
        )
        .await;
    assert_eq!(sorted(integers(&whole(&scratch, "parent").await, "k")), [1, 2, 3]);
}

#[tokio::test]
async fn a_role_that_may_read_the_whole_but_not_its_partitions_reads_it_as_one() {
    let scratch = Scratch::new().await;
    scratch.run(PARTITIONED).await;
    let role = format!("whole_{}", scratch.name);
    scratch.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT ON p TO {role}")).await;
    let (table, cx) = (TableName::new("public", "p"), Context::silent());
    let read = scan_table(&scratch.url_as(&role, "x"), &table, &[], &ScanOptions::default(), &cx).await;
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    let read = read.expect("the whole may be read");
    assert_eq!((read.report.parts, read.frame.height()), (1, 3000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_refused_connection_would_have_read_the_others_read_and_it_is_said() {
    let scratch = Scratch::new().await;
    let role = format!("one_{}", scratch.name);
    scratch
        .run(&format!(
            "CREATE TABLE t AS SELECT k FROM generate_series(1, 20000) AS k;
             CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 1; GRANT SELECT ON t TO {role}"
        ))
        .await;
    let options = ScanOptions { connections: 3, part_blocks: 1, ..ScanOptions::default() };
    let (table, cx) = (TableName::new("public", "t"), Context::silent());
    let read = scan_table(&scratch.url_as(&role, "x"), &table, &[], &options, &cx).await;
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    let read = read.expect("one connection is enough");
    assert_eq!(read.frame.height(), 20_000);
    assert_eq!(read.report.connections, 1);
    assert_eq!(read.report.notes.len(), 2, "{:?}", read.report.notes);
    assert!(read.report.notes[0].contains("too many connections"), "{:?}", read.report.notes);
}

/// Listens there, as soon as no other run of this test does.
async fn door(address: &str) -> TcpListener {
    for _ in 0..200 {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            bound => return bound.expect("the port can be listened on"),
        }
    }
    panic!("{address} is in use")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_of_a_transaction_pooler_is_read_on_one_connection_and_it_is_said() {
    let scratch = Scratch::new().await;
    scratch.run("CREATE TABLE t AS SELECT k FROM generate_series(1, 20000) AS k").await;
    let server =
        format!("{}:{}", scratch.server.host_str().expect("a host"), scratch.server.port().unwrap_or(5432));
    // What leads to the server by that port; no pooler, but nobody can tell.
    let door = door("127.0.0.2:6543").await;
    let forwarding = tokio::spawn(async move {
        while let Ok((mut inside, _)) = door.accept().await {
            let mut outside = TcpStream::connect(&server).await.expect("the server answers");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        }
    });
    let mut url = url::Url::parse(&scratch.url()).expect("a URL");
    url.set_host(Some("127.0.0.2")).expect("a host");
    url.set_port(Some(6543)).expect("a port");
    let options = ScanOptions { connections: 2, part_blocks: 1, ..ScanOptions::default() };
    let read =
        scan_table(url.as_str(), &TableName::new("public", "t"), &[], &options, &Context::silent()).await;
    forwarding.abort();
    let read = read.expect("it is read");
    assert_eq!((read.report.connections, read.frame.height()), (1, 20_000));
    assert_eq!(read.report.notes, ["read on one connection: a transaction pooler shares no snapshot"]);
}
