// One dimension of a categorical row: its logits, and what follows choice by choice from their maxima and totals. Part
// head_categorical walks a row by one invocation and brings this part along, part wide by a workgroup. Needs part math.

override HEAD_MASKED: u32 = 0u;

// The logit of a choice that is not allowed: its probability is 0. Where nothing is allowed all choices are equal.
const HEAD_FORBIDDEN: f32 = -1e30;

struct HeadChoice {
    row: u32,
    first: u32,  // its first logit within the row
    count: u32,
    best: u32,   // the largest logit's index, the lowest of equals
    max_new: f32,
    log_total_new: f32,
    max_old: f32,
    log_total_old: f32,
    near: bool,  // whether all logits changed alike, except for 2: then shift and rise are known
    shift: f32,  // the change of the largest old logit
    rise: f32,   // log of the sum of p_old e^(change - shift)
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
fn head_change(c: HeadChoice, i: u32) -> f32 { return head_logit_new(c, i) - head_logit_old(c, i); }
// log(p_new / p_old). Changes of logits have digits that a difference of two log-probabilities has not.
fn head_delta(c: HeadChoice, i: u32) -> f32 {
    if (c.near) { return (head_change(c, i) - c.shift) - c.rise; }
    return head_logp_new(c, i) - head_logp_old(c, i);
}
fn head_chosen(c: HeadChoice, d: u32) -> u32 { return min(head_action(c.row, d), c.count - 1u); }
fn head_open(c: HeadChoice) -> bool { return HEAD_MASKED == 0u || c.max_new > HEAD_FORBIDDEN; }

fn head_dimension(row: u32, d: u32) -> HeadChoice {
    var c = HeadChoice();
    c.row = row;
    c.first = head_table[1u + d].x;
    c.count = head_table[1u + d].y;
    return c;
}

// What choice i adds to entropy, KL(old‖new), KL(new‖old) and the excess. p log(p/q) = q - p - p log(q/p) + (p - q), and p - q
// sums to 0: where p is near q that form has terms of at least 0 and nothing cancels. Elsewhere the plain term is exact, and
// its share of p - q is summed apart.
fn head_terms(c: HeadChoice, i: u32, with_kl: bool) -> vec4<f32> {
    let logp_new = head_logp_new(c, i);
    let p_new = math_probability(logp_new);
    var terms = vec4<f32>(-p_new * logp_new, 0.0, 0.0, 0.0);
    if (with_kl) {
        let p_old = math_probability(head_logp_old(c, i));
        let delta = head_delta(c, i);
        if (abs(delta) < 0.5) {
            terms.y = p_old * math_k3(delta);
            terms.z = p_new * math_k3(-delta);
        } else {
            terms.y = -p_old * delta;
            terms.z = p_new * delta;
            terms.w = p_new - p_old;
        }
    }
    return terms;
}

// The four as their sums over all choices have them.
fn head_summed(c: HeadChoice, sums: vec4<f32>) -> HeadChoice {
    var summed = c;
    summed.entropy = sums.x;
    summed.kl_old_new = sums.y + sums.w;
    summed.kl_new_old = sums.z - sums.w;
    return summed;
}

// The derivative of w.x logp + w.y entropy + w.z kl_old_new + w.w kl_new_old by the new logit of choice i in dimension d.
fn head_slope(c: HeadChoice, d: u32, i: u32, w: vec4<f32>) -> f32 {
    let logp_new = head_logp_new(c, i);
    let p_new = math_probability(logp_new);
    // 1 - p has digits where a choice is almost certain.
    let score = select(-p_new, -math_expm1(logp_new), i == head_chosen(c, d));
    var gradient = w.x * score - w.y * p_new * (logp_new + c.entropy);
    if (w.z != 0.0 || w.w != 0.0) {  // only then is there an old row
        let p_old = math_probability(head_logp_old(c, i));
        let delta = head_delta(c, i);
        let difference = select(p_new - p_old, p_old * math_expm1(delta), abs(delta) < 0.5);
        gradient += w.z * difference + w.w * p_new * (delta - c.kl_new_old);
    }
    return select(0.0, gradient, head_open(c));
}
