//! What merged things are called: their uid and the canonical id they carry.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::MirrorError;
use super::kept::Kept;
use super::merge::{Elements, Evidence, Group, Keys};
use super::report::Report;
use crate::ontology::Uid;

/// Gives every group its uid: the entity's; else the one its rows were given before; else the byte-smallest reference.
pub(super) fn name_groups(groups: &mut [Group], kept: &Kept) -> Result<(), MirrorError> {
    let mut home: BTreeMap<String, usize> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for row in &group.rows {
            home.entry(row.reference.clone()).or_insert(index);
        }
    }
    // A uid given before goes to the group that has the row it names, else to the first group that has a row of it.
    let mut owner: HashMap<Arc<str>, usize> = HashMap::new();
    for (reference, &index) in home.iter().filter(|_| !kept.is_empty()) {
        if let Some(uid) = kept.uid(reference)?
            && groups[index].entity.is_none()
        {
            let named = home.get(&*uid).copied().unwrap_or(index);
            owner.entry(uid).or_insert(named);
        }
    }
    for (index, group) in groups.iter_mut().enumerate() {
        group.uid = if let Some(entity) = group.entity {
            Uid::entity(&entity.id).to_string()
        } else {
            let references = || group.rows.iter().map(|row| row.reference.as_str());
            let mut before = Vec::new();
            for reference in references() {
                before.extend(kept.uid(reference)?);
            }
            before.retain(|uid| !uid.starts_with("ent:") && owner.get(uid) == Some(&index));
            let before = before.into_iter().min().map(|uid| uid.to_string());
            let first = || references().min().map(str::to_owned);
            before.or_else(first).expect("a group without an entity has a row")
        };
    }
    Ok(())
}

/// Chooses the canonical id of each group: the entity's own, else that of its first row; no two nodes carry the same.
pub(super) fn canonical_ids(
    groups: &mut [Group],
    keys: &Keys,
    of_element: &[usize],
    elements: &Elements,
    report: &mut Report,
) {
    // group → (rank of the best member that has the id, id)
    let mut ids: BTreeMap<usize, BTreeSet<(usize, &str)>> = BTreeMap::new();
    for ((label, evidence, id), members) in keys {
        if *evidence != Evidence::Canonical {
            continue;
        }
        let owners: BTreeSet<usize> = members.iter().map(|&at| of_element[at]).collect();
        let keeper = of_element[members[0]];
        if owners.len() > 1 {
            let rows = members.iter().map(|&at| elements.name(at));
            let what = "two things have one canonical id; only one carries it";
            report.conflict(what, label.name(), id, rows);
        }
        let rank = members
            .iter()
            .filter(|&&at| of_element[at] == keeper)
            .map(|&at| rank(&groups[keeper], elements, at))
            .min()
            .expect("the keeper is the group of a member");
        ids.entry(keeper).or_default().insert((rank, id));
    }
    for (index, ids) in ids {
        let group = &mut groups[index];
        if ids.len() > 1 {
            let rows = group.rows.iter().map(|row| row.reference.clone());
            let what = "one thing has several canonical ids; the first by precedence is carried";
            let all = ids.iter().map(|(_, id)| *id).collect::<Vec<_>>().join(" ");
            report.conflict(what, group.label.name(), &all, rows);
        }
        group.canonical_id = ids.first().map(|(_, id)| (*id).to_owned());
    }
}

/// 0 for the entity, 1 + position among the rows for a row.
fn rank(group: &Group, elements: &Elements, at: usize) -> usize {
    at.checked_sub(elements.entities.len()).map_or(0, |row| {
        let reference = &elements.rows[row].reference;
        1 + group.rows.iter().position(|r| r.reference == *reference).unwrap_or(group.rows.len())
    })
}
