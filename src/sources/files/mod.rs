//! Other people's graphs: edge lists as text, CSV or Parquet → tables.
//!
//! A node is named by the exact text of its id. What a `.csv` or `.parquet` file holds beside ids becomes typed
//! properties; every other file is text, `src dst [weight [timestamp]]` to a line. A stream, whose name tells nothing, is
//! told by its first line. Any of the text files may be gzipped, which is seen from its first bytes.

mod columns;
mod error;
mod kind;
mod lines;
mod lists;
mod numbers;
#[cfg(test)]
mod numbers_tests;
mod quotes;
mod text;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, DataType, IdxCa, IdxSize, NewChunkedArray, PlHashMap, PolarsError};

pub use error::FileError;
use lists::{EdgeList, NodeList};
pub use numbers::Numbers;

use crate::context::Context;
use crate::snapshot::tables::{NAME, NODE, Tables, UID, edge_table};

/// How the lines of a text file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `src dst [weight [timestamp]]`.
    #[default]
    Edges,
    /// `v n1 n2 …`: a node and those its edges lead to.
    Adjacency,
}

/// What to import, and how to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// File of edges; `-`: standard input.
    pub edges: PathBuf,
    /// File of nodes, or `-`; without one, nodes are what edges name.
    pub nodes: Option<PathBuf>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
    /// Label of nodes that do not bring their own.
    pub label: String,
    /// Relation of edges that do not bring their own.
    pub relation: String,
    /// Columns of source and target where they are not called `src` and `dst`.
    pub ends: Option<(String, String)>,
    /// Let edges name nodes that the file of nodes does not list.
    pub add_missing: bool,
    /// Keep the first of parallel edges only.
    pub dedup: bool,
    /// How the lines of a text file are laid out.
    pub layout: Layout,
    /// Lines of the file of edges to pass over before anything else.
    pub skip_lines: usize,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRead {
    /// Its name, without folders.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// An imported graph.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The graph in canonical order.
    pub tables: Tables,
    /// Files it came from: edges, then nodes where given.
    pub files: Vec<FileRead>,
    /// What was decided for the user and should be said.
    pub notes: Vec<String>,
}

/// Reads an edge list. O(edges log edges + nodes log nodes) time.
///
/// # Errors
///
/// When a file cannot be read or a line is not what the layout says; the error names file and line.
///
/// ```
/// use sonograph::context::Context;
/// use sonograph::sources::files::{ImportOptions, import};
///
/// let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("friends.txt"), "# who knows whom\nana ben\nben 7 0.5\n")?;
/// let graph = import(&ImportOptions::of(dir.path().join("friends.txt")), &Context::silent())?.tables;
/// assert_eq!((graph.node_count(), graph.edge_count()), (3, 2));
/// assert_eq!(graph.nodes["Node"].column("uid")?.str()?.get(0), Some("7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn import(options: &ImportOptions, cx: &Context) -> Result<Imported, FileError> {
    kind::refuse_one_stream_for_both(options)?;
    let mut notes = Vec::new();
    let mut ids = Ids::default();
    let (nodes, nodes_read) = match &options.nodes {
        Some(path) => {
            let (nodes, read) = NodeList::read(path, &mut ids, &mut notes, cx)?;
            ids.closed = !options.add_missing;
            (nodes, Some(read))
        }
        None => (NodeList::default(), None),
    };
    let (edges, edges_read) = EdgeList::read(options, &mut ids, &mut notes, cx)?;
    let files = std::iter::once(edges_read).chain(nodes_read).collect();
    let fail = |file: &Path| {
        let file = file.to_owned();
        move |source: PolarsError| FileError::Columns { file: file.clone(), source }
    };
    let nodes_file = options.nodes.as_deref().unwrap_or(&options.edges);
    let (nodes, dense) = node_tables(&nodes, &ids.names(), &options.label).map_err(fail(nodes_file))?;
    let edges = edge_tables(edges, &dense, options).map_err(fail(&options.edges))?;
    let tables = Tables { nodes, edges, companions: BTreeMap::new(), undirected: options.undirected };
    Ok(Imported { tables, files, notes })
}

impl ImportOptions {
    /// A file of edges, everything else as it is by default.
    pub fn of(edges: impl Into<PathBuf>) -> Self {
        Self {
            edges: edges.into(),
            nodes: None,
            undirected: false,
            label: "Node".into(),
            relation: "EDGE".into(),
            ends: None,
            add_missing: false,
            dedup: false,
            layout: Layout::Edges,
            skip_lines: 0,
        }
    }
}

