//! Writing a plan into the graph, in batches short enough for nobody to notice.
//!
//! Every statement merges by `uid` or matches by it, so that whatever a broken run left is found again: running the
//! command again does the rest. A mark beside the graph says whether the last run came to its end. Order matters where
//! values are unique: what frees a canonical id or a message id goes before what takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MirrorError;
use super::keys::{EdgeKey, Form, discriminator};
use super::plan::{Duplicates, EdgeUpdate, NodeChanges, NodeDelete, Plan, Set, compared, set_of};
use super::resolved::{FIRST_GENERATION, Properties};
use super::uids::Uids;
use crate::context::{Context, Step};
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::assemble::NodeRow;
use crate::sources::falkordb::cypher::identifier;
use crate::sources::falkordb::marker::{self, Marker, Progress};
use crate::sources::falkordb::pace::Pace;
use crate::sources::falkordb::{Client, CypherValue, Param, Params, lock, schema};

/// What the lock says of us.
const COMMAND: &str = "mirror apply";

/// Server time a batch aims at, in milliseconds: readers of the graph wait as long.
const BATCH_MS: f64 = 20.0;
/// Rows of a statement's first batch, of which nobody knows yet what they cost.
const FIRST_BATCH: u64 = 50;
const LARGEST_BATCH: u64 = 1_000;

/// What a run wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// The generation of what it wrote; the last one where it wrote nothing.
    pub generation: i64,
    /// Nodes and edges that were written, marked or removed.
    pub rows: u64,
    /// Statements sent.
    pub batches: u64,
    /// Server time of the longest, in milliseconds.
    pub longest_batch_ms: f64,
}

/// What the last mirror run left beside the graph; `None` where there was none.
pub async fn state(client: &mut Client, graph: &str) -> Result<Option<Marker>, MirrorError> {
    marker::read(client, graph).await.map_err(MirrorError::Unread)
}

/// Writes `plan` into the graph, making it and its schema where missing.
///
/// An empty plan writes nothing but the mark, where that is missing, unfinished, or older than the graph. A run that breaks off, wherever, is completed by planning and applying again, and the
/// graph is then what an undisturbed run would have made.
///
/// # Errors
/// Whatever the server refuses; [`MirrorError::Moved`] where somebody else changed the graph since it was read.
///
/// Holds the [`lock`] of the graph. One who plans for it should hold that from before the graph is read.
pub async fn apply(
    client: &mut Client,
    graph: &str,
    plan: &Plan<'_>,
    cx: &Context,
) -> Result<Applied, MirrorError> {
    let mut applied = Applied::default();
    apply_noting(client, graph, plan, &mut applied, cx).await?;
    Ok(applied)
}

/// [`apply`], which notes in `applied` what the server confirmed, however it ends.
///
/// # Errors
/// Those of [`apply`].
pub async fn apply_noting(
    client: &mut Client,
    graph: &str,
    plan: &Plan<'_>,
    applied: &mut Applied,
    cx: &Context,
) -> Result<(), MirrorError> {
    lock::holding(client, graph, COMMAND, lock::TTL, cx, async |client| {
        write(client, graph, plan, applied, cx).await
    })
    .await
}

async fn write(
    client: &mut Client,
    graph: &str,
    plan: &Plan<'_>,
    applied: &mut Applied,
    cx: &Context,
) -> Result<(), MirrorError> {
    let before = marker::read(client, graph).await?;
    let broken = before.is_some_and(|mark| mark.progress == Progress::Running);
    let newest_generation = plan.current.newest_generation;
    let generation = match (newest_generation, before) {
        (None, _) => FIRST_GENERATION,
        (Some(_), Some(mark)) if broken => mark.generation,
        (Some(newest), mark) => newest.max(mark.map_or(0, |m| m.generation)) + 1,
    };
    if plan.is_empty() {
        schema::ensure(client, graph, cx).await?;
        // A run that only removed edges stamps no node: the mark may be newer than every node, but never older.
        let last = newest_generation.unwrap_or_default().max(before.map_or(0, |mark| mark.generation));
        let mark = Marker { generation: last, progress: Progress::Complete };
        if before != Some(mark) {
            marker::write(client, graph, mark).await?;
        }
        applied.generation = last;
        return Ok(());
    }
    marker::write(client, graph, Marker { generation, progress: Progress::Running }).await?;
    applied.generation = generation;
    let mut writer = Writer { client, graph, applied };
    // First of all, because the schema may forbid them.
    writer.remove_duplicates(plan, cx).await?;
    schema::ensure(writer.client, graph, cx).await?;
    let deleted_at = plan.resolved.clock.unwrap_or_else(|| jiff::Timestamp::now().as_millisecond());
    let stamp = [("gen", Value::Integer(generation))];
    writer.remove_edges(plan, cx).await?;
    writer.free_canonical_ids(plan, cx).await?;
    writer.mark_deleted(plan, deleted_at, &stamp, cx).await?;
    writer.write_nodes(plan, &stamp, cx).await?;
    writer.write_edges(plan, cx).await?;
    marker::write(client, graph, Marker { generation, progress: Progress::Complete }).await?;
    Ok(())
}

