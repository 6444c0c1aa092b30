//! What the mean analytic KL decides: the weights of the penalty in the loss, the learning rate, β of the next update.
//!
//! ```text
//! KL = mean over rows;   h = max(0, KL − hinge_limit);   penalty = β KL + hinge_coef h²;   weight = β + 2 hinge_coef h
//! lr ← max(lr / factor, min) if KL > rate_high;   min(lr · factor, max) if KL < rate_low
//! after all epochs:   β ← raise · β if KL > kl_high;   lower · β if KL < kl_low;   within 2^±26      (KL: over all rows, or the last one)
//! ```
//!
//! Schulman et al. 2017, section 4; see [`crate::config::KlPenalty`] and [`crate::config::AdaptiveLr`].

use super::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use super::words::{codes, minibatch_stats, word};
use super::{loss_trust_region, parts};
use crate::config::{Config, KlDirection, KlEstimator, RateStep};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "loss_kl",
    parts: [MATH, CONTROL, TRACE, SCHEDULE, DIVERGENCE, RATE, LOOPS],
    schedule: true,
    head: false,
    params: {
        /// Partial sums; set by `bind`.
        pub groups: u32,
        /// Number of the minibatch in the update, from 0: the row of `trace`.
        pub index: u32,
        /// [`Phase::code`].
        pub phase: u32,
        /// [`KlDirection::code`].
        pub direction: u32,
        /// Element of `samples` for the weights.
        pub kl_sample: u32,
        /// 1: β is adapted and kept in `kl_state`.
        pub adaptive: u32,
        /// 1 / rows; set by `bind`.
        pub inverse_rows: f32,
        /// β if `kl_state` has none.
        pub kl_coef: f32,
        /// Below this KL β falls.
        pub kl_low: f32,
        /// Above this KL β rises.
        pub kl_high: f32,
        /// Weight of the hinge; 0: off.
        pub hinge_coef: f32,
        /// KL where it begins.
        pub hinge_limit: f32,
        /// Above this KL the learning rate falls.
        pub rate_high: f32,
        /// Below this KL it rises.
        pub rate_low: f32,
        /// Factor of the learning rate.
        pub rate_factor: f32,
        /// Smallest learning rate.
        pub rate_min: f32,
        /// Largest learning rate.
        pub rate_max: f32,
        /// Factor of β above `kl_high`.
        pub kl_raise: f32,
        /// Factor of β below `kl_low`.
        pub kl_lower: f32,
        /// Column of `trace` with the KL that the learning rate follows.
        pub column: u32,
        /// Whether the rate rises, [`Raises::code`].
        pub raises: u32,
        /// First minibatch of the epoch.
        pub first: u32,
        /// 1: an early stop ends with its epoch.
        pub reopens: u32,
        /// Element of `samples` with the weight of a row of this minibatch; 0: all rows count.
        pub valid_sample: u32,
    },
    io: {
        /// `[groups]`, from `loss_trust_region`; read for the weights and for β over all rows; else any buffer will do.
        trust_partials: Read [f32; 4],
        /// `[CONTROL_WORDS]`; what decides the learning rate puts it there.
        control: ReadWrite u32,
        /// `[minibatches, TRACE_WIDTH]`.
        trace: ReadWrite f32,
        /// `[kl_sample + 1]`: weights of KL(old‖new) and KL(new‖old); `[valid_sample + 1]`.
        samples: ReadWrite [f32; 4],
        /// `[STATE_WORDS]`: β, learning rate (0: the configuration's), KL of the last minibatch or at the end of the last update, 0.
        kl_state: ReadWrite f32,
    },
}

/// Numbers of `kl_state`.
pub const STATE_WORDS: u64 = 4;
/// Place in `kl_state` of the weight β of the KL penalty.
pub const STATE_KL_COEF: usize = word(DEF.source, "STATE_KL_COEF");
/// Of the learning rate of the next update; 0: the configuration's.
pub const STATE_LEARNING_RATE: usize = word(parts::RATE.source, "RATE_STATE");
/// Of the KL of the last minibatch, or at the end of the last update.
pub const STATE_KL: usize = word(DEF.source, "STATE_KL");

