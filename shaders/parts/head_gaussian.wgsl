// The diagonal Gaussian head: log-probability, entropy and KL of a row [mean (D), log_std (D)], their gradients,
// draws. Needs parts math and philox. Same interface as head_categorical.
//
// The kernel says where its rows are: head_new(i), head_old(i) (element i of the new and old rows, flat),
// head_action(row, d) (a word: the bits of the float), head_tangent(i) (element i of a change of the new rows) and
// head_width() (2 D). All results are in nats.

struct HeadSummary {
    logp: f32,
    entropy: f32,
    kl_old_new: f32,
    kl_new_old: f32,
}

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

// Derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by element i of the new row.
fn head_gradient(row: u32, i: u32, summary: HeadSummary, w: vec4<f32>) -> f32 {
    let dims = head_width() / 2u;
    let of_mean = i < dims;
    let d = select(i - dims, i, of_mean);
    let mean = row * head_width() + d;
    let log_std = head_new(mean + dims);
    let inverse = head_exp(-log_std);
    let z = head_score(row, d);
    var gradient = select(w.x * (z * z - 1.0) + w.y, w.x * z * inverse, of_mean);
    // Only then is there an old row.
    if (w.z != 0.0 || w.w != 0.0) {
        let log_std_old = head_old(mean + dims);
        let change = 2.0 * (log_std - log_std_old);
        let shift = head_new(mean) - head_old(mean);
        let inverse_old = head_exp(-log_std_old);
        let shift_new = shift * inverse;
        let by_mean = w.z * shift_new * inverse + w.w * shift * inverse_old * inverse_old;
        let by_log_std = w.w * math_expm1(change) - w.z * (math_expm1(-change) + shift_new * shift_new);
        gradient += select(by_log_std, by_mean, of_mean);
    }
    return gradient;
}

// Nothing that head_fisher_product needs once per row.
fn head_tangent_center(row: u32, summary: HeadSummary) -> vec2<f32> {
    return vec2<f32>();
}

// Element i of F t, t the row's tangent and F = diag(1/deviation^2, 2) the Fisher matrix of the row's distribution.
fn head_fisher_product(row: u32, i: u32, summary: HeadSummary, center: vec2<f32>) -> f32 {
    let place = row * head_width() + i;
    let dims = head_width() / 2u;
    if (i >= dims) {
        return 2.0 * head_tangent(place);
    }
    let inverse = head_exp(-head_new(place + dims));
    return head_tangent(place) * inverse * inverse;
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
