//! metrics.csv: one row per update.

use crate::files;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use wgpo::trainer::IterationStats;

/// Episodes over which the mean return is taken, at least; Gymnasium's and CleanRL's 100.
pub const WINDOW: u64 = 100;

/// One row. A number that does not exist (no episode ended, not finite) is an empty field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Updates since the start.
    pub update: u64,
    /// Environment steps since the start, all environments together.
    pub env_steps: u64,
    /// Seconds of training since the start, pauses left out.
    pub seconds: f64,
    /// Environment steps per second of this iteration, update included.
    pub steps_per_second: f64,
    /// Mean return over the last [`WINDOW`] episodes or a few more: whole updates are taken.
    pub mean_return: Option<f64>,
    /// Episodes that ended in this iteration.
    pub episodes: u64,
    /// Their mean return.
    pub episode_return: Option<f64>,
    /// Their smallest return.
    pub episode_return_min: Option<f64>,
    /// Their largest return.
    pub episode_return_max: Option<f64>,
    /// Their mean length.
    pub episode_length: Option<f64>,
    /// Of the last minibatch, as CleanRL logs it.
    pub policy_loss: Option<f64>,
    /// Of the last minibatch.
    pub value_loss: Option<f64>,
    /// Of the last minibatch.
    pub entropy: Option<f64>,
    /// Of the last minibatch; k3.
    pub approx_kl: Option<f64>,
    /// Mean over the minibatches.
    pub clipfrac: Option<f64>,
    /// Of the rollout.
    pub explained_variance: Option<f64>,
    /// Mean over the minibatches, before clipping.
    pub grad_norm: Option<f64>,
    /// Of this update.
    pub learning_rate: f64,
    /// Steps that the optimiser took.
    pub optimizer_steps: u32,
    /// Steps left out because the gradient was not finite.
    pub skipped_steps: u32,
}

impl Row {
    /// The row of one iteration. `mean_return` is filled in by [`Metrics::push`].
    fn new(stats: &IterationStats, seconds: f64, steps_per_second: f64) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        let (episodes, update) = (&stats.episodes, &stats.update);
        let last = update.last();
        Self {
            update: stats.updates,
            env_steps: stats.env_steps,
            seconds,
            steps_per_second,
            mean_return: None,
            episodes: episodes.count,
            episode_return: episodes.mean_return(),
            episode_return_min: finite(episodes.return_min),
            episode_return_max: finite(episodes.return_max),
            episode_length: episodes.mean_length(),
            policy_loss: finite(last.policy_loss),
            value_loss: finite(last.value_loss),
            entropy: finite(last.entropy),
            approx_kl: finite(last.approx_kl),
            clipfrac: finite(update.mean(|minibatch| minibatch.clipfrac)),
            explained_variance: finite(update.explained_variance),
            grad_norm: finite(update.mean(|minibatch| minibatch.grad_norm)),
            learning_rate: update.learning_rate,
            optimizer_steps: update.optimizer_steps,
            skipped_steps: update.skipped_steps,
        }
    }
}

/// The latest updates that together hold at least [`WINDOW`] episodes.
///
/// It is fed with what the rows hold, so that a resumed run decides as the uninterrupted one would.
#[derive(Debug, Default)]
struct Window {
    updates: VecDeque<(u64, f64)>,
    episodes: u64,
}

impl Window {
    fn push(&mut self, row: &Row) {
        if let Some(mean) = row.episode_return {
            self.updates.push_back((row.episodes, mean));
            self.episodes += row.episodes;
        }
        while let Some(&(oldest, _)) = self.updates.front()
            && self.episodes - oldest >= WINDOW
        {
            self.updates.pop_front();
            self.episodes -= oldest;
        }
    }

    fn mean(&self) -> Option<f64> {
        let sum: f64 = self.updates.iter().map(|(count, mean)| *count as f64 * mean).sum();
        (self.episodes > 0).then(|| sum / self.episodes as f64)
    }
}

/// All rows of a run, and the file that they are appended to.
pub struct Metrics {
    rows: Vec<Row>,
    window: Window,
    writer: csv::Writer<File>,
}

impl Metrics {
    /// An empty file.
    pub fn create(path: &Path) -> Result<Self> {
        Self::write(path, Vec::new())
    }

    /// The rows up to `update`; later ones, which the saved state does not know, are dropped from the file. So is a
    /// line that a crash cut short.
    pub fn resume(path: &Path, update: u64) -> Result<Self> {
        let reader = csv::Reader::from_path(path).with_context(|| format!("{}: cannot read", path.display()))?;
        let rows = reader.into_deserialize().map_while(|row: csv::Result<Row>| row.ok());
        Self::write(path, rows.take_while(|row| row.update <= update).collect())
    }

