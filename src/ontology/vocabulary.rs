//! Labels, relations and the typed properties each may carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a property holds, in the graph and at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyKind {
    /// Text; `String` at rest.
    Text,
    /// 64-bit integer; `Int64` at rest.
    Integer,
    /// Double; `Float64` at rest.
    Float,
    /// Truth value; `Boolean` at rest.
    Boolean,
    /// An instant: epoch milliseconds UTC in the graph, `Datetime(µs, UTC)` at rest.
    Instant,
    /// A point on earth in degrees; two `Float64` columns `<name>_latitude`, `<name>_longitude` at rest.
    Point,
    /// A list of texts; `List(String)` at rest.
    TextList,
}

/// A property that a label or relation may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name in the graph.
    pub name: &'static str,
    /// What it holds.
    pub kind: PropertyKind,
}

macro_rules! carries {
    ($($name:ident: $kind:ident),+) => { &[$(Property { name: stringify!($name), kind: $kind }),+] };
}

use PropertyKind::{Boolean, Float, Instant, Integer, Point, Text, TextList};

macro_rules! vocabulary {
    ($(#[$doc:meta])* $kind:ident { $($(#[$vdoc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $kind { $($(#[$vdoc])* #[serde(rename = $name)] $variant),+ }

        impl $kind {
            /// All of them, in the order they are written.
            pub const ALL: &'static [$kind] = &[$($kind::$variant),+];

            /// The name in the graph and at rest.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name),+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }

        impl FromStr for $kind {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|k| k.name() == text).ok_or_else(|| UnknownName(text.to_owned()))
            }
        }
    };
}

/// A name that is not in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not in the ontology", self.0)
    }
}

impl std::error::Error for UnknownName {}

vocabulary! {
    /// The vertex a node is: exactly one. Further labels (`Artist`, `Fan`, `Contact`) stand beside it.
    Label {
        /// A human being: artist, fan, contact, claimant.
        Person = "Person",
        /// A place where events happen.
        Venue = "Venue",
        /// One dated happening.
        Event = "Event",
        /// A company, promoter or other body.
        Organization = "Organization",
        /// A sale in the CRM.
        Opportunity = "Opportunity",
        /// Something that is shared, named by its URL.
        Content = "Content",
        /// A style of music or tag of an event.
        Genre = "Genre",
        /// A device nobody has identified yet, or an identified person's device.
        Visitor = "Visitor",
    }
}

vocabulary! {
    /// The relations of the business graph.
    Relation {
        /// Person → Event.
        PerformsAt = "PERFORMS_AT",
        /// Venue → Event.
        Hosts = "HOSTS",
        /// Organization → Event.
        Promotes = "PROMOTES",
        /// Person → Event.
        Attended = "ATTENDED",
        /// Person or Visitor → Event.
        InterestedIn = "INTERESTED_IN",
        /// Person or Visitor → Content.
        Shared = "SHARED",
        /// Sharer → the one who shared it on.
        Referred = "REFERRED",
        /// Content → Event, Person or Venue.
        About = "ABOUT",
        /// Person or Visitor → Person, Venue or Organization.
        Follows = "FOLLOWS",
        /// Person → Organization.
        WorksFor = "WORKS_FOR",
        /// Person → Opportunity.
        ContactFor = "CONTACT_FOR",
        /// Opportunity → Organization.
        ForOrg = "FOR_ORG",
        /// Organization or Person → Opportunity that was won.
        ConvertedTo = "CONVERTED_TO",
        /// Visitor → Person.
        IdentifiedAs = "IDENTIFIED_AS",
        /// Person → Venue, Person or Organization.
        Claims = "CLAIMS",
        /// Person or Event → Genre.
        HasGenre = "HAS_GENRE",
        /// Any → same label; a candidate with confidence below 1, never a merge.
        SameAs = "SAME_AS",
    }
}

impl Label {
    /// The properties a node of this label may carry beside `uid`, which every node has.
    pub fn properties(self) -> impl Iterator<Item = Property> {
        const EVERY: &[Property] = carries![name: Text, refs: TextList, gen: Integer, deleted_at: Instant];
        let own: &[Property] = match self {
            Label::Person => {
                carries![canonical_id: Text, email_sha256: Text, phone_sha256: Text, claim_status: Text]
            }
            Label::Venue => {
                carries![canonical_id: Text, location: Point, city: Text, tz: Text, capacity: Integer, claim_status: Text]
            }
            Label::Event => {
                carries![starts_at: Instant, ends_at: Instant, local_start: Text, status: Text, source_url: Text, price_min: Float]
            }
            Label::Organization => carries![canonical_id: Text, claim_status: Text],
            Label::Opportunity => {
                carries![stage: Text, amount: Float, currency: Text, close_at: Instant, created_at: Instant]
            }
            Label::Content => carries![url: Text, kind: Text],
            Label::Genre => &[],
            Label::Visitor => {
                carries![first_seen: Instant, last_seen: Instant, shared: Boolean]
            }
        };
        EVERY.iter().chain(own).copied()
    }
}

impl Relation {
    /// The properties an edge of this relation may carry.
    pub fn properties(self) -> &'static [Property] {
        match self {
            Relation::PerformsAt => carries![timestamp: Instant, billing: Integer],
            Relation::Hosts | Relation::Follows => carries![timestamp: Instant],
            Relation::Promotes => carries![timestamp: Instant, weight: Float],
            Relation::Attended => {
                carries![mid: Text, timestamp: Instant, weight: Float, attribution_source: Text]
            }
            Relation::InterestedIn => {
                carries![mid: Text, kind: Text, timestamp: Instant, weight: Float, attribution_source: Text]
            }
            Relation::Shared => {
                carries![mid: Text, channel: Text, timestamp: Instant, parent: Text]
            }
            Relation::Referred => carries![timestamp: Instant, via: Text],
            Relation::About | Relation::ContactFor | Relation::ForOrg | Relation::HasGenre => &[],
            Relation::WorksFor => carries![title: Text],
            Relation::ConvertedTo | Relation::IdentifiedAs => {
                carries![timestamp: Instant, weight: Float, attribution_source: Text]
            }
            Relation::Claims => carries![status: Text, timestamp: Instant],
            Relation::SameAs => carries![rule: Text, confidence: Float],
        }
    }

    /// The property that, together with both ends, tells parallel edges of this relation apart.
    ///
    /// `None`: at most one edge of this relation runs from one node to another.
    pub const fn discriminator(self) -> Option<&'static str> {
        match self {
            Relation::Attended | Relation::InterestedIn | Relation::Shared => Some("mid"),
            Relation::Referred => Some("via"),
            Relation::SameAs => Some("rule"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        for label in Label::ALL {
            assert_eq!(label.name().parse::<Label>(), Ok(*label));
        }
        for relation in Relation::ALL {
            assert_eq!(relation.name().parse::<Relation>(), Ok(*relation));
        }
        assert_eq!("person".parse::<Label>(), Err(UnknownName("person".into())));
    }

    #[test]
    fn a_discriminator_is_a_declared_property() {
        for relation in Relation::ALL {
            if let Some(name) = relation.discriminator() {
                assert!(relation.properties().iter().any(|p| p.name == name), "{relation} lacks {name}");
            }
        }
    }
}
