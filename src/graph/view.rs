//! The part of a graph that a question is about, as a [`Csr`] over the graph's own dense ids.

use std::collections::BTreeSet;

use polars::prelude::{DataFrame, DataType};
use serde::{Deserialize, Serialize};

use super::adjacency::placed;
use super::error::in_column;
use super::evaluate::Bound;
use super::expression::in_name;
use super::{BusinessGraph, Csr, EdgeTable, Expression, GraphError, Induced, NodeId, Weights};
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
    /// By this column where the relation has it, else 1; at least one relation must have it. Where none has, the text is
    /// read as an [`Expression`], which may also name `relation`; what it leaves open is 1.
    Column(String),
}

impl Weight {
    /// From the flag `--weight`: `None` is the default, `none` is 1, anything else a column or expression.
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
    /// Only edges for which this holds: over the properties of its relation, and `relation`.
    pub edge_where: Option<Expression>,
    /// Only edges of which this holds for both ends: over the properties of their label, and `label`.
    pub node_where: Option<Expression>,
    /// What an edge weighs.
    pub weight: Weight,
    /// Follow the edges of these relations from target to source.
    pub reversed: Vec<String>,
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
    /// By node: whether it has one of the labels and fulfils the condition asked for; `None`: all do.
    pub members: Option<Vec<bool>>,
    /// By edge of `csr`: its number through all relations; `None`: they are the rows of one relation, in order.
    rows: Option<Vec<u32>>,
    /// Number of the first edge of that relation.
    first: u32,
}

impl Projected {
    /// Where an edge of the adjacency comes from: its table and its row there.
    ///
    /// # Panics
    ///
    /// When the edge is not of this projection, or the projection not of this graph.
    pub fn origin<'g>(&self, graph: &'g BusinessGraph, edge: u32) -> (&'g EdgeTable, usize) {
        let number = self.rows.as_ref().map_or(self.first + edge, |rows| rows[edge as usize]);
        let tables = graph.edge_tables();
        // Of a relation without edges and the next the latter holds the edge.
        let table = &tables[tables.partition_point(|table| table.first <= number) - 1];
        (table, (number - table.first) as usize)
    }

    /// The nodes of the projection alone, rising, and the edges between them, over dense ids of their own.
    pub fn part(self) -> (Csr, Vec<NodeId>) {
        if let Some(members) = &self.members {
            let chosen = self.csr.nodes().filter(|node| members[node.index()]);
            let Induced { csr, nodes, .. } = self.csr.induced(chosen);
            return (csr, nodes);
        }
        let nodes = self.csr.nodes().collect();
        (self.csr, nodes)
    }
}

