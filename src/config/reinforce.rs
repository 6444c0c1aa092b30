//! What REINFORCE alone reads.

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
/// In files its key stands beside those of [`Config`](super::Config).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reinforce {
    /// What the returns are compared with. [`Config::norm_adv`](super::Config::norm_adv) subtracts a mean, too, and divides by the deviation; it asks for a baseline.
    pub baseline: Baseline,
}

impl Reinforce {
    /// Spinning Up's, in its example `2_rtg_pg.py`.
    pub const fn spinningup() -> Self {
        Self { baseline: Baseline::None }
    }
}
