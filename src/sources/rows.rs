//! The rows of the four source layouts, reduced to the columns that matter to the business graph.
//!
//! Times with a zone are epoch microseconds UTC. Archived and soft-deleted rows are left out by whoever fills these,
//! and counted. Empty text is `None`.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// What Directus holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DirectusRows {
    /// The schema its collections live in.
    pub schema: String,
    /// What its collections are called.
    pub tables: DirectusTables,
    /// `venues`.
    pub venues: Vec<VenueRow>,
    /// `artists`.
    pub artists: Vec<ArtistRow>,
    /// `events`.
    pub events: Vec<EventRow>,
    /// The junction of events and artists; duplicates and half-empty rows already left out.
    pub lineup: Vec<LineupRow>,
}

/// What the collections are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectusTables {
    pub venues: String,
    pub artists: String,
    pub events: String,
}

impl Default for DirectusTables {
    fn default() -> Self {
        Self { venues: "venues".into(), artists: "artists".into(), events: "events".into() }
    }
}

/// A row of `venues`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VenueRow {
    pub id: String,
    pub status: String,
    pub name: String,
    pub google_place_id: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// IANA name.
    pub timezone: Option<String>,
    pub capacity: Option<i64>,
    pub website: Option<String>,
    pub instagram_url: Option<String>,
    pub date_created: Option<i64>,
    pub date_updated: Option<i64>,
}

/// A row of `artists`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArtistRow {
    pub id: String,
    pub status: String,
    pub name: String,
    pub instagram_url: Option<String>,
    /// From the csv column, in order.
    pub genres: Vec<String>,
    pub date_created: Option<i64>,
    pub date_updated: Option<i64>,
}

/// A row of `events`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventRow {
    pub id: String,
    pub status: String,
    pub name: String,
    /// Wall clock at the venue; needs the venue's zone.
    pub start_date: Option<DateTime>,
    /// Instead of the wall clock, where the column has a zone.
    pub starts_at: Option<i64>,
    pub end_date: Option<i64>,
    pub source: Option<String>,
    pub source_url: Option<String>,
    pub price_min: Option<f64>,
    pub promoter_name: Option<String>,
    pub promoter_domain: Option<String>,
    pub tags: Vec<String>,
    pub external_id: Option<i64>,
    /// `venues.id`.
    pub venue: Option<String>,
    pub date_created: Option<i64>,
    pub date_updated: Option<i64>,
}

/// A row of the junction between events and artists.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LineupRow {
    pub event: String,
    pub artist: String,
    pub sort: Option<i64>,
}

/// What one workspace of Twenty holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TwentyRows {
    /// The workspace's schema.
    pub schema: String,
    /// `company`.
    pub companies: Vec<CompanyRow>,
    /// `person`.
    pub people: Vec<ContactRow>,
    /// `opportunity`.
    pub opportunities: Vec<OpportunityRow>,
    /// Stage changes from `"timelineActivity"`.
    pub stage_changes: Vec<StageChangeRow>,
    /// `"_promoter"`, where it exists.
    pub promoters: Vec<PromoterRow>,
}

/// A row of `company`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompanyRow {
    pub id: String,
    pub name: Option<String>,
    pub domain_url: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// A row of `person`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactRow {
    pub id: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub primary_email: Option<String>,
    pub additional_emails: Vec<String>,
    pub phone: Option<String>,
    /// Of the country, for example `+44`.
    pub calling_code: Option<String>,
    pub additional_phones: Vec<PhoneRow>,
    pub job_title: Option<String>,
    pub instagram_url: Option<String>,
    /// `company.id`.
    pub company: Option<String>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// A telephone number beside a person's primary one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PhoneRow {
    pub number: String,
    /// Of the country, for example `+44`.
    pub calling_code: Option<String>,
}

/// A row of `opportunity`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpportunityRow {
    pub id: String,
    pub name: Option<String>,
    pub stage: String,
    pub amount_micros: Option<f64>,
    pub currency: Option<String>,
    pub close_date: Option<i64>,
    /// `person.id`.
    pub contact: Option<String>,
    /// `company.id`.
    pub company: Option<String>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// An opportunity reached a stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageChangeRow {
    pub opportunity: String,
    pub before: Option<String>,
    pub after: String,
    pub at: i64,
}

/// A row of the custom object `_promoter`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromoterRow {
    pub id: String,
    pub name: Option<String>,
    /// `company.id`.
    pub company: Option<String>,
}

/// What `unified` holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnifiedRows {
    /// The schema it lives in.
    pub schema: String,
    /// `entities`.
    pub entities: Vec<EntityRow>,
    /// `entity_sources`, empty where the table is missing.
    pub crosswalk: Vec<CrosswalkRow>,
    /// `claim_events` in order of time; `None` where the table is missing.
    pub claim_events: Option<Vec<ClaimEventRow>>,
}

