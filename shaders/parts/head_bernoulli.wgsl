// The Bernoulli head, independent bits by their logits: log-probability, entropy and KL of a row, their gradients, Fisher
// products, draws. Needs parts math and philox. Same interface as head_categorical; a row has a logit per dimension, an
// action a word 0 or 1.
//
// log p = -softplus(-l) and log(1 - p) = -softplus(l): nothing is lost where a bit is almost certain.

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

fn head_bit(row: u32, d: u32) -> bool { return head_action(row, d) != 0u; }

// log(q / p) of an outcome from the logits of p and q: softplus(l) - softplus(m) with l = p's and m = q's.
fn head_log_quotient(l: f32, m: f32) -> f32 {
    // Near each other softplus(l) - softplus(m) = -log1p(sigmoid(l) (e^(m - l) - 1)).
    let near = abs(m - l) < 0.5;
    let change = select(0.0, m - l, near);
    return select(math_softplus(l) - math_softplus(m), -math_log1p(math_sigmoid(l) * math_expm1(change)), near);
}

// KL between the bits with logits l and m. Terms of at least 0, as in head_categorical.
fn head_kl(l: f32, m: f32) -> f32 {
    let one = head_log_quotient(-l, -m);  // log(q / p) of a 1
    let zero = head_log_quotient(l, m);   // and of a 0
    if (abs(one) < 0.5 && abs(zero) < 0.5) {
        return math_sigmoid(l) * math_k3(one) + math_sigmoid(-l) * math_k3(zero);
    }
    return -math_sigmoid(l) * one - math_sigmoid(-l) * zero;
}

// p - q of the bits with logits l and m: p (1 - q) (1 - e^(m - l)), in which the power is taken of what is below 0.
fn head_difference(l: f32, m: f32) -> f32 {
    let size = -math_sigmoid(max(l, m)) * math_sigmoid(-min(l, m)) * math_expm1(-abs(l - m));
    return select(size, -size, l < m);
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    for (var d = 0u; d < head_width(); d += 1u) {
        let l = head_new(row * head_width() + d);
        s.logp -= math_softplus(select(l, -l, head_bit(row, d)));
        s.entropy += math_sigmoid(l) * math_softplus(-l) + math_sigmoid(-l) * math_softplus(l);
        if (with_kl) {
            let m = head_old(row * head_width() + d);
            s.kl_old_new += head_kl(m, l);
            s.kl_new_old += head_kl(l, m);
        }
    }
    return s;
}

// Stores the derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by each element of the new row.
fn head_gradient(row: u32, w: vec4<f32>) {
    for (var d = 0u; d < head_width(); d += 1u) {
        let place = row * head_width() + d;
        let l = head_new(place);
        let slope = math_sigmoid(l) * math_sigmoid(-l);
        var gradient = w.x * select(-math_sigmoid(l), math_sigmoid(-l), head_bit(row, d)) - w.y * l * slope;
        // Only then is there an old row.
        if (w.z != 0.0 || w.w != 0.0) {
            let m = head_old(place);
            gradient += w.z * head_difference(l, m) + w.w * slope * (l - m);
        }
        head_store(place, gradient);
    }
}

// Stores F t, t the row's tangent and F = diag(p (1 - p)).
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_width(); d += 1u) {
        let place = row * head_width() + d;
        let l = head_new(place);
        head_store(place, math_sigmoid(l) * math_sigmoid(-l) * head_tangent(place));
    }
}

// 1 where a uniform number is below its probability.
fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let u = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x);
    return select(0u, 1u, u < math_sigmoid(head_new(row * head_width() + d)));
}

// The more probable bit.
fn head_mode(row: u32, d: u32) -> u32 { return select(0u, 1u, head_new(row * head_width() + d) > 0.0); }

// What the environment gets.
fn head_to_env(word: u32, d: u32) -> u32 { return word; }
