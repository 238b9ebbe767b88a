//! Rows of nodes and edges → [`Tables`] in canonical order.
//!
//! Whoever makes a business graph, by reading a graph server or by resolving sources without one, makes its tables
//! here, so that the same graph gives the same bytes. What a graph server cannot return is rounded away for both:
//! doubles keep 15 significant digits, points are single precision, instants are milliseconds.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame};
use serde::{Deserialize, Serialize};

use super::column::{Cells, ints, label_lists, texts};
pub use super::column::{fifteen_digits, single};
use super::{DST, LABELS, NAME, NODE, SRC, TIMESTAMP, Tables, UID};
use crate::context::{Diagnose, Fault};
use crate::ontology::names::{self, Name};
use crate::ontology::{Label, Property, PropertyKind, Relation, Value};

/// One node; `N` is how property names and further labels are held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "N: Name", deserialize = "N: Name"))]
pub struct NodeRow<N = &'static str> {
    /// Its lasting name, unique over the whole graph.
    #[serde(with = "names::one")]
    pub uid: Arc<str>,
    /// Labels beside its vertex, in any order.
    #[serde(with = "names::list")]
    pub labels: Vec<N>,
    /// Properties, `name` among them and `uid` not, in any order, each at most once.
    #[serde(with = "names::pairs")]
    pub properties: Vec<(N, Value)>,
}

/// One edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "N: Name", deserialize = "N: Name"))]
pub struct EdgeRow<N = &'static str> {
    /// `uid` of its source.
    #[serde(with = "names::one")]
    pub src: Arc<str>,
    /// `uid` of its target.
    #[serde(with = "names::one")]
    pub dst: Arc<str>,
    /// Properties in any order, each at most once.
    #[serde(with = "names::pairs")]
    pub properties: Vec<(N, Value)>,
}

/// Why rows are no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// Two nodes have one uid.
    #[error("uid `{uid}` belongs to two nodes, one of label {first} and one of label {second}")]
    DuplicateUid {
        /// The uid.
        uid: String,
        /// Label of the one.
        first: String,
        /// Label of the other.
        second: String,
    },
    /// An edge ends at a node that is not there.
    #[error("an edge {relation} ends at `{uid}`, which is no node of this graph")]
    UnknownEnd {
        /// Relation of the edge.
        relation: String,
        /// The uid nobody has.
        uid: String,
    },
    /// Two properties of one row have one column name.
    #[error("{owner} has two columns named `{column}`")]
    ColumnTwice {
        /// Label or relation.
        owner: String,
        /// The name.
        column: String,
    },
}

impl Diagnose for AssembleError {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::DuplicateUid { .. } => Some(
                "`sonograph doctor` names such nodes of a graph with their ids, and a way out".to_owned(),
            ),
            Self::UnknownEnd { .. } | Self::ColumnTwice { .. } => None,
        }
    }
}

/// Builds the canonical [`Tables`] of a graph.
///
/// `nodes` by vertex label, `edges` by relation; empty ones give no table. Columns are typed as the ontology declares
/// them; what is undeclared, or declared and held otherwise by a single row, is typed by its values, and as text
/// (JSON) where these differ. Columns stand in declared order, undeclared ones after them by name; columns that
/// nobody fills are left out, `name` alone always stands. Cost: O((n + m) log) time, twice the rows in memory.
pub fn assemble<N: AsRef<str>>(
    nodes: BTreeMap<String, Vec<NodeRow<N>>>,
    edges: BTreeMap<String, Vec<EdgeRow<N>>>,
) -> Result<Tables, AssembleError> {
    assemble_as(nodes, edges, of_label, of_relation)
}

/// The properties that the ontology declares of a label.
pub(super) fn of_label(label: &str) -> Vec<Property> {
    Label::from_str(label).map(|l| l.properties().collect()).unwrap_or_default()
}

/// The properties that the ontology declares of a relation; the time of one it does not know is read as every other's.
pub(super) fn of_relation(relation: &str) -> Vec<Property> {
    let time = || vec![Property { name: TIMESTAMP, kind: PropertyKind::Instant }];
    Relation::from_str(relation).map_or_else(|_| time(), |r| r.properties().to_vec())
}

