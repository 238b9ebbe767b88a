//! One property over all rows: typed cells, their order, and the polars columns they become.

use std::cmp::Ordering;

use polars::prelude::{
    Column, DataType, IntoColumn, IntoSeries, ListBooleanChunkedBuilder, ListBuilderTrait,
    ListPrimitiveChunkedBuilder, ListStringChunkedBuilder, NamedFrom, PlSmallStr, PolarsNumericType, Series,
    StringChunked, TimeUnit, TimeZone,
};
use polars::prelude::{Float64Type, Int64Type, NewChunkedArray};

use super::assemble::missing_first;
use crate::ontology::{PropertyKind, Value};

/// The cells of one property, all of one type; `None` where a row has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    Boolean(Vec<Option<bool>>),
    Integer(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
    /// Epoch microseconds.
    Instant(Vec<Option<i64>>),
    /// Latitude, longitude.
    Point(Vec<Option<(f64, f64)>>),
    TextList(Vec<Option<Vec<String>>>),
    BooleanList(Vec<Option<Vec<bool>>>),
    IntegerList(Vec<Option<Vec<i64>>>),
    FloatList(Vec<Option<Vec<f64>>>),
}

/// Runs `$body` with `$cells` bound to the vector of whichever variant `$of` is.
macro_rules! whichever {
    ($of:expr, $cells:ident => $body:expr) => {
        match $of {
            Cells::Boolean($cells) => $body,
            Cells::Integer($cells) | Cells::Instant($cells) => $body,
            Cells::Float($cells) => $body,
            Cells::Text($cells) => $body,
            Cells::Point($cells) => $body,
            Cells::TextList($cells) => $body,
            Cells::BooleanList($cells) => $body,
            Cells::IntegerList($cells) => $body,
            Cells::FloatList($cells) => $body,
        }
    };
}

impl Cells {
    /// Types `values` as `declared` where every one of them fits, by themselves otherwise, as JSON text where they differ.
    pub(super) fn of(values: Vec<Option<Value>>, declared: Option<PropertyKind>) -> Self {
        let kinds = declared.map(Kind::Declared).into_iter().chain(Kind::BY_VALUE);
        for kind in kinds {
            if values.iter().flatten().all(|value| kind.holds(value)) {
                return kind.collect(values);
            }
        }
        Cells::Text(values.into_iter().map(|v| v.map(|v| json(&v).to_string())).collect())
    }

    /// The cells at `order`, in that order.
    pub(super) fn take(mut self, order: &[usize]) -> Self {
        whichever!(&mut self, cells => *cells = order.iter().map(|&at| cells[at].take()).collect());
        self
    }

    /// The order of two rows' cells: missing first, then by value, floats by their total order.
    pub(super) fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Cells::Boolean(c) => c[a].cmp(&c[b]),
            Cells::Integer(c) | Cells::Instant(c) => c[a].cmp(&c[b]),
            Cells::Text(c) => c[a].cmp(&c[b]),
            Cells::TextList(c) => c[a].cmp(&c[b]),
            Cells::BooleanList(c) => c[a].cmp(&c[b]),
            Cells::IntegerList(c) => c[a].cmp(&c[b]),
            Cells::Float(c) => missing_first(c[a].as_ref(), c[b].as_ref(), f64::total_cmp),
            Cells::Point(c) => missing_first(c[a].as_ref(), c[b].as_ref(), |a, b| {
                a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
            }),
            Cells::FloatList(c) => missing_first(c[a].as_ref(), c[b].as_ref(), |a, b| {
                let unequal = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
                unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
            }),
        }
    }

    /// The polars column, or the two of a point.
    pub(super) fn into_columns(self, name: &str) -> Vec<Column> {
        let column = match self {
            Cells::Boolean(cells) => Column::new(name.into(), cells),
            Cells::Integer(cells) => Column::new(name.into(), cells),
            Cells::Float(cells) => Column::new(name.into(), cells),
            Cells::Text(cells) => texts(name, cells.iter().map(Option::as_deref)),
            Cells::Instant(cells) => Series::new(name.into(), cells)
                .into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
                .into_column(),
            Cells::Point(cells) => {
                let half = |suffix, pick: fn((f64, f64)) -> f64| {
                    Column::new(
                        format!("{name}_{suffix}").into(),
                        cells.iter().map(|cell| cell.map(pick)).collect::<Vec<_>>(),
                    )
                };
                return vec![half("latitude", |p| p.0), half("longitude", |p| p.1)];
            }
            Cells::TextList(cells) => text_lists(name, cells.iter().map(Option::as_deref)),
            Cells::BooleanList(cells) => {
                let mut builder = ListBooleanChunkedBuilder::new(name.into(), cells.len(), cells.len());
                for cell in cells {
                    match cell {
                        Some(items) => builder.append_iter(items.into_iter().map(Some)),
                        None => builder.append_null(),
                    }
                }
                builder.finish().into_series().into_column()
            }
            Cells::IntegerList(cells) => number_lists::<Int64Type>(name, &cells, DataType::Int64),
            Cells::FloatList(cells) => number_lists::<Float64Type>(name, &cells, DataType::Float64),
        };
        vec![column]
    }
}

