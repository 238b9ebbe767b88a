//! Reading only what may have changed, such that the plan is the one a full reading would give.
//!
//! Everything small is read whole, and identity is decided over all of it. Of the many touches, each of which is one edge
//! named by its message, those stay where they are that are as they were: the message still is there, its row was not
//! written since, its time is the edge's, and both ends of the edge are made of the same source rows as before. All others
//! are read again, among them every message that has no edge, for whatever it lacked may be there now.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::current::{Current, Held, property, refs};
use super::keys::{NameHash, discriminator};
use super::resolve::{ResolveOptions, millis, resolve};
use super::resolved::Resolved;
use super::{MirrorError, kept_uids};
use crate::context::Context;
use crate::ontology::{Relation, Uid, Value, safe_id};
use crate::sources::facts::Facts;
use crate::sources::postgres::position::{Position, Since};
use crate::sources::postgres::touchpoints::{Key, KeyRow, user_ref};
use crate::sources::{Databases, SourceOptions, read_facts_since};

/// Relations whose edges are the many touches.
const OF_MANY: [Relation; 2] = [Relation::InterestedIn, Relation::Attended];

/// So many messages are read one by one whatever share they are of all.
const FEW: usize = 10_000;

/// What was read, and what was not.
#[derive(Debug)]
pub struct Read {
    /// The facts, but for touches that stay as they are.
    pub facts: Facts,
    /// Where the next reading may go on; why it cannot, where that is so.
    pub position: Result<Position, String>,
    /// The edges of touches that were not read.
    pub steady: Steady,
    /// How much was read, where less than everything was asked for.
    pub extent: Option<Extent>,
}

/// How much was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Why everything was read; `None` where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Messages that were read again because they are new, changed, or may belong elsewhere.
    pub read: u64,
    /// Messages that are as they were, and were not read.
    pub skipped: u64,
    /// Messages of which no stamp says when they were loaded; they were read.
    pub unstamped: u64,
}

/// Edges of the graph that stay as they are though their touches were not read.
#[derive(Debug, Default)]
pub struct Steady {
    /// By message.
    edges: Vec<Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    message: NameHash,
    /// Epoch ms.
    at: Option<i64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its message was not seen yet.
    Unseen,
    /// Its message has to be read whatever its row says.
    Doubtful,
    /// Its message is as it was.
    Steady,
    /// Its message is read again.
    Read,
}

impl Steady {
    /// The edges of the many touches in `current`; doubtful where an end is made of other rows than it was. `resolved` is
    /// without the many touches.
    fn of(resolved: &Resolved, current: &Current, touch_schema: &str) -> Result<Self, MirrorError> {
        let doubtful = doubtful(resolved, current, touch_schema)?;
        let mut edges = Vec::new();
        for held in &current.edges {
            let Held { relation, src, dst, properties } = held?;
            let Some(message) = discriminator(relation, &properties).filter(|_| OF_MANY.contains(&relation))
            else {
                continue;
            };
            let at = match property(&properties, "timestamp") {
                Some(Value::Instant(at) | Value::Integer(at)) => Some(*at),
                _ => None,
            };
            let is_doubtful =
                [src, dst].into_iter().any(|end| doubtful.contains(&current.keys[end as usize].name));
            let state = if is_doubtful { State::Doubtful } else { State::Unseen };
            edges.push(Kept { message: NameHash::of(message), at, state });
        }
        edges.sort_unstable_by_key(|kept| kept.message);
        // One message, one edge; where there are more, what it says has to decide.
        for same in edges.chunk_by_mut(|a, b| a.message == b.message).filter(|same| same.len() > 1) {
            for kept in same {
                kept.state = State::Doubtful;
            }
        }
        Ok(Self { edges })
    }

    fn find(&mut self, message: &str) -> Option<&mut Kept> {
        let name = NameHash::of(&safe_id(message));
        let at = self.edges.binary_search_by_key(&name, |kept| kept.message).ok()?;
        Some(&mut self.edges[at])
    }

    /// Whether the message of a key has to be read.
    fn must_be_read(&mut self, key: Key<'_>) -> bool {
        let Some(kept) = self.find(key.id) else { return true };
        let same_time = key.at.map(millis) == kept.at;
        kept.state = match (kept.state, key.row) {
            (State::Unseen, KeyRow::AsItWas) if same_time => State::Steady,
            // A message that is seen twice was loaded more than once: its rows have to be compared.
            _ => State::Read,
        };
        kept.state == State::Read
    }

    /// Whether an edge stays because its touch was not read.
    pub(super) fn stays(&self, relation: Relation, discriminator: Option<&str>) -> bool {
        let message = discriminator.filter(|_| OF_MANY.contains(&relation) && !self.edges.is_empty());
        message.is_some_and(|message| {
            let name = NameHash::of(message);
            let found = self.edges.binary_search_by_key(&name, |kept| kept.message);
            // No steady edge has another of its message.
            found.is_ok_and(|at| self.edges[at].state == State::Steady)
        })
    }

    fn count(&self) -> u64 {
        self.edges.iter().filter(|kept| kept.state == State::Steady).count() as u64
    }
}

