//! The dispatches that store steps.

use super::model::OffPolicyModel;
use super::ring::ReplayRing;
use crate::data::EnvStep;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::replay_store;

/// A step of N environments in buffers on the device.
#[derive(Debug, Clone, Copy)]
pub struct StepBuffers<'a> {
    /// Observations that were acted on, `[N, obs_dim]` from [`obs_offset`](Self::obs_offset) on, and those that followed from
    /// [`next_offset`](Self::next_offset) on.
    pub obs: &'a Buffer<f32>,
    /// First element of the observations that were acted on.
    pub obs_offset: u32,
    /// First element of those that followed.
    pub next_offset: u32,
    /// `[rows, obs_dim]` from row [`row_offset`](Self::row_offset) on: the real last observation where the step ended an episode; else not read.
    pub final_obs: &'a Buffer<f32>,
    /// Words, `[N, action_words]` from [`actions_offset`](Self::actions_offset) on: indices, or bits of numbers in [−1, 1].
    pub actions: &'a Buffer<u32>,
    /// First element of the actions.
    pub actions_offset: u32,
    /// `[rows]`.
    pub rewards: &'a Buffer<f32>,
    /// `[rows]`, 0 or not.
    pub terminated: &'a Buffer<u32>,
    /// `[rows]`, 0 or not.
    pub truncated: &'a Buffer<u32>,
    /// First row of the step in the last four.
    pub row_offset: u32,
}

/// The dispatch that stores a step from buffers, bound once ([`GpuOffPolicy::store_plan`](crate::algo::GpuOffPolicy::store_plan)).
#[derive(Debug)]
pub struct StorePlan {
    pub(super) calls: Vec<Call>,
}

/// Buffers for steps of the host's.
#[derive(Debug)]
pub(super) struct HostStore {
    obs: Buffer<f32>,
    final_obs: Buffer<f32>,
    actions: Buffer<u32>,
    rewards: Buffer<f32>,
    terminated: Buffer<u32>,
    truncated: Buffer<u32>,
    pub plan: StorePlan,
}

/// Binds the dispatches that store steps, one for each of `steps`, which differ in their offsets alone; with `counts_on` each goes to the place after the
/// last one's.
pub(super) fn bind_store(
    gpu: &Gpu,
    model: &OffPolicyModel,
    ring: &ReplayRing,
    steps: &[StepBuffers<'_>],
    counts_on: bool,
) -> Result<Vec<Call>> {
    let shape = ring.shape;
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let params: Vec<_> = (0..)
        .zip(steps)
        .map(|(index, step)| replay_store::Params {
            envs: shape.envs,
            capacity: shape.capacity,
            obs_dim: shape.obs_dim,
            action_words: shape.action_words,
            slots: shape.slots,
            step_offset: if counts_on { index } else { 0 },
            obs_offset: step.obs_offset,
            next_offset: step.next_offset,
            actions_offset: step.actions_offset,
            row_offset: step.row_offset,
            ..Default::default()
        })
        .collect();
    let io = replay_store::Io {
        obs: first.obs,
        final_obs: first.final_obs,
        actions: first.actions,
        rewards: first.rewards,
        terminated: first.terminated,
        truncated: first.truncated,
        ring: &ring.ring,
        ends: &ring.ends,
    };
    replay_store::bind(gpu, &params, &io, &model.ring)
}

impl HostStore {
    pub fn new(gpu: &Gpu, model: &OffPolicyModel, ring: &ReplayRing) -> Result<Self> {
        let shape = ring.shape;
        let n = u64::from(shape.envs);
        let row = n * u64::from(shape.obs_dim);
        let obs = gpu.buffer("obs and next_obs", 2 * row)?;
        let final_obs = gpu.buffer("final_obs", row)?;
        let actions = gpu.buffer("actions", n * u64::from(shape.action_words))?;
        let (rewards, terminated) = (gpu.buffer("rewards", n)?, gpu.buffer("terminated", n)?);
        let truncated = gpu.buffer("truncated", n)?;
        let step = StepBuffers {
            obs: &obs,
            obs_offset: 0,
            // Within the buffer, which u32 indices reach.
            next_offset: row as u32,
            final_obs: &final_obs,
            actions: &actions,
            actions_offset: 0,
            rewards: &rewards,
            terminated: &terminated,
            truncated: &truncated,
            row_offset: 0,
        };
        let plan = StorePlan { calls: bind_store(gpu, model, ring, &[step], false)? };
        Ok(Self { obs, final_obs, actions, rewards, terminated, truncated, plan })
    }

    pub fn write(&self, gpu: &Gpu, step: &EnvStep) -> Result<()> {
        let (obs, next): (Vec<f32>, Vec<f32>) =
            (step.obs.iter().copied().collect(), step.next_obs.iter().copied().collect());
        gpu.write(&self.obs, 0, &obs)?;
        gpu.write(&self.obs, obs.len() as u64, &next)?;
        gpu.write(&self.final_obs, 0, &next)?;
        gpu.write(&self.actions, 0, &step.actions.words())?;
        gpu.write(&self.rewards, 0, &step.rewards.to_vec())?;
        gpu.write(&self.terminated, 0, &step.terminated.to_vec())?;
        gpu.write(&self.truncated, 0, &step.truncated.to_vec())
    }
}
