//! What actions are drawn by, and what an environment gets of them.

use crate::check::accuracy::{Known, exact, quantile_accuracy};
use crate::check::support::EPS;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::policy_squash::Source;
use crate::rng::{Draw, block, normal_f64, uniform};

/// What a case says beside its tolerance, which is one rounding: each number has a bound of its own.
pub(super) const REASON: (f64, &str) = (
    EPS,
    "scale: the bound of each number's error, of WGSL's exp, log and division and the parts' own, carried to the result to first order",
);

const SEED: u64 = 0x0fed_cba9_8765_4321;
/// The low word of either counter overflows when the offset is added.
const GRADIENT_STEP: u64 = (5 << 32) + u32::MAX as u64 - 2;
const POLICY_STEP: u64 = (9 << 32) + u32::MAX as u64 - 1;
pub(super) const STEP_OFFSET: u32 = 7;
/// The policy step is the tenth of its hold, whose first is below that overflow.
const HOLD: u64 = 12;
const HELD: u64 = POLICY_STEP + STEP_OFFSET as u64 - (POLICY_STEP + STEP_OFFSET as u64) % HOLD;

pub(super) fn counters() -> PerUpdate {
    PerUpdate {
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        gradient_step_low: GRADIENT_STEP as u32,
        gradient_step_high: (GRADIENT_STEP >> 32) as u32,
        policy_step_low: POLICY_STEP as u32,
        policy_step_high: (POLICY_STEP >> 32) as u32,
        exploration_hold: HOLD as u32,
        exploration_phase: (POLICY_STEP % HOLD) as u32,
        ..PerUpdate::default()
    }
}

/// What a row draws in a dimension, and how far off a device may be.
pub(super) fn drawn(source: Source, row: usize, d: usize) -> Known {
    let (kind, step) = if source == Source::Update {
        (Draw::Noise, GRADIENT_STEP + u64::from(STEP_OFFSET))
    } else {
        (Draw::Exploration, HELD)
    };
    let word = block(SEED, kind, row as u32, d as u32, step)[0];
    match source {
        Source::None | Source::Given => Known::zero(),
        Source::Uniform => exact(2.0 * f64::from(uniform(word)) - 1.0),
        Source::Update | Source::Act => {
            let value = normal_f64(word);
            Known { value, error: quantile_accuracy(value) }
        }
    }
}

/// low + ½ (a + 1)(high − low).
pub(super) fn to_env(action: Known, [low, high]: [f32; 2]) -> Known {
    let [low, high] = [low, high].map(|x| exact(x.into()));
    low + (action + exact(1.0)).times(0.5) * (high - low)
}
