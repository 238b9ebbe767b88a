//! What rests on rows that vanished with their table: nodes that stay, and what is not made in their place.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::MirrorError;
use super::current::{Current, property, refs};
use super::keys::{EdgeKey, Form, NameHash};
use super::plan::{NodeChanges, NodeUpdate, Plan, compared};
use super::resolved::Resolved;
use super::shrunk::Shrunk;
use super::sweep::HeldBack;
use crate::ontology::{Label, Relation, Value};
use crate::snapshot::tables::assemble::NodeRow;

/// Nodes of the graph that rest on a row which vanished with its table, and that table.
#[derive(Default)]
pub(super) struct Resting {
    tables: Vec<String>,
    /// By position; places among the tables.
    nodes: Vec<(u32, u16)>,
    /// By source row of such a node; its position.
    rows: Vec<(NameHash, u32)>,
}

/// What of a label is made beside the nodes that stay.
#[derive(Default)]
struct Making {
    made: Vec<u32>,
    /// With the node that stays and is of the same rows.
    unmade: Vec<(u32, u32)>,
    /// Canonical ids of staying nodes that others take.
    taken: HashSet<String>,
}

impl Resting {
    /// `places` tells what the graph calls tables that failed, and what they are called.
    pub(super) fn on(
        places: &BTreeMap<String, String>,
        shrunk: &[Shrunk],
        claimed: &[NameHash],
        current: &Current,
    ) -> Result<Self, MirrorError> {
        let mut resting = Self { tables: places.values().cloned().collect(), ..Self::default() };
        resting.tables.sort_unstable();
        resting.tables.dedup();
        for at in 0..current.keys.len() as u32 {
            let node = current.node(at)?;
            if is_deleted(&node) {
                continue;
            }
            let refs = refs(&node.properties);
            let lost = refs.iter().filter(|reference| !is_claimed(claimed, reference));
            let failed = |table: &str| {
                let held = places.get(table).or_else(|| places.get(stands_in(table)?))?;
                resting.tables.binary_search(held).ok()
            };
            // What is known by the values of a table that lost rows says something else without them, though it is known still.
            let is_value = |table: &&str| {
                stands_in(table).is_some_and(|of| shrunk.iter().any(|shrunk| shrunk.fed.refs.contains(of)))
            };
            let known = refs.iter().filter_map(|reference| table_of(reference)).filter(is_value);
            let lost = lost.filter_map(|reference| table_of(reference));
            let Some(table) = lost.chain(known).find_map(failed) else { continue };
            resting.nodes.push((at, table as u16));
            resting.rows.extend(refs.iter().map(|reference| (NameHash::of(reference), at)));
        }
        resting.rows.sort_unstable();
        Ok(resting)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn has(&self, held: u32) -> bool {
        self.nodes.binary_search_by_key(&held, |(at, _)| *at).is_ok()
    }

    /// The table of a node.
    pub(super) fn table(&self, held: u32) -> Option<&str> {
        let at = self.nodes.binary_search_by_key(&held, |(at, _)| *at).ok()?;
        Some(&self.tables[usize::from(self.nodes[at].1)])
    }

    /// The node that one of these rows is, if it is none of those `going`.
    fn of_rows(&self, refs: &[String], going: &HashSet<u32>) -> Option<u32> {
        refs.iter().find_map(|reference| {
            let name = NameHash::of(reference);
            let first = self.rows.partition_point(|(row, _)| *row < name);
            let same = self.rows[first..].iter().take_while(|(row, _)| *row == name);
            same.map(|(_, at)| *at).find(|at| !going.contains(at))
        })
    }
}

impl Resting {
    /// Keeps nodes that rest on what failed as they are, counting for whose sake; tells which nodes are not made, because
    /// their rows are of one that stays.
    ///
    /// A canonical id cannot stay where another node takes it: that, and only that, goes.
    pub(super) fn keep_nodes(
        &self,
        plan: &mut Plan<'_>,
        held: &mut BTreeMap<String, HeldBack>,
    ) -> Result<HashSet<u32>, MirrorError> {
        let mut unmade = HashSet::new();
        if self.is_empty() {
            return Ok(unmade);
        }
        let current = plan.current;
        let mut making = self.making(plan)?;
        let mut count = |table: Option<&str>| {
            table.and_then(|table| held.get_mut(table)).map(|held| held.held_back += 1).is_some()
        };
        for (label, changes) in &mut plan.nodes {
            let Making { made, unmade: of_staying, taken } = making.remove(label).unwrap_or_default();
            changes.create = made;
            for (at, staying) in of_staying {
                count(self.table(staying));
                unmade.insert(at);
            }
            let is_taken = |held: u32| -> Result<bool, MirrorError> {
                Ok(canonical_id(&current.node(held)?).is_some_and(|id| taken.contains(id)))
            };
            let mut goes = Vec::with_capacity(changes.delete.len());
            for &delete in &changes.delete {
                let is_needed = self.has(delete.held) && is_taken(delete.held)?;
                if is_needed || !count(self.table(delete.held)) {
                    goes.push(delete);
                }
            }
            changes.delete = goes;
            let mut updates = Vec::with_capacity(changes.update.len());
            for &update in &changes.update {
                if !count(self.table(update.held)) {
                    updates.push(update);
                } else if update.frees_canonical_id && is_taken(update.held)? {
                    let none = Form::default();
                    updates.push(NodeUpdate { differ: 0, add: none, remove: none, ..update });
                }
            }
            changes.update = updates;
        }
        Ok(unmade)
    }

