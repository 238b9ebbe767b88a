//! Asks a study of the town, and reads its answer.

use polars::prelude::{AnyValue, DataFrame, DataType};
use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::studies::{Findings, Question, StudyError};

use crate::town::town;

pub fn ask(family: &str, given: &serde_json::Value, graph: &BusinessGraph) -> Result<Findings, StudyError> {
    let given = given.as_object().expect("parameters").clone();
    Question::configured(family, &given)?.run(graph, &Context::silent())
}

pub fn answer(family: &str, given: &serde_json::Value) -> Findings {
    ask(family, given, &town()).expect("an answer")
}

pub fn table<'f>(findings: &'f Findings, name: &str) -> &'f DataFrame {
    &findings.tables.iter().find(|table| table.name == name).expect("the table is there").frame
}

pub fn names(frame: &DataFrame) -> Vec<&str> {
    frame.columns().iter().map(|column| column.name().as_str()).collect()
}

pub fn text(frame: &DataFrame, column: &str, row: usize) -> String {
    frame.column(column).expect("a column").str().expect("text").get(row).expect("a value").to_owned()
}

pub fn number(frame: &DataFrame, column: &str, row: usize) -> f64 {
    let column = frame.column(column).expect("a column").cast(&DataType::Float64).expect("a number");
    column.f64().expect("numbers").get(row).expect("a value")
}

pub fn texts(frame: &DataFrame, column: &str, row: usize) -> Vec<String> {
    let AnyValue::List(list) = frame.column(column).expect("a column").get(row).expect("a row") else {
        panic!("`{column}` is no list")
    };
    list.str().expect("text").iter().map(|text| text.expect("a value").to_owned()).collect()
}

pub fn row_of(frame: &DataFrame, uid: &str) -> usize {
    (0..frame.height()).find(|&row| text(frame, "uid", row) == uid).expect("the node is scored")
}

pub fn fact(findings: &Findings, name: &str) -> f64 {
    findings.facts.iter().find(|fact| fact.name == name).expect("the fact is there").value
}

/// Why there is no answer, with everything behind it.
pub fn refused(family: &str, given: &serde_json::Value) -> String {
    let error = ask(family, given, &town()).expect_err("it is refused");
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    causes.join(": ")
}

/// The same number but for its last digits.
pub fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}
