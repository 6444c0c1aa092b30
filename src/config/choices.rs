//! The small choices of [`PpoConfig`](super::PpoConfig).

use serde::{Deserialize, Serialize};

/// How a batch becomes new parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// The clipped surrogate (Schulman et al. 2017), with [`KlPenalty`](super::KlPenalty) on top where it is set.
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
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ppo, Self::PpoPenalty, Self::Trpo, Self::Npg, Self::A2c];

    /// As the program spells it: `ppo`, `ppo-penalty`, `trpo`, `npg`, `a2c`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ppo => "ppo",
            Self::PpoPenalty => "ppo-penalty",
            Self::Trpo => "trpo",
            Self::Npg => "npg",
            Self::A2c => "a2c",
        }
    }

    /// Whether the policy's step is a natural gradient, so that the optimiser moves the critic only.
    pub const fn is_trust_region(self) -> bool {
        matches!(self, Self::Trpo | Self::Npg)
    }
}

/// Which way round the KL divergence is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlDirection {
    /// KL(π_old‖π): the papers', baselines'.
    OldNew,
    /// KL(π‖π_old): sb3-contrib's TRPO.
    NewOld,
}

/// Over which rows advantages are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNorm {
    /// Used as they are.
    None,
    /// Over each minibatch (CleanRL, Stable-Baselines3).
    Minibatch,
    /// Once over the whole batch (rsl_rl, Spinning Up).
    Batch,
}

/// Form of the value loss; v_c = v_old + clamp(v − v_old, ±`clip_coef_vf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueLoss {
    /// mean (v − R)².
    Plain,
    /// mean max((v − R)², (v_c − R)²) (CleanRL, baselines).
    ClipMax,
    /// mean (v_c − R)² (Stable-Baselines3 with `clip_range_vf`).
    ClipOnly,
}

/// When the update stops early because the policy moved too far; `approx_kl` is the k3 estimate of a minibatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlStop {
    /// Before the step of the first minibatch whose `approx_kl` exceeds the limit (Stable-Baselines3).
    Minibatch,
    /// After an epoch whose last minibatch exceeded the limit (CleanRL).
    Epoch,
}

/// Who turns a gradient into a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam; decay is added to the gradient.
    Adam,
    /// AdamW; decay shrinks the parameters before the step.
    AdamW,
    /// RMSProp as PyTorch has it, without momentum and not centred: v ← α v + (1 − α) g², p ← p − lr g / (√v + ε); decay is
    /// added to the gradient.
    #[serde(rename = "rmsprop")]
    RmsProp,
}
