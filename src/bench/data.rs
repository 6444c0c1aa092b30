//! Inputs, the same everywhere.

use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::cpu::CpuLearner;
use crate::data::{Actions, Batch};
use crate::error::Result;
use crate::policy::{Init, PolicySpec, initial_parameters_with};
use ndarray::{Array1, Array2};
use std::sync::{Arc, OnceLock};

/// Numbers in ±1 that look like nothing in particular.
pub(super) fn wave(elements: usize, phase: f32) -> Array1<f32> {
    Array1::from_shape_fn(elements, |i| ((i as f32 * 0.7371 + phase) * 1.37).sin())
}

/// The same, `[rows, columns]`.
pub(super) fn waves(rows: usize, columns: usize, phase: f32) -> Array2<f32> {
    let all = wave(rows * columns, phase);
    Array2::from_shape_fn((rows, columns), |(r, c)| all[r * columns + c])
}

/// Numbers in [1, 2) that do not compress.
pub(super) fn random(count: usize) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from_bits(0x3f80_0000 | (state >> 41) as u32)
    };
    (0..count).map(|_| next()).collect()
}

/// f32 as f64.
pub(super) fn wide<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<f64> {
    values.into_iter().map(|value| f64::from(*value)).collect()
}

/// A policy with its parameters, and rows that it might have collected.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub spec: PolicySpec,
    pub config: Config,
    pub rows: usize,
    /// Drawn once for all clones, and not before somebody asks: a table names many rows that nobody runs.
    drawn: Arc<OnceLock<Vec<f32>>>,
}

/// Seed of everything.
pub(super) const SEED: u64 = 1;

impl Setup {
    /// The actor's last layer has gain 1, so that distributions differ from row to row; the rate does not fall.
    pub fn new(spec: &PolicySpec, config: Config, rows: usize) -> Self {
        let init = Init { policy_gain: 1.0, ..config.init };
        let config = Config { init, anneal_lr: false, ..config };
        Self { spec: spec.clone(), config, rows, drawn: Arc::default() }
    }

    pub fn parameters(&self) -> &Vec<f32> {
        self.drawn.get_or_init(|| initial_parameters_with(&self.spec, &self.config.init, SEED))
    }

    pub fn obs(&self) -> Array2<f32> {
        waves(self.rows, self.spec.obs_dim(), 0.1)
    }

    /// Rows whose actions the policy drew; log-probabilities and values are those of a policy a little off.
    pub fn batch(&self) -> Result<Batch> {
        let obs = self.obs();
        let acted =
            CpuLearner::<f32>::new(self.spec.clone(), self.config.clone(), SEED)?.act(obs.view(), ActMode::Sample)?;
        Ok(Batch {
            obs,
            actions: acted.actions,
            logp_old: acted.logp + wave(self.rows, 0.5) * 0.05,
            advantages: wave(self.rows, 0.9),
            returns: &acted.values + &wave(self.rows, 0.3),
            values_old: acted.values,
            old_dist: None,
            valid: None,
        })
    }

    /// In f64.
    pub fn wide_parameters(&self) -> Vec<f64> {
        wide(self.parameters())
    }
}

/// A window of rewards, values and ends.
#[derive(Debug, Clone)]
pub(super) struct WindowData {
    pub rewards: Array2<f32>,
    pub values: Array2<f32>,
    pub final_values: Array2<f32>,
    pub terminated: Array2<u32>,
    pub truncated: Array2<u32>,
}

impl WindowData {
    pub fn new(steps: usize, envs: usize) -> Self {
        let every =
            |period: usize| Array2::from_shape_fn((steps, envs), |(t, n)| u32::from((31 * t + 17 * n) % period == 0));
        Self {
            rewards: waves(steps, envs, 0.1),
            values: waves(steps + 1, envs, 0.4),
            final_values: waves(steps, envs, 0.6),
            terminated: every(97),
            truncated: every(101),
        }
    }
}

/// Nothing: what a Fisher product in the Gauss–Newton form reads of actions.
pub(super) fn no_actions() -> Actions {
    Actions::Discrete(Array2::zeros((0, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Activation, Head};

    #[test]
    fn weights_are_drawn_once_and_when_somebody_asks() {
        let spec = PolicySpec::separate(3, &[5], Activation::Tanh, Head::categorical(2));
        let setup = Setup::new(&spec, Config::cleanrl(), 7);
        let clone = setup.clone();
        assert!(setup.drawn.get().is_none());
        assert_eq!(clone.parameters().len(), spec.layout().len());
        assert!(std::ptr::eq(clone.parameters(), setup.parameters()));
    }
}
