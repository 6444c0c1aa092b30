// What the mean KL of a minibatch or of a whole batch decides: weights of the penalty, learning rate, the next β.
//
// trust_partials  [groups]                   sums over rows from loss_trust_region; read in phases 0 and 2
// control         [8]                        parts/control.wgsl
// trace           [minibatches, TRACE_WIDTH] parts/trace.wgsl; row params.index
// samples         [kl_sample + 1]            element kl_sample: weights of KL(old‖new) and KL(new‖old) in the loss;
//                                            valid_sample, unless 0: what a row weighs, 0 where none counts
// kl_state        [4]                        β and learning rate of the next update (0: the configuration's), KL at the end, 0
//
// Needs parts rate, loops. One workgroup. Phase 0 before the loss: KL and penalty go to the trace, their derivative to samples.
// Phase 1, after the early stop was decided: the learning rate. Phase 2, after the last minibatch and over all rows: KL and β.
// Phase 3, in its place: β by the KL that the last minibatch with a row that counts left in kl_state; if none did that is NaN,
// and β stays. Phase 4, after an epoch: the learning rate by the mean KL of the minibatches visited, and the end of a stop
// that is only the epoch's. Phase 5, before the first step: the learning rate that was kept.
//
// Operations: 3 a partial sum, of 64 rows; bytes: 16.

struct Params {
    groups: u32,
    index: u32,         // minibatch of this update
    phase: u32,
    direction: u32,     // 0 KL(old‖new), 1 KL(new‖old)
    kl_sample: u32,
    adaptive: u32,      // 1: β is adapted
    inverse_rows: f32,
    kl_coef: f32,       // β, unless kl_state has one
    kl_low: f32,        // below: β falls
    kl_high: f32,       // above: β rises
    hinge_coef: f32,
    hinge_limit: f32,
    rate_high: f32,     // above: the learning rate falls
    rate_low: f32,      // below: it rises
    rate_factor: f32,
    rate_min: f32,
    rate_max: f32,
    kl_raise: f32,      // factor of β above kl_high
    kl_lower: f32,      // and below kl_low
    column: u32,        // of the trace: the KL that the learning rate follows
    raises: u32,        // whether the rate rises: 0 never, 1 where KL > 0, 2 at 0, too, and at the end of an epoch only
    first: u32,         // first minibatch of the epoch
    reopens: u32,       // 1: an early stop ends with its epoch
    valid_sample: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> trust_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> trace: array<f32>;
@group(0) @binding(5) var<storage, read_write> samples: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> kl_state: array<f32>;

const WG: u32 = 64u;
const MIN_KL_COEF: f32 = 1.4901161193847656e-8;  // 2^-26
const MAX_KL_COEF: f32 = 67108864.0;             // 2^26
const STATE_KL_COEF: u32 = 0u;
const STATE_KL: u32 = 2u;

// Sums of KL, and of an epoch how many minibatches they are of.
var<workgroup> sums: array<vec2<f32>, 64>;

fn rate_rule() -> RateRule {
    return RateRule(
        params.rate_high, params.rate_low, params.rate_factor, params.rate_min, params.rate_max, params.raises);
}

fn current_kl_coef() -> f32 {
    let kept = kl_state[STATE_KL_COEF];
    if (params.adaptive != 0u && kept > 0.0) {
        return clamp(kept, MIN_KL_COEF, MAX_KL_COEF);
    }
    return params.kl_coef;
}

@compute @workgroup_size(64)
fn loss_kl(@builtin(local_invocation_index) lane: u32) {
    var own = vec2<f32>();
    if (params.phase == 4u) {
        let until = rate_visited_until(params.index, params.reopens);
        for (var index = params.first + lane; index < until; index += WG) {
            let row = index * TRACE_WIDTH;
            own += vec2<f32>(trace[row + params.column], select(0.0, 1.0, trace[row + TRACE_ROWS] > 0.0));
        }
    }
    if (params.phase == 0u || params.phase == 2u) {
        for (var group = lane; group < params.groups; group += WG) {
            let partial = trust_partials[group];
            own.x += select(partial.y, partial.z, params.direction == 1u);
        }
    }
    sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&trust_partials)); half > 0u; half /= 2u) {
        if (lane < half) { sums[lane] += sums[lane + half]; }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane != 0u) { return; }

    let row = params.index * TRACE_WIDTH;
    if (params.phase == 0u) {
        let kl = sums[0].x * params.inverse_rows;
        let kl_coef = current_kl_coef();
        var penalty = kl_coef * kl;
        var slope = kl_coef;
        let over = kl - params.hinge_limit;
        if (params.hinge_coef > 0.0 && over > 0.0) {
            penalty += params.hinge_coef * over * over;
            slope += 2.0 * params.hinge_coef * over;
        }
        samples[params.kl_sample] = vec4<f32>(
            select(slope, 0.0, params.direction == 1u), select(0.0, slope, params.direction == 1u), 0.0, 0.0);
        if (!control_stopped_before(control[CONTROL_STOP], params.index)) {
            trace[row + TRACE_KL] = kl;
            trace[row + TRACE_PENALTY] = penalty;
            if (params.valid_sample == 0u || samples[params.valid_sample].x > 0.0) {
                kl_state[STATE_KL] = kl;
            } else if (params.index == 0u) {
                // NaN until a row counts: not what the last update left. The phase, 0, keeps it from being a constant.
                kl_state[STATE_KL] = bitcast<f32>(0x7fc00000u | params.phase);
            }
        }
    } else if (params.phase == 1u) {
        if (!control_stopped_before(control[CONTROL_STOP], params.index)) {
            rate_move(trace[row + params.column], rate_rule());
        }
    } else if (params.phase == 4u) {
        // An update that had stopped before this epoch has no KL of it; a minibatch without a row that counts has a sum of 0.
        if (params.raises == 2u && sums[0].y > 0.0) {
            rate_move(sums[0].x / sums[0].y, rate_rule());
        }
        if (params.reopens != 0u) { control[CONTROL_STOP] = 0u; }
    } else if (params.phase == 5u) {
        rate_begin();
    } else {
        var kl = kl_state[STATE_KL];
        if (params.phase == 2u) {
            kl = sums[0].x * params.inverse_rows;
            kl_state[STATE_KL] = kl;
        }
        if (params.adaptive != 0u) {
            var kl_coef = current_kl_coef();
            if (kl > params.kl_high && !math_is_nan(kl)) {
                kl_coef = min(params.kl_raise * kl_coef, MAX_KL_COEF);
            } else if (kl < params.kl_low && !math_is_nan(kl)) {
                kl_coef = max(params.kl_lower * kl_coef, MIN_KL_COEF);
            }
            kl_state[STATE_KL_COEF] = kl_coef;
        }
    }
}
