//! Columns of text → typed columns.

use polars::prelude::{Column, IntoColumn, IntoSeries, StringChunked, TimeUnit, TimeZone};
use polars::prelude::{DataType, NamedFrom, Series};

/// A number as a weight, or what is wrong with it.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("`{text}` is no finite number, as a weight must be")),
    }
}

/// A time in microseconds UTC: seconds since 1970, whole or not, or RFC 3339; a date is its midnight and a time without
/// a zone is taken as UTC.
pub(super) fn timestamp(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time: neither seconds since 1970 nor RFC 3339");
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1_000_000).ok_or_else(wrong);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds_to_micros(seconds).ok_or_else(wrong);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant.as_microsecond());
    }
    let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_microsecond())
}

pub(super) fn seconds_to_micros(seconds: f64) -> Option<i64> {
    let micros = (seconds * 1e6).round();
    (micros.abs() < 9e18).then_some(micros as i64)
}

/// A column of instants from microseconds.
pub(super) fn instants(name: &str, micros: Vec<Option<i64>>) -> Column {
    let series = Series::new(name.into(), micros);
    series.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
}

/// The column in the narrowest type that gives every text back as it was meant: whole numbers, numbers, truth values,
/// dates, instants, else text. Missing cells fit every type.
///
/// A number that would not be written the same way, such as `007`, is a name and stays text.
pub(super) fn typed(texts: StringChunked) -> Column {
    let name = texts.name().as_str().to_owned();
    let all = |fits: fn(&str) -> bool| texts.iter().flatten().all(fits);
    macro_rules! parsed {
        ($parse:expr) => {
            texts.iter().map(|cell| cell.and_then($parse)).collect::<Vec<_>>()
        };
    }
    if texts.null_count() == texts.len() {
        return Column::full_null(name.as_str().into(), texts.len(), &DataType::String);
    }
    if all(|t| whole(t).is_some()) {
        return Column::new(name.as_str().into(), parsed!(whole));
    }
    if all(|t| number(t).is_some()) {
        return Column::new(name.as_str().into(), parsed!(number));
    }
    if all(|t| truth(t).is_some()) {
        return Column::new(name.as_str().into(), parsed!(truth));
    }
    if all(|t| date(t).is_some()) {
        let days = Series::new(name.as_str().into(), parsed!(date));
        return days.into_date().into_column();
    }
    if all(|t| instant(t).is_some()) {
        return instants(&name, parsed!(instant));
    }
    texts.into_series().into_column()
}

fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain =
        digits == "0" && !text.starts_with('-') || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    if plain { text.parse().ok() } else { None }
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits[1..].starts_with(['.', 'e', 'E']));
    // A whole number that a double cannot tell from its neighbours is a name.
    let exact = digits.contains(['.', 'e', 'E']) || digits.len() < 16;
    if plain && exact { text.parse().ok().filter(|n: &f64| n.is_finite()) } else { None }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Days since 1970.
fn date(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    jiff::civil::date(1970, 1, 1).until(date).ok().map(|span| span.get_days())
}

fn instant(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NewChunkedArray;

    fn dtype(cells: &[Option<&str>]) -> String {
        typed(StringChunked::from_iter_options("c".into(), cells.iter().copied())).dtype().to_string()
    }

    #[test]
    fn texts_take_the_narrowest_type_that_gives_them_back() {
        assert_eq!(dtype(&[Some("1"), None, Some("-20"), Some("0")]), "i64");
        assert_eq!(dtype(&[Some("9223372036854775807")]), "i64");
        assert_eq!(dtype(&[Some("1"), Some("2.5"), Some("1e-3")]), "f64");
        assert_eq!(dtype(&[Some("true"), Some("False")]), "bool");
        assert_eq!(dtype(&[Some("2026-11-22")]), "date");
        assert_eq!(
            dtype(&[Some("2026-11-22T10:00:00Z"), Some("2026-11-22T10:00:00+01:00")]),
            "datetime[μs, UTC]"
        );
        for name in
            ["007", "+1", "0x10", "nan", "1_000", "9223372036854775808", "12345678901234567890123", ""]
        {
            assert_eq!(dtype(&[Some("1"), Some(name)]), "str", "{name}");
        }
        assert_eq!(dtype(&[None]), "str");
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(timestamp("12"), Ok(12_000_000));
        assert_eq!(timestamp("1.5"), Ok(1_500_000));
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(timestamp("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(timestamp("1970-01-01 00:00:01"), Ok(1_000_000));
        for wrong in ["", "soon", "99999999999999999", "nan", "inf"] {
            assert!(timestamp(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_count_from_1970() {
        assert_eq!(
            (date("1970-01-01"), date("1969-12-31"), date("2026-11-22")),
            (Some(0), Some(-1), Some(20_779))
        );
    }
}
