//! What a study found: scores, tables, charts, facts and caveats.

use polars::prelude::{Column, DataFrame};
use serde::Serialize;

use super::StudyError;

/// A study's answer.
#[derive(Debug, Clone)]
pub struct Findings {
    /// `influence`, `community`, `conversion`, `paths`, `virality`, `discovery`.
    pub family: &'static str,
    /// The parameters in force, defaults included.
    pub parameters: serde_json::Value,
    /// One row per node, to be written back as node properties.
    pub scores: Option<Scores>,
    /// Every other table, `scores` not among them.
    pub tables: Vec<Table>,
    /// What the columns of these tables mean, where the study declares it.
    pub declared: &'static [Declared],
    /// What the report draws.
    pub charts: Vec<Chart>,
    /// Single numbers a reader should know.
    pub facts: Vec<Fact>,
    /// What these numbers do not say.
    pub caveats: Vec<String>,
}

impl Findings {
    /// An answer with nothing in it yet.
    pub fn new(family: &'static str, parameters: serde_json::Value) -> Self {
        Self {
            family,
            parameters,
            scores: None,
            tables: vec![],
            declared: &[],
            charts: vec![],
            facts: vec![],
            caveats: vec![],
        }
    }
}

/// Scores of nodes: `uid`, `label`, then one column per declared score.
#[derive(Debug, Clone)]
pub struct Scores {
    /// What each score column means; in the order of the frame.
    pub columns: Vec<ScoreColumn>,
    /// `uid` String, `label` String, then the score columns (Float64 or Int64).
    pub frame: DataFrame,
}

/// Declares a score or a column of a table once: the report's glossary and the write-back plan both read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ScoreColumn {
    /// Column name; of a score also the name of the node property it becomes.
    pub name: &'static str,
    /// Unit, `1` for a pure number.
    pub unit: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

/// Declares a table once: its frame, `study FAMILY --explain` and the report all read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// File stem.
    pub name: &'static str,
    /// Heading for people.
    pub title: &'static str,
    /// What a row is, and in which order rows come.
    pub row: &'static str,
    /// The columns, in the order of the frame.
    pub columns: &'static [ScoreColumn],
}

impl Declared {
    /// A column's declaration.
    pub fn column(&self, name: &str) -> Option<&'static ScoreColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A table of a study, written as `OUT/<family>/<name>.<format>`.
#[derive(Debug, Clone)]
pub struct Table {
    /// File stem.
    pub name: &'static str,
    /// Heading for people.
    pub title: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

impl Table {
    /// A table of columns of one length.
    pub fn new(name: &'static str, title: &'static str, columns: Vec<Column>) -> Result<Self, StudyError> {
        let frame = DataFrame::new_infer_height(columns).map_err(StudyError::table(name))?;
        Ok(Self { name, title, frame })
    }
}

/// One number, with its interval where it is an estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fact {
    /// Stable name, `snake_case`.
    pub name: &'static str,
    /// What it is, in words.
    pub label: &'static str,
    /// The number.
    pub value: f64,
    /// Unit, `1` for a pure number.
    pub unit: &'static str,
    /// 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

impl Fact {
    /// A number that is what it is.
    pub fn number(name: &'static str, label: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, label, value, unit, interval: None }
    }

    /// How many there are.
    pub fn count(name: &'static str, label: &'static str, value: u64, unit: &'static str) -> Self {
        Self::number(name, label, value as f64, unit)
    }

    /// The same fact with a 95 % interval.
    #[must_use]
    pub fn within(mut self, interval: (f64, f64)) -> Self {
        self.interval = Some(interval);
        self
    }
}

/// A whole number with thousands separators: `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, in words: `1 cascade`, `1,234 cascades`, `0 cascades`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Something to draw; the report decides how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// File stem of the figure, unique over all families.
    pub name: &'static str,
    /// Heading for people.
    pub title: String,
    /// What to conclude from it.
    pub caption: String,
    /// The axes' labels with units: x, then y.
    pub axes: (String, String),
    /// What is drawn.
    pub marks: Marks,
}

/// The shapes a chart may take.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Marks {
    /// Horizontal bars, longest first.
    Bars {
        /// (label, value).
        bars: Vec<(String, f64)>,
    },
    /// Estimates with intervals, one row each.
    Forest {
        /// The rows, top to bottom.
        rows: Vec<Estimate>,
        /// A value to compare with, drawn as a vertical line.
        reference: Option<f64>,
    },
    /// Points, optionally on logarithmic axes.
    Scatter {
        /// (x, y).
        points: Vec<(f64, f64)>,
        /// Whether x is logarithmic.
        log_x: bool,
        /// Whether y is logarithmic.
        log_y: bool,
    },
    /// Share of values at least as large as x, on logarithmic axes.
    Ccdf {
        /// (x, share), x rising.
        steps: Vec<(f64, f64)>,
    },
    /// A small network with given positions in the unit square.
    Network {
        /// (label, x, y, size in 0..1, emphasised).
        nodes: Vec<(String, f64, f64, f64, bool)>,
        /// Indices into `nodes`.
        edges: Vec<(usize, usize)>,
    },
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Row label.
    pub label: String,
    /// Point estimate.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Number of observations behind it.
    pub n: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_thousands_are_told_apart() {
        let cascades = |n| counted(n, "cascade", "cascades");
        assert_eq!(cascades(0), "0 cascades");
        assert_eq!(cascades(1), "1 cascade");
        assert_eq!(cascades(999), "999 cascades");
        assert_eq!(cascades(1_234_567), "1,234,567 cascades");
    }
}
