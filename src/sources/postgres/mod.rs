//! `PostgreSQL`: a read-only client and the four layouts read through it.
//!
//! Each layout is one file: it discovers its tables and columns, reads them into [`rows`](super::rows), and says what
//! those rows claim in a pure function `facts`.

pub mod catalog;
pub mod client;
pub mod columns;
pub mod directus;
mod frame;
pub mod select;
pub mod touchpoints;
pub mod twenty;
pub mod unified;

pub use client::{Session, connect};
pub use directus::Directus;
pub use touchpoints::Touchpoints;
pub use twenty::Twenty;
pub use unified::Unified;

/// Epoch microseconds → epoch milliseconds, rounded down.
fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}
