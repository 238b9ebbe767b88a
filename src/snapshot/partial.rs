//! The folder a snapshot is written in: whole or not at all.
//!
//! It is `<dir>.partial` until it is complete, and renamed then. While it is written a lock is held in it, so that a
//! left-over of a process that was killed can be told from one that is at work.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use nix::errno::Errno;

use super::SnapshotError;
use super::manifest::{MANIFEST, RUN};
use super::tables::mapped::is_cache;
use crate::context::leads_somewhere;

pub(super) const PARTIAL: &str = ".partial";
const REPLACED: &str = ".replaced";
pub(super) const LOCK: &str = ".writing";
/// What we put into a snapshot that its manifest does not name: `synth` its truth, a process that was killed its lock.
const BESIDE: [&str; 4] = [MANIFEST, RUN, "truth.json", LOCK];

/// Refuses a target that is something else than a snapshot that may be replaced. Cheap, so that it can be asked before
/// anything is read.
pub fn check_target(dir: &Path, replace: bool) -> Result<(), SnapshotError> {
    leads_somewhere(dir).map_err(SnapshotError::writing)?;
    if dir.join(MANIFEST).is_file() {
        // Other programs have a `manifest.json` too, and what is theirs is never replaced.
        return match (ours(&dir.join(MANIFEST)), replace) {
            (true, true) => match foreign(dir).map_err(SnapshotError::writing)? {
                None => Ok(()),
                Some(name) => Err(SnapshotError::Foreign { dir: dir.to_owned(), name }),
            },
            (true, false) => Err(SnapshotError::Exists(dir.to_owned())),
            (false, _) => Err(SnapshotError::Occupied(dir.to_owned())),
        };
    }
    match fs_err::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(SnapshotError::Occupied(dir.to_owned()))
        }
        Err(error) => Err(SnapshotError::writing(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(SnapshotError::Occupied(dir.to_owned())),
        },
    }
}

/// Whether a `manifest.json` is that of a snapshot, of whatever version.
fn ours(manifest: &Path) -> bool {
    let text = fs_err::read(manifest).unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|m| {
        ["schema_version", "tool_version", "node_count", "edges"].iter().all(|key| m.get(key).is_some())
    })
}

/// The first thing in a snapshot that neither its manifest names nor we put beside it, as a path below `dir`.
pub(super) fn foreign(dir: &Path) -> io::Result<Option<String>> {
    let manifest = fs_err::read(dir.join(MANIFEST))?;
    let mut known: BTreeSet<String> = BESIDE.map(str::to_owned).into();
    files(&serde_json::from_slice(&manifest)?, &mut known);
    let (mut folders, mut found) = (vec![PathBuf::new()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        let mut empty = true;
        for entry in fs_err::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            empty = false;
            // A link is nothing that we make, wherever it leads.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if !known.contains(path.to_string_lossy().as_ref()) && !is_cache(&path) {
                found.insert(path.to_string_lossy().into_owned());
            }
        }
        if empty && !["nodes", "edges", "tables"].iter().any(|ours| folder.ends_with(ours)) {
            found.insert(folder.to_string_lossy().into_owned());
        }
    }
    Ok(found.pop_first())
}

/// Every `file` that a manifest of whatever version names.
fn files(manifest: &serde_json::Value, known: &mut BTreeSet<String>) {
    match manifest {
        serde_json::Value::Object(fields) => {
            known.extend(fields.get("file").and_then(|file| file.as_str()).map(str::to_owned));
            fields.values().for_each(|value| files(value, known));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| files(value, known)),
        _ => {}
    }
}

/// A folder that is being written; removed unless it is finished.
#[derive(Debug)]
pub(super) struct Partial {
    pub path: PathBuf,
    lock: Option<File>,
}

