//! The warm path from one person to another, and how far everybody is from one.
//!
//! Fewest hops, or least cost where edges have lengths or strengths. On the business graph a path runs over the
//! relations by which people know each other or meet ([`WARM`]), each taken both ways: who is followed can introduce,
//! too. Elsewhere it runs over all, as they are stored. Without a pair or a source, the study takes a pair: to the
//! best-connected artist, from the best-connected fan who has not met them. What is shown is one path, or as many as `-k`
//! asks for: of the shortest where edges are alike, else of the least costly.

pub mod bfs;
pub mod bidirectional;
pub mod delta_stepping;
mod pair;
mod reach;
pub mod yen;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::pair::Step;
use super::findings::{Declared, Fact, Findings};
use super::{Family, Projecting, Study, StudyError, Weighing, lookup};
use crate::context::Context;
use crate::graph::{BusinessGraph, Csr, NodeId, Projected, Projection};
use crate::ontology::{Label, Relation};
use crate::snapshot::tables::WEIGHT;
use crate::snapshot::tables::size::Sizes;
use bfs::{UNREACHED, bfs};
use bidirectional::Bidirectional;
use delta_stepping::{DeltaSteppingError, delta_stepping};
use yen::{Costed, yen};

/// The relations that introductions run over where the graph has people and any of them.
pub const WARM: [Relation; 5] =
    [Relation::Follows, Relation::Attended, Relation::PerformsAt, Relation::WorksFor, Relation::Promotes];

/// What the weight of an edge says about the cost of taking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// The weight is the cost, of at least 0
    #[default]
    Length,
    /// The weight is how well the edge holds, above 0 and at most 1; the cost is −ln of it, so that the least costly path is
    /// the one whose strengths have the greatest product
    Strength,
}

/// How one reaches another: what is asked of the graph.
#[derive(Debug, Clone, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Uid of the one to measure from: hops and least cost to everybody, as the tables `distances` and `hops_distribution`.
    /// Alone there are these tables only; with --from and --to there are the paths of the pair, too
    #[arg(long, value_name = "UID")]
    pub source: Option<String>,
    /// Uid of the one who wants to reach somebody [default: a well-connected fan; without --source]
    #[arg(long, value_name = "UID", requires = "to")]
    pub from: Option<String>,
    /// Uid of the one to be reached [default: the best-connected artist; without --source]
    #[arg(long, value_name = "UID", requires = "from")]
    pub to: Option<String>,
    /// How many paths to list at most: where edges cost the same, of those with the fewest hops, else the least costly ones
    #[arg(short, value_name = "K", default_value_t = Params::DEFAULT_K, value_parser = clap::value_parser!(u32).range(1..))]
    pub k: u32,
    /// Give up beyond this many hops [default: 4 from --from to --to, any number from --source]
    #[arg(long, value_name = "HOPS")]
    pub max_hops: Option<u32>,
    /// Only over these relations, either way [default: where the graph has people, over FOLLOWS, ATTENDED, PERFORMS_AT,
    /// WORKS_FOR and PROMOTES, either way; else over all, as they are stored]
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "relations")]
    pub via: Vec<String>,
    /// What the weight of an edge says
    #[arg(long, value_enum, default_value_t = Cost::Length, help_heading = "Weights")]
    pub cost: Cost,
    /// Which part of the graph.
    #[command(flatten)]
    #[serde(flatten)]
    pub projecting: Projecting,
    /// What its edges weigh.
    #[command(flatten)]
    #[serde(flatten)]
    pub weighing: Weighing,
}

impl Params {
    const DEFAULT_K: u32 = bidirectional::Params::DEFAULT.k;
}

