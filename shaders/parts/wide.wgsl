// One dimension of a categorical row, walked by a workgroup of 256: what part head_categorical has one invocation do, by the
// formulas of part head_choice. Needs parts math, loops and head_categorical.
//
// All lanes of a workgroup call these functions together, for the same row and dimension: there are barriers in them. A sum is
// of 32 terms, then of such sums, then a tree over the lanes: 72 roundings on the way of a term where there are 262,144.

const WIDE_LANES: u32 = 256u;
const WIDE_BLOCK: u32 = 32u;  // terms of a lane that are added up before they go into its sum

var<workgroup> wide_numbers: array<vec4<f32>, 256>;
var<workgroup> wide_places: array<vec2<u32>, 256>;

// The sum over all lanes.
fn wide_sum(lane: u32, own: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();  // nobody reads any more what was there
    wide_numbers[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WIDE_LANES / 2u, head_table[0].x); half > 0u; half /= 2u) {
        if (lane < half) {
            wide_numbers[lane] += wide_numbers[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    return wide_numbers[0];
}

// A dimension with its largest logits and their totals: what the functions of part head_choice need.
fn wide_totals(lane: u32, row: u32, d: u32, with_kl: bool) -> HeadChoice {
    var c = head_dimension(row, d);
    // Lanes past the last choice look at it, too.
    var best = vec2<u32>(min(lane, c.count - 1u));
    var largest = vec2<f32>(head_logit_new(c, best.x), 0.0);
    if (with_kl) { largest.y = head_logit_old(c, best.y); }
    for (var i = lane + WIDE_LANES; i < c.count; i += WIDE_LANES) {
        if (head_logit_new(c, i) > largest.x) {
            largest.x = head_logit_new(c, i);
            best.x = i;
        }
        if (with_kl && head_logit_old(c, i) > largest.y) {
            largest.y = head_logit_old(c, i);
            best.y = i;
        }
    }
    workgroupBarrier();  // nobody reads any more what was there
    wide_numbers[lane] = vec4<f32>(largest, 0.0, 0.0);
    wide_places[lane] = best;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WIDE_LANES / 2u, head_table[0].x); half > 0u; half /= 2u) {
        if (lane < half) {
            let other = wide_numbers[lane + half];
            let there = wide_places[lane + half];
            if (other.x > wide_numbers[lane].x || (other.x == wide_numbers[lane].x && there.x < wide_places[lane].x)) {
                wide_numbers[lane].x = other.x;
                wide_places[lane].x = there.x;
            }
            if (other.y > wide_numbers[lane].y || (other.y == wide_numbers[lane].y && there.y < wide_places[lane].y)) {
                wide_numbers[lane].y = other.y;
                wide_places[lane].y = there.y;
            }
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    c.max_new = wide_numbers[0].x;
    c.max_old = wide_numbers[0].y;
    c.best = wide_places[0].x;
    let best_old = wide_places[0].y;
    // As in head_choice, the largest logit's 1 is left out.
    if (with_kl) { c.shift = head_change(c, best_old); }
    var rest = vec4<f32>();
    for (var first = lane; first < c.count; first += WIDE_LANES * WIDE_BLOCK) {
        var part = vec4<f32>();
        for (var i = first; i < min(first + WIDE_LANES * WIDE_BLOCK, c.count); i += WIDE_LANES) {
            if (i != c.best) { part.x += math_exp(head_logit_new(c, i) - c.max_new); }
            if (with_kl && i != best_old) {
                let weight = math_exp(head_logit_old(c, i) - c.max_old);
                let change = head_change(c, i) - c.shift;
                part += vec4<f32>(0.0, weight, weight * math_expm1(change), select(1.0, 0.0, abs(change) < 2.0));
            }
        }
        rest += part;
    }
    let totals = wide_sum(lane, rest);
    c.near = totals.w == 0.0;
    c.rise = math_log1p(select(0.0, totals.z, c.near) / (1.0 + totals.y));
    c.log_total_new = math_log1p(totals.x);
    c.log_total_old = math_log1p(totals.y);
    return c;
}

// That with log-probability, entropy and divergences.
fn wide_choice(lane: u32, row: u32, d: u32, with_kl: bool) -> HeadChoice {
    let c = wide_totals(lane, row, d, with_kl);
    var sums = vec4<f32>();
    for (var first = lane; first < c.count; first += WIDE_LANES * WIDE_BLOCK) {
        var part = vec4<f32>();
        for (var i = first; i < min(first + WIDE_LANES * WIDE_BLOCK, c.count); i += WIDE_LANES) {
            part += head_terms(c, i, with_kl);
        }
        sums += part;
    }
    var summed = head_summed(c, wide_sum(lane, sums));
    summed.logp = head_logp_new(c, head_chosen(c, d));
    return summed;
}
