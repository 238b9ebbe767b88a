//! The tables of a snapshot in memory.

pub mod assemble;
mod column;
pub mod columns;
pub mod gather;
pub mod mapped;
pub mod parquet;
mod sieve;
pub mod size;
mod values;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IdxCa, IdxSize, IntoColumn, IntoSeries, PolarsResult, Series,
    TimeUnit, TimeZone,
};

use rayon::prelude::*;

use crate::ontology::Relation;

/// Name of the dense node id column, `Int64`, over the whole snapshot.
pub const NODE: &str = "node";
/// Name of the unique text id column.
pub const UID: &str = "uid";
/// Name of the display name column.
pub const NAME: &str = "name";
/// Name of the further-labels column, `List(String)`; absent where no node has any.
pub const LABELS: &str = "labels";
/// Dense node id of an edge's source, `Int64`.
pub const SRC: &str = "src";
/// Dense node id of an edge's target, `Int64`.
pub const DST: &str = "dst";
/// When an edge happened, `Datetime(µs, UTC)`.
pub const TIMESTAMP: &str = "timestamp";
/// Strength of an edge, `Float64`.
pub const WEIGHT: &str = "weight";

/// A graph as tables: one per label, one per relation, and companions that are neither.
///
/// Order is canonical: labels and relations by name; dense ids count up through labels in that order and, within a
/// label, in byte order of `uid`; edges lie by `src`, `dst` and then their properties. The same graph therefore gives
/// the same bytes, whatever order a source delivered it in.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Label → `node, uid, name[, labels], properties…`.
    pub nodes: BTreeMap<String, DataFrame>,
    /// Relation → `src, dst, properties…`.
    pub edges: BTreeMap<String, DataFrame>,
    /// Further tables by file stem: `touchpoints`, `claim_events`, `falkordb_ids`.
    pub companions: BTreeMap<String, DataFrame>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
}

impl Tables {
    /// Number of nodes over all labels.
    pub fn node_count(&self) -> usize {
        self.nodes.values().map(DataFrame::height).sum()
    }

    /// Number of edges over all relations.
    pub fn edge_count(&self) -> usize {
        self.edges.values().map(DataFrame::height).sum()
    }
}

/// The type of an instant at rest.
pub const INSTANT: DataType = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));

/// Relations whose times say how far the data reaches; the dates of planned events would run ahead of it.
const OBSERVED: [Relation; 4] =
    [Relation::Attended, Relation::InterestedIn, Relation::Shared, Relation::Follows];

/// The data's own clock, microseconds UTC: the newest attendance, interest, share or follow; where there is none of
/// these relations, the newest `timestamp` of any edge. `None` where no edge has a time. O(edges).
pub fn as_of<'a>(edges: impl Iterator<Item = (&'a str, &'a DataFrame)>) -> Option<i64> {
    let mut clock = Clock::default();
    edges.for_each(|(relation, frame)| clock.see(relation, frame));
    clock.at()
}

/// [`as_of`] for edges that come in batches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Whether there is a relation whose times say how far the data reaches, and the newest of them.
    is_observed: bool,
    observed: Option<i64>,
    any: Option<i64>,
}

impl Clock {
    /// One that stands where another did.
    pub fn standing(at: Option<i64>) -> Self {
        Self { any: at, ..Self::default() }
    }

    /// Takes the times of some edges of a relation.
    pub fn see(&mut self, relation: &str, edges: &DataFrame) {
        let times = edges.column(TIMESTAMP).and_then(microseconds).ok();
        let newest = times.and_then(|times| times.into_iter().flatten().max());
        self.any = self.any.max(newest);
        if OBSERVED.iter().any(|observed| observed.name() == relation) {
            self.is_observed = true;
            self.observed = self.observed.max(newest);
        }
    }

    /// The clock of all that was seen.
    pub fn at(&self) -> Option<i64> {
        if self.is_observed { self.observed } else { self.any }
    }
}

/// The times of a column of instants in microseconds UTC, by row.
///
/// # Errors
///
/// When the column does not hold instants.
pub fn microseconds(column: &Column) -> PolarsResult<Vec<Option<i64>>> {
    Ok(column.datetime()?.cast_time_unit(TimeUnit::Microseconds).physical().iter().collect())
}

/// A column of instants, or of lists of them, as [`INSTANT`]s; a time without a zone is taken as UTC.
///
/// A cast to [`INSTANT`] would lose the zone: this build of polars does without its tables of zones.
///
/// # Errors
///
/// When the column does not hold instants.
pub fn instants(column: &Column) -> PolarsResult<Column> {
    fn of(series: &Series) -> PolarsResult<Series> {
        if matches!(series.dtype(), DataType::List(_)) {
            return Ok(series.list()?.apply_to_inner(&|inner| of(&inner))?.into_series());
        }
        let times = series.datetime()?.cast_time_unit(TimeUnit::Microseconds);
        Ok(times.physical().clone().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series())
    }
    Ok(of(column.as_materialized_series())?.into_column())
}

