//! States of off-policy learners on the device.

use super::learner::GpuOffPolicy;
use super::settings::Method;
use crate::error::{Error, Result};
use crate::state::{LearnerState, NormalizerState, OffPolicyState, ReplayState};

impl GpuOffPolicy {
    /// What a learner with these weights begins with.
    pub(super) fn fresh(&self, parameters: Vec<f32>) -> LearnerState {
        let zeros = vec![0.0; parameters.len()];
        LearnerState {
            parameters,
            exp_avg: zeros.clone(),
            exp_avg_sq: zeros,
            optimizer_step: 0,
            update: 0,
            env_steps: 0,
            policy_step: 0,
            seed: self.model.seed,
            kl_coef: 0.0,
            learning_rate: 0.0,
            search_direction: Vec::new(),
            normalizer: NormalizerState::default(),
            off_policy: None,
        }
    }

    /// The off-policy part of `state`. Where it has none, targets are what is trained and the temperature is the configuration's, which also
    /// decides a fixed one.
    fn own_state(&self, state: &LearnerState) -> OffPolicyState {
        let sac = self.config.sac();
        let log_alpha = sac.map_or(0.0, |sac| sac.alpha.ln().max(f32::MIN.into()) as f32);
        let Some(own) = &state.off_policy else {
            return OffPolicyState {
                targets: state.parameters.clone(),
                gradient_steps: 0,
                policy_optimizer_step: 0,
                log_alpha,
                alpha_exp_avg: 0.0,
                alpha_exp_avg_sq: 0.0,
                alpha_optimizer_step: 0,
                replay: None,
            };
        };
        let log_alpha = if sac.is_some_and(|sac| sac.autotune) { own.log_alpha } else { log_alpha };
        OffPolicyState { log_alpha, replay: None, ..own.clone() }
    }

    /// Everything but the transitions: what goes on from it fills its memory anew, and so has other bits than what did not stop.
    ///
    /// # Errors
    /// A device error; [`Error::Waits`](crate::Error::Waits) in a browser.
    pub fn state_without_replay(&self) -> Result<LearnerState> {
        self.gpu.block_on(self.state_async(false))
    }

    /// [`Agent::state`](crate::Agent::state) without blocking; with the transitions, or without, as [`state_without_replay`](Self::state_without_replay).
    ///
    /// # Errors
    /// A device error.
    pub async fn state_async(&self, replay: bool) -> Result<LearnerState> {
        let (gpu, model) = (&self.gpu, &self.model);
        let (arrangement, alpha) = (&model.arrangement, &model.alpha);
        let all = gpu.read_async(&model.parameters).await?;
        let (online, targets) = all.split_at(model.layout.len());
        let mut targets = targets.to_vec();
        if matches!(self.settings.method, Method::Sac { .. } | Method::SacChoices { .. }) {
            // The actor has none.
            let own = arrangement.policy()?.range();
            let own = own.start as usize..own.end as usize;
            targets[own.clone()].copy_from_slice(&online[own]);
        }
        let first = |values: Vec<f32>| values.first().copied().unwrap_or(0.0);
        let count = |values: Vec<u32>| values.first().copied().unwrap_or(0);
        let own = OffPolicyState {
            targets: arrangement.to_layout("targets", &targets)?,
            gradient_steps: model.gradient_steps,
            policy_optimizer_step: count(gpu.read_async(&model.actor.step).await?),
            log_alpha: first(gpu.read_async(&alpha.log_alpha).await?),
            alpha_exp_avg: first(gpu.read_async(&alpha.exp_avg).await?),
            alpha_exp_avg_sq: first(gpu.read_async(&alpha.exp_avg_sq).await?),
            alpha_optimizer_step: count(gpu.read_async(&alpha.step).await?),
            replay: if replay { Some(self.ring.state(gpu).await?) } else { None },
        };
        Ok(LearnerState {
            exp_avg: arrangement.to_layout("exp_avg", &gpu.read_async(&model.exp_avg).await?)?,
            exp_avg_sq: arrangement.to_layout("exp_avg_sq", &gpu.read_async(&model.exp_avg_sq).await?)?,
            optimizer_step: count(gpu.read_async(&model.critics.step).await?),
            update: model.update,
            env_steps: model.env_steps,
            policy_step: model.policy_step,
            off_policy: Some(own),
            ..self.fresh(arrangement.to_layout("parameters", online)?)
        })
    }

    /// Continues from `state`; without its transitions the memory is empty.
    pub(super) fn go_on_from(&mut self, state: &LearnerState) -> Result<()> {
        let (gpu, model) = (&self.gpu, &self.model);
        state.check(model.layout.len())?;
        let replay = state.off_policy.as_ref().and_then(|own| own.replay.as_ref());
        if let Some(replay) = replay {
            let shape = self.ring.shape;
            let places = [shape.capacity as usize, shape.envs as usize];
            replay.check(places, shape.obs_dim as usize, shape.action_words as usize)?;
            check_actions(&model.spec.head.choices(), replay)?;
        }
        let own = self.own_state(state);
        let model = &mut self.model;
        let (arrangement, alpha) = (&model.arrangement, &model.alpha);
        let mut all = arrangement.to_device("parameters", &state.parameters)?;
        all.extend(arrangement.to_device("targets", &own.targets)?);
        gpu.write(&model.parameters, 0, &all)?;
        gpu.write(&model.exp_avg, 0, &arrangement.to_device("exp_avg", &state.exp_avg)?)?;
        gpu.write(&model.exp_avg_sq, 0, &arrangement.to_device("exp_avg_sq", &state.exp_avg_sq)?)?;
        gpu.write(&model.critics.step, 0, &[state.optimizer_step])?;
        gpu.write(&model.actor.step, 0, &[own.policy_optimizer_step])?;
        gpu.write(&alpha.log_alpha, 0, &[own.log_alpha])?;
        gpu.write(&alpha.exp_avg, 0, &[own.alpha_exp_avg])?;
        gpu.write(&alpha.exp_avg_sq, 0, &[own.alpha_exp_avg_sq])?;
        gpu.write(&alpha.step, 0, &[own.alpha_optimizer_step])?;
        for learning in self.learning.iter().chain(&self.given) {
            learning.step.forget(gpu)?;
        }
        self.ring.set_state(gpu, replay)?;
        model.gradient_steps = own.gradient_steps;
        (model.update, model.env_steps) = (state.update, state.env_steps);
        (model.policy_step, model.seed) = (state.policy_step, state.seed);
        Ok(())
    }
}

/// That stored actions are indices of choices, or numbers in [−1, 1].
fn check_actions(choices: &[usize], replay: &ReplayState) -> Result<()> {
    let fits = |word: &u32| match choices.first() {
        Some(choices) => (*word as usize) < *choices,
        None => (-1.0..=1.0).contains(&f32::from_bits(*word)),
    };
    match replay.actions.iter().position(|word| !fits(word)) {
        Some(index) => Err(Error::Value {
            tensor: "replay.actions".into(),
            index,
            value: format!("{:#x}", replay.actions[index]),
            expected: "the word of an action that there is".into(),
        }),
        None => Ok(()),
    }
}
