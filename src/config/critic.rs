//! Which algorithm has a critic, and what is refused where there is none.

use super::choices::{AdvantageNorm, GradClip};
use super::config::Config;
use super::kind::AlgorithmKind;
use super::reinforce::{Baseline, Reinforce};
use crate::error::{Error, Result};
use crate::policy::{Branch, Input, PolicySpec};

impl AlgorithmKind {
    /// Whether it learns a critic of observations, the branch `value`: all that learn from rollouts but REINFORCE.
    pub const fn has_critic(self) -> bool {
        !matches!(self, Self::Reinforce) && !self.is_off_policy()
    }

    /// `spec` as it learns it. REINFORCE and DQN drop the branch `value` (a dueling DQN has one: [`Config::fitted`]). DDPG, TD3 and SAC take their
    /// critics in its place, as deep and wide as the actor, and of a Gaussian with bounds the tanh-Gaussian: its mean with DDPG and TD3, with a
    /// deviation from the state with SAC. With a categorical head SAC's critics are those of choices.
    #[must_use]
    pub fn fitted(self, spec: PolicySpec) -> PolicySpec {
        match self.critics() {
            Some(critics) => self.fitted_off_policy(spec, critics),
            None if self.has_critic() => spec,
            None => spec.without_critic(),
        }
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

    /// Refuses a policy that lacks a branch that the algorithm needs, or has one that it would never move, or has another head.
    /// [`fitted`](Self::fitted) gives a policy the branches; whether an algorithm takes a head at all is asked here.
    ///
    /// # Errors
    /// [`Error::Config`] with what the algorithm takes.
    pub fn check_branches(&self, spec: &PolicySpec) -> Result<()> {
        let kind = self.algorithm.kind();
        if let Some(critics) = kind.critics() {
            return self.check_off_policy(spec, critics);
        }
        if let Some(branch) = spec.critics().first().and_then(|index| spec.branches.get(*index)) {
            let (name, algorithm) = (&branch.name, kind.name());
            let what = if branch.input == Input::ObsAction { "on observation and action" } else { "of choices" };
            let message = format!("have a branch \"{name}\" {what}, {algorithm} has no such critic");
            return Err(Error::config("branches", message));
        }
        let message = match (kind.has_critic(), spec.branch(Branch::VALUE).is_some()) {
            (true, false) => format!("have no branch \"value\", which is the critic of {}", kind.name()),
            (false, true) => {
                format!("have a branch \"value\", but {} has no critic (PolicySpec::without_critic)", kind.name())
            }
            _ => return Ok(()),
        };
        Err(Error::config("branches", message))
    }
}
