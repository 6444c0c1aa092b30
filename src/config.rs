//! Settings of one PPO run, in CleanRL's words, for the GPU and the CPU alike.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Over which rows advantages are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNorm {
    /// Used as they are.
    None,
    /// Over each minibatch (CleanRL, Stable-Baselines3).
    Minibatch,
    /// Once over the whole batch (rsl_rl, Spinning Up).
    Batch,
}

/// Form of the value loss; v_c = v_old + clamp(v − v_old, ±`clip_coef_vf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueLoss {
    /// mean (v − R)².
    Plain,
    /// mean max((v − R)², (v_c − R)²) (CleanRL, baselines).
    ClipMax,
    /// mean (v_c − R)² (Stable-Baselines3 with `clip_range_vf`).
    ClipOnly,
}

/// When the update stops early because the policy moved too far; `approx_kl` is the k3 estimate of a minibatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlStop {
    /// Before the step of the first minibatch whose `approx_kl` exceeds the limit (Stable-Baselines3).
    Minibatch,
    /// After an epoch whose last minibatch exceeded the limit (CleanRL).
    Epoch,
}

/// How weight decay enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam; decay is added to the gradient.
    Adam,
    /// AdamW; decay shrinks the parameters before the step.
    AdamW,
}

/// All settings of PPO, one type for both implementations.
///
/// Loss of a minibatch, to be minimised (Schulman et al. 2017, equations 7 and 9):
///
/// ```text
/// r      = exp(clamp(logp − logp_old, ±20))
/// policy = −mean min(r A, clamp(r, 1 − clip_coef, 1 + clip_coef) A)       (where A < 0 with dual_clip c: max(·, c A))
/// loss   = policy − ent_coef · mean entropy + vf_coef · vf_loss_scale · value_loss
/// ```
///
/// Start from a preset and change fields; [`validate`](Self::validate) is called wherever a configuration is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PpoConfig {
    /// Environments that step side by side (N).
    pub num_envs: usize,
    /// Steps of each environment per update (T); a batch has T × N rows.
    pub num_steps: usize,
    /// Environment steps of the whole run; sets the number of updates, hence the slope of the learning rate.
    pub total_timesteps: u64,
    /// Adam's step size at the start.
    pub learning_rate: f64,
    /// Learning rate falls linearly: update u (from 0) of U uses `learning_rate · (1 − u/U)`.
    pub anneal_lr: bool,
    /// Discount γ, in [0, 1].
    pub gamma: f64,
    /// λ of generalised advantage estimation, in [0, 1].
    pub gae_lambda: f64,
    /// Minibatches per epoch; the last may be smaller. Ignored where `minibatch_size` is set.
    pub num_minibatches: usize,
    /// Rows of a minibatch, in place of `num_minibatches`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minibatch_size: Option<usize>,
    /// Passes over the batch (K).
    pub update_epochs: usize,
    /// Scope of advantage normalisation.
    pub norm_adv: AdvantageNorm,
    /// 1: divide by n − 1 (PyTorch); 0: divide by n (NumPy, JAX). A scope of one row is left as it is.
    pub adv_ddof: u32,
    /// Added to the standard deviation.
    pub adv_eps: f64,
    /// ε of the clipped surrogate, above 0.
    pub clip_coef: f64,
    /// c > 1 of the dual clip (Ye et al. 2020), off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
    /// Form of the value loss (CleanRL's `clip_vloss`, as three choices).
    pub value_loss: ValueLoss,
    /// Clip range of the value; `clip_coef` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_coef_vf: Option<f64>,
    /// Factor of the mean squared error before `vf_coef`: ½ (CleanRL) or 1 (Stable-Baselines3). The reported
    /// `value_loss` includes it.
    pub vf_loss_scale: f64,
    /// Weight of the entropy bonus.
    pub ent_coef: f64,
    /// Weight of the value loss.
    pub vf_coef: f64,
    /// Limit of the joint gradient norm: g · min(1, max / (norm + 1e-6)); off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
    /// Early stop: limit of `approx_kl` before `target_kl_factor`; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_kl: Option<f64>,
    /// The limit is `target_kl_factor · target_kl`: 1 (CleanRL) or 1.5 (Stable-Baselines3).
    pub target_kl_factor: f64,
    /// When the limit is looked at.
    pub kl_stop: KlStop,
    /// Adam or AdamW.
    pub optimizer: Optimizer,
    /// Added to √v̂, outside the root (PyTorch's placement).
    pub adam_eps: f64,
    /// Decay of the first moment, in [0, 1).
    pub adam_beta1: f64,
    /// Decay of the second moment, in [0, 1).
    pub adam_beta2: f64,
    /// Weight decay, see [`Optimizer`].
    pub weight_decay: f64,
}

impl PpoConfig {
    /// CleanRL's `ppo.py` (discrete actions).
    pub fn cleanrl() -> Self {
        Self {
            num_envs: 4,
            num_steps: 128,
            total_timesteps: 500_000,
            learning_rate: 2.5e-4,
            anneal_lr: true,
            gamma: 0.99,
            gae_lambda: 0.95,
            num_minibatches: 4,
            minibatch_size: None,
            update_epochs: 4,
            norm_adv: AdvantageNorm::Minibatch,
            adv_ddof: 1,
            adv_eps: 1e-8,
            clip_coef: 0.2,
            dual_clip: None,
            value_loss: ValueLoss::ClipMax,
            clip_coef_vf: None,
            vf_loss_scale: 0.5,
            ent_coef: 0.01,
            vf_coef: 0.5,
            max_grad_norm: Some(0.5),
            target_kl: None,
            target_kl_factor: 1.0,
            kl_stop: KlStop::Epoch,
            optimizer: Optimizer::Adam,
            adam_eps: 1e-5,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            weight_decay: 0.0,
        }
    }

