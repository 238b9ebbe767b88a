//! Who matters in the network.
//!
//! Scores for every node of the part of the graph that is asked about; by default the whole graph, each relation in its
//! stored direction: a follow lends rank to whom one follows, an attendance to the event, a share to the content.

pub mod brandes;
pub mod collective_influence;
pub mod degree;
pub mod eigenvector;
pub mod harmonic;
pub mod harmonic_top;
pub mod hits;
pub mod kadabra;
pub mod katz;
pub mod kcore;
pub mod pagerank;
mod path_sampler;
mod propagation;
pub mod rank_aggregation;
mod study_between;
mod study_jumps;
mod study_metrics;
mod study_score;
pub mod vertex_diameter;
pub mod voterank;
pub mod weighted_brandes;

use polars::prelude::Column;
use serde::{Deserialize, Serialize};

use super::findings::{Chart, Declared, Fact, Findings, Marks, Table, grouped};
use super::projection::{Part, Values, scores, uids};
use super::{Family, Projecting, Study, StudyError, Weighing};
use crate::context::Context;
use crate::graph::{BusinessGraph, Expression, NodeId};
use crate::ontology::Label;
use crate::snapshot::tables::size::Sizes;
use hits::HitsError;
use katz::KatzError;
use pagerank::{PageRank, PageRankError, pagerank};
pub use study_between::{Between, Betweenness};
pub use study_metrics::Metric;

/// Nodes times arcs up to which what takes as many steps is computed though nobody asks for it: a second or two.
const SMALL: u64 = 1 << 28;

/// Who matters: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Compute only these [default: all that the size of the graph allows; `personalized_pagerank` where there are --sources]
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub metrics: Vec<Metric>,
    /// Where the jumps of the personalised PageRank go, all alike
    #[arg(long, value_name = "UID,UID")]
    pub sources: Vec<String>,
    /// The jumps go to nodes of which this holds, too, such as "label = 'Artist' and followers > 100"
    #[arg(long, value_name = "EXPRESSION")]
    pub sources_where: Option<Expression>,
    /// The jumps go to the nodes that are given, or to all, in proportion to this; what is missing counts as 0
    #[arg(long, value_name = "EXPRESSION")]
    pub sources_weight: Option<Expression>,
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
    /// How walks are counted.
    #[command(flatten)]
    #[serde(flatten)]
    pub katz: katz::Params,
    /// How hubs and authorities are computed.
    #[command(flatten)]
    #[serde(flatten)]
    pub hits: hits::Params,
    /// How many spreaders are elected.
    #[command(flatten)]
    #[serde(flatten)]
    pub voterank: voterank::Params,
    /// How betweenness and nearness are computed.
    #[command(flatten)]
    #[serde(flatten)]
    pub between: Between,
}

impl Params {
    fn asks(&self, metric: Metric) -> bool {
        self.metrics.is_empty()
            || self.metrics.contains(&metric)
            || metric.group().is_some_and(|group| self.metrics.contains(&group))
    }

    fn asks_any(&self, metrics: &[Metric]) -> bool {
        metrics.iter().any(|&metric| self.asks(metric))
    }

    /// Whether anything of edges' weights is asked for but degrees.
    fn asks_ranks(&self) -> bool {
        self.needs(Metric::PageRank) || self.asks(Metric::PersonalizedPageRank)
    }

    fn asks_degrees(&self) -> bool {
        use Metric::{InDegree, InStrength, OutDegree, OutStrength};
        self.asks_any(&[InDegree, OutDegree, InStrength, OutStrength])
    }

    /// Whether what may take nodes times arcs many steps is asked for, or nothing in particular and the graph is small.
    fn asks_long(&self, metric: Metric, part: &Part) -> bool {
        let steps = part.nodes.len() as u64 * part.csr.arc_count() as u64;
        (self.metrics.is_empty() && steps <= SMALL) || (!self.metrics.is_empty() && self.asks(metric))
    }

