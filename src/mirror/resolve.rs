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
use super::devices::Devices;
use super::draft::{At, Draft};
use super::kept::Kept;
use super::keys::{NameHash, NodeKey, Numbers};
use super::links;
use super::merge::{Found, Group, merge};
use super::report::Report;
use super::resolved::Resolved;
use super::touches;
use crate::ontology::canonical::{self, SharedHosts, masked};
use crate::ontology::{Label, Relation, Uid, Value};
use crate::snapshot::tables::assemble::{fifteen_digits, single};
use crate::sources::facts::{self, Address, End, Facts};
use crate::sources::rows::TouchRow;
use crate::sources::spool::Spool;

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

/// Where the nodes of rows and addresses ended up; texts by their hashes.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_ref: Numbers,
    /// Canonical domain → organisation.
    by_domain: Numbers,
    by_user: Numbers,
    /// Name key → organisations of that name.
    pub organizations: BTreeMap<String, Vec<At>>,
    /// People and venues by the hash of a name's key; once sorted, things of one name stand together.
    pub named: Vec<(NameHash, At)>,
    /// Event → when it starts, epoch ms.
    pub starts: HashMap<At, i64>,
    /// Event → its start, as its source tells.
    told: BTreeMap<At, Start>,
    /// Venue → its uid and zone.
    zones: HashMap<At, (String, String)>,
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
    /// The node of a source row.
    pub(super) fn row(&self, reference: &str) -> Option<At> {
        self.by_ref.get(reference)
    }

    /// The person of a `user_id`.
    pub(super) fn user(&self, user_id: &str) -> Option<At> {
        self.by_user.get(user_id)
    }

    /// The organisation of a canonical domain.
    pub(super) fn domain(&self, domain: &str) -> Option<At> {
        self.by_domain.get(domain)
    }

    /// The names, of which nobody asks any more.
    fn take_names(&mut self) -> Self {
        let (organizations, named) =
            (std::mem::take(&mut self.organizations), std::mem::take(&mut self.named));
        Self { organizations, named, ..Self::default() }
    }

    pub(super) fn called(&mut self, label: Label, name: &str, at: At) {
        let Some(key) = canonical::name_key(name) else { return };
        match label {
            Label::Organization => {
                let all = self.organizations.entry(key).or_default();
                // Names come thing by thing, so one that is there already stands last.
                if all.last() != Some(&at) {
                    all.push(at);
                }
            }
            Label::Person | Label::Venue => self.named.push((NameHash::of(&key), at)),
            _ => {}
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
    begin(facts, options)?.finish()
}

/// [`resolve`] up to where touches may be added.
pub(super) fn begin<'f>(facts: &'f Facts, options: &ResolveOptions) -> Result<Resolving<'f>, MirrorError> {
    let mut report = Report::default();
    let mut draft = Draft::default();
    let mut places = Places::default();
    let shared = &options.shared;
    let merged = merge(facts, options, &mut report)?;
    let mut same_rows = same_rows(facts);
    let mut at_root = vec![At::MAX; merged.elements()];
    let mut by_ref = Vec::new();
    merged.groups(&mut report, |group, report| {
        let refs = refs(group, &mut same_rows);
        let names: Vec<NameHash> = refs.iter().map(|reference| NameHash::of(reference)).collect();
        let at = thing(group, refs, &mut draft, &mut places, report)?;
        by_ref.extend(names.into_iter().map(|name| (name, at)));
        at_root[group.root as usize] = at;
        Ok(())
    })?;
    for row in same_rows.into_values().flatten() {
        report.note("rows are the thing of a row that was not read", row);
    }
    let Found { by_domain, by_user, candidates } = merged.found();
    let drafted =
        |owners: Vec<(NameHash, u32)>| owners.into_iter().map(|(name, root)| (name, at_root[root as usize]));
    places.by_domain = Numbers::of(drafted(by_domain).collect());
    places.by_user = Numbers::of(drafted(by_user).collect());
    places.by_ref = Numbers::of(by_ref);
    drop(at_root);

    start_times(facts, &mut draft, &mut places, &mut report)?;
    links::edges(facts, &mut draft, &mut places, shared, &mut report)?;
    let (devices, newest_touch) = touches::edges(facts, &mut draft, &places, &mut report)?;
    links::claims(facts, &mut draft, &places, &mut report)?;
    links::same_as(&candidates, options.name_group_limit, &mut draft, places.take_names(), &mut report)?;
    let clock = clock(facts, newest_touch)?;
    Ok(Resolving { facts, draft, places, devices, report, clock })
}

