//! Running statistics on the device, and the calls that use them.

use super::advantage::RolloutBuffers;
use super::clear::marks;
use super::running_words::moments;
use super::running_words::words;
use crate::config::{Config, EpsPlacement, NormOrder, RewardNormKind};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{advantage_discount, advantage_rescale, policy_normalize, reduce_moments, reduce_running};
use crate::state::{NormalizerState, RunningMoments};

/// The running statistics that a configuration asks for; part of a [`Model`](super::Model). An embedder puts the calls in between:
/// [`rewards`](Self::rewards) before the advantages, [`targets`](Self::targets) after them. Disabled settings have no calls.
#[derive(Debug)]
pub struct NormalizerBuffers {
    config: Config,
    obs_dim: usize,
    /// `[obs_dim, STATISTIC_WORDS]`.
    obs: Option<Buffer<u32>>,
    reward: Option<Buffer<u32>>,
    /// `[num_envs]`.
    carried: Option<Buffer<f32>>,
    value: Option<Buffer<u32>>,
}

/// Observations of one policy step.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObsStep {
    pub rows: u32,
    /// First element of what is written.
    pub obs_offset: u32,
    /// First element and rows of the final observations of the step before.
    pub final_offset: u32,
    pub final_rows: u32,
    /// Whether the statistics take the rows in.
    pub update: bool,
}

/// ε's placement as the kernels have it.
fn outside_root(placement: EpsPlacement) -> u32 {
    u32::from(placement == EpsPlacement::OutsideRoot)
}

/// A limit as the kernels have it.
fn clip(limit: Option<f64>) -> f32 {
    limit.unwrap_or(0.0) as f32
}

impl NormalizerBuffers {
    /// Fresh statistics.
    pub(super) fn new(gpu: &Gpu, config: &Config, obs_dim: usize) -> Result<Self> {
        let state = NormalizerState::new(config, obs_dim);
        let upload = |label: &str, part: &Option<RunningMoments>| {
            part.as_ref().map(|part| gpu.upload(label, &words(part))).transpose()
        };
        let carried = &state.discounted_returns;
        Ok(Self {
            config: config.clone(),
            obs_dim,
            obs: upload("obs_statistics", &state.obs)?,
            reward: upload("reward statistic", &state.reward)?,
            carried: (!carried.is_empty()).then(|| gpu.upload("carried", carried)).transpose()?,
            value: upload("value statistic", &state.value)?,
        })
    }

    /// The statistics, read back.
    pub(super) async fn state(&self, gpu: &Gpu) -> Result<NormalizerState> {
        let read = async |part: &Option<Buffer<u32>>| match part {
            Some(buffer) => gpu.read_async(buffer).await.map(|words| Some(moments(&words))),
            None => Ok(None),
        };
        Ok(NormalizerState {
            obs: read(&self.obs).await?,
            reward: read(&self.reward).await?,
            discounted_returns: match &self.carried {
                Some(carried) => gpu.read_async(carried).await?,
                None => Vec::new(),
            },
            value: read(&self.value).await?,
        })
    }

    /// `state` with everything that these settings need, or why it does not fit.
    pub(super) fn complete(&self, state: &NormalizerState) -> Result<NormalizerState> {
        state.complete(&self.config, self.obs_dim)
    }

    /// Continues from a state that [`complete`](Self::complete) gave.
    pub(super) fn set_state(&self, gpu: &Gpu, state: &NormalizerState) -> Result<()> {
        let parts = [(&self.obs, &state.obs), (&self.reward, &state.reward), (&self.value, &state.value)];
        for (buffer, part) in parts {
            if let (Some(buffer), Some(part)) = (buffer, part) {
                gpu.write(buffer, 0, &words(part))?;
            }
        }
        self.carried.iter().try_for_each(|carried| gpu.write(carried, 0, &state.discounted_returns))
    }

