//! Questions and their algorithms.
//!
//! A study takes a graph and parameters and answers with [`Findings`], the only thing report and write-back ever see.

pub mod community;
pub mod conversion;
pub mod findings;
pub mod influence;
pub mod paths;
#[cfg(test)]
pub(crate) mod samples;
pub mod virality;

pub use findings::Findings;
