//! The algorithms with what each of them alone reads.

use super::a2c::A2c;
use super::dqn::Dqn;
use super::kind::AlgorithmKind;
use super::ppo::Ppo;
use super::reinforce::Reinforce;
use super::sac::Sac;
use super::schedule::Anneal;
use super::surrogate::Surrogate;
use super::td3::Td3;
use super::trust_region::TrustRegion;
use crate::error::Result;

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
    /// [`AlgorithmKind::Dqn`].
    Dqn(Dqn),
    /// [`AlgorithmKind::Ddpg`]: TD3's settings, of which `policy_noise` has to be 0.
    Ddpg(Td3),
    /// [`AlgorithmKind::Td3`].
    Td3(Td3),
    /// [`AlgorithmKind::Sac`].
    Sac(Sac),
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
            AlgorithmKind::Dqn => Self::Dqn(Dqn::cleanrl()),
            AlgorithmKind::Ddpg => Self::Ddpg(Td3::ddpg_cleanrl()),
            AlgorithmKind::Td3 => Self::Td3(Td3::cleanrl()),
            AlgorithmKind::Sac => Self::Sac(Sac::cleanrl()),
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

impl From<Dqn> for Algorithm {
    fn from(settings: Dqn) -> Self {
        Self::Dqn(settings)
    }
}

impl From<Td3> for Algorithm {
    /// [`Algorithm::Td3`].
    fn from(settings: Td3) -> Self {
        Self::Td3(settings)
    }
}

impl From<Sac> for Algorithm {
    fn from(settings: Sac) -> Self {
        Self::Sac(settings)
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
            Self::Dqn(_) => AlgorithmKind::Dqn,
            Self::Ddpg(_) => AlgorithmKind::Ddpg,
            Self::Td3(_) => AlgorithmKind::Td3,
            Self::Sac(_) => AlgorithmKind::Sac,
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
            (Self::Dqn(own), AlgorithmKind::Dqn) => Some(Self::Dqn(own)),
            (Self::Ddpg(own), AlgorithmKind::Ddpg) => Some(Self::Ddpg(own)),
            (Self::Td3(own), AlgorithmKind::Td3) => Some(Self::Td3(own)),
            (Self::Sac(own), AlgorithmKind::Sac) => Some(Self::Sac(own)),
            _ => None,
        }
    }

    /// PPO's settings, if it is PPO, with or without a penalty.
    pub const fn ppo(&self) -> Option<&Ppo> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => Some(ppo),
            _ => None,
        }
    }

    /// [`ppo`](Self::ppo), to change them.
    pub const fn ppo_mut(&mut self) -> Option<&mut Ppo> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => Some(ppo),
            _ => None,
        }
    }

    /// The trust region's settings, if the policy's step is a natural gradient (`trpo`, `npg`), so that the optimiser moves the critic
    /// only.
    pub const fn trust_region(&self) -> Option<&TrustRegion> {
        match self {
            Self::Trpo(region) | Self::Npg(region) => Some(region),
            _ => None,
        }
    }

    /// [`trust_region`](Self::trust_region), to change them.
    pub const fn trust_region_mut(&mut self) -> Option<&mut TrustRegion> {
        match self {
            Self::Trpo(region) | Self::Npg(region) => Some(region),
            _ => None,
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
            _ => None,
        }
    }

    /// With another constant `clip_coef` where there is one.
    pub(super) fn clipped_at(mut self, range: Option<f64>) -> Self {
        match (&mut self, range) {
            (Self::Ppo(ppo) | Self::PpoPenalty(ppo), Some(range)) => {
                (ppo.clip_coef, ppo.clip_coef_schedule) = (range, Anneal::None);
            }
            (Self::A2c(a2c), Some(range)) => (a2c.clip_coef, a2c.clip_coef_schedule) = (range, Anneal::None),
            _ => {}
        }
        self
    }

    /// The policy's part of a minibatch's loss. The minibatches of a trust region are the critic's alone: the loss's policy gradient is
    /// thrown away there. Off-policy algorithms have no such loss, and nothing asks them.
    pub fn surrogate(&self) -> Surrogate {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => ppo.surrogate(),
            Self::A2c(_) | Self::Reinforce(_) => Surrogate::LogProb,
            _ => Surrogate::Clip,
        }
    }

    /// Ranges of its own settings.
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Ppo(ppo) | Self::PpoPenalty(ppo) => ppo.validate(),
            Self::Trpo(region) | Self::Npg(region) => region.validate(),
            Self::A2c(a2c) => a2c.validate(),
            Self::Reinforce(_) => Ok(()),
            Self::Dqn(own) => own.validate(),
            Self::Ddpg(own) | Self::Td3(own) => own.validate(),
            Self::Sac(own) => own.validate(),
        }
    }
}
