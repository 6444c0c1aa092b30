//! Actions of an off-policy policy: greedy, and as each algorithm explores.

use super::chain::{Chain, Inputs};
use super::model::OffPolicyModel;
use super::settings::log_std;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::mlp_forward_networks::NOT_KEPT;
use crate::kernels::policy_squash::Source;
use crate::kernels::{policy_epsilon, policy_sample, policy_squash, policy_tanh};

/// How an action is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing is drawn.
    Greedy,
    /// ε-greedy, with noise, or by SAC's distribution.
    Explore,
    /// Uniform numbers in [−1, 1], for steps before learning starts.
    Uniform,
}

/// Where the actions of some rows come from and go to.
#[derive(Debug)]
pub(super) struct Acting {
    rows: u32,
    /// Raw outputs of the actor, or Q of all choices, `[rows, raw_outputs]`; of a dueling DQN advantages, and behind them V, `[rows]`.
    pub outputs: Buffer<f32>,
    /// As transitions have them: words, `[rows, action_words]` of each step.
    pub actions: Buffer<u32>,
    /// As the environment gets them: words, `[rows, action_dims]`. Those of indices are `actions`.
    pub env_actions: Buffer<u32>,
    /// log π of the actions, with SAC's distribution; `[rows]`.
    pub logp: Buffer<f32>,
    /// ε of each step.
    pub epsilon: Buffer<f32>,
    noise: Buffer<f32>,
    bounds: Buffer<[f32; 2]>,
    unused: Buffer<f32>,
}

/// A step of a recording: its number, and where it finds observations.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActStep {
    pub step_offset: u32,
    /// First element of the observations.
    pub obs_offset: u32,
}

impl Acting {
    /// Room for `steps` steps of `rows` rows: actions and ε of each.
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(gpu: &Gpu, model: &OffPolicyModel, rows: u32, steps: u32) -> Result<Self> {
        let head = &model.spec.head;
        let (n, dims) = (u64::from(rows), head.action_dims() as u64);
        let actions: Buffer<u32> = gpu.buffer("actions", u64::from(steps) * n * head.action_words() as u64)?;
        let of_value = u64::from(model.arrangement.value().is_some());
        let bounds = head.bounds().map_or_else(
            || vec![[0.0; 2]],
            |bounds| (0..head.action_dims()).map(|d| bounds.of(d)).map(|(low, high)| [low, high]).collect(),
        );
        Ok(Self {
            rows,
            outputs: gpu.buffer("outputs", n * (head.raw_outputs() as u64 + of_value))?,
            env_actions: if head.is_discrete() { actions.clone() } else { gpu.buffer("env_actions", n * dims)? },
            actions,
            logp: gpu.buffer("logp", n)?,
            epsilon: gpu.buffer("epsilon", steps.into())?,
            noise: gpu.buffer("noise", n * dims)?,
            bounds: gpu.upload("bounds", &bounds)?,
            unused: gpu.buffer("unused", 1)?,
        })
    }

    /// For each of `steps` the dispatches from observations `[rows, obs_dim]` to actions.
    ///
    /// # Errors
    /// A limit, or networks that no kernel takes.
    pub fn calls(
        &self,
        gpu: &Gpu,
        model: &OffPolicyModel,
        config: &Config,
        obs: &Buffer<f32>,
        way: Way,
        steps: &[ActStep],
    ) -> Result<Vec<Vec<Call>>> {
        let acts = self.draws(gpu, model, config, way, steps)?;
        // Uniform numbers ask no network; DQN's share of them is ε.
        if way == Way::Uniform && config.dqn().is_none() {
            return Ok(acts.into_iter().map(|call| vec![call]).collect());
        }
        let network = model.arrangement.policy()?;
        let chain = Chain { gpu, activation: model.spec.activation, network, rows: self.rows };
        let inputs = Inputs { buffer: obs, stride: model.spec.obs_dim() as u32 };
        let passes: Vec<_> = steps.iter().map(|step| [[network.first, step.obs_offset, 0, NOT_KEPT]]).collect();
        let lists: Vec<&[[u32; 4]]> = passes.iter().map(<[_; 1]>::as_slice).collect();
        let forward = chain.forward_each(&model.parameters, inputs, &self.outputs, &self.unused, &lists)?;
        Ok(forward.into_iter().zip(acts).map(|(forward, act)| vec![forward, act]).collect())
    }

    /// V of the observations behind the advantages, of a dueling DQN: actions do not ask for it.
    ///
    /// # Errors
    /// As [`calls`](Self::calls).
    pub fn value_calls(&self, gpu: &Gpu, model: &OffPolicyModel, obs: &Buffer<f32>) -> Result<Vec<Call>> {
        let Some(network) = model.arrangement.value() else { return Ok(Vec::new()) };
        let chain = Chain { gpu, activation: model.spec.activation, network, rows: self.rows };
        let inputs = Inputs { buffer: obs, stride: model.spec.obs_dim() as u32 };
        let at = self.rows * model.spec.head.raw_outputs() as u32;
        chain.forward(&model.parameters, inputs, &self.outputs, &self.unused, &[[network.first, 0, at, NOT_KEPT]])
    }

