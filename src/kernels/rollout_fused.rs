//! Many steps of a policy in the environments of [`crate::env`] in one dispatch, for actors up to 128 wide.
//!
//! ```text
//! oₜ = observe(sₜ),  aₜ ~ π(· | oₜ),  (sₜ₊₁, rₜ, end) = step(sₜ, aₜ)        for `steps` steps
//! ```
//!
//! It is [`super::mlp_forward_fused`], [`super::policy_sample`] and [`super::env_step`] by turns, with the same parts, the
//! same counters of draws and so the same bits: a step that ends an episode resets
//! ([`Autoreset::SameStep`](crate::env::Autoreset::SameStep)). A workgroup has 16 environments from the first step to the last.
//! How many steps go into one dispatch is limited by the loop iterations of an invocation, see [`most_steps`].

use super::{mlp_forward_fused, parts};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, MOST_ITERATIONS, UniformRing, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::{Branch, ParamLayout, PolicySpec};

/// Environments of a workgroup.
pub const ENVS: u32 = mlp_forward_fused::ROWS;

kernel! {
    stem: "rollout_fused",
    parts: [MATH, ACTIVATION, LOOPS, CHAIN, DENSE, NETWORK, PHILOX, SCHEDULE, ACT, AUTORESET, EPISODE],
    schedule: true,
    head: true,
    env: true,
    params: {
        /// `(inputs, outputs, weight, bias)` of the layers of trunk and policy; see [`Params::new`].
        pub layers: [[u32; 4]; 12],
        /// Layers of trunk and policy together.
        pub depth: u32,
        /// N.
        pub envs: u32,
        /// First step of this call: row `first_step · envs` of all outputs, and added to the schedule's policy and environment
        /// steps.
        pub first_step: u32,
        /// Steps of this call.
        pub steps: u32,
        /// Steps after which an episode is truncated; set by `bind`.
        pub time_limit: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Free parameters at the end of a distribution row.
        pub extra: u32,
        /// First of them in `parameters`.
        pub extra_offset: u32,
        /// Words of an action; set by `bind`.
        pub action_words: u32,
        /// First element of the actions in `words`.
        pub actions_offset: u32,
        /// First element of the ends in `words`.
        pub terminated_offset: u32,
        /// First element of the rewards in `numbers`.
        pub rewards_offset: u32,
        /// First element of the log-probabilities in `numbers`.
        pub logp_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// `[envs, state_words]`, see [`Env::state_words`].
        env_state: ReadWrite u32,
        /// Actions, `[rows, action_words]` from `actions_offset` on, and terminated, `[rows]`, 0 or 1, from `terminated_offset` on.
        words: ReadWrite u32,
        /// Rewards and log-probabilities, `[rows]` each, from `rewards_offset` and `logp_offset` on.
        numbers: ReadWrite f32,
        /// `[rows]`, 0 or 1.
        truncated: ReadWrite u32,
        /// `[rows + envs, obs_dim]`: those of the call's first step, too, are written.
        obs: ReadWrite f32,
        /// `[rows, obs_dim]`: the real last observation where an episode ended, else 0.
        final_obs: ReadWrite f32,
        /// `(return, length)` of an episode that ended in this step, else (0, 0); `[rows]`.
        episodes: ReadWrite [f32; 2],
    },
}

/// Whether the kernel can run this actor in this environment: no layer wider than [`mlp_forward_fused::WIDTH`] (observations
/// included), not more than [`mlp_forward_fused::LAYERS`] layers, and at least one step within the limits of a loop.
pub fn fits(spec: &PolicySpec, env: Env) -> bool {
    mlp_forward_fused::fits(spec) && spec.obs_dim() <= mlp_forward_fused::WIDTH && most_steps(spec, env) > 0
}

/// Loop iterations of an invocation in one step.
fn step_iterations(spec: &PolicySpec, env: Env) -> u64 {
    // Quads of inputs, and what goes on around them.
    let layer = |sizes: &[usize]| sizes[0].div_ceil(4) as u64 + 12;
    let layers: u64 = spec.path_sizes(Branch::POLICY).windows(2).map(layer).sum();
    // Ten rounds of a draw in each dimension and of a start; the environment's numbers, some loops over each.
    let draws = 11 * (spec.head.action_dims() as u64 + 1) + super::head_iterations(&spec.head);
    1 + layers + draws + 8 * (env.obs_dim() + env.state_words() + spec.head.action_dims()) as u64
}

