//! Data points and their edges, as Cognee wrote them → tables.
//!
//! Pure: the same rows in any order give the same tables. Cognee writes some edges before their nodes, so that a node
//! without label and with an id alone is left, and then the real node beside it: both have one id and are one data point.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::ontology::{Property, PropertyKind, Value};
use crate::snapshot::tables::assemble::{AssembleError, EdgeRow, NodeRow, assemble_as};
use crate::snapshot::tables::{DST, LABELS, NODE, SRC, Tables, UID};
use crate::sources::falkordb::CypherValue;

/// Label of a node that has none.
pub const STUB: &str = "Stub";

/// A node as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPoint {
    /// The server's id.
    pub internal: u64,
    /// Its labels: the class, or nothing.
    pub labels: Vec<String>,
    /// Properties by name; the empty map stands for a vector that was not fetched.
    pub properties: Vec<(String, CypherValue)>,
}

/// An edge as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The server's id of its source, and the `id` it has now.
    pub src: (u64, CypherValue),
    /// The same of its target.
    pub dst: (u64, CypherValue),
    /// Its type: the relation's name made ASCII.
    pub kind: String,
    /// Properties by name.
    pub properties: Vec<(String, CypherValue)>,
}

/// A Cognee graph as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Its nodes.
    pub nodes: Vec<DataPoint>,
    /// Its edges.
    pub edges: Vec<Link>,
}

/// What was found on the way into the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Nodes without label, by themselves in the tables.
    pub stubs: u64,
    /// Nodes without label that have the id of another node and are one with it.
    pub folded: u64,
    /// Nodes without id, named `<graph>:<internal id>`.
    pub nameless: u64,
    /// Labelled nodes with the id of another labelled node, named `<graph>:<internal id>`; their `id` stays a property.
    pub twins: u64,
    /// Texts that should be JSON and are not; they stay texts.
    pub broken_json: u64,
    /// Values of `created_at` and `updated_at` that are no time; they are left out.
    pub odd_times: u64,
    /// Edges with an end that was not read, or is another node by now; they are left out.
    pub lost: u64,
    /// Vectors by the name of their property; they were not fetched.
    pub vectors: BTreeMap<String, u64>,
}

impl Memory {
    /// The tables: nodes by class, edges by `relationship_name`, `uid` = Cognee's id.
    pub fn tables(mut self, graph: &str) -> Result<(Tables, Census), AssembleError> {
        let mut census = Census::default();
        self.nodes.sort_unstable_by_key(|node| node.internal);
        let ids: HashMap<u64, Option<String>> = self.nodes.iter().map(|n| (n.internal, n.id())).collect();
        let named = Named::of(self.nodes, graph, &mut census);

        let mut nodes: BTreeMap<String, Vec<NodeRow<String>>> = BTreeMap::new();
        for (uid, node) in named.nodes {
            let (label, labels) = node.vertex();
            census.stubs += u64::from(node.labels.is_empty());
            let properties = census.held(node.properties, &uid, [NODE, UID, LABELS]);
            nodes.entry(label).or_default().push(NodeRow { uid, labels, properties });
        }

        let mut edges: BTreeMap<String, Vec<EdgeRow<String>>> = BTreeMap::new();
        for link in self.edges {
            let end = |(internal, id): &(u64, CypherValue)| {
                let same = ids.get(internal)?.as_deref() == id_text(id).as_deref();
                if same { named.uids.get(internal).cloned() } else { None }
            };
            let (Some(src), Some(dst)) = (end(&link.src), end(&link.dst)) else {
                census.lost += 1;
                continue;
            };
            let mut properties = census.held(link.properties, "", [SRC, DST, UID]);
            // The type is the name made ASCII, so the name is taken from the property.
            let said = properties.iter().find_map(|(name, value)| match value {
                Value::Text(text) if name == RELATIONSHIP_NAME && !text.is_empty() => Some(text.clone()),
                _ => None,
            });
            let relation = said.unwrap_or_else(|| {
                properties.retain(|(name, _)| name != RELATIONSHIP_NAME);
                properties.push((RELATIONSHIP_NAME.to_owned(), Value::Text(link.kind.clone())));
                link.kind
            });
            edges.entry(relation).or_default().push(EdgeRow { src, dst, properties });
        }
        let tables = assemble_as(nodes, edges, |_| declared(), |_| declared())?;
        Ok((tables, census))
    }
}

