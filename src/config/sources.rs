//! `[sources]`: where each source lives and what its modeller named things.
//!
//! Everything here is optional: what is not named is discovered. The logical names are the fields of the structures
//! below, so that an unknown one is an error with line and caret, and the JSON Schema lists them all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::VariableName;

/// The names that one source's modeller chose, where discovery should not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Naming {
    /// Environment variable that holds the libpq URL of this source's own database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// Schema that holds the layout; of touchpoints there may be several.
    #[serde(skip_serializing_if = "Schemas::is_empty")]
    pub schema: Schemas,
    /// Twenty: subdomain or id of the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Touchpoints: whose layout it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<TouchLayout>,
    /// Directus: statuses that mean an event is published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
    /// Directus: what "archived" means, by logical table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub archive: BTreeMap<String, Archive>,
    /// Logical table → its name in the database.
    #[serde(flatten)]
    pub tables: BTreeMap<String, String>,
    /// Logical table → logical column → its name in the database.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
}

/// Names of schemas: none where discovery is to find the one there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(from = "OneOrMore", into = "OneOrMore")]
#[schemars(with = "OneOrMore")]
pub struct Schemas(Vec<String>);

/// As it is written: a name, or a list of names.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "the name of a schema, or a list of names")]
enum OneOrMore {
    /// The only one.
    One(String),
    /// Several that are read as one.
    More(Vec<String>),
}

impl From<OneOrMore> for Schemas {
    /// In byte order and each once: no order among them means anything.
    fn from(written: OneOrMore) -> Self {
        let mut names = match written {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        };
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

impl From<Schemas> for OneOrMore {
    fn from(Schemas(mut names): Schemas) -> Self {
        match names.pop() {
            Some(only) if names.is_empty() => Self::One(only),
            last => Self::More(names.into_iter().chain(last).collect()),
        }
    }
}

impl From<String> for Schemas {
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl<const N: usize> From<[&str; N]> for Schemas {
    fn from(names: [&str; N]) -> Self {
        OneOrMore::More(names.map(str::to_owned).to_vec()).into()
    }
}

impl Schemas {
    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in byte order.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// Whose warehouse layout touchpoints have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TouchLayout {
    /// Segment, `RudderStack`, Hightouch: one table per event name.
    Segment,
    /// Batch export of `PostHog`: `events` and `persons`.
    Posthog,
    /// `atomic.events` of Snowplow.
    Snowplow,
}

impl TouchLayout {
    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Posthog => "posthog",
            Self::Snowplow => "snowplow",
        }
    }
}

/// A row is archived when this field holds this value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Name of the column.
    pub field: String,
    /// The value that means "archived".
    pub value: String,
}

/// Logical columns of one logical table: `[sources.SOURCE.columns.TABLE]`.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// Name of the source.
    pub source: &'static str,
    /// Name of the logical table.
    pub table: &'static str,
    /// Names of its logical columns.
    pub columns: &'static [&'static str],
}

