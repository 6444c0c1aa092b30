//! One step of any environment of [`crate::env`]: the kernel with that environment's part.
//!
//! One invocation per environment. What a step does is the part's (`shaders/parts/env_*.wgsl`): the start state from four
//! uniforms, the next state, reward and end from a state and an action, and the observation of a state. What surrounds it
//! is here: episodes, time limits, which are truncation, and the three kinds of autoreset, see [`crate::env::Autoreset`].
//! Start states are the draw (seed, environment step, environment), see [`crate::rng`].

use super::words::codes;
use super::{parts, span};
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "env_step",
    parts: [MATH, PHILOX, SCHEDULE, AUTORESET, EPISODE],
    schedule: true,
    head: false,
    env: true,
    params: {
        /// N.
        pub envs: u32,
        /// [`Mode::code`].
        pub mode: u32,
        /// Added to the schedule's environment step.
        pub step_offset: u32,
        /// First element of the observations `[envs, obs_dim]` that this call writes.
        pub obs_offset: u32,
        /// First row of this step in `final_obs`, `rewards`, `terminated`, `truncated` and `episodes`.
        pub row_offset: u32,
        /// Steps after which an episode is truncated.
        pub time_limit: u32,
        /// First element of this step's actions.
        pub action_offset: u32,
        /// [`crate::env::Autoreset::code`].
        pub autoreset: u32,
    },
    io: {
        /// `[envs, state_words]`, see [`Env::state_words`].
        env_state: ReadWrite u32,
        /// Words of what the environment gets, indices or bits of floats: `[envs, action_dims]` from `action_offset` on; not read unless stepping.
        actions: Read u32,
        /// `[envs, obs_dim]` from `obs_offset` on.
        obs: ReadWrite f32,
        /// `[rows, obs_dim]`: the real last observation where an episode ended, else 0.
        final_obs: ReadWrite f32,
        /// `[rows]`.
        rewards: ReadWrite f32,
        /// `[rows]`, 0 or 1.
        terminated: ReadWrite u32,
        /// `[rows]`, 0 or 1.
        truncated: ReadWrite u32,
        /// `(return, length)` of an episode that ended in this step, else (0, 0); `[rows]`.
        episodes: ReadWrite [f32; 2],
    },
}

codes! {
    /// What a call does. All leave observations.
    Mode of DEF.source => {
        /// A step of each environment.
        Step = "MODE_STEP",
        /// All begin an episode.
        Reset = "MODE_RESET",
        /// Nothing but to observe.
        Observe = "MODE_OBSERVE",
        /// Those whose episode has ended begin another.
        ResetEnded = "MODE_RESET_ENDED",
    }
}

/// Binds one call per entry of `params`, all of `env`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, env: Env, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let (obs_dim, words) = (env.obs_dim() as u32, env.state_words() as u32);
    let action_dims = env.actions().dims() as u32;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let n = p.envs;
        elements(name, "env_state", io.env_state, span(0, n, words, words), || format!("envs {n} × words {words}"))?;
        let shape = || format!("offset {} + envs {n} × obs_dim {obs_dim}", p.obs_offset);
        elements(name, "obs", io.obs, span(p.obs_offset, n, obs_dim, obs_dim), shape)?;
        if p.mode == Mode::Step.code() {
            let shape = || format!("offset {} + envs {n} × action_dims {action_dims}", p.action_offset);
            elements(name, "actions", io.actions, span(p.action_offset, n, action_dims, action_dims), shape)?;
            let rows = u64::from(p.row_offset) + u64::from(n);
            let shape = || format!("row_offset {} + envs {n}", p.row_offset);
            elements(name, "final_obs", io.final_obs, rows * u64::from(obs_dim), || {
                format!("(row_offset {} + envs {n}) × obs_dim {obs_dim}", p.row_offset)
            })?;
            elements(name, "rewards", io.rewards, rows, shape)?;
            elements(name, "terminated", io.terminated, rows, shape)?;
            elements(name, "truncated", io.truncated, rows, shape)?;
            elements(name, "episodes", io.episodes, rows, shape)?;
        }
        calls.push((*p, Grid::Items(u64::from(n))));
    }
    let variant = Variant { chosen: vec![parts::env(env)], ..Variant::default() };
    gpu.bind(&DEF, &variant, Some(schedule), &io.buffers(), &calls)
}
