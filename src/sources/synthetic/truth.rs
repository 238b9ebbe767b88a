//! What was planted, written beside the data so that a study's answer can be held against it.

use serde::{Deserialize, Serialize};

/// Everything planted in a city. `truth.json` is this, pretty-printed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this file's shape.
    pub version: u32,
    pub people: u64,
    pub seed: u64,
    /// First instant of the history, RFC 3339 UTC.
    pub history_from: String,
    /// The instant the city was looked at: nothing was received later, events after it are future.
    pub now: String,
    pub counts: Counts,
    /// How busy each weekday of the programme is, Monday first, before chance.
    pub weekday_weights: Vec<f64>,
    pub cascades: Cascades,
    /// By followers, most first.
    pub influencers: Vec<Influencer>,
    /// In the order they were made.
    pub promoters: Vec<PromoterTruth>,
    /// How each first touch's source lifts the chance that a reached person attends; weighted by `share` they mean 1.
    pub channels: Vec<Channel>,
    pub duplicates: Vec<Duplicate>,
    pub shared_devices: Vec<SharedDevice>,
    /// Pairs of user ids of different people who bear the same name: candidates, never merges.
    pub namesakes: Vec<[String; 2]>,
}

/// How many of each thing there are, before any merging.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub venues: u64,
    pub artists: u64,
    pub promoters: u64,
    pub events_past: u64,
    pub events_future: u64,
    pub touches: u64,
    pub attended: u64,
    /// People with more than one device.
    pub multi_device: u64,
    /// Devices that nobody ever identified: leads, and known people's unlinked devices.
    pub unidentified_devices: u64,
    /// Visitors who never become known.
    pub leads: u64,
    /// Touches received more than an hour after they happened.
    pub late: u64,
    /// Fans who are also in the CRM, found by e-mail.
    pub crm_fans: u64,
    /// Artists who are also in the CRM, found by Instagram.
    pub crm_artists: u64,
    pub archived: u64,
    pub soft_deleted: u64,
}

/// Sharing, as it was simulated: every share knows the share that caused it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cascades {
    /// The pooled R the simulation aimed at.
    pub target_r: f64,
    /// Shares caused by a share, divided by all shares.
    pub pooled_r: f64,
    /// The same over the parents that the data still names.
    pub pooled_r_explicit: f64,
    /// Probability that a follower shares what an ordinary person shared.
    pub edge_probability: f64,
    pub contents: u64,
    pub shares: u64,
    pub roots: u64,
    /// Caused shares whose `parent_share_id` was dropped.
    pub parents_lost: u64,
    /// Shares in each generation, roots first.
    pub generations: Vec<u64>,
    /// Size of the largest tree.
    pub largest: u64,
}

/// A planted influencer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Influencer {
    pub user_id: String,
    pub name: String,
    pub followers: u64,
    /// Followers of this person share with `strength` times the ordinary probability.
    pub strength: f64,
}

/// A promoter and how well it really converts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PromoterTruth {
    pub name: String,
    /// Registrable domain; `None`: known by name only.
    pub domain: Option<String>,
    /// `company.id` in the CRM.
    pub company: Option<String>,
    /// `unified.entities.id`.
    pub entity: Option<String>,
    pub events: u64,
    /// How much better than an average promoter.
    pub lift: f64,
    /// Planted probability that a known person whose interest was seen attends.
    pub probability: f64,
    /// Expected rate over every reached unit of a past event, counting visitors whom nobody identified, who cannot be
    /// seen to attend. This is what a study estimates.
    pub rate: f64,
    /// Units (somebody and one past event) with an interest before the event.
    pub reached: u64,
    /// Of these, how many attended.
    pub converted: u64,
    /// Attendances nobody's interest preceded.
    pub walk_ins: u64,
}

/// A source of touches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// `None`: direct.
    pub source: Option<String>,
    /// Share of first touches.
    pub share: f64,
    pub lift: f64,
}

/// Two rows of one real-world thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// `venue`, `artist` or `company`.
    pub kind: String,
    /// Primary key of the first row.
    pub row: String,
    /// Primary key of the other row.
    pub duplicate: String,
    /// The address both share, normalised.
    pub canonical_id: String,
    /// `crosswalk`: both rows are mapped to one entity; `entity`: one row is mapped, the other shares its canonical id;
    /// `canonical`: nothing but the canonical id says so.
    pub by: String,
}

/// A device on which several people signed in; they must not be merged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedDevice {
    pub anonymous_id: String,
    pub users: Vec<String>,
}

impl Truth {
    /// The text of `truth.json`.
    ///
    /// # Panics
    /// Never: it holds numbers, texts and lists only.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain numbers and texts serialise");
        text.push('\n');
        text
    }
}
