//! Where a demo happens: its folder, its servers, what each step took.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::findings::{PARTIAL, REPLACED};
use crate::cli::{Failure, Session, target};
use crate::context::{Context, shell_word};
use crate::services::{self, Guard, Options, Running};
use crate::studies::Question;
use crate::{report, snapshot};

/// Folders a demo makes, and replaces where an earlier one made them.
const MADE: [&str; 4] = ["snapshot", "studies", "report", SERVERS];
const SERVERS: &str = "servers";
/// Within it the write-back runs.
const RUNS: &str = "writeback";
const TRUTH: &str = "truth.json";

/// One step that is behind us.
struct Took {
    what: &'static str,
    how_much: String,
    time: Duration,
}

/// The folder of a demo and the steps so far.
pub(super) struct Stage<'a> {
    pub dir: PathBuf,
    /// Keeps other demos out of the folder. A file system without locks works as well as it did.
    _lock: report::Alone,
    session: &'a Session,
    steps: Vec<Took>,
    began: Instant,
    server_pids: Vec<i32>,
    server_peak_kib: u64,
}

impl<'a> Stage<'a> {
    /// Takes the folder: makes it, or clears what an earlier demo left there.
    pub fn prepare(dir: &Path, session: &'a Session) -> Result<Self, Failure> {
        let lock = report::alone(dir)?.ok_or_else(|| {
            let other = anyhow::Error::msg(format!("another demo runs in `{}`", dir.display()));
            Failure::environment("cannot begin a demo", other)
                .with_hint("wait for it, or name another folder with --dir")
        })?;
        only_a_demos(dir)?;
        if services::remove(&dir.join(SERVERS))? {
            session.printer.note("removed the servers an earlier demo left behind");
        }
        for name in MADE {
            for path in [dir.join(name), dir.join(format!("{name}.partial"))] {
                if path.exists() {
                    fs_err::remove_dir_all(path)?;
                }
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
            session,
            steps: Vec::new(),
            began: Instant::now(),
            server_pids: Vec::new(),
            server_peak_kib: 0,
        })
    }

    /// Writes the planted truth beside what the demo leaves.
    pub fn truth(&self, json: &str) -> Result<(), Failure> {
        Ok(fs_err::write(self.dir.join(TRUTH), json)?)
    }

    /// Starts the private servers.
    pub fn servers(&mut self, keep: bool, cx: &Context) -> Result<Guard, Failure> {
        let clock = Instant::now();
        // Servers that outlive the demo keep their data; the others trade durability for speed.
        let options = Options { dir: self.dir.join(SERVERS), fast: !keep };
        let guard = Guard::up(&options, cx)?;
        self.server_pids = guard.running().servers.iter().filter_map(|s| s.pid).collect();
        let versions: Vec<String> =
            guard.running().servers.iter().map(|s| format!("{} {}", s.name, s.version)).collect();
        self.done("start servers", clock, versions.join(", "));
        Ok(guard)
    }

    /// Where write-back runs are kept: as long as the graph they were written into, because they are of no use without.
    pub fn ledger(&self) -> PathBuf {
        self.dir.join(SERVERS).join(RUNS)
    }

    /// Stops the servers, or lets them live and says how to reach them.
    pub fn leave(&mut self, servers: Guard, keep: bool) -> Result<(), Failure> {
        self.server_peak_kib = self.server_pids.iter().map(|&pid| peak_with_children(pid)).sum();
        if keep {
            let running: Running = servers.keep();
            let printer = self.session.printer;
            printer.data(format_args!("SONOGRAPH_FALKORDB_URL='{}'", running.falkordb_url.expose()))?;
            printer.data(format_args!("SONOGRAPH_POSTGRES_URL='{}'", running.postgres_url.expose()))?;
            let servers = self.dir.join(SERVERS).display().to_string();
            let servers = shell_word(&servers);
            printer.note(format_args!(
                "the servers go on; `sonograph services down --remove --dir {servers}` stops them and removes their data"
            ));
        } else {
            self.forget_runs()?;
            servers.stop()?;
        }
        Ok(())
    }

    /// Removes the write-back runs of a graph that goes.
    pub fn forget_runs(&self) -> Result<(), Failure> {
        if self.ledger().exists() {
            fs_err::remove_dir_all(self.ledger())?;
        }
        // Empty where no private servers lived there.
        std::fs::remove_dir(self.dir.join(SERVERS)).ok();
        Ok(())
    }

