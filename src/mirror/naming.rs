//! What merged things are called: their uid and the canonical id they carry.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::MirrorError;
use super::elements::{Elements, Evidence, Key};
use super::kept::Kept;
use super::keys::NameHash;
use super::merge::{Group, alike, owner};
use super::report::Report;
use crate::ontology::{Label, Uid};

/// Names groups, one at a time.
pub(super) struct Namer<'a> {
    kept: &'a Kept,
    /// A uid that was given before and names no row any more → the smallest of the rows that had it, and the root of its
    /// group.
    orphans: HashMap<Arc<str>, (String, u32)>,
    /// A canonical id that several things have → root of the one that carries it.
    keepers: HashMap<(Label, NameHash), u32>,
}

impl<'a> Namer<'a> {
    pub(super) fn of(
        elements: &Elements,
        keys: &[Key],
        of: &[u32],
        kept: &'a Kept,
        report: &mut Report,
    ) -> Result<Self, MirrorError> {
        let mut namer = Self { kept, orphans: HashMap::new(), keepers: HashMap::new() };
        for alike in alike(keys).filter(|alike| alike[0].evidence == Evidence::Canonical) {
            let root = |key: &Key| of[key.element as usize];
            if alike.iter().all(|key| root(key) == root(&alike[0])) {
                continue;
            }
            let Key { label, id, .. } = alike[0];
            let what = "two things have one canonical id; only one carries it";
            let rows = elements.names(alike.iter().map(|key| key.element))?;
            report.conflict(what, label.name(), &elements.text(alike[0])?, rows);
            namer.keepers.insert((label, id), of[owner(alike, of, elements)? as usize]);
        }
        if !kept.is_empty() {
            namer.remember(elements, of)?;
        }
        Ok(namer)
    }

    fn remember(&mut self, elements: &Elements, of: &[u32]) -> Result<(), MirrorError> {
        for row in elements.rows() {
            let reference = row?.reference;
            let root = of[elements.find(&reference).expect("every row is an element") as usize];
            if elements.is_entity(root) {
                continue;
            }
            let Some(uid) = self.kept.uid(&reference)?.filter(|uid| elements.find(uid).is_none()) else {
                continue;
            };
            let this = (reference, root);
            let first = self.orphans.entry(uid).or_insert_with(|| this.clone());
            if this < *first {
                *first = this;
            }
        }
        Ok(())
    }

    /// The root of the group that a uid given before goes to: the one that has the row it names, else the first that has a
    /// row of it.
    fn owner(&self, uid: &str, elements: &Elements, of: &[u32]) -> Option<u32> {
        let named = elements.find(uid).map(|at| of[at as usize]);
        named.or_else(|| self.orphans.get(uid).map(|(_, root)| *root))
    }

    /// Gives a group its uid: the entity's; else the one its rows were given before; else the byte-smallest reference. And
    /// its canonical id: the entity's own, else that of its first row; no two nodes carry the same.
    pub(super) fn name(
        &self,
        group: &mut Group,
        elements: &Elements,
        of: &[u32],
        report: &mut Report,
    ) -> Result<(), MirrorError> {
        group.uid = if let Some(entity) = &group.entity {
            Uid::entity(&entity.id).to_string()
        } else {
            let references = || group.rows.iter().map(|row| row.reference.as_str());
            let mut before = Vec::new();
            for reference in references() {
                before.extend(self.kept.uid(reference)?);
            }
            before
                .retain(|uid| !uid.starts_with("ent:") && self.owner(uid, elements, of) == Some(group.root));
            let before = before.into_iter().min().map(|uid| uid.to_string());
            let first = || references().min().map(str::to_owned);
            before.or_else(first).expect("a group without an entity has a row")
        };

        // By the rank of who has it: the entity, then the rows.
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        let of_entity = group.entity.as_ref().and_then(|entity| elements.entitys_canonical_id(entity));
        ids.extend(of_entity.map(|id| (id, 0)));
        // Rows of one reference are one row that was read twice.
        for (same, rank) in group.rows.chunk_by(|a, b| a.reference == b.reference).zip(1..) {
            for id in same.iter().flat_map(|row| elements.canonical_ids(row)) {
                ids.entry(id).or_insert(rank);
            }
        }
        ids.retain(|id, _| {
            let keeper = self.keepers.get(&(group.label, NameHash::of(id)));
            keeper.is_none_or(|keeper| *keeper == group.root)
        });
        let ids: BTreeSet<(usize, String)> = ids.into_iter().map(|(id, rank)| (rank, id)).collect();
        if ids.len() > 1 {
            let rows = group.rows.iter().map(|row| row.reference.clone());
            let what = "one thing has several canonical ids; the first by precedence is carried";
            let all = ids.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>().join(" ");
            report.conflict(what, group.label.name(), &all, rows);
        }
        group.canonical_id = ids.into_iter().next().map(|(_, id)| id);
        Ok(())
    }
}
