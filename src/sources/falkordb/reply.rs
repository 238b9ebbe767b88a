//! Compact replies → values. The numbers that stand for labels, properties and relations are looked up in [`Names`].

use std::sync::Arc;

use redis::Value as Wire;

use crate::ontology::Value;

/// A value in a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum CypherValue {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double; the server prints 15 significant digits of it.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<CypherValue>),
    /// A map in the server's order.
    Map(Vec<(String, CypherValue)>),
    /// A node.
    Node(Node),
    /// An edge.
    Edge(Edge),
    /// A point in degrees, of single precision.
    Point {
        /// North positive.
        latitude: f64,
        /// East positive.
        longitude: f64,
    },
    /// A vector of single precision.
    Vector(Vec<f64>),
    /// A date, time, instant or duration without zone: seconds since 1970, of the day in 1900, or long.
    Seconds(i64),
    /// A path: its nodes and its edges.
    Path(Vec<Node>, Vec<Edge>),
}

/// A node in a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Internal id; given to another node once this one is deleted.
    pub id: u64,
    /// Labels in the server's order.
    pub labels: Vec<Arc<str>>,
    /// Properties in the server's order.
    pub properties: Vec<(Arc<str>, CypherValue)>,
}

/// An edge in a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Internal id; given to another edge once this one is deleted.
    pub id: u64,
    /// Its relation.
    pub relation: Arc<str>,
    /// Internal id of its source.
    pub src: u64,
    /// Internal id of its target.
    pub dst: u64,
    /// Properties in the server's order.
    pub properties: Vec<(Arc<str>, CypherValue)>,
}

impl CypherValue {
    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The integer, where it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    /// The number, where it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Int(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// The property value, where it can be one: no node, edge, path or map.
    ///
    /// Vectors become lists of numbers and temporal values their seconds.
    pub fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Bool(b) => Value::Boolean(b),
            Self::Int(n) | Self::Seconds(n) => Value::Integer(n),
            Self::Float(x) => Value::Float(x),
            Self::Text(text) => Value::Text(text),
            Self::Point { latitude, longitude } => Value::Point { latitude, longitude },
            Self::Vector(items) => Value::List(items.into_iter().map(Value::Float).collect()),
            Self::List(items) if items.iter().all(|i| matches!(i, Self::Text(_))) => Value::TextList(
                items
                    .into_iter()
                    .filter_map(|i| if let Self::Text(t) = i { Some(t) } else { None })
                    .collect(),
            ),
            Self::List(items) => Value::List(items.into_iter().map(Self::into_value).collect::<Option<_>>()?),
            Self::Null | Self::Map(_) | Self::Node(_) | Self::Edge(_) | Self::Path(..) => return None,
        })
    }
}

/// What a query answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// Column names.
    pub header: Vec<String>,
    /// Rows of as many values as there are columns.
    pub rows: Vec<Vec<CypherValue>>,
    /// What the server says it did.
    pub stats: Stats,
}

impl Reply {
    /// The first value of the first row as an integer: the answer of a `RETURN count(…)`.
    pub fn count(&self) -> Option<u64> {
        u64::try_from(self.rows.first()?.first()?.as_int()?).ok()
    }

    /// The first value of every row, where these are texts.
    pub(super) fn texts(&self) -> Option<Vec<Arc<str>>> {
        self.rows.iter().map(|row| row.first()?.as_text().map(Arc::from)).collect()
    }
}

/// What the server says it did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Nodes created.
    pub nodes_created: u64,
    /// Nodes deleted.
    pub nodes_deleted: u64,
    /// Edges created.
    pub edges_created: u64,
    /// Edges deleted.
    pub edges_deleted: u64,
    /// Properties set to another value than they had; writing the same value again does not count.
    pub properties_set: u64,
    /// Properties removed; version 4.22 counts a changed one here, too.
    pub properties_removed: u64,
    /// Time the server spent, in milliseconds.
    pub milliseconds: f64,
}

/// The names behind the numbers of compact replies, by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::sources) struct Names {
    pub(in crate::sources) labels: Vec<Arc<str>>,
    pub(in crate::sources) properties: Vec<Arc<str>>,
    pub(in crate::sources) relations: Vec<Arc<str>>,
}

impl Names {
    /// Whether `later` only adds names to these.
    pub(in crate::sources) fn are_start_of(&self, later: &Self) -> bool {
        later.labels.starts_with(&self.labels)
            && later.properties.starts_with(&self.properties)
            && later.relations.starts_with(&self.relations)
    }
}

/// Why a reply could not be decoded.
#[derive(Debug, PartialEq)]
pub(super) enum Undecoded {
    /// A number stands for a name that came later than [`Names`].
    Name,
    /// The server broke off with an error.
    Failed(String),
    /// It is not shaped as the protocol says.
    Shape(String),
}

