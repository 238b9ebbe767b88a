//! What others did to the graph that a run can neither write around nor mend: named before anything is written.

use std::collections::{BTreeMap, HashMap};

use super::MirrorError;
use super::current::{Current, property};
use super::keys::{NameHash, kind_of};
use super::plan::NodeChanges;
use super::resolved::Resolved;
use crate::ontology::{Label, Value};

/// Refuses nodes whose uid or canonical id another node of the graph holds, naming the first by uid.
///
/// A second node of one uid would leave the graph unreadable, and one of one canonical id is what its schema forbids.
/// Time O(c log n) in created nodes and nodes of the graph, and a row read for each where strangers hold canonical ids.
pub(super) fn refuse(
    resolved: &Resolved,
    current: &Current,
    unclaimed: impl Fn(u32) -> bool,
    nodes: &BTreeMap<Label, NodeChanges>,
) -> Result<(), MirrorError> {
    let mut refused: Option<(String, MirrorError)> = None;
    let mut refuse = |uid: &str, error: MirrorError| {
        if refused.as_ref().is_none_or(|(first, _)| uid < first.as_str()) {
            refused = Some((uid.to_owned(), error));
        }
    };
    for (&label, changes) in nodes {
        for &at in &changes.create {
            if let Some(held) = elsewhere(current, label, resolved.node_key(at).name) {
                let uid = resolved.node(at)?.uid.to_string();
                let is = current.label_name(current.keys[held as usize].kind()).to_owned();
                refuse(&uid.clone(), MirrorError::OtherLabel { uid, is, shall: label.name() });
            }
        }
        let taken = taken(current, label, &unclaimed)?;
        if taken.is_empty() {
            continue;
        }
        let updates = changes.update.iter().map(|update| update.at);
        for at in changes.create.iter().copied().chain(updates) {
            let row = resolved.node(at)?;
            let holder = canonical_id(&row.properties).and_then(|id| taken.get(&NameHash::of(id)));
            if let Some(&holder) = holder {
                let (uid, holder) = (row.uid.to_string(), current.node(holder)?.uid.to_string());
                refuse(&uid.clone(), MirrorError::IdTaken { label: label.name(), uid, holder });
            }
        }
    }
    refused.map_or(Ok(()), |(_, error)| Err(error))
}

/// The node of another label that has this uid.
fn elsewhere(current: &Current, label: Label, name: NameHash) -> Option<u32> {
    let mut from = 0;
    while let Some(first) = current.keys.get(from) {
        let kind = first.kind();
        let end = from + current.keys[from..].partition_point(|key| key.kind() == kind);
        if kind != kind_of(label)
            && let Ok(at) = current.keys[from..end].binary_search_by_key(&name, |key| key.name)
        {
            return Some((from + at) as u32);
        }
        from = end;
    }
    None
}

/// Canonical ids that nodes of a label hold which are somebody else's, and who holds them.
fn taken(
    current: &Current,
    label: Label,
    unclaimed: impl Fn(u32) -> bool,
) -> Result<HashMap<NameHash, u32>, MirrorError> {
    let mut taken = HashMap::new();
    for at in current.nodes_of(label).filter(|&at| unclaimed(at)) {
        let properties = current.node(at)?.properties;
        // A node of a generation is the mirror's, which takes the id away itself.
        if property(&properties, "gen").is_none()
            && let Some(id) = canonical_id(&properties)
        {
            taken.insert(NameHash::of(id), at);
        }
    }
    Ok(taken)
}

fn canonical_id<'p>(properties: &'p [(&'static str, Value)]) -> Option<&'p str> {
    match property(properties, "canonical_id") {
        Some(Value::Text(id)) => Some(id),
        _ => None,
    }
}
