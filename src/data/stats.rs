//! What an update measured.

/// What one minibatch of an update measured, before its optimiser step.
///
/// A minibatch of TRPO's critic has `rows`, `value_loss`, `loss` (the same), `non_finite_rows`, `grad_norm` and `stepped`; the rest is 0.
/// One without a row that counts has 0 everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MinibatchStats {
    /// Rows that counted, over which the means are.
    pub rows: u32,
    /// Surrogate loss (to be minimised).
    pub policy_loss: f64,
    /// Value loss, `vf_loss_scale` included, `vf_coef` not.
    pub value_loss: f64,
    /// Mean entropy of the action distribution, in nats.
    pub entropy: f64,
    /// `policy_loss − ent_coef · entropy + vf_coef · value_loss`, and the KL penalty where there is one.
    pub loss: f64,
    /// Mean analytic KL against the old policy, where the configuration asks for one
    /// ([`Config::kl_direction`](crate::Config::kl_direction)); else 0.
    pub kl: f64,
    /// k1 estimate of KL(old‖new): mean −log r. May be negative.
    pub old_approx_kl: f64,
    /// k2 estimate: mean ½ (log r)².
    pub approx_kl_k2: f64,
    /// k3 estimate: mean (r − 1 − log r), at least 0.
    pub approx_kl: f64,
    /// Share of rows with |r − 1| > `clip_coef`.
    pub clipfrac: f64,
    /// Smallest probability ratio.
    pub ratio_min: f64,
    /// Largest probability ratio.
    pub ratio_max: f64,
    /// Rows whose loss or gradient was NaN or infinite. A loss beyond f32 whose gradient is not (an error of a value above some 1e19) is
    /// such a row on the device alone: the CPU adds losses up in f64.
    pub non_finite_rows: u32,
    /// Limits that were met, over rows and dimensions: of a standard deviation
    /// ([`StdLimit`](crate::policy::StdLimit)), or dimensions without an allowed choice.
    pub head_hits: u32,
    /// Gradient norm before clipping; 0 if no step was taken.
    pub grad_norm: f64,
    /// Whether the optimiser took this minibatch's step.
    pub stepped: bool,
}

/// What a natural-gradient step did. L is the mean of r A over all rows, to be maximised; g its gradient at the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrustRegionStats {
    /// KL of the policy at the start against itself: 0 except for rounding.
    pub kl_before: f64,
    /// KL after the step; `kl_before` if none was taken.
    pub kl_after: f64,
    /// L at the start.
    pub surrogate_before: f64,
    /// L after the step; `surrogate_before` if none was taken.
    pub surrogate_after: f64,
    /// gᵀ step of the full step, what the gradient promises of L.
    pub expected_improvement: f64,
    /// Candidates that were evaluated.
    pub tries: u32,
    /// Whether one was taken; if not, the policy's parameters are the bits that they were.
    pub accepted: bool,
    /// Which, from 0.
    pub accepted_try: Option<u32>,
    /// Iterations of conjugate gradients.
    pub cg_iterations: u32,
    /// ‖r‖² at their start and after each.
    pub residuals: Vec<f64>,
    /// Whether they ended at a direction p with pᵀ F p ≤ 0 (or NaN), damping included.
    pub negative_curvature: bool,
    /// ‖g‖.
    pub gradient_norm: f64,
    /// xᵀ F x of the solution x, damping included.
    pub quadratic_form: f64,
    /// √(2 δ / xᵀ F x), or a fixed one: the full step is this times x. 0 where there is no step.
    pub step_scale: f64,
    /// Mean entropy at the start, in nats.
    pub entropy: f64,
    /// How often a limit of the head was met at the start, as in [`MinibatchStats::head_hits`].
    pub head_hits: u32,
}

/// What gradient steps of an off-policy algorithm did, of the last one unless it says otherwise.
///
/// The minibatch beside it has `rows` (B), `value_loss` (of all critics, with the algorithm's own factor), `policy_loss` (of the actor's last step; 0
/// with DQN), `entropy` (SAC's estimate −mean log π of the actor's actions, else 0), `loss` (the same as `value_loss`), `non_finite_rows`,
/// `grad_norm` (of the critics together, before clipping) and `stepped`; the rest is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OffPolicyStats {
    /// Gradient steps since the start.
    pub gradient_steps: u64,
    /// Mean Q of the stored actions, over rows and critics, before the step.
    pub q_values: f64,
    /// Mean target y.
    pub targets: f64,
    /// α after the step, with SAC.
    pub alpha: Option<f64>,
    /// ε of the last action, with DQN.
    pub epsilon: Option<f64>,
}

/// What one update did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateStats {
    /// Every minibatch visited, in order; one that triggered an early stop is the last of the update, or of its epoch.
    pub minibatches: Vec<MinibatchStats>,
    /// Optimiser steps taken.
    pub optimizer_steps: u32,
    /// Epochs begun.
    pub epochs: u32,
    /// Index in [`minibatches`](Self::minibatches) of the first one of the last epoch that was begun; 0 where nothing is divided into epochs.
    pub last_epoch: u32,
    /// Steps left out because the gradient was not finite.
    pub skipped_steps: u32,
    /// 1 − Var(returns − values_old) / Var(returns), ddof 0; NaN if the returns do not vary.
    pub explained_variance: f64,
    /// Learning rate of this update; the last one, where it follows the KL.
    pub learning_rate: f64,
    /// Whether `target_kl` ended the update, or with [`KlStop::RestOfEpoch`](crate::config::KlStop) an epoch, before its last step.
    pub stopped_early: bool,
    /// With a KL penalty, the mean analytic KL that [`crate::config::KlMeasure`] says: over all rows at the end, or over the last minibatch.
    pub kl: Option<f64>,
    /// β of the next update, with a KL penalty.
    pub kl_coef: Option<f64>,
    /// The policy's step, with TRPO and the natural gradient.
    pub trust_region: Option<TrustRegionStats>,
    /// With DQN, DDPG, TD3 and SAC; [`minibatches`](Self::minibatches) is then the last gradient step alone, and
    /// [`optimizer_steps`](Self::optimizer_steps) counts the steps of the critics.
    pub off_policy: Option<OffPolicyStats>,
}