fn shape<T>(reason: &str, wire: &Wire) -> Result<T, Undecoded> {
    let kind = match wire {
        Wire::Nil => "nothing",
        Wire::Int(_) => "an integer",
        Wire::BulkString(_) | Wire::SimpleString(_) => "a text",
        Wire::Array(_) => "an array",
        Wire::ServerError(error) => {
            return Err(Undecoded::Failed(error.details().unwrap_or(error.code()).to_owned()));
        }
        _ => "something else",
    };
    Err(Undecoded::Shape(format!("expected {reason}, got {kind}")))
}

/// Decodes a compact reply: `[header, rows, statistics]`, or `[statistics]` of a query that returns nothing.
pub(super) fn decode(wire: &Wire, names: &Names) -> Result<Reply, Undecoded> {
    let mut reply = Reply::default();
    let (result, statistics) = match array(wire)? {
        [statistics] => (None, statistics),
        [header, rows, statistics] => (Some((header, rows)), statistics),
        _ => return shape("header, rows and statistics", wire),
    };
    if let Some((header, rows)) = result {
        for column in array(header)? {
            let [_, name] = array(column)? else { return shape("a column's type and name", column) };
            reply.header.push(text(name)?);
        }
        for row in array(rows)? {
            let cells = array(row)?;
            if cells.len() != reply.header.len() {
                return shape("as many values as columns", row);
            }
            reply.rows.push(cells.iter().map(|cell| value(cell, names)).collect::<Result<_, _>>()?);
        }
    }
    for line in array(statistics)? {
        reply.stats.read(&text(line)?);
    }
    Ok(reply)
}

impl Stats {
    pub(super) fn read(&mut self, line: &str) {
        let Some((what, number)) = line.split_once(": ") else { return };
        let number = number.split(' ').next().unwrap_or_default();
        if what == "Query internal execution time" {
            self.milliseconds = number.parse().unwrap_or_default();
            return;
        }
        let counter = match what {
            "Nodes created" => &mut self.nodes_created,
            "Nodes deleted" => &mut self.nodes_deleted,
            "Relationships created" => &mut self.edges_created,
            "Relationships deleted" => &mut self.edges_deleted,
            "Properties set" => &mut self.properties_set,
            "Properties removed" => &mut self.properties_removed,
            _ => return,
        };
        *counter = number.parse().unwrap_or_default();
    }
}

fn array(wire: &Wire) -> Result<&[Wire], Undecoded> {
    if let Wire::Array(items) = wire { Ok(items) } else { shape("an array", wire) }
}

fn text(wire: &Wire) -> Result<String, Undecoded> {
    match wire {
        // The server stores bytes; what is not UTF-8 cannot have come from a text of ours.
        Wire::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Wire::SimpleString(text) => Ok(text.clone()),
        Wire::Okay => Ok("OK".to_owned()),
        Wire::Int(n) => Ok(n.to_string()),
        other => shape("a text", other),
    }
}

fn int(wire: &Wire) -> Result<i64, Undecoded> {
    if let Wire::Int(n) = wire { Ok(*n) } else { shape("an integer", wire) }
}

fn id(wire: &Wire) -> Result<u64, Undecoded> {
    u64::try_from(int(wire)?).or_else(|_| shape("an id", wire))
}

fn float(wire: &Wire) -> Result<f64, Undecoded> {
    number(&text(wire)?).map_or_else(|| shape("a number", wire), Ok)
}

/// A double as the server prints it.
pub(super) fn number(said: &str) -> Option<f64> {
    match said.parse::<f64>() {
        // Fifteen digits of the largest doubles are above the largest double.
        Ok(x) if x.is_infinite() && !said.contains("inf") => Some(f64::MAX.copysign(x)),
        Ok(x) if x.is_nan() => Some(f64::NAN),
        Ok(x) => Some(x),
        Err(_) if said.trim_start_matches('-') == "nan" => Some(f64::NAN),
        Err(_) => None,
    }
}

fn name(list: &[Arc<str>], wire: &Wire) -> Result<Arc<str>, Undecoded> {
    let at = usize::try_from(int(wire)?).or_else(|_| shape("the number of a name", wire))?;
    list.get(at).cloned().ok_or(Undecoded::Name)
}

fn value(wire: &Wire, names: &Names) -> Result<CypherValue, Undecoded> {
    let [kind, held] = array(wire)? else { return shape("a type and a value", wire) };
    typed(kind, held, names)
}

