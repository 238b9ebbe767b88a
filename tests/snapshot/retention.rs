//! `snapshot prune`, through the binary.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use sonograph::context::Context;
use sonograph::snapshot::{discard, write};

use crate::graphs;

fn prune(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .args(["snapshot", "prune"])
        .args(args)
        .output()
        .expect("it runs")
}

fn frozen(dir: &Path, name: &str, finished: &str) {
    let at = dir.join("snapshots").join(name);
    write(&at, &graphs::small(), &graphs::input(), &Context::silent()).expect("written");
    let file = at.join("run.json");
    let mut run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect("there")).expect("JSON");
    run["finished"] = finished.into();
    std::fs::write(file, run.to_string()).expect("written");
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir.join("snapshots")).expect("a folder");
    entries.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect()
}

/// Three in week 47, of which Sunday's is the last; one in week 46, none in 45, one in 44.
fn city() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, finished) in [
        ("d", "2026-11-16T00:00:00Z"),
        ("e", "2026-11-22T23:59:59Z"),
        ("c", "2026-11-18T06:00:00Z"),
        ("b", "2026-11-15T23:59:59Z"),
        ("a", "2026-11-01T12:00:00Z"),
    ] {
        frozen(dir.path(), name, finished);
    }
    dir
}

#[test]
fn the_last_of_each_of_the_last_weeks_stays_and_nothing_goes_before_it_was_shown() {
    let dir = city();
    let shown = prune(dir.path(), &["--keep-weeks", "2", "--format", "csv"]);
    let text = String::from_utf8(shown.stdout).expect("text");
    let without_bytes: Vec<String> = text
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{} {} {}", cells[0], cells[1], cells[3])
        })
        .collect();
    assert_eq!(
        without_bytes,
        [
            "name week action",
            "e 2026-W47 keep",
            "b 2026-W46 keep",
            "c 2026-W47 remove",
            "d 2026-W47 remove",
            "a 2026-W44 remove"
        ]
    );
    assert_eq!(names(dir.path()).len(), 5, "showing removes nothing");
    assert!(String::from_utf8_lossy(&shown.stderr).contains("--yes"));
    let done = prune(dir.path(), &["--keep-weeks", "2", "--yes"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(names(dir.path()), BTreeSet::from(["b".to_owned(), "e".to_owned()]));
    let again = prune(dir.path(), &["--keep-weeks", "2", "--yes"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to remove"));
    assert_eq!(prune(dir.path(), &["--keep-weeks", "0"]).status.code(), Some(2));
    assert_eq!(prune(dir.path(), &[]).status.code(), Some(2));
}

#[test]
fn what_is_not_ours_alone_or_has_no_week_stays_and_is_named() {
    let dir = city();
    let snapshots = dir.path().join("snapshots");
    std::fs::write(snapshots.join("c/notes.md"), "mine").expect("written");
    std::fs::remove_file(snapshots.join("a/run.json")).expect("removed");
    std::fs::create_dir(snapshots.join("theirs")).expect("made");
    std::fs::write(snapshots.join("theirs/file"), "theirs").expect("written");
    let elsewhere = tempfile::tempdir().expect("a folder");
    frozen(elsewhere.path(), "x", "2020-01-01T00:00:00Z");
    std::os::unix::fs::symlink(elsewhere.path().join("snapshots/x"), snapshots.join("link")).expect("linked");
    let done = prune(dir.path(), &["--keep-weeks", "1", "--yes"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("c stays") && said.contains("notes.md"), "{said}");
    assert!(said.contains("a stays") && said.contains("run.json"), "{said}");
    assert!(said.contains("link stays"), "{said}");
    let left = ["a", "c", "e", "link", "theirs"].map(str::to_owned);
    assert_eq!(names(dir.path()), BTreeSet::from(left));
    assert!(elsewhere.path().join("snapshots/x/manifest.json").is_file());
}

#[test]
fn what_a_killed_removal_leaves_is_no_snapshot_and_is_cleaned_by_the_next_write() {
    let dir = city();
    let snapshots = dir.path().join("snapshots");
    // As it is between the renaming and the end.
    std::fs::write(snapshots.join("a/.writing"), "").expect("written");
    std::fs::rename(snapshots.join("a"), snapshots.join("a.partial")).expect("renamed");
    std::fs::remove_dir_all(snapshots.join("a.partial/nodes")).expect("removed");
    let listed = sonograph::snapshot::list(&snapshots).expect("a list");
    assert!(listed.iter().all(|one| one.name != "a.partial"));
    frozen(dir.path(), "f", "2026-11-23T00:00:00Z");
    assert!(!snapshots.join("a.partial").exists());
    discard(&snapshots.join("f")).expect("it goes");
    assert!(!names(dir.path()).iter().any(|name| name.starts_with('f')));
}
