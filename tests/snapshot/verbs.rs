//! `snapshot list|show|verify|export`, through the binary.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use sonograph::context::Context;
use sonograph::snapshot::write;

use crate::graphs;

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env("NO_COLOR", "1").arg("snapshot").args(args).output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn one() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    write(&dir.path().join("snapshots/monday"), &graphs::small(), &graphs::input(), &Context::silent())
        .expect("written");
    dir
}

#[test]
fn list_names_what_is_whole_and_warns_of_what_is_not() {
    let dir = one();
    let listed = run(dir.path(), &["list", "--format", "csv"]);
    let text = out(&listed);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "name,nodes,edges,bytes,as_of,finished,sources");
    assert!(lines[1].starts_with("monday,5,5,") && lines[1].ends_with(",synthetic"), "{text}");
    std::fs::create_dir_all(dir.path().join("snapshots/tuesday.partial")).expect("made");
    std::fs::create_dir_all(dir.path().join("snapshots/broken")).expect("made");
    std::fs::write(dir.path().join("snapshots/broken/manifest.json"), "{}").expect("written");
    let listed = run(dir.path(), &["list", "--format", "json"]);
    assert_eq!(out(&listed).lines().count(), 1);
    assert!(said(&listed).contains("broken"), "{}", said(&listed));
    let nothing = tempfile::tempdir().expect("a folder");
    let listed = run(nothing.path(), &["list"]);
    assert!(
        listed.status.success() && said(&listed).contains("no snapshot in snapshots"),
        "{}",
        said(&listed)
    );
}

#[test]
fn show_tells_what_a_snapshot_holds() {
    let dir = one();
    let shown = out(&run(dir.path(), &["show", "--format", "table"]));
    for expected in [
        "5 nodes, 5 edges, directed",
        "as of       1970-01-01T00:00:03Z",
        "synthetic 1 {\"people\":2}",
        "ATTENDED",
        "touchpoints",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    let manifest: serde_json::Value =
        serde_json::from_str(&out(&run(dir.path(), &["show", "monday", "--format", "json"]))).expect("JSON");
    assert_eq!(manifest["edges"]["ATTENDED"]["rows"], 3);
    let missing = run(dir.path(), &["show", "sunday"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(&missing).contains("`sunday` is not a snapshot"), "{}", said(&missing));
}

#[test]
fn verify_exits_with_1_where_a_snapshot_is_not_whole() {
    let dir = one();
    for args in [
        &["verify"][..],
        &["verify", "monday"],
        &["verify", "snapshots/monday"],
        &["verify", "--snapshot", "latest"],
    ] {
        let whole = run(dir.path(), args);
        assert!(whole.status.success() && out(&whole).is_empty(), "{args:?}: {}", said(&whole));
    }
    std::fs::write(dir.path().join("snapshots/monday/nodes/Venue.parquet"), "PAR1").expect("written");
    let broken = run(dir.path(), &["verify", "--format", "table"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(
        out(&broken).starts_with("nodes/Venue.parquet: has 4 bytes, the manifest says "),
        "{}",
        out(&broken)
    );
    let rows = out(&run(dir.path(), &["verify", "--format", "csv"]));
    assert!(rows.starts_with("file,problem\nnodes/Venue.parquet,"), "{rows}");
    assert_eq!(run(dir.path(), &["verify", "nowhere"]).status.code(), Some(2));
    let empty = tempfile::tempdir().expect("a folder");
    let nothing = run(empty.path(), &["verify"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(said(&nothing).contains("there is no snapshot in `snapshots`"), "{}", said(&nothing));
}

#[test]
fn export_writes_edges_by_uid_and_can_be_imported_again() {
    let dir = one();
    let exported = run(dir.path(), &["export", "--snapshot", "monday", "--out", "export", "--format", "csv"]);
    assert!(exported.status.success(), "{}", said(&exported));
    assert_eq!(out(&exported), "export\n");
    let read = |name: &str| std::fs::read_to_string(dir.path().join("export").join(name)).expect(name);
    assert_eq!(
        read("edges/ATTENDED.csv"),
        "src,dst,timestamp,weight\nana,e2,1970-01-01T00:00:03Z,\nben,e1,1970-01-01T00:00:01Z,\nben,e1,1970-01-01T00:00:02Z,1\n"
    );
    assert_eq!(
        read("nodes/Person.csv"),
        "uid,name,labels,refs\nana,,\"[\"\"Artist\"\",\"\"Fan\"\"]\",\"[\"\"a:b:1\"\"]\"\nben,Ben,,\n"
    );
    assert_eq!(read("tables/touchpoints.csv"), "id,n\nt1,1\nt2,2\n");
    let again = run(dir.path(), &["export", "--out", "export"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).contains("the folder `export` is not empty"), "{}", said(&again));
    let back = run(
        dir.path(),
        &["import", "--edges", "export/edges/ATTENDED.csv", "--relation", "ATTENDED", "--out", "back"],
    );
    assert!(back.status.success(), "{}", said(&back));
    assert!(run(dir.path(), &["export", "--snapshot", "back", "--out", "export2"]).status.success());
    let again = std::fs::read_to_string(dir.path().join("export2/edges/ATTENDED.csv")).expect("exported");
    assert_eq!(again, read("edges/ATTENDED.csv"));
    assert!(run(dir.path(), &["export", "--out", "p", "--format", "parquet"]).status.success());
    assert!(dir.path().join("p/nodes/Event.parquet").is_file());
}
