//! Lines of `COPY … FROM STDIN` in text format.

use std::fmt::{Display, Write as _};

/// One row on its way into a table.
#[derive(Debug, Default)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(160))
    }

    fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\t');
        }
    }

    /// A text; what COPY reads as a separator or an escape is escaped.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.gap();
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                _ => self.0.push(c),
            }
        }
        self
    }

    /// NULL.
    pub(super) fn null(mut self) -> Self {
        self.gap();
        self.0.push_str("\\N");
        self
    }

    /// A text or NULL.
    pub(super) fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// Anything that is written without escapes: numbers, dates.
    pub(super) fn plain(mut self, value: impl Display) -> Self {
        self.gap();
        write!(self.0, "{value}").expect("writing to a string does not fail");
        self
    }

    /// A number or NULL.
    pub(super) fn number(self, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.plain(value),
            None => self.null(),
        }
    }

    /// Epoch microseconds as an instant.
    pub(super) fn at(self, micros: i64) -> Self {
        let at = jiff::Timestamp::from_microsecond(micros).expect("the city's calendar is within range");
        self.plain(at)
    }

    /// An instant or NULL.
    pub(super) fn when(self, micros: Option<i64>) -> Self {
        match micros {
            Some(micros) => self.at(micros),
            None => self.null(),
        }
    }

    /// A list of texts as JSON; NULL where it is empty.
    pub(super) fn list(self, items: &[String]) -> Self {
        if items.is_empty() {
            return self.null();
        }
        self.text(&serde_json::Value::from(items).to_string())
    }

    /// The finished line.
    pub(super) fn end(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_escapes_do_not_break_a_line() {
        let line = Line::new().text("a\tb\\\n").null().maybe(Some("\\N")).at(0).number(Some(1.5)).end();
        assert_eq!(line, "a\\tb\\\\\\n\t\\N\t\\\\N\t1970-01-01T00:00:00Z\t1.5\n");
        assert_eq!(Line::new().list(&["x\"y".into()]).list(&[]).end(), "[\"x\\\\\"y\"]\t\\N\n");
    }
}
