//! The warm path from one person to another.
//!
//! Fewest hops, each relation taken both ways: who is followed can introduce, too. On the business graph a path runs over
//! the relations by which people know each other or meet ([`WARM`]), elsewhere over all. Without a pair, the study
//! takes one: to the best-connected artist, from the best-connected fan who has not met them. What is shown is one path,
//! or as many of the shortest as `-k` asks for.

pub mod bfs;
pub mod bidirectional;
pub mod delta_stepping;
pub mod yen;

use std::collections::BTreeMap;

use polars::prelude::{
    AnyValue, Column, DataType, IntoColumn, IntoSeries, ListChunked, NamedFrom, Series, TimeUnit,
};
use serde::{Deserialize, Serialize};

use super::findings::{Chart, Fact, Findings, Marks, Table, counted};
use super::projection::{moments, uids};
use super::{Family, Study, StudyError, lookup};
use crate::context::Context;
use crate::graph::{BusinessGraph, EdgeTable, NodeId, Projected, Projection, Weight};
use crate::ontology::{Label, Relation};
use crate::snapshot::tables::TIMESTAMP;
use crate::snapshot::tables::size::Sizes;
use bidirectional::Bidirectional;

/// The relations that introductions run over where the graph has any of them.
pub const WARM: [Relation; 5] =
    [Relation::Follows, Relation::Attended, Relation::PerformsAt, Relation::WorksFor, Relation::Promotes];

/// How one reaches another: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Uid of the one who wants to reach somebody [default: a well-connected fan]
    #[arg(long, value_name = "UID", requires = "to")]
    pub from: Option<String>,
    /// Uid of the one to be reached [default: the best-connected artist]
    #[arg(long, value_name = "UID", requires = "from")]
    pub to: Option<String>,
    /// Only over these relations, either way [default: FOLLOWS, ATTENDED, PERFORMS_AT, WORKS_FOR and PROMOTES where the
    /// graph has any of them, else all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub via: Vec<String>,
    /// How the search goes.
    #[command(flatten)]
    #[serde(flatten)]
    pub search: bidirectional::Params,
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "paths",
        question: "how one person can reach another, and over which contacts",
        scores: &[],
        tables: &[
            ("paths", "a shortest path between the two"),
            ("evidence", "a relation behind one step of a path, with how often and when last"),
        ],
    };

    fn memory(&self, sizes: &Sizes) -> u64 {
        let edges: u64 = match &self.via[..] {
            [] => sizes.edges.values().map(|table| table.rows).sum(),
            via => via.iter().map(|relation| sizes.edges_of(relation)).sum(),
        };
        // Both ways of every edge and the list they are sorted from; what the search has seen, and the nodes to try.
        36 * edges + 20 * sizes.node_count()
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        let projected = self.ways(graph)?;
        let pair = match (&self.from, &self.to) {
            (Some(from), Some(to)) => Some((lookup::node(graph, from)?, lookup::node(graph, to)?)),
            (None, None) => {
                let pair = self.example(graph, &projected, cx)?;
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
        let paths = match pair {
            Some((from, to)) => Bidirectional::new(&projected.csr).shortest(from, to, &self.search, cx)?,
            None => vec![],
        };
        let steps: Vec<Vec<Step>> = paths
            .iter()
            .map(|path| {
                path.windows(2).map(|pair| Step::between(graph, &projected, pair[0], pair[1])).collect()
            })
            .collect();
        findings.tables = vec![paths_table(graph, &paths, &steps)?, evidence_table(graph, &steps)?];
        findings.facts.push(Fact::count("paths_found", "shortest paths listed", paths.len() as u64, "paths"));
        match (pair, paths.first()) {
            (Some((from, to)), Some(first)) => {
                findings.facts.push(Fact::count("paths_hops", "hops", first.len() as u64 - 1, "hops"));
                findings.charts.push(network(graph, from, to, &paths, &steps));
            }
            (Some((from, to)), None) => findings.caveats.push(format!(
                "no path from {} to {} within {} hops over the relations taken",
                graph.name(from),
                graph.name(to),
                self.search.max_hops
            )),
            (None, _) => {
                findings.caveats.push("no two nodes are between 2 and the allowed hops apart".into());
            }
        }
        findings
            .caveats
            .push("fewest hops are not the warmest: how close two people are is not weighed".into());
        Ok(findings)
    }
}

impl Params {
    /// The relations a path may run over, both ways.
    fn ways(&self, graph: &BusinessGraph) -> Result<Projected, StudyError> {
        let warm: Vec<String> = WARM
            .iter()
            .filter(|relation| graph.edges(relation.name()).is_some())
            .map(|relation| relation.name().to_owned())
            .collect();
        let relations = match (self.via.is_empty(), warm.is_empty()) {
            (false, _) => Some(self.via.clone()),
            (true, false) => Some(warm),
            (true, true) => None,
        };
        let ways = Projection { relations, undirected: true, weight: Weight::One, ..Projection::default() };
        Ok(graph.project(&ways)?)
    }

    /// The artist with most ways, and of the fans with most ways the first at least three hops off, else two. Where there are no
    /// artists or fans, any person or node; ties go to the smaller node.
    fn example(
        &self,
        graph: &BusinessGraph,
        projected: &Projected,
        cx: &Context,
    ) -> Result<Option<(NodeId, NodeId)>, StudyError> {
        /// Fans looked at; in a well-connected crowd one of the first few will do.
        const TRIES: usize = 256;
        let csr = &projected.csr;
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
            match search.shortest(from, to, &self.search, cx)?.first().map(Vec::len) {
                Some(4..) => return Ok(Some((from, to))),
                Some(3) => near = near.or(Some((from, to))),
                _ => {}
            }
        }
        Ok(near)
    }
}

