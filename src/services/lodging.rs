//! As whom and where the servers run.
//!
//! An ordinary user's servers run as that user, with their data in DIR. Root's run as `nobody`, because PostgreSQL refuses root and
//! because a graph database that reads files for its clients should not be able to read all of them. Where `nobody` cannot reach DIR
//! or the binaries, a private folder below the temporary one takes them in while the servers are up, and [`go_home`] brings the data
//! back to DIR. Nothing outside those two folders changes: no permission, no user.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use nix::unistd::{User, geteuid};

use super::binaries::Binaries;
use super::error::{Attempt as _, Error};
use super::state::State;

const DATA: &str = "data";

/// The unprivileged user that root's servers run as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// `None`: we are an ordinary user, and so are our servers.
    fn needed() -> Result<Option<Self>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let nobody = User::from_name("nobody").map_err(io::Error::from).attempt("look up the user nobody")?;
        let nobody = nobody.ok_or(Error::NoAccount)?;
        Ok(Some(Self { uid: nobody.uid.as_raw(), gid: nobody.gid.as_raw() }))
    }

    /// Makes `command` run as this user, with no other group.
    pub fn impersonate(self, command: &mut Command) {
        command.gid(self.gid).uid(self.uid);
    }

    /// Whether this user may pass through every folder down to `path`, and read it.
    fn reaches(self, path: &Path) -> bool {
        let may = |path: &Path, bits: u32| {
            fs::metadata(path).is_ok_and(|meta| {
                let shift = if meta.uid() == self.uid {
                    6
                } else if meta.gid() == self.gid {
                    3
                } else {
                    0
                };
                (meta.mode() >> shift) & bits == bits
            })
        };
        may(path, 0o4) && path.ancestors().skip(1).all(|folder| may(folder, 0o1))
    }
}

/// As whom, from what and where servers run.
#[derive(Debug)]
pub(super) struct Lodging {
    pub account: Option<Account>,
    pub binaries: Binaries,
    /// Holds `falkordb/`, `postgres/` and the logs; only the servers' user may enter.
    pub data: PathBuf,
}

/// Where the data is now.
pub(super) fn data(dir: &Path, state: &State) -> PathBuf {
    let away = state.lodging.as_ref().map(|lodging| lodging.join(DATA));
    away.filter(|away| away.exists()).unwrap_or_else(|| dir.join(DATA))
}

impl Lodging {
    /// Decides, and moves data and binaries where the servers can reach them.
    pub fn settle(dir: &Path, binaries: Binaries, state: &mut State) -> Result<Self, Error> {
        let account = Account::needed()?;
        let mut lodging = Self { account, binaries, data: data(dir, state) };
        if !(state.falkordb.alive() || state.postgres.alive()) {
            // Nothing runs: what a crash left in the temporary folder comes home before anything is decided.
            go_home(dir, state)?;
            lodging.data = dir.join(DATA);
            if let Some(account) = account
                && !account.reaches(dir)
            {
                lodging.data = take_in(account, dir, state)?.join(DATA);
                if dir.join(DATA).exists() {
                    relocate(&dir.join(DATA), &lodging.data)?;
                }
            }
            lodging.folder(&lodging.data)?;
        }
        if let Some(account) = account {
            lodging.binaries = reachable_binaries(account, &lodging.binaries, dir, state)?;
        }
        let owner = fs::metadata(&lodging.data).attempt("look at the services' data")?.uid();
        if owner != account.map_or(geteuid().as_raw(), |account| account.uid) {
            return Err(Error::Foreign { path: lodging.data, owner });
        }
        Ok(lodging)
    }

    /// Creates a folder that only the servers' user may enter; keeps one that is there.
    pub fn folder(&self, path: &Path) -> Result<(), Error> {
        if path.exists() {
            return Ok(());
        }
        fs::create_dir(path)
            .and_then(|()| fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)))
            .and_then(|()| self.give(path))
            .attempt("create a folder for the services")
    }

    /// Gives a file or folder to the servers' user.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        self.account.map_or(Ok(()), |account| chown(path, Some(account.uid), Some(account.gid)))
    }
}

