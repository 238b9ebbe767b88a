//! A small language over the properties of edges and nodes: `weight >= 0.5 and source = 'scan'`, `log1p(views) / 2`.
//!
//! Numbers, truth and text; `+ - * /`, `= != < <= > >=`, `and or not`, brackets; `abs exp ln log1p sqrt min max coalesce
//! missing time`. A name is a property; in backticks it may hold anything. Truth counts as 1 and 0, instants as
//! microseconds UTC (`time('2026-03-01')` is one). What is missing makes missing whatever is made of it, as in SQL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read `{text}` from character {at} on: {problem}")]
pub struct ExpressionError {
    /// As given.
    pub text: String,
    /// Character, from 1.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

/// A formula over properties, read from text.
///
/// ```
/// use sonograph::graph::Expression;
///
/// assert!("log1p(views) * 2".parse::<Expression>().is_ok());
/// let error = "weight >".parse::<Expression>().expect_err("nothing to compare with");
/// assert_eq!(error.to_string(), "cannot read `weight >` from character 9 on: expected a value");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    pub(super) root: Term,
}

/// A node of the formula.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Number(f64),
    Text(String),
    Property(String),
    Not(Box<Self>),
    Pair(Op, Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Exp,
    Ln,
    Log1p,
    Sqrt,
    Min,
    Max,
    Coalesce,
    Missing,
}

const FUNCTIONS: [(&str, Function, std::ops::RangeInclusive<usize>); 9] = [
    ("abs", Function::Abs, 1..=1),
    ("exp", Function::Exp, 1..=1),
    ("ln", Function::Ln, 1..=1),
    ("log1p", Function::Log1p, 1..=1),
    ("sqrt", Function::Sqrt, 1..=1),
    ("min", Function::Min, 2..=8),
    ("max", Function::Max, 2..=8),
    ("coalesce", Function::Coalesce, 2..=8),
    ("missing", Function::Missing, 1..=1),
];

/// From loosest to tightest.
const LEVELS: [&[(&str, Op)]; 5] = [
    &[("or", Op::Or)],
    &[("and", Op::And)],
    &[
        ("<=", Op::AtMost),
        (">=", Op::AtLeast),
        ("!=", Op::Unequal),
        ("=", Op::Equal),
        ("<", Op::Less),
        (">", Op::More),
    ],
    &[("+", Op::Add), ("-", Op::Subtract)],
    &[("*", Op::Multiply), ("/", Op::Divide)],
];
/// The level of comparisons: `not` binds more loosely, and they do not chain.
const COMPARISON: usize = 2;

