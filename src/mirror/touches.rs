//! Touchpoints: whose they are, and the edges and devices they become.
//!
//! A touch with a `user_id` of its own is the person's, every other one the device's: the graph keeps what was known at
//! the time, and `IDENTIFIED_AS` joins the two for whoever asks. A device that more than one person used is shared: its
//! anonymous touches stay with it, and it is identified as nobody.
//!
//! An alias between two users makes them one person, one between a user and a device says whose the device is, and one
//! between two devices makes them one visitor (see [`aliases`]). An id is a user where any row uses it as one, or where an
//! alias gives it as a later id and nothing says that it is a device.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::MirrorError;
use super::aliases::{self, Known, Link};
use super::draft::{At, Draft};
use super::report::Report;
use super::resolve::{Places, millis};
use crate::ontology::canonical::{self, masked};
use crate::ontology::content::content_kind;
use crate::ontology::{Label, Relation, SourceRef, Uid, Value, safe_id};
use crate::sources::facts::Facts;
use crate::sources::rows::{Touch, TouchRow};

/// Having been there.
pub const WEIGHT_ATTENDED: f64 = 1.0;
/// Following a link to tickets.
pub const WEIGHT_TICKET_CLICK: f64 = 0.6;
/// Saving for later.
pub const WEIGHT_SAVED: f64 = 0.4;
/// Looking at a page.
pub const WEIGHT_VIEWED: f64 = 0.2;
/// Being told who uses the device.
pub const WEIGHT_IDENTIFIED: f64 = 1.0;

/// Columns that hold the id of a device.
const TRACKS: &str = "tracks.anonymous_id";
const IDENTIFIES: &str = "identifies.anonymous_id";
const FORMER: &str = "aliases.previous_id";
const LATER: &str = "aliases.user_id";

/// Why a follow is no edge whose both ends are one person, as it is where two who follow each other turn out to be one.
const OWN_FOLLOWER: &str = "touches follow the one who follows";

/// One device.
#[derive(Debug, Default)]
struct Device {
    first: i64,
    last: i64,
    /// Everybody who used it while known.
    people: BTreeSet<At>,
    /// The columns that hold its id: `tracks.anonymous_id` and the like.
    columns: BTreeSet<&'static str>,
    /// When it was said whose it is, by which evidence, and whose.
    identified: BTreeSet<(i64, &'static str, At)>,
}

impl Device {
    fn is_shared(&self) -> bool {
        self.people.len() > 1
    }

    /// The person its anonymous touches belong to.
    ///
    /// The rule is the next identify, else the previous one. On a device that is not shared both name the same person.
    fn person(&self) -> Option<At> {
        if self.is_shared() { None } else { self.identified.first().map(|&(_, _, person)| person) }
    }
}

/// Devices while they are collected, by anonymous id.
#[derive(Default)]
struct Devices<'a>(BTreeMap<&'a str, Device>);

impl<'a> Devices<'a> {
    fn seen(&mut self, anonymous_id: &'a str, column: &'static str, at: i64) -> &mut Device {
        let device =
            self.0.entry(anonymous_id).or_insert_with(|| Device { first: at, last: at, ..Device::default() });
        device.first = device.first.min(at);
        device.last = device.last.max(at);
        device.columns.insert(column);
        device
    }

    fn of(facts: &'a Facts, touches: &[&'a TouchRow], places: &Places) -> Self {
        let person = |user: &str| places.by_user.get(user).copied();
        let mut devices = Self::default();
        for touch in touches {
            if let Some(id) = &touch.anonymous_id {
                devices.seen(id, TRACKS, touch.at).people.extend(touch.user_id.as_deref().and_then(person));
            }
        }
        let identified = |devices: &mut Self, id: &'a str, column, at, person: Option<At>| {
            let evidence = if column == IDENTIFIES { "identify" } else { "alias" };
            let device = devices.seen(id, column, at);
            device.people.extend(person);
            device.identified.extend(person.map(|person| (at, evidence, person)));
        };
        for row in &facts.identifies {
            if let Some(id) = &row.anonymous_id {
                identified(&mut devices, id, IDENTIFIES, row.at, row.user_id.as_deref().and_then(person));
            }
        }
        let mut links = Vec::new();
        for row in &facts.aliases {
            let is_device =
                devices.0.contains_key(row.previous_id.as_str()) || person(&row.previous_id).is_none();
            match (is_device, person(&row.user_id)) {
                (true, Some(user)) => identified(&mut devices, &row.previous_id, FORMER, row.at, Some(user)),
                // A former id that is a user and no device joined two users; that was done when people were merged.
                (false, Some(_)) => {}
                (false, None) => {
                    identified(&mut devices, &row.user_id, LATER, row.at, person(&row.previous_id));
                }
                (true, None) => {
                    devices.seen(&row.previous_id, FORMER, row.at);
                    devices.seen(&row.user_id, LATER, row.at);
                    links.push((row.at, row.previous_id.as_str(), row.user_id.as_str()));
                }
            }
        }
        devices.follow(&links);
        devices
    }

    /// Gives the devices that aliases join to others what is known of those.
    fn follow(&mut self, links: &[Link<'a>]) {
        let own = |(_, id, later): &Link<'a>| {
            [*id, *later].map(|id| {
                let Device { people, identified, .. } = &self.0[id];
                (id, Known { people: people.clone(), since: identified.first().map(|(at, ..)| *at) })
            })
        };
        let known: BTreeMap<&str, Known> = links.iter().flat_map(own).collect();
        for (id, Known { people, since }) in aliases::follow(links, &known) {
            let device = self.0.get_mut(id).expect("a device that was seen");
            if let (Some(since), Some(&person)) = (since, people.first())
                && device.identified.first().is_none_or(|(first, ..)| since < *first)
            {
                device.identified.insert((since, "alias", person));
            }
            device.people = people;
        }
    }
}