    /// Notes that a step is done and tells the human.
    pub fn done(&mut self, what: &'static str, since: Instant, how_much: impl Into<String>) {
        let took = Took { what, how_much: how_much.into(), time: since.elapsed() };
        self.session.printer.note(format_args!(
            "{:<22} {:>7.2} s   {}",
            took.what,
            took.time.as_secs_f64(),
            took.how_much
        ));
        self.steps.push(took);
    }

    /// Says where everything lies and what to try next.
    pub fn summary(&self, embedded: bool) {
        let printer = self.session.printer;
        let dir = self.dir.display();
        let snapshot = self.dir.join("snapshot").display().to_string();
        let snapshot = shell_word(&snapshot);
        let own = peak_kib("self");
        let mib = |kib: u64| kib as f64 / 1024.0;
        printer.note(format_args!(
            "\ndone in {:.1} s; peak memory {:.0} MiB of sonograph{}",
            self.began.elapsed().as_secs_f64(),
            mib(own),
            if self.server_pids.is_empty() {
                String::new()
            } else {
                format!(
                    " and {:.0} MiB of its servers, {:.0} MiB together",
                    mib(self.server_peak_kib),
                    mib(own + self.server_peak_kib)
                )
            }
        ));
        printer.note(format_args!("\nreport    {dir}/report/index.html"));
        printer.note(format_args!("answers   {dir}/studies/<family>/*.parquet, findings.json"));
        printer.note(format_args!("snapshot  {dir}/snapshot"));
        printer.note(format_args!("truth     {dir}/{TRUTH}: what was planted"));
        printer.note("\ntry next");
        printer.note(format_args!(
            "  sonograph study influence --snapshot {snapshot} --relations FOLLOWS --top 20"
        ));
        printer.note(format_args!("  sonograph study conversion --snapshot {snapshot} --format csv"));
        printer.note(format_args!("  sonograph snapshot show {snapshot}"));
        if !embedded {
            printer.note(format_args!(
                "  sonograph demo --keep    # leaves the servers running to look around in"
            ));
        }
    }
}

/// Refuses a folder that holds anything a demo would remove and did not make.
fn only_a_demos(dir: &Path) -> Result<(), Failure> {
    let refuse = |name: &str| {
        Err(Failure::input(format!("`{}` holds `{name}`, which no demo made", dir.display()))
            .with_hint("name an empty or new folder with --dir"))
    };
    // What a demo leaves stands beside the truth it planted; of one that was stopped before, servers alone are left.
    let is_demos = dir.join(TRUTH).is_file();
    for name in names(dir)? {
        let stem = name.strip_suffix(".partial").unwrap_or(&name);
        let is_known = name == TRUTH || stem == SERVERS || (is_demos && MADE.contains(&stem));
        if !is_known || (name != TRUTH && !dir.join(&name).is_dir()) {
            return refuse(&name);
        }
    }
    let families: Vec<&str> = Question::all().iter().map(|question| question.family().name).collect();
    let page = ["index.html", "report.md", "figures", "tables", "report.partial"];
    let servers = [&services::FILES[..], &[RUNS]].concat();
    for (folder, known) in [("report", &page[..]), ("studies", &families), (SERVERS, &servers)] {
        // What was being written when a demo was killed has an ending of its own.
        let stem = |name: &str| {
            let ended = [PARTIAL, REPLACED].iter().find_map(|ending| name.strip_suffix(ending));
            ended.unwrap_or(name).to_owned()
        };
        let is_known = |name: &String| [name, &stem(name)].iter().any(|name| known.contains(&name.as_str()));
        if let Some(name) = names(&dir.join(folder))?.iter().find(|name| !is_known(name)) {
            return refuse(&format!("{folder}/{name}"));
        }
    }
    families.iter().try_for_each(|family| target::replaceable(&dir.join("studies"), family))?;
    report::check_target(&dir.join("report"))?;
    Ok(snapshot::check_target(&dir.join("snapshot"), true)?)
}

/// What lies in a folder, in order; nothing where there is none.
fn names(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = match fs_err::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Peak resident memory of a process in KiB, 0 where the system does not tell.
fn peak_kib(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The same for a server and the processes it started that still live.
fn peak_with_children(pid: i32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    peak_kib(&pid.to_string()) + children.split_whitespace().map(peak_kib).sum::<u64>()
}
