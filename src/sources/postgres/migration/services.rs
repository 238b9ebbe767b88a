//! Does every source still find its layout, with as many rows and as new ones?

use super::verdict::{Check, Status};
use crate::context::Diagnose as _;
use crate::sources::{DatabaseLayout, SourceLayout};

/// One check per source that either side holds.
pub fn compare(from: &DatabaseLayout, to: &DatabaseLayout) -> Vec<Check> {
    let pairs = from.sources.iter().zip(&to.sources);
    let mut checks: Vec<Check> = pairs.filter_map(|(was, is)| source(was, is)).collect();
    if checks.is_empty() {
        checks.push(
            Check::new(
                "services",
                Status::Warn,
                "no layout of a source that sonograph knows in this database",
            )
            .hint("move on only if this database is none of Directus, Twenty, unified and touchpoints"),
        );
    }
    checks
}

fn source(was: &SourceLayout, is: &SourceLayout) -> Option<Check> {
    let check = format!("service {}", was.name);
    match (&was.found, &is.found) {
        (Ok(None), Ok(None)) => None,
        // Neither side was ever readable so: a name in the configuration that is meant for another database, perhaps.
        (Err(_), Err(error)) => Some(
            Check::new(check, Status::Warn, format!("on neither side: {error}"))
                .hint("look at both sides with `sonograph doctor`"),
        ),
        (_, Err(error)) => {
            let failed = Check::new(check, Status::Fail, error.to_string());
            Some(match error.hint() {
                Some(hint) => failed.hint(hint),
                None => failed,
            })
        }
        (Err(_) | Ok(None), Ok(_)) => {
            let found = format!("{}; the source side has no readable layout to compare with", told(is));
            Some(Check::new(check, Status::Warn, found).hint("look at the source with `sonograph doctor`"))
        }
        (Ok(Some(_)), Ok(None)) => Some(
            Check::new(check, Status::Fail, "its layout is not found on the new side")
                .hint("see which tables and columns are missing above"),
        ),
        (Ok(Some(old)), Ok(Some(new))) => {
            let facts = |layout: &SourceLayout| -> Vec<(String, u64, Option<i64>)> {
                layout.tables.iter().map(|t| (t.table.clone(), t.rows, t.newest)).collect()
            };
            if old.schema == new.schema && facts(was) == facts(is) {
                return Some(Check::new(check, Status::Ok, told(is)));
            }
            let found = format!("was {}; is {}", told(was), told(is));
            Some(Check::new(check, Status::Fail, found).hint("stop all writers and compare again"))
        }
    }
}

fn told(layout: &SourceLayout) -> String {
    let schema =
        layout.found.as_ref().ok().and_then(Option::as_ref).map_or("?", |found| found.schema.as_str());
    let rows: u64 = layout.tables.iter().map(|table| table.rows).sum();
    let newest = layout.tables.iter().filter_map(|table| table.newest).max();
    let newest = newest.and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    let newest = newest.map(|at| format!(", newest row {at}")).unwrap_or_default();
    format!("schema {schema}, {} tables, {rows} rows{newest}", layout.tables.len())
}
