//! One column while it grows: the bytes of each value in `PostgreSQL`'s binary form, decoded as they come.

use polars::prelude::{
    BinaryChunkedBuilder, BooleanChunkedBuilder, ChunkedBuilder, Column, DataType, Float64Type, Int32Type,
    Int64Type, IntoColumn, IntoSeries, ListBooleanChunkedBuilder, ListBuilderTrait,
    ListPrimitiveChunkedBuilder, ListStringChunkedBuilder, PlSmallStr, PrimitiveChunkedBuilder,
    StringChunkedBuilder, TimeUnit, TimeZone,
};
use sqlx::types::Uuid;

use super::array;

/// Days from 1970-01-01 to 2000-01-01, where `PostgreSQL` counts from.
const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// How a value travels, and with that what its column becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bool` → `Boolean`.
    Boolean,
    /// `int2`, `int4`, `int8` → `Int64`.
    Integer,
    /// `float4`, `float8` → `Float64`.
    Float,
    /// The text of a number → the nearest `Float64`.
    Number,
    /// Whatever travels as its text → `String`.
    Text,
    /// `jsonb` → `String`.
    Jsonb,
    /// `uuid` → `String`, hyphenated, lower case.
    Uuid,
    /// `bytea` → `Binary`.
    Bytes,
    /// `date` → `Date`.
    Date,
    /// `timestamptz` → `Datetime(µs, UTC)`.
    Instant,
    /// `timestamp` → `Datetime(µs)`: a wall clock whose zone only its reader knows.
    Clock,
    /// Array of booleans → `List(Boolean)`.
    Booleans,
    /// Array of integers → `List(Int64)`.
    Integers,
    /// Array of floats → `List(Float64)`.
    Floats,
    /// Array of what travels as its text → `List(String)`.
    Texts,
    /// Array of `uuid` → `List(String)`.
    Uuids,
}

impl Kind {
    /// Bytes that a row of the column takes, where its values are of `width` bytes at the server.
    pub(super) fn bytes_held(self, width: u64) -> u64 {
        // A text is a view of 16 bytes, and a buffer where it is longer than 12.
        let text = |length: u64| 16 + if length > 12 { length } else { 0 };
        match self {
            Self::Boolean => 1,
            Self::Integer | Self::Float | Self::Number | Self::Instant | Self::Clock => 8,
            Self::Date => 4,
            Self::Uuid => text(36),
            Self::Text | Self::Jsonb | Self::Bytes => text(width),
            Self::Booleans | Self::Integers | Self::Floats => 8 + 2 * width,
            Self::Texts | Self::Uuids => 8 + 4 * width,
        }
    }
}

/// The values of one column.
pub(super) struct Cells {
    kind: Kind,
    name: PlSmallStr,
    /// Times that no column can hold become null and are counted, instead of ending the scan.
    forgiving: bool,
    odd: u64,
    held: Held,
}

enum Held {
    Booleans(BooleanChunkedBuilder),
    Integers(PrimitiveChunkedBuilder<Int64Type>),
    Days(PrimitiveChunkedBuilder<Int32Type>),
    Floats(PrimitiveChunkedBuilder<Float64Type>),
    Texts(StringChunkedBuilder),
    Bytes(BinaryChunkedBuilder),
    BooleanLists(ListBooleanChunkedBuilder),
    IntegerLists(ListPrimitiveChunkedBuilder<Int64Type>),
    FloatLists(ListPrimitiveChunkedBuilder<Float64Type>),
    TextLists(ListStringChunkedBuilder),
}

/// Runs `$body` with `$builder` bound to whichever builder `$of` holds.
macro_rules! whichever {
    ($of:expr, $builder:ident => $body:expr) => {
        match $of {
            Held::Booleans($builder) => $body,
            Held::Integers($builder) => $body,
            Held::Days($builder) => $body,
            Held::Floats($builder) => $body,
            Held::Texts($builder) => $body,
            Held::Bytes($builder) => $body,
            Held::BooleanLists($builder) => $body,
            Held::IntegerLists($builder) => $body,
            Held::FloatLists($builder) => $body,
            Held::TextLists($builder) => $body,
        }
    };
}

