//! Lists of what is not yet as it should be. They only get shorter.

use super::source::root;
use std::collections::{BTreeMap, BTreeSet};

/// Compares what was found with `tests/layers/<file>`, of whose lines the first word is the kind. What is new fails, and so does a line
/// that is no longer true. `WGPO_WRITE_TABLES=1` writes the list anew, after a move of files for instance, unless there would be more lines of a
/// kind.
pub fn hold(file: &str, title: &str, found: &BTreeSet<String>) {
    let path = root().join("tests/layers").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
    let listed: BTreeSet<String> = lines.collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(found).collect();
    if std::env::var_os("WGPO_WRITE_TABLES").is_some() {
        let (then, now) = (by_kind(&listed), by_kind(found));
        for (kind, lines) in &now {
            let before = then.get(kind).copied().unwrap_or(0);
            assert!(
                text.is_empty() || *lines <= before,
                "{lines} lines \"{kind}\", there were {before}. New:\n{new:#?}"
            );
        }
        let lines: String = found.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(
            &path,
            format!("# {title}\n# This list only gets shorter, see tests/layers/allowed.rs.\n{lines}"),
        )
        .unwrap();
        panic!("tests/layers/{file} was written anew; run this again without WGPO_WRITE_TABLES");
    }
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in tests/layers/{file}, so it must not be:\n{new:#?}\nin the list, but no longer there, so delete it:\n{gone:#?}"
    );
}

/// The lines `<key> <number>` of what was found, of which those that were allowed more are listed with that.
pub fn at_most(file: &str, found: &BTreeMap<String, usize>) -> BTreeSet<String> {
    let writes = std::env::var_os("WGPO_WRITE_TABLES").is_some();
    let text = std::fs::read_to_string(root().join("tests/layers").join(file)).unwrap_or_default();
    let listed: BTreeMap<&str, usize> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(key, most)| (key, most.parse().unwrap_or_else(|_| panic!("tests/layers/{file}: {key} {most}"))))
        .collect();
    let longest = found.values().max().copied().unwrap_or(0);
    let before = listed.values().max().copied().unwrap_or(usize::MAX);
    assert!(!writes || longest <= before, "the longest has {longest} lines, it had {before}");
    let most = |key: &str, lines: usize| match listed.get(key) {
        Some(most) if !writes => lines.max(*most),
        _ => lines,
    };
    found.iter().map(|(key, lines)| format!("{key} {}", most(key, *lines))).collect()
}

fn by_kind(lines: &BTreeSet<String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    counts
}
