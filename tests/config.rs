//! The configuration as a user meets it.

use std::path::Path;

#[test]
fn the_committed_json_schema_is_the_one_the_program_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sonograph.schema.json");
    let committed = std::fs::read_to_string(file).expect("sonograph.schema.json is in the repository");
    assert!(
        committed == sonograph::config::json_schema(),
        "stale: run `cargo run -- config schema > sonograph.schema.json`"
    );
}

#[test]
fn a_shared_host_that_is_none_is_refused_by_its_key_before_anything_is_read() {
    for (key, entry, why) in [
        ("shared_hosts", "not a host", "is no domain"),
        ("shared_hosts", "co.uk", "is a whole public suffix"),
        ("free_mail", "ana@fans.example", "is no domain"),
        ("free_mail", "mail.fans.*", "has more before"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!("[sources]\n{key} = [\"fine.example\", \"{entry}\"]\n");
        std::fs::write(dir.path().join("sonograph.toml"), text).expect("written");
        let mut command = assert_cmd::Command::cargo_bin("sonograph").expect("the binary is built");
        let refused = command
            .args([
                "--progress",
                "none",
                "synth",
                "city",
                "--people",
                "1000",
                "--dry-run",
                "--to",
                "snapshot",
            ])
            .current_dir(dir.path())
            .assert()
            .code(2);
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(told.contains(&format!("`sources.{key}`")) && told.contains("sonograph.toml"), "{told}");
        assert!(told.contains(&format!("entry 2 {why}")), "{told}");
        assert!(!told.contains(entry), "a value of the configuration may be a secret: {told}");
    }
}
