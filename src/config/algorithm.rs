//! The algorithms, and what each of them alone reads.

use super::a2c::A2c;
use super::ppo::Ppo;
use super::reinforce::Reinforce;
use super::schedule::Anneal;
use super::surrogate::Surrogate;
use super::trust_region::TrustRegion;
use crate::error::Result;
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
}

impl AlgorithmKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ppo, Self::PpoPenalty, Self::Trpo, Self::Npg, Self::A2c, Self::Reinforce];

    /// As the program spells it: `ppo`, `ppo-penalty`, `trpo`, `npg`, `a2c`, `reinforce`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ppo => "ppo",
            Self::PpoPenalty => "ppo-penalty",
            Self::Trpo => "trpo",
            Self::Npg => "npg",
            Self::A2c => "a2c",
            Self::Reinforce => "reinforce",
        }
    }

    /// Whether the policy's step is a natural gradient, with the settings of a [`TrustRegion`].
    pub const fn is_trust_region(self) -> bool {
        matches!(self, Self::Trpo | Self::Npg)
    }
}

/// How a batch becomes new parameters, and the settings that only this way of doing it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// [`AlgorithmKind::Ppo`].
    Ppo(Ppo),
    /// [`AlgorithmKind::PpoPenalty`]: the same settings, and a [`kl_penalty`](Ppo::kl_penalty) has to be among them.
    PpoPenalty(Ppo),
    /// [`AlgorithmKind::Trpo`].
    Trpo(TrustRegion),
    /// [`AlgorithmKind::Npg`].
    Npg(TrustRegion),
    /// [`AlgorithmKind::A2c`].
    A2c(A2c),
    /// [`AlgorithmKind::Reinforce`].
    Reinforce(Reinforce),
}

impl From<AlgorithmKind> for Algorithm {
    /// With the settings of its usual preset, [`Preset::usual`](super::Preset::usual).
    fn from(kind: AlgorithmKind) -> Self {
        match kind {
            AlgorithmKind::Ppo => Self::Ppo(Ppo::cleanrl()),
            AlgorithmKind::PpoPenalty => Self::PpoPenalty(Ppo::penalty()),
            AlgorithmKind::Trpo => Self::Trpo(TrustRegion::sb3_contrib()),
            AlgorithmKind::Npg => Self::Npg(TrustRegion::spinningup()),
            AlgorithmKind::A2c => Self::A2c(A2c::sb3()),
            AlgorithmKind::Reinforce => Self::Reinforce(Reinforce::spinningup()),
        }
    }
}

impl From<Ppo> for Algorithm {
    /// [`Algorithm::Ppo`].
    fn from(settings: Ppo) -> Self {
        Self::Ppo(settings)
    }
}

impl From<A2c> for Algorithm {
    fn from(settings: A2c) -> Self {
        Self::A2c(settings)
    }
}

impl From<Reinforce> for Algorithm {
    fn from(settings: Reinforce) -> Self {
        Self::Reinforce(settings)
    }
}

impl Algorithm {
    /// Which one.
    pub const fn kind(&self) -> AlgorithmKind {
        match self {
            Self::Ppo(_) => AlgorithmKind::Ppo,
            Self::PpoPenalty(_) => AlgorithmKind::PpoPenalty,
            Self::Trpo(_) => AlgorithmKind::Trpo,
            Self::Npg(_) => AlgorithmKind::Npg,
            Self::A2c(_) => AlgorithmKind::A2c,
            Self::Reinforce(_) => AlgorithmKind::Reinforce,
        }
    }

    /// As the program spells it, [`AlgorithmKind::name`].
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The same settings under another name that has them, too: `ppo` and `ppo-penalty`, `trpo` and `npg`. `None` for other pairs.
    pub const fn renamed(self, kind: AlgorithmKind) -> Option<Self> {
        match (self, kind) {
            (Self::Ppo(ppo) | Self::PpoPenalty(ppo), AlgorithmKind::Ppo) => Some(Self::Ppo(ppo)),
            (Self::Ppo(ppo) | Self::PpoPenalty(ppo), AlgorithmKind::PpoPenalty) => Some(Self::PpoPenalty(ppo)),
            (Self::Trpo(region) | Self::Npg(region), AlgorithmKind::Trpo) => Some(Self::Trpo(region)),
            (Self::Trpo(region) | Self::Npg(region), AlgorithmKind::Npg) => Some(Self::Npg(region)),
            (Self::A2c(a2c), AlgorithmKind::A2c) => Some(Self::A2c(a2c)),
            (Self::Reinforce(own), AlgorithmKind::Reinforce) => Some(Self::Reinforce(own)),
            _ => None,
        }
    }

