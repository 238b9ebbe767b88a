//! What may be put into the text of a query: quoted identifiers and parameter literals.
//!
//! Values always travel as parameters in the `CYPHER name=literal …` head of a query, so that the server can keep the
//! plan and no value is ever read as Cypher.

use std::fmt::Write;

use super::FalkorError;
use crate::ontology::Value;

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// Nothing; setting a property to it removes the property.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A finite double.
    Float(f64),
    /// A text without NUL.
    Text(String),
    /// A list.
    List(Vec<Param>),
    /// A map; keys are identifiers.
    Map(Vec<(String, Param)>),
}

impl From<&Value> for Param {
    /// An instant becomes its milliseconds; a point becomes the map that Cypher's `point(…)` takes, because the head
    /// of a query can hold no call.
    fn from(value: &Value) -> Self {
        match value {
            Value::Boolean(b) => Param::Bool(*b),
            Value::Integer(n) | Value::Instant(n) => Param::Int(*n),
            Value::Float(x) => Param::Float(*x),
            Value::Text(text) => Param::Text(text.clone()),
            Value::Point { latitude, longitude } => Param::Map(vec![
                ("latitude".to_owned(), Param::Float(*latitude)),
                ("longitude".to_owned(), Param::Float(*longitude)),
            ]),
            Value::TextList(items) => Param::List(items.iter().cloned().map(Param::Text).collect()),
            Value::List(items) => Param::List(items.iter().map(Param::from).collect()),
        }
    }
}

/// Named parameters of a query, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(Vec<(String, Param)>);

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same parameters and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Param) -> Self {
        self.0.push((name.into(), value));
        self
    }

    /// The head of a query that declares these parameters, empty where there are none.
    pub(super) fn head(&self) -> Result<String, FalkorError> {
        let mut head = String::new();
        if !self.0.is_empty() {
            head.push_str("CYPHER ");
        }
        for (name, value) in &self.0 {
            if !is_plain(name) {
                return Err(FalkorError::Unspeakable {
                    what: "parameter name",
                    text: name.clone(),
                    why: "it is not made of ASCII letters, digits and `_`",
                });
            }
            head.push_str(name);
            head.push('=');
            write_literal(&mut head, value)?;
            head.push(' ');
        }
        Ok(head)
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A label, relation or property name in backticks.
///
/// The server's grammar knows no escape inside backticks, so a name that holds one, or NUL, or nothing, is refused.
pub fn identifier(name: &str) -> Result<String, FalkorError> {
    let refuse = |why| Err(FalkorError::Unspeakable { what: "name", text: name.to_owned(), why });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.contains('`') {
        return refuse("it holds a backtick, which FalkorDB cannot escape");
    }
    if name.contains('\0') {
        return refuse("it holds NUL");
    }
    Ok(format!("`{name}`"))
}

/// A parameter as Cypher text that reads back as the same value, bit by bit.
///
/// Doubles are written in the shortest form that reads back; NUL, infinities and not-a-number are refused.
pub fn literal(value: &Param) -> Result<String, FalkorError> {
    let mut text = String::new();
    write_literal(&mut text, value)?;
    Ok(text)
}

fn write_literal(out: &mut String, value: &Param) -> Result<(), FalkorError> {
    match value {
        Param::Null => out.push_str("null"),
        Param::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Param::Int(n) => write!(out, "{n}").expect("a String takes every write"),
        Param::Float(x) if !x.is_finite() => {
            return Err(FalkorError::Unspeakable {
                what: "number",
                text: x.to_string(),
                why: "it is not finite, and the server would store something else",
            });
        }
        Param::Float(x) => write!(out, "{x:?}").expect("a String takes every write"),
        Param::Text(text) => write_text(out, text)?,
        Param::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_literal(out, item)?;
            }
            out.push(']');
        }
        Param::Map(entries) => {
            out.push('{');
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&identifier(key)?);
                out.push(':');
                write_literal(out, item)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_text(out: &mut String, text: &str) -> Result<(), FalkorError> {
    if text.contains('\0') {
        return Err(FalkorError::Unspeakable {
            what: "text",
            text: text.replace('\0', "\u{fffd}"),
            why: "it holds NUL, where the server would cut it off",
        });
    }
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        let said = literal(&Param::Text("x' RETURN 1 //\\".into())).expect("speakable");
        assert_eq!(said, r"'x\' RETURN 1 //\\'");
    }

    #[test]
    fn what_the_server_would_change_is_refused() {
        for value in [Param::Float(f64::NAN), Param::Float(f64::INFINITY), Param::Text("a\0b".into())] {
            assert!(literal(&value).is_err(), "{value:?} was let through");
        }
        for name in ["", "a`b", "a\0"] {
            assert!(identifier(name).is_err(), "{name:?} was let through");
        }
        assert!(Params::new().with("a b", Param::Null).head().is_err());
    }

    #[test]
    fn doubles_are_written_so_that_they_read_back() {
        for x in [0.1, -0.0, 5e-324, f64::MAX, 1e16, 2.0, 0.123_456_789_012_345_67] {
            let said = literal(&Param::Float(x)).expect("finite");
            assert!(said.contains(['.', 'e']), "{said} would be an integer");
            assert_eq!(said.parse::<f64>().expect("a float").to_bits(), x.to_bits());
        }
    }
}
