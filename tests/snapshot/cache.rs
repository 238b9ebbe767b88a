//! The cache beside a snapshot's files, and the memory told before it is taken, through the binary.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use assert_cmd::Command;

/// A snapshot `s` of a graph that is large enough to leave a cache: 50,000 nodes and 230,000 edges with weights and times.
fn snapshot() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    let edge = |i: u32| {
        let (src, dst) = (hash(i) % 50_000, hash(!i) % 50_000);
        format!("person-{src:06},person-{dst:06},{},{}\n", f64::from(i % 97) / 10.0, 1_700_000_000 + i)
    };
    let edges: String = (0..230_000).map(edge).collect();
    std::fs::write(dir.path().join("e.csv"), format!("src,dst,weight,timestamp\n{edges}")).expect("written");
    let imported = run(dir.path(), &["snapshot", "import", "--edges", "e.csv", "--out", "s"]);
    assert_eq!(imported.status.code(), Some(0));
    dir
}

fn run(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env_remove("SONOGRAPH_CONFIG").env("NO_COLOR", "1");
    command.args(words).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const STUDY: [&str; 10] = [
    "study",
    "-vv",
    "influence",
    "--snapshot",
    "s",
    "--metrics",
    "pagerank,strength",
    "--tolerance",
    "1e-3",
    "--half-life=100",
];

/// Scores of a study with these flags more, and whether its graph came from the cache.
fn scores(dir: &Path, more: &[&str]) -> (Vec<u8>, bool) {
    let output = run(dir, &[&STUDY[..], more].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let scores = std::fs::read(dir.join("out/influence/scores.parquet")).expect("scores");
    (scores, !more.contains(&"--no-cache") && !said.contains("no graph is taken from the cache"))
}

fn cache(dir: &Path) -> PathBuf {
    dir.join("s/graph.cache")
}

#[test]
fn a_second_study_takes_the_graph_from_the_cache_and_answers_the_same() {
    let dir = snapshot();
    let dir = dir.path();
    let (plain, from_cache) = scores(dir, &["--no-cache"]);
    assert!(!from_cache && !cache(dir).exists());
    let (first, from_cache) = scores(dir, &[]);
    assert!(!from_cache && cache(dir).is_file() && first == plain);
    assert_eq!(scores(dir, &[]), (plain.clone(), true));
    for words in [&["snapshot", "verify", "s"][..], &["snapshot", "list", "--format", "json"]] {
        assert_eq!(run(dir, words).status.code(), Some(0), "{words:?}");
    }

    // Damaged anywhere, cut, of another manifest: never trusted, made again.
    let whole = std::fs::read(cache(dir)).expect("a cache");
    let put = |bytes: &[u8]| {
        std::fs::remove_file(cache(dir)).expect("removed");
        std::fs::write(cache(dir), bytes).expect("written");
    };
    for at in [0, 9, 40, 200, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        put(&damaged);
        assert_eq!(scores(dir, &[]), (plain.clone(), false), "byte {at}");
        assert!(std::fs::read(cache(dir)).expect("a cache") == whole, "made again after byte {at}");
    }
    put(&whole[..whole.len() / 3]);
    assert_eq!(scores(dir, &[]), (plain.clone(), false));
    let manifest = dir.join("s/manifest.json");
    let said = std::fs::read_to_string(&manifest).expect("a manifest");
    std::fs::write(&manifest, format!("{said}\n")).expect("written");
    assert_eq!(scores(dir, &[]), (plain.clone(), false), "another manifest");
    assert_eq!(scores(dir, &[]), (plain, true));

    // What was damaged among the tables is told whatever the cache holds, where its length shows it.
    let nodes = dir.join("s/nodes/Node.parquet");
    let bytes = std::fs::read(&nodes).expect("a table");
    std::fs::write(&nodes, &bytes[1..]).expect("written");
    let refused = run(dir, &STUDY);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("nodes/Node.parquet"), "{}", text(&refused.stderr));

    // A snapshot is replaced with its cache.
    let again = run(dir, &["snapshot", "import", "--edges", "e.csv", "--out", "s", "--force"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(!cache(dir).exists());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_studied_without_a_cache() {
    let dir = snapshot();
    let folder = dir.path().join("s");
    let rights =
        |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).expect("ours");
    // Where rights do not bind (root), a folder in the way does.
    rights(0o555);
    let is_bound = std::fs::File::create(folder.join("probe")).is_err();
    if !is_bound {
        std::fs::remove_file(folder.join("probe")).expect("removed");
        std::fs::create_dir(folder.join("graph.cache.partial")).expect("made");
    }
    let (_, from_cache) = scores(dir.path(), &[]);
    rights(0o755);
    assert!(!from_cache && !cache(dir.path()).exists());
}

/// Bytes by step, as `estimate` tells them.
fn estimated(dir: &Path, words: &[&str]) -> std::collections::BTreeMap<String, u64> {
    let output = run(dir, &[&["estimate", "--snapshot", "s", "--format", "json"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("an object");
        (row["step"].as_str().expect("text").to_owned(), row["bytes"].as_u64().expect("bytes"))
    };
    text(&output.stdout).lines().map(row).collect()
}

#[test]
fn what_is_over_the_memory_limit_is_refused_before_anything_is_read() {
    let dir = snapshot();
    let dir = dir.path();
    let need = estimated(dir, &["influence", "--half-life=100"]);
    assert!(need["peak"] >= need["loading"] && need["peak"] >= need["graph"] + need["influence"]);
    assert!(!estimated(dir, &[]).contains_key("influence"));
    let all = estimated(dir, &["all"]);
    assert!(all["peak"] >= need["graph"] && all.len() == 9, "{all:?}");

    for words in [
        &["estimate", "--snapshot", "s", "--memory-limit", "50MiB", "influence"][..],
        &[&STUDY[..], &["--memory-limit", "50MiB"]].concat(),
    ] {
        let refused = run(dir, words);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("more than the limit of 50.0 MiB") && said.contains("hint: "), "{said}");
    }
    assert!(!dir.join("out").exists() && !cache(dir).exists());
    let wrong = run(dir, &["estimate", "--snapshot", "s", "--memory-limit", "lots"]);
    assert_eq!(wrong.status.code(), Some(2));
    let enough = (need["peak"] + 1).to_string();
    let output = run(dir, &[&STUDY[..], &["--memory-limit", &enough]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// The most that a run of the program held in memory, in bytes.
fn peak(dir: &Path, words: &[&str]) -> u64 {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env_remove("SONOGRAPH_CONFIG").args(words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let status = format!("/proc/{}/status", child.id());
    let mut highest = 0;
    // The kernel keeps the high-water mark; only what rises in the last milliseconds is missed.
    while child.try_wait().expect("a child").is_none() {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = told.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        highest = mark.and_then(|mark| mark.trim().parse::<u64>().ok()).map_or(highest, |kib| kib * 1024);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    highest
}

#[test]
fn the_estimate_is_near_what_a_study_takes_and_not_below() {
    let dir = snapshot();
    for study in [&["influence", "--half-life=100"][..], &["community"], &["paths"]] {
        let need = estimated(dir.path(), study)["peak"];
        let taken = peak(dir.path(), &[&["study", "--no-cache", "--snapshot", "s"], study].concat());
        assert!(taken <= need && need <= 3 * taken, "{study:?} took {taken} bytes, {need} were told");
    }
}
