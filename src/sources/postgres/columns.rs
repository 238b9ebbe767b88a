//! What a column may hold, how it is asked for, and how its bytes are read.
//!
//! Every type a modeller may have chosen is brought to one of few: text, 64-bit integer, double, instant, wall clock or
//! list of texts. What the server could only convert by failing on a bad row is brought over as text and parsed here,
//! so that the error can name the row.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use serde_json::Value;

/// Epoch microseconds of 2000-01-01T00:00:00Z, where `PostgreSQL` counts from.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// How a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As text.
    Text,
    /// As the text of a JSON value.
    Json,
    /// In the binary form of the wanted type.
    Binary,
    /// In the binary form of an instant, where a wall clock may come as well.
    Instant,
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    /// How to say it in an error.
    const WANTED: &'static str;

    /// The expression that brings `column` (quoted) of type `kind` over; `None` where that type cannot be taken.
    fn expression(column: &str, kind: &str) -> Option<(String, Wire)>;

    /// Reads the bytes; `Ok(None)` for what counts as missing. An error says what is wrong, never the value.
    fn decode(bytes: &[u8], wire: Wire) -> Result<Option<Self>, String>;
}

/// Epoch microseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn eight(bytes: &[u8]) -> Result<[u8; 8], String> {
    bytes.try_into().map_err(|_| format!("came as {} bytes instead of 8", bytes.len()))
}

impl FromColumn for String {
    const WANTED: &'static str = "text";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        Some((text_of(column, kind), Wire::Text))
    }

    fn decode(bytes: &[u8], _: Wire) -> Result<Option<Self>, String> {
        // Older releases of several systems write '' for "no value".
        Ok(Some(utf8(bytes)?).filter(|text| !text.is_empty()).map(str::to_owned))
    }
}

/// The expression that tells `column` (quoted) of type `kind` as text. A number tells no zeros behind its point, which loaders
/// that know one type of number add: 42 and 42.00 are one id.
pub fn text_of(column: &str, kind: &str) -> String {
    let text = format!("{column}::text");
    // `trim_scale` came with PostgreSQL 13.
    if kind == "numeric" { format!("regexp_replace({text}, '[.]0+$', '')") } else { text }
}

fn number_as_text(column: &str, kind: &str) -> Option<(String, Wire)> {
    let may_be = ["numeric", "real", "double precision", "text", "character varying", "character"];
    may_be.contains(&kind).then(|| (format!("{column}::text"), Wire::Text))
}

impl FromColumn for i64 {
    const WANTED: &'static str = "an integer";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        match kind {
            "smallint" | "integer" | "bigint" => Some((format!("{column}::int8"), Wire::Binary)),
            _ => number_as_text(column, kind),
        }
    }

    fn decode(bytes: &[u8], wire: Wire) -> Result<Option<Self>, String> {
        match wire {
            Wire::Binary => Ok(Some(i64::from_be_bytes(eight(bytes)?))),
            _ => match utf8(bytes)?.trim() {
                "" => Ok(None),
                // `numeric(10,2)` writes 120.00.
                text => match text.split_once('.') {
                    Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole.parse(),
                    _ => text.parse(),
                }
                .map(Some)
                .map_err(|_| "is not a 64-bit integer".to_owned()),
            },
        }
    }
}

impl FromColumn for f64 {
    const WANTED: &'static str = "a number";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        match kind {
            "smallint" | "integer" | "bigint" | "real" | "double precision" => {
                Some((format!("{column}::float8"), Wire::Binary))
            }
            _ => number_as_text(column, kind),
        }
    }

    fn decode(bytes: &[u8], wire: Wire) -> Result<Option<Self>, String> {
        let number = match wire {
            Wire::Binary => f64::from_be_bytes(eight(bytes)?),
            _ => match utf8(bytes)?.trim() {
                "" => return Ok(None),
                text => text.parse().map_err(|_| "is not a number".to_owned())?,
            },
        };
        if number.is_finite() { Ok(Some(number)) } else { Err("is not a finite number".to_owned()) }
    }
}

