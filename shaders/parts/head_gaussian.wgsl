// The Gaussian heads: log-probability, entropy and KL of a row [mean (D), l (D)], their gradients, Fisher products, draws.
// Needs parts math, philox and squash. Same interface as head_categorical; an action is D words, the bits of floats.
//
// l becomes the log of the standard deviation by HEAD_STD_LIMIT. With HEAD_SQUASH = 1 an action is u and means tanh u: the
// log-probability and the entropy are those of tanh u; the KL and the gradient of log p are those of u, as tanh has no
// parameters. So both heads are this file, and what tanh adds is part squash.

override HEAD_STD_LIMIT: u32 = 0u;      // 0: log std = l; 1: low + softplus(l - low); 2: clamp(l, low, high)
override HEAD_LOG_STD_LOW: f32 = 0.0;
override HEAD_LOG_STD_HIGH: f32 = 0.0;
override HEAD_SQUASH: u32 = 0u;

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

fn head_dims() -> u32 { return head_width() / 2u; }

// Keeps the squares of both deviation and its inverse within f32.
fn head_exp(log_std: f32) -> f32 { return exp(clamp(log_std, -40.0, 40.0)); }

// (log std, its derivative by l, 1 where l is beyond the limit).
fn head_limit(l: f32) -> vec3<f32> {
    if (HEAD_STD_LIMIT == 1u && !math_is_nan(l)) {
        let above = l - HEAD_LOG_STD_LOW;
        // low + softplus(above), in the form that adds nothing large to l.
        let log_std = max(l, HEAD_LOG_STD_LOW) + math_log1p(math_exp(-abs(above)));
        return vec3<f32>(log_std, math_sigmoid(above), select(0.0, 1.0, above < 0.0));
    }
    if (HEAD_STD_LIMIT == 2u && (l < HEAD_LOG_STD_LOW || l > HEAD_LOG_STD_HIGH)) {
        return vec3<f32>(clamp(l, HEAD_LOG_STD_LOW, HEAD_LOG_STD_HIGH), 0.0, 1.0);
    }
    return vec3<f32>(l, 1.0, 0.0);
}

// (action - mean) / deviation, in dimension d of the new row.
fn head_score(row: u32, d: u32, log_std: f32) -> f32 {
    return (bitcast<f32>(head_action(row, d)) - head_new(row * head_width() + d)) * head_exp(-log_std);
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let limited = head_limit(head_new(place + head_dims()));
        let log_std = limited.x;
        let z = head_score(row, d, log_std);
        // 0.5 log(2 pi), and 0.5 log(2 pi e).
        s.logp -= 0.5 * z * z + log_std + 0.9189385332;
        s.entropy += log_std + 1.4189385332;
        s.hits += limited.z;
        if (HEAD_SQUASH == 1u) {
            s.logp -= squash_log_slope(bitcast<f32>(head_action(row, d)));
            s.entropy += squash_entropy(head_new(place), head_exp(log_std)).x;
        }
        if (with_kl) {
            let log_std_old = head_limit(head_old(place + head_dims())).x;
            let change = 2.0 * (log_std - log_std_old);
            let shift = head_new(place) - head_old(place);
            let shift_new = shift * head_exp(-log_std);
            let shift_old = shift * head_exp(-log_std_old);
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
        let limited = head_limit(head_new(place + head_dims()));
        let log_std = limited.x;
        let inverse = head_exp(-log_std);
        let z = head_score(row, d, log_std);
        var by_mean = w.x * z * inverse;
        var by_log_std = w.x * (z * z - 1.0) + w.y;
        if (HEAD_SQUASH == 1u && w.y != 0.0) {
            let entropy = squash_entropy(head_new(place), head_exp(log_std));
            by_mean += w.y * entropy.y;
            by_log_std += w.y * entropy.z;
        }
        // Only then is there an old row.
        if (w.z != 0.0 || w.w != 0.0) {
            let log_std_old = head_limit(head_old(place + head_dims())).x;
            let change = 2.0 * (log_std - log_std_old);
            let shift = head_new(place) - head_old(place);
            let inverse_old = head_exp(-log_std_old);
            let shift_new = shift * inverse;
            by_mean += w.z * shift_new * inverse + w.w * shift * inverse_old * inverse_old;
            by_log_std += w.w * math_expm1(change) - w.z * (math_expm1(-change) + shift_new * shift_new);
        }
        head_store(place, by_mean);
        head_store(place + head_dims(), by_log_std * limited.y);
    }
}

// Stores F t, t the row's tangent and F = diag(1/deviation^2, 2 (d log std / dl)^2).
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let limited = head_limit(head_new(place + head_dims()));
        let inverse = head_exp(-limited.x);
        head_store(place, head_tangent(place) * inverse * inverse);
        head_store(place + head_dims(), 2.0 * limited.y * limited.y * head_tangent(place + head_dims()));
    }
}

fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let place = row * head_width() + d;
    let u = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x);
    let deviation = head_exp(head_limit(head_new(place + head_dims())).x);
    return bitcast<u32>(head_new(place) + deviation * math_normal_quantile(u));
}

// The mean; squashed, the median of what the environment gets.
fn head_mode(row: u32, d: u32) -> u32 { return bitcast<u32>(head_new(row * head_width() + d)); }

// What the environment gets: low + (tanh u + 1) / 2 (high - low), or the action clamped to the bounds.
fn head_to_env(word: u32, d: u32) -> u32 {
    let low = bitcast<f32>(head_table[1u + d].z);
    let high = bitcast<f32>(head_table[1u + d].w);
    if (HEAD_SQUASH == 1u) {
        return bitcast<u32>(clamp(low + 0.5 * (math_tanh(bitcast<f32>(word)) + 1.0) * (high - low), low, high));
    }
    return bitcast<u32>(clamp(bitcast<f32>(word), low, high));
}
