//! What is remembered of a folder's servers: `services.json`, and the lock that lets one `up` or `down` at a time touch it.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fs_err as fs;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::context::Context;

use super::error::{Attempt as _, Error};
use super::process::Process;

const FILE: &str = "services.json";
const LOCK: &str = "services.lock";
const IGNORE: &str = ".gitignore";

/// Everything that servers keep in their folder.
pub const FILES: [&str; 5] = ["data", FILE, "services.json.partial", LOCK, IGNORE];

/// Everything the next command in the same folder must know. No `Debug`: it holds passwords.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// A folder outside DIR that holds what `nobody` could not reach in it, while servers are up.
    pub lodging: Option<PathBuf>,
    pub falkordb: Record,
    pub postgres: Record,
}

/// One server's part of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub port: u16,
    pub password: String,
    pub version: String,
    /// The process, from its start until `down`.
    pub process: Option<Process>,
}

impl Record {
    fn fresh() -> Self {
        let password = format!("{:032x}", rand::random::<u128>());
        Self { port: 0, password, version: String::new(), process: None }
    }

    pub fn alive(&self) -> bool {
        self.process.as_ref().is_some_and(Process::alive)
    }

    /// Ends the process, with each signal in turn.
    pub fn stop(&mut self, server: &str, signals: &[(Signal, Duration)]) -> Result<(), Error> {
        if let Some(process) = &self.process {
            process.stop(server, signals)?;
        }
        self.process = None;
        Ok(())
    }
}

impl State {
    /// New passwords, nothing started yet.
    pub fn fresh() -> Self {
        Self { lodging: None, falkordb: Record::fresh(), postgres: Record::fresh() }
    }

    /// Reads the folder's state; `None` where there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::State { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(Error::NoFolder(dir.to_owned()))
            }
            Err(error) => Err(error).attempt("read the state of the services"),
        }
    }

    /// Writes the folder's state, whole or not at all.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let partial = dir.join("services.json.partial");
        let bytes = serde_json::to_vec_pretty(self).expect("strings and numbers always become JSON");
        write_private(&partial, &bytes)
            .and_then(|()| fs::rename(&partial, dir.join(FILE)))
            .attempt("write the state of the services")
    }
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Creates the folder, and keeps its passwords out of any repository around it.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    if let Err(error) = fs::create_dir_all(dir) {
        // A file, or a link that leads nowhere.
        return match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                Err(Error::NoFolder(dir.to_owned()))
            }
            _ => Err(error).attempt("create the services folder"),
        };
    }
    let ignore = dir.join(IGNORE);
    if !ignore.exists() {
        fs::write(ignore, "*\n").attempt("write into the services folder")?;
    }
    fs::canonicalize(dir).attempt("find the services folder")
}

/// Waits for other commands in the same folder; the lock ends with the returned file.
pub(super) fn lock(dir: &Path, cx: &Context) -> Result<File, Error> {
    let attempt = format!("lock the services folder {}", dir.display());
    let path = dir.join(LOCK);
    let mut step = None;
    loop {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .attempt(&attempt)?;
        match file.try_lock() {
            // Whoever held it may have removed the file: then this lock keeps nobody out.
            Ok(()) => {
                let ours = file.metadata().attempt(&attempt)?.ino();
                if fs::metadata(&path).is_ok_and(|there| there.ino() == ours) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) => {
                step.get_or_insert_with(|| {
                    cx.step("waiting for another command in the same services folder", None)
                });
                cx.check()?;
                thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::Error(error)) => return Err(error).attempt(&attempt),
        }
        if !dir.exists() {
            prepare(dir)?;
        }
    }
}

/// Every file of ours in the folder; the lock last, because it guards the others.
pub(super) fn files(dir: &Path) -> [PathBuf; 3] {
    [FILE, IGNORE, LOCK].map(|name| dir.join(name))
}

/// Forgets the folder's servers, and the folder where nothing else is in it.
pub(super) fn remove(dir: &Path) -> Result<(), Error> {
    for file in files(dir) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).attempt("remove the state of the services");
            }
            _ => {}
        }
    }
    // Refused where the user keeps something else in it.
    if fs::remove_dir(dir).is_ok()
        && let Some(parent) = dir.parent().filter(|parent| parent.ends_with(".sonograph"))
    {
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}
