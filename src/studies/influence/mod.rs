//! Who matters in the network.
//!
//! Scores for every node of the part of the graph that is asked about; by default the whole graph, each relation in its
//! stored direction: a follow lends rank to whom one follows, an attendance to the event, a share to the content.

pub mod degree;
pub mod pagerank;
mod propagation;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::findings::{Chart, Fact, Findings, Marks, ScoreColumn, grouped};
use super::projection::{Part, Values, scores};
use super::{Family, Projecting, Study, StudyError, Weighing, lookup};
use crate::context::Context;
use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::Label;
use crate::snapshot::tables::WEIGHT;
use crate::snapshot::tables::size::Sizes;
use pagerank::{PageRank, PageRankError, pagerank};

const PAGERANK: ScoreColumn = ScoreColumn {
    name: "influence_pagerank",
    unit: "1",
    meaning: "share of time a surfer who follows edges and now and then jumps anywhere spends here; all nodes together 1",
};
const PERSONALIZED_PAGERANK: ScoreColumn = ScoreColumn {
    name: "influence_personalized_pagerank",
    unit: "1",
    meaning: "PageRank whose jumps return to the given sources: nearness to them over all ways",
};
const IN_DEGREE: ScoreColumn =
    ScoreColumn { name: "influence_in_degree", unit: "edges", meaning: "edges that lead here" };
const OUT_DEGREE: ScoreColumn =
    ScoreColumn { name: "influence_out_degree", unit: "edges", meaning: "edges that lead away" };
const IN_STRENGTH: ScoreColumn = ScoreColumn {
    name: "influence_in_strength",
    unit: "weight",
    meaning: "weight of the edges that lead here",
};
const OUT_STRENGTH: ScoreColumn = ScoreColumn {
    name: "influence_out_strength",
    unit: "weight",
    meaning: "weight of the edges that lead away",
};

/// A score that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// Rank by following edges
    #[value(name = "pagerank")]
    #[serde(rename = "pagerank")]
    PageRank,
    /// Rank as seen from --sources
    #[value(name = "personalized_pagerank")]
    #[serde(rename = "personalized_pagerank")]
    PersonalizedPageRank,
    /// `in_degree` and `out_degree`
    Degree,
    /// Edges in
    InDegree,
    /// Edges out
    OutDegree,
    /// `in_strength` and `out_strength`
    Strength,
    /// Weight in
    InStrength,
    /// Weight out
    OutStrength,
}

/// Who matters: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Compute only these [default: all; `personalized_pagerank` where there are --sources]
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub metrics: Vec<Metric>,
    /// Where the jumps of the personalised PageRank go, all alike
    #[arg(long, value_name = "UID,UID")]
    pub sources: Vec<String>,
    /// Which part of the graph.
    #[command(flatten)]
    #[serde(flatten)]
    pub projecting: Projecting,
    /// What its edges weigh.
    #[command(flatten)]
    #[serde(flatten)]
    pub weighing: Weighing,
    /// How ranks are computed.
    #[command(flatten)]
    #[serde(flatten)]
    pub pagerank: pagerank::Params,
}

impl Params {
    fn asks(&self, metric: Metric, group: Option<Metric>) -> bool {
        self.metrics.is_empty()
            || self.metrics.contains(&metric)
            || group.is_some_and(|group| self.metrics.contains(&group))
    }

    /// Whether anything is asked for but ranks.
    fn asks_degrees(&self) -> bool {
        use Metric::{Degree, InDegree, InStrength, OutDegree, OutStrength, Strength};
        let degrees = [Degree, InDegree, OutDegree, Strength, InStrength, OutStrength];
        self.metrics.is_empty() || degrees.iter().any(|metric| self.metrics.contains(metric))
    }

    /// Whether any ranks are asked for.
    fn asks_ranks(&self) -> bool {
        let ranks = [Metric::PageRank, Metric::PersonalizedPageRank];
        self.metrics.is_empty() || ranks.iter().any(|metric| self.metrics.contains(metric))
    }