    /// PPO's settings, if it is PPO, with or without a penalty.
    pub const fn ppo(&self) -> Option<&Ppo> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => Some(ppo),
            Self::Trpo(_) | Self::Npg(_) | Self::A2c(_) | Self::Reinforce(_) => None,
        }
    }

    /// [`ppo`](Self::ppo), to change them.
    pub const fn ppo_mut(&mut self) -> Option<&mut Ppo> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => Some(ppo),
            Self::Trpo(_) | Self::Npg(_) | Self::A2c(_) | Self::Reinforce(_) => None,
        }
    }

    /// The trust region's settings, if the policy's step is a natural gradient (`trpo`, `npg`), so that the optimiser moves the critic
    /// only.
    pub const fn trust_region(&self) -> Option<&TrustRegion> {
        match self {
            Self::Trpo(region) | Self::Npg(region) => Some(region),
            Self::Ppo(_) | Self::PpoPenalty(_) | Self::A2c(_) | Self::Reinforce(_) => None,
        }
    }

    /// [`trust_region`](Self::trust_region), to change them.
    pub const fn trust_region_mut(&mut self) -> Option<&mut TrustRegion> {
        match self {
            Self::Trpo(region) | Self::Npg(region) => Some(region),
            Self::Ppo(_) | Self::PpoPenalty(_) | Self::A2c(_) | Self::Reinforce(_) => None,
        }
    }

    /// REINFORCE's settings, if it is that.
    pub const fn reinforce(&self) -> Option<&Reinforce> {
        if let Self::Reinforce(own) = self { Some(own) } else { None }
    }

    /// [`reinforce`](Self::reinforce), to change them.
    pub const fn reinforce_mut(&mut self) -> Option<&mut Reinforce> {
        if let Self::Reinforce(own) = self { Some(own) } else { None }
    }

    /// `clip_coef` and its schedule. Trust regions and REINFORCE clip nothing and have none.
    pub const fn clip(&self) -> Option<(f64, Anneal)> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => Some((ppo.clip_coef, ppo.clip_coef_schedule)),
            Self::A2c(a2c) => Some((a2c.clip_coef, a2c.clip_coef_schedule)),
            Self::Trpo(_) | Self::Npg(_) | Self::Reinforce(_) => None,
        }
    }

    /// With another constant `clip_coef` where there is one.
    pub(super) fn clipped_at(mut self, range: Option<f64>) -> Self {
        match (&mut self, range) {
            (Self::Ppo(ppo) | Self::PpoPenalty(ppo), Some(range)) => {
                (ppo.clip_coef, ppo.clip_coef_schedule) = (range, Anneal::None);
            }
            (Self::A2c(a2c), Some(range)) => (a2c.clip_coef, a2c.clip_coef_schedule) = (range, Anneal::None),
            (Self::Trpo(_) | Self::Npg(_) | Self::Reinforce(_), _) | (_, None) => {}
        }
        self
    }

    /// The policy's part of a minibatch's loss. The minibatches of a trust region are the critic's alone: the loss's policy gradient is
    /// thrown away there.
    pub fn surrogate(&self) -> Surrogate {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => ppo.surrogate(),
            Self::A2c(_) | Self::Reinforce(_) => Surrogate::LogProb,
            Self::Trpo(_) | Self::Npg(_) => Surrogate::Clip,
        }
    }

    /// Ranges of its own settings.
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => ppo.validate(),
            Self::Trpo(region) | Self::Npg(region) => region.validate(),
            Self::A2c(a2c) => a2c.validate(),
            Self::Reinforce(_) => Ok(()),
        }
    }
}
