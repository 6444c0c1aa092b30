// The Beta heads: log-probability, entropy and KL of a row [a (D), b (D)] with alpha = 1 + softplus(a), beta = 1 + softplus(b),
// their gradients, Fisher products, draws. Needs parts math, philox, gamma and beta. Same interface as head_categorical; an
// action is D words, the bits of floats x in (0, 1).

const HEAD_TRIES: u32 = 16u;
// Draws and greedy actions stay this far from 0 and 1, where densities may be 0: 2^-20.
const HEAD_MARGIN: f32 = 9.5367431640625e-7;

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

fn head_dims() -> u32 { return head_width() / 2u; }

fn head_raw_new(row: u32, d: u32) -> vec2<f32> {
    let place = row * head_width() + d;
    return vec2<f32>(head_new(place), head_new(place + head_dims()));
}

fn head_raw_old(row: u32, d: u32) -> vec2<f32> {
    let place = row * head_width() + d;
    return vec2<f32>(head_old(place), head_old(place + head_dims()));
}

fn head_store_pair(row: u32, d: u32, pair: vec2<f32>) {
    let place = row * head_width() + d;
    head_store(place, pair.x);
    head_store(place + head_dims(), pair.y);
}

fn head_softplus(raw: vec2<f32>) -> vec2<f32> { return vec2<f32>(math_softplus(raw.x), math_softplus(raw.y)); }

fn head_slope(raw: vec2<f32>) -> vec2<f32> { return vec2<f32>(math_sigmoid(raw.x), math_sigmoid(raw.y)); }

// softplus(to) - softplus(before), also where they are near each other.
fn head_rise(before: f32, to: f32) -> f32 {
    let near = abs(to - before) < 0.5;
    let change = select(0.0, to - before, near);
    return select(math_softplus(to) - math_softplus(before), math_log1p(math_sigmoid(before) * math_expm1(change)), near);
}

fn head_rises(before: vec2<f32>, to: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(head_rise(before.x, to.x), head_rise(before.y, to.y));
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    for (var d = 0u; d < head_dims(); d += 1u) {
        let raw = head_raw_new(row, d);
        let less = head_softplus(raw);
        s.logp += beta_logp(less, bitcast<f32>(head_action(row, d)));
        s.entropy += beta_entropy(less);
        if (with_kl) {
            let raw_old = head_raw_old(row, d);
            let old = 1.0 + head_softplus(raw_old);
            let change = head_rises(raw_old, raw);
            s.kl_old_new += beta_kl(old, 1.0 + less, change);
            s.kl_new_old += beta_kl(1.0 + less, old, -change);
        }
    }
    return s;
}

// Stores the derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by each element of the new row.
fn head_gradient(row: u32, w: vec4<f32>) {
    for (var d = 0u; d < head_dims(); d += 1u) {
        let raw = head_raw_new(row, d);
        let less = head_softplus(raw);
        let p = 1.0 + less;
        var g = w.x * beta_logp_gradient(p, bitcast<f32>(head_action(row, d))) + w.y * beta_entropy_gradient(less);
        // Only then is there an old row.
        if (w.z != 0.0 || w.w != 0.0) {
            let raw_old = head_raw_old(row, d);
            let change = head_rises(raw_old, raw);
            g += w.z * beta_kl_gradient(1.0 + head_softplus(raw_old), p, change) + w.w * beta_fisher(p, change);
        }
        head_store_pair(row, d, g * head_slope(raw));
    }
}

// Stores F t, t the row's tangent.
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_dims(); d += 1u) {
        let place = row * head_width() + d;
        let raw = head_raw_new(row, d);
        let slope = head_slope(raw);
        let v = slope * vec2<f32>(head_tangent(place), head_tangent(place + head_dims()));
        head_store_pair(row, d, slope * beta_fisher(1.0 + head_softplus(raw), v));
    }
}

// A draw from the gamma distribution of this shape, at least 1 (Marsaglia and Tsang 2000). Each try has a block of its own:
// word 0 is a normal, word 1 a uniform. All of HEAD_TRIES fail once in 1e20 draws; then it is shape - 1/3, about the median.
fn head_gamma(shape: f32, row: u32, dimension: u32, key: vec2<u32>, step: vec2<u32>) -> f32 {
    let scale = shape - 0.33333334;
    let c = 0.33333334 / sqrt(scale);
    for (var i = 0u; i < HEAD_TRIES; i += 1u) {
        let words = philox_block(philox_counter(PHILOX_ACTION, row, dimension + 2u * i, step), key);
        let z = math_normal_quantile(philox_uniform(words.x));
        let w = c * z;
        // z^2 / 2 + scale (1 - v + log v) with v = (1 + w)^3, where scale w^2 = z^2 / 9.
        let bound = z * z * (0.16666667 - 0.11111111 * w) - 3.0 * scale * gamma_excess(w, 1.0 + w);
        if (w > -1.0 && math_log(philox_uniform(words.y)) < bound) {
            return scale * (1.0 + w) * (1.0 + w) * (1.0 + w);
        }
    }
    return scale;
}

fn head_inside(x: f32) -> u32 { return bitcast<u32>(math_clamp(x, HEAD_MARGIN, 1.0 - HEAD_MARGIN)); }

// A share of two gamma draws. Of action dimension d they have the counter's dimensions 32 d + 2 try and one more.
fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let p = 1.0 + head_softplus(head_raw_new(row, d));
    let one = head_gamma(p.x, row, 2u * HEAD_TRIES * d, key, step);
    let other = head_gamma(p.y, row, 2u * HEAD_TRIES * d + 1u, key, step);
    return head_inside(one / (one + other));
}

// The mean.
fn head_mode(row: u32, d: u32) -> u32 {
    let p = 1.0 + head_softplus(head_raw_new(row, d));
    return head_inside(p.x / (p.x + p.y));
}

// What the environment gets: low + x (high - low).
fn head_to_env(word: u32, d: u32) -> u32 {
    let low = bitcast<f32>(head_table[1u + d].z);
    let high = bitcast<f32>(head_table[1u + d].w);
    return bitcast<u32>(math_clamp(low + bitcast<f32>(word) * (high - low), low, high));
}
