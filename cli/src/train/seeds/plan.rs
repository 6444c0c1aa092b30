//! The runs of a group of seeds, before anything is written: which are made, and which are gone on with.

use crate::args::train::TrainArgs;
use crate::folder::group::{is_taken, members, name, other};
use crate::folder::lock::Lock;
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use crate::program::program;
use crate::settings::run_config::RunConfig;
use crate::train::ask::{asked, folder};
use crate::train::plan;
use anyhow::{Result, anyhow, bail};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use wgpo::AlgorithmKind;

/// The folder of a group of `count` seeds from `first` on: of a new one, which must not be there unless it is to be replaced, or of one
/// that is gone on with.
pub fn group_folder(args: &TrainArgs, kind: &str, first: u64, count: usize) -> Result<PathBuf> {
    let last = first.saturating_add(count as u64 - 1);
    let algorithm =
        if args.resume { args.algo.map_or(AlgorithmKind::Ppo, |algo| algo.0) } else { asked(args)?.0.algorithm.kind() };
    let named = |kind: &str| {
        let one = folder(args, algorithm, kind, first).path().to_owned();
        if args.out.is_some() { one } else { PathBuf::from(format!("{}-{last}", one.display())) }
    };
    if args.resume {
        let forced = args.place.forced();
        let mut found: Vec<_> = forced.map_or(vec!["gpu", "cpu"], |name| vec![name]).into_iter().map(named).collect();
        found.dedup();
        found.retain(|path| path.exists());
        return match found.as_slice() {
            [one] => refuse_fewer(args, one, first..=last).map(|()| one.clone()),
            [] => bail!(
                "no runs of {} with seeds {first} to {last} to resume; give their folder with --out",
                args.task.0.name()
            ),
            _ => bail!("there is a gpu and a cpu group of these seeds; say which with --backend or --out"),
        };
    }
    let group = Folder::at(&named(kind));
    if is_taken(group.path()) && !args.force {
        return Err(group.exists_already());
    }
    if group.policy().exists() {
        bail!("{}: is the folder of a single run; use --out for another one", group.path().display());
    }
    // What is replaced is this group's own.
    if let Some(other) = other(group.path(), first..=last) {
        bail!("{}: is not of seeds {first} to {last}; move it away, or use --out for another folder", other.display());
    }
    Ok(group.path().to_owned())
}

/// An error unless all runs in `group` are of `seeds`: its summary and its figure are of all that are gone on with.
fn refuse_fewer(args: &TrainArgs, group: &Path, seeds: RangeInclusive<u64>) -> Result<()> {
    let Some(other) = other(group, seeds.clone()) else { return Ok(()) };
    let (first, last) = members(group).unwrap_or((*seeds.start(), *seeds.end()));
    bail!(
        "{}: is not of seeds {} to {}; to continue all of them: {} train {} --resume --seeds {} --seed {first} --out {}",
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
pub fn new(args: &TrainArgs, group: &Path, seeds: &[u64], place: &ChosenPlace) -> Result<Vec<Plan>> {
    let plan = |seed: &u64| {
        let (folder, config) = plan::plan(&of_seed(args, group, *seed), place)?;
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
            let (folder, config, lock) = plan::find(&of_seed(args, group, *seed))?;
            Some(Plan { folder, config, lock: Some(lock) })
        });
    }
    let first = plans.iter().flatten().next().map(|plan| plan.config.clone());
    let first = first.ok_or_else(|| anyhow!("{}: there is no run to resume", group.display()))?;
    let begun = |(plan, seed): (Option<Plan>, &u64)| {
        plan.unwrap_or_else(|| {
            let folder = Folder::at(&group.join(name(*seed)));
            tell!("{}: there is no run; starting from the settings of seed {}", folder.path().display(), first.seed);
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
