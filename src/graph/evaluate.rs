//! Expressions over the rows of a table.

use std::cmp::Ordering;

use polars::prelude::{DataFrame, DataType, StringChunked};
use rayon::prelude::*;

use super::GraphError;
use super::error::in_column;
use super::expression::{Expression, Function, Op, Term};

/// An expression and the columns of one table that it names.
#[derive(Debug)]
pub(super) struct Bound<'e> {
    expression: &'e Expression,
    root: Row<'e>,
    rows: usize,
}

/// A term that knows its columns.
#[derive(Debug)]
enum Row<'e> {
    Missing,
    Number(f64),
    Text(&'e str),
    Numbers(Vec<Option<f64>>),
    Texts(StringChunked),
    Not(Box<Self>),
    Pair(Op, Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Missing,
    Number(f64),
    Text(&'a str),
}

/// What a term is, whatever the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Missing in every row of this table.
    Nothing,
    Number,
    Text,
}

impl<'e> Bound<'e> {
    /// Finds the columns of `frame`; a name that it has not is `named`'s, else missing in every row.
    ///
    /// # Errors
    ///
    /// When a column holds neither numbers, truth, instants nor text, or text is counted with.
    pub fn to(
        expression: &'e Expression,
        frame: &DataFrame,
        table: &str,
        named: (&str, &'e str),
    ) -> Result<Self, GraphError> {
        let binder = Binder { expression, frame, table, named };
        let (root, _) = binder.bind(&expression.root)?;
        Ok(Self { expression, root, rows: frame.height() })
    }

    /// By row: whether it holds; what is missing does not.
    pub fn holds(&self) -> Vec<bool> {
        self.each(|value| matches!(value, Value::Number(number) if number != 0.0))
    }

    /// By row of `table`: the number it comes to, or that for what is missing.
    ///
    /// # Errors
    ///
    /// When it comes to something infinite or undefined, or to text.
    pub fn numbers(&self, table: &str, missing: f64) -> Result<Vec<f64>, GraphError> {
        let numbers = self.each(|value| match value {
            Value::Missing => missing,
            Value::Number(number) => number,
            Value::Text(_) => f64::NAN,
        });
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(row) => Err(GraphError::Weight {
                relation: table.to_owned(),
                column: self.expression.text().to_owned(),
                row,
                value: numbers[row],
            }),
        }
    }

    fn each<T: Send>(&self, of: impl Fn(Value<'_>) -> T + Sync) -> Vec<T> {
        const CHUNK: usize = 1 << 14;
        (0..self.rows).into_par_iter().with_min_len(CHUNK).map(|row| of(self.root.at(row))).collect()
    }
}

struct Binder<'e, 'f> {
    expression: &'e Expression,
    frame: &'f DataFrame,
    table: &'f str,
    named: (&'f str, &'e str),
}

impl<'e> Binder<'e, '_> {
    fn bind(&self, term: &'e Term) -> Result<(Row<'e>, Kind), GraphError> {
        Ok(match term {
            Term::Number(number) => (Row::Number(*number), Kind::Number),
            Term::Text(text) => (Row::Text(text), Kind::Text),
            Term::Property(name) => self.column(name)?,
            Term::Not(inner) => (Row::Not(Box::new(self.number(inner)?)), Kind::Number),
            Term::Pair(op, left, right) => {
                let is_comparison =
                    matches!(op, Op::Equal | Op::Unequal | Op::Less | Op::AtMost | Op::More | Op::AtLeast);
                let (left, right) = if is_comparison {
                    let ((left, a), (right, b)) = (self.bind(left)?, self.bind(right)?);
                    if a != b && a != Kind::Nothing && b != Kind::Nothing {
                        return Err(self.unfit("text is compared with a number"));
                    }
                    (left, right)
                } else {
                    (self.number(left)?, self.number(right)?)
                };
                (Row::Pair(*op, Box::new(left), Box::new(right)), Kind::Number)
            }
            Term::Call(Function::Missing, given) => {
                (Row::Call(Function::Missing, vec![self.bind(&given[0])?.0]), Kind::Number)
            }
            Term::Call(Function::Coalesce, given) => {
                let (given, kinds): (Vec<_>, Vec<_>) = given
                    .iter()
                    .map(|term| self.bind(term))
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .unzip();
                let mut known = kinds.into_iter().filter(|kind| *kind != Kind::Nothing);
                let kind = known.next().unwrap_or(Kind::Nothing);
                if known.any(|other| other != kind) {
                    return Err(self.unfit("`coalesce` mixes text and numbers"));
                }
                (Row::Call(Function::Coalesce, given), kind)
            }
            Term::Call(function, given) => {
                let given = given.iter().map(|term| self.number(term)).collect::<Result<_, _>>()?;
                (Row::Call(*function, given), Kind::Number)
            }
        })
    }

    fn number(&self, term: &'e Term) -> Result<Row<'e>, GraphError> {
        match self.bind(term)? {
            (_, Kind::Text) => Err(self.unfit("text is counted with")),
            (row, _) => Ok(row),
        }
    }

    fn column(&self, name: &str) -> Result<(Row<'e>, Kind), GraphError> {
        let Ok(column) = self.frame.column(name) else {
            return Ok(match self.named {
                (known, value) if known == name => (Row::Text(value), Kind::Text),
                _ => (Row::Missing, Kind::Nothing),
            });
        };
        let fail = in_column(self.table, name);
        Ok(match column.dtype() {
            DataType::String => (Row::Texts(column.str().map_err(fail)?.rechunk().into_owned()), Kind::Text),
            DataType::Datetime(..) | DataType::Date => {
                let instants =
                    column.cast(&DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None));
                let instants = instants.and_then(|c| c.cast(&DataType::Int64)).map_err(&fail)?;
                let values = instants.i64().map_err(&fail)?.iter().map(|at| at.map(|at| at as f64)).collect();
                (Row::Numbers(values), Kind::Number)
            }
            dtype if dtype.is_primitive_numeric() || *dtype == DataType::Boolean => {
                let numbers = column.cast(&DataType::Float64).map_err(&fail)?;
                (Row::Numbers(numbers.f64().map_err(&fail)?.iter().collect()), Kind::Number)
            }
            other => return Err(self.unfit(format!("`{name}` holds {other}"))),
        })
    }

    fn unfit(&self, problem: impl Into<String>) -> GraphError {
        GraphError::Unfit {
            expression: self.expression.text().to_owned(),
            table: self.table.to_owned(),
            problem: problem.into(),
        }
    }
}

impl Row<'_> {
    fn at(&self, row: usize) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text),
            Self::Numbers(numbers) => numbers[row].map_or(Value::Missing, Value::Number),
            Self::Texts(texts) => texts.get(row).map_or(Value::Missing, Value::Text),
            Self::Not(inner) => match inner.at(row) {
                Value::Number(number) => truth(number == 0.0),
                other => other,
            },
            Self::Pair(op, left, right) => pair(*op, left.at(row), || right.at(row)),
            Self::Call(function, given) => call(*function, given.iter().map(|term| term.at(row))),
        }
    }
}

