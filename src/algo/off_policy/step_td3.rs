//! A gradient step of TD3 or DDPG.

use super::chain::Chain;
use super::settings::Method;
use super::step::{Parts, Steps};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call};
use crate::kernels::loss_q::Temperature;
use crate::kernels::mlp_forward_networks::NOT_KEPT;
use crate::kernels::policy_squash::Source;
use crate::kernels::{loss_actor, loss_q, policy_squash_backward, policy_tanh};

impl Parts<'_> {
    /// Fujimoto et al. 2018, algorithm 1.
    pub fn td3(&self) -> Result<Steps> {
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let (rows, parameters) = (sampled.rows, &model.parameters);
        let activation = model.spec.activation;
        let policy = model.arrangement.policy()?;
        let (actor, critic) = (Chain { gpu, activation, network: policy, rows }, self.critic_chain(rows)?);
        let dims = model.spec.head.action_dims() as u32;
        let numbers = rows * dims;
        // Actions of the target on the next observations, then of the actor on its own.
        let outputs = gpu.buffer("actor outputs", 2 * u64::from(rows) * u64::from(dims))?;
        let between = actor.between("actor", 1)?;
        let passes = [
            [model.targets() + policy.first, sampled.copy(1), 0, NOT_KEPT],
            [policy.first, sampled.copy(2), numbers, 0],
        ];
        let forward = |passes: &[_]| actor.forward(parameters, self.inputs(), &outputs, &between.kept, passes);
        let next = self.tanh(&outputs, [0, sampled.actions_of(1)], true)?;
        let own = self.tanh(&outputs, [numbers, sampled.actions_of(2)], false)?;
        let q_between = critic.between("q", u64::from(self.critics()))?;
        let critics = self.critic_step(&critic, &q_between, Temperature::None, 1.0)?;
        let plain = [forward(&passes[..1])?, next.clone(), critics.clone()].concat();

        let first = critic.network;
        let at = 2 * self.critics() * rows;
        let seen = [[first.first, sampled.copy(2), at, 0]];
        let mut learn = critic.forward(parameters, self.inputs(), self.q, &q_between.kept, &seen)?;
        let d_q = gpu.buffer("actor d_q", rows.into())?;
        learn.extend(self.actor_loss(1, at, Temperature::None, &d_q)?);
        let d_actions = gpu.buffer("d_actions", u64::from(rows) * u64::from(dims))?;
        let back = [[first.first, 0, 0, 0]];
        let columns = (&d_actions, sampled.obs_dim);
        learn.extend(critic.backward(parameters, &d_q, &q_between, columns, &back)?);
        let d_outputs = gpu.buffer("d_outputs", u64::from(rows) * u64::from(dims))?;
        let params = policy_squash_backward::Params {
            rows,
            dims,
            outputs_offset: numbers,
            d_stride: dims,
            critics: 1,
            deterministic: 1,
            ..Default::default()
        };
        let io = policy_squash_backward::Io {
            outputs: &outputs,
            noise: self.noise,
            d_actions: &d_actions,
            parameters: &model.alpha.log_alpha,
            d_outputs: &d_outputs,
        };
        learn.extend(policy_squash_backward::bind(gpu, &[params], &io)?);
        learn.extend(self.learn(&actor, 1, sampled.copy(2), &d_outputs, &between, true)?);
        Ok([plain, [forward(&passes)?, next, own, critics, learn].concat()])
    }

    /// Actions by `outputs` from the first of `places` on, behind the observations at the second; with noise where they are the target's.
    fn tanh(&self, outputs: &Buffer<f32>, places: [u32; 2], noisy: bool) -> Result<Vec<Call>> {
        let Method::Td3 { policy_noise, noise_clip } = self.settings.method else { return Ok(Vec::new()) };
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let rows = sampled.rows;
        let dims = model.spec.head.action_dims() as u32;
        let noisy = noisy && policy_noise > 0.0;
        let params = policy_tanh::Params {
            rows,
            dims,
            outputs_offset: places[0],
            actions_offset: places[1],
            actions_stride: sampled.stride,
            source: if noisy { self.source } else { Source::None }.code(),
            sigma: if noisy { policy_noise as f32 } else { 0.0 },
            noise_clip: if noisy { noise_clip as f32 } else { 0.0 },
            ..Default::default()
        };
        // Without noise zeros are left, which those that are given must not become.
        let none: Buffer<f32> = gpu.buffer("no noise", u64::from(rows) * u64::from(dims))?;
        let io = policy_tanh::Io {
            outputs,
            bounds: &gpu.buffer("no bounds", 1)?,
            noise: if noisy { self.noise } else { &none },
            actions: &sampled.seen,
            env_actions: &gpu.buffer("no env_actions", 1)?,
        };
        policy_tanh::bind(gpu, &[params], &io, &model.ring)
    }

    /// Critics of this policy.
    pub fn critics(&self) -> u32 {
        self.model.arrangement.critics().len() as u32
    }

    /// The critics' shape, by the first.
    pub fn critic_chain(&self, rows: u32) -> Result<Chain<'_>> {
        let model = self.model;
        let network = model.arrangement.critics().into_iter().next();
        let network = network.ok_or_else(|| Error::config("branches", "have no \"q1\""))?;
        Ok(Chain { gpu: self.gpu, activation: model.spec.activation, network, rows })
    }

    /// Values of the stored actions by the critics and of the next ones by their targets; loss, and the critics' step.
    pub fn critic_step(
        &self,
        chain: &Chain<'_>,
        between: &super::chain::Between,
        temperature: Temperature,
        scale: f32,
    ) -> Result<Vec<Call>> {
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let (rows, critics, own) = (sampled.rows, self.critics(), chain.network);
        let kept = chain.kept() as u32;
        let online = (0..critics).map(|c| [own.first + c * own.count, sampled.copy(0), c * rows, c * kept]);
        let targets = (0..critics)
            .map(|c| [model.targets() + own.first + c * own.count, sampled.copy(1), (critics + c) * rows, NOT_KEPT]);
        let passes: Vec<_> = online.chain(targets).collect();
        let mut calls = chain.forward(&model.parameters, self.inputs(), self.q, &between.kept, &passes)?;
        let params = loss_q::Params {
            rows,
            critics,
            next_offset: critics * rows,
            critic_stride: rows,
            temperature: temperature.code(),
            alpha_at: temperature.place(),
            alpha: temperature.fixed(),
            scale,
            ..Default::default()
        };
        let io = loss_q::Io {
            q: self.q,
            samples: &sampled.samples,
            logp: self.logp,
            parameters: &model.alpha.log_alpha,
            d_q: self.d_q,
            loss_partials: self.critic_partials,
        };
        calls.extend(loss_q::bind(gpu, &[params], &io)?);
        calls.extend(self.learn(chain, critics, sampled.copy(0), self.d_q, between, false)?);
        Ok(calls)
    }

    /// The actor's loss by `critics` whose values begin at `at`.
    pub fn actor_loss(&self, critics: u32, at: u32, temperature: Temperature, d_q: &Buffer<f32>) -> Result<Vec<Call>> {
        let rows = self.sampled.rows;
        let params = loss_actor::Params {
            rows,
            critics,
            q_offset: at,
            critic_stride: rows,
            // Those of the next actions come first.
            logp_offset: rows,
            temperature: temperature.code(),
            alpha_at: temperature.place(),
            alpha: temperature.fixed(),
            ..Default::default()
        };
        let io = loss_actor::Io {
            q: self.q,
            logp: self.logp,
            parameters: &self.model.alpha.log_alpha,
            d_q,
            loss_partials: self.actor_partials,
        };
        loss_actor::bind(self.gpu, &[params], &io)
    }
}
