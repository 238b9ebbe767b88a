//! A graph in a cache, and back: what was checked, sorted and indexed once is only mapped the next time.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};

use polars::prelude::DataFrame;
use polars_buffer::Buffer;
use serde::{Deserialize, Serialize};

use super::adjacency::{Adjacency, BothWays, Numbers};
use super::build::NodeTable;
use super::{BusinessGraph, Deleted, EdgeTable, Sources};
use crate::snapshot::tables::UID;
use crate::snapshot::tables::columns::StoredFrame;
use crate::snapshot::tables::mapped::{Mapped, Part, Unusable, Writer};

/// Where a graph lies in its cache: the cache's directory.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredGraph {
    /// Label, frame.
    nodes: Vec<(String, StoredFrame)>,
    edges: Vec<StoredEdges>,
    companions: BTreeMap<String, StoredFrame>,
    /// Further label → its nodes, and how many.
    further: BTreeMap<String, (Part, usize)>,
    undirected: bool,
    /// Nodes and edges that are no part of it.
    deleted: (usize, usize),
    as_of: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEdges {
    relation: String,
    /// `None`: they are known by where the rows of each begin.
    src: Option<Part>,
    dst: Part,
    frame: StoredFrame,
    /// Where the rows of the sources begin; where those of the targets do, and their sources. `None`: the rows are not
    /// sorted by source.
    ways: Option<[Part; 3]>,
}

impl BusinessGraph {
    /// Writes the graph to `out`, each relation sorted both ways.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or a table holds a type that no cache keeps.
    pub fn store(&self, out: &mut Writer) -> io::Result<StoredGraph> {
        let mut frame = |frame: &DataFrame| StoredFrame::put(frame, out);
        let mut nodes = Vec::new();
        for table in &self.nodes {
            nodes.push((table.label.clone(), frame(&table.frame)?));
        }
        let mut companions = BTreeMap::new();
        for (name, table) in &self.companions {
            companions.insert(name.clone(), frame(table)?);
        }
        let mut edges = Vec::new();
        for table in &self.edges {
            let stored = StoredFrame::put(&table.frame, out)?;
            // Not kept: what is asked for is sorted when it is.
            let sort = || BothWays::directed(self.count, &table.src, &table.dst);
            let BothWays { out: forward, into, edge_of } = table.ways.get().cloned().unwrap_or_else(sort);
            let ways = match edge_of {
                Some(_) => None,
                None => Some([out.put(&forward.offsets)?, out.put(&into.offsets)?, out.put(&into.ends)?]),
            };
            let relation = table.relation.clone();
            let src = table.src.list().map(|src| out.put(src)).transpose()?;
            let dst = out.put(&table.dst)?;
            edges.push(StoredEdges { relation, src, dst, frame: stored, ways });
        }
        let further =
            self.further.iter().map(|(label, nodes)| Ok((label.clone(), (out.put(nodes)?, nodes.len()))));
        Ok(StoredGraph {
            nodes,
            edges,
            companions,
            further: further.collect::<io::Result<_>>()?,
            undirected: self.undirected,
            deleted: (self.deleted.nodes, self.deleted.edges),
            as_of: self.as_of,
        })
    }

