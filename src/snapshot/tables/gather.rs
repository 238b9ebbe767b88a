//! A graph as it is read, column by column → [`Tables`].
//!
//! What [`assemble`](super::assemble::assemble) makes of rows, this makes of values that are put where they stay at once:
//! a row of two numbers takes 24 bytes here. Both give the same tables.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, IdxCa};
use xxhash_rust::xxh3::xxh3_64;

use super::assemble::{AssembleError, NodeRow, frame, of_label, of_relation};
use super::column::{ints, label_lists, texts};
use super::sieve::Sieve;
use super::values::{Held, Texts};
use super::{DST, LABELS, NAME, NODE, SRC, Tables, UID, edge_table};
use crate::ontology::{Property, Value};

const NOBODY: u32 = u32::MAX;

/// Properties of one label or relation while its rows come.
#[derive(Debug, Default)]
pub struct Sheet {
    rows: u32,
    columns: Vec<(Arc<str>, Held)>,
}

impl Sheet {
    /// Rows that are complete.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The column of a property, made where there is none.
    pub fn column(&mut self, name: &Arc<str>) -> usize {
        self.columns.iter().position(|(held, _)| held == name).unwrap_or_else(|| {
            self.columns.push((Arc::clone(name), Held::default()));
            self.columns.len() - 1
        })
    }

    /// A value of the row that comes next; only the first of a property stays.
    pub fn put(&mut self, column: usize, value: Value) {
        self.columns[column].1.put(self.rows, value);
    }

    /// A text of that row.
    pub fn put_text(&mut self, column: usize, text: &str) {
        self.columns[column].1.put_text(self.rows, text);
    }

    fn end_row(&mut self) {
        self.rows = self.rows.checked_add(1).expect("memory does not hold as many rows as a number has bits");
    }

    /// Goes back to so many rows; what was put into the next is forgotten.
    fn cut(&mut self, rows: u32) {
        self.rows = rows;
        self.columns.iter_mut().for_each(|(_, held)| held.cut(rows));
    }

    /// Takes these rows out, given ascending; those after them close up.
    fn take_out(&mut self, rows: &[u32]) {
        self.rows -= rows.len() as u32;
        self.columns.iter_mut().for_each(|(_, held)| held.take_out_rows(rows));
    }

    /// The columns in the order they stand: declared ones first, the others by name.
    fn typed(mut self, declared: &[Property]) -> Vec<(Arc<str>, Vec<Column>)> {
        let place = |name: &str| declared.iter().position(|property| property.name == name);
        self.columns.retain(|(_, held)| !held.is_empty());
        let order = |(name, _): &(Arc<str>, Held)| (place(name).unwrap_or(declared.len()), Arc::clone(name));
        self.columns.sort_by_cached_key(order);
        let rows = self.rows as usize;
        let typed = self.columns.into_iter().map(|(name, held)| {
            let columns = held.into_columns(&name, rows, place(&name).map(|at| declared[at].kind));
            (name, columns)
        });
        typed.collect()
    }
}

/// Nodes of one vertex.
#[derive(Debug)]
pub struct Nodes {
    label: Arc<str>,
    uids: Texts,
    ids: Vec<u64>,
    /// Which further labels each has, by number.
    further: Vec<u32>,
    /// Their properties, `name` among them and `uid` not.
    pub sheet: Sheet,
}

impl Nodes {
    /// The row is complete: uid and internal id, and its further labels.
    pub fn end_row(&mut self, uid: &str, id: u64, further: u32) {
        self.uids.push(uid);
        self.ids.push(id);
        self.further.push(further);
        self.sheet.end_row();
    }

    /// Goes back to so many rows.
    pub fn cut(&mut self, rows: u32) {
        self.uids.cut(rows as usize);
        self.ids.truncate(rows as usize);
        self.further.truncate(rows as usize);
        self.sheet.cut(rows);
    }
}

/// Edges of one relation, their ends by dense id.
#[derive(Debug)]
pub struct Edges {
    relation: Arc<str>,
    ends: Vec<(u32, u32)>,
    /// Internal ids of the ends of the rows after those, whose dense ids nobody has looked up yet.
    unresolved: Vec<(u64, u64)>,
    /// Their properties.
    pub sheet: Sheet,
}

