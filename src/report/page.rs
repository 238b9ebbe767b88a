//! The page as data: what the templates of HTML and Markdown lay out.

use minijinja::value::Value;
use polars::prelude::DataFrame;
use serde::Serialize;

use super::canvas::DrawError;
use super::charts::{self, Look};
use super::found::{self, Sentence};
use super::history::{self, Measure};
use super::numbers;
use super::tables::{self, Names, Shape, View};
use super::{ReportError, ReportInput};
use crate::context::{shell_word, visible};
use crate::studies::findings::{Chart, Findings, ScoreColumn, Table};

/// Rows of a table in the page.
const ROWS: usize = 10;
/// Rows of a label's table beside the leading label's.
const FEW_ROWS: usize = 5;
/// Score columns of a table in the page.
const SCORE_COLUMNS: usize = 6;

/// Facts that tell how a number was computed, not what it is; they stand in `findings.json`.
const OF_THE_MACHINE: [&str; 3] = ["pagerank_iterations", "pagerank_residual", "label_iterations"];

/// Everything on the page.
#[derive(Debug, Serialize)]
pub struct Page {
    title: String,
    as_of: String,
    reference: String,
    tiles: Vec<Tile>,
    found: Vec<Sentence>,
    sections: Vec<Section>,
    health: Health,
    glossary: Vec<Term>,
    /// Stems of the files below `figures/` and `tables/`: by these a later report knows what it may replace.
    figures: String,
    files: String,
    version: &'static str,
}

/// One measure of the headline row.
#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    total: String,
    change: String,
    spark: Option<Value>,
    spark_text: String,
}

/// One study.
#[derive(Debug, Serialize)]
struct Section {
    id: &'static str,
    title: &'static str,
    question: &'static str,
    sentences: Vec<Sentence>,
    facts: Vec<Number>,
    figures: Vec<Figure>,
    /// The leading label's nodes by score; at most one.
    ranked: Vec<View>,
    /// The further labels', shown small and side by side.
    beside: Vec<View>,
    tables: Vec<View>,
    empty: bool,
    caveats: Vec<String>,
    command: String,
}

#[derive(Debug, Serialize)]
struct Number {
    label: &'static str,
    value: String,
    unit: &'static str,
    interval: String,
}

#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    title: String,
    caption: String,
    wide: Value,
    narrow: Value,
    empty: bool,
}

#[derive(Debug, Serialize)]
struct Health {
    digest: String,
    command: String,
    labels: Vec<(String, String)>,
    relations: Vec<(String, String)>,
    companions: Vec<(String, String)>,
    sources: Vec<(String, String)>,
    runs: Vec<Run>,
}

/// How a study was run.
#[derive(Debug, Serialize)]
struct Run {
    title: &'static str,
    command: String,
    parameters: String,
}

#[derive(Debug, Serialize)]
struct Term {
    name: String,
    unit: &'static str,
    meaning: &'static str,
}

/// What each family is called and asks, in the order of the page.
const FAMILIES: [(&str, &str, &str); 6] = [
    (
        "influence",
        "Influence",
        "Who do the people of this graph listen to, and which places and events carry the most weight?",
    ),
    (
        "community",
        "Shared audiences",
        "Which events draw the same people, and how does the graph hang together?",
    ),
    ("conversion", "Promoters", "Of the people each promoter reached, how many came, and how sure is that?"),
    (
        "virality",
        "Virality",
        "How far does content travel, and does it spread from person to person or from one loud voice?",
    ),
    (
        "paths",
        "Warm introductions",
        "Through whom does one reach somebody, and what is the evidence for each step?",
    ),
    ("discovery", "Leads and claims", "Whom could we win next, how far are claims, and what is on?"),
];