/// A graph of which everything is decided but for touches that were not read yet, each of which is one edge.
pub(super) struct Resolving<'f> {
    facts: &'f Facts,
    draft: Draft,
    places: Places,
    devices: Devices,
    report: Report,
    clock: Option<i64>,
}

impl Resolving<'_> {
    /// Adds touches that were not among the facts: views, saves, clicks and attendances of devices that were.
    pub(super) fn add(&mut self, touches: &Spool<TouchRow>) -> Result<(), MirrorError> {
        let Self { facts, draft, places, devices, report, .. } = self;
        touches::more(touches, devices, facts, draft, places, report)
    }

    /// The node of a source row.
    pub(super) fn row(&self, reference: &str) -> Option<NodeKey> {
        Some(self.draft.key(self.places.row(reference)?))
    }

    /// Where the edges of a user's touches begin.
    pub(super) fn user(&self, user_id: &str) -> Option<NodeKey> {
        Some(self.draft.key(self.places.user(user_id)?))
    }

    /// Where the edges of a device's touches begin: its own node, and that of its owner for having been there.
    pub(super) fn device(&self, anonymous_id: &str) -> [Option<NodeKey>; 2] {
        let Some(device) = self.devices.get(anonymous_id, &self.draft) else { return [None; 2] };
        let owner = device.owner().map(|(owner, ..)| owner);
        let own = self.draft.find(Uid::visitor(anonymous_id).as_str());
        [own, owner].map(|at| Some(self.draft.key(at?)))
    }

    /// Makes the graph.
    pub(super) fn finish(self) -> Result<Resolved, MirrorError> {
        let Self { draft, places, devices, report, clock, .. } = self;
        drop((places, devices));
        draft.finish(report, clock)
    }
}

/// When the newest row was received, in epoch ms.
fn clock(facts: &Facts, newest_touch: Option<i64>) -> Result<Option<i64>, MirrorError> {
    let claims = facts.claims.iter().flatten().map(|claim| claim.occurred_at);
    let mut newest = newest_touch.into_iter().chain(claims).max();
    for identify in &facts.identifies {
        newest = newest.max(Some(identify?.received_at));
    }
    Ok(newest.map(millis))
}

/// Epoch µs → epoch ms, towards the past.
pub(super) fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

/// The source rows behind a group, in byte order: with those that are the thing of one of its rows.
fn refs(group: &Group, same_rows: &mut BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut refs: Vec<String> = group.rows.iter().map(|row| row.reference.clone()).collect();
    refs.extend(group.entity.iter().map(|entity| entity.source.to_string()));
    let same: Vec<String> = refs.iter().filter_map(|row| same_rows.remove(row)).flatten().collect();
    refs.extend(same);
    refs.sort_unstable();
    refs.dedup();
    refs
}

/// Drafts the node of a group of rows, `refs`; an event's start is told once its venue is known.
fn thing(
    group: &Group,
    refs: Vec<String>,
    draft: &mut Draft,
    places: &mut Places,
    report: &mut Report,
) -> Result<At, MirrorError> {
    let (at, _) = draft.node(group.label, &group.uid)?;
    let names: Vec<Cow<str>> = group
        .entity
        .as_ref()
        .and_then(|entity| entity.name.as_deref())
        .into_iter()
        .chain(group.rows.iter().filter_map(|row| row.fact.name.as_deref()))
        .filter_map(|name| name_beside(group, name))
        .collect();
    for name in &names {
        places.called(group.label, name, at);
    }
    let name =
        names.first().map(|name| &**name).or(group.canonical_id.as_deref()).unwrap_or(&group.uid).to_owned();

    let node = draft.open(at)?;
    node.labels.extend(group.entity.iter().flat_map(|entity| entity.extra_labels.iter()));
    node.labels.extend(group.rows.iter().flat_map(|row| row.fact.extra_labels.iter()));
    node.properties.insert("name", Value::Text(name));
    node.properties.insert("refs", Value::TextList(refs));
    if let Some(id) = &group.canonical_id {
        node.properties.insert("canonical_id", Value::Text(id.clone()));
    }
    if let Some(entity) = &group.entity {
        node.properties.insert("claim_status", Value::Text(masked(&entity.claim_status).into_owned()));
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
                places.told.entry(at).or_insert(start);
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
    if let (Label::Venue, Some(Value::Text(zone))) = (group.label, node.properties.get("tz")) {
        places.zones.insert(at, (group.uid.clone(), zone.clone()));
    }
    draft.close(at)?;
    Ok(at)
}

/// The rows that are another row's thing, by that row.
fn same_rows(facts: &Facts) -> BTreeMap<String, Vec<String>> {
    let mut same_rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (row, of) in &facts.same_rows {
        same_rows.entry(of.to_string()).or_default().push(row.to_string());
    }
    same_rows
}

/// The name of a thing as it may be shown: without its own telephone numbers, too, which need not look like one.
fn name_beside<'n>(group: &Group, raw: &'n str) -> Option<Cow<'n, str>> {
    let mut name = Cow::Borrowed(raw);
    for address in group.rows.iter().flat_map(|row| &row.fact.addresses) {
        if let Address::Phone { calling_code, number } = address {
            name = Cow::Owned(canonical::without_number(&name, calling_code, number).into_owned());
        }
    }
    if name == raw {
        return shown_name(raw);
    }
    Some(Cow::Owned(masked(&name).into_owned())).filter(|name| says_something(name))
}

