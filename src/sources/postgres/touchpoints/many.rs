//! The many touches: somebody saw, saved, clicked or was there. Each is one edge that its message id names.
//!
//! A reading that goes on from an earlier one leaves them where they are: it asks which device and user were seen when, in
//! one statement, and which ids there are, and then reads only those messages that somebody wants.

use sha2::{Digest as _, Sha256};

use super::super::catalog::{Table, identifier};
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Json, Wire, text_literal, text_of};
use super::super::position::{Since, Standing};
use super::super::scope::Named;
use super::super::select::{Keyed, Select};
use crate::config::Naming;
use crate::context::Context;
use crate::sources::SourceError;
use crate::sources::rows::{Touch, TouchRow};
use crate::sources::spool::{Spool, SpoolError};

/// Where a layout keeps its touches, in expressions over `t`.
#[derive(Debug)]
pub(super) struct Many<'c> {
    /// The table of messages.
    pub messages: Named<'c>,
    /// The column of their ids.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// When it was received, or what stands in for that.
    pub received: String,
    /// The column that says when a row was loaded.
    pub stamp: Option<String>,
    /// The device: text, or a JSON value as text.
    pub device: (String, Wire),
    /// The user, or whoever it is.
    pub user: String,
    /// Whether a row is a touch of somebody.
    pub is_touch: String,
    /// What becomes edges, each part by one statement.
    pub parts: Vec<Part<'c>>,
}

/// Messages that are found by one statement.
#[derive(Debug)]
pub(super) struct Part<'c> {
    pub condition: String,
    /// The event's own table.
    pub own: Option<Keyed<'c>>,
    /// Whether somebody was there.
    pub attended: String,
    /// The key of the event that was touched, as text; nothing where the server cannot tell it exactly.
    pub event: String,
}

/// Which of the touches that were left are read after all: those by somebody who moved, and those at none of the events that
/// stand as they did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// Who moved, as [`Tally::key`] names them.
    pub keys: &'w [String],
    /// Events that stand as they did.
    pub events: &'w [String],
    /// Messages that were loaded more than once, and are read already.
    pub doubled: &'w [String],
}

/// What somebody did of the many, in numbers.
#[derive(Debug, Clone, Copy)]
pub struct Tally<'t> {
    /// Of the schemas, the one that tells of it.
    pub schema: u8,
    /// Names whose it is, for [`Resuming`](super::Resuming).
    pub key: &'t str,
    /// Whose it is.
    pub actor: Actor<'t>,
    /// Touches of events that were asked for: of interest, and of having been there.
    pub edges: [u64; 2],
    /// All others.
    pub others: u64,
    /// Whether a row of the former was written since the last reading, or may have been.
    pub is_written: bool,
    /// Rows of which no stamp says when they were loaded.
    pub unstamped: u64,
    /// Rows without an id.
    pub nameless: u64,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// Somebody who was known.
    User(&'a str),
    /// A device.
    Device(&'a str),
}

/// A device and a user on it, and when.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    pub device: Option<String>,
    pub user: Option<String>,
    pub first: i64,
    pub last: i64,
    pub received: i64,
}

/// The first of several expressions that has a value.
pub(super) fn first_of<const N: usize>(expressions: [Option<&str>; N]) -> Option<String> {
    let there: Vec<&str> = expressions.into_iter().flatten().collect();
    (!there.is_empty()).then(|| format!("coalesce({})", there.join(", ")))
}

/// An expression of text, empty text being none.
pub(super) fn told(expression: Option<&str>) -> String {
    expression.map_or_else(|| "NULL::text".to_owned(), |text| format!("nullif({text}, '')"))
}

/// A list of texts as it stands in a statement.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    format!("ARRAY[{}]::text[]", texts.into_iter().map(text_literal).collect::<Vec<_>>().join(", "))
}

/// The condition that the key of a message is one of `$1`, such that an index on it serves.
pub(super) fn is_one_of(messages: Named<'_>, column: &str) -> String {
    let name = format!("t.{}", identifier(column));
    match messages.table.column(&[column]).map(|(_, column)| column.kind.as_str()) {
        Some("text" | "character varying") => format!("{name} = ANY ($1)"),
        Some(kind @ ("uuid" | "bigint" | "integer")) => format!("{name} = ANY ($1::{kind}[])"),
        Some("character") => format!("{name} = ANY ($1::bpchar[])"),
        _ => format!("{} = ANY ($1)", id_of(messages, column)),
    }
}

/// An id of a table's rows as it is read.
fn id_of(named: Named<'_>, column: &str) -> String {
    let kind = named.table.column(&[column]).map_or("", |(_, column)| column.kind.as_str());
    text_of(&format!("t.{}", identifier(column)), kind)
}

