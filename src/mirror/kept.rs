//! The uids that source rows were given before, as the graph remembers them.

use std::sync::Arc;

use super::MirrorError;
use super::current::{Current, refs};
use super::keys::NameHash;
use crate::ontology::Label;
use crate::snapshot::tables::assemble::NodeRow;
use crate::sources::spool::{Place, Spool};

/// Source row → uid of the node that remembers it. Holds 24 bytes a row; uids are read when they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// In order.
    rows: Arc<Vec<(NameHash, u64)>>,
    nodes: Arc<Spool<NodeRow>>,
}

impl Kept {
    /// The uid that a source row was given before.
    ///
    /// # Errors
    /// When what was kept aside cannot be read.
    pub fn uid(&self, reference: &str) -> Result<Option<Arc<str>>, MirrorError> {
        // An empty graph is asked as often as a full one.
        if self.rows.is_empty() {
            return Ok(None);
        }
        let name = NameHash::of(reference);
        let Ok(at) = self.rows.binary_search_by_key(&name, |(name, _)| *name) else { return Ok(None) };
        Ok(Some(self.nodes.get(Place::unpacked(self.rows[at].1).0)?.uid))
    }

    /// Where the row of the node lies that remembers a source row.
    pub(super) fn place(&self, reference: &str) -> Option<Place> {
        let name = NameHash::of(reference);
        let at = self.rows.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        Some(Place::unpacked(self.rows[at].1).0)
    }

    /// Whether no row was given any.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The source rows of a mirrored graph and the uid each was given, for [`ResolveOptions::kept`](super::ResolveOptions).
///
/// # Errors
/// When what was kept aside cannot be read.
pub fn kept_uids(current: &Current) -> Result<Kept, MirrorError> {
    // What has no row of its own is named by its value and needs no memory.
    let derived = [Label::Visitor, Label::Content, Label::Genre];
    let mut rows = Vec::new();
    let mut keys = current.keys.iter().filter(|key| !key.label().is_some_and(|l| derived.contains(&l)));
    keys.try_for_each(|key| -> Result<(), MirrorError> {
        let node = current.nodes.get(key.place())?;
        let place = key.place().packed(u32::from(key.kind()));
        let remembered = refs(&node.properties);
        rows.extend(remembered.iter().map(|reference| (NameHash::of(reference), place)));
        if remembered.is_empty() {
            // Somebody overwrote what it remembers, but not the name that one of its rows once gave it.
            rows.push((NameHash::of(&node.uid), place));
        }
        Ok(())
    })?;
    rows.sort_unstable_by_key(|(name, _)| *name);
    // Of several that remember one row, the last by label and uid.
    let mut unread = None;
    rows.dedup_by(|next, last| {
        let same = next.0 == last.0;
        if same {
            match (rank(current, last.1), rank(current, next.1)) {
                (Ok(before), Ok(after)) if before < after => *last = *next,
                (Ok(_), Ok(_)) => {}
                (Err(error), _) | (_, Err(error)) => unread = Some(error),
            }
        }
        same
    });
    rows.shrink_to_fit();
    match unread {
        Some(error) => Err(error),
        None => Ok(Kept { rows: Arc::new(rows), nodes: Arc::clone(&current.nodes) }),
    }
}

fn rank(current: &Current, packed: u64) -> Result<(String, Arc<str>), MirrorError> {
    let (place, kind) = Place::unpacked(packed);
    Ok((current.label_name(kind as u16).to_owned(), current.nodes.get(place)?.uid))
}
