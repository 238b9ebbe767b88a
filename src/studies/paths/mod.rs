//! The warm path from one person to another.

pub mod bidirectional;