/// Drafts devices, content, and every edge that a touch is evidence of; tells when the newest touch was received.
pub(super) fn edges(
    facts: &Facts,
    draft: &mut Draft,
    places: &Places,
    report: &mut Report,
) -> Result<Option<i64>, MirrorError> {
    let all = facts.touches.rows()?;
    let newest = all.iter().map(|touch| touch.received_at).max();
    let touches = once_each(&all, report);
    let devices = Devices::of(facts, &touches, places);
    let mut visitors: HashMap<&str, At> = HashMap::with_capacity(devices.0.len());
    for (id, device) in &devices.0 {
        let at = draft.node(Label::Visitor, Uid::visitor(id).as_str())?;
        visitors.insert(id, at);
        draft.nodes[at].properties.extend([
            ("name", Value::Text(safe_id(id).into_owned())),
            ("first_seen", Value::Instant(millis(device.first))),
            ("last_seen", Value::Instant(millis(device.last))),
            ("shared", Value::Boolean(device.is_shared())),
        ]);
        for column in &device.columns {
            draft.stand_behind(at, reference(facts, column, id));
        }
        if let (Some(person), Some((first, evidence, _))) = (device.person(), device.identified.first()) {
            let properties = [
                ("timestamp", Value::Instant(millis(*first))),
                ("weight", Value::Float(WEIGHT_IDENTIFIED)),
                ("attribution_source", Value::Text((*evidence).to_owned())),
            ];
            draft.edge(Relation::IdentifiedAs, at, person, properties);
        }
    }
    let mut sharers: HashMap<&str, At> = HashMap::new();
    for touch in &touches {
        let Some(actor) = actor(touch, places, &visitors) else {
            report.note("touches are by nobody: neither a known user nor a device", &touch.id);
            continue;
        };
        if matches!(touch.touch, Touch::Shared { .. }) {
            sharers.insert(&touch.id, actor);
        }
        let found = Found { facts, places, devices: &devices };
        found.edge(touch, actor, draft, report)?;
    }
    for touch in &touches {
        if let Touch::Shared { parent: Some(parent), .. } = &touch.touch
            && let Some(&reader) = sharers.get(touch.id.as_str())
        {
            match sharers.get(parent.as_str()) {
                None => report.note("shares pass on a share that was not read", &touch.id),
                Some(sharer) if *sharer == reader => {
                    report.note("shares pass on the sharer's own share", &touch.id);
                }
                Some(&sharer) => {
                    let properties = [at(touch), ("via", id(parent))];
                    draft.edge(Relation::Referred, sharer, reader, properties);
                }
            }
        }
    }
    Ok(newest)
}

/// What stands behind a node that has no row of its own: the column of the touchpoints that names it, and its value.
///
/// The rows themselves may be millions, and change with every touch.
fn reference(facts: &Facts, column: &str, value: &str) -> String {
    SourceRef::new("touchpoints", format!("{}.{column}", facts.touch_schema), value).to_string()
}

/// The touches by message id, each once: a message that was loaded twice is one touch.
fn once_each<'a>(all: &'a [TouchRow], report: &mut Report) -> Vec<&'a TouchRow> {
    let mut touches: Vec<&TouchRow> = all.iter().collect();
    touches.sort_unstable_by(|a, b| {
        (&a.id, a.at).cmp(&(&b.id, b.at)).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
    });
    touches.dedup_by(|later, first| {
        let again = later.id == first.id;
        if again {
            report.note("touches were loaded more than once", &later.id);
        }
        again
    });
    touches
}

fn actor(touch: &TouchRow, places: &Places, visitors: &HashMap<&str, At>) -> Option<At> {
    match (&touch.user_id, &touch.anonymous_id) {
        (Some(user), _) => places.by_user.get(user).copied(),
        (None, Some(device)) => visitors.get(device.as_str()).copied(),
        (None, None) => None,
    }
}