impl Default for Params {
    fn default() -> Self {
        Self {
            source: None,
            from: None,
            to: None,
            k: Self::DEFAULT_K,
            max_hops: None,
            via: vec![],
            cost: Cost::default(),
            projecting: Projecting::default(),
            weighing: Weighing::default(),
        }
    }
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "paths",
        question: "how one person can reach another, over which contacts, and how far everybody is from one",
        scores: &[],
        tables: &[
            ("paths", "a shortest or least costly path between the two"),
            ("evidence", "a relation behind one step of a path, with how often and when last"),
            (reach::DISTANCES.name, reach::DISTANCES.row),
            (reach::HOPS_DISTRIBUTION.name, reach::HOPS_DISTRIBUTION.row),
        ],
    };
    const DECLARED: &'static [Declared] = &[reach::DISTANCES, reach::HOPS_DISTRIBUTION];

    fn memory(&self, sizes: &Sizes) -> u64 {
        let has = |relation: &str| sizes.edges.contains_key(relation);
        let way = self.way(sizes.nodes.contains_key(Label::Person.name()), has);
        let projecting = way.memory(sizes, &self.weighing);
        // With a half-life strengths are looked at as they were, too.
        let projecting = if self.weighing.half_life.is_some() { 2 * projecting } else { projecting };
        let edges: u64 = match &way.relations[..] {
            [] => sizes.edges.values().map(|table| table.rows).sum(),
            relations => relations.iter().map(|relation| sizes.edges_of(relation)).sum(),
        };
        let costs = if self.cost == Cost::Strength { 16 * edges } else { 0 };
        let nodes = sizes.node_count();
        let is_weighted = self.weighing != Weighing::none()
            && sizes.edges.values().any(|table| table.columns.contains_key(WEIGHT))
            || self.weighing.weight.is_some();
        // What a search has seen, and the nodes to try; potentials and labels; hops, distances and who waits.
        let pair = if is_weighted { 64 * nodes } else { 16 * nodes };
        let source =
            if self.source.is_some() { 70 * nodes + self.projecting.scores_memory(sizes, 2) } else { 0 };
        projecting + costs + pair.max(source)
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        findings.declared = Self::DECLARED;
        let projection = self.projection(graph)?;
        let projected = graph.project(&projection)?;
        let lengths = self.lengths(graph, &projection, &projected)?;
        let node = |uid: &String| {
            let node = lookup::node(graph, uid)?;
            match &projected.members {
                Some(members) if !members[node.index()] => {
                    Err(StudyError::Unfit(format!("the node `{uid}` is no part of what was asked for")))
                }
                _ => Ok(node),
            }
        };
        let source = self.source.as_ref().map(node).transpose()?;
        let pair = match (&self.from, &self.to) {
            (Some(from), Some(to)) => Some((node(from)?, node(to)?)),
            (None, None) if source.is_some() => None,
            (None, None) => {
                let pair = self.example(graph, &lengths.csr, cx)?;
                findings.caveats.extend(pair.map(|(from, to)| {
                    format!(
                        "nobody named a pair: {} and {} stand for a fan and an artist who have not met; \
                         `sonograph study paths --from UID --to UID` finds the way between any two",
                        graph.name(from),
                        graph.name(to)
                    )
                }));
                pair
            }
            _ => return Err(StudyError::Unfit("a path needs both --from and --to".into())),
        };
        if let Some(source) = source {
            let hops = bfs(&lengths.csr, source, self.max_hops.unwrap_or(u32::MAX), cx)?;
            let costs = lengths.costs(source, &hops, cx)?;
            let is_beyond =
                hops.iter().zip(&costs).any(|(&hops, cost)| hops != UNREACHED && cost.is_infinite());
            if is_beyond {
                return Err(self.overflow(graph, &projected));
            }
            let nodes = projected.members.as_ref().map_or(hops.len(), |m| m.iter().filter(|m| **m).count());
            let (tables, facts) = reach::told(graph, nodes, &hops, &costs)?;
            findings.tables.extend(tables);
            findings.facts.extend(facts);
        }
        if source.is_none() || pair.is_some() {
            self.introduce(graph, &projected, &lengths, pair, &mut findings, cx)?;
        }
        if self.cost == Cost::Strength {
            findings.caveats.push(
                "costs are −ln of strengths that are multiplied: as if every step held or failed on its own"
                    .into(),
            );
        }
        Ok(findings)
    }
}

/// What edges cost.
struct Lengths {
    csr: Csr,
    /// What each of them costs where all cost the same.
    even: Option<f64>,
}

impl Lengths {
    /// The least cost to every node, of which the hops are known.
    fn costs(&self, source: NodeId, hops: &[u32], cx: &Context) -> Result<Vec<f64>, StudyError> {
        let Some(each) = self.even else { return costs(delta_stepping(&self.csr, source, cx)) };
        let most = hops.iter().filter(|hops| **hops != UNREACHED).max().copied().unwrap_or(0);
        let mut sums = vec![0.0];
        for hops in 0..most as usize {
            sums.push(sums[hops] + each);
        }
        Ok(hops.iter().map(|&hops| sums.get(hops as usize).copied().unwrap_or(f64::INFINITY)).collect())
    }
}