/// [`assemble`], with properties declared by somebody else than the ontology: of a label, and of a relation.
pub fn assemble_as<N: AsRef<str>>(
    nodes: BTreeMap<String, Vec<NodeRow<N>>>,
    edges: BTreeMap<String, Vec<EdgeRow<N>>>,
    of_label: impl Fn(&str) -> Vec<Property>,
    of_relation: impl Fn(&str) -> Vec<Property>,
) -> Result<Tables, AssembleError> {
    let mut tables = Tables::default();
    let mut dense: HashMap<Arc<str>, i64> = HashMap::with_capacity(nodes.values().map(Vec::len).sum());
    let mut starts: Vec<(i64, String)> = Vec::new();
    for (label, mut rows) in nodes {
        if rows.is_empty() {
            continue;
        }
        rows.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        starts.push((dense.len() as i64, label.clone()));
        let first = dense.len() as i64;
        for (row, node) in rows.iter().zip(first..) {
            if let Some(other) = dense.insert(Arc::clone(&row.uid), node) {
                let home = starts.iter().rev().find(|(start, _)| *start <= other).map_or(&label, |(_, l)| l);
                return Err(AssembleError::DuplicateUid {
                    uid: row.uid.to_string(),
                    first: home.clone(),
                    second: label,
                });
            }
        }
        let frame = node_frame(&label, first, rows, &of_label(&label))?;
        tables.nodes.insert(label, frame);
    }
    for (relation, rows) in edges {
        if !rows.is_empty() {
            let frame = edge_frame(&relation, rows, &dense, &of_relation(&relation))?;
            tables.edges.insert(relation, frame);
        }
    }
    Ok(tables)
}

fn node_frame<N: AsRef<str>>(
    label: &str,
    first: i64,
    rows: Vec<NodeRow<N>>,
    declared: &[Property],
) -> Result<DataFrame, AssembleError> {
    let height = rows.len();
    let mut uids = Vec::with_capacity(height);
    let mut labels = Vec::with_capacity(height);
    let mut sheet = Sheet::new(height);
    for (at, row) in rows.into_iter().enumerate() {
        let mut further: Vec<String> = row.labels.iter().map(|l| l.as_ref().to_owned()).collect();
        further.sort_unstable();
        further.dedup();
        labels.push(further);
        uids.push(row.uid);
        sheet.put(at, row.properties);
    }
    let mut typed = sheet.typed(declared);
    let name = match typed.iter().position(|(name, _)| name == NAME) {
        Some(at) => typed.remove(at).1,
        None => Cells::Text(vec![None; height]),
    };
    let mut columns =
        vec![ints(NODE, (first..).take(height).collect()), texts(UID, uids.iter().map(|u| Some(u.as_ref())))];
    columns.extend(name.into_columns(NAME));
    if labels.iter().any(|l| !l.is_empty()) {
        columns.push(label_lists(LABELS, &labels));
    }
    for (name, cells) in typed {
        columns.extend(cells.into_columns(&name));
    }
    frame(label, height, columns)
}

fn edge_frame<N: AsRef<str>>(
    relation: &str,
    rows: Vec<EdgeRow<N>>,
    dense: &HashMap<Arc<str>, i64>,
    declared: &[Property],
) -> Result<DataFrame, AssembleError> {
    let height = rows.len();
    let mut ends = Vec::with_capacity(height);
    let mut sheet = Sheet::new(height);
    for (at, row) in rows.into_iter().enumerate() {
        let end = |uid: &Arc<str>| {
            dense.get(uid).copied().ok_or_else(|| AssembleError::UnknownEnd {
                relation: relation.to_owned(),
                uid: uid.to_string(),
            })
        };
        ends.push((end(&row.src)?, end(&row.dst)?));
        sheet.put(at, row.properties);
    }
    let typed = sheet.typed(declared);
    let mut order: Vec<usize> = (0..height).collect();
    order.sort_unstable_by(|&a, &b| {
        typed
            .iter()
            .fold(ends[a].cmp(&ends[b]), |so_far, (_, cells)| so_far.then_with(|| cells.compare(a, b)))
    });
    let mut columns = vec![
        ints(SRC, order.iter().map(|&row| ends[row].0).collect()),
        ints(DST, order.iter().map(|&row| ends[row].1).collect()),
    ];
    for (name, cells) in typed {
        columns.extend(cells.take(&order).into_columns(&name));
    }
    frame(relation, height, columns)
}

pub(super) fn frame(owner: &str, height: usize, columns: Vec<Column>) -> Result<DataFrame, AssembleError> {
    let mut names: Vec<&str> = columns.iter().map(|c| c.name().as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(AssembleError::ColumnTwice { owner: owner.to_owned(), column: twice[0].to_owned() });
    }
    Ok(DataFrame::new(height, columns).expect("columns of one height with distinct names make a frame"))
}

/// Property values by name before their columns are typed.
struct Sheet {
    height: usize,
    columns: BTreeMap<String, Vec<Option<Value>>>,
}

impl Sheet {
    fn new(height: usize) -> Self {
        Self { height, columns: BTreeMap::new() }
    }

    fn put<N: AsRef<str>>(&mut self, row: usize, properties: Vec<(N, Value)>) {
        for (name, value) in properties {
            let name = name.as_ref();
            if let Some(column) = self.columns.get_mut(name) {
                column[row] = Some(value);
            } else {
                let mut column = vec![None; self.height];
                column[row] = Some(value);
                self.columns.insert(name.to_owned(), column);
            }
        }
    }