/// A row of `unified.entities`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntityRow {
    pub id: String,
    /// `person`, `venue` or `organization`.
    pub entity_type: String,
    pub canonical_id: Option<String>,
    pub claim_status: String,
    pub claimed_by: Option<String>,
    /// `metadata.name`.
    pub name: Option<String>,
    /// `metadata.roles`.
    pub roles: Vec<String>,
}

/// A row of `unified.entity_sources`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrosswalkRow {
    pub entity: String,
    pub source_system: String,
    pub source_table: String,
    pub source_id: String,
    pub match_rule: String,
    pub confidence: f64,
}

/// A row of `unified.claim_events`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimEventRow {
    pub id: String,
    pub entity: String,
    pub from_status: String,
    pub to_status: String,
    pub claimant: Option<String>,
    pub method: Option<String>,
    pub occurred_at: i64,
}

/// What one Segment-style warehouse schema holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TouchpointRows {
    /// The schema, named after the Segment source.
    pub schema: String,
    /// `identifies`.
    pub identifies: Vec<IdentifyRow>,
    /// `users`.
    pub users: Vec<UserRow>,
    /// `aliases`.
    pub aliases: Vec<AliasRow>,
    /// Whether an alias joins any two ids; else the later one is a user's where no row uses it as a device's.
    pub aliases_name_anyone: bool,
    /// `tracks` joined to each event's own table; `pages` are no touches.
    pub touches: Vec<TouchRow>,
}

/// A row of `identifies`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IdentifyRow {
    pub id: String,
    pub at: i64,
    pub received_at: i64,
    pub anonymous_id: Option<String>,
    pub user_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// Which of the schemas it is from, by place among [`Facts::touch_schemas`](super::facts::Facts::touch_schemas).
    pub schema: u8,
}

/// A row of `users`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UserRow {
    pub id: String,
    pub email: Option<String>,
    pub name: Option<String>,
    /// Which of the schemas it is from, by place among [`Facts::touch_schemas`](super::facts::Facts::touch_schemas).
    pub schema: u8,
}

/// A row of `aliases`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AliasRow {
    pub id: String,
    pub at: i64,
    pub previous_id: String,
    pub user_id: String,
    /// Which of the schemas it is from, by place among [`Facts::touch_schemas`](super::facts::Facts::touch_schemas).
    pub schema: u8,
}

/// A row of `tracks` with the properties of its event's own table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TouchRow {
    pub id: String,
    pub at: i64,
    pub received_at: i64,
    pub anonymous_id: Option<String>,
    pub user_id: Option<String>,
    pub touch: Touch,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub session: Option<i64>,
    /// Which of the schemas it is from, by place among [`Facts::touch_schemas`](super::facts::Facts::touch_schemas).
    pub schema: u8,
}

/// What was done, with the properties of the event's own table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Touch {
    /// `event_viewed`: `events.id`.
    Viewed { event: Option<String> },
    /// `ticket_link_clicked`.
    TicketClicked { event: Option<String> },
    /// `event_saved`, where that table exists.
    Saved { event: Option<String> },
    /// `event_attended`.
    Attended { event: Option<String> },
    /// `content_shared`.
    Shared {
        content_url: Option<String>,
        event: Option<String>,
        channel: Option<String>,
        parent: Option<String>,
    },
    /// `artist_followed`: `artists.id`.
    ArtistFollowed { artist: Option<String> },
    /// `user_followed`.
    UserFollowed { user: Option<String> },
    /// Any other event, by its name in the tracking plan: kept as a touch of a journey, no edge.
    Other { action: String },
}

impl Touch {
    /// Whether it is one edge that its message names, and nothing else: the many.
    pub fn is_of_many(&self) -> bool {
        matches!(
            self,
            Touch::Viewed { .. } | Touch::TicketClicked { .. } | Touch::Saved { .. } | Touch::Attended { .. }
        )
    }

    /// The name of the event's own table.
    pub fn action(&self) -> &str {
        match self {
            Touch::Viewed { .. } => "event_viewed",
            Touch::TicketClicked { .. } => "ticket_link_clicked",
            Touch::Saved { .. } => "event_saved",
            Touch::Attended { .. } => "event_attended",
            Touch::Shared { .. } => "content_shared",
            Touch::ArtistFollowed { .. } => "artist_followed",
            Touch::UserFollowed { .. } => "user_followed",
            Touch::Other { action } => action,
        }
    }
}

impl Default for Touch {
    fn default() -> Self {
        Touch::Other { action: String::new() }
    }
}
