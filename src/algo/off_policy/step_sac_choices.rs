//! A gradient step of SAC where actions are choices.

use super::chain::Chain;
use super::settings::Method;
use super::step::{Parts, Steps};
use crate::error::Result;
use crate::kernels::loss_q::Temperature;
use crate::kernels::mlp_forward_networks::NOT_KEPT;
use crate::kernels::{loss_actor_choices, loss_q_choices};

impl Parts<'_> {
    /// Christodoulou 2019, algorithm 1: nothing is drawn, and critics and actor all see the observation alone. Where nothing moves the actor, it sees
    /// the next observations alone.
    pub fn sac_choices(&self) -> Result<Steps> {
        let Method::SacChoices { temperature, tuned } = self.settings.method else { return Ok(Steps::default()) };
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let (rows, parameters) = (sampled.rows, &model.parameters);
        let policy = model.arrangement.policy()?;
        let actor = Chain { gpu, activation: model.spec.activation, network: policy, rows };
        let critic = self.critic_chain(rows)?;
        let (choices, critics) = (model.spec.head.raw_outputs() as u32, self.critics());
        let table = rows * choices;
        // Logits of the next observations, then of the own.
        let logits = gpu.buffer("logits", 2 * u64::from(table))?;
        let between = actor.between("actor", 1)?;
        let passes = [[policy.first, sampled.copy(1), 0, NOT_KEPT], [policy.first, sampled.copy(0), table, 0]];
        let act = |passes: &[_]| actor.forward(parameters, self.inputs(), &logits, &between.kept, passes);

        let q_between = critic.between("q", u64::from(critics))?;
        let (own, kept) = (critic.network, critic.kept() as u32);
        let online = |c: u32| [own.first + c * own.count, sampled.copy(0), c * table, c * kept];
        // By what the critics have learnt, and without a way back.
        let again = |c: u32| [own.first + c * own.count, sampled.copy(0), (2 * critics + c) * table, NOT_KEPT];
        let target =
            |c: u32| [model.targets() + own.first + c * own.count, sampled.copy(1), (critics + c) * table, NOT_KEPT];
        let seen: Vec<_> = (0..critics).map(online).chain((0..critics).map(target)).collect();
        let mut of_critics = critic.forward(parameters, self.inputs(), self.q, &q_between.kept, &seen)?;
        let params = loss_q_choices::Params {
            rows,
            choices,
            critics,
            next_offset: critics * table,
            temperature: temperature.code(),
            alpha_at: temperature.place(),
            alpha: temperature.fixed(),
            scale: 0.5,
            ..Default::default()
        };
        let io = loss_q_choices::Io {
            q: self.q,
            logits: &logits,
            actions: &sampled.actions,
            samples: &sampled.samples,
            parameters: &model.alpha.log_alpha,
            d_q: self.d_q,
            loss_partials: self.critic_partials,
        };
        of_critics.extend(loss_q_choices::bind(gpu, &[params], &io)?);
        of_critics.extend(self.learn(&critic, critics, sampled.copy(0), self.d_q, &q_between, false)?);
        let plain = [act(&passes[..1])?, of_critics.clone()].concat();

        let seen: Vec<_> = (0..critics).map(again).collect();
        let mut learn = critic.forward(parameters, self.inputs(), self.q, &q_between.kept, &seen)?;
        let d_logits = gpu.buffer("d_logits", table.into())?;
        let io = loss_actor_choices::Io {
            q: self.q,
            logits: &logits,
            parameters: &model.alpha.log_alpha,
            d_logits: &d_logits,
            logp: self.logp,
            loss_partials: self.actor_partials,
        };
        let params = actor_params([rows, choices, critics], temperature);
        learn.extend(loss_actor_choices::bind(gpu, &[params], &io)?);
        learn.extend(self.learn(&actor, 1, sampled.copy(0), &d_logits, &between, true)?);
        if let Some(tuned) = tuned {
            learn.extend(self.temperature(tuned)?);
        }
        Ok([plain, [act(&passes)?, of_critics, learn].concat()])
    }
}

/// The actor's loss by values behind those of the critics' own loss, with Σ π log π where the temperature looks for it.
fn actor_params([rows, choices, critics]: [u32; 3], temperature: Temperature) -> loss_actor_choices::Params {
    loss_actor_choices::Params {
        rows,
        choices,
        critics,
        q_offset: 2 * critics * rows * choices,
        logits_offset: rows * choices,
        logp_offset: rows,
        temperature: temperature.code(),
        alpha_at: temperature.place(),
        alpha: temperature.fixed(),
        ..Default::default()
    }
}
