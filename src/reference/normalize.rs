//! Running statistics, and what they normalise: observations, rewards, value targets.

use super::Real;
use super::real::cast;
use super::reduce_moments::wide_moments;
use crate::config::{Config, EpsPlacement, NormOrder, ObsNorm, RewardNorm, RewardNormKind, ValueNorm};
use crate::error::Result;
use crate::state::{NormalizerState, RunningMoments};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Mean and variance of everything merged so far, column by column. In f64 whatever the numbers are: in f32 a history of 10⁵ rows
/// stands still, as what a row moves it by is below its last digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// `[columns]`.
    pub mean: Array1<f64>,
    /// `[columns]`.
    pub variance: Array1<f64>,
    /// Rows merged.
    pub count: u64,
    /// What the count began with.
    pub initial_count: f64,
}

impl Running {
    /// Mean 0 and variance 1, with the weight of `initial_count` rows.
    pub fn new(columns: usize, initial_count: f64) -> Self {
        Self { mean: Array1::zeros(columns), variance: Array1::ones(columns), count: 0, initial_count }
    }

    /// From a saved state.
    pub fn from_moments(saved: &RunningMoments) -> Self {
        let (mean, variance) = (saved.mean.clone().into(), saved.variance.clone().into());
        Self { mean, variance, count: saved.count, initial_count: saved.initial_count.into() }
    }

    /// To a saved state; exact where the initial count is an f32.
    pub fn moments(&self) -> RunningMoments {
        RunningMoments {
            mean: self.mean.to_vec(),
            variance: self.variance.to_vec(),
            count: self.count,
            initial_count: self.initial_count as f32,
        }
    }

    /// Merges the rows of `batch` `[rows, columns]` (Chan, Golub & LeVeque 1983):
    ///
    /// ```text
    /// d = m_b − mean;  total = count + rows
    /// variance ← (variance · count + v_b · rows + d² · count · rows / total) / total;   mean ← mean + d · rows / total
    /// ```
    ///
    /// A column whose new mean or variance is beyond the range of f32, in which the device and files keep them, keeps those it had; the count
    /// is of all columns. False if there was one.
    pub fn merge<F: Real>(&mut self, batch: ArrayView2<'_, F>) -> bool {
        if batch.nrows() == 0 {
            return true;
        }
        let mut all = true;
        let (count, rows) = (self.count as f64 + self.initial_count, batch.nrows() as f64);
        let total = count + rows;
        for ((column, mean), variance) in batch.columns().into_iter().zip(&mut self.mean).zip(&mut self.variance) {
            let (m_b, v_b) = wide_moments(column, 0);
            let d = m_b - *mean;
            let merged = (*variance * count + v_b * rows + d * d * count * rows / total) / total;
            let moved = *mean + d * rows / total;
            let most = f64::from(f32::MAX);
            if merged <= most && moved.abs() <= most {
                (*mean, *variance) = (moved, merged);
            } else {
                all = false;
            }
        }
        self.count = self.count.saturating_add(batch.nrows() as u64);
        all
    }

