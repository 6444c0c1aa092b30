// The Gaussian heads: log-probability, entropy and KL of a row [mean (D), l (D)], their gradients, Fisher products, draws.
// Needs parts math, philox and squash. Same interface as head_categorical; an action is D words, the bits of floats.
//
// l becomes the log of the standard deviation by HEAD_STD_LIMIT, or is the deviation itself. With HEAD_SQUASH = 1 an action
// is u and means tanh u: the log-probability and the entropy are those of tanh u; the KL and the gradient of log p are those
// of u, as tanh has no parameters. So all these heads are this file, and what tanh adds is part squash.

// 0: log std = l; 1: low + softplus(l - low); 2: clamp(l, low, high); 3: the deviation is clamp(l, low, high);
// 4: log std = low + (high - low) (tanh l + 1) / 2.
override HEAD_STD_LIMIT: u32 = 0u;
override HEAD_STD_LOW: f32 = 0.0;
override HEAD_STD_HIGH: f32 = 0.0;
override HEAD_SQUASH: u32 = 0u;

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

// What l says: the deviation, its log and its inverse, the derivative of the log by l, 1 where l is beyond the limit.
struct HeadStd { log_std: f32, deviation: f32, inverse: f32, slope: f32, hit: f32 }

fn head_dims() -> u32 { return head_width() / 2u; }
// Keeps the squares of both deviation and its inverse within f32.
fn head_exp(log_std: f32) -> f32 { return math_exp(math_clamp(log_std, -40.0, 40.0)); }

fn head_beyond(l: f32) -> bool { return l < HEAD_STD_LOW || l > HEAD_STD_HIGH; }
fn head_clamp(l: f32) -> f32 { return math_clamp(l, HEAD_STD_LOW, HEAD_STD_HIGH); }

fn head_log_std(l: f32) -> f32 {
    if (HEAD_STD_LIMIT == 1u && !math_is_nan(l)) {
        // low + softplus(l - low), in the form that adds nothing large to l.
        return max(l, HEAD_STD_LOW) + math_log1p(math_exp(-abs(l - HEAD_STD_LOW)));
    }
    if (HEAD_STD_LIMIT == 2u) { return head_clamp(l); }
    if (HEAD_STD_LIMIT == 3u) { return math_log(head_clamp(l)); }
    if (HEAD_STD_LIMIT == 4u) { return squash_between(l, HEAD_STD_LOW, HEAD_STD_HIGH); }
    return l;
}

fn head_std(l: f32) -> HeadStd {
    let log_std = head_log_std(l);
    if (HEAD_STD_LIMIT == 4u) {
        let between = squash_between_slope(l, HEAD_STD_LOW, HEAD_STD_HIGH);
        return HeadStd(log_std, head_exp(log_std), head_exp(-log_std), between, 0.0);
    }
    let beyond = HEAD_STD_LIMIT >= 2u && head_beyond(l);
    if (HEAD_STD_LIMIT == 3u) {
        let deviation = head_clamp(l);
        return HeadStd(log_std, deviation, 1.0 / deviation, select(1.0 / deviation, 0.0, beyond), select(0.0, 1.0, beyond));
    }
    let soft = HEAD_STD_LIMIT == 1u;
    let slope = select(select(1.0, 0.0, beyond), math_sigmoid(l - HEAD_STD_LOW), soft);
    let hit = select(0.0, 1.0, beyond || (soft && l < HEAD_STD_LOW));
    return HeadStd(log_std, head_exp(log_std), head_exp(-log_std), slope, hit);
}

