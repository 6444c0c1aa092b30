//! A window of built-in environments that a learner on the CPU plays.
//!
//! Environments are independent while no running statistics tie them together, so many are played in parts, each for the whole window by one
//! thread: one hand-over a window. What a policy step needs is its actions alone; log-probabilities and values follow for all rows at once.

use super::learner::CpuLearner;
use crate::data::{Actions, finite};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::parallel::prelude::*;
use crate::reference::actor_critic::ActorCritic;
use crate::reference::env::EnvAction;
use crate::reference::env_part::EnvPart;
use crate::reference::normalize::Normalizer;
use crate::reference::vec_env::{VecEnv, episode};
use crate::reference::{Real, head, head_actions};
use crate::state::EpisodeStats;
use ndarray::{Array1, Array2, ArrayView2};

/// Most environments of a part. The parts follow from the number of environments alone.
const MOST: usize = 128;

/// A window of T steps of N environments, and what followed it.
pub(super) struct Played {
    /// As the networks saw them, `[T N, obs_dim]`.
    pub obs: Array2<f32>,
    /// Of each row.
    pub actions: Actions,
    /// `[T N]`.
    pub logp: Array1<f32>,
    /// `[T, N]`.
    pub rewards: Array2<f32>,
    /// `[T, N]`.
    pub terminated: Array2<u32>,
    /// `[T, N]`.
    pub truncated: Array2<u32>,
    /// Step and environment of each episode that its limit alone ended.
    pub cut: Vec<[usize; 2]>,
    /// The observations before those resets, as the networks see them, `[cut, obs_dim]`.
    pub final_obs: Array2<f32>,
    /// After the window, as the environments show them, `[N, obs_dim]`.
    pub last: Array2<f32>,
    pub episodes: EpisodeStats,
}

/// `steps` steps of all `envs`, with actions that `learner` draws.
///
/// # Errors
/// [`Error::Value`] if a state is not finite; environments and statistics may have moved then.
pub(super) fn play(learner: &mut CpuLearner<f32>, env: Env, envs: &mut VecEnv, count: usize) -> Result<Played> {
    let (steps, normalizes) = (learner.config.num_steps, learner.config.norm_obs.is_some());
    let mut normalizer = learner.normalizer.clone();
    let most = if normalizes { count } else { count.div_ceil(count.div_ceil(MOST).max(1)) };
    let networks = learner.networks()?;
    let player = Player { networks, learner, env, steps };
    let mut parts: Vec<EnvPart> = envs.parts(most).collect();
    let parts = match parts.pop() {
        Some(all) if parts.is_empty() => vec![player.play(all, normalizes.then_some(&mut normalizer))?],
        last => {
            parts.extend(last);
            // Each part lies with the thread that plays it, so no two write to the same line of cache.
            parts.into_par_iter().map(|part| player.play(part, None)).collect::<Result<_>>()?
        }
    };
    let played = player.window(parts, count)?;
    envs.passed(steps as u64);
    learner.policy_step += steps as u64;
    learner.normalizer = normalizer;
    Ok(played)
}

/// Who plays.
struct Player<'a> {
    networks: ActorCritic<'a, f32>,
    learner: &'a CpuLearner<f32>,
    env: Env,
    steps: usize,
}

/// The window of n neighbouring environments: arrays of [`Played`], flat, of n environments instead of N.
struct Part {
    obs: Vec<f32>,
    dist: Vec<f32>,
    words: Vec<u32>,
    rewards: Vec<f32>,
    terminated: Vec<u32>,
    truncated: Vec<u32>,
    cut: Vec<[usize; 2]>,
    final_obs: Vec<f32>,
    last: Vec<f32>,
    episodes: EpisodeStats,
}

