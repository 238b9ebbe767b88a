//! Touchpoints: whose they are, and the edges and devices they become.
//!
//! A touch with a `user_id` of its own is the person's, every other one the device's: the graph keeps what was known at
//! the time, and `IDENTIFIED_AS` joins the two for whoever asks. A device that more than one person used is shared: its
//! anonymous touches stay with it, and it is identified as nobody.
//!
//! An alias between two users makes them one person, one between a user and a device says whose the device is, and one
//! between two devices makes them one visitor (see [`aliases`](super::aliases)). An id is a user where any row uses it as
//! one, or where an alias gives it as a later id and nothing says that it is a device.
//!
//! Touches are gone through three times, one at a time: which were loaded twice, by which devices they are, and what
//! edges they become.

use std::collections::HashSet;

use super::MirrorError;
use super::devices::Devices;
use super::draft::{At, Draft};
use super::keys::{NameHash, Numbers};
use super::report::Report;
use super::resolve::{Places, millis};
use crate::ontology::canonical::{self, masked};
use crate::ontology::content::content_kind;
use crate::ontology::{Label, Relation, SourceRef, Uid, Value, safe_id};
use crate::sources::facts::Facts;
use crate::sources::rows::{Touch, TouchRow};
use crate::sources::spool::{Place, Spool, SpoolError};

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

/// Why a follow is no edge whose both ends are one person, as it is where two who follow each other turn out to be one.
const OWN_FOLLOWER: &str = "touches follow the one who follows";

/// Drafts devices, content, and every edge that a touch is evidence of; tells which devices there are, and when the newest
/// touch was received.
pub(super) fn edges(
    facts: &Facts,
    draft: &mut Draft,
    places: &Places,
    report: &mut Report,
) -> Result<(Devices, Option<i64>), MirrorError> {
    let (again, newest) = loaded_again(facts, report)?;
    let once =
        || facts.touches.placed().filter(|row| !matches!(row, Ok((place, _)) if again.contains(place)));
    let mut devices = Devices::after(draft);
    let mut parents: Vec<NameHash> = Vec::new();
    for touch in once() {
        let (_, TouchRow { anonymous_id, user_id, at, touch, schema, .. }) = touch?;
        if let Some(id) = anonymous_id {
            let person = user_id.as_deref().and_then(|user| places.user(user));
            devices.touched(&id, schema, at, person, draft)?;
        }
        if let Touch::Shared { parent: Some(parent), .. } = touch {
            parents.push(NameHash::of(&parent));
        }
    }
    parents.sort_unstable();
    parents.dedup();
    devices.identify(facts, places, draft)?;
    for row in &facts.identifies {
        if let Some(id) = row?.anonymous_id {
            visitor(&id, &mut devices, facts, draft)?;
        }
    }
    for id in facts.aliases.iter().flat_map(|row| [&row.previous_id, &row.user_id]) {
        visitor(id, &mut devices, facts, draft)?;
    }

    // Who shared what others passed on, and who passed on what.
    let mut sharers: Vec<(NameHash, At)> = Vec::new();
    let mut passed_on: Vec<(Place, At)> = Vec::new();
    for touch in once() {
        let (place, touch) = touch?;
        let Some(actor) = actor(&touch, &mut devices, facts, draft, places)? else {
            report.note(BY_NOBODY, safe_id(&touch.id));
            continue;
        };
        if let Touch::Shared { parent, .. } = &touch.touch {
            let share = NameHash::of(&touch.id);
            sharers.extend(parents.binary_search(&share).is_ok().then_some((share, actor)));
            passed_on.extend(parent.is_some().then_some((place, actor)));
        }
        Found { facts, places, devices: &devices }.edge(&touch, actor, draft, report)?;
    }
    drop(parents);
    let sharers = Numbers::of(sharers);
    for (place, reader) in passed_on {
        let touch = facts.touches.get(place)?;
        let Touch::Shared { parent: Some(parent), .. } = &touch.touch else { continue };
        match sharers.get(parent) {
            None => report.note("shares pass on a share that was not read", safe_id(&touch.id)),
            Some(sharer) if sharer == reader => {
                report.note("shares pass on the sharer's own share", safe_id(&touch.id));
            }
            Some(sharer) => {
                draft.edge(Relation::Referred, sharer, reader, [at(&touch), ("via", id(parent))])?;
            }
        }
    }
    Ok((devices, newest))
}