impl Cells {
    /// An empty column with room for so many rows.
    pub(super) fn new(kind: Kind, name: PlSmallStr, forgiving: bool, rows: usize) -> Self {
        let own = name.clone();
        let held = match kind {
            Kind::Boolean => Held::Booleans(BooleanChunkedBuilder::new(own, rows)),
            Kind::Integer | Kind::Instant | Kind::Clock => {
                Held::Integers(PrimitiveChunkedBuilder::new(own, rows))
            }
            Kind::Date => Held::Days(PrimitiveChunkedBuilder::new(own, rows)),
            Kind::Float | Kind::Number => Held::Floats(PrimitiveChunkedBuilder::new(own, rows)),
            Kind::Text | Kind::Jsonb | Kind::Uuid => Held::Texts(StringChunkedBuilder::new(own, rows)),
            Kind::Bytes => Held::Bytes(BinaryChunkedBuilder::new(own, rows)),
            Kind::Booleans => Held::BooleanLists(ListBooleanChunkedBuilder::new(own, rows, rows)),
            Kind::Integers => {
                Held::IntegerLists(ListPrimitiveChunkedBuilder::new(own, rows, rows, DataType::Int64))
            }
            Kind::Floats => {
                Held::FloatLists(ListPrimitiveChunkedBuilder::new(own, rows, rows, DataType::Float64))
            }
            Kind::Texts | Kind::Uuids => Held::TextLists(ListStringChunkedBuilder::new(own, rows, rows)),
        };
        Self { kind, name, forgiving, odd: 0, held }
    }

    /// An empty column like this one.
    pub(super) fn another(&self, rows: usize) -> Self {
        Self::new(self.kind, self.name.clone(), self.forgiving, rows)
    }

    /// What the column is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a missing value.
    pub(super) fn push_null(&mut self) {
        whichever!(&mut self.held, builder => builder.append_null());
    }

    /// Adds a value. An error says what is wrong with it, never the value.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        match (&mut self.held, self.kind) {
            (Held::Booleans(held), _) => held.append_value(boolean(bytes)?),
            (Held::Integers(held), Kind::Integer) => held.append_value(integer(bytes)?),
            (Held::Floats(held), Kind::Float) => held.append_value(float(bytes)?),
            (Held::Floats(held), _) => held.append_value(number(utf8(bytes)?)?),
            (Held::Texts(held), Kind::Text) => held.append_value(utf8(bytes)?),
            (Held::Texts(held), Kind::Jsonb) => held.append_value(jsonb(bytes)?),
            (Held::Texts(held), _) => held.append_value(uuid(bytes)?.encode_lower(&mut [0; 36])),
            (Held::Bytes(held), _) => held.append_value(bytes),
            (Held::Days(held), _) => match days(bytes)? {
                Some(days) => held.append_value(days),
                None => self.oddity()?,
            },
            (Held::Integers(held), _) => match micros(bytes)? {
                Some(micros) => held.append_value(micros),
                None => self.oddity()?,
            },
            (Held::BooleanLists(held), _) => {
                held.append_iter(array::items(bytes, boolean)?.into_iter());
            }
            (Held::IntegerLists(held), _) => held.append_iter(array::items(bytes, integer)?.into_iter()),
            (Held::FloatLists(held), _) => held.append_iter(array::items(bytes, float)?.into_iter()),
            (Held::TextLists(held), Kind::Texts) => {
                held.append_trusted_len_iter(array::items(bytes, utf8)?.into_iter());
            }
            (Held::TextLists(held), _) => {
                let texts = array::items(bytes, |bytes| Ok(uuid(bytes)?.to_string()))?;
                held.append_trusted_len_iter(texts.iter().map(Option::as_deref));
            }
        }
        Ok(())
    }

    fn oddity(&mut self) -> Result<(), String> {
        if !self.forgiving {
            return Err("is infinite or outside the years -9999 to 9999".to_owned());
        }
        self.odd += 1;
        self.push_null();
        Ok(())
    }

    /// The column, and how many of its values became null because no column can hold them.
    pub(super) fn finish(self) -> (Column, u64) {
        let series = match self.held {
            Held::Booleans(held) => held.finish().into_series(),
            Held::Integers(held) => match self.kind {
                Kind::Instant => {
                    held.finish().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series()
                }
                Kind::Clock => held.finish().into_datetime(TimeUnit::Microseconds, None).into_series(),
                _ => held.finish().into_series(),
            },
            Held::Days(held) => held.finish().into_date().into_series(),
            Held::Floats(held) => held.finish().into_series(),
            Held::Texts(held) => held.finish().into_series(),
            Held::Bytes(held) => held.finish().into_series(),
            Held::BooleanLists(mut held) => held.finish().into_series(),
            Held::IntegerLists(mut held) => held.finish().into_series(),
            Held::FloatLists(mut held) => held.finish().into_series(),
            Held::TextLists(mut held) => held.finish().into_series(),
        };
        (series.into_column(), self.odd)
    }
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cells").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("came as {} bytes instead of {N}", bytes.len()))
}

