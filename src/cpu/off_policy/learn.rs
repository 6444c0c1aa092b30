//! [`OffPolicy`]: storing transitions and learning from them.

use super::batch::{Batch, Noise};
use super::learner::CpuOffPolicy;
use super::method::Seen;
use crate::agent::OffPolicy;
use crate::cpu::needs;
use crate::data::{EnvStep, MinibatchStats, OffPolicyStats, TransitionBatch, UpdateStats};
use crate::error::{Error, Result};
use crate::memory::require;
use crate::reference::Real;
use crate::reference::replay::Step;
use crate::reference::row_blocks::{both, on_pool};
use ndarray::Array2;

/// Products of numbers that take as long as a standard normal.
const DRAW: usize = 4096;

impl<F: Real> CpuOffPolicy<F> {
    /// `count` gradient steps, each on a batch drawn anew.
    pub(super) fn take_steps(&mut self, count: u64, tally: &mut Tally) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        if self.ring.stored == 0 {
            return Err(Error::config("learning_starts", "a batch was asked for before anything was stored"));
        }
        let rows = self.batch.rows();
        let bytes = needs::gradient_step(&self.spec, size_of::<F>(), rows);
        require(|| format!("a gradient step on {rows} transitions"), bytes)?;
        on_pool(rows.saturating_mul(self.networks.critic.len()), || {
            for _ in 0..count {
                let seen = self.gradient_step()?;
                tally.count(seen);
            }
            Ok(())
        })
    }

    fn gradient_step(&mut self) -> Result<Seen> {
        let (n_steps, gamma) = (self.config.replay().map_or(1, |replay| replay.n_steps), self.config.gamma);
        let number = self.gradient_steps;
        let size = self.noise.next.len().saturating_mul(DRAW);
        let noisy = self.config.td3().is_none_or(|td3| td3.policy_noise > 0.0);
        let (ring, batch, noise, seed) = (&self.ring, &mut self.batch, &mut self.noise, self.seed);
        let draw_noise = || {
            if noisy {
                noise.draw(seed, number);
            }
        };
        let (drawn, ()) = both(size, || batch.draw(ring, seed, number, n_steps, gamma), draw_noise);
        drawn?;
        let seen = self.method.step(&self.networks, &self.spec, &self.config, number, &self.batch, &self.noise)?;
        self.count_step(&seen);
        Ok(seen)
    }

    /// The next gradient step, on `batch` with `noise`.
    pub(super) fn take_step(&mut self, batch: &Batch<F>, noise: &Noise<F>) -> Result<Seen> {
        let number = self.gradient_steps;
        let seen = self.method.step(&self.networks, &self.spec, &self.config, number, batch, noise)?;
        self.count_step(&seen);
        Ok(seen)
    }

    fn count_step(&mut self, seen: &Seen) {
        self.gradient_steps = self.gradient_steps.wrapping_add(1);
        if let Some(loss) = seen.policy_loss {
            self.of_actor = [loss, seen.entropy.unwrap_or(0.0)];
        }
    }

    /// Ends an update, which took the gradient steps of `tally`.
    pub(super) fn end_update(&mut self, tally: Tally) -> UpdateStats {
        self.update = self.update.saturating_add(1);
        self.stats(tally)
    }

    fn stats(&self, tally: Tally) -> UpdateStats {
        let [policy_loss, entropy] = self.of_actor;
        let of_step = |seen: &Seen| MinibatchStats {
            rows: self.batch.rows() as u32,
            policy_loss,
            value_loss: seen.value_loss,
            entropy,
            loss: seen.value_loss,
            grad_norm: seen.grad_norm,
            stepped: seen.stepped,
            ..MinibatchStats::default()
        };
        let last = tally.last;
        // Its step is stored by now.
        let acted_at = self.env_steps.saturating_sub(self.config.num_envs as u64);
        UpdateStats {
            minibatches: last.iter().map(of_step).collect(),
            optimizer_steps: tally.steps,
            skipped_steps: tally.skipped,
            learning_rate: self.config.learning_rate,
            off_policy: Some(OffPolicyStats {
                gradient_steps: self.gradient_steps,
                q_values: last.map_or(0.0, |seen| seen.q_values),
                targets: last.map_or(0.0, |seen| seen.targets),
                alpha: last.and_then(|seen| seen.alpha),
                epsilon: self.config.epsilon_at(acted_at),
            }),
            ..UpdateStats::default()
        }
    }
}

/// Gradient steps of an update so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    steps: u32,
    skipped: u32,
    last: Option<Seen>,
}

impl Tally {
    /// Takes in a gradient step.
    pub(super) fn count(&mut self, seen: Seen) {
        self.steps = self.steps.saturating_add(u32::from(seen.stepped));
        self.skipped = self.skipped.saturating_add(u32::from(!seen.stepped) + u32::from(seen.actor_skipped));
        self.last = Some(seen);
    }
}

impl<F: Real> OffPolicy for CpuOffPolicy<F> {
    fn store(&mut self, step: &EnvStep) -> Result<()> {
        step.validate(&self.spec, self.config.num_envs)?;
        let wide = |values: &Array2<f32>| values.mapv(|value| F::of(f64::from(value)));
        let words = self.spec.head.action_words();
        let actions = Array2::from_shape_vec((self.config.num_envs, words), step.actions.words())
            .map_err(|_| Error::shape("actions", &step.actions.shape(), &[self.config.num_envs, words]))?;
        let (obs, next_obs) = (wide(&step.obs), wide(&step.next_obs));
        let rewards = step.rewards.mapv(|value| F::of(f64::from(value)));
        self.ring.store(&Step {
            obs: obs.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            next_obs: next_obs.view(),
            terminated: step.terminated.view(),
            truncated: step.truncated.view(),
        })?;
        self.env_steps = self.env_steps.saturating_add(self.config.num_envs as u64);
        Ok(())
    }

    fn learn(&mut self, gradient_steps: u64) -> Result<UpdateStats> {
        let mut tally = Tally::default();
        self.take_steps(gradient_steps, &mut tally)?;
        Ok(if gradient_steps == 0 { self.stats(tally) } else { self.end_update(tally) })
    }

    fn learn_batch(&mut self, batch: &TransitionBatch) -> Result<UpdateStats> {
        self.on_batch(batch)
    }

    fn stored(&self) -> u64 {
        (self.ring.stored as u64).saturating_mul(self.config.num_envs as u64)
    }
}
