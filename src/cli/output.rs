//! Frames as tables, CSV, JSON Lines or Parquet, by the rules of the command-line contract.
//!
//! CSV is RFC 4180 with LF, a header always, null empty, floats in the shortest form that reads back, times RFC 3339
//! UTC. JSON is one object a line.

use std::io::{IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use polars::prelude::{AnyValue, DataFrame, TimeUnit};

use super::Failure;
use crate::terminal::{Align, Grid, Printer};

/// How rows come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Format {
    /// Aligned text for people
    Table,
    /// One JSON object a line
    Json,
    /// RFC 4180 with LF and a header
    Csv,
    /// Apache Parquet
    Parquet,
}

impl Format {
    /// The format asked for, or the usual one: `table` on a terminal, `json` elsewhere.
    pub fn or_usual(asked: Option<Self>) -> Self {
        let usual = if std::io::stdout().is_terminal() { Self::Table } else { Self::Json };
        asked.unwrap_or(usual)
    }

    /// The ending of a file in this format.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Prints a frame to stdout.
pub fn print_frame(frame: &DataFrame, format: Format, printer: Printer) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    write_frame(frame, format, &mut bytes)?;
    Ok(printer.bytes(&bytes)?)
}

fn write_frame(frame: &DataFrame, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    match format {
        Format::Table => writeln!(out, "{}", grid(frame, usize::MAX))?,
        Format::Json => json_lines(frame, out)?,
        Format::Csv => csv(frame, out)?,
        Format::Parquet => {
            let bytes = crate::snapshot::parquet_bytes(frame)?;
            out.write_all(&bytes)?;
        }
    }
    Ok(())
}

/// Writes a frame to `dir/stem.<ending>`; answers the SHA-256 of the file.
pub fn save_frame(frame: &DataFrame, format: Format, dir: &Path, stem: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    write_frame(frame, format, &mut bytes)?;
    fs_err::write(dir.join(format!("{stem}.{}", format.extension())), &bytes)?;
    Ok(crate::snapshot::sha256(&bytes))
}

/// The first `top` rows as a grid for a terminal.
pub fn grid(frame: &DataFrame, top: usize) -> Grid {
    let columns = frame.columns();
    let names: Vec<String> = columns.iter().map(|c| c.name().to_string()).collect();
    let header: Vec<(&str, Align)> = names
        .iter()
        .zip(columns)
        .map(|(name, c)| (name.as_str(), if c.dtype().is_numeric() { Align::Right } else { Align::Left }))
        .collect();
    let mut grid = Grid::new(&header);
    for row in 0..frame.height().min(top) {
        grid.row(columns.iter().map(|c| match c.get(row).unwrap_or(AnyValue::Null) {
            AnyValue::Float64(v) => rounded(v),
            AnyValue::List(series) => {
                let item = |value: AnyValue<'_>| match json(&value) {
                    serde_json::Value::String(text) => cut(text).into(),
                    other => other,
                };
                series.iter().map(item).collect::<serde_json::Value>().to_string()
            }
            value => cut(text(&value)),
        }));
    }
    grid
}

/// Longest text that people are shown whole: hardly an id or a name is longer, and one that is fills screens.
const LONGEST: usize = 256;

/// A text for people: of a huge one its beginning and its end, by which it is known again.
fn cut(text: String) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text;
    }
    let head: String = text.chars().take(160).collect();
    let tail: String = text.chars().skip(length - 60).collect();
    format!("{head} … {tail} ({length} characters)")
}

