//! Where answers may be written.

use std::io::ErrorKind;
use std::path::Path;

use super::Failure;
use crate::studies::Question;

/// Refuses a folder in which answers would mix with other people's things: a snapshot, or whatever is neither empty nor
/// holds an earlier answer, report or planted truth. Cheap, so that it can be asked before anything is computed.
pub(super) fn check(out: &Path) -> Result<(), Failure> {
    let refuse = |what: &str| {
        Err(Failure::input(format!("cannot write answers into `{}`: {what}", out.display()))
            .with_hint("name a new or empty folder, or one of earlier answers, with --out"))
    };
    let entries = match fs_err::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return refuse("it is a file"),
        Err(error) => return Err(error.into()),
    };
    if out.join("manifest.json").exists() {
        return refuse("it is a snapshot, or another thing with a manifest.json");
    }
    let report = out.join("index.html").is_file() && out.join("report.md").is_file();
    let mut stranger = None;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left_over = |family: &str| name.strip_suffix(".partial") == Some(family);
        if report
            || name == "truth.json"
            || path.join("findings.json").is_file()
            || Question::all().iter().any(|question| left_over(question.family().name))
        {
            return Ok(());
        }
        stranger = stranger.max(Some(name));
    }
    match stranger {
        None => Ok(()),
        Some(name) => refuse(&format!("it holds `{name}`, which is no answer of a study")),
    }
}
