// The diagonal Gaussian head: log-probability, entropy and KL of a row [mean (D), log_std (D)], their gradients, Fisher
// products, draws. Needs parts math and philox. Same interface as head_categorical; an action is the bits of a float per dimension.

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

// Keeps the squares of both deviation and its inverse within f32.
fn head_exp(log_std: f32) -> f32 {
    return exp(clamp(log_std, -40.0, 40.0));
}

// (action - mean) / deviation, in dimension d of the new row.
fn head_score(row: u32, d: u32) -> f32 {
    let mean = row * head_width() + d;
    return (bitcast<f32>(head_action(row, d)) - head_new(mean)) * head_exp(-head_new(mean + head_width() / 2u));
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    let dims = head_width() / 2u;
    for (var d = 0u; d < dims; d += 1u) {
        let mean = row * head_width() + d;
        let log_std = head_new(mean + dims);
        let z = head_score(row, d);
        // 0.5 log(2 pi), and 0.5 log(2 pi e).
        s.logp -= 0.5 * z * z + log_std + 0.9189385332;
        s.entropy += log_std + 1.4189385332;
        if (with_kl) {
            let log_std_old = head_old(mean + dims);
            let change = 2.0 * (log_std - log_std_old);
            let shift = head_new(mean) - head_old(mean);
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
    let dims = head_width() / 2u;
    for (var d = 0u; d < dims; d += 1u) {
        let mean = row * head_width() + d;
        let log_std = head_new(mean + dims);
        let inverse = head_exp(-log_std);
        let z = head_score(row, d);
        var by_mean = w.x * z * inverse;
        var by_log_std = w.x * (z * z - 1.0) + w.y;
        // Only then is there an old row.
        if (w.z != 0.0 || w.w != 0.0) {
            let log_std_old = head_old(mean + dims);
            let change = 2.0 * (log_std - log_std_old);
            let shift = head_new(mean) - head_old(mean);
            let inverse_old = head_exp(-log_std_old);
            let shift_new = shift * inverse;
            by_mean += w.z * shift_new * inverse + w.w * shift * inverse_old * inverse_old;
            by_log_std += w.w * math_expm1(change) - w.z * (math_expm1(-change) + shift_new * shift_new);
        }
        head_store(mean, by_mean);
        head_store(mean + dims, by_log_std);
    }
}

// Stores F t, t the row's tangent and F = diag(1/deviation^2, 2).
fn head_fisher_product(row: u32) {
    let dims = head_width() / 2u;
    for (var d = 0u; d < dims; d += 1u) {
        let mean = row * head_width() + d;
        let inverse = head_exp(-head_new(mean + dims));
        head_store(mean, head_tangent(mean) * inverse * inverse);
        head_store(mean + dims, 2.0 * head_tangent(mean + dims));
    }
}

fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let mean = row * head_width() + d;
    let u = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x);
    let deviation = head_exp(head_new(mean + head_width() / 2u));
    return bitcast<u32>(head_new(mean) + deviation * math_normal_quantile(u));
}

// The mean.
fn head_mode(row: u32, d: u32) -> u32 {
    return bitcast<u32>(head_new(row * head_width() + d));
}

// What the environment gets: the action within its bounds.
fn head_to_env(word: u32, d: u32) -> u32 {
    let entry = head_table[1u + d];
    return bitcast<u32>(clamp(bitcast<f32>(word), bitcast<f32>(entry.z), bitcast<f32>(entry.w)));
}
