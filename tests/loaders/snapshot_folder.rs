//! A snapshot's folder: its manifest and its tables, whole and by row group, each with the sums of what it was and with
//! those of what it became, as a faulty writer would leave it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use polars::prelude::*;
use proptest::prelude::*;
use proptest::sample::Index;
use sonograph::context::Context;
use sonograph::graph::{BusinessGraph, GraphBuilder, GraphError};
use sonograph::snapshot::tables::{Tables, instants};
use sonograph::snapshot::{
    ManifestInput, Reader, SnapshotError, diff, identity, read, sha256, sizes, verify, write,
};

use crate::changes::{Change, cases, changed, changes, told, within};

/// What a byte of a folder may take in memory: as much as one of Parquet, which is all that is packed in it.
const EACH: usize = 2 << 16;

/// Files of a folder by path.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// What was frozen, and its folder.
static FROZEN: LazyLock<(Tables, Files)> = LazyLock::new(|| {
    let uids: Vec<String> = (0..40).map(|i| format!("person-{i:02}")).collect();
    let labels = (0..40_usize).map(|i| Series::new("".into(), vec!["Fan"; i % 2])).collect::<Vec<_>>();
    let people =
        df!("node" => (0..40_i64).collect::<Vec<_>>(), "uid" => &uids, "name" => &uids, "labels" => labels);
    let venues = df!("node" => [40_i64, 41], "uid" => ["v1", "v2"], "name" => ["One", "Two"]);
    let times = Series::new("timestamp".into(), (0..90_i64).map(|i| i * 1_000_000).collect::<Vec<_>>());
    let times = times.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).expect("times").into_column();
    let mut visits = df!(
        "src" => (0..90_i64).map(|i| i / 3).collect::<Vec<_>>(), "dst" => (0..90_i64).map(|i| 40 + i % 3 / 2).collect::<Vec<_>>(),
        "weight" => (0..90).map(|i| (i % 3 < 2 || i % 4 > 0).then_some(f64::from(i))).collect::<Vec<_>>(),
    )
    .expect("a frame");
    visits.with_column(instants(&times).expect("instants")).expect("as many");
    let mut tables = Tables::default();
    tables.nodes.insert("Person".into(), people.expect("a frame"));
    tables.nodes.insert("Venue".into(), venues.expect("a frame"));
    tables.edges.insert("ATTENDED".into(), visits);
    tables.companions.insert("touchpoints".into(), df!("touch" => ["scan", "web"]).expect("a frame"));
    let dir = tempfile::tempdir().expect("a folder");
    let snapshot = dir.path().join("s");
    write(&snapshot, &tables, &ManifestInput::of(vec![]), &Context::silent()).expect("written");
    let files = [
        "manifest.json",
        "nodes/Person.parquet",
        "nodes/Venue.parquet",
        "edges/ATTENDED.parquet",
        "tables/touchpoints.parquet",
    ];
    let files = files.map(|file| (file.into(), std::fs::read(snapshot.join(file)).expect("a file")));
    (tables, files.into())
});

/// The folder with one file changed; `mended`: the manifest has the length and sum of what is there.
fn put(dir: &Path, which: usize, bytes: &[u8], is_mended: bool) {
    for folder in ["nodes", "edges", "tables"] {
        std::fs::create_dir_all(dir.join(folder)).expect("made");
    }
    for (at, (file, whole)) in FROZEN.1.iter().enumerate() {
        std::fs::write(dir.join(file), if at == which { bytes } else { whole }).expect("written");
    }
    if is_mended && which > 0 {
        let text = String::from_utf8(FROZEN.1[0].1.clone()).expect("text");
        let before = &FROZEN.1[which].1;
        let text = text.replace(&sha256(before), &sha256(bytes));
        let at = text.find(FROZEN.1[which].0.to_str().expect("text")).expect("its entry");
        let length = |bytes: &[u8]| format!("\"bytes\": {}", bytes.len());
        let entry = text[at..].replacen(&length(before), &length(bytes), 1);
        std::fs::write(dir.join("manifest.json"), text[..at].to_owned() + &entry).expect("written");
    }
}

#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// The graph as a study has it: nodes whole, edges by row group.
fn studied(dir: &Path) -> Result<BusinessGraph, Unread> {
    let reader = Reader::open(dir)?;
    let mut nodes = std::collections::BTreeMap::new();
    for (label, file) in &reader.manifest.nodes {
        nodes.insert(label.clone(), reader.whole(file)?);
    }
    let mut graph = GraphBuilder::new(nodes, reader.manifest.undirected)?;
    for (relation, file) in &reader.manifest.edges {
        graph.edges(
            relation,
            file.rows as usize,
            reader.batches(file)?.map(|batch| Ok::<_, Unread>(batch?)),
        )?;
    }
    Ok(graph.finish(std::collections::BTreeMap::new()))
}

