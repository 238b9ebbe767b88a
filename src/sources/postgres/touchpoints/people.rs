//! Who the users of the touchpoints are.
//!
//! Rows that tell of users are sorted by the hash of whose they are, and read where they lie: memory holds 24 bytes of each.
//! A user that rows of several schemas tell of is told once of each: the id is one, and joins them when people are merged.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Aside, user_ref};
use crate::ontology::{Label, NameHash};
use crate::sources::facts::{Address, NodeFact};
use crate::sources::rows::{IdentifyRow, Touch, TouchRow, UserRow};
use crate::sources::spool::{Place, Spool, SpoolError};

/// Where a user is told of, beside the place of the row.
const IDENTIFY: u32 = 0;
const USER: u32 = 1;
const TOUCH: u32 = 2;
const FOLLOWED: u32 = 3;

/// What is known of one user.
#[derive(Default)]
struct User {
    id: String,
    schema: u8,
    name: Option<String>,
    /// Which row named them: of `users`, else when and in which message.
    named_by: (bool, i64, String),
    emails: BTreeSet<String>,
}

impl User {
    fn told(&mut self, by: (bool, i64, String), name: Option<String>, email: Option<String>) {
        self.emails.extend(email);
        if name.is_some() && (self.name.is_none() || (&self.named_by, &self.name) <= (&by, &name)) {
            (self.name, self.named_by) = (name, by);
        }
    }

    fn fact(self, schemas: &[String]) -> NodeFact {
        let source = user_ref(&schemas[usize::from(self.schema)], &self.id);
        let mut addresses = vec![Address::User(self.id)];
        addresses.extend(self.emails.into_iter().map(Address::Email));
        let (label, extra_labels) = (Label::Person, vec!["Fan"]);
        NodeFact { label, extra_labels, source, name: self.name, addresses, properties: Vec::new() }
    }
}

/// A user as the rows of one schema tell of them.
fn of_schema(schema: u8, id: &str) -> NameHash {
    // No id holds NUL.
    if schema == 0 { NameHash::of(id) } else { NameHash::of(&format!("{schema}\0{id}")) }
}

/// One person per schema and `user_id` seen anywhere in it, in an order that the ids alone give: named as in `users`, else as
/// last identified.
pub(super) fn people(rows: &Aside, nodes: &mut Spool<NodeFact>) -> Result<(), SpoolError> {
    let mut told: Vec<(NameHash, u64)> = Vec::new();
    for row in rows.identifies.placed() {
        let (place, IdentifyRow { user_id, schema, .. }) = row?;
        told.extend(user_id.map(|id| (of_schema(schema, &id), place.packed(IDENTIFY))));
    }
    for row in rows.users.placed() {
        let (place, UserRow { id, schema, .. }) = row?;
        told.push((of_schema(schema, &id), place.packed(USER)));
    }
    told.sort_unstable();
    let is_told = |told: &[(NameHash, u64)], name| told.binary_search_by_key(&name, |(of, _)| *of).is_ok();

    let linked: HashSet<&str> =
        rows.aliases.iter().flat_map(|row| [row.previous_id.as_str(), &row.user_id]).collect();
    let (mut touching, mut touched) = (HashSet::new(), BTreeSet::new());
    let mut seen = Vec::new();
    for touch in rows.touches.placed() {
        let (place, TouchRow { user_id, anonymous_id, touch, schema, .. }) = touch?;
        let followed = match touch {
            Touch::UserFollowed { user } => user,
            _ => None,
        };
        for (id, kind) in [(user_id, TOUCH), (followed, FOLLOWED)] {
            let Some(name) = id.map(|id| of_schema(schema, &id)) else { continue };
            if !is_told(&told, name) && touching.insert(name) {
                seen.push((name, place.packed(kind)));
            }
        }
        touched.extend(anonymous_id.filter(|id| linked.contains(id.as_str())));
    }
    drop(touching);
    told.extend(seen);
    told.sort_unstable();

    for rows_of_one in told.chunk_by(|a, b| a.0 == b.0) {
        let mut user = User::default();
        for (_, at) in rows_of_one {
            let (place, kind) = Place::unpacked(*at);
            let id;
            (id, user.schema) = match kind {
                IDENTIFY => {
                    let IdentifyRow { id, at, user_id, email, name, schema, .. } =
                        rows.identifies.get(place)?;
                    user.told((false, at, id), name, email);
                    (user_id, schema)
                }
                USER => {
                    let UserRow { id, email, name, schema } = rows.users.get(place)?;
                    user.told((true, 0, String::new()), name, email);
                    (Some(id), schema)
                }
                _ => match rows.touches.get(place)? {
                    TouchRow { touch: Touch::UserFollowed { user }, schema, .. } if kind == FOLLOWED => {
                        (user, schema)
                    }
                    TouchRow { user_id, schema, .. } => (user_id, schema),
                },
            };
            user.id = id.unwrap_or_default();
        }
        nodes.push(&user.fact(&rows.schemas))?;
    }
    if rows.aliases_name_anyone {
        return Ok(());
    }
    let schemas = 0..rows.schemas.len() as u8;
    let is_user = |id: &str| schemas.clone().any(|schema| is_told(&told, of_schema(schema, id)));
    let users = users_by_alias(rows, &touched, is_user)?;
    let named = rows
        .aliases
        .iter()
        .flat_map(|row| [(row.user_id.as_str(), row.schema), (&row.previous_id, row.schema)]);
    for (id, schema) in named.filter(|(id, _)| users.contains(id)).collect::<BTreeSet<_>>() {
        nodes.push(&User { id: id.to_owned(), schema, ..User::default() }.fact(&rows.schemas))?;
    }
    Ok(())
}

/// The ids that only an alias tells to be a user's: later ids that no row uses as a device's, and that are not the former
/// id of a device either. `touched`: those among them that touches use as a device's; `is_user`: whether a row uses an id
/// as a user's.
fn users_by_alias<'a>(
    rows: &'a Aside,
    touched: &BTreeSet<String>,
    is_user: impl Fn(&str) -> bool,
) -> Result<BTreeSet<&'a str>, SpoolError> {
    let mut open: BTreeSet<&str> = rows
        .aliases
        .iter()
        .flat_map(|row| [row.previous_id.as_str(), &row.user_id])
        .filter(|id| !is_user(id))
        .collect();
    for id in touched {
        open.remove(id.as_str());
    }
    for row in &rows.identifies {
        if let Some(id) = row?.anonymous_id {
            open.remove(id.as_str());
        }
    }
    let mut formers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &rows.aliases {
        formers.entry(&row.user_id).or_default().push(&row.previous_id);
    }
    let mut devices: Vec<&str> =
        formers.keys().copied().filter(|id| !open.contains(id) && !is_user(id)).collect();
    while let Some(device) = devices.pop() {
        let former = formers.get(device).into_iter().flatten();
        devices.extend(former.filter(|id| open.remove(*id)));
    }
    open.retain(|id| formers.contains_key(id));
    Ok(open)
}
