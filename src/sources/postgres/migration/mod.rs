//! Is a database that was moved to another server really the same one? Two [`Survey`]s in, a [`Verdict`] out.
//!
//! Rows that agree prove little: a restore that dies half-way has every row and no key, no index, no foreign key, and a
//! logical replication leaves every sequence at its start. So everything a database is made of is compared: see `checks.rs`
//! for the list. Reading (`read.rs`) writes nothing, on either side; comparing is pure.

mod checks;
mod data;
mod read;
mod services;
mod structure;
mod survey;
mod verdict;

#[cfg(test)]
mod tests;

pub use checks::compare;
pub use read::{Scope, survey};
pub use services::compare as compare_services;
pub use survey::{Extension, Item, Leftover, Published, Sequence, Survey, Table};
pub use verdict::{Check, Status, Verdict};
