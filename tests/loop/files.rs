//! Folders as maps from relative path to bytes.

use std::collections::BTreeMap;
use std::path::Path;

/// What changes from run to run by its nature lies in files of this name alone.
const RUN: &str = "run.json";

pub type Files = BTreeMap<String, Vec<u8>>;

/// Every file below a folder.
pub fn all(dir: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder reads") {
            let path = entry.expect("the folder reads").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it is below").to_str().expect("a plain name");
                files.insert(name.to_owned(), std::fs::read(&path).expect("the file reads"));
            }
        }
    }
    files
}

/// Those below one of the folders.
pub fn below(files: &Files, folders: &[&str]) -> Files {
    let wanted = |name: &str| folders.iter().any(|folder| name.starts_with(folder));
    files.iter().filter(|(name, _)| wanted(name)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

/// Both hold the same files with the same bytes, but for what belongs to the run.
pub fn are_the_same(one: &Files, other: &Files) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert!(!one.is_empty(), "nothing would be compared");
    assert_eq!(names(one), names(other));
    let differing: Vec<&String> = one
        .iter()
        .filter(|(name, bytes)| other[*name] != **bytes && !name.ends_with(RUN))
        .map(|(name, _)| name)
        .collect();
    assert!(differing.is_empty(), "these files are not the same bytes: {differing:?}");
}
