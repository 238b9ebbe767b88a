//! Tables, or batches of their rows → a graph, without what is marked as deleted.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use polars::prelude::DataFrame;

use super::build::NodeTable;
use super::deleted::Living;
use super::error::in_column;
use super::sources::Collected;
use super::{BusinessGraph, Deleted, EdgeTable, GraphError};
use crate::snapshot::tables::{Clock, DST, LABELS, NODE, SRC, TIMESTAMP, UID, microseconds};

/// A graph whose edges come in batches: nodes first, then relation by relation. What is held of a batch is 4 bytes for each
/// of its edges where they are sorted and many for the nodes there are, else 8, and its properties.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use polars::prelude::df;
/// use sonograph::graph::{GraphBuilder, GraphError, NodeId};
///
/// let people = df!("node" => [0i64, 1], "uid" => ["ana", "ben"], "name" => ["Ana", "Ben"])?;
/// let mut graph = GraphBuilder::new(BTreeMap::from([("Person".to_owned(), people)]), false)?;
/// let batches = [df!("src" => [0i64], "dst" => [1i64])?, df!("src" => [1i64], "dst" => [0i64])?];
/// graph.edges("FOLLOWS", 2, batches.map(Ok::<_, GraphError>))?;
/// assert_eq!(graph.finish(BTreeMap::new()).edge_count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    graph: BusinessGraph,
    /// Nodes with those that are marked as deleted.
    frozen: usize,
    living: Living,
    clock: Clock,
    /// Edges so far.
    edges: usize,
}

impl GraphBuilder {
    /// Checks the nodes by label and indexes them. O(nodes).
    ///
    /// # Errors
    ///
    /// When they are not in canonical order ([`Tables`](crate::snapshot::tables::Tables)), or a column is missing.
    pub fn new(nodes: BTreeMap<String, DataFrame>, undirected: bool) -> Result<Self, GraphError> {
        Self::of(nodes, undirected, false)
    }

    pub(super) fn of(
        mut tables: BTreeMap<String, DataFrame>,
        undirected: bool,
        with_deleted: bool,
    ) -> Result<Self, GraphError> {
        let frozen = tables.values().map(DataFrame::height).sum();
        small_enough(frozen, "nodes")?;
        let mut start = 0;
        for (label, frame) in &tables {
            check_nodes(label, start, frame)?;
            start += frame.height();
        }
        let living = if with_deleted { Living::default() } else { Living::of(&tables) };
        living.keep_nodes(&mut tables)?;
        let mut nodes = Vec::with_capacity(tables.len());
        let mut further = BTreeMap::new();
        let mut count = 0;
        for (label, mut frame) in tables {
            frame.rechunk_mut();
            collect_labels(&label, count, &frame, &mut further)?;
            let height = frame.height();
            nodes.push(NodeTable { label, start: count, frame });
            count += height;
        }
        let graph = BusinessGraph {
            nodes,
            edges: vec![],
            companions: BTreeMap::new(),
            further,
            count,
            undirected,
            deleted: Deleted { nodes: frozen - count, edges: 0 },
            as_of: None,
        };
        Ok(Self { graph, frozen, living, clock: Clock::default(), edges: 0 })
    }

