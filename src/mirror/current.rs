//! The graph on the server as the plan sees it: typed cells that can be held against what the sources claim.

use std::collections::BTreeMap;

use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, ListChunked, StringChunked,
};

use super::MirrorError;
use crate::context::Context;
use crate::ontology::{Label, Property, PropertyKind, Value};
use crate::snapshot::tables::{LABELS, Tables, UID};
use crate::sources::falkordb::{Client, FalkorError, scan};

/// Rows of one label or relation with the columns the mirror writes.
pub(super) struct Rows<'a> {
    columns: Vec<(Property, Cells<'a>)>,
    labels: Option<&'a ListChunked>,
}

/// Cells of one property.
enum Cells<'a> {
    Nothing,
    Text(&'a StringChunked),
    Integer(&'a Int64Chunked),
    /// Epoch µs.
    Instant(&'a Int64Chunked),
    Float(&'a Float64Chunked),
    Boolean(&'a BooleanChunked),
    Point(&'a Float64Chunked, &'a Float64Chunked),
    TextList(&'a ListChunked),
    /// Held otherwise than declared: never what the mirror would write.
    Foreign(&'a Column),
}

impl<'a> Rows<'a> {
    pub(super) fn of(frame: Option<&'a DataFrame>, properties: impl IntoIterator<Item = Property>) -> Self {
        let labels = frame.and_then(|f| f.column(LABELS).ok()?.list().ok());
        Self {
            columns: properties
                .into_iter()
                .map(|p| (p, frame.map_or(Cells::Nothing, |f| Cells::of(f, p))))
                .collect(),
            labels,
        }
    }

    /// The declared properties whose value in `row` is another than in `wanted`, in declared order.
    pub(super) fn differences(
        &self,
        row: usize,
        wanted: &[(&'static str, Value)],
    ) -> Vec<(&'static str, Option<Value>)> {
        let mut differ = Vec::new();
        for (property, cells) in &self.columns {
            let want = wanted.iter().find(|(name, _)| *name == property.name).map(|(_, value)| value);
            if !cells.hold(row, want) {
                differ.push((property.name, want.cloned()));
            }
        }
        differ
    }

    /// Whether a property has any value in `row`.
    pub(super) fn has(&self, row: usize, name: &str) -> bool {
        self.columns.iter().any(|(property, cells)| property.name == name && !cells.hold(row, None))
    }

    /// The text of a property in `row`.
    pub(super) fn text(&self, row: usize, name: &str) -> Option<&'a str> {
        self.columns.iter().find(|(property, _)| property.name == name).and_then(|(_, cells)| match cells {
            Cells::Text(texts) => texts.get(row),
            _ => None,
        })
    }

    /// The further labels in `row`.
    pub(super) fn labels(&self, row: usize) -> Vec<String> {
        self.labels.map_or_else(Vec::new, |labels| list(labels, row).unwrap_or_default())
    }
}

impl<'a> Cells<'a> {
    fn of(frame: &'a DataFrame, property: Property) -> Self {
        let column = |name: &str| frame.column(name).ok();
        if property.kind == PropertyKind::Point {
            let half = |suffix| column(&format!("{}_{suffix}", property.name)).and_then(|c| c.f64().ok());
            return match (half("latitude"), half("longitude"), column(property.name)) {
                (Some(latitude), Some(longitude), _) => Self::Point(latitude, longitude),
                (_, _, Some(other)) => Self::Foreign(other),
                _ => Self::Nothing,
            };
        }
        let Some(column) = column(property.name) else { return Self::Nothing };
        let typed = match (property.kind, column.dtype()) {
            (PropertyKind::Text, DataType::String) => column.str().ok().map(Self::Text),
            (PropertyKind::Integer, DataType::Int64) => column.i64().ok().map(Self::Integer),
            (PropertyKind::Instant, DataType::Datetime(..)) => {
                column.datetime().ok().map(|c| Self::Instant(c.physical()))
            }
            (PropertyKind::Float, DataType::Float64) => column.f64().ok().map(Self::Float),
            (PropertyKind::Boolean, DataType::Boolean) => column.bool().ok().map(Self::Boolean),
            (PropertyKind::TextList, DataType::List(inner)) if **inner == DataType::String => {
                column.list().ok().map(Self::TextList)
            }
            _ => None,
        };
        typed.unwrap_or(Self::Foreign(column))
    }

    /// Whether `row` holds exactly `want`.
    fn hold(&self, row: usize, want: Option<&Value>) -> bool {
        match (self, want) {
            (Self::Nothing, want) => want.is_none(),
            (Self::Text(cells), None) => cells.get(row).is_none(),
            (Self::Text(cells), Some(Value::Text(text))) => cells.get(row) == Some(text),
            (Self::Integer(cells) | Self::Instant(cells), None) => cells.get(row).is_none(),
            (Self::Integer(cells), Some(Value::Integer(n))) => cells.get(row) == Some(*n),
            (Self::Instant(cells), Some(Value::Instant(ms))) => cells.get(row) == ms.checked_mul(1000),
            (Self::Float(cells), None) => cells.get(row).is_none(),
            (Self::Float(cells), Some(Value::Float(x))) => {
                cells.get(row).is_some_and(|held| held.to_bits() == x.to_bits())
            }
            (Self::Boolean(cells), None) => cells.get(row).is_none(),
            (Self::Boolean(cells), Some(Value::Boolean(b))) => cells.get(row) == Some(*b),
            (Self::Point(latitude, _), None) => latitude.get(row).is_none(),
            (Self::Point(north, east), Some(Value::Point { latitude, longitude })) => {
                north.get(row) == Some(*latitude) && east.get(row) == Some(*longitude)
            }
            (Self::TextList(cells), None) => list(cells, row).is_none(),
            (Self::TextList(cells), Some(Value::TextList(items))) => list(cells, row).as_ref() == Some(items),
            (Self::Foreign(column), None) => column.get(row).map_or(true, |cell| cell.is_null()),
            _ => false,
        }
    }
}

fn list(cells: &ListChunked, row: usize) -> Option<Vec<String>> {
    let items = cells.get_as_series(row)?;
    let items = items.str().ok()?;
    Some(items.iter().flatten().map(str::to_owned).collect())
}

/// The uids of a frame, in its order.
pub(super) fn uids(frame: &DataFrame) -> Option<&StringChunked> {
    frame.column(UID).ok()?.str().ok()
}

/// What the graph remembers of one node's source rows.
#[derive(Debug)]
pub(super) struct Mirrored<'a> {
    pub label: &'a str,
    pub uid: &'a str,
    pub refs: Vec<String>,
    /// Whether a sweep marked it.
    pub deleted: bool,
}

/// Every node of the graph that rests on source rows.
pub(super) fn mirrored(current: &Tables) -> impl Iterator<Item = Mirrored<'_>> {
    current.nodes.iter().flat_map(|(label, frame)| {
        let refs = frame.column("refs").ok().and_then(|c| c.list().ok());
        let deleted = frame.column("deleted_at").ok();
        let rows = uids(frame)
            .zip(refs)
            .into_iter()
            .flat_map(|(uids, refs)| uids.iter().map(move |uid| (uid, refs)));
        rows.enumerate().map(move |(row, (uid, refs))| Mirrored {
            label,
            uid: uid.unwrap_or_default(),
            refs: list(refs, row).unwrap_or_default(),
            deleted: deleted.is_some_and(|d| d.get(row).is_ok_and(|cell| !cell.is_null())),
        })
    })
}

/// The source rows of a mirrored graph and the uid each was given, for [`ResolveOptions::kept`](super::ResolveOptions).
pub fn kept_uids(current: &Tables) -> BTreeMap<String, String> {
    // What has no row of its own is named by its value and needs no memory.
    let derived = [Label::Visitor, Label::Content, Label::Genre].map(Label::name);
    mirrored(current)
        .filter(|node| !derived.contains(&node.label))
        .flat_map(|node| node.refs.into_iter().map(move |reference| (reference, node.uid.to_owned())))
        .collect()
}

/// The newest generation that any node of the graph carries.
pub(super) fn newest_generation(current: &Tables) -> Option<i64> {
    let newest = |frame: &DataFrame| frame.column("gen").ok()?.i64().ok()?.iter().flatten().max();
    current.nodes.values().filter_map(newest).max()
}

/// Reads the graph that a plan is made against; one that is not there yet is empty.
pub async fn read_graph(client: &mut Client, graph: &str, cx: &Context) -> Result<Tables, MirrorError> {
    match scan(client, graph, cx).await {
        Ok(scanned) => {
            for drift in &scanned.drift {
                // What the plan misses for it, the next run finds.
                tracing::warn!(graph, drift, "the graph changed while it was read");
            }
            for left_out in &scanned.left_out {
                tracing::info!(graph, left_out, "not the mirror's: left alone");
            }
            Ok(scanned.tables)
        }
        Err(FalkorError::NoGraph { .. }) => Ok(Tables::default()),
        Err(error) => Err(MirrorError::Unread(error)),
    }
}