    /// Columns in the order they stand: declared ones first, the others by name.
    fn typed(mut self, declared: &[Property]) -> Vec<(String, Cells)> {
        let mut typed = Vec::with_capacity(self.columns.len());
        for property in declared {
            if let Some((name, values)) = self.columns.remove_entry(property.name) {
                typed.push((name, Cells::of(values, Some(property.kind))));
            }
        }
        typed.extend(self.columns.into_iter().map(|(name, values)| (name, Cells::of(values, None))));
        typed
    }
}

/// Orders what may be missing: missing first.
pub(super) fn missing_first<T>(
    a: Option<&T>,
    b: Option<&T>,
    order: impl FnOnce(&T, &T) -> Ordering,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{DataType, TimeUnit};

    fn person(uid: &str, properties: Vec<(&'static str, Value)>) -> NodeRow {
        NodeRow { uid: uid.into(), labels: Vec::new(), properties }
    }

    fn edge(src: &str, dst: &str, properties: Vec<(&'static str, Value)>) -> EdgeRow {
        EdgeRow { src: src.into(), dst: dst.into(), properties }
    }

    fn text(t: &str) -> Value {
        Value::Text(t.into())
    }

    fn of(people: Vec<NodeRow>, follows: Vec<EdgeRow>) -> Result<Tables, AssembleError> {
        assemble(
            BTreeMap::from([("Person".to_owned(), people)]),
            BTreeMap::from([("FOLLOWS".to_owned(), follows)]),
        )
    }

    #[test]
    fn rows_in_any_order_give_the_same_tables() {
        let people = vec![
            person("b", vec![("name", text("Bo")), ("gen", Value::Integer(1))]),
            NodeRow { uid: "a".into(), labels: vec!["Fan", "Artist"], properties: vec![] },
        ];
        let follows = vec![
            edge("b", "a", vec![("timestamp", Value::Instant(2))]),
            edge("b", "a", vec![("timestamp", Value::Instant(1))]),
            edge("a", "b", vec![]),
        ];
        let one = of(people.clone(), follows.clone()).expect("a graph");
        let other =
            of(people.into_iter().rev().collect(), follows.into_iter().rev().collect()).expect("a graph");
        for (a, b) in
            one.nodes.values().chain(one.edges.values()).zip(other.nodes.values().chain(other.edges.values()))
        {
            assert!(a.equals_missing(b), "{a} differs from {b}");
        }
        let people = &one.nodes["Person"];
        assert_eq!(people.get_column_names(), ["node", "uid", "name", "labels", "gen"]);
        assert_eq!(
            *one.edges["FOLLOWS"].column("timestamp").expect("typed").dtype(),
            DataType::Datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC))
        );
        let at = one.edges["FOLLOWS"]
            .column("timestamp")
            .expect("there")
            .cast(&DataType::Int64)
            .expect("an integer");
        assert_eq!(at.i64().expect("integers").iter().collect::<Vec<_>>(), [None, Some(1000), Some(2000)]);
    }

    #[test]
    fn a_column_nobody_fills_is_left_out_but_the_name_stands() {
        let tables = of(vec![person("a", vec![])], vec![]).expect("a graph");
        assert_eq!(tables.nodes["Person"].get_column_names(), ["node", "uid", "name"]);
        assert!(tables.edges.is_empty());
    }

    #[test]
    fn values_that_differ_from_their_declaration_are_kept() {
        let tables = of(
            vec![
                person("a", vec![("gen", text("x")), ("name", text("A"))]),
                person("b", vec![("gen", Value::Integer(3))]),
            ],
            vec![],
        )
        .expect("a graph");
        let gen_ = tables.nodes["Person"].column("gen").expect("kept");
        assert_eq!(gen_.str().expect("as text").iter().collect::<Vec<_>>(), [Some("\"x\""), Some("3")]);
    }

    #[test]
    fn floats_and_points_are_what_a_graph_server_returns() {
        let tables = assemble(
            BTreeMap::from([(
                "Venue".to_owned(),
                vec![NodeRow {
                    uid: "v".into(),
                    labels: vec![],
                    properties: vec![
                        ("score", Value::Float(0.123_456_789_012_345_67)),
                        ("location", Value::Point { latitude: 52.520_006_6, longitude: 13.404_954 }),
                    ],
                }],
            )]),
            BTreeMap::new(),
        )
        .expect("a graph");
        let get = |name: &str| tables.nodes["Venue"].column(name).expect(name).f64().expect("floats").get(0);
        assert_eq!(get("score"), Some(0.123_456_789_012_346));
        assert_eq!(get("location_latitude"), Some(52.520_008_087_158_2));
    }

    #[test]
    fn a_uid_twice_and_an_unknown_end_are_refused() {
        let twice = of(vec![person("a", vec![]), person("a", vec![])], vec![]).expect_err("twice");
        assert_eq!(
            twice,
            AssembleError::DuplicateUid { uid: "a".into(), first: "Person".into(), second: "Person".into() }
        );
        let lost = of(vec![person("a", vec![])], vec![edge("a", "z", vec![])]).expect_err("lost");
        assert_eq!(lost, AssembleError::UnknownEnd { relation: "FOLLOWS".into(), uid: "z".into() });
    }
}
