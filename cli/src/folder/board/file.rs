//! The event files of a run: one for each sitting, which is appended to.

use super::{event, tags};
use crate::folder::metrics::row::Row;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use wgpo::Config;
use wgpo::data::UpdateStats;

/// How the names of our event files begin and end. TensorBoard reads what has `tfevents` in its name, in the order of the names.
const PREFIX: &str = "events.out.tfevents.";
const SUFFIX: &str = ".wgpo";

/// The event file of one sitting.
pub struct Board {
    file: File,
    path: PathBuf,
}

impl Board {
    /// A new file in `folder` for a run that goes on after `env_steps`. What earlier files have of later steps, which the state that is
    /// gone on from does not know, is void.
    pub fn create(folder: &Path, env_steps: u64) -> Result<Self> {
        let (now, earlier) = (now(), files(folder));
        let mut path = folder.join(name(now));
        // Readers go by the names, also where the clock was set back.
        if let Some(last) = earlier.last().filter(|last| **last >= path) {
            path = after(last);
        }
        let cannot = || format!("{}: cannot write", path.display());
        let mut bytes = event::version(now)?;
        if !earlier.is_empty() {
            bytes.extend(event::start(now, env_steps + 1)?);
        }
        crate::files::write(&path, &bytes)?;
        let file = File::options().append(true).open(&path).with_context(cannot)?;
        Ok(Self { file, path })
    }

    /// Appends what the update that `rows` ends with did.
    pub fn push(&mut self, rows: &[Row], stats: &UpdateStats, config: &Config) -> Result<()> {
        let step = rows.last().map_or(0, |row| row.env_steps);
        let bytes = event::scalars(now(), step, &tags::tags(rows, stats, config))?;
        self.file.write_all(&bytes).with_context(|| format!("{}: cannot write", self.path.display()))
    }
}

/// The name of a file that is begun at `time`: sorted as text they are in the order of time.
fn name(time: f64) -> String {
    format!("{PREFIX}{:010}.{:06}{SUFFIX}", time as u64, (time.fract() * 1e6) as u64)
}

/// The file that follows `last` in the order of names.
fn after(last: &Path) -> PathBuf {
    let stem = last.to_string_lossy();
    PathBuf::from(format!("{}_{SUFFIX}", stem.trim_end_matches(SUFFIX)))
}

/// The event files in `folder` that a run of ours wrote.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(ours)).collect();
    found.sort();
    found
}

/// Seconds since 1970; 0 on a clock that is before it.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
