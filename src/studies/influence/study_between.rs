//! Betweenness and nearness as the study asks for them: exactly or from samples, by hops or by length, all or the highest.

use clap::ValueEnum;
use polars::prelude::Column;
use serde::{Deserialize, Serialize};

use super::harmonic_top::harmonic_top;
use super::kadabra::{self, Kadabra, KadabraError, kadabra};
use super::weighted_brandes::{LengthError, Sum, weighted_brandes};
use super::{Metric, Params, Scored, brandes, harmonic};
use crate::context::Context;
use crate::graph::NodeId;
use crate::snapshot::tables::size::Sizes;
use crate::studies::findings::{Declared, Fact, Findings, ScoreColumn, Table, grouped};
use crate::studies::projection::{Part, Values, uids};
use crate::studies::{Projecting, StudyError, Weighing};

/// Nodes up to which betweenness that was asked for is computed exactly.
const EXACT: usize = 50_000;

/// The highest by nearness, where only they are asked for.
pub(super) const HARMONIC: Declared = Declared {
    name: "harmonic",
    title: "The nearest to everybody",
    row: "one of the --harmonic-top nodes nearest to everybody; the nearest first",
    columns: &[
        ScoreColumn { name: "rank", unit: "1", meaning: "1 for the nearest" },
        ScoreColumn { name: "uid", unit: "uid", meaning: "the node" },
        ScoreColumn { name: "label", unit: "label", meaning: "its label" },
        ScoreColumn {
            name: "harmonic",
            unit: "1",
            meaning: "sum of 1/distance, in edges, over all nodes from which this one can be reached",
        },
    ],
};

/// How betweenness is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Betweenness {
    /// From all nodes
    Exact,
    /// From shortest paths drawn at random, within --epsilon
    Kadabra,
    /// Exactly up to 50,000 nodes where it is asked for, and on small graphs; else from samples
    #[default]
    Auto,
}

/// How betweenness and nearness are computed.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Between {
    /// How betweenness is computed
    #[arg(long, value_enum, default_value_t = Betweenness::Auto)]
    pub betweenness: Betweenness,
    /// How near samples of betweenness are to be.
    #[command(flatten)]
    #[serde(flatten)]
    pub kadabra: kadabra::Params,
    /// Divide betweenness by the number of pairs of others
    #[arg(long)]
    pub normalized: bool,
    /// Column or formula of how long an edge is, above 0, for betweenness and nearness [default: every edge is one hop]
    #[arg(long, value_name = "COLUMN|EXPRESSION")]
    pub distance: Option<String>,
    /// With `--metrics harmonic`: only the table of this many nearest, exactly and sooner than all
    #[arg(long, value_name = "K", conflicts_with = "distance", value_parser = clap::value_parser!(u32).range(1..))]
    pub harmonic_top: Option<u32>,
}

impl Between {
    /// Lengths beside the graph, as a part of its own.
    fn lengths(&self) -> Option<Weighing> {
        let weight = self.distance.clone()?;
        Some(Weighing { weight: Some(weight), half_life: None })
    }

    /// Bytes beside the graph, of which neighbours each once take `simple`.
    pub(super) fn betweenness_memory(&self, sizes: &Sizes, simple: u64, projecting: &Projecting) -> u64 {
        let (nodes, threads) = (sizes.node_count(), rayon::current_num_threads() as u64);
        match self.lengths() {
            Some(lengths) => projecting.memory(sizes, &lengths) + search_memory(sizes),
            // Along arcs and against them; levels and paths, nodes reached from both ends; what is left of the diameter.
            None => 2 * simple + (44 * nodes * threads).max(28 * nodes * threads + 60 * nodes),
        }
    }

    /// As [`Self::betweenness_memory`].
    pub(super) fn harmonic_memory(&self, sizes: &Sizes, simple: u64, projecting: &Projecting) -> u64 {
        let (nodes, threads) = (sizes.node_count(), rayon::current_num_threads() as u64);
        match (self.lengths(), self.harmonic_top) {
            (Some(lengths), _) => projecting.memory(sizes, &lengths) + search_memory(sizes),
            (None, Some(_)) => 2 * simple + 32 * nodes * threads + 24 * nodes,
            (None, None) => 40 * nodes * threads,
        }
    }
}