impl Edges {
    /// The row is complete: internal ids of its ends, for [`Gathering::resolve`].
    pub fn end_row(&mut self, ends: (u64, u64)) {
        self.unresolved.push(ends);
        self.sheet.end_row();
    }

    /// Goes back to so many rows.
    pub fn cut(&mut self, rows: u32) {
        self.ends.truncate(rows as usize);
        self.unresolved.truncate(rows as usize - self.ends.len());
        self.sheet.cut(rows);
    }
}

/// A whole graph while it is read: all nodes, then [`Gathering::settle`], then all edges.
#[derive(Debug, Default)]
pub struct Gathering {
    nodes: Vec<Nodes>,
    /// Rows of each of [`Gathering::nodes`] in byte order of their uids.
    orders: Vec<Vec<u32>>,
    furthers: Vec<Vec<Arc<str>>>,
    edges: Vec<Edges>,
    /// Internal id → dense id; [`NOBODY`] where no node has it.
    dense: Vec<u32>,
}

impl Gathering {
    /// Number of the nodes of a vertex, which [`Gathering::nodes`] finds.
    pub fn vertex(&mut self, label: &str) -> usize {
        self.nodes.iter().position(|nodes| *nodes.label == *label).unwrap_or_else(|| {
            self.nodes.push(Nodes {
                label: label.into(),
                uids: Texts::default(),
                ids: Vec::new(),
                further: Vec::new(),
                sheet: Sheet::default(),
            });
            self.nodes.len() - 1
        })
    }

    /// Number of a set of further labels.
    pub fn further(&mut self, mut labels: Vec<Arc<str>>) -> u32 {
        labels.sort_unstable();
        labels.dedup();
        let at = self.furthers.iter().position(|known| *known == labels).unwrap_or_else(|| {
            self.furthers.push(labels);
            self.furthers.len() - 1
        });
        at as u32
    }

    /// The nodes of a vertex by number.
    pub fn nodes(&mut self, vertex: usize) -> &mut Nodes {
        &mut self.nodes[vertex]
    }

    /// How many rows every vertex has.
    pub fn marks(&self) -> Vec<u32> {
        self.nodes.iter().map(|nodes| nodes.sheet.rows).collect()
    }

    /// Goes back to these rows of every vertex.
    pub fn cut(&mut self, marks: &[u32]) {
        for (at, nodes) in self.nodes.iter_mut().enumerate() {
            nodes.cut(marks.get(at).copied().unwrap_or(0));
        }
    }

    /// Number of the edges of a relation, which [`Gathering::edges`] finds.
    pub fn relation(&mut self, relation: &str) -> usize {
        self.edges.iter().position(|edges| *edges.relation == *relation).unwrap_or_else(|| {
            self.edges.push(Edges {
                relation: relation.into(),
                ends: Vec::new(),
                unresolved: Vec::new(),
                sheet: Sheet::default(),
            });
            self.edges.len() - 1
        })
    }

    /// The edges of a relation by number.
    pub fn edges(&mut self, relation: usize) -> &mut Edges {
        &mut self.edges[relation]
    }

    /// Dense id of the node that has this internal id.
    fn dense(&self, id: u64) -> Option<u32> {
        self.dense.get(usize::try_from(id).ok()?).copied().filter(|dense| *dense != NOBODY)
    }

    /// Looks up the dense ids of the rows of a relation that came since it last did, and takes out those of which an end is no
    /// node: how many these were.
    ///
    /// By many rows at once, because the lookups of a row by itself wait for memory one after the other.
    pub fn resolve(&mut self, relation: usize) -> u32 {
        let Edges { ends, unresolved, sheet, .. } = &mut self.edges[relation];
        let (dense, before) = (&self.dense, ends.len());
        let of = |id: u64| usize::try_from(id).ok().and_then(|id| dense.get(id)).copied().unwrap_or(NOBODY);
        ends.extend(unresolved.drain(..).map(|(src, dst)| (of(src), of(dst))));
        let is_lost = |&(src, dst): &(u32, u32)| src == NOBODY || dst == NOBODY;
        if !ends[before..].iter().any(is_lost) {
            return 0;
        }
        let rows = (0..).zip(&ends[..]).skip(before);
        let lost: Vec<u32> = rows.filter(|(_, ends)| is_lost(ends)).map(|(row, _)| row).collect();
        ends.retain(|ends| !is_lost(ends));
        sheet.take_out(&lost);
        lost.len() as u32
    }

