//! Cognee: what agents remember, a graph of its own in `FalkorDB`.
//!
//! [`scan`] reads such a graph by bounded pages and without its vectors, [`datapoints`] puts it into tables,
//! [`mentions`] looks for business nodes its entities may mean, [`list`] finds such graphs on a server.
//! Nothing here writes, and a mention is a candidate: neither graph ever learns of it.

pub mod datapoints;
mod likeness;
mod mentions;
mod scan;

pub use likeness::{Likeness, list};
pub use mentions::mentions;
pub use scan::{Remembered, scan, size};
