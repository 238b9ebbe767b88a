//! Start times that rest on venues which stay: without the zone of its venue nobody knows when an event's clock shows its
//! start, and the event and the edges that lead to it would lose what they told.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MirrorError;
use super::current::property;
use super::links::AT_EVENT_START;
use super::plan::{Plan, compared};
use super::resting::Resting;
use super::sweep::HeldBack;
use crate::ontology::{Label, Relation};

/// What tells when an event starts: both or neither, so that they go together.
const START: [&str; 2] = ["starts_at", "local_start"];

/// Keeps the start of events that would lose it and hang on a venue that stays, and the time of the edges that lead to them or
/// to events that stay themselves; counts for whose sake.
///
/// Time O(n + m) in nodes and edges of the graph where a venue stays.
pub(super) fn keep_starts(
    plan: &mut Plan<'_>,
    staying: &Resting,
    held: &mut BTreeMap<String, HeldBack>,
) -> Result<(), MirrorError> {
    if staying.is_empty() {
        return Ok(());
    }
    let (resolved, current) = (plan.resolved, plan.current);
    let mut count = |table: &str| {
        if let Some(held) = held.get_mut(table) {
            held.held_back += 1;
        }
    };
    let at_venues = at_venues(plan, staying)?;
    let mut kept: HashMap<u32, &str> = HashMap::new();
    let declared = compared(Label::Event).enumerate();
    let start: u16 = declared
        .filter(|(_, of)| START.contains(&of.name))
        .map(|(nth, _)| 1 << nth)
        .fold(0, |all, bit| all | bit);
    if let Some(changes) = plan.nodes.get_mut(&Label::Event) {
        for update in changes.update.iter_mut().filter(|update| update.differ & start != 0) {
            let Some(&table) = at_venues.get(&update.held) else { continue };
            let (is, shall) = (current.node(update.held)?.properties, resolved.node(update.at)?.properties);
            let loses = |name: &&str| property(&is, name).is_some() && property(&shall, name).is_none();
            if START.iter().any(loses) {
                update.differ &= !start;
                kept.insert(update.held, table);
                count(table);
            }
        }
        changes.update.retain(|update| {
            update.differ != 0
                || update.frees_canonical_id
                || !update.add.is_empty()
                || !update.remove.is_empty()
        });
    }
    for ((relation, ..), changes) in &mut plan.edges {
        let nth = relation.properties().iter().position(|property| property.name == "timestamp");
        let Some(nth) = nth.filter(|_| AT_EVENT_START.contains(relation)) else { continue };
        for update in changes.update.iter_mut().filter(|update| update.differ & 1 << nth != 0) {
            let event = resolved.node_key(resolved.edge_key(update.at).dst);
            let event = current.find(event.kind(), event.name);
            let table = event.and_then(|event| kept.get(&event).copied().or_else(|| staying.table(event)));
            if let Some(table) = table {
                update.differ &= !(1 << nth);
                count(table);
            }
        }
        changes.update.retain(|update| update.differ != 0);
    }
    Ok(())
}

/// The events of the graph that hang on a venue that stays, and the table of that.
fn at_venues<'s>(plan: &Plan<'_>, staying: &'s Resting) -> Result<HashMap<u32, &'s str>, MirrorError> {
    let gone = plan.nodes.get(&Label::Venue).into_iter().flat_map(|changes| &changes.delete);
    let gone: HashSet<u32> = gone.map(|delete| delete.held).collect();
    let mut venues = plan.current.nodes_of(Label::Venue);
    let mut events = HashMap::new();
    if !venues.any(|venue| staying.has(venue)) {
        return Ok(events);
    }
    for edge in &plan.current.edges {
        let edge = edge?;
        if edge.relation == Relation::Hosts
            && !gone.contains(&edge.src)
            && let Some(table) = staying.table(edge.src)
        {
            events.entry(edge.dst).or_insert(table);
        }
    }
    Ok(events)
}