struct Writer<'c> {
    client: &'c mut Client,
    graph: &'c str,
    applied: &'c mut Applied,
}

impl Writer<'_> {
    async fn remove_edges(&mut self, plan: &Plan<'_>, cx: &Context) -> Result<(), MirrorError> {
        let mut uids = Uids::of(|at| plan.current.node(at));
        for (&(relation, from, to), changes) in &plan.edges {
            let statement = format!(
                "UNWIND $rows AS r MATCH (a:{from} {{uid: r.a}}) MATCH (b:{to} {{uid: r.b}}) \
                 MATCH (a)-[e:{relation}{which}]->(b) DELETE e",
                from = name(from.name())?,
                to = name(to.name())?,
                relation = name(relation.name())?,
                which = which(relation)?,
            );
            let step = cx.step(&format!("remove {relation}"), Some(changes.delete.len() as u64));
            let row = |key: &EdgeKey| {
                let held = match relation.discriminator() {
                    Some(_) => plan.current.edge(key.place())?.properties,
                    None => Vec::new(),
                };
                let ends = (uids.get(key.src)?, uids.get(key.dst)?);
                Ok(edge_row(ends, discriminator(relation, &held), None))
            };
            self.run(&statement, &changes.delete, row, false, &step).await?;
        }
        Ok(())
    }

    /// Leaves one of edges that nothing tells apart; what it lacks is among the updates.
    async fn remove_duplicates(&mut self, plan: &Plan<'_>, cx: &Context) -> Result<(), MirrorError> {
        let mut uids = Uids::of(|at| plan.resolved.node(at));
        for (&(relation, from, to), changes) in &plan.edges {
            // The oldest stays; the same order every time, so that a run that broke off goes on with the same.
            let statement = format!(
                "UNWIND $rows AS r MATCH (a:{from} {{uid: r.a}}) MATCH (b:{to} {{uid: r.b}}) \
                 MATCH (a)-[e:{relation}{which}]->(b) WITH a, b, r.m AS m, e ORDER BY id(e) \
                 WITH a, b, m, collect(e) AS twins UNWIND tail(twins) AS twin DELETE twin",
                from = name(from.name())?,
                to = name(to.name())?,
                relation = name(relation.name())?,
                which = which(relation)?,
            );
            let step =
                cx.step(&format!("remove duplicates of {relation}"), Some(changes.duplicates.len() as u64));
            let row = |duplicates: &Duplicates| {
                let (key, stated) =
                    (plan.resolved.edge_key(duplicates.at), plan.resolved.edge(duplicates.at)?);
                let ends = (uids.get(key.src)?, uids.get(key.dst)?);
                Ok(edge_row(ends, discriminator(relation, &stated), None))
            };
            self.run(&statement, &changes.duplicates, row, false, &step).await?;
        }
        Ok(())
    }

    /// Takes away canonical ids that nodes shall not carry any more, so that others may.
    async fn free_canonical_ids(&mut self, plan: &Plan<'_>, cx: &Context) -> Result<(), MirrorError> {
        for (&label, changes) in &plan.nodes {
            let updated = changes.update.iter().filter(|u| u.frees_canonical_id).map(|u| u.held);
            let deleted = changes.delete.iter().filter(|d| d.carries_canonical_id).map(|d| d.held);
            let carriers: Vec<u32> = updated.chain(deleted).collect();
            let statement = format!(
                "UNWIND $rows AS r MATCH (n:{} {{uid: r.u}}) SET n.canonical_id = null",
                name(label.name())?
            );
            let step = cx.step(&format!("free canonical ids of {label}"), Some(carriers.len() as u64));
            let row = |&held: &u32| Ok(node_row(&plan.current.node(held)?.uid, []));
            self.run(&statement, &carriers, row, false, &step).await?;
        }
        Ok(())
    }

    async fn mark_deleted(
        &mut self,
        plan: &Plan<'_>,
        deleted_at: i64,
        stamp: &[(&'static str, Value)],
        cx: &Context,
    ) -> Result<(), MirrorError> {
        let gone = ("deleted_at", Value::Instant(deleted_at));
        for (&label, changes) in &plan.nodes {
            let statement =
                format!("UNWIND $rows AS r MATCH (n:{} {{uid: r.u}}) SET n += r.p", name(label.name())?);
            let step = cx.step(&format!("mark {label} deleted"), Some(changes.delete.len() as u64));
            let row = |delete: &NodeDelete| {
                let set = [&gone].into_iter().chain(stamp).map(property);
                Ok(node_row(&plan.current.node(delete.held)?.uid, set))
            };
            self.run(&statement, &changes.delete, row, false, &step).await?;
        }
        Ok(())
    }

    async fn write_nodes(
        &mut self,
        plan: &Plan<'_>,
        stamp: &[(&'static str, Value)],
        cx: &Context,
    ) -> Result<(), MirrorError> {
        for (&label, changes) in &plan.nodes {
            let forms = forms(plan, label, changes);
            let total = changes.create.len() + changes.update.len();
            let step = cx.step(&format!("write {label}"), Some(total as u64));
            for (form, rows) in forms {
                let statement = form.statement(label)?;
                let row = |change: &Change| {
                    let (at, differ) = match *change {
                        Change::Create(at) => (at, None),
                        Change::Update(nth) => {
                            let update = changes.update[nth as usize];
                            (update.at, Some(update.differ))
                        }
                    };
                    let NodeRow { uid, properties, .. } = plan.resolved.node(at)?;
                    let set: Set = match differ {
                        None => properties.into_iter().map(|(name, value)| (name, Some(value))).collect(),
                        Some(differ) => set_of(compared(label), differ, &properties),
                    };
                    Ok(located_row(&uid, &set, stamp))
                };
                self.run(&statement, &rows, row, true, &step).await?;
            }
        }
        Ok(())
    }

    async fn write_edges(&mut self, plan: &Plan<'_>, cx: &Context) -> Result<(), MirrorError> {
        let mut uids = Uids::of(|at| plan.resolved.node(at));
        for (&(relation, from, to), changes) in &plan.edges {
            let statement = format!(
                "UNWIND $rows AS r MATCH (a:{from} {{uid: r.a}}) MATCH (b:{to} {{uid: r.b}}) \
                 MERGE (a)-[e:{relation}{which}]->(b) SET e += r.p RETURN count(e)",
                from = name(from.name())?,
                to = name(to.name())?,
                relation = name(relation.name())?,
                which = which(relation)?,
            );
            let total = changes.create.len() + changes.update.len();
            let step = cx.step(&format!("write {relation}"), Some(total as u64));
            let mut row = |at: u32, set: &dyn Fn(&Properties) -> Vec<(String, Param)>| {
                let (key, stated) = (plan.resolved.edge_key(at), plan.resolved.edge(at)?);
                let ends = (uids.get(key.src)?, uids.get(key.dst)?);
                Ok(edge_row(ends, discriminator(relation, &stated), Some(set(&stated))))
            };
            let create = |&at: &u32| row(at, &|stated| stated.iter().map(property).collect());
            self.run(&statement, &changes.create, create, true, &step).await?;
            let update = |update: &EdgeUpdate| {
                row(update.at, &|stated| {
                    let set = set_of(relation.properties().iter().copied(), update.differ, stated);
                    set.iter().map(|(name, value)| change_of(name, value.as_ref())).collect()
                })
            };
            self.run(&statement, &changes.update, update, true, &step).await?;
        }
        Ok(())
    }

    /// Sends `rows` through `statement` in batches; `counted`: the statement returns how many rows it reached.
    async fn run<T>(
        &mut self,
        statement: &str,
        rows: &[T],
        mut as_param: impl FnMut(&T) -> Result<Param, MirrorError>,
        counted: bool,
        step: &Step,
    ) -> Result<(), MirrorError> {
        let mut rest = rows;
        // What a batch of one statement cost says nothing about the next statement's.
        let mut pace = Pace::new(BATCH_MS, FIRST_BATCH, LARGEST_BATCH);
        while !rest.is_empty() {
            step.tick((rows.len() - rest.len()) as u64, Some(rows.len() as u64))?;
            let (batch, after) = rest.split_at(rest.len().min(pace.width() as usize));
            // The server makes the nodes of a statement from its last row to its first. Sent backwards, they get their
            // internal ids in our order, however the rows were cut into batches.
            let params = batch.iter().rev().map(&mut as_param).collect::<Result<Vec<_>, _>>()?;
            let params = Params::new().with("rows", Param::List(params));
            let reply = self.client.query(self.graph, statement, &params).await?;
            if counted {
                let reached =
                    reply.rows.first().and_then(|row| row.first()).and_then(CypherValue::as_int).unwrap_or(0);
                if reached != batch.len() as i64 {
                    let graph = self.graph.to_owned();
                    return Err(MirrorError::Moved { graph, expected: batch.len(), reached });
                }
            }
            rest = after;
            let milliseconds = reply.stats.milliseconds;
            self.applied.rows += batch.len() as u64;
            self.applied.batches += 1;
            self.applied.longest_batch_ms = self.applied.longest_batch_ms.max(milliseconds);
            pace.took(batch.len() as u64, milliseconds);
        }
        Ok(())
    }
}

/// What of a node's change stands in the statement itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    create: bool,
    /// And whether a point is set.
    add: Form,
    remove: Form,
}

impl Shape {
    fn statement(self, label: Label) -> Result<String, MirrorError> {
        let verb = if self.create { "MERGE" } else { "MATCH" };
        let mut text =
            format!("UNWIND $rows AS r {verb} (n:{} {{uid: r.u}}) SET n += r.p", name(label.name())?);
        if self.add.is_located() {
            text.push_str(", n.location = point(r.l)");
        }
        for (word, labels) in [("SET", self.add), ("REMOVE", self.remove)] {
            let labels: Vec<&str> = labels.labels().collect();
            if !labels.is_empty() {
                text += &[" ", word, " n"].concat();
                for label in labels {
                    text += &[":", &name(label)?].concat();
                }
            }
        }
        text.push_str(" RETURN count(n)");
        Ok(text)
    }
}

/// A node to write: its position among the resolved nodes, or the update's among the updates of its label.
#[derive(Debug, Clone, Copy)]
enum Change {
    Create(u32),
    Update(u32),
}

/// Labels and points are part of the statement, so nodes that differ in them go apart.
fn forms(plan: &Plan<'_>, label: Label, changes: &NodeChanges) -> BTreeMap<Shape, Vec<Change>> {
    let mut forms: BTreeMap<Shape, Vec<Change>> = BTreeMap::new();
    for &at in &changes.create {
        let shape = Shape { create: true, add: plan.resolved.node_key(at).form(), remove: Form::default() };
        forms.entry(shape).or_default().push(Change::Create(at));
    }
    let location = compared(label).position(|property| property.name == "location");
    for (nth, update) in (0..).zip(&changes.update) {
        let located = location.is_some_and(|nth| update.differ & 1 << nth != 0)
            && plan.resolved.node_key(update.at).form().is_located();
        let shape = Shape { create: false, add: update.add.with_location(located), remove: update.remove };
        forms.entry(shape).or_default().push(Change::Update(nth));
    }
    forms
}

/// A node's change; a point goes apart, because only a function of the server makes one.
fn located_row(uid: &str, set: &Set, stamp: &[(&'static str, Value)]) -> Param {
    let set = set.iter().map(|(name, value)| (*name, value.as_ref()));
    let stamp = stamp.iter().map(|(name, value)| (*name, Some(value)));
    let (points, plain): (Vec<_>, Vec<_>) =
        set.chain(stamp).partition(|(_, value)| matches!(value, Some(Value::Point { .. })));
    let mut row = vec![
        ("u".to_owned(), Param::Text(uid.to_owned())),
        ("p".to_owned(), Param::Map(plain.into_iter().map(|(n, v)| change_of(n, v)).collect())),
    ];
    row.extend(points.into_iter().filter_map(|(_, point)| Some(("l".to_owned(), Param::from(point?)))));
    Param::Map(row)
}

fn name(text: &str) -> Result<String, MirrorError> {
    Ok(identifier(text)?)
}

/// The part of a pattern that tells parallel edges apart.
fn which(relation: Relation) -> Result<String, MirrorError> {
    relation
        .discriminator()
        .map_or(Ok(String::new()), |property| Ok(format!(" {{{}: r.m}}", name(property)?)))
}

fn property((name, value): &(&'static str, Value)) -> (String, Param) {
    change_of(name, Some(value))
}

fn change_of(name: &str, value: Option<&Value>) -> (String, Param) {
    (name.to_owned(), value.map_or(Param::Null, Param::from))
}

fn node_row(uid: &str, set: impl IntoIterator<Item = (String, Param)>) -> Param {
    Param::Map(vec![
        ("u".to_owned(), Param::Text(uid.to_owned())),
        ("p".to_owned(), Param::Map(set.into_iter().collect())),
    ])
}

fn edge_row(
    (src, dst): (Arc<str>, Arc<str>),
    which: Option<&str>,
    set: Option<Vec<(String, Param)>>,
) -> Param {
    let text = |text: &str| Param::Text(text.to_owned());
    let mut row = vec![("a".to_owned(), text(&src)), ("b".to_owned(), text(&dst))];
    row.extend(which.map(|which| ("m".to_owned(), text(which))));
    row.extend(set.map(|set| ("p".to_owned(), Param::Map(set))));
    Param::Map(row)
}
