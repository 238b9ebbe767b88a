//! Tables of `PostgreSQL` that go into a snapshot as they are.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::mpsc;

use polars::prelude::DataFrame;

use crate::cli::{Failure, Session, connect};
use crate::config::SecretUrl;
use crate::context::Context;
use crate::snapshot::{SnapshotError, Writing};
use crate::sources::postgres::copy::{CopyError, Pick, ScanOptions, TableName, estimate, scan_chunks};

/// A table that is asked for.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Asked {
    source: Option<String>,
    table: TableName,
    picks: Vec<Pick>,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<&str> = text.split(':').collect();
        let is_source = parts.len() > 1 && !parts[0].contains('.');
        let source = is_source.then(|| parts.remove(0).to_owned());
        let (table, columns) = match parts[..] {
            [table] => (table, ""),
            [table, columns] if !columns.is_empty() => (table, columns),
            _ => return Err("this is no [SOURCE:]SCHEMA.TABLE[:COLUMN,…]".to_owned()),
        };
        let table = match table.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => TableName::new(schema, name),
            _ => return Err(format!("`{table}` is no SCHEMA.TABLE")),
        };
        let pick = |column: &str| {
            let mut steps = column.split('/').map(str::to_owned);
            let (name, path): (String, Vec<String>) = (steps.next().unwrap_or_default(), steps.collect());
            match (name.is_empty() || path.iter().any(String::is_empty), path.is_empty()) {
                (true, _) => Err(format!("`{column}` is neither a column nor COLUMN/KEY")),
                (false, true) => Ok(Pick::Column(name)),
                (false, false) => Ok(Pick::Json { column: name, path, name: column.to_owned() }),
            }
        };
        let picks = columns.split(',').filter(|_| !columns.is_empty()).map(pick);
        Ok(Self { source, table, picks: picks.collect::<Result<_, _>>()? })
    }
}

/// Tables and the databases they lie in.
#[derive(Debug, Default)]
pub(in crate::cli) struct RawTables {
    tables: Vec<(Asked, SecretUrl)>,
    forgive_times: bool,
}

impl RawTables {
    /// Finds the database of each table; times that no column can hold become null where they are forgiven.
    pub(super) fn of(asked: &[Asked], forgive_times: bool, session: &Session) -> Result<Self, Failure> {
        let mut seen = BTreeSet::new();
        let mut tables = Vec::new();
        for asked in asked {
            let name = asked.table.qualified();
            if !seen.insert(name.clone()) {
                return Err(Failure::input(format!("the table `{name}` is asked for twice")));
            }
            tables.push((asked.clone(), connect::database(session, asked.source.as_deref())?));
        }
        Ok(Self { tables, forgive_times })
    }

    /// Refuses what cannot be read before anything is.
    pub(super) async fn check(&self, cx: &Context) -> Result<(), Failure> {
        for (Asked { table, picks, .. }, url) in &self.tables {
            estimate(url.expose(), table, picks, cx).await?;
        }
        Ok(())
    }

    /// Reads the tables one after another and writes their rows as they come.
    pub(super) async fn write(
        &self,
        mut writing: Writing,
        session: &Session,
        cx: &Context,
    ) -> Result<Writing, Failure> {
        let options =
            ScanOptions { plain: true, forgive_times: self.forgive_times, ..ScanOptions::default() };
        for (Asked { table, picks, .. }, url) in &self.tables {
            let name = table.qualified();
            let (sender, chunks) = mpsc::sync_channel::<Result<DataFrame, SnapshotError>>(1);
            let written = {
                let name = name.clone();
                tokio::task::spawn_blocking(move || writing.raw(&name, chunks).map(|()| writing))
            };
            let hand = |rows| sender.send(Ok(rows)).map_err(|_| "writing it has stopped".into());
            let scanned = scan_chunks(url.expose(), table, picks, &options, cx, hand).await;
            drop(sender);
            let outcome = written.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()));
            let report = match (scanned, outcome) {
                // Why writing stopped is the error to tell.
                (Ok(_) | Err(CopyError::Taking { .. }), Err(stopped)) => return Err(stopped.into()),
                (Err(broken_off), _) => return Err(broken_off.into()),
                (Ok(report), Ok(written)) => {
                    writing = written;
                    report
                }
            };
            for note in report.notes {
                session.printer.note(format_args!("table `{name}` is {note}"));
            }
            for (column, count) in report.forgiven {
                session.printer.warn(format_args!(
                    "{count} times of column `{column}` of table `{name}` are infinite or out of range and were left out"
                ));
            }
        }
        Ok(writing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_asked_for_with_its_schema_and_may_name_source_columns_and_keys_of_json() {
        let asked: Asked = "unified.entities".parse().expect("a table");
        assert_eq!(
            (asked.source, asked.table.qualified(), asked.picks),
            (None, "unified.entities".into(), vec![])
        );
        let asked: Asked = "directus:public.events:id,meta/tags/0".parse().expect("a table");
        assert_eq!(
            (asked.source.as_deref(), asked.table.qualified().as_str()),
            (Some("directus"), "public.events")
        );
        let path = vec!["tags".to_owned(), "0".to_owned()];
        let tag = Pick::Json { column: "meta".into(), path, name: "meta/tags/0".into() };
        assert_eq!(asked.picks, [Pick::Column("id".into()), tag]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "",
            "entities",
            "unified.",
            ".entities",
            "a.b:",
            "a.b:id,",
            "a.b:/x",
            "a.b:x/",
            "s:t:a",
            "s:a.b:c:d",
        ] {
            assert!(text.parse::<Asked>().is_err(), "{text:?}");
        }
    }
}