fn boolean(bytes: &[u8]) -> Result<bool, String> {
    match exactly(bytes)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err("is neither true nor false".to_owned()),
    }
}

/// Of two, four or eight bytes: the width says which it is.
fn integer(bytes: &[u8]) -> Result<i64, String> {
    match bytes.len() {
        2 => exactly(bytes).map(|bytes| i64::from(i16::from_be_bytes(bytes))),
        4 => exactly(bytes).map(|bytes| i64::from(i32::from_be_bytes(bytes))),
        _ => exactly(bytes).map(i64::from_be_bytes),
    }
}

fn float(bytes: &[u8]) -> Result<f64, String> {
    match bytes.len() {
        4 => exactly(bytes).map(|bytes| f64::from(f32::from_be_bytes(bytes))),
        _ => exactly(bytes).map(f64::from_be_bytes),
    }
}

/// The nearest double; `NaN` and `Infinity` are numbers, a finite one beyond all doubles is not.
fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|_| "is not a number".to_owned())?;
    if number.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err("is beyond the largest double".to_owned());
    }
    Ok(number)
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn jsonb(bytes: &[u8]) -> Result<&str, String> {
    match bytes {
        [1, text @ ..] => utf8(text),
        _ => Err("is jsonb of a version that is not known".to_owned()),
    }
}

fn uuid(bytes: &[u8]) -> Result<sqlx::types::uuid::fmt::Hyphenated, String> {
    Ok(Uuid::from_bytes(exactly(bytes)?).hyphenated())
}

/// Days since 1970; `None` where no calendar of ours holds it.
fn days(bytes: &[u8]) -> Result<Option<i32>, String> {
    /// -9999-01-01 and 9999-12-31 since 1970.
    const YEARS: std::ops::RangeInclusive<i32> = -4_371_587..=2_932_896;
    let days = i32::from_be_bytes(exactly(bytes)?).checked_add(EPOCH_DAYS);
    Ok(days.filter(|days| YEARS.contains(days)))
}

/// Microseconds since 1970; `None` where no calendar of ours holds it.
fn micros(bytes: &[u8]) -> Result<Option<i64>, String> {
    /// From the beginning of -9999 to before the end of 9999.
    const YEARS: std::ops::Range<i64> = -4_371_587 * 86_400_000_000..2_932_897 * 86_400_000_000;
    let micros = i64::from_be_bytes(exactly(bytes)?).checked_add(EPOCH_MICROS);
    Ok(micros.filter(|micros| YEARS.contains(micros)))
}

#[cfg(test)]
mod tests {
    use polars::prelude::AnyValue;

    use super::*;