    /// Takes the edges of the next relation, by name: about `rows` in canonical order. O(edges).
    ///
    /// # Errors
    ///
    /// What a batch fails with; when an edge leads nowhere, a column is missing, or there are more edges than a graph holds.
    pub fn edges<E: From<GraphError>>(
        &mut self,
        relation: &str,
        rows: usize,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), E> {
        small_enough(self.edges.saturating_add(rows), "edges")?;
        let mut src = Collected::new(self.graph.count, rows);
        let mut dst = Vec::with_capacity(rows);
        let mut properties: Option<DataFrame> = None;
        let mut seen = 0;
        for batch in batches {
            let batch = batch?;
            small_enough(self.edges + seen + batch.height(), "edges")?;
            if let Ok(column) = batch.column(TIMESTAMP) {
                microseconds(column).map_err(in_column(relation, TIMESTAMP))?;
            }
            // What was deleted was still seen.
            self.clock.see(relation, &batch);
            let ends = |column| endpoints(relation, column, &batch, self.frozen, seen);
            let (sources, targets) = (ends(SRC)?, ends(DST)?);
            seen += batch.height();
            // The ends are kept once, in half the bytes.
            let frame = batch.drop_many([SRC, DST]);
            let (sources, targets, frame) = self.living.keep_edges(sources, targets, frame, relation)?;
            src.extend(sources);
            dst.extend(targets);
            match &mut properties {
                Some(all) if frame.width() > 0 => {
                    all.vstack_mut_owned(frame).map_err(in_column(relation, SRC))?;
                }
                Some(_) => {}
                None => properties = Some(frame),
            }
        }
        let mut frame = properties.unwrap_or_default();
        if frame.width() == 0 {
            frame = DataFrame::empty_with_height(dst.len());
        }
        frame.rechunk_mut();
        self.edges += dst.len();
        self.graph.deleted.edges += seen - dst.len();
        self.graph.edges.push(EdgeTable {
            relation: relation.to_owned(),
            src: src.finish(),
            first: (self.edges - dst.len()) as u32,
            dst: dst.into(),
            frame,
            ways: OnceLock::new(),
        });
        Ok(())
    }

    /// The graph, with tables beside it.
    pub fn finish(self, companions: BTreeMap<String, DataFrame>) -> BusinessGraph {
        BusinessGraph { companions, as_of: self.clock.at(), ..self.graph }
    }
}

fn small_enough(number: usize, what: &str) -> Result<(), GraphError> {
    if number > i32::MAX as usize {
        return Err(GraphError::TooLarge { what: format!("{number} {what}") });
    }
    Ok(())
}

fn check_nodes(label: &str, start: usize, frame: &DataFrame) -> Result<(), GraphError> {
    let ids = frame.column(NODE).and_then(|c| c.i64()).map_err(in_column(label, NODE))?;
    for (row, id) in ids.iter().enumerate() {
        if id != Some((start + row) as i64) {
            let found = id.map_or("null".into(), |id| id.to_string());
            return Err(GraphError::NodeId { label: label.to_owned(), row, found, expected: start + row });
        }
    }
    let uids = frame.column(UID).and_then(|c| c.str()).map_err(in_column(label, UID))?;
    let mut before = None;
    for (row, uid) in uids.iter().enumerate() {
        if uid.is_none() || (row > 0 && uid <= before) {
            return Err(GraphError::Uid { label: label.to_owned(), row });
        }
        before = uid;
    }
    Ok(())
}

fn collect_labels(
    table: &str,
    start: usize,
    frame: &DataFrame,
    further: &mut BTreeMap<String, Vec<u32>>,
) -> Result<(), GraphError> {
    let Ok(column) = frame.column(LABELS) else { return Ok(()) };
    let lists = column.list().map_err(in_column(table, LABELS))?;
    for row in 0..lists.len() {
        let Some(list) = lists.get_as_series(row) else { continue };
        for label in list.str().map_err(in_column(table, LABELS))?.iter().flatten() {
            if let Some(nodes) = further.get_mut(label) {
                nodes.push((start + row) as u32);
            } else {
                further.insert(label.to_owned(), vec![(start + row) as u32]);
            }
        }
    }
    Ok(())
}

