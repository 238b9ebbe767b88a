//! Disks that are full, pipes among files, links that lead nowhere, and ranges that are empty.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;

use crate::{shown, sonograph};

/// Runs a command line that must end with `code` and say all of `words`.
fn ends(dir: &Path, line: &str, code: i32, words: &[&str]) {
    said(sonograph(dir).args(line.split(' ')), line, code, words);
}

fn said(command: &mut Command, line: &str, code: i32, words: &[&str]) {
    let said = shown(command);
    assert!(said.starts_with(&format!("exit {code}\n")), "{line}: {said}");
    for words in words {
        assert!(said.contains(words), "{line}: {words:?} is not in: {said}");
    }
}

/// A folder with the snapshot `city` of a synthetic city, and `frozen` of a small graph.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("edges.csv"), "src,dst,weight\nanna,ben,1\nben,cleo,2\n").expect("written");
    ends(dir.path(), "snapshot import --edges edges.csv --out frozen", 0, &[]);
    ends(dir.path(), "synth city --people 100 --seed 3 --to snapshot --out city", 0, &[]);
    dir
}

/// The program where no file may grow beyond so many KiB, which it meets as it meets a full disk.
fn cramped(dir: &Path, kib: u32, line: &str) -> Command {
    let program = sonograph(dir);
    let mut command = Command::new("sh");
    // `ulimit -f` counts 512 bytes; the signal that comes with the refusal would end a program that does not ignore it.
    command.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh", &(kib * 2).to_string()]);
    command.arg(program.get_program()).args(line.split(' ')).current_dir(dir).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn what_finds_no_room_on_the_disk_leaves_nothing_behind_and_names_the_place() {
    let dir = project();
    let dir = dir.path();
    let before = all(dir);
    for (line, place, kib) in [
        ("synth city --people 100 --seed 3 --to snapshot --out full", "full.partial/", 8),
        ("snapshot export --snapshot city --out full --format csv", "full.partial/", 8),
        ("snapshot export --snapshot city --out full --format parquet", "full.partial/", 8),
        ("study influence --snapshot city --out full", "full/influence.partial/scores.parquet", 8),
        ("study influence --snapshot city --out full --format csv", "full/influence.partial/scores.csv", 8),
        ("report weekly --snapshot city --out full", "full/report.partial/", 16),
    ] {
        said(&mut cramped(dir, kib, line), line, 3, &[place, "too large", "hint: "]);
        let left: Vec<_> = all(dir).into_iter().filter(|path| !before.contains(path)).collect();
        assert!(left.iter().all(|path| path == "full"), "{line} left {left:?}");
        let _ = fs::remove_dir(dir.join("full"));
    }
    // Where there is an answer already, it stays.
    ends(dir, "study influence --snapshot city --out out", 0, &[]);
    let answer = all(&dir.join("out"));
    let again = "study influence --snapshot city --out out --damping 0.5";
    said(&mut cramped(dir, 8, again), again, 3, &["scores.parquet"]);
    assert_eq!(all(&dir.join("out")), answer);
}

/// Everything below a folder, as paths.
fn all(dir: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            found.push(path.strip_prefix(dir).expect("below it").display().to_string());
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_pipe_among_the_files_of_a_snapshot_is_named_and_not_waited_for() {
    let dir = project();
    let frozen = dir.path().join("frozen");
    let pipe = |name: &str| {
        let path = frozen.join(name);
        let whole = fs::read(&path).expect("a file");
        fs::remove_file(&path).expect("removed");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("made");
        move || {
            fs::remove_file(&path).expect("removed");
            fs::write(&path, whole).expect("written");
        }
    };
    let restore = pipe("nodes/Node.parquet");
    let named = "nodes/Node.parquet` is a named pipe, not a regular file";
    ends(dir.path(), "snapshot verify frozen", 1, &[named]);
    for line in ["study influence --snapshot frozen --out o", "report weekly --snapshot frozen --out o"] {
        ends(dir.path(), line, 2, &[named, "hint: "]);
    }
    restore();
    let restore = pipe("manifest.json");
    ends(dir.path(), "snapshot verify frozen", 2, &["manifest.json` is a named pipe"]);
    restore();
    let restore = pipe("run.json");
    ends(dir.path(), "snapshot verify frozen", 0, &[]);
    restore();
    ends(dir.path(), "study influence --snapshot frozen --out o", 0, &[]);
    fs::remove_file(dir.path().join("o/influence/scores.parquet")).expect("removed");
    nix::unistd::mkfifo(&dir.path().join("o/influence/scores.parquet"), Mode::S_IRWXU).expect("made");
    ends(dir.path(), "writeback plan --snapshot frozen --from o", 2, &["scores.parquet"]);
}

#[test]
fn scores_that_are_not_the_ones_the_study_wrote_are_not_written_back() {
    let dir = project();
    ends(dir.path(), "study influence --snapshot frozen --out out", 0, &[]);
    ends(dir.path(), "study influence --snapshot frozen --out other --damping 0.5", 0, &[]);
    let scores = "influence/scores.parquet";
    fs::copy(dir.path().join("other").join(scores), dir.path().join("out").join(scores)).expect("copied");
    let words = ["cannot read `out/influence/scores.parquet`: its SHA-256", "hint: run the study again"];
    ends(dir.path(), "writeback plan --snapshot frozen --from out", 2, &words);
}

#[test]
fn a_link_that_leads_nowhere_is_told_as_one() {
    let dir = project();
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).expect("made");
    let named = "`link` is a link to `nowhere`, which does not exist";
    for line in [
        "snapshot import --edges link --out new",
        "snapshot import --edges edges.csv --out link",
        "snapshot verify link",
        "study influence --snapshot link --out o",
        "study influence --snapshot frozen --out link",
        "report weekly --snapshot city --out link",
    ] {
        ends(dir.path(), line, 2, &[named]);
    }
    let mut list = sonograph(dir.path());
    said(list.env("SONOGRAPH_SNAPSHOTS_DIR", "link").args(["snapshot", "list"]), "list", 2, &[named]);
    assert!(!dir.path().join("nowhere").exists() && !dir.path().join("link.partial").exists());
}

#[test]
fn a_folder_that_may_not_be_written_is_told_with_what_to_do() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: root may write wherever it likes");
        return;
    }
    let dir = project();
    let shut = dir.path().join("shut");
    fs::create_dir(&shut).expect("made");
    let mode = |mode| {
        fs::set_permissions(&shut, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("it is ours");
    };
    mode(0o500);
    for line in [
        "snapshot import --edges edges.csv --out shut/new",
        "study influence --snapshot frozen --out shut/new",
        "report weekly --snapshot city --out shut/new",
    ] {
        ends(dir.path(), line, 3, &["shut/", "hint: `ls -ld`"]);
    }
    mode(0o700);
}

