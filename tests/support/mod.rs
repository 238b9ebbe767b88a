//! What tests of several rooms need: the servers, and a graph or a database of a test's own on them.
#![allow(dead_code, reason = "no test program needs all of it")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

pub mod graph;
pub mod scratch;

/// URL of the `FALKORDB` or the `POSTGRES` that `scripts/test` starts.
///
/// `SONOGRAPH_TEST_*_URL` where it is given, else `SONOGRAPH_*_URL`. A test without its server fails: one that skipped
/// itself would pass for one that passed.
pub fn url(system: &str) -> String {
    [format!("SONOGRAPH_TEST_{system}_URL"), format!("SONOGRAPH_{system}_URL")]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()))
        .unwrap_or_else(|| {
            panic!("SONOGRAPH_{system}_URL is not set: `scripts/test` starts the servers of the tests and sets it")
        })
}