    /// The graph in a cache, in place: O(labels + relations) and a look at every byte. Whatever is in it, nothing leads
    /// out of the graph; that it is the graph of its snapshot is what its sums say.
    ///
    /// # Errors
    ///
    /// When anything of it is damaged.
    pub fn restore(from: &Mapped, stored: &StoredGraph) -> Result<Self, Unusable> {
        let (mut nodes, mut start) = (Vec::with_capacity(stored.nodes.len()), 0);
        for (label, frame) in &stored.nodes {
            let frame = frame.get(from)?;
            let height = frame.height();
            if !frame.column(UID).and_then(|uids| uids.str()).is_ok_and(|uids| uids.null_count() == 0) {
                return Err(Unusable::Not("a table of nodes is without uids"));
            }
            nodes.push(NodeTable { label: label.clone(), start, frame });
            start += height;
        }
        let (count, mut first) = (start, 0_u32);
        if count > i32::MAX as usize {
            return Err(Unusable::Not("it has more nodes than a graph"));
        }
        let nodes_of = |part: &Part, length: usize| {
            let found: Buffer<u32> = from.get(part, length)?;
            let is_inside = found.iter().max().is_none_or(|&node| (node as usize) < count);
            if is_inside { Ok(found) } else { Err(Unusable::Not("a node is not of the graph")) }
        };
        let mut edges = Vec::with_capacity(stored.edges.len());
        for table in &stored.edges {
            let (frame, rows) = (table.frame.get(from)?, table.frame.rows());
            let dst = nodes_of(&table.dst, rows)?;
            let mut src = table.src.map(|src| nodes_of(&src, rows).map(Sources::listed)).transpose()?;
            let ways = OnceLock::new();
            if let Some([starts, into_starts, ends]) = &table.ways {
                let offsets = |part: &Part| {
                    let offsets: Buffer<u32> = from.get(part, count + 1)?;
                    let is_whole = offsets.first() == Some(&0)
                        && offsets.last() == Some(&(rows as u32))
                        && offsets.is_sorted();
                    if is_whole {
                        Ok(offsets)
                    } else {
                        Err(Unusable::Not("an adjacency does not fit its table"))
                    }
                };
                let starts = offsets(starts)?;
                src.get_or_insert_with(|| Sources::counted(starts.clone()));
                let out = Adjacency { offsets: starts, ends: dst.clone(), edges: Numbers::Same };
                let (offsets, edges) = (offsets(into_starts)?, Numbers::Later(Arc::default()));
                let into = Adjacency { offsets, ends: nodes_of(ends, rows)?, edges };
                ways.get_or_init(|| BothWays { out, into, edge_of: None });
            }
            let src = src.ok_or(Unusable::Not("a table is without sources"))?;
            edges.push(EdgeTable { relation: table.relation.clone(), src, dst, frame, first, ways });
            // Each takes four bytes of the file and more, but as many as a graph numbers there may not be.
            let after = u32::try_from(rows).ok().and_then(|rows| first.checked_add(rows));
            first = after.ok_or(Unusable::Not("it has more edges than a graph"))?;
        }
        let companions = stored.companions.iter().map(|(name, frame)| Ok((name.clone(), frame.get(from)?)));
        let further = stored
            .further
            .iter()
            .map(|(label, (part, nodes))| Ok((label.clone(), nodes_of(part, *nodes)?.to_vec())));
        Ok(Self {
            nodes,
            edges,
            companions: companions.collect::<Result<_, Unusable>>()?,
            further: further.collect::<Result<_, Unusable>>()?,
            count,
            undirected: stored.undirected,
            deleted: Deleted { nodes: stored.deleted.0, edges: stored.deleted.1 },
            as_of: stored.as_of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::small;
    use super::super::{NodeId, Projection};
    use super::*;
    use crate::snapshot::tables::mapped::Of;

    #[test]
    fn a_graph_comes_back_from_its_cache_as_it_was() {
        for undirected in [false, true] {
            let tables = crate::snapshot::tables::Tables { undirected, ..small() };
            let graph = BusinessGraph::build(tables).expect("a graph");
            let dir = tempfile::tempdir().expect("a folder");
            let of = Of::manifest(b"{}");
            let mut writer = Writer::begin(dir.path(), of).expect("a folder").expect("nobody else");
            let stored = graph.store(&mut writer).expect("types at rest");
            writer.finish(&stored).expect("finished");
            let (mapped, stored) = Mapped::open::<StoredGraph>(dir.path(), of).expect("whole");
            let back = BusinessGraph::restore(&mapped, &stored).expect("whole");

            assert_eq!((back.node_count(), back.edge_count()), (graph.node_count(), graph.edge_count()));
            assert_eq!((back.as_of(), back.is_undirected()), (graph.as_of(), undirected));
            for node in (0..4).map(NodeId) {
                assert_eq!((back.uid(node), back.name(node)), (graph.uid(node), graph.name(node)));
                assert_eq!(back.node(graph.uid(node)), Some(node));
            }
            assert_eq!(back.nodes_with("Fan"), graph.nodes_with("Fan"));
            for (back, table) in back.edge_tables().iter().zip(graph.edge_tables()) {
                assert_eq!((&back.relation, &back.src, &back.dst), (&table.relation, &table.src, &table.dst));
                assert!(back.frame.equals_missing(&table.frame));
            }
            let relations = ["ATTENDED", "FOLLOWS", "HOSTS"].map(|relation| Projection::of([relation]));
            for projection in relations.into_iter().chain([Projection::default()]) {
                let project = |graph: &BusinessGraph| graph.project(&projection).expect("a projection").csr;
                assert_eq!(project(&back), project(&graph));
            }
        }
    }
}