/// What stands behind one step of a path.
struct Step {
    from: NodeId,
    to: NodeId,
    /// By relation and whether it runs backwards: how often and when last.
    evidence: BTreeMap<(String, bool), (i64, Option<i64>)>,
}

impl Step {
    fn between(graph: &BusinessGraph, projected: &Projected, from: u32, to: u32) -> Self {
        let csr = &projected.csr;
        let mut evidence: BTreeMap<(String, bool), (i64, Option<i64>)> = BTreeMap::new();
        let (neighbors, edges) = (csr.out_neighbors(NodeId(from)), csr.out_edges(NodeId(from)));
        for (_, position) in neighbors.iter().zip(edges).filter(|(w, _)| **w == to) {
            let (table, row) = projected.origin(graph, position);
            let entry = evidence.entry((table.relation.clone(), table.src.at(row) != from)).or_default();
            entry.0 += 1;
            entry.1 = entry.1.max(moment(table, row));
        }
        Self { from: NodeId(from), to: NodeId(to), evidence }
    }

    /// The first relation by name.
    fn relation(&self) -> &str {
        self.evidence.keys().next().map_or("", |(relation, _)| relation)
    }
}

/// When an edge happened, microseconds UTC.
fn moment(table: &EdgeTable, row: usize) -> Option<i64> {
    let value = table.frame.column(TIMESTAMP).ok()?.get(row).ok()?;
    // A column that holds one value throughout gives owned ones.
    let (AnyValue::Datetime(at, unit, _) | AnyValue::DatetimeOwned(at, unit, _)) = value else { return None };
    Some(match unit {
        TimeUnit::Nanoseconds => at / 1_000,
        TimeUnit::Microseconds => at,
        TimeUnit::Milliseconds => at.saturating_mul(1_000),
    })
}

fn paths_table(graph: &BusinessGraph, paths: &[Vec<u32>], steps: &[Vec<Step>]) -> Result<Table, StudyError> {
    let hops = |path: &Vec<u32>| path.len() as i64 - 1;
    let texts = |name: &str, rows: Vec<Vec<&str>>| {
        let rows: Vec<Series> = rows.iter().map(|row| Series::new("".into(), row.as_slice())).collect();
        list(name, &rows)
    };
    let of_nodes = |text: fn(&BusinessGraph, NodeId) -> &str| -> Vec<Vec<&str>> {
        paths.iter().map(|path| path.iter().map(|&v| text(graph, NodeId(v))).collect()).collect()
    };
    let relations = steps.iter().map(|steps| steps.iter().map(Step::relation).collect()).collect();
    Table::new(
        "paths",
        "Shortest paths",
        vec![
            Column::new("rank".into(), (1..=paths.len() as i64).collect::<Vec<_>>()),
            Column::new("cost".into(), paths.iter().map(|path| hops(path) as f64).collect::<Vec<_>>()),
            Column::new("hops".into(), paths.iter().map(hops).collect::<Vec<_>>()),
            texts("uids", of_nodes(BusinessGraph::uid)),
            texts("names", of_nodes(BusinessGraph::name)),
            texts("relations", relations),
        ],
    )
}