/// A number for people: whole ones as they are, others to four significant digits and no zeros that say nothing.
pub fn rounded(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{value}");
    }
    if !(1e-4..1e15).contains(&size) {
        return if value.is_finite() { format!("{value:.3e}") } else { value.to_string() };
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn csv(frame: &DataFrame, out: &mut impl Write) -> Result<(), Failure> {
    let fail = |error: ::csv::Error| Failure::environment("cannot write CSV", error);
    let mut writer = ::csv::WriterBuilder::new().from_writer(out);
    let columns = frame.columns();
    writer.write_record(columns.iter().map(|c| c.name().as_str())).map_err(fail)?;
    for row in 0..frame.height() {
        writer
            .write_record(columns.iter().map(|c| text(&c.get(row).unwrap_or(AnyValue::Null))))
            .map_err(fail)?;
    }
    writer.flush()?;
    Ok(())
}

fn json_lines(frame: &DataFrame, out: &mut impl Write) -> Result<(), Failure> {
    for row in 0..frame.height() {
        let object: serde_json::Map<String, serde_json::Value> = frame
            .columns()
            .iter()
            .map(|c| (c.name().to_string(), json(&c.get(row).unwrap_or(AnyValue::Null))))
            .collect();
        writeln!(out, "{}", serde_json::Value::Object(object))?;
    }
    Ok(())
}

fn json(value: &AnyValue<'_>) -> serde_json::Value {
    match value {
        AnyValue::Null => serde_json::Value::Null,
        AnyValue::Boolean(v) => (*v).into(),
        AnyValue::Int64(v) => (*v).into(),
        AnyValue::Float64(v) => (*v).into(),
        AnyValue::List(series) => series.iter().map(|v| json(&v)).collect(),
        other => text(other).into(),
    }
}

/// One cell as text; null is empty.
pub(super) fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(v) => (*v).to_owned(),
        AnyValue::StringOwned(v) => v.to_string(),
        AnyValue::Float64(v) => v.to_string(),
        AnyValue::Datetime(v, unit, _) | AnyValue::DatetimeOwned(v, unit, _) => rfc3339(*v, *unit),
        AnyValue::List(series) => json(&AnyValue::List(series.clone())).to_string(),
        other => other.to_string(),
    }
}

fn rfc3339(value: i64, unit: TimeUnit) -> String {
    let micros = match unit {
        TimeUnit::Nanoseconds => value / 1_000,
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1_000),
    };
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| value.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataType, IntoColumn, NamedFrom, Series, TimeZone};

    use super::*;

    fn frame() -> DataFrame {
        let at = Series::new("at".into(), [Some(0i64), None])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
            .expect("integers are instants");
        let columns = vec![
            Series::new("name".into(), ["a \"b\", c", "d\ne"]).into_column(),
            Series::new("n".into(), [Some(1i64), None]).into_column(),
            Series::new("x".into(), [0.1f64, 2.0]).into_column(),
            at.into_column(),
        ];
        DataFrame::new(2, columns).expect("columns of one length")
    }

    #[test]
    fn csv_is_quoted_where_needed_with_shortest_floats_and_rfc_3339_times() {
        let mut out = Vec::new();
        write_frame(&frame(), Format::Csv, &mut out).expect("written");
        let expected = "name,n,x,at\n\"a \"\"b\"\", c\",1,0.1,1970-01-01T00:00:00Z\n\"d\ne\",,2,\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn a_huge_id_is_cut_for_people_and_for_nobody_else() {
        let huge = format!("begins{}ends", "x".repeat(9_990));
        let ids = Series::new("id".into(), [&*huge, "short"]);
        let lists = Series::new("ids".into(), [ids.clone(), ids.slice(1, 1)]);
        let frame = DataFrame::new(2, vec![ids.into_column(), lists.into_column()]).expect("two columns");
        let written = |format| {
            let mut out = Vec::new();
            write_frame(&frame, format, &mut out).expect("written");
            String::from_utf8(out).expect("text")
        };
        let people = written(Format::Table);
        assert!(people.lines().all(|line| line.chars().count() < 600), "{people}");
        assert_eq!(people.matches("xends (10000 characters)").count(), 2, "{people}");
        assert!(people.contains("beginsx") && people.contains("[\"short\"]"), "{people}");
        for format in [Format::Json, Format::Csv] {
            assert_eq!(written(format).matches(&huge).count(), 2);
        }
    }

    #[test]
    fn numbers_for_people_have_four_digits_that_say_something() {
        let shown = [1.0, 0.0, 0.5, 0.007_941_2, 12_345.678, 1.999_96, 2.5e-7, -3.25, f64::NAN].map(rounded);
        assert_eq!(shown, ["1", "0", "0.5", "0.007941", "12346", "2", "2.500e-7", "-3.25", "NaN"]);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let mut out = Vec::new();
        write_frame(&frame(), Format::Json, &mut out).expect("written");
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .expect("text")
            .lines()
            .map(|l| serde_json::from_str(l).expect("an object"))
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["at"], "1970-01-01T00:00:00Z");
        assert!(lines[1]["n"].is_null());
    }
}
