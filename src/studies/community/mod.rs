//! Who and what belongs together.
//!
//! All but co-attendance is told of the part of the graph that is asked about. Co-attendance counts what any relation between
//! two kinds of nodes says: on the business graph ATTENDED, elsewhere the edges of a graph in which no node is both a
//! source (who attends) and a target (what is attended).

pub mod bridges;
pub mod coattendance;
pub mod components;
pub mod label_propagation;
pub mod leiden;
pub mod strong_components;
mod study_metrics;
mod tables;
pub mod triangles;

use std::cmp::Reverse;

use polars::prelude::Column;
use serde::{Deserialize, Serialize};

use super::findings::{Chart, Declared, Fact, Findings, Marks, Table, counted};
use super::projection::{Part, Values, scores, uids};
use super::{Family, Projecting, Study, StudyError, Weighing};
use crate::context::Context;
use crate::graph::{BusinessGraph, Csr, NodeId};
use crate::ontology::Relation;
use crate::snapshot::tables::size::Sizes;
use coattendance::{CoAttendance, Pair, coattendance};
use components::{Components, components};
use label_propagation::{Labels, Mode, label_propagation};
use leiden::leiden;
use strong_components::strong_components;
pub use study_metrics::Metric;
use study_metrics::{CLUSTERING, COMPONENT, LABEL, LEIDEN, STRONG_COMPONENT, TRIANGLES};
use triangles::triangles;

/// What belongs together: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Compute only these [default: all; clustering and triangles take longest on large graphs]
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub metrics: Vec<Metric>,
    /// Which part of the graph.
    #[command(flatten)]
    #[serde(flatten)]
    pub projecting: Projecting,
    /// What its edges weigh for `leiden`; the others count them.
    #[command(flatten)]
    #[serde(flatten)]
    pub weighing: Weighing,
    /// How communities are found.
    #[command(flatten)]
    #[serde(flatten)]
    pub leiden: leiden::Params,
    /// How labels spread.
    #[command(flatten)]
    #[serde(flatten)]
    pub propagation: label_propagation::Params,
    /// How co-attendance is counted.
    #[command(flatten)]
    #[serde(flatten)]
    pub coattendance: coattendance::Params,
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "community",
        question: "who and what belongs together",
        scores: &[COMPONENT, STRONG_COMPONENT, LABEL, LEIDEN, CLUSTERING, TRIANGLES],
        tables: &[
            ("coattendance", "an event, another its people attended, and how many more than by chance"),
            (tables::BRIDGES.name, tables::BRIDGES.row),
            (tables::ARTICULATION_POINTS.name, tables::ARTICULATION_POINTS.row),
        ],
    };
    const DECLARED: &'static [Declared] = &[tables::BRIDGES, tables::ARTICULATION_POINTS];

    fn memory(&self, sizes: &Sizes) -> u64 {
        let nodes = sizes.node_count();
        let part = self.projecting.memory(sizes, &self.weighing());
        // Bytes that each takes while it is made; what comes out is counted with the scores.
        let edges: u64 = sizes.edges.values().map(|table| table.rows).sum();
        let threads = rayon::current_num_threads() as u64;
        let kernels = [
            (Metric::Component, 8 * nodes),
            (Metric::StrongComponent, 16 * nodes),
            // The order of uids before, as numbers or texts; labels, those to come, who is awake, and counts.
            (Metric::Label, (24 * nodes).max((9 + 4 * threads) * nodes)),
            (Metric::Leiden, leiden::memory(nodes, edges)),
            (Metric::Clustering, triangles::memory(nodes, edges)),
            (Metric::Triangles, triangles::memory(nodes, edges)),
            (Metric::Bridges, 32 * nodes),
        ];
        let asked = kernels.iter().filter(|(metric, _)| self.asks(*metric));
        let highest = asked.map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let columns = Metric::SCORES.into_iter().filter(|metric| self.asks(*metric)).count();
        let of_nodes = part + highest + self.projecting.scores_memory(sizes, columns as u64);
        if !self.asks(Metric::CoAttendance) {
            return of_nodes;
        }
        // Who attended what as arcs, the list of it, and the arcs sorted once more; the pairs that come out on top.
        of_nodes.max(part + 8 * nodes + 20 * edges)
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        findings.declared = Self::DECLARED;
        let asks_scores = Metric::SCORES.into_iter().any(|metric| self.asks(metric));
        if asks_scores || self.asks(Metric::Bridges) {
            let part = self.projecting.of(graph, &self.weighing())?;
            if asks_scores {
                self.scores(&part, cx, &mut findings)?;
            }
            if self.asks(Metric::Bridges) {
                tables::cuts(&part, cx, &mut findings)?;
            }
        }
        if self.asks(Metric::CoAttendance) {
            match self.attendance(graph)? {
                Some(csr) => self.coattendance(graph, &csr, cx, &mut findings)?,
                None if self.metrics.contains(&Metric::CoAttendance) => {
                    return Err(StudyError::Unfit(
                        "co-attendance needs relations in which no node is both source and target; choose them with --relations".into(),
                    ));
                }
                None => findings.caveats.push(
                    "no co-attendance: the relations have nodes that are both source and target".to_owned(),
                ),
            }
        }
        Ok(findings)
    }
}

