// The weight α of the entropy in soft values.

const TEMPERATURE_NONE: u32 = 0u;   // no entropy: DDPG, TD3
const TEMPERATURE_FIXED: u32 = 1u;  // a constant
const TEMPERATURE_TUNED: u32 = 2u;  // e^(log α), a number that is trained

// α by its mode, the constant and the trained logarithm.
fn temperature(mode: u32, fixed: f32, log_alpha: f32) -> f32 {
    return select(select(fixed, math_exp(log_alpha), mode == TEMPERATURE_TUNED), 0.0, mode == TEMPERATURE_NONE);
}

// Whether b takes the place of a as the least: the first of equals stays, and what is no number does not vanish.
fn temperature_less(a: f32, b: f32) -> bool { return b < a || math_is_nan(b); }
