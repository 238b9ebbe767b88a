//! The graph on the server as the plan sees it: what the mirror itself writes of it, rows in spools, keys in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::keys::{Form, Kind, NameHash, NodeKey, kind_of};
use super::resolved::{Properties, sort};
use crate::context::Context;
use crate::ontology::{Label, Property, PropertyKind, Relation, Value, names};
use crate::snapshot::tables::assemble::{AssembleError, NodeRow, fifteen_digits, single};
use crate::sources::falkordb::{Client, FalkorError, Taker, walk};
use crate::sources::spool::{Place, Spool};

/// A graph as it was read, without what others put into it.
#[derive(Debug, Clone, Default)]
pub struct Current {
    /// Declared properties, in declared order, and the further labels that the mirror gives.
    pub(super) nodes: Arc<Spool<NodeRow>>,
    /// By label and hash of the uid.
    pub(super) keys: Vec<NodeKey>,
    /// Edges of the ontology's relations, as they came.
    pub(super) edges: Spool<Held>,
    /// Labels that are none of the ontology's; a kind above those of the ontology's counts into them.
    foreign: Vec<String>,
    /// Edges of each relation.
    edge_counts: BTreeMap<Relation, u64>,
    /// Newest generation that any node carries.
    pub(super) newest_generation: Option<i64>,
}

/// An edge of the graph; its ends are positions among the keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Held {
    pub relation: Relation,
    pub src: u32,
    pub dst: u32,
    /// Declared ones.
    #[serde(with = "names::pairs")]
    pub properties: Properties,
}

impl Current {
    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.keys.len()
    }

    /// Number of edges of the ontology's relations.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// Number of edges of a relation.
    pub(super) fn edges_of(&self, relation: Relation) -> u64 {
        self.edge_counts.get(&relation).copied().unwrap_or_default()
    }

    /// Positions of the nodes of a label.
    pub(super) fn nodes_of(&self, label: Label) -> std::ops::Range<u32> {
        let before = |kind| self.keys.partition_point(|key| key.kind() < kind) as u32;
        before(kind_of(label))..before(kind_of(label) + 1)
    }

    /// What the label of a kind is called.
    pub(super) fn label_name(&self, kind: Kind) -> &str {
        let kind = usize::from(kind);
        Label::ALL.get(kind).map_or_else(|| &*self.foreign[kind - Label::ALL.len()], |label| label.name())
    }

    /// The row of a node.
    pub(super) fn node(&self, at: u32) -> Result<NodeRow, MirrorError> {
        Ok(self.nodes.get(self.keys[at as usize].place())?)
    }

    /// The edge at a place.
    pub(super) fn edge(&self, place: Place) -> Result<Held, MirrorError> {
        Ok(self.edges.get(place)?)
    }
}

