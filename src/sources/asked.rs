//! Which columns a layout asks of the tables of a database, and which of them are there.

use crate::config::{nameable_tables, vocabulary};

/// A column that is asked of a table that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnAsked {
    /// Name of the source.
    pub system: &'static str,
    /// The schema.
    pub schema: String,
    /// The logical table.
    pub logical_table: &'static str,
    /// The table that it stands for.
    pub table: String,
    /// The logical column.
    pub logical: String,
    /// What it is called there; where it is not there, what it is usually called.
    pub column: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Whether the configuration names it.
    pub is_named: bool,
    /// What else it is usually called, of which columns are there as well: the first of them is read once this one is not there.
    pub beside: Vec<String>,
}

/// How many rows a table holds of which columns are asked, whatever their state; but none that are soft-deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsAsked {
    /// Name of the source.
    pub system: &'static str,
    /// The schema.
    pub schema: String,
    /// The logical table.
    pub logical_table: &'static str,
    /// Its rows.
    pub rows: u64,
}

impl ColumnAsked {
    /// `schema.table.column`.
    pub fn qualified(&self) -> String {
        format!("{}.{}.{}", self.schema, self.table, self.column)
    }

    /// Whether it tells who somebody is, what something belongs to, or when it was.
    pub fn tells_who_or_when(&self) -> bool {
        let of = |(system, table, columns): &(&str, &str, &[&str])| {
            (*system, *table) == (self.system, self.logical_table) && columns.contains(&&*self.logical)
        };
        WHO_AND_WHEN.iter().any(of)
    }

    /// The key of the configuration that can name it.
    pub fn key(&self) -> Option<String> {
        column_key(self.system, self.logical_table, &self.logical)
    }
}

/// The key of the configuration that can name a logical column.
pub fn column_key(system: &str, logical_table: &str, logical: &str) -> Option<String> {
    let mut nameable = vocabulary().filter(|words| words.source == system && words.table == logical_table);
    let is_nameable = nameable.any(|words| words.columns.contains(&logical));
    is_nameable.then(|| format!("sources.{system}.columns.{logical_table}.{logical}"))
}

/// The key of the configuration that can name a logical table.
pub fn table_key(system: &str, logical_table: &str) -> Option<String> {
    let mut nameable = nameable_tables().into_iter().filter(|(source, _)| *source == system);
    let is_nameable = nameable.any(|(_, tables)| tables.contains(&logical_table));
    is_nameable.then(|| format!("sources.{system}.{logical_table}"))
}

/// What identity and time rest on, as far as a layout may lack it: source, logical table, logical columns.
const WHO_AND_WHEN: &[(&str, &str, &[&str])] = &[
    ("directus", "venues", &["google_place_id", "timezone"]),
    ("directus", "artists", &["instagram_url"]),
    ("directus", "events", &["start_date", "venue", "promoter_domain"]),
    ("twenty", "company", &["domain"]),
    ("twenty", "person", &["primary_email"]),
    ("twenty", "opportunity", &["company", "contact"]),
    ("touchpoints", "tracks", &["timestamp", "anonymous_id", "user_id"]),
    ("touchpoints", "identifies", &["timestamp", "anonymous_id", "user_id"]),
    ("touchpoints", "aliases", &["timestamp", "previous_id", "user_id"]),
    ("touchpoints", "event_viewed", &["event"]),
    ("touchpoints", "event_saved", &["event"]),
    ("touchpoints", "ticket_link_clicked", &["event"]),
    ("touchpoints", "event_attended", &["event"]),
    ("touchpoints", "artist_followed", &["artist"]),
    ("touchpoints", "user_followed", &["user"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_tells_who_or_when_can_be_named() {
        for (system, table, columns) in WHO_AND_WHEN {
            for column in *columns {
                assert!(column_key(system, table, column).is_some(), "{system}.{table}.{column}");
            }
        }
        assert_eq!(column_key("directus", "events", "archive"), None);
    }

    #[test]
    fn a_table_has_a_key_where_its_name_may_be_configured() {
        assert_eq!(table_key("directus", "events").as_deref(), Some("sources.directus.events"));
        let attended = table_key("touchpoints", "event_attended");
        assert_eq!(attended.as_deref(), Some("sources.touchpoints.event_attended"));
        assert_eq!([table_key("touchpoints", "users"), table_key("twenty", "person")], [None, None]);
    }
}