    /// CleanRL's `ppo_continuous_action.py`.
    pub fn cleanrl_continuous() -> Self {
        Self {
            num_envs: 1,
            num_steps: 2048,
            total_timesteps: 1_000_000,
            learning_rate: 3e-4,
            num_minibatches: 32,
            update_epochs: 10,
            ent_coef: 0.0,
            ..Self::cleanrl()
        }
    }

    /// Stable-Baselines3's `PPO` defaults.
    pub fn sb3() -> Self {
        Self {
            num_envs: 1,
            num_steps: 2048,
            total_timesteps: 1_000_000,
            learning_rate: 3e-4,
            anneal_lr: false,
            num_minibatches: 32,
            minibatch_size: Some(64),
            update_epochs: 10,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            ent_coef: 0.0,
            target_kl_factor: 1.5,
            kl_stop: KlStop::Minibatch,
            ..Self::cleanrl()
        }
    }

    /// Rows of one batch: `num_steps × num_envs`.
    pub fn batch_size(&self) -> usize {
        self.num_steps * self.num_envs
    }

    /// Rows of a full minibatch for a batch of `rows`, at least 1 and at most `rows`.
    pub fn minibatch_rows(&self, rows: usize) -> usize {
        self.minibatch_size.unwrap_or_else(|| rows.div_ceil(self.num_minibatches.max(1))).clamp(1, rows.max(1))
    }

    /// Updates of the whole run: `total_timesteps / batch_size`, rounded down as CleanRL does, at least 1.
    pub fn num_updates(&self) -> u64 {
        (self.total_timesteps / (self.batch_size().max(1) as u64)).max(1)
    }

    /// Learning rate of update `update` (from 0); 0 after the last when annealing.
    pub fn learning_rate_at(&self, update: u64) -> f64 {
        if self.anneal_lr {
            self.learning_rate * (1.0 - update as f64 / self.num_updates() as f64).max(0.0)
        } else {
            self.learning_rate
        }
    }

    /// Limit of `approx_kl`, if there is one.
    pub fn kl_limit(&self) -> Option<f64> {
        self.target_kl.map(|target| target * self.target_kl_factor)
    }

    /// Refuses settings out of range.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first bad field, its value and its range.
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
        if self.adv_ddof > 1 {
            return Err(Error::config("adv_ddof", format!("is {}, must be 0 or 1", self.adv_ddof)));
        }
        // (name, value, lowest, highest, whether the lowest and the highest are themselves allowed)
        let max = f64::from(f32::MAX);
        let ranges = [
            ("learning_rate", self.learning_rate, 0.0, max, true, true),
            ("gamma", self.gamma, 0.0, 1.0, true, true),
            ("gae_lambda", self.gae_lambda, 0.0, 1.0, true, true),
            ("adv_eps", self.adv_eps, 0.0, max, true, true),
            ("clip_coef", self.clip_coef, 0.0, max, false, true),
            ("dual_clip", self.dual_clip.unwrap_or(2.0), 1.0, max, false, true),
            ("clip_coef_vf", self.clip_coef_vf.unwrap_or(1.0), 0.0, max, false, true),
            ("vf_loss_scale", self.vf_loss_scale, 0.0, max, true, true),
            ("ent_coef", self.ent_coef, -max, max, true, true),
            ("vf_coef", self.vf_coef, 0.0, max, true, true),
            ("max_grad_norm", self.max_grad_norm.unwrap_or(1.0), 0.0, max, false, true),
            ("target_kl", self.target_kl.unwrap_or(1.0), 0.0, max, false, true),
            ("target_kl_factor", self.target_kl_factor, 0.0, max, false, true),
            ("adam_eps", self.adam_eps, 0.0, max, true, true),
            ("adam_beta1", self.adam_beta1, 0.0, 1.0, true, false),
            ("adam_beta2", self.adam_beta2, 0.0, 1.0, true, false),
            ("weight_decay", self.weight_decay, 0.0, max, true, true),
        ];
        for (field, value, low, high, with_low, with_high) in ranges {
            let above = if with_low { value >= low } else { value > low };
            let below = if with_high { value <= high } else { value < high };
            if !(above && below) {
                let (open, close) = (if with_low { '[' } else { '(' }, if with_high { ']' } else { ')' });
                return Err(Error::config(field, format!("is {value}, must be in {open}{low}, {high}{close}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_derived_sizes_are_cleanrls() {
        for preset in [PpoConfig::cleanrl(), PpoConfig::cleanrl_continuous(), PpoConfig::sb3()] {
            assert!(preset.validate().is_ok());
        }
        let config = PpoConfig::cleanrl();
        assert_eq!((config.batch_size(), config.minibatch_rows(512), config.num_updates()), (512, 128, 976));
        assert_eq!(config.learning_rate_at(0), 2.5e-4);
        assert!((config.learning_rate_at(975) - 2.5e-4 / 976.0).abs() < 1e-18);
    }

    #[test]
    fn bad_settings_are_named() {
        let bad = PpoConfig { clip_coef: 0.0, ..PpoConfig::cleanrl() };
        assert_eq!(
            bad.validate().unwrap_err().to_string(),
            format!("config: clip_coef: is 0, must be in (0, {}]", f32::MAX as f64)
        );
        let nan = PpoConfig { gamma: f64::NAN, ..PpoConfig::cleanrl() };
        assert!(nan.validate().is_err());
    }
}