impl Params {
    /// What lies between others and what is near them.
    pub(super) fn between(
        &self,
        part: &Part,
        cx: &Context,
        found: &mut Findings,
        values: &mut Scored,
    ) -> Result<(), StudyError> {
        let lengths = match self.between.lengths() {
            Some(lengths) => Some(self.projecting.of(part.graph, &lengths)?),
            None => None,
        };
        let by_length = |sum: Sum, lengths: &Part| {
            weighted_brandes(&lengths.csr, sum, cx).map_err(|error| match error {
                LengthError::Cancelled(cancelled) => cancelled.into(),
                LengthError::Length { .. } => self.no_length(part),
            })
        };
        if self.needs(Metric::Betweenness) {
            let scores = match &lengths {
                Some(_) if self.between.betweenness == Betweenness::Kadabra => {
                    return Err(StudyError::Unfit(
                        "--betweenness kadabra counts hops: with --distance betweenness is exact".into(),
                    ));
                }
                Some(lengths) => by_length(Sum::Betweenness, lengths)?,
                None if self.is_sampled(part) => self.sampled(part, cx, found)?,
                None => brandes::betweenness(&part.csr, cx)?,
            };
            values.push((Metric::Betweenness, Values::Numbers(self.scaled(part, scores))));
        }
        if self.asks_long(Metric::Harmonic, part) {
            if let (Some(count), true) = (self.between.harmonic_top, self.metrics.contains(&Metric::Harmonic))
            {
                return nearest(part, count, cx, found);
            }
            let scores = match &lengths {
                Some(lengths) => by_length(Sum::Harmonic, lengths)?,
                None => harmonic::harmonic(&part.csr, cx)?,
            };
            values.push((Metric::Harmonic, Values::Numbers(scores)));
        } else if self.metrics.is_empty() {
            found.caveats.push(
                "no harmonic, eigenvector, Katz, hub, authority and collective influence scores: on a graph of this size some of \
                 them take minutes to hours; ask for them with --metrics"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn is_sampled(&self, part: &Part) -> bool {
        match self.between.betweenness {
            Betweenness::Exact => false,
            Betweenness::Kadabra => true,
            Betweenness::Auto if self.metrics.is_empty() => !self.asks_long(Metric::Betweenness, part),
            Betweenness::Auto => part.nodes.len() > EXACT,
        }
    }

    /// Estimates of betweenness, as sums over pairs.
    fn sampled(&self, part: &Part, cx: &Context, found: &mut Findings) -> Result<Vec<f64>, StudyError> {
        let Kadabra { mut scores, samples, .. } =
            kadabra(&part.csr, &self.between.kadabra, cx).map_err(|error| match error {
                KadabraError::Cancelled(cancelled) => cancelled.into(),
                error => StudyError::Unfit(error.to_string()),
            })?;
        let kadabra::Params { epsilon, delta, betweenness_top } = self.between.kadabra;
        let pairs = pairs(part.nodes.len(), part.csr.is_undirected());
        found.facts.extend([
            Fact::count("betweenness_samples", "shortest paths drawn for betweenness", samples, "paths"),
            Fact::number(
                "betweenness_error",
                "how far betweenness may be off",
                epsilon * self.scale(part, pairs),
                if self.between.normalized { "share" } else { "pairs" },
            ),
            Fact::number("betweenness_doubt", "probability of any being farther off", delta, "share"),
        ]);
        found.caveats.push(match betweenness_top {
            None => format!(
                "betweenness is estimated from {} shortest paths: with probability {} every one of them is within {epsilon} of all \
                 pairs, so that most are too small to be told from 0; `--betweenness exact` or a smaller --epsilon takes longer",
                grouped(samples),
                1.0 - delta,
            ),
            Some(top) => format!(
                "betweenness is estimated from {} shortest paths: with probability {} the {top} highest are those, in this order, or \
                 differ by less than {epsilon} of all pairs; of the others only the estimate is known",
                grouped(samples),
                1.0 - delta,
            ),
        });
        for score in &mut scores {
            *score *= pairs;
        }
        Ok(scores)
    }

    /// By what betweenness is multiplied where it is `pairs` at most.
    fn scale(&self, part: &Part, pairs: f64) -> f64 {
        let others = self::pairs(part.nodes.len().saturating_sub(1), part.csr.is_undirected());
        if self.between.normalized && others > 0.0 { pairs / others } else { pairs }
    }

    fn scaled(&self, part: &Part, mut scores: Vec<f64>) -> Vec<f64> {
        let scale = self.scale(part, 1.0);
        for score in &mut scores {
            *score *= scale;
        }
        scores
    }

    /// The first edge that is not long enough to be one, named by the table it comes from.
    fn no_length(&self, part: &Part) -> StudyError {
        let first = |lengths: &[f64]| lengths.iter().position(|&length| length <= 0.0);
        let found = self
            .between
            .lengths()
            .and_then(|lengths| self.projecting.edge_weight(part.graph, &lengths, first));
        StudyError::Unfit(match found {
            Some((relation, column, row, value)) => format!(
                "row {row} of `{relation}` has the length {value} in `{column}`; betweenness and nearness need lengths above 0"
            ),
            None => "betweenness and nearness need lengths above 0 of all edges".into(),
        })
    }
}

/// Pairs of two among so many, ordered or not.
fn pairs(nodes: usize, is_undirected: bool) -> f64 {
    let ordered = nodes as f64 * nodes.saturating_sub(1) as f64;
    if is_undirected { ordered / 2.0 } else { ordered }
}

/// Adds the table of the nearest.
fn nearest(part: &Part, count: u32, cx: &Context, found: &mut Findings) -> Result<(), StudyError> {
    let top = harmonic_top(&part.csr, count as usize, cx)?;
    let nodes: Vec<NodeId> = top.iter().map(|(v, _)| part.nodes[v.index()]).collect();
    let labels: Vec<&str> = nodes.iter().map(|&v| part.graph.label(v)).collect();
    found.tables.push(Table::new(
        HARMONIC.name,
        HARMONIC.title,
        vec![
            Column::new("rank".into(), (1..=nodes.len() as i64).collect::<Vec<_>>()),
            uids("uid", part.graph, nodes.iter().copied()),
            Column::new("label".into(), labels),
            Column::new("harmonic".into(), top.iter().map(|(_, score)| *score).collect::<Vec<_>>()),
        ],
    )?);
    Ok(())
}

/// Every neighbour with its length, and searches that may have every arc waiting.
fn search_memory(sizes: &Sizes) -> u64 {
    let edges: u64 = sizes.edges.values().map(|table| table.rows).sum();
    let threads = rayon::current_num_threads() as u64;
    2 * 24 * edges + threads * (2 * 2 * 16 * edges + 36 * sizes.node_count())
}
