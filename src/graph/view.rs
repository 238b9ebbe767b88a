//! The part of a graph that a question is about, as a [`Csr`] over the graph's own dense ids.

use std::collections::BTreeSet;

use polars::prelude::DataType;
use serde::{Deserialize, Serialize};

use super::error::in_column;
use super::{BusinessGraph, Csr, EdgeTable, GraphError, NodeId};
use crate::snapshot::tables::WEIGHT;

/// What an edge weighs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// By its column `weight` where it has one, else 1.
    #[default]
    Default,
    /// Every edge weighs 1.
    One,
    /// By this column where the relation has it, else 1; at least one relation must have it.
    Column(String),
}

impl Weight {
    /// From the flag `--weight`: `None` is the default, `none` is 1, anything else a column.
    pub fn from_flag(flag: Option<&str>) -> Self {
        match flag {
            None => Self::Default,
            Some("none") => Self::One,
            Some(column) => Self::Column(column.to_owned()),
        }
    }
}

/// Lets an edge weigh less the older it is: half for every `days` before `as_of`.
///
/// An edge later than `as_of` or without a time keeps its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalfLife {
    /// Days in which a weight halves, above 0.
    pub days: f64,
    /// The moment from which age is counted, microseconds UTC; usually [`BusinessGraph::as_of`].
    pub as_of: i64,
}

/// Which edges a question is about, and what they weigh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Only these relations; `None`: all.
    pub relations: Option<Vec<String>>,
    /// Only edges of which both ends have one of these labels; `None`: any.
    pub labels: Option<Vec<String>>,
    /// What an edge weighs.
    pub weight: Weight,
    /// Follow every edge both ways. An undirected snapshot is followed both ways regardless.
    pub undirected: bool,
    /// Only edges at or after this moment, microseconds UTC. Edges without a time stay.
    pub since: Option<i64>,
    /// Only edges before this moment, microseconds UTC. Edges without a time stay.
    pub until: Option<i64>,
    /// Let old edges weigh less.
    pub half_life: Option<HalfLife>,
}

impl Projection {
    /// The projection on some relations, otherwise as the default.
    pub fn of<R: Into<String>>(relations: impl IntoIterator<Item = R>) -> Self {
        Self { relations: Some(relations.into_iter().map(Into::into).collect()), ..Self::default() }
    }
}

/// A projection of a graph.
#[derive(Debug, Clone)]
pub struct Projected {
    /// Adjacency over the dense ids of the graph; nodes outside the projection are there without edges.
    pub csr: Csr,
    /// By edge of `csr`: index of its relation in [`BusinessGraph::relations`] and row in that table.
    pub edge_origin: Vec<(u32, u32)>,
}

impl Projected {
    /// Where the edge at `position` of the adjacency comes from: its table and its row there.
    pub fn origin<'g>(&self, graph: &'g BusinessGraph, position: u32) -> (&'g EdgeTable, usize) {
        let (relation, row) = self.edge_origin[position as usize];
        (&graph.edge_tables()[relation as usize], row as usize)
    }
}

