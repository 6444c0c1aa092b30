//! What a recorder holds of a window.

use crate::error::{Error, Result};
use crate::memory::{require, total};
use crate::policy::Head;
use crate::state::EpisodeStats;
use ndarray::Array2;

/// What is recorded of a window so far, row after row.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Steps whose outcome is there.
    pub done: usize,
    pub obs: Vec<f32>,
    pub words: Vec<u32>,
    pub logp: Vec<f32>,
    pub values: Vec<f32>,
    pub rewards: Vec<f32>,
    pub terminated: Vec<u32>,
    pub truncated: Vec<u32>,
    pub final_values: Option<Vec<f32>>,
    pub episodes: EpisodeStats,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            done: 0,
            obs: Vec::new(),
            words: Vec::new(),
            logp: Vec::new(),
            values: Vec::new(),
            rewards: Vec::new(),
            terminated: Vec::new(),
            truncated: Vec::new(),
            final_values: None,
            episodes: EpisodeStats::NONE,
        }
    }
}

/// Refuses what no window can have, before anything is made.
pub(super) fn check_window(obs_dim: usize, head: &Head, steps: usize, envs: usize) -> Result<()> {
    if envs == 0 {
        return Err(Error::config("num_envs", "is 0, must be at least 1"));
    }
    if steps == 0 {
        return Err(Error::config("num_steps", "is 0, must be at least 1"));
    }
    let words = head.action_words();
    let widest = obs_dim.max(words).max(1);
    // The longest of the window's arrays; V has a row more than there are steps.
    if total(&[&[steps, envs, widest], &[envs, widest]]) > (isize::MAX as usize / size_of::<f32>()) as u128 {
        let message = format!("{steps} × num_envs {envs} × {widest} numbers are more than memory has addresses");
        return Err(Error::config("num_steps", message));
    }
    // Beside observations and actions: log-probabilities, values, rewards and two flags; and behind the window another value.
    let row = obs_dim.saturating_add(words).saturating_add(5);
    // Two flags, a return and a length.
    let episode = 2 * size_of::<bool>() + size_of::<f64>() + size_of::<u64>();
    let bytes = total(&[&[steps, envs, row, size_of::<f32>()], &[envs, size_of::<f32>() + episode]]);
    require(|| format!("a window of {steps} steps of {envs} environments"), bytes)
}

/// All of one array, `[rows, columns]`.
pub(super) fn matrix<T>(name: &str, rows: usize, columns: usize, all: Vec<T>) -> Result<Array2<T>> {
    let len = all.len();
    Array2::from_shape_vec((rows, columns), all).map_err(|_| Error::shape(name, &[len], &[rows, columns]))
}