impl Partial {
    pub fn begin(dir: &Path) -> Result<Self, SnapshotError> {
        let path = beside(dir, PARTIAL);
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(parent).map_err(SnapshotError::writing)?;
        clean(parent);
        // Whoever cleans beside us may take the folder for a left-over before the lock is ours; then it is made again.
        for attempt in 0..20 {
            match Self::claim(dir, &path) {
                Ok(Some(lock)) => return Ok(Self { path, lock: Some(lock) }),
                Err(error) if attempt == 0 || !matches!(error, SnapshotError::Busy(_)) => return Err(error),
                Ok(None) | Err(_) => {}
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(SnapshotError::Busy(dir.to_owned()))
    }

    /// Makes the folder and locks it; `None` where somebody cleaned it away in between.
    fn claim(dir: &Path, path: &Path) -> Result<Option<File>, SnapshotError> {
        // Killed before the lock was made, a process leaves an empty folder; one with something in it is in use.
        let _ = std::fs::remove_dir(path);
        fs_err::create_dir(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SnapshotError::Busy(dir.to_owned()),
            _ => SnapshotError::writing(error),
        })?;
        let lock = match File::create(path.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            made => made.map_err(SnapshotError::writing)?,
        };
        // A file system without locks costs the cleaning of left-overs, not the snapshot.
        let taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
        Ok(Some(lock).filter(|_| !taken && path.join(LOCK).is_file()))
    }

    pub fn finish(mut self, dir: &Path, may_replace: bool) -> Result<(), SnapshotError> {
        let replaced = beside(dir, REPLACED);
        let replace = may_replace && dir.join(MANIFEST).is_file();
        if replace {
            // What was there is a left-over from then on, which a lock of nobody's lets the next write clean.
            fs_err::File::create(dir.join(LOCK)).map_err(SnapshotError::writing)?;
            if exchange(&self.path, dir)? {
                fs_err::remove_file(dir.join(LOCK)).map_err(SnapshotError::writing)?;
                drop(self.lock.take());
                return match empty(&self.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(SnapshotError::writing(error))
                    }
                    _ => Ok(()),
                };
            }
            // There already only where a process was killed in the middle of this and `dir` was written again since.
            remove(&replaced)?;
            fs_err::rename(dir, &replaced).map_err(SnapshotError::writing)?;
        }
        // Somebody may have put a snapshot there since the target was looked at.
        fs_err::rename(&self.path, dir).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                SnapshotError::Exists(dir.to_owned())
            }
            _ => SnapshotError::writing(error),
        })?;
        self.lock = None;
        fs_err::remove_file(dir.join(LOCK)).map_err(SnapshotError::writing)?;
        if replace { remove(&replaced) } else { Ok(()) }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.lock.take().is_some() {
            // The error that led here is the one to tell; what stays is cleaned by the next write.
            let _ = empty(&self.path);
        }
    }
}

pub(super) fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().map_or_else(|| "snapshot".into(), std::ffi::OsStr::to_os_string);
    name.push(suffix);
    dir.with_file_name(name)
}

fn remove(dir: &Path) -> Result<(), SnapshotError> {
    match fs_err::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SnapshotError::writing(error)),
        _ => Ok(()),
    }
}

/// The lock goes last: without it a left-over is nobody's to clean.
pub(super) fn empty(gone: &Path) -> io::Result<()> {
    for entry in fs_err::read_dir(gone)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs_err::remove_dir_all(entry.path())?;
        } else if entry.file_name() != LOCK {
            fs_err::remove_file(entry.path())?;
        }
    }
    fs_err::remove_file(gone.join(LOCK))?;
    fs_err::remove_dir(gone)
}

/// Puts two folders in each other's place in one step, so that there is no moment without one of them; `false` where that
/// cannot be done here.
fn exchange(one: &Path, other: &Path) -> Result<bool, SnapshotError> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        match renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE) {
            Ok(()) => return Ok(true),
            // The file system's answer, or an old kernel's.
            Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {}
            Err(refused) => return Err(SnapshotError::writing(refused.into())),
        }
    }
    Ok(false)
}

/// Removes the left-overs in `folder` whose writers are gone: `….partial` with a lock that nobody holds.
fn clean(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_partial(path)) {
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        // Held until the folder is gone, so that nobody can lock it meanwhile.
        if lock.try_lock().is_ok() {
            // What cannot be removed is told by the write that needs its name.
            let _ = empty(&path);
        }
    }
}

/// Whether a folder is one that was never finished.
pub(super) fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(PARTIAL.as_bytes()))
        && path.is_dir()
}
