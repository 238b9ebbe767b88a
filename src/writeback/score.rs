//! One score, and how it compares with what a node holds.

use serde::Serialize;

use crate::ontology::Value;
use crate::sources::falkordb::Param;

/// A finite number to be written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Score {
    /// A count.
    Integer(i64),
    /// A double.
    Float(f64),
}

/// Relative difference below which two doubles count as one: the server prints 15 significant digits.
const TOLERANCE: f64 = 1e-14;

impl Score {
    /// As a double, for sums.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(n) => n as f64,
            Self::Float(x) => x,
        }
    }

    /// Whether `held`, as the server prints it, is this score.
    pub fn is(self, held: Option<&Value>) -> bool {
        same(Some(&self.into()), held)
    }

    pub(super) fn param(self) -> Param {
        match self {
            Self::Integer(n) => Param::Int(n),
            Self::Float(x) => Param::Float(x),
        }
    }
}

impl From<Score> for Value {
    fn from(score: Score) -> Self {
        match score {
            Score::Integer(n) => Value::Integer(n),
            Score::Float(x) => Value::Float(x),
        }
    }
}

/// Whether two values are one as far as the server's 15 digits can tell; nothing is the same as nothing.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Float(a)), Some(Value::Float(b))) => {
            a.to_bits() == b.to_bits() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
        }
        (Some(Value::List(a)), Some(Value::List(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_digits_of_a_score_are_that_score_and_another_type_is_not() {
        let third = Score::Float(1.0 / 3.0);
        assert!(third.is(Some(&Value::Float(0.333_333_333_333_333))));
        assert!(!third.is(Some(&Value::Float(0.333_333_333_33))));
        assert!(!third.is(None));
        assert!(!Score::Integer(2).is(Some(&Value::Float(2.0))));
        assert!(!Score::Float(0.0).is(Some(&Value::Float(1e-300))));
        assert!(Score::Float(5e-324).is(Some(&Value::Float(5e-324))));
    }
}
