//! Which schemas, tables and columns a database holds, and which of them we may read.

use std::collections::BTreeMap;

/// The statement that fills a [`Catalog`]: schema, table, column, type, readable.
pub(super) const STATEMENT: &str = include_str!("sql/catalog.sql");

/// What a database holds outside the system's own schemas.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    schemas: BTreeMap<String, BTreeMap<String, Table>>,
}

/// A table or view.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The schema it lives in.
    pub schema: String,
    /// Its name.
    pub name: String,
    columns: BTreeMap<String, Column>,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its type without length or precision, as `PostgreSQL` writes it; of a domain, the type beneath.
    pub kind: String,
    /// Whether the role may read it.
    pub readable: bool,
}

impl Catalog {
    /// Adds one column.
    pub fn add(&mut self, schema: String, table: String, column: String, kind: String, readable: bool) {
        let tables = self.schemas.entry(schema.clone()).or_default();
        let entry = tables.entry(table.clone()).or_insert_with(|| Table {
            schema,
            name: table,
            columns: BTreeMap::new(),
        });
        entry.columns.insert(column, Column { kind, readable });
    }

    /// A table, where it exists.
    pub fn table(&self, schema: &str, table: &str) -> Option<&Table> {
        self.schemas.get(schema)?.get(table)
    }

    /// The tables of a schema, in order of name.
    pub fn tables(&self, schema: &str) -> Vec<&str> {
        self.schemas.get(schema).map(|held| held.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The schemas that hold all of the tables, in order of name.
    pub fn schemas_with(&self, tables: &[&str]) -> Vec<&str> {
        let holds_all = |held: &BTreeMap<String, Table>| tables.iter().all(|t| held.contains_key(*t));
        self.schemas.iter().filter(|(_, held)| holds_all(held)).map(|(schema, _)| schema.as_str()).collect()
    }
}

impl Table {
    /// `schema.table`, as in source references.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// `"schema"."table"`, as in a statement.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// The first of the names that is a column here.
    pub fn column<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &Column)> {
        names.iter().find_map(|name| Some((*name, self.columns.get(*name)?)))
    }

    /// Its columns, in order of name.
    pub fn columns(&self) -> Vec<&str> {
        self.columns.keys().map(String::as_str).collect()
    }

    /// The columns of a type, in order of name.
    pub fn columns_of(&self, kind: impl Fn(&str) -> bool) -> Vec<&str> {
        let of = self.columns.iter().filter(|(_, column)| kind(&column.kind));
        of.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether it has all of the columns and the role may read them.
    pub fn can_read(&self, columns: &[&str]) -> bool {
        columns.iter().all(|name| self.columns.get(*name).is_some_and(|column| column.readable))
    }

    /// Whether it has all of the columns.
    pub fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|name| self.columns.contains_key(*name))
    }
}

/// Quotes a name for use in a statement.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_cannot_end_its_own_quotes() {
        assert_eq!(identifier(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
    }

    #[test]
    fn a_schema_is_found_only_when_it_holds_every_table() {
        let mut catalog = Catalog::default();
        for (schema, table) in [("web", "tracks"), ("web", "identifies"), ("half", "tracks")] {
            catalog.add(schema.into(), table.into(), "id".into(), "text".into(), true);
        }
        assert_eq!(catalog.schemas_with(&["tracks", "identifies"]), ["web"]);
        assert_eq!(catalog.schemas_with(&["tracks"]), ["half", "web"]);
    }
}
