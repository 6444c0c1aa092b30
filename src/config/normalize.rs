//! Running normalisation of observations, rewards and value targets.
//!
//! A running statistic has a mean, a variance and a count. It begins with mean 0, variance 1 and `initial_count`, and merges each
//! batch of n numbers with mean m and variance v (by n, not n − 1):
//!
//! ```text
//! d = m − mean;  total = count + n
//! variance ← (variance · count + v · n + d² · count · n / total) / total;   mean ← mean + d · n / total;   count ← total
//! ```
//!
//! If one of them would not be finite after a batch, or beyond f32, the batch is counted, but mean and variance stay.
//! Its rewards and value targets are then NaN, so the update's gradient is refused and the statistics say so.
//!
//! Both are what f64 gives, to 1e-6 of the deviation and of the variance, whatever the count and however far the mean is from 0: f64 on the
//! CPU, two f32 on the device; x − mean has all their digits. What is merged are f32. A discounted return G is one, too, rounded at every
//! step: of its variance that is a share of (3e-8 · mean / deviation)² / (1 − γ²), 5e-8 at a thousand deviations from 0 and 5e-4 at 10⁵.

use serde::{Deserialize, Serialize};

/// Where ε stands in the divisor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsPlacement {
    /// √(variance + ε): Stable-Baselines3, Gymnasium, PureJaxRL, rl_games, Sample Factory.
    #[default]
    InsideRoot,
    /// √variance + ε: rsl_rl, Lizhi's PPO tricks.
    OutsideRoot,
}

/// Stable-Baselines3's.
pub(super) const fn eps() -> f64 {
    1e-8
}

/// Stable-Baselines3's and Gymnasium's.
pub(super) const fn initial_count() -> f64 {
    1e-4
}
