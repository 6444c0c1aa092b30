//! The steps of a rollout: many per dispatch, or policy, draw and environment by turns.

use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Block, FEW_ROWS, Networks};
use super::normalize::ObsStep;
use super::rows;
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Element, Gpu, ProductPath, require_calls};
use crate::kernels::env_step::Mode;
use crate::kernels::{env_step, policy_sample, rollout_fused};
use crate::policy::{Branch, PolicySpec};

/// What the steps of one rollout read and write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps<'a> {
    pub gpu: &'a Gpu,
    pub model: &'a Model,
    pub env: Env,
    pub steps: u32,
    pub envs: u32,
    pub env_state: &'a Buffer<u32>,
    pub obs: &'a Buffer<f32>,
    pub final_obs: &'a Buffer<f32>,
    pub actions: &'a Buffer<u32>,
    pub terminated: &'a Buffer<u32>,
    pub truncated: &'a Buffer<u32>,
    pub rewards: &'a Buffer<f32>,
    pub logp: &'a Buffer<f32>,
    pub episodes: &'a Buffer<[f32; 2]>,
}

/// Room for both as ranges of one wgpu buffer, which [`rollout_fused`] asks for, where a binding may be so large.
pub(super) fn pair<T: Element>(gpu: &Gpu, label: &str, [first, second]: [u64; 2]) -> Result<[Buffer<T>; 2]> {
    let size = size_of::<T>() as u64;
    // Bindings begin at multiples of 256 bytes.
    let start = first.next_multiple_of(256 / size);
    let limits = gpu.limits();
    if (start + second) * size > limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) {
        return Ok([gpu.buffer(label, first)?, gpu.buffer(label, second)?]);
    }
    let both: Buffer<T> = gpu.buffer(label, start + second)?;
    Ok([Buffer::from_wgpu(both.raw(), 0, first)?, Buffer::from_wgpu(both.raw(), start * size, second)?])
}

