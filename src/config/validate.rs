//! Ranges of the settings.

use super::{AdaptiveLr, Algorithm, Anneal, Config, KlPenalty, ValueLoss};
use crate::error::{Error, Result};
use crate::memory::{product, word};

/// A setting and where it may lie.
pub(super) struct Range {
    field: &'static str,
    value: f64,
    low: f64,
    high: f64,
    /// Whether the ends are themselves allowed.
    with_low: bool,
    with_high: bool,
}

impl Range {
    /// [low, high].
    pub const fn closed(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { field, value, low, high, with_low: true, with_high: true }
    }

    /// (low, high].
    pub const fn above(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_low: false, ..Self::closed(field, value, low, high) }
    }

    /// [low, high).
    pub const fn below(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_high: false, ..Self::closed(field, value, low, high) }
    }

    /// (low, high).
    pub const fn inside(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_low: false, ..Self::below(field, value, low, high) }
    }
}

/// The first setting out of range, as an error; NaN always is.
pub(super) fn check(ranges: &[Range]) -> Result<()> {
    for Range { field, value, low, high, with_low, with_high } in ranges {
        let above = if *with_low { value >= low } else { value > low };
        let below = if *with_high { value <= high } else { value < high };
        if !(above && below) {
            let (open, close) = (if *with_low { '[' } else { '(' }, if *with_high { ']' } else { ')' });
            return Err(Error::config(field, format!("is {value}, must be in {open}{low}, {high}{close}")));
        }
    }
    Ok(())
}