/// Adds the edges of touches that become nothing else, each message once, of devices that were all drafted.
pub(super) fn more(
    touches: &Spool<TouchRow>,
    devices: &mut Devices,
    facts: &Facts,
    draft: &mut Draft,
    places: &Places,
    report: &mut Report,
) -> Result<(), MirrorError> {
    for touch in touches {
        let touch = touch?;
        match actor(&touch, devices, facts, draft, places)? {
            Some(actor) => Found { facts, places, devices }.edge(&touch, actor, draft, report)?,
            None => report.note(BY_NOBODY, safe_id(&touch.id)),
        }
    }
    Ok(())
}

const BY_NOBODY: &str = "touches are by nobody: neither a known user nor a device";

/// Who did something: the user, else the device, which is drafted in any case.
fn actor(
    touch: &TouchRow,
    devices: &mut Devices,
    facts: &Facts,
    draft: &mut Draft,
    places: &Places,
) -> Result<Option<At>, MirrorError> {
    let device = match &touch.anonymous_id {
        Some(id) => visitor(id, devices, facts, draft)?,
        None => None,
    };
    Ok(match &touch.user_id {
        Some(user) => places.user(user),
        None => device,
    })
}

/// The node of a device, drafted where it is met first.
fn visitor(
    anonymous_id: &str,
    devices: &mut Devices,
    facts: &Facts,
    draft: &mut Draft,
) -> Result<Option<At>, MirrorError> {
    // A later id of an alias may be a user's.
    let Some((at, device)) = devices.get_mut(anonymous_id, draft) else { return Ok(None) };
    if std::mem::replace(&mut device.is_drafted, true) {
        return Ok(Some(at));
    }
    let node = draft.begin(at, Uid::visitor(anonymous_id).as_str());
    node.properties.extend([
        ("name", Value::Text(safe_id(anonymous_id).into_owned())),
        ("first_seen", Value::Instant(millis(device.first))),
        ("last_seen", Value::Instant(millis(device.last))),
        ("shared", Value::Boolean(device.is_shared())),
    ]);
    for (schema, column) in device.sources() {
        node.stand_behind(reference(facts, schema, column, anonymous_id));
    }
    draft.close(at)?;
    if let Some((person, since, evidence)) = device.owner() {
        let properties = [
            ("timestamp", Value::Instant(millis(since))),
            ("weight", Value::Float(WEIGHT_IDENTIFIED)),
            ("attribution_source", Value::Text(evidence.name().to_owned())),
        ];
        draft.edge(Relation::IdentifiedAs, at, person, properties)?;
    }
    Ok(Some(at))
}

/// What stands behind a node that has no row of its own: the column of the touchpoints that names it, and its value.
///
/// The rows themselves may be millions, and change with every touch.
fn reference(facts: &Facts, schema: u8, column: &str, value: &str) -> String {
    let schema = facts.touch_schema(schema);
    SourceRef::new("touchpoints", format!("{schema}.{column}"), value).to_string()
}

/// The touches that are another row's message, and when the newest of all was received. A message that was loaded twice is
/// one touch: the earliest, then whichever reads smallest.
fn loaded_again(facts: &Facts, report: &mut Report) -> Result<(HashSet<Place>, Option<i64>), SpoolError> {
    let mut messages: Vec<(u64, Place)> = Vec::with_capacity(facts.touches.len());
    let mut newest = None;
    for touch in facts.touches.placed() {
        let (place, touch) = touch?;
        newest = newest.max(Some(touch.received_at));
        messages.push((NameHash::of(&touch.id).short(), place));
    }
    messages.sort_unstable();
    let mut again = HashSet::new();
    for alike in messages.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        let read = |(_, place): &(u64, Place)| Ok((facts.touches.get(*place)?, *place));
        let mut alike = alike.iter().map(read).collect::<Result<Vec<(TouchRow, Place)>, SpoolError>>()?;
        alike.sort_unstable_by(|(a, _), (b, _)| {
            (&a.id, a.at).cmp(&(&b.id, b.at)).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
        });
        for pair in alike.windows(2).filter(|pair| pair[0].0.id == pair[1].0.id) {
            report.note("touches were loaded more than once", safe_id(&pair[1].0.id));
            again.insert(pair[1].1);
        }
    }
    Ok((again, newest))
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
    devices: &'a Devices,
}

