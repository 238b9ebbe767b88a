//! A role that can read one source and nothing else: which tables that takes, and the statements that make it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::catalog::identifier;
use super::client::Session;
use crate::context::Context;
use crate::sources::facts::Facts;
use crate::sources::{Databases, SourceError, SourceOptions};

/// What is read of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Name of the source.
    pub source: &'static str,
    /// `host:port/database`.
    pub place: String,
    /// The database.
    pub database: String,
    /// Every table.
    pub tables: Vec<Touched>,
}

/// A table that is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// The schema it lives in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether row security is on.
    pub row_security: bool,
}

/// Finds out which tables are read of every source that is there, by reading none of their rows but looking at all of them.
///
/// # Errors
/// When a database cannot be opened or a layout that is there cannot be looked at.
pub async fn readings(
    databases: &Databases,
    options: &SourceOptions,
    cx: &Context,
) -> Result<Vec<Reading>, SourceError> {
    let mut all = Vec::new();
    for (url, sources) in databases.grouped() {
        for source in sources {
            cx.check()?;
            // A transaction of its own for each, so that what it touched is this source's alone.
            let mut session = Session::open(url).await?;
            session.survey();
            if source.read(&mut session, options, &mut Facts::default(), cx).await?.is_some() {
                let (tables, database) = touched(&mut session).await?;
                all.push(Reading {
                    source: source.name(),
                    place: session.place().to_owned(),
                    database,
                    tables,
                });
            }
            session.close().await;
        }
    }
    Ok(all)
}

async fn touched(session: &mut Session) -> Result<(Vec<Touched>, String), SourceError> {
    let rows = session.lines(include_str!("sql/touched.sql"), "pg_locks").await?;
    let mut tables = Vec::new();
    let mut in_database = String::new();
    for [schema, name, row_security, database] in rows {
        in_database = database.unwrap_or_default();
        tables.push(Touched {
            schema: schema.unwrap_or_default(),
            name: name.unwrap_or_default(),
            row_security: row_security.as_deref() == Some("true"),
        });
    }
    Ok((tables, in_database))
}

/// The statements that make the roles, for `psql`; `role`: one for all, otherwise `sonograph_<source>` for each.
///
/// No password stands in them: the last line of each part has `psql` ask for it.
pub fn script(readings: &[Reading], role: Option<&str>) -> String {
    let mut text = String::from(
        "-- Roles that may read what sonograph reads, and nothing else. Run with psql, as whoever owns the tables and may make roles,\n\
         -- in the database each part names; every run leaves the same.\n",
    );
    for reading in readings {
        let name = role.map_or_else(|| format!("sonograph_{}", reading.source), str::to_owned);
        part(&mut text, reading, &name);
    }
    text
}

fn part(text: &mut String, reading: &Reading, name: &str) {
    let role = identifier(name);
    let literal = name.replace('\'', "''");
    let schemas: BTreeSet<&str> = reading.tables.iter().map(|table| table.schema.as_str()).collect();
    // A comment ends with its line, whatever a database is called.
    let place: String = reading.place.chars().filter(|c| !c.is_control()).collect();
    let database = identifier(&reading.database);
    let schemas: Vec<String> = schemas.into_iter().map(identifier).collect();
    let tables: Vec<String> = reading
        .tables
        .iter()
        .map(|table| format!("{}.{}", identifier(&table.schema), identifier(&table.name)))
        .collect();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n-- {source}: {n} tables, {place}\n\
         DO $do$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{literal}') THEN\n    \
         CREATE ROLE {role} LOGIN;\n  END IF;\nEND $do$;\n\
         ALTER ROLE {role} SET default_transaction_read_only = on;\n\
         GRANT CONNECT ON DATABASE {database} TO {role};\n\
         GRANT USAGE ON SCHEMA {schemas} TO {role};\n\
         GRANT SELECT ON\n  {tables}\n  TO {role};\n",
        source = reading.source,
        n = reading.tables.len(),
        schemas = schemas.join(", "),
        tables = tables.join(",\n  "),
    );
    let guarded: Vec<&str> =
        reading.tables.iter().filter(|table| table.row_security).map(|table| table.name.as_str()).collect();
    if !guarded.is_empty() {
        let _ = write!(
            text,
            "-- Row security is on for {} of these tables: a reader that it applies to would miss rows.\nALTER ROLE {role} BYPASSRLS;\n",
            guarded.len()
        );
    }
    if reading.source == super::touchpoints::SYSTEM {
        // Everybody may, unless somebody took it away; only a superuser may give it back.
        let _ = write!(
            text,
            "-- What `mirror --incremental` needs beside SELECT: to ask which server this is.\n\
             DO $do$ BEGIN\n  IF NOT (has_function_privilege('{literal}', 'pg_catalog.pg_control_system()', 'EXECUTE')\n      \
             AND has_function_privilege('{literal}', 'pg_catalog.pg_control_checkpoint()', 'EXECUTE')) THEN\n    \
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint() TO {role};\n  \
             END IF;\nEND $do$;\n"
        );
    }
    let _ = writeln!(text, "\\password {role}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_so_that_none_ends_its_statement() {
        let table = Touched { schema: "a\"b".into(), name: "x; DROP TABLE y".into(), row_security: true };
        let reading = Reading {
            source: "directus",
            place: "h:5432/d\nDROP DATABASE d; --".into(),
            database: "d\"; --".into(),
            tables: vec![table],
        };
        let text = script(&[reading], Some("o'neil\""));
        assert!(
            text.contains("GRANT SELECT ON\n  \"a\"\"b\".\"x; DROP TABLE y\"\n  TO \"o'neil\"\"\";"),
            "{text}"
        );
        assert!(text.contains("rolname = 'o''neil\"'"), "{text}");
        assert!(text.contains("ON DATABASE \"d\"\"; --\" TO"), "{text}");
        assert!(text.contains("ALTER ROLE \"o'neil\"\"\" BYPASSRLS;"), "{text}");
        assert!(!text.contains("\nDROP"), "{text}");
    }
}
