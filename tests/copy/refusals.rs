//! What cannot be scanned is said, by name, and values are not told.

use sonograph::context::{Context, Diagnose, Fault};
use sonograph::sources::SourceError;
use sonograph::sources::postgres::copy::{
    CopyError, Pick, ScanOptions, TableName, estimate, scan_chunks, scan_table,
};

use crate::scratch::Scratch;
use crate::{column, integers, scan};

#[tokio::test]
async fn a_table_or_column_that_is_not_there_is_named() {
    let scratch = Scratch::new().await;
    scratch.run("CREATE TABLE t (a int, b text)").await;
    let error = scan(&scratch, "nothing", &[], 2).await.expect_err("there is none");
    assert!(
        error.to_string().ends_with(&format!("/{} has no table `public.nothing`", scratch.name)),
        "{error}"
    );
    assert_eq!(error.fault(), Fault::Input);
    let error = scan(&scratch, "t", &[column("c")], 2).await.expect_err("there is none");
    assert_eq!(error.to_string(), "table `public.t` has no column `c`");
    assert_eq!(error.hint().as_deref(), Some("its columns are a, b"));
    let error = scan(&scratch, "t", &[column("a"), Pick::Text("a".into())], 2).await.expect_err("twice");
    assert_eq!(error.to_string(), "two columns of table `public.t` would be called `a`");
    let json = Pick::Json { column: "b".into(), path: vec!["x".into()], name: "x".into() };
    let error = scan(&scratch, "t", &[json], 2).await.expect_err("it is text");
    assert_eq!(error.to_string(), "column `b` of table `public.t` is of type text, wanted json or jsonb");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_no_column_holds_is_named_by_a_query_that_shows_its_row() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE t (k int, at timestamptz, day date, grid int[], price numeric);
             INSERT INTO t SELECT k, '2026-01-01Z' FROM generate_series(1, 2000) AS k;
             UPDATE t SET at = 'infinity', day = '-infinity' WHERE k = 1234;
             INSERT INTO t (k, grid, price) VALUES (3000, '{{1,2},{3,4}}', 1e400)",
        )
        .await;
    for connections in [1, 2] {
        let error =
            scan(&scratch, "t", &[column("k"), column("at")], connections).await.expect_err("infinite");
        let told = error.to_string();
        assert!(told.starts_with("row ") && told.contains("of `public.t` (blocks "), "{told}");
        assert!(
            told.contains(": column `at` is infinite or outside the years -9999 to 9999 (byte "),
            "{told}"
        );
        assert_eq!(error.fault(), Fault::Environment);
        let CopyError::Cell { query: Some(query), .. } = error else { panic!("it is a cell") };
        let k = scratch.count(&format!("SELECT k::int8 FROM ({query})")).await;
        assert_eq!(k, 1234, "{query}");
    }
    let error = scan(&scratch, "t", &[column("grid")], 1).await.expect_err("two dimensions");
    assert!(error.to_string().contains("column `grid` is an array of 2 dimensions"), "{error}");
    let text = scan(&scratch, "t", &[Pick::Text("grid".into())], 1).await.expect("as text it can be taken");
    assert!(crate::texts(&text.frame, "grid").contains(&Some("{{1,2},{3,4}}".to_owned())));
    let error = scan(&scratch, "t", &[Pick::Number("price".into())], 1).await.expect_err("no double");
    assert!(error.to_string().contains("column `price` is beyond the largest double"), "{error}");

    let options = ScanOptions { forgive_times: true, ..ScanOptions::default() };
    let table = TableName::new("public", "t");
    let picks = [column("k"), column("at"), column("day")];
    let read =
        scan_table(&scratch.url(), &table, &picks, &options, &Context::silent()).await.expect("forgiven");
    assert_eq!(read.report.forgiven, [("at".to_owned(), 1), ("day".to_owned(), 1)]);
    assert_eq!(integers(&read.frame, "k").len(), 2001);
}