impl UpdateStats {
    /// Mean of `field`, itself a mean over rows, over all rows that counted in the minibatches visited: each minibatch weighs by its rows, and
    /// one without any not at all. 0 if no row counted.
    pub fn mean(&self, field: impl Fn(&MinibatchStats) -> f64) -> f64 {
        let counted = || self.minibatches.iter().filter(|minibatch| minibatch.rows > 0);
        let rows: f64 = counted().map(|minibatch| f64::from(minibatch.rows)).sum();
        if rows == 0.0 {
            return 0.0;
        }
        counted().map(|minibatch| f64::from(minibatch.rows) * field(minibatch)).sum::<f64>() / rows
    }

    /// Mean gradient norm of the steps taken, each with the same weight whatever its rows; `None` without a step.
    pub fn mean_grad_norm(&self) -> Option<f64> {
        let norms =
            || self.minibatches.iter().filter(|minibatch| minibatch.stepped).map(|minibatch| minibatch.grad_norm);
        let count = norms().count();
        (count > 0).then(|| norms().sum::<f64>() / count as f64)
    }

    /// The smallest and the largest probability ratio of all minibatches with a row that counted; (0, 0) without one.
    pub fn ratio_range(&self) -> (f64, f64) {
        let counted = || self.minibatches.iter().filter(|minibatch| minibatch.rows > 0);
        let least = counted().map(|minibatch| minibatch.ratio_min).reduce(f64::min);
        let most = counted().map(|minibatch| minibatch.ratio_max).reduce(f64::max);
        (least.unwrap_or(0.0), most.unwrap_or(0.0))
    }

    /// The first statistic that is NaN or infinite, with its minibatch, as words; `None` where all are numbers. `explained_variance` is not
    /// among them, as it is NaN where the returns do not vary.
    ///
    /// On the device they are beyond f32 where they are not finite: rewards in other units, or `norm_reward`, help.
    pub fn not_finite(&self) -> Option<String> {
        let of_minibatch = |stats: &MinibatchStats| {
            [
                ("policy_loss", stats.policy_loss),
                ("value_loss", stats.value_loss),
                ("entropy", stats.entropy),
                ("loss", stats.loss),
                ("kl", stats.kl),
                ("old_approx_kl", stats.old_approx_kl),
                ("approx_kl_k2", stats.approx_kl_k2),
                ("approx_kl", stats.approx_kl),
                ("clipfrac", stats.clipfrac),
                ("ratio_min", stats.ratio_min),
                ("ratio_max", stats.ratio_max),
                ("grad_norm", stats.grad_norm),
            ]
        };
        let first = |columns: &[(&str, f64)]| {
            columns.iter().find(|(_, value)| !value.is_finite()).map(|(name, value)| format!("{name} is {value}"))
        };
        let in_minibatches = self.minibatches.iter().enumerate().find_map(|(index, stats)| {
            first(&of_minibatch(stats)).map(|words| format!("{words} in minibatch {index}"))
        });
        let region = || {
            let region = self.trust_region.as_ref()?;
            first(&[
                ("kl_before", region.kl_before),
                ("kl_after", region.kl_after),
                ("surrogate_before", region.surrogate_before),
                ("surrogate_after", region.surrogate_after),
                ("expected_improvement", region.expected_improvement),
                ("gradient_norm", region.gradient_norm),
                ("quadratic_form", region.quadratic_form),
                ("step_scale", region.step_scale),
                ("entropy", region.entropy),
            ])
        };
        let off_policy = || {
            let stats = self.off_policy.as_ref()?;
            first(&[("q_values", stats.q_values), ("targets", stats.targets), ("alpha", stats.alpha.unwrap_or(0.0))])
        };
        let of_kl = || first(&[("kl", self.kl.unwrap_or(0.0)), ("kl_coef", self.kl_coef.unwrap_or(0.0))]);
        in_minibatches.or_else(region).or_else(off_policy).or_else(of_kl)
    }

    /// How often a limit of the head was met: in all minibatches, or at the start of a natural-gradient step.
    pub fn head_hits(&self) -> u64 {
        let in_minibatches: u64 = self.minibatches.iter().map(|minibatch| u64::from(minibatch.head_hits)).sum();
        in_minibatches + self.trust_region.as_ref().map_or(0, |region| u64::from(region.head_hits))
    }

    /// The last minibatch visited in which a row counted.
    pub fn last_counted(&self) -> MinibatchStats {
        self.minibatches.iter().rev().find(|minibatch| minibatch.rows > 0).copied().unwrap_or_default()
    }

    /// The last minibatch visited: what CleanRL logs as the update's losses.
    pub fn last(&self) -> MinibatchStats {
        self.minibatches.last().copied().unwrap_or_default()
    }
}
