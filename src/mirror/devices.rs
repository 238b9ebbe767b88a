//! Devices: when each was seen, and whose it is.

use std::collections::{BTreeMap, BTreeSet};

use super::MirrorError;
use super::aliases::{self, Known, Link};
use super::draft::{At, Draft};
use super::resolve::Places;
use crate::ontology::{Label, Uid};
use crate::sources::facts::{Facts, MOST_TOUCH_SCHEMAS};

/// Columns that hold the id of a device.
pub(super) const COLUMNS: [&str; 4] =
    ["tracks.anonymous_id", "identifies.anonymous_id", "aliases.previous_id", "aliases.user_id"];
const TRACKS: u32 = 0;
const IDENTIFIES: u32 = 1;
const FORMER: u32 = 2;
const LATER: u32 = 3;

/// Where the id of a device was seen: the schema, and one of [`COLUMNS`].
type Source = (u8, u32);

const _: () = assert!(MOST_TOUCH_SCHEMAS * COLUMNS.len() <= u32::BITS as usize, "a bit for each source");

/// How it became known whose a device is; the order decides between what was said at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    Alias,
    Identify,
}

impl Evidence {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Identify => "identify",
        }
    }
}

/// One device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Device {
    /// Epoch µs.
    pub first: i64,
    pub last: i64,
    /// When it was first said whose it is, in epoch µs.
    since: i64,
    /// The first of those who used it while known.
    user: Option<At>,
    /// Whether its node was begun.
    pub is_drafted: bool,
    evidence: Option<Evidence>,
    shared: bool,
    /// One bit for each of [`COLUMNS`] of each schema.
    sources: u32,
}

impl Device {
    fn used_by(&mut self, person: At) {
        self.shared |= self.user.is_some_and(|user| user != person);
        self.user.get_or_insert(person);
    }

    fn said_to_be(&mut self, at: i64, evidence: Evidence) {
        if self.evidence.is_none_or(|known| (at, evidence) < (self.since, known)) {
            (self.since, self.evidence) = (at, Some(evidence));
        }
    }

    /// Whether more than one person used it.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared
    }

    /// The person its anonymous touches belong to, since when that is known and how.
    ///
    /// The rule is the next identify, else the previous one. On a device that is not shared both name the same person.
    pub(super) fn owner(&self) -> Option<(At, i64, Evidence)> {
        let (user, evidence) = self.user.zip(self.evidence).filter(|_| !self.shared)?;
        Some((user, self.since, evidence))
    }

    /// The schemas and columns that hold its id.
    pub(super) fn sources(&self) -> impl Iterator<Item = (u8, &'static str)> {
        let sources = self.sources;
        let all = (0..MOST_TOUCH_SCHEMAS as u8).flat_map(|schema| COLUMNS.map(|column| (schema, column)));
        all.enumerate().filter(move |(nth, _)| sources & 1 << nth != 0).map(|(_, source)| source)
    }
}

/// All devices, in the order in which their nodes are numbered: ids that are told alike are one device.
#[derive(Debug)]
pub(super) struct Devices {
    /// Number of the first one's node.
    from: At,
    all: Vec<Device>,
}

impl Devices {
    /// No devices yet. While they are added, nobody else numbers nodes.
    pub(super) fn after(draft: &Draft) -> Self {
        Self { from: draft.node_count() as At, all: Vec::new() }
    }

    fn place(&self, anonymous_id: &str, draft: &Draft) -> Option<usize> {
        let at = draft.find(Uid::visitor(anonymous_id).as_str())?.checked_sub(self.from)? as usize;
        (at < self.all.len()).then_some(at)
    }

    pub(super) fn get(&self, anonymous_id: &str, draft: &Draft) -> Option<&Device> {
        Some(&self.all[self.place(anonymous_id, draft)?])
    }

    /// A device, and the number of its node.
    pub(super) fn get_mut(&mut self, anonymous_id: &str, draft: &Draft) -> Option<(At, &mut Device)> {
        let place = self.place(anonymous_id, draft)?;
        Some((self.from + place as At, &mut self.all[place]))
    }

