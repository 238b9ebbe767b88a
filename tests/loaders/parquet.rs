//! Parquet that other people wrote.

use std::path::Path;
use std::sync::LazyLock;

use polars::prelude::*;
use proptest::prelude::*;
use sonograph::context::Context;
use sonograph::snapshot::problems_of;
use sonograph::snapshot::tables::parquet::decode;
use sonograph::sources::files::{FileError, ImportOptions, import};

use crate::changes::{alone, cases, changed, changes, told, within};

/// What a byte of Parquet may take in memory: what it may claim, and as much again for what is made of it.
const EACH: usize = 2 << 16;

/// Edges with columns of every kind, in groups of rows, by codec.
static EDGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let rows = 0..60_i64;
    let each = |cell: fn(i64) -> f64| rows.clone().map(cell).collect::<Vec<_>>();
    let names: Vec<String> = rows.clone().map(|row| format!("n{}", row % 7)).collect();
    let tags = rows.clone().map(|row| Series::new("".into(), vec![format!("tag {row}"); row as usize % 3]));
    let mut frame = df!(
        "src" => rows.clone().collect::<Vec<_>>(), "dst" => &names,
        "weight" => each(|row| row as f64 / 4.0), "timestamp" => each(|row| row as f64),
        "on" => rows.clone().map(|row| (row % 3 > 0).then_some(row % 2 == 0)).collect::<Vec<_>>(),
        "tags" => tags.collect::<Vec<_>>(),
    )
    .expect("a frame");
    let codecs = [
        ParquetCompression::Uncompressed,
        ParquetCompression::Zstd(None),
        ParquetCompression::Snappy,
        ParquetCompression::Gzip(None),
    ];
    codecs.map(|codec| written(&mut frame, codec, 40)).to_vec()
});

fn written(frame: &mut DataFrame, codec: ParquetCompression, group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let writer = ParquetWriter::new(&mut bytes).with_compression(codec).with_row_group_size(Some(group));
    writer.finish(frame).expect("written");
    bytes
}

fn put(dir: &Path, bytes: &[u8]) -> ImportOptions {
    let path = dir.join("e.parquet");
    std::fs::write(&path, bytes).expect("written");
    ImportOptions::of(path)
}

proptest! {
    #![proptest_config(cases(400))]
    #[test]
    fn parquet_that_was_changed_is_read_as_a_graph_or_refused_by_name(
        codec in 0..4_usize, changes in changes(), is_of_nodes: bool,
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let bytes = changed(EDGES[codec].clone(), &changes);
        let mut options = put(dir.path(), &bytes);
        if is_of_nodes {
            let edges = dir.path().join("e.txt");
            std::fs::write(&edges, "0 1\n").expect("written");
            options.nodes = Some(std::mem::replace(&mut options.edges, edges));
        }
        match within(bytes.len(), EACH, || import(&options, &Context::silent()))? {
            Ok(graph) => {
                prop_assert_eq!(problems_of(&graph.tables), vec![]);
                prop_assert!(graph.files.iter().any(|file| file.bytes == bytes.len() as u64));
            }
            Err(FileError::Parquet { file, .. } | FileError::Columns { file, .. } | FileError::Header { file, .. }) => {
                prop_assert!(file.ends_with("e.parquet"));
            }
            Err(FileError::Line { unit, number, .. }) => prop_assert!(number > 0 && (unit == "row" || is_of_nodes)),
            Err(other) => prop_assert!(false, "{}", told(&other)),
        }
    }

    #[test]
    fn footers_that_were_changed_where_they_hold_claims_are_refused(
        codec in 0..4_usize, at in any::<prop::sample::Index>(), claim in any::<u32>(),
    ) {
        // The last 700 bytes are of the footer, without its length: numbers there are written in groups of seven bits.
        let mut bytes = EDGES[codec].clone();
        let at = bytes.len() - 708 + at.index(700);
        let claim = [claim as u8 | 0x80, (claim >> 8) as u8 | 0x80, (claim >> 16) as u8 | 0x80, (claim >> 24) as u8 & 0x7f];
        bytes[at..at + 4].copy_from_slice(&claim);
        if let Ok(frame) = within(bytes.len(), EACH, || decode(bytes.clone()))? {
            prop_assert!(frame.columns().iter().all(|column| column.len() == frame.height()));
        }
    }
}

