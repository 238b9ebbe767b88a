//! Nodes that are marked as deleted: on record in a snapshot, but no part of its graph.
//!
//! The mirror never removes a node; it sets `deleted_at` on one that no source claims any more. Such a node and every edge
//! at it are set aside before the graph is indexed, so that no study can score or walk them. The nodes that stay keep
//! their order and are numbered anew, without gaps.

use polars::prelude::{BooleanChunked, Column, DataFrame, NewChunkedArray};

use super::error::{GraphError, in_column};
use crate::snapshot::tables::{DST, NODE, SRC, Tables};

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

/// The tables without their deleted nodes and the edges at them. O(nodes + edges); nothing is copied where no node is
/// marked.
///
/// Node tables must be in canonical order.
pub(super) fn set_aside(mut tables: Tables) -> Result<(Tables, Deleted), GraphError> {
    let before = tables.node_count();
    let mut new_ids = Vec::with_capacity(before);
    let mut next: i64 = 0;
    for frame in tables.nodes.values() {
        let marked = frame.column(DELETED_AT).ok().map(Column::is_not_null);
        for row in 0..frame.height() {
            let is_deleted = marked.as_ref().is_some_and(|marked| marked.get(row) == Some(true));
            new_ids.push((!is_deleted).then_some(next));
            next += i64::from(!is_deleted);
        }
    }
    let mut deleted = Deleted { nodes: before - next as usize, edges: 0 };
    if deleted.nodes == 0 {
        return Ok((tables, deleted));
    }
    let mut start = 0;
    for (label, frame) in &mut tables.nodes {
        let ids = &new_ids[start..start + frame.height()];
        start += ids.len();
        *frame = renumbered(
            frame,
            ids.iter().map(Option::is_some),
            vec![(NODE, ids.iter().flatten().copied().collect())],
        )
        .map_err(in_column(label, NODE))?;
    }
    for (relation, frame) in &mut tables.edges {
        let src = super::build::endpoints(relation, SRC, frame, before)?;
        let dst = super::build::endpoints(relation, DST, frame, before)?;
        let ends: Vec<Option<(i64, i64)>> = src
            .iter()
            .zip(&dst)
            .map(|(&src, &dst)| new_ids[src as usize].zip(new_ids[dst as usize]))
            .collect();
        let stay: Vec<(i64, i64)> = ends.iter().flatten().copied().collect();
        deleted.edges += ends.len() - stay.len();
        let (src, dst) = stay.into_iter().unzip();
        *frame = renumbered(frame, ends.iter().map(Option::is_some), vec![(SRC, src), (DST, dst)])
            .map_err(in_column(relation, SRC))?;
    }
    Ok((tables, deleted))
}

/// The rows that stay, with new ids in some columns.
fn renumbered(
    frame: &DataFrame,
    stay: impl Iterator<Item = bool>,
    ids: Vec<(&'static str, Vec<i64>)>,
) -> polars::prelude::PolarsResult<DataFrame> {
    let stay = BooleanChunked::from_iter_values("stay".into(), stay);
    let mut frame = frame.filter(&stay)?;
    for (name, ids) in ids {
        frame.with_column(Column::new(name.into(), ids))?;
    }
    Ok(frame)
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
        assert_eq!(graph.edges("ATTENDED").expect("a relation").src[..], [2, 2]);
        assert_eq!(graph.as_of(), whole.as_of(), "the clock of the data does not go back");
        assert_eq!(BusinessGraph::whole(tables).expect("a graph").node_count(), 4, "a copy holds everybody");
    }

    #[test]
    fn a_graph_without_deleted_nodes_is_as_frozen() {
        let graph = BusinessGraph::build(small()).expect("a graph");
        assert_eq!((graph.deleted(), graph.node_count()), (Deleted::default(), 4));
    }
}
