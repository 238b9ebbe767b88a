//! `sonograph synth` as a person types it.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;

fn sonograph() -> Command {
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command.env_remove("SONOGRAPH_POSTGRES_URL").env_remove("SONOGRAPH_SEED");
    command
}

/// Every file below a folder but the record of the run, which alone knows clocks.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(dir: &Path, root: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("the folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, all);
            } else if path.file_name().is_some_and(|name| name != "run.json") {
                let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
                all.insert(name, std::fs::read(&path).expect("a file reads"));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(dir, dir, &mut all);
    all
}

#[test]
fn the_same_city_has_the_same_bytes_on_one_thread_and_on_two() {
    let temp = tempfile::tempdir().expect("a folder");
    let make = |name: &str, seed: &str, threads: &str| {
        let out = temp.path().join(name);
        let made = sonograph()
            .current_dir(temp.path())
            .args(["synth", "city", "--people", "1500", "--to", "snapshot", "--format", "csv"])
            .args(["--seed", seed, "--threads", threads, "--out"])
            .arg(&out)
            .assert()
            .success();
        (files(&out), String::from_utf8(made.get_output().stdout.clone()).expect("text"))
    };
    let (one, counts) = make("one", "7", "1");
    let (two, _) = make("two", "7", "2");
    let (other, _) = make("other", "8", "2");
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(bytes == &two[name], "{name} differs");
    }
    assert!(one["truth.json"] != other["truth.json"]);
    assert!(one["nodes/Person.parquet"] != other["nodes/Person.parquet"]);
    assert!(counts.starts_with("table,rows\n") && counts.contains("\nPerson,"), "{counts}");
    let verified =
        sonograph::snapshot::verify(&temp.path().join("one"), &sonograph::context::Context::silent());
    assert_eq!(verified.expect("it can be looked at").problems, Vec::new());
}

#[test]
fn the_counts_of_a_city_are_numbers() {
    let temp = tempfile::tempdir().expect("a folder");
    let arguments = ["synth", "city", "--people", "60", "--to", "snapshot", "--dry-run", "--format", "json"];
    let made = sonograph().current_dir(temp.path()).args(arguments).assert().success();
    let told = String::from_utf8_lossy(&made.get_output().stdout).into_owned();
    for line in told.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(row["rows"].is_u64(), "{line}");
    }
    assert!(told.lines().count() > 10, "{told}");
}

#[test]
fn a_snapshot_tells_what_its_identities_rest_on_whatever_the_order_in_the_configuration() {
    let temp = tempfile::tempdir().expect("a folder");
    let rules = |name: &str, sources: &str| {
        std::fs::write(temp.path().join("sonograph.toml"), format!("[sources]\n{sources}\n"))
            .expect("written");
        let mut command = sonograph();
        command
            .current_dir(temp.path())
            .args(["synth", "city", "--people", "60", "--seed", "3", "--to", "snapshot", "--out", name]);
        command.assert().success();
        let manifest = std::fs::read(temp.path().join(name).join("manifest.json")).expect("it is there");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("an object");
        let options = manifest["options"].clone();
        let suffixes = options["suffix_list"].as_str().expect("the list is named").to_owned();
        assert!(suffixes.starts_with("psl "), "{suffixes}");
        ["shared_hosts", "free_mail", "won_stages"].map(|rule| options[rule].clone())
    };
    let list = |entries: &[&str]| serde_json::json!(entries);
    assert_eq!(rules("stock", ""), [list(&[]), list(&[]), list(&["CUSTOMER"])]);
    let extended =
        [list(&["stages.example", "tickets.*"]), list(&["mail.example"]), list(&["CUSTOMER", "SIGNED"])];
    let one = "shared_hosts = ['tickets.*', 'stages.example']\nfree_mail = ['mail.example']\nwon_stages = ['SIGNED', 'CUSTOMER']";
    assert_eq!(rules("one", one), extended);
    let two = "shared_hosts = ['stages.example', 'tickets.*', 'stages.example']\nfree_mail = ['mail.example']\nwon_stages = ['CUSTOMER', 'SIGNED']";
    assert_eq!(rules("two", two), extended);
    assert_eq!(files(&temp.path().join("one")), files(&temp.path().join("two")), "the same to the last byte");
}

#[test]
fn a_city_is_not_written_over_a_snapshot_unless_told_to() {
    let temp = tempfile::tempdir().expect("a folder");
    let city = |more: &[&str]| {
        let mut command = sonograph();
        command.current_dir(temp.path());
        command
            .args(["synth", "city", "--people", "60", "--seed", "3", "--to", "snapshot"])
            .args(more)
            .assert()
    };
    city(&["--dry-run"]).success();
    assert!(!temp.path().join("snapshots").exists(), "a dry run writes nothing");
    city(&[]).success();
    assert!(temp.path().join("snapshots/city-60-3/truth.json").is_file());
    let refused = city(&[]).code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("city-60-3"), "{said}");
    city(&["--replace"]).success();
}

#[test]
fn wrong_arguments_and_missing_servers_are_named() {
    let temp = tempfile::tempdir().expect("a folder");
    let city = |more: &[&str]| {
        let mut command = sonograph();
        command.current_dir(temp.path()).args(["synth", "city"]).args(more).assert()
    };
    let said = |assert: &assert_cmd::assert::Assert| {
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    };
    let few = city(&["--people", "3", "--to", "snapshot"]).code(2);
    assert!(said(&few).contains("between 50 and 5000000 people"), "{}", said(&few));
    let nowhere = city(&["--people", "60"]).code(2);
    assert!(said(&nowhere).contains("--to"), "{}", said(&nowhere));
    let unset = city(&["--people", "60", "--to", "sources"]).code(2);
    assert!(said(&unset).contains("SONOGRAPH_POSTGRES_URL"), "{}", said(&unset));
    let mut command = sonograph();
    command.env("SONOGRAPH_POSTGRES_URL", "postgresql://someone:secret@127.0.0.1:1/nothing");
    let closed = command.args(["synth", "city", "--people", "60", "--to", "sources"]).assert().code(3);
    assert!(said(&closed).contains("127.0.0.1:1") && !said(&closed).contains("secret"), "{}", said(&closed));
}
