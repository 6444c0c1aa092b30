// What the mean KL of a minibatch or of a whole batch decides: weights of the penalty, learning rate, the next β.
//
// trust_partials  [groups]                   sums over rows from loss_trust_region; read for WEIGHTS and COEFFICIENT
// control         [8]                        parts/control.wgsl
// trace           [minibatches, TRACE_WIDTH] parts/trace.wgsl; row params.index
// samples         [kl_sample + 1]            element kl_sample: weights of KL(old‖new) and KL(new‖old) in the loss;
//                                            valid_sample, unless 0: what a row weighs, 0 where none counts
// kl_state        [4]                        β and learning rate of the next update (0: the configuration's), KL at the end, 0
//
// Needs parts divergence, rate and loops. One workgroup.
//
// Operations: 3 a partial sum, of 64 rows; bytes: 16.

struct Params {
    groups: u32,
    index: u32,         // minibatch of this update
    phase: u32,         // PHASE_
    direction: u32,     // DIVERGENCE_
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
    raises: u32,        // RATE_RAISES_; RATE_RAISES_AT_ZERO: at the end of an epoch only
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

const PHASE_WEIGHTS: u32 = 0u;              // before the loss: KL and penalty to the trace, their derivative to samples
const PHASE_RATE: u32 = 1u;                 // after the early stop was decided: the learning rate
const PHASE_COEFFICIENT: u32 = 2u;          // after the last minibatch and over all rows: KL and β
const PHASE_COEFFICIENT_OF_LAST: u32 = 3u;  // β by what the last minibatch that counts left in kl_state; by a NaN β stays
const PHASE_EPOCH_END: u32 = 4u;            // the learning rate by the epoch's mean KL; a stop that is only the epoch's ends
const PHASE_RATE_AT_START: u32 = 5u;        // before the first step: the learning rate that was kept
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
    if (params.adaptive != 0u && kept > 0.0) { return clamp(kept, MIN_KL_COEF, MAX_KL_COEF); }
    return params.kl_coef;
}

@compute @workgroup_size(64)
fn loss_kl(@builtin(local_invocation_index) lane: u32) {
    var own = vec2<f32>();
    if (params.phase == PHASE_EPOCH_END) {
        let until = rate_visited_until(params.index, params.reopens);
        for (var index = params.first + lane; index < until; index += WG) {
            let row = index * TRACE_WIDTH;
            own += vec2<f32>(trace[row + params.column], select(0.0, 1.0, trace[row + TRACE_ROWS] > 0.0));
        }
    }
    if (params.phase == PHASE_WEIGHTS || params.phase == PHASE_COEFFICIENT) {
        for (var group = lane; group < params.groups; group += WG) {
            let partial = trust_partials[group];
            own.x += select(partial.y, partial.z, params.direction == DIVERGENCE_NEW_OLD);
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
    if (params.phase == PHASE_WEIGHTS) {
        let kl = sums[0].x * params.inverse_rows;
        let kl_coef = current_kl_coef();
        var penalty = kl_coef * kl;
        var slope = kl_coef;
        let over = kl - params.hinge_limit;
        if (params.hinge_coef > 0.0 && over > 0.0) {
            penalty += params.hinge_coef * over * over;
            slope += 2.0 * params.hinge_coef * over;
        }
        let reversed = params.direction == DIVERGENCE_NEW_OLD;
        samples[params.kl_sample] = vec4<f32>(select(slope, 0.0, reversed), select(0.0, slope, reversed), 0.0, 0.0);
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
    } else if (params.phase == PHASE_RATE) {
        if (!control_stopped_before(control[CONTROL_STOP], params.index)) {
            rate_move(trace[row + params.column], rate_rule());
        }
    } else if (params.phase == PHASE_EPOCH_END) {
        // An update that had stopped before this epoch has no KL of it; a minibatch without a row that counts has a sum of 0.
        if (params.raises == RATE_RAISES_AT_ZERO && sums[0].y > 0.0) {
            rate_move(sums[0].x / sums[0].y, rate_rule());
        }
        if (params.reopens != 0u) { control[CONTROL_STOP] = 0u; }
    } else if (params.phase == PHASE_RATE_AT_START) {
        rate_begin();
    } else {
        var kl = kl_state[STATE_KL];
        if (params.phase == PHASE_COEFFICIENT) {
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