/// Ids by the order in which they were first named.
#[derive(Debug, Default)]
struct Ids {
    numbers: PlHashMap<Box<str>, u32>,
    /// Whether an id that is not there may not be added.
    closed: bool,
}

impl Ids {
    /// The number of an id; `None` where it is not there and may not be added, or there are 2^32 already.
    fn number(&mut self, id: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(id) {
            return Some(number);
        }
        if self.closed {
            return None;
        }
        let number = u32::try_from(self.numbers.len()).ok()?;
        self.numbers.insert(id.into(), number);
        Some(number)
    }

    fn names(self) -> Vec<Box<str>> {
        let mut names: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        names.into_iter().map(|(name, _)| name).collect()
    }
}

/// Tables by label in canonical order, and the dense id of every number.
fn node_tables(
    list: &NodeList,
    names: &[Box<str>],
    default_label: &str,
) -> Result<(BTreeMap<String, DataFrame>, Vec<u32>), PolarsError> {
    let label_of =
        |number: usize| list.labels.get(number).and_then(Option::as_deref).unwrap_or(default_label);
    let mut by_label: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for number in 0..names.len() {
        by_label.entry(label_of(number)).or_default().push(number as u32);
    }
    let mut dense = vec![0; names.len()];
    let mut tables = BTreeMap::new();
    let mut start = 0u32;
    for (label, mut numbers) in by_label {
        numbers.sort_unstable_by(|&a, &b| names[a as usize].cmp(&names[b as usize]));
        for (&number, id) in numbers.iter().zip(start..) {
            dense[number as usize] = id;
        }
        let ids: Vec<i64> = (i64::from(start)..).take(numbers.len()).collect();
        let uids: Vec<&str> = numbers.iter().map(|&n| &*names[n as usize]).collect();
        // Nodes that only edges name have no row in the file of nodes, hence no properties.
        let rows = numbers.iter().map(|&n| (n < list.rows).then_some(n as IdxSize));
        let rows = IdxCa::from_iter_options("row".into(), rows);
        let mut columns = vec![Column::new(NODE.into(), ids), Column::new(UID.into(), uids)];
        columns.push(match &list.name {
            Some(name) => name.take(&rows)?.with_name(NAME.into()),
            None => Column::full_null(NAME.into(), numbers.len(), &DataType::String),
        });
        for property in &list.properties {
            columns.push(property.take(&rows)?);
        }
        start += numbers.len() as u32;
        let filled =
            |(i, column): (usize, Column)| (i < 3 || column.null_count() < column.len()).then_some(column);
        let columns = columns.into_iter().enumerate().filter_map(filled).collect();
        tables.insert(label.to_owned(), DataFrame::new(numbers.len(), columns)?);
    }
    Ok((tables, dense))
}

/// Tables by relation in canonical order.
fn edge_tables(
    mut list: EdgeList,
    dense: &[u32],
    options: &ImportOptions,
) -> Result<BTreeMap<String, DataFrame>, PolarsError> {
    for end in list.ends.iter_mut().flat_map(|(src, dst)| [src, dst]) {
        *end = dense[*end as usize];
    }
    if list.relations.is_empty() && !options.dedup {
        // The usual case, in which no row needs to be picked.
        if list.ends.is_empty() {
            return Ok(BTreeMap::new());
        }
        list.properties.retain(|column| column.null_count() < column.len());
        let table = edge_table(&list.ends, list.properties)?;
        return Ok(BTreeMap::from([(options.relation.clone(), table)]));
    }
    let mut by_relation: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    if list.relations.is_empty() {
        by_relation.insert(&options.relation, (0..list.ends.len()).collect());
    }
    for (row, relation) in list.relations.iter().enumerate() {
        by_relation.entry(relation.as_deref().unwrap_or(&options.relation)).or_default().push(row);
    }
    let mut seen = HashSet::new();
    let mut tables = BTreeMap::new();
    for (name, all) in by_relation {
        let mut rows = Vec::with_capacity(all.len());
        let mut ends = Vec::with_capacity(all.len());
        for row in all {
            let (src, dst) = list.ends[row];
            let pair = if options.undirected { (src.min(dst), src.max(dst)) } else { (src, dst) };
            if !options.dedup || seen.insert(pair) {
                rows.push(row as IdxSize);
                ends.push((src, dst));
            }
        }
        seen.clear();
        let rows = IdxCa::from_vec("row".into(), rows);
        let mut columns = Vec::new();
        for property in &list.properties {
            let column = property.take(&rows)?;
            if column.null_count() < column.len() {
                columns.push(column);
            }
        }
        if !ends.is_empty() {
            tables.insert(name.to_owned(), edge_table(&ends, columns)?);
        }
    }
    Ok(tables)
}
