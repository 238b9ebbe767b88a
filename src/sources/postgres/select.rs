//! Statements assembled from the columns a table really has, and their rows.

use std::marker::PhantomData;

use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};

use super::catalog::{Table, identifier};
use super::columns::{FromColumn, Wire};
use crate::sources::SourceError;

/// One `SELECT` over one table, or over a table and another one joined to it.
#[derive(Debug)]
pub struct Select<'c> {
    source_name: &'static str,
    table: &'c Table,
    joined: Option<(&'c Table, String)>,
    /// Name, expression and wire form.
    columns: Vec<(String, String, Wire)>,
    clauses: String,
    parameter: Option<Vec<String>>,
    missing: Vec<String>,
    denied: Vec<String>,
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

impl<'c> Select<'c> {
    /// Selects from a table whose primary key is `key`; the key is the first column and names a row in errors.
    pub fn new(
        source_name: &'static str,
        table: &'c Table,
        key: &str,
    ) -> Result<(Self, Field<String>), SourceError> {
        let mut select = Self {
            source_name,
            table,
            joined: None,
            columns: Vec::new(),
            clauses: String::new(),
            parameter: None,
            missing: Vec::new(),
            denied: Vec::new(),
        };
        let key = select.required(&[key])?;
        Ok((select, key))
    }

    /// Joins a table, where it exists, whose column `key` equals this table's; rows without a partner stay.
    pub fn join(&mut self, table: Option<&'c Table>, key: &str) {
        let on = format!("j.{0} = t.{0}", identifier(key));
        self.joined = table.map(|table| (table, on));
    }

    /// What follows the tables: conditions and order over `t` (and `j`), `$1` being the parameter.
    pub fn clauses(&mut self, clauses: impl Into<String>, parameter: Option<Vec<String>>) {
        self.clauses = clauses.into();
        self.parameter = parameter;
    }

    /// A column by the first of its names that exists.
    pub fn optional<T: FromColumn>(&mut self, names: &[&str]) -> Result<Field<T>, SourceError> {
        self.pick(self.table, "t", names)
    }

    /// A column of integers; one that holds something else under the same name is not meant.
    pub fn counter(&mut self, names: &[&str]) -> Result<Field<i64>, SourceError> {
        let integers = ["smallint", "integer", "bigint"];
        match self.table.column(names) {
            Some((_, column)) if !integers.contains(&column.kind.as_str()) => {
                self.missing.push(alternatives(names));
                Ok(Field { position: None, kind: PhantomData })
            }
            _ => self.optional(names),
        }
    }

    /// A column of the joined table, by the first of its names that exists.
    pub fn of_joined<T: FromColumn>(&mut self, names: &[&str]) -> Result<Field<T>, SourceError> {
        match self.joined {
            Some((table, _)) => self.pick(table, "j", names),
            None => Ok(Field { position: None, kind: PhantomData }),
        }
    }

    /// A column that cannot be done without.
    pub fn required<T: FromColumn>(&mut self, names: &[&str]) -> Result<Field<T>, SourceError> {
        let field = self.optional(names)?;
        if field.position.is_some() {
            return Ok(field);
        }
        let (source_name, table) = (self.source_name, self.table.qualified());
        Err(SourceError::ColumnMissing { source_name, table, wanted: alternatives(names) })
    }

    /// A value of type `kind` computed from a column, where the table has it; `{}` in `template` is the column.
    ///
    /// # Panics
    /// Where `kind` is none that `T` can be read from.
    pub fn computed<T: FromColumn>(
        &mut self,
        column: &str,
        template: &str,
        kind: &str,
    ) -> Result<Field<T>, SourceError> {
        let Field { position, .. } = self.pick::<String>(self.table, "t", &[column])?;
        if let Some(position) = position {
            let value = template.replace("{}", &format!("t.{}", identifier(column)));
            let (expression, wire) = T::expression(&format!("({value})"), kind)
                .expect("`kind` is chosen to suit the type asked for");
            self.columns[position] = (column.to_owned(), expression, wire);
        }
        Ok(Field { position, kind: PhantomData })
    }

    fn pick<T: FromColumn>(
        &mut self,
        table: &Table,
        alias: &str,
        names: &[&str],
    ) -> Result<Field<T>, SourceError> {
        let Some((name, column)) = table.column(names) else {
            self.missing.extend((!names.is_empty()).then(|| alternatives(names)));
            return Ok(Field { position: None, kind: PhantomData });
        };
        if !column.readable {
            self.denied.push(format!("{}.{name}", table.qualified()));
        }
        let Some((expression, wire)) = T::expression(&format!("{alias}.{}", identifier(name)), &column.kind)
        else {
            return Err(SourceError::ColumnType {
                source_name: self.source_name,
                table: table.qualified(),
                column: name.to_owned(),
                found: column.kind.clone(),
                wanted: T::WANTED,
            });
        };
        self.columns.push((name.to_owned(), expression, wire));
        Ok(Field { position: Some(self.columns.len() - 1), kind: PhantomData })
    }

    /// Name of the source the table belongs to.
    pub fn source_name(&self) -> &'static str {
        self.source_name
    }

    /// The table rows come from.
    pub fn table(&self) -> &'c Table {
        self.table
    }

    /// Columns that the layout knows and the table lacks.
    pub fn missing(&self) -> &[String] {
        &self.missing
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
        let mut sql = format!("SELECT {} FROM {} t", columns.join(", "), self.table.quoted());
        if let Some((table, on)) = &self.joined {
            sql = format!("{sql} LEFT JOIN {} j ON {on}", table.quoted());
        }
        format!("{sql} {}", self.clauses)
    }
}

fn alternatives(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

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
            let key = value.as_bytes().ok().and_then(|bytes| std::str::from_utf8(bytes).ok())?;
            // Some installations use e-mail addresses as keys.
            (!key.contains('@')).then(|| key.to_owned())
        });
        SourceError::Value {
            source_name: self.select.source_name,
            table: self.select.table.qualified(),
            key: key.unwrap_or_else(|| "(withheld)".to_owned()),
            column: self.select.columns[position].0.clone(),
            reason,
        }
    }
}