impl BusinessGraph {
    /// Builds the adjacency of the edges that `projection` asks for. O(nodes + edges); of one relation that is asked for
    /// whole it is built once and then shared.
    ///
    /// Neighbours keep the order relation, row; so the same snapshot and projection give the same adjacency.
    ///
    /// # Errors
    ///
    /// When a relation, label, property or weight column is not in the graph, an expression cannot be read or does not
    /// fit, or a weight is not finite.
    pub fn project(&self, projection: &Projection) -> Result<Projected, GraphError> {
        let chosen = self.chosen(projection.relations.as_deref())?;
        let reversed: Vec<usize> = self.chosen(Some(&projection.reversed))?;
        let members = self.members(projection)?;
        let weighers = self.weighers(&chosen, projection)?;
        let weighted = projection.half_life.is_some() || weighers.iter().any(Option::is_some);
        let undirected = projection.undirected || self.is_undirected();
        if let Some(condition) = &projection.edge_where {
            known(condition, "relation", &self.frames(&chosen))?;
        }

        let mut list = List::default();
        for (&index, weigher) in chosen.iter().zip(weighers) {
            let table = &self.edge_tables()[index];
            let times = projection.is_timed().then(|| table.timestamps()).flatten();
            let kept = kept(table, projection, times.as_deref(), members.as_deref())?;
            let weights = match (weighted, weigher) {
                (false, _) => vec![],
                (true, Some(weigher)) => weigher.weights(table)?,
                (true, None) => vec![1.0; table.len()],
            };
            let weight = |row: usize| {
                weights[row] * decay(projection.half_life, times.as_ref().and_then(|times| times[row]))
            };
            let is_reversed = reversed.contains(&index);
            if chosen.len() == 1 && kept.is_none() && !is_reversed && !undirected {
                let weights = Weights::exact((0..weights.len()).map(weight).collect());
                let ways = table.ways(self.node_count()).clone();
                let (csr, edge_of) = Csr::of_ways(ways, table.len(), weights, false);
                let numbers = |edge_of: Vec<u32>| {
                    let numbers: Vec<u32> = (table.first..).take(table.len()).collect();
                    placed(&edge_of, &numbers)
                };
                return Ok(Projected { csr, members, rows: edge_of.map(numbers), first: table.first });
            }
            list.extend(table, kept.as_deref(), is_reversed);
            if weighted {
                match kept {
                    Some(rows) => list.weights.extend(rows.iter().map(|&row| weight(row as usize))),
                    None => list.weights.extend((0..table.len()).map(weight)),
                }
            }
        }
        let List { src, dst, numbers, weights } = list;
        let (csr, edge_of) =
            Csr::of_list(self.node_count(), src, &dst.into(), Weights::exact(weights), undirected);
        let rows = match edge_of {
            Some(edge_of) => placed(&edge_of, &numbers),
            None => numbers,
        };
        Ok(Projected { csr, members, rows: Some(rows), first: 0 })
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

    /// By node: whether it has one of the labels and fulfils the condition asked for.
    fn members(&self, projection: &Projection) -> Result<Option<Vec<bool>>, GraphError> {
        let mut members: Option<Vec<bool>> = None;
        if let Some(labels) = &projection.labels {
            let mut labelled = vec![false; self.node_count()];
            for label in labels {
                if !self.labels().chain(self.further_labels()).any(|l| l == label) {
                    return Err(GraphError::UnknownLabel {
                        name: label.clone(),
                        known: joined(self.labels().chain(self.further_labels())),
                    });
                }
                for NodeId(node) in self.nodes_with(label) {
                    labelled[node as usize] = true;
                }
            }
            members = Some(labelled);
        }
        if let Some(condition) = &projection.node_where {
            let mut fulfil = self.nodes_where(condition)?;
            if let Some(labelled) = members {
                fulfil.iter_mut().zip(labelled).for_each(|(fulfils, labelled)| *fulfils &= labelled);
            }
            members = Some(fulfil);
        }
        Ok(members)
    }

    /// By node: whether the condition holds for its properties; what is missing does not.
    ///
    /// # Errors
    ///
    /// When a property is not in the graph or the condition does not fit it.
    pub fn nodes_where(&self, condition: &Expression) -> Result<Vec<bool>, GraphError> {
        let mut fulfil = Vec::with_capacity(self.node_count());
        for (_, bound) in self.bound_to_nodes(condition)? {
            fulfil.extend(bound.holds());
        }
        Ok(fulfil)
    }

    /// By node: the number that the expression comes to; what is missing is 0.
    ///
    /// # Errors
    ///
    /// When a property is not in the graph, the expression does not fit it, or it comes to no finite number.
    pub fn node_numbers(&self, expression: &Expression) -> Result<Vec<f64>, GraphError> {
        let mut numbers = Vec::with_capacity(self.node_count());
        for (label, bound) in self.bound_to_nodes(expression)? {
            numbers.extend(bound.numbers(label, 0.0)?);
        }
        Ok(numbers)
    }

    /// The expression and the properties it names, label by label.
    fn bound_to_nodes<'e>(
        &'e self,
        expression: &'e Expression,
    ) -> Result<Vec<(&'e str, Bound<'e>)>, GraphError> {
        let frames: Vec<_> =
            self.labels().filter_map(|label| Some((label, self.node_frame(label)?))).collect();
        known(expression, "label", &frames)?;
        let bind = |(label, frame): (&'e str, _)| {
            Ok((label, Bound::to(expression, frame, label, ("label", label))?))
        };
        frames.into_iter().map(bind).collect()
    }

    /// The properties of the chosen relations.
    fn frames(&self, chosen: &[usize]) -> Vec<(&str, &DataFrame)> {
        let tables = chosen.iter().map(|&index| &self.edge_tables()[index]);
        tables.map(|table| (table.relation.as_str(), &table.frame)).collect()
    }

