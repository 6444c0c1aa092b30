//! A rollout wholly on the device: policy, draws, environments, values.

use super::advantage::RolloutBuffers;
use super::forward::{ForwardOnly, is_fused};
use super::model::Model;
use super::network::{Block, Networks};
use super::rollout_steps::{Steps, pair};
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::reduce_episodes;
use crate::policy::Branch;

/// Most rows that go through the critic at once where its activations go through memory: bounds that.
const VALUE_ROWS: u32 = 16_384;

/// `steps` steps of `envs` environments, then the values of everything that was seen (0 without a critic).
///
/// Actions and `terminated` are ranges of one wgpu buffer, and so are rewards and `logp`: a kernel that writes one of a pair
/// cannot bind the other.
#[derive(Debug)]
pub struct RolloutPlan {
    /// Rewards, values and ends, for the advantages.
    pub buffers: RolloutBuffers,
    /// As the networks see them, `[steps + 1, envs, obs_dim]`.
    pub obs: Buffer<f32>,
    /// Words, `[steps, envs, action_words]`.
    pub actions: Buffer<u32>,
    /// `[steps, envs]`.
    pub logp: Buffer<f32>,
    /// `[envs, state_words]`, see [`Env::state_words`].
    pub env_state: Buffer<u32>,
    /// Episodes that ended, see [`reduce_episodes`].
    pub summary: Buffer<f32>,
    calls: Vec<Call>,
    reset: Vec<Call>,
}

impl RolloutPlan {
    /// Allocates and binds. Many steps go into one dispatch ([`rollout_fused`](crate::kernels::rollout_fused)) where the
    /// actor is narrow enough, observations are not normalised and [`Gpu::products`] is
    /// [`Staged`](crate::gpu::ProductPath::Staged) or [`Fused`](crate::gpu::ProductPath::Fused), or
    /// [`Direct`](crate::gpu::ProductPath::Direct) with fewer than 32 environments; else it is [`by_turns`](Self::by_turns).
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(gpu: &Gpu, model: &Model, env: Env, steps: u32, envs: u32) -> Result<Self> {
        Self::build(gpu, model, env, (steps, envs), true)
    }

    /// [`new`](Self::new) with actor, draw and environment in dispatches of their own, step by step. The bits are the same.
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn by_turns(gpu: &Gpu, model: &Model, env: Env, steps: u32, envs: u32) -> Result<Self> {
        Self::build(gpu, model, env, (steps, envs), false)
    }

    fn build(gpu: &Gpu, model: &Model, env: Env, (steps, envs): (u32, u32), fused: bool) -> Result<Self> {
        let spec = &model.spec;
        env.check_head(&spec.head)?;
        let obs_dim = spec.obs_dim() as u64;
        let n = u64::from(envs);
        let rows = u64::from(steps) * n;
        let obs = gpu.buffer("obs", rows.saturating_add(n).saturating_mul(obs_dim))?;
        let final_obs = gpu.buffer("final_obs", rows.saturating_mul(obs_dim))?;
        let [actions, terminated] = pair(gpu, "actions, terminated", [rows * spec.head.action_words() as u64, rows])?;
        let [rewards, logp] = pair(gpu, "rewards, logp", [rows, rows])?;
        let env_state = gpu.buffer("env_state", n * env.state_words() as u64)?;
        let episodes = gpu.buffer::<[f32; 2]>("episodes", rows)?;
        let summary = gpu.buffer("episode summary", reduce_episodes::SUMMARY)?;
        let buffers = RolloutBuffers {
            steps,
            envs,
            rewards,
            values: gpu.buffer("values", rows + n)?,
            final_values: gpu.buffer("final_values", rows)?,
            terminated,
            truncated: gpu.buffer("truncated", rows)?,
            log_rhos: None,
            valid: None,
        };

        // Observe, act and step; the critic sees all observations at once afterwards.
        let all_steps = Steps {
            gpu,
            model,
            env,
            steps,
            envs,
            env_state: &env_state,
            obs: &obs,
            final_obs: &final_obs,
            actions: &actions,
            terminated: &buffers.terminated,
            truncated: &buffers.truncated,
            rewards: &buffers.rewards,
            logp: &logp,
            episodes: &episodes,
        };
        let (reset, mut calls) = match if fused { all_steps.fused()? } else { None } {
            Some(calls) => (all_steps.reset()?, calls),
            None => all_steps.by_turns()?,
        };

        let networks = Networks { gpu, spec, layout: &model.layout, parameters: &model.parameters };
        let values = [(&obs, &buffers.values, rows + n), (&final_obs, &buffers.final_values, rows)];
        // Without a critic they stay 0.
        let critic = spec.branch(Branch::VALUE).is_some();
        for (observations, values, all) in values.into_iter().filter(|_| critic) {
            let most = if is_fused(gpu, spec) { all } else { u64::from(VALUE_ROWS).min(all) };
            let to = ForwardOnly::new(gpu, spec, most as u32, &[Branch::VALUE])?;
            let blocks: Vec<Block> = (0..all)
                .step_by(most as usize)
                .map(|start| Block {
                    rows: most.min(all - start) as u32,
                    obs_offset: (start * obs_dim) as u32,
                    obs_stride: obs_dim as u32,
                    value_offset: start as u32,
                })
                .collect();
            calls.extend(networks.forward_only(observations, &to, Some(values), &blocks)?.into_iter().flatten());
        }
        calls.extend(
            model
                .normalizer
                .values(gpu, &[(&buffers.values, (rows + n) as u32), (&buffers.final_values, rows as u32)])?,
        );
        let count = rows as u32;
        let partials = gpu.buffer("episode partials", reduce_episodes::partials(count))?;
        let io = reduce_episodes::Io { episodes: &episodes, partials: &partials, summary: &summary };
        calls.extend(reduce_episodes::bind(gpu, &[reduce_episodes::Params { count, ..Default::default() }], &io)?);
        Ok(Self { buffers, obs, actions, logp, env_state, summary, calls, reset })
    }

    /// The dispatches of one rollout, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The dispatch that draws all start states; once, before the first rollout.
    pub fn reset(&self) -> &[Call] {
        &self.reset
    }
}
