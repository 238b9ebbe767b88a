//! What a user sees: messages, hints and exit codes, as snapshots with paths and ports filtered.
#![allow(clippy::print_stderr)] // a test that is skipped says so

mod errors;
mod folders;
mod paths;
mod servers;

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

/// The program in an empty folder, with nothing of the developer's environment.
pub fn sonograph(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir);
    command
}

/// Runs a command line and shows exit code, stdout and stderr, with what changes from run to run filtered.
pub fn shown(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let code = output.status.code().map_or_else(|| "signal".to_owned(), |c| c.to_string());
    format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

/// URL of a server that `scripts/test` starts.
pub fn server(system: &str) -> url::Url {
    url::Url::parse(&support::url(system)).expect("it is a URL")
}
