//! Facts of all sources → one business graph.
//!
//! Names and properties come from the first of a thing's rows that has them: the unified entity before Directus before
//! Twenty before touchpoints, then by byte order of the row's reference. Venues are resolved before times, because the
//! zone of an event's wall clock may stand on another row of the venue than the one the event hangs on.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::MirrorError;
use super::draft::{At, Draft};
use super::kept::Kept;
use super::links;
use super::merge::{Group, Merged, merge};
use super::report::Report;
use super::resolved::Resolved;
use super::touches;
use crate::ontology::canonical::{self, SharedHosts, masked};
use crate::ontology::{Label, Relation, SourceRef, Value};
use crate::snapshot::tables::assemble::{fifteen_digits, single};
use crate::sources::facts::{self, Address, End, Facts};

/// What an installation may decide about resolving.
#[derive(Debug, Clone)]
pub struct ResolveOptions {
    /// Domains that name no organisation.
    pub shared: SharedHosts,
    /// The largest group of equal names that gives candidates; greater ones are counted and left out.
    pub name_group_limit: usize,
    /// Source row → uid it was given by an earlier run (see [`super::kept_uids`]).
    pub kept: Kept,
}

impl Default for ResolveOptions {
    fn default() -> Self {
        Self { shared: SharedHosts::default(), name_group_limit: 8, kept: Kept::default() }
    }
}

/// Where the nodes of rows and addresses ended up.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Source row → node.
    pub by_ref: HashMap<String, At>,
    /// Canonical domain → organisation.
    pub by_domain: HashMap<String, At>,
    /// `user_id` → person.
    pub by_user: HashMap<String, At>,
    /// Label and name key → things of that name.
    pub by_name: BTreeMap<(Label, String), Vec<At>>,
    /// Event → its start.
    starts: BTreeMap<At, Start>,
}

/// When an event begins, as its source tells.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// By the clock on the wall of its venue.
    WallClock(DateTime),
    /// Epoch ms.
    Instant(i64),
}

impl Places {
    pub(super) fn called(&mut self, label: Label, name: &str, at: At) {
        if let Some(key) = canonical::name_key(name) {
            let all = self.by_name.entry((label, key)).or_default();
            // Names come thing by thing, so one that is there already stands last.
            if all.last() != Some(&at) {
                all.push(at);
            }
        }
    }
}

/// Makes one business graph of what the sources claim.
///
/// The answer depends on the facts, not on their order. Time O(n log n) in the number of facts.
///
/// # Errors
/// Only for rows that cannot all be true of one graph: one source row delivered as two kinds of thing.
pub fn resolve(facts: &Facts, options: &ResolveOptions) -> Result<Resolved, MirrorError> {
    let mut report = Report::default();
    let mut draft = Draft::default();
    let mut places = Places::default();
    let shared = &options.shared;
    let Merged { groups, by_domain, by_user, candidates } = merge(facts, options, &mut report)?;
    let mut at_group = Vec::with_capacity(groups.len());
    for group in &groups {
        at_group.push(thing(group, &mut draft, &mut places, &mut report)?);
    }
    same_rows(facts, &mut draft, &mut places, &mut report);
    places.by_domain = by_domain.into_iter().map(|(domain, group)| (domain, at_group[group])).collect();
    places.by_user = by_user.into_iter().map(|(user, group)| (user, at_group[group])).collect();

    start_times(facts, &mut draft, &places, &mut report);
    links::edges(facts, &mut draft, &mut places, shared, &mut report)?;
    let newest_touch = touches::edges(facts, &mut draft, &places, &mut report)?;
    links::claims(facts, &mut draft, &places, &mut report);
    links::same_as(&candidates, options.name_group_limit, &mut draft, &places, &mut report);
    draft.finish(report, clock(facts, newest_touch))
}

/// When the newest row was received, in epoch ms.
fn clock(facts: &Facts, newest_touch: Option<i64>) -> Option<i64> {
    let identifies = facts.identifies.iter().map(|i| i.received_at);
    let claims = facts.claims.iter().flatten().map(|c| c.occurred_at);
    newest_touch.into_iter().chain(identifies).chain(claims).max().map(millis)
}