fn truth(holds: bool) -> Value<'static> {
    Value::Number(f64::from(u8::from(holds)))
}

fn pair<'a>(op: Op, left: Value<'a>, right: impl FnOnce() -> Value<'a>) -> Value<'a> {
    // What decides alone decides though the other side is missing.
    if let (Op::Or | Op::And, Value::Number(number)) = (op, left)
        && (number != 0.0) == (op == Op::Or)
    {
        return truth(op == Op::Or);
    }
    let order = |a: &Value<'_>, b: &Value<'_>| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match (op, left, right()) {
        (Op::Or | Op::And, left, Value::Number(number)) => {
            let decides = (number != 0.0) == (op == Op::Or);
            if decides || left != Value::Missing { truth(number != 0.0) } else { Value::Missing }
        }
        (_, Value::Missing, _) | (_, _, Value::Missing) => Value::Missing,
        (Op::Add, Value::Number(a), Value::Number(b)) => Value::Number(a + b),
        (Op::Subtract, Value::Number(a), Value::Number(b)) => Value::Number(a - b),
        (Op::Multiply, Value::Number(a), Value::Number(b)) => Value::Number(a * b),
        (Op::Divide, Value::Number(a), Value::Number(b)) => Value::Number(a / b),
        (op, left, right) => {
            let found = order(&left, &right);
            truth(match op {
                Op::Equal => found == Some(Ordering::Equal),
                Op::Unequal => found != Some(Ordering::Equal),
                Op::Less => found == Some(Ordering::Less),
                Op::AtMost => matches!(found, Some(Ordering::Less | Ordering::Equal)),
                Op::More => found == Some(Ordering::Greater),
                _ => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
            })
        }
    }
}

