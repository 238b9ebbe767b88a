//! The paths of a pair as tables and a picture, with what every step rests on.

use std::collections::BTreeMap;

use polars::prelude::{
    AnyValue, Column, DataType, IntoColumn, IntoSeries, ListChunked, NamedFrom, Series, TimeUnit,
};

use crate::graph::{BusinessGraph, EdgeTable, NodeId, Projected};
use crate::ontology::Label;
use crate::snapshot::tables::TIMESTAMP;
use crate::studies::StudyError;
use crate::studies::findings::{Chart, Marks, Table, counted};
use crate::studies::projection::{moments, uids};

/// What stands behind one step of a path.
pub(super) struct Step {
    from: NodeId,
    to: NodeId,
    /// By relation and whether it runs backwards: how often and when last.
    evidence: BTreeMap<(String, bool), (i64, Option<i64>)>,
}

impl Step {
    pub fn between(graph: &BusinessGraph, projected: &Projected, from: u32, to: u32) -> Self {
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

pub(super) fn paths_table(
    graph: &BusinessGraph,
    costs: Vec<f64>,
    paths: &[Vec<u32>],
    steps: &[Vec<Step>],
) -> Result<Table, StudyError> {
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
            Column::new("cost".into(), costs),
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

pub(super) fn evidence_table(graph: &BusinessGraph, steps: &[Vec<Step>]) -> Result<Table, StudyError> {
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
pub(super) fn network(
    graph: &BusinessGraph,
    from: NodeId,
    to: NodeId,
    paths: &[Vec<u32>],
    steps: &[Vec<Step>],
) -> Chart {
    const DRAWN: usize = 8;
    let drawn = &paths[..paths.len().min(DRAWN)];
    let hops = drawn.iter().map(|path| path.len() - 1).max().unwrap_or(0);
    // All paths end in the last column, also those of fewer hops than others.
    let place = |path: &[u32], at: usize| if at + 1 == path.len() { hops } else { at };
    let mut columns: Vec<Vec<u32>> = vec![vec![]; hops + 1];
    for path in drawn {
        for (at, &v) in path.iter().enumerate() {
            let column = &mut columns[place(path, at)];
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
    let mut edges = Vec::new();
    for path in drawn {
        let stop = |at: usize| index[&(place(path, at), path[at])];
        edges.extend((1..path.len()).map(|at| (stop(at - 1), stop(at))));
    }
    edges.sort_unstable();
    edges.dedup();
    let way = steps[0].iter().map(|step| format!(" –{}– {}", step.relation(), graph.name(step.to)));
    // Events and venues introduce nobody; the last person on the way does.
    let is_person = |v: &&u32| graph.has_label(NodeId(**v), Label::Person.name());
    let last = paths[0].len() - 1;
    let introducer = paths[0][1..last.max(1)].iter().rev().find(is_person);
    let ask = introducer.map_or_else(String::new, |&v| format!(" Ask {} first.", graph.name(NodeId(v))));
    let caption = format!(
        "{}: {}{}.{ask}",
        counted(last as u64, "hop", "hops"),
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
