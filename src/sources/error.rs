//! What can go wrong while sources are read. No variant holds a password, a URL with credentials or the value of a row.

use super::Lacking;
use super::postgres::client::{POOLER, is_pooler};
use super::postgres::touchpoints;
use super::spool::SpoolError;
use crate::context::{Cancelled, Diagnose, Fault};

/// A source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is no URL of a `PostgreSQL` database.
    #[error("the PostgreSQL URL cannot be used: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answers there.
    #[error("cannot reach PostgreSQL at {place}")]
    Unreachable {
        /// `host:port/database`.
        place: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server wants another password, or does not know the user.
    #[error("PostgreSQL at {place} refused the password of user `{user}`")]
    Password {
        /// `host:port/database`.
        place: String,
        /// Who tried to log in.
        user: String,
    },
    /// There is no such database.
    #[error("PostgreSQL at {place} has no database `{database}`")]
    DatabaseMissing {
        /// `host:port/database`.
        place: String,
        /// Its name.
        database: String,
    },
    /// The server answered, but did not let us in.
    #[error("PostgreSQL at {place} refused the connection: {reason}")]
    Refused {
        /// `host:port/database`.
        place: String,
        /// What the server said.
        reason: String,
    },
    /// The server is older than we can read.
    #[error("PostgreSQL at {place} is version {version}, older than {oldest}")]
    TooOld {
        /// `host:port/database`.
        place: String,
        /// Its major version.
        version: u32,
        /// The oldest major version that is read.
        oldest: u32,
    },
    /// The role lacks a privilege.
    #[error("role `{user}` may not read `{what}` at {place}")]
    Denied {
        /// `host:port/database`.
        place: String,
        /// The role.
        user: String,
        /// Schema, table or column.
        what: String,
    },
    /// Row-level security would hide rows from us.
    #[error("row-level security hides rows of `{table}` from role `{user}` at {place}")]
    RowSecurity {
        /// `host:port/database`.
        place: String,
        /// The role.
        user: String,
        /// The table.
        table: String,
    },
    /// The connection broke.
    #[error("lost the connection to PostgreSQL at {place} while reading `{what}`")]
    Lost {
        /// `host:port/database`.
        place: String,
        /// What was read.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server refused a statement.
    #[error("cannot read `{what}` at {place}: {reason}")]
    Query {
        /// `host:port/database`.
        place: String,
        /// What was read.
        what: String,
        /// What the server said, without values of rows.
        reason: String,
    },
    /// No workspace of Twenty can be told to be the one that is meant.
    #[error("{place} has no {wanted} workspace of Twenty: {found}")]
    WorkspaceMissing {
        /// `host:port/database`.
        place: String,
        /// Which one was looked for.
        wanted: String,
        /// The workspaces that there are.
        found: String,
    },
    /// None of the known layouts is there.
    #[error("found no layout of {looked_for} at {place}")]
    LayoutMissing {
        /// `host:port/database`.
        place: String,
        /// Names of the sources looked for.
        looked_for: String,
        /// What keeps schemas that look like them from being them.
        lacking: Vec<Lacking>,
    },
    /// The configured schema does not hold the layout.
    #[error("schema `{schema}` at {place} does not hold the layout of {source_name}")]
    SchemaMissing {
        /// `host:port/database`.
        place: String,
        /// Name of the source.
        source_name: &'static str,
        /// The schema.
        schema: String,
    },
    /// More than one schema holds the layout.
    #[error("several schemas at {place} hold the layout of {source_name}: {found}")]
    Ambiguous {
        /// `host:port/database`.
        place: String,
        /// Name of the source.
        source_name: &'static str,
        /// The schemas.
        found: String,
    },
    /// Schemas that cannot be read as one.
    #[error("cannot read the schemas {schemas} of {source_name} as one stream: {reason}")]
    NotOneStream {
        /// Name of the source.
        source_name: &'static str,
        /// The schemas.
        schemas: String,
        /// Why not.
        reason: &'static str,
    },
    /// A column that cannot be done without is missing.
    #[error("table `{table}` of {source_name} has no column {wanted}")]
    ColumnMissing {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// The names it may have.
        wanted: String,
        /// Key of the configuration that can name it, where there is one.
        key: Option<String>,
    },
    /// The column by which Directus tells archived rows is not there.
    #[error("table `{table}` of directus has no column `{column}`, by which its settings tell archived rows")]
    ArchiveMissing {
        /// Schema-qualified table.
        table: String,
        /// The column.
        column: String,
        /// Key of the configuration that can name another.
        key: String,
    },
    /// A table that the configuration names is not there.
    #[error("{source_name} has no table `{table}`, which the configuration names as `{key}`")]
    TableMissing {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// Key of the configuration.
        key: String,
        /// The tables that there are.
        there: String,
    },
    /// A table that the configuration names is another one than it must be.
    #[error(
        "table `{table}` of {source_name}, which the configuration names as `{key}`, has no column {lacks}"
    )]
    TableUnfit {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// Key of the configuration.
        key: String,
        /// The columns without which it cannot be meant.
        lacks: String,
    },
    /// The configuration has one name stand for two things.
    #[error("`{name}` of {source_name} would be two things: `{one}` and `{other}`")]
    OneForTwo {
        /// Name of the source.
        source_name: &'static str,
        /// The name.
        name: String,
        /// Key of the configuration that gives or implies it; the name itself, where it cannot be another.
        one: String,
        /// The other.
        other: String,
    },
    /// A column that the configuration names is not there.
    #[error(
        "table `{table}` of {source_name} has no column `{column}`, which the configuration names as `{key}`"
    )]
    NamedColumnMissing {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// The name in the configuration.
        column: String,
        /// Key of the configuration.
        key: String,
        /// The columns that there are.
        there: String,
    },
    /// A column holds something else than the layout says.
    #[error("column `{column}` of table `{table}` of {source_name} is of type {found}, wanted {wanted}")]
    ColumnType {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What can be read.
        wanted: &'static str,
    },
    /// A row that cannot be taken; the value itself is not told.
    #[error("row `{key}` of table `{table}` of {source_name}: column `{column}` {reason}")]
    Value {
        /// Name of the source.
        source_name: &'static str,
        /// Schema-qualified table.
        table: String,
        /// Primary key of the row.
        key: String,
        /// The column.
        column: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// Rows could not be kept aside.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl SourceError {
    /// Where a connection was refused, lost or asked for something it cannot do; `None` where the port is not to blame.
    fn place(&self) -> Option<&str> {
        match self {
            Self::Unreachable { place, .. }
            | Self::Refused { place, .. }
            | Self::Lost { place, .. }
            | Self::Query { place, .. } => Some(place),
            _ => None,
        }
    }
}

