//! Settings of TRPO and of the natural policy gradient.

use super::choices::KlDirection;
use super::range::{Range, check};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// When a candidate of the line search is taken, apart from its KL. L is the mean of r A over all rows, to be maximised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acceptance {
    /// L > L before (sb3-contrib).
    Improves,
    /// L ≥ L before (baselines, Spinning Up).
    NotWorse,
    /// (L − L before) / (gᵀ step) > this (Schulman's modular_rl: 0.1); gᵀ step is what the gradient promises.
    Ratio(f64),
}

impl Acceptance {
    /// The number by which `optim_line_search` knows it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Improves => 0,
            Self::NotWorse => 1,
            Self::Ratio(_) => 2,
        }
    }
}

/// Which matrix stands for the Fisher information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FisherForm {
    /// E[Jᵀ M J]: J the Jacobian of the distribution's parameters, M their Fisher matrix.
    GaussNewton,
    /// E[s sᵀ], s = ∇ log π of the action that was taken.
    Empirical,
}

/// The natural-gradient step of TRPO (Schulman et al. 2015, appendix C); see [`crate::reference::trpo_update`].
///
/// What a file's table leaves out is [`sb3_contrib`](Self::sb3_contrib)'s, unless the file starts from a preset; what is off is absent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrustRegion {
    /// δ: mean KL of a full step in the quadratic model.
    pub max_kl: f64,
    /// KL of the line search; the quadratic model is the same either way.
    pub kl_direction: KlDirection,
    /// Added to the diagonal of the Fisher matrix, in the solve and in the step's length.
    pub damping: f64,
    /// Most iterations of conjugate gradients.
    pub cg_iterations: usize,
    /// They stop at ‖r‖² ≤ this · ‖g‖².
    pub cg_tolerance: f64,
    /// They also stop at ‖r‖² < this: 1e-10 in the other libraries. Off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cg_absolute_tolerance: Option<f64>,
    /// Whether they begin at the last update's solution in place of 0; it is then part of the saved state.
    pub cg_warm_start: bool,
    /// Most candidates of the line search.
    pub line_search_steps: usize,
    /// Each candidate's step is this times the one before.
    pub line_search_factor: f64,
    /// A candidate's KL may be this · `max_kl`.
    pub kl_margin: f64,
    /// What else is asked of a candidate.
    pub acceptance: Acceptance,
    /// Every k-th row (0, k, 2k, …) is in the Fisher matrix; gradient and line search see all (baselines: 5).
    pub fisher_subsample: usize,
    /// The whole step of the policy is made on ⌈rows / k⌉ rows, drawn anew for each update: gradient, Fisher matrix, line search, and
    /// mean and deviation of the advantages. The critic sees all rows. sb3-contrib's `sub_sampling_factor`. They are the first rows of
    /// a permutation of their own ([`Config::order_epochs`](crate::Config::order_epochs)); `fisher_subsample` counts among them.
    pub subsample: usize,
    /// The step of `npg` is this · x, x the solution of the conjugate gradients, whatever its KL (Tianshou's `NPG`:
    /// `trust_region_size`, Kakade 2001 with a constant step). √(2 max_kl / xᵀ F x) · x if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_size: Option<f64>,
    /// Form of the Fisher matrix.
    pub fisher: FisherForm,
}

impl Default for TrustRegion {
    fn default() -> Self {
        Self::sb3_contrib()
    }
}

impl TrustRegion {
    /// sb3-contrib 2.9. Its KL of a Gaussian is a mean over action dimensions, ours a sum: with D dimensions, its
    /// settings are `max_kl` and `damping` times D.
    pub const fn sb3_contrib() -> Self {
        Self {
            max_kl: 0.01,
            kl_direction: KlDirection::NewOld,
            damping: 0.1,
            cg_iterations: 15,
            cg_tolerance: 1e-10,
            cg_absolute_tolerance: Some(1e-10),
            cg_warm_start: false,
            line_search_steps: 10,
            line_search_factor: 0.8,
            kl_margin: 1.0,
            acceptance: Acceptance::Improves,
            fisher_subsample: 1,
            subsample: 1,
            step_size: None,
            fisher: FisherForm::GaussNewton,
        }
    }

    /// OpenAI baselines' `trpo_mpi` for MuJoCo.
    pub const fn baselines() -> Self {
        Self {
            kl_direction: KlDirection::OldNew,
            cg_iterations: 10,
            line_search_factor: 0.5,
            kl_margin: 1.5,
            acceptance: Acceptance::NotWorse,
            fisher_subsample: 5,
            ..Self::sb3_contrib()
        }
    }

    /// Tianshou's `TRPO` (2.0.1), and with `NPG`'s constant step its `NPG`.
    pub const fn tianshou() -> Self {
        Self { kl_direction: KlDirection::OldNew, cg_iterations: 10, ..Self::sb3_contrib() }
    }

    /// OpenAI Spinning Up. Its KL is new‖old for Gaussians, as here, and old‖new for categorical policies. It has no stop
    /// test; ours stops at a residual that rounding would leave.
    pub const fn spinningup() -> Self {
        Self { cg_iterations: 10, cg_absolute_tolerance: None, acceptance: Acceptance::NotWorse, ..Self::sb3_contrib() }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        let ratio = if let Acceptance::Ratio(ratio) = self.acceptance { ratio } else { 0.0 };
        check(&[
            Range::above("trust_region.max_kl", self.max_kl, 0.0, max),
            Range::closed("trust_region.damping", self.damping, 0.0, max),
            Range::closed("trust_region.cg_tolerance", self.cg_tolerance, 0.0, 1.0),
            Range::closed("trust_region.cg_absolute_tolerance", self.cg_absolute_tolerance.unwrap_or(0.0), 0.0, max),
            Range::inside("trust_region.line_search_factor", self.line_search_factor, 0.0, 1.0),
            Range::above("trust_region.kl_margin", self.kl_margin, 0.0, max),
            Range::closed("trust_region.acceptance.ratio", ratio, 0.0, 1.0),
            Range::closed("trust_region.step_size", self.step_size.unwrap_or(1.0), f64::from(f32::MIN_POSITIVE), max),
        ])?;
        for (field, value) in [
            ("trust_region.cg_iterations", self.cg_iterations),
            ("trust_region.line_search_steps", self.line_search_steps),
            ("trust_region.fisher_subsample", self.fisher_subsample),
            ("trust_region.subsample", self.subsample),
        ] {
            if value == 0 {
                return Err(Error::config(field, "is 0, must be at least 1"));
            }
            if u32::try_from(value).is_err() {
                return Err(Error::config(field, format!("is {value}, must be at most {}", u32::MAX)));
            }
        }
        Ok(())
    }
}
