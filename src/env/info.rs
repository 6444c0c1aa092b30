//! What the table says of an environment.

use crate::config::Config;

/// What an environment takes as an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ActionSpace {
    /// One index below this number.
    Discrete(usize),
    /// Floats. The limits are those that Gymnasium states; what lies outside is the environment's own affair (it may clip).
    Box {
        /// Per dimension.
        low: &'static [f32],
        /// Per dimension, above `low`.
        high: &'static [f32],
    },
}

impl ActionSpace {
    /// 32-bit words per action.
    pub const fn dims(self) -> usize {
        match self {
            Self::Discrete(_) => 1,
            Self::Box { low, .. } => low.len(),
        }
    }

    /// Whether actions are indices.
    pub const fn is_discrete(self) -> bool {
        matches!(self, Self::Discrete(_))
    }
}

/// Everything about an environment but its mathematics.
#[derive(Debug, Clone, Copy)]
pub struct EnvInfo {
    /// As the program spells it.
    pub name: &'static str,
    /// Gymnasium's id, of those that Gymnasium has.
    pub gymnasium_id: Option<&'static str>,
    /// One line for the program's help.
    pub about: &'static str,
    /// Width of an observation.
    pub obs_dim: usize,
    /// Ranges of the physical state's numbers that play reaches, a little past its ends: what checks draw states from.
    pub state_range: &'static [[f32; 2]],
    /// Largest magnitude of a reward, for the tolerance of checks.
    pub reward_size: f32,
    /// Steps after which an episode is truncated, at least 1.
    pub time_limit: u32,
    /// What it takes.
    pub actions: ActionSpace,
    /// Mean return at which it counts as solved or learnt.
    pub solved_at: f64,
    /// Settings and hidden widths that learn it.
    pub tuned: fn() -> (Config, Vec<usize>),
}
