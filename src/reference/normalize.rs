//! Running statistics, and what they normalise: observations, rewards, value targets.

use super::Real;
use super::ranks::Ranks;
use super::real::cast;
use super::reduce_moments::Moments;
use super::running::columns;
use crate::config::{Config, NormOrder, ObsNorm, RewardNorm, RewardNormKind, ValueNorm};
use crate::error::Result;
use crate::state::{NormalizerState, RunningMoments};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

pub use super::running::Running;

/// x within ±clip. NaN stays NaN, which `max` and `min` would swallow.
fn limit(x: f64, clip: Option<f64>) -> f64 {
    clip.map_or(x, |clip| if x.abs() > clip { clip.copysign(x) } else { x })
}

/// clip((x − shift) / scale, ±clip), rounded at the end only; 0 where the scale is 0, NaN where it is not finite, which no clip may hide.
fn normalized<F: Real>(x: F, shift: f64, scale: f64, clip: Option<f64>) -> F {
    match scale {
        0.0 => F::zero(),
        _ if !scale.is_finite() => F::nan(),
        _ => F::of(limit((x.as_f64() - shift) / scale, clip)),
    }
}

/// Each row of `obs` `[rows, columns]` with the statistics as they are.
pub fn normalize_obs<F: Real>(norm: &ObsNorm, running: &Running, obs: ArrayView2<'_, F>) -> Array2<F> {
    let scale = running.scale(norm.eps, norm.eps_placement);
    let mut result = obs.to_owned();
    for ((mut column, mean), scale) in result.columns_mut().into_iter().zip(&running.mean).zip(&scale) {
        column.mapv_inplace(|x| normalized(x, *mean, *scale, norm.clip));
    }
    result
}

/// Rolling discounted returns and the statistic of them or of the rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardScale<F> {
    /// One column.
    pub running: Running,
    /// G of each environment, `[envs]`.
    pub carried: Array1<F>,
}

/// One step of N environments: G moves on, the statistic takes the step in, the rewards are scaled with it. `[envs]` each; the
/// second result is G before a reset after it.
///
/// ```text
/// AfterDone      G ← γ G + r, and 0 afterwards where terminated or truncated
/// AtTermination  G ← γ G (1 − terminated) + r
/// AtDone         G ← γ G (1 − (terminated or truncated)) + r
/// AtTerminationAfterDone  as AtTermination, and 0 afterwards where terminated or truncated
/// Returns        the statistic merges G;   r ← clip(r / scale, ±clip)
/// Rewards        the statistic merges r;   r ← clip((r − mean) / scale, ±clip)
/// ```
///
/// Of environments whose row in `valid` is 0, no reward is taken in, neither into the sum nor into the statistics; an episode that
/// ends in such a row ends its sum.
pub fn scale_valid<F: Real>(
    norm: &RewardNorm,
    gamma: F,
    state: &mut RewardScale<F>,
    rewards: ArrayView1<'_, F>,
    terminated: ArrayView1<'_, u32>,
    truncated: ArrayView1<'_, u32>,
    valid: Option<ArrayView1<'_, u32>>,
) -> (Array1<F>, Array1<F>) {
    let (merged, discounted) = taken_in(norm, gamma, &mut state.carried, rewards, terminated, truncated, valid);
    (scaled(norm, &mut state.running, &merged, rewards), discounted)
}

