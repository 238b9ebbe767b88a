//! Sentences about what a study found. Each one states what its table holds and no more: no cause, no trend, and no
//! order of two estimates whose intervals overlap.

use polars::prelude::DataFrame;
use serde::Serialize;

use super::numbers::{count, number, percent};
use super::tables::{Names, float, floats, list, ranked, ranked_of, text, texts};
use crate::studies::findings::{Findings, counted, grouped};

/// A stretch of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The words.
    pub text: String,
    /// Whether they are somebody's name, which may be any text in any direction.
    pub name: bool,
}

/// A sentence with names in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sentence(Vec<Part>);

impl Sentence {
    fn say(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part { text: text.into(), name: false });
        self
    }

    fn name(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part { text: text.into(), name: true });
        self
    }
}

/// The sentences of one study; none where its tables are empty.
pub fn sentences(findings: &Findings, names: &Names<'_>) -> Vec<Sentence> {
    let found = match findings.family {
        "influence" => influence(findings, names),
        "community" => community(findings, names),
        "conversion" => conversion(findings),
        "virality" => virality(findings, names),
        "paths" => paths(findings, names),
        "discovery" => discovery(findings, names),
        _ => None,
    };
    found.into_iter().collect()
}

/// A table of a study, where it has rows.
pub fn table<'a>(findings: &'a Findings, name: &str) -> Option<&'a DataFrame> {
    findings.tables.iter().find(|t| t.name == name).map(|t| &t.frame).filter(|f| f.height() > 0)
}

/// The score column by which a family's nodes are ranked, if it ranks them at all.
pub fn ranking(findings: &Findings) -> Option<&'static str> {
    let preferred: &[&str] = match findings.family {
        "influence" => &["influence_score", "influence_pagerank"],
        // Whom others pass on, not who shares most often.
        "virality" => &["virality_reach", "virality_r"],
        // Communities are names, not ranks; promoters have their own table with intervals.
        "community" | "conversion" => return None,
        _ => &[],
    };
    let columns = &findings.scores.as_ref()?.columns;
    let named = preferred.iter().find_map(|p| columns.iter().find(|c| c.name == *p));
    named.or(columns.first()).map(|c| c.name)
}

/// What a reader can act on, in the order of the page, and what several of it are called. Devices, genres and
/// opportunities have scores, too; these stand in the tables at rest.
const RANKED: [(&str, &str); 5] = [
    ("Person", "people"),
    ("Organization", "organizations"),
    ("Venue", "venues"),
    ("Event", "events"),
    ("Content", "pieces of content"),
];

/// The labels of a score table that are worth a ranking: those of [`RANKED`]; on a graph that has none of them, all by
/// name.
pub fn labels(frame: &DataFrame) -> Vec<String> {
    let mut labels: Vec<&str> = texts(frame, "label").into_iter().flatten().flatten().collect();
    labels.sort_unstable();
    labels.dedup();
    let ranked: Vec<&str> = RANKED.iter().map(|(label, _)| *label).filter(|l| labels.contains(l)).collect();
    let chosen = if ranked.is_empty() { labels } else { ranked };
    chosen.into_iter().map(str::to_owned).collect()
}

/// What several nodes of a label are called.
pub fn several(label: &str) -> &str {
    RANKED.iter().find(|(known, _)| *known == label).map_or("nodes", |(_, several)| several)
}

fn influence(findings: &Findings, names: &Names<'_>) -> Option<Sentence> {
    let frame = &findings.scores.as_ref()?.frame;
    let by = ranking(findings)?;
    let label = labels(frame).into_iter().next()?;
    let rows = ranked_of(frame, by, &label);
    let first = *rows.first()?;
    let (uid, score) = (text(frame, "uid", first)?, float(frame, by, first)?);
    let rule = if by == "influence_pagerank" { "PageRank" } else { "influence score" };
    let sentence = Sentence::default().name(names.show(&uid));
    if rows.len() == 1 {
        return Some(
            sentence.say(format!(" is the only node labelled {label}: there is nobody to compare with.")),
        );
    }
    let sentence =
        sentence.say(format!(" has the highest {rule} of {} ({})", crowd(rows.len(), &label), number(score)));
    let second = rows.get(1).and_then(|&r| Some((text(frame, "uid", r)?, float(frame, by, r)?)));
    Some(match second {
        Some((uid, next)) if next > 0.0 && score / next >= 1.05 => sentence
            .say(format!(", {} times that of ", number(score / next)))
            .name(names.show(&uid))
            .say(", the next."),
        Some((uid, _)) => sentence.say(", hardly more than ").name(names.show(&uid)).say(", the next."),
        None => sentence.say("."),
    })
}