/// The ends of a batch whose first row is the table's row `first`.
fn endpoints(
    relation: &str,
    column: &'static str,
    frame: &DataFrame,
    nodes: usize,
    first: usize,
) -> Result<Vec<u32>, GraphError> {
    let ids = frame.column(column).and_then(|c| c.i64()).map_err(in_column(relation, column))?;
    let mut ends = Vec::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        match id {
            Some(id) if (0..nodes as i64).contains(&id) => ends.push(id as u32),
            _ => {
                let found = id.map_or("null".into(), |id| id.to_string());
                return Err(GraphError::Endpoint {
                    relation: relation.to_owned(),
                    column,
                    row: first + row,
                    found,
                    nodes,
                });
            }
        }
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Projection;
    use super::*;
    use polars::prelude::{Column, df};

    /// `n` people, of whom some are marked as deleted.
    fn people(n: usize, gone: &[bool]) -> BTreeMap<String, DataFrame> {
        let uids: Vec<String> = (0..n).map(|id| format!("{id:03}")).collect();
        let gone: Vec<Option<i64>> = (0..n).map(|id| gone[id].then_some(1)).collect();
        let frame = df!("node" => (0..n as i64).collect::<Vec<_>>(), "uid" => &uids, "name" => &uids, "deleted_at" => gone);
        BTreeMap::from([("Person".to_owned(), frame.expect("a frame"))])
    }

    fn edges(list: &[(u32, u32)], is_weighted: bool) -> DataFrame {
        let end =
            |of: fn(&(u32, u32)) -> u32| list.iter().map(|pair| i64::from(of(pair))).collect::<Vec<_>>();
        let mut frame = df!("src" => end(|pair| pair.0), "dst" => end(|pair| pair.1)).expect("a frame");
        if is_weighted {
            let weights: Vec<f64> = (0..list.len()).map(|row| row as f64 / 4.0).collect();
            frame.with_column(Column::new("weight".into(), weights)).expect("same height");
        }
        frame
    }

    proptest! {
        #[test]
        fn a_graph_of_batches_is_the_graph_of_the_whole_list(
            n in 1u32..8,
            list in proptest::collection::vec((0u32..8, 0u32..8), 0..70),
            gone in proptest::collection::vec(proptest::bool::weighted(0.1), 8),
            is_sorted: bool, is_weighted: bool, height in 1usize..9, hint in 0usize..90,
        ) {
            let mut list: Vec<_> = list.into_iter().map(|(src, dst)| (src % n, dst % n)).collect();
            if is_sorted {
                list.sort_unstable();
            }
            let whole = edges(&list, is_weighted);
            let mut builder = GraphBuilder::new(people(n as usize, &gone), false).expect("people");
            let starts = (0..list.len().max(1)).step_by(height);
            let batches = starts.map(|start| Ok::<_, GraphError>(whole.slice(start as i64, height)));
            builder.edges("KNOWS", hint, batches).expect("edges");
            let graph = builder.finish(BTreeMap::new());

            let table = graph.edges("KNOWS").expect("the relation");
            let own: Vec<u32> = (0..n).filter(|&id| !gone[id as usize]).collect();
            let id = |old: u32| own.binary_search(&old).ok().map(|id| id as u32);
            let kept: Vec<(u32, u32)> =
                list.iter().filter_map(|&(src, dst)| id(src).zip(id(dst))).collect();
            let found: Vec<_> = table.src.iter().zip(table.dst.iter().copied()).collect();
            prop_assert_eq!(&found, &kept);
            prop_assert_eq!(graph.deleted().edges, list.len() - kept.len());
            prop_assert_eq!((graph.node_count(), table.frame.height()), (own.len(), kept.len()));
            if is_weighted {
                let rows = list.iter().zip(0..).filter(|((src, dst), _)| id(*src).zip(id(*dst)).is_some());
                let weights: Vec<Option<f64>> = rows.map(|(_, row)| Some(f64::from(row) / 4.0)).collect();
                let column = table.frame.column("weight").expect("kept").f64().expect("numbers");
                prop_assert_eq!(column.iter().collect::<Vec<_>>(), weights);
            }
            let csr = graph.project(&Projection::of(["KNOWS"])).expect("a projection").csr;
            let met: usize = csr.nodes().map(|v| csr.in_edges(v).len()).sum();
            prop_assert_eq!((csr.edge_count(), met), (kept.len(), kept.len()));
        }
    }
}