    /// Refuses settings that normalise otherwise than those that the statistics are for.
    pub(super) fn check_config(&self, config: &Config) -> Result<()> {
        let own = &self.config;
        let all = [
            ("norm_obs", own.norm_obs == config.norm_obs),
            ("norm_reward", own.norm_reward == config.norm_reward),
            ("norm_value", own.norm_value == config.norm_value),
        ];
        match all.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(Error::config(field, "is not what the model was made with")),
            None => Ok(()),
        }
    }

    /// Whether observations are normalised.
    pub(super) fn has_obs(&self) -> bool {
        self.obs.is_some()
    }

    /// One call per step: `raw` `[rows, obs_dim]` normalised into `obs`, and `final_obs` in place.
    pub(super) fn observations(
        &self,
        gpu: &Gpu,
        raw: &Buffer<f32>,
        obs: &Buffer<f32>,
        final_obs: &Buffer<f32>,
        steps: &[ObsStep],
    ) -> Result<Vec<Call>> {
        let (Some(norm), Some(statistics)) = (&self.config.norm_obs, &self.obs) else { return Ok(Vec::new()) };
        let params: Vec<_> = steps
            .iter()
            .map(|step| policy_normalize::Params {
                rows: step.rows,
                obs_dim: self.obs_dim as u32,
                obs_offset: step.obs_offset,
                final_offset: step.final_offset,
                final_rows: step.final_rows,
                update: u32::from(step.update && !norm.frozen),
                normalize_first: u32::from(norm.order == NormOrder::NormalizeFirst),
                outside_root: outside_root(norm.eps_placement),
                eps: norm.eps as f32,
                clip: clip(norm.clip),
                ..Default::default()
            })
            .collect();
        let io = policy_normalize::Io { raw_obs: raw, obs_statistics: statistics, obs, final_obs };
        policy_normalize::bind(gpu, &params, &io)
    }

    /// Rewards of a window on the device, scaled in place, step by step, where statistics take in only rows that `valid` `[steps, envs]` does
    /// not mask (without it, all); [`RolloutBuffers::rewards`] are raw before and scaled after.
    ///
    /// # Errors
    /// A buffer too short, a limit, [`crate::Error::Config`] if the window has other than `num_envs` environments where returns are
    /// carried, or out of memory.
    pub fn rewards(&self, gpu: &Gpu, rollout: &RolloutBuffers, valid: Option<&Buffer<u32>>) -> Result<Vec<Call>> {
        let (Some(norm), Some(statistic)) = (&self.config.norm_reward, &self.reward) else { return Ok(Vec::new()) };
        let (steps, envs) = (rollout.steps, rollout.envs);
        NormalizerState::check_envs(&self.config, envs as usize)?;
        let rows = u64::from(steps) * u64::from(envs);
        let mut calls = Vec::new();
        let discounted = match &self.carried {
            None => rollout.rewards.clone(),
            Some(carried) => {
                let discounted = gpu.buffer("discounted", rows)?;
                let io = advantage_discount::Io {
                    rewards: &rollout.rewards,
                    terminated: &rollout.terminated,
                    truncated: &rollout.truncated,
                    valid: valid.unwrap_or(&rollout.terminated),
                    carried,
                    discounted: &discounted,
                };
                let reset = norm.reset.code();
                let gamma = norm.gamma.unwrap_or(self.config.gamma) as f32;
                let masked = u32::from(valid.is_some());
                let params = advantage_discount::Params { steps, envs, gamma, reset, masked, ..Default::default() };
                calls.extend(advantage_discount::bind(gpu, &[params], &io)?);
                discounted
            }
        };
        let params = reduce_running::Params {
            center: u32::from(norm.kind == RewardNormKind::Rewards),
            outside_root: outside_root(norm.eps_placement),
            eps: norm.eps as f32,
            ..Default::default()
        };
        let (merge, coefficients) = self.merge(gpu, &discounted, rows, envs, statistic, params, valid)?;
        calls.extend(merge);
        calls.extend(rescale(gpu, &coefficients, &rollout.rewards, rows, envs, 0, norm.clip)?);
        Ok(calls)
    }

    /// What the critic gave, put in the units of the rewards in place: each buffer's first `rows`.
    ///
    /// # Errors
    /// A buffer too short, a limit, or out of memory.
    pub fn values(&self, gpu: &Gpu, critic: &[(&Buffer<f32>, u32)]) -> Result<Vec<Call>> {
        let (Some(norm), Some(statistic)) = (&self.config.norm_value, &self.value) else { return Ok(Vec::new()) };
        let coefficients = gpu.buffer("value coefficients", 1)?;
        // Nothing is merged, so there are no moments.
        let moments = gpu.buffer("no moments", 1)?;
        let io = reduce_running::Io { moments: &moments, statistic, coefficients: &coefficients };
        let mut calls = reduce_running::bind(gpu, &[self.value_params(0)], &io)?;
        for (values, rows) in critic {
            calls.extend(rescale(gpu, &coefficients, values, u64::from(*rows), *rows, 1, norm.clip)?);
        }
        Ok(calls)
    }

    /// Adds the first `rows` of `returns` that are unmasked in `valid` `[rows]` (without it, all) to the statistic, then puts those and as many of `values_old` in the critic's units, in
    /// place.
    ///
    /// # Errors
    /// A buffer too short, a limit, or out of memory.
    pub fn targets(
        &self,
        gpu: &Gpu,
        rows: u32,
        returns: &Buffer<f32>,
        values_old: &Buffer<f32>,
        valid: Option<&Buffer<u32>>,
    ) -> Result<Vec<Call>> {
        let (Some(norm), Some(statistic)) = (&self.config.norm_value, &self.value) else { return Ok(Vec::new()) };
        let all = u64::from(rows);
        let (mut calls, coefficients) = self.merge(gpu, returns, all, rows, statistic, self.value_params(1), valid)?;
        for numbers in [returns, values_old] {
            calls.extend(rescale(gpu, &coefficients, numbers, all, rows, 0, norm.clip)?);
        }
        Ok(calls)
    }

    fn value_params(&self, segments: u32) -> reduce_running::Params {
        let norm = self.config.norm_value.as_ref();
        reduce_running::Params {
            segments,
            center: 1,
            outside_root: norm.map_or(0, |norm| outside_root(norm.eps_placement)),
            eps: norm.map_or(0.0, |norm| norm.eps as f32),
        }
    }

    /// Merges `rows` numbers, segment by segment, and gives the coefficients of each.
    fn merge(
        &self,
        gpu: &Gpu,
        numbers: &Buffer<f32>,
        rows: u64,
        segment: u32,
        statistic: &Buffer<u32>,
        params: reduce_running::Params,
        valid: Option<&Buffer<u32>>,
    ) -> Result<(Vec<Call>, Buffer<[f32; 4]>)> {
        // Rows were held against u32 where the window was made.
        let (all, segments) = (rows as u32, rows.div_ceil(u64::from(segment.max(1))));
        let mut calls = Vec::new();
        let marks = valid.map(|valid| marks(gpu, valid, all, &mut calls)).transpose()?;
        let moments = gpu.buffer("running moments", segments)?;
        let io = reduce_moments::Io {
            minuend: numbers,
            subtrahend: numbers,
            marks: marks.as_ref().unwrap_or(numbers),
            partials: &gpu.buffer("running partials", reduce_moments::partials(all, segment))?,
            moments: &moments,
        };
        let mark_stride = u32::from(marks.is_some());
        let of_numbers = reduce_moments::Params { rows: all, segment, stride: 1, mark_stride, ..Default::default() };
        calls.extend(reduce_moments::bind(gpu, &[of_numbers], &io)?);
        let coefficients = gpu.buffer("coefficients", segments)?;
        let io = reduce_running::Io { moments: &moments, statistic, coefficients: &coefficients };
        let params = reduce_running::Params { segments: segments as u32, ..params };
        calls.extend(reduce_running::bind(gpu, &[params], &io)?);
        Ok((calls, coefficients))
    }
}

fn rescale(
    gpu: &Gpu,
    coefficients: &Buffer<[f32; 4]>,
    numbers: &Buffer<f32>,
    rows: u64,
    segment: u32,
    inverse: u32,
    limit: Option<f64>,
) -> Result<Vec<Call>> {
    let io = advantage_rescale::Io { coefficients, numbers };
    let params = advantage_rescale::Params { rows: rows as u32, segment, inverse, clip: clip(limit) };
    advantage_rescale::bind(gpu, &[params], &io)
}