codes! {
    /// What a call decides.
    Phase of DEF.source => {
        /// The penalty's weights, before `loss_ppo`.
        Weights = "PHASE_WEIGHTS",
        /// The learning rate, after `loss_statistics`.
        Rate = "PHASE_RATE",
        /// β, over all rows at the end.
        Coefficient = "PHASE_COEFFICIENT",
        /// β, by the last minibatch with a row that counts.
        CoefficientOfLast = "PHASE_COEFFICIENT_OF_LAST",
        /// The end of an epoch, minibatches `first` to `index`.
        EpochEnd = "PHASE_EPOCH_END",
        /// The kept learning rate, before the first step.
        RateAtStart = "PHASE_RATE_AT_START",
    }
}

codes! {
    /// Whether the learning rate rises at a low KL.
    Raises of parts::RATE.source => {
        /// It does not.
        Never = "RATE_RAISES_NEVER",
        /// Where the KL is above 0.
        AboveZero = "RATE_RAISES_ABOVE_ZERO",
        /// At 0, too, and then at the end of an epoch only.
        AtZero = "RATE_RAISES_AT_ZERO",
    }
}

impl Params {
    /// The settings of `config`; index, phase and place remain.
    pub fn new(config: &Config) -> Self {
        let mut params = Self { direction: config.kl_direction().map_or(0, KlDirection::code), ..Self::default() };
        if let Some(penalty) = config.kl_penalty() {
            params.adaptive = penalty.adaptive.into();
            params.kl_coef = penalty.kl_coef as f32;
            params.kl_low = (penalty.adapt.lower_below * penalty.target_kl) as f32;
            params.kl_high = (penalty.adapt.raise_above * penalty.target_kl) as f32;
            (params.kl_raise, params.kl_lower) = (penalty.adapt.raise as f32, penalty.adapt.lower as f32);
            if let Some(hinge) = penalty.hinge {
                params.hinge_coef = hinge.coef as f32;
                params.hinge_limit = (hinge.factor * penalty.target_kl) as f32;
            }
        }
        if let Some(rate) = config.adaptive_lr() {
            params.rate_high = (rate.kl_factor * rate.target_kl) as f32;
            params.rate_low = (rate.target_kl / rate.kl_factor) as f32;
            params.column = match rate.estimator {
                KlEstimator::K3 => minibatch_stats::APPROX_KL as u32,
                KlEstimator::Analytic => minibatch_stats::KL as u32,
            };
            params.raises = match rate.step {
                RateStep::Epoch => Raises::AtZero,
                RateStep::Minibatch => Raises::AboveZero,
            }
            .code();
            params.rate_factor = rate.factor as f32;
            (params.rate_min, params.rate_max) = (rate.min as f32, rate.max as f32);
        }
        params
    }
}

/// Binds one call per entry of `params`, each with the rows that its mean is over.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[(Params, u32)], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for (p, rows) in params {
        // Only what measures a KL reads partial sums.
        let groups = if [Phase::Weights.code(), Phase::Coefficient.code()].contains(&p.phase) {
            loss_trust_region::groups(*rows)
        } else {
            0
        };
        elements(name, "trust_partials", io.trust_partials, u64::from(groups), || format!("groups {groups}"))?;
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        let shape = || format!("(index {} + 1) × {TRACE_WIDTH}", p.index);
        elements(name, "trace", io.trace, (u64::from(p.index) + 1) * TRACE_WIDTH, shape)?;
        let place = p.kl_sample.max(p.valid_sample);
        elements(name, "samples", io.samples, u64::from(place) + 1, || {
            format!("kl_sample or valid_sample {place} + 1")
        })?;
        elements(name, "kl_state", io.kl_state, STATE_WORDS, || format!("{STATE_WORDS}"))?;
        let inverse_rows = (1.0 / f64::from(*rows)) as f32;
        calls.push((Params { groups, inverse_rows, ..*p }, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
