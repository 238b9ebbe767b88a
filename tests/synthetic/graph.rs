//! `sonograph synth graph`: what is written without being held.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use polars::prelude::{Column, IntoColumn, NamedFrom, ParquetReader, SerReader, Series, df};
use sonograph::context::Context;
use sonograph::graph::{BusinessGraph, Projection};
use sonograph::snapshot::tables::{Tables, edge_table};
use sonograph::snapshot::{ManifestInput, Writing, read, verify, write};
use sonograph::sources::synthetic::{BareGraph, Kind};
use sonograph::studies::influence::pagerank;

fn synth(dir: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).args(["synth", "graph"]).args(arguments.split(' '));
    command.env_remove("SONOGRAPH_SEED").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(mut command: Command) -> (String, String) {
    let output = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{err}");
    (out, err)
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    ["manifest.json", "nodes/Node.parquet", "edges/EDGE.parquet"]
        .map(|name| (name.to_owned(), std::fs::read(dir.join(name)).expect("a file")))
        .into()
}

#[test]
fn a_graph_is_a_whole_snapshot_with_the_same_bytes_on_any_number_of_threads() {
    let temp = tempfile::tempdir().expect("a folder");
    let what = "--kind kronecker --scale 15 --degree 12 --seed 7 --format csv";
    let (counts, told) = done(synth(temp.path(), &format!("{what} --threads 1 --out one")));
    assert_eq!(counts, "table,rows\nNode,32768\nEDGE,393216\n");
    assert!(told.contains("32768 nodes and 393216 edges; this takes at most about"), "{told}");
    done(synth(temp.path(), &format!("{what} --threads 3 --out three")));
    done(synth(temp.path(), "--kind kronecker --scale 15 --degree 12 --seed 8 --out other"));
    let of = |name: &str| files(&temp.path().join(name));
    let (one, three, other) = (of("one"), of("three"), of("other"));
    assert!(one == three, "the number of threads shows in the bytes");
    assert!(one["edges/EDGE.parquet"] != other["edges/EDGE.parquet"]);
    for name in ["one", "other"] {
        let found = verify(&temp.path().join(name), &Context::silent()).expect("a snapshot");
        assert_eq!(found.problems, vec![]);
    }
}

/// Tables with every edge in a list, which is sorted.
fn held(graph: &BareGraph) -> Tables {
    let mut ends = Vec::new();
    for batch in graph.edges(&Context::silent()) {
        let batch = batch.expect("nobody asked to stop");
        let end = |name| batch.column(name).expect("an end").i64().expect("ids").iter().flatten();
        ends.extend(end("src").zip(end("dst")).map(|(src, dst)| (src as u32, dst as u32)));
    }
    // From back to front, so that what sorts them is not the generator.
    ends.reverse();
    let ids: Vec<i64> = (0..graph.node_count() as i64).collect();
    let uids: Vec<String> = ids.iter().map(|id| format!("{id:05}")).collect();
    let name: Column = Series::new("name".into(), vec![None::<&str>; ids.len()]).into_column();
    let mut nodes = df!("node" => ids, "uid" => uids).expect("a frame");
    nodes.with_column(name).expect("same height");
    let mut tables = Tables::default();
    tables.nodes.insert("Node".into(), nodes);
    tables.edges.insert("EDGE".into(), edge_table(&ends, vec![]).expect("a table"));
    tables
}

#[test]
fn what_is_streamed_has_the_bytes_of_what_is_held_and_sorted() {
    let (temp, cx) = (tempfile::tempdir().expect("a folder"), Context::silent());
    let graph = BareGraph::draw(Kind::Kronecker, 15, 17, 3, &cx).expect("a graph");
    assert!(graph.edge_count() > 1 << 19, "several row groups");
    let input = ManifestInput::of(vec![]);
    let (streamed, whole) = (temp.path().join("streamed"), temp.path().join("whole"));
    let mut writing = Writing::begin(&streamed, &input).expect("begun");
    writing.nodes("Node", graph.nodes(&cx)).expect("nodes");
    writing.edges("EDGE", graph.edges(&cx)).expect("edges");
    writing.finish(false).expect("finished");
    let tables = held(&graph);
    write(&whole, &tables, &input, &cx).expect("written");
    assert!(files(&streamed) == files(&whole));
    let back = read(&streamed).expect("a snapshot").tables;
    assert!(back.edges["EDGE"].equals(&tables.edges["EDGE"]));
    assert!(back.nodes["Node"].equals_missing(&tables.nodes["Node"]));
}