    /// A touch: by which device, in which schema, when, and by whom where that is known.
    pub(super) fn touched(
        &mut self,
        anonymous_id: &str,
        schema: u8,
        at: i64,
        person: Option<At>,
        draft: &mut Draft,
    ) -> Result<(), MirrorError> {
        let device = self.seen(anonymous_id, (schema, TRACKS), at, draft)?;
        if let Some(person) = person {
            device.used_by(person);
        }
        Ok(())
    }

    fn seen(
        &mut self,
        anonymous_id: &str,
        (schema, column): Source,
        at: i64,
        draft: &mut Draft,
    ) -> Result<&mut Device, MirrorError> {
        let (node, is_new) = draft.number(Label::Visitor, Uid::visitor(anonymous_id).as_str())?;
        if is_new {
            self.all.push(Device {
                first: at,
                last: at,
                since: at,
                user: None,
                is_drafted: false,
                evidence: None,
                shared: false,
                sources: 0,
            });
        }
        let device = &mut self.all[(node - self.from) as usize];
        device.first = device.first.min(at);
        device.last = device.last.max(at);
        device.sources |= 1 << (u32::from(schema) * COLUMNS.len() as u32 + column);
        Ok(device)
    }

    fn identified(
        &mut self,
        anonymous_id: &str,
        source: Source,
        at: i64,
        person: Option<At>,
        draft: &mut Draft,
    ) -> Result<(), MirrorError> {
        let evidence = if source.1 == IDENTIFIES { Evidence::Identify } else { Evidence::Alias };
        let device = self.seen(anonymous_id, source, at, draft)?;
        if let Some(person) = person {
            device.used_by(person);
            device.said_to_be(at, evidence);
        }
        Ok(())
    }

    /// Adds what identifies and aliases tell, after all touches.
    pub(super) fn identify(
        &mut self,
        facts: &Facts,
        places: &Places,
        draft: &mut Draft,
    ) -> Result<(), MirrorError> {
        let person = |user: &str| places.user(user);
        for row in &facts.identifies {
            let row = row?;
            if let Some(id) = &row.anonymous_id {
                let (source, user) = ((row.schema, IDENTIFIES), row.user_id.as_deref().and_then(person));
                self.identified(id, source, row.at, user, draft)?;
            }
        }
        let mut links = Vec::new();
        for row in &facts.aliases {
            let is_device = self.get(&row.previous_id, draft).is_some() || person(&row.previous_id).is_none();
            let (former, later) = ((row.schema, FORMER), (row.schema, LATER));
            match (is_device, person(&row.user_id)) {
                (true, Some(user)) => self.identified(&row.previous_id, former, row.at, Some(user), draft)?,
                // A former id that is a user and no device joined two users; that was done when people were merged.
                (false, Some(_)) => {}
                (false, None) => {
                    self.identified(&row.user_id, later, row.at, person(&row.previous_id), draft)?;
                }
                (true, None) => {
                    self.seen(&row.previous_id, former, row.at, draft)?;
                    self.seen(&row.user_id, later, row.at, draft)?;
                    links.push((row.at, row.previous_id.as_str(), row.user_id.as_str()));
                }
            }
        }
        self.follow(links, draft);
        Ok(())
    }

    /// Gives the devices that aliases join to others what is known of those.
    fn follow<'a>(&mut self, mut links: Vec<Link<'a>>, draft: &Draft) {
        let device = |id: &str| self.get(id, draft).expect("a device that was seen");
        // A device that is shared by itself tells nothing of others.
        links.retain(|(_, id, later)| !device(id).shared && !device(later).shared);
        let own = |(_, id, later): &Link<'a>| {
            [*id, *later].map(|id| {
                let Device { user, evidence, since, .. } = device(id);
                (id, Known { people: BTreeSet::from_iter(*user), since: evidence.map(|_| *since) })
            })
        };
        let known: BTreeMap<&str, Known> = links.iter().flat_map(own).collect();
        for (id, Known { people, since }) in aliases::follow(&links, &known) {
            let (_, device) = self.get_mut(id, draft).expect("a device that was seen");
            for person in people {
                device.used_by(person);
            }
            if let (Some(since), Some(_)) = (since, device.user)
                && device.evidence.is_none_or(|_| since < device.since)
            {
                (device.since, device.evidence) = (since, Some(Evidence::Alias));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::NodeKey;
    use super::*;

    #[test]
    fn a_device_takes_no_more_room_than_was_promised() {
        assert!(size_of::<(NodeKey, Device)>() <= 64);
    }
}
