//! Who belongs together.

pub mod coattendance;
pub mod components;