    /// What is made, by label. A node that goes all the same, because another takes its canonical id, keeps nothing from
    /// being made of its rows; and what is made of them may take a further node's.
    fn making(&self, plan: &Plan<'_>) -> Result<BTreeMap<Label, Making>, MirrorError> {
        let mut going = HashSet::new();
        loop {
            let (mut all, known) = (BTreeMap::new(), going.len());
            for (&label, changes) in &plan.nodes {
                let mut making = Making::default();
                for &at in &changes.create {
                    match self.of_rows(refs(&plan.resolved.node(at)?.properties), &going) {
                        Some(staying) => making.unmade.push((at, staying)),
                        None => making.made.push(at),
                    }
                }
                making.taken = self.taken(label, &making.made, changes, plan)?;
                for delete in changes.delete.iter().filter(|delete| self.has(delete.held)) {
                    let node = plan.current.node(delete.held)?;
                    let goes = canonical_id(&node).is_some_and(|id| making.taken.contains(id));
                    going.extend(goes.then_some(delete.held));
                }
                all.insert(label, making);
            }
            if going.len() == known {
                return Ok(all);
            }
        }
    }

    /// The canonical ids of staying nodes that others of their label take, `made` or changed.
    fn taken(
        &self,
        label: Label,
        made: &[u32],
        changes: &NodeChanges,
        plan: &Plan<'_>,
    ) -> Result<HashSet<String>, MirrorError> {
        let (resolved, current) = (plan.resolved, plan.current);
        let freed =
            changes.update.iter().filter(|update| update.frees_canonical_id).map(|update| update.held);
        let gone =
            changes.delete.iter().filter(|delete| delete.carries_canonical_id).map(|delete| delete.held);
        let mut sought = HashSet::new();
        for held in freed.chain(gone).filter(|held| self.has(*held)) {
            sought.extend(canonical_id(&current.node(held)?).map(str::to_owned));
        }
        let nth = compared(label).position(|property| property.name == "canonical_id");
        let changed = changes
            .update
            .iter()
            .filter(|update| nth.is_some_and(|nth| update.differ & 1 << nth != 0) && !self.has(update.held));
        let mut taken = HashSet::new();
        for at in made.iter().copied().chain(changed.map(|update| update.at)) {
            if sought.is_empty() {
                break;
            }
            taken.extend(canonical_id(&resolved.node(at)?).and_then(|id| sought.take(id)));
        }
        Ok(taken)
    }
}

fn canonical_id(node: &NodeRow) -> Option<&str> {
    match property(&node.properties, "canonical_id") {
        Some(Value::Text(id)) => Some(id),
        _ => None,
    }
}

/// Every source row that the sources claim now, in order.
pub(super) fn claimed(resolved: &Resolved) -> Result<Vec<NameHash>, MirrorError> {
    let mut claimed = Vec::new();
    for row in resolved.node_rows() {
        claimed.extend(refs(&row?.properties).iter().map(|reference| NameHash::of(reference)));
    }
    claimed.sort_unstable();
    Ok(claimed)
}

pub(super) fn is_claimed(claimed: &[NameHash], reference: &str) -> bool {
    claimed.binary_search(&NameHash::of(reference)).is_ok()
}

/// Whether a sweep marked it.
pub(super) fn is_deleted(node: &NodeRow) -> bool {
    property(&node.properties, "deleted_at").is_some()
}

/// `system:schema.table` of `system:schema.table:key`.
pub(super) fn table_of(reference: &str) -> Option<&str> {
    let (at, _) = reference.match_indices(':').nth(1)?;
    Some(&reference[..at])
}

/// The table of what is called after one of its columns.
pub(super) fn stands_in(table: &str) -> Option<&str> {
    table.rsplit_once('.').map(|(table, _)| table)
}

/// Edges that stay because one of their ends does: relation, whether that end is the first, its label, the other end among the
/// resolved nodes, and what tells the edge from parallel ones.
#[derive(Default)]
pub(super) struct Kept(HashSet<(Relation, bool, Label, u32, u64)>);

impl Kept {
    pub(super) fn add(&mut self, relation: Relation, key: &EdgeKey, staying: &Resting, plan: &Plan<'_>) {
        for (is_first, end, other) in [(true, key.src, key.dst), (false, key.dst, key.src)] {
            let [end_key, other_key] = [end, other].map(|at| plan.current.keys[at as usize]);
            let (Some(label), Some(of_other)) = (end_key.label(), other_key.label()) else { continue };
            let other = plan.resolved.find(of_other, other_key.name);
            if let Some(other) = other.filter(|_| staying.has(end)) {
                self.0.insert((relation, is_first, label, other, key.which));
            }
        }
    }

