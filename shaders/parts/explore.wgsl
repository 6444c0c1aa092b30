// Noise of actions in [-1, 1]: where it comes from, and what the environment gets of an action.
//
// Needs parts math and philox.

const EXPLORE_GIVEN: u32 = 0u;    // standard normals that somebody else left
const EXPLORE_UPDATE: u32 = 1u;   // drawn by gradient steps
const EXPLORE_ACT: u32 = 2u;      // drawn by policy steps
const EXPLORE_NONE: u32 = 3u;     // none
const EXPLORE_UNIFORM: u32 = 4u;  // drawn by policy steps, in place of what the actor says

// The word of a draw; `step` is of the counter that the source goes by.
fn explore_word(source: u32, row: u32, dimension: u32, step: vec2<u32>, key: vec2<u32>) -> u32 {
    let kind = select(PHILOX_EXPLORATION, PHILOX_NOISE, source == EXPLORE_UPDATE);
    return philox_block(philox_counter(kind, row, dimension, step), key).x;
}

fn explore_normal(word: u32) -> f32 { return math_normal_quantile(philox_uniform(word)); }

// The environment's action, from (least, greatest), beyond which rounding may lead.
fn explore_to_env(action: f32, bounds: vec2<f32>) -> f32 {
    return math_clamp(bounds.x + 0.5 * (action + 1.0) * (bounds.y - bounds.x), bounds.x, bounds.y);
}
