//! Steps of built-in environments into the memory, one after another, as lists of dispatches.

use super::act::{ActStep, Acting, Way};
use super::learner::GpuOffPolicy;
use super::store_calls::{StepBuffers, bind_store};
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Buffer, Call, require_calls};
use crate::kernels::env_step::Mode;
use crate::kernels::{env_step, reduce_episodes};

/// `steps` steps of all environments: act, step, store.
#[derive(Debug)]
pub(super) struct Window {
    pub steps: u32,
    /// `[envs, state_words]`.
    pub env_state: Buffer<u32>,
    /// Episodes that ended, see [`reduce_episodes`].
    pub summary: Buffer<f32>,
    /// With ε of each step.
    pub acting: Acting,
    /// Draws all start states.
    pub reset: Vec<Call>,
    /// Observes; before the first step.
    pub observe: Vec<Call>,
    /// Each step's, where actions explore, and where they are uniform.
    explore: Vec<Vec<Call>>,
    uniform: Vec<Vec<Call>>,
    /// Sums up the episodes; after the last step.
    pub episodes: Vec<Call>,
}

impl Window {
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(learner: &GpuOffPolicy, env: Env, steps: u32, envs: u32) -> Result<Self> {
        let (gpu, model, config) = (&learner.gpu, &learner.model, &learner.config);
        let spec = &model.spec;
        require_calls(|| format!("{steps} steps of environments"), 6 * u128::from(steps))?;
        let (obs_dim, n) = (spec.obs_dim() as u64, u64::from(envs));
        let rows = u64::from(steps).saturating_mul(n);
        let obs: Buffer<f32> = gpu.buffer("obs", rows.saturating_add(n).saturating_mul(obs_dim))?;
        let final_obs = gpu.buffer("final_obs", rows.saturating_mul(obs_dim))?;
        let rewards = gpu.buffer("rewards", rows)?;
        let (terminated, truncated) = (gpu.buffer("terminated", rows)?, gpu.buffer("truncated", rows)?);
        let episodes = gpu.buffer::<[f32; 2]>("episodes", rows)?;
        let env_state = gpu.buffer("env_state", n * env.state_words() as u64)?;
        let acting = Acting::new(gpu, model, envs, steps)?;
        // Within buffers, which u32 indices reach.
        let obs_at = |t: u32| t * envs * obs_dim as u32;
        let words = spec.head.action_words() as u32;

        let act: Vec<_> = (0..steps).map(|t| ActStep { step_offset: t, obs_offset: obs_at(t) }).collect();
        let explore = acting.calls(gpu, model, config, &obs, Way::Explore, &act)?;
        let uniform = acting.calls(gpu, model, config, &obs, Way::Uniform, &act)?;
        let base =
            env_step::Params { mode: Mode::Step.code(), envs, time_limit: env.time_limit(), ..Default::default() };
        let mut params = vec![
            env_step::Params { mode: Mode::Reset.code(), ..base },
            env_step::Params { mode: Mode::Observe.code(), ..base },
        ];
        params.extend((0..steps).map(|t| env_step::Params {
            step_offset: t,
            obs_offset: obs_at(t + 1),
            row_offset: t * envs,
            // Indices lie step by step, as they are stored from there.
            action_offset: if spec.head.is_discrete() { t * envs } else { 0 },
            ..base
        }));
        let io = env_step::Io {
            env_state: &env_state,
            actions: &acting.env_actions,
            obs: &obs,
            final_obs: &final_obs,
            rewards: &rewards,
            terminated: &terminated,
            truncated: &truncated,
            episodes: &episodes,
        };
        let mut environment = env_step::bind(gpu, env, &params, &io, &model.ring)?.into_iter();
        let (reset, observe) = (environment.by_ref().take(1).collect(), environment.by_ref().take(1).collect());
        let stored: Vec<_> = (0..steps)
            .map(|t| StepBuffers {
                obs: &obs,
                obs_offset: obs_at(t),
                next_offset: obs_at(t + 1),
                final_obs: &final_obs,
                actions: &acting.actions,
                actions_offset: t * envs * words,
                rewards: &rewards,
                terminated: &terminated,
                truncated: &truncated,
                row_offset: t * envs,
            })
            .collect();
        let tails: Vec<_> = environment.zip(bind_store(gpu, model, &learner.ring, &stored, true)?).collect();
        let with_tails = |acts: Vec<Vec<Call>>| -> Vec<Vec<Call>> {
            let all = acts.into_iter().zip(&tails);
            all.map(|(act, (step, store))| [act, vec![step.clone(), store.clone()]].concat()).collect()
        };
        let count = rows as u32;
        let summary = gpu.buffer("episode summary", reduce_episodes::SUMMARY)?;
        let partials = gpu.buffer("episode partials", reduce_episodes::partials(count))?;
        let io = reduce_episodes::Io { episodes: &episodes, partials: &partials, summary: &summary };
        let params = reduce_episodes::Params { count, ..Default::default() };
        let sums = reduce_episodes::bind(gpu, &[params], &io)?;
        let (explore, uniform) = (with_tails(explore), with_tails(uniform));
        Ok(Self { steps, env_state, summary, acting, reset, observe, explore, uniform, episodes: sums })
    }

    /// The dispatches of step `t`.
    pub fn step(&self, t: u32, way: Way) -> &[Call] {
        let all = if way == Way::Uniform { &self.uniform } else { &self.explore };
        all.get(t as usize).map_or(&[], Vec::as_slice)
    }
}
