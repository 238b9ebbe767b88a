//! All connections see one moment, whatever others write meanwhile; and a scan that is stopped is gone from the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sonograph::context::{Context, Diagnose, Fault};
use sonograph::sources::postgres::copy::{CopyError, ScanOptions, TableName, scan_chunks, scan_table};
use sqlx::{Connection as _, PgConnection};

use crate::scratch::Scratch;
use crate::{integers, scan};

const ROWS: i64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_written_while_it_is_read_is_of_one_moment() {
    let scratch = Scratch::new().await;
    scratch
        .run(&format!(
            "CREATE TABLE accounts (k int, amount int8, pad text);
             INSERT INTO accounts SELECT k, 1000, repeat('x', 100) FROM generate_series(1, {ROWS}) AS k;
             CREATE INDEX ON accounts (k)"
        ))
        .await;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = tokio::spawn({
        let (url, stop, written) = (scratch.url(), Arc::clone(&stop), Arc::clone(&written));
        async move {
            let mut connection = PgConnection::connect(&url).await.expect("the server answers");
            // Far apart, so that the two lie in different parts: one seen without the other changes the sum.
            let mut k = 0;
            while !stop.load(Ordering::Relaxed) {
                k = (k + 7_919) % ROWS;
                let other = (k + ROWS / 2) % ROWS;
                let sql = format!(
                    "BEGIN; UPDATE accounts SET amount = amount - 7 WHERE k = {k} + 1;
                     UPDATE accounts SET amount = amount + 7 WHERE k = {other} + 1;
                     DELETE FROM accounts WHERE k = {k} + 1 AND pad = 'y';
                     COMMIT"
                );
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .expect("it is written");
                written.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut during = 0;
    for _ in 0..6 {
        let before = written.load(Ordering::Relaxed);
        let read = scan(&scratch, "accounts", &[], 3).await.expect("it is read");
        during += written.load(Ordering::Relaxed) - before;
        assert_eq!(read.report.connections, 3);
        assert!(read.report.parts > 100, "{} parts", read.report.parts);
        let mut keys: Vec<_> = integers(&read.frame, "k").into_iter().flatten().collect();
        keys.sort_unstable();
        assert!(keys.into_iter().eq(1..=ROWS), "every row is seen once");
        let sum: i64 = integers(&read.frame, "amount").into_iter().flatten().sum();
        assert_eq!(sum, ROWS * 1_000);
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.expect("the writer ends");
    assert!(during > 20, "only {during} transactions came between");
}

/// Connections of ours that the server still has.
async fn ours(scratch: &Scratch) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sonograph'";
    scratch.count(sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_stopped_closes_its_connections_and_the_server_ends_the_statement() {
    let scratch = Scratch::new().await;
    scratch.run("CREATE VIEW slow AS SELECT pg_sleep(60)::text AS nothing").await;
    let cx = Context::silent();
    let (url, stopped) = (scratch.url(), cx.clone());
    let scan = tokio::spawn(async move {
        scan_table(&url, &TableName::new("public", "slow"), &[], &ScanOptions::default(), &stopped).await
    });
    let began = Instant::now();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sonograph' AND query LIKE 'COPY%slow%'";
    while scratch.count(running).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the statement never ran");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    cx.cancel.request();
    let error = scan.await.expect("no panic").expect_err("it was stopped");
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?} to stop", asked.elapsed());
    assert_eq!(error.fault(), Fault::Cancelled);
    while ours(&scratch).await > 0 {
        assert!(asked.elapsed() < Duration::from_secs(10), "the server still works for us");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_come_in_order_and_reading_waits_for_whoever_takes_them() {
    let scratch = Scratch::new().await;
    // Little in the blocks, much beside them: one part alone is many chunks.
    scratch
        .run(
            "CREATE TABLE wide (k int, long text);
             ALTER TABLE wide ALTER long SET STORAGE EXTERNAL;
             INSERT INTO wide SELECT k, repeat(md5(k::text), 8192) FROM generate_series(1, 300) AS k",
        )
        .await;
    let table = TableName::new("public", "wide");
    let (mut next, mut chunks) = (1, 0);
    let report =
        scan_chunks(&scratch.url(), &table, &[], &ScanOptions::default(), &Context::silent(), |chunk| {
            chunks += 1;
            // 16 MiB of what the server sends, and the row that goes beyond.
            assert!(chunk.estimated_size() < 18 << 20, "a chunk of {} bytes", chunk.estimated_size());
            for k in integers(&chunk, "k") {
                assert_eq!(k, Some(next));
                next += 1;
            }
            Ok(())
        })
        .await
        .expect("it is read");
    assert_eq!((report.rows, next), (300, 301));
    assert!(chunks >= 4, "{chunks} chunks");

    let (url, options, cx) = (scratch.url(), ScanOptions::default(), Context::silent());
    let full = scan_chunks(&url, &table, &[], &options, &cx, |_| Err("the disk is full".into()));
    let error = full.await.expect_err("nobody takes them");
    assert!(matches!(error, CopyError::Taking { .. }), "{error}");
    assert_eq!(error.to_string(), "cannot hand on rows of table `public.wide`");
    let began = Instant::now();
    while ours(&scratch).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "the server still works for us");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
