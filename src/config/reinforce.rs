//! What REINFORCE alone reads.

use super::choices::{AdvantageNorm, GradClip};
use super::config::Config;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the returns are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Baseline {
    /// Nothing: a row weighs what it earned.
    #[default]
    None,
    /// The mean of the returns of all rows that count (Williams 1992, section 6.1; Sutton and Barto 2018, equation 13.11, with a baseline that
    /// is the same for all states). A row's own return is in it, so with n rows the gradient is (n − 1)/n of the unbiased one.
    Mean,
}

/// REINFORCE (Williams 1992): the plain policy gradient, weighted with what was earned from each step on, and no critic.
///
/// ```text
/// G_t    = r_t + γ G_{t+1} until the episode's end                  the return to go
/// policy = −mean logp(a_t | s_t) (G_t − baseline)                   over the rows of episodes that end within the window
/// ```
///
/// A row of an episode that goes on after the window has no return: it does not count. Rows of an episode that began before the
/// window do, since returns look ahead. The next window goes on where this one stopped. What is left out depends on how episodes end, so
/// windows should be several times as long as an episode. A truncated episode has the return that it collected. As everywhere in practice
/// the factor γ^t of the discounted objective's gradient is left out.
///
/// The policy has no branch `value` ([`AlgorithmKind::fitted`](super::AlgorithmKind::fitted)), values are 0, and settings that only a critic reads are
/// refused.
///
/// In files its key stands beside those of [`Config`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reinforce {
    /// What the returns are compared with. [`Config::norm_adv`] subtracts a mean, too, and divides by the deviation; it asks for a baseline.
    pub baseline: Baseline,
}

impl Reinforce {
    /// Spinning Up's, in its example `2_rtg_pg.py`.
    pub const fn spinningup() -> Self {
        Self { baseline: Baseline::None }
    }
}

impl Config {
    /// REINFORCE's settings, if that is the algorithm.
    pub const fn reinforce(&self) -> Option<&Reinforce> {
        self.algorithm.reinforce()
    }

    /// [`reinforce`](Self::reinforce), to change them.
    pub const fn reinforce_mut(&mut self) -> Option<&mut Reinforce> {
        self.algorithm.reinforce_mut()
    }

    /// Whether the mean over the batch is taken off the advantages, and nothing divided: a baseline without normalisation.
    pub(crate) fn centers(&self) -> bool {
        self.norm_adv == AdvantageNorm::None && self.reinforce().is_some_and(|own| own.baseline == Baseline::Mean)
    }

    /// Refuses what asks for a critic or for a second pass.
    pub(super) fn validate_reinforce(&self, own: &Reinforce) -> Result<()> {
        let wrong = |field: &'static str, message: String| Err(Error::config(field, message));
        if self.update_epochs != 1 {
            let epochs = self.update_epochs;
            return wrong("update_epochs", format!("is {epochs}, must be 1: reinforce has no ratio for a second pass"));
        }
        if self.gae_lambda != 1.0 {
            let lambda = self.gae_lambda;
            return wrong("gae_lambda", format!("is {lambda}, must be 1: reinforce adds up all rewards to come"));
        }
        if self.vf_coef != 0.0 {
            return wrong("vf_coef", format!("is {}, must be 0: reinforce has no critic", self.vf_coef));
        }
        for (set, field) in [
            (self.value_learning_rate.is_some(), "value_learning_rate"),
            (self.clip_coef_vf.is_some(), "clip_coef_vf"),
            (self.norm_value.is_some(), "norm_value"),
            (self.grad_clip == GradClip::Separate, "grad_clip"),
        ] {
            if set {
                let what = if field == "grad_clip" { "is separate" } else { "is set" };
                return wrong(field, format!("{what}, reinforce has no critic"));
            }
        }
        if !self.advantage.is_gae() {
            return wrong("advantage", "is set, reinforce takes whole returns".into());
        }
        if own.baseline == Baseline::None && self.norm_adv != AdvantageNorm::None {
            return wrong("norm_adv", "is on, but baseline is none: normalising subtracts the mean".into());
        }
        Ok(())
    }
}