impl Diagnose for SourceError {
    fn fault(&self) -> Fault {
        match self {
            Self::Url { .. }
            | Self::SchemaMissing { .. }
            | Self::Ambiguous { .. }
            | Self::NotOneStream { .. }
            | Self::TableMissing { .. }
            | Self::TableUnfit { .. }
            | Self::OneForTwo { .. }
            | Self::NamedColumnMissing { .. }
            | Self::WorkspaceMissing { .. } => Fault::Input,
            Self::Cancelled(_) => Fault::Cancelled,
            Self::Spool(error) => error.fault(),
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        if self.place().is_some_and(is_pooler) {
            return Some(POOLER.to_owned());
        }
        Some(match self {
            Self::Spool(error) => return error.hint(),
            Self::Url { .. } => "it looks like postgresql://user:password@host:5432/database; \
                                 percent-encode special characters of the password"
                .to_owned(),
            Self::Unreachable { .. } => {
                "check host and port and that the server runs; `sonograph services up` starts a private one"
                    .to_owned()
            }
            Self::Password { .. } => "check user and password in the URL (percent-encoded)".to_owned(),
            Self::DatabaseMissing { .. } => "check the last part of the URL: the database's name".to_owned(),
            Self::Query { reason, .. } if reason.contains("statement timeout") => {
                "the role's statement_timeout is too short to read this: ALTER ROLE … SET statement_timeout = 0"
                    .to_owned()
            }
            Self::Query { reason, .. } if reason.contains("lock timeout") => {
                "somebody holds a lock on it longer than the role's lock_timeout: run the command again later".to_owned()
            }
            Self::Query { .. } => {
                "the server's own words may hold values of rows and are not told: they stand in its log".to_owned()
            }
            Self::Refused { .. } | Self::Lost { .. } | Self::Cancelled(_) => {
                return None;
            }
            Self::TooOld { .. } => "PostgreSQL 18 is what sonograph is made for".to_owned(),
            Self::Denied { user, what, .. } => {
                let schema = what.split('.').next().unwrap_or(what);
                format!(
                    "GRANT USAGE ON SCHEMA \"{schema}\" TO \"{user}\"; GRANT SELECT ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{user}\"; \
                     {GRANTS}"
                )
            }
            Self::RowSecurity { user, .. } => {
                format!("give the reader a role that sees all rows: ALTER ROLE \"{user}\" BYPASSRLS; {GRANTS}")
            }
            Self::LayoutMissing { lacking, .. } if !lacking.is_empty() => {
                let told = lacking.iter().map(|lacking| format!("{lacking}; {}", lacking.hint()));
                told.collect::<Vec<_>>().join("; ")
            }
            Self::LayoutMissing { .. } => {
                "check that the URL names the database of the sources; `sonograph doctor` lists what is found"
                    .to_owned()
            }
            Self::Ambiguous { source_name: touchpoints::SYSTEM, found, .. } => format!(
                "name the right one as `schema` under [sources.touchpoints] in sonograph.toml, or all whose touches are one \
                 stream: `schema = {:?}`",
                found.split(", ").collect::<Vec<_>>()
            ),
            Self::SchemaMissing { source_name, .. }
            | Self::Ambiguous { source_name, .. }
            | Self::NotOneStream { source_name, .. } => {
                format!("name the right one as `schema` under [sources.{source_name}] in sonograph.toml")
            }
            Self::TableMissing { there, .. } => format!("there are {}", or_none(there)),
            Self::TableUnfit { key, .. } => {
                format!("name the right one as `{key}` in sonograph.toml; what its columns are called can be said there, too")
            }
            Self::OneForTwo { .. } => {
                "say in sonograph.toml what each of the two is called; what is not there may have any name".to_owned()
            }
            Self::NamedColumnMissing { there, .. } => format!("its columns are {}", or_none(there)),
            Self::WorkspaceMissing { .. } => {
                "name it as `workspace` (its subdomain) or `schema` under [sources.twenty] in sonograph.toml"
                    .to_owned()
            }
            Self::ColumnMissing { source_name, key, .. } => {
                let otherwise = match key {
                    Some(key) => format!("where it has another name, say so as `{key}` in sonograph.toml"),
                    None => "no configuration names it otherwise".to_owned(),
                };
                format!("{otherwise}; `sonograph doctor` lists what is found of {source_name}")
            }
            Self::ArchiveMissing { key, .. } => format!(
                "correct the collection's settings in Directus, or say in sonograph.toml what is archived: \
                 `{key} = {{ field = \"…\", value = \"…\" }}`"
            ),
            Self::ColumnType { .. } => {
                "the table differs from every layout we know; `sonograph doctor` lists what is found"
                    .to_owned()
            }
            Self::Value { .. } => {
                "correct the row in its own system, or leave such rows out with --skip-bad-rows: \
                                   they are counted and listed"
                    .to_owned()
            }
        })
    }
}

/// Where all of what a role needs stands.
const GRANTS: &str =
    "`sonograph doctor grants`, run as a role that sees everything, prints all that a reader needs";

fn or_none(list: &str) -> &str {
    if list.is_empty() { "none" } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_says_whose_it_is_and_what_to_do() {
        let told = |reason: &str| {
            let refused = SourceError::Query {
                place: "db.example:5432/d".into(),
                what: "directus.events".into(),
                reason: reason.into(),
            };
            refused.hint().unwrap_or_default()
        };
        assert!(
            told("canceling statement due to statement timeout (SQLSTATE 57014)")
                .contains("SET statement_timeout = 0")
        );
        assert!(told("canceling statement due to lock timeout (SQLSTATE 55P03)").contains("lock_timeout"));
    }

    #[test]
    fn a_connection_that_fails_on_the_port_of_a_pooler_says_which_port_to_use() {
        let at = |place: &str| {
            let refused = SourceError::Refused { place: place.to_owned(), reason: "no".to_owned() };
            refused.hint()
        };
        assert_eq!(at("db.example:5432/6543").as_deref(), None);
        assert_eq!(at("db.example:16543/postgres").as_deref(), None);
        assert!(
            at("db.example:6543/postgres").is_some_and(|hint| hint.contains("session mode on port 5432"))
        );
        assert!(at("[::1]:6543/a/b").is_some());
    }
}
