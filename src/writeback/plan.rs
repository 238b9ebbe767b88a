//! What a write-back would do, before it does it.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::{DataFrame, DataType};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{SCORE_AT, SCORE_RUN, Score, WritebackError, current};
use crate::context::Context;
use crate::ontology::{Label, Value};
use crate::snapshot::tables::{NODE, Tables, UID};
use crate::sources::falkordb::{Client, FALKORDB_IDS};
use crate::studies::findings::Scores;

/// Nodes a sample shows.
const SAMPLE: usize = 5;

/// What a write-back would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Key of the graph.
    pub graph: String,
    /// Names the scores, whatever the graph holds: equal for equal graph, nodes and values.
    pub digest: String,
    /// Properties that would be written, beside `score_run` and `score_at`.
    pub properties: Vec<String>,
    /// Nodes that would be written.
    pub set: u64,
    /// Nodes that hold all their scores already.
    pub unchanged: u64,
    /// Nodes that are gone since the snapshot.
    pub gone: u64,
    /// Nodes whose internal id belongs to another `uid` by now.
    pub changed_identity: u64,
    /// The same by label and property, with the ranges of old and new values.
    pub lines: Vec<Line>,
    /// The first few changes.
    pub sample: Vec<Sample>,
    /// The nodes that would be written, by internal id.
    #[serde(skip)]
    pub nodes: Vec<PlannedNode>,
}

/// One label and one property of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Vertex label.
    pub label: String,
    /// Property.
    pub property: String,
    /// Values that would be set or changed.
    pub set: u64,
    /// Values that stand already.
    pub unchanged: u64,
    /// Values whose node is gone since the snapshot.
    pub gone: u64,
    /// Values whose node's internal id belongs to another `uid` by now.
    pub changed_identity: u64,
    /// The new values, whether set or unchanged.
    pub new: Option<Range>,
    /// The numbers that stand there now.
    pub old: Option<Range>,
}

/// Least, mean and greatest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// Least.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Greatest.
    pub max: f64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Whose.
    pub uid: String,
    /// Vertex label.
    pub label: String,
    /// Which property.
    pub property: String,
    /// What stands there now, as JSON; `None`: nothing.
    pub before: Option<serde_json::Value>,
    /// What would be written.
    pub after: Score,
}

/// A node that would be written.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedNode {
    /// Internal id.
    pub id: u64,
    /// The guard.
    pub uid: String,
    /// Vertex label.
    pub label: String,
    /// Values in the order of the plan's properties; `None`: not scored, left as it is.
    pub after: Vec<Option<Score>>,
    /// What stands there now: the properties, then `score_run` and `score_at`; nothing where a node is not scored.
    pub before: Vec<Option<Value>>,
}

/// Compares scores with what the graph holds. Reads only.
///
/// `tables` is the snapshot the scores were computed on, with its `falkordb_ids`. Cost: one short read per scored
/// node, and one more per double that is to be replaced.
pub async fn plan(
    client: &mut Client,
    graph: &str,
    tables: &Tables,
    scores: &[Scores],
    cx: &Context,
) -> Result<Plan, WritebackError> {
    let (properties, scored) = gather(scores)?;
    let nodes = locate(tables, scored)?;
    let digest = digest(graph, &properties, &nodes);
    let read: Vec<&str> = properties.iter().map(String::as_str).chain([SCORE_RUN, SCORE_AT]).collect();
    let ids: Vec<u64> = nodes.iter().map(|n| n.id).collect();
    let found = current::read(client, graph, &ids, &read, cx).await?;

    let mut plan = Plan {
        graph: graph.to_owned(),
        digest,
        properties: properties.clone(),
        set: 0,
        unchanged: 0,
        gone: 0,
        changed_identity: 0,
        lines: Vec::new(),
        sample: Vec::new(),
        nodes: Vec::new(),
    };
    let mut tallies: BTreeMap<String, Vec<Tally>> = BTreeMap::new();
    for (mut node, found) in nodes.into_iter().zip(found) {
        let none = || vec![Tally::default(); properties.len()];
        let tally = tallies.entry(node.label.clone()).or_insert_with(none);
        let scored: Vec<(usize, Score)> =
            node.after.iter().enumerate().filter_map(|(at, score)| Some((at, (*score)?))).collect();
        let Some(now) = found else {
            plan.gone += 1;
            for (at, _) in scored {
                tally[at].gone += 1;
            }
            continue;
        };
        if now.uid.as_deref() != Some(&node.uid) {
            plan.changed_identity += 1;
            for (at, _) in scored {
                tally[at].changed_identity += 1;
            }
            continue;
        }
        let mut before = now.held;
        for (held, _) in before.iter_mut().zip(&node.after).filter(|(_, score)| score.is_none()) {
            // Not ours to touch, so not ours to put back.
            *held = None;
        }
        let mut changes = false;
        for &(at, score) in &scored {
            let held = before[at].as_ref();
            let tally = &mut tally[at];
            tally.new.push(score.as_f64());
            tally.old.extend(held.and_then(number));
            if score.is(held) {
                tally.unchanged += 1;
                continue;
            }
            changes = true;
            tally.set += 1;
            if plan.sample.len() < SAMPLE {
                plan.sample.push(Sample {
                    uid: node.uid.clone(),
                    label: node.label.clone(),
                    property: properties[at].clone(),
                    before: held.map(json),
                    after: score,
                });
            }
        }
        if !changes {
            plan.unchanged += 1;
            continue;
        }
        let ours = |at: usize| node.after.get(at).is_none_or(Option::is_some);
        if let Some((at, found)) = now.irreversible.into_iter().find(|(at, _)| ours(*at)) {
            return Err(WritebackError::Irreversible { uid: node.uid, property: read[at].to_owned(), found });
        }
        plan.set += 1;
        node.before = before;
        plan.nodes.push(node);
    }
    to_the_bit(client, graph, &read, &mut plan.nodes, cx).await?;
    plan.lines = tallies
        .iter()
        .flat_map(|(label, tally)| {
            tally.iter().zip(&properties).filter_map(|(t, property)| t.line(label, property))
        })
        .collect();
    Ok(plan)
}