/// So many nodes of a label, in words.
fn crowd(n: usize, label: &str) -> String {
    match several(label) {
        "nodes" => format!("{} labelled {label}", counted(n as u64, "node", "nodes")),
        several => format!("{} {several}", count(n as i64)),
    }
}

fn community(findings: &Findings, names: &Names<'_>) -> Option<Sentence> {
    let frame = table(findings, "coattendance")?;
    let row = *strong_pairs(frame).0.first()?;
    let (both, n_event) = (float(frame, "both", row)?, float(frame, "n_event", row)?);
    let lift = float(frame, "lift", row)?;
    let few = if both < 10.0 { " The numbers are small." } else { "" };
    let were = if both > 1.0 { "were" } else { "was" };
    Some(
        Sentence::default()
            .say(format!("Of {} at ", counted(n_event as u64, "person", "people")))
            .name(names.show(&text(frame, "event", row)?))
            .say(format!(", {} {were} also at ", count(both as i64)))
            .name(names.show(&text(frame, "other", row)?))
            .say(format!(
                ": {} times as many as two unrelated audiences of these sizes would share.{few}",
                number(lift)
            )),
    )
}

/// So many pairs of events should be left when pairs of few people are set aside.
const PAIRS: usize = 12;

/// Pairs of events by lift, each once, among those that enough people have in common for [`PAIRS`] rows; and how many
/// people that is. A pair of one person has the highest lift of all and says nothing.
pub fn strong_pairs(frame: &DataFrame) -> (Vec<usize>, u32) {
    let (Some(events), Some(others), Some(both)) =
        (texts(frame, "event"), texts(frame, "other"), floats(frame, "both"))
    else {
        return (Vec::new(), 1);
    };
    let once: Vec<bool> = events.zip(others).map(|(event, other)| event < other).collect();
    let all: Vec<usize> = ranked(frame, "lift").into_iter().filter(|&row| once[row]).collect();
    let with = |least: u32| -> Vec<usize> {
        all.iter().copied().filter(|&row| both[row].is_some_and(|n| n >= f64::from(least))).collect()
    };
    let least =
        [20, 10, 5, 2].into_iter().find(|&least| with(least).len() >= PAIRS.min(all.len())).unwrap_or(1);
    (with(least), least)
}

fn conversion(findings: &Findings) -> Option<Sentence> {
    let frame = table(findings, "promoters")?;
    let rows = ranked(frame, "rate_low");
    let best = *rows.first()?;
    let at = |column: &str, row: usize| float(frame, column, row);
    let (low, high) = (at("rate_low", best)?, at("rate_high", best)?);
    let rivals = rows[1..].iter().filter(|&&r| at("rate_high", r).is_some_and(|h| h >= low)).count();
    let name = text(frame, "name", best).filter(|n| !n.is_empty()).or_else(|| text(frame, "uid", best))?;
    let (reached, converted) = (at("reached", best)? as u64, at("converted", best)? as u64);
    let were = if converted == 1 { "was" } else { "were" };
    let sentence = Sentence::default()
        .say(if reached == 1 { "Of the one time that ".to_owned() } else { format!("Of {} times that ", grouped(reached)) })
        .name(name)
        .say(format!(
            " reached a person for an event, {} {were} followed by attendance ({}; 95\u{a0}% interval {} to {})",
            grouped(converted),
            percent(at("rate", best)?),
            percent(low),
            percent(high),
        ));
    Some(match (rows.len() - 1, rivals) {
        (0, _) => sentence.say("; there is no other promoter to compare with."),
        (1, 0) => sentence.say("; the interval of the other promoter lies lower."),
        (1, _) => sentence.say("; the interval of the other promoter overlaps it, so their order is not settled."),
        (others, 0) => sentence.say(format!("; the intervals of all {} other promoters lie lower.", count(others as i64))),
        (others, rivals) => sentence.say(format!(
            ", the highest lower end of all promoters; {} of the {} others {} it, so their order is not settled.",
            counted(rivals as u64, "interval", "intervals"),
            count(others as i64),
            if rivals == 1 { "overlaps" } else { "overlap" },
        )),
    })
}