/// How a column's values are tried to be held.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Declared(PropertyKind),
    BooleanList,
    IntegerList,
    FloatList,
}

impl Kind {
    /// An undeclared instant is an integer, as the graph server holds it; integers among floats are floats.
    const BY_VALUE: [Kind; 9] = [
        Kind::Declared(PropertyKind::Text),
        Kind::Declared(PropertyKind::Integer),
        Kind::Declared(PropertyKind::Float),
        Kind::Declared(PropertyKind::Boolean),
        Kind::Declared(PropertyKind::Point),
        Kind::Declared(PropertyKind::TextList),
        Kind::BooleanList,
        Kind::IntegerList,
        Kind::FloatList,
    ];

    fn holds(self, value: &Value) -> bool {
        use PropertyKind as P;
        match (self, value) {
            (Kind::Declared(P::Text), Value::Text(_))
            | (Kind::Declared(P::Integer), Value::Integer(_) | Value::Instant(_))
            | (Kind::Declared(P::Float), Value::Float(_))
            | (Kind::Declared(P::Boolean), Value::Boolean(_))
            | (Kind::Declared(P::Point), Value::Point { .. })
            | (Kind::Declared(P::TextList), Value::TextList(_)) => true,
            (Kind::Declared(P::Instant), Value::Integer(ms) | Value::Instant(ms)) => {
                ms.checked_mul(1000).is_some()
            }
            (Kind::Declared(P::Float), Value::Integer(n)) => exact(*n).is_some(),
            (Kind::Declared(P::TextList), Value::List(items)) => items.is_empty(),
            (Kind::BooleanList, Value::List(items)) => items.iter().all(|i| matches!(i, Value::Boolean(_))),
            (Kind::IntegerList, Value::List(items)) => items.iter().all(|i| integer(i).is_some()),
            (Kind::FloatList, Value::List(items)) => items.iter().all(|i| float(i).is_some()),
            (Kind::BooleanList | Kind::IntegerList | Kind::FloatList, Value::TextList(items)) => {
                items.is_empty()
            }
            _ => false,
        }
    }

    fn collect(self, values: Vec<Option<Value>>) -> Cells {
        use PropertyKind as P;
        match self {
            Kind::Declared(P::Text) => Cells::Text(each(values, |v| match v {
                Value::Text(text) => Some(text),
                _ => None,
            })),
            Kind::Declared(P::Integer) => Cells::Integer(each(values, |v| integer(&v))),
            Kind::Declared(P::Instant) => Cells::Instant(each(values, |v| integer(&v)?.checked_mul(1000))),
            Kind::Declared(P::Float) => Cells::Float(each(values, |v| float(&v))),
            Kind::Declared(P::Boolean) => Cells::Boolean(each(values, |v| boolean(&v))),
            Kind::Declared(P::Point) => Cells::Point(each(values, |v| match v {
                Value::Point { latitude, longitude } => Some((single(latitude), single(longitude))),
                _ => None,
            })),
            Kind::Declared(P::TextList) => Cells::TextList(each(values, |v| match v {
                Value::TextList(items) => Some(items),
                _ => Some(Vec::new()),
            })),
            Kind::BooleanList => {
                Cells::BooleanList(each(values, |v| Some(items(&v).iter().filter_map(boolean).collect())))
            }
            Kind::IntegerList => {
                Cells::IntegerList(each(values, |v| Some(items(&v).iter().filter_map(integer).collect())))
            }
            Kind::FloatList => {
                Cells::FloatList(each(values, |v| Some(items(&v).iter().filter_map(float).collect())))
            }
        }
    }
}