impl FromColumn for Instant {
    const WANTED: &'static str = "a timestamp";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        match kind {
            "timestamp with time zone" => Some((column.to_owned(), Wire::Binary)),
            "timestamp without time zone" => Some((format!("({column} AT TIME ZONE 'UTC')"), Wire::Binary)),
            "date" => Some((format!("({column}::timestamp AT TIME ZONE 'UTC')"), Wire::Binary)),
            _ => None,
        }
    }

    fn decode(bytes: &[u8], _: Wire) -> Result<Option<Self>, String> {
        let after = since_2000(bytes)?;
        clock(after)?;
        Ok(Some(Instant(after + POSTGRES_EPOCH)))
    }
}

impl FromColumn for DateTime {
    const WANTED: &'static str = "a timestamp without time zone, or a date";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        match kind {
            "timestamp without time zone" => Some((column.to_owned(), Wire::Binary)),
            "date" => Some((format!("{column}::timestamp"), Wire::Binary)),
            _ => None,
        }
    }

    fn decode(bytes: &[u8], _: Wire) -> Result<Option<Self>, String> {
        clock(since_2000(bytes)?).map(Some)
    }
}

/// When something begins, as its column tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// By the clock on the wall, in a zone that the column does not tell.
    WallClock(DateTime),
    /// By all clocks.
    Instant(Instant),
}

impl FromColumn for Start {
    const WANTED: &'static str = "a timestamp, or a date";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        match kind {
            "timestamp with time zone" => Some((column.to_owned(), Wire::Instant)),
            _ => DateTime::expression(column, kind),
        }
    }

    fn decode(bytes: &[u8], wire: Wire) -> Result<Option<Self>, String> {
        Ok(match wire {
            Wire::Instant => Instant::decode(bytes, wire)?.map(Self::Instant),
            _ => DateTime::decode(bytes, wire)?.map(Self::WallClock),
        })
    }
}

const OUTSIDE: &str = "is outside the years -9999 to 9999";

/// The wall clock so many µs after the beginning of 2000.
fn clock(micros: i64) -> Result<DateTime, String> {
    let start = date(2000, 1, 1).at(0, 0, 0, 0);
    start.checked_add(SignedDuration::from_micros(micros)).map_err(|_| OUTSIDE.to_owned())
}

fn since_2000(bytes: &[u8]) -> Result<i64, String> {
    match i64::from_be_bytes(eight(bytes)?) {
        i64::MAX | i64::MIN => Err("is infinite".to_owned()),
        micros => Ok(micros),
    }
}

impl FromColumn for Vec<String> {
    const WANTED: &'static str = "a list of texts";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        Some(match kind {
            "json" | "jsonb" => (format!("{column}::text"), Wire::Json),
            _ if kind.ends_with("[]") => (format!("array_to_json({column})::text"), Wire::Json),
            _ => (format!("{column}::text"), Wire::Text),
        })
    }

    /// A JSON array or text, or `a,b` as Directus writes csv; empty items are dropped.
    fn decode(bytes: &[u8], wire: Wire) -> Result<Option<Self>, String> {
        let text = utf8(bytes)?;
        let items = match wire {
            Wire::Json => json_items(text)?,
            _ => text.split(',').map(str::to_owned).collect(),
        };
        let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
        Ok(Some(items.map(str::to_owned).collect()))
    }
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

impl FromColumn for Json {
    const WANTED: &'static str = "JSON";

    fn expression(column: &str, kind: &str) -> Option<(String, Wire)> {
        let may_be = ["json", "jsonb", "text", "character varying"];
        may_be.contains(&kind).then(|| (format!("{column}::text"), Wire::Json))
    }

    fn decode(bytes: &[u8], _: Wire) -> Result<Option<Self>, String> {
        match utf8(bytes)?.trim() {
            "" => Ok(None),
            text => serde_json::from_str(text).map(|value| Some(Self(value))).map_err(|_| NO_JSON.to_owned()),
        }
    }
}

const NO_JSON: &str = "is not JSON that can be read";

impl Json {
    /// What stands under a path of keys, as text; `None` for null, empty text and where nothing stands.
    pub fn text(&self, path: &[&str]) -> Result<Option<String>, String> {
        let found = path.iter().try_fold(&self.0, |value, key| value.get(key));
        let text = match found {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            // As a column of numbers tells it.
            Some(Value::Number(number)) => {
                let told = number.to_string();
                let whole =
                    told.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|digit| digit == b'0'));
                whole.map_or(told.clone(), |(whole, _)| whole.to_owned())
            }
            Some(other) => other.to_string(),
        };
        storable(text).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// The texts under a key of an object.
    pub fn list(&self, key: &str) -> Result<Vec<String>, String> {
        self.0.get(key).map_or_else(|| Ok(Vec::new()), |value| items(value.clone()))
    }
}