#[tokio::test]
async fn what_the_role_may_not_read_is_an_error_and_never_an_empty_table() {
    let scratch = Scratch::new().await;
    let role = format!("reader_{}", scratch.name);
    scratch
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'x';
             CREATE TABLE t (a int, secret text); INSERT INTO t VALUES (1, 's');
             CREATE TABLE hidden (a int); INSERT INTO hidden VALUES (1); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
             GRANT SELECT (a) ON t TO {role}; GRANT SELECT ON hidden TO {role}"
        ))
        .await;
    let url = scratch.url_as(&role, "x");
    let (options, cx) = (ScanOptions::default(), Context::silent());
    let read = async |table: &str, picks: &[Pick]| {
        scan_table(&url, &TableName::new("public", table), picks, &options, &cx).await
    };
    let denied = read("t", &[]).await;
    let allowed = read("t", &[column("a")]).await;
    let secured = read("hidden", &[]).await;
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    let Err(CopyError::Source(SourceError::Denied { what, .. })) = denied else { panic!("{denied:?}") };
    assert_eq!(what, "public.t.secret");
    assert_eq!(allowed.expect("the column may be read").frame.height(), 1);
    assert!(matches!(secured, Err(CopyError::Source(SourceError::RowSecurity { .. }))), "{secured:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_read_and_while_it_is() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE t AS SELECT k, repeat('x', 1000) AS long FROM generate_series(1, 20000) AS k;
             CREATE TABLE unknown (k int8, long text) WITH (autovacuum_enabled = off);
             ALTER TABLE unknown ALTER long SET STORAGE EXTERNAL;
             INSERT INTO unknown SELECT k, repeat('x', 100000) FROM generate_series(1, 400) AS k;
             ANALYZE t",
        )
        .await;
    let (table, cx) = (TableName::new("public", "t"), Context::silent());
    let expected = estimate(&scratch.url(), &table, &[], &cx).await.expect("an estimate");
    assert_eq!(expected.rows, 20_000);
    let one = estimate(&scratch.url(), &table, &[column("k")], &cx).await.expect("an estimate");
    assert_eq!(one.bytes, 160_000);
    let limited = async |table: &str, limit: u64| {
        let options = ScanOptions { memory_limit: Some(limit), ..ScanOptions::default() };
        scan_table(&scratch.url(), &TableName::new("public", table), &[], &options, &cx).await
    };
    let whole = limited("t", 40 << 20).await.expect("it fits");
    let taken = whole.frame.estimated_size() as u64;
    assert!(taken.abs_diff(expected.bytes) < taken / 10, "estimated {}, took {taken}", expected.bytes);
    let error = limited("t", 10 << 20).await.expect_err("it does not fit");
    assert_eq!(
        error.to_string(),
        "the columns of table `public.t` are estimated at 20 MiB, more than the limit of 10 MiB"
    );
    let error = limited("unknown", 10 << 20).await.expect_err("it does not fit");
    assert!(error.to_string().starts_with("the columns of table `public.unknown` take "), "{error}");
    assert_eq!(error.fault(), Fault::Input);
}

#[tokio::test]
async fn a_scan_cannot_write_and_begins_nothing_once_it_is_asked_to_stop() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            "CREATE TABLE log (a int);
             CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO public.log VALUES (1) RETURNING a';
             CREATE VIEW v AS SELECT write() AS a",
        )
        .await;
    let error = scan(&scratch, "v", &[], 1).await.expect_err("it is read-only");
    assert!(error.to_string().contains("read-only transaction"), "{error}");
    assert_eq!(scratch.count("SELECT count(*) FROM log").await, 0);
    let cx = Context::silent();
    cx.cancel.request();
    let table = TableName::new("public", "v");
    let error = scan_chunks(&scratch.url(), &table, &[], &ScanOptions::default(), &cx, |_| Ok(())).await;
    assert!(matches!(error, Err(CopyError::Cancelled(_))));
}
