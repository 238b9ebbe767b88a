//! Which snapshots are old, and how one goes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::partial::{LOCK, PARTIAL, beside, empty, foreign};
use super::{Listed, SnapshotError};

/// A snapshot and the week it was finished in.
#[derive(Debug)]
pub struct Aged {
    /// Name of the folder.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// ISO 8601 week, UTC, for example `2026-W47`.
    pub week: String,
    /// Size of its files.
    pub bytes: u64,
}

/// What a retention does.
#[derive(Debug, Default)]
pub struct Retention {
    /// What stays, newest first.
    pub kept: Vec<Aged>,
    /// What goes, newest first.
    pub old: Vec<Aged>,
    /// What is never removed, by name, and why.
    pub untouched: Vec<(String, String)>,
}

/// Of each of the newest `weeks` weeks that have any, the snapshot that was finished last stays; `listed` is oldest
/// first. What cannot be read, has no week, is a link or holds files of others is left alone.
pub fn retention(listed: Vec<Listed>, weeks: usize) -> Retention {
    let (mut found, mut seen) = (Retention::default(), BTreeSet::new());
    for one in listed.into_iter().rev() {
        let aged = match aged(&one) {
            Ok(aged) => aged,
            Err(why) => {
                found.untouched.push((one.name, why));
                continue;
            }
        };
        let is_last = seen.insert(aged.week.clone());
        if is_last && seen.len() <= weeks {
            found.kept.push(aged);
        } else {
            found.old.push(aged);
        }
    }
    found
}

fn aged(one: &Listed) -> Result<Aged, String> {
    let manifest = one.manifest.as_ref().map_err(ToString::to_string)?;
    if one.dir.is_symlink() {
        return Err("it is a link".to_owned());
    }
    let run = one.run.as_ref().ok_or("it has no run.json, which would tell its week")?;
    match foreign(&one.dir) {
        Ok(None) => {}
        Ok(Some(name)) => return Err(format!("it holds `{name}`, which is no part of it")),
        Err(error) => return Err(format!("its folder cannot be read: {error}")),
    }
    let date = run.finished.to_zoned(TimeZone::UTC).date().iso_week_date();
    Ok(Aged {
        name: one.name.clone(),
        dir: one.dir.clone(),
        week: format!("{}-W{:02}", date.year(), date.week()),
        bytes: manifest.files().map(|file| file.bytes).sum(),
    })
}

/// Removes a snapshot. It is none from the first moment on; what a process that is killed leaves of it, the next that
/// writes beside it cleans away.
///
/// # Errors
///
/// When the folder holds what is no part of the snapshot, or the disk refuses.
pub fn discard(dir: &Path) -> Result<(), SnapshotError> {
    if let Some(name) = foreign(dir).map_err(SnapshotError::writing)? {
        return Err(SnapshotError::Foreign { dir: dir.to_owned(), name });
    }
    let gone = beside(dir, PARTIAL);
    let lock = File::create(dir.join(LOCK)).map_err(SnapshotError::writing)?;
    // Kept until the end, so that nobody takes the rest for a left-over before we are done.
    let _ = lock.try_lock();
    fs_err::rename(dir, &gone).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            SnapshotError::Busy(dir.to_owned())
        }
        _ => SnapshotError::writing(error),
    })?;
    empty(&gone).map_err(SnapshotError::writing)
}
