//! The tables of discovery: declared in `columns`, filled by the others.

pub mod claims;
pub mod columns;
pub mod leads;
pub mod programme;

use polars::prelude::{
    Column, DataType, IntoColumn, IntoSeries, ListChunked, NamedFrom, Series, StringChunked,
};

use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::{Label, Relation};
use crate::snapshot::tables::microseconds;
use crate::studies::StudyError;
use crate::studies::findings::{Declared, Table};
use crate::studies::projection::moments;

/// The cells of one column.
pub enum Cells {
    Text(Vec<Option<String>>),
    Texts(Vec<Option<Vec<String>>>),
    Count(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Flag(Vec<Option<bool>>),
    Moment(Vec<Option<i64>>),
}

/// A column of texts that are all there.
pub fn words<S: Into<String>>(all: impl Iterator<Item = S>) -> Cells {
    Cells::Text(all.map(|text| Some(text.into())).collect())
}

/// A column of counts that are all there.
pub fn counts(all: impl Iterator<Item = u64>) -> Cells {
    Cells::Count(all.map(|n| Some(n as i64)).collect())
}

/// Uids and names of nodes: two columns.
pub fn nodes(graph: &BusinessGraph, all: impl Iterator<Item = u32> + Clone) -> [Cells; 2] {
    let uids = all.clone().map(|v| graph.uid(NodeId(v)));
    [words(uids), words(all.map(|v| graph.name(NodeId(v))))]
}

/// A table of cells in the order of its declaration, which also names the columns.
pub fn table(declared: &Declared, cells: Vec<Cells>) -> Result<Table, StudyError> {
    assert_eq!(declared.columns.len(), cells.len(), "`{}` has the columns it declares", declared.name);
    let column = |name: &str, cells: Cells| -> Column {
        match cells {
            Cells::Text(all) => Column::new(name.into(), all),
            Cells::Count(all) => Column::new(name.into(), all),
            Cells::Number(all) => Column::new(name.into(), all),
            Cells::Flag(all) => Column::new(name.into(), all),
            Cells::Moment(all) => moments(name, all),
            Cells::Texts(all) if all.iter().all(Option::is_none) => {
                let none =
                    Series::full_null(name.into(), all.len(), &DataType::List(Box::new(DataType::String)));
                none.into_column()
            }
            Cells::Texts(all) => {
                let list = |texts: Vec<String>| Series::new("".into(), texts);
                let lists: ListChunked = all.into_iter().map(|texts| texts.map(list)).collect();
                lists.into_series().with_name(name.into()).into_column()
            }
        }
    };
    let columns = declared.columns.iter().zip(cells).map(|(declared, cells)| column(declared.name, cells));
    Table::new(declared.name, declared.title, columns.collect())
}

/// Both ends of every edge of a relation.
pub fn pairs(graph: &BusinessGraph, relation: Relation) -> Vec<(u32, u32)> {
    let Some(table) = graph.edges(relation.name()) else { return vec![] };
    table.src.iter().zip(table.dst.iter().copied()).collect()
}

/// A text property of the nodes of a label, by row; `None` where no node of the label has it.
pub fn texts<'g>(
    graph: &'g BusinessGraph,
    label: Label,
    property: &str,
) -> Result<Option<&'g StringChunked>, StudyError> {
    let column = graph.property(label.name(), property);
    column.map(|column| column.str().map_err(StudyError::table(label.name()))).transpose()
}

/// When every event begins, microseconds UTC, by node.
pub struct Starts<'g> {
    graph: &'g BusinessGraph,
    by_row: Vec<Option<i64>>,
}

impl<'g> Starts<'g> {
    pub fn of(graph: &'g BusinessGraph) -> Result<Self, StudyError> {
        let label = Label::Event.name();
        let by_row = match graph.property(label, "starts_at") {
            Some(column) => microseconds(column).map_err(StudyError::table(label))?,
            None => vec![],
        };
        Ok(Self { graph, by_row })
    }

    pub fn at(&self, event: u32) -> Option<i64> {
        let event = NodeId(event);
        let is_event = self.graph.label(event) == Label::Event.name();
        is_event.then(|| self.by_row.get(self.graph.row(event)).copied().flatten())?
    }
}