fn call<'a>(function: Function, mut given: impl Iterator<Item = Value<'a>>) -> Value<'a> {
    match function {
        Function::Missing => truth(given.all(|value| value == Value::Missing)),
        Function::Coalesce => given.find(|value| *value != Value::Missing).unwrap_or(Value::Missing),
        Function::Min | Function::Max => {
            let combine = if function == Function::Min { f64::min } else { f64::max };
            let numbers = given.map(|value| match value {
                Value::Number(number) => Some(number),
                _ => None,
            });
            let combined = numbers.reduce(|a, b| Some(combine(a?, b?))).flatten();
            combined.map_or(Value::Missing, Value::Number)
        }
        function => match given.next() {
            Some(Value::Number(number)) => Value::Number(match function {
                Function::Exp => number.exp(),
                Function::Ln => number.ln(),
                Function::Log1p => number.ln_1p(),
                Function::Sqrt => number.sqrt(),
                _ => number.abs(),
            }),
            _ => Value::Missing,
        },
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;
    use proptest::prelude::*;

    use super::*;

    /// A formula as text, beside a closure that knows its answer.
    type Answer = std::rc::Rc<dyn Fn(Option<f64>, Option<f64>) -> Option<f64>>;

    #[derive(Clone)]
    struct Formula {
        text: String,
        answer: Answer,
    }

    impl std::fmt::Debug for Formula {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.text)
        }
    }

    fn formula(text: String, answer: impl Fn(Option<f64>, Option<f64>) -> Option<f64> + 'static) -> Formula {
        Formula { text, answer: std::rc::Rc::new(answer) }
    }

    fn formulas() -> impl Strategy<Value = Formula> {
        let leaf = prop_oneof![
            Just(formula("a".into(), |a, _| a)),
            Just(formula("`b b`".into(), |_, b| b)),
            Just(formula("nowhere".into(), |_, _| None)),
            (0u8..9).prop_map(|n| formula(format!("{n}.5"), move |_, _| Some(f64::from(n) + 0.5))),
        ];
        leaf.prop_recursive(4, 30, 3, |inner| {
            let two = (inner.clone(), inner.clone(), 0usize..11).prop_map(|(x, y, op)| {
                let word = ["+", "-", "*", "/", "<", ">=", "=", "and", "or", "min", "coalesce"][op];
                let text = match op {
                    9 | 10 => format!("{word}({}, {})", x.text, y.text),
                    _ => format!("({}) {word} ({})", x.text, y.text),
                };
                formula(text, move |a, b| {
                    let (x, y) = ((x.answer)(a, b), (y.answer)(a, b));
                    let is = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
                    let (yes, no) = (|v: Option<f64>| v.is_some_and(|v| v != 0.0), |v| v == Some(0.0));
                    match op {
                        0 => Some(x? + y?),
                        1 => Some(x? - y?),
                        2 => Some(x? * y?),
                        3 => Some(x? / y?),
                        4 => is(x? < y?),
                        5 => is(x? >= y?),
                        6 => is(x?.partial_cmp(&y?) == Some(Ordering::Equal)),
                        7 if no(x) || no(y) => is(false),
                        7 => x.and(y).and(is(true)),
                        8 if yes(x) || yes(y) => is(true),
                        8 => x.and(y).and(is(false)),
                        9 => Some(x?.min(y?)),
                        _ => x.or(y),
                    }
                })
            });
            let one = (inner, 0usize..4).prop_map(|(x, op)| {
                let text = match op {
                    0 => format!("not ({})", x.text),
                    1 => format!("-({})", x.text),
                    2 => format!("missing({})", x.text),
                    _ => format!("abs({})", x.text),
                };
                formula(text, move |a, b| {
                    let x = (x.answer)(a, b);
                    match op {
                        0 => Some(if x? == 0.0 { 1.0 } else { 0.0 }),
                        1 => Some(0.0 - x?),
                        2 => Some(if x.is_none() { 1.0 } else { 0.0 }),
                        _ => Some(x?.abs()),
                    }
                })
            });
            prop_oneof![two, one]
        })
    }

    proptest! {
        #[test]
        fn a_formula_comes_to_what_its_closure_says(
            formula in formulas(),
            rows in proptest::collection::vec((proptest::option::of(-4i8..4), proptest::option::of(-4i8..4)), 1..6),
        ) {
            let a: Vec<_> = rows.iter().map(|row| row.0.map(f64::from)).collect();
            let b: Vec<_> = rows.iter().map(|row| row.1.map(f64::from)).collect();
            let frame = df!("a" => a, "b b" => b).expect("a frame");
            let expression: Expression = formula.text.parse().expect("it was written to be read");
            let bound = Bound::to(&expression, &frame, "R", ("relation", "R")).expect("numbers");
            let expected: Vec<_> = rows.iter().map(|(a, b)| (formula.answer)(a.map(f64::from), b.map(f64::from))).collect();
            let found = bound.each(|value| match value {
                Value::Number(number) => Some(number.to_bits()),
                _ => None,
            });
            // Any one NaN is as good as another.
            let bits = |v: f64| if v.is_nan() { None } else { Some(v.to_bits()) };
            for (row, (found, expected)) in found.into_iter().zip(&expected).enumerate() {
                let is_same = match expected {
                    None => found.is_none(),
                    Some(expected) => found.map(f64::from_bits).and_then(bits) == bits(*expected) && found.is_some(),
                };
                prop_assert!(is_same, "row {row}: {found:?} for {expected:?}");
            }
            let holds: Vec<bool> = expected.iter().map(|v| v.is_some_and(|v| v != 0.0)).collect();
            prop_assert_eq!(bound.holds(), holds);
        }
    }

    #[test]
    fn text_is_compared_with_text_and_instants_with_moments() {
        let frame = df!("kind" => [Some("scan"), None, Some("web")], "n" => [1i64, 2, 3]).expect("a frame");
        let holds = |text: &str| {
            let expression: Expression = text.parse().expect("an expression");
            let bound = Bound::to(&expression, &frame, "R", ("relation", "R"));
            bound.map(|bound| bound.holds()).map_err(|error| error.to_string())
        };
        assert_eq!(holds("kind = 'scan'"), Ok(vec![true, false, false]));
        assert_eq!(holds("kind != 'scan'"), Ok(vec![false, false, true]));
        assert_eq!(holds("coalesce(kind, 'web') > \"v\""), Ok(vec![false, true, true]));
        assert_eq!(holds("relation = 'R' and n >= 2"), Ok(vec![false, true, true]));
        assert_eq!(holds("kind = 'scan' or n = 2"), Ok(vec![true, true, false]));
        assert_eq!(
            holds("kind + 1 = 2").expect_err("refused"),
            "cannot use `kind + 1 = 2` on `R`: text is counted with"
        );
        assert_eq!(
            holds("kind = 1").expect_err("refused"),
            "cannot use `kind = 1` on `R`: text is compared with a number"
        );
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused_with_its_row() {
        let frame = df!("n" => [Some(1i64), None, Some(0)]).expect("a frame");
        let expression: Expression = "1 / n".parse().expect("an expression");
        let bound = Bound::to(&expression, &frame, "R", ("relation", "R")).expect("numbers");
        assert_eq!(
            bound.numbers("R", 1.0).expect_err("infinite").to_string(),
            "row 2 of `R` has the weight inf in `1 / n`; weights must be finite"
        );
        let expression: Expression = "log1p(n)".parse().expect("an expression");
        let bound = Bound::to(&expression, &frame, "R", ("relation", "R")).expect("numbers");
        assert_eq!(bound.numbers("R", 1.0).expect("numbers"), [2f64.ln(), 1.0, 0.0]);
    }
}