/// Least costs of lengths that have been looked at.
fn costs<T>(found: Result<T, DeltaSteppingError>) -> Result<T, StudyError> {
    found.map_err(|error| match error {
        DeltaSteppingError::Cancelled(cancelled) => cancelled.into(),
        error @ DeltaSteppingError::Length { .. } => StudyError::Unfit(error.to_string()),
    })
}

impl Params {
    /// How paths between two are searched.
    fn limits(&self) -> bidirectional::Params {
        let max_hops = self.max_hops.unwrap_or(bidirectional::Params::DEFAULT.max_hops);
        bidirectional::Params { k: self.k, max_hops }
    }

    /// The part of a graph that paths run in, and whether either way, in a graph that has people or has not.
    fn way(&self, has_people: bool, has: impl Fn(&str) -> bool) -> Projecting {
        let mut way = self.projecting.clone();
        if !self.via.is_empty() {
            way.relations.clone_from(&self.via);
            way.undirected = true;
        } else if has_people && way.relations.is_empty() {
            way.relations = WARM.iter().map(|r| r.name().to_owned()).filter(|name| has(name)).collect();
            way.undirected |= !way.relations.is_empty();
        }
        way
    }

    fn projection(&self, graph: &BusinessGraph) -> Result<Projection, StudyError> {
        let unfit = |why: &str| Err(StudyError::Unfit(why.into()));
        if self.k == 0 {
            return unfit("0 paths are none: -k takes 1 or more");
        }
        if !self.via.is_empty() && !self.projecting.relations.is_empty() {
            return unfit("--via and --relations both name the relations to take: one of them is enough");
        }
        if self.weighing.half_life.is_some() && self.cost == Cost::Length {
            return unfit("a half-life lets strengths fade, not lengths: it needs --cost strength");
        }
        let has_people = graph.labels().any(|label| label == Label::Person.name());
        let way = self.way(has_people, |relation| graph.edges(relation).is_some());
        way.projection(graph, &self.weighing)
    }

    /// What edges cost, once their weights have been looked at.
    fn lengths(
        &self,
        graph: &BusinessGraph,
        projection: &Projection,
        projected: &Projected,
    ) -> Result<Lengths, StudyError> {
        // What has faded may be nothing any more, but it was something.
        let given = match projection.half_life {
            Some(_) => graph.project(&Projection { half_life: None, ..projection.clone() })?.csr,
            None => projected.csr.clone(),
        };
        let fits = |weight: f64| match self.cost {
            Cost::Length => weight >= 0.0,
            Cost::Strength => weight > 0.0 && weight <= 1.0,
        };
        let mut edges = 0..given.edge_count() as u32;
        if let Some(edge) = edges.find(|&edge| given.is_weighted() && !fits(given.weight(edge))) {
            let (relation, column, row) = self.origin(graph, projected, edge);
            let value = given.weight(edge);
            return Err(match self.cost {
                Cost::Length => StudyError::NegativeWeight { relation, column, row, value },
                Cost::Strength => StudyError::Strength { relation, column, row, value },
            });
        }
        let csr = match self.cost {
            Cost::Length => given,
            // The weakest that a number can be is weak enough for what has faded to nothing.
            Cost::Strength => projected.csr.reweighted(|weight| weight.max(f64::from_bits(1)).ln().abs()),
        };
        let first = if csr.edge_count() > 0 { csr.weight(0) } else { 1.0 };
        let is_even = !csr.is_weighted()
            || (0..csr.edge_count() as u32).all(|edge| csr.weight(edge).to_bits() == first.to_bits());
        Ok(Lengths { even: is_even.then_some(first), csr })
    }

    /// Relation, weight column and row of an edge.
    fn origin(&self, graph: &BusinessGraph, projected: &Projected, edge: u32) -> (String, String, usize) {
        let (table, row) = projected.origin(graph, edge);
        let column = self.weighing.weight.as_deref().unwrap_or(WEIGHT).to_owned();
        (table.relation.clone(), column, row)
    }