    /// Puts a whole node.
    pub fn put_node(&mut self, id: u64, label: &str, row: NodeRow<Arc<str>>) {
        let (vertex, further) = (self.vertex(label), self.further(row.labels));
        let nodes = &mut self.nodes[vertex];
        for (name, value) in row.properties {
            let column = nodes.sheet.column(&name);
            nodes.sheet.put(column, value);
        }
        nodes.end_row(&row.uid, id, further);
    }

    /// Puts a whole edge; `false` where an end of it is no node.
    pub fn put_edge(&mut self, relation: &str, ends: (u64, u64), properties: Vec<(Arc<str>, Value)>) -> bool {
        if self.dense(ends.0).is_none() || self.dense(ends.1).is_none() {
            return false;
        }
        let relation = self.relation(relation);
        let edges = &mut self.edges[relation];
        for (name, value) in properties {
            let column = edges.sheet.column(&name);
            edges.sheet.put(column, value);
        }
        edges.end_row(ends);
        self.resolve(relation);
        true
    }

    /// There are no more nodes: gives every node its dense id. O(n log n).
    ///
    /// # Errors
    /// [`AssembleError::DuplicateUid`].
    pub fn settle(&mut self) -> Result<(), AssembleError> {
        self.nodes.retain(|nodes| nodes.sheet.rows > 0);
        self.nodes.sort_unstable_by(|a, b| a.label.cmp(&b.label));
        self.dense =
            vec![NOBODY; self.nodes.iter().flat_map(|n| &n.ids).max().map_or(0, |id| *id as usize + 1)];
        let mut next = 0;
        for nodes in &self.nodes {
            let mut order: Vec<u32> = (0..nodes.sheet.rows).collect();
            order.sort_unstable_by_key(|&row| nodes.uids.get(row as usize));
            for &row in &order {
                self.dense[nodes.ids[row as usize] as usize] = next;
                next += 1;
            }
            self.orders.push(order);
        }
        self.twins().map_or(Ok(()), Err)
    }

    /// Where a node stands that has this dense id.
    fn place(&self, dense: u32) -> (&Nodes, usize) {
        let mut left = dense as usize;
        for (nodes, order) in self.nodes.iter().zip(&self.orders) {
            if let Some(row) = order.get(left) {
                return (nodes, *row as usize);
            }
            left -= order.len();
        }
        unreachable!("dense ids are given to nodes only")
    }

    fn uid(&self, dense: u32) -> &str {
        let (nodes, row) = self.place(dense);
        nodes.uids.get(row)
    }

