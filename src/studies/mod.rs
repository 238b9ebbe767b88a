//! Questions and their algorithms.
//!
//! A study takes a graph and parameters and answers with [`Findings`], the only thing report and write-back ever see.

pub mod findings;

pub use findings::Findings;
