//! Discovery on real servers: the published layouts by hand, and the README's cookbook against the studies.
#![allow(clippy::print_stderr)] // a test that is skipped says so, a measured one what it measured

mod cookbook;
mod layouts;

#[path = "../support/mod.rs"]
mod support;

use support::{graph, scratch};

use polars::prelude::{AnyValue, DataFrame, TimeUnit};
use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::mirror::{ResolveOptions, Resolved, resolve};
use sonograph::snapshot::tables::Tables;
use sonograph::sources::companions;
use sonograph::sources::facts::Facts;
use sonograph::sources::falkordb::CypherValue;
use sonograph::studies::{Findings, Question};

/// The graph that the facts claim, and the tables of its snapshot.
fn frozen(facts: &Facts) -> (Resolved, Tables) {
    let resolved = resolve(facts, &ResolveOptions::default()).expect("the facts are free of contradictions");
    let mut tables = resolved.to_tables().expect("nodes have one uid each");
    tables.companions.extend(companions(facts).expect("they read"));
    (resolved, tables)
}

fn ask(graph: &BusinessGraph, family: &str, given: &serde_json::Value) -> Findings {
    let given = given.as_object().expect("parameters").clone();
    let question = Question::configured(family, &given).expect("parameters are known");
    question.run(graph, &Context::silent()).expect("an answer")
}

/// A fact that is a count.
fn fact(findings: &Findings, name: &str) -> u64 {
    findings.facts.iter().find(|fact| fact.name == name).expect("the fact is there").value as u64
}

fn table<'f>(findings: &'f Findings, name: &str) -> &'f DataFrame {
    &findings.tables.iter().find(|table| table.name == name).expect("the table is there").frame
}

/// Rows of some columns as text: null is empty, times are milliseconds, floats have ten digits.
fn rows(frame: &DataFrame, columns: &[&str]) -> Vec<Vec<String>> {
    let cell = |column: &str, row| {
        said(&frame.column(column).unwrap_or_else(|_| panic!("no column {column}")).get(row).expect("a row"))
    };
    (0..frame.height()).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect()
}

fn said(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Float64(x) => format!("{x:.9e}"),
        AnyValue::Datetime(at, TimeUnit::Microseconds, _)
        | AnyValue::DatetimeOwned(at, TimeUnit::Microseconds, _) => (at / 1_000).to_string(),
        AnyValue::List(items) => items.iter().map(|item| said(&item)).collect::<Vec<_>>().join(" | "),
        other => other.to_string(),
    }
}

/// The same of what the server answers.
fn told(value: &CypherValue) -> String {
    match value {
        CypherValue::Null => String::new(),
        CypherValue::Text(text) => text.clone(),
        CypherValue::Int(n) => n.to_string(),
        CypherValue::Float(x) => format!("{x:.9e}"),
        CypherValue::List(items) => items.iter().map(told).collect::<Vec<_>>().join(" | "),
        other => panic!("{other:?} is in no table"),
    }
}