    /// From outputs to actions, a call for each step.
    fn draws(
        &self,
        gpu: &Gpu,
        model: &OffPolicyModel,
        config: &Config,
        way: Way,
        steps: &[ActStep],
    ) -> Result<Vec<Call>> {
        let discrete = model.spec.head.is_discrete();
        if config.dqn().is_some() || (discrete && way == Way::Uniform) {
            return self.choices(gpu, model, (way, config.dqn().is_some()), steps);
        }
        if discrete {
            return self.drawn_choices(gpu, model, way, steps);
        }
        let source = match way {
            Way::Greedy => Source::None,
            Way::Explore => Source::Act,
            Way::Uniform => Source::Uniform,
        };
        match config.sac().filter(|_| way != Way::Uniform) {
            Some(sac) => self.squashed(gpu, model, (source, sac.squash_epsilon as f32), steps),
            None => {
                let sigma = config.td3().map_or(0.0, |own| own.exploration_noise);
                self.noisy(gpu, model, (source, sigma as f32), steps)
            }
        }
    }

    /// SAC's: the most probable ones, or draws of its distribution.
    fn drawn_choices(&self, gpu: &Gpu, model: &OffPolicyModel, way: Way, steps: &[ActStep]) -> Result<Vec<Call>> {
        let params: Vec<_> = (0..)
            .zip(steps)
            .map(|(index, step)| policy_sample::Params {
                rows: self.rows,
                greedy: (way == Way::Greedy).into(),
                step_offset: step.step_offset,
                actions_offset: index * self.rows,
                ..Default::default()
            })
            .collect();
        let io = policy_sample::Io {
            head_outputs: &self.outputs,
            actions: &self.actions,
            logp: &self.logp,
            // Those of indices are `actions`.
            env_actions: &gpu.buffer("no env_actions", self.rows.into())?,
        };
        policy_sample::bind(gpu, &model.spec.head, &params, &io, &model.ring)
    }

    /// DQN's, and SAC's before learning starts, which has no ε.
    fn choices(
        &self,
        gpu: &Gpu,
        model: &OffPolicyModel,
        (way, has_epsilon): (Way, bool),
        steps: &[ActStep],
    ) -> Result<Vec<Call>> {
        let params: Vec<_> = (0..)
            .zip(steps)
            .map(|(index, step)| policy_epsilon::Params {
                rows: self.rows,
                choices: model.spec.head.raw_outputs() as u32,
                actions_offset: index * self.rows,
                epsilon_at: index,
                step_offset: step.step_offset,
                ..Default::default()
            })
            .collect();
        // A greedy action has an ε of 0, a uniform one of 1.
        let fixed = gpu.upload("fixed epsilon", &vec![if way == Way::Greedy { 0.0 } else { 1.0 }; steps.len()])?;
        let epsilon = if way == Way::Greedy || !has_epsilon { &fixed } else { &self.epsilon };
        let io = policy_epsilon::Io { values: &self.outputs, epsilon, actions: &self.actions };
        policy_epsilon::bind(gpu, &params, &io, &model.ring)
    }

    /// Those of DDPG and TD3, and uniform ones.
    fn noisy(
        &self,
        gpu: &Gpu,
        model: &OffPolicyModel,
        (source, sigma): (Source, f32),
        steps: &[ActStep],
    ) -> Result<Vec<Call>> {
        let dims = model.spec.head.action_dims() as u32;
        let params: Vec<_> = (0..)
            .zip(steps)
            .map(|(index, step)| policy_tanh::Params {
                rows: self.rows,
                dims,
                actions_offset: index * self.rows * dims,
                actions_stride: dims,
                source: source.code(),
                step_offset: step.step_offset,
                to_env: 1,
                sigma,
                noise_clip: f32::MAX,
                ..Default::default()
            })
            .collect();
        let io = policy_tanh::Io {
            outputs: &self.outputs,
            bounds: &self.bounds,
            noise: &self.noise,
            actions: &self.actions.cast(),
            env_actions: &self.env_actions.cast(),
        };
        policy_tanh::bind(gpu, &params, &io, &model.ring)
    }

    /// SAC's.
    fn squashed(
        &self,
        gpu: &Gpu,
        model: &OffPolicyModel,
        (source, epsilon): (Source, f32),
        steps: &[ActStep],
    ) -> Result<Vec<Call>> {
        let dims = model.spec.head.action_dims() as u32;
        let limits = log_std(&model.spec)?;
        let params: Vec<_> = (0..)
            .zip(steps)
            .map(|(index, step)| policy_squash::Params {
                rows: self.rows,
                dims,
                actions_offset: index * self.rows * dims,
                actions_stride: dims,
                source: source.code(),
                step_offset: step.step_offset,
                to_env: 1,
                log_std_min: limits.low,
                log_std_max: limits.high,
                log_std_tanh: limits.tanh.into(),
                epsilon,
                ..Default::default()
            })
            .collect();
        let io = policy_squash::Io {
            outputs: &self.outputs,
            bounds: &self.bounds,
            noise: &self.noise,
            actions: &self.actions.cast(),
            logp: &self.logp,
            env_actions: &self.env_actions.cast(),
        };
        policy_squash::bind(gpu, &params, &io, &model.ring)
    }
}