impl Params {
    fn asks(&self, metric: Metric) -> bool {
        self.metrics.is_empty() || self.metrics.contains(&metric)
    }

    /// What edges weigh, where that is asked for.
    fn weighing(&self) -> Weighing {
        if self.asks(Metric::Leiden) { self.weighing.clone() } else { Weighing::none() }
    }

    /// Communities of high modularity.
    fn communities(&self, part: &Part, cx: &Context, findings: &mut Findings) -> Result<Values, StudyError> {
        let weights = (0..part.csr.edge_count() as u32).map(|edge| part.csr.weight(edge));
        let unfit = |found: Option<StudyError>| {
            found.unwrap_or_else(|| {
                StudyError::Unfit("communities need weights of at least 0 and a finite sum".into())
            })
        };
        if part.csr.is_weighted() && weights.clone().any(|weight| weight < 0.0) {
            return Err(unfit(self.projecting.negative_weight(part.graph, &self.weighing)));
        }
        if !(4.0 * weights.sum::<f64>()).is_finite() {
            return Err(unfit(self.projecting.overflow(part.graph, &self.weighing)));
        }
        if !(self.leiden.resolution > 0.0 && self.leiden.resolution.is_finite()) {
            return Err(StudyError::Unfit(format!(
                "the resolution {} is not a number above 0",
                self.leiden.resolution
            )));
        }
        let found = leiden(&part.csr, &self.leiden, cx)?;
        findings.facts.extend(sizes_of(
            &found.communities,
            ("leiden_communities", "communities by modularity", "communities"),
            ("leiden_largest", "nodes in the largest of these communities"),
        ));
        findings.facts.push(Fact::number(
            "leiden_modularity",
            "modularity: edges inside communities beyond chance",
            found.modularity,
            "share",
        ));
        Ok(Values::counts(&found.communities.of))
    }

    /// Scores of every node of the part that is asked about.
    fn scores(&self, part: &Part, cx: &Context, findings: &mut Findings) -> Result<(), StudyError> {
        let mut values = Vec::new();
        if self.asks(Metric::Component) {
            let found = components(&part.csr, cx)?;
            let alone = found.sizes.iter().filter(|&&size| size == 1).count();
            findings.facts.extend(sizes_of(
                &found,
                ("components", "connected parts", "components"),
                ("component_largest", "nodes in the largest"),
            ));
            let alone = Fact::count("component_alone", "nodes without any neighbour", alone as u64, "nodes");
            findings.facts.push(alone);
            values.push((&COMPONENT, Values::counts(&found.of)));
        }
        if self.asks(Metric::StrongComponent) {
            let found = strong_components(&part.csr, cx)?;
            findings.facts.extend(sizes_of(
                &found,
                ("strong_components", "parts in which every node reaches every other", "components"),
                ("strong_component_largest", "nodes in the largest of them"),
            ));
            values.push((&STRONG_COMPONENT, Values::counts(&found.of)));
        }
        if self.asks(Metric::Label) {
            let found = label_propagation(&part.csr, places(part), &self.propagation, cx)?;
            findings.facts.extend(sizes_of(
                &found.communities,
                ("label_communities", "communities by label propagation", "communities"),
                ("label_largest", "nodes in the largest of these communities"),
            ));
            findings.facts.push(Fact::count(
                "label_iterations",
                "rounds of label propagation",
                u64::from(found.iterations),
                "iterations",
            ));
            if found.moving > 0 {
                findings.caveats.push(self.unsettled(&found));
            }
            values.push((&LABEL, Values::counts(&found.communities.of)));
        }
        if self.asks(Metric::Leiden) {
            values.push((&LEIDEN, self.communities(part, cx, findings)?));
        }
        if self.asks(Metric::Clustering) || self.asks(Metric::Triangles) {
            let found = triangles(&part.csr, cx)?;
            findings.facts.extend([
                Fact::count("triangles", "triangles of the graph", found.total, "triangles"),
                Fact::number(
                    "clustering_average",
                    "clustering coefficient, mean of all nodes",
                    found.average_clustering(),
                    "1",
                ),
                Fact::number(
                    "transitivity",
                    "share of the pairs of neighbours of one node that are neighbours",
                    found.transitivity(),
                    "1",
                ),
            ]);
            if self.asks(Metric::Clustering) {
                values.push((&CLUSTERING, Values::Numbers(found.clustering)));
            }
            if self.asks(Metric::Triangles) {
                values.push((&TRIANGLES, Values::counts(&found.of)));
            }
        }
        findings.scores = Some(scores(part.graph, &part.nodes, values)?);
        Ok(())
    }

