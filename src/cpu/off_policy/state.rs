//! States of off-policy learners on the CPU.

use super::learner::CpuOffPolicy;
use super::method::Method;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::reference::Real;
use crate::state::{LearnerState, NormalizerState, OffPolicyState, ReplayState};
use ndarray::{Array3, s};

impl<F: Real> CpuOffPolicy<F> {
    /// What a learner with these weights begins with.
    pub(super) fn fresh(parameters: Vec<f32>, seed: u64) -> LearnerState {
        let zeros = vec![0.0; parameters.len()];
        LearnerState {
            parameters,
            exp_avg: zeros.clone(),
            exp_avg_sq: zeros,
            optimizer_step: 0,
            update: 0,
            env_steps: 0,
            policy_step: 0,
            seed,
            kl_coef: 0.0,
            learning_rate: 0.0,
            search_direction: Vec::new(),
            normalizer: NormalizerState::default(),
            off_policy: None,
        }
    }

    /// The off-policy part of `state`. Where it has none (fresh weights, or those of another program), targets are what is trained and the
    /// temperature is the configuration's, which also decides a fixed one.
    pub(super) fn own_state(config: &Config, state: &LearnerState) -> Result<OffPolicyState> {
        let log_alpha = config.sac().map_or(0.0, |sac| sac.alpha.ln().max(f32::MIN.into()) as f32);
        let Some(own) = &state.off_policy else {
            return Ok(OffPolicyState {
                targets: state.parameters.clone(),
                gradient_steps: 0,
                policy_optimizer_step: 0,
                log_alpha,
                alpha_exp_avg: 0.0,
                alpha_exp_avg_sq: 0.0,
                alpha_optimizer_step: 0,
                replay: None,
            });
        };
        let log_alpha = if config.sac().is_some_and(|sac| sac.autotune) { own.log_alpha } else { log_alpha };
        Ok(OffPolicyState { log_alpha, replay: None, ..own.clone() })
    }

    /// The head's free parameters among `parameters`.
    pub(super) fn free_of(&self, parameters: &[f32]) -> Vec<f32> {
        let count = self.spec.head.free_parameters();
        self.layout.log_std().map_or_else(Vec::new, |start| parameters[start..start + count].to_vec())
    }

    /// Everything but the transitions: what goes on from it fills its ring anew, and so has other bits than what did not stop.
    ///
    /// # Errors
    /// None; as [`Agent::state`](crate::Agent::state).
    pub fn state_without_replay(&self) -> Result<LearnerState> {
        let mut state = Self::fresh(vec![0.0; self.layout.len()], self.seed);
        let mut own = Self::own_state(&self.config, &state)?;
        if let Some(start) = self.layout.log_std() {
            for flat in [&mut state.parameters, &mut own.targets] {
                flat[start..start + self.free.len()].copy_from_slice(&self.free);
            }
        }
        self.method.put(&self.networks, &mut state, &mut own);
        (state.update, state.env_steps, state.policy_step) = (self.update, self.env_steps, self.policy_step);
        own.gradient_steps = self.gradient_steps;
        state.off_policy = Some(own);
        Ok(state)
    }

    /// [`state_without_replay`](Self::state_without_replay) and the transitions.
    pub(super) fn state_with_replay(&self) -> Result<LearnerState> {
        let mut state = self.state_without_replay()?;
        if let Some(own) = &mut state.off_policy {
            own.replay = Some(self.replay());
        }
        Ok(state)
    }

    /// The ring.
    fn replay(&self) -> ReplayState {
        let (ring, used) = (&self.ring, ..self.ring.stored);
        let numbers = |array: &Array3<F>| array.slice(s![used, .., ..]).iter().map(|value| value.as_f32()).collect();
        ReplayState {
            next_write: ring.next_write as u64,
            stored: ring.stored as u64,
            obs: numbers(&ring.obs),
            actions: ring.actions.slice(s![used, .., ..]).iter().copied().collect(),
            rewards: ring.rewards.slice(s![used, ..]).iter().map(|value| value.as_f32()).collect(),
            next_obs: numbers(&ring.next_obs),
            terminated: ring.terminated.slice(s![used, ..]).iter().copied().collect(),
            truncated: ring.truncated.slice(s![used, ..]).iter().copied().collect(),
        }
    }

    /// Writes the places of `replay`, which was checked, into the ring; without one it is empty.
    fn set_replay(&mut self, replay: Option<&ReplayState>) {
        let ring = &mut self.ring;
        (ring.next_write, ring.stored) = (0, 0);
        let Some(replay) = replay else { return };
        let wide = |value: &f32| F::of(f64::from(*value));
        // From place 0 on, row after row, as the arrays lie in memory.
        for (to, from) in [(&mut ring.obs, &replay.obs), (&mut ring.next_obs, &replay.next_obs)] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = wide(from));
        }
        ring.rewards.iter_mut().zip(&replay.rewards).for_each(|(to, from)| *to = wide(from));
        ring.actions.iter_mut().zip(&replay.actions).for_each(|(to, from)| *to = *from);
        ring.terminated.iter_mut().zip(&replay.terminated).for_each(|(to, from)| *to = *from);
        ring.truncated.iter_mut().zip(&replay.truncated).for_each(|(to, from)| *to = *from);
        (ring.next_write, ring.stored) = (replay.next_write as usize, replay.stored as usize);
    }

    /// That stored actions are indices of choices, or numbers in [−1, 1].
    fn check_actions(&self, words: &[u32]) -> Result<()> {
        let choices = self.spec.head.choices();
        let fits = |word: &u32| match choices.first() {
            Some(choices) => (*word as usize) < *choices,
            None => (-1.0..=1.0).contains(&f32::from_bits(*word)),
        };
        match words.iter().position(|word| !fits(word)) {
            Some(index) => Err(Error::Value {
                tensor: "replay.actions".into(),
                index,
                value: format!("{:#x}", words[index]),
                expected: "the word of an action that there is".into(),
            }),
            None => Ok(()),
        }
    }

    /// Continues from `state`; without its transitions the ring is empty.
    pub(super) fn go_on_from(&mut self, state: &LearnerState) -> Result<()> {
        state.check(self.layout.len())?;
        let own = Self::own_state(&self.config, state)?;
        let replay = state.off_policy.as_ref().and_then(|own| own.replay.as_ref());
        if let Some(replay) = replay {
            let (places, envs, obs_dim) = self.ring.obs.dim();
            replay.check([places, envs], obs_dim, self.spec.head.action_words())?;
            self.check_actions(&replay.actions)?;
        }
        self.method = Method::of(&self.networks, &self.config, state, &own)?;
        self.free = self.free_of(&state.parameters);
        (self.update, self.env_steps, self.policy_step) = (state.update, state.env_steps, state.policy_step);
        (self.gradient_steps, self.seed) = (own.gradient_steps, state.seed);
        self.of_actor = [0.0; 2];
        self.set_replay(replay);
        Ok(())
    }
}