/// The value of a property.
pub(super) fn property<'p>(properties: &'p [(&'static str, Value)], name: &str) -> Option<&'p Value> {
    properties.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// The source rows behind a node.
pub(super) fn refs<'p>(properties: &'p [(&'static str, Value)]) -> &'p [String] {
    match property(properties, "refs") {
        Some(Value::TextList(refs)) => refs,
        _ => &[],
    }
}

/// The declared properties whose value in `held` is another than in `wanted`: a bit each, in declared order.
pub(super) fn differences(
    declared: impl IntoIterator<Item = Property>,
    held: &[(&'static str, Value)],
    wanted: &[(&'static str, Value)],
) -> u16 {
    let mut differ = 0;
    for (nth, Property { name, kind }) in declared.into_iter().enumerate() {
        let same = match (property(held, name), property(wanted, name)) {
            (None, None) => true,
            (Some(held), Some(wanted)) => is_held(kind, held, wanted),
            _ => false,
        };
        differ |= u16::from(!same) << nth;
    }
    differ
}

/// Whether a property declared as `kind` holds exactly `wanted`; one that is held otherwise than declared never does.
fn is_held(kind: PropertyKind, held: &Value, wanted: &Value) -> bool {
    use PropertyKind as P;
    match (kind, held, wanted) {
        // The server knows no instants, they are integers to it.
        (P::Instant, Value::Integer(held) | Value::Instant(held), Value::Instant(wanted))
        | (P::Integer, Value::Integer(held) | Value::Instant(held), Value::Integer(wanted)) => held == wanted,
        (P::Float, Value::Float(held), Value::Float(wanted)) => {
            fifteen_digits(*held).to_bits() == wanted.to_bits()
        }
        // Integers that fifteen digits tell.
        (P::Float, Value::Integer(held), Value::Float(wanted)) => {
            held.unsigned_abs() < 1_000_000_000_000_000 && (*held as f64).to_bits() == wanted.to_bits()
        }
        (
            P::Point,
            Value::Point { latitude, longitude },
            Value::Point { latitude: north, longitude: east },
        ) => (single(*latitude), single(*longitude)) == (*north, *east),
        (P::TextList, Value::List(held), Value::TextList(wanted)) => held.is_empty() && wanted.is_empty(),
        (P::TextList, Value::TextList(held), Value::TextList(wanted)) => held == wanted,
        (P::Text, Value::Text(held), Value::Text(wanted)) => held == wanted,
        (P::Boolean, Value::Boolean(held), Value::Boolean(wanted)) => held == wanted,
        _ => false,
    }
}

/// A graph while it is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    graph: String,
    nodes: Spool<NodeRow>,
    /// As they come, then in order.
    keys: Vec<NodeKey>,
    /// Internal id → where its key is; `NOBODY` where no node has it.
    by_id: Vec<u32>,
    current: Current,
}

const NOBODY: u32 = u32::MAX;

impl Reading {
    fn kind(&mut self, label: &str) -> Kind {
        if let Ok(label) = label.parse() {
            return kind_of(label);
        }
        let foreign = &mut self.current.foreign;
        let nth = foreign.iter().position(|known| known == label).unwrap_or_else(|| {
            foreign.push(label.to_owned());
            foreign.len() - 1
        });
        (Label::ALL.len() + nth) as Kind
    }

    /// Two nodes of one uid, if there are: those whose second label, then whose uid is the smallest.
    fn twins(&self) -> Result<Option<AssembleError>, FalkorError> {
        let mut order: Vec<u32> = (0..self.keys.len() as u32).collect();
        let name = |at: u32| self.keys[at as usize].name;
        order.sort_unstable_by_key(|&at| name(at));
        let mut first: Option<(String, Arc<str>, String)> = None;
        for same in order.chunk_by(|&a, &b| name(a) == name(b)).filter(|same| same.len() > 1) {
            let keys = same.iter().map(|&at| self.keys[at as usize]);
            let mut labels: Vec<&str> = keys.map(|key| self.current.label_name(key.kind())).collect();
            labels.sort_unstable();
            let uid = self.nodes.get(self.keys[same[0] as usize].place())?.uid;
            let this = (labels[1].to_owned(), uid, labels[0].to_owned());
            first = Some(first.map_or_else(|| this.clone(), |first| first.min(this.clone())));
        }
        Ok(first.map(|(second, uid, first)| AssembleError::DuplicateUid {
            uid: uid.to_string(),
            first,
            second,
        }))
    }

    pub(super) fn finish(self) -> Current {
        self.current
    }
}

/// Those of somebody's properties that are declared, in declared order.
fn declared<N: AsRef<str>>(
    declared: impl Iterator<Item = Property>,
    mut properties: Vec<(N, Value)>,
) -> Properties {
    declared
        .filter_map(|Property { name, .. }| {
            let at = properties.iter().position(|(held, _)| held.as_ref() == name)?;
            Some((name, properties.swap_remove(at).1))
        })
        .collect()
}

impl Taker for Reading {
    fn node(&mut self, id: u64, label: &str, row: NodeRow<Arc<str>>) -> Result<(), FalkorError> {
        let kind = self.kind(label);
        // Of somebody else's label, what every node of the mirror has: rows may be remembered there, too.
        let of = label.parse().unwrap_or(Label::Genre);
        let form = Form::of(&row.labels, false);
        let NodeRow { uid, properties, .. } = row;
        let properties = declared(of.properties(), properties);
        if let Some(Value::Integer(generation)) = property(&properties, "gen") {
            self.current.newest_generation = self.current.newest_generation.max(Some(*generation));
        }
        let name = NameHash::of(&uid);
        let place = self.nodes.push(&NodeRow { uid, labels: form.labels().collect(), properties })?;
        let id = id as usize;
        if self.by_id.len() <= id {
            self.by_id.resize(id + 1, NOBODY);
        }
        self.by_id[id] = self.keys.len() as u32;
        self.keys.push(NodeKey::new(kind, name, form, place));
        Ok(())
    }

    fn nodes_end(&mut self) -> Result<(), FalkorError> {
        if let Some(source) = self.twins()? {
            return Err(FalkorError::Tables { graph: self.graph.clone(), source });
        }
        let position = sort(&mut self.keys);
        for at in self.by_id.iter_mut().filter(|at| **at != NOBODY) {
            *at = position[*at as usize];
        }
        self.current.keys = std::mem::take(&mut self.keys);
        self.current.nodes = Arc::new(std::mem::take(&mut self.nodes));
        Ok(())
    }

    fn edge(
        &mut self,
        relation: &str,
        (src, dst): (u64, u64),
        properties: Vec<(Arc<str>, Value)>,
    ) -> Result<bool, FalkorError> {
        let end = |id: u64| self.by_id.get(id as usize).copied().filter(|at| *at != NOBODY);
        let (Some(src), Some(dst)) = (end(src), end(dst)) else { return Ok(false) };
        let Ok(relation) = relation.parse::<Relation>() else { return Ok(true) };
        let properties = declared(relation.properties().iter().copied(), properties);
        *self.current.edge_counts.entry(relation).or_default() += 1;
        self.current.edges.push(&Held { relation, src, dst, properties })?;
        Ok(true)
    }
}

/// Reads the graph that a plan is made against; one that is not there yet is empty.
pub async fn read_graph(client: &mut Client, graph: &str, cx: &Context) -> Result<Current, MirrorError> {
    let mut reading = Reading { graph: graph.to_owned(), ..Reading::default() };
    match walk(client, graph, &mut reading, cx).await {
        Ok(walked) => {
            for drift in &walked.drift {
                // What the plan misses for it, the next run finds.
                tracing::warn!(graph, drift, "the graph changed while it was read");
            }
            Ok(reading.finish())
        }
        Err(FalkorError::NoGraph { .. }) => Ok(Current::default()),
        Err(error) => Err(MirrorError::Unread(error)),
    }
}