/// Collects the page. `O(rows · log rows)` time in the rows of the tables.
pub fn collect(input: &ReportInput<'_>) -> Result<Page, ReportError> {
    let names = Names::of(input.tables);
    let mut sections = Vec::new();
    for (family, title, question) in FAMILIES {
        if let Some(findings) = input.findings.iter().find(|f| f.family == family) {
            sections.push(section(input, findings, title, question, &names)?);
        }
    }
    for findings in input.findings.iter().filter(|f| !FAMILIES.iter().any(|(name, ..)| *name == f.family)) {
        sections.push(section(input, findings, findings.family, "", &names)?);
    }
    let snapshot = &input.snapshot;
    Ok(Page {
        title: input.title.to_owned(),
        as_of: snapshot.as_of.map(numbers::day).unwrap_or_default(),
        reference: snapshot.reference.clone(),
        tiles: tiles(&history::headline(input.tables, snapshot.as_of))?,
        found: sections.iter().flat_map(|s| s.sentences.iter().cloned()).collect(),
        health: health(input, &sections),
        glossary: glossary(input.findings),
        sections,
        figures: input
            .findings
            .iter()
            .flat_map(|f| f.charts.iter().map(|c| c.name))
            .collect::<Vec<_>>()
            .join(" "),
        files: input.findings.iter().flat_map(stems).collect::<Vec<_>>().join(" "),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn tiles(measures: &[Measure]) -> Result<Vec<Tile>, ReportError> {
    measures
        .iter()
        .map(|m| {
            let total = format!("{} {}", numbers::count(m.total), m.of);
            let Some(&last) = m.weeks.last() else {
                return Ok(Tile {
                    label: m.label,
                    value: numbers::count(m.total),
                    note: m.of.to_owned(),
                    total: String::new(),
                    change: String::new(),
                    spark: None,
                    spark_text: String::new(),
                });
            };
            let before = m.weeks.len().checked_sub(2).map(|i| m.weeks[i]);
            let change = before.map_or_else(
                || "no week before to compare with".to_owned(),
                |before| match last - before {
                    0 => "as many as the week before".to_owned(),
                    more if more > 0 => format!("{} more than the week before", numbers::count(more)),
                    less => format!("{} fewer than the week before", numbers::count(-less)),
                },
            );
            let weeks: Vec<String> = m.weeks.iter().map(|&n| numbers::count(n)).collect();
            Ok(Tile {
                label: m.label,
                value: numbers::count(last),
                note: "in the last 7 days".to_owned(),
                total,
                change,
                spark: (m.weeks.len() > 1)
                    .then(|| charts::sparkline(&m.weeks).map(|svg| inline(&svg, "spark", "")))
                    .transpose()
                    .map_err(|source| ReportError::draw("sparkline", source))?,
                spark_text: format!("{} by week: {}", m.label, weeks.join(", ")),
            })
        })
        .collect()
}

fn section(
    input: &ReportInput<'_>,
    findings: &Findings,
    title: &'static str,
    question: &'static str,
    names: &Names<'_>,
) -> Result<Section, ReportError> {
    let figures = findings
        .charts
        .iter()
        .map(|chart| figure(chart).map_err(|source| ReportError::draw(chart.name, source)))
        .collect::<Result<_, _>>()?;
    let (ranked, beside) = score_tables(findings, names);
    let mut tables = Vec::new();
    // The one path of a pair is the sentence and the figure already.
    let is_said = |t: &Table| t.name == "paths" && t.frame.height() == 1;
    for table in findings.tables.iter().filter(|t| t.frame.height() > 0 && !is_said(t)) {
        let (rows, noun) = rows_shown(&table.frame, table.name);
        let declared = findings.declared.iter().find(|declared| declared.name == table.name);
        let shape = Shape {
            rows: &rows,
            most: ROWS,
            noun: &noun,
            columns: &|_| true,
            family: findings.family,
            meaning: &|column| declared.and_then(|d| d.column(column)).map_or("", |c| c.meaning),
        };
        tables.push(tables::view(&table.frame, stem(findings, table.name), table.title, names, shape));
    }
    let sentences = found::sentences(findings, names);
    Ok(Section {
        id: findings.family,
        title,
        question,
        empty: sentences.is_empty()
            && ranked.is_empty()
            && tables.is_empty()
            && findings.charts.iter().all(charts::is_empty),
        sentences,
        facts: findings
            .facts
            .iter()
            .filter(|f| !OF_THE_MACHINE.contains(&f.name))
            .map(|f| {
                let (value, unit) = numbers::in_unit(f.value, f.unit);
                let write = |x| numbers::in_unit(x, f.unit).0;
                let interval = |(low, high)| format!("95\u{a0}% interval {} to {}", write(low), write(high));
                Number {
                    label: f.label,
                    value,
                    // `nodes scored: 12 nodes` says it twice.
                    unit: if f.label.contains(unit) { "" } else { unit },
                    interval: f.interval.map_or_else(String::new, interval),
                }
            })
            .collect(),
        figures,
        ranked,
        beside,
        tables,
        caveats: findings.caveats.clone(),
        command: command(input, findings),
    })
}

/// File stems of all tables of one study.
fn stems(findings: &Findings) -> impl Iterator<Item = String> {
    let scores = findings.scores.iter().map(|_| "scores");
    scores.chain(findings.tables.iter().map(|table| table.name)).map(|name| stem(findings, name))
}

/// File stem of a table: family and name.
pub fn stem(findings: &Findings, table: &str) -> String {
    format!("{}_{table}", findings.family)
}

/// Which rows of a table to show first, and what they are.
fn rows_shown(frame: &DataFrame, table: &str) -> (Vec<usize>, String) {
    match table {
        "promoters" => {
            (tables::ranked(frame, "rate_low"), "promoters, highest lower end of the interval first".into())
        }
        "cascades" => (tables::ranked(frame, "size"), "cascades, largest first".into()),
        "leads" => (first_of_each(frame, "kind", ROWS / 2), "leads, the most engaged of each kind".into()),
        "claim_funnel" => ((0..frame.height()).collect(), "stages, in the order of the funnel".into()),
        "coattendance" => {
            let (rows, least) = found::strong_pairs(frame);
            (rows, format!("pairs with {least} or more people in common, highest lift first"))
        }
        "bridges" => ((0..frame.height()).collect(), "bridges, those that cut off most first".into()),
        "articulation_points" => {
            ((0..frame.height()).collect(), "nodes, those that cut off most first".into())
        }
        _ => ((0..frame.height()).collect(), "rows".into()),
    }
}

/// The first rows of every value of a column, in the frame's order; what is left over comes after them.
fn first_of_each(frame: &DataFrame, column: &str, most: usize) -> Vec<usize> {
    let mut seen: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let kinds = tables::texts(frame, column).into_iter().flatten().map(Option::unwrap_or_default);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (row, kind) in kinds.enumerate() {
        let n = seen.entry(kind).or_default();
        *n += 1;
        if *n <= most { first.push(row) } else { rest.push(row) }
    }
    first.append(&mut rest);
    first
}

/// The leading label's ten with every score, and the other labels' five with the ranking one.
fn score_tables(findings: &Findings, names: &Names<'_>) -> (Vec<View>, Vec<View>) {
    let (Some(scores), Some(by)) = (&findings.scores, found::ranking(findings)) else {
        return Default::default();
    };
    let meaning = |column: &str| scores.columns.iter().find(|c| c.name == column).map_or("", |c| c.meaning);
    let first_scores: Vec<&str> = scores.columns.iter().map(|c| c.name).take(SCORE_COLUMNS).collect();
    let values = tables::floats(&scores.frame, by).unwrap_or_default();
    let mut views = found::labels(&scores.frame).into_iter().enumerate().map(|(i, label)| {
        let leads = i == 0;
        let most = if leads { ROWS } else { FEW_ROWS };
        let mut rows = tables::ranked_of(&scores.frame, by, &label);
        if findings.family == "virality" {
            // Most who share lead nobody on.
            rows.retain(|&row| values[row].is_some_and(|value| value > 0.0));
        }
        let last = rows.len().min(most).saturating_sub(1);
        let is_tie = last > 0 && values[rows[0]] == values[rows[last]];
        let all = rows.len();
        if is_tie {
            rows.clear();
        }
        let of = match found::several(&label) {
            "nodes" => label.clone(),
            several => tables::capitalised(several),
        };
        let title =
            format!("{of} by {}, highest first", in_a_sentence(&tables::heading(by, findings.family)));
        let shape = Shape {
            rows: &rows,
            most,
            noun: found::several(&label),
            columns: &|c| c == "uid" || c == by || (leads && first_scores.contains(&c)),
            family: findings.family,
            meaning: &meaning,
        };
        let view = tables::view(&scores.frame, stem(findings, "scores"), &title, names, shape);
        if is_tie {
            let note = format!(
                "the highest {} of {} are equal: there is no order to show",
                last + 1,
                numbers::count(all as i64)
            );
            View { note, ..view }
        } else {
            view
        }
    });
    let leading = views.next().into_iter().collect();
    (leading, views.filter(|view| !view.note.starts_with("no ")).collect())
}

/// A heading within a sentence: `Cascades` becomes `cascades`, `PageRank` stays.
fn in_a_sentence(heading: &str) -> String {
    let is_name = heading.chars().skip(1).any(char::is_uppercase);
    if is_name { heading.to_owned() } else { heading.to_lowercase() }
}

fn figure(chart: &Chart) -> Result<Figure, DrawError> {
    Ok(Figure {
        name: chart.name,
        title: chart.title.clone(),
        caption: chart.caption.clone(),
        wide: inline(&charts::svg(chart, Look::WIDE)?, "wide", &chart.title),
        narrow: inline(&charts::svg(chart, Look::NARROW)?, "narrow", &chart.title),
        empty: charts::is_empty(chart),
    })
}

/// An SVG of ours as part of the page: its size given by the style sheet, its title read aloud.
fn inline(svg: &str, class: &str, title: &str) -> Value {
    let body = svg.strip_prefix("<svg ").expect("plotters begins with the svg element");
    let spoken = if title.is_empty() {
        "aria-hidden=\"true\"".to_owned()
    } else {
        format!("role=\"img\" aria-label=\"{}\"", minijinja::HtmlEscape(&visible(title)))
    };
    Value::from_safe_string(format!("<svg class=\"{class}\" {spoken} {body}"))
}

fn health(input: &ReportInput<'_>, sections: &[Section]) -> Health {
    let rows = |frames: &std::collections::BTreeMap<String, polars::prelude::DataFrame>| {
        frames.iter().map(|(name, f)| (name.clone(), numbers::count(f.height() as i64))).collect()
    };
    let parameters = |family: &str| {
        let findings = input.findings.iter().find(|f| f.family == family);
        findings.map(|f| f.parameters.to_string()).unwrap_or_default()
    };
    Health {
        digest: input.snapshot.digest.clone(),
        command: format!("sonograph report weekly --snapshot {}", shell_word(&input.snapshot.reference)),
        labels: rows(&input.tables.nodes),
        relations: rows(&input.tables.edges),
        companions: rows(&input.tables.companions),
        sources: input.snapshot.sources.clone(),
        runs: sections
            .iter()
            .map(|s| Run { title: s.title, command: s.command.clone(), parameters: parameters(s.id) })
            .collect(),
    }
}

/// The command that runs a study again with the parameters it had: every parameter that is set, as its flag.
fn command(input: &ReportInput<'_>, findings: &Findings) -> String {
    let mut words = vec![
        format!("sonograph study {}", findings.family),
        format!("--snapshot {}", shell_word(&input.snapshot.reference)),
    ];
    for (name, value) in findings.parameters.as_object().into_iter().flatten() {
        let flag = format!("{}{}", if name.len() == 1 { "-" } else { "--" }, name.replace('_', "-"));
        match value {
            serde_json::Value::Null | serde_json::Value::Bool(false) | serde_json::Value::Object(_) => {}
            serde_json::Value::Bool(true) => words.push(flag),
            serde_json::Value::Array(items) if items.is_empty() => {}
            serde_json::Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                words.push(format!("{flag} {}", shell_word(&items.join(","))));
            }
            one => words.push(format!("{flag} {}", shell_word(&plain(one)))),
        }
    }
    words.join(" ")
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Words of the page that no study declares.
const WORDS: [(&str, &str); 6] = [
    (
        "95\u{a0}% interval",
        "a range made by a rule that holds the true value 95 times in 100; the narrower, the surer",
    ),
    ("active people", "people who attended, took interest, shared or followed within the week"),
    ("conversion", "an attendance, unless the study says otherwise"),
    (
        "lift",
        "how many times as many people two events share as two unrelated audiences of their sizes would",
    ),
    (
        "structural virality",
        "mean number of steps between any two sharers of a cascade: near 2 for a broadcast, higher for a chain",
    ),
    (
        "last 7 days",
        "the seven days that end with the newest instant of the data, whatever the calendar says",
    ),
];

fn glossary(all: &[Findings]) -> Vec<Term> {
    let term = |name: String, c: &ScoreColumn| Term {
        name,
        unit: if ["1", "text", "id", "truth", "moment"].contains(&c.unit) { "" } else { c.unit },
        meaning: c.meaning,
    };
    let scores = all.iter().filter_map(|f| f.scores.as_ref()).flat_map(|s| &s.columns);
    let mut terms: Vec<Term> = scores.map(|c| term(c.name.to_owned(), c)).collect();
    for declared in all.iter().flat_map(|f| f.declared) {
        terms.extend(declared.columns.iter().map(|c| term(format!("{}: {}", declared.name, c.name), c)));
    }
    terms.extend(WORDS.map(|(name, meaning)| Term { name: name.to_owned(), unit: "", meaning }));
    terms.sort_by(|a, b| a.name.cmp(&b.name));
    terms.dedup_by(|a, b| a.name == b.name);
    terms
}