/// A name as it may be shown, without e-mail addresses and telephone numbers; none where it is nothing else.
pub(super) fn shown_name(raw: &str) -> Option<Cow<'_, str>> {
    let name = masked(raw);
    (name == raw || says_something(&name)).then_some(name)
}

/// Whether a name is more than what was left out of it.
fn says_something(name: &str) -> bool {
    ["[e-mail]", "[phone]", "[token]"]
        .iter()
        .fold(name.to_owned(), |name, left_out| name.replace(left_out, ""))
        .contains(char::is_alphanumeric)
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
fn start_times(
    facts: &Facts,
    draft: &mut Draft,
    places: &mut Places,
    report: &mut Report,
) -> Result<(), MirrorError> {
    let mut hosts: HashMap<At, Vec<At>> = HashMap::new();
    for edge in &facts.edges {
        let edge = edge?;
        if edge.relation == Relation::Hosts
            && let (End::Row(venue), End::Row(event)) = (&edge.src, &edge.dst)
            && let (Some(venue), Some(event)) =
                (places.row(&venue.to_string()), places.row(&event.to_string()))
        {
            hosts.entry(event).or_default().push(venue);
        }
    }
    let mut zones = Zones { all: TimeZoneDatabase::bundled(), known: HashMap::new() };
    for (event, start) in std::mem::take(&mut places.told) {
        let at_venues = hosts.get(&event).into_iter().flatten().filter_map(|venue| places.zones.get(venue));
        let told = at_venues.min();
        let zone = told.and_then(|(_, zone)| zones.zone(zone));
        let uid = draft.uid(event)?;
        let (clock, start) = match start {
            Start::WallClock(clock) => (Some(clock), start_of(clock, (told.is_some(), zone), &uid, report)),
            Start::Instant(ms) => {
                let at = Timestamp::from_millisecond(ms).ok();
                (zone.zip(at).map(|(zone, at)| zone.to_datetime(at)), Some(ms))
            }
        };
        let clock = clock.map(|clock| ("local_start", Value::Text(clock.to_string())));
        let node = draft.open(event)?;
        node.properties.extend(clock);
        node.properties.extend(start.map(|start| ("starts_at", Value::Instant(start))));
        places.starts.extend(start.map(|start| (event, start)));
        draft.close(event)?;
    }
    Ok(())
}

/// When a wall clock shows this time, epoch ms: whether a venue tells a zone, and the zone where it is known; `uid` is whose
/// clock it is.
fn start_of(
    clock: DateTime,
    (told, zone): (bool, Option<&TimeZone>),
    uid: &str,
    report: &mut Report,
) -> Option<i64> {
    let Some(zone) = zone else {
        report.note(
            if told {
                "events hang on a venue whose time zone is unknown, so no starts_at"
            } else {
                "events have a wall clock and no venue with a time zone, so no starts_at"
            },
            uid,
        );
        return None;
    };
    let start = zone.to_ambiguous_timestamp(clock);
    match start.offset() {
        AmbiguousOffset::Unambiguous { .. } => {}
        AmbiguousOffset::Gap { .. } => {
            report.note(
                "events start at a time that a change of clocks skips; read by the clock before it",
                uid,
            );
        }
        AmbiguousOffset::Fold { .. } => {
            report.note(
                "events start at a time that a change of clocks repeats; read as the first of the two",
                uid,
            );
        }
    }
    let at = start.compatible().ok();
    if at.is_none() {
        report.note("events start outside all times there are, so no starts_at", uid);
    }
    at.map(jiff::Timestamp::as_millisecond)
}

/// The time zones compiled in, not the machine's: the same facts give the same times everywhere.
struct Zones {
    all: TimeZoneDatabase,
    known: HashMap<String, Option<TimeZone>>,
}

impl Zones {
    fn zone(&mut self, name: &str) -> Option<&TimeZone> {
        let Self { all, known } = self;
        if !known.contains_key(name) {
            known.insert(name.to_owned(), all.get(name.trim()).ok());
        }
        known[name].as_ref()
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
