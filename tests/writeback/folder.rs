//! A project folder with a snapshot and a study's answer, and the program run in it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sonograph::context::Context;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::{self, ManifestInput, Origin, parquet_bytes};
use sonograph::studies::findings::Scores;

/// Lays `snapshot/` and `out/influence/` down, in the shape that `snapshot take` and `study` write.
pub fn lay(dir: &Path, tables: &Tables, scores: &Scores) {
    let input = ManifestInput::of(vec![Origin::new("falkordb", "4.22.1")]);
    snapshot::write(&dir.join("snapshot"), tables, &input, &Context::silent()).expect("a snapshot");
    answer(dir, scores);
}

/// Replaces `out/influence/`.
pub fn answer(dir: &Path, scores: &Scores) {
    let family = dir.join("out/influence");
    std::fs::create_dir_all(&family).expect("a folder");
    let bytes = parquet_bytes(&scores.frame).expect("parquet");
    let sums = json!({"scores.parquet": snapshot::sha256(&bytes)});
    std::fs::write(family.join("scores.parquet"), bytes).expect("written");
    let declared: Vec<Value> = scores.frame.get_column_names()[2..]
        .iter()
        .map(|name| json!({"name": name.as_str(), "unit": "1", "meaning": "a score"}))
        .collect();
    let summary = json!({"family": "influence", "scores": declared, "sha256": sums}).to_string();
    std::fs::write(family.join("findings.json"), summary).expect("written");
}

/// The program in that folder.
pub fn sonograph(dir: &Path, url: &str, graph: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command
        .current_dir(dir)
        .args(arguments)
        .env("SONOGRAPH_FALKORDB_URL", url)
        .env("SONOGRAPH_GRAPH", graph)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What came out of one run: exit code, stdout, stderr.
pub fn out(mut command: Command) -> (i32, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}
