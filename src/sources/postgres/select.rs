//! Statements assembled from the columns a table really has, and their rows.

use std::marker::PhantomData;

use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};

use super::catalog::{Table, identifier};
use super::columns::{FromColumn, Json, Wire};
use super::scope::Named;
use crate::ontology::canonical::masked;
use crate::sources::{ColumnAsked, SourceError, column_key};

/// One `SELECT` over one table, or over a table and another one joined to it.
#[derive(Debug)]
pub struct Select<'c> {
    named: Named<'c>,
    /// What stands in place of the table, as `t`.
    from: Option<String>,
    /// Whether its rows are rows of the table, and counted as such.
    counted: bool,
    joined: Option<(Named<'c>, String)>,
    /// Name, expression and wire form.
    columns: Vec<(String, String, Wire)>,
    clauses: String,
    parameter: Option<Vec<String>>,
    missing: Vec<String>,
    asked: Vec<ColumnAsked>,
    renamed: Vec<(String, String)>,
    denied: Vec<String>,
}

/// Logical and usual name of the column that a table is joined by.
pub const KEY: &str = "id";

/// A table that can be joined by its key.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'c> {
    /// The table.
    pub named: Named<'c>,
    /// The name of its key.
    pub key: &'c str,
}

impl<'c> Keyed<'c> {
    /// A table by its key, where it has one.
    ///
    /// # Errors
    /// Where the configuration names a key that it lacks.
    pub fn of(named: Named<'c>) -> Result<Option<Self>, SourceError> {
        let configured = named.configured(KEY);
        let key = configured.unwrap_or(KEY);
        match configured.filter(|_| named.is_alone) {
            _ if named.table.has(&[key]) => Ok(Some(Self { named, key })),
            Some(name) => Err(named.no_such_column(named.table, KEY, name)),
            None => Ok(None),
        }
    }
}

/// A column of a [`Select`], to be read from its rows; nothing where the table lacks it.
#[derive(Debug)]
pub struct Field<T> {
    position: Option<usize>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    const ABSENT: Self = Self { position: None, kind: PhantomData };
}

impl<'c> Select<'c> {
    /// Selects from a table by its primary key, usually called `key`; it is the first column and names a row in errors.
    pub fn new(named: Named<'c>, key: &str) -> Result<(Self, Field<String>), SourceError> {
        Self::keyed(named, key, &[key])
    }

    /// The same for a table whose primary key has another logical name than its usual one.
    pub fn keyed(
        named: Named<'c>,
        logical: &str,
        usual: &[&str],
    ) -> Result<(Self, Field<String>), SourceError> {
        let mut select = Self { counted: true, ..Self::about(named) };
        let key = select.required(logical, usual)?;
        Ok((select, key))
    }

    /// Selects what is [computed](Self::computed) of a table; that are no rows of it, and they are not counted as such.
    pub fn about(named: Named<'c>) -> Self {
        Self {
            named,
            from: None,
            counted: false,
            joined: None,
            columns: Vec::new(),
            clauses: String::new(),
            parameter: None,
            missing: Vec::new(),
            asked: Vec::new(),
            renamed: Vec::new(),
            denied: Vec::new(),
        }
    }

    /// Selects from a statement of ours in place of the table.
    pub fn from(&mut self, statement: &str) {
        self.from = Some(format!("({statement})"));
    }

    /// A column made of others: what an error calls it, its expression, and how its value travels.
    pub fn computed<T>(&mut self, name: &str, expression: impl Into<String>, wire: Wire) -> Field<T> {
        self.columns.push((name.to_owned(), expression.into(), wire));
        Field { position: Some(self.columns.len() - 1), kind: PhantomData }
    }

    /// Joins a table, where it exists, whose `key` equals the column `to` of this table; rows without a partner stay.
    pub fn join(&mut self, table: Option<Keyed<'c>>, to: &str) {
        self.joined = table.map(|own| {
            self.asked.push(own.named.asked(KEY, own.key, true));
            (own.named, format!("j.{} = t.{}", identifier(own.key), identifier(to)))
        });
    }

    /// What follows the tables: conditions and order over `t` (and `j`), `$1` being the parameter.
    pub fn clauses(&mut self, clauses: impl Into<String>, parameter: Option<Vec<String>>) {
        self.clauses = clauses.into();
        self.parameter = parameter;
    }