/// Fetches the doubles that are to be replaced exactly, so that undo puts back the very bits.
async fn to_the_bit(
    client: &mut Client,
    graph: &str,
    properties: &[&str],
    nodes: &mut [PlannedNode],
    cx: &Context,
) -> Result<(), WritebackError> {
    let mut cells = Vec::new();
    let mut places = Vec::new();
    for (row, node) in nodes.iter().enumerate() {
        for (at, held) in node.before.iter().enumerate() {
            if let Some(Value::Float(printed)) = held {
                cells.push((node.id, properties[at], *printed));
                places.push((row, at));
            }
        }
    }
    current::exact(client, graph, &mut cells, cx).await?;
    for ((row, at), (_, _, exact)) in places.into_iter().zip(cells) {
        nodes[row].before[at] = Some(Value::Float(exact));
    }
    Ok(())
}

/// Scores by uid: label, and values in the order of the properties.
type Scored = BTreeMap<String, (String, Vec<Option<Score>>)>;

/// All tables of scores as one: the properties, and the values by uid.
fn gather(scores: &[Scores]) -> Result<(Vec<String>, Scored), WritebackError> {
    let mut properties: Vec<String> = Vec::new();
    let mut scored = Scored::new();
    let wrong = |reason: String| WritebackError::Scores { reason };
    for table in scores {
        let frame = &table.frame;
        let text = |name: &str| {
            let column = frame.column(name).and_then(|c| c.str().cloned());
            column.map_err(|_| wrong(format!("there is no text column `{name}`")))
        };
        let (uids, labels) = (text(UID)?, text("label")?);
        let first = properties.len();
        for column in frame.columns().iter().filter(|c| ![UID, "label"].contains(&c.name().as_str())) {
            let name = column.name().as_str();
            let taken = Label::ALL.iter().any(|label| label.properties().any(|p| p.name == name));
            if taken || [SCORE_RUN, SCORE_AT].contains(&name) {
                return Err(wrong(format!("`{name}` is a property of the graph itself")));
            }
            if properties.iter().any(|p| p == name) {
                return Err(wrong(format!("two tables hold `{name}`")));
            }
            properties.push(name.to_owned());
        }
        let cells =
            properties[first..].iter().map(|name| cells(frame, name)).collect::<Result<Vec<_>, _>>()?;
        for (row, (uid, label)) in uids.iter().zip(labels.iter()).enumerate() {
            let (Some(uid), Some(label)) = (uid, label) else {
                return Err(wrong(format!("row {} has no uid or no label", row + 1)));
            };
            let entry = scored.entry(uid.to_owned()).or_insert_with(|| (label.to_owned(), Vec::new()));
            if entry.1.len() > first {
                return Err(wrong(format!("`{uid}` stands in two rows of one table")));
            }
            entry.1.resize(first, None);
            for (cell, property) in cells.iter().zip(&properties[first..]) {
                if let Some(Score::Float(value)) = cell[row]
                    && !value.is_finite()
                {
                    return Err(WritebackError::NotFinite {
                        uid: uid.to_owned(),
                        property: property.clone(),
                        value,
                    });
                }
                entry.1.push(cell[row]);
            }
        }
    }
    for (_, values) in scored.values_mut() {
        values.resize(properties.len(), None);
    }
    Ok((properties, scored))
}

