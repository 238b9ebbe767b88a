//! The cache of a loaded graph: refused wherever it is not what was written; and where the sums were made to fit, still no
//! way out of it.

use std::path::Path;
use std::sync::LazyLock;

use polars::prelude::*;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use sonograph::graph::{BusinessGraph, Projection, StoredGraph};
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::mapped::{CACHE, Mapped, Of, Unusable, Writer};
use xxhash_rust::xxh3::xxh3_64;

use crate::changes::{cases, changed, changes, within};

/// What a byte of a cache may take: most of it stays where it is, what is a bit or a list of labels is copied.
const EACH: usize = 200;
const HEAD: usize = 128;

fn of() -> Of {
    Of::manifest(b"{}")
}

/// A graph and the bytes of its cache.
static STORED: LazyLock<Vec<(BusinessGraph, Vec<u8>)>> = LazyLock::new(|| {
    let graph = |edges: usize, is_sorted: bool| {
        let ids: Vec<i64> = (0..30).collect();
        let uids: Vec<String> =
            ids.iter().map(|i| format!("a name of more than twelve letters {i:02}")).collect();
        let labels =
            ids.iter().map(|i| Series::new("".into(), vec!["Fan"; (i % 3) as usize])).collect::<Vec<_>>();
        let people = df!("node" => &ids, "uid" => &uids, "name" => &uids, "labels" => labels,
            "open" => ids.iter().map(|i| (i % 5 > 0).then_some(i % 2 > 0)).collect::<Vec<_>>());
        let ends = |step: usize| (0..edges).map(|i| (i * step % 30) as i64).collect::<Vec<_>>();
        let mut src = ends(7);
        if is_sorted {
            src.sort_unstable();
        }
        let knows = df!("src" => src, "dst" => ends(11), "weight" => (0..edges).map(|i| i as f64).collect::<Vec<_>>());
        let mut tables = Tables::default();
        tables.nodes.insert("Person".into(), people.expect("a frame"));
        tables.edges.insert("KNOWS".into(), knows.expect("a frame"));
        tables.edges.insert("NEXT".into(), df!("src" => [0_i64], "dst" => [1_i64]).expect("a frame"));
        BusinessGraph::build(tables).expect("a graph")
    };
    let stored = |graph: BusinessGraph| {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = Writer::begin(dir.path(), of()).expect("a folder").expect("nobody else");
        let directory = graph.store(&mut writer).expect("types at rest");
        writer.finish(&directory).expect("finished");
        let bytes = std::fs::read(dir.path().join(CACHE)).expect("a cache");
        (graph, bytes)
    };
    [(300, true), (300, false), (20, true)].map(|(edges, is_sorted)| stored(graph(edges, is_sorted))).into()
});

fn opened(dir: &Path, bytes: &[u8]) -> Result<BusinessGraph, Unusable> {
    std::fs::write(dir.join(CACHE), bytes).expect("written");
    let (mapped, stored) = Mapped::open::<StoredGraph>(dir, of())?;
    BusinessGraph::restore(&mapped, &stored)
}

/// Goes everywhere that a graph leads.
fn walk(graph: &BusinessGraph) -> Vec<(u32, Vec<u32>, Vec<u32>)> {
    let csr = graph.project(&Projection::of(["KNOWS"])).expect("a relation").csr;
    let all = csr.nodes().map(|node| {
        assert!(!graph.uid(node).is_empty() && graph.name(node).len() < 1 << 20);
        for &end in csr.out_neighbors(node).iter().chain(csr.in_neighbors(node)) {
            assert!((end as usize) < graph.node_count());
        }
        (node.0, csr.out_neighbors(node).to_vec(), csr.in_neighbors(node).to_vec())
    });
    let all = all.collect();
    graph.nodes_with("Fan").into_iter().for_each(|node| assert!(node.index() < graph.node_count()));
    all
}

fn number(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")) as usize
}