    /// A column by the name the configuration gives it, else by the first of its usual names that exists.
    pub fn optional<T: FromColumn>(
        &mut self,
        logical: &str,
        usual: &[&str],
    ) -> Result<Field<T>, SourceError> {
        self.pick(self.named, "t", logical, usual)
    }

    /// A column of integers; one that holds something else under its usual name is not meant.
    pub fn counter(&mut self, logical: &str, usual: &[&str]) -> Result<Field<i64>, SourceError> {
        let integers = ["smallint", "integer", "bigint"];
        match self.named.table.column(usual) {
            Some((_, column))
                if self.named.configured(logical).is_none() && !integers.contains(&column.kind.as_str()) =>
            {
                self.lacks(self.named, logical, usual);
                Ok(Field::ABSENT)
            }
            _ => self.optional(logical, usual),
        }
    }

    /// A column of the joined table.
    pub fn of_joined<T: FromColumn>(
        &mut self,
        logical: &str,
        usual: &[&str],
    ) -> Result<Field<T>, SourceError> {
        match self.joined {
            Some((table, _)) => self.pick(table, "j", logical, usual),
            None => Ok(Field::ABSENT),
        }
    }

    /// A column that cannot be done without.
    pub fn required<T: FromColumn>(
        &mut self,
        logical: &str,
        usual: &[&str],
    ) -> Result<Field<T>, SourceError> {
        let field = self.optional(logical, usual)?;
        if field.position.is_some() {
            return Ok(field);
        }
        let Named { source_name, table, .. } = self.named;
        Err(SourceError::ColumnMissing {
            source_name,
            table: table.qualified(),
            wanted: alternatives(usual),
            key: column_key(source_name, self.named.logical, logical),
        })
    }

    /// A JSON column, where the table has it. Of `jsonb` only what `part` makes of it is brought over (`{}` is the column);
    /// other types come whole, because the server could convert them only by failing on a bad row.
    pub fn json(&mut self, logical: &str, usual: &[&str], part: &str) -> Result<Field<Json>, SourceError> {
        let field: Field<Json> = self.optional(logical, usual)?;
        if let Some(position) = field.position {
            let (name, expression, _) = &mut self.columns[position];
            let kind = self.named.table.column(&[name]).map(|(_, column)| column.kind.as_str());
            if kind == Some("jsonb") {
                *expression = format!("({})::text", part.replace("{}", &format!("t.{}", identifier(name))));
            }
        }
        Ok(field)
    }

    fn pick<T: FromColumn>(
        &mut self,
        named: Named<'c>,
        alias: &str,
        logical: &str,
        usual: &[&str],
    ) -> Result<Field<T>, SourceError> {
        let table = named.table;
        let configured = named.configured(logical);
        let names = configured.as_ref().map_or(usual, std::slice::from_ref);
        let Some((name, column)) = table.column(names) else {
            if let Some(name) = configured.filter(|_| named.is_alone) {
                return Err(named.no_such_column(table, logical, name));
            }
            self.lacks(named, logical, names);
            return Ok(Field::ABSENT);
        };
        let beside = names.iter().filter(|other| **other != name && table.has(&[other]));
        let beside = beside.map(|other| (*other).to_owned()).collect();
        self.asked.push(ColumnAsked { beside, ..named.asked(logical, name, true) });
        if usual.first().is_some_and(|first| *first != name) {
            self.renamed.push((logical.to_owned(), name.to_owned()));
        }
        if !column.readable {
            self.denied.push(format!("{}.{name}", table.qualified()));
        }
        let Some((expression, wire)) = T::expression(&format!("{alias}.{}", identifier(name)), &column.kind)
        else {
            return Err(SourceError::ColumnType {
                source_name: named.source_name,
                table: table.qualified(),
                column: name.to_owned(),
                found: column.kind.clone(),
                wanted: T::WANTED,
            });
        };
        self.columns.push((name.to_owned(), expression, wire));
        Ok(Field { position: Some(self.columns.len() - 1), kind: PhantomData })
    }

    fn lacks(&mut self, named: Named<'c>, logical: &str, names: &[&str]) {
        if let Some(usual) = names.first() {
            self.missing.push(alternatives(names));
            self.asked.push(named.asked(logical, usual, false));
        }
    }

