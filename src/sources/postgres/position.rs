//! Where a reading of the touches stood, so that the next one may begin there.
//!
//! `xmin` of a row is the transaction that wrote it. A row that was written since then has one that was not over when that
//! reading began: at or above its boundary, `pg_snapshot_xmin(pg_current_snapshot())`. Unlike a time stamp this sees every
//! `INSERT` and `UPDATE`, also of a transaction that was long at work, and it cannot be forgotten. A row holds only the low
//! 32 bits of it, so that rows are held against the distance from the boundary, modulo 2^32; a distance of more than half
//! of that is refused. Deleted rows have none: those are found by comparing keys.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::catalog::Table;
use super::client::Session;
use crate::sources::SourceError;

/// Where a reading of the touches stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// System identifier and timeline of the server and oid of the database: transactions of another count otherwise.
    pub database: String,
    /// Every transaction below this one was over.
    pub boundary: u64,
    /// When the newest row was received, and not after the reading itself; epoch µs.
    pub watermark: i64,
    /// oids of the relations that hold the touches: rows of any other were never read.
    pub relations: Vec<u32>,
    /// Names what was read, and how: a hash.
    pub manner: String,
}

/// What may be left unread, and what must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// Where the last reading stood.
    pub position: Position,
    /// How far before its watermark rows are read again.
    pub overlap: SignedDuration,
}

/// Where a reading stands that goes on from another.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub position: Position,
    /// No transaction at or above this one is seen.
    end: u64,
}

/// Transactions that 32 bits tell apart.
const WRAP: u64 = 1 << 32;

impl Standing {
    /// Where a session stands, reading these tables in a `manner`; why nothing can go on from there, where that is so.
    pub(super) async fn of(
        session: &mut Session,
        tables: &[&Table],
        manner: String,
    ) -> Result<Result<Self, String>, SourceError> {
        let [here] = &session.lines::<5>(include_str!("sql/position.sql"), "pg_current_snapshot").await?[..]
        else {
            return Ok(Err("the server does not say which transactions are over".to_owned()));
        };
        let number = |at: usize| here[at].as_deref().and_then(|text| text.parse::<u64>().ok());
        let (Some(boundary), Some(end), Some(now), Some(oid)) = (number(0), number(1), number(2), number(3))
        else {
            return Ok(Err("the server does not say which transactions are over".to_owned()));
        };
        if here[4].as_deref() != Some("true") {
            return Ok(Err("the role may not ask which server this is (GRANT EXECUTE ON FUNCTION \
                 pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint() TO it)"
                .to_owned()));
        }
        let cluster = session.lines::<2>(include_str!("sql/cluster.sql"), "pg_control_system").await?;
        let Some([Some(system), Some(timeline)]) = cluster.first() else {
            return Ok(Err("the server does not say which one it is".to_owned()));
        };
        let names = tables.iter().flat_map(|table| [table.schema.clone(), table.name.clone()]).collect();
        let found = include_str!("sql/relations.sql");
        let found = session.texts(found, ("pg_catalog", "pg_class"), Some(&names)).await?;
        let mut relations = Vec::with_capacity(found.len());
        for relation in &found {
            let [Some(of), Some(oid), Some(kind)] = &relation[..] else { continue };
            if !matches!(kind.as_str(), "r" | "p" | "m") {
                let what = if kind == "v" { "a view" } else { "no table of this database" };
                return Ok(Err(format!(
                    "`{of}` is {what}: its rows do not tell which transaction wrote them"
                )));
            }
            relations.extend(oid.parse::<u32>().ok());
        }
        let position = Position {
            database: format!("{system}/{timeline}/{oid}"),
            boundary,
            watermark: i64::try_from(now).unwrap_or(i64::MAX),
            relations,
            manner,
        };
        Ok(Ok(Self { position, end }))
    }

    /// Why nothing can be left unread `since` then; `None` where it can.
    pub(super) fn refusal(&self, since: &Since) -> Option<String> {
        let (then, now) = (&since.position, &self.position);
        if then.database != now.database {
            return Some("the database is on another server than it was, or was restored".to_owned());
        }
        if then.manner != now.manner {
            return Some("what is read of the touchpoints, or how, is not what it was".to_owned());
        }
        match self.end.checked_sub(then.boundary) {
            None => Some("the server counts fewer transactions than it did".to_owned()),
            Some(distance) if distance > WRAP / 2 => {
                Some("too many transactions ran since for rows to tell theirs apart".to_owned())
            }
            Some(_) => None,
        }
    }

    /// The condition that the row `alias` was written `since` then, or stands where nothing was read.
    pub(super) fn written(&self, since: &Since, alias: &str) -> String {
        let boundary = since.position.boundary % WRAP;
        let distance = self.end.saturating_sub(since.position.boundary);
        let known: Vec<String> = since.position.relations.iter().map(u32::to_string).collect();
        format!(
            "(mod({alias}.xmin::text::bigint - {boundary} + {WRAP}, {WRAP}) < {distance} \
             OR NOT ({alias}.tableoid = ANY ('{{{}}}'::oid[])))",
            known.join(",")
        )
    }
}

impl Since {
    /// The time from which rows are read again, as it stands in a statement.
    pub(super) fn from(&self) -> String {
        let overlap = i64::try_from(self.overlap.as_micros()).unwrap_or(i64::MAX);
        let from = self.position.watermark.saturating_sub(overlap);
        format!("(timestamptz 'epoch' + {from} * interval '1 microsecond')")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boundary: u64) -> Position {
        Position {
            database: "7/1/5".into(),
            boundary,
            watermark: 0,
            relations: vec![1, 2],
            manner: "m".into(),
        }
    }

    fn since(position: Position) -> Since {
        Since { position, overlap: SignedDuration::from_mins(5) }
    }

    #[test]
    fn a_boundary_across_the_wrap_of_32_bits_is_a_distance_and_half_the_way_round_is_too_far() {
        let then = since(at(3 * WRAP - 10));
        let now = |end| Standing { position: at(end), end };
        assert_eq!(now(3 * WRAP + 5).refusal(&then), None);
        let condition = now(3 * WRAP + 5).written(&then, "t");
        assert!(condition.contains("- 4294967286 + 4294967296, 4294967296) < 15 "), "{condition}");
        assert!(condition.contains("ANY ('{1,2}'::oid[])"), "{condition}");
        assert!(now(4 * WRAP).refusal(&then).expect("too far").contains("too many"), "half of 2^32");
        assert!(now(2 * WRAP).refusal(&then).expect("an older server").contains("fewer"));
    }

    #[test]
    fn another_server_database_or_manner_of_reading_begins_anew() {
        let then = since(at(100));
        let mut now = Standing { position: at(120), end: 120 };
        assert_eq!(now.refusal(&then), None);
        now.position.manner = "n".into();
        assert!(now.refusal(&then).is_some());
        now.position = Position { database: "7/2/5".into(), ..at(120) };
        assert!(now.refusal(&then).is_some());
    }
}
