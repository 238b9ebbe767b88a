//! The house: who may import whom, unique kernel stems, file length.
//!
//! The table below is the law; a room that needs another one changes the table first, in the open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms (or parts of rooms) it may import. `context` may be imported by all. A room may import itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli", "terminal"]),
    ("context", &[]),
    ("terminal", &[]),
    ("config", &[]),
    ("ontology", &[]),
    ("sources", &["config", "ontology", "snapshot::tables"]),
    ("snapshot", &["ontology"]),
    ("graph", &["snapshot::tables", "ontology"]),
    ("studies", &["graph", "snapshot::tables", "ontology"]),
    ("mirror", &["ontology", "sources", "snapshot::tables", "config"]),
    ("report", &["studies::findings", "studies::Findings", "snapshot"]),
    (
        "writeback",
        &[
            "config",
            "ontology",
            "studies::findings",
            "studies::Findings",
            "snapshot",
            "sources::falkordb",
            "sources::postgres",
        ],
    ),
    ("services", &["config"]),
    (
        "cli",
        &[
            "config",
            "mirror",
            "ontology",
            "graph",
            "report",
            "services",
            "snapshot",
            "sources",
            "studies",
            "terminal",
            "writeback",
        ],
    ),
];

/// External crates a room must not use.
const MUST_NOT_USE: &[(&str, &[&str])] = &[
    ("ontology", &["polars", "tokio", "sqlx", "redis", "rayon", "std::fs", "fs_err", "std::env"]),
    ("context", &["polars", "tokio", "sqlx", "redis", "rayon", "std::fs", "fs_err", "std::env"]),
    ("graph", &["tokio", "sqlx", "redis", "std::fs", "fs_err", "std::env"]),
    ("studies", &["tokio", "sqlx", "redis", "std::fs", "fs_err", "std::env", "std::time"]),
    ("snapshot", &["tokio", "sqlx", "redis"]),
    ("terminal", &["polars", "tokio", "sqlx", "redis"]),
];

/// External crates a kernel file must not use beside what its room must not.
const KERNELS_MUST_NOT_USE: &[&str] = &["polars", "std::io"];

const MAX_LINES: usize = 500;

struct Source {
    /// Path below `src`, with `/`.
    name: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, root: &Path, all: &mut Vec<Source>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(dir).expect("src can be read").map(|e| e.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, root, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).expect("below src").to_string_lossy().replace('\\', "/");
                all.push(Source { name, text: fs::read_to_string(&path).expect("a source file is text") });
            }
        }
    }
    let mut all = Vec::new();
    walk(&root(), &root(), &mut all);
    assert!(all.len() > 20, "the walk found the sources");
    all
}

fn room(name: &str) -> &str {
    name.split('/').next().and_then(|first| first.strip_suffix(".rs").or(Some(first))).expect("a name")
}

/// Code without comment lines, so that a doc link is no import.
fn code(text: &str) -> String {
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Paths such as `snapshot::tables::Tables` or `snapshot::{a, b}` that follow `crate::` (braces expanded one level).
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut all = BTreeSet::new();
    let prefixes = ["crate::", "sonograph::"];
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            expand(&code[at + prefix.len()..], "", &mut all);
        }
    }
    all
}

fn expand(rest: &str, path: &str, all: &mut BTreeSet<String>) {
    if let Some(list) = rest.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    expand(list[start..i].trim(), path, all);
                    return;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(list[start..i].trim(), path, all);
                    start = i + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if word.is_empty() {
        return;
    }
    let joined = if path.is_empty() { word.clone() } else { format!("{path}::{word}") };
    match rest[word.len()..].strip_prefix("::") {
        Some(next) if next.starts_with('{') || next.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
            expand(next, &joined, all);
        }
        _ => {
            all.insert(joined);
        }
    }
}

fn allowed(room: &str, import: &str, rooms: &BTreeSet<&str>) -> bool {
    let target = import.split("::").next().expect("a word");
    if target == room || target == "context" || !rooms.contains(target) {
        return true;
    }
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    table.get(room).is_some_and(|list| {
        list.iter()
            .any(|entry| import == *entry || import.starts_with(&format!("{entry}::")) || target == *entry)
    })
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let rooms: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let room = room(&source.name);
        if room == "lib" {
            continue;
        }
        assert!(rooms.contains(room), "{}: the room `{room}` is not in the table", source.name);
        for import in imports(&source.text) {
            if !allowed(room, &import, &rooms) {
                wrong.push(format!("{} imports {import}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table:\n{}", wrong.join("\n"));
}

#[test]
fn no_room_uses_a_crate_it_must_not() {
    let mut wrong = Vec::new();
    for source in sources() {
        let code = code(source.text.split("#[cfg(test)]").next().expect("a first part"));
        let room = room(&source.name);
        let mut banned: Vec<&str> = MUST_NOT_USE
            .iter()
            .filter(|(r, _)| *r == room)
            .flat_map(|(_, list)| list.iter().copied())
            .collect();
        if kernel(&source.name).is_some() {
            banned.extend(KERNELS_MUST_NOT_USE);
        }
        for name in banned {
            if code.contains(&format!("{name}::")) {
                wrong.push(format!("{} uses {name}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table:\n{}", wrong.join("\n"));
}

/// The stem of a kernel file: `studies/<family>/<kernel>.rs`, other than `mod.rs` and the family's own `study*.rs`.
fn kernel(name: &str) -> Option<&str> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["studies", _, file] => {
            file.strip_suffix(".rs").filter(|stem| *stem != "mod" && !stem.starts_with("study"))
        }
        _ => None,
    }
}

#[test]
fn no_two_kernels_share_a_stem_and_every_one_has_its_oracle() {
    let mut seen = BTreeMap::new();
    for source in sources() {
        let Some(stem) = kernel(&source.name) else { continue };
        if let Some(other) = seen.insert(stem.to_owned(), source.name.clone()) {
            panic!("{other} and {} share the stem `{stem}`", source.name);
        }
        assert!(source.text.contains("mod oracle"), "{} has no oracle", source.name);
    }
    assert!(!seen.is_empty(), "there are kernels");
}

#[test]
fn no_source_file_is_longer_than_the_house_allows() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|s| (s.text.lines().count(), s.name))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, name)| format!("{name}: {lines}"))
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    const EMPTY: &[&str] =
        &["utils", "util", "common", "helpers", "helper", "manager", "core", "types", "misc"];
    for source in sources() {
        for part in source.name.trim_end_matches(".rs").split('/') {
            assert!(!EMPTY.contains(&part), "{}: `{part}` says nothing", source.name);
        }
    }
}

#[test]
fn the_reader_of_imports_sees_nested_braces_and_ignores_comments() {
    let text = "use crate::{graph::{Csr, csr::NodeId}, snapshot::tables};\n// crate::lab::x\nfn f() { crate::cli::main() }";
    let expected: BTreeSet<String> =
        ["graph::Csr", "graph::csr::NodeId", "snapshot::tables", "cli::main"].map(str::to_owned).into();
    assert_eq!(imports(text), expected);
    let rooms: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    assert!(allowed("graph", "snapshot::tables", &rooms) && !allowed("graph", "snapshot::write", &rooms));
    assert!(
        !allowed("studies", "writeback::apply", &rooms) && allowed("studies", "context::Context", &rooms)
    );
}
