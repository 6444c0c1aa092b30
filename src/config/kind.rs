//! The names of the algorithms.

use serde::{Deserialize, Serialize};

/// Which algorithm: its name, as files and the program have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlgorithmKind {
    /// The clipped surrogate (Schulman et al. 2017), with [`KlPenalty`](super::KlPenalty) on top if it is set.
    #[default]
    Ppo,
    /// The surrogate with a KL penalty in place of the clip (the same paper, section 4).
    PpoPenalty,
    /// Trust region policy optimisation (Schulman et al. 2015): natural gradient, then a line search.
    Trpo,
    /// Natural policy gradient (Kakade 2001) with TRPO's step length and no line search.
    Npg,
    /// The plain policy gradient with a baseline (Mnih et al. 2016): one pass, no ratio.
    A2c,
    /// The plain policy gradient by returns to go (Williams 1992): whole episodes, no critic.
    Reinforce,
    /// Q-learning with a network (Mnih et al. 2015), for choices.
    Dqn,
    /// The deterministic policy gradient (Lillicrap et al. 2016), for floats within bounds.
    Ddpg,
    /// The same with two critics, delays and noise on the target (Fujimoto et al. 2018).
    Td3,
    /// The soft actor-critic (Haarnoja et al. 2018), for floats within bounds, and for choices (Christodoulou 2019).
    Sac,
}

impl AlgorithmKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ppo,
        Self::PpoPenalty,
        Self::Trpo,
        Self::Npg,
        Self::A2c,
        Self::Reinforce,
        Self::Dqn,
        Self::Ddpg,
        Self::Td3,
        Self::Sac,
    ];

    /// Those that learn from rollouts of their own policy.
    pub const ON_POLICY: [Self; 6] = [Self::Ppo, Self::PpoPenalty, Self::Trpo, Self::Npg, Self::A2c, Self::Reinforce];

    /// Those that learn from a replay memory.
    pub const OFF_POLICY: [Self; 4] = [Self::Dqn, Self::Ddpg, Self::Td3, Self::Sac];

    /// Whether its policies over floats have a standard deviation: the actors of DDPG and TD3 have none.
    pub const fn has_std(self) -> bool {
        !matches!(self, Self::Ddpg | Self::Td3)
    }

    /// As the program spells it: `ppo`, `ppo-penalty`, `trpo`, `npg`, `a2c`, `reinforce`, `dqn`, `ddpg`, `td3`, `sac`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ppo => "ppo",
            Self::PpoPenalty => "ppo-penalty",
            Self::Trpo => "trpo",
            Self::Npg => "npg",
            Self::A2c => "a2c",
            Self::Reinforce => "reinforce",
            Self::Dqn => "dqn",
            Self::Ddpg => "ddpg",
            Self::Td3 => "td3",
            Self::Sac => "sac",
        }
    }

    /// Whether the policy's step is a natural gradient, with the settings of a [`TrustRegion`](super::TrustRegion).
    pub const fn is_trust_region(self) -> bool {
        matches!(self, Self::Trpo | Self::Npg)
    }
}
