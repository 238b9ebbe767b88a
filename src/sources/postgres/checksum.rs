//! What the rows of a table add up to, in whatever order they lie.
//!
//! The sum is over the first 60 bits of the MD5 of each row as text, so it depends on the settings that turn values into
//! text: [`pin`] first. Big tables are summed a range of blocks at a time: no statement runs long, progress shows, and a
//! request to stop is heard.

use super::catalog::identifier;
use super::client::Session;
use crate::context::Context;
use crate::sources::SourceError;

/// Blocks that one statement reads: 32 MiB.
const BLOCKS: u64 = 4_096;

/// With other settings the same rows give another sum; and nothing here waits for ever.
const PINNED: &str = "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, MDY', true),
    set_config('IntervalStyle', 'postgres', true), set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true), set_config('lock_timeout', '15s', true),
    set_config('statement_timeout', '10min', true), set_config('idle_in_transaction_session_timeout', '0', true)";

/// A table that holds rows of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heap {
    /// The schema it lives in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its size in blocks, where its storage has blocks and all its rows count.
    pub blocks: Option<u64>,
    /// Whether the role may read it.
    pub readable: bool,
    /// Whether the planner has seen it.
    pub analysed: bool,
    /// The `WHERE …` of the rows that count, where an extension declared some of its table to be the installation's.
    pub counted: Option<String>,
}

impl Heap {
    /// `schema.table`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// Sets what row sums depend on, for the rest of the transaction.
pub async fn pin(session: &mut Session) -> Result<(), SourceError> {
    session.lines::<9>(PINNED, "settings").await.map(drop)
}

/// Every table that holds rows of its own, by name.
pub async fn tables(session: &mut Session) -> Result<Vec<Heap>, SourceError> {
    let rows = session.lines(include_str!("migration/sql/tables.sql"), "pg_class").await?;
    let yes = |value: Option<String>| value.as_deref() == Some("true");
    Ok(rows
        .into_iter()
        .map(|[schema, name, blocks, readable, analysed, counted]| Heap {
            schema: schema.unwrap_or_default(),
            name: name.unwrap_or_default(),
            blocks: blocks.and_then(|blocks| blocks.parse().ok()),
            readable: yes(readable),
            analysed: yes(analysed),
            counted,
        })
        .collect())
}

/// Number of rows and order-free sum of their hashes.
///
/// # Errors
/// When the table cannot be read whole, or somebody asks to stop.
pub async fn sum(
    session: &mut Session,
    table: &Heap,
    title: &str,
    cx: &Context,
) -> Result<(u64, i128), SourceError> {
    let name = table.qualified();
    let step = cx.step(&format!("{title}: {name}"), table.blocks);
    let (mut rows, mut sum) = (0, 0);
    let only = format!("ONLY {}.{}", identifier(&table.schema), identifier(&table.name));
    for range in ranges(table.blocks) {
        let from = match &table.counted {
            // The catalog's own SQL, from the extension's script: pg_dump puts it at the same place.
            Some(counted) => format!("(SELECT * FROM {only} {counted}) AS row_of_table"),
            None => format!("{only} AS row_of_table{}", range.clause()),
        };
        let sql = format!(
            "SELECT count(*)::text, coalesce(sum(('x' || substr(md5(row_of_table::text), 1, 15))::bit(60)::bigint), 0)::text
             FROM {from}"
        );
        for [n, part] in session.lines(&sql, &name).await? {
            let number = |text: Option<String>| text.and_then(|t| t.parse::<i128>().ok());
            let (Some(n), Some(part)) = (number(n), number(part)) else {
                let reason = "the sum of its rows is no number".to_owned();
                return Err(SourceError::Query { place: session.place().to_owned(), what: name, reason });
            };
            rows += n as u64;
            sum += part;
        }
        step.tick(range.until.unwrap_or(table.blocks.unwrap_or(1)), table.blocks)?;
    }
    Ok((rows, sum))
}

/// From one block up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: Option<u64>,
    until: Option<u64>,
}

impl Range {
    fn clause(self) -> String {
        let bound = |op: &str, block: u64| format!("row_of_table.ctid {op} '({block},0)'::tid");
        let bounds = [self.from.map(|b| bound(">=", b)), self.until.map(|b| bound("<", b))];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        if bounds.is_empty() { String::new() } else { format!(" WHERE {}", bounds.join(" AND ")) }
    }
}

/// Ranges that cover every block once; the last is open, for a table that grew since it was measured.
fn ranges(blocks: Option<u64>) -> Vec<Range> {
    let parts = blocks.unwrap_or(0).div_ceil(BLOCKS).max(1);
    (0..parts)
        .map(|i| Range {
            from: (i > 0).then_some(i * BLOCKS),
            until: (i + 1 < parts).then_some((i + 1) * BLOCKS),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_table_is_read_in_ranges_that_cover_it_once_and_stay_open_at_the_end() {
        assert_eq!(ranges(None), [Range { from: None, until: None }]);
        assert_eq!(ranges(Some(0)), [Range { from: None, until: None }]);
        assert_eq!(ranges(Some(BLOCKS)), [Range { from: None, until: None }]);
        let two = ranges(Some(BLOCKS + 1));
        assert_eq!(
            two,
            [Range { from: None, until: Some(BLOCKS) }, Range { from: Some(BLOCKS), until: None }]
        );
        assert_eq!(two[1].clause(), " WHERE row_of_table.ctid >= '(4096,0)'::tid");
    }
}
