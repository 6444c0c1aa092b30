//! A rollout wholly on the device: policy, draws, environments, values.

use super::advantage::RolloutBuffers;
use super::forward::{ForwardOnly, is_fused};
use super::model::Model;
use super::network::{Block, Networks};
use super::normalize::ObsStep;
use crate::Result;
use crate::env::Env;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{env_step, policy_sample, reduce_episodes};
use crate::policy::Network;

/// Most rows that go through the critic at once where its activations go through memory: bounds that.
const VALUE_ROWS: u32 = 16_384;

/// `steps` steps of `envs` environments, then the values of everything that was seen.
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
    /// Allocates and binds.
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(gpu: &Gpu, model: &Model, env: Env, steps: u32, envs: u32) -> Result<Self> {
        let spec = &model.spec;
        let (obs_dim, dims) = (spec.obs_dim as u64, spec.head.action_dims() as u64);
        env.check_head(&spec.head)?;
        let n = u64::from(envs);
        let rows = u64::from(steps) * n;
        let obs = gpu.buffer("obs", (rows + n) * obs_dim)?;
        let final_obs = gpu.buffer("final_obs", rows * obs_dim)?;
        let actions = gpu.buffer("actions", rows * spec.head.action_words() as u64)?;
        let env_actions = gpu.buffer("env_actions", n * dims)?;
        let logp = gpu.buffer("logp", rows)?;
        let env_state = gpu.buffer("env_state", n * env.state_words() as u64)?;
        let episodes = gpu.buffer::<[f32; 2]>("episodes", rows)?;
        let summary = gpu.buffer("episode summary", reduce_episodes::SUMMARY)?;
        let buffers = RolloutBuffers {
            steps,
            envs,
            rewards: gpu.buffer("rewards", rows)?,
            values: gpu.buffer("values", rows + n)?,
            final_values: gpu.buffer("final_values", rows)?,
            terminated: gpu.buffer("terminated", rows)?,
            truncated: gpu.buffer("truncated", rows)?,
            log_rhos: None,
            valid: None,
        };

        // Where observations are normalised, the environments write raw ones of one step, over those of the last.
        let normalizes = model.normalizer.has_obs();
        let raw = if normalizes { gpu.buffer("raw obs", n * obs_dim)? } else { obs.clone() };

        // Observe, then act and step by turns; the critic sees all observations at once afterwards.
        // One call that resets, one that observes, and one per step.
        let base = env_step::Params { envs, time_limit: env.time_limit(), ..Default::default() };
        let mut params = vec![env_step::Params { mode: 1, ..base }, env_step::Params { mode: 2, ..base }];
        params.extend((0..steps).map(|t| env_step::Params {
            step_offset: t,
            obs_offset: if normalizes { 0 } else { (t + 1) * envs * obs_dim as u32 },
            row_offset: t * envs,
            ..base
        }));
        let io = env_step::Io {
            env_state: &env_state,
            actions: &env_actions,
            obs: &raw,
            final_obs: &final_obs,
            rewards: &buffers.rewards,
            terminated: &buffers.terminated,
            truncated: &buffers.truncated,
            episodes: &episodes,
        };
        let mut environment = env_step::bind(gpu, env, &params, &io, &model.ring)?.into_iter();
        let reset: Vec<Call> = environment.by_ref().take(1).collect();
        let mut calls: Vec<Call> = environment.by_ref().take(1).collect();

        let networks = Networks { gpu, spec, layout: &model.layout, parameters: &model.parameters };
        let to = ForwardOnly::new(gpu, spec, envs, &[Network::Trunk, Network::Policy])?;
        let blocks: Vec<Block> = (0..steps)
            .map(|t| Block {
                rows: envs,
                obs_offset: t * envs * obs_dim as u32,
                obs_stride: obs_dim as u32,
                value_offset: 0,
            })
            .collect();
        let forward = networks.forward_only(&obs, &to, None, &blocks)?;
        let params: Vec<_> = (0..steps)
            .map(|t| policy_sample::Params {
                rows: envs,
                step_offset: t,
                actions_offset: t * envs * spec.head.action_words() as u32,
                logp_offset: t * envs,
                ..Default::default()
            })
            .collect();
        let io = policy_sample::Io {
            head_outputs: to.head_outputs(),
            actions: &actions,
            logp: &logp,
            env_actions: &env_actions,
        };
        let draws = policy_sample::bind(gpu, &spec.head, &params, &io, &model.ring)?;
        let normalize: Vec<ObsStep> = (0..=steps)
            .map(|t| ObsStep {
                rows: envs,
                obs_offset: t * envs * obs_dim as u32,
                final_offset: t.saturating_sub(1) * envs * obs_dim as u32,
                final_rows: if t == 0 { 0 } else { envs },
                // The observation after the window is taken in when it is acted on.
                update: t < steps,
            })
            .collect();
        let mut normalize = model.normalizer.observations(gpu, &raw, &obs, &final_obs, &normalize)?.into_iter();
        for ((forward, draw), step) in forward.into_iter().zip(draws).zip(environment) {
            calls.extend(normalize.next());
            calls.extend(forward);
            calls.push(draw);
            calls.push(step);
        }
        calls.extend(normalize);

        for (observations, values, all) in
            [(&obs, &buffers.values, rows + n), (&final_obs, &buffers.final_values, rows)]
        {
            let most = if is_fused(gpu, spec) { all } else { u64::from(VALUE_ROWS).min(all) };
            let to = ForwardOnly::new(gpu, spec, most as u32, &[Network::Trunk, Network::Value])?;
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
