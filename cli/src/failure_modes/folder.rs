//! The folder of a run: the figure and two tables.

use super::figure::{self, Panel};
use super::outcome::Outcome;
use crate::args::failure_modes::FailureModesArgs;
use crate::files;
use crate::folder::lock::{self, Lock};
use crate::place::choose::ChosenPlace;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wgpo::env::FailureMode;

pub const FIGURE: &str = "failure_modes.svg";
pub const REWARDS: &str = "rewards.csv";
pub const SUMMARY: &str = "summary.csv";

/// Where it all goes, locked as long as it is there.
pub struct Folder(PathBuf, #[expect(dead_code, reason = "it is there to be held")] Lock);

impl Folder {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, or empties it of an earlier run's files.
    pub fn prepare(args: &FailureModesArgs, place: &ChosenPlace) -> Result<Self> {
        let default = || Path::new("runs").join(format!("failure-modes-{}", place.name()));
        let path = args.out.clone().unwrap_or_else(default);
        if !args.force && lock::files(&path).is_none_or(|files| !files.is_empty()) {
            Lock::check(&path)?;
            bail!(
                "{}: exists already; use --force to replace what is there, or --out for another folder",
                path.display()
            );
        }
        let cannot = || format!("{}: cannot make the run folder", path.display());
        std::fs::create_dir_all(&path).with_context(cannot)?;
        let lock = Lock::take(&path)?;
        let empty = || -> std::io::Result<()> {
            for file in [FIGURE, REWARDS, SUMMARY] {
                match std::fs::remove_file(path.join(file)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        empty().with_context(cannot)?;
        Ok(Self(path, lock))
    }

    /// Writes what is there so far; `place` is where it was computed.
    pub fn write(&self, place: &str, done: &[(FailureMode, Vec<Outcome>)]) -> Result<()> {
        let mut rewards = String::from("mode,environment,variant,seed,update,reward\n");
        let mut summary = String::from("mode,environment,variant,seeds,successes,success_rate,last_reward,mark\n");
        for (mode, outcomes) in done {
            let (number, env) = (mode.number, mode.env);
            for one in outcomes {
                let (key, rate) = (one.key, one.successes as f64 / one.seeds as f64);
                writeln!(
                    summary,
                    "{number},{},{key},{},{},{rate},{},{}",
                    env.name(),
                    one.seeds,
                    one.successes,
                    one.last,
                    env.solved_at()
                )?;
                for (update, row) in one.rewards.iter().enumerate() {
                    for (seed, reward) in row.iter().enumerate() {
                        writeln!(rewards, "{number},{},{key},{},{},{reward}", env.name(), seed + 1, update + 1)?;
                    }
                }
            }
        }
        files::write(&self.0.join(REWARDS), rewards.as_bytes())?;
        files::write(&self.0.join(SUMMARY), summary.as_bytes())?;
        let panels: Vec<_> = done
            .iter()
            .map(|(mode, outcomes)| Panel { title: mode.title, mark: mode.env.solved_at(), outcomes })
            .collect();
        figure::draw(&self.0.join(FIGURE), &format!("How PPO fails, and what helps · {place}"), &panels)
    }
}
