//! Frames in a cache: each column as the arrays that polars holds it in, so that mapping them is loading it.

use std::io;

use polars::prelude::{
    Column, DataFrame, DataType, IntoColumn, IntoSeries, PlSmallStr, Series, TimeUnit, TimeZone,
};
use polars_arrow::array::{Array, BooleanArray, ListArray, PrimitiveArray, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::offset::OffsetsBuffer;
use polars_buffer::Buffer;
use serde::{Deserialize, Serialize};

use super::INSTANT;
use super::mapped::{Mapped, Part, Unusable, Writer};

/// A frame in a cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredFrame {
    rows: usize,
    columns: Vec<StoredColumn>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    kind: Kind,
    array: StoredArray,
}

/// What the numbers of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Instant,
    /// A time without a zone.
    Clock,
    Date,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredArray {
    rows: usize,
    /// A bit per row; `None`: nothing is missing.
    validity: Option<Part>,
    values: Values,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Values {
    Int64(Part),
    Int32(Part),
    Float64(Part),
    Boolean(Part),
    Text { views: Part, buffers: Vec<(Part, usize)> },
    List { offsets: Part, inner: Box<StoredArray> },
}

impl StoredFrame {
    /// Writes a frame.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or the frame holds a type that no cache keeps.
    pub fn put(frame: &DataFrame, out: &mut Writer) -> io::Result<Self> {
        let mut columns = Vec::with_capacity(frame.width());
        for column in frame.columns() {
            let kind = match column.dtype() {
                DataType::Datetime(TimeUnit::Microseconds, None) => Kind::Clock,
                dtype if *dtype == INSTANT => Kind::Instant,
                DataType::Date => Kind::Date,
                dtype @ DataType::Datetime(..) => return Err(unkept(column.name(), dtype)),
                dtype @ DataType::List(inner) if !is_plain(inner) => {
                    return Err(unkept(column.name(), dtype));
                }
                _ => Kind::Plain,
            };
            let series = column.as_materialized_series().rechunk();
            let array = StoredArray::put(&*series.chunks()[0], out)?;
            columns.push(StoredColumn { name: column.name().to_string(), kind, array });
        }
        Ok(Self { rows: frame.height(), columns })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The frame, in place.
    ///
    /// # Errors
    ///
    /// When an array is damaged or does not fit.
    pub fn get(&self, from: &Mapped) -> Result<DataFrame, Unusable> {
        let columns = self.columns.iter().map(|column| column.get(from, self.rows));
        Ok(DataFrame::new(self.rows, columns.collect::<Result<_, _>>()?)?)
    }
}

fn unkept(what: &str, dtype: &impl std::fmt::Debug) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("no cache keeps `{what}`, which is {dtype:?}"))
}

fn is_plain(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::String)
}

impl StoredColumn {
    fn get(&self, from: &Mapped, rows: usize) -> Result<Column, Unusable> {
        if self.array.rows != rows {
            return Err(Unusable::Not("a column is longer or shorter than its table"));
        }
        let name = PlSmallStr::from_str(&self.name);
        let series = Series::try_from((name, self.array.get(from)?))?;
        let series = match self.kind {
            Kind::Plain => series,
            Kind::Instant => {
                series.i64()?.clone().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series()
            }
            Kind::Clock => series.i64()?.clone().into_datetime(TimeUnit::Microseconds, None).into_series(),
            Kind::Date => series.i32()?.clone().into_date().into_series(),
        };
        Ok(series.into_column())
    }
}

impl StoredArray {
    fn put(array: &dyn Array, out: &mut Writer) -> io::Result<Self> {
        let bits = |bits: &Bitmap, out: &mut Writer| {
            // From the first bit on, whatever the array was cut from.
            let (bytes, offset, length) = bits.as_slice();
            if offset == 0 {
                return out.put(&bytes[..length.div_ceil(8)]);
            }
            let from_first: Bitmap = bits.iter().collect();
            out.put(&from_first.as_slice().0[..length.div_ceil(8)])
        };
        let any = array.as_any();
        let values = if let Some(array) = any.downcast_ref::<PrimitiveArray<i64>>() {
            Values::Int64(out.put(array.values())?)
        } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i32>>() {
            Values::Int32(out.put(array.values())?)
        } else if let Some(array) = any.downcast_ref::<PrimitiveArray<f64>>() {
            Values::Float64(out.put(array.values())?)
        } else if let Some(array) = any.downcast_ref::<BooleanArray>() {
            Values::Boolean(bits(array.values(), out)?)
        } else if let Some(array) = any.downcast_ref::<Utf8ViewArray>() {
            // Without the text of rows that were filtered away.
            let array = array.clone().gc();
            let views = out.put(array.views())?;
            let buffers = array.data_buffers().iter().map(|bytes| Ok((out.put(bytes)?, bytes.len())));
            Values::Text { views, buffers: buffers.collect::<io::Result<_>>()? }
        } else if let Some(array) = any.downcast_ref::<ListArray<i64>>() {
            let offsets = out.put(array.offsets().buffer())?;
            Values::List { offsets, inner: Box::new(Self::put(&**array.values(), out)?) }
        } else {
            return Err(unkept("an array", array.dtype()));
        };
        let validity = array.validity().map(|validity| bits(validity, out)).transpose()?;
        Ok(Self { rows: array.len(), validity, values })
    }

