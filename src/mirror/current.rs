//! The graph on the server as the plan sees it: what the mirror itself writes of it, rows in spools, keys in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::keys::{Form, Kind, NameHash, NodeKey, kind_of};
use super::resolved::{Properties, sort};
use crate::context::Context;
use crate::ontology::{Label, Property, PropertyKind, Relation, Value, names};
use crate::snapshot::tables::assemble::{AssembleError, NodeRow, fifteen_digits, single};
use crate::sources::falkordb::{Client, FalkorError, Taker, walk, walk_from};
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
    /// What was left unread, if anything was.
    left: Option<Left>,
}

/// Relations whose edges are the many touches: each is one edge that its message names.
pub(super) const OF_MANY: [Relation; 2] = [Relation::InterestedIn, Relation::Attended];

/// How many edges of the many touches begin at a node, in the order of [`OF_MANY`].
pub(super) type Counts = [u32; OF_MANY.len()];

/// Edges of the many touches that were only counted.
#[derive(Debug, Clone, Default)]
struct Left {
    /// Internal id → position of the key; `NOBODY` where no node has it.
    by_id: Vec<u32>,
    /// By position.
    counts: Vec<Counts>,
    /// Position of a device → that of whom it is identified as; several make it `NOBODY`.
    owners: HashMap<u32, u32>,
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

    /// Position of the node of a kind and name.
    pub(super) fn find(&self, kind: Kind, name: NameHash) -> Option<u32> {
        let at = self.keys.binary_search_by_key(&(kind, name), |key| (key.kind(), key.name)).ok()?;
        Some(at as u32)
    }

    /// How many edges of the many touches begin at each node, by position, where those were only counted.
    pub(super) fn counts(&self) -> &[Counts] {
        self.left.as_ref().map_or(&[], |left| &left.counts)
    }

    /// Whom a device is identified as, where edges were counted; `None` where nobody or several.
    pub(super) fn owner(&self, device: u32) -> Option<u32> {
        let owner = self.left.as_ref()?.owners.get(&device).copied();
        owner.filter(|owner| *owner != NOBODY)
    }

    /// Reads the edges of the many touches that were only counted and begin at nodes that are `wanted`.
    pub(super) async fn read_left(
        &mut self,
        client: &mut Client,
        graph: &str,
        wanted: impl Fn(u32) -> bool,
        cx: &Context,
    ) -> Result<(), MirrorError> {
        let Some(Left { by_id, counts, .. }) = self.left.take() else { return Ok(()) };
        // All edges are counted already.
        let edge_counts = self.edge_counts.clone();
        let mut reading = Reading { by_id, current: std::mem::take(self), ..Reading::default() };
        for (nth, relation) in OF_MANY.into_iter().enumerate() {
            let begins = reading.by_id.iter().zip(0_u64..).filter_map(|(&at, id)| {
                let count = counts.get(at as usize)?[nth];
                (count > 0 && wanted(at)).then_some((id, u64::from(count)))
            });
            let begins: Vec<(u64, u64)> = begins.collect();
            let read = walk_from(client, graph, relation.name(), &begins, &mut reading, cx).await;
            read.map_err(MirrorError::Unread)?;
        }
        *self = Self { edge_counts, ..reading.finish() };
        Ok(())
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
    /// Where edges of the many touches are only counted: how many begin where, and whose devices are.
    left: Option<Left>,
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

    fn position(&self, id: u64) -> Option<u32> {
        self.by_id.get(id as usize).copied().filter(|at| *at != NOBODY)
    }

    pub(super) fn finish(self) -> Current {
        let Self { by_id, mut current, left, .. } = self;
        current.left = left.map(|left| Left { by_id, ..left });
        current
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
        let (Some(src), Some(dst)) = (self.position(src), self.position(dst)) else { return Ok(false) };
        let Ok(relation) = relation.parse::<Relation>() else { return Ok(true) };
        *self.current.edge_counts.entry(relation).or_default() += 1;
        if let Some(left) = self.left.as_mut().filter(|_| relation == Relation::IdentifiedAs) {
            left.owners.entry(src).and_modify(|owner| *owner = NOBODY).or_insert(dst);
        }
        let properties = declared(relation.properties().iter().copied(), properties);
        self.current.edges.push(&Held { relation, src, dst, properties })?;
        Ok(true)
    }

    fn only_counts(&self, relation: &str) -> bool {
        self.left.is_some() && OF_MANY.iter().any(|many| many.name() == relation)
    }

    fn edges_from(&mut self, relation: &str, src: u64, count: u64) -> bool {
        let nth = OF_MANY.iter().position(|many| many.name() == relation);
        let (Some(nth), Some(src), Some(left)) = (nth, self.position(src), &mut self.left) else {
            return false;
        };
        left.counts.resize(self.current.keys.len(), Counts::default());
        left.counts[src as usize][nth] += count as u32;
        *self.current.edge_counts.entry(OF_MANY[nth]).or_default() += count;
        true
    }
}

/// Reads the graph that a plan is made against; one that is not there yet is empty.
pub async fn read_graph(client: &mut Client, graph: &str, cx: &Context) -> Result<Current, MirrorError> {
    read(client, graph, None, cx).await
}

/// [`read_graph`], but of the edges of the many touches only how many begin where.
pub(super) async fn read_graph_counting(
    client: &mut Client,
    graph: &str,
    cx: &Context,
) -> Result<Current, MirrorError> {
    read(client, graph, Some(Left::default()), cx).await
}

async fn read(
    client: &mut Client,
    graph: &str,
    left: Option<Left>,
    cx: &Context,
) -> Result<Current, MirrorError> {
    let mut reading = Reading { graph: graph.to_owned(), left, ..Reading::default() };
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