const RELATIONSHIP_NAME: &str = "relationship_name";

/// What Cognee's own properties hold, of nodes and edges alike.
fn declared() -> Vec<Property> {
    use PropertyKind::{Instant, Text, TextList};
    let kinds = [
        ("name", Text),
        ("type", Text),
        ("description", Text),
        ("text", Text),
        (RELATIONSHIP_NAME, Text),
        ("belongs_to_set", TextList),
        ("metadata", Text),
        ("created_at", Instant),
        ("updated_at", Instant),
    ];
    kinds.map(|(name, kind)| Property { name, kind }).to_vec()
}

impl DataPoint {
    fn id(&self) -> Option<String> {
        self.properties.iter().find(|(name, _)| name == "id").and_then(|(_, value)| id_text(value))
    }

    /// The label it stands under, and the further ones: its class is what its `type` says, else the first by name.
    fn vertex(&self) -> (String, Vec<String>) {
        let mut labels = self.labels.clone();
        labels.sort_unstable();
        let said = self.properties.iter().find(|(name, _)| name == "type").and_then(|(_, v)| v.as_text());
        let class = labels.iter().position(|label| Some(label.as_str()) == said).unwrap_or(0);
        if labels.is_empty() { (STUB.to_owned(), labels) } else { (labels.remove(class), labels) }
    }
}

/// An id as text; `None` where it is missing or could be none.
fn id_text(value: &CypherValue) -> Option<String> {
    match value {
        CypherValue::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        CypherValue::Int(n) => Some(n.to_string()),
        _ => None,
    }
}

/// Nodes with their uids.
struct Named {
    nodes: Vec<(Arc<str>, DataPoint)>,
    /// Internal id → uid, of folded nodes, too.
    uids: HashMap<u64, Arc<str>>,
}

impl Named {
    /// Names nodes that come by rising internal id.
    fn of(nodes: Vec<DataPoint>, graph: &str, census: &mut Census) -> Self {
        let mut keepers: HashMap<String, usize> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            if let Some(id) = node.id() {
                let keeper = keepers.entry(id).or_insert(at);
                if nodes[*keeper].labels.is_empty() && !node.labels.is_empty() {
                    *keeper = at;
                }
            }
        }
        let mut taken: HashSet<String> = keepers.keys().cloned().collect();
        let mut named: Vec<(Arc<str>, DataPoint)> = Vec::with_capacity(nodes.len());
        let mut uids = HashMap::with_capacity(nodes.len());
        let (mut folded, mut places) = (Vec::new(), HashMap::new());
        for (at, node) in nodes.into_iter().enumerate() {
            let id = node.id();
            let keeper = id.as_ref().map(|id| keepers[id]);
            if keeper.is_some_and(|keeper| keeper != at) && node.labels.is_empty() {
                folded.push((keeper, node));
                continue;
            }
            let uid: Arc<str> = match id {
                Some(id) if keeper == Some(at) => id.into(),
                id => {
                    *(if id.is_some() { &mut census.twins } else { &mut census.nameless }) += 1;
                    let mut uid = format!("{graph}:{}", node.internal);
                    while !taken.insert(uid.clone()) {
                        uid.push('~');
                    }
                    uid.into()
                }
            };
            uids.insert(node.internal, Arc::clone(&uid));
            places.insert(at, named.len());
            named.push((uid, node));
        }
        census.folded = folded.len() as u64;
        for (keeper, node) in folded {
            let place = keeper.and_then(|keeper| places.get(&keeper)).expect("a keeper is not folded itself");
            let (uid, kept) = &mut named[*place];
            uids.insert(node.internal, Arc::clone(uid));
            for (name, value) in node.properties {
                if kept.properties.iter().all(|(held, _)| *held != name) {
                    kept.properties.push((name, value));
                }
            }
        }
        Self { nodes: named, uids }
    }
}

