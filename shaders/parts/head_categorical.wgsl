// The categorical head, one choice in each of some dimensions, with or without masks: log-probability, entropy and KL of a row
// of logits, their gradients, Fisher products, draws. Needs parts math, philox and head_choice. The interface is that of all
// head parts:
//
// The kernel says where its rows are: head_new(i), head_old(i) (element i of the new and old rows, flat), head_tangent(i)
// (element i of a change of the new rows), head_width() (numbers per row) and head_action(row, w) (word w of a row's action:
// an index per dimension, then the mask); head_store(i, value) takes element i of a result shaped like the rows. head_table is
// (dimensions, mask words, ..), then per dimension (first logit, choices, bits of low and high). All results are in nats.

override HEAD_CENTRES: u32 = 0u;  // 1: the environment gets the centre of the chosen bin

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

fn head_choice(row: u32, d: u32, with_kl: bool) -> HeadChoice {
    var c = head_dimension(row, d);
    var best_old = 0u;
    c.max_new = head_logit_new(c, 0u);
    if (with_kl) { c.max_old = head_logit_old(c, 0u); }
    for (var i = 1u; i < c.count; i += 1u) {
        if (head_logit_new(c, i) > c.max_new) {
            c.max_new = head_logit_new(c, i);
            c.best = i;
        }
        if (with_kl && head_logit_old(c, i) > c.max_old) {
            c.max_old = head_logit_old(c, i);
            best_old = i;
        }
    }
    // Sums leave out the largest logit's 1: log1p then keeps the digits of an almost certain choice.
    var rest_new = 0.0;
    var rest_old = 0.0;
    var risen = 0.0;
    var farthest = 0.0;
    if (with_kl) { c.shift = head_change(c, best_old); }
    for (var i = 0u; i < c.count; i += 1u) {
        if (i != c.best) { rest_new += math_exp(head_logit_new(c, i) - c.max_new); }
        if (with_kl && i != best_old) {
            let weight = math_exp(head_logit_old(c, i) - c.max_old);
            let change = head_change(c, i) - c.shift;
            rest_old += weight;
            risen += weight * math_expm1(change);
            farthest = max(farthest, abs(change));
        }
    }
    c.near = farthest < 2.0;
    c.rise = math_log1p(select(0.0, risen, c.near) / (1.0 + rest_old));
    c.log_total_new = math_log1p(rest_new);
    c.log_total_old = math_log1p(rest_old);
    var sums = vec4<f32>();
    for (var i = 0u; i < c.count; i += 1u) { sums += head_terms(c, i, with_kl); }
    c = head_summed(c, sums);
    c.logp = head_logp_new(c, head_chosen(c, d));
    return c;
}

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    var s = HeadSummary();
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = head_choice(row, d, with_kl);
        s.logp += c.logp;
        s.entropy += c.entropy;
        s.kl_old_new += c.kl_old_new;
        s.kl_new_old += c.kl_new_old;
        s.hits += select(1.0, 0.0, head_open(c));
    }
    return s;
}

// Stores the derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by each element of the new row.
fn head_gradient(row: u32, w: vec4<f32>) {
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = head_choice(row, d, w.z != 0.0 || w.w != 0.0);
        for (var i = 0u; i < c.count; i += 1u) { head_store(head_place(c, i), head_slope(c, d, i, w)); }
    }
}

// Stores F t, t the row's tangent and F = diag(p) - p p' in each dimension. Tangents are taken relative to that of the most
// probable choice: so an almost certain one keeps its digits.
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = head_choice(row, d, false);
        let reference = head_tangent(head_place(c, c.best));
        var mean = 0.0;
        for (var i = 0u; i < c.count; i += 1u) {
            mean += math_probability(head_logp_new(c, i)) * (head_tangent(head_place(c, i)) - reference);
        }
        for (var i = 0u; i < c.count; i += 1u) {
            let product = math_probability(head_logp_new(c, i)) * ((head_tangent(head_place(c, i)) - reference) - mean);
            head_store(head_place(c, i), select(0.0, product, head_open(c)));
        }
    }
}

// The first index at which the running sum of probabilities exceeds a uniform number; if rounding lets none do so, the
// last index that has a probability.
fn head_draw(row: u32, d: u32, key: vec2<u32>, step: vec2<u32>) -> u32 {
    let c = head_dimension(row, d);
    let largest = head_logit_new(c, head_mode(row, d));
    var total = 0.0;
    for (var i = 0u; i < c.count; i += 1u) { total += math_probability(head_logit_new(c, i) - largest); }
    let bound = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x) * total;
    var running = 0.0;
    var chosen = 0u;
    for (var i = 0u; i < c.count; i += 1u) {
        let weight = math_probability(head_logit_new(c, i) - largest);
        running += weight;
        if (weight > 0.0) { chosen = i; }
        if (running > bound) { break; }
    }
    return chosen;
}

// The most probable index that is allowed, the lowest of equals.
fn head_mode(row: u32, d: u32) -> u32 {
    let c = head_dimension(row, d);
    var best = 0u;
    for (var i = 1u; i < c.count; i += 1u) {
        if (head_logit_new(c, i) > head_logit_new(c, best)) { best = i; }
    }
    return best;
}

// What the environment gets: the index, or the centre of that bin.
fn head_to_env(word: u32, d: u32) -> u32 {
    let entry = head_table[1u + d];
    let low = bitcast<f32>(entry.z);
    let centre = low + f32(word) / f32(max(entry.y, 2u) - 1u) * (bitcast<f32>(entry.w) - low);
    // Rounding may lead beyond the upper end.
    return select(word, bitcast<u32>(clamp(centre, low, bitcast<f32>(entry.w))), HEAD_CENTRES == 1u);
}