/// A `List(String)` column, also when it has no row.
fn list(name: &str, rows: &[Series]) -> Column {
    if rows.is_empty() {
        return Series::new_empty(name.into(), &DataType::List(Box::new(DataType::String))).into_column();
    }
    let lists: ListChunked = rows.iter().cloned().map(Some).collect();
    lists.into_series().with_name(name.into()).into_column()
}

fn evidence_table(graph: &BusinessGraph, steps: &[Vec<Step>]) -> Result<Table, StudyError> {
    struct Row<'s> {
        rank: i64,
        hop: i64,
        step: &'s Step,
        relation: &'s str,
        backward: bool,
        times: i64,
        last: Option<i64>,
    }
    let mut rows = Vec::new();
    for (rank, path) in (1..).zip(steps) {
        for (hop, step) in (1..).zip(path) {
            for ((relation, backward), &(times, last)) in &step.evidence {
                rows.push(Row { rank, hop, step, relation, backward: *backward, times, last });
            }
        }
    }
    let count = |name: &str, pick: fn(&Row) -> i64| {
        Column::new(name.into(), rows.iter().map(pick).collect::<Vec<_>>())
    };
    let direction: Vec<&str> =
        rows.iter().map(|row| if row.backward { "backward" } else { "forward" }).collect();
    Table::new(
        "evidence",
        "What each step rests on",
        vec![
            count("rank", |row| row.rank),
            count("step", |row| row.hop),
            uids("from", graph, rows.iter().map(|row| row.step.from)),
            uids("to", graph, rows.iter().map(|row| row.step.to)),
            Column::new("relation".into(), rows.iter().map(|row| row.relation).collect::<Vec<_>>()),
            Column::new("direction".into(), direction),
            count("times", |row| row.times),
            moments("last", rows.iter().map(|row| row.last).collect()),
        ],
    )
}

/// The paths from left to right, a column per hop.
fn network(
    graph: &BusinessGraph,
    from: NodeId,
    to: NodeId,
    paths: &[Vec<u32>],
    steps: &[Vec<Step>],
) -> Chart {
    const DRAWN: usize = 8;
    let hops = paths[0].len() - 1;
    let mut columns: Vec<Vec<u32>> = vec![vec![]; hops + 1];
    for path in paths.iter().take(DRAWN) {
        for (column, &v) in columns.iter_mut().zip(path) {
            if !column.contains(&v) {
                column.push(v);
            }
        }
    }
    let (mut nodes, mut index) = (Vec::new(), BTreeMap::new());
    for (hop, column) in columns.iter().enumerate() {
        for (i, &v) in column.iter().enumerate() {
            let x = if hops == 0 { 0.5 } else { hop as f64 / hops as f64 };
            let y = (i + 1) as f64 / (column.len() + 1) as f64;
            let end = NodeId(v) == from || NodeId(v) == to;
            index.insert((hop, v), nodes.len());
            nodes.push((graph.name(NodeId(v)).to_owned(), x, y, if end { 1.0 } else { 0.5 }, end));
        }
    }
    let mut edges: Vec<(usize, usize)> = paths
        .iter()
        .take(DRAWN)
        .flat_map(|path| (0..hops).map(|hop| (index[&(hop, path[hop])], index[&(hop + 1, path[hop + 1])])))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let way = steps[0].iter().map(|step| format!(" –{}– {}", step.relation(), graph.name(step.to)));
    // Events and venues introduce nobody; the last person on the way does.
    let is_person = |v: &&u32| graph.has_label(NodeId(**v), Label::Person.name());
    let introducer = paths[0][1..hops.max(1)].iter().rev().find(is_person);
    let ask = introducer.map_or_else(String::new, |&v| format!(" Ask {} first.", graph.name(NodeId(v))));
    let caption = format!(
        "{}: {}{}.{ask}",
        counted(hops as u64, "hop", "hops"),
        graph.name(from),
        way.collect::<String>(),
    );
    Chart {
        name: "warm_path",
        title: format!("From {} to {}", graph.name(from), graph.name(to)),
        caption,
        axes: (String::new(), String::new()),
        marks: Marks::Network { nodes, edges },
    }
}