impl Census {
    /// The properties as they stand in a table; `reserved` are names of columns the table has for itself.
    fn held(
        &mut self,
        properties: Vec<(String, CypherValue)>,
        uid: &str,
        reserved: [&str; 3],
    ) -> Vec<(String, Value)> {
        let mut all = Vec::with_capacity(properties.len());
        for (mut name, value) in properties {
            if matches!(value, CypherValue::Map(_) | CypherValue::Vector(_)) {
                *self.vectors.entry(name).or_default() += 1;
                continue;
            }
            if name == "id" && id_text(&value).as_deref() == Some(uid) {
                continue;
            }
            if let Some(value) = self.value(&name, value) {
                if reserved.contains(&name.as_str()) {
                    name.push('_');
                }
                all.push((name, value));
            }
        }
        all
    }

    fn value(&mut self, name: &str, value: CypherValue) -> Option<Value> {
        match name {
            "created_at" | "updated_at" => {
                let time = instant(&value);
                self.odd_times += u64::from(time.is_none());
                time.map(Value::Instant)
            }
            "belongs_to_set" => {
                let CypherValue::Text(text) = value else { return list(value).map(Value::TextList) };
                let (items, whole) = listed(text);
                self.broken_json += u64::from(!whole);
                items.map(Value::TextList)
            }
            "metadata" => {
                let text = plain(value)?;
                let whole = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
                self.broken_json += u64::from(!whole);
                Some(Value::Text(text))
            }
            "id" | "name" | "type" | "description" | "text" | RELATIONSHIP_NAME => {
                plain(value).map(Value::Text)
            }
            _ => value.into_value(),
        }
    }
}

/// Epoch milliseconds: of a number of them, or of a date and time in UTC.
fn instant(value: &CypherValue) -> Option<i64> {
    let ms = match value {
        CypherValue::Int(ms) => *ms,
        CypherValue::Float(ms) if ms.fract() == 0.0 && ms.abs() < 1e15 => *ms as i64,
        CypherValue::Seconds(seconds) => seconds.checked_mul(1000)?,
        CypherValue::Text(text) => {
            let text = text.trim();
            let number = text.parse().ok();
            let stamp = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
            let civil = || {
                let at =
                    text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                Some(at.timestamp().as_millisecond())
            };
            number.or_else(stamp).or_else(civil)?
        }
        _ => return None,
    };
    jiff::Timestamp::from_millisecond(ms).is_ok().then_some(ms)
}

/// A scalar as text, a list as JSON.
fn plain(value: CypherValue) -> Option<String> {
    match value {
        CypherValue::Text(text) => Some(text),
        CypherValue::Int(n) | CypherValue::Seconds(n) => Some(n.to_string()),
        CypherValue::Float(x) => Some(x.to_string()),
        CypherValue::Bool(b) => Some(b.to_string()),
        list @ CypherValue::List(_) => {
            let CypherValue::List(items) = list else { return None };
            let items: Vec<String> = items.into_iter().filter_map(plain).collect();
            Some(serde_json::Value::from(items).to_string())
        }
        _ => None,
    }
}

/// A list of anything as one of texts.
fn list(value: CypherValue) -> Option<Vec<String>> {
    match value {
        CypherValue::List(items) => Some(items.into_iter().filter_map(plain).collect()),
        other => plain(other).map(|one| vec![one]),
    }
}

/// The list that a JSON text holds, and whether it is JSON; another text is a list of itself.
fn listed(text: String) -> (Option<Vec<String>>, bool) {
    let name = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Object(fields) => {
            let named = ["name", "id"].iter().find_map(|key| fields.get(*key)?.as_str().map(str::to_owned));
            named.unwrap_or_else(|| serde_json::Value::Object(fields).to_string())
        }
        other => other.to_string(),
    };
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::Null) => (None, true),
        Ok(serde_json::Value::Array(items)) => (Some(items.into_iter().map(name).collect()), true),
        Ok(other) => (Some(vec![name(other)]), true),
        Err(_) if text.trim().is_empty() => (None, true),
        Err(_) => (Some(vec![text]), false),
    }
}

#[cfg(test)]
#[path = "datapoints_tests.rs"]
mod tests;
