// The policy's part of PPO's loss for one row: −min(r A, clamp(r, 1 ± clip_coef) A), r = exp(clamp(logp − logp_old, ±20)).
// At a tie the gradient is what automatic differentiation gives: a clamp passes it on its closed range, a min or max of equals
// hands each half. Needs part math.

const SURROGATE_CLIP: u32 = 0u;
const SURROGATE_RATIO: u32 = 1u;  // −r A
const SURROGATE_PLAIN: u32 = 2u;  // −A logp, without a ratio
const SURROGATE_LOG_RATIO_LIMIT: f32 = 20.0;

struct Surrogate {
    loss: f32,
    by_logp: f32,  // its derivative
    difference: f32,
    log_ratio: f32,
    ratio: f32,
}

// (loss, its derivative by logp) from the ratio r, the advantage, and whether r follows logp; dual_clip 0: off.
fn surrogate_clipped(form: u32, clip_coef: f32, dual_clip: f32, r: f32, advantage: f32, follows: bool) -> vec2<f32> {
    let low = 1.0 - clip_coef;
    let high = 1.0 + clip_coef;
    let inside = (r >= low && r <= high) || form == SURROGATE_RATIO;
    let plain = r * advantage;
    let clipped = select(math_clamp(r, low, high), r, inside) * advantage;
    var surrogate = min(plain, clipped);  // both are NaN or none is
    var share = select(0.0, 1.0, inside || plain < clipped);
    if (dual_clip > 0.0 && form == SURROGATE_CLIP && advantage < 0.0) {
        let bound = dual_clip * advantage;
        share *= select(select(0.0, 0.5, surrogate == bound), 1.0, surrogate > bound);
        surrogate = select(max(surrogate, bound), surrogate, math_is_nan(surrogate));
    }
    return vec2<f32>(-surrogate, select(0.0, -share * plain, follows));
}

fn surrogate_loss(form: u32, clip_coef: f32, dual_clip: f32, logp: f32, logp_old: f32, advantage: f32) -> Surrogate {
    let difference = logp - logp_old;
    let log_ratio = math_clamp(difference, -SURROGATE_LOG_RATIO_LIMIT, SURROGATE_LOG_RATIO_LIMIT);
    let r = math_exp(log_ratio);
    let follows = abs(difference) <= SURROGATE_LOG_RATIO_LIMIT;
    let clipped = surrogate_clipped(form, clip_coef, dual_clip, r, advantage, follows);
    let policy = select(clipped, vec2<f32>(-logp * advantage, -advantage), form == SURROGATE_PLAIN);
    return Surrogate(policy.x, policy.y, difference, log_ratio, r);
}
