//! Which tables and columns of a database a source means: those the configuration names, else those it usually has.

use std::collections::BTreeMap;

use super::catalog::{Catalog, Table};
use crate::config::{Archive, Naming, Schemas};
use crate::sources::{ColumnAsked, Lacking, SourceError, table_key};

/// One source in one schema, under the names its modeller chose.
#[derive(Debug, Clone)]
pub struct Scope<'o> {
    /// Name of the source.
    pub source_name: &'static str,
    /// The schema its tables are in.
    pub schema: String,
    naming: &'o Naming,
    /// Schemas that are read as one with it: what is named need be in one of them only.
    beside: Vec<String>,
}

/// A logical table of a source and the real one it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Named<'c> {
    /// Name of the source.
    pub source_name: &'static str,
    /// The logical name.
    pub logical: &'static str,
    /// The table.
    pub table: &'c Table,
    columns: Option<&'c BTreeMap<String, String>>,
    /// Whether the columns that are named must be here, and are not in another schema.
    pub(super) is_alone: bool,
}

/// Which schema at `place` to read a source from: the configured one, else the only candidate, else none; none as well where
/// the configured one only lacks a part.
pub fn choose_schema(
    place: &str,
    source_name: &'static str,
    configured: &Schemas,
    candidates: &[&str],
    lacking: &[Lacking],
) -> Result<Option<String>, SourceError> {
    let mut chosen = choose_schemas(place, source_name, configured, candidates, lacking)?;
    let only = chosen.pop();
    if chosen.is_empty() {
        return Ok(only);
    }
    chosen.extend(only);
    Err(SourceError::Ambiguous { place: place.to_owned(), source_name, found: chosen.join(", ") })
}

/// Which schemas at `place` to read a source from: the configured ones, but for those that only lack a part; else the only
/// candidate, else none.
pub fn choose_schemas(
    place: &str,
    source_name: &'static str,
    configured: &Schemas,
    candidates: &[&str],
    lacking: &[Lacking],
) -> Result<Vec<String>, SourceError> {
    let place = place.to_owned();
    let (there, others): (Vec<&String>, Vec<&String>) =
        configured.names().iter().partition(|schema| candidates.contains(&schema.as_str()));
    let is_lacking = |schema: &String| lacking.iter().any(|lacking| lacking.schema == *schema);
    if let Some(schema) = others.into_iter().find(|schema| !is_lacking(schema)) {
        return Err(SourceError::SchemaMissing { place, source_name, schema: schema.clone() });
    }
    match candidates {
        _ if !configured.is_empty() => Ok(there.into_iter().cloned().collect()),
        [] => Ok(Vec::new()),
        [only] => Ok(vec![(*only).to_owned()]),
        several => Err(SourceError::Ambiguous { place, source_name, found: several.join(", ") }),
    }
}

/// What is to be told of schemas that are not read: of those configured, else of all where none is.
pub fn untaken<'l>(
    lacking: Vec<Lacking>,
    configured: &'l Schemas,
    chosen: &'l [String],
) -> impl Iterator<Item = Lacking> + 'l {
    let is_meant = |schema: &String| {
        if configured.is_empty() { chosen.is_empty() } else { configured.names().contains(schema) }
    };
    lacking.into_iter().filter(move |of| is_meant(&of.schema) && !chosen.contains(&of.schema))
}

impl<'o> Scope<'o> {
    /// A source in a schema.
    pub fn new(source_name: &'static str, schema: impl Into<String>, naming: &'o Naming) -> Self {
        Self { source_name, schema: schema.into(), naming, beside: Vec::new() }
    }

    /// The same, read as one with other schemas.
    #[must_use]
    pub fn beside(self, others: Vec<String>) -> Self {
        Self { beside: others, ..self }
    }

    /// The configured name of a logical table, else `usual`.
    pub fn name<'a>(&'a self, logical: &str, usual: &'a str) -> &'a str {
        self.naming.tables.get(logical).map_or(usual, String::as_str)
    }

