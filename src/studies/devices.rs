//! The people behind devices.

use std::collections::BTreeMap;

use crate::graph::BusinessGraph;
use crate::ontology::Relation;

/// The person behind each device; a device identified as several persons stays itself.
pub(super) fn persons_of_devices(graph: &BusinessGraph) -> BTreeMap<u32, u32> {
    let Some(table) = graph.edges(Relation::IdentifiedAs.name()) else { return BTreeMap::new() };
    let mut persons: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    for (device, &person) in table.src.iter().zip(table.dst.iter()) {
        let known = persons.entry(device).or_insert(Some(person));
        if *known != Some(person) {
            *known = None;
        }
    }
    persons.into_iter().filter_map(|(device, person)| Some((device, person?))).collect()
}
