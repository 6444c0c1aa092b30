// The categorical head: log-probability, entropy and KL of a row of logits, their gradients, draws. Needs parts math
// and philox. Same interface as head_gaussian.
//
// The kernel says where its rows are: head_new(i), head_old(i) (element i of the new and old rows, flat),
// head_action(row, d) (a word: the index), head_tangent(i) (element i of a change of the new rows) and head_width() (logits
// per row). All results are in nats.

struct HeadSummary {
    logp: f32,
    entropy: f32,
    kl_old_new: f32,
    kl_new_old: f32,
    // Per row and distribution: the largest logit, and log of the sum of exp(logit - largest).
    max_new: f32,
    log_total_new: f32,
    max_old: f32,
    log_total_old: f32,
}

fn head_logp_new(i: u32, summary: HeadSummary) -> f32 { return (head_new(i) - summary.max_new) - summary.log_total_new; }

fn head_logp_old(i: u32, summary: HeadSummary) -> f32 { return (head_old(i) - summary.max_old) - summary.log_total_old; }

fn head_chosen(row: u32) -> u32 { return min(head_action(row, 0u), head_width() - 1u); }

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    let width = head_width();
    let base = row * width;
    var best_new = 0u;
    var best_old = 0u;
    s.max_new = head_new(base);
    if (with_kl) { s.max_old = head_old(base); }
    for (var i = 1u; i < width; i += 1u) {
        if (head_new(base + i) > s.max_new) {
            s.max_new = head_new(base + i);
            best_new = i;
        }
        if (with_kl && head_old(base + i) > s.max_old) {
            s.max_old = head_old(base + i);
            best_old = i;
        }
    }
    // Sums leave out the largest logit's 1: log1p then keeps the digits of an almost certain choice.
    var rest_new = 0.0;
    var rest_old = 0.0;
    for (var i = 0u; i < width; i += 1u) {
        if (i != best_new) { rest_new += math_exp(head_new(base + i) - s.max_new); }
        if (with_kl && i != best_old) { rest_old += math_exp(head_old(base + i) - s.max_old); }
    }
    s.log_total_new = math_log1p(rest_new);
    s.log_total_old = math_log1p(rest_old);
    // p log(p/q) = q - p - p log(q/p) + (p - q), and p - q sums to 0: where p is near q that form has terms of at least 0
    // and nothing cancels. Elsewhere the plain term is exact, and its share of p - q is summed apart.
    var excess = 0.0;
    for (var i = 0u; i < width; i += 1u) {
        let logp_new = head_logp_new(base + i, s);
        let p_new = exp(logp_new);
        s.entropy -= p_new * logp_new;
        if (with_kl) {
            let logp_old = head_logp_old(base + i, s);
            let p_old = exp(logp_old);
            let delta = logp_new - logp_old;
            if (abs(delta) < 0.5) {
                s.kl_old_new += p_old * math_k3(delta);
                s.kl_new_old += p_new * math_k3(-delta);
            } else {
                s.kl_old_new -= p_old * delta;
                s.kl_new_old += p_new * delta;
                excess += p_new - p_old;
            }
        }
    }
    s.kl_old_new += excess;
    s.kl_new_old -= excess;
    s.logp = head_logp_new(base + head_chosen(row), s);
    return s;
}

// Derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by element i of the new row.
fn head_gradient(row: u32, i: u32, summary: HeadSummary, w: vec4<f32>) -> f32 {
    let base = row * head_width();
    let logp_new = head_logp_new(base + i, summary);
    let p_new = exp(logp_new);
    var gradient = w.x * (select(0.0, 1.0, i == head_chosen(row)) - p_new) - w.y * p_new * (logp_new + summary.entropy);
    // Only a summary with KL knows the old row.
    if (w.z != 0.0 || w.w != 0.0) {
        let logp_old = head_logp_old(base + i, summary);
        let p_old = exp(logp_old);
        let delta = logp_new - logp_old;
        var difference = p_new - p_old;
        if (abs(delta) < 0.5) {
            difference = p_old * math_expm1(delta);
        }
        gradient += w.z * difference + w.w * p_new * (delta - summary.kl_new_old);
    }
    return gradient;
}

// What head_fisher_product needs once per row: the tangent of the most probable logit, and the mean of the tangent less that.
// Written so, an almost certain choice keeps its digits.
fn head_tangent_center(row: u32, summary: HeadSummary) -> vec2<f32> {
    let base = row * head_width();
    let reference = head_tangent(base + head_mode(row, 0u));
    var mean = 0.0;
    for (var i = 0u; i < head_width(); i += 1u) {
        mean += exp(head_logp_new(base + i, summary)) * (head_tangent(base + i) - reference);
    }
    return vec2<f32>(reference, mean);
}

// Element i of F t, t the row's tangent and F = diag(p) - p p' the Fisher matrix of the row's distribution.
fn head_fisher_product(row: u32, i: u32, summary: HeadSummary, center: vec2<f32>) -> f32 {
    let place = row * head_width() + i;
    return exp(head_logp_new(place, summary)) * ((head_tangent(place) - center.x) - center.y);
}

// The first index at which the running sum of probabilities exceeds a uniform number; if rounding lets none do so, the
// last index that has a probability.
fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let width = head_width();
    let base = row * width;
    let largest = head_new(base + head_mode(row, d));
    var total = 0.0;
    for (var i = 0u; i < width; i += 1u) {
        total += exp(head_new(base + i) - largest);
    }
    let bound = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x) * total;
    var running = 0.0;
    var chosen = 0u;
    for (var i = 0u; i < width; i += 1u) {
        let weight = exp(head_new(base + i) - largest);
        running += weight;
        if (weight > 0.0) { chosen = i; }
        if (running > bound) { break; }
    }
    return chosen;
}

// The most probable index, the lowest of equals.
fn head_mode(row: u32, d: u32) -> u32 {
    let base = row * head_width();
    var best = 0u;
    for (var i = 1u; i < head_width(); i += 1u) {
        if (head_new(base + i) > head_new(base + best)) { best = i; }
    }
    return best;
}