impl Steps<'_> {
    fn spec(&self) -> &PolicySpec {
        &self.model.spec
    }

    /// Calls that do many steps each; nothing where the actor is too wide, where observations are normalised (their statistics
    /// are those of all environments, step by step), where two buffers are not one, or where only plain kernels are wanted; on
    /// software adapters for few environments alone, where dispatches cost more than the layers (`benches/record/llvmpipe`).
    pub fn fused(&self) -> Result<Option<Vec<Call>>> {
        let Self { gpu, model, env, .. } = *self;
        let wanted = gpu.products().stages() || gpu.products() == ProductPath::Direct && self.envs < FEW_ROWS;
        let fits = wanted && rollout_fused::fits(self.spec(), env);
        let pairs = self.actions.joined(self.terminated).zip(self.rewards.joined(self.logp));
        let Some((words, numbers)) = pairs.filter(|_| fits && !model.normalizer.has_obs()) else { return Ok(None) };
        let ((words, [actions_offset, terminated_offset]), (numbers, [rewards_offset, logp_offset])) = (words, numbers);
        let places = rollout_fused::Params {
            envs: self.envs,
            actions_offset,
            terminated_offset,
            rewards_offset,
            logp_offset,
            ..rollout_fused::Params::new(self.spec(), &model.layout)
        };
        // Calls of about the same length.
        let calls = self.steps.div_ceil(rollout_fused::most_steps(self.spec(), env));
        let most = self.steps.div_ceil(calls);
        let params: Vec<_> = (0..self.steps)
            .step_by(most as usize)
            .map(|first_step| rollout_fused::Params { first_step, steps: most.min(self.steps - first_step), ..places })
            .collect();
        let io = rollout_fused::Io {
            parameters: &model.parameters,
            env_state: self.env_state,
            words: &words,
            numbers: &numbers,
            truncated: self.truncated,
            obs: self.obs,
            final_obs: self.final_obs,
            episodes: self.episodes,
        };
        rollout_fused::bind(gpu, self.spec(), env, &params, &io, &model.ring).map(Some)
    }

    /// The call that draws all start states; then one that observes, and per step those that normalise (if anything does), the
    /// actor's, one that draws and one that steps.
    pub fn by_turns(&self) -> Result<(Vec<Call>, Vec<Call>)> {
        let Self { gpu, model, env, steps, envs, .. } = *self;
        let spec = self.spec();
        require_calls(|| format!("a rollout of {steps} steps, step by step,"), 3 * u128::from(steps))?;
        let (obs_dim, dims) = (spec.obs_dim() as u32, spec.head.action_dims() as u64);
        let env_actions = gpu.buffer("env_actions", u64::from(envs) * dims)?;

        // Where observations are normalised, the environments write raw ones of one step, over those of the last.
        let normalizes = model.normalizer.has_obs();
        let raw =
            if normalizes { gpu.buffer("raw obs", u64::from(envs) * u64::from(obs_dim))? } else { self.obs.clone() };
        let base =
            env_step::Params { mode: Mode::Step.code(), envs, time_limit: env.time_limit(), ..Default::default() };
        let mut params = vec![
            env_step::Params { mode: Mode::Reset.code(), ..base },
            env_step::Params { mode: Mode::Observe.code(), ..base },
        ];
        params.extend((0..steps).map(|t| env_step::Params {
            step_offset: t,
            obs_offset: if normalizes { 0 } else { (t + 1) * envs * obs_dim },
            row_offset: t * envs,
            ..base
        }));
        let io = env_step::Io {
            env_state: self.env_state,
            actions: &env_actions,
            obs: &raw,
            final_obs: self.final_obs,
            rewards: self.rewards,
            terminated: self.terminated,
            truncated: self.truncated,
            episodes: self.episodes,
        };
        let mut environment = env_step::bind(gpu, env, &params, &io, &model.ring)?.into_iter();
        let reset: Vec<Call> = environment.by_ref().take(1).collect();
        let mut calls: Vec<Call> = environment.by_ref().take(1).collect();

        let networks = Networks { gpu, spec, layout: &model.layout, parameters: &model.parameters };
        let to = ForwardOnly::new(gpu, spec, envs, &[Branch::POLICY])?;
        let obs_offset = |t: u32| t * envs * obs_dim;
        let blocks: Vec<Block> = (0..steps)
            .map(|t| Block { rows: envs, obs_offset: obs_offset(t), obs_stride: obs_dim, value_offset: 0 })
            .collect();
        let forward = networks.forward_only(self.obs, &to, None, &blocks)?;
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
            actions: self.actions,
            logp: self.logp,
            env_actions: &env_actions,
        };
        let draws = rows::sample(gpu, &spec.head, &params, &io, &model.ring)?;
        let normalize: Vec<ObsStep> = (0..=steps)
            .map(|t| ObsStep {
                rows: envs,
                obs_offset: obs_offset(t),
                final_offset: obs_offset(t.saturating_sub(1)),
                final_rows: if t == 0 { 0 } else { envs },
                // The observation after the window is taken in when it is acted on.
                update: t < steps,
            })
            .collect();
        let mut normalize = model.normalizer.observations(gpu, &raw, self.obs, self.final_obs, &normalize)?.into_iter();
        for ((forward, draw), step) in forward.into_iter().zip(draws).zip(environment) {
            calls.extend(normalize.next());
            calls.extend(forward);
            calls.push(draw);
            calls.push(step);
        }
        calls.extend(normalize);
        Ok((reset, calls))
    }

    /// The call that draws all start states, alone.
    pub fn reset(&self) -> Result<Vec<Call>> {
        let none = self.gpu.buffer("no actions", 1)?;
        let io = env_step::Io {
            env_state: self.env_state,
            actions: &none,
            obs: self.obs,
            final_obs: self.final_obs,
            rewards: self.rewards,
            terminated: self.terminated,
            truncated: self.truncated,
            episodes: self.episodes,
        };
        let params = env_step::Params { envs: self.envs, mode: Mode::Reset.code(), ..Default::default() };
        env_step::bind(self.gpu, self.env, &[params], &io, &self.model.ring)
    }
}
