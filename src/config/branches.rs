//! Which branches of a policy an algorithm needs.

use super::algorithm::AlgorithmKind;
use super::config::Config;
use crate::error::{Error, Result};
use crate::policy::{Branch, PolicySpec};

impl AlgorithmKind {
    /// Whether it learns a critic, the branch `value`. All but REINFORCE do.
    pub const fn has_critic(self) -> bool {
        !matches!(self, Self::Reinforce)
    }

    /// `spec` as it learns it: without the critic if it has none.
    #[must_use]
    pub fn fitted(self, spec: PolicySpec) -> PolicySpec {
        if self.has_critic() { spec } else { spec.without_critic() }
    }
}

impl Config {
    /// Refuses a policy that lacks a branch that the algorithm needs, or has one that it would never move.
    pub(crate) fn check_branches(&self, spec: &PolicySpec) -> Result<()> {
        let kind = self.algorithm.kind();
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