    fn unsettled(&self, found: &Labels) -> String {
        let more = match self.propagation.label_propagation {
            Mode::Sync => "`--max-iterations` lets it go on, and `--label-propagation async` comes to an end",
            Mode::Async => "`--max-iterations` lets it go on",
        };
        format!(
            "label propagation stopped after {} while {} still moved: {more}",
            counted(u64::from(found.iterations), "round", "rounds"),
            counted(u64::from(found.moving), "node", "nodes"),
        )
    }

    /// Who attended what, as arcs; `None` where the relations are not between two kinds of nodes.
    fn attendance(&self, graph: &BusinessGraph) -> Result<Option<Csr>, StudyError> {
        let attended = Relation::Attended.name();
        let asked = &self.projecting.relations;
        let all = || graph.relations().map(str::to_owned).collect();
        let relations: Vec<String> = match asked.is_empty() {
            false if !asked.iter().any(|r| r == attended) => asked.clone(),
            true if graph.edges(attended).is_none() => all(),
            _ => vec![attended.to_owned()],
        };
        let part = Projecting { relations, ..self.projecting.clone() };
        // Whether edges are followed one way or both, src is who attends and dst what is attended.
        let projected = graph.project(&part.projection(graph, &Weighing::none())?)?;
        let edges = (0..projected.csr.edge_count() as u32).map(|position| {
            let (table, row) = projected.origin(graph, position);
            (table.src.at(row), table.dst[row])
        });
        let csr = Csr::of_pairs(graph.node_count(), edges.collect::<Vec<_>>(), vec![]);
        let two_kinds = csr.nodes().all(|v| csr.out_degree(v) == 0 || csr.in_degree(v) == 0);
        Ok((two_kinds && csr.edge_count() > 0).then_some(csr))
    }

    fn coattendance(
        &self,
        graph: &BusinessGraph,
        csr: &Csr,
        cx: &Context,
        findings: &mut Findings,
    ) -> Result<(), StudyError> {
        let found = coattendance(csr, &self.coattendance, cx)?;
        let of = |pick: fn(&Pair) -> u32| found.pairs.iter().map(pick);
        let n_of = |pick: fn(&Pair) -> u32| -> Vec<i64> {
            of(pick).map(|event| i64::from(found.attendance[event as usize])).collect()
        };
        let numbers = |value: fn(&CoAttendance, Pair) -> f64| -> Vec<f64> {
            found.pairs.iter().map(|&pair| value(&found, pair)).collect()
        };
        // Before those of bridges: it says most.
        findings.tables.insert(
            0,
            Table::new(
                "coattendance",
                "Events that share their people",
                vec![
                    uids("event", graph, of(|p| p.event).map(NodeId)),
                    uids("other", graph, of(|p| p.other).map(NodeId)),
                    Column::new("both".into(), of(|p| p.both).map(i64::from).collect::<Vec<_>>()),
                    Column::new("n_event".into(), n_of(|p| p.event)),
                    Column::new("n_other".into(), n_of(|p| p.other)),
                    Column::new("share".into(), numbers(CoAttendance::share)),
                    Column::new("lift".into(), numbers(CoAttendance::lift)),
                ],
            )?,
        );
        let events = found.attendance.iter().filter(|&&n| n > 0).count() as u64;
        findings.facts.extend([
            Fact::count(
                "coattendance_people",
                "people who attended any event",
                u64::from(found.people),
                "people",
            ),
            Fact::count("coattendance_events", "events attended by anybody", events, "events"),
            Fact::count(
                "coattendance_pairs",
                "ordered pairs of events with people in common",
                found.pairs.len() as u64,
                "pairs",
            ),
        ]);
        if found.left_out > 0 {
            findings.caveats.push(format!(
                "{} attendees with more than {} events are left out of co-attendance",
                found.left_out, self.coattendance.max_events
            ));
        }
        if found.cut > 0 {
            findings.caveats.push(format!(
                "{} weaker pairs are left out: at most {} others are kept per event",
                found.cut, found.kept
            ));
        }
        findings.charts.extend(strongest_pairs(graph, &found));
        Ok(())
    }
}