fn virality(findings: &Findings, names: &Names<'_>) -> Option<Sentence> {
    let frame = table(findings, "cascades")?;
    let rows = ranked(frame, "size");
    let largest = *rows.first()?;
    let alone = floats(frame, "size")?.into_iter().filter(|size| size.is_some_and(|n| n <= 1.0)).count();
    let all = rows.len();
    let root = names.show(&text(frame, "root", largest)?);
    let reach = format!(
        "{} at a depth of {}.",
        counted(float(frame, "size", largest)? as u64, "sharer", "sharers"),
        count(float(frame, "depth", largest)? as i64)
    );
    Some(match (all, alone) {
        (1, 1) => Sentence::default()
            .say("The only cascade went no further than its first sharer, ")
            .name(root)
            .say("."),
        (1, _) => {
            Sentence::default().say("The only cascade, begun by ").name(root).say(format!(", has {reach}"))
        }
        (all, alone) if all == alone => Sentence::default()
            .say(format!("None of {} cascades went further than its first sharer.", count(all as i64))),
        (all, alone) => Sentence::default()
            .say(format!(
                "{} of {} cascades ({}) went no further than their first sharer; the largest, begun by ",
                count(alone as i64),
                count(all as i64),
                percent(alone as f64 / all as f64)
            ))
            .name(root)
            .say(format!(", has {reach}")),
    })
}

fn paths(findings: &Findings, names: &Names<'_>) -> Option<Sentence> {
    let frame = table(findings, "paths")?;
    let hops = float(frame, "hops", 0)?;
    let uids = list(frame, "uids", 0)?;
    let stops: Vec<String> = match uids.as_slice() {
        [one] => one.split(" > ").map(str::to_owned).collect(),
        _ => uids,
    };
    let (from, to) = (stops.first()?, stops.last()?);
    let steps = match hops as i64 {
        1 => "one step".to_owned(),
        hops => format!("{} steps", count(hops)),
    };
    let mut sentence = Sentence::default()
        .name(names.show(from))
        .say(" reaches ")
        .name(names.show(to))
        .say(format!(" in {steps}"));
    for (i, stop) in stops.iter().enumerate().take(stops.len().saturating_sub(1)).skip(1) {
        sentence = sentence.say(if i == 1 { ", by way of " } else { " and then " }).name(names.show(stop));
    }
    Some(sentence.say("."))
}

fn discovery(findings: &Findings, names: &Names<'_>) -> Option<Sentence> {
    let frame = table(findings, "leads")?;
    let kinds: Vec<Option<&str>> = texts(frame, "kind")?.collect();
    let first = |kind: &str| kinds.iter().position(|k| *k == Some(kind));
    let at = |column: &str, row: usize| float(frame, column, row).map(|n| n as u64);
    if let Some(row) = first("organization") {
        let sentence =
            Sentence::default().say("Nobody has claimed ").name(names.show(&text(frame, "uid", row)?));
        return Some(sentence.say(format!(
            ", whose events reach {}: the first of the leads.",
            counted(at("people", row)?, "person", "people")
        )));
    }
    let row = first("visitor")?;
    Some(Sentence::default().say(format!(
        "The most engaged visitor nobody knows took interest {} in {}.",
        counted(at("touches", row)?, "time", "times"),
        counted(at("events", row)?, "event", "events")
    )))
}
