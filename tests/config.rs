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