impl BusinessGraph {
    /// Builds the adjacency of the edges that `projection` asks for. O(nodes + edges).
    ///
    /// Edges keep the order relation, row; so the same snapshot and projection give the same adjacency.
    ///
    /// # Errors
    ///
    /// When a relation, label or weight column is not in the graph, or a weight is not finite.
    pub fn project(&self, projection: &Projection) -> Result<Projected, GraphError> {
        let chosen = self.chosen(projection.relations.as_deref())?;
        let member = projection.labels.as_deref().map(|labels| self.members(labels)).transpose()?;
        let weights_by = self.weight_columns(&chosen, &projection.weight)?;
        let weighted = projection.half_life.is_some() || weights_by.iter().any(Option::is_some);
        let timed =
            projection.since.is_some() || projection.until.is_some() || projection.half_life.is_some();

        let (mut pairs, mut weights, mut edge_origin) = (Vec::new(), Vec::new(), Vec::new());
        for (&index, column) in chosen.iter().zip(weights_by) {
            let table = &self.edge_tables()[index];
            let column = column.map(|name| numbers(table, name)).transpose()?;
            let times = if timed { table.timestamps() } else { None };
            for row in 0..table.len() {
                let (src, dst) = (table.src[row], table.dst[row]);
                if member.as_ref().is_some_and(|m| !m[src as usize] || !m[dst as usize]) {
                    continue;
                }
                let at = times.as_ref().and_then(|t| t[row]);
                if at.is_some_and(|at| {
                    projection.since.is_some_and(|since| at < since)
                        || projection.until.is_some_and(|u| at >= u)
                }) {
                    continue;
                }
                pairs.push((src, dst));
                edge_origin.push((index as u32, row as u32));
                if weighted {
                    let weight = column.as_ref().map_or(1.0, |c| c[row]);
                    weights.push(weight * decay(projection.half_life, at));
                }
            }
        }
        let build =
            if projection.undirected || self.is_undirected() { Csr::undirected } else { Csr::directed };
        Ok(Projected { csr: build(self.node_count(), &pairs, weights), edge_origin })
    }

    /// Indices of the tables of the relations asked for, each once, in the graph's order.
    fn chosen(&self, relations: Option<&[String]>) -> Result<Vec<usize>, GraphError> {
        let Some(names) = relations else { return Ok((0..self.edge_tables().len()).collect()) };
        let find = |name: &String| {
            self.relations().position(|r| r == name).ok_or_else(|| GraphError::UnknownRelation {
                name: name.clone(),
                known: joined(self.relations()),
            })
        };
        Ok(names.iter().map(find).collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect())
    }

    /// By node: whether it has one of the labels.
    fn members(&self, labels: &[String]) -> Result<Vec<bool>, GraphError> {
        let mut member = vec![false; self.node_count()];
        for label in labels {
            if !self.labels().chain(self.further_labels()).any(|l| l == label) {
                return Err(GraphError::UnknownLabel {
                    name: label.clone(),
                    known: joined(self.labels().chain(self.further_labels())),
                });
            }
            for NodeId(node) in self.nodes_with(label) {
                member[node as usize] = true;
            }
        }
        Ok(member)
    }

    /// The weight column of each chosen table; `None`: its edges weigh 1.
    fn weight_columns<'p>(
        &self,
        chosen: &[usize],
        weight: &'p Weight,
    ) -> Result<Vec<Option<&'p str>>, GraphError> {
        let name = match weight {
            Weight::One => return Ok(vec![None; chosen.len()]),
            Weight::Default => WEIGHT,
            Weight::Column(name) => name,
        };
        let tables = || chosen.iter().map(|&index| &self.edge_tables()[index]);
        let has = |t: &EdgeTable| t.frame.column(name).is_ok_and(|c| is_number(c.dtype()));
        let columns: Vec<_> = tables().map(|t| has(t).then_some(name)).collect();
        if matches!(weight, Weight::Column(_)) && columns.iter().all(Option::is_none) {
            let relations = joined(tables().map(|t| t.relation.as_str()));
            return Err(GraphError::UnknownWeight { column: name.to_owned(), relations });
        }
        Ok(columns)
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn is_number(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || *dtype == DataType::Boolean
}

/// The numbers of a column, by row; a missing one is 1.
fn numbers(table: &EdgeTable, name: &str) -> Result<Vec<f64>, GraphError> {
    let read = || table.frame.column(name)?.cast(&DataType::Float64);
    let column = read().map_err(in_column(&table.relation, name))?;
    let values = column.f64().map_err(in_column(&table.relation, name))?;
    let value = |(row, value): (usize, Option<f64>)| match value.unwrap_or(1.0) {
        value if value.is_finite() => Ok(value),
        value => {
            Err(GraphError::Weight { relation: table.relation.clone(), column: name.to_owned(), row, value })
        }
    };
    values.iter().enumerate().map(value).collect()
}

