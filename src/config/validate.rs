//! What may stand in the settings, and what goes together.

use super::algorithm::Algorithm;
use super::choices::ValueLoss;
use super::config::Config;
use super::norm_obs::ObsNorm;
use super::norm_reward::RewardNorm;
use super::norm_value::ValueNorm;
use super::ppo::Ppo;
use super::range::{Range, check};
use super::schedule::Anneal;
use super::trust_region::TrustRegion;
use crate::error::{Error, Result};
use crate::memory::{product, word};

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
            Range::above("clip_coef_vf", self.clip_coef_vf.unwrap_or(1.0), 0.0, max),
            Range::closed("vf_loss_scale", self.vf_loss_scale, 0.0, max),
            Range::closed("ent_coef", self.ent_coef, -max, max),
            Range::closed("vf_coef", self.vf_coef, 0.0, max),
            Range::above("max_grad_norm", self.max_grad_norm.unwrap_or(1.0), 0.0, max),
            Range::closed("adam_eps", self.adam_eps, 0.0, max),
            Range::below("adam_beta1", self.adam_beta1, 0.0, 1.0),
            Range::below("adam_beta2", self.adam_beta2, 0.0, 1.0),
            Range::closed("weight_decay", self.weight_decay, 0.0, max),
            Range::below("rmsprop_alpha", self.rmsprop_alpha, 0.0, 1.0),
            Range::closed("rmsprop_eps", self.rmsprop_eps, 0.0, max),
            Range::closed("ent_coef_schedule.to", self.ent_coef_schedule.end(), -max, max),
            Range::closed("clip_coef_vf_schedule.to", self.clip_coef_vf_schedule.end(), 0.0, max),
            Range::above("value_loss.delta", delta, 0.0, max),
            Range::above("value_loss.max", error, 0.0, max),
            Range::closed("value_learning_rate", self.value_learning_rate.unwrap_or(0.0), 0.0, max),
            Range::closed("init.hidden_gain", self.init.hidden_gain, 0.0, max),
            Range::closed("init.policy_gain", self.init.policy_gain, 0.0, max),
            Range::closed("init.value_gain", self.init.value_gain, 0.0, max),
            Range::closed("init.log_std", self.init.log_std, -max, max),
        ])?;
        self.norm_obs.iter().try_for_each(ObsNorm::validate)?;
        self.norm_reward.iter().try_for_each(RewardNorm::validate)?;
        self.norm_value.iter().try_for_each(ValueNorm::validate)?;
        self.advantage.validate()?;
        self.algorithm.validate()?;
        self.validate_algorithm()
    }

    /// What an algorithm needs, and settings that it would silently leave aside.
    fn validate_algorithm(&self) -> Result<()> {
        let name = self.algorithm.name();
        let wrong = |field: &'static str, message: String| Err(Error::config(field, message));
        match &self.algorithm {
            Algorithm::PpoPenalty(Ppo { kl_penalty: None, .. }) => {
                return wrong("kl_penalty", format!("is absent, {name} needs it"));
            }
            Algorithm::Ppo(ppo) | Algorithm::PpoPenalty(ppo) => {
                if ppo.adaptive_lr.is_some() && self.anneal_lr {
                    return wrong(
                        "anneal_lr",
                        "is true, must be false where adaptive_lr sets the learning rate".into(),
                    );
                }
                ppo.validate_together()?;
            }
            Algorithm::A2c(_) if self.update_epochs != 1 => {
                let epochs = self.update_epochs;
                return wrong("update_epochs", format!("is {epochs}, must be 1: a2c has no ratio for a second pass"));
            }
            Algorithm::A2c(_) => {}
            Algorithm::Reinforce(own) => self.validate_reinforce(own)?,
            Algorithm::Dqn(_) | Algorithm::Ddpg(_) | Algorithm::Td3(_) | Algorithm::Sac(_) => {
                return self.replay().map_or(Ok(()), |replay| self.validate_off_policy(replay));
            }
            Algorithm::Trpo(TrustRegion { step_size: Some(_), .. }) => {
                return wrong("trust_region.step_size", "is set, trpo's step is as long as max_kl lets it be".into());
            }
            Algorithm::Trpo(_) | Algorithm::Npg(_) => {
                if self.ent_coef != 0.0 {
                    return wrong("ent_coef", format!("is {}, {name} has no entropy bonus", self.ent_coef));
                }
            }
        }
        self.validate_schedules()
    }

    /// Schedules and rates that would move nothing.
    fn validate_schedules(&self) -> Result<()> {
        let name = self.algorithm.name();
        let wrong = |field: &'static str, message: String| Err(Error::config(field, message));
        let region = self.trust_region().is_some();
        if region && self.ent_coef_schedule != Anneal::None {
            return wrong("ent_coef_schedule", format!("is set, {name} has no entropy bonus"));
        }
        let clips_value = matches!(self.value_loss, ValueLoss::ClipMax | ValueLoss::ClipOnly) && !region;
        let clips_ratio = self.ppo().is_some_and(Ppo::clips);
        let moves = self.algorithm.clip().is_some_and(|(_, schedule)| schedule != Anneal::None);
        if moves && !clips_ratio && !(clips_value && self.clip_coef_vf.is_none()) {
            return wrong("clip_coef_schedule", "is set, but nothing is clipped by clip_coef".into());
        }
        if self.clip_coef_vf_schedule != Anneal::None && !(clips_value && self.clip_coef_vf.is_some()) {
            return wrong("clip_coef_vf_schedule", "is set, but nothing is clipped by clip_coef_vf".into());
        }
        let Some(rate) = self.value_learning_rate else { return Ok(()) };
        if region {
            return wrong("value_learning_rate", format!("is set, {name}'s learning_rate is the critic's already"));
        }
        if self.adaptive_lr().is_some() {
            return wrong("value_learning_rate", "is set, must be absent where adaptive_lr sets the rate".into());
        }
        if self.learning_rate <= 0.0 || rate / self.learning_rate > f64::from(f32::MAX) {
            let own = self.learning_rate;
            return wrong("value_learning_rate", format!("is {rate}, too far above a learning_rate of {own}"));
        }
        Ok(())
    }
}
