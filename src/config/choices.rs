//! The small choices of [`Config`](super::Config).

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// Which way the KL divergence is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlDirection {
    /// KL(π_old‖π): the papers', baselines'.
    OldNew,
    /// KL(π‖π_old): sb3-contrib's TRPO.
    NewOld,
}

impl KlDirection {
    /// The number by which `loss_kl` and `optim_line_search` know it.
    pub const fn code(self) -> u32 {
        match self {
            Self::OldNew => 0,
            Self::NewOld => 1,
        }
    }
}

/// Over which rows advantages are normalised. In files also `true`, which is [`Minibatch`](Self::Minibatch) as in CleanRL, and `false`,
/// which is [`None`](Self::None).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNorm {
    /// Used as they are.
    None,
    /// Over each minibatch (CleanRL, Stable-Baselines3).
    Minibatch,
    /// Once over the whole batch (rsl_rl, Spinning Up).
    Batch,
}

impl<'de> Deserialize<'de> for AdvantageNorm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = AdvantageNorm;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"none\", \"minibatch\", \"batch\", true or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<AdvantageNorm, E> {
                Ok(if on { AdvantageNorm::Minibatch } else { AdvantageNorm::None })
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AdvantageNorm, E> {
                match name {
                    "none" | "off" => Ok(AdvantageNorm::None),
                    "minibatch" => Ok(AdvantageNorm::Minibatch),
                    "batch" => Ok(AdvantageNorm::Batch),
                    _ => Err(E::unknown_variant(name, &["none", "minibatch", "batch"])),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Form of the value loss, before `vf_loss_scale`; v_c = v_old + clamp(v − v_old, ±`clip_coef_vf`), d = v − R.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ValueLoss {
    /// mean (v − R)².
    Plain,
    /// mean max((v − R)², (v_c − R)²) (CleanRL, baselines).
    ClipMax,
    /// mean (v_c − R)² (Stable-Baselines3 with `clip_range_vf`).
    ClipOnly,
    /// mean of d² where |d| ≤ δ, else of 2 δ |d| − δ² (Huber 1964). With a `vf_loss_scale` of ½ it is PyTorch's
    /// `huber_loss`, with ½/δ its `smooth_l1_loss`, which TorchRL takes.
    Huber {
        /// δ, above 0.
        delta: f64,
    },
    /// mean min(d², max): rows beyond have no gradient (RLlib's `vf_clip_param`).
    ClampError {
        /// Largest squared error, above 0.
        max: f64,
    },
}

impl ValueLoss {
    /// The number by which `loss_ppo` knows it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::ClipMax => 1,
            Self::ClipOnly => 2,
            Self::Huber { .. } => 3,
            Self::ClampError { .. } => 4,
        }
    }
}

/// When the update, or an epoch, stops early because the policy moved too far; `approx_kl` is the k3 estimate of a minibatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlStop {
    /// Before the step of the first minibatch whose `approx_kl` exceeds the limit (Stable-Baselines3).
    Minibatch,
    /// After an epoch whose last minibatch exceeded the limit (CleanRL).
    Epoch,
    /// Before the step of the first minibatch of an epoch whose `approx_kl` exceeds the limit; it ends that epoch, and the next one is
    /// begun (skrl).
    RestOfEpoch,
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

/// Which parameters share one norm when the gradient is clipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GradClip {
    /// All of them (CleanRL, Stable-Baselines3, baselines).
    #[default]
    Joint,
    /// The value network's own layers are one group; trunk, policy and `log_std` the other, each clipped to
    /// `max_grad_norm` by its own norm (rsl_rl, ten-tricks). A shared trunk goes with the actor: what the value loss adds
    /// to its gradient is clipped with the policy's.
    Separate,
}

/// The factor of a gradient whose norm is limited to `max`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClipFormula {
    /// min(1, max / (norm + 1e-6)): PyTorch's `clip_grad_norm_`.
    #[default]
    Torch,
    /// max / max(norm, max): TensorFlow's `clip_by_global_norm`, hence baselines'.
    Tensorflow,
}

/// Where Adam's ε stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdamEps {
    /// p ← p − lr · m̂ / (√v̂ + ε), with both moments corrected first (PyTorch, Optax; Kingma and Ba's algorithm 1).
    #[default]
    Outside,
    /// p ← p − lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε) (TensorFlow, baselines; "ε hat" of Kingma and Ba's section 2): the
    /// same with ε / √(1 − β₂ᵗ) in place of ε, some 32 times as much at t = 1.
    Baselines,
}