/// Whether a column declared as `kind` has a place for the value.
pub(super) fn fits(kind: PropertyKind, value: &Value) -> bool {
    Kind::Declared(kind).holds(value)
}

fn each<T>(values: Vec<Option<Value>>, held: impl Fn(Value) -> Option<T>) -> Vec<Option<T>> {
    values.into_iter().map(|value| value.and_then(&held)).collect()
}

fn items(value: &Value) -> &[Value] {
    if let Value::List(items) = value { items } else { &[] }
}

fn boolean(value: &Value) -> Option<bool> {
    if let Value::Boolean(b) = value { Some(*b) } else { None }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(n) | Value::Instant(n) => Some(*n),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(fifteen_digits(*x)),
        other => exact(integer(other)?).map(fifteen_digits),
    }
}

/// The double that is exactly `n`, where 15 digits tell it.
pub(super) fn exact(n: i64) -> Option<f64> {
    (n.unsigned_abs() < 1_000_000_000_000_000).then_some(n as f64)
}

/// `x` rounded to 15 significant digits, which is what the graph server prints; rounding again changes nothing.
pub fn fifteen_digits(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x.is_infinite() {
        return x;
    }
    // Printed floats parse; fifteen digits of the largest doubles are above the largest double.
    format!("{x:.14e}").parse::<f64>().map_or(x, |rounded| rounded.clamp(f64::MIN, f64::MAX))
}

/// A coordinate as the graph server returns it: single precision, printed with 15 digits.
pub fn single(degrees: f64) -> f64 {
    fifteen_digits(f64::from(degrees as f32))
}

/// A value as JSON, for columns whose rows hold different things.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(b) => (*b).into(),
        Value::Integer(n) | Value::Instant(n) => (*n).into(),
        Value::Float(x) => {
            let x = fifteen_digits(*x);
            serde_json::Number::from_f64(x).map_or_else(|| x.to_string().into(), Into::into)
        }
        Value::Text(text) => text.as_str().into(),
        Value::Point { latitude, longitude } => {
            serde_json::json!({ "latitude": single(*latitude), "longitude": single(*longitude) })
        }
        Value::TextList(items) => items.clone().into(),
        Value::List(items) => items.iter().map(json).collect(),
    }
}

/// A column of integers.
pub(super) fn ints(name: &str, cells: Vec<i64>) -> Column {
    Column::new(name.into(), cells)
}

/// A column of texts.
pub(super) fn texts<'a>(name: &str, cells: impl Iterator<Item = Option<&'a str>>) -> Column {
    StringChunked::from_iter_options(name.into(), cells).into_series().into_column()
}

/// A column of label lists; an empty list is missing.
pub(super) fn label_lists(name: &str, cells: &[Vec<String>]) -> Column {
    text_lists(name, cells.iter().map(|labels| (!labels.is_empty()).then_some(labels.as_slice())))
}

fn text_lists<'a>(name: &str, cells: impl ExactSizeIterator<Item = Option<&'a [String]>>) -> Column {
    let height = cells.len();
    let mut builder = ListStringChunkedBuilder::new(name.into(), height, height);
    for cell in cells {
        match cell {
            Some(items) => builder.append_values_iter(items.iter().map(String::as_str)),
            None => builder.append_null(),
        }
    }
    builder.finish().into_series().into_column()
}

fn number_lists<T: PolarsNumericType>(
    name: &str,
    cells: &[Option<Vec<T::Native>>],
    inner: DataType,
) -> Column {
    let mut builder =
        ListPrimitiveChunkedBuilder::<T>::new(PlSmallStr::from(name), cells.len(), cells.len(), inner);
    for cell in cells {
        builder.append_opt_slice(cell.as_deref());
    }
    builder.finish().into_series().into_column()
}