#[test]
fn what_a_parquet_file_claims_beyond_its_length_is_told_with_the_byte() {
    let bytes = &EDGES[1];
    let refused = |bytes: Vec<u8>| told(&decode(bytes).expect_err("it is no whole file"));
    let footer = bytes.len()
        - 8
        - u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().expect("four")) as usize;

    let mut longer = bytes.clone();
    let tail = bytes.len() - 8;
    longer[tail..tail + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let said = refused(longer);
    assert!(
        said.contains(&format!("its footer is said to be 4294967295 bytes long, it has {}", bytes.len())),
        "{said}"
    );

    // The schema is the second field: its list begins with the kind and number of its elements.
    let mut list = bytes.clone();
    list[footer + 3..footer + 9].copy_from_slice(&[0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let said = refused(list);
    assert!(said.contains("a list is said to be longer than what holds it"), "{said}");
    assert!(said.contains(&format!("byte {} of it", footer + 9)), "{said}");

    // The first page's head: its kind, the length it had, and the one it has in two groups of seven bits.
    let mut page = bytes.clone();
    let packed = 8 + page[7..].iter().position(|byte| byte & 0x80 == 0).expect("a number ends") + 1;
    assert!(page[packed - 1] == 0x15 && page[packed] & 0x80 > 0, "another head than was thought");
    page[packed + 1] = 0x7f;
    let said = refused(page);
    assert!(said.contains("the page at byte 4 is said to be longer than its column"), "{said}");

    assert!(refused(bytes[..bytes.len() - 1].to_vec()).contains("it does not end as Parquet does"));
    assert!(refused(b"PAR1".to_vec()).contains("it does not end as Parquet does"));
}

/// A file of no rows and one column, so many structures deep.
fn nested(levels: u32) -> Vec<u8> {
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    footer.extend([(levels + 2) as u8 | 0x80, ((levels + 2) >> 7) as u8 | 0x80, ((levels + 2) >> 14) as u8]);
    // The root; groups of one; an integer: repetition, name, number of children.
    footer.extend([0x48, 1, b'r', 0x15, 2, 0]);
    (0..levels).for_each(|_| footer.extend([0x35, 0, 0x18, 1, b'g', 0x15, 2, 0]));
    footer.extend([0x15, 2, 0x25, 0, 0x18, 1, b'i', 0]);
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = (footer.len() as u32).to_le_bytes();
    [b"PAR1", &footer[..], &length, b"PAR1"].concat()
}

#[test]
fn columns_within_columns_without_end_are_refused() {
    alone(|| {
        assert_eq!(decode(nested(0)).expect("a column").shape(), (0, 1));
        let said = told(&decode(nested(3)).expect_err("no property is a structure"));
        assert!(said.contains("it cannot be decoded: ") && said.contains("struct"), "{said}");
        let said = told(&decode(nested(200_000)).expect_err("without end"));
        assert!(said.contains("its columns lie 200001 deep within each other"), "{said}");
    });
}

#[test]
fn files_that_say_one_thing_over_and_over_are_read() {
    alone(|| {
        let rows = 1_000_000;
        let mut frame = df!("src" => vec![0_i64; rows], "dst" => vec!["b"; rows]).expect("a frame");
        for codec in [ParquetCompression::Zstd(None), ParquetCompression::Snappy] {
            let bytes = written(&mut frame, codec, 1 << 18);
            assert_eq!(decode(bytes).expect("whole").height(), rows);
        }
        let ours = sonograph::snapshot::parquet_bytes(&frame).expect("encoded");
        assert_eq!(decode(ours).expect("whole").height(), rows);
        let none = written(&mut frame.clear(), ParquetCompression::Zstd(None), 9);
        assert_eq!(decode(none).expect("whole").shape(), (0, 2));
    });
}

#[test]
fn what_the_decoder_stumbles_over_is_told_once_and_as_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), &nested(3));
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir.path()).env_remove("SONOGRAPH_CONFIG").args(["snapshot", "import", "--out", "s"]);
    let output = command.args(["--edges", "e.parquet"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("error: cannot read `e.parquet` as Parquet") && !said.contains("panicked"),
        "{said}"
    );
}
