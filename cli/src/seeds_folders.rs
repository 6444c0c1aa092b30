//! The folder of a group of seeds: whose runs are in it, which may be made there, and which are gone on with.

use crate::args::TrainArgs;
use crate::backend::Backend;
use crate::lock::{self, Lock};
use crate::run::{self, Folder};
use crate::settings::RunConfig;
use crate::train::program;
use anyhow::{Result, anyhow, bail};
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
fn members(group: &Path) -> Option<(u64, u64)> {
    let told = csv::Reader::from_path(group.join(SUMMARY)).ok();
    let told = told.into_iter().flat_map(csv::Reader::into_records);
    let told = told.filter_map(|row| row.ok()?.get(0)?.parse().ok());
    let seeds: Vec<u64> = found(group).into_iter().map(|(seed, _)| seed).chain(told).collect();
    Some((*seeds.iter().min()?, *seeds.iter().max()?))
}

/// An error unless all runs in `group` are of `seeds`: its summary and its figure are of all that are gone on with.
pub fn refuse_fewer(args: &TrainArgs, group: &Path, seeds: RangeInclusive<u64>) -> Result<()> {
    let Some(other) = other(group, seeds.clone()) else { return Ok(()) };
    let (first, last) = members(group).unwrap_or((*seeds.start(), *seeds.end()));
    bail!(
        "{}: is not of seeds {} to {}; all go on with: {} train {} --resume --seeds {} --seed {first} --out {}",
        other.display(),
        seeds.start(),
        seeds.end(),
        program(),
        args.task.0.name(),
        (last - first).saturating_add(1),
        group.display()
    )
}

/// A seed's run before anything is written.
pub struct Plan {
    pub folder: Folder,
    pub config: RunConfig,
    /// Of a run that goes on; one that begins is locked when all is there that it needs.
    pub lock: Option<Lock>,
}

fn of_seed(args: &TrainArgs, group: &Path, seed: u64) -> TrainArgs {
    TrainArgs { out: Some(group.join(name(seed))), seed: Some(seed), ..args.clone() }
}

/// New runs.
pub fn new(args: &TrainArgs, group: &Path, seeds: &[u64], backend: &Backend) -> Result<Vec<Plan>> {
    let plan = |seed: &u64| {
        let (folder, config) = run::plan(&of_seed(args, group, *seed), backend)?;
        Ok(Plan { folder, config, lock: None })
    };
    seeds.iter().map(plan).collect()
}

/// Earlier runs, all of them locked. Where the group has, or had, more seeds than there are runs, because it was killed while it began
/// or someone took a folder away, the others begin with the settings of the first that is there.
pub fn earlier(args: &TrainArgs, group: &Path, seeds: &[u64]) -> Result<Vec<Plan>> {
    let members = members(group);
    let is_lost = |seed: u64| {
        let folder = Folder::at(&group.join(name(seed)));
        members.is_some_and(|(first, last)| (first..=last).contains(&seed))
            && !folder.config().exists()
            && !folder.is_taken()
    };
    // All lost: then there is nothing to go on with, and the first says so.
    let any = seeds.iter().any(|seed| !is_lost(*seed));
    let mut plans = Vec::with_capacity(seeds.len());
    for seed in seeds {
        plans.push(if any && is_lost(*seed) {
            None
        } else {
            let (folder, config, lock) = run::find(&of_seed(args, group, *seed))?;
            Some(Plan { folder, config, lock: Some(lock) })
        });
    }
    let first = plans.iter().flatten().next().map(|plan| plan.config.clone());
    let first = first.ok_or_else(|| anyhow!("{}: there is no run to resume", group.display()))?;
    let begun = |(plan, seed): (Option<Plan>, &u64)| {
        plan.unwrap_or_else(|| {
            let folder = Folder::at(&group.join(name(*seed)));
            tell!("{}: no run is there; beginning with the settings of seed {}", folder.path().display(), first.seed);
            Plan { folder, config: RunConfig { seed: *seed, run: None, ..first.clone() }, lock: None }
        })
    };
    Ok(plans.into_iter().zip(seeds).map(begun).collect())
}

/// Locks all folders, then empties those of runs that begin: if one is not to be had, none is touched.
pub fn take(plans: Vec<Plan>, replace: bool) -> Result<Vec<(Plan, bool)>> {
    let mut taken = Vec::with_capacity(plans.len());
    for plan in plans {
        let begins = plan.lock.is_none();
        let lock = plan.lock.map_or_else(|| plan.folder.own(replace), Ok)?;
        taken.push((Plan { lock: Some(lock), ..plan }, begins));
    }
    for (plan, _) in taken.iter().filter(|(_, begins)| *begins) {
        plan.folder.clear()?;
    }
    Ok(taken)
}