fn cells(frame: &DataFrame, name: &str) -> Result<Vec<Option<Score>>, WritebackError> {
    let wrong = || WritebackError::Scores { reason: format!("`{name}` holds no numbers") };
    let column = frame.column(name).map_err(|_| wrong())?;
    match column.dtype() {
        DataType::Float64 | DataType::Float32 => {
            let cast = column.cast(&DataType::Float64).map_err(|_| wrong())?;
            Ok(cast.f64().map_err(|_| wrong())?.iter().map(|x| x.map(Score::Float)).collect())
        }
        kind if kind.is_integer() => {
            let cast = column.cast(&DataType::Int64).map_err(|_| wrong())?;
            Ok(cast.i64().map_err(|_| wrong())?.iter().map(|n| n.map(Score::Integer)).collect())
        }
        _ => Err(wrong()),
    }
}

/// The scored nodes with their internal ids, in the order of these.
fn locate(tables: &Tables, scored: Scored) -> Result<Vec<PlannedNode>, WritebackError> {
    let ids = tables.companions.get(FALKORDB_IDS).ok_or(WritebackError::NoIds)?;
    let column =
        |name: &str| ids.column(name).and_then(|c| c.i64().cloned()).map_err(|_| WritebackError::NoIds);
    let by_node: HashMap<i64, i64> =
        column(NODE)?.iter().zip(column("id")?.iter()).filter_map(|(node, id)| Some((node?, id?))).collect();
    let mut by_uid: HashMap<&str, u64> = HashMap::with_capacity(by_node.len());
    for frame in tables.nodes.values() {
        let (Ok(nodes), Ok(uids)) =
            (frame.column(NODE).and_then(|c| c.i64()), frame.column(UID).and_then(|c| c.str()))
        else {
            return Err(WritebackError::NoIds);
        };
        for (node, uid) in nodes.iter().zip(uids.iter()) {
            if let (Some(node), Some(uid)) = (node, uid)
                && let Some(id) = by_node.get(&node).and_then(|&id| u64::try_from(id).ok())
            {
                by_uid.insert(uid, id);
            }
        }
    }
    let (mut nodes, mut lost) = (Vec::with_capacity(scored.len()), Vec::new());
    for (uid, (label, after)) in scored {
        match by_uid.get(uid.as_str()) {
            // A row without any number asks for nothing.
            Some(_) if after.iter().all(Option::is_none) => {}
            Some(&id) => nodes.push(PlannedNode { id, uid, label, after, before: Vec::new() }),
            None => lost.push(uid),
        }
    }
    if let Some(first) = lost.first() {
        return Err(WritebackError::NotInSnapshot { count: lost.len(), first: first.clone() });
    }
    nodes.sort_unstable_by_key(|n| n.id);
    Ok(nodes)
}

fn digest(graph: &str, properties: &[String], nodes: &[PlannedNode]) -> String {
    let mut hash = Sha256::new();
    let mut text = |t: &str| {
        hash.update((t.len() as u64).to_le_bytes());
        hash.update(t.as_bytes());
    };
    text(graph);
    for property in properties {
        text(property);
    }
    for node in nodes {
        text(&node.uid);
        for score in &node.after {
            match score {
                None => text(""),
                Some(Score::Integer(n)) => text(&format!("i{n}")),
                Some(Score::Float(x)) => text(&format!("f{:x}", x.to_bits())),
            }
        }
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(b) => (*b).into(),
        Value::Integer(n) | Value::Instant(n) => (*n).into(),
        Value::Float(x) => (*x).into(),
        Value::Text(text) => text.as_str().into(),
        Value::TextList(items) => items.clone().into(),
        other => format!("{other:?}").into(),
    }
}

#[derive(Clone, Default)]
struct Tally {
    set: u64,
    unchanged: u64,
    gone: u64,
    changed_identity: u64,
    new: Vec<f64>,
    old: Vec<f64>,
}

impl Tally {
    /// `None` where nobody of the label has that score.
    fn line(&self, label: &str, property: &str) -> Option<Line> {
        (self.gone + self.changed_identity > 0 || !self.new.is_empty()).then(|| Line {
            label: label.to_owned(),
            property: property.to_owned(),
            set: self.set,
            unchanged: self.unchanged,
            gone: self.gone,
            changed_identity: self.changed_identity,
            new: Range::of(&self.new),
            old: Range::of(&self.old),
        })
    }
}

impl Range {
    fn of(values: &[f64]) -> Option<Self> {
        let (&first, rest) = values.split_first()?;
        let start = Self { min: first, mean: first, max: first };
        let sum =
            rest.iter().fold(start, |r, &x| Self { min: r.min.min(x), mean: r.mean + x, max: r.max.max(x) });
        Some(Self { mean: sum.mean / values.len() as f64, ..sum })
    }
}
