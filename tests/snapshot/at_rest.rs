//! What is written: types, bytes, and that it reads back.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::*;
use proptest::prelude::*;
use sonograph::context::Context;
use sonograph::snapshot::tables::{INSTANT, Tables};
use sonograph::snapshot::{read, verify, write};

use crate::graphs;

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in ["", "nodes", "edges", "tables"] {
        for entry in std::fs::read_dir(dir.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() && !path.ends_with("run.json") {
                let name = path.strip_prefix(dir).expect("below").display().to_string();
                all.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_graph_reads_back_as_it_was_and_is_whole(tables in graphs::any_graph(), undirected: bool) {
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("s");
        let tables = Tables { undirected, ..tables };
        let manifest = write(&out, &tables, &graphs::input(), &Context::silent()).expect("written");
        let back = read(&out).expect("read");
        prop_assert!(graphs::same(&tables, &back.tables));
        prop_assert_eq!(&back.manifest, &manifest);
        let verification = verify(&out, &Context::silent()).expect("a snapshot");
        prop_assert_eq!(verification.problems, vec![]);
    }

    #[test]
    fn frames_that_came_together_in_pieces_give_the_same_bytes(tables in graphs::any_graph(), cut in 0usize..10) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut pieces = tables.clone();
        for frame in pieces.nodes.values_mut().chain(pieces.edges.values_mut()) {
            let (head, tail) = frame.split_at(cut.min(frame.height()) as i64);
            *frame = head.vstack(&tail).expect("two halves of one frame");
        }
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        write(&one, &tables, &graphs::input(), &Context::silent()).expect("written");
        write(&other, &pieces, &graphs::input(), &Context::silent()).expect("written");
        prop_assert_eq!(files(&one), files(&other));
    }
}

#[test]
fn only_types_that_every_reader_knows_are_at_rest() {
    let naive = |unit| {
        Series::new("at".into(), [1_000i64, 2_000])
            .cast(&DataType::Datetime(unit, None))
            .expect("times")
            .into_column()
    };
    let mut companion = df!(
        "small" => [1i32, 2], "tiny" => [1u32, 2], "single" => [0.5f32, 0.25], "yes" => [true, false]
    )
    .expect("a frame");
    companion.with_column(naive(TimeUnit::Milliseconds)).expect("same height");
    let lists =
        Series::new("list".into(), [Series::new("".into(), [1i32]), Series::new("".into(), [2i32, 3])]);
    companion.with_column(lists.into_column()).expect("same height");
    let empty = Column::full_null("void".into(), 2, &DataType::Null);
    companion.with_column(empty).expect("same height");
    let mut tables = graphs::small();
    tables.companions.insert("mixed".into(), companion);

    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("s");
    let manifest = write(&out, &tables, &graphs::input(), &Context::silent()).expect("written");

    let mut allowed =
        vec![DataType::Int64, DataType::Float64, DataType::Boolean, DataType::String, DataType::Date];
    allowed.push(INSTANT);
    allowed.extend(allowed.clone().into_iter().map(|inner| DataType::List(Box::new(inner))));
    for file in manifest.files() {
        let input = std::fs::File::open(out.join(&file.file)).expect("a file");
        let frame = ParquetReader::new(input).finish().expect("parquet");
        for column in frame.columns() {
            assert!(
                allowed.contains(column.dtype()),
                "{}: {} is {}",
                file.file,
                column.name(),
                column.dtype()
            );
        }
    }
    let back = read(&out).expect("read");
    let mixed = &back.tables.companions["mixed"];
    assert_eq!(*mixed.column("at").expect("kept").dtype(), INSTANT);
    let at = mixed.column("at").expect("kept").cast(&DataType::Int64).expect("integers");
    assert_eq!(at.i64().expect("integers").iter().collect::<Vec<_>>(), [Some(1_000_000), Some(2_000_000)]);
    assert_eq!(*mixed.column("list").expect("kept").dtype(), DataType::List(Box::new(DataType::Int64)));
}

#[test]
fn a_type_that_must_not_be_at_rest_is_refused_by_name() {
    let mut tables = graphs::small();
    let bytes = Series::new("photo".into(), [&b"\x00\xff"[..]]).into_column();
    tables.companions.insert("photos".into(), DataFrame::new(1, vec![bytes]).expect("a frame"));
    let dir = tempfile::tempdir().expect("a folder");
    let error =
        write(&dir.path().join("s"), &tables, &graphs::input(), &Context::silent()).expect_err("refused");
    assert_eq!(error.to_string(), "cannot keep column `photo` of `photos` at rest as binary");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0, "nothing is left behind");
}

#[test]
fn the_manifest_holds_no_clock_and_the_run_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("s");
    let manifest = write(&out, &graphs::small(), &graphs::input(), &Context::silent()).expect("written");
    assert_eq!((manifest.node_count, manifest.edge_count), (5, 5));
    assert_eq!(manifest.as_of.map(|at| at.to_string()).as_deref(), Some("1970-01-01T00:00:03Z"));
    let text = std::fs::read_to_string(out.join("manifest.json")).expect("a manifest");
    let year = jiff::Timestamp::now().strftime("%Y-").to_string();
    assert!(!text.contains(&year), "{text}");
    let run = std::fs::read_to_string(out.join("run.json")).expect("a run");
    assert!(run.contains(&year) && run.contains("\"run_id\""), "{run}");
}
