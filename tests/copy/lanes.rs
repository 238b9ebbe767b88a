//! Connections of our own for the rows: what they log in with, when the driver reads in their place, and how they end.

use std::time::{Duration, Instant};

use sonograph::context::{Context, Diagnose, Fault};
use sonograph::services::{Guard, Options};
use sonograph::sources::SourceError;
use sonograph::sources::postgres::copy::{CopyError, ScanOptions, ScanReport, TableName, scan_chunks};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::integers;
use crate::scratch::Scratch;

const ROWS: i64 = 20_000;

const TABLE: &str = "CREATE TABLE t AS SELECT k::int FROM generate_series(1, 20000) AS k";

/// By two connections and many parts.
fn options() -> ScanOptions {
    ScanOptions { connections: 2, part_blocks: 1, ..ScanOptions::default() }
}

/// Connections of ours that the server has.
async fn ours(scratch: &Scratch) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sonograph'";
    scratch.count(sql).await
}

/// Scans `t`, every row of which has to come in its order; answers with how many connections there were meanwhile.
async fn connections(scratch: &Scratch, url: &str) -> Result<(i64, ScanReport), CopyError> {
    let (mut next, mut seen) = (1, 0);
    let table = TableName::new("public", "t");
    let report = scan_chunks(url, &table, &[], &options(), &Context::silent(), |chunk| {
        for k in integers(&chunk, "k") {
            assert_eq!(k, Some(next));
            next += 1;
        }
        if chunk.height() > 0 && seen == 0 {
            seen = block_in_place(|| Handle::current().block_on(ours(scratch)));
        }
        Ok(())
    })
    .await?;
    assert_eq!(next, ROWS + 1);
    assert_eq!((report.connections, report.notes.len()), (2, 0), "{:?}", report.notes);
    Ok((seen, report))
}

/// Lets the server do with texts what `program` does with its standard input, in its own folder.
async fn pipe(scratch: &Scratch, text: &str, program: &str) {
    let lines = format!("unnest(string_to_array($text${text}$text$, E'\\n'))");
    scratch.run(&format!("COPY (SELECT {lines}) TO PROGRAM $program${program}$program$")).await;
}

/// With the leader, which holds the snapshot, there is one more than those that read; where the driver reads, the leader does, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_a_server_asks_for_all_rows_come_and_lanes_are_had_where_they_can_be() {
    let dir = tempfile::tempdir().expect("a folder");
    let servers = Options { dir: dir.path().join("servers"), fast: true };
    let guard = Guard::up(&servers, &Context::silent()).expect("the servers start");
    let server = url::Url::parse(guard.running().postgres_url.expose()).expect("a URL");
    let scratch = Scratch::on(server).await;
    scratch.run(TABLE).await;
    let password = "p ä:/@%!\"'";
    let roles = ["by_trust", "by_password", "by_md5", "by scram/of: y@u"];
    for role in roles {
        let kind = if role == "by_md5" { "md5" } else { "scram-sha-256" };
        let literal = password.replace('\'', "''");
        scratch
            .run(&format!(
                "SET password_encryption = '{kind}'; CREATE ROLE \"{role}\" LOGIN PASSWORD '{literal}';
                 GRANT SELECT ON t TO \"{role}\""
            ))
            .await;
    }
    let rules = "host all by_trust all trust\nhost all by_password all password\nhost all by_md5 all md5";
    pipe(&scratch, rules, "cat - pg_hba.conf > new.conf && mv new.conf pg_hba.conf").await;
    scratch.run("SELECT pg_reload_conf()").await;
    for role in roles {
        let (seen, _) = connections(&scratch, &scratch.url_as(role, password)).await.expect(role);
        assert_eq!(seen, 3, "{role}");
    }
    let wrong =
        connections(&scratch, &scratch.url_as("by_md5", "hunter2")).await.expect_err("a wrong password");
    assert!(matches!(wrong, CopyError::Source(SourceError::Password { .. })), "{wrong}");

    // From now on the server takes TLS, and so does who prefers it.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    pipe(&scratch, &made.cert.pem(), "cat > server.crt").await;
    pipe(&scratch, &made.signing_key.serialize_pem(), "umask 077; cat > server.key").await;
    scratch.run("ALTER SYSTEM SET ssl = on").await;
    scratch.run("SELECT pg_reload_conf()").await;
    let began = Instant::now();
    while connections(&scratch, &format!("{}?sslmode=require", scratch.url())).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the server never takes TLS");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (mode, wanted) in [("require", 2), ("prefer", 2), ("disable", 3)] {
        let url = format!("{}?sslmode={mode}", scratch.url_as("by_md5", password));
        let (seen, _) = connections(&scratch, &url).await.expect(mode);
        assert_eq!(seen, wanted, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_in_the_middle_is_told_without_its_value() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE t (k int, s text, n int GENERATED ALWAYS AS (s::int) VIRTUAL);
             INSERT INTO t SELECT k, k FROM generate_series(1, 20000) AS k;
             UPDATE t SET s = 'hunter2' WHERE k = 15000",
        )
        .await;
    for connections in [1, 2] {
        let error = crate::scan(&scratch, "t", &[], connections).await.expect_err("it is no number");
        let told = error.to_string();
        assert!(told.contains("public.t") && told.contains("a value was refused (SQLSTATE 22P02)"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

/// What comes of scanning `t` where `act` is done once, after the first rows.
async fn interrupted(
    scratch: &Scratch,
    cx: &Context,
    act: impl Fn() -> Result<(), &'static str> + Send + Sync,
) -> CopyError {
    let mut acted = false;
    let (url, table, options) = (scratch.url(), TableName::new("public", "t"), options());
    let scan = scan_chunks(&url, &table, &[], &options, cx, |chunk| {
        if chunk.height() > 0 && !std::mem::replace(&mut acted, true) {
            act()?;
        }
        Ok(())
    });
    let error = scan.await.expect_err("it is interrupted");
    let began = Instant::now();
    while ours(scratch).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "the server still works for us");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_a_scan_ends_early_it_is_said_and_no_connection_stays() {
    let scratch = Scratch::new().await;
    // So many that connections wait for whoever takes them.
    scratch.run("CREATE TABLE t AS SELECT k::int FROM generate_series(1, 1000000) AS k").await;
    let cx = Context::silent();
    let full = interrupted(&scratch, &cx, || Err("the disk is full")).await;
    assert!(matches!(full, CopyError::Taking { .. }), "{full}");

    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'sonograph' AND query LIKE 'COPY%'";
    let ended = interrupted(&scratch, &cx, || {
        assert_eq!(block_in_place(|| Handle::current().block_on(scratch.count(end))), 2);
        Ok(())
    });
    let ended = ended.await;
    let CopyError::Source(SourceError::Lost { what, .. }) = &ended else { panic!("{ended}") };
    assert_eq!(what, "public.t");

    let stopped = interrupted(&scratch, &cx, || {
        cx.cancel.request();
        Ok(())
    });
    assert_eq!(stopped.await.fault(), Fault::Cancelled);
}
