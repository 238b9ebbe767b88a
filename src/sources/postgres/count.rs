//! How many rows tables hold, whatever of them is read; soft-deleted ones are none.

use super::catalog::identifier;
use super::client::Session;
use crate::context::Context;
use crate::sources::{ColumnAsked, RowsAsked, SourceError};

/// The logical column of soft deletes.
const DELETED: &str = "deleted_at";

impl Session {
    /// How many rows the tables hold that these columns are asked of, without those that say when they were deleted.
    pub async fn count_rows(
        &mut self,
        asked: &[ColumnAsked],
        cx: &Context,
    ) -> Result<Vec<RowsAsked>, SourceError> {
        let mut counted: Vec<RowsAsked> = Vec::new();
        for ColumnAsked { system, schema, logical_table, table, .. } in asked {
            let is_known = |rows: &RowsAsked| (&rows.schema, rows.logical_table) == (schema, *logical_table);
            if counted.iter().any(|rows| rows.system == *system && is_known(rows)) {
                continue;
            }
            cx.check()?;
            let is_deleted = |of: &&ColumnAsked| {
                (of.system, &of.schema, of.logical_table) == (*system, schema, *logical_table)
                    && of.is_there
                    && of.logical == DELETED
            };
            let deleted = asked.iter().find(is_deleted).map(|of| identifier(&of.column));
            let alive = deleted.map(|column| format!(" WHERE {column} IS NULL")).unwrap_or_default();
            let sql =
                format!("SELECT count(*)::text FROM {}.{}{alive}", identifier(schema), identifier(table));
            let told = self.lines::<1>(&sql, &format!("{schema}.{table}")).await?;
            let rows = told.into_iter().flatten().flatten().find_map(|rows| rows.parse().ok());
            let (schema, rows) = (schema.clone(), rows.unwrap_or_default());
            counted.push(RowsAsked { system, schema, logical_table, rows });
        }
        Ok(counted)
    }
}