    /// The first node whose uid one before it has, too.
    fn twins(&self) -> Option<AssembleError> {
        let ordered = self.nodes.iter().zip(&self.orders);
        let uids = ordered.flat_map(|(nodes, order)| order.iter().map(|&row| nodes.uids.get(row as usize)));
        // Equal hashes are looked at; unequal ones are of unequal texts.
        let mut hashes: Vec<(u64, u32)> = uids.map(|uid| xxh3_64(uid.as_bytes())).zip(0..).collect();
        hashes.sort_unstable();
        let mut first: Option<(u32, u32)> = None;
        for same in hashes.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let mut seen: HashMap<&str, u32> = HashMap::new();
            for &(_, dense) in same {
                if let Some(before) = seen.insert(self.uid(dense), dense)
                    && first.is_none_or(|(known, _)| dense < known)
                {
                    first = Some((dense, before));
                }
            }
        }
        let (second, first) = first?;
        let label = |dense| self.place(dense).0.label.to_string();
        Some(AssembleError::DuplicateUid {
            uid: self.uid(second).to_owned(),
            first: label(first),
            second: label(second),
        })
    }

    /// Takes out what tables have no place for, says so, and makes the tables: see [`super::sieve`] for `typed`.
    ///
    /// Also gives the internal ids of all nodes in the order of dense ids. O((n + m) log).
    ///
    /// # Errors
    /// [`AssembleError::ColumnTwice`].
    pub fn finish(mut self, typed: bool) -> Result<(Tables, Vec<u64>, Vec<String>), AssembleError> {
        let mut told = Vec::new();
        for nodes in &mut self.nodes {
            let Nodes { label, uids, sheet, .. } = nodes;
            let mut sieve = Sieve::of(&[NODE, UID, LABELS], of_label(label), typed, &sheet.columns);
            sieve.pass(&mut sheet.columns, |row| format!("`{}`", uids.get(row as usize)));
            told.extend(sieve.told(label));
        }
        let mut edges = std::mem::take(&mut self.edges);
        edges.retain(|edges| edges.sheet.rows > 0);
        edges.sort_unstable_by(|a, b| a.relation.cmp(&b.relation));
        for Edges { relation, ends, sheet, .. } in &mut edges {
            let mut sieve = Sieve::of(&[SRC, DST], of_relation(relation), typed, &sheet.columns);
            sieve.pass(&mut sheet.columns, |row| {
                let (src, dst) = ends[row as usize];
                format!("`{}` → `{}`", self.uid(src), self.uid(dst))
            });
            told.extend(sieve.told(relation));
        }
        let (mut tables, mut ids) = (Tables::default(), Vec::new());
        for (nodes, order) in self.nodes.into_iter().zip(self.orders) {
            let first = ids.len() as i64;
            ids.extend(order.iter().map(|&row| nodes.ids[row as usize]));
            tables.nodes.insert(nodes.label.to_string(), node_table(nodes, order, first, &self.furthers)?);
        }
        for Edges { relation, ends, sheet, .. } in edges {
            let declared = of_relation(&relation);
            let columns: Vec<Column> =
                sheet.typed(&declared).into_iter().flat_map(|(_, columns)| columns).collect();
            distinct(&relation, &[SRC, DST], &columns)?;
            let table = edge_table(&ends, columns).expect("columns of one height with distinct names");
            tables.edges.insert(relation.to_string(), table);
        }
        Ok((tables, ids, told))
    }
}

fn node_table(
    nodes: Nodes,
    order: Vec<u32>,
    first: i64,
    furthers: &[Vec<Arc<str>>],
) -> Result<DataFrame, AssembleError> {
    let Nodes { label, uids, further, sheet, .. } = nodes;
    let height = order.len();
    let uids = texts(UID, order.iter().map(|&row| Some(uids.get(row as usize))));
    let mut columns = vec![ints(NODE, (first..).take(height).collect()), uids];
    let mut typed = sheet.typed(&of_label(&label));
    let labels: Vec<Vec<String>> = if further.iter().any(|&at| !furthers[at as usize].is_empty()) {
        let of = |row: &u32| &furthers[further[*row as usize] as usize];
        order.iter().map(|row| of(row).iter().map(ToString::to_string).collect()).collect()
    } else {
        Vec::new()
    };
    let rows = IdxCa::from_vec("row".into(), order);
    let put = |columns: &mut Vec<Column>, given: Vec<Column>| {
        columns.extend(given.into_iter().map(|c| c.take(&rows).expect("an order of all rows")));
    };
    match typed.iter().position(|(name, _)| **name == *NAME) {
        Some(at) => put(&mut columns, typed.remove(at).1),
        None => columns.push(texts(NAME, std::iter::repeat_n(None, height))),
    }
    if !labels.is_empty() {
        columns.push(label_lists(LABELS, &labels));
    }
    for (_, given) in typed {
        put(&mut columns, given);
    }
    frame(&label, height, columns)
}

fn distinct(owner: &str, own: &[&str], columns: &[Column]) -> Result<(), AssembleError> {
    let mut names: Vec<&str> = columns.iter().map(|c| c.name().as_str()).chain(own.iter().copied()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => {
            Err(AssembleError::ColumnTwice { owner: owner.to_owned(), column: twice[0].to_owned() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