impl Player<'_> {
    fn part(&self, n: usize) -> Part {
        let (rows, head) = (self.steps * n, &self.learner.spec.head);
        Part {
            obs: vec![0.0; rows * self.env.obs_dim()],
            dist: Vec::with_capacity(rows * head.width()),
            words: Vec::with_capacity(rows * head.action_words()),
            rewards: Vec::with_capacity(rows),
            terminated: Vec::with_capacity(rows),
            truncated: Vec::with_capacity(rows),
            cut: Vec::new(),
            final_obs: Vec::new(),
            last: vec![0.0; n * self.env.obs_dim()],
            episodes: EpisodeStats::NONE,
        }
    }

    /// The whole window of one part; `normalizer` is moved on by each step.
    fn play(&self, mut envs: EnvPart<'_>, mut normalizer: Option<&mut Normalizer<f32>>) -> Result<Part> {
        let (head, seed) = (&self.learner.spec.head, self.learner.seed);
        let distribution = head::distribution(head);
        let (n, width, words) = (envs.count(), self.env.obs_dim(), head.action_words());
        let mut part = self.part(n);
        for t in 0..self.steps {
            let own = &mut part.obs[t * n * width..(t + 1) * n * width];
            envs.observe(own);
            finite("obs", own.iter())?;
            if let Some(normalizer) = &mut normalizer {
                let seen = normalizer.observe(view(own, n, width)?);
                own.iter_mut().zip(&seen).for_each(|(place, seen)| *place = *seen);
            }
            let dist = self.networks.distribution(view(own, n, width)?)?;
            let (first, step) = (envs.first(), self.learner.policy_step + t as u64);
            head_actions::sample_words(head, &*distribution, dist.view(), first, seed, step, &mut part.words)?;
            part.dist.extend(&dist);
            f32::give(dist.into_raw_vec_and_offset().0);
            let drawn = &part.words[t * n * words..];
            let floats = match head.env_is_discrete() {
                true => None,
                false => Some(head_actions::to_env(head, &Actions::from_words(head, n, drawn)?)?),
            };
            let mut episodes = EpisodeStats::NONE;
            for index in 0..n {
                let action = match &floats {
                    Some(Actions::Continuous(floats)) => EnvAction::Float(floats[[index, 0]]),
                    _ => EnvAction::Index(drawn[index * words]),
                };
                let one = envs.step(index, t as u64, action)?;
                part.rewards.push(one.reward);
                part.terminated.push(one.terminated.into());
                part.truncated.push(one.truncated.into());
                if one.truncated && !one.terminated {
                    part.cut.push([t, first + index]);
                    // With the statistics of this step: the next one moves them on.
                    match &normalizer {
                        Some(normalizer) => part.final_obs.extend(&normalizer.seen(view(&one.final_obs, 1, width)?)),
                        None => part.final_obs.extend_from_slice(&one.final_obs),
                    }
                }
                if let Some((total, length)) = one.ended {
                    episodes = episodes.merge(episode(total, length));
                }
            }
            part.episodes = part.episodes.merge(episodes);
        }
        envs.observe(&mut part.last);
        Ok(part)
    }

    /// The window of all `count` environments, from those of its parts in order.
    fn window(&self, mut parts: Vec<Part>, count: usize) -> Result<Played> {
        let (head, steps, width) = (&self.learner.spec.head, self.steps, self.env.obs_dim());
        let rows = steps * count;
        let obs = side_by_side(&mut parts, steps, |part| &mut part.obs);
        let dist = side_by_side(&mut parts, steps, |part| &mut part.dist);
        let words = side_by_side(&mut parts, steps, |part| &mut part.words);
        let rewards = side_by_side(&mut parts, steps, |part| &mut part.rewards);
        let terminated = side_by_side(&mut parts, steps, |part| &mut part.terminated);
        let truncated = side_by_side(&mut parts, steps, |part| &mut part.truncated);
        let last = side_by_side(&mut parts, 1, |part| &mut part.last);
        let final_obs = side_by_side(&mut parts, 1, |part| &mut part.final_obs);
        let actions = Actions::from_words(head, rows, &words)?;
        let logp = head::log_prob(head, view(&dist, rows, head.width())?, &actions)?;
        let cut: Vec<_> = parts.iter().flat_map(|part| &part.cut).copied().collect();
        Ok(Played {
            obs: array(obs, rows, width)?,
            actions,
            logp,
            rewards: array(rewards, steps, count)?,
            terminated: array(terminated, steps, count)?,
            truncated: array(truncated, steps, count)?,
            final_obs: array(final_obs, cut.len(), width)?,
            cut,
            last: array(last, count, width)?,
            episodes: parts.iter().fold(EpisodeStats::NONE, |sum, part| sum.merge(part.episodes)),
        })
    }
}

/// The arrays `of` all parts, each of so many steps, next to each other step by step.
fn side_by_side<T: Copy>(parts: &mut [Part], steps: usize, of: impl Fn(&mut Part) -> &mut Vec<T>) -> Vec<T> {
    let mut all: Vec<Vec<T>> = parts.iter_mut().map(|part| std::mem::take(of(part))).collect();
    if all.len() == 1 {
        return all.remove(0);
    }
    let mut whole = Vec::with_capacity(all.iter().map(Vec::len).sum());
    for t in 0..steps {
        for part in &all {
            let width = part.len() / steps.max(1);
            whole.extend_from_slice(&part[t * width..(t + 1) * width]);
        }
    }
    whole
}

fn view<T>(numbers: &[T], rows: usize, columns: usize) -> Result<ArrayView2<'_, T>> {
    ArrayView2::from_shape((rows, columns), numbers)
        .map_err(|_| Error::shape("obs", &[numbers.len()], &[rows, columns]))
}

fn array<T>(numbers: Vec<T>, rows: usize, columns: usize) -> Result<Array2<T>> {
    let len = numbers.len();
    Array2::from_shape_vec((rows, columns), numbers).map_err(|_| Error::shape("obs", &[len], &[rows, columns]))
}