    /// Whether a metric is computed: as it is asked for, or because another is made of it.
    fn needs(&self, metric: Metric) -> bool {
        self.asks(metric) || (self.asks(Metric::Score) && study_score::PARTS.contains(&metric))
    }
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "influence",
        question: "who matters in the network",
        scores: study_metrics::COLUMNS,
        tables: &[
            ("voterank", "a spreader, in the order in which VoteRank elects them"),
            (study_score::RANKING.name, study_score::RANKING.row),
            (study_between::HARMONIC.name, study_between::HARMONIC.row),
        ],
    };
    const DECLARED: &'static [Declared] = &[study_score::RANKING, study_between::HARMONIC];

    fn memory(&self, sizes: &Sizes) -> u64 {
        let nodes = sizes.node_count();
        let edges: u64 = sizes.edges.values().map(|table| table.rows).sum();
        let threads = rayon::current_num_threads() as u64;
        // Neighbours each once, and as much again while they are gathered; an undirected edge is an arc each way.
        let simple = 16 * edges + 8 * nodes;
        let takes = [
            // Ranks, what is passed on, weights, jumps.
            (self.asks_ranks(), 32 * nodes + propagation::memory(nodes, 2 * edges)),
            (self.asks_any(&[Metric::Eigenvector, Metric::Katz]), 24 * nodes),
            (self.asks_any(&[Metric::Hub, Metric::Authority]), 32 * nodes),
            (self.asks_degrees(), 24 * nodes),
            (self.needs(Metric::Core), simple + 16 * nodes),
            (self.asks(Metric::VoteRank), simple + 24 * nodes),
            (
                self.needs(Metric::Betweenness),
                self.between.betweenness_memory(sizes, simple, &self.projecting),
            ),
            (
                self.metrics.contains(&Metric::Harmonic),
                self.between.harmonic_memory(sizes, simple, &self.projecting),
            ),
            // Points of every ranking, their sums, ranks and bands.
            (self.asks(Metric::Score), 60 * nodes),
            (self.metrics.contains(&Metric::Collective), simple + 4 * nodes * threads),
        ];
        let kernel = takes.iter().filter(|(is_asked, _)| *is_asked).map(|(_, bytes)| *bytes).max();
        let columns = study_metrics::ALL.iter().filter(|&&metric| self.needs(metric)).count() as u64;
        self.projecting.memory(sizes, &self.weighing)
            + kernel.unwrap_or(0)
            + self.projecting.scores_memory(sizes, columns)
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let part = self.projecting.of(graph, &self.weighing)?;
        let mut found = Findings::new(Self::FAMILY.name, super::to_json(self));
        found.declared = Self::DECLARED;
        found.facts.extend([
            Fact::count("influence_nodes", "nodes scored", part.nodes.len() as u64, "nodes"),
            Fact::count("influence_edges", "edges followed", part.csr.edge_count() as u64, "edges"),
        ]);
        found.caveats.push(
            "centrality describes position in the recorded graph, not the cause of anything".to_owned(),
        );
        let mut values = Vec::new();
        self.ranks(&part, cx, &mut found, &mut values)?;
        self.between(&part, cx, &mut found, &mut values)?;
        self.walks(&part, cx, &mut found, &mut values)?;
        self.cores(&part, cx, &mut found, &mut values)?;
        self.degrees(&part, &mut values)?;
        if self.asks_long(Metric::Collective, &part) {
            let scores = collective_influence::collective_influence(&part.csr, cx)?;
            values.push((Metric::Collective, Values::Numbers(scores)));
        }
        if self.asks(Metric::Score) {
            study_score::score(&part, &mut values, &mut found)?;
        }
        values.retain(|(metric, _)| self.asks(*metric));
        let values = values.into_iter().filter_map(|(metric, values)| Some((metric.column()?, values)));
        found.scores = Some(scores(graph, &part.nodes, values.collect())?);
        Ok(found)
    }
}

/// Scores by what they are, in the order of their columns.
type Scored = Vec<(Metric, Values)>;

impl Params {
    fn ranks(
        &self,
        part: &Part,
        cx: &Context,
        found: &mut Findings,
        values: &mut Scored,
    ) -> Result<(), StudyError> {
        let teleport = self.teleport(part)?;
        let ranked = |teleport: Option<&[f64]>| {
            let ranks = pagerank(&part.csr, teleport, &self.pagerank, cx);
            ranks.map_err(|error| match error {
                PageRankError::Weight(_) => self
                    .projecting
                    .negative_weight(part.graph, &self.weighing)
                    .unwrap_or_else(|| error.into()),
                PageRankError::Sum => {
                    self.projecting.overflow(part.graph, &self.weighing).unwrap_or_else(|| error.into())
                }
                error => error.into(),
            })
        };
        if self.needs(Metric::PageRank) {
            let ranks = ranked(None)?;
            found.facts.push(Fact::count(
                "pagerank_iterations",
                "iterations of PageRank",
                u64::from(ranks.iterations),
                "iterations",
            ));
            found.facts.push(Fact::number(
                "pagerank_residual",
                "change of the last iteration (L1)",
                ranks.residual,
                "1",
            ));
            found.facts.extend(top_share(&ranks.ranks));
            found.caveats.extend(self.stopped_early("PageRank", &ranks));
            found.charts.extend(most_influential(part, &ranks.ranks));
            values.push((Metric::PageRank, Values::Numbers(ranks.ranks)));
        }
        if let (Some(teleport), true) = (teleport, self.asks(Metric::PersonalizedPageRank)) {
            let ranks = ranked(Some(&teleport))?;
            found.caveats.extend(self.stopped_early("personalised PageRank", &ranks));
            values.push((Metric::PersonalizedPageRank, Values::Numbers(ranks.ranks)));
        }
        Ok(())
    }

