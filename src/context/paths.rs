//! Files and folders that are not what they should be, and folders that are not finished.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Refuses what cannot be read like a file: a named pipe that nobody writes would be waited for without end, and a link
/// that leads nowhere is there and is not. Where there is nothing at all, or it cannot be looked at, opening it tells.
pub fn regular(path: &Path) -> Result<()> {
    leads_somewhere(path)?;
    let Ok(kind) = fs::metadata(path).map(|found| found.file_type()) else { return Ok(()) };
    let (refused, what) = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => (ErrorKind::IsADirectory, "a folder"),
        kind if kind.is_fifo() => (ErrorKind::InvalidInput, "a named pipe"),
        kind if kind.is_socket() => (ErrorKind::InvalidInput, "a socket"),
        _ => (ErrorKind::InvalidInput, "a device"),
    };
    Err(Error::new(refused, format!("`{}` is {what}, not a regular file", path.display())))
}

/// Refuses a link to what does not exist.
pub fn leads_somewhere(path: &Path) -> Result<()> {
    match fs::read_link(path) {
        Ok(target) if matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound) => {
            let (path, target) = (path.display(), target.display());
            Err(Error::new(
                ErrorKind::NotFound,
                format!("`{path}` is a link to `{target}`, which does not exist"),
            ))
        }
        _ => Ok(()),
    }
}

/// What to try where the system refused a path, for whoever knows nothing better.
pub fn hint_for(error: &Error) -> Option<String> {
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room on that disk, or name a folder on another one"
        }
        ErrorKind::FileTooLarge => "raise the limit on the size of files (`ulimit -f`)",
        ErrorKind::PermissionDenied => "`ls -ld` shows who may use it; or name another one",
        ErrorKind::ReadOnlyFilesystem => {
            "that file system is mounted read-only: name a folder on another one"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// A folder that goes when this is dropped, unless it was moved to its place before: whatever stops the writing, no half
/// of it stays.
#[derive(Debug)]
pub struct Unfinished<'p>(pub &'p Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // What stopped the writing is the error to tell.
        let _ = fs::remove_dir_all(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "text").expect("written");
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("made");
        for (name, leads_to) in [("to_file", "file"), ("to_pipe", "pipe"), ("to_nothing", "nothing")] {
            std::os::unix::fs::symlink(at(leads_to), at(name)).expect("made");
        }
        let told = |path: &Path| regular(path).expect_err("it is refused").to_string();
        for good in ["file", "to_file", "missing"] {
            regular(&at(good)).expect("it can be read, or is not there");
        }
        assert!(told(dir.path()).ends_with("is a folder, not a regular file"));
        assert!(told(&at("pipe")).ends_with("pipe` is a named pipe, not a regular file"));
        assert!(told(&at("to_pipe")).ends_with("is a named pipe, not a regular file"));
        assert!(told(&at("socket")).ends_with("is a socket, not a regular file"));
        assert!(told(Path::new("/dev/null")).ends_with("is a device, not a regular file"));
        assert!(told(&at("to_nothing")).ends_with("nothing`, which does not exist"));
    }
}
