//! How many rows tables hold, whatever of them is read.

use super::catalog::identifier;
use super::client::Session;
use crate::context::Context;
use crate::sources::{ColumnAsked, RowsAsked, SourceError};

impl Session {
    /// How many rows the tables hold that these columns are asked of.
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
            let sql = format!("SELECT count(*)::text FROM {{schema}}.{}", identifier(table));
            let told = self.texts(&sql, (schema, table), None).await?;
            let rows = told.into_iter().flatten().flatten().find_map(|rows| rows.parse().ok());
            let (schema, rows) = (schema.clone(), rows.unwrap_or_default());
            counted.push(RowsAsked { system, schema, logical_table, rows });
        }
        Ok(counted)
    }
}