/// G moves on; what the statistic takes in of this step, and G before a reset after it.
fn taken_in<F: Real>(
    norm: &RewardNorm,
    gamma: F,
    carried: &mut Array1<F>,
    rewards: ArrayView1<'_, F>,
    terminated: ArrayView1<'_, u32>,
    truncated: ArrayView1<'_, u32>,
    valid: Option<ArrayView1<'_, u32>>,
) -> (Moments, Array1<F>) {
    let counted: Vec<usize> = (0..rewards.len()).filter(|n| valid.is_none_or(|valid| valid[*n] != 0)).collect();
    let begins = |n: usize| norm.reset.begins(terminated[n] != 0, truncated[n] != 0);
    let ends = |n: usize| norm.reset.ends(terminated[n] != 0, truncated[n] != 0);
    let returns = norm.kind == RewardNormKind::Returns;
    let mut discounted = Array1::zeros(rewards.len());
    if returns {
        let left_out = (0..rewards.len()).filter(|n| valid.is_some_and(|valid| valid[*n] == 0));
        for n in left_out.filter(|n| begins(*n) || ends(*n)) {
            carried[n] = F::zero();
        }
        for &n in &counted {
            let before = if begins(n) { F::zero() } else { carried[n] };
            discounted[n] = gamma * before + rewards[n];
            carried[n] = if ends(n) { F::zero() } else { discounted[n] };
        }
    }
    let merged = if returns { discounted.view() } else { rewards };
    (Moments::of(merged.select(Axis(0), &counted).view()), discounted)
}

/// The rewards of a step, scaled once the statistic has taken `merged` in.
fn scaled<F: Real>(
    norm: &RewardNorm,
    running: &mut Running,
    merged: &Moments,
    rewards: ArrayView1<'_, F>,
) -> Array1<F> {
    let taken = running.merge_moments(&[*merged]);
    let scale = if taken { running.scale(norm.eps, norm.eps_placement)[0] } else { f64::NAN };
    let shift = if norm.kind == RewardNormKind::Returns { 0.0 } else { running.mean[0] };
    rewards.mapv(|r| normalized(r, shift, scale, norm.clip))
}

/// [`scale_valid`] where all count.
pub fn scale_step<F: Real>(
    norm: &RewardNorm,
    gamma: F,
    state: &mut RewardScale<F>,
    rewards: ArrayView1<'_, F>,
    terminated: ArrayView1<'_, u32>,
    truncated: ArrayView1<'_, u32>,
) -> (Array1<F>, Array1<F>) {
    scale_valid(norm, gamma, state, rewards, terminated, truncated, None)
}

/// All running statistics of a learner and the settings that they follow.
#[derive(Debug, Clone)]
pub struct Normalizer<F> {
    obs: Option<(ObsNorm, Running)>,
    reward: Option<(RewardNorm, F, RewardScale<F>)>,
    value: Option<(ValueNorm, Running)>,
}

impl<F: Real> Normalizer<F> {
    /// From a state, completed where it lacks something.
    ///
    /// # Errors
    /// As [`NormalizerState::complete`].
    pub fn new(config: &Config, obs_dim: usize, state: &NormalizerState) -> Result<Self> {
        let state = state.complete(config, obs_dim)?;
        let running = |saved: &Option<RunningMoments>| saved.as_ref().map(Running::from_moments);
        let carried = cast(ArrayView1::from(&state.discounted_returns));
        let scale = running(&state.reward).map(|running| RewardScale { running, carried });
        Ok(Self {
            obs: config.norm_obs.zip(running(&state.obs)),
            reward: config
                .norm_reward
                .zip(scale)
                .map(|(norm, scale)| (norm, F::of(norm.gamma.unwrap_or(config.gamma)), scale)),
            value: config.norm_value.zip(running(&state.value)),
        })
    }

    /// As it is saved; exact in f32.
    pub fn state(&self) -> NormalizerState {
        NormalizerState {
            obs: self.obs.as_ref().map(|(_, running)| running.moments()),
            reward: self.reward.as_ref().map(|(_, _, scale)| scale.running.moments()),
            discounted_returns: self.carried(),
            value: self.value.as_ref().map(|(_, running)| running.moments()),
        }
    }

    /// Observations as the networks see them, with the statistics as they are. Rounded to f32, as a rollout keeps them.
    pub fn seen(&self, obs: ArrayView2<'_, f32>) -> Array2<f32> {
        match &self.obs {
            None => obs.to_owned(),
            Some((norm, running)) => normalize_obs(norm, running, obs),
        }
    }