    fn write(path: &Path, rows: Vec<Row>) -> Result<Self> {
        let mut window = Window::default();
        let mut text = csv::Writer::from_writer(Vec::new());
        for row in &rows {
            window.push(row);
            text.serialize(row)?;
        }
        files::write(path, &text.into_inner().map_err(|error| error.into_error())?)?;
        let file =
            File::options().append(true).open(path).with_context(|| format!("{}: cannot open", path.display()))?;
        let writer = csv::WriterBuilder::new().has_headers(rows.is_empty()).from_writer(file);
        Ok(Self { rows, window, writer })
    }

    /// Appends the row of one iteration, `elapsed` seconds long, and flushes it to the file.
    pub fn push(&mut self, stats: &IterationStats, elapsed: f64) -> Result<&Row> {
        let (steps, seconds) = self.rows.last().map_or((0, 0.0), |row| (row.env_steps, row.seconds));
        let speed = stats.env_steps.saturating_sub(steps) as f64 / elapsed.max(1e-9);
        let mut row = Row::new(stats, seconds + elapsed, speed);
        self.window.push(&row);
        row.mean_return = self.window.mean();
        self.writer.serialize(&row).and_then(|()| Ok(self.writer.flush()?)).context("metrics.csv: cannot write")?;
        self.rows.push(row);
        Ok(&self.rows[self.rows.len() - 1])
    }

    /// All rows so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Mean return over the latest episodes, and how many those are.
    pub fn mean_return(&self) -> Option<(f64, u64)> {
        self.window.mean().map(|mean| (mean, self.window.episodes))
    }

    /// Whether the mean return over at least [`WINDOW`] episodes has reached `mark`.
    pub fn reached(&self, mark: f64) -> bool {
        self.mean_return().is_some_and(|(mean, episodes)| episodes >= WINDOW && mean >= mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpo::data::UpdateStats;
    use wgpo::trainer::EpisodeStats;

    fn iteration(updates: u64, count: u64, each: f64) -> IterationStats {
        let mut episodes = EpisodeStats::NONE;
        if count > 0 {
            let sum = each * count as f64;
            episodes = EpisodeStats {
                count,
                return_sum: sum,
                length_sum: sum,
                return_min: each - 1.0,
                return_max: each + 1.0,
            };
        }
        let update = UpdateStats { explained_variance: f64::NAN, ..UpdateStats::default() };
        IterationStats { update, episodes, env_steps: updates * 64, updates }
    }

    #[test]
    fn the_window_holds_just_enough_updates() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::create(&folder.path().join("m.csv")).unwrap();
        metrics.push(&iteration(1, 60, 10.0), 0.1).unwrap();
        assert!(!metrics.reached(5.0), "60 episodes are too few");
        metrics.push(&iteration(2, 60, 20.0), 0.1).unwrap();
        assert_eq!(metrics.mean_return(), Some((15.0, 120)));
        metrics.push(&iteration(3, 0, 0.0), 0.1).unwrap();
        metrics.push(&iteration(4, 40, 30.0), 0.1).unwrap();
        assert_eq!(metrics.mean_return(), Some((24.0, 100)));
        assert!(metrics.reached(24.0) && !metrics.reached(24.1));
    }

    #[test]
    fn a_resumed_file_goes_on_where_the_state_was() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("m.csv"), folder.path().join("n.csv"));
        let (mut whole, mut parts) = (Metrics::create(&path).unwrap(), Metrics::create(&other).unwrap());
        let series: Vec<_> = (1..=9).map(|update| iteration(update, update * 7 % 50, 0.1 * update as f64)).collect();
        for stats in &series {
            whole.push(stats, 0.25).unwrap();
        }
        for stats in &series[..6] {
            parts.push(stats, 0.25).unwrap();
        }
        drop(parts);
        // The state was saved at update 4, and the sixth line is torn.
        let text = std::fs::read_to_string(&other).unwrap();
        std::fs::write(&other, &text[..text.len() - 9]).unwrap();
        let mut parts = Metrics::resume(&other, 4).unwrap();
        for stats in &series[4..] {
            parts.push(stats, 0.25).unwrap();
        }
        assert_eq!(whole.rows(), parts.rows());
        drop((whole, parts));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, std::fs::read_to_string(&other).unwrap());
        assert!(!text.contains("NaN") && !text.contains("inf"));
        assert_eq!(text.lines().count(), 10);
    }
}