/// `[sources.NAME]` with the tables that may be named and the columns of every table, each an optional text.
macro_rules! source {
    (
        $(#[$about:meta])* $layer:ident $name:literal $all:ident
        $(#[$schema_doc:meta])* schema $schema:ty;
        own { $($(#[$own_doc:meta])* $own:ident: $own_type:ty,)* }
        tables { $($(#[$table_doc:meta])* $table:ident,)* }
        columns $columns:ident { $($of:ident: $struct:ident { $($column:ident),+ $(,)? })+ }
    ) => {
        $(
            /// Names of columns where they are not the usual ones.
            #[derive(Debug, Default, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            struct $struct { $($column: Option<String>,)+ }
        )+

        /// Columns by the table they are in.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct $columns { $(#[serde(default)] $of: $struct,)+ }

        $(#[$about])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $layer {
            /// Environment variable that holds the libpq URL of this source's own database. Default: as in `[postgres]`.
            #[schemars(with = "Option<String>")]
            url_env: Option<VariableName>,
            $(#[$schema_doc])*
            pub(super) schema: Option<$schema>,
            $($(#[$own_doc])* $own: Option<$own_type>,)*
            $($(#[$table_doc])* $table: Option<String>,)*
            /// Columns by the table they are in.
            #[serde(default)]
            columns: $columns,
        }

        const $all: &[Vocabulary] = &[$(
            Vocabulary { source: $name, table: stringify!($of), columns: &[$(stringify!($column)),+] },
        )+];

        impl $layer {
            /// The source, and its tables that may be named.
            const TABLES: (&str, &[&str]) = ($name, &[$(stringify!($table)),*]);

            /// Lays what is given over `naming`; `take` is told every dotted key.
            pub(super) fn apply(self, naming: &mut Naming, take: &mut dyn FnMut(String)) {
                let key = |rest: &str| format!("sources.{}.{rest}", $name);
                if let Some(name) = self.url_env { take(key("url_env")); naming.url_env = Some(name.into()); }
                if let Some(schema) = self.schema { take(key("schema")); naming.schema = schema.into(); }
                $(if let Some(own) = self.$own { take(key(stringify!($own))); naming.$own = own.into(); })*
                $(if let Some(name) = self.$table {
                    take(key(stringify!($table)));
                    naming.tables.insert(stringify!($table).to_owned(), name);
                })*
                $($(if let Some(name) = self.columns.$of.$column {
                    take(key(concat!("columns.", stringify!($of), ".", stringify!($column))));
                    naming.columns.entry(stringify!($of).to_owned()).or_default()
                        .insert(stringify!($column).to_owned(), name);
                })+)+
            }
        }
    };
}

/// What "archived" means, by collection. Default: as the collection's settings in Directus say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ArchiveLayer {
    venues: Option<Archive>,
    artists: Option<Archive>,
    events: Option<Archive>,
}

impl From<ArchiveLayer> for BTreeMap<String, Archive> {
    fn from(layer: ArchiveLayer) -> Self {
        let rules = [("venues", layer.venues), ("artists", layer.artists), ("events", layer.events)];
        rules.into_iter().filter_map(|(name, rule)| Some((name.to_owned(), rule?))).collect()
    }
}

source! {
    /// Directus: venues, artists, events and who plays them.
    DirectusLayer "directus" DIRECTUS
    /// Schema that holds the layout.
    schema String;
    own {
        /// Statuses that mean an event is published. Default `["published"]`.
        published: Vec<String>,
        /// What "archived" means, by collection. Default: as the collection's settings in Directus say.
        archive: ArchiveLayer,
    }
    tables {
        /// Collection of the venues. Default `venues`.
        venues,
        /// Collection of the artists. Default `artists`.
        artists,
        /// Collection of the events. Default `events`.
        events,
        /// Junction of events and artists. Default: found through `directus_relations`.
        lineup,
    }
    columns DirectusColumns {
        venues: VenueColumns {
            id, status, name, google_place_id, city, country, latitude, longitude, timezone, capacity, website,
            instagram_url, date_created, date_updated,
        }
        artists: ArtistColumns { id, status, name, instagram_url, genres, date_created, date_updated }
        events: EventColumns {
            id, status, name, start_date, end_date, source, source_url, price_min, promoter_name, promoter_domain, tags,
            external_id, venue, date_created, date_updated,
        }
        lineup: LineupColumns { id, event, artist, sort }
    }
}

source! {
    /// Twenty CRM: companies, people, opportunities and custom objects of one workspace.
    TwentyLayer "twenty" TWENTY
    /// Schema that holds the layout.
    schema String;
    own {
        /// Subdomain or id of the workspace, where there are several.
        workspace: String,
    }
    tables {
        /// Table of the custom object that stands for promoters. Default `_promoter`.
        promoter,
    }
    columns TwentyColumns {
        company: CompanyColumns { id, name, domain, city, country, created_at, updated_at, deleted_at }
        person: PersonColumns {
            id, first_name, last_name, primary_email, additional_emails, phone, calling_code, additional_phones, job_title,
            instagram, company, created_at, updated_at, deleted_at,
        }
        opportunity: OpportunityColumns {
            id, name, stage, amount_micros, currency, close_date, contact, company, created_at, updated_at, deleted_at,
        }
        timeline: TimelineColumns { id, opportunity, at, properties, name, created_at, updated_at, deleted_at }
        promoter: PromoterColumns { id, name, company, created_at, updated_at, deleted_at }
    }
}

source! {
    /// `unified.entities` with its optional companions.
    UnifiedLayer "unified" UNIFIED
    /// Schema that holds the layout.
    schema String;
    own {}
    tables {
        /// Table of the entities. Default `entities`.
        entities,
        /// Table of the crosswalk from entities to source rows. Default `entity_sources`.
        entity_sources,
        /// Table of the claims. Default `claim_events`.
        claim_events,
    }
    columns UnifiedColumns {
        entities: EntityColumns { id, entity_type, canonical_id, claim_status, claimed_by, metadata }
        entity_sources: CrosswalkColumns {
            entity_id, source_system, source_table, source_id, match_rule, confidence,
        }
        claim_events: ClaimColumns { id, entity_id, from_status, to_status, claimant, method, occurred_at }
    }
}

source! {
    /// Touchpoints: who did what, on which device. Names of events are the names of their tables (Segment, where messages may
    /// go on to call them as usual) or the values of the event's column (`PostHog`, Snowplow); columns of events are properties
    /// of theirs there.
    TouchpointsLayer "touchpoints" TOUCHPOINTS
    /// Schema that holds the layout; a list of several is read as one stream of touches.
    schema Schemas;
    own {
        /// Whose layout it is. Default: found by its tables.
        layout: TouchLayout,
    }
    tables {
        /// Table of all messages (Segment). Default `tracks`.
        tracks,
        /// Table of all events (`PostHog`, Snowplow). Default `events`.
        events,
        /// Table of the persons (`PostHog`). Default `persons`.
        persons,
        /// Somebody saw an event. Default `event_viewed`.
        event_viewed,
        /// Somebody saved an event. Default `event_saved`.
        event_saved,
        /// Somebody went to buy a ticket. Default `ticket_link_clicked`.
        ticket_link_clicked,
        /// Somebody was there. Default `event_attended`.
        event_attended,
        /// Somebody passed on content. Default `content_shared`.
        content_shared,
        /// Somebody follows an artist. Default `artist_followed`.
        artist_followed,
        /// Somebody follows a person. Default `user_followed`.
        user_followed,
    }
    columns TouchpointsColumns {
        tracks: TrackColumns {
            id, timestamp, original_timestamp, received_at, collected_at, anonymous_id, network_id, user_id, event, source,
            medium, campaign, session, properties, set,
        }
        identifies: IdentifyColumns {
            id, timestamp, original_timestamp, received_at, anonymous_id, user_id, email, name,
        }
        users: UserColumns { id, email, name, person, properties, created_at }
        aliases: AliasColumns { id, timestamp, original_timestamp, received_at, previous_id, user_id }
        event_viewed: ViewedColumns { id, event }
        event_saved: SavedColumns { id, event }
        ticket_link_clicked: ClickedColumns { id, event }
        event_attended: AttendedColumns { id, event }
        content_shared: SharedColumns { id, url, event, channel, parent }
        artist_followed: ArtistFollowedColumns { id, artist }
        user_followed: UserFollowedColumns { id, user }
    }
}

/// Every logical table that may be named, by source.
pub fn nameable_tables() -> [(&'static str, &'static [&'static str]); 4] {
    [DirectusLayer::TABLES, TwentyLayer::TABLES, UnifiedLayer::TABLES, TouchpointsLayer::TABLES]
}

/// Every logical column that may be named, by source and table.
pub fn vocabulary() -> impl Iterator<Item = &'static Vocabulary> {
    [DIRECTUS, TWENTY, UNIFIED, TOUCHPOINTS].into_iter().flatten()
}
