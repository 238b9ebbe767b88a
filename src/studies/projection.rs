//! The flags by which a study is asked of a part of the graph, and that part.

use std::fmt;
use std::str::FromStr;

use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Int64Chunked, IntoSeries, Scalar, TimeUnit, TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::StudyError;
use super::findings::{ScoreColumn, Scores};
use crate::graph::{BusinessGraph, Csr, Expression, HalfLife, NodeId, Projection, Weight};
use crate::snapshot::tables::size::{Sizes, TableSize};
use crate::snapshot::tables::{UID, WEIGHT};

/// A moment in microseconds UTC, read from `2026-03-01` or `2026-03-01T20:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || text.parse::<jiff::civil::Date>()?.to_zoned(jiff::tz::TimeZone::UTC);
        match text.parse::<jiff::Timestamp>().or_else(|_| day().map(|day| day.timestamp())) {
            Ok(moment) => Ok(Self(moment.as_microsecond())),
            Err(_) => Err("expected a moment such as 2026-03-01 or 2026-03-01T20:00:00Z".into()),
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Which part of the graph a study is about.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Projecting {
    /// Only these relations [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Part of the graph")]
    pub relations: Vec<String>,
    /// Only nodes with one of these labels, and the edges between them [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Part of the graph")]
    pub labels: Vec<String>,
    /// Only edges of which this holds, such as "weight >= 0.5 and relation != 'VIEWED'"
    #[arg(long = "where", value_name = "EXPRESSION", help_heading = "Part of the graph")]
    pub edge_where: Option<Expression>,
    /// Only nodes of which this holds, and the edges between them, such as "label = 'Event' or followers > 10"
    #[arg(long = "where-node", value_name = "EXPRESSION", help_heading = "Part of the graph")]
    pub node_where: Option<Expression>,
    /// Follow the edges of these relations from target to source
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Part of the graph")]
    pub reverse: Vec<String>,
    /// Follow every edge both ways
    #[arg(long, help_heading = "Part of the graph")]
    pub undirected: bool,
    /// Only edges at or after this moment; edges without a time stay
    #[arg(long, value_name = "MOMENT", help_heading = "Part of the graph")]
    pub since: Option<Instant>,
    /// Only edges up to this moment; edges without a time stay
    #[arg(long, value_name = "MOMENT", help_heading = "Part of the graph")]
    pub as_of: Option<Instant>,
}

/// What an edge weighs.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Weighing {
    /// Column an edge weighs by, or a formula such as "log1p(views) * 2"; `none`: every edge weighs 1 [default: `weight` where a relation has it, else 1]
    #[arg(long, value_name = "COLUMN|EXPRESSION|none", help_heading = "Weights")]
    pub weight: Option<String>,
    /// Let an edge weigh half as much for every so many days of age
    #[arg(long, value_name = "DAYS", help_heading = "Weights")]
    pub half_life: Option<f64>,
}

impl Weighing {
    /// Every edge weighs 1.
    pub(super) fn none() -> Self {
        Self { weight: Some("none".into()), half_life: None }
    }
}

/// Part of a graph with dense ids of its own.
#[derive(Debug)]
pub(super) struct Part<'g> {
    pub graph: &'g BusinessGraph,
    /// Adjacency over ids `0..nodes.len()`.
    pub csr: Csr,
    /// The node of the graph behind each of them, rising.
    pub nodes: Vec<NodeId>,
}

impl Projecting {
    /// What the flags ask of `graph`, over its own node ids.
    pub(super) fn projection(
        &self,
        graph: &BusinessGraph,
        weighing: &Weighing,
    ) -> Result<Projection, StudyError> {
        if weighing.half_life.is_some_and(|days| days.is_nan() || days <= 0.0) {
            return Err(StudyError::Unfit("a half-life must be longer than 0 days".into()));
        }
        let some = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
        let clock = || self.as_of.map(|at| at.0).or_else(|| graph.as_of());
        if let Some((since, until)) =
            self.since.zip(clock().map(Instant)).filter(|(since, until)| since.0 > until.0)
        {
            let (since, until) = (since.to_string(), until.to_string());
            return Err(StudyError::EmptyRange { since, until, asked: self.as_of.is_some() });
        }
        Ok(Projection {
            relations: some(&self.relations),
            labels: some(&self.labels),
            weight: Weight::from_flag(weighing.weight.as_deref()),
            edge_where: self.edge_where.clone(),
            node_where: self.node_where.clone(),
            reversed: self.reverse.clone(),
            undirected: self.undirected,
            since: self.since.map(|at| at.0),
            until: self.as_of.map(|at| at.0.saturating_add(1)),
            // Without any time in the data there is no age to count.
            half_life: weighing.half_life.and_then(|days| clock().map(|as_of| HalfLife { days, as_of })),
        })
    }