fn at(touch: &TouchRow) -> (&'static str, Value) {
    ("timestamp", Value::Instant(millis(touch.at)))
}

/// The id of a message as the graph holds it.
fn id(message: &str) -> Value {
    Value::Text(safe_id(message).into_owned())
}

/// `source/medium`, the one of them that is there, or `direct`.
fn attribution(touch: &TouchRow) -> Value {
    let known: Vec<&str> = [&touch.source, &touch.medium].into_iter().flatten().map(String::as_str).collect();
    Value::Text(if known.is_empty() { "direct".to_owned() } else { masked(&known.join("/")).into_owned() })
}

/// Where things that touches name are found.
struct Found<'a> {
    facts: &'a Facts,
    places: &'a Places,
    devices: &'a Devices<'a>,
}

impl Found<'_> {
    fn row(&self, table: &str, pk: Option<&str>) -> Option<At> {
        self.places.by_ref.get(&SourceRef::new("directus", table, pk?).to_string()).copied()
    }

    fn event(&self, pk: Option<&str>, touch: &TouchRow, report: &mut Report) -> Option<At> {
        let event = self.row(&self.facts.events_table, pk);
        if event.is_none() {
            report.note("touches name an event that was not read (archived, deleted or none)", &touch.id);
        }
        event
    }

    fn edge(
        &self,
        touch: &TouchRow,
        actor: At,
        draft: &mut Draft,
        report: &mut Report,
    ) -> Result<(), MirrorError> {
        let mid = || ("mid", id(&touch.id));
        let weight = |weight| ("weight", Value::Float(weight));
        let attributed = || ("attribution_source", attribution(touch));
        let interest = |draft: &mut Draft, event, kind: &str, strength| {
            let kind = ("kind", Value::Text(kind.to_owned()));
            let properties = [mid(), kind, at(touch), weight(strength), attributed()];
            draft.edge(Relation::InterestedIn, actor, event, properties);
        };
        match &touch.touch {
            Touch::Viewed { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "viewed", WEIGHT_VIEWED);
                }
            }
            Touch::Saved { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "saved", WEIGHT_SAVED);
                }
            }
            Touch::TicketClicked { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "ticket_click", WEIGHT_TICKET_CLICK);
                }
            }
            Touch::Attended { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    let device = || self.devices.0.get(touch.anonymous_id.as_deref()?)?.person();
                    let person =
                        if draft.nodes[actor].label == Label::Person { Some(actor) } else { device() };
                    match person {
                        Some(person) => {
                            let properties = [mid(), at(touch), weight(WEIGHT_ATTENDED), attributed()];
                            draft.edge(Relation::Attended, person, event, properties);
                        }
                        None => report.note("attendances are by a device nobody is known to own", &touch.id),
                    }
                }
            }
            Touch::Shared { content_url, event, channel, parent } => {
                let Some(url) = content_url.as_deref().and_then(canonical::content_url) else {
                    report.note("shares are of no web address", &touch.id);
                    return Ok(());
                };
                let content = draft.node(Label::Content, &url)?;
                draft.stand_behind(content, reference(self.facts, "content_shared.content_url", &url));
                draft.nodes[content].properties.extend([
                    ("name", Value::Text(url.clone())),
                    ("kind", Value::Text(content_kind(&url).to_owned())),
                    ("url", Value::Text(url)),
                ]);
                let channel = channel.as_deref().map(|c| ("channel", Value::Text(masked(c).into_owned())));
                let parent = parent.as_deref().map(|share| ("parent", id(share)));
                let further = channel.into_iter().chain(parent);
                draft.edge(Relation::Shared, actor, content, [mid(), at(touch)].into_iter().chain(further));
                if event.is_some()
                    && let Some(event) = self.event(event.as_deref(), touch, report)
                {
                    draft.edge(Relation::About, content, event, []);
                }
            }
            Touch::ArtistFollowed { artist } => {
                match self.row(&self.facts.artists_table, artist.as_deref()) {
                    Some(artist) if artist == actor => report.note(OWN_FOLLOWER, &touch.id),
                    Some(artist) => draft.edge(Relation::Follows, actor, artist, [at(touch)]),
                    None => report.note("touches follow an artist who was not read", &touch.id),
                }
            }
            Touch::UserFollowed { user } => {
                match user.as_deref().and_then(|user| self.places.by_user.get(user)) {
                    Some(&user) if user == actor => report.note(OWN_FOLLOWER, &touch.id),
                    Some(&user) => draft.edge(Relation::Follows, actor, user, [at(touch)]),
                    None => report.note("touches follow a user whom no source knows", &touch.id),
                }
            }
            Touch::Other { .. } => {}
        }
        Ok(())
    }
}