/// Epoch µs → epoch ms, towards the past.
pub(super) fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

/// Drafts the node of a group of rows.
fn thing(
    group: &Group,
    draft: &mut Draft,
    places: &mut Places,
    report: &mut Report,
) -> Result<At, MirrorError> {
    let at = draft.node(group.label, &group.uid)?;
    let mut refs: Vec<String> = group.rows.iter().map(|row| row.reference.clone()).collect();
    refs.extend(group.entity.map(|entity| entity.source.to_string()));
    refs.sort_unstable();
    refs.dedup();
    for reference in &refs {
        places.by_ref.insert(reference.clone(), at);
    }
    let names: Vec<Cow<str>> = group
        .entity
        .and_then(|entity| entity.name.as_deref())
        .into_iter()
        .chain(group.rows.iter().filter_map(|row| row.fact.name.as_deref()))
        .filter_map(shown_name)
        .collect();
    for name in &names {
        places.called(group.label, name, at);
    }
    let name =
        names.first().map(|name| &**name).or(group.canonical_id.as_deref()).unwrap_or(&group.uid).to_owned();

    let node = &mut draft.nodes[at];
    node.labels.extend(group.entity.iter().flat_map(|entity| entity.extra_labels.iter()));
    node.labels.extend(group.rows.iter().flat_map(|row| row.fact.extra_labels.iter()));
    node.properties.insert("name", Value::Text(name));
    node.properties.insert("refs", Value::TextList(refs));
    if let Some(id) = &group.canonical_id {
        node.properties.insert("canonical_id", Value::Text(id.clone()));
    }
    if let Some(entity) = group.entity {
        node.properties.insert("claim_status", Value::Text(entity.claim_status.clone()));
    }
    if group.label == Label::Person {
        let addresses = || group.rows.iter().flat_map(|row| &row.fact.addresses);
        let email = addresses().find_map(|address| match address {
            Address::Email(raw) => canonical::email_sha256(raw),
            _ => None,
        });
        let phone = addresses().find_map(|address| match address {
            Address::Phone { calling_code, number } => canonical::phone_sha256(calling_code, number),
            _ => None,
        });
        let hashes = [("email_sha256", email), ("phone_sha256", phone)];
        node.properties
            .extend(hashes.into_iter().filter_map(|(name, hash)| Some((name, Value::Text(hash?)))));
    }
    for row in &group.rows {
        for (property, value) in &row.fact.properties {
            let start = match value {
                facts::Value::WallClock(clock) => Some(Start::WallClock(*clock)),
                facts::Value::Instant(ms) if *property == "starts_at" => Some(Start::Instant(*ms)),
                _ => None,
            };
            if let Some(start) = start {
                places.starts.entry(at).or_insert(start);
            } else if let ("source_url", facts::Value::Text(raw)) = (*property, value) {
                // Pages are linked to with tokens and addresses of people, as shared ones are.
                let url = canonical::content_url(raw).map(Value::Text);
                node.properties.extend(url.map(|url| (*property, url)));
            } else if !node.properties.contains_key(property) {
                match held(value) {
                    Some(value) => {
                        node.properties.insert(property, value);
                    }
                    None => report.note("numbers that no graph can hold were left out", &row.reference),
                }
            }
        }
    }
    Ok(at)
}

/// Puts the rows that are another row's thing behind the node of that row.
fn same_rows(facts: &Facts, draft: &mut Draft, places: &mut Places, report: &mut Report) {
    let mut same_rows: Vec<&(SourceRef, SourceRef)> = facts.same_rows.iter().collect();
    same_rows.sort_unstable();
    for (row, of) in same_rows {
        match places.by_ref.get(&of.to_string()) {
            Some(&at) => {
                draft.stand_behind(at, row.to_string());
                places.by_ref.insert(row.to_string(), at);
            }
            None => report.note("rows are the thing of a row that was not read", row.to_string()),
        }
    }
}

/// A name as it may be shown, without e-mail addresses and telephone numbers; none where it is nothing else.
pub(super) fn shown_name(raw: &str) -> Option<Cow<'_, str>> {
    let name = masked(raw);
    let rest = name.replace("[e-mail]", "").replace("[phone]", "");
    (name == raw || rest.contains(char::is_alphanumeric)).then_some(name)
}

