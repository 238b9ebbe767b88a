//! What keeps a schema, or a table of it, from being the layout that it otherwise looks like.

use std::fmt;

use super::column_key;

/// A part without which a layout is not taken for one, in a schema that has others of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Name of the source.
    pub system: &'static str,
    /// The schema.
    pub schema: String,
    /// The table, where the schema is read but for that.
    pub table: Option<String>,
    /// What is not as it must be: a clause.
    pub what: String,
    /// The key of the configuration that says what it is called, where there is one.
    pub key: Option<String>,
}

impl Lacking {
    /// A table that must be there.
    pub fn table(system: &'static str, schema: &str, table: &str, key: Option<String>) -> Self {
        let what = format!("it has no table `{table}`");
        Self { system, schema: schema.to_owned(), table: None, what, key }
    }

    /// A column, by its name and the logical names of its table and itself, without which the schema is not read.
    pub fn column(
        system: &'static str,
        (schema, table): (&str, &str),
        column: &str,
        (logical_table, logical): (&str, &str),
    ) -> Self {
        let what = format!("`{schema}.{table}` lacks `{column}`");
        let key = column_key(system, logical_table, logical);
        Self { system, schema: schema.to_owned(), table: None, what, key }
    }

    /// The same, without which only the table is not read.
    pub fn of_table(
        system: &'static str,
        (schema, table): (&str, &str),
        column: &str,
        logical: (&str, &str),
    ) -> Self {
        let lacking = Self::column(system, (schema, table), column, logical);
        Self { table: Some(table.to_owned()), what: format!("it lacks `{column}`"), ..lacking }
    }

    /// What is not read for it: `system:schema`, or `system:schema.table`.
    pub fn name(&self) -> String {
        let Self { system, schema, .. } = self;
        self.table
            .as_ref()
            .map_or_else(|| format!("{system}:{schema}"), |table| format!("{system}:{schema}.{table}"))
    }

    /// The same, for the user to read.
    pub fn subject(&self) -> String {
        let Self { system, schema, .. } = self;
        self.table.as_ref().map_or_else(
            || format!("schema `{schema}` of {system}"),
            |table| format!("table `{schema}.{table}` of {system}"),
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match &self.key {
            Some(key) => format!("`{key}` in sonograph.toml says what it is called"),
            None => "no configuration names it otherwise: it must be called as before".to_owned(),
        }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is there, but {}", self.subject(), self.what)
    }
}