    /// Whether a contact is told to be converted to what a company that stays is, which comes first.
    fn is_of_company(&self, relation: Relation, from: Label, key: &EdgeKey) -> bool {
        let companys = (relation, true, Label::Organization, key.dst, key.which);
        relation == Relation::ConvertedTo && from == Label::Person && self.0.contains(&companys)
    }

    /// Takes out of a plan what would stand in for nodes that stay: things that are only values of a column (`known` tells which
    /// tables there are), and have the same edges.
    pub(super) fn make_no_stand_ins(
        &self,
        plan: &mut Plan<'_>,
        known: &BTreeSet<String>,
    ) -> Result<(), MirrorError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let resolved = plan.resolved;
        let is_value = |reference: &String| {
            table_of(reference).and_then(stands_in).is_some_and(|table| known.contains(table))
        };
        let (mut values, mut standing): (BTreeMap<u32, bool>, HashSet<u32>) = Default::default();
        for ((relation, from, to), changes) in &mut plan.edges {
            let mut made = Vec::with_capacity(changes.create.len());
            for &at in &changes.create {
                let key = resolved.edge_key(at);
                if self.is_of_company(*relation, *from, &key) {
                    continue;
                }
                let ends = [(true, *from, key.src, key.dst), (false, *to, key.dst, key.src)];
                let mut stand_in = None;
                for (is_first, label, end, other) in ends {
                    if !self.0.contains(&(*relation, is_first, label, other, key.which)) {
                        continue;
                    }
                    let is_one = if let Some(is_one) = values.get(&end) {
                        *is_one
                    } else {
                        let row = resolved.node(end)?;
                        let refs = refs(&row.properties);
                        *values.entry(end).or_insert(!refs.is_empty() && refs.iter().all(is_value))
                    };
                    stand_in = stand_in.or(is_one.then_some(end));
                }
                match stand_in {
                    Some(end) => drop(standing.insert(end)),
                    None => made.push(at),
                }
            }
            changes.create = made;
        }
        // One that has other edges still is needed for those; that it is called as others are is none.
        for ((relation, ..), changes) in &plan.edges {
            for &at in changes.create.iter().filter(|_| *relation != Relation::SameAs) {
                let key = resolved.edge_key(at);
                standing.remove(&key.src);
                standing.remove(&key.dst);
            }
        }
        let mut unmade: HashSet<u32> = HashSet::new();
        for changes in plan.nodes.values_mut() {
            changes.create.retain(|at| {
                let stands_in = standing.contains(at);
                unmade.extend(stands_in.then_some(*at));
                !stands_in
            });
        }
        plan.make_no_edges_of(&unmade);
        Ok(())
    }
}
