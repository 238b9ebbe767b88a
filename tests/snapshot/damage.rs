//! What verification sees.

use std::path::{Path, PathBuf};

use polars::prelude::*;
use sonograph::context::Context;
use sonograph::snapshot::{SnapshotError, parquet_bytes, read, verify, write};

use crate::graphs;

fn frozen() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("s");
    write(&out, &graphs::small(), &graphs::input(), &Context::silent()).expect("written");
    (dir, out)
}

fn problems(dir: &Path) -> Vec<String> {
    let verification = verify(dir, &Context::silent()).expect("a snapshot");
    verification.problems.iter().map(ToString::to_string).collect()
}

fn edit_manifest(dir: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join("manifest.json");
    let mut manifest = serde_json::from_slice(&std::fs::read(&path).expect("a manifest")).expect("JSON");
    edit(&mut manifest);
    std::fs::write(path, manifest.to_string()).expect("written");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts another frame in the place of a table and lets the manifest say so, as a faulty writer would.
fn swap(dir: &Path, kind: &str, name: &str, change: impl FnOnce(DataFrame) -> DataFrame) {
    let tables = graphs::small();
    let frame = if kind == "nodes" { &tables.nodes[name] } else { &tables.edges[name] };
    let frame = change(frame.clone());
    let bytes = parquet_bytes(&frame).expect("encoded");
    std::fs::write(dir.join(kind).join(format!("{name}.parquet")), &bytes).expect("written");
    edit_manifest(dir, |manifest| {
        let file = &mut manifest[kind][name];
        file["rows"] = frame.height().into();
        file["bytes"] = bytes.len().into();
        file["sha256"] = sha256(&bytes).into();
    });
}

fn with(mut frame: DataFrame, column: Column) -> DataFrame {
    frame.with_column(column).expect("same height");
    frame
}

#[test]
fn one_flipped_bit_is_seen_wherever_it_is() {
    let (_keep, dir) = frozen();
    for file in ["nodes/Person.parquet", "edges/ATTENDED.parquet", "tables/touchpoints.parquet"] {
        let path = dir.join(file);
        let whole = std::fs::read(&path).expect("a file");
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).expect("written");
            let found = problems(&dir);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{file}: has the SHA-256 ")),
                "{found:?}"
            );
        }
        std::fs::write(&path, whole).expect("written");
    }
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn a_file_that_is_short_missing_or_strange_is_named() {
    let (_keep, dir) = frozen();
    let path = dir.join("edges/HOSTS.parquet");
    let whole = std::fs::read(&path).expect("a file");
    std::fs::write(&path, &whole[..10]).expect("written");
    assert_eq!(
        problems(&dir),
        [format!("edges/HOSTS.parquet: has 10 bytes, the manifest says {}", whole.len())]
    );
    std::fs::remove_file(&path).expect("removed");
    assert!(problems(&dir)[0].starts_with("edges/HOSTS.parquet: cannot be opened"));
    assert!(read(&dir).expect_err("not whole").to_string().ends_with("edges/HOSTS.parquet`"));
    std::fs::write(&path, whole).expect("written");
    std::fs::write(dir.join("edges/GHOST.parquet"), "boo").expect("written");
    assert_eq!(problems(&dir), ["edges/GHOST.parquet: is not in the manifest"]);
}

#[test]
fn rows_that_are_no_graph_are_seen_even_where_every_checksum_fits() {
    let (_keep, dir) = frozen();
    let case = |kind: &str, name: &str, change: &dyn Fn(DataFrame) -> DataFrame, expected: &str| {
        let whole = std::fs::read(dir.join(kind).join(format!("{name}.parquet"))).expect("a file");
        let manifest = std::fs::read(dir.join("manifest.json")).expect("a manifest");
        swap(&dir, kind, name, change);
        assert_eq!(problems(&dir), [expected]);
        std::fs::write(dir.join(kind).join(format!("{name}.parquet")), whole).expect("written");
        std::fs::write(dir.join("manifest.json"), manifest).expect("written");
    };
    let column = |name: &str, values: &[&str]| Column::new(name.into(), values);
    let ids = |name: &str, values: &[i64]| Column::new(name.into(), values);
    case(
        "nodes",
        "Person",
        &|f| with(f, column("uid", &["ben", "ana"])),
        "nodes/Person.parquet: row 1 has the uid `ana` out of byte order",
    );
    case(
        "nodes",
        "Person",
        &|f| with(f, column("uid", &["ana", "ana"])),
        "nodes/Person.parquet: row 1 has the uid `ana` a second time",
    );
    case(
        "nodes",
        "Person",
        &|f| with(f, column("uid", &["ana", "e1"])),
        "nodes/Person.parquet: has the uid `e1`, which `Event` has too",
    );
    case(
        "nodes",
        "Person",
        &|f| with(f, ids("node", &[2, 4])),
        "nodes/Person.parquet: row 1 has not the node id 3",
    );
    case(
        "edges",
        "HOSTS",
        &|f| with(f, ids("dst", &[0, 5])),
        "edges/HOSTS.parquet: row 1 has 5 as `dst`, outside the 5 nodes",
    );
    case("edges", "HOSTS", &|f| with(f, ids("dst", &[1, 0])), "edges/HOSTS.parquet: row 1 is out of order");
    // Parallel edges lie by their properties: the earlier first.
    case(
        "edges",
        "ATTENDED",
        &|f| {
            let order = IdxCa::from_vec("".into(), vec![0, 2, 1]);
            f.take(&order).expect("in range")
        },
        "edges/ATTENDED.parquet: row 2 is out of order",
    );
}

#[test]
fn a_manifest_that_says_otherwise_than_the_tables_is_seen() {
    let (_keep, dir) = frozen();
    edit_manifest(&dir, |m| m["edge_count"] = 7.into());
    assert_eq!(problems(&dir), ["manifest.json: says 7 edges, the tables hold 5"]);
    edit_manifest(&dir, |m| {
        m["edge_count"] = 5.into();
        m["as_of"] = serde_json::Value::Null;
    });
    assert_eq!(
        problems(&dir),
        ["manifest.json: says nothing as its clock, the tables hold 1970-01-01T00:00:03Z"]
    );
    edit_manifest(&dir, |m| m["nodes"]["Venue"]["file"] = "../../etc/passwd".into());
    assert!(
        problems(&dir)
            .contains(&"../../etc/passwd: the manifest points out of the snapshot folder".to_owned())
    );
    std::fs::write(dir.join("manifest.json"), "{").expect("written");
    assert!(problems(&dir)[0].starts_with("manifest.json: cannot be read"));
}

#[test]
fn a_snapshot_of_another_layout_says_which() {
    let (_keep, dir) = frozen();
    edit_manifest(&dir, |m| m["schema_version"] = 9.into());
    let error = read(&dir).expect_err("another layout").to_string();
    assert!(error.ends_with("has schema version 9; this build reads version 1"), "{error}");
}

#[test]
fn a_folder_without_a_manifest_is_no_snapshot() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(matches!(verify(dir.path(), &Context::silent()), Err(SnapshotError::NotASnapshot(_))));
    assert!(matches!(read(dir.path()), Err(SnapshotError::NotASnapshot(_))));
}
