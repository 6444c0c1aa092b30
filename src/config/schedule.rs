//! Settings that change from update to update.

use super::{PpoConfig, ValueLoss};
use serde::{Deserialize, Serialize};

/// How a setting moves over the run, by the number of the update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// It stays.
    #[default]
    None,
    /// From its own value in a straight line to `to`: update u (from 0) of U uses `value + (to − value) · u/U`, and
    /// `to` from update U on. The same counting as `anneal_lr`, so the last update does not reach `to` quite.
    Linear {
        /// Where it ends.
        to: f64,
    },
}

impl Anneal {
    /// The value of update `update` (from 0) of `updates`, of a setting that is `value` at first.
    pub fn at(self, value: f64, update: u64, updates: u64) -> f64 {
        match self {
            Self::None => value,
            Self::Linear { to } if update >= updates => to,
            Self::Linear { to } => value + (to - value) * (update as f64 / updates as f64),
        }
    }
}

impl PpoConfig {
    /// Learning rate of update `update` (from 0); 0 after the last when annealing.
    pub fn learning_rate_at(&self, update: u64) -> f64 {
        if self.anneal_lr {
            self.learning_rate * (1.0 - update as f64 / self.num_updates() as f64).max(0.0)
        } else {
            self.learning_rate
        }
    }

    /// Weight of the entropy bonus in update `update` (from 0).
    pub fn ent_coef_at(&self, update: u64) -> f64 {
        self.ent_coef_schedule.at(self.ent_coef, update, self.num_updates())
    }

    /// Clip range of the ratio in update `update` (from 0). A range that has come to 0 is the smallest above it.
    pub fn clip_coef_at(&self, update: u64) -> f64 {
        self.clip_coef_schedule.at(self.clip_coef, update, self.num_updates()).max(f64::from(f32::MIN_POSITIVE))
    }

    /// Clip range of the value in update `update` (from 0): `clip_coef_vf` on its schedule, or that of the ratio.
    pub fn clip_coef_vf_at(&self, update: u64) -> f64 {
        self.clip_coef_vf.map_or_else(
            || self.clip_coef_at(update),
            |range| {
                let now = self.clip_coef_vf_schedule.at(range, update, self.num_updates());
                now.max(f64::from(f32::MIN_POSITIVE))
            },
        )
    }

    /// The one number that the value loss has in update `update` (from 0): its clip range, δ, or the largest squared
    /// error.
    pub fn value_limit_at(&self, update: u64) -> f64 {
        match self.value_loss {
            ValueLoss::Huber { delta } => delta,
            ValueLoss::ClampError { max } => max,
            ValueLoss::Plain | ValueLoss::ClipMax | ValueLoss::ClipOnly => self.clip_coef_vf_at(update),
        }
    }

    /// The settings of update `update` (from 0) as constants: no schedule is left but the learning rate's, which
    /// [`learning_rate_at`](Self::learning_rate_at) gives.
    pub fn at_update(&self, update: u64) -> Self {
        Self {
            ent_coef: self.ent_coef_at(update),
            clip_coef: self.clip_coef_at(update),
            clip_coef_vf: self.clip_coef_vf.map(|_| self.clip_coef_vf_at(update)),
            ent_coef_schedule: Anneal::None,
            clip_coef_schedule: Anneal::None,
            clip_coef_vf_schedule: Anneal::None,
            ..self.clone()
        }
    }
}
