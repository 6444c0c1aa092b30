//! Which policies the off-policy algorithms take.

use super::config::Config;
use super::kind::AlgorithmKind;
use crate::error::{Error, Result};
use crate::policy::{Branch, Head, Input, PolicySpec, Std};

impl AlgorithmKind {
    /// `spec` as an off-policy algorithm with `critics` learns it: critics as deep and wide as the actor, and its head. A deviation that SAC can
    /// learn stays as it is.
    pub(super) fn fitted_off_policy(self, spec: PolicySpec, critics: usize) -> PolicySpec {
        if critics == 0 {
            return spec.without_critic();
        }
        let head = match spec.head.clone() {
            Head::Gaussian { dims, bounds: Some(bounds), std } | Head::TanhGaussian { dims, bounds, std } => {
                let std = match self {
                    Self::Sac if std.suits_sac() => std,
                    Self::Sac => Std::SAC,
                    _ => Std::FREE,
                };
                Head::TanhGaussian { dims, std, bounds }
            }
            other => other,
        };
        let (obs_dim, hidden) = (spec.obs_dim(), spec.hidden(Branch::POLICY));
        let fitted = PolicySpec::actor_critics(obs_dim, &hidden, spec.activation, head, critics);
        PolicySpec { obs_shape: spec.obs_shape, ..fitted }
    }
}

impl Config {
    /// `spec` as the algorithm learns it with these settings: as [`AlgorithmKind::fitted`], and of a [dueling](super::Dqn::dueling) DQN with a branch
    /// `value`, as deep and wide as `policy` if `spec` has none.
    #[must_use]
    pub fn fitted(&self, spec: PolicySpec) -> PolicySpec {
        let kind = self.algorithm.kind();
        if !self.is_dueling() {
            return kind.fitted(spec);
        }
        let value = spec.branch(Branch::VALUE).cloned().unwrap_or_else(|| {
            let widths = [spec.hidden(Branch::POLICY), vec![1]].concat();
            let input = spec.branch(Branch::POLICY).map_or(Input::Obs, |policy| policy.input.clone());
            Branch::dense(Branch::VALUE, input, &widths)
        });
        let mut fitted = kind.fitted(spec);
        fitted.branches.push(value);
        fitted
    }

    /// Whether Q is the sum of a value and of advantages.
    pub(crate) fn is_dueling(&self) -> bool {
        self.dqn().is_some_and(|own| own.dueling)
    }

    /// Refuses a policy that an off-policy algorithm cannot have; `critics` as [`AlgorithmKind::critics`].
    pub(super) fn check_off_policy(&self, spec: &PolicySpec, critics: usize) -> Result<()> {
        let (kind, head) = (self.algorithm.kind(), &spec.head);
        let name = kind.name();
        let has = spec.branches.iter().filter(|branch| Branch::CRITICS.contains(&branch.name.as_str())).count();
        let wrong_head = |wants: &str| Err(Error::config("head", format!("is {}, {name} takes {wants}", head.name())));
        match (kind, head) {
            (AlgorithmKind::Dqn, Head::Categorical { masked: false, .. }) => {}
            (AlgorithmKind::Dqn, _) => return wrong_head("categorical without masks: a number of choices"),
            (AlgorithmKind::Sac, Head::Categorical { masked: false, .. }) => {}
            (AlgorithmKind::Sac, Head::TanhGaussian { std, .. }) => {
                if !std.suits_sac() {
                    let wants = "its logarithm from the state, within a clamp or by tanh";
                    return Err(Error::config("head.std", format!("is {std:?}, {name} takes {wants}")));
                }
            }
            (_, Head::TanhGaussian { std, .. }) => {
                if std.from_state {
                    let message = format!("is from the state, {name}'s actor has no deviation");
                    return Err(Error::config("head.std", message));
                }
            }
            (AlgorithmKind::Sac, _) => {
                return wrong_head(
                    "tanh_gaussian (floats within bounds) or categorical without masks (a number of choices)",
                );
            }
            _ => return wrong_head("tanh_gaussian: floats within bounds"),
        }
        match (self.is_dueling(), spec.branch(Branch::VALUE).is_some()) {
            (false, true) => {
                let message = format!("have a branch \"value\", but {name} has none (AlgorithmKind::fitted)");
                return Err(Error::config("branches", message));
            }
            (true, false) => {
                let message = format!("have no branch \"value\", which {name} has with dueling (Config::fitted)");
                return Err(Error::config("branches", message));
            }
            _ => {}
        }
        if spec.trunk().is_some() {
            return Err(Error::config("branches", format!("have a trunk, {name}'s networks share no layers")));
        }
        if has != critics {
            let message = format!("have {has} critics, {name} has {critics} (AlgorithmKind::fitted)");
            return Err(Error::config("branches", message));
        }
        Ok(())
    }
}
