//! How good a learner is, measured on the CPU.

use super::env::{VecEnv, episode};
use crate::env::Env;
use crate::error::Result;
use crate::learner::{ActMode, Learner};
use crate::trainer::EpisodeStats;

/// Returns of `episodes` episodes, each from its own start state: that many copies of `env` side by side until each has
/// ended its first episode.
///
/// `seed` decides the start states. [`ActMode::Greedy`] leaves the learner as it was; [`ActMode::Sample`] advances its draws and
/// its running statistics of observations.
///
/// # Errors
/// Whatever [`VecEnv::new`] and [`Learner::act`] return.
pub fn evaluate(
    learner: &mut dyn Learner,
    env: Env,
    episodes: usize,
    seed: u64,
    mode: ActMode,
) -> Result<EpisodeStats> {
    let mut envs = VecEnv::new(env, episodes, seed)?;
    let mut first: Vec<Option<(f32, u32)>> = vec![None; episodes];
    while first.iter().any(Option::is_none) {
        // Rows that are done go on, so that the learner sees one batch size throughout.
        let acted = learner.act(envs.obs().view(), mode)?;
        for (first, ended) in first.iter_mut().zip(envs.step(&acted.env_actions)?.ended) {
            *first = first.or(ended);
        }
    }
    let each = first.into_iter().flatten().map(|(total, length)| episode(total, length));
    Ok(each.fold(EpisodeStats::NONE, EpisodeStats::merge))
}
