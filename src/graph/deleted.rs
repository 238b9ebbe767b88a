//! Nodes that are marked as deleted: on record in a snapshot, but no part of its graph.
//!
//! The mirror never removes a node; it sets `deleted_at` on one that no source claims any more. Such a node and every edge
//! at it are set aside before the graph is indexed, so that no study can score or walk them. The nodes that stay keep
//! their order and are numbered anew, without gaps.

use std::collections::BTreeMap;

use polars::prelude::{BooleanChunked, Column, DataFrame, NewChunkedArray, PolarsResult};

use super::error::{GraphError, in_column};
use crate::snapshot::tables::{NODE, SRC};

/// Name of the column that marks a node as deleted where it has a value.
const DELETED_AT: &str = "deleted_at";

/// What was set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Nodes with a `deleted_at`.
    pub nodes: usize,
    /// Edges at any of them.
    pub edges: usize,
}

/// The nodes that stay, and their new ids.
#[derive(Debug, Default)]
pub(super) struct Living {
    /// By id as frozen; `None`: nobody is marked, and ids are as they were.
    new_ids: Option<Vec<Option<u32>>>,
}

impl Living {
    /// Those of node tables in canonical order that are not marked. O(nodes).
    pub fn of(nodes: &BTreeMap<String, DataFrame>) -> Self {
        let marks = |frame: &DataFrame| frame.column(DELETED_AT).ok().map(Column::is_not_null);
        if !nodes.values().filter_map(marks).any(|marks| marks.any()) {
            return Self::default();
        }
        let (mut new_ids, mut next) = (Vec::new(), 0);
        for frame in nodes.values() {
            let marked = marks(frame);
            for row in 0..frame.height() {
                let is_deleted = marked.as_ref().is_some_and(|marked| marked.get(row) == Some(true));
                new_ids.push((!is_deleted).then_some(next));
                next += u32::from(!is_deleted);
            }
        }
        Self { new_ids: Some(new_ids) }
    }

    /// Takes the others out of their tables.
    pub fn keep_nodes(&self, nodes: &mut BTreeMap<String, DataFrame>) -> Result<(), GraphError> {
        let Some(new_ids) = &self.new_ids else { return Ok(()) };
        let mut start = 0;
        for (label, frame) in nodes {
            let ids = &new_ids[start..start + frame.height()];
            start += ids.len();
            let kept: Vec<i64> = ids.iter().flatten().map(|&id| i64::from(id)).collect();
            let renumbered = staying(frame, ids.iter().map(Option::is_some)).and_then(|mut frame| {
                frame.with_column(Column::new(NODE.into(), kept))?;
                Ok(frame)
            });
            *frame = renumbered.map_err(in_column(label, NODE))?;
        }
        Ok(())
    }

    /// The edges of which both ends stay, with their new ids. O(edges).
    pub fn keep_edges(
        &self,
        src: Vec<u32>,
        dst: Vec<u32>,
        properties: DataFrame,
        relation: &str,
    ) -> Result<(Vec<u32>, Vec<u32>, DataFrame), GraphError> {
        let Some(new_ids) = &self.new_ids else { return Ok((src, dst, properties)) };
        let ends: Vec<Option<(u32, u32)>> = src
            .iter()
            .zip(&dst)
            .map(|(&src, &dst)| new_ids[src as usize].zip(new_ids[dst as usize]))
            .collect();
        let (src, dst) = ends.iter().flatten().copied().unzip();
        let frame = match properties.width() {
            0 => properties,
            _ => staying(&properties, ends.iter().map(Option::is_some)).map_err(in_column(relation, SRC))?,
        };
        Ok((src, dst, frame))
    }
}

fn staying(frame: &DataFrame, stay: impl Iterator<Item = bool>) -> PolarsResult<DataFrame> {
    frame.filter(&BooleanChunked::from_iter_values("stay".into(), stay))
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoColumn, NamedFrom, Series};

    use super::super::build::tests::small;
    use super::super::{BusinessGraph, NodeId, Projection};
    use super::*;

    #[test]
    fn a_deleted_node_is_no_part_of_the_graph_and_nobody_walks_its_edges() {
        let mut tables = small();
        let whole = BusinessGraph::build(tables.clone()).expect("a graph");
        let people = tables.nodes.get_mut("Person").expect("people");
        let marks = Series::new(DELETED_AT.into(), [Some(7i64), None]);
        people.with_column(marks.into_column()).expect("same height");
        let graph = BusinessGraph::build(tables.clone()).expect("a graph");

        // Ana is gone with her attendance and Ben's follow of her.
        assert_eq!(graph.deleted(), Deleted { nodes: 1, edges: 2 });
        assert_eq!((graph.node_count(), graph.edge_count()), (3, 3));
        assert_eq!((graph.node("ana"), graph.node("ben")), (None, Some(NodeId(2))));
        assert_eq!((graph.nodes_with("Fan"), graph.nodes_with("Artist")), (vec![NodeId(2)], vec![]));
        let all = graph.project(&Projection::default()).expect("a projection");
        assert_eq!((all.csr.node_count(), all.csr.out_neighbors(NodeId(2))), (3, &[0, 1][..]));
        assert_eq!(graph.edges("ATTENDED").expect("a relation").src.iter().collect::<Vec<_>>(), [2, 2]);
        assert_eq!(graph.as_of(), whole.as_of(), "the clock of the data does not go back");
        assert_eq!(BusinessGraph::whole(tables).expect("a graph").node_count(), 4, "a copy holds everybody");
    }

    #[test]
    fn a_graph_without_deleted_nodes_is_as_frozen() {
        let graph = BusinessGraph::build(small()).expect("a graph");
        assert_eq!((graph.deleted(), graph.node_count()), (Deleted::default(), 4));
    }
}