/// A value as the graph server holds and returns it; `None` for numbers it cannot.
pub(super) fn held(value: &facts::Value) -> Option<Value> {
    Some(match value {
        facts::Value::Text(text) => Value::Text(masked(text).into_owned()),
        facts::Value::Integer(n) => Value::Integer(*n),
        facts::Value::Float(x) if x.is_finite() => Value::Float(fifteen_digits(*x)),
        facts::Value::Boolean(b) => Value::Boolean(*b),
        facts::Value::Instant(ms) => Value::Instant(*ms),
        facts::Value::Point { latitude, longitude } if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
            Value::Point { latitude: single(*latitude), longitude: single(*longitude) }
        }
        facts::Value::TextList(items) => {
            Value::TextList(items.iter().map(|item| masked(item).into_owned()).collect())
        }
        facts::Value::Float(_) | facts::Value::Point { .. } | facts::Value::WallClock(_) => return None,
    })
}

/// Reads every event's wall clock in the zone of its resolved venue; of an event that tells an instant, makes the clock.
///
/// A time that a clock change skips is read as if the clocks had not been changed, one that it repeats is the first of the
/// two, as RFC 5545 has it; both are noted.
fn start_times(facts: &Facts, draft: &mut Draft, places: &Places, report: &mut Report) {
    let mut hosts: HashMap<At, Vec<At>> = HashMap::new();
    for edge in facts.edges.iter().filter(|e| e.relation == Relation::Hosts) {
        if let (End::Row(venue), End::Row(event)) = (&edge.src, &edge.dst)
            && let (Some(&venue), Some(&event)) =
                (places.by_ref.get(&venue.to_string()), places.by_ref.get(&event.to_string()))
        {
            hosts.entry(event).or_default().push(venue);
        }
    }
    // The time zones compiled in, not the machine's: the same facts give the same times everywhere.
    let zones = TimeZoneDatabase::bundled();
    let mut known: HashMap<String, Option<TimeZone>> = HashMap::new();
    for (&event, &start) in &places.starts {
        let uid = draft.nodes[event].uid.to_string();
        let zone = hosts
            .get(&event)
            .into_iter()
            .flatten()
            .map(|&venue| (&draft.nodes[venue].uid, draft.text(venue, "tz")))
            .filter_map(|(venue, zone)| Some((venue, zone?)))
            .min()
            .map(|(_, zone)| zone.to_owned());
        let zone = zone
            .map(|name| known.entry(name).or_insert_with_key(|name| zones.get(name.trim()).ok()).as_ref());
        let properties = &mut draft.nodes[event].properties;
        let clock = match start {
            Start::WallClock(clock) => clock,
            Start::Instant(ms) => {
                properties.insert("starts_at", Value::Instant(ms));
                if let (Some(Some(zone)), Ok(at)) = (zone, Timestamp::from_millisecond(ms)) {
                    let clock = zone.to_datetime(at);
                    properties.insert("local_start", Value::Text(clock.to_string()));
                }
                continue;
            }
        };
        properties.insert("local_start", Value::Text(clock.to_string()));
        let Some(zone) = zone else {
            report.note("events have a wall clock and no venue with a time zone, so no starts_at", uid);
            continue;
        };
        let Some(zone) = zone else {
            report.note("events hang on a venue whose time zone is unknown, so no starts_at", uid);
            continue;
        };
        let start = zone.to_ambiguous_timestamp(clock);
        match start.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { .. } => {
                report.note(
                    "events start at a time that a change of clocks skips; read by the clock before it",
                    &uid,
                );
            }
            AmbiguousOffset::Fold { .. } => {
                report.note(
                    "events start at a time that a change of clocks repeats; read as the first of the two",
                    &uid,
                );
            }
        }
        match start.compatible() {
            Ok(at) => {
                properties.insert("starts_at", Value::Instant(at.as_millisecond()));
            }
            Err(_) => report.note("events start outside all times there are, so no starts_at", uid),
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