    /// Name of the source the table belongs to.
    pub fn source_name(&self) -> &'static str {
        self.named.source_name
    }

    /// The table rows come from.
    pub fn table(&self) -> &'c Table {
        self.named.table
    }

    /// The quoted name of a column that was found, for use in [`clauses`](Self::clauses).
    pub fn quoted<T>(&self, field: Field<T>) -> Option<String> {
        Some(format!("t.{}", identifier(&self.columns[field.position?].0)))
    }

    /// The name of a column that was found.
    pub fn name<T>(&self, field: Field<T>) -> Option<&str> {
        Some(&self.columns[field.position?].0)
    }

    /// The expression that brings over a column that was found.
    pub fn expression<T>(&self, field: Field<T>) -> Option<&str> {
        Some(&self.columns[field.position?].1)
    }

    /// Whether its rows are rows of the table.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Columns that the layout knows and the table lacks.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Every column that was asked for.
    pub fn asked(&self) -> &[ColumnAsked] {
        &self.asked
    }

    /// Logical columns and the other names they were found under.
    pub fn renamed(&self) -> &[(String, String)] {
        &self.renamed
    }

    /// The first column that we may not read.
    pub fn denied(&self) -> Option<&str> {
        self.denied.first().map(String::as_str)
    }

    /// The list of texts that is `$1`.
    pub fn parameter(&self) -> Option<&Vec<String>> {
        self.parameter.as_ref()
    }

    /// The statement.
    pub fn sql(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(_, expression, _)| expression.as_str()).collect();
        let from = self.from.clone().unwrap_or_else(|| self.named.table.quoted());
        let mut sql = format!("SELECT {} FROM {from} t", columns.join(", "));
        if let Some((table, on)) = &self.joined {
            sql = format!("{sql} LEFT JOIN {} j ON {on}", table.table.quoted());
        }
        format!("{sql} {}", self.clauses)
    }
}

fn alternatives(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// Characters of a key that an error shows.
const KEY_SHOWN: usize = 80;

/// One row of a [`Select`].
#[derive(Debug)]
pub struct Row<'r> {
    row: &'r PgRow,
    select: &'r Select<'r>,
}

impl<'r> Row<'r> {
    pub(super) fn new(row: &'r PgRow, select: &'r Select<'r>) -> Self {
        Self { row, select }
    }

    /// The value of a column; `None` where it, or the column itself, is missing.
    pub fn get<T: FromColumn>(&self, field: Field<T>) -> Result<Option<T>, SourceError> {
        let Some(position) = field.position else { return Ok(None) };
        let wire = self.select.columns[position].2;
        let refused = |reason: String| self.refused(position, reason);
        let value = self.row.try_get_raw(position).map_err(|e| refused(e.to_string()))?;
        if value.is_null() {
            return Ok(None);
        }
        let bytes = value.as_bytes().map_err(|e| refused(e.to_string()))?;
        T::decode(bytes, wire).map_err(refused)
    }

    /// The value of a column that every row must have.
    pub fn need<T: FromColumn>(&self, field: Field<T>) -> Result<T, SourceError> {
        match self.get(field)? {
            Some(value) => Ok(value),
            None => Err(self.refuse(field, "is empty")),
        }
    }

    /// The error that this row's value of a column cannot be taken; `reason` must not hold the value.
    pub fn refuse<T>(&self, field: Field<T>, reason: &str) -> SourceError {
        self.refused(field.position.unwrap_or_default(), reason.to_owned())
    }

    fn refused(&self, position: usize, reason: String) -> SourceError {
        let key = self.row.try_get_raw(0).ok().and_then(|value| {
            let key = match value.as_bytes() {
                Ok(bytes) if !bytes.is_empty() => std::str::from_utf8(bytes).ok()?,
                _ => return Some("(empty)".to_owned()),
            };
            // Some installations use e-mail addresses, telephone numbers or tokens as keys; a key that is told has the form
            // of none.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
            let (shown, more) = match key.char_indices().nth(KEY_SHOWN) {
                Some((end, _)) => (&key[..end], "…"),
                None => (key, ""),
            };
            (key.chars().all(is_plain) && masked(key) == key).then(|| format!("{shown}{more}"))
        });
        SourceError::Value {
            source_name: self.select.named.source_name,
            table: self.select.named.table.qualified(),
            key: key.unwrap_or_else(|| "(withheld)".to_owned()),
            column: self.select.columns[position].0.clone(),
            reason,
        }
    }
}