    /// Why there is no number for what the greatest of lengths is part of.
    fn overflow(&self, graph: &BusinessGraph, projected: &Projected) -> StudyError {
        let weight = |edge: &u32| projected.csr.weight(*edge);
        let greatest =
            (0..projected.csr.edge_count() as u32).rev().max_by(|a, b| weight(a).total_cmp(&weight(b)));
        let edge = greatest.unwrap_or(0);
        let (relation, column, row) = self.origin(graph, projected, edge);
        StudyError::WeightOverflow { relation, column, row, value: weight(&edge) }
    }

    /// Adds the paths of a pair, and what they rest on.
    fn introduce(
        &self,
        graph: &BusinessGraph,
        projected: &Projected,
        lengths: &Lengths,
        pair: Option<(NodeId, NodeId)>,
        findings: &mut Findings,
        cx: &Context,
    ) -> Result<(), StudyError> {
        let limits = self.limits();
        let (mut paths, mut costs_of) = (Vec::new(), Vec::new());
        if let Some((from, to)) = pair {
            let shortest = |limits| Bidirectional::new(&lengths.csr).shortest(from, to, &limits, cx);
            if let Some(each) = lengths.even {
                paths = shortest(limits)?;
                let cost = |path: &Vec<u32>| (1..path.len()).fold(0.0, |sum, _| sum + each);
                costs_of = paths.iter().map(cost).collect();
            } else {
                for Costed { cost, nodes } in costs(yen(&lengths.csr, from, to, &limits, cx))? {
                    costs_of.push(cost);
                    paths.push(nodes);
                }
                if paths.is_empty() && !shortest(limits)?.is_empty() {
                    return Err(self.overflow(graph, projected));
                }
            }
        }
        let step = |pair: &[u32]| Step::between(graph, projected, pair[0], pair[1]);
        let steps: Vec<Vec<Step>> = paths.iter().map(|path| path.windows(2).map(step).collect()).collect();
        let facts = &mut findings.facts;
        facts.push(Fact::count("paths_found", "shortest paths listed", paths.len() as u64, "paths"));
        match (pair, paths.first()) {
            (Some((from, to)), Some(first)) => {
                facts.push(Fact::count("paths_hops", "hops", first.len() as u64 - 1, "hops"));
                if lengths.even.is_none() {
                    facts.push(Fact::number("paths_cost", "cost", costs_of[0], "1"));
                }
                findings.charts.push(pair::network(graph, from, to, &paths, &steps));
            }
            (Some((from, to)), None) => findings.caveats.push(format!(
                "no path from {} to {} within {} hops over the relations taken",
                graph.name(from),
                graph.name(to),
                limits.max_hops
            )),
            (None, _) => {
                findings.caveats.push("no two nodes are between 2 and the allowed hops apart".into());
            }
        }
        findings.tables.push(pair::paths_table(graph, costs_of, &paths, &steps)?);
        findings.tables.push(pair::evidence_table(graph, &steps)?);
        if lengths.even.is_some() {
            findings
                .caveats
                .push("fewest hops are not the warmest: how close two people are is not weighed".into());
        }
        Ok(())
    }

    /// The artist with most ways, and of the fans with most ways the first at least three hops off, else two. Where there are no
    /// artists or fans, any person or node; ties go to the smaller node.
    fn example(
        &self,
        graph: &BusinessGraph,
        csr: &Csr,
        cx: &Context,
    ) -> Result<Option<(NodeId, NodeId)>, StudyError> {
        /// Fans looked at; in a well-connected crowd one of the first few will do.
        const TRIES: usize = 256;
        let of = |label: &str| {
            let labelled = [label, Label::Person.name()].map(|label| graph.nodes_with(label));
            let labelled = labelled.into_iter().find(|nodes| !nodes.is_empty());
            let mut all = labelled.unwrap_or_else(|| csr.nodes().collect());
            all.retain(|&v| csr.out_degree(v) > 0);
            all.sort_by_key(|&v| std::cmp::Reverse(csr.out_degree(v)));
            all
        };
        let Some(&to) = of("Artist").first() else { return Ok(None) };
        let mut search = Bidirectional::new(csr);
        let mut near = None;
        for from in of("Fan").into_iter().take(TRIES).filter(|&from| from != to) {
            match search.shortest(from, to, &self.limits(), cx)?.first().map(Vec::len) {
                Some(4..) => return Ok(Some((from, to))),
                Some(3) => near = near.or(Some((from, to))),
                _ => {}
            }
        }
        Ok(near)
    }
}
