//! Where snapshots lie: targets, left-overs, the catalogue.

use std::fs;
use std::path::Path;

use sonograph::context::Context;
use sonograph::snapshot::{ManifestInput, SnapshotError, check_target, latest, list, locate, read, write};

use crate::graphs;

fn frozen(dir: &Path) {
    write(dir, &graphs::small(), &graphs::input(), &Context::silent()).expect("written");
}

fn names(dir: &Path) -> Vec<String> {
    list(dir).expect("a folder").into_iter().map(|l| l.name).collect()
}

#[test]
fn a_snapshot_is_replaced_only_where_that_is_asked_for() {
    let keep = tempfile::tempdir().expect("a folder");
    let dir = keep.path().join("s");
    frozen(&dir);
    let again = |replace| {
        let mut tables = graphs::small();
        tables.companions.clear();
        write(&dir, &tables, &ManifestInput { replace, ..graphs::input() }, &Context::silent())
    };
    assert!(matches!(again(false), Err(SnapshotError::Exists(_))));
    assert!(dir.join("tables/touchpoints.parquet").is_file());
    again(true).expect("replaced");
    assert!(!dir.join("tables/touchpoints.parquet").exists());
    assert_eq!(names(keep.path()), ["s"]);
    assert_eq!(fs::read_dir(keep.path()).expect("a folder").count(), 1);
}

#[test]
fn a_snapshot_with_something_of_its_user_in_it_is_refused_by_name() {
    let keep = tempfile::tempdir().expect("a folder");
    let dir = keep.path().join("s");
    frozen(&dir);
    fs::write(dir.join("truth.json"), "{}").expect("written");
    for name in ["notes.md", "nodes/mine.parquet", "photos/2026/ben.jpg"] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, "mine").expect("written");
        let error = check_target(&dir, true).expect_err("refused");
        assert!(matches!(&error, SnapshotError::Foreign { name: found, .. } if found == name), "{error}");
        fs::remove_file(&path).expect("removed");
    }
    assert!(check_target(&dir, true).is_err(), "not even an empty folder");
    fs::remove_dir_all(dir.join("photos")).expect("removed");
    check_target(&dir, true).expect("it is all ours");
}

#[test]
fn through_a_link_the_folder_is_replaced_and_not_the_link() {
    let keep = tempfile::tempdir().expect("a folder");
    let (dir, link) = (keep.path().join("disk/s"), keep.path().join("s"));
    frozen(&dir);
    std::os::unix::fs::symlink(&dir, &link).expect("a link");
    let mut tables = graphs::small();
    tables.companions.clear();
    let input = ManifestInput { replace: true, ..graphs::input() };
    write(&link, &tables, &input, &Context::silent()).expect("replaced");
    assert!(link.is_symlink());
    assert!(!dir.join("tables/touchpoints.parquet").exists(), "the new one is where the link leads");
    assert_eq!(fs::read_dir(keep.path().join("disk")).expect("a folder").count(), 1, "no left-over");
}

#[test]
fn a_folder_of_other_things_is_never_touched() {
    let keep = tempfile::tempdir().expect("a folder");
    fs::write(keep.path().join("thesis.txt"), "years of work").expect("written");
    let input = ManifestInput { replace: true, ..graphs::input() };
    let result = write(keep.path(), &graphs::small(), &input, &Context::silent());
    assert!(matches!(result, Err(SnapshotError::Occupied(_))));
    let file = keep.path().join("thesis.txt");
    assert!(matches!(
        write(&file, &graphs::small(), &input, &Context::silent()),
        Err(SnapshotError::Occupied(_))
    ));
    assert_eq!(fs::read_to_string(file).expect("still there"), "years of work");
    let empty = keep.path().join("empty");
    fs::create_dir(&empty).expect("made");
    frozen(&empty);
}

#[test]
fn what_a_killed_process_left_is_not_listed_and_cleaned_by_the_next_write() {
    let keep = tempfile::tempdir().expect("a folder");
    for name in ["dead.partial", "s.partial"] {
        fs::create_dir_all(keep.path().join(name).join("nodes")).expect("made");
        fs::write(keep.path().join(name).join(".writing"), "").expect("written");
    }
    // Killed before it took its lock; and a folder that only happens to be called so.
    fs::create_dir(keep.path().join("s2.partial")).expect("made");
    fs::create_dir_all(keep.path().join("mine.partial/photos")).expect("made");
    assert_eq!(names(keep.path()), Vec::<String>::new());
    frozen(&keep.path().join("s"));
    frozen(&keep.path().join("s2"));
    assert_eq!(names(keep.path()), ["s", "s2"]);
    assert!(!keep.path().join("dead.partial").exists());
    assert!(keep.path().join("mine.partial/photos").is_dir());
    assert_eq!(fs::read_dir(keep.path()).expect("a folder").count(), 3);
}