    fn get(&self, from: &Mapped) -> Result<Box<dyn Array>, Unusable> {
        let rows = self.rows;
        let bits = |part: &Part| -> Result<Bitmap, Unusable> {
            Ok(Bitmap::try_new(from.get::<u8>(part, rows.div_ceil(8))?.to_vec(), rows)?)
        };
        let validity = self.validity.as_ref().map(bits).transpose()?;
        Ok(match &self.values {
            Values::Int64(part) => {
                PrimitiveArray::try_new(ArrowDataType::Int64, from.get::<i64>(part, rows)?, validity)?.boxed()
            }
            Values::Int32(part) => {
                PrimitiveArray::try_new(ArrowDataType::Int32, from.get::<i32>(part, rows)?, validity)?.boxed()
            }
            Values::Float64(part) => {
                PrimitiveArray::try_new(ArrowDataType::Float64, from.get::<f64>(part, rows)?, validity)?
                    .boxed()
            }
            Values::Boolean(part) => {
                BooleanArray::try_new(ArrowDataType::Boolean, bits(part)?, validity)?.boxed()
            }
            Values::Text { views, buffers } => {
                let buffers = buffers.iter().map(|(part, bytes)| from.get::<u8>(part, *bytes));
                let buffers: Buffer<Buffer<u8>> = buffers.collect::<Result<Vec<_>, _>>()?.into();
                let views = from.get::<View>(views, rows)?;
                Utf8ViewArray::try_new(ArrowDataType::Utf8View, views, buffers, validity)?.boxed()
            }
            Values::List { offsets, inner } => {
                let offsets = OffsetsBuffer::try_from(from.get::<i64>(offsets, rows.saturating_add(1))?)?;
                let inner = inner.get(from)?;
                let dtype = ListArray::<i64>::default_datatype(inner.dtype().clone());
                ListArray::try_new(dtype, offsets, inner, validity)?.boxed()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, df};
    use proptest::prelude::*;

    use super::super::instants;
    use super::super::mapped::Of;
    use super::*;

    fn back(frame: &DataFrame) -> DataFrame {
        let dir = tempfile::tempdir().expect("a folder");
        let of = Of::manifest(b"{}");
        let mut writer = Writer::begin(dir.path(), of).expect("a folder").expect("nobody else");
        let stored = StoredFrame::put(frame, &mut writer).expect("types at rest");
        writer.finish(&stored).expect("finished");
        let (mapped, stored) = Mapped::open::<StoredFrame>(dir.path(), of).expect("whole");
        stored.get(&mapped).expect("whole")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_frame_of_every_type_at_rest_comes_back_whole_and_cut(
            rows in proptest::collection::vec(
                (any::<Option<i64>>(), any::<Option<bool>>(), proptest::option::of(".{0,40}"), any::<Option<f64>>()), 0..50,
            ),
            cut in 0usize..20,
        ) {
            let texts: Vec<Option<String>> = rows.iter().map(|row| row.2.clone()).collect();
            let numbers: Vec<Option<i64>> = rows.iter().map(|row| row.0).collect();
            let days: Vec<Option<i32>> = numbers.iter().map(|n| n.map(|n| (n % 100_000) as i32)).collect();
            let lists: Vec<Option<Series>> = texts.iter().map(|text| {
                text.as_ref().map(|text| Series::new("".into(), text.split(' ').map(str::to_owned).collect::<Vec<_>>()))
            }).collect();
            let mut frame = df!(
                "n" => &numbers, "text" => &texts,
                "is" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
                "x" => rows.iter().map(|row| row.3).collect::<Vec<_>>(),
            ).expect("a frame");
            let clock = DataType::Datetime(TimeUnit::Microseconds, None);
            for (name, series) in [
                ("at", instants(&Series::new("at".into(), &numbers).cast(&clock).expect("times").into_column()).expect("instants").take_materialized_series()),
                ("clock", Series::new("clock".into(), &numbers).cast(&clock).expect("times")),
                ("day", Series::new("day".into(), &days).cast(&DataType::Date).expect("days")),
                ("labels", Series::new("labels".into(), &lists).cast(&DataType::List(Box::new(DataType::String))).expect("lists")),
            ] {
                frame.with_column(series.with_name(name.into()).into_column()).expect("as many");
            }
            prop_assert!(back(&frame).equals_missing(&frame));
            let found = back(&frame);
            prop_assert_eq!(found.schema(), frame.schema());
            let cut = frame.slice(cut as i64, 13);
            prop_assert!(back(&cut).equals_missing(&cut));
        }
    }

    #[test]
    fn a_frame_without_columns_keeps_its_rows() {
        let frame = DataFrame::new(3, vec![]).expect("a frame");
        assert_eq!(back(&frame).height(), 3);
    }
}
