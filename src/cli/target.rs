//! Where answers may be written.

use std::io::ErrorKind;
use std::path::Path;

use super::Failure;
use super::findings::{self, PARTIAL, REPLACED};
use crate::context::{Fault, leads_somewhere};
use crate::report::{self, Alone};
use crate::studies::Question;

/// Holds the folder until the answers are in it.
pub(super) fn hold(out: &Path) -> Result<Alone, Failure> {
    report::alone(out)?.ok_or_else(|| Failure {
        error: anyhow::Error::msg(format!(
            "another study or report is being written into `{}`",
            out.display()
        )),
        fault: Fault::Environment,
        hint: Some("wait until it is there, or name another folder with --out".to_owned()),
    })
}

/// Refuses a folder in which answers of `families` would mix with other people's things: a snapshot, or whatever is
/// neither empty nor holds an earlier answer, report or planted truth; and one where they would replace more than earlier
/// answers. Cheap, so that it can be asked before anything is computed.
pub(super) fn check(out: &Path, families: &[&str]) -> Result<(), Failure> {
    let refuse = |what: &str| {
        Err(Failure::input(format!("cannot write answers into `{}`: {what}", out.display()))
            .with_hint("name a new or empty folder, or one of earlier answers, with --out"))
    };
    if let Err(error) = leads_somewhere(out) {
        return refuse(&error.to_string());
    }
    let entries = match fs_err::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return refuse("it is a file"),
        Err(error) => return Err(error.into()),
    };
    if out.join("manifest.json").exists() {
        return refuse("it is a snapshot, or another thing with a manifest.json");
    }
    let mut known = out.join("index.html").is_file() && out.join("report.md").is_file();
    let mut stranger = None;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = [PARTIAL, REPLACED].iter().find_map(|ending| name.strip_suffix(ending));
        let left_over = |family: &str| stem == Some(family) || (name == family && is_empty(&path));
        known |= name == "truth.json"
            || path.join("findings.json").is_file()
            || Question::all().iter().any(|question| left_over(question.family().name));
        stranger = stranger.max(Some(name));
    }
    match stranger {
        Some(name) if !known => refuse(&format!("it holds `{name}`, which is no answer of a study")),
        _ => families.iter().try_for_each(|family| replaceable(out, family)),
    }
}

/// Refuses a folder whose answer of `family` has something beside it that no study wrote, because a new answer takes the
/// place of everything that is there.
pub(super) fn replaceable(out: &Path, family: &str) -> Result<(), Failure> {
    let dir = out.join(family);
    let refuse = |what: &str| {
        Err(Failure::input(format!("cannot write answers into `{}`: {what}", dir.display()))
            .with_hint("move it, or name another folder with --out"))
    };
    let entries = match fs_err::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return refuse("it is a file"),
        Err(error) => return Err(error.into()),
    };
    let files = findings::files(&dir, family);
    let mut stranger = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !files.contains(&name) || entry.file_type()?.is_dir() {
            stranger = stranger.max(Some(name));
        }
    }
    stranger.map_or(Ok(()), |name| refuse(&format!("it holds `{name}`, which is no part of an answer")))
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}
