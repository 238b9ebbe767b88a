//! Findings → HTML, Markdown, figures and tables.
//!
//! [`weekly`] is the one door. The page holds everything it shows: no script, no font, no request. Nothing in it is
//! read from a clock; the same snapshot and findings give the same bytes.

mod axis;
mod canvas;
pub mod charts;
mod found;
mod history;
mod network;
mod numbers;
mod page;
mod tables;

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, escape_formatter};

use crate::context::{Cancelled, Context, Diagnose, Fault, Unfinished, hint_for, leads_somewhere, visible};
use crate::snapshot::tables::Tables;
use crate::studies::findings::Findings;
use canvas::DrawError;
use charts::Look;

/// Longer tables are for programs, and these read Parquet.
const CSV_ROWS: usize = 100_000;

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct ReportInput<'a> {
    /// Heading of the page.
    pub title: &'a str,
    /// Which snapshot this is.
    pub snapshot: SnapshotFacts,
    /// The snapshot's tables: names, row counts and the headline row are read from them.
    pub tables: &'a Tables,
    /// What the studies found, in any order.
    pub findings: &'a [Findings],
    /// The folder to write into; an earlier report there is replaced, other files stay.
    pub out: &'a Path,
}

/// What the report says about its snapshot.
#[derive(Debug, Clone, Default)]
pub struct SnapshotFacts {
    /// The name by which a command finds it: a folder, or `latest`.
    pub reference: String,
    /// Digest over its tables.
    pub digest: String,
    /// The newest instant of the data in µs since 1970 UTC; the date of the report.
    pub as_of: Option<i64>,
    /// Where it came from: system, then version or position.
    pub sources: Vec<(String, String)>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPaths {
    /// The page.
    pub html: PathBuf,
    /// The summary for chat.
    pub markdown: PathBuf,
    /// Folder of `*.svg` and `*.png`.
    pub figures: PathBuf,
    /// Folder of `*.parquet`, and of `*.csv` where a table has at most 100,000 rows.
    pub tables: PathBuf,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder holds what a report would replace, and it is not a report's.
    #[error("`{}` holds something else than a report", .0.display())]
    Occupied(PathBuf),
    /// The folder of an earlier report holds what that did not write, where a report replaces everything.
    #[error("`{}` holds `{name}`, which is no part of a report", out.display())]
    Foreign {
        /// The folder.
        out: PathBuf,
        /// Path below it.
        name: String,
    },
    /// Another report, or an answer, is being written there.
    #[error("another report or study is being written into `{}`", .0.display())]
    Busy(PathBuf),
    /// A file or folder could not be written.
    #[error("cannot write the report to `{}`", path.display())]
    Write {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A figure could not be drawn.
    #[error("cannot draw the figure `{figure}`")]
    Draw {
        /// Its name.
        figure: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A template could not be filled in.
    #[error("cannot fill in the template `{template}`")]
    Template {
        /// Its file name.
        template: &'static str,
        /// Where and why.
        #[source]
        source: minijinja::Error,
    },
    /// A table could not be encoded.
    #[error("cannot encode the table `{table}`")]
    Encode {
        /// Its file stem.
        table: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ReportError {
    fn draw(figure: &str, source: DrawError) -> Self {
        Self::Draw { figure: figure.to_owned(), source: Box::new(source) }
    }

    fn encode(table: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Encode { table: table.to_owned(), source: source.into() }
    }
}

impl Diagnose for ReportError {
    fn fault(&self) -> Fault {
        match self {
            Self::Cancelled(cancelled) => cancelled.fault(),
            Self::Occupied(_) | Self::Foreign { .. } => Fault::Input,
            Self::Write { source, .. } => Fault::of_path(source),
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Write { source, .. } => Some(
                hint_for(source).unwrap_or_else(|| "choose a folder you may write with --out".to_owned()),
            ),
            Self::Busy(_) => Some("wait until it is there, or name another folder with --out".to_owned()),
            Self::Foreign { .. } => Some("move it, or name another folder with --out".to_owned()),
            Self::Occupied(_) => {
                Some("name an empty folder, or that of an earlier report, with --out".to_owned())
            }
            _ => None,
        }
    }
}

/// Writes the weekly report: `index.html`, `report.md`, `figures/` and `tables/` below `input.out`.
///
/// The report is made whole in `report.partial` and then moved into place; other files of the folder stay. `O(nodes + edges + rows · log rows)` time,
/// `O(nodes)` memory beyond the input.
///
/// # Errors
/// [`ReportError`] where the folder cannot be written or somebody asked to stop; an earlier report is then as it was.
pub fn weekly(input: &ReportInput<'_>, cx: &Context) -> Result<ReportPaths, ReportError> {
    let charts: usize = input.findings.iter().map(|f| f.charts.len()).sum();
    let tables: usize = input.findings.iter().map(|f| f.tables.len() + usize::from(f.scores.is_some())).sum();
    let (total, mut done) = ((charts + tables + 1) as u64, 0);
    let step = cx.step("write the report", Some(total));
    let page = Value::from(Serde(page::collect(input)?));
    step.tick(1, Some(total))?;

    let failed = |source| ReportError::Write { path: input.out.to_owned(), source };
    let _alone = alone(input.out).map_err(failed)?.ok_or_else(|| ReportError::Busy(input.out.to_owned()))?;
    check_target(input.out)?;
    let partial = input.out.join("report.partial");
    remove(&partial).map_err(failed)?;
    let _unfinished = Unfinished(&partial);
    let (figures, frames) = (partial.join("figures"), partial.join("tables"));
    fs_err::create_dir_all(&figures).map_err(failed)?;
    fs_err::create_dir_all(&frames).map_err(failed)?;

    let templates = templates();
    for (file, template) in [("index.html", "weekly.html"), ("report.md", "weekly.md")] {
        let filled = templates.get_template(template).and_then(|t| t.render(&page));
        let text = filled.map_err(|source| ReportError::Template { template, source })?;
        fs_err::write(partial.join(file), text).map_err(failed)?;
    }
    for findings in input.findings {
        for chart in &findings.charts {
            done += 1;
            step.tick(1 + done, Some(total))?;
            let draw = |source| ReportError::draw(chart.name, source);
            let svg = charts::svg(chart, Look::FILE).map_err(draw)?;
            let png = charts::png(chart, Look::FILE).map_err(draw)?;
            fs_err::write(figures.join(format!("{}.svg", chart.name)), svg).map_err(failed)?;
            fs_err::write(figures.join(format!("{}.png", chart.name)), png).map_err(failed)?;
        }
        let scores = findings.scores.iter().map(|s| ("scores", &s.frame));
        for (name, frame) in scores.chain(findings.tables.iter().map(|t| (t.name, &t.frame))) {
            done += 1;
            step.tick(1 + done, Some(total))?;
            let stem = page::stem(findings, name);
            let parquet = crate::snapshot::parquet_bytes(frame).map_err(|e| ReportError::encode(&stem, e))?;
            fs_err::write(frames.join(format!("{stem}.parquet")), parquet).map_err(failed)?;
            if frame.height() <= CSV_ROWS {
                let csv = tables::csv(frame).map_err(|e| ReportError::encode(&stem, e))?;
                fs_err::write(frames.join(format!("{stem}.csv")), csv).map_err(failed)?;
            }
        }
    }
    replace(&partial, input.out).map_err(failed)?;
    Ok(ReportPaths {
        html: input.out.join("index.html"),
        markdown: input.out.join("report.md"),
        figures: input.out.join("figures"),
        tables: input.out.join("tables"),
    })
}

/// A folder that is held for one writer. What was made of it goes again where nothing was put in.
#[derive(Debug)]
pub struct Alone {
    /// The folder.
    pub out: PathBuf,
    /// Folders that were missing, the innermost first.
    made: Vec<PathBuf>,
    _lock: fs_err::File,
}

impl Drop for Alone {
    fn drop(&mut self) {
        // One with something in it is not removed, and so are none above it.
        let _ = self.made.iter().try_for_each(std::fs::remove_dir);
    }
}

/// Holds the folder, made where it is missing, for one writer at a time; let go when dropped, also by a process that
/// dies. `None`: somebody else holds it.
///
/// # Errors
///
/// When there can be no such folder.
pub fn alone(out: &Path) -> std::io::Result<Option<Alone>> {
    let missing = out.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
    let made = missing.map(Path::to_owned).collect();
    fs_err::create_dir_all(out)?;
    let folder = fs_err::File::open(out)?;
    Ok(match folder.file().try_lock() {
        Err(TryLockError::WouldBlock) => None,
        // A file system without locks writes as well as it did.
        Ok(()) | Err(TryLockError::Error(_)) => Some(Alone { out: out.to_owned(), made, _lock: folder }),
    })
}

/// Refuses a folder that holds what a report would replace, and it is not a report's. Cheap, so that it can be asked
/// before anything is computed.
pub fn check_target(out: &Path) -> Result<(), ReportError> {
    leads_somewhere(out).map_err(|source| ReportError::Write { path: out.to_owned(), source })?;
    if !["index.html", "report.md", "figures", "tables"].iter().any(|name| out.join(name).exists()) {
        return Ok(());
    }
    let occupied = || ReportError::Occupied(out.to_owned());
    let failed = |source| ReportError::Write { path: out.to_owned(), source };
    // A report has a page that names its files; whoever has only one of the names we replace is somebody else.
    let page = std::fs::read_to_string(out.join("index.html")).map_err(|_| occupied())?;
    let mut strangers = BTreeSet::new();
    for (folder, endings) in [("figures", ["svg", "png"]), ("tables", ["parquet", "csv"])] {
        let stems = stems(&page, folder).ok_or_else(occupied)?;
        let files = endings.map(|ending| stems.split(' ').map(move |stem| format!("{stem}.{ending}")));
        let files: BTreeSet<String> = files.into_iter().flatten().collect();
        let entries = match fs_err::read_dir(out.join(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !files.contains(&name) {
                strangers.insert(format!("{folder}/{name}"));
            }
        }
    }
    strangers.pop_first().map_or(Ok(()), |name| Err(ReportError::Foreign { out: out.to_owned(), name }))
}

/// The stems of its files in a folder that the page of a report names.
fn stems<'a>(page: &'a str, folder: &str) -> Option<&'a str> {
    let (_, after) = page.split_once(&format!("<meta name=\"sonograph-{folder}\" content=\""))?;
    after.split_once('"').map(|(stems, _)| stems)
}

fn remove(path: &Path) -> std::io::Result<()> {
    let gone = if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
    match gone {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Moves the whole report into its place. Other files of the folder stay; the page goes first and comes last, so that
/// where there is a page there is all it speaks of.
fn replace(partial: &Path, out: &Path) -> std::io::Result<()> {
    remove(&out.join("index.html"))?;
    for name in ["tables", "figures", "report.md", "index.html"] {
        remove(&out.join(name))?;
        fs_err::rename(partial.join(name), out.join(name))?;
    }
    fs_err::remove_dir(partial)
}

/// The templates, with undefined names refused, HTML escaped, and nothing in a text that acts on its reader.
fn templates() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|template| match template {
        "weekly.md" => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    env.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(visible(text).as_ref())),
        _ => escape_formatter(out, state, value),
    });
    env.add_filter("md", markdown);
    env.add_global("style", Value::from_safe_string(include_str!("templates/weekly.css").to_owned()));
    for (name, source) in [
        ("weekly.html", include_str!("templates/weekly.html")),
        ("weekly.md", include_str!("templates/weekly.md")),
    ] {
        env.add_template(name, source).expect("the bundled templates are well-formed");
    }
    env
}

/// Any text as Markdown that shows it and does nothing else: one line, no markup, no table bar, no HTML.
fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '@' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_hostile_text_and_does_nothing_else() {
        assert_eq!(
            markdown("a|b\n# <img src=x> **c** [d](e)"),
            "a\\|b \\# &lt;img src=x&gt; \\*\\*c\\*\\* \\[d\\](e)"
        );
    }
}
