//! The program, run as a user would.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What of the developer's environment reaches the program: where binaries of servers lie, nothing of a project.
const PASSED_ON: [&str; 9] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "SONOGRAPH_CACHE_DIR",
    "SONOGRAPH_FALKORDB_MODULE",
    "SONOGRAPH_REDIS_SERVER",
    "SONOGRAPH_POSTGRES_BIN",
];

/// The program in a folder.
pub fn sonograph(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).args(arguments).env_clear();
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // No configuration of the developer's.
    command.env("XDG_CONFIG_HOME", dir.join("no-configuration"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let code = output.status.code().unwrap_or_else(|| panic!("{}: {stderr}", output.status));
        Self { code, stdout, stderr }
    }

    /// An error a human can use: what was attempted, and what to do now.
    pub fn is_an_error_with_a_hint(&self, code: i32) {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.contains("error: ") && self.stderr.contains("hint: "), "{self:#?}");
    }
}

pub fn said(mut command: Command) -> Said {
    Said::of(command.output().expect("the program starts"))
}

/// What a started program said in the end.
pub fn ended(child: Child) -> Said {
    Said::of(child.wait_with_output().expect("the program ends"))
}

/// Standard output of a run that must succeed.
pub fn done(command: Command) -> String {
    let shown = format!("{command:?}");
    let said = said(command);
    assert_eq!(said.code, 0, "{shown}: {said:#?}");
    said.stdout
}
