// The categorical head, one choice in each of some dimensions, with or without masks: log-probability, entropy and KL of a row
// of logits, their gradients, Fisher products, draws. Needs parts math and philox. The interface is that of all head parts:
//
// The kernel says where its rows are: head_new(i), head_old(i) (element i of the new and old rows, flat), head_tangent(i)
// (element i of a change of the new rows), head_width() (numbers per row) and head_action(row, w) (word w of a row's action:
// an index per dimension, then the mask); head_store(i, value) takes element i of a result shaped like the rows. head_table is
// (dimensions, mask words, ..), then per dimension (first logit, choices, bits of low and high). All results are in nats.

override HEAD_MASKED: u32 = 0u;
override HEAD_CENTRES: u32 = 0u;  // 1: the environment gets the centre of the chosen bin

// The logit of a choice that is not allowed: its probability is 0. Where nothing is allowed all choices are equal.
const HEAD_FORBIDDEN: f32 = -1e30;

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

// One dimension of a row.
struct HeadChoice {
    row: u32,
    first: u32,  // its first logit within the row
    count: u32,
    max_new: f32,
    log_total_new: f32,
    max_old: f32,
    log_total_old: f32,
    logp: f32,
    entropy: f32,
    kl_old_new: f32,
    kl_new_old: f32,
}

fn head_allowed(row: u32, choice: u32) -> bool {
    return HEAD_MASKED == 0u || ((head_action(row, head_table[0].x + choice / 32u) >> (choice % 32u)) & 1u) == 1u;
}

fn head_place(c: HeadChoice, i: u32) -> u32 { return c.row * head_width() + c.first + i; }
fn head_logit_new(c: HeadChoice, i: u32) -> f32 {
    return select(HEAD_FORBIDDEN, head_new(head_place(c, i)), head_allowed(c.row, c.first + i));
}
fn head_logit_old(c: HeadChoice, i: u32) -> f32 {
    return select(HEAD_FORBIDDEN, head_old(head_place(c, i)), head_allowed(c.row, c.first + i));
}
fn head_logp_new(c: HeadChoice, i: u32) -> f32 { return (head_logit_new(c, i) - c.max_new) - c.log_total_new; }
fn head_logp_old(c: HeadChoice, i: u32) -> f32 { return (head_logit_old(c, i) - c.max_old) - c.log_total_old; }
fn head_chosen(c: HeadChoice, d: u32) -> u32 { return min(head_action(c.row, d), c.count - 1u); }
fn head_open(c: HeadChoice) -> bool { return HEAD_MASKED == 0u || c.max_new > HEAD_FORBIDDEN; }

fn head_dimension(row: u32, d: u32) -> HeadChoice {
    var c = HeadChoice();
    c.row = row;
    c.first = head_table[1u + d].x;
    c.count = head_table[1u + d].y;
    return c;
}

fn head_choice(row: u32, d: u32, with_kl: bool) -> HeadChoice {
    var c = head_dimension(row, d);
    var best_new = 0u;
    var best_old = 0u;
    c.max_new = head_logit_new(c, 0u);
    if (with_kl) { c.max_old = head_logit_old(c, 0u); }
    for (var i = 1u; i < c.count; i += 1u) {
        if (head_logit_new(c, i) > c.max_new) {
            c.max_new = head_logit_new(c, i);
            best_new = i;
        }
        if (with_kl && head_logit_old(c, i) > c.max_old) {
            c.max_old = head_logit_old(c, i);
            best_old = i;
        }
    }
    // Sums leave out the largest logit's 1: log1p then keeps the digits of an almost certain choice.
    var rest_new = 0.0;
    var rest_old = 0.0;
    for (var i = 0u; i < c.count; i += 1u) {
        if (i != best_new) { rest_new += math_exp(head_logit_new(c, i) - c.max_new); }
        if (with_kl && i != best_old) { rest_old += math_exp(head_logit_old(c, i) - c.max_old); }
    }
    c.log_total_new = math_log1p(rest_new);
    c.log_total_old = math_log1p(rest_old);
    // p log(p/q) = q - p - p log(q/p) + (p - q), and p - q sums to 0: where p is near q that form has terms of at least 0
    // and nothing cancels. Elsewhere the plain term is exact, and its share of p - q is summed apart.
    var excess = 0.0;
    for (var i = 0u; i < c.count; i += 1u) {
        let logp_new = head_logp_new(c, i);
        let p_new = exp(logp_new);
        c.entropy -= p_new * logp_new;
        if (with_kl) {
            let logp_old = head_logp_old(c, i);
            let p_old = exp(logp_old);
            let delta = logp_new - logp_old;
            if (abs(delta) < 0.5) {
                c.kl_old_new += p_old * math_k3(delta);
                c.kl_new_old += p_new * math_k3(-delta);
            } else {
                c.kl_old_new -= p_old * delta;
                c.kl_new_old += p_new * delta;
                excess += p_new - p_old;
            }
        }
    }
    c.kl_old_new += excess;
    c.kl_new_old -= excess;
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
    let with_kl = w.z != 0.0 || w.w != 0.0;  // only then is there an old row
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = head_choice(row, d, with_kl);
        for (var i = 0u; i < c.count; i += 1u) {
            let logp_new = head_logp_new(c, i);
            let p_new = exp(logp_new);
            let hit = select(0.0, 1.0, i == head_chosen(c, d));
            var gradient = w.x * (hit - p_new) - w.y * p_new * (logp_new + c.entropy);
            if (with_kl) {
                let p_old = exp(head_logp_old(c, i));
                let delta = logp_new - head_logp_old(c, i);
                let difference = select(p_new - p_old, p_old * math_expm1(delta), abs(delta) < 0.5);
                gradient += w.z * difference + w.w * p_new * (delta - c.kl_new_old);
            }
            head_store(head_place(c, i), select(0.0, gradient, head_open(c)));
        }
    }
}

// Stores F t, t the row's tangent and F = diag(p) - p p' in each dimension. Tangents are taken relative to that of the most
// probable choice: so an almost certain one keeps its digits.
fn head_fisher_product(row: u32) {
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = head_choice(row, d, false);
        let reference = head_tangent(head_place(c, head_mode(row, d)));
        var mean = 0.0;
        for (var i = 0u; i < c.count; i += 1u) {
            mean += exp(head_logp_new(c, i)) * (head_tangent(head_place(c, i)) - reference);
        }
        for (var i = 0u; i < c.count; i += 1u) {
            let product = exp(head_logp_new(c, i)) * ((head_tangent(head_place(c, i)) - reference) - mean);
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
    for (var i = 0u; i < c.count; i += 1u) { total += exp(head_logit_new(c, i) - largest); }
    let bound = philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x) * total;
    var running = 0.0;
    var chosen = 0u;
    for (var i = 0u; i < c.count; i += 1u) {
        let weight = exp(head_logit_new(c, i) - largest);
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
