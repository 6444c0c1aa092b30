//! The program as a user starts it, in a folder of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An empty folder that the program runs in.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A path inside.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with `line` as its arguments, split at spaces.
    pub fn wgpo(&self, line: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("wgpo"));
        command.current_dir(self.folder.path()).args(line.split_whitespace());
        command
    }

    /// Runs `line`, which must succeed, and returns what it printed.
    pub fn run(&self, line: &str) -> String {
        let output = self.wgpo(line).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    }

    /// Runs `line`, which must fail with `code` and one line of error that contains every one of `words`.
    #[track_caller]
    pub fn refused(&self, line: &str, code: i32, words: &[&str]) {
        let output = self.wgpo(line).assert().code(code);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.starts_with("error: "), "{text}");
        assert!(code != 1 || text.lines().count() == 1, "more than one line: {text}");
        for word in words {
            assert!(text.contains(word), "`{word}` is not in: {text}");
        }
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the files in a folder, sorted.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Index of an adapter, or why there is none to test on.
pub fn adapter(place: &Place) -> Option<u64> {
    let info: Value = serde_json::from_str(&place.run("info --json")).unwrap();
    let usable = info["adapters"].as_array().unwrap().iter().find(|adapter| adapter["shortfall"].is_null());
    if let Some(adapter) = usable {
        eprintln!(
            "adapter: {} ({}, {} {})",
            adapter["name"], adapter["backend"], adapter["driver"], adapter["driver_info"]
        );
        return adapter["index"].as_u64();
    }
    assert!(std::env::var_os("REQUIRE_GPU").is_none_or(|value| value != "1"), "REQUIRE_GPU=1 and no adapter");
    eprintln!("skipped: no adapter");
    None
}