    /// What deviations of each column are divided by: √(variance + ε), or √variance + ε.
    pub fn scale(&self, eps: f64, placement: EpsPlacement) -> Array1<f64> {
        match placement {
            EpsPlacement::InsideRoot => self.variance.mapv(|variance| (variance + eps).sqrt()),
            EpsPlacement::OutsideRoot => self.variance.mapv(|variance| variance.sqrt() + eps),
        }
    }
}

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
    let counted: Vec<usize> = (0..rewards.len()).filter(|n| valid.is_none_or(|valid| valid[*n] != 0)).collect();
    let begins = |n: usize| norm.reset.begins(terminated[n] != 0, truncated[n] != 0);
    let ends = |n: usize| norm.reset.ends(terminated[n] != 0, truncated[n] != 0);
    let returns = norm.kind == RewardNormKind::Returns;
    let mut discounted = Array1::zeros(rewards.len());
    if returns {
        let left_out = (0..rewards.len()).filter(|n| valid.is_some_and(|valid| valid[*n] == 0));
        for n in left_out.filter(|n| begins(*n) || ends(*n)) {
            state.carried[n] = F::zero();
        }
        for &n in &counted {
            let before = if begins(n) { F::zero() } else { state.carried[n] };
            discounted[n] = gamma * before + rewards[n];
            state.carried[n] = if ends(n) { F::zero() } else { discounted[n] };
        }
    }
    let merged = if returns { discounted.view() } else { rewards };
    let taken = state.running.merge(merged.select(Axis(0), &counted).insert_axis(Axis(1)).view());
    let scale = if taken { state.running.scale(norm.eps, norm.eps_placement)[0] } else { f64::NAN };
    let shift = if returns { 0.0 } else { state.running.mean[0] };
    (rewards.mapv(|r| normalized(r, shift, scale, norm.clip)), discounted)
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
        let returns = self.reward.as_ref().map(|(_, _, scale)| scale.carried.iter().map(|g| g.as_f32()).collect());
        NormalizerState {
            obs: self.obs.as_ref().map(|(_, running)| running.moments()),
            reward: self.reward.as_ref().map(|(_, _, scale)| scale.running.moments()),
            discounted_returns: returns.unwrap_or_default(),
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

    /// The same for a policy step, which the statistics take in.
    pub fn observe(&mut self, obs: ArrayView2<'_, f32>) -> Array2<f32> {
        let before = self.obs.as_ref().is_some_and(|(norm, _)| norm.order == NormOrder::NormalizeFirst);
        let early = before.then(|| self.seen(obs));
        if let Some((_, running)) = self.obs.as_mut().filter(|(norm, _)| !norm.frozen) {
            running.merge(obs);
        }
        early.unwrap_or_else(|| self.seen(obs))
    }

    /// Rewards of a window `[steps, envs]`, step by step, where only rows that count in `valid` are taken in; `None` where they stay as they are. Rounded to f32, as the device keeps
    /// them.
    pub fn rewards(
        &mut self,
        rewards: ArrayView2<'_, f32>,
        terminated: ArrayView2<'_, u32>,
        truncated: ArrayView2<'_, u32>,
        valid: Option<ArrayView2<'_, u32>>,
    ) -> Option<Array2<f32>> {
        let (norm, gamma, state) = self.reward.as_mut()?;
        let mut result = rewards.to_owned();
        for (t, mut row) in result.rows_mut().into_iter().enumerate() {
            let step: Array1<F> = cast(rewards.row(t));
            let valid = valid.as_ref().map(|valid| valid.row(t));
            let (fell, late) = (terminated.row(t), truncated.row(t));
            let (scaled, _) = scale_valid(norm, *gamma, state, step.view(), fell, late, valid);
            row.assign(&scaled.mapv(F::as_f32));
        }
        Some(result)
    }

    /// What the critic gave, in the units of the rewards.
    pub fn values(&self, critic: Array1<F>) -> Array1<F> {
        let Some((norm, running)) = &self.value else { return critic };
        let scale = running.scale(norm.eps, norm.eps_placement)[0];
        critic.mapv(|v| F::of(limit(v.as_f64(), norm.clip) * scale + running.mean[0]))
    }

    /// Takes the returns of a batch in, those that count in `valid` (all without), and puts them and the old values in the critic's units.
    pub fn targets(&mut self, returns: &mut Array1<F>, values_old: &mut Array1<F>, valid: Option<ArrayView1<'_, u32>>) {
        let Some((norm, running)) = &mut self.value else { return };
        let counted: Vec<usize> = (0..returns.len()).filter(|row| valid.is_none_or(|valid| valid[*row] != 0)).collect();
        let taken = running.merge(returns.select(Axis(0), &counted).insert_axis(Axis(1)).view());
        let scale = if taken { running.scale(norm.eps, norm.eps_placement)[0] } else { f64::NAN };
        for column in [returns, values_old] {
            column.mapv_inplace(|x| normalized(x, running.mean[0], scale, norm.clip));
        }
    }
}
