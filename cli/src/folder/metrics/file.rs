//! The rows of a run, and the file that they are appended to.

use super::row::Row;
use super::text;
use crate::files;
use crate::folder::board::file::Board;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use wgpo::Config;
use wgpo::solved::Solved;
use wgpo::trainer::IterationStats;

/// All rows of a run, and the file that they are appended to.
pub struct Metrics {
    rows: Vec<Row>,
    run: u64,
    warnings: Vec<String>,
    /// Environment steps of the state that was gone on from.
    before: u64,
    file: File,
    /// TensorBoard's file, where there is one.
    board: Option<Board>,
}

impl Metrics {
    /// A file without rows for `run`.
    pub fn create(path: &Path, run: u64) -> Result<Self> {
        Self::write(path, run, Vec::new(), 0)
    }

    /// The rows of `run` up to `update`, at `env_steps`; later ones, which the saved state does not know, are dropped from the file.
    /// So is a line that a crash cut short. Damaged lines are moved to a file beside it ([`damaged`]), with a warning, and missing rows are
    /// warned of. A file that is not there is an empty one; one of an earlier version gets the columns that it lacks, empty where it has rows.
    pub fn resume(path: &Path, run: u64, update: u64, env_steps: u64) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.with_context(|| format!("{}: cannot read", path.display()))?,
        };
        let mut found = text::read(path, &bytes, run)?;
        found.rows.retain(|row| row.update <= update);
        let mut warnings = Vec::new();
        // Of a file that is lost or empty, all of them.
        let missing = update.saturating_sub(found.rows.len() as u64);
        if missing > 0 {
            warnings.push(format!("{}: the rows of {missing} of {update} updates are missing", path.display()));
        }
        let (count, names) = (found.damaged.len(), found.damaged_names.is_some());
        if names || count > 0 {
            let aside = damaged(path);
            let head = if aside.exists() { None } else { Some(found.header) };
            let lines = head.into_iter().chain(found.damaged_names).chain(found.damaged);
            let lines: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
            let file = File::options().create(true).append(true).open(&aside);
            file.and_then(|mut file| file.write_all(&lines))
                .with_context(|| format!("{}: cannot write", aside.display()))?;
            let (path, aside) = (path.display(), aside.display());
            if names {
                warnings.push(format!(
                    "{path}: the line of the columns' names is damaged; the rows are this run's. Moved to {aside}"
                ));
            }
            if count > 0 {
                warnings.push(format!("{path}: damaged rows: {count}, moved to {aside}"));
            }
        }
        Ok(Self { warnings, ..Self::write(path, run, found.rows, env_steps)? })
    }

    fn write(path: &Path, run: u64, mut rows: Vec<Row>, before: u64) -> Result<Self> {
        let mut lines = text::header()? + "\n";
        for row in &mut rows {
            row.run = Some(run);
            lines += &(text::line(row)? + "\n");
        }
        files::write(path, lines.as_bytes())?;
        let file =
            File::options().append(true).open(path).with_context(|| format!("{}: cannot open", path.display()))?;
        Ok(Self { rows, run, warnings: Vec::new(), before, file, board: None })
    }

    /// Writes what follows to `board`, too.
    pub fn show_on(&mut self, board: Board) {
        self.board = Some(board);
    }

    /// Appends the row of one iteration, `elapsed` seconds long, to the file. `solved` has counted and judged it.
    pub fn push(&mut self, stats: &IterationStats, config: &Config, solved: &Solved, elapsed: f64) -> Result<&Row> {
        let (steps, seconds) = self.rows.last().map_or((0, 0.0), |row| (row.env_steps, row.seconds));
        let speed = stats.env_steps.saturating_sub(steps.max(self.before)) as f64 / elapsed.max(1e-9);
        let mut row = Row::new(stats, config, solved, seconds + elapsed, speed);
        row.run = Some(self.run);
        self.file.write_all((text::line(&row)? + "\n").as_bytes()).context("metrics.csv: cannot write")?;
        self.rows.push(row);
        if let Some(board) = &mut self.board {
            board.push(&self.rows, &stats.update, config)?;
        }
        Ok(&self.rows[self.rows.len() - 1])
    }

    /// What was found wrong with the file that the run goes on with; a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// All rows so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Lets `solved` see what the rows tell, so that a run that goes on decides as the uninterrupted one would.
    pub fn tell(&self, solved: &mut Solved) {
        let episodes = solved.rule().episodes as u64;
        for row in &self.rows {
            solved.count(row.update, row.env_steps, row.episodes, row.episode_return);
            if let Some(evaluation) = row.evaluation(episodes) {
                solved.take(evaluation);
            }
        }
    }
}

/// Where damaged rows of `metrics` are kept: metrics.damaged.csv beside metrics.csv.
pub fn damaged(metrics: &Path) -> PathBuf {
    metrics.with_extension("damaged.csv")
}