fn decay(half_life: Option<HalfLife>, at: Option<i64>) -> f64 {
    const MICROSECONDS_PER_DAY: f64 = 86_400e6;
    match (half_life, at) {
        (Some(HalfLife { days, as_of }), Some(at)) if at < as_of => {
            (-((as_of - at) as f64 / MICROSECONDS_PER_DAY) / days).exp2()
        }
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::small;
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn graph() -> BusinessGraph {
        BusinessGraph::build(small()).expect("a graph")
    }

    fn weights(graph: &BusinessGraph, projection: &Projection) -> Vec<f64> {
        let projected = graph.project(projection).expect("a projection");
        (0..projected.csr.edge_count() as u32).map(|e| projected.csr.weight(e)).collect()
    }

    #[test]
    fn a_projection_keeps_ids_and_knows_where_its_edges_come_from() {
        let graph = graph();
        let projected =
            graph.project(&Projection::of(["FOLLOWS", "ATTENDED", "FOLLOWS"])).expect("a projection");
        assert_eq!(projected.csr.node_count(), 4);
        assert_eq!(projected.edge_origin, [(0, 0), (0, 1), (0, 2), (1, 0)]);
        assert_eq!(projected.csr.out_neighbors(NodeId(3)), &[0, 1, 2]);
        let (table, row) = projected.origin(&graph, 3);
        assert_eq!((table.relation.as_str(), row), ("FOLLOWS", 0));
    }

    #[test]
    fn weights_come_from_the_column_where_there_is_one() {
        let graph = graph();
        let of = |weight| Projection { weight, ..Projection::of(["ATTENDED", "FOLLOWS"]) };
        assert_eq!(weights(&graph, &of(Weight::Default)), [2.0, 1.0, 0.5, 1.0]);
        assert_eq!(weights(&graph, &of(Weight::One)), [1.0; 4]);
        assert_eq!(weights(&graph, &of(Weight::from_flag(Some("weight")))), [2.0, 1.0, 0.5, 1.0]);
        let error = graph.project(&of(Weight::Column("cost".into()))).expect_err("no such column");
        assert_eq!(
            error.to_string(),
            "none of the relations ATTENDED, FOLLOWS has a number column `cost` to weigh by"
        );
    }

    #[test]
    fn windows_keep_edges_from_since_to_before_until_and_those_without_a_time() {
        let graph = graph();
        let window =
            Projection { since: Some(10 * DAY), until: Some(20 * DAY), ..Projection::of(["ATTENDED"]) };
        let projected = graph.project(&window).expect("a projection");
        assert_eq!(projected.edge_origin, [(0, 0), (0, 2)]);
    }

    #[test]
    fn a_weight_halves_with_every_half_life() {
        let half_life = Some(HalfLife { days: 5.0, as_of: 20 * DAY });
        let projection = Projection { half_life, ..Projection::of(["ATTENDED", "FOLLOWS", "HOSTS"]) };
        assert_eq!(weights(&graph(), &projection), [0.5, 1.0, 0.5, 0.5, 1.0]);
    }

    #[test]
    fn labels_keep_the_edges_between_their_nodes() {
        let labels = Some(vec!["Fan".to_owned()]);
        let projected =
            graph().project(&Projection { labels, ..Projection::default() }).expect("a projection");
        assert_eq!(projected.edge_origin, [(1, 0)]);
        let labels = Some(vec!["Robot".to_owned()]);
        let error =
            graph().project(&Projection { labels, ..Projection::default() }).expect_err("no such label");
        assert_eq!(
            error.to_string(),
            "there is no label `Robot` in this graph; it has Event, Person, Artist, Fan"
        );
    }

    #[test]
    fn asking_an_undirected_snapshot_for_its_undirected_view_changes_nothing() {
        let mut tables = small();
        tables.undirected = true;
        let graph = BusinessGraph::build(tables).expect("a graph");
        let plain = graph.project(&Projection::default()).expect("a projection");
        let asked = Projection { undirected: true, ..Projection::default() };
        assert_eq!(plain.csr, graph.project(&asked).expect("a projection").csr);
        assert!(plain.csr.is_undirected());
    }
}