    /// Bytes that the part takes while it is cut out, as if no edge of its relations were left out: adjacency and
    /// weights, the lists they are sorted from, and once more what is cut by labels or a condition.
    pub(super) fn memory(&self, sizes: &Sizes, weighing: &Weighing) -> u64 {
        let is_asked =
            |relation: &str| self.relations.is_empty() || self.relations.iter().any(|r| r == relation);
        let chosen: Vec<&TableSize> =
            sizes.edges.iter().filter(|(relation, _)| is_asked(relation)).map(|(_, table)| table).collect();
        let edges: u64 = chosen.iter().map(|table| table.rows).sum();
        let nodes = sizes.node_count();
        let undirected = self.undirected || sizes.undirected;
        let column = weighing.weight.as_deref().unwrap_or(WEIGHT);
        let is_weighted = weighing.half_life.is_some()
            || (column != "none"
                && (column != WEIGHT || chosen.iter().any(|t| t.columns.contains_key(WEIGHT))));
        let is_cut = self.is_cut();
        let is_timed = self.since.is_some() || self.as_of.is_some() || weighing.half_life.is_some();
        // A single whole relation is no list, and shares the targets of its table.
        let is_shared = chosen.len() == 1 && !is_cut && !is_timed && !undirected;
        let adjacency = match (undirected, is_shared) {
            (true, _) => 16 * edges + 4 * nodes,
            (false, false) => 12 * edges + 8 * nodes,
            (false, true) => (if is_weighted { 8 } else { 4 }) * edges + 8 * nodes,
        };
        // Ends, number and place of every edge of a list.
        let list = if is_shared { 0 } else { 20 };
        let weights = if is_weighted { 24 } else { 0 };
        let times = if is_timed { 16 } else { 0 };
        let cut = if is_cut { adjacency + 5 * (nodes + edges) } else { 0 };
        adjacency + cut + (list + weights + times) * edges
    }

    fn is_cut(&self) -> bool {
        !self.labels.is_empty() || self.node_where.is_some()
    }

    /// Bytes of scores of every node, and of the file they are written to: uid, label, and this many numbers.
    pub(super) fn scores_memory(&self, sizes: &Sizes, numbers: u64) -> u64 {
        // The texts of a whole graph of one label are those that were loaded.
        let are_shared = sizes.nodes.len() == 1 && !self.is_cut();
        let texts = if are_shared { 0 } else { sizes.uids() + 16 * sizes.node_count() };
        // Beside a column of texts the list that it is made of; what is written is encoded beside what is kept.
        2 * (texts + 8 * numbers * sizes.node_count())
    }