/// A text as it stands in a statement.
pub fn text_literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// JSON may hold NUL where columns of text may not.
fn storable(text: String) -> Result<String, String> {
    if text.contains('\0') { Err("holds NUL".to_owned()) } else { Ok(text) }
}

fn json_items(text: &str) -> Result<Vec<String>, String> {
    items(serde_json::from_str(text).map_err(|_| NO_JSON.to_owned())?)
}

fn items(value: Value) -> Result<Vec<String>, String> {
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    let item = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(storable(text)),
        Value::Number(number) => Some(Ok(number.to_string())),
        _ => Some(Err("is not a list of texts".to_owned())),
    };
    values.into_iter().filter_map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: FromColumn>(value: &str) -> Result<Option<T>, String> {
        T::decode(value.as_bytes(), Wire::Text)
    }

    fn micros(value: i64) -> [u8; 8] {
        value.to_be_bytes()
    }

    #[test]
    fn empty_text_is_missing() {
        assert_eq!(text::<String>(""), Ok(None));
        assert_eq!(text::<f64>(" "), Ok(None));
        assert_eq!(text::<String>(" "), Ok(Some(" ".to_owned())));
    }

    #[test]
    fn a_whole_number_is_one_text_whoever_wrote_it() {
        let json: Json = Json(serde_json::json!({ "a": 42, "b": 42.0, "c": 42.5, "d": "42.00" }));
        let told = ["a", "b", "c", "d"].map(|key| json.text(&[key]).expect("legal").expect("there"));
        // A text is somebody's own spelling.
        assert_eq!(told, ["42", "42", "42.5", "42.00"]);
        assert_eq!(text_of("t.\"id\"", "numeric"), "regexp_replace(t.\"id\"::text, '[.]0+$', '')");
        assert_eq!(text_of("t.\"id\"", "bigint"), "t.\"id\"::text");
    }

    #[test]
    fn numbers_that_are_none_are_refused_without_being_told() {
        for bad in ["ana@fans.example", "NaN", "1e999"] {
            let reason = text::<f64>(bad).expect_err("no number");
            assert!(!reason.contains(bad), "{reason}");
        }
        assert_eq!(text::<i64>("9007199254740993"), Ok(Some(9_007_199_254_740_993)));
        assert!(text::<i64>("9223372036854775808").is_err());
    }

    #[test]
    fn lists_come_from_json_and_from_csv() {
        let json = |value: &str| Vec::<String>::decode(value.as_bytes(), Wire::Json);
        let both = Ok(Some(vec!["techno".to_owned(), "house".to_owned()]));
        assert_eq!(text::<Vec<String>>("techno, house,"), both);
        assert_eq!(json(r#"["techno", null, "", "house"]"#), both);
        assert_eq!(json(r#""techno""#), Ok(Some(vec!["techno".to_owned()])));
        assert_eq!(json("null"), Ok(Some(Vec::new())));
        assert_eq!(text::<Vec<String>>(""), Ok(Some(Vec::new())));
        assert_eq!(text::<Vec<String>>("[techno"), Ok(Some(vec!["[techno".to_owned()])));
        for bad in [r#"{"a":1}"#, r#"[["techno"]]"#, "[techno"] {
            assert!(json(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_and_wall_clocks_count_from_2000_and_refuse_infinity() {
        assert_eq!(Instant::decode(&micros(0), Wire::Binary), Ok(Some(Instant(POSTGRES_EPOCH))));
        assert_eq!(
            DateTime::decode(&micros(-1), Wire::Binary),
            Ok(Some(date(1999, 12, 31).at(23, 59, 59, 999_999_000)))
        );
        for infinite in [i64::MAX, i64::MIN] {
            assert!(Instant::decode(&micros(infinite), Wire::Binary).is_err());
            assert!(DateTime::decode(&micros(infinite), Wire::Binary).is_err());
        }
        assert!(Instant::decode(&micros(i64::MAX - 1), Wire::Binary).is_err());
        assert!(DateTime::decode(&micros(i64::MAX - 1), Wire::Binary).is_err());
    }
}