/// Names how touches are read: by what program, under which names, and out of which columns.
fn manner(all: &[Many<'_>], naming: &Naming) -> String {
    let manner = format!("{} {naming:?} {all:?}", env!("CARGO_PKG_VERSION"));
    let hash = Sha256::digest(manner.as_bytes());
    let half: [u8; 16] = hash[..16].try_into().expect("a SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(half))
}

/// Where the session stands.
pub(super) async fn standing(
    session: &mut Session,
    all: &[Many<'_>],
    naming: &Naming,
) -> Result<Result<Standing, String>, SourceError> {
    let tables: Vec<&Table> = all.iter().flat_map(Many::tables).map(|named| named.table).collect();
    Standing::of(session, &tables, manner(all, naming)).await
}

/// The ids of messages that were loaded more than once, into whichever table, or whose properties were.
pub(super) async fn doubled(
    session: &mut Session,
    all: &[Many<'_>],
    cx: &Context,
) -> Result<Vec<String>, SourceError> {
    let mut ids = Vec::new();
    for many in all {
        ids.extend(many.doubled(session, cx).await?);
    }
    if let [first, _, ..] = all {
        let of = |many: &Many<'_>| {
            format!("SELECT {} AS id FROM {} t", many.id_text(), many.messages.table.quoted())
        };
        let mut select = Select::about(first.messages);
        select.from(&all.iter().map(of).collect::<Vec<_>>().join(" UNION ALL "));
        let id = select.computed::<String>("id", "t.id", Wire::Text);
        select.clauses("WHERE t.id IS NOT NULL GROUP BY t.id HAVING count(*) > 1", None);
        ids.extend(session.read(&select, cx, |row| Ok(Taken::Row(row.get(id)?.unwrap_or_default()))).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

impl Many<'_> {
    /// Every table that is read.
    fn tables(&self) -> Vec<Named<'_>> {
        let own = self.parts.iter().filter_map(|part| Some(part.own?.named));
        std::iter::once(self.messages).chain(own).collect()
    }

    /// The id of a message as it is read.
    fn id_text(&self) -> String {
        id_of(self.messages, &self.id)
    }

    /// The ids of messages that were loaded more than once into this table, or whose properties were.
    async fn doubled(&self, session: &mut Session, cx: &Context) -> Result<Vec<String>, SourceError> {
        let own = self.parts.iter().filter_map(|part| part.own).map(|own| (own.named, own.key));
        let mut ids = Vec::new();
        for (named, id) in std::iter::once((self.messages, self.id.as_str())).chain(own) {
            if is_unique(session, named, id).await? {
                continue;
            }
            let mut select = Select::about(named);
            let name = format!("t.{}", identifier(id));
            let id = select.computed::<String>("id", id_of(named, id), Wire::Text);
            select.clauses(format!("WHERE {name} IS NOT NULL GROUP BY {name} HAVING count(*) > 1"), None);
            ids.extend(
                session.read(&select, cx, |row| Ok(Taken::Row(row.get(id)?.unwrap_or_default()))).await?,
            );
        }
        Ok(ids)
    }

    /// Every device and user that touches are of, and when; without messages that were loaded more than once.
    pub(super) async fn sightings(
        &self,
        session: &mut Session,
        doubled: &[String],
        cx: &Context,
    ) -> Result<Vec<Sighting>, SourceError> {
        let mut select = Select::about(self.messages);
        select.from(&format!(
            "SELECT {} AS device, {} AS who, {} AS at, {} AS received FROM {} t WHERE {} AND NOT {}",
            self.device.0,
            self.user,
            self.at,
            self.received,
            self.messages.table.quoted(),
            self.is_touch,
            self.is_doubled(doubled),
        ));
        let device = select.computed::<String>("anonymous_id", "device", Wire::Text);
        let json = select.computed::<Json>("anonymous_id", "device", Wire::Json);
        let user = select.computed::<String>("user_id", "who", Wire::Text);
        let [first, last, received] = ["min(at)", "max(at)", "max(received)"]
            .map(|of| select.computed::<Instant>("timestamp", of, Wire::Binary));
        select.clauses("GROUP BY device, who", None);
        session
            .read(&select, cx, |row| {
                let Instant(first) = row.need(first)?;
                let (Instant(last), Instant(received)) = (row.need(last)?, row.need(received)?);
                let device = if self.device.1 == Wire::Json {
                    let text = row.get(json)?.map(|value| value.text(&[])).transpose();
                    text.map_err(|reason| row.refuse(json, &reason))?.flatten()
                } else {
                    row.get(device)?
                };
                Ok(Taken::Row(Sighting { device, user: row.get(user)?, first, last, received }))
            })
            .await
    }

    /// Names whose a touch is.
    fn key(&self) -> String {
        format!("CASE WHEN {0} IS NULL THEN 'd' || {1} ELSE 'u' || {0} END", self.user, self.device.0)
    }

    /// Whether a message is an edge that its id alone names, to one of `events`.
    fn is_edge(&self, part: &Part<'_>, events: &str) -> String {
        // Other ids may be told as one and the same hash.
        format!(
            "coalesce({} = ANY ({events}) AND {} !~ '[^A-Za-z0-9_.:-]', false)",
            part.event,
            self.id_text()
        )
    }

    fn is_doubled(&self, doubled: &[String]) -> String {
        if doubled.is_empty() {
            return "false".to_owned();
        }
        let doubled = list(doubled.iter().map(String::as_str));
        format!("coalesce({} = ANY ({doubled}), false)", self.id_text())
    }

    /// Tells of everybody how much they did at `events`, and whether the rows are as they were `since` then; without messages
    /// that were loaded more than once.
    pub(super) async fn tallies(
        &self,
        session: &mut Session,
        (standing, since): (&Standing, &Since),
        (events, doubled): (&[String], &[String]),
        see: &mut (dyn FnMut(&str, [i64; 6]) + Send),
        cx: &Context,
    ) -> Result<(), SourceError> {
        let events = list(events.iter().map(String::as_str));
        let id = self.id_text();
        let part = |part: &Part<'_>| {
            let mut written = vec![standing.written(since, "t")];
            let mut join = String::new();
            if let Some(own) = part.own {
                // A row of the event's own table may come before or after that of the message.
                let key = identifier(own.key);
                written.push(format!("j.{key} IS NULL OR {}", standing.written(since, "j")));
                let table = own.named.table.quoted();
                join = format!("LEFT JOIN {table} j ON j.{key} = t.{}", identifier(&self.id));
            }
            let mut unstamped = "false".to_owned();
            if let Some(stamp) = &self.stamp {
                written.push(format!("{stamp} >= {}", since.from()));
                unstamped = format!("{stamp} IS NULL");
            }
            format!(
                "SELECT {} AS who, {} AS attended, {} AS edge, ({}) IS NOT FALSE AS written, {unstamped} AS unstamped, \
                 coalesce({id}, '') = '' AS nameless FROM {} t {join} WHERE {} AND {} AND NOT {}",
                self.key(),
                part.attended,
                self.is_edge(part, &events),
                written.join(" OR "),
                self.messages.table.quoted(),
                part.condition,
                self.is_touch,
                self.is_doubled(doubled),
            )
        };
        let mut select = Select::about(self.messages);
        select.from(&self.parts.iter().map(part).collect::<Vec<_>>().join(" UNION ALL "));
        let who = select.computed::<String>("id", "who", Wire::Text);
        let numbers = [
            "edge AND NOT attended",
            "edge AND attended",
            "NOT edge",
            "edge AND (written OR unstamped)",
            "unstamped",
            "nameless",
        ];
        let numbers = numbers.map(|which| {
            select.computed::<i64>("id", format!("count(*) FILTER (WHERE {which})"), Wire::Binary)
        });
        select.clauses("GROUP BY who", None);
        session
            .read(&select, cx, |row| {
                let who = row.get(who)?.unwrap_or_default();
                let mut counts = [0; 6];
                for (count, number) in counts.iter_mut().zip(numbers) {
                    *count = row.need(number)?;
                }
                see(&who, counts);
                Ok(Taken::<()>::LeftOut("only counted"))
            })
            .await
            .map(drop)
    }

    /// The condition of messages of a part that are by one of `$1`, or at none of `events`; without those loaded more than once.
    pub(super) fn moved(&self, part: &Part<'_>, Wanted { events, doubled, .. }: Wanted<'_>) -> String {
        let events = list(events.iter().map(String::as_str));
        format!(
            "{} AND (({} = ANY ($1)) IS NOT FALSE OR NOT {}) AND NOT {}",
            part.condition,
            self.key(),
            self.is_edge(part, &events),
            self.is_doubled(doubled)
        )
    }
}

/// Whether no two rows can have one value of a column.
async fn is_unique(session: &mut Session, named: Named<'_>, column: &str) -> Result<bool, SourceError> {
    let table = named.table;
    let names = vec![table.schema.clone(), table.name.clone(), column.to_owned()];
    let unique = include_str!("../sql/unique.sql");
    Ok(!session.texts(unique, ("pg_catalog", "pg_index"), Some(&names)).await?.is_empty())
}

/// Adds what was seen as touches that become no edge: the first and the last of each pair.
pub(super) fn as_touches(
    sightings: impl IntoIterator<Item = Sighting>,
    schema: u8,
    into: &mut Spool<TouchRow>,
) -> Result<(), SpoolError> {
    for (n, sighting) in sightings.into_iter().enumerate() {
        let Sighting { device, user, first, last, received } = sighting;
        let mut touch = TouchRow {
            // No message has such an id: columns of text hold no NUL.
            id: format!("\0{schema} {n} first"),
            at: first,
            received_at: received,
            anonymous_id: device,
            user_id: user,
            touch: Touch::Other { action: String::new() },
            schema,
            ..TouchRow::default()
        };
        into.push(&touch)?;
        if last > first {
            (touch.id, touch.at) = (format!("\0{schema} {n} last"), last);
            into.push(&touch)?;
        }
    }
    Ok(())
}
