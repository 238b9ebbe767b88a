//! The values of one property while rows come: of one type as long as they are, and only of rows that have it.

use polars::prelude::{Column, IntoColumn, TimeUnit, TimeZone};

use super::column::{Cells, exact, fits, texts};
use crate::ontology::{PropertyKind, Value};

/// Texts one after the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
    }

    pub(super) fn get(&self, at: usize) -> &str {
        &self.all[at.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[at]]
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.ends.truncate(length);
        self.all.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

#[derive(Debug)]
enum Values {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Text(Texts),
    /// Values of several types, or of one that is rare.
    Any(Vec<Value>),
}

/// The values of one property.
#[derive(Debug)]
pub(super) struct Held {
    /// Rows that have it, ascending.
    rows: Vec<u32>,
    values: Values,
}

impl Default for Held {
    fn default() -> Self {
        Self { rows: Vec::new(), values: Values::Any(Vec::new()) }
    }
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The value of a row, the first where it has several.
    pub(super) fn put(&mut self, row: u32, value: Value) {
        if let Value::Text(text) = &value {
            return self.put_text(row, text);
        }
        if self.rows.last() == Some(&row) {
            return;
        }
        if self.rows.is_empty() {
            self.values = match value {
                Value::Boolean(_) => Values::Boolean(Vec::new()),
                Value::Integer(_) => Values::Integer(Vec::new()),
                Value::Float(_) => Values::Float(Vec::new()),
                _ => Values::Any(Vec::new()),
            };
        }
        self.rows.push(row);
        match (&mut self.values, value) {
            (Values::Boolean(held), Value::Boolean(b)) => held.push(b),
            (Values::Integer(held), Value::Integer(n)) => held.push(n),
            (Values::Float(held), Value::Float(x)) => held.push(x),
            (_, value) => self.any().push(value),
        }
    }

    pub(super) fn put_text(&mut self, row: u32, text: &str) {
        if self.rows.last() == Some(&row) {
            return;
        }
        if self.rows.is_empty() {
            self.values = Values::Text(Texts::default());
        }
        self.rows.push(row);
        match &mut self.values {
            Values::Text(held) => held.push(text),
            _ => self.any().push(Value::Text(text.to_owned())),
        }
    }

    /// Goes back to what the rows before `row` have.
    pub(super) fn cut(&mut self, row: u32) {
        let length = self.rows.partition_point(|held| *held < row);
        self.rows.truncate(length);
        match &mut self.values {
            Values::Boolean(held) => held.truncate(length),
            Values::Integer(held) => held.truncate(length),
            Values::Float(held) => held.truncate(length),
            Values::Text(held) => held.cut(length),
            Values::Any(held) => held.truncate(length),
        }
    }

    /// Takes out the values of these rows, given ascending; the rows after them close up.
    pub(super) fn take_out_rows(&mut self, out: &[u32]) {
        let from = self.rows.partition_point(|row| *row < out[0]);
        let held: Vec<(u32, Value)> =
            (from..self.rows.len()).map(|at| (self.rows[at], self.value(at))).collect();
        self.cut(out[0]);
        for (row, value) in held {
            if let Err(before) = out.binary_search(&row) {
                self.put(row - before as u32, value);
            }
        }
    }

    fn value(&self, at: usize) -> Value {
        match &self.values {
            Values::Boolean(held) => Value::Boolean(held[at]),
            Values::Integer(held) => Value::Integer(held[at]),
            Values::Float(held) => Value::Float(held[at]),
            Values::Text(held) => Value::Text(held.get(at).to_owned()),
            Values::Any(held) => held[at].clone(),
        }
    }

    /// All of them as values of any type.
    fn any(&mut self) -> &mut Vec<Value> {
        if !matches!(self.values, Values::Any(_)) {
            let length = match &self.values {
                Values::Boolean(held) => held.len(),
                Values::Integer(held) => held.len(),
                Values::Float(held) => held.len(),
                Values::Text(held) => held.ends.len(),
                Values::Any(held) => held.len(),
            };
            self.values = Values::Any((0..length).map(|at| self.value(at)).collect());
        }
        let Values::Any(held) = &mut self.values else { unreachable!("it was made so above") };
        held
    }

    pub(super) fn has_points(&self) -> bool {
        matches!(&self.values, Values::Any(held) if held.iter().any(|value| matches!(value, Value::Point { .. })))
    }

    /// Takes out the values that have no place in a column declared as `kind`, all of them where there is none, and
    /// gives the rows they were of.
    pub(super) fn take_out(&mut self, kind: Option<PropertyKind>) -> Vec<u32> {
        use PropertyKind as P;
        let all_fit = match (&self.values, kind) {
            (Values::Boolean(_), Some(P::Boolean))
            | (Values::Integer(_), Some(P::Integer))
            | (Values::Float(_), Some(P::Float))
            | (Values::Text(_), Some(P::Text)) => true,
            (Values::Integer(held), Some(P::Instant)) => held.iter().all(|ms| ms.checked_mul(1000).is_some()),
            _ => false,
        };
        if all_fit {
            return Vec::new();
        }
        let (mut rest, mut out) = (Self::default(), Vec::new());
        for (at, &row) in self.rows.iter().enumerate() {
            let value = self.value(at);
            if kind.is_some_and(|kind| fits(kind, &value)) {
                rest.put(row, value);
            } else {
                out.push(row);
            }
        }
        *self = rest;
        out
    }

    /// The column over `height` rows, or the two of a point.
    pub(super) fn into_columns(
        self,
        name: &str,
        height: usize,
        declared: Option<PropertyKind>,
    ) -> Vec<Column> {
        use PropertyKind as P;
        let Self { rows, values } = self;
        let column = match (values, declared) {
            (Values::Boolean(held), None | Some(P::Boolean)) => {
                Column::new(name.into(), spread(&rows, held, height))
            }
            (Values::Integer(held), None | Some(P::Integer)) => numbers(name, &rows, held, height),
            (Values::Integer(held), Some(P::Instant))
                if held.iter().all(|ms| ms.checked_mul(1000).is_some()) =>
            {
                let held = held.into_iter().map(|ms| ms * 1000).collect();
                let physical = numbers(name, &rows, held, height);
                let physical = physical.take_materialized_series();
                physical.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
            }
            (Values::Integer(held), Some(P::Float)) if held.iter().all(|n| exact(*n).is_some()) => {
                floats(name, &rows, held.into_iter().map(|n| n as f64).collect(), height)
            }
            (Values::Float(held), None | Some(P::Float)) => floats(name, &rows, held, height),
            (Values::Text(held), None | Some(P::Text)) => {
                let mut at = rows.iter().zip(0..).peekable();
                let of = |row| at.next_if(|(held, _)| **held as usize == row).map(|(_, at)| held.get(at));
                texts(name, (0..height).map(of))
            }
            (values, declared) => {
                let held = Self { rows, values };
                let mut all = vec![None; height];
                for (at, &row) in held.rows.iter().enumerate() {
                    all[row as usize] = Some(held.value(at));
                }
                return Cells::of(all, declared).into_columns(name);
            }
        };
        vec![column]
    }
}

fn spread<T: Copy>(rows: &[u32], held: Vec<T>, height: usize) -> Vec<Option<T>> {
    let mut all = vec![None; height];
    for (&row, value) in rows.iter().zip(held) {
        all[row as usize] = Some(value);
    }
    all
}

fn numbers(name: &str, rows: &[u32], held: Vec<i64>, height: usize) -> Column {
    if rows.len() == height {
        Column::new(name.into(), held)
    } else {
        Column::new(name.into(), spread(rows, held, height))
    }
}

fn floats(name: &str, rows: &[u32], held: Vec<f64>, height: usize) -> Column {
    if rows.len() == height {
        Column::new(name.into(), held)
    } else {
        Column::new(name.into(), spread(rows, held, height))
    }
}