    /// The configured name of a logical column.
    pub fn column(&self, logical: &str, column: &str) -> Option<&'o str> {
        self.naming.columns.get(logical)?.get(column).map(String::as_str)
    }

    /// What the configuration says is archived in a logical table.
    pub fn archive(&self, logical: &str) -> Option<&'o Archive> {
        self.naming.archive.get(logical)
    }

    /// Which of the tables, each by its logical and its usual name, are not there; schema-qualified.
    ///
    /// # Errors
    /// Where the configuration names one that is missing.
    pub fn missing(
        &self,
        catalog: &Catalog,
        tables: &[(&'static str, &str)],
    ) -> Result<Vec<String>, SourceError> {
        let mut missing = Vec::new();
        for (logical, usual) in tables {
            if self.table(catalog, logical, usual)?.is_none() {
                missing.push(format!("{}.{}", self.schema, self.name(logical, usual)));
            }
        }
        Ok(missing)
    }

    /// # Errors
    /// Where the configuration has two of the tables, each by its logical and its usual name, be one.
    pub fn distinct(&self, tables: &[(&str, &str)]) -> Result<(), SourceError> {
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for (logical, usual) in tables {
            let name = self.name(logical, usual);
            if let Some(other) = known.insert(name, logical) {
                let called =
                    |logical| table_key(self.source_name, logical).unwrap_or_else(|| name.to_owned());
                return Err(SourceError::OneForTwo {
                    source_name: self.source_name,
                    name: name.to_owned(),
                    one: called(other),
                    other: called(logical),
                });
            }
        }
        Ok(())
    }

    /// # Errors
    /// Where the configuration names a table that is in none of the schemas it may be in; with the tables that are there, of
    /// schemas with one of those `near` it where there are such.
    pub fn must_be_somewhere(
        &self,
        catalog: &Catalog,
        logical: &str,
        near: &[&str],
    ) -> Result<(), SourceError> {
        let Some(name) = self.naming.tables.get(logical) else { return Ok(()) };
        let meant = self.naming.schema.names();
        let is_meant = |schema: &&str| meant.is_empty() || meant.iter().any(|named| named == schema);
        let mut schemas: Vec<&str> = catalog.schemas_with(&[]).into_iter().filter(is_meant).collect();
        if schemas.iter().any(|schema| catalog.table(schema, name).is_some()) {
            return Ok(());
        }
        let is_near = |schema: &&str| near.iter().any(|table| catalog.table(schema, table).is_some());
        if schemas.iter().any(is_near) {
            schemas.retain(is_near);
        }
        let tables = schemas.iter().flat_map(|schema| {
            catalog.tables(schema).into_iter().map(move |table| format!("{schema}.{table}"))
        });
        Err(SourceError::TableMissing {
            source_name: self.source_name,
            table: meant.first().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}")),
            key: format!("sources.{}.{logical}", self.source_name),
            there: tables.collect::<Vec<_>>().join(", "),
        })
    }

    /// The table that a logical one stands for: the configured one, which must be there, else `usual`, which may be missing.
    pub fn table<'c>(
        &'c self,
        catalog: &'c Catalog,
        logical: &'static str,
        usual: &str,
    ) -> Result<Option<Named<'c>>, SourceError> {
        self.table_by(catalog, logical, (logical, usual))
    }

    /// The same, where another key of the configuration than its logical name names it.
    pub fn table_by<'c>(
        &'c self,
        catalog: &'c Catalog,
        logical: &'static str,
        (key, usual): (&str, &str),
    ) -> Result<Option<Named<'c>>, SourceError> {
        let name = self.name(key, usual);
        let found = catalog.table(&self.schema, name);
        let elsewhere: Vec<&Table> =
            self.beside.iter().filter_map(|schema| catalog.table(schema, name)).collect();
        if found.is_none() && elsewhere.is_empty() && self.naming.tables.contains_key(key) {
            return Err(SourceError::TableMissing {
                source_name: self.source_name,
                table: format!("{}.{name}", self.schema),
                key: format!("sources.{}.{key}", self.source_name),
                there: catalog.tables(&self.schema).join(", "),
            });
        }
        let Some(table) = found else { return Ok(None) };
        let columns = self.naming.columns.get(logical);
        let is_alone = self.beside.is_empty();
        let named = Named { source_name: self.source_name, logical, table, columns, is_alone };
        for (column, name) in columns.into_iter().flatten().filter(|_| !is_alone) {
            if !table.has(&[name]) && !elsewhere.iter().any(|table| table.has(&[name])) {
                return Err(named.no_such_column(table, column, name));
            }
        }
        Ok(Some(named))
    }
}

impl<'c> Named<'c> {
    /// The configured name of a logical column.
    pub fn configured(&self, column: &str) -> Option<&'c str> {
        self.columns?.get(column).map(String::as_str)
    }

    /// That a logical column is asked for, which is called `column` where it is there.
    pub fn asked(&self, logical: &str, column: &str, is_there: bool) -> ColumnAsked {
        ColumnAsked {
            system: self.source_name,
            schema: self.table.schema.clone(),
            logical_table: self.logical,
            table: self.table.name.clone(),
            logical: logical.to_owned(),
            column: column.to_owned(),
            is_there,
            is_named: self.configured(logical).is_some(),
            beside: Vec::new(),
        }
    }

    /// The error that the configured name of a logical column is none of the table's.
    pub fn no_such_column(&self, table: &Table, column: &str, name: &str) -> SourceError {
        SourceError::NamedColumnMissing {
            source_name: self.source_name,
            table: table.qualified(),
            column: name.to_owned(),
            key: format!("sources.{}.columns.{}.{column}", self.source_name, self.logical),
            there: table.columns().join(", "),
        }
    }
}