/// Everything that reads a folder, and whether they agree on what is in it.
fn read_in_every_way(dir: &Path) -> Result<(), TestCaseError> {
    let verified = verify(dir, &Context::silent());
    let whole = read(dir);
    let graph = studied(dir);
    let reckoned = sizes(dir);
    let _ = identity(dir);
    for said in [
        whole.as_ref().err().map(|e| told(e)),
        graph.as_ref().err().map(|e| told(e)),
        reckoned.as_ref().err().map(|e| told(e)),
    ] {
        let names_it = |said: &String| said.contains('`');
        prop_assert!(said.as_ref().is_none_or(names_it), "{said:?}");
    }
    if let Ok(whole) = &whole {
        // What is no graph is told, not stumbled over.
        let _ = diff(&FROZEN.0, &whole.tables, 3, &Context::silent());
        let _ = diff(&whole.tables, &FROZEN.0, 3, &Context::silent());
        let _ = BusinessGraph::whole(whole.tables.clone());
    }
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => {
            prop_assert!(whole.is_err() && graph.is_err(), "{}", told(&error));
            return Ok(());
        }
    };
    if verified.problems.is_empty() {
        let graph = graph.map_err(|error| TestCaseError::fail(format!("verified, but {}", told(&error))))?;
        let manifest = verified.manifest.expect("what is whole has a manifest");
        prop_assert_eq!(
            (graph.node_count() as u64, graph.edge_count() as u64),
            (manifest.node_count, manifest.edge_count)
        );
        prop_assert_eq!(whole.expect("verified").tables.edge_count() as u64, manifest.edge_count);
        prop_assert_eq!(reckoned.expect("verified").node_count(), manifest.node_count);
    }
    Ok(())
}

fn check(which: usize, changes: &[Change], is_mended: bool) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, whole) = &FROZEN.1[which];
    let bytes = changed(whole.clone(), changes);
    put(dir.path(), which, &bytes, is_mended);
    let length = FROZEN.1.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + bytes.len();
    within(length, EACH, || read_in_every_way(dir.path()))??;
    if which > 0 && !is_mended && bytes != *whole {
        let found = verify(dir.path(), &Context::silent()).expect("a snapshot").problems;
        prop_assert!(found.iter().any(|problem| Path::new(&problem.place) == file), "{found:?}");
        prop_assert!(read(dir.path()).is_err());
    }
    Ok(())
}

/// All numbers of a manifest.
fn numbers(value: &mut serde_json::Value) -> Vec<&mut serde_json::Value> {
    match value {
        serde_json::Value::Number(_) => vec![value],
        serde_json::Value::Array(all) => all.iter_mut().flat_map(numbers).collect(),
        serde_json::Value::Object(all) => all.values_mut().flat_map(numbers).collect(),
        _ => vec![],
    }
}

proptest! {
    #![proptest_config(cases(150))]
    #[test]
    fn a_table_that_was_changed_is_told_and_never_read_as_another(which in 1..5_usize, changes in changes()) {
        check(which, &changes, false)?;
    }

    #[test]
    fn a_table_that_was_changed_with_its_sums_is_a_graph_or_told(which in 1..5_usize, changes in changes()) {
        check(which, &changes, true)?;
    }

    #[test]
    fn a_manifest_that_was_changed_is_told(changes in changes()) {
        check(0, &changes, false)?;
    }

    #[test]
    fn numbers_of_a_manifest_are_believed_only_as_far_as_there_are_rows(
        picked in proptest::collection::vec((any::<Index>(), 0..7_usize), 1..4),
    ) {
        let mut manifest: serde_json::Value = serde_json::from_slice(&FROZEN.1[0].1).expect("JSON");
        for (at, claim) in picked {
            let mut all = numbers(&mut manifest);
            let at = at.index(all.len());
            *all[at] = [0, 1, 91, u64::from(u32::MAX), 1 << 31, i64::MAX as u64, u64::MAX][claim].into();
        }
        let bytes = manifest.to_string().into_bytes();
        let dir = tempfile::tempdir().expect("a folder");
        put(dir.path(), 0, &bytes, false);
        within(bytes.len(), EACH, || read_in_every_way(dir.path()))??;
    }
}

#[test]
fn edges_of_another_snapshot_are_no_edges_to_compare() {
    let mut other = FROZEN.0.clone();
    other.edges.insert("ATTENDED".into(), df!("src" => [0_i64], "dst" => [42_i64]).expect("a frame"));
    let refused = diff(&FROZEN.0, &other, 3, &Context::silent()).expect_err("there are 42 nodes");
    assert!(told(&refused).contains("row 0 has 42 as `dst`, outside the 42 nodes"), "{}", told(&refused));
}