impl Expression {
    /// As given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The properties it names, each as often as it does.
    pub(super) fn properties(&self) -> Vec<&str> {
        let (mut open, mut found) = (vec![&self.root], Vec::new());
        while let Some(term) = open.pop() {
            match term {
                Term::Property(name) => found.push(name.as_str()),
                Term::Number(_) | Term::Text(_) => {}
                Term::Not(inner) => open.push(inner),
                Term::Pair(_, left, right) => open.extend([&**right, &**left]),
                Term::Call(_, given) => open.extend(given.iter().rev()),
            }
        }
        found
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let root = reader.level(0)?;
        if reader.rest().is_empty() {
            Ok(Self { text: text.to_owned(), root })
        } else {
            Err(reader.wrong("expected an operator or the end"))
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Byte that is read next.
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// What is left, without blanks before it.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn wrong(&mut self, problem: impl Into<String>) -> ExpressionError {
        self.rest();
        let at = self.text[..self.at].chars().count() + 1;
        ExpressionError { text: self.text.to_owned(), at, problem: problem.into() }
    }

    /// Goes past `word` where it comes next; a word of letters must end there.
    fn took(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
        let found = rest.starts_with(word) && !(is_word && rest[word.len()..].starts_with(in_name));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        /// No question is nested as deeply, and the stack holds many times that.
        const DEEPEST: usize = 64;
        if self.depth == DEEPEST {
            return Err(self.wrong("nested too deeply"));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn level(&mut self, level: usize) -> Result<Term, ExpressionError> {
        if level == COMPARISON && self.took("not") {
            return Ok(Term::Not(Box::new(self.deeper(|reader| reader.level(COMPARISON))?)));
        }
        let Some(ops) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(&(_, op)) = ops.iter().find(|(word, _)| self.took(word)) {
            let right = self.level(level + 1)?;
            left = Term::Pair(op, Box::new(left), Box::new(right));
            if level == COMPARISON {
                break;
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term, ExpressionError> {
        if self.took("-") {
            let inner = self.deeper(Self::unary)?;
            return Ok(Term::Pair(Op::Subtract, Box::new(Term::Number(0.0)), Box::new(inner)));
        }
        if self.took("(") {
            let inner = self.deeper(|reader| reader.level(0))?;
            return if self.took(")") { Ok(inner) } else { Err(self.wrong("expected `)`")) };
        }
        let rest = self.rest();
        match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => Ok(Term::Text(self.quoted(quote)?)),
            Some('`') => Ok(Term::Property(self.quoted('`')?)),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if in_name(c) => self.name(),
            _ => Err(self.wrong("expected a value")),
        }
    }

    /// What stands between two quotes; a doubled quote is one of the text.
    fn quoted(&mut self, quote: char) -> Result<String, ExpressionError> {
        let mut text = String::new();
        let mut letters = self.text[self.at..].char_indices().skip(1).peekable();
        while let Some((at, letter)) = letters.next() {
            if letter != quote {
                text.push(letter);
            } else if letters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at += at + quote.len_utf8();
                return Ok(text);
            }
        }
        Err(self.wrong(format!("expected a closing {quote}")))
    }

    fn number(&mut self) -> Result<Term, ExpressionError> {
        let rest = self.rest();
        let mut end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[end..].starts_with(['e', 'E']) {
            let digits = &rest[end + 1..];
            let signed = digits.strip_prefix(['-', '+']).unwrap_or(digits);
            let long = signed.find(|c: char| !c.is_ascii_digit()).unwrap_or(signed.len());
            end += if long > 0 { 1 + (digits.len() - signed.len()) + long } else { 0 };
        }
        match rest[..end].parse::<f64>() {
            Ok(number) if number.is_finite() && !rest[end..].starts_with(in_name) => {
                self.at += end;
                Ok(Term::Number(number))
            }
            _ => Err(self.wrong("expected a number")),
        }
    }

    fn name(&mut self) -> Result<Term, ExpressionError> {
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !in_name(c)).unwrap_or(rest.len())];
        let before = self.at;
        self.at += name.len();
        match name {
            "true" => return Ok(Term::Number(1.0)),
            "false" => return Ok(Term::Number(0.0)),
            "and" | "or" | "not" => {
                self.at = before;
                return Err(self.wrong("expected a value"));
            }
            _ if !self.took("(") => return Ok(Term::Property(name.to_owned())),
            _ => {}
        }
        let mut given = vec![self.deeper(|reader| reader.level(0))?];
        while self.took(",") {
            given.push(self.deeper(|reader| reader.level(0))?);
        }
        if !self.took(")") {
            return Err(self.wrong("expected `,` or `)`"));
        }
        let after = self.at;
        self.at = before;
        let term = match (name, &given[..]) {
            ("time", [Term::Text(moment)]) => Term::Number(self.moment(moment)?),
            ("time", _) => return Err(self.wrong("`time` takes a moment in quotes, such as '2026-03-01'")),
            _ => match FUNCTIONS.iter().find(|(known, ..)| *known == name) {
                Some((_, function, count)) if count.contains(&given.len()) => Term::Call(*function, given),
                Some((_, _, count)) => {
                    let many = if count.end() == &1 { "one value" } else { "two to eight values" };
                    return Err(self.wrong(format!("`{name}` takes {many}, not {}", given.len())));
                }
                None => {
                    let known = FUNCTIONS.map(|(known, ..)| known).join(", ");
                    return Err(
                        self.wrong(format!("there is no function `{name}`; there are {known} and time"))
                    );
                }
            },
        };
        self.at = after;
        Ok(term)
    }

    fn moment(&mut self, text: &str) -> Result<f64, ExpressionError> {
        let day = || text.parse::<jiff::civil::Date>()?.to_zoned(jiff::tz::TimeZone::UTC);
        match text.parse::<jiff::Timestamp>().or_else(|_| day().map(|day| day.timestamp())) {
            Ok(moment) => Ok(moment.as_microsecond() as f64),
            Err(_) => Err(self.wrong("expected a moment such as '2026-03-01' or '2026-03-01T20:00:00Z'")),
        }
    }
}

/// Whether a letter may stand in a name without backticks.
pub(super) fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let error = text.parse::<Expression>().expect_err("cannot be read");
        assert_eq!(error.text, text);
        format!("{}: {}", error.at, error.problem)
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        assert_eq!(told(""), "1: expected a value");
        assert_eq!(told("weight = "), "10: expected a value");
        assert_eq!(told("(weight"), "8: expected `)`");
        assert_eq!(told("a < b < c"), "7: expected an operator or the end");
        assert_eq!(told("naïve + 'open"), "9: expected a closing '");
        assert_eq!(told("1.2.3"), "1: expected a number");
        assert_eq!(told("3x"), "1: expected a number");
        assert_eq!(told("weight and or"), "12: expected a value");
        assert_eq!(told("max(a)"), "1: `max` takes two to eight values, not 1");
        assert_eq!(
            told("time('soon')"),
            "1: expected a moment such as '2026-03-01' or '2026-03-01T20:00:00Z'"
        );
        assert!(told("median(a, b)").starts_with("1: there is no function `median`; there are abs, exp"));
        assert_eq!(told(&"(".repeat(100_000)), "66: nested too deeply");
        assert_eq!(told(&"-".repeat(100_000)), "66: nested too deeply");
        assert_eq!(told(&"not ".repeat(100_000)), "261: nested too deeply");
    }

    #[test]
    fn what_binds_how_tightly_shows_in_the_tree() {
        let root = |text: &str| text.parse::<Expression>().expect("an expression").root;
        assert_eq!(root("a + b * c"), root("a + (b * c)"));
        assert_eq!(root("a - b - c"), root("(a - b) - c"));
        assert_eq!(root("not a = 1 and b < 2 or c"), root("((not (a = 1)) and (b < 2)) or c"));
        assert_eq!(root("-a * b"), root("(0 - a) * b"));
        assert_eq!(root("`a b``c`"), Term::Property("a b`c".into()));
        assert_eq!(root("'it''s'"), Term::Text("it's".into()));
        assert_eq!(root("1e3"), Term::Number(1000.0));
        assert_eq!(root("time('1970-01-02')"), Term::Number(86_400e6));
        // Words are only such where they end.
        assert_eq!(root("order"), Term::Property("order".into()));
        assert_eq!(root("a or der"), Term::Pair(Op::Or, Box::new(root("a")), Box::new(root("der"))));
    }

    #[test]
    fn an_expression_is_kept_as_its_text() {
        let expression: Expression = "weight  >= 0.5".parse().expect("an expression");
        let json = serde_json::to_string(&expression).expect("text");
        assert_eq!(json, "\"weight  >= 0.5\"");
        assert_eq!(serde_json::from_str::<Expression>(&json).expect("text"), expression);
        assert!(serde_json::from_str::<Expression>("\"weight >\"").is_err());
        assert_eq!(expression.properties(), ["weight"]);
    }
}
