//! What keeps a schema from being the layout that it otherwise looks like.

use std::fmt;

/// A part without which a layout is not taken for one, in a schema that has others of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Name of the source.
    pub system: &'static str,
    /// The schema.
    pub schema: String,
    /// What is not as it must be: a clause.
    pub what: String,
    /// The key of the configuration that says what it is called, where there is one.
    pub key: Option<String>,
}

impl Lacking {
    /// A table that must be there.
    pub fn table(system: &'static str, schema: &str, table: &str, key: Option<String>) -> Self {
        let what = format!("it has no table `{table}`");
        Self { system, schema: schema.to_owned(), what, key }
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
        write!(f, "schema `{}` of {} is there, but {}", self.schema, self.system, self.what)
    }
}