/// The columns of an edge table that are not its ends.
pub fn properties(edges: &DataFrame) -> Vec<&Column> {
    edges.columns().iter().filter(|c| ![SRC, DST].contains(&c.name().as_str())).collect()
}

/// The order of two rows by these columns, the first of them deciding first: missing before any value, floats by their
/// total order, lists by their items.
pub fn compare_rows(columns: &[&Column], a: usize, b: usize) -> Ordering {
    compare_cells(columns, a, columns, b)
}

/// [`compare_rows`] of two tables, column by column in the order given.
pub fn compare_cells(before: &[&Column], a: usize, after: &[&Column], b: usize) -> Ordering {
    let cell = |column: &Column, row| column.get(row).map_or(AnyValue::Null, AnyValue::into_static);
    let pairs = before.iter().zip(after);
    pairs.fold(Ordering::Equal, |order, (x, y)| order.then_with(|| compare(&cell(x, a), &cell(y, b))))
}

fn compare(a: &AnyValue<'_>, b: &AnyValue<'_>) -> Ordering {
    match (a, b) {
        (AnyValue::Null, AnyValue::Null) => Ordering::Equal,
        (AnyValue::Null, _) => Ordering::Less,
        (_, AnyValue::Null) => Ordering::Greater,
        (AnyValue::Float64(a), AnyValue::Float64(b)) => a.total_cmp(b),
        (AnyValue::List(a), AnyValue::List(b)) => {
            let unequal = a.iter().zip(b.iter()).map(|(a, b)| compare(&a, &b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => a.partial_cmp(b).unwrap_or(Ordering::Equal),
    }
}

/// Builds an edge table in canonical order from ends and properties by row. O(edges log edges).
///
/// # Errors
///
/// When the properties are not as long as the ends, or one is called like an end.
pub fn edge_table(ends: &[(u32, u32)], properties: Vec<Column>) -> PolarsResult<DataFrame> {
    let key = |&(src, dst): &(u32, u32)| (u64::from(src) << 32) | u64::from(dst);
    let end = |name: &str, ids: Vec<i64>| Column::new(name.into(), ids);
    let (src, dst) = (|key: u64| (key >> 32) as i64, |key: u64| i64::from(key as u32));
    if properties.is_empty() {
        // Parallel edges are the same edge: no row needs to be known.
        let mut keys: Vec<u64> = ends.iter().map(key).collect();
        keys.par_sort_unstable();
        let of = |end: fn(u64) -> i64| keys.iter().map(|&key| end(key)).collect();
        return DataFrame::new(ends.len(), vec![end(SRC, of(src)), end(DST, of(dst))]);
    }
    let mut order: Vec<(u64, IdxSize)> = ends.iter().map(key).zip(0..).collect();
    order.par_sort_unstable();
    let columns: Vec<&Column> = properties.iter().collect();
    for parallel in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        parallel.sort_by(|a, b| compare_rows(&columns, a.1 as usize, b.1 as usize));
    }
    let of = |end: fn(u64) -> i64| order.iter().map(|&(key, _)| end(key)).collect();
    let mut columns = vec![end(SRC, of(src)), end(DST, of(dst))];
    let rows = IdxCa::from_vec("row".into(), order.iter().map(|&(_, row)| row).collect());
    for property in properties {
        columns.push(property.take(&rows)?);
    }
    DataFrame::new(ends.len(), columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn edges_lie_by_their_ends_with_properties_and_without(
            ends in proptest::collection::vec((0u32..9, prop_oneof![0u32..9, Just(u32::MAX)]), 0..60),
        ) {
            let ones = Column::new(WEIGHT.into(), vec![1.0; ends.len()]);
            let (bare, weighted) = (edge_table(&ends, vec![]), edge_table(&ends, vec![ones]));
            let bare = bare.expect("a table");
            prop_assert!(bare.equals(&weighted.expect("a table").drop(WEIGHT).expect("a weight")));
            let column = |name: &str| bare.column(name).expect("an end").i64().expect("whole").clone();
            let found: Vec<_> = column(SRC).iter().flatten().zip(column(DST).iter().flatten()).collect();
            let mut sorted: Vec<_> = ends.iter().map(|&(src, dst)| (i64::from(src), i64::from(dst))).collect();
            sorted.sort_unstable();
            prop_assert_eq!(found, sorted);
        }
    }
}
