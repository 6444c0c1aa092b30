//! One run at a time in a folder.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The file that is locked. It is there while a run goes on, and after one that was killed.
pub const NAME: &str = ".wgpo.lock";

/// A folder that is this process's alone. The system takes a lock back when its process ends, however it ends, so none is ever stale.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: Option<File>,
}

impl Lock {
    /// Locks `folder`, which must be there, and removes the temporary files that a killed process left in it.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let cannot = || format!("{}: cannot lock the folder", path.display());
        let mut file = loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.with_context(cannot)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => break file,
                Ok(()) => {} // its last holder has just removed it
                Err(TryLockError::WouldBlock) => bail!(
                    "{}: another run is in progress there{}; wait for its end or stop it, or use --out for another folder",
                    folder.display(),
                    holder(file)
                ),
                Err(TryLockError::Error(error)) => {
                    tell!("warning: {}: {error}; a second run in this folder would not be noticed", cannot());
                    // What cannot be locked says nothing to anybody.
                    let _ = std::fs::remove_file(&path);
                    return Ok(Self { path, file: None });
                }
            }
        };
        // For the message above, no more: who cannot write it has the lock all the same.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        wgpo::checkpoint::remove_stale(folder)?;
        Ok(Self { path, file: Some(file) })
    }

    /// An error if a run goes on in `folder`. What cannot be found out is no error.
    pub fn check(folder: &Path) -> Result<()> {
        match File::options().read(true).write(true).open(folder.join(NAME)) {
            Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => Self::take(folder).map(drop),
            _ => Ok(()),
        }
    }
}

/// The names of the files in `folder`, without the lock and the temporary files of a process that was killed. `None` for what cannot
/// be listed: a file, or a folder that may not be read.
pub fn files(folder: &Path) -> Option<Vec<OsString>> {
    let names = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>().ok()?,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => return None,
    };
    Some(names.into_iter().filter(|name| !name.to_str().is_some_and(|name| name.starts_with(".wgpo"))).collect())
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Left behind, it is in nobody's way.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// ` (process 123)`, where the file can be read.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => format!(" (process {text})"),
        _ => String::new(),
    }
}

/// Whether `path` still is `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |about: std::io::Result<std::fs::Metadata>| about.map(|about| (about.dev(), about.ino())).ok();
    of(file.metadata()) == of(std::fs::metadata(path))
}

/// Open files keep their names here.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_and_a_dead_process_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join(NAME), "4194304").unwrap();
        std::fs::write(path.join(".wgpo-a1b2c3"), "half of a fi").unwrap();
        Lock::check(path).unwrap();
        assert_eq!(files(path).unwrap(), [""; 0]);
        assert_eq!(files(&path.join("nowhere")).unwrap(), [""; 0]);
        assert!(files(&path.join(NAME)).is_none());
        let first = Lock::take(path).unwrap();
        assert!(!path.join(".wgpo-a1b2c3").exists());
        for refused in [Lock::take(path).map(drop), Lock::check(path)] {
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains(&format!("another run is in progress there (process {})", std::process::id())),
                "{error}"
            );
        }
        drop(first);
        assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
        Lock::check(path).unwrap();
        drop(Lock::take(path).unwrap());
        assert!(Lock::take(&path.join("nowhere")).unwrap_err().to_string().contains("cannot lock"));
    }
}