/// The folder outside DIR, created and written down where there is none yet.
fn take_in(account: Account, dir: &Path, state: &mut State) -> Result<PathBuf, Error> {
    if let Some(lodging) = &state.lodging {
        return Ok(lodging.clone());
    }
    // `/var/tmp` before `/tmp`, which may be held in memory and is emptied at boot.
    let candidates =
        std::env::var_os("TMPDIR").map(PathBuf::from).into_iter().chain(["/var/tmp".into(), "/tmp".into()]);
    let parent = candidates.into_iter().find(|parent| account.reaches(parent));
    let parent =
        parent.ok_or_else(|| io::Error::other("neither TMPDIR, /var/tmp nor /tmp can be entered by nobody"));
    let parent = parent.attempt("find a temporary folder for the services")?;
    let folder = tempfile::Builder::new()
        .prefix("sonograph-")
        .tempdir_in(&parent)
        .attempt("create a temporary folder for the services")?;
    chown(folder.path(), Some(account.uid), Some(account.gid))
        .attempt("give a temporary folder to the services")?;
    // Written down before anything moves into it, so that a crash from here on loses nothing.
    state.lodging = Some(folder.path().to_owned());
    state.save(dir)?;
    Ok(folder.keep())
}

/// The binaries as they are, or copies (hard links where possible) that `account` can reach.
fn reachable_binaries(
    account: Account,
    binaries: &Binaries,
    dir: &Path,
    state: &mut State,
) -> Result<Binaries, Error> {
    let Binaries { module, redis, postgres } = binaries;
    if [module, redis, postgres].into_iter().all(|path| account.reaches(path)) {
        return Ok(binaries.clone());
    }
    let folder = take_in(account, dir, state)?.join("bin");
    // `postgres` finds its libraries and its share folder beside its `bin`.
    let prefix = postgres.parent().unwrap_or(postgres);
    let copies = Binaries {
        module: folder.join("falkordb.so"),
        redis: folder.join("redis-server"),
        postgres: folder.join("postgres").join(postgres.file_name().unwrap_or_default()),
    };
    if !folder.exists() {
        fs::create_dir(&folder).attempt("create a folder for the servers' binaries")?;
        copy(module, &copies.module)?;
        copy(redis, &copies.redis)?;
        copy(prefix, &folder.join("postgres"))?;
    }
    Ok(copies)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let cp = |how: &str| Command::new("cp").arg(how).arg("--").args([from, to]).output();
    // A half-made first try is no obstacle: the second one starts over.
    let linked = cp("-al").attempt("run cp")?.status.success();
    if linked {
        return Ok(());
    }
    let _ = fs::remove_dir_all(to);
    let output = cp("-a").attempt("run cp")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(said)).attempt(&format!("copy {} to {}", from.display(), to.display()))
}

/// Moves a folder; across file systems as copy, rename, remove, so that there is always one whole.
fn relocate(from: &Path, to: &Path) -> Result<(), Error> {
    let attempt = format!("move {} to {}", from.display(), to.display());
    if to.exists() {
        fs::remove_dir_all(to).attempt(&attempt)?;
    }
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    let partial = to.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).attempt(&attempt)?;
    }
    let output = Command::new("cp").arg("-a").arg("--").args([from, &partial]).output().attempt("run cp")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said)).attempt(&attempt);
    }
    fs::rename(&partial, to).and_then(|()| fs::remove_dir_all(from)).attempt(&attempt)
}

/// Brings the data back to DIR and removes the temporary folder. Both servers must have stopped.
pub(super) fn go_home(dir: &Path, state: &mut State) -> Result<(), Error> {
    let Some(lodging) = state.lodging.clone() else { return Ok(()) };
    let away = lodging.join(DATA);
    if away.exists() {
        relocate(&away, &dir.join(DATA))?;
    }
    leave(&lodging)?;
    state.lodging = None;
    state.save(dir)
}

/// Removes data and temporary folder. Both servers must have stopped.
pub(super) fn raze(dir: &Path, state: &mut State) -> Result<(), Error> {
    folders(dir, state).iter().try_for_each(|folder| leave(folder))?;
    state.lodging = None;
    Ok(())
}

/// Every folder that holds something of the servers.
pub(super) fn folders(dir: &Path, state: &State) -> Vec<PathBuf> {
    state.lodging.iter().cloned().chain([dir.join(DATA)]).collect()
}

fn leave(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).attempt("remove the services' folder")
        }
        _ => Ok(()),
    }
}
