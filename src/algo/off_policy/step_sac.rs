//! A gradient step of SAC.

use super::chain::Chain;
use super::settings::{Method, Tuned};
use super::step::{Parts, Steps};
use crate::error::Result;
use crate::gpu::{Buffer, Call};
use crate::kernels::loss_q::Temperature;
use crate::kernels::mlp_forward_networks::NOT_KEPT;
use crate::kernels::{optim_temperature, policy_squash, policy_squash_backward};

impl Parts<'_> {
    /// Haarnoja et al. 2018, algorithm 1. Where nothing moves the actor, it sees the next observations alone.
    pub fn sac(&self) -> Result<Steps> {
        let Method::Sac { temperature, tuned, .. } = self.settings.method else { return Ok(Steps::default()) };
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let (rows, parameters) = (sampled.rows, &model.parameters);
        let activation = model.spec.activation;
        let policy = model.arrangement.policy()?;
        let (actor, critic) = (Chain { gpu, activation, network: policy, rows }, self.critic_chain(rows)?);
        let (dims, critics) = (model.spec.head.action_dims() as u32, self.critics());
        let width = u64::from(rows) * 2 * u64::from(dims);
        // Means and log_std of the next observations, then of the own.
        let outputs = gpu.buffer("actor outputs", 2 * width)?;
        let between = actor.between("actor", 1)?;
        let numbers = 2 * rows * dims;
        let passes = [[policy.first, sampled.copy(1), 0, NOT_KEPT], [policy.first, sampled.copy(2), numbers, 0]];
        let act = |both: bool| -> Result<Vec<Call>> {
            let passes = if both { &passes[..] } else { &passes[..1] };
            let mut calls = actor.forward(parameters, self.inputs(), &outputs, &between.kept, passes)?;
            calls.extend(self.squash(&outputs, if both { 2 * rows } else { rows })?);
            Ok(calls)
        };
        let q_between = critic.between("q", u64::from(critics))?;
        let of_critics = self.critic_step(&critic, &q_between, temperature, 0.5)?;
        let plain = [act(false)?, of_critics.clone()].concat();

        let (own, kept, at) = (critic.network, critic.kept() as u32, 2 * critics * rows);
        let seen: Vec<_> =
            (0..critics).map(|c| [own.first + c * own.count, sampled.copy(2), at + c * rows, c * kept]).collect();
        let mut learn = critic.forward(parameters, self.inputs(), self.q, &q_between.kept, &seen)?;
        let d_q = gpu.buffer("actor d_q", u64::from(critics) * u64::from(rows))?;
        learn.extend(self.actor_loss(critics, at, temperature, &d_q)?);
        let d_actions = gpu.buffer("d_actions", u64::from(critics) * u64::from(rows) * u64::from(dims))?;
        let back: Vec<_> =
            (0..critics).map(|c| [own.first + c * own.count, c * rows, c * kept, c * rows * dims]).collect();
        let columns = (&d_actions, sampled.obs_dim);
        learn.extend(critic.backward(parameters, &d_q, &q_between, columns, &back)?);
        let d_outputs = gpu.buffer("d_outputs", width)?;
        learn.extend(self.squash_backward(&outputs, &d_actions, &d_outputs)?);
        learn.extend(self.learn(&actor, 1, sampled.copy(2), &d_outputs, &between, true)?);
        if let Some(tuned) = tuned {
            learn.extend(self.temperature(tuned)?);
        }
        Ok([plain, [act(true)?, of_critics, learn].concat()])
    }

    /// Actions and log π of the first `rows` rows of `outputs`, behind the observations of the second copy and of the third.
    fn squash(&self, outputs: &Buffer<f32>, rows: u32) -> Result<Vec<Call>> {
        let Method::Sac { log_std, epsilon, .. } = self.settings.method else { return Ok(Vec::new()) };
        let (gpu, sampled) = (self.gpu, self.sampled);
        let params = policy_squash::Params {
            rows,
            dims: self.model.spec.head.action_dims() as u32,
            actions_offset: sampled.actions_of(1),
            actions_stride: sampled.stride,
            source: self.source.code(),
            log_std_min: log_std.low,
            log_std_max: log_std.high,
            log_std_tanh: log_std.tanh.into(),
            epsilon: epsilon as f32,
            ..Default::default()
        };
        let io = policy_squash::Io {
            outputs,
            bounds: &gpu.buffer("no bounds", 1)?,
            noise: self.noise,
            actions: &sampled.seen,
            logp: self.logp,
            env_actions: &gpu.buffer("no env_actions", 1)?,
        };
        policy_squash::bind(gpu, &[params], &io, &self.model.ring)
    }

    fn squash_backward(
        &self,
        outputs: &Buffer<f32>,
        d_actions: &Buffer<f32>,
        d_outputs: &Buffer<f32>,
    ) -> Result<Vec<Call>> {
        let Method::Sac { temperature, log_std, epsilon, .. } = self.settings.method else { return Ok(Vec::new()) };
        let rows = self.sampled.rows;
        let dims = self.model.spec.head.action_dims() as u32;
        let params = policy_squash_backward::Params {
            rows,
            dims,
            outputs_offset: 2 * rows * dims,
            noise_offset: rows * dims,
            d_stride: dims,
            critics: self.critics(),
            critic_stride: rows * dims,
            temperature: temperature.code(),
            alpha_at: temperature.place(),
            alpha: Temperature::fixed(temperature),
            log_std_min: log_std.low,
            log_std_max: log_std.high,
            log_std_tanh: log_std.tanh.into(),
            epsilon: epsilon as f32,
            ..Default::default()
        };
        let io = policy_squash_backward::Io {
            outputs,
            noise: self.noise,
            d_actions,
            parameters: &self.model.alpha.log_alpha,
            d_outputs,
        };
        policy_squash_backward::bind(self.gpu, &[params], &io)
    }

    /// A step of log α by log π of the observations, or by what stands for it with choices.
    pub fn temperature(&self, tuned: Tuned) -> Result<Vec<Call>> {
        let (model, config, rows) = (self.model, self.config, self.sampled.rows);
        let params = optim_temperature::Params {
            rows,
            logp_offset: rows,
            target_entropy: tuned.target_entropy as f32,
            rate: tuned.rate as f32,
            beta1: config.adam_beta1 as f32,
            one_minus_beta1: (1.0 - config.adam_beta1) as f32,
            beta2: config.adam_beta2 as f32,
            one_minus_beta2: (1.0 - config.adam_beta2) as f32,
            eps: config.adam_eps as f32,
            ..Default::default()
        };
        let alpha = &model.alpha;
        let io = optim_temperature::Io {
            logp: self.logp,
            bias_correction: &model.bias_correction,
            parameters: &alpha.log_alpha,
            exp_avg: &alpha.exp_avg,
            exp_avg_sq: &alpha.exp_avg_sq,
            steps: &alpha.step,
            statistics: &alpha.statistics,
        };
        optim_temperature::bind(self.gpu, &[params], &io, &model.ring)
    }
}
