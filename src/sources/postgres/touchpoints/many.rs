//! The many touches: somebody saw, saved, clicked or was there. Each is one edge that its message id names.
//!
//! A reading that goes on from an earlier one leaves them where they are: it asks which device and user were seen when, in
//! one statement, and which ids there are, and then reads only those messages that somebody wants.

use sha2::{Digest as _, Sha256};

use super::super::catalog::identifier;
use super::super::client::{Session, Taken};
use super::super::columns::{Instant, Json, Wire, text_literal};
use super::super::position::{Since, Standing};
use super::super::scope::Named;
use super::super::select::Select;
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
    /// The event's own table, joined by `id`.
    pub own: Option<Named<'c>>,
}

/// A message, as far as it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Key<'k> {
    /// Its id.
    pub id: &'k str,
    /// When it happened, epoch µs; `None` where no clock says.
    pub at: Option<i64>,
    /// What is known of its row.
    pub row: KeyRow,
}

/// What is known of the row of a [`Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRow {
    /// It is as it was at the last reading.
    AsItWas,
    /// It was written since, or may have been.
    Written,
    /// No stamp says when it was loaded.
    Unstamped,
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
        _ => format!("{name}::text = ANY ($1)"),
    }
}

impl Many<'_> {
    /// Every table that is read.
    fn tables(&self) -> Vec<Named<'_>> {
        let own = self.parts.iter().filter_map(|part| part.own);
        std::iter::once(self.messages).chain(own).collect()
    }

    /// Names how touches are read: by what program, under which names, and out of which columns.
    fn manner(&self, naming: &Naming) -> String {
        let manner = format!("{} {naming:?} {self:?}", env!("CARGO_PKG_VERSION"));
        let hash = Sha256::digest(manner.as_bytes());
        let half: [u8; 16] = hash[..16].try_into().expect("a SHA-256 has 32 bytes");
        format!("{:032x}", u128::from_be_bytes(half))
    }

    /// Where the session stands.
    pub(super) async fn standing(
        &self,
        session: &mut Session,
        naming: &Naming,
    ) -> Result<Result<Standing, String>, SourceError> {
        let tables = self.tables();
        let names: Vec<&str> = tables.iter().map(|named| named.table.name.as_str()).collect();
        Standing::of(session, &self.messages.table.schema, &names, self.manner(naming)).await
    }

    /// Whether no two messages can have one id.
    async fn is_unique(&self, session: &mut Session) -> Result<bool, SourceError> {
        let table = self.messages.table;
        let names = vec![table.schema.clone(), table.name.clone(), self.id.clone()];
        let unique = include_str!("../sql/unique.sql");
        Ok(!session.texts(unique, &table.schema, Some(&names)).await?.is_empty())
    }

    /// The ids of messages that were loaded more than once.
    pub(super) async fn doubled(
        &self,
        session: &mut Session,
        cx: &Context,
    ) -> Result<Vec<String>, SourceError> {
        if self.is_unique(session).await? {
            return Ok(Vec::new());
        }
        let mut select = Select::about(self.messages);
        let name = format!("t.{}", identifier(&self.id));
        let id = select.computed::<String>("id", format!("{name}::text"), Wire::Text);
        select.clauses(format!("WHERE {name} IS NOT NULL GROUP BY {name} HAVING count(*) > 1"), None);
        session.read(&select, cx, |row| Ok(Taken::Row(row.get(id)?.unwrap_or_default()))).await
    }

    /// Every device and user that touches are of, and when; without messages that were loaded more than once, where there
    /// are such.
    pub(super) async fn sightings(
        &self,
        session: &mut Session,
        doubled: &[String],
        cx: &Context,
    ) -> Result<Vec<Sighting>, SourceError> {
        let (times, once) = if doubled.is_empty() {
            (String::new(), "")
        } else {
            let id = identifier(&self.id);
            (format!(", count(*) OVER (PARTITION BY t.{id}) AS times"), "WHERE times = 1 ")
        };
        let mut select = Select::about(self.messages);
        select.from(&format!(
            "SELECT {} AS device, {} AS who, {} AS at, {} AS received{times} FROM {} t WHERE {}",
            self.device.0,
            self.user,
            self.at,
            self.received,
            self.messages.table.quoted(),
            self.is_touch
        ));
        let device = select.computed::<String>("anonymous_id", "device", Wire::Text);
        let json = select.computed::<Json>("anonymous_id", "device", Wire::Json);
        let user = select.computed::<String>("user_id", "who", Wire::Text);
        let [first, last, received] = ["min(at)", "max(at)", "max(received)"]
            .map(|of| select.computed::<Instant>("timestamp", of, Wire::Binary));
        select.clauses(format!("{once}GROUP BY device, who"), None);
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

    /// Shows every key to `see`: what was read `since` then and is as it was, and what is not.
    pub(super) async fn keys(
        &self,
        session: &mut Session,
        (standing, since): (&Standing, &Since),
        see: &mut (dyn FnMut(Key<'_>) + Send),
        cx: &Context,
    ) -> Result<(), SourceError> {
        for part in &self.parts {
            let mut written = vec![standing.written(since, "t")];
            if part.own.is_some() {
                // A row of the event's own table may come before or after that of the message.
                written.push(format!("j.\"id\" IS NULL OR {}", standing.written(since, "j")));
            }
            let mut unstamped = String::new();
            if let Some(stamp) = &self.stamp {
                written.push(format!("{stamp} >= {}", since.from()));
                unstamped = format!("WHEN {stamp} IS NULL THEN 2 ");
            }
            let row = format!("CASE {unstamped}WHEN {} THEN 1 ELSE 0 END", written.join(" OR "));
            let mut select = Select::about(self.messages);
            let id = select.computed::<String>("id", format!("t.{}::text", identifier(&self.id)), Wire::Text);
            let at = select.computed::<Instant>("timestamp", &self.at, Wire::Binary);
            let row_is = select.computed::<i64>("id", format!("({row})::int8"), Wire::Binary);
            select.join(part.own, "id");
            select.clauses(format!("WHERE {}", part.condition), None);
            session
                .read(&select, cx, |row| {
                    let id = row.get(id)?;
                    let at = row.get(at)?.map(|Instant(at)| at);
                    let row = match row.need(row_is)? {
                        0 => KeyRow::AsItWas,
                        1 => KeyRow::Written,
                        _ => KeyRow::Unstamped,
                    };
                    see(Key { id: id.as_deref().unwrap_or_default(), at, row });
                    Ok(Taken::<()>::LeftOut("only looked at"))
                })
                .await?;
        }
        Ok(())
    }
}

/// Adds what was seen as touches that become no edge: the first and the last of each pair.
pub(super) fn as_touches(
    sightings: impl IntoIterator<Item = Sighting>,
    into: &mut Spool<TouchRow>,
) -> Result<(), SpoolError> {
    for (n, sighting) in sightings.into_iter().enumerate() {
        let Sighting { device, user, first, last, received } = sighting;
        let mut touch = TouchRow {
            // No message has such an id: columns of text hold no NUL.
            id: format!("\0{n} first"),
            at: first,
            received_at: received,
            anonymous_id: device,
            user_id: user,
            touch: Touch::Other { action: String::new() },
            ..TouchRow::default()
        };
        into.push(&touch)?;
        if last > first {
            (touch.id, touch.at) = (format!("\0{n} last"), last);
            into.push(&touch)?;
        }
    }
    Ok(())
}
