use super::*;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;

#[test]
fn mode_and_owner_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    write_atomically(&path, b"first").unwrap();
    let plain = std::fs::metadata(&path).unwrap();
    let other = folder.path().join("g");
    std::fs::write(&other, "").unwrap();
    assert_eq!(plain.mode(), std::fs::metadata(&other).unwrap().mode(), "a new file is an ordinary one");
    for mode in [0o640, 0o600, 0o755] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        // Only a superuser gives files away; others keep their own.
        let _ = std::os::unix::fs::chown(&path, Some(12), Some(34));
        let before = std::fs::metadata(&path).unwrap();
        write_atomically(&path, b"second").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
        assert_eq!(after.mode() & 0o7777, mode);
        assert_ne!(after.ino(), before.ino(), "it was not renamed into place");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
}

#[test]
fn links_stay_links() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("inner")).unwrap();
    symlink("inner/target", at("far")).unwrap();
    symlink("far", at("near")).unwrap();
    // First to what is not there yet, then to what is.
    for bytes in [b"one".as_slice(), b"another"] {
        write_atomically(&at("near"), bytes).unwrap();
        assert_eq!(std::fs::read(at("inner/target")).unwrap(), bytes);
        assert!(std::fs::symlink_metadata(at("near")).unwrap().is_symlink());
        assert!(std::fs::symlink_metadata(at("far")).unwrap().is_symlink());
    }
    symlink("nowhere/target", at("lost")).unwrap();
    assert!(matches!(write_atomically(&at("lost"), b""), Err(Error::Io { .. })));

    std::fs::hard_link(at("inner/target"), at("twin")).unwrap();
    write_atomically(&at("twin"), b"2").unwrap();
    assert_eq!(std::fs::read(at("inner/target")).unwrap(), b"2");
    assert_eq!(std::fs::metadata(at("twin")).unwrap().nlink(), 2);
    // A run's own files are not to be shared.
    separate(&at("twin")).unwrap();
    write_atomically(&at("twin"), b"3").unwrap();
    assert_eq!(std::fs::read(at("inner/target")).unwrap(), b"2");
    separate(&at("near")).unwrap();
    separate(&at("nowhere")).unwrap();
    assert_eq!(std::fs::read(at("near")).unwrap(), b"2");
    assert!(std::fs::symlink_metadata(at("near")).unwrap().is_symlink());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "no temporary file may stay");
}

#[test]
fn what_is_no_file_stays_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    write_atomically(&pipe, b"through").unwrap();
    assert_eq!(reader.join().unwrap(), b"through");
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

    write_atomically(Path::new("/dev/null"), b"away").unwrap();
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let error = write_atomically(folder.path(), b"").unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = write_atomically(&socket, b"").unwrap_err().to_string();
    assert!(error.contains("a socket"), "{error}");
    // What the system links to an open file is written to, not replaced.
    let file = File::create(folder.path().join("open")).unwrap();
    let before = file.metadata().unwrap().ino();
    if cfg!(target_os = "linux") {
        use std::os::fd::AsRawFd as _;
        let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        write_atomically(&open, b"in place").unwrap();
        assert_eq!(std::fs::read(folder.path().join("open")).unwrap(), b"in place");
        assert_eq!(std::fs::metadata(folder.path().join("open")).unwrap().ino(), before);
    }
}

#[test]
fn a_shorter_text_leaves_no_rest_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a"), "a long text").unwrap();
    std::fs::hard_link(at("a"), at("b")).unwrap();
    write_atomically(&at("b"), b"short").unwrap();
    assert_eq!(std::fs::read(at("a")).unwrap(), b"short");
}

#[test]
fn what_a_dead_process_left_is_removed_and_what_is_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [".wgpo-aB3xY9", ".wgpo-000000", ".wgpo-notes", ".wgpo.lock", "policy.safetensors"] {
        std::fs::write(at(name), "left").unwrap();
    }
    std::fs::create_dir(at(".wgpo-folder")).unwrap();
    let mut open = temporary(folder.path(), None).unwrap();
    assert_eq!(remove_stale(folder.path()).unwrap(), 2);
    open.write_all(b"whole").unwrap();
    replace(open, &at("new"), b"!").unwrap();
    assert_eq!(std::fs::read(at("new")).unwrap(), b"whole!");
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".wgpo-folder", ".wgpo-notes", ".wgpo.lock", "new", "policy.safetensors"]);
    assert!(matches!(remove_stale(&at("nowhere")), Err(Error::Io { .. })));
}