/// Most steps of one call: what a loop may take, see [`crate::kernels`].
pub fn most_steps(spec: &PolicySpec, env: Env) -> u32 {
    // Some are for what is before and after the steps.
    (MOST_ITERATIONS.saturating_sub(200) / step_iterations(spec, env)).min(u64::from(u32::MAX)) as u32
}

impl Params {
    /// The table of layers of an actor that [`fits`]; sizes and places in the buffers are 0.
    pub fn new(spec: &PolicySpec, layout: &ParamLayout) -> Self {
        let forward = mlp_forward_fused::Params::new(spec, layout, &[Branch::POLICY]);
        Self {
            layers: forward.layers,
            depth: forward.trunk + forward.policy,
            extra: forward.extra,
            extra_offset: forward.extra_offset,
            ..Self::default()
        }
    }
}

/// Binds one call per entry of `params`, all of `env` and of the actor of `spec`.
///
/// # Errors
/// [`Error::Config`] if the actor does not fit or its head is not the environment's, [`Error::BufferLength`] or
/// [`Error::Limit`].
pub fn bind(
    gpu: &Gpu,
    spec: &PolicySpec,
    env: Env,
    params: &[Params],
    io: &Io<'_>,
    schedule: &UniformRing,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    env.check_head(&spec.head)?;
    if !fits(spec, env) || spec.obs_dim() != env.obs_dim() {
        let message = format!("does not fit {name}: at most 128 wide, observations of {}", env.obs_dim());
        return Err(Error::config("policy", message));
    }
    let (obs_dim, width) = (env.obs_dim() as u64, spec.head.width() as u32);
    let (action_words, state_words) = (spec.head.action_words() as u32, env.state_words() as u64);
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let envs = u64::from(p.envs);
        iterations(name, u64::from(p.steps) * step_iterations(spec, env) + 200, || format!("{} steps", p.steps))?;
        let narrow = |layers: &&[[u32; 4]]| layers.iter().all(|layer| layer[0].max(layer[1]) <= 128);
        let Some(layers) = p.layers.get(..p.depth as usize).filter(narrow) else {
            let message =
                format!("its layers are more than {}, or wider than 128: {name} cannot run them", p.layers.len());
            return Err(Error::config("policy", message));
        };
        let end =
            |l: &[u32; 4]| (u64::from(l[2]) + u64::from(l[0]) * u64::from(l[1])).max(u64::from(l[3]) + u64::from(l[1]));
        let needs = layers.iter().map(end).max().unwrap_or(0).max(u64::from(p.extra_offset) + u64::from(p.extra));
        elements(name, "parameters", io.parameters, needs, || format!("{} layers, {} free", p.depth, p.extra))?;
        elements(name, "env_state", io.env_state, envs * state_words, || format!("envs {envs} × words {state_words}"))?;
        let rows = (u64::from(p.first_step) + u64::from(p.steps)) * envs;
        let shape = || format!("(first_step {} + steps {}) × envs {envs}", p.first_step, p.steps);
        let words =
            (u64::from(p.actions_offset) + rows * u64::from(action_words)).max(u64::from(p.terminated_offset) + rows);
        elements(name, "words", io.words, words, || format!("actions or terminated of {}", shape()))?;
        let numbers = u64::from(p.rewards_offset).max(p.logp_offset.into()) + rows;
        elements(name, "numbers", io.numbers, numbers, || format!("rewards or logp of {}", shape()))?;
        elements(name, "truncated", io.truncated, rows, shape)?;
        elements(name, "episodes", io.episodes, rows, shape)?;
        elements(name, "final_obs", io.final_obs, rows * obs_dim, || format!("{} × obs_dim {obs_dim}", shape()))?;
        elements(name, "obs", io.obs, (rows + envs) * obs_dim, || {
            format!("({} + envs {envs}) × obs_dim {obs_dim}", shape())
        })?;
        let call = Params { time_limit: env.time_limit(), width, action_words, ..*p };
        calls.push((call, Grid::Groups(u64::from(p.envs.div_ceil(ENVS)))));
    }
    let mut variant = parts::variant(&spec.head);
    variant.chosen.push(parts::env(env));
    variant.constants.push(("ACTIVATION", f64::from(spec.activation.code())));
    gpu.bind(&DEF, &variant, Some(schedule), &io.buffers(), &calls)
}