#[test]
fn a_file_where_a_folder_should_be_is_the_users_to_mend_wherever_it_is_named() {
    let dir = project();
    for file in ["/dev/null", "edges.csv"] {
        for verb in ["status", "down", "up"] {
            let line = format!("services {verb} --dir {file}");
            ends(dir.path(), &line, 2, &[file, "is no folder, so no services can live there", "hint: "]);
        }
        let mut list = sonograph(dir.path());
        let words = [file, "Not a directory"];
        said(list.env("SONOGRAPH_SNAPSHOTS_DIR", file).args(["snapshot", "list"]), "list", 2, &words);
    }
    ends(dir.path(), "services status --dir nowhere", 0, &["there are no servers in nowhere"]);
}

#[test]
fn a_range_without_a_moment_and_a_computation_without_a_step_are_refused() {
    let dir = project();
    let dir = dir.path();
    ends(
        dir,
        "study influence --snapshot city --out o --since 2026-01-02 --as-of 2026-01-01",
        2,
        &[
            "at or after 2026-01-02T00:00:00Z and not after 2026-01-01T00:00:00Z",
            "hint: `--since` takes the earlier",
        ],
    );
    for family in ["influence", "community", "paths --from a --to b"] {
        let line = format!("study {family} --snapshot city --out o --since 2199-01-01");
        let words = [
            "no moment is at or after 2199-01-01T00:00:00Z",
            "hint: the newest moment of this snapshot is 20",
        ];
        ends(dir, &line, 2, &words);
    }
    ends(dir, "study influence --snapshot city --out o --as-of 2026-01-01 --since 2026-01-01", 0, &[]);
    ends(
        dir,
        "study influence --snapshot city --out o --max-iterations 0",
        2,
        &["0 iterations rank nothing", "hint: `--max-iterations` takes 1 or more"],
    );
}

#[test]
fn a_url_that_cannot_be_read_is_told_with_how_to_write_it_and_without_its_password() {
    let dir = tempfile::tempdir().expect("a folder");
    for (variable, url, words) in [
        ("SONOGRAPH_FALKORDB_URL", "redis://:pa#ss@127.0.0.1:1", "hint: percent-encode"),
        ("SONOGRAPH_FALKORDB_URL", "127.0.0.1:1", "as redis://user:password@host:port"),
        ("SONOGRAPH_POSTGRES_URL", "postgresql://ana:pa/ss@127.0.0.1:1/db", "`/` as %2F"),
        ("SONOGRAPH_POSTGRES_URL", "no url", "as postgresql://user:password@host:port"),
    ] {
        let mut command = sonograph(dir.path());
        command.env("SONOGRAPH_FALKORDB_URL", "redis://127.0.0.1:1");
        command.env("SONOGRAPH_POSTGRES_URL", "postgresql://127.0.0.1:1/db").env(variable, url);
        let told = shown(command.args(["mirror", "plan"]));
        assert!(
            told.starts_with("exit 2\n") && told.contains(words) && told.contains(variable),
            "{url}: {told}"
        );
        assert!(!told.contains("pa#ss") && !told.contains("pa/ss"), "{told}");
    }
}

#[test]
fn doctor_comes_out_as_every_other_table_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |flags: &str| {
        let told = shown(sonograph(dir.path()).arg("doctor").args(flags.split_whitespace()));
        told.split_once("--- stderr").expect("both").0.to_owned()
    };
    assert_eq!(run("--json"), run("--format json"));
    assert!(run("--json").contains("{\"system\":\"FalkorDB\""));
    assert_eq!(run(""), run("--format table"));
    assert!(run("--format csv").contains("system,check,verdict,found,hint\nFalkorDB,reachable,failed,"));
    assert!(run("--json --format csv").starts_with("exit 2\n"));
}