pub(super) fn typed(kind: &Wire, held: &Wire, names: &Names) -> Result<CypherValue, Undecoded> {
    Ok(match int(kind)? {
        1 => CypherValue::Null,
        2 => CypherValue::Text(text(held)?),
        3 => CypherValue::Int(int(held)?),
        4 => CypherValue::Bool(match held {
            Wire::Boolean(b) => *b,
            other => text(other)? == "true",
        }),
        5 => CypherValue::Float(float(held)?),
        6 => CypherValue::List(array(held)?.iter().map(|item| value(item, names)).collect::<Result<_, _>>()?),
        7 => CypherValue::Edge(edge(held, names)?),
        8 => CypherValue::Node(node(held, names)?),
        9 => path(held, names)?,
        10 => {
            let entries = array(held)?.chunks_exact(2);
            CypherValue::Map(
                entries
                    .map(|pair| Ok((text(&pair[0])?, value(&pair[1], names)?)))
                    .collect::<Result<_, _>>()?,
            )
        }
        11 => {
            let [latitude, longitude] = array(held)? else { return shape("latitude and longitude", held) };
            CypherValue::Point { latitude: float(latitude)?, longitude: float(longitude)? }
        }
        12 => CypherValue::Vector(array(held)?.iter().map(float).collect::<Result<_, _>>()?),
        13..=16 => CypherValue::Seconds(int(held)?),
        kind => return Err(Undecoded::Shape(format!("values of type {kind} are not known"))),
    })
}

fn properties(wire: &Wire, names: &Names) -> Result<Vec<(Arc<str>, CypherValue)>, Undecoded> {
    array(wire)?
        .iter()
        .map(|property| {
            let [key, kind, held] = array(property)? else {
                return shape("a property's name, type and value", property);
            };
            Ok((name(&names.properties, key)?, typed(kind, held, names)?))
        })
        .collect()
}

fn node(wire: &Wire, names: &Names) -> Result<Node, Undecoded> {
    let [number, labels, held] = array(wire)? else { return shape("a node", wire) };
    Ok(Node {
        id: id(number)?,
        labels: array(labels)?.iter().map(|l| name(&names.labels, l)).collect::<Result<_, _>>()?,
        properties: properties(held, names)?,
    })
}

fn edge(wire: &Wire, names: &Names) -> Result<Edge, Undecoded> {
    let [number, relation, src, dst, held] = array(wire)? else { return shape("an edge", wire) };
    Ok(Edge {
        id: id(number)?,
        relation: name(&names.relations, relation)?,
        src: id(src)?,
        dst: id(dst)?,
        properties: properties(held, names)?,
    })
}

fn path(wire: &Wire, names: &Names) -> Result<CypherValue, Undecoded> {
    let [nodes, edges] = array(wire)? else { return shape("a path's nodes and edges", wire) };
    let (CypherValue::List(nodes), CypherValue::List(edges)) = (value(nodes, names)?, value(edges, names)?)
    else {
        return shape("a path's nodes and edges", wire);
    };
    Ok(CypherValue::Path(
        nodes.into_iter().filter_map(|n| if let CypherValue::Node(n) = n { Some(n) } else { None }).collect(),
        edges.into_iter().filter_map(|e| if let CypherValue::Edge(e) = e { Some(e) } else { None }).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Wire {
        Wire::BulkString(text.as_bytes().to_vec())
    }

    fn reply(cell: Wire) -> Wire {
        Wire::Array(vec![
            Wire::Array(vec![Wire::Array(vec![Wire::Int(1), bulk("n")])]),
            Wire::Array(vec![Wire::Array(vec![cell])]),
            Wire::Array(vec![
                bulk("Properties set: 3"),
                bulk("Query internal execution time: 0.25 milliseconds"),
            ]),
        ])
    }

    #[test]
    fn a_name_that_came_later_is_asked_for() {
        let node = Wire::Array(vec![Wire::Int(7), Wire::Array(vec![Wire::Int(0)]), Wire::Array(vec![])]);
        let wire = reply(Wire::Array(vec![Wire::Int(8), node]));
        assert_eq!(decode(&wire, &Names::default()), Err(Undecoded::Name));
        let names = Names { labels: vec!["Person".into()], ..Names::default() };
        let decoded = decode(&wire, &names).expect("known by now");
        let node = Node { id: 7, labels: vec!["Person".into()], properties: vec![] };
        assert_eq!(decoded.rows, [[CypherValue::Node(node)]]);
        assert_eq!((decoded.stats.properties_set, decoded.stats.milliseconds), (3, 0.25));
    }

    #[test]
    fn numbers_beyond_fifteen_digits_stay_finite() {
        let max = reply(Wire::Array(vec![Wire::Int(5), bulk("1.79769313486232e+308")]));
        assert_eq!(decode(&max, &Names::default()).expect("a number").rows, [[CypherValue::Float(f64::MAX)]]);
        let inf = reply(Wire::Array(vec![Wire::Int(5), bulk("-inf")]));
        assert_eq!(
            decode(&inf, &Names::default()).expect("a number").rows,
            [[CypherValue::Float(f64::NEG_INFINITY)]]
        );
    }

    #[test]
    fn answers_of_another_shape_are_errors_not_panics() {
        for wire in [
            Wire::Nil,
            bulk("x"),
            Wire::Array(vec![]),
            reply(Wire::Int(3)),
            reply(Wire::Array(vec![Wire::Int(8), bulk("x")])),
        ] {
            assert!(matches!(decode(&wire, &Names::default()), Err(Undecoded::Shape(_))), "{wire:?}");
        }
    }
}