impl Found<'_> {
    fn row(&self, table: &str, pk: Option<&str>) -> Option<At> {
        self.places.row(&SourceRef::new("directus", table, pk?).to_string())
    }

    fn event(&self, pk: Option<&str>, touch: &TouchRow, report: &mut Report) -> Option<At> {
        let event = self.row(&self.facts.events_table, pk);
        if event.is_none() {
            report.note(
                "touches name an event that was not read (archived, deleted or none)",
                safe_id(&touch.id),
            );
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
            draft.edge(Relation::InterestedIn, actor, event, properties)
        };
        match &touch.touch {
            Touch::Viewed { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "viewed", WEIGHT_VIEWED)?;
                }
            }
            Touch::Saved { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "saved", WEIGHT_SAVED)?;
                }
            }
            Touch::TicketClicked { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    interest(draft, event, "ticket_click", WEIGHT_TICKET_CLICK)?;
                }
            }
            Touch::Attended { event } => {
                if let Some(event) = self.event(event.as_deref(), touch, report) {
                    let device = || Some(self.devices.get(touch.anonymous_id.as_deref()?, draft)?.owner()?.0);
                    let person = if draft.label(actor) == Label::Person { Some(actor) } else { device() };
                    match person {
                        Some(person) => {
                            let properties = [mid(), at(touch), weight(WEIGHT_ATTENDED), attributed()];
                            draft.edge(Relation::Attended, person, event, properties)?;
                        }
                        None => report
                            .note("attendances are by a device nobody is known to own", safe_id(&touch.id)),
                    }
                }
            }
            Touch::Shared { content_url, event, channel, parent } => {
                let Some(url) = content_url.as_deref().and_then(canonical::content_url) else {
                    report.note("shares are of no web address", safe_id(&touch.id));
                    return Ok(());
                };
                let (content, is_new) = draft.node(Label::Content, &url)?;
                // Of one schema all touches say the same of it.
                if is_new || self.facts.touch_schemas.len() > 1 {
                    let node = draft.open(content)?;
                    let column = "content_shared.content_url";
                    node.stand_behind(reference(self.facts, touch.schema, column, &url));
                    node.properties.extend([
                        ("name", Value::Text(url.clone())),
                        ("kind", Value::Text(content_kind(&url).to_owned())),
                        ("url", Value::Text(url)),
                    ]);
                    draft.close(content)?;
                }
                let channel = channel.as_deref().map(|c| ("channel", Value::Text(masked(c).into_owned())));
                let parent = parent.as_deref().map(|share| ("parent", id(share)));
                let further = channel.into_iter().chain(parent);
                draft.edge(
                    Relation::Shared,
                    actor,
                    content,
                    [mid(), at(touch)].into_iter().chain(further),
                )?;
                if event.is_some()
                    && let Some(event) = self.event(event.as_deref(), touch, report)
                {
                    draft.edge(Relation::About, content, event, [])?;
                }
            }
            Touch::ArtistFollowed { artist } => {
                match self.row(&self.facts.artists_table, artist.as_deref()) {
                    Some(artist) if artist == actor => report.note(OWN_FOLLOWER, safe_id(&touch.id)),
                    Some(artist) => draft.edge(Relation::Follows, actor, artist, [at(touch)])?,
                    None => report.note("touches follow an artist who was not read", safe_id(&touch.id)),
                }
            }
            Touch::UserFollowed { user } => match user.as_deref().and_then(|user| self.places.user(user)) {
                Some(user) if user == actor => report.note(OWN_FOLLOWER, safe_id(&touch.id)),
                Some(user) => draft.edge(Relation::Follows, actor, user, [at(touch)])?,
                None => report.note("touches follow a user whom no source knows", safe_id(&touch.id)),
            },
            Touch::Other { .. } => {}
        }
        Ok(())
    }
}
