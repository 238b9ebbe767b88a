//! What a property of a node or edge holds.

use serde::{Deserialize, Serialize};

/// A value of a property. What is missing is not there: there is no null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A truth value.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Float(f64),
    /// A text.
    Text(String),
    /// Epoch milliseconds UTC; the graph server holds it as an integer.
    Instant(i64),
    /// A point on earth in degrees; the graph server holds it in single precision.
    Point {
        /// North positive.
        latitude: f64,
        /// East positive.
        longitude: f64,
    },
    /// A list of texts.
    TextList(Vec<String>),
    /// Any other list.
    List(Vec<Value>),
}