#[test]
fn a_folder_that_another_process_writes_is_left_to_it() {
    let keep = tempfile::tempdir().expect("a folder");
    let partial = keep.path().join("s.partial");
    fs::create_dir(&partial).expect("made");
    let lock = fs::File::create(partial.join(".writing")).expect("made");
    lock.lock().expect("locked");
    let busy = write(&keep.path().join("s"), &graphs::small(), &graphs::input(), &Context::silent());
    assert!(matches!(busy, Err(SnapshotError::Busy(_))));
    frozen(&keep.path().join("other"));
    assert!(partial.is_dir());
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let keep = tempfile::tempdir().expect("a folder");
    let cx = Context::silent();
    cx.cancel.request();
    let stopped = write(&keep.path().join("s"), &graphs::small(), &graphs::input(), &cx);
    assert!(matches!(stopped, Err(SnapshotError::Cancelled(_))));
    assert_eq!(fs::read_dir(keep.path()).expect("a folder").count(), 0);
}

#[test]
fn latest_is_the_one_finished_last_whatever_its_name() {
    let keep = tempfile::tempdir().expect("a folder");
    assert!(matches!(latest(keep.path()), Err(SnapshotError::NoSnapshot(_))));
    for name in ["b", "c", "a"] {
        frozen(&keep.path().join(name));
    }
    assert_eq!(names(keep.path()), ["b", "c", "a"]);
    assert_eq!(latest(keep.path()).expect("one"), keep.path().join("a"));
    fs::write(keep.path().join("a/manifest.json"), "{").expect("written");
    assert_eq!(latest(keep.path()).expect("one"), keep.path().join("c"), "a damaged one is not the latest");
    assert_eq!(locate("b", keep.path()).expect("named"), keep.path().join("b"));
    let path = keep.path().join("c");
    assert_eq!(locate(&path.display().to_string(), Path::new("elsewhere")).expect("a path"), path);
    let missing = locate("z", keep.path()).and_then(|dir| read(&dir));
    assert!(matches!(missing, Err(SnapshotError::NotASnapshot(dir)) if dir == Path::new("z")));
}

#[test]
fn tables_that_are_no_graph_are_not_written() {
    let keep = tempfile::tempdir().expect("a folder");
    let mut tables = graphs::small();
    tables.nodes.remove("Venue");
    let error =
        write(&keep.path().join("s"), &tables, &graphs::input(), &Context::silent()).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "cannot write a snapshot of tables that are not whole: HOSTS: row 0 has 4 as `src`, outside the 4 nodes"
    );
}

#[test]
fn a_manifest_of_another_program_is_never_replaced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("manifest.json"), "{\"name\": \"my-extension\"}").expect("written");
    std::fs::write(dir.path().join("code.js"), "1").expect("written");
    for replace in [false, true] {
        assert!(check_target(dir.path(), replace).is_err(), "replace: {replace}");
    }
    assert!(dir.path().join("code.js").is_file());
}

/// Puts a snapshot into the place that another one is being written for, as another process might.
#[derive(Debug)]
struct Meanwhile {
    ready: std::path::PathBuf,
    target: std::path::PathBuf,
}

impl sonograph::context::Progress for Meanwhile {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn sonograph::context::Bar> {
        fs::rename(&self.ready, &self.target).expect("moved");
        sonograph::context::Silent.begin("", None)
    }
}

#[test]
fn a_snapshot_that_came_meanwhile_is_not_written_over() {
    let keep = tempfile::tempdir().expect("a folder");
    let (ready, target) = (keep.path().join("ready"), keep.path().join("s"));
    frozen(&ready);
    let bytes = fs::read(ready.join("run.json")).expect("a record");
    let meanwhile = std::sync::Arc::new(Meanwhile { ready, target: target.clone() });
    let cx = Context::new(meanwhile, sonograph::context::Cancel::default(), 1, 1);
    let result = write(&target, &graphs::small(), &graphs::input(), &cx);
    assert!(matches!(result, Err(SnapshotError::Exists(_))), "{result:?}");
    assert_eq!(fs::read(target.join("run.json")).expect("still there"), bytes);
    assert_eq!(names(keep.path()), ["s"], "no left-over");
}