/// Nodes of the graph whose touches may belong elsewhere now, by the hash of their uid.
fn doubtful(
    resolved: &Resolved,
    current: &Current,
    touch_schema: &str,
) -> Result<HashSet<NameHash>, MirrorError> {
    let users = user_ref(touch_schema, "u").to_string();
    let users = users.trim_end_matches('u');
    let mut now: HashMap<NameHash, NameHash> = HashMap::new();
    // Reference of a user, and the device that would have the same id.
    let mut users_now: Vec<(NameHash, NameHash)> = Vec::new();
    for row in resolved.node_rows() {
        let row = row?;
        let uid = NameHash::of(&row.uid);
        for reference in refs(&row.properties) {
            let name = NameHash::of(reference);
            now.insert(name, uid);
            if let Some(user) = reference.strip_prefix(users) {
                users_now.push((name, NameHash::of(Uid::visitor(user).as_str())));
            }
        }
    }
    let mut doubtful = HashSet::new();
    let mut before: HashSet<NameHash> = HashSet::new();
    for (at, key) in (0..).zip(&current.keys) {
        let row = current.node(at)?;
        let refs = refs(&row.properties);
        let is_deleted = property(&row.properties, "deleted_at").is_some();
        let elsewhere = |reference: &String| now.get(&NameHash::of(reference)) != Some(&key.name);
        if is_deleted || refs.is_empty() || key.label().is_none() || refs.iter().any(elsewhere) {
            doubtful.insert(key.name);
        }
        if !is_deleted {
            let users = refs.iter().filter(|reference| reference.starts_with(users));
            before.extend(users.map(|reference| NameHash::of(reference)));
        }
    }
    // Where a device's id became a user's, what it did becomes the user's.
    doubtful.extend(users_now.iter().filter(|(user, _)| !before.contains(user)).map(|(_, device)| *device));
    // Attendances of a device are its owner's.
    let owner = |at: u32| {
        let key = resolved.edge_key(at);
        (resolved.node_key(key.src).name, resolved.node_key(key.dst).name)
    };
    let owners: HashSet<_> = resolved.edges_of(Relation::IdentifiedAs).map(owner).collect();
    for held in &current.edges {
        let Held { relation, src, dst, .. } = held?;
        let [device, owner] = [src, dst].map(|end| current.keys[end as usize].name);
        if relation == Relation::IdentifiedAs && !owners.contains(&(device, owner)) {
            doubtful.insert(owner);
        }
    }
    Ok(doubtful)
}

/// Reads the sources for a plan against `current`: everything, or what changed `since` then; everything, too, where it is
/// not known since when, or where too much changed.
///
/// # Errors
/// When a source cannot be read or resolved.
pub async fn read_since(
    databases: &Databases,
    sources: &SourceOptions,
    resolving: &ResolveOptions,
    current: &Current,
    since: Option<Result<Since, String>>,
    cx: &Context,
) -> Result<Read, MirrorError> {
    let is_asked = since.is_some();
    let (since, unknown) = match since {
        None => (None, None),
        // A row that could not be taken cannot be told from one that is as it was.
        Some(Ok(_)) if sources.skip_bad_rows => (None, Some("rows may be skipped".to_owned())),
        Some(Ok(since)) => (Some(since), None),
        Some(Err(reason)) => (None, Some(reason)),
    };
    let mut reading = read_facts_since(databases, sources, since.as_ref(), cx).await?;
    let mut extent = Extent { whole: unknown.or(reading.whole.take()), ..Extent::default() };
    let mut steady = Steady::default();
    if reading.is_partial() {
        let options = ResolveOptions { kept: kept_uids(current)?, ..resolving.clone() };
        steady = Steady::of(&resolve(&reading.facts, &options)?, current, &reading.facts.touch_schema)?;
        let (mut ids, mut nameless, mut unstamped) = (Vec::new(), false, 0);
        let mut see = |key: Key<'_>| {
            nameless |= key.id.is_empty();
            unstamped += u64::from(key.row == KeyRow::Unstamped);
            if steady.must_be_read(key) {
                ids.push(key.id.to_owned());
            }
        };
        reading.keys(sources, &mut see, cx).await?;
        let skipped = steady.count();
        if nameless {
            extent.whole = Some("touches have no id".to_owned());
        } else if ids.len() > FEW && ids.len() as u64 > skipped {
            let all = ids.len() as u64 + skipped;
            extent.whole = Some(format!("{} of {all} touches may have changed", ids.len()));
        }
        if extent.whole.is_none() {
            extent = Extent { whole: None, read: ids.len() as u64, skipped, unstamped };
            reading.these(sources, &ids, cx).await?;
        } else {
            reading = read_facts_since(databases, sources, None, cx).await?;
            steady = Steady::default();
        }
    }
    let position = match reading.position {
        Ok(_) if sources.skip_bad_rows => Err("rows may have been skipped".to_owned()),
        position => position,
    };
    Ok(Read { facts: reading.facts, position, steady, extent: is_asked.then_some(extent) })
}
