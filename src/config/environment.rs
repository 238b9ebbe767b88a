//! `SONOGRAPH_*`: which variables there are, and what one holds.

use std::ffi::OsString;

use super::{Config, ConfigError};

/// URL of agent memory, unless the configuration names another variable.
pub(super) const MEMORY_URL: &str = "SONOGRAPH_MEMORY_URL";

const PREFIX: &str = "SONOGRAPH_";

/// Variables of the tests, which name more of their own.
const TESTS: &str = "SONOGRAPH_TEST_";

/// Variables that this program, its scripts and its tests read under a fixed name.
const KNOWN: [&str; 16] = [
    "SONOGRAPH_FALKORDB_URL",
    "SONOGRAPH_POSTGRES_URL",
    MEMORY_URL,
    "SONOGRAPH_GRAPH",
    "SONOGRAPH_SNAPSHOTS_DIR",
    "SONOGRAPH_WRITEBACK_DIR",
    "SONOGRAPH_MIRROR_DIR",
    "SONOGRAPH_SERVICES_DIR",
    "SONOGRAPH_SEED",
    "SONOGRAPH_THREADS",
    "SONOGRAPH_LOG",
    "SONOGRAPH_CACHE_DIR",
    "SONOGRAPH_FALKORDB_MODULE",
    "SONOGRAPH_REDIS_SERVER",
    "SONOGRAPH_POSTGRES_BIN",
    "SONOGRAPH_SHARED",
];

/// A variable that nobody reads, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// As it is set.
    pub name: String,
    /// The name of one that is read and most like it.
    pub nearest: String,
}

/// The text that a variable holds; an error where it is no text.
pub(super) fn text(name: &str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    let refused =
        |_| ConfigError::Environment { name: name.to_owned(), reason: "it is not UTF-8".to_owned() };
    value.map(|value| value.into_string().map_err(refused)).transpose()
}

/// The same of a setting, which nothing but leaving it out leaves at its default.
pub(super) fn setting(name: &str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    match text(name, value)? {
        Some(blank) if blank.trim().is_empty() => {
            Err(ConfigError::Environment { name: name.to_owned(), reason: "it is set but empty".to_owned() })
        }
        value => Ok(value),
    }
}

impl Config {
    /// Those of `names` that look like sonograph's and are not read by it.
    pub fn unread_variables(&self, names: impl IntoIterator<Item = OsString>) -> Vec<Unread> {
        let own = self.sources.named().into_iter().filter_map(|(_, naming)| naming.url_env.as_deref());
        let named = [self.falkordb.url_env.as_str(), self.postgres.url_env.as_str()];
        let named = named.into_iter().chain(self.falkordb.memory_url_env.as_deref()).chain(own);
        let known: Vec<&str> = KNOWN.into_iter().chain(named).collect();
        let names = names.into_iter().map(|name| name.to_string_lossy().into_owned());
        let mut unread: Vec<Unread> = names
            .filter(|name| name.starts_with(PREFIX) && !name.starts_with(TESTS))
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| {
                let nearest = known.iter().min_by_key(|known| strsim::levenshtein(known, &name));
                Unread { nearest: (*nearest.expect("some are known")).to_owned(), name }
            })
            .collect();
        unread.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_nobody_reads_is_told_with_the_one_most_like_it() {
        let mut config = Config::default();
        config.sources.directus.url_env = Some("SONOGRAPH_EVENTS_URL".into());
        let set =
            ["SONOGRAPH_GRAP", "SONOGRAPH_EVENTS_URL", "SONOGRAPH_TEST_CASES", "SONOGRAPH_SHARED", "HOME"];
        let unread = config.unread_variables(set.map(OsString::from));
        assert_eq!(unread, [Unread { name: "SONOGRAPH_GRAP".into(), nearest: "SONOGRAPH_GRAPH".into() }]);
    }

    #[test]
    fn every_variable_that_the_readme_names_is_known() {
        let readme = include_str!("../../README.md");
        let names = readme.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let mut config = Config::default();
        config.sources.directus.url_env = Some("SONOGRAPH_DIRECTUS_URL".into());
        let names: Vec<OsString> =
            names.filter(|name| name.len() > PREFIX.len()).map(OsString::from).collect();
        assert!(names.len() > 10);
        assert_eq!(config.unread_variables(names), []);
        for name in KNOWN.iter().filter(|name| name.ends_with("_DIR")) {
            assert!(readme.contains(name), "{name}");
        }
    }
}
