//! Edges and nodes as text: plain, gzipped, with a header or without.

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use sonograph::context::Context;
use sonograph::snapshot::problems_of;
use sonograph::sources::files::{FileError, ImportOptions, Layout, import};

use crate::changes::{Change, cases, changed, changes, told, within};

/// What a byte of text may take in memory: an id of one letter is a row of several columns.
const EACH: usize = 2_000;
/// A byte of gzip may be a thousand of text.
const EACH_ZIPPED: usize = 1_100 * EACH;

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zip.write_all(text).expect("written");
    zip.finish().expect("written")
}

/// Imports what was changed, and holds the answer against what it may be.
fn check(
    name: &str,
    whole: &[u8],
    changes: &[Change],
    is_zipped: bool,
    options: impl FnOnce(&Path) -> ImportOptions,
) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().expect("a folder");
    let packed = if is_zipped { zipped(whole) } else { whole.to_vec() };
    let bytes = changed(packed, changes);
    std::fs::write(dir.path().join(name), &bytes).expect("written");
    let options = options(dir.path());
    let is_still_zipped = bytes.starts_with(&[0x1f, 0x8b]);
    let each = if is_still_zipped { EACH_ZIPPED } else { EACH };
    match within(bytes.len(), each, || import(&options, &Context::silent()))? {
        Ok(graph) => prop_assert_eq!(problems_of(&graph.tables), vec![]),
        Err(FileError::Line { file, unit, number, .. }) => {
            let lines = bytes.split(|&byte| byte == b'\n').count() as u64;
            prop_assert!(is_still_zipped || number <= lines, "line {} of {}", number, lines);
            prop_assert!(unit == "line" && number > 0 && file.starts_with(dir.path()));
        }
        Err(FileError::Header { file, .. }) => prop_assert!(file.starts_with(dir.path())),
        Err(FileError::Short { asked, .. }) => prop_assert_eq!(asked, options.skip_lines),
        // What gzip cannot unpack.
        Err(FileError::Read { file, .. }) if is_still_zipped => prop_assert!(file.ends_with(name)),
        Err(other) => prop_assert!(false, "{}", told(&other)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]
    #[test]
    fn a_list_of_edges_that_was_changed_is_read_or_refused_at_its_line(
        rows in proptest::collection::vec((0..20_u8, "[a-zé]{1,4}", proptest::option::of((any::<f32>(), any::<u32>()))), 0..30),
        changes in changes(), is_zipped: bool, is_undirected: bool, is_adjacency: bool, skip_lines in 0..2_usize,
    ) {
        let line = |(src, dst, more): &(u8, String, Option<(f32, u32)>)| match more {
            Some((weight, time)) => format!("{src} {dst} {weight} {time}\n"),
            None => format!("{src}\t{dst}\r\n"),
        };
        let text: String = std::iter::once("# edges\n".to_owned()).chain(rows.iter().map(line)).collect();
        check("e.txt", text.as_bytes(), &changes, is_zipped, |dir| ImportOptions {
            undirected: is_undirected, dedup: is_undirected, skip_lines,
            layout: if is_adjacency { Layout::Adjacency } else { Layout::Edges },
            ..ImportOptions::of(dir.join("e.txt"))
        })?;
    }

    #[test]
    fn a_table_of_edges_that_was_changed_is_read_or_refused_at_its_line(
        rows in proptest::collection::vec((0..20_u8, "[a-z\", ]{0,4}", any::<i64>(), "[0-9T:-]{0,12}"), 0..30),
        changes in changes(), is_zipped: bool,
    ) {
        let quoted = |text: &str| text.replace('"', "\"\"");
        let line = |(src, note, number, time): &(u8, String, i64, String)| {
            format!("{src},b{},\"{}\",{number},{},{time}\n", number % 9, quoted(note), number % 100)
        };
        let text: String = std::iter::once("src,dst,note,number,weight,type\n".to_owned()).chain(rows.iter().map(line)).collect();
        check("e.csv", text.as_bytes(), &changes, is_zipped, |dir| ImportOptions::of(dir.join("e.csv")))?;
    }

    #[test]
    fn a_file_of_nodes_that_was_changed_is_read_or_refused_at_its_line(
        rows in proptest::collection::btree_map("[a-z]{1,5}", ("[A-Z]{0,2}", "[a-zé ]{0,9}"), 1..20),
        changes in changes(), is_table: bool, add_missing: bool,
    ) {
        let name = if is_table { "n.csv" } else { "n.txt" };
        let head = if is_table { "id,label,name\n" } else { "% nodes\n" };
        let line = |(id, (label, name)): (&String, &(String, String))| {
            if is_table { format!("{id},{label},{name}\n") } else { format!("{id}\n") }
        };
        let text: String = std::iter::once(head.to_owned()).chain(rows.iter().map(line)).collect();
        let first = rows.keys().next().expect("at least one").clone();
        check(name, text.as_bytes(), &changes, false, |dir| {
            std::fs::write(dir.join("e.txt"), format!("{first} {first}\n")).expect("written");
            ImportOptions { nodes: Some(dir.join(name)), add_missing, ..ImportOptions::of(dir.join("e.txt")) }
        })?;
    }

    #[test]
    fn bytes_of_no_making_are_read_as_lines_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0..3_usize) {
        let name = ["e.txt", "e.csv", "e.gz"][which];
        check(name, &bytes, &[], false, |dir| ImportOptions::of(dir.join(name)))?;
    }
}