// The rise of the log std from l = before to l = after; where they are near, with the digits of their difference, which two log
// stds of some size do not have.
fn head_rise(before: f32, after: f32) -> f32 {
    if (HEAD_STD_LIMIT == 0u) { return after - before; }
    if (HEAD_STD_LIMIT == 1u) {
        if (abs(after - before) < 0.5) {
            return math_log1p(math_sigmoid(before - HEAD_STD_LOW) * math_expm1(after - before));
        }
        return math_softplus(after - HEAD_STD_LOW) - math_softplus(before - HEAD_STD_LOW);
    }
    if (HEAD_STD_LIMIT == 4u) { return squash_between_rise(before, after, HEAD_STD_LOW, HEAD_STD_HIGH); }
    if (HEAD_STD_LIMIT == 3u) {
        let deviation = head_clamp(before);
        let change = (head_clamp(after) - deviation) / deviation;
        if (abs(change) < 0.5) { return math_log1p(change); }
    }
    return head_log_std(after) - head_log_std(before);
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let l = head_new(place + head_dims());
        let sigma = head_std(l);
        let z = (bitcast<f32>(head_action(row, d)) - head_new(place)) * sigma.inverse;
        // 0.5 log(2 pi), and 0.5 log(2 pi e).
        s.logp -= 0.5 * z * z + sigma.log_std + 0.9189385332;
        s.entropy += sigma.log_std + 1.4189385332;
        s.hits += sigma.hit;
        if (HEAD_SQUASH == 1u) {
            s.logp -= squash_log_slope(bitcast<f32>(head_action(row, d)));
            s.entropy += squash_entropy(head_new(place), sigma.deviation).x;
        }
        if (with_kl) {
            let l_old = head_old(place + head_dims());
            let change = 2.0 * head_rise(l_old, l);
            let shift = head_new(place) - head_old(place);
            let shift_new = shift * sigma.inverse;
            let shift_old = shift * head_std(l_old).inverse;
            // log(s/t) + t^2 / 2 s^2 - 1/2 is half of e^c - 1 - c with c = 2 log(t/s): nothing cancels near s = t.
            s.kl_old_new += 0.5 * (math_k3(-change) + shift_new * shift_new);
            s.kl_new_old += 0.5 * (math_k3(change) + shift_old * shift_old);
        }
    }
    return s;
}

// Stores the derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by each element of the new row.
fn head_gradient(row: u32, w: vec4<f32>) {
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let l = head_new(place + head_dims());
        let sigma = head_std(l);
        let z = (bitcast<f32>(head_action(row, d)) - head_new(place)) * sigma.inverse;
        var by_mean = w.x * z * sigma.inverse;
        var by_log_std = w.x * (z * z - 1.0) + w.y;
        if (HEAD_SQUASH == 1u && w.y != 0.0) {
            let entropy = squash_entropy(head_new(place), sigma.deviation);
            by_mean += w.y * entropy.y;
            by_log_std += w.y * entropy.z;
        }
        // Only then is there an old row.
        if (w.z != 0.0 || w.w != 0.0) {
            let l_old = head_old(place + head_dims());
            let change = 2.0 * head_rise(l_old, l);
            let shift = head_new(place) - head_old(place);
            let inverse_old = head_std(l_old).inverse;
            let shift_new = shift * sigma.inverse;
            by_mean += w.z * shift_new * sigma.inverse + w.w * shift * inverse_old * inverse_old;
            by_log_std += w.w * math_expm1(change) - w.z * (math_expm1(-change) + shift_new * shift_new);
        }
        head_store(place, by_mean);
        head_store(place + head_dims(), by_log_std * sigma.slope);
    }
}

// Stores F t, t the row's tangent and F = diag(1/deviation^2, 2 (d log std / dl)^2).
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let sigma = head_std(head_new(place + head_dims()));
        head_store(place, head_tangent(place) * sigma.inverse * sigma.inverse);
        head_store(place + head_dims(), 2.0 * sigma.slope * sigma.slope * head_tangent(place + head_dims()));
    }
}

fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let place = row * head_width() + d;
    let u = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x);
    return bitcast<u32>(head_new(place) + head_std(head_new(place + head_dims())).deviation * math_normal_quantile(u));
}

// The mean; squashed, the median of what the environment gets.
fn head_mode(row: u32, d: u32) -> u32 { return bitcast<u32>(head_new(row * head_width() + d)); }

// What the environment gets: low + (tanh u + 1) / 2 (high - low), or the action clamped to the bounds.
fn head_to_env(word: u32, d: u32) -> u32 {
    let low = bitcast<f32>(head_table[1u + d].z);
    let high = bitcast<f32>(head_table[1u + d].w);
    if (HEAD_SQUASH == 1u) {
        return bitcast<u32>(math_clamp(low + 0.5 * (math_tanh(bitcast<f32>(word)) + 1.0) * (high - low), low, high));
    }
    return bitcast<u32>(math_clamp(bitcast<f32>(word), low, high));
}