    /// Jump mass by node of `part`; `None`: not personalised.
    fn teleport(&self, part: &Part) -> Result<Option<Vec<f64>>, StudyError> {
        if self.sources.is_empty() {
            if self.metrics.contains(&Metric::PersonalizedPageRank) {
                return Err(StudyError::Unfit("`personalized_pagerank` needs --sources".into()));
            }
            return Ok(None);
        }
        let mut teleport = vec![0.0; part.nodes.len()];
        for source in lookup::nodes(part.graph, &self.sources)? {
            let own = part.nodes.binary_search(&source).map_err(|_| {
                StudyError::Unfit(format!("the source `{}` has none of the --labels", part.graph.uid(source)))
            })?;
            teleport[own] = 1.0;
        }
        Ok(Some(teleport))
    }
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "influence",
        question: "who matters in the network",
        scores: &[PAGERANK, PERSONALIZED_PAGERANK, IN_DEGREE, OUT_DEGREE, IN_STRENGTH, OUT_STRENGTH],
        tables: &[],
    };

    fn memory(&self, sizes: &Sizes) -> u64 {
        // Ranks, what is passed on, weights, jumps; degrees and strengths.
        let kernels = if self.asks_degrees() { 32 + 24 } else { 32 };
        let of = |metric: &Metric| if matches!(metric, Metric::Degree | Metric::Strength) { 2 } else { 1 };
        let columns = if self.metrics.is_empty() { 6 } else { self.metrics.iter().map(of).sum() };
        let kernels = kernels * sizes.node_count();
        let edges: u64 = sizes.edges.values().map(|table| table.rows).sum();
        // An undirected edge is an arc each way.
        let aside = if self.asks_ranks() { propagation::memory(sizes.node_count(), 2 * edges) } else { 0 };
        self.projecting.memory(sizes, &self.weighing)
            + kernels
            + aside
            + self.projecting.scores_memory(sizes, columns)
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let part = self.projecting.of(graph, &self.weighing)?;
        let teleport = self.teleport(&part)?;
        let ranked = |teleport: Option<&[f64]>| {
            let found = pagerank(&part.csr, teleport, &self.pagerank, cx);
            found.map_err(|error| match error {
                PageRankError::Weight(_) => self.negative_weight(graph).unwrap_or_else(|| error.into()),
                PageRankError::Sum => self.overflow(graph).unwrap_or_else(|| error.into()),
                error => error.into(),
            })
        };
        let mut facts = vec![
            Fact::count("influence_nodes", "nodes scored", part.nodes.len() as u64, "nodes"),
            Fact::count("influence_edges", "edges followed", part.csr.edge_count() as u64, "edges"),
        ];
        let mut caveats =
            vec!["centrality describes position in the recorded graph, not the cause of anything".to_owned()];
        let mut values = Vec::new();
        let mut charts = Vec::new();

        if self.asks(Metric::PageRank, None) {
            let found = ranked(None)?;
            facts.push(Fact::count(
                "pagerank_iterations",
                "iterations of PageRank",
                u64::from(found.iterations),
                "iterations",
            ));
            facts.push(Fact::number(
                "pagerank_residual",
                "change of the last iteration (L1)",
                found.residual,
                "1",
            ));
            facts.extend(top_share(&found.ranks));
            caveats.extend(self.stopped_early("PageRank", &found));
            charts.extend(most_influential(&part, &found.ranks));
            values.push((&PAGERANK, Values::Numbers(found.ranks)));
        }
        if let (Some(teleport), true) = (teleport, self.asks(Metric::PersonalizedPageRank, None)) {
            let found = ranked(Some(&teleport))?;
            caveats.extend(self.stopped_early("personalised PageRank", &found));
            values.push((&PERSONALIZED_PAGERANK, Values::Numbers(found.ranks)));
        }
        let degrees =
            if self.asks_degrees() { degree::degrees(&part.csr) } else { degree::Degrees::default() };
        let strengths =
            [(Metric::InStrength, &degrees.in_strength), (Metric::OutStrength, &degrees.out_strength)];
        for (metric, strength) in strengths {
            if self.asks(metric, Some(Metric::Strength)) && strength.iter().any(|s| !s.is_finite()) {
                return Err(self.overflow(graph).unwrap_or_else(|| PageRankError::Sum.into()));
            }
        }
        let mut add = |metric, group, column, column_values| {
            if self.asks(metric, Some(group)) {
                values.push((column, column_values));
            }
        };
        add(Metric::InDegree, Metric::Degree, &IN_DEGREE, Values::counts(&degrees.in_degree));
        add(Metric::OutDegree, Metric::Degree, &OUT_DEGREE, Values::counts(&degrees.out_degree));
        add(Metric::InStrength, Metric::Strength, &IN_STRENGTH, Values::Numbers(degrees.in_strength));
        add(Metric::OutStrength, Metric::Strength, &OUT_STRENGTH, Values::Numbers(degrees.out_strength));

        Ok(Findings {
            family: Self::FAMILY.name,
            parameters: super::to_json(self),
            scores: Some(scores(graph, &part.nodes, values)?),
            tables: vec![],
            declared: &[],
            charts,
            facts,
            caveats,
        })
    }
}

