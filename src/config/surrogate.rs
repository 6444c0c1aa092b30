//! Which loss the policy has in a minibatch.

/// The policy's part of the loss of a minibatch, to be minimised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Surrogate {
    /// −mean min(r A, clamp(r, 1 ± `clip_coef`) A). On a device also the plain ratio's of a trust region: with a range that no ratio
    /// leaves.
    #[default]
    Clip,
    /// −mean r A.
    Ratio,
    /// −mean logp A.
    LogProb,
}

impl Surrogate {
    /// The number by which the kernels of the loss know it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Clip => 0,
            Self::Ratio => 1,
            Self::LogProb => 2,
        }
    }
}
