//! Writing files: whole or not at all, and what is there already stays what it is.

use crate::error::{Error, Result};
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Before the names of temporary files.
const TEMPORARY: &str = ".wgpo-";
/// Random characters after it; tempfile's usual number.
const RANDOM: usize = 6;
/// If files cannot be locked, an older temporary file belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Writes `bytes` to a temporary file beside `path`, syncs it, then renames it: readers see the old file or the new
/// one, never a part.
///
/// What exists stays what it is. A symbolic link is followed, mode and owner are kept, and a file that may not be written is not
/// replaced either. Two kinds are written in place, so a crash can leave a part: pipes and character devices; and files of several
/// names (hard links), or whose owner or folder leaves no other way.
///
/// # Errors
/// [`Error::Io`], also for folders, block devices and sockets.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes).map_err(|source| Error::Io { path: path.into(), source })
}

/// Removes temporary files that a killed process left in `folder`, and says how many there were. Those that somebody is writing
/// stay: their writer holds a lock, which ends with its process.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed or a file cannot be removed.
pub fn remove_stale(folder: &Path) -> Result<usize> {
    let io = |source| Error::Io { path: folder.into(), source };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
        let ours =
            ours.is_some_and(|rest| rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if ours && entry.file_type().map_err(io)?.is_file() && is_abandoned(&entry.path()) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                _ => count += 1,
            }
        }
    }
    Ok(count)
}

/// Gives a file of several names (hard links) a copy of its own under this one, so that [`write_atomically`] replaces it whole and
/// leaves the others as they are. Other files stay as they are, and what is not there is no error.
///
/// # Errors
/// [`Error::Io`].
pub fn separate(path: &Path) -> Result<()> {
    let copy = |there: &Metadata| {
        let bytes = std::fs::read(path)?;
        replace(temporary(folder_of(path), Some(there))?, path, &bytes)
    };
    let done = match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_file() && has_other_names(&there) => copy(&there),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    done.map_err(|source| Error::Io { path: path.into(), source })
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::options().write(true).open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let age = file.metadata().and_then(|about| about.modified()).map(|time| time.elapsed().unwrap_or_default());
            age.is_ok_and(|age| age >= ABANDONED)
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = match std::fs::metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let named = named(path).unwrap_or_else(|| path.into());
            return replace(temporary(folder_of(&named), None)?, &named, bytes);
        }
        Err(error) => return Err(error),
    };
    if there.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, expected a file"));
    }
    if !there.is_file() {
        return if is_stream(&there) {
            File::options().write(true).open(path)?.write_all(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "is a block device or a socket, which is not written to"))
        };
    }
    // Says whether it may be written; a rename would not ask.
    let mut file = File::options().write(true).open(path)?;
    let Some(named) = named(path) else {
        // The file that standard output goes to, under a name such as /dev/stdout: what is printed comes before and after.
        return if is_stdout(&there) {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        } else {
            overwrite(&mut file, bytes)
        };
    };
    if has_other_names(&there) {
        return overwrite(&mut file, bytes);
    }
    match temporary(folder_of(&named), Some(&there)) {
        Ok(temporary) => {
            // Some systems rename nothing over an open file.
            #[cfg_attr(target_arch = "wasm32", expect(clippy::drop_non_drop, reason = "a browser has no files"))]
            drop(file);
            replace(temporary, &named, bytes)
        }
        // No file can be made beside it, or it cannot be given to the same owner.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => overwrite(&mut file, bytes),
        Err(error) => Err(error),
    }
}

/// What `path` names in the end: links are followed, also to what does not exist yet. `None` where a link leads to something
/// that is open and not to a path, as those in /proc do.
fn named(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    // As many links as Linux follows; more are an error by then.
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&path) else { break };
        if path.starts_with("/proc") || path.starts_with("/dev") {
            return None;
        }
        path = folder_of(&path).join(target);
    }
    Some(path)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// An empty file in `folder`, locked as long as it is open; with the mode and owner of `like`, or else an ordinary one.
fn temporary(folder: &Path, like: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).rand_bytes(RANDOM);
    #[cfg(unix)]
    if like.is_none() {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is private by default; this one becomes an ordinary file, subject to the umask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    loop {
        let file = builder.tempfile_in(folder)?;
        match file.as_file().try_lock() {
            // Somebody who removes stale files came between: they have it, or had it.
            Err(TryLockError::WouldBlock) => continue,
            _ if !is_named(file.as_file())? => continue,
            // Where nothing can be locked, its age says that it is in use.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if let Some(like) = like {
            make_alike(file.as_file(), like)?;
        }
        return Ok(file);
    }
}

fn replace(mut file: NamedTempFile, path: &Path, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

#[cfg(unix)]
mod system {
    use super::{File, Metadata, io};
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, fchown};

    /// A pipe or a character device.
    pub(super) fn is_stream(there: &Metadata) -> bool {
        there.file_type().is_fifo() || there.file_type().is_char_device()
    }

    /// Whether it has more names than one.
    pub(super) fn has_other_names(there: &Metadata) -> bool {
        there.nlink() > 1
    }

    /// Whether it has a name at all.
    pub(super) fn is_named(file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.nlink() > 0)
    }

    /// Gives it the mode and the owner of `like`.
    pub(super) fn make_alike(file: &File, like: &Metadata) -> io::Result<()> {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            fchown(file, Some(like.uid()), Some(like.gid()))?;
        }
        // After the owner, whose change takes bits away.
        file.set_permissions(std::fs::Permissions::from_mode(like.mode() & 0o7777))
    }

    /// Whether standard output goes there.
    pub(super) fn is_stdout(there: &Metadata) -> bool {
        let own = io::stdout().as_fd().try_clone_to_owned().and_then(|own| File::from(own).metadata());
        own.is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
    }
}

#[cfg(not(unix))]
mod system {
    use super::{File, Metadata, io};

    /// Whatever opens like a file and is none.
    pub(super) fn is_stream(_: &Metadata) -> bool {
        true
    }

    /// Not known here; a rename leaves the other names with the old contents.
    pub(super) fn has_other_names(_: &Metadata) -> bool {
        false
    }

    /// Open files keep their names here.
    pub(super) fn is_named(_: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// Access goes by the folder here.
    pub(super) fn make_alike(_: &File, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    /// Standard output has no path here.
    pub(super) fn is_stdout(_: &Metadata) -> bool {
        false
    }
}

use system::{has_other_names, is_named, is_stdout, is_stream, make_alike};

#[cfg(unix)]
#[cfg(test)]
mod tests;