impl Params {
    /// The first edge that weighs less than nothing, named by the table it comes from.
    fn negative_weight(&self, graph: &BusinessGraph) -> Option<StudyError> {
        let (relation, column, row, value) =
            self.edge_weight(graph, |weights| weights.iter().position(|&weight| weight < 0.0))?;
        Some(StudyError::NegativeWeight { relation, column, row, value })
    }

    /// The edge that weighs most where weights have no finite sum.
    fn overflow(&self, graph: &BusinessGraph) -> Option<StudyError> {
        let greatest = |weights: &[f64]| {
            let of = |edge: &usize| weights[*edge].abs();
            // The first of equals.
            (0..weights.len()).rev().max_by(|a, b| of(a).total_cmp(&of(b)))
        };
        let (relation, column, row, value) = self.edge_weight(graph, greatest)?;
        Some(StudyError::WeightOverflow { relation, column, row, value })
    }

    /// Relation, column, row and weight of the edge that `pick` finds among the weights of all.
    fn edge_weight(
        &self,
        graph: &BusinessGraph,
        pick: impl Fn(&[f64]) -> Option<usize>,
    ) -> Option<(String, String, usize, f64)> {
        let projected = graph.project(&self.projecting.projection(graph, &self.weighing).ok()?).ok()?;
        let weights: Vec<f64> =
            (0..projected.csr.edge_count() as u32).map(|edge| projected.csr.weight(edge)).collect();
        let (table, row) = projected.origin(graph, pick(&weights)? as u32);
        let column = self.weighing.weight.as_deref().unwrap_or(WEIGHT).to_owned();
        // As it stands there, before any half-life.
        let value = table.frame.column(&column).and_then(|c| c.get(row)).ok()?.try_extract().ok()?;
        Some((table.relation.clone(), column, row, value))
    }

    fn stopped_early(&self, what: &str, found: &PageRank) -> Option<String> {
        let asked_to_converge = self.pagerank.tolerance > 0.0;
        (asked_to_converge && !found.converged).then(|| {
            format!(
                "{what} stopped after {} iterations with a change of {:.1e}, above the tolerance {:e}",
                found.iterations, found.residual, self.pagerank.tolerance
            )
        })
    }
}

/// How much of all rank the top hundredth of nodes holds.
fn top_share(ranks: &[f64]) -> Option<Fact> {
    let top = ranks.len().div_ceil(100);
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    let held: f64 = sorted.iter().take(top).sum();
    (total > 0.0).then(|| {
        Fact::number("pagerank_top_share", "rank held by the top 1 % of nodes", held / total, "share")
    })
}

/// The people at the top, or the nodes where nobody is a person.
fn most_influential(part: &Part, ranks: &[f64]) -> Option<Chart> {
    const BARS: usize = 15;
    let by_rank = |&a: &usize, &b: &usize| ranks[b].total_cmp(&ranks[a]).then(a.cmp(&b));
    let of = |people: bool| {
        let is_wanted = |v: NodeId| !people || part.graph.has_label(v, Label::Person.name());
        (0..ranks.len()).filter(|&i| is_wanted(part.nodes[i])).collect::<Vec<_>>()
    };
    let mut order = of(true);
    let who = if order.is_empty() { "nodes" } else { "people" };
    if order.is_empty() {
        order = of(false);
    }
    if order.len() < 2 {
        // One is no ranking.
        return None;
    }
    let count = order.len();
    let typical = ranks[*order.select_nth_unstable_by(count / 2, by_rank).1];
    // Only the first of them are put in order.
    order.select_nth_unstable_by(BARS.min(count) - 1, by_rank);
    order.truncate(BARS);
    order.sort_unstable_by(by_rank);
    let first = ranks[order[0]];
    let bars = order.iter().map(|&i| (part.graph.name(part.nodes[i]).to_owned(), ranks[i] * 1e3));
    let name = part.graph.name(part.nodes[order[0]]);
    let caption = format!(
        "{name} ranks first of {} {who}, {:.0} times the one in the middle; reach them first, and compare with degrees \
         before calling anybody an influencer.",
        grouped(count as u64),
        first / typical
    );
    Some(Chart {
        name: "influence_top",
        title: format!("Most influential {who}"),
        caption,
        axes: ("PageRank (thousandths of all rank)".into(), String::new()),
        marks: Marks::Bars { bars: bars.collect() },
    })
}