/// The place of every node by its uid: by number where all uids of the part are whole numbers, else by text; `None`: they
/// stand in that order.
fn places(part: &Part) -> Option<Vec<u32>> {
    let uid = |i: u32| part.graph.uid(part.nodes[i as usize]);
    let all = 0..part.nodes.len() as u32;
    let numbers: Option<Vec<i128>> = all.clone().map(|i| uid(i).parse().ok()).collect();
    let mut order: Vec<u32> = all.collect();
    match numbers {
        Some(numbers) if numbers.is_sorted() => return None,
        // Numbers may be written in several ways, and uids differ.
        Some(numbers) => order.sort_unstable_by_key(|&i| (numbers[i as usize], i)),
        None if order.is_sorted_by_key(|&i| uid(i)) => return None,
        None => order.sort_unstable_by_key(|&i| uid(i)),
    }
    let mut places = vec![0; order.len()];
    for (place, i) in (0..).zip(order) {
        places[i as usize] = place;
    }
    Some(places)
}

/// How many sets a partition has (name, label and unit of that), and how large the largest is (name and label).
fn sizes_of(
    found: &Components,
    (name, label, unit): (&'static str, &'static str, &'static str),
    (largest_name, largest_label): (&'static str, &'static str),
) -> [Fact; 2] {
    let largest = found.sizes.iter().max().copied().unwrap_or(0);
    [
        Fact::count(name, label, found.sizes.len() as u64, unit),
        Fact::count(largest_name, largest_label, u64::from(largest), "nodes"),
    ]
}

/// The pairs most above chance among those enough people have in common.
fn strongest_pairs(graph: &BusinessGraph, found: &CoAttendance) -> Option<Chart> {
    const BARS: usize = 12;
    let once = |p: &&Pair| p.event < p.other;
    let supported = |least: u32| found.pairs.iter().filter(once).filter(|p| p.both >= least).count();
    let least = [20, 10, 5, 2, 1].into_iter().find(|&least| supported(least) >= BARS.min(supported(1)))?;
    let mut pairs: Vec<Pair> = found.pairs.iter().filter(once).filter(|p| p.both >= least).copied().collect();
    pairs.sort_by(|&a, &b| {
        found
            .lift(b)
            .total_cmp(&found.lift(a))
            .then_with(|| (Reverse(a.both), a.event, a.other).cmp(&(Reverse(b.both), b.event, b.other)))
    });
    let strongest = *pairs.first()?;
    let name = |event: u32| graph.name(NodeId(event));
    let bar = |&pair: &Pair| (format!("{} + {}", name(pair.event), name(pair.other)), found.lift(pair));
    let caption = format!(
        "{} attended both {} and {}, {:.1} times as many as if they chose independently; programme or promote \
         such pairs together. Only pairs with at least {} in common; 1 is chance.",
        counted(u64::from(strongest.both), "person", "people"),
        name(strongest.event),
        name(strongest.other),
        found.lift(strongest),
        counted(u64::from(least), "person", "people"),
    );
    Some(Chart {
        name: "coattendance_lift",
        title: "Events that share their people beyond chance".into(),
        caption,
        axes: ("lift (times more often than by chance)".into(), String::new()),
        marks: Marks::Bars { bars: pairs.iter().take(BARS).map(bar).collect() },
    })
}
