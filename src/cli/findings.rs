//! A study's answer as files: `OUT/<family>/findings.json`, `scores` and one file per table.
//!
//! What changes between two runs of the same study (duration, threads, tool) is in `run.json` alone.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use super::output::{Format, save_frame};
use super::target;
use super::{Failure, Session};
use crate::context::Unfinished;
use crate::report::Alone;
use crate::studies::{Findings, Question};

const FINDINGS: &str = "findings.json";
const RUN: &str = "run.json";
/// Ending of an answer that is being written.
pub(super) const PARTIAL: &str = ".partial";
/// Ending of an answer that is being replaced.
pub(super) const REPLACED: &str = ".replaced";

/// Writes `findings` into the folder that is held, as a whole or not at all: an earlier answer of the same family is
/// replaced, and there until the new one is.
///
/// Its tables are written again in whatever other formats they were there, so that nobody's file goes without a successor
/// or stays behind from another run.
pub(super) fn save(
    findings: &Findings,
    format: Format,
    held: &Alone,
    took: Duration,
    session: &Session,
) -> Result<(), Failure> {
    let [dir, partial, replaced] =
        ["", PARTIAL, REPLACED].map(|ending| held.out.join(format!("{}{ending}", findings.family)));
    // Killed between the two renames below, a process leaves the earlier answer aside.
    if !dir.exists() && replaced.exists() {
        fs_err::rename(&replaced, &dir)?;
    }
    target::replaceable(&held.out, findings.family)?;
    remove(&partial)?;
    remove(&replaced)?;
    fs_err::create_dir_all(&partial)?;
    let _unfinished = Unfinished(&partial);
    let mut formats = earlier(&dir);
    formats.insert(format);
    write(findings, &formats, &partial)?;
    let run = json!({
        "took_ms": took.as_secs_f64() * 1e3,
        "threads": session.cx.threads,
        "tool": concat!("sonograph ", env!("CARGO_PKG_VERSION")),
    });
    write_json(&partial.join(RUN), &run)?;
    if dir.exists() {
        fs_err::rename(&dir, &replaced)?;
    }
    if let Err(error) = fs_err::rename(&partial, &dir) {
        // Where even this fails, the next run finds it aside.
        let _ = fs_err::rename(&replaced, &dir);
        return Err(error.into());
    }
    remove(&replaced)
}

fn remove(dir: &Path) -> Result<(), Failure> {
    match fs_err::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Names of the files that an answer of `family` in the folder `dir` is made of, in every format; none where there is no
/// answer.
pub(super) fn files(dir: &Path, family: &str) -> BTreeSet<String> {
    let Ok(text) = std::fs::read(dir.join(FINDINGS)) else { return BTreeSet::new() };
    // Those of another version are told by the answer, those of a damaged answer by the family.
    let told: Value = serde_json::from_slice(&text).unwrap_or_default();
    let told = told.get("rows").and_then(Value::as_object);
    let told = told.into_iter().flat_map(|rows| rows.keys().map(String::as_str));
    let families = Question::all().into_iter().map(|question| question.family());
    let declared = families.filter(|f| f.name == family).flat_map(|f| f.tables.iter().map(|table| table.0));
    let endings = || Format::value_variants().iter().map(|format| format.extension());
    told.chain(declared)
        .chain(["scores"])
        .flat_map(|stem| endings().map(move |ending| format!("{stem}.{ending}")))
        .chain([FINDINGS.to_owned(), RUN.to_owned()])
        .collect()
}

/// Formats of the tables in a folder of findings.
fn earlier(dir: &Path) -> BTreeSet<Format> {
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeSet::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let tables = names.filter(|name| ![FINDINGS, RUN].contains(&name.as_str()));
    let format = |name: String| {
        let ending = Path::new(&name).extension()?.to_str()?.to_owned();
        Format::value_variants().iter().copied().find(|format| format.extension() == ending)
    };
    tables.filter_map(format).collect()
}

fn write(findings: &Findings, formats: &BTreeSet<Format>, dir: &Path) -> Result<(), Failure> {
    let (mut rows, mut sums) = (Map::new(), Map::new());
    let scores = findings.scores.as_ref();
    for (name, frame) in scores
        .map(|s| ("scores", &s.frame))
        .into_iter()
        .chain(findings.tables.iter().map(|t| (t.name, &t.frame)))
    {
        for &format in formats {
            let sum = save_frame(frame, format, dir, name)?;
            sums.insert(format!("{name}.{}", format.extension()), sum.into());
        }
        rows.insert(name.to_owned(), frame.height().into());
    }
    let summary = json!({
        "family": findings.family,
        "parameters": findings.parameters,
        "rows": Value::Object(rows),
        "sha256": Value::Object(sums),
        "scores": scores.map(|s| &s.columns),
        "facts": findings.facts,
        "caveats": findings.caveats,
    });
    write_json(&dir.join(FINDINGS), &summary)
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Failure::environment("cannot write JSON", e))?;
    text.push('\n');
    Ok(fs_err::write(path, text)?)
}
