//! A study's answer as files: `OUT/<family>/findings.json`, `scores` and one file per table.
//!
//! What changes between two runs of the same study (duration, threads, tool) is in `run.json` alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use super::output::{Format, save_frame};
use super::{Failure, Session};
use crate::studies::Findings;

/// Writes `findings` below `out`, as a whole or not at all: an earlier answer of the same family is replaced.
///
/// Its tables are written again in whatever other formats they were there, so that nobody's file goes without a successor
/// or stays behind from another run.
pub(super) fn save(
    findings: &Findings,
    format: Format,
    out: &Path,
    took: Duration,
    session: &Session,
) -> Result<(), Failure> {
    let dir = out.join(findings.family);
    let partial = out.join(format!("{}.partial", findings.family));
    if partial.exists() {
        fs_err::remove_dir_all(&partial)?;
    }
    fs_err::create_dir_all(&partial)?;
    let mut formats = earlier(&dir);
    formats.insert(format);
    write(findings, &formats, &partial)?;
    let run = json!({
        "took_ms": took.as_secs_f64() * 1e3,
        "threads": session.cx.threads,
        "tool": concat!("sonograph ", env!("CARGO_PKG_VERSION")),
    });
    write_json(&partial.join("run.json"), &run)?;
    if dir.exists() {
        if !dir.join("findings.json").is_file() {
            return Err(Failure::input(format!("`{}` holds something else than findings", dir.display()))
                .with_hint("name another folder with --out"));
        }
        fs_err::remove_dir_all(&dir)?;
    }
    fs_err::rename(&partial, &dir)?;
    Ok(())
}

/// Formats of the tables in a folder of findings.
fn earlier(dir: &Path) -> BTreeSet<Format> {
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeSet::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let tables = names.filter(|name| !["findings.json", "run.json"].contains(&name.as_str()));
    let format = |name: String| {
        let ending = Path::new(&name).extension()?.to_str()?.to_owned();
        Format::value_variants().iter().copied().find(|format| format.extension() == ending)
    };
    tables.filter_map(format).collect()
}

fn write(findings: &Findings, formats: &BTreeSet<Format>, dir: &Path) -> Result<(), Failure> {
    let mut rows = Map::new();
    let scores = findings.scores.as_ref();
    for (name, frame) in scores
        .map(|s| ("scores", &s.frame))
        .into_iter()
        .chain(findings.tables.iter().map(|t| (t.name, &t.frame)))
    {
        for &format in formats {
            save_frame(frame, format, dir, name)?;
        }
        rows.insert(name.to_owned(), frame.height().into());
    }
    let summary = json!({
        "family": findings.family,
        "parameters": findings.parameters,
        "rows": Value::Object(rows),
        "scores": scores.map(|s| &s.columns),
        "facts": findings.facts,
        "caveats": findings.caveats,
    });
    write_json(&dir.join("findings.json"), &summary)
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Failure::environment("cannot write JSON", e))?;
    text.push('\n');
    Ok(fs_err::write(path, text)?)
}
