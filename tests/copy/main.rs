//! Tables by binary copy, on a real `PostgreSQL`.

#[path = "../support/mod.rs"]
mod support;

mod exactness;
mod fallbacks;
mod lanes;
mod moment;
mod refusals;

use polars::prelude::DataFrame;
use sonograph::context::Context;
use sonograph::sources::postgres::copy::{CopyError, Pick, Scan, ScanOptions, TableName, scan_table};
use support::scratch;
use support::scratch::Scratch;

/// Scans a table of schema `public` by one block at a time, so that there are many parts.
async fn scan(scratch: &Scratch, table: &str, picks: &[Pick], connections: usize) -> Result<Scan, CopyError> {
    let options = ScanOptions { connections, part_blocks: 1, ..ScanOptions::default() };
    scan_table(&scratch.url(), &TableName::new("public", table), picks, &options, &Context::silent()).await
}

async fn whole(scratch: &Scratch, table: &str) -> DataFrame {
    scan(scratch, table, &[], 1).await.expect("the table is read").frame
}

fn column(name: &str) -> Pick {
    Pick::Column(name.to_owned())
}

/// A column of integers.
fn integers(frame: &DataFrame, name: &str) -> Vec<Option<i64>> {
    frame.column(name).expect("the column").i64().expect("integers").iter().collect()
}

/// A column of texts.
fn texts(frame: &DataFrame, name: &str) -> Vec<Option<String>> {
    let column = frame.column(name).expect("the column").str().expect("texts");
    column.iter().map(|text| text.map(str::to_owned)).collect()
}
