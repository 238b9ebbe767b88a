//! Parse, run, answer with an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    sonograph::cli::main()
}
