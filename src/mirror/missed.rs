//! What runs before held back, and whether it is missed still.
//!
//! How many rows a table has does not tell whether those are back that it lost: others may have come. So what was held back
//! once is measured by what there was when it failed, and by what would be deleted of it now.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::current::refs;
use super::fed::Fed;
use super::keys::{EdgeKey, NameHash};
use super::plan::Plan;
use super::resting::{is_claimed, stands_in, table_of};
use super::sweep::{HeldBack, SweepGuard};
use crate::ontology::Relation;

/// A table or relation as it was when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Rows or edges that there were.
    pub before: u64,
    /// Those of them that went.
    pub gone: u64,
    /// What of it stayed in the graph: rows that nodes remember, or edges; of a table without nodes all that it would have
    /// deleted. None where it was held back for other reasons than that so much went.
    pub stays: u64,
}

impl From<&HeldBack> for Missed {
    fn from(held: &HeldBack) -> Self {
        Self { before: held.before, gone: held.gone, stays: held.stays }
    }
}

impl Missed {
    /// Whether so much of what stayed `goes` now that it cannot be back.
    pub(super) fn is_missed(&self, goes: u64, guard: &SweepGuard) -> bool {
        self.stays > 0 && goes as f64 > guard.max_shrink * self.stays as f64
    }
}

/// How much a plan deletes of what a table `fed`: nodes that are called after it, and edges between nodes that stay, but of
/// relations that are `free`.
///
/// Time O(d) in the deletions of the plan.
///
/// # Errors
/// When rows that were kept aside cannot be read.
pub(super) fn deletions(
    plan: &Plan<'_>,
    fed: &Fed,
    claimed: &[NameHash],
    is_free: impl Fn(Relation) -> bool,
) -> Result<u64, MirrorError> {
    let (mut going, mut count) = (HashSet::new(), 0);
    for delete in plan.nodes.values().flat_map(|changes| &changes.delete) {
        going.insert(delete.held);
        let node = plan.current.node(delete.held)?;
        let mut lost = refs(&node.properties).iter().filter(|reference| !is_claimed(claimed, reference));
        let is_fed = |table: &str| {
            fed.refs.contains(table) || stands_in(table).is_some_and(|of| fed.refs.contains(of))
        };
        count += u64::from(lost.any(|reference| table_of(reference).is_some_and(is_fed)));
    }
    let follows = |key: &EdgeKey| going.contains(&key.src) || going.contains(&key.dst);
    let relations = fed.relations.iter().filter(|relation| !is_free(**relation));
    Ok(count + relations.map(|relation| lost_edges(*relation, plan, follows)).sum::<u64>())
}

/// The edges of a relation that a plan deletes, but for those that follow their ends, and those that it makes again elsewhere as
/// far as something tells which they are.
pub(super) fn lost_edges(relation: Relation, plan: &Plan<'_>, follows: impl Fn(&EdgeKey) -> bool) -> u64 {
    let changes = || plan.edges.iter().filter(|((of, ..), _)| *of == relation).map(|(_, changes)| changes);
    let made = changes().flat_map(|changes| &changes.create).map(|&at| plan.resolved.edge_key(at).which);
    let made: HashSet<u64> = made.filter(|_| relation.discriminator().is_some()).collect();
    let gone = changes().flat_map(|changes| &changes.delete);
    gone.filter(|key| !follows(key) && !made.contains(&key.which)).count() as u64
}
