//! The proof that reading touches nothing: what the role could do, and what every table adds up to before and after.

use std::collections::{BTreeMap, BTreeSet};

use super::checksum;
use super::client::Session;
use super::grants::Reading;
use crate::context::Context;
use crate::sources::{Databases, SourceError};

/// What the role of one database may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// `host:port/database`.
    pub place: String,
    /// The role.
    pub user: String,
    /// Everything it may do beside reading.
    pub excess: Vec<String>,
    /// Whether row security does not apply to it.
    pub bypasses: bool,
    /// Tables it reads that have row security on.
    pub guarded: usize,
}

/// What tables add up to, by place and name.
pub type Sums = BTreeMap<String, (u64, i128)>;

/// What the role of every database may do.
///
/// # Errors
/// When a database or a layout in it cannot be looked at.
pub async fn rights(databases: &Databases, readings: &[Reading]) -> Result<Vec<Rights>, SourceError> {
    let mut all = Vec::new();
    for (url, _) in databases.grouped() {
        let mut session = Session::open(url).await?;
        let place = session.place().to_owned();
        let excess = session.lines::<1>(include_str!("sql/privileges.sql"), "privileges").await?;
        let role = "SELECT rolname::text, (rolbypassrls OR rolsuper)::text FROM pg_roles WHERE rolname = current_user";
        let role = session.lines::<2>(role, "pg_roles").await?;
        session.close().await;
        let [user, bypasses] = role.into_iter().next().unwrap_or_default();
        let here = readings.iter().filter(|reading| reading.place == place);
        let guarded: BTreeSet<_> = here.flat_map(|r| &r.tables).filter(|table| table.row_security).collect();
        all.push(Rights {
            place,
            user: user.unwrap_or_default(),
            excess: excess.into_iter().flatten().flatten().collect(),
            bypasses: bypasses.as_deref() == Some("true"),
            guarded: guarded.len(),
        });
    }
    Ok(all)
}

/// What every table adds up to that the role may read in the schemas of the sources.
///
/// # Errors
/// When a table cannot be read whole, or somebody asks to stop.
pub async fn sums(
    databases: &Databases,
    readings: &[Reading],
    title: &str,
    cx: &Context,
) -> Result<Sums, SourceError> {
    let mut all = Sums::new();
    for (url, _) in databases.grouped() {
        let mut session = Session::open(url).await?;
        checksum::pin(&mut session).await?;
        let place = session.place().to_owned();
        let schemas: BTreeSet<&str> = readings
            .iter()
            .filter(|reading| reading.place == place)
            .flat_map(|reading| reading.tables.iter().map(|table| table.schema.as_str()))
            .collect();
        for table in checksum::tables(&mut session).await? {
            if table.readable && schemas.contains(table.schema.as_str()) {
                let sum = checksum::sum(&mut session, &table, title, cx).await?;
                all.insert(format!("{} at {place}", table.qualified()), sum);
            }
        }
        session.close().await;
    }
    Ok(all)
}

/// The tables that do not add up to what they did.
pub fn changed(before: &Sums, after: &Sums) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_changed_came_or_went_between_the_two_looks_is_named() {
        let sums = |rows: &[(&str, u64, i128)]| -> Sums {
            rows.iter().map(|(name, n, sum)| ((*name).to_owned(), (*n, *sum))).collect()
        };
        let before = sums(&[("a", 1, 5), ("b", 2, 6), ("c", 3, 7)]);
        let after = sums(&[("a", 1, 5), ("b", 2, 9), ("d", 1, 1)]);
        assert_eq!(changed(&before, &before), Vec::<String>::new());
        assert_eq!(changed(&before, &after), ["b", "c", "d"]);
    }
}
