//! `sonograph.toml`.

use proptest::prelude::*;
use sonograph::config::{FileLayer, TEMPLATE};

use crate::changes::{cases, changed, changes, told, within};

proptest! {
    #![proptest_config(cases(200))]
    #[test]
    fn a_configuration_that_was_changed_is_read_or_refused_at_its_line(changes in changes()) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sonograph.toml");
        // As a user has it: what the template shows in comments is in force.
        let in_force = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        let text: String = TEMPLATE.lines().map(in_force).collect();
        prop_assert!(FileLayer::read(&put(&path, text.as_bytes())).is_ok());
        let bytes = changed(text.into_bytes(), &changes);
        put(&path, &bytes);
        if let Err(error) = within(bytes.len(), 2_000, || FileLayer::read(&path))? {
            let said = told(&error);
            prop_assert!(said.contains("sonograph.toml"), "{said}");
            prop_assert!(std::str::from_utf8(&bytes).is_err() || said.contains("line"), "{said}");
        }
    }
}

fn put(path: &std::path::Path, bytes: &[u8]) -> std::path::PathBuf {
    std::fs::write(path, bytes).expect("written");
    path.to_owned()
}