    /// What weighs the edges of each chosen table; `None`: they weigh 1.
    fn weighers<'p>(
        &self,
        chosen: &[usize],
        projection: &'p Projection,
    ) -> Result<Vec<Option<Weigher<'p>>>, GraphError> {
        let name = match &projection.weight {
            Weight::One => return Ok(chosen.iter().map(|_| None).collect()),
            Weight::Default => WEIGHT,
            Weight::Column(name) => name,
        };
        let tables = || chosen.iter().map(|&index| &self.edge_tables()[index]);
        let has = |t: &EdgeTable| t.frame.column(name).is_ok_and(|c| is_number(c.dtype()));
        let columns: Vec<_> = tables().map(|t| has(t).then_some(Weigher::Column(name))).collect();
        if projection.weight == Weight::Default || columns.iter().any(Option::is_some) {
            return Ok(columns);
        }
        if name.chars().all(in_name) {
            let relations = joined(tables().map(|t| t.relation.as_str()));
            return Err(GraphError::UnknownWeight { column: name.to_owned(), relations });
        }
        let expression: Expression = name.parse()?;
        known(&expression, "relation", &self.frames(chosen))?;
        Ok(chosen.iter().map(|_| Some(Weigher::Expression(expression.clone()))).collect())
    }
}

/// Refuses an expression that names what none of the tables has.
fn known(expression: &Expression, named: &str, tables: &[(&str, &DataFrame)]) -> Result<(), GraphError> {
    let has = |name: &str| name == named || tables.iter().any(|(_, frame)| frame.column(name).is_ok());
    match expression.properties().into_iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(property) => Err(GraphError::UnknownProperty {
            expression: expression.text().to_owned(),
            property: property.to_owned(),
            tables: joined(tables.iter().map(|(name, _)| *name)),
        }),
    }
}

/// What weighs the edges of a table.
enum Weigher<'p> {
    Column(&'p str),
    Expression(Expression),
}

impl Weigher<'_> {
    /// By row.
    fn weights(&self, table: &EdgeTable) -> Result<Vec<f64>, GraphError> {
        match self {
            Self::Column(name) => numbers(table, name),
            Self::Expression(expression) => {
                let relation = table.relation.as_str();
                Bound::to(expression, &table.frame, relation, ("relation", relation))?.numbers(relation, 1.0)
            }
        }
    }
}

/// Edges of several relations, in their order.
#[derive(Default)]
struct List {
    src: Vec<u32>,
    dst: Vec<u32>,
    /// Number of each through all relations.
    numbers: Vec<u32>,
    weights: Vec<f64>,
}

impl List {
    fn extend(&mut self, table: &EdgeTable, kept: Option<&[u32]>, is_reversed: bool) {
        let (src, dst) =
            if is_reversed { (&mut self.dst, &mut self.src) } else { (&mut self.src, &mut self.dst) };
        if let Some(rows) = kept {
            src.extend(rows.iter().map(|&row| table.src.at(row as usize)));
            dst.extend(rows.iter().map(|&row| table.dst[row as usize]));
            self.numbers.extend(rows.iter().map(|&row| table.first + row));
        } else {
            src.extend(table.src.iter());
            dst.extend_from_slice(&table.dst);
            self.numbers.extend((table.first..).take(table.len()));
        }
    }
}

impl Projection {
    fn is_timed(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.half_life.is_some()
    }
}

/// The rows of a table that a projection asks for, rising; `None`: all.
fn kept(
    table: &EdgeTable,
    projection: &Projection,
    times: Option<&[Option<i64>]>,
    members: Option<&[bool]>,
) -> Result<Option<Vec<u32>>, GraphError> {
    let Projection { since, until, .. } = *projection;
    let holds = match &projection.edge_where {
        Some(condition) => {
            let relation = table.relation.as_str();
            Some(Bound::to(condition, &table.frame, relation, ("relation", relation))?.holds())
        }
        None => None,
    };
    if holds.is_none() && members.is_none() && since.is_none() && until.is_none() {
        return Ok(None);
    }
    let is_kept = |(src, row): (u32, usize)| {
        let at = times.and_then(|times| times[row]);
        holds.as_ref().is_none_or(|holds| holds[row])
            && members.is_none_or(|m| m[src as usize] && m[table.dst[row] as usize])
            && at.is_none_or(|at| {
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
            })
    };
    let rows = table.src.iter().zip(0..).filter(|&row| is_kept(row));
    Ok(Some(rows.map(|(_, row)| row as u32).collect()))
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