/// The most memory a process held, in KiB, looked at until it is gone.
fn peak(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let held = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = peak.max(held.and_then(|kib| kib.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().expect("a child").success());
    peak
}

#[test]
fn memory_does_not_grow_with_edges() {
    let temp = tempfile::tempdir().expect("a folder");
    let take = |degree: u32| {
        let what =
            format!("--kind uniform --scale 14 --degree {degree} --seed 7 --threads 2 --out d{degree}");
        peak(
            synth(temp.path(), &what).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"),
        )
    };
    // A million edges are two batches; six million would be 96 MB at rest, and 48 as pairs.
    let (few, many) = (take(64), take(384));
    assert!(few > 0 && many < few + 24_000, "{few} KiB for a million edges, {many} KiB for six");
}

fn study(dir: &Path, snapshot: &str, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    let words = format!(
        "study influence --no-cache --metrics pagerank --snapshot {snapshot} --out {snapshot}-out {flags}"
    );
    command.current_dir(dir).args(words.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_graph_that_is_loaded_by_row_group_ranks_as_the_one_that_is_read_whole() {
    let temp = tempfile::tempdir().expect("a folder");
    done(synth(temp.path(), "--kind kronecker --scale 14 --degree 100 --seed 4 --out g"));
    assert!(study(temp.path(), "g", "--max-iterations 5").status().expect("it starts").success());
    let file = std::fs::File::open(temp.path().join("g-out/influence/scores.parquet")).expect("scores");
    let scores = ParquetReader::new(file).finish().expect("parquet");
    let tables = read(&temp.path().join("g")).expect("a snapshot").tables;
    let graph = BusinessGraph::build(tables).expect("a graph");
    let csr = graph.project(&Projection::default()).expect("a projection").csr;
    assert!(csr.edge_count() > 3 << 19, "several batches");
    let params = pagerank::Params { max_iterations: 5, ..pagerank::Params::DEFAULT };
    let expected = pagerank::pagerank(&csr, None, &params, &Context::silent()).expect("ranks").ranks;
    let found = scores.column("influence_pagerank").expect("ranks").f64().expect("numbers");
    assert!(
        found.iter().map(|rank| rank.expect("a rank").to_bits()).eq(expected.iter().map(|r| r.to_bits()))
    );
    let uids = scores.column("uid").expect("uids").str().expect("text");
    assert!(uids.iter().flatten().zip(csr.nodes()).all(|(uid, v)| uid == graph.uid(v)));
    assert!(scores.column("label").expect("labels").str().expect("text").iter().all(|l| l == Some("Node")));
}

#[test]
fn a_loaded_and_ranked_graph_takes_little_more_than_eight_bytes_an_edge() {
    let temp = tempfile::tempdir().expect("a folder");
    let take = |degree: u32| {
        let name = format!("d{degree}");
        let what = format!("--kind uniform --scale 14 --degree {degree} --seed 7 --out {name}");
        done(synth(temp.path(), &what));
        peak(study(temp.path(), &name, "--max-iterations 1 --threads 2").spawn().expect("it starts"))
    };
    // From the first on a whole batch is read at once.
    let (few, many) = (take(128), take(512));
    let per_edge = (many.saturating_sub(few)) as f64 * 1024.0 / (384.0 * 16_384.0);
    let mut estimate = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    let words = "estimate --snapshot d512 --format csv influence --metrics pagerank";
    estimate.current_dir(temp.path()).args(words.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (told, _) = done(estimate);
    let peak = |line: &str| line.strip_prefix("peak,")?.split(',').next()?.parse::<u64>().ok();
    let told = told.lines().find_map(peak).expect("a row for the peak") / 1024;
    assert!((many..3 * many).contains(&told), "{many} KiB were taken, {told} told");
    assert!(
        few > 0 && per_edge < 9.5,
        "{few} KiB of 2 M edges, {many} KiB of 8 M: {per_edge:.1} bytes an edge"
    );
}

fn left(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// A graph that takes a while, begun, with edges under way.
fn under_way(dir: &Path) -> Child {
    let child = synth(dir, "--kind kronecker --scale 18 --degree 64 --seed 1 --out big").spawn();
    let child = child.expect("it starts");
    let edges = dir.join("big.partial/edges/EDGE.parquet");
    while !edges.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn stopped_or_killed_it_leaves_no_half_snapshot() {
    let temp = tempfile::tempdir().expect("a folder");
    let stopped = under_way(temp.path());
    let signal = Command::new("kill").args(["-INT", &stopped.id().to_string()]).status();
    assert!(signal.expect("kill starts").success());
    let output = stopped.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(left(temp.path()), Vec::<String>::new());

    let mut killed = under_way(temp.path());
    killed.kill().expect("killed");
    killed.wait().expect("a child");
    assert_eq!(left(temp.path()), ["big.partial"]);
    assert_eq!(sonograph::snapshot::list(temp.path()).expect("a folder").len(), 0);
    done(synth(temp.path(), "--kind uniform --scale 4 --degree 2 --out small"));
    assert_eq!(left(temp.path()), ["small"], "the next one cleans up");
}

#[test]
fn what_cannot_be_made_is_refused_before_anything_is() {
    let temp = tempfile::tempdir().expect("a folder");
    let refused = |arguments: &str, told: &str| {
        let output = synth(temp.path(), arguments).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
        assert!(error.contains(told), "{arguments}: {error}");
    };
    refused("--kind kronecker --scale 30 --out g", "are more edges than one graph holds");
    refused("--kind kronecker --scale 31 --out g", "2^1 to 2^30 nodes");
    refused(
        "--kind kronecker --scale 26 --degree 15 --memory-limit 100MiB --out g",
        "more than the limit of 100.0 MiB",
    );
    refused("--kind star --scale 3 --out g", "kronecker, uniform");
    let (counts, _) =
        done(synth(temp.path(), "--kind uniform --scale 26 --degree 15 --dry-run --format csv"));
    assert_eq!(counts, "table,rows\nNode,67108864\nEDGE,1006632960\n");
    assert_eq!(left(temp.path()), Vec::<String>::new());
    done(synth(temp.path(), "--kind uniform --scale 3 --degree 2 --out g"));
    refused("--kind uniform --scale 3 --degree 2 --out g", "`--replace` replaces it");
    done(synth(temp.path(), "--kind uniform --scale 3 --degree 2 --undirected --out g --replace"));
    assert!(read(&temp.path().join("g")).expect("a snapshot").manifest.undirected);
}