impl Config {
    /// Refuses settings out of range.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first bad field, its value and its range; [`Error::OwnLimit`] for more than 2³² − 1 rows.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = [
            ("num_envs", self.num_envs),
            ("num_steps", self.num_steps),
            ("num_minibatches", self.num_minibatches),
            ("minibatch_size", self.minibatch_size.unwrap_or(1)),
            ("update_epochs", self.update_epochs),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return Err(Error::config(field, "is 0, must be at least 1"));
            }
        }
        // Indices are 32 bits wide on a device, in the shuffle and in the draws. The values have one step more.
        let needs = product(&[self.num_steps, self.num_envs]).saturating_add(self.num_envs as u128);
        if needs > u128::from(u32::MAX) {
            let what =
                format!("a batch of num_steps {} × num_envs {}, and a step more,", self.num_steps, self.num_envs);
            return Err(Error::OwnLimit { what, limit: "rows", needs: word(needs), has: u32::MAX.into() });
        }
        if self.adv_ddof > 1 {
            return Err(Error::config("adv_ddof", format!("is {}, must be 0 or 1", self.adv_ddof)));
        }
        let max = f64::from(f32::MAX);
        let to = |schedule| if let Anneal::Linear { to } = schedule { to } else { 0.0 };
        let (delta, error) = match self.value_loss {
            ValueLoss::Huber { delta } => (delta, 1.0),
            ValueLoss::ClampError { max } => (1.0, max),
            _ => (1.0, 1.0),
        };
        check(&[
            Range::closed("learning_rate", self.learning_rate, 0.0, max),
            Range::closed("gamma", self.gamma, 0.0, 1.0),
            Range::closed("gae_lambda", self.gae_lambda, 0.0, 1.0),
            Range::closed("adv_eps", self.adv_eps, 0.0, max),
            Range::closed("adv_std_floor", self.adv_std_floor, 0.0, max),
            Range::above("clip_coef", self.clip_coef, 0.0, max),
            Range::above("dual_clip", self.dual_clip.unwrap_or(2.0), 1.0, max),
            Range::above("clip_coef_vf", self.clip_coef_vf.unwrap_or(1.0), 0.0, max),
            Range::closed("vf_loss_scale", self.vf_loss_scale, 0.0, max),
            Range::closed("ent_coef", self.ent_coef, -max, max),
            Range::closed("vf_coef", self.vf_coef, 0.0, max),
            Range::above("max_grad_norm", self.max_grad_norm.unwrap_or(1.0), 0.0, max),
            Range::above("target_kl", self.target_kl.unwrap_or(1.0), 0.0, max),
            Range::above("target_kl_factor", self.target_kl_factor, 0.0, max),
            Range::closed("adam_eps", self.adam_eps, 0.0, max),
            Range::below("adam_beta1", self.adam_beta1, 0.0, 1.0),
            Range::below("adam_beta2", self.adam_beta2, 0.0, 1.0),
            Range::closed("weight_decay", self.weight_decay, 0.0, max),
            Range::below("rmsprop_alpha", self.rmsprop_alpha, 0.0, 1.0),
            Range::closed("rmsprop_eps", self.rmsprop_eps, 0.0, max),
            Range::closed("ent_coef_schedule.to", to(self.ent_coef_schedule), -max, max),
            Range::closed("clip_coef_schedule.to", to(self.clip_coef_schedule), 0.0, max),
            Range::closed("clip_coef_vf_schedule.to", to(self.clip_coef_vf_schedule), 0.0, max),
            Range::above("value_loss.delta", delta, 0.0, max),
            Range::above("value_loss.max", error, 0.0, max),
            Range::closed("value_learning_rate", self.value_learning_rate.unwrap_or(0.0), 0.0, max),
            Range::closed("init.hidden_gain", self.init.hidden_gain, 0.0, max),
            Range::closed("init.policy_gain", self.init.policy_gain, 0.0, max),
            Range::closed("init.value_gain", self.init.value_gain, 0.0, max),
            Range::closed("init.log_std", self.init.log_std, -max, max),
        ])?;
        self.validate_normalization()?;
        self.advantage.validate()?;
        self.trust_region.validate()?;
        self.kl_penalty.iter().try_for_each(KlPenalty::validate)?;
        self.adaptive_lr.iter().try_for_each(AdaptiveLr::validate)?;
        self.validate_algorithm()
    }

    /// What an algorithm needs, and settings that it would silently leave aside.
    fn validate_algorithm(&self) -> Result<()> {
        let name = self.algorithm.name();
        let is_ppo = matches!(self.algorithm, Algorithm::Ppo | Algorithm::PpoPenalty);
        let wrong = |field: &'static str, message: String| Err(Error::config(field, message));
        if self.algorithm == Algorithm::PpoPenalty && self.kl_penalty.is_none() {
            return wrong("kl_penalty", format!("is absent, {name} needs it"));
        }
        if !is_ppo && self.kl_penalty.is_some() {
            return wrong("kl_penalty", format!("is set, {name} has no such penalty"));
        }
        if !is_ppo && self.adaptive_lr.is_some() {
            return wrong("adaptive_lr", format!("is set, {name} does not adapt its learning rate"));
        }
        if self.adaptive_lr.is_some() && self.anneal_lr {
            return wrong("anneal_lr", "is true, must be false where adaptive_lr sets the learning rate".into());
        }
        if self.algorithm == Algorithm::A2c && self.update_epochs != 1 {
            let epochs = self.update_epochs;
            return wrong("update_epochs", format!("is {epochs}, must be 1: a2c has no ratio for a second pass"));
        }
        if self.dual_clip.is_some() && !(is_ppo && self.clips()) {
            return wrong("dual_clip", "is set, but the ratio is not clipped".into());
        }
        if !is_ppo && self.target_kl.is_some() {
            return wrong("target_kl", format!("is set, {name} does not stop early"));
        }
        if self.algorithm == Algorithm::Trpo && self.trust_region.step_size.is_some() {
            return wrong("trust_region.step_size", "is set, trpo's step is as long as max_kl lets it be".into());
        }
        if self.algorithm.is_trust_region() && self.ent_coef != 0.0 {
            return wrong("ent_coef", format!("is {}, {name} has no entropy bonus", self.ent_coef));
        }
        self.validate_schedules()
    }

    /// Schedules and rates that would move nothing.
    fn validate_schedules(&self) -> Result<()> {
        let name = self.algorithm.name();
        let wrong = |field: &'static str, message: String| Err(Error::config(field, message));
        let region = self.algorithm.is_trust_region();
        if region && self.ent_coef_schedule != Anneal::None {
            return wrong("ent_coef_schedule", format!("is set, {name} has no entropy bonus"));
        }
        let clips_value = matches!(self.value_loss, ValueLoss::ClipMax | ValueLoss::ClipOnly) && !region;
        let clips_ratio = self.clips() && !region && self.algorithm != Algorithm::A2c;
        if self.clip_coef_schedule != Anneal::None && !clips_ratio && !(clips_value && self.clip_coef_vf.is_none()) {
            return wrong("clip_coef_schedule", "is set, but nothing is clipped by clip_coef".into());
        }
        if self.clip_coef_vf_schedule != Anneal::None && !(clips_value && self.clip_coef_vf.is_some()) {
            return wrong("clip_coef_vf_schedule", "is set, but nothing is clipped by clip_coef_vf".into());
        }
        let Some(rate) = self.value_learning_rate else { return Ok(()) };
        if region {
            return wrong("value_learning_rate", format!("is set, {name}'s learning_rate is the critic's already"));
        }
        if self.adaptive_lr.is_some() {
            return wrong("value_learning_rate", "is set, must be absent where adaptive_lr sets the rate".into());
        }
        if self.learning_rate <= 0.0 || rate / self.learning_rate > f64::from(f32::MAX) {
            let own = self.learning_rate;
            return wrong("value_learning_rate", format!("is {rate}, too far above a learning_rate of {own}"));
        }
        Ok(())
    }
}
