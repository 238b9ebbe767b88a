//! What memory holds of a row that lies in a spool: who it is and where it lies, in a fixed number of bytes.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

pub(super) use crate::ontology::NameHash;
use crate::ontology::{Label, Relation, Value};
use crate::sources::spool::Place;

/// Further labels that the mirror gives and takes.
pub(super) const FURTHER_LABELS: [&str; 3] = ["Artist", "Contact", "Fan"];

/// Numbers of things by the hashes of their names, 24 bytes each.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<(NameHash, u32)>);

impl Numbers {
    /// Of a name with several numbers, the last counts.
    pub(super) fn of(mut all: Vec<(NameHash, u32)>) -> Self {
        all.sort_by_key(|(name, _)| *name);
        all.dedup_by(|next, last| {
            let same = next.0 == last.0;
            *last = if same { *next } else { *last };
            same
        });
        all.shrink_to_fit();
        Self(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<u32> {
        let name = NameHash::of(name);
        let at = self.0.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        Some(self.0[at].1)
    }
}

/// What of a node stands in the statement that writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Form(u8);

impl Form {
    const LOCATED: u8 = 1 << FURTHER_LABELS.len();

    /// The further labels among `labels` that the mirror gives, and whether there is a point.
    pub(super) fn of<L: AsRef<str>>(labels: &[L], located: bool) -> Self {
        let bits = FURTHER_LABELS
            .iter()
            .enumerate()
            .filter(|(_, further)| labels.iter().any(|label| label.as_ref() == **further))
            .fold(0, |bits, (nth, _)| bits | 1 << nth);
        Self(bits).with_location(located)
    }

    pub(super) const fn with_location(self, located: bool) -> Self {
        Self(if located { self.0 | Self::LOCATED } else { self.0 & !Self::LOCATED })
    }

    pub(super) const fn is_located(self) -> bool {
        self.0 & Self::LOCATED != 0
    }

    /// The labels that `self` has and `other` lacks.
    pub(super) const fn beyond(self, other: Self) -> Self {
        Self(self.0 & !other.0 & !Self::LOCATED)
    }

    pub(super) fn labels(self) -> impl Iterator<Item = &'static str> {
        FURTHER_LABELS.into_iter().enumerate().filter(move |(nth, _)| self.0 & 1 << nth != 0).map(|(_, l)| l)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A node: what it is, the hash of its uid, and where its row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeKey {
    pub name: NameHash,
    /// Place, kind in the lower 16 bits beside it, form in the upper 8.
    at: u64,
}

/// What kind of node: the number of a label of the ontology, above them of one that somebody else made up.
pub(super) type Kind = u16;

pub(super) const fn kind_of(label: Label) -> Kind {
    label as Kind
}

impl NodeKey {
    pub(super) fn new(kind: Kind, name: NameHash, form: Form, place: Place) -> Self {
        Self { name, at: place.packed(u32::from(kind) | u32::from(form.0) << 16) }
    }

    /// A node whose row is not written yet.
    pub(super) fn unwritten(kind: Kind, name: NameHash) -> Self {
        Self::new(kind, name, Form::default(), Place::NOWHERE)
    }

    pub(super) fn is_written(self) -> bool {
        self.place() != Place::NOWHERE
    }

    pub(super) const fn place(self) -> Place {
        Place::unpacked(self.at).0
    }

    pub(super) const fn kind(self) -> Kind {
        Place::unpacked(self.at).1 as Kind
    }

    pub(super) fn label(self) -> Option<Label> {
        Label::ALL.get(usize::from(self.kind())).copied()
    }

    pub(super) const fn form(self) -> Form {
        Form((Place::unpacked(self.at).1 >> 16) as u8)
    }
}

/// By label and hash. Places, which depend on the order of reading, do not matter.
impl Ord for NodeKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.kind(), self.name).cmp(&(other.kind(), other.name))
    }
}

impl PartialOrd for NodeKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An edge: relation, ends as positions among node keys, what tells it from parallel ones, and where its row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EdgeKey {
    pub src: u32,
    pub dst: u32,
    /// Hash of the discriminator, 0 where there is none.
    pub which: u64,
    at: u64,
}

impl EdgeKey {
    pub(super) fn new(relation: Relation, (src, dst): (u32, u32), which: u64, place: Place) -> Self {
        Self { src, dst, which, at: place.packed(relation as u32) }
    }

    pub(super) const fn place(self) -> Place {
        Place::unpacked(self.at).0
    }

    pub(super) fn relation(self) -> Relation {
        Relation::ALL[Place::unpacked(self.at).1 as usize]
    }

    /// What is sorted and found by: relation, ends, discriminator.
    pub(super) const fn identity(self) -> (u32, u32, u32, u64) {
        (Place::unpacked(self.at).1, self.src, self.dst, self.which)
    }
}

/// What tells an edge of these properties from parallel ones.
pub(super) fn discriminator<'p>(
    relation: Relation,
    properties: &'p [(&'static str, Value)],
) -> Option<&'p str> {
    let name = relation.discriminator()?;
    match properties.iter().find(|(n, _)| *n == name) {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}

/// The hash of a discriminator as it stands in an [`EdgeKey`].
pub(super) fn which(discriminator: Option<&str>) -> u64 {
    discriminator.map_or(0, |text| NameHash::of(text).short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_small_as_was_promised() {
        assert!(size_of::<NodeKey>() <= 64 && size_of::<EdgeKey>() <= 32);
    }

    #[test]
    fn a_name_is_found_by_the_number_it_was_given_last() {
        let numbers = ["b", "a", "c", "a", "b"].into_iter().map(NameHash::of).zip(0..);
        let numbers = Numbers::of(numbers.collect());
        assert_eq!(["a", "b", "c", "d"].map(|name| numbers.get(name)), [Some(3), Some(4), Some(2), None]);
    }

    #[test]
    fn a_key_gives_back_what_it_was_made_of() {
        let (place, _) = Place::unpacked((1 << Place::BITS) - 7);
        let form = Form::of(&["Fan", "Vip", "Artist"], true);
        let node = NodeKey::new(kind_of(Label::Visitor), NameHash::of("a"), form, place);
        assert_eq!((node.label(), node.form(), node.place()), (Some(Label::Visitor), form, place));
        assert_eq!(form.labels().collect::<Vec<_>>(), ["Artist", "Fan"]);
        let edge = EdgeKey::new(Relation::SameAs, (3, u32::MAX), 9, place);
        assert_eq!((edge.relation(), edge.place()), (Relation::SameAs, place));
        assert_eq!(edge.identity(), (Relation::SameAs as u32, 3, u32::MAX, 9));
    }
}
