//! Tables of a graph as the plan sees them: those of a snapshot, or what resolving gives.

use std::sync::Arc;

use polars::prelude::{AnyValue, Column, DataFrame, TimeUnit};

use super::MirrorError;
use super::current::{Current, Reading};
use crate::ontology::{Label, Property, PropertyKind, Relation, Value};
use crate::snapshot::tables::assemble::NodeRow;
use crate::snapshot::tables::{DST, LABELS, SRC, Tables, UID};
use crate::sources::falkordb::{FalkorError, Taker as _};

impl Current {
    /// The graph that tables hold.
    ///
    /// # Errors
    /// When two nodes have one uid, or rows cannot be kept aside.
    pub fn of(tables: &Tables) -> Result<Self, MirrorError> {
        Self::taken(tables).map_err(MirrorError::Unread)
    }

    fn taken(tables: &Tables) -> Result<Self, FalkorError> {
        let mut reading = Reading::default();
        // Dense ids count up through the tables.
        let mut id = 0;
        for (label, frame) in &tables.nodes {
            let columns = Columns::of(frame, label.parse().unwrap_or(Label::Genre).properties());
            for row in 0..frame.height() {
                let cell = |name| frame.column(name).ok().and_then(|column| value(column, row));
                let uid = match cell(UID) {
                    Some(Value::Text(uid)) => uid.into(),
                    _ => Arc::default(),
                };
                let labels = match cell(LABELS) {
                    Some(Value::TextList(labels)) => labels.into_iter().map(Into::into).collect(),
                    _ => Vec::new(),
                };
                reading.node(id, label, NodeRow { uid, labels, properties: columns.row(row) })?;
                id += 1;
            }
        }
        reading.nodes_end()?;
        for (relation, frame) in &tables.edges {
            let declared = relation.parse().map_or(&[][..], Relation::properties);
            let columns = Columns::of(frame, declared.iter().copied());
            for row in 0..frame.height() {
                let end = |name| match frame.column(name).ok().and_then(|column| value(column, row)) {
                    Some(Value::Integer(node)) => node as u64,
                    _ => u64::MAX,
                };
                reading.edge(relation, (end(SRC), end(DST)), columns.row(row))?;
            }
        }
        Ok(reading.finish())
    }
}

/// The columns of declared properties.
struct Columns<'f>(Vec<(&'static str, Cells<'f>)>);

enum Cells<'f> {
    One(&'f Column),
    /// North and east.
    Point(&'f Column, &'f Column),
}

impl<'f> Columns<'f> {
    fn of(frame: &'f DataFrame, declared: impl Iterator<Item = Property>) -> Self {
        let cells = declared.filter_map(|Property { name, kind }| {
            let half = |suffix| frame.column(&format!("{name}_{suffix}")).ok();
            let point =
                if kind == PropertyKind::Point { half("latitude").zip(half("longitude")) } else { None };
            let cells = match point {
                Some((north, east)) => Cells::Point(north, east),
                None => Cells::One(frame.column(name).ok()?),
            };
            Some((name, cells))
        });
        Self(cells.collect())
    }

    fn row(&self, row: usize) -> Vec<(Arc<str>, Value)> {
        let held = self.0.iter().filter_map(|(name, cells)| {
            let value = match cells {
                Cells::One(column) => value(column, row)?,
                Cells::Point(north, east) => match (value(north, row)?, value(east, row)?) {
                    (Value::Float(latitude), Value::Float(longitude)) => Value::Point { latitude, longitude },
                    (other, _) => other,
                },
            };
            Some(((*name).into(), value))
        });
        held.collect()
    }
}

fn value(column: &Column, row: usize) -> Option<Value> {
    Some(match column.as_materialized_series().get(row).ok()? {
        AnyValue::Null => return None,
        AnyValue::Boolean(b) => Value::Boolean(b),
        AnyValue::Int64(n) => Value::Integer(n),
        AnyValue::Float64(x) => Value::Float(x),
        AnyValue::String(text) => Value::Text(text.to_owned()),
        AnyValue::Datetime(at, TimeUnit::Microseconds, _) if at % 1_000 == 0 => Value::Instant(at / 1_000),
        AnyValue::List(items) => match items.str() {
            Ok(texts) => Value::TextList(texts.iter().flatten().map(str::to_owned).collect()),
            Err(_) => strange(),
        },
        _ => strange(),
    })
}

/// Something that the mirror never writes.
fn strange() -> Value {
    Value::List(vec![Value::Boolean(false)])
}
