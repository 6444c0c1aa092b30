//! What settings files are taken for, and what is said of their mistakes.

mod mistakes;
mod page;
mod runs;
mod taken;

use super::file::from_file;
use super::presets::usual;
use anyhow::Result;
use wgpo::Config;
use wgpo::env::Env;

fn file(text: &str) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let head = Env::CartPole.head();
    from_file(&path, &head, None, |algorithm| usual(algorithm, &head))
}

fn message(text: &str) -> String {
    file(text).unwrap_err().to_string()
}

/// The whole message, which begins with the file's name.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    let message = message(text);
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}
