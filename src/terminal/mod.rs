//! Everything a human sees: printer, progress, tables, error rendering, exit codes.
//!
//! Data goes to stdout and nothing else does; all the rest goes to stderr and can be read without colour.

mod printer;
mod progress;
mod table;

use std::process::ExitCode;

pub use printer::Printer;
pub use progress::{ProgressMode, progress};
pub use table::{Align, Grid};

use crate::context::Fault;

/// The process exit code for a fault.
pub fn exit_code(fault: Fault) -> ExitCode {
    ExitCode::from(match fault {
        Fault::Negative => 1,
        Fault::Input => 2,
        Fault::Environment => 3,
        Fault::Cancelled => 130,
    })
}