    /// The part of `graph` that the flags ask for.
    pub(super) fn of<'g>(
        &self,
        graph: &'g BusinessGraph,
        weighing: &Weighing,
    ) -> Result<Part<'g>, StudyError> {
        let (csr, nodes) = graph.project(&self.projection(graph, weighing)?)?.part();
        Ok(Part { graph, csr, nodes })
    }

    /// The first edge that weighs less than nothing, named by the table it comes from.
    pub(super) fn negative_weight(&self, graph: &BusinessGraph, weighing: &Weighing) -> Option<StudyError> {
        let negative = |weights: &[f64]| weights.iter().position(|&weight| weight < 0.0);
        let (relation, column, row, value) = self.edge_weight(graph, weighing, negative)?;
        Some(StudyError::NegativeWeight { relation, column, row, value })
    }

    /// The edge that weighs most where weights have no finite sum.
    pub(super) fn overflow(&self, graph: &BusinessGraph, weighing: &Weighing) -> Option<StudyError> {
        let greatest = |weights: &[f64]| {
            let of = |edge: &usize| weights[*edge].abs();
            // The first of equals.
            (0..weights.len()).rev().max_by(|a, b| of(a).total_cmp(&of(b)))
        };
        let (relation, column, row, value) = self.edge_weight(graph, weighing, greatest)?;
        Some(StudyError::WeightOverflow { relation, column, row, value })
    }

    /// Relation, column, row and weight of the edge that `pick` finds among the weights of all.
    pub(super) fn edge_weight(
        &self,
        graph: &BusinessGraph,
        weighing: &Weighing,
        pick: impl Fn(&[f64]) -> Option<usize>,
    ) -> Option<(String, String, usize, f64)> {
        let projected = graph.project(&self.projection(graph, weighing).ok()?).ok()?;
        let weights: Vec<f64> =
            (0..projected.csr.edge_count() as u32).map(|edge| projected.csr.weight(edge)).collect();
        let edge = pick(&weights)?;
        let (table, row) = projected.origin(graph, edge as u32);
        let column = weighing.weight.as_deref().unwrap_or(WEIGHT).to_owned();
        // As it stands there, before any half-life; what a formula comes to stands nowhere.
        let stands = table.frame.column(&column).ok().and_then(|c| c.get(row).ok()?.try_extract().ok());
        Some((table.relation.clone(), column, row, stands.unwrap_or(weights[edge])))
    }
}

/// Scores of `nodes`: their `uid` and `label`, then one column per declared score.
pub(super) fn scores(
    graph: &BusinessGraph,
    nodes: &[NodeId],
    values: Vec<(&ScoreColumn, Values)>,
) -> Result<Scores, StudyError> {
    let (mut declared, mut columns) = (Vec::new(), Vec::with_capacity(values.len() + 2));
    columns.push(match graph.only_label() {
        // Not one text is copied.
        Some(label) if nodes.len() == graph.node_count() => {
            graph.property(label, UID).cloned().expect("every node has a uid")
        }
        _ => uids(UID, graph, nodes.iter().copied()),
    });
    columns.push(if let Some(label) = graph.only_label() {
        let label = Scalar::new(DataType::String, AnyValue::StringOwned(label.into()));
        Column::new_scalar("label".into(), label, nodes.len())
    } else {
        let labels: Vec<&str> = nodes.iter().map(|&v| graph.label(v)).collect();
        Column::new("label".into(), labels)
    });
    for (column, values) in values {
        declared.push(*column);
        columns.push(match values {
            Values::Numbers(numbers) => Column::new(column.name.into(), numbers),
            Values::Counts(counts) => Column::new(column.name.into(), counts),
        });
    }
    let frame = DataFrame::new_infer_height(columns).map_err(StudyError::table("scores"))?;
    Ok(Scores { columns: declared, frame })
}

/// The values of a score, by node.
#[derive(Debug)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    Counts(Vec<i64>),
}

impl Values {
    pub fn counts(values: &[u32]) -> Self {
        Self::Counts(values.iter().map(|&value| i64::from(value)).collect())
    }
}

/// A text column of uids.
pub(super) fn uids(name: &str, graph: &BusinessGraph, nodes: impl Iterator<Item = NodeId>) -> Column {
    Column::new(name.into(), nodes.map(|v| graph.uid(v)).collect::<Vec<_>>())
}

/// A column of moments in microseconds UTC.
pub(super) fn moments(name: &str, values: Vec<Option<i64>>) -> Column {
    let moments: Int64Chunked = values.into_iter().collect();
    let moments = moments.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    moments.into_series().with_name(name.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_a_time_of_day() {
        let day: Instant = "2026-03-01".parse().expect("a day");
        assert_eq!(day, "2026-03-01T00:00:00Z".parse().expect("a moment"));
        assert_eq!(day.0, 1_772_323_200_000_000);
        assert_eq!(day.to_string(), "2026-03-01T00:00:00Z");
        assert!("tomorrow".parse::<Instant>().expect_err("no moment").contains("2026-03-01"));
    }
}