    /// The same for a policy step, which the statistics take in: the rows of all ranks.
    ///
    /// # Errors
    /// Those of a [`Collective`](crate::collective::Collective).
    pub fn observe(&mut self, obs: ArrayView2<'_, f32>, ranks: &Ranks<'_>) -> Result<Array2<f32>> {
        let before = self.obs.as_ref().is_some_and(|(norm, _)| norm.order == NormOrder::NormalizeFirst);
        let early = before.then(|| self.seen(obs));
        if let Some((_, running)) = self.obs.as_mut().filter(|(norm, _)| !norm.frozen) {
            let mut columns = columns(obs);
            ranks.merge(&mut columns)?;
            running.merge_moments(&columns);
        }
        Ok(early.unwrap_or_else(|| self.seen(obs)))
    }

    /// Rewards of a window `[steps, envs]`, step by step, where only rows that count in `valid` are taken in, of all ranks; `None` where they
    /// stay as they are. Rounded to f32, as the device keeps them.
    ///
    /// # Errors
    /// Those of a [`Collective`](crate::collective::Collective).
    pub fn rewards(
        &mut self,
        rewards: ArrayView2<'_, f32>,
        terminated: ArrayView2<'_, u32>,
        truncated: ArrayView2<'_, u32>,
        valid: Option<ArrayView2<'_, u32>>,
        ranks: &Ranks<'_>,
    ) -> Result<Option<Array2<f32>>> {
        let Some((norm, gamma, state)) = self.reward.as_mut() else { return Ok(None) };
        let mut result = rewards.to_owned();
        // What each step brings does not depend on the statistic, so that ranks tell each other of a window at once.
        let merged = rewards.rows().into_iter().enumerate().map(|(t, step)| {
            let valid = valid.as_ref().map(|valid| valid.row(t));
            let (step, fell, late): (Array1<F>, _, _) = (cast(step), terminated.row(t), truncated.row(t));
            taken_in(norm, *gamma, &mut state.carried, step.view(), fell, late, valid).0
        });
        let mut merged: Vec<_> = merged.collect();
        ranks.merge(&mut merged)?;
        for ((mut row, step), merged) in result.rows_mut().into_iter().zip(rewards.rows()).zip(&merged) {
            let step: Array1<F> = cast(step);
            row.assign(&scaled(norm, &mut state.running, merged, step.view()).mapv(F::as_f32));
        }
        Ok(Some(result))
    }

    /// What the critic gave, in the units of the rewards.
    pub fn values(&self, critic: Array1<F>) -> Array1<F> {
        let Some((norm, running)) = &self.value else { return critic };
        let scale = running.scale(norm.eps, norm.eps_placement)[0];
        critic.mapv(|v| F::of(limit(v.as_f64(), norm.clip) * scale + running.mean[0]))
    }

    /// Takes the returns of a batch in, those that count in `valid` (all without), of all ranks, and puts them and the old values in the
    /// critic's units.
    ///
    /// # Errors
    /// Those of a [`Collective`](crate::collective::Collective).
    pub fn targets(
        &mut self,
        returns: &mut Array1<F>,
        values_old: &mut Array1<F>,
        valid: Option<ArrayView1<'_, u32>>,
        ranks: &Ranks<'_>,
    ) -> Result<()> {
        let Some((norm, running)) = &mut self.value else { return Ok(()) };
        let counted: Vec<usize> = (0..returns.len()).filter(|row| valid.is_none_or(|valid| valid[*row] != 0)).collect();
        let mut merged = [Moments::of(returns.select(Axis(0), &counted).view())];
        ranks.merge(&mut merged)?;
        let taken = running.merge_moments(&merged);
        let scale = if taken { running.scale(norm.eps, norm.eps_placement)[0] } else { f64::NAN };
        for column in [returns, values_old] {
            column.mapv_inplace(|x| normalized(x, running.mean[0], scale, norm.clip));
        }
        Ok(())
    }

    /// The returns that are carried from window to window, `[envs]`; empty where none are.
    pub(crate) fn carried(&self) -> Vec<f32> {
        self.reward.as_ref().map_or_else(Vec::new, |(_, _, scale)| scale.carried.iter().map(|g| g.as_f32()).collect())
    }
}