/// Arrays in a directory: where, how long.
fn parts<'v>(value: &'v mut Value, found: &mut Vec<&'v mut Value>) {
    match value {
        Value::Object(all) if all.contains_key("sum") => found.push(value),
        Value::Object(all) => all.values_mut().for_each(|value| parts(value, found)),
        Value::Array(all) => all.iter_mut().for_each(|value| parts(value, found)),
        _ => {}
    }
}

fn counts<'v>(value: &'v mut Value, found: &mut Vec<&'v mut Value>) {
    match value {
        Value::Number(_) => found.push(value),
        Value::Object(all) => all.values_mut().for_each(|value| counts(value, found)),
        Value::Array(all) => all.iter_mut().for_each(|value| counts(value, found)),
        _ => {}
    }
}

/// The same file with numbers of its arrays and of its directory changed, and every sum made to fit.
fn forged(whole: &[u8], words: &[(Index, u32)], claims: &[(Index, u64)]) -> Vec<u8> {
    let (at, length) = (number(whole, 48 + 8), number(whole, 48 + 16));
    let mut bytes = whole[..at].to_vec();
    let mut directory: Value = serde_json::from_slice(&whole[at..at + length]).expect("a directory");
    for (word, value) in words {
        let place = HEAD + 4 * word.index((at - HEAD) / 4);
        bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
    }
    let mut all = Vec::new();
    counts(&mut directory, &mut all);
    for (place, claim) in claims {
        let place = place.index(all.len());
        *all[place] = (*claim).into();
    }
    let mut all = Vec::new();
    parts(&mut directory, &mut all);
    for part in all {
        let place = |key: &str| part[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let range =
            place("at").zip(place("bytes")).and_then(|(at, length)| bytes.get(at..at.checked_add(length)?));
        if let Some(range) = range {
            part["sum"] = xxh3_64(range).into();
        }
    }
    let directory = serde_json::to_vec(&directory).expect("JSON");
    bytes.extend_from_slice(&directory);
    let total = bytes.len() as u64;
    for (place, value) in [(48, total), (64, directory.len() as u64), (72, xxh3_64(&directory))] {
        bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
    }
    let sum = xxh3_64(&bytes[..HEAD - 8]);
    bytes[HEAD - 8..HEAD].copy_from_slice(&sum.to_le_bytes());
    bytes
}

proptest! {
    #![proptest_config(cases(300))]
    #[test]
    fn a_cache_that_was_changed_is_refused_or_the_graph_it_was(which in 0..3_usize, changes in changes()) {
        let dir = tempfile::tempdir().expect("a folder");
        let (graph, whole) = &STORED[which];
        let bytes = changed(whole.clone(), &changes);
        // What lies between the arrays is of no meaning.
        if let Ok(found) = within(bytes.len(), EACH, || opened(dir.path(), &bytes))? {
            prop_assert_eq!(walk(&found), walk(graph));
        }
    }

    #[test]
    fn a_cache_whose_sums_were_made_to_fit_leads_nowhere_outside(
        which in 0..3_usize,
        words in proptest::collection::vec((any::<Index>(), prop_oneof![any::<u32>(), 0..400_u32]), 0..4),
        claims in proptest::collection::vec(
            (any::<Index>(), prop_oneof![Just(u64::MAX), Just(1 << 31), Just(1 << 61), Just(i64::MAX as u64), 0..400_u64]), 0..3,
        ),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let bytes = forged(&STORED[which].1, &words, &claims);
        if let Ok(found) = within(bytes.len(), EACH, || opened(dir.path(), &bytes))? {
            walk(&found);
        }
    }
}

#[test]
fn a_cache_is_opened_as_it_was_and_with_its_sums_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    for (graph, whole) in STORED.iter() {
        assert_eq!(walk(&opened(dir.path(), whole).expect("whole")), walk(graph));
        assert_eq!(walk(&opened(dir.path(), &forged(whole, &[], &[])).expect("whole")), walk(graph));
    }
}
