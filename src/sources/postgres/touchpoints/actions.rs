//! The events that become edges, and what their properties are called.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::super::columns::text_literal;
use super::super::scope::Scope;
use super::nothing::some_id;
use crate::sources::rows::Touch;

/// Why a message is left out.
pub(super) const TIMELESS: &str = "without a time";
pub(super) const NOBODYS: &str = "without a device or user";

/// An event of the tracking plan that means something to the graph.
#[derive(Debug)]
pub(super) struct Action {
    /// Its usual name, and the logical one.
    pub name: &'static str,
    /// Logical properties and their usual names.
    pub properties: &'static [(&'static str, &'static [&'static str])],
}

impl Action {
    /// Whether it says that somebody was there.
    pub fn is_attendance(&self) -> bool {
        self.name == "event_attended"
    }

    /// Whether each of its touches is one edge, named by the message, and nothing else: the many.
    pub fn is_of_many(&self) -> bool {
        matches!(self.name, "event_viewed" | "event_saved" | "ticket_link_clicked" | "event_attended")
    }
}

/// Which touches are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'i> {
    /// All.
    All,
    /// Those of [few](Action::is_of_many), and messages of these ids, which were loaded more than once.
    Few(&'i [String]),
    /// The messages of these ids.
    These(&'i [String]),
    /// Those of the many that this condition is true of, `$1` being the texts.
    Moved(&'i str, &'i [String]),
}

impl Which<'_> {
    /// Whether touches of an action (`None`: any other) may be among them.
    pub fn has(self, action: Option<&Action>) -> bool {
        match self {
            Self::All => true,
            Self::Few(_) => action.is_some_and(|action| !action.is_of_many()),
            Self::These(_) => action.is_none_or(Action::is_of_many),
            Self::Moved(..) => action.is_some_and(Action::is_of_many),
        }
    }
}

pub(super) const EVENT: (&str, &[&str]) = ("event", &["event_id"]);

/// All of them.
pub(super) const ACTIONS: &[Action] = &[
    Action { name: "event_viewed", properties: &[EVENT] },
    Action { name: "event_saved", properties: &[EVENT] },
    Action { name: "ticket_link_clicked", properties: &[EVENT] },
    Action { name: "event_attended", properties: &[EVENT] },
    Action {
        name: "content_shared",
        properties: &[
            ("url", &["content_url"]),
            EVENT,
            ("channel", &["channel"]),
            ("parent", &["parent_share_id"]),
        ],
    },
    Action { name: "artist_followed", properties: &[("artist", &["artist_id"])] },
    Action { name: "user_followed", properties: &[("user", &["followed_user_id", "followed_id"])] },
];

/// What messages of an action are called that has a table of its own: as the table, and as usual, because messages keep their
/// names when a table is called otherwise; but not as another action's table.
pub(super) fn names_of<'s>(scope: &'s Scope<'_>, action: &'s Action) -> Vec<&'s str> {
    let called = |action: &'s Action| scope.name(action.name, action.name);
    let mut names = vec![called(action)];
    if !ACTIONS.iter().any(|other| called(other) == action.name) {
        names.push(action.name);
    }
    names
}

/// The touch that an event is, by its action (`None`: another one, called `name`) and its properties.
pub(super) fn touch<E>(
    action: Option<&Action>,
    name: String,
    mut property: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Touch, E> {
    Ok(match action.map(|action| action.name) {
        Some("event_viewed") => Touch::Viewed { event: property("event")? },
        Some("event_saved") => Touch::Saved { event: property("event")? },
        Some("ticket_link_clicked") => Touch::TicketClicked { event: property("event")? },
        Some("event_attended") => Touch::Attended { event: property("event")? },
        Some("content_shared") => Touch::Shared {
            content_url: property("url")?,
            event: property("event")?,
            channel: property("channel")?,
            parent: property("parent")?,
        },
        Some("artist_followed") => Touch::ArtistFollowed { artist: property("artist")? },
        Some("user_followed") => Touch::UserFollowed { user: some_id(property("user")?) },
        _ => Touch::Other { action: name },
    })
}

/// Actions and properties under the names of a layout that keeps all events in one table.
#[derive(Debug)]
pub(super) struct Properties<'s> {
    /// The name of the event, the action, and its keys.
    named: Vec<(&'s str, &'static Action, Keys<'s>)>,
}

/// Logical properties and the keys they are under.
type Keys<'s> = Vec<(&'static str, &'s str)>;

impl<'s> Properties<'s> {
    /// As the configuration says, else as usual.
    pub fn named(scope: &'s Scope<'_>) -> Self {
        let keys = |action: &'static Action| {
            let key = |(logical, usual): &(&'static str, &'static [&'static str])| {
                (*logical, scope.column(action.name, logical).unwrap_or(usual[0]))
            };
            action.properties.iter().map(key).collect()
        };
        let named = ACTIONS.iter().map(|action| (scope.name(action.name, action.name), action, keys(action)));
        Self { named: named.collect() }
    }

    /// The names of the events.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, ..)| *name)
    }

    /// The names of the events whose action is asked for.
    pub fn of(&self, wanted: impl Fn(&Action) -> bool) -> Vec<&'s str> {
        self.named.iter().filter(|(_, action, _)| wanted(action)).map(|(name, ..)| *name).collect()
    }

    /// The key of the event that a message of the many touches, given what stands `under` a key; messages by the name `event`.
    pub fn event(&self, event: &str, under: impl Fn(&str) -> String) -> String {
        let many = self.named.iter().filter(|(_, action, _)| action.is_of_many());
        let known = many.filter_map(|(name, _, keys)| {
            let (_, key) = keys.iter().find(|(logical, _)| *logical == EVENT.0)?;
            Some(format!("WHEN {} THEN {}", text_literal(name), under(key)))
        });
        format!("CASE {event} {} END", known.collect::<Vec<_>>().join(" "))
    }

    /// Every key once.
    pub fn keys(&self) -> impl Iterator<Item = &'s str> {
        let keys: BTreeSet<&str> =
            self.named.iter().flat_map(|(.., keys)| keys.iter().map(|(_, key)| *key)).collect();
        keys.into_iter()
    }

    /// The touch that an event of this name is, given what stands under a key.
    pub fn touch<E>(
        &self,
        event: String,
        mut text: impl FnMut(&str) -> Result<Option<String>, E>,
    ) -> Result<Touch, E> {
        let known = self.named.iter().find(|(name, ..)| *name == event);
        touch(known.map(|(_, action, _)| *action), event, |logical| {
            let keys = known.map(|(.., keys)| keys.as_slice()).unwrap_or_default();
            match keys.iter().find(|(name, _)| *name == logical) {
                Some((_, key)) => text(key),
                None => Ok(None),
            }
        })
    }
}

/// A session that has a text for an id as the number that stands for it everywhere: 63 bits of its hash.
pub(super) fn session_number(id: &str) -> i64 {
    let hash = Sha256::digest(id.as_bytes());
    let eight: [u8; 8] = hash[..8].try_into().expect("a sha256 has 32 bytes");
    i64::from_be_bytes(eight) & i64::MAX
}
