//! `snapshot take --table`: tables of a database as they are, beside the graph.

use std::path::Path;
use std::process::Output;

use polars::prelude::DataFrame;
use sonograph::snapshot::{Manifest, Reader};

use crate::take::{Place, run, said, whole};

/// A place with a mirrored graph would take long: any node makes a graph.
async fn place() -> Place {
    let place = Place::new().await;
    let mut raw =
        redis::Client::open(place.falkordb.as_str()).expect("a URL").get_connection().expect("it answers");
    redis::cmd("GRAPH.QUERY")
        .arg(&place.graph)
        .arg("CREATE (:Person {uid: 'person:ana', name: 'Ana'})")
        .exec(&mut raw)
        .expect("written");
    let sql = "CREATE SCHEMA shop;
        CREATE TABLE shop.orders (id int PRIMARY KEY, at timestamptz, wall timestamp, day date, total numeric, tags text[],
            meta jsonb, seal bytea, paid bool);
        INSERT INTO shop.orders VALUES
            (1, '2026-03-01 20:00+01', '2026-03-01 20:00', '2026-03-01', 12.50, '{a,NULL}', '{\"utm\": {\"source\": \"mail\"}}',
             '\\x00ff', true),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        CREATE VIEW shop.paid AS SELECT id FROM shop.orders WHERE paid;
        CREATE TABLE shop.nothing (id int);
        CREATE TABLE shop.forever (id int, until timestamptz);
        INSERT INTO shop.forever VALUES (1, 'infinity');";
    // What makes it a database of sources.
    let unified = include_str!("../../src/sources/postgres/sql/unified/0001_entities.sql");
    run(&place.postgres(), &format!("{unified};{sql}")).await;
    place
}

fn raw(dir: &Path, table: &str) -> DataFrame {
    let snapshot = Reader::open(dir).expect("a snapshot");
    snapshot.whole(&snapshot.manifest.raw[table]).expect("read")
}

fn columns(dir: &Path, table: &str) -> Vec<String> {
    let manifest = Manifest::read(dir).expect("a manifest");
    manifest.raw[table].columns.iter().map(|column| format!("{} {}", column.name, column.dtype)).collect()
}

fn refused(output: &Output, code: i32, words: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(words), "{}", said(output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_a_view_and_columns_of_json_are_taken_as_they_are() {
    let place = place().await;
    let dir = tempfile::tempdir().expect("a folder");
    let take = |out: &str, tables: &[&str]| {
        let mut args = vec!["--out", out];
        args.extend(tables.iter().flat_map(|table| ["--table", table]));
        place.take(dir.path(), &args)
    };
    let output = take("a", &["shop.orders", "directus:shop.paid", "shop.nothing"]);
    assert!(output.status.success(), "{}", said(&output));
    let at = dir.path().join("a");
    assert!(whole(&at).tables.companions.keys().all(|name| !name.contains('.')), "no study is given them");
    assert!(at.join("tables/shop.orders.parquet").is_file());
    assert_eq!(
        columns(&at, "shop.orders"),
        [
            "id int64",
            "at datetime[us, UTC]",
            "wall string",
            "day date",
            "total string",
            "tags list[string]",
            "meta string",
            "seal string",
            "paid boolean"
        ]
    );
    let orders = raw(&at, "shop.orders");
    let text = |column: &str| {
        orders.column(column).expect("it is there").str().expect("text").get(0).map(str::to_owned)
    };
    assert_eq!(text("wall").as_deref(), Some("2026-03-01 20:00:00"));
    assert_eq!(text("total").as_deref(), Some("12.50"));
    assert_eq!(text("seal").as_deref(), Some("\\x00ff"));
    let empty = |column: &polars::prelude::Column| column.null_count() == 1;
    assert!(orders.columns()[1..].iter().all(empty), "{orders}");
    assert_eq!((raw(&at, "shop.paid").height(), raw(&at, "shop.nothing").height()), (1, 0));

    let output = take("b", &["shop.orders:meta/utm/source,id"]);
    assert!(output.status.success(), "{}", said(&output));
    let at = dir.path().join("b");
    assert_eq!(columns(&at, "shop.orders"), ["meta/utm/source string", "id int64"]);
    let orders = raw(&at, "shop.orders");
    assert_eq!(
        orders.column("meta/utm/source").expect("it is there").str().expect("text").get(0),
        Some("mail")
    );
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_taken_is_named_and_leaves_no_snapshot() {
    let place = place().await;
    let dir = tempfile::tempdir().expect("a folder");
    let take = |args: &[&str]| {
        let output = place.take(dir.path(), &[&["--out", "s"], args].concat());
        if !output.status.success() {
            let left: Vec<_> =
                std::fs::read_dir(dir.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
            assert_eq!(left, ["sonograph.toml"], "{}", said(&output));
        }
        output
    };
    refused(&take(&["--table", "orders"]), 2, "`orders` is no SCHEMA.TABLE");
    refused(&take(&["--table", "shop.sales"]), 2, "has no table `shop.sales`");
    refused(&take(&["--table", "shop.orders:id,price"]), 2, "table `shop.orders` has no column `price`");
    refused(&take(&["--table", "crm:shop.orders"]), 2, "there is no source `crm`");
    refused(
        &take(&["--table", "shop.orders", "--table", "shop.orders:id"]),
        2,
        "`shop.orders` is asked for twice",
    );
    refused(&take(&["--table", "shop.forever"]), 3, "column `until`");
    let output = take(&["--table", "shop.forever", "--skip-bad-rows"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("1 times of column `until` of table `shop.forever`"), "{}", said(&output));
    assert_eq!(raw(&dir.path().join("s"), "shop.forever").height(), 1);
    place.clean().await;
}
