//! The folder of a group of seeds: whose runs are in it, and what may be made there.

use super::lock;
use super::run::Folder;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// One figure of all seeds.
pub const FIGURE: &str = "seeds.svg";
/// A row per seed.
pub const SUMMARY: &str = "summary.csv";
/// Before the seed in the name of its folder.
const PREFIX: &str = "seed-";

/// The name of a seed's folder in the group's.
pub fn name(seed: u64) -> String {
    format!("{PREFIX}{seed}")
}

/// The folders of seeds in `group`, by their numbers.
pub fn folders(group: &Path) -> Vec<PathBuf> {
    found(group).into_iter().map(|(_, path)| path).collect()
}

fn found(group: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(group) else { return Vec::new() };
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((seed_of(path.file_name()?.to_str()?)?, path))
        })
        .collect();
    found.sort();
    found
}

fn seed_of(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// Whether something is in `group` that new runs would write over. Folders of seeds with nothing in them are what is left of a group
/// that was killed before it wrote anything.
pub fn is_taken(group: &Path) -> bool {
    lock::files(group).is_none_or(|names| {
        names.iter().any(|name| name.to_str().and_then(seed_of).is_none() || Folder::at(&group.join(name)).is_taken())
    })
}

/// A run in `group` of another seed than `seeds`.
pub fn other(group: &Path, seeds: RangeInclusive<u64>) -> Option<PathBuf> {
    let runs = found(group).into_iter().filter(|(_, path)| Folder::at(path).is_taken());
    runs.into_iter().find(|(seed, _)| !seeds.contains(seed)).map(|(_, path)| path)
}

/// The first and the last seed of the group that is there, by its folders and its summary.
pub fn members(group: &Path) -> Option<(u64, u64)> {
    let told = csv::Reader::from_path(group.join(SUMMARY)).ok();
    let told = told.into_iter().flat_map(csv::Reader::into_records);
    let told = told.filter_map(|row| row.ok()?.get(0)?.parse().ok());
    let seeds: Vec<u64> = found(group).into_iter().map(|(seed, _)| seed).chain(told).collect();
    Some((*seeds.iter().min()?, *seeds.iter().max()?))
}