    fn column(kind: Kind, cells: &[&[u8]]) -> Result<Column, String> {
        let mut column = Cells::new(kind, "c".into(), false, 0);
        for cell in cells {
            column.push(cell)?;
        }
        Ok(column.finish().0)
    }

    fn refused(kind: Kind, cell: &[u8]) -> String {
        column(kind, &[cell]).expect_err("it is refused")
    }

    #[test]
    fn integers_and_floats_of_every_width_become_the_widest() {
        let integers = [&(-2_i16).to_be_bytes()[..], &70_000_i32.to_be_bytes(), &i64::MIN.to_be_bytes()];
        let held = column(Kind::Integer, &integers).expect("integers");
        assert_eq!(held.get(1).expect("a cell"), AnyValue::Int64(70_000));
        assert_eq!(held.get(2).expect("a cell"), AnyValue::Int64(i64::MIN));
        let floats = [&0.1_f32.to_be_bytes()[..], &0.1_f64.to_be_bytes()];
        let held = column(Kind::Float, &floats).expect("floats");
        assert_eq!(held.get(0).expect("a cell"), AnyValue::Float64(f64::from(0.1_f32)));
        assert_eq!(held.get(1).expect("a cell"), AnyValue::Float64(0.1));
    }

    #[test]
    fn times_count_from_2000_and_what_no_calendar_holds_is_refused_or_becomes_null_and_is_counted() {
        let held = column(Kind::Date, &[&0_i32.to_be_bytes()]).expect("a date");
        assert_eq!(held.get(0).expect("a cell"), AnyValue::Date(EPOCH_DAYS));
        for (kind, infinite) in [
            (Kind::Date, &i32::MAX.to_be_bytes()[..]),
            (Kind::Date, &i32::MIN.to_be_bytes()),
            (Kind::Instant, &i64::MAX.to_be_bytes()),
            (Kind::Clock, &i64::MIN.to_be_bytes()),
        ] {
            assert!(refused(kind, infinite).contains("infinite"));
            let mut forgiving = Cells::new(kind, "c".into(), true, 0);
            forgiving.push(infinite).expect("it becomes null");
            let (held, odd) = forgiving.finish();
            assert_eq!((held.null_count(), odd), (1, 1));
        }
    }

    #[test]
    fn the_years_that_are_held_are_those_of_the_calendar() {
        let first = jiff::civil::date(-9999, 1, 1);
        let last = jiff::civil::date(9999, 12, 31);
        let since = |day: jiff::civil::Date| (day - jiff::civil::date(2000, 1, 1)).get_days();
        for (day, held) in
            [(since(first), true), (since(first) - 1, false), (since(last), true), (since(last) + 1, false)]
        {
            assert_eq!(days(&day.to_be_bytes()).expect("four bytes").is_some(), held, "{day}");
            let start = i64::from(day) * 86_400_000_000;
            assert_eq!(micros(&start.to_be_bytes()).expect("eight bytes").is_some(), held, "{day}");
        }
    }

    #[test]
    fn a_number_is_the_nearest_double_and_never_silently_infinite() {
        assert_eq!(number("0.1"), Ok(0.1));
        assert_eq!(number("-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(number("NaN").is_ok_and(f64::is_nan));
        assert!(number(&format!("1{}", "0".repeat(400))).is_err());
        assert!(number("ana@fans.example").is_err_and(|reason| !reason.contains("ana")));
    }

    #[test]
    fn bytes_that_are_no_value_of_the_type_are_refused_without_being_told() {
        assert_eq!(refused(Kind::Boolean, &[2]), "is neither true nor false");
        assert_eq!(refused(Kind::Integer, &[1, 2, 3]), "came as 3 bytes instead of 8");
        assert_eq!(refused(Kind::Text, &[0xff]), "is not UTF-8");
        assert_eq!(refused(Kind::Uuid, &[0; 15]), "came as 15 bytes instead of 16");
        assert!(refused(Kind::Jsonb, b"").contains("version"));
        assert!(refused(Kind::Jsonb, b"\x02{}").contains("version"));
    }
}
