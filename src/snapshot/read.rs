//! A snapshot folder → tables.

use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::manifest::{Manifest, Run, TableFile};
use super::tables::{Tables, parquet};
use super::verify::{Problem, differs, misfit};
use crate::context::{leads_somewhere, regular};

/// A snapshot in memory.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where it was read from.
    pub dir: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
    /// The graph and its companions; a memory graph is read by [`super::read_memory`].
    pub tables: Tables,
}

/// Reads a whole snapshot. The bytes of every file are held against the manifest, so that no number is made from a
/// damaged one; whether its rows are a graph is said by [`super::verify`] and by who makes a graph of them.
///
/// # Errors
///
/// When `dir` is no snapshot, is one of another layout, or a file is missing or not what the manifest says.
pub fn read(dir: &Path) -> Result<Snapshot, SnapshotError> {
    let manifest = Manifest::read(dir)?;
    let tables = assembled(&manifest, &mut |file| loaded(dir, file))?;
    Ok(Snapshot { dir: dir.to_owned(), manifest, tables })
}

/// Decodes one file and holds it against what the manifest says of it.
pub(super) fn loaded(dir: &Path, file: &TableFile) -> Result<DataFrame, SnapshotError> {
    let frame = decode(dir, file)?;
    match misfit(file, &frame) {
        Some(what) => Err(SnapshotError::Damaged {
            dir: dir.to_owned(),
            problem: Problem { place: file.file.clone(), what },
        }),
        None => Ok(frame),
    }
}

/// The tables a manifest names, each read by `load`.
pub(super) fn assembled(
    manifest: &Manifest,
    load: &mut dyn FnMut(&TableFile) -> Result<DataFrame, SnapshotError>,
) -> Result<Tables, SnapshotError> {
    let mut all = |files: &std::collections::BTreeMap<String, TableFile>| {
        files.iter().map(|(name, file)| Ok((name.clone(), load(file)?))).collect::<Result<_, SnapshotError>>()
    };
    Ok(Tables {
        nodes: all(&manifest.nodes)?,
        edges: all(&manifest.edges)?,
        companions: all(&manifest.tables)?,
        undirected: manifest.undirected,
    })
}

/// Decodes one file, if its bytes are those that were written.
pub(super) fn decode(dir: &Path, file: &TableFile) -> Result<DataFrame, SnapshotError> {
    let path = file.located(dir)?;
    let bytes = regular(&path)
        .and_then(|()| std::fs::read(&path))
        .map_err(|source| SnapshotError::Decode { file: path.clone(), source: source.into() })?;
    if let Some(what) = differs(file, bytes.len() as u64, &Sha256::digest(&bytes)) {
        let problem = Problem { place: file.file.clone(), what };
        return Err(SnapshotError::Damaged { dir: dir.to_owned(), problem });
    }
    parquet::decode(bytes).map_err(|source| SnapshotError::Decode { file: path, source })
}

/// A snapshot folder as the catalogue shows it.
#[derive(Debug)]
pub struct Listed {
    /// Name of the folder.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// What it says about itself, or why it cannot be read.
    pub manifest: Result<Manifest, SnapshotError>,
    /// The run that made it, where the record of it is still there.
    pub run: Option<Run>,
}

/// The snapshots in `snapshots_dir`, oldest first; what was never finished is not among them. A folder that does not
/// exist holds none.
pub fn list(snapshots_dir: &Path) -> Result<Vec<Listed>, SnapshotError> {
    let entries = match fs_err::read_dir(snapshots_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return leads_somewhere(snapshots_dir).map(|()| Vec::new()).map_err(SnapshotError::reading);
        }
        Err(error) => return Err(SnapshotError::reading(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let dir = entry.map_err(SnapshotError::reading)?.path();
        if !dir.is_dir() || super::partial::is_partial(&dir) {
            continue;
        }
        let manifest = Manifest::read(&dir);
        if matches!(manifest, Err(SnapshotError::NotASnapshot(_))) {
            continue;
        }
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.push(Listed { name, run: Run::read(&dir), dir, manifest });
    }
    // Without a record of its run a snapshot counts as older than any that has one; names, being times, then decide.
    all.sort_by(|a, b| {
        let finished = |l: &Listed| l.run.as_ref().map(|run| run.finished);
        finished(a).cmp(&finished(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(all)
}

/// The newest snapshot in `snapshots_dir`.
pub fn latest(snapshots_dir: &Path) -> Result<PathBuf, SnapshotError> {
    let newest = list(snapshots_dir)?.into_iter().rev().find(|listed| listed.manifest.is_ok());
    newest.map(|listed| listed.dir).ok_or_else(|| SnapshotError::NoSnapshot(snapshots_dir.to_owned()))
}

/// What `--snapshot` means: `latest`, a folder, or the name of a snapshot in `snapshots_dir`.
pub fn locate(asked: &str, snapshots_dir: &Path) -> Result<PathBuf, SnapshotError> {
    if asked == "latest" {
        return latest(snapshots_dir);
    }
    let (given, named) = (PathBuf::from(asked), snapshots_dir.join(asked));
    let is_snapshot = |dir: &Path| !matches!(Manifest::read(dir), Err(SnapshotError::NotASnapshot(_)));
    if !is_snapshot(&given) && is_snapshot(&named) { Ok(named) } else { Ok(given) }
}