    /// What walks along the edges tell, by weight.
    fn walks(
        &self,
        part: &Part,
        cx: &Context,
        found: &mut Findings,
        values: &mut Scored,
    ) -> Result<(), StudyError> {
        let hits = [Metric::Hub, Metric::Authority];
        let asks = |metric| self.asks_long(metric, part);
        if ![Metric::Eigenvector, Metric::Katz, hits[0], hits[1]].into_iter().any(asks) {
            return Ok(());
        }
        if (0..part.csr.edge_count() as u32).any(|edge| part.csr.weight(edge) < 0.0) {
            let negative = self.projecting.negative_weight(part.graph, &self.weighing);
            return Err(negative.unwrap_or_else(|| PageRankError::Weight(-1.0).into()));
        }
        let unsettled = |what: &str, iterations: u32| {
            format!(
                "{what} did not settle in {iterations} iterations: the graph has no cycle, or several parts weigh alike"
            )
        };
        if asks(Metric::Eigenvector) {
            let vector = eigenvector::eigenvector(&part.csr, cx)?;
            if !vector.converged {
                found.caveats.push(unsettled("eigenvector centrality", vector.iterations));
            }
            values.push((Metric::Eigenvector, Values::Numbers(vector.scores)));
        }
        if asks(Metric::Katz) {
            let katz = katz::katz(&part.csr, &self.katz, cx).map_err(|error| match error {
                KatzError::Cancelled(cancelled) => cancelled.into(),
                error => StudyError::Unfit(error.to_string()),
            })?;
            found.facts.push(Fact::number(
                "katz_alpha",
                "factor of each further edge (Katz)",
                katz.alpha,
                "1",
            ));
            values.push((Metric::Katz, Values::Numbers(katz.scores)));
        }
        if hits.into_iter().any(asks) {
            let scores = hits::hits(&part.csr, &self.hits, cx).map_err(|error| match error {
                HitsError::Cancelled(cancelled) => cancelled.into(),
                error @ HitsError::Restart(_) => StudyError::Unfit(error.to_string()),
            })?;
            if !scores.converged {
                found.caveats.push(unsettled("hubs and authorities", scores.iterations));
            }
            let both = [(hits[0], scores.hubs), (hits[1], scores.authorities)];
            let asked = both.into_iter().filter(|(metric, _)| asks(*metric));
            values.extend(asked.map(|(metric, scores)| (metric, Values::Numbers(scores))));
        }
        Ok(())
    }

    /// Who is in the thick of it, and who spreads without sharing an audience.
    fn cores(
        &self,
        part: &Part,
        cx: &Context,
        found: &mut Findings,
        values: &mut Scored,
    ) -> Result<(), StudyError> {
        if self.needs(Metric::Core) {
            let cores = kcore::core_numbers(&part.csr, cx)?;
            let deepest = cores.iter().max().copied().unwrap_or(0);
            let inside = cores.iter().filter(|&&core| core == deepest).count() as u64;
            found.facts.extend([
                Fact::count(
                    "core_deepest",
                    "neighbours everybody has in the deepest core",
                    u64::from(deepest),
                    "neighbours",
                ),
                Fact::count("core_deepest_nodes", "nodes in the deepest core", inside, "nodes"),
            ]);
            values.push((Metric::Core, Values::counts(&cores)));
        }
        if self.asks(Metric::VoteRank) {
            let elected = voterank::voterank(&part.csr, &self.voterank, cx)?;
            let nodes = elected.iter().map(|&v| part.nodes[v as usize]);
            found.tables.push(Table::new(
                "voterank",
                "Spreaders who do not share their audience",
                vec![
                    Column::new("rank".into(), (1..=elected.len() as i64).collect::<Vec<_>>()),
                    uids("uid", part.graph, nodes),
                ],
            )?);
        }
        Ok(())
    }

    fn degrees(&self, part: &Part, values: &mut Scored) -> Result<(), StudyError> {
        if !self.asks_degrees() && !self.needs(Metric::InStrength) {
            return Ok(());
        }
        let degrees = degree::degrees(&part.csr);
        let strengths =
            [(Metric::InStrength, &degrees.in_strength), (Metric::OutStrength, &degrees.out_strength)];
        for (metric, strength) in strengths {
            if self.needs(metric) && strength.iter().any(|s| !s.is_finite()) {
                return Err(self
                    .projecting
                    .overflow(part.graph, &self.weighing)
                    .unwrap_or_else(|| PageRankError::Sum.into()));
            }
        }
        let all = [
            (Metric::InDegree, Values::counts(&degrees.in_degree)),
            (Metric::OutDegree, Values::counts(&degrees.out_degree)),
            (Metric::InStrength, Values::Numbers(degrees.in_strength)),
            (Metric::OutStrength, Values::Numbers(degrees.out_strength)),
        ];
        values.extend(all.into_iter().filter(|(metric, _)| self.needs(*metric)));
        Ok(())
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
