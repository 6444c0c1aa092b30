// The statistics of one minibatch from partial sums of its loss, and whether the update stops early, by a workgroup of 64.
// Needs parts schedule, control, trace and loops; a kernel provides loss_partials, control and trace.

var<workgroup> loss_totals_a: array<vec4<f32>, 64>;
var<workgroup> loss_totals_b: array<vec4<f32>, 64>;
var<workgroup> loss_totals_c: array<vec4<f32>, 64>;

// Part value's unit of errors.
const LOSS_TOTALS_VALUE: f32 = 16777216.0;

// What kl_stop says; CONTROL_STOP counts on by it.
const LOSS_TOTALS_NEVER: u32 = 0u;
const LOSS_TOTALS_BEFORE_STEP: u32 = 1u;
const LOSS_TOTALS_AFTER_STEP: u32 = 2u;

// Leaves the sums over all groups in the first element of each. With `bits` rows that are not finite are bits behind the sums,
// as loss_ppo_fused leaves them, and rows that count are in their place.
fn loss_totals(lane: u32, groups: u32, bits: u32) {
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec4<f32>(3.4e38, 0.0, 0.0, 0.0);  // least ratio, greatest ratio, hits, rows that count
    for (var group = lane; group < groups; group += 64u) {
        a += loss_partials[group * 3u];
        let estimates = loss_partials[group * 3u + 1u];
        let other = loss_partials[group * 3u + 2u];
        b += vec4<f32>(estimates.xyz, select(estimates.w, 0.0, bits != 0u));
        if (bits != 0u) {
            let of_policy = vec4<u32>(loss_partials[groups * 3u + group * 2u]);
            let of_critic = vec4<u32>(loss_partials[groups * 3u + group * 2u + 1u]);
            b.w += dot(vec4<f32>(countOneBits(of_policy | of_critic)), vec4<f32>(1.0));
        }
        let count = select(other.w, estimates.w, bits != 0u);
        c = vec4<f32>(min(c.x, other.x), max(c.y, other.y), c.z + other.z, c.w + count);
    }
    loss_totals_a[lane] = a;
    loss_totals_b[lane] = b;
    loss_totals_c[lane] = c;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(32u, arrayLength(&loss_partials)); half > 0u; half /= 2u) {
        if (lane < half) {
            loss_totals_a[lane] += loss_totals_a[lane + half];
            loss_totals_b[lane] += loss_totals_b[lane + half];
            let own = loss_totals_c[lane];
            let other = loss_totals_c[lane + half];
            loss_totals_c[lane] = vec4<f32>(min(own.x, other.x), max(own.y, other.y), own.zw + other.zw);
        }
        workgroupBarrier();  // this level of the tree is complete
    }
}

// Row `index` of the trace from those sums, by one invocation, unless the update had stopped before. approx_kl (k3) above
// kl_limit stops it: before this minibatch's step, or after it, as kl_stop says. with_kl: loss_kl left a penalty in the trace.
fn loss_totals_store(index: u32, inverse_rows: f32, vf_coef: f32, with_kl: u32, kl_stop: u32, kl_limit: f32) {
    if (control_stopped_before(control[CONTROL_STOP], index)) {
        return;
    }
    let mean_a = loss_totals_a[0] * inverse_rows * vec4<f32>(1.0, LOSS_TOTALS_VALUE, 1.0, 1.0);
    let mean_b = loss_totals_b[0] * inverse_rows;
    let row = index * TRACE_WIDTH;
    trace[row + TRACE_POLICY_LOSS] = mean_a.x;
    trace[row + TRACE_VALUE_LOSS] = mean_a.y;
    trace[row + TRACE_ENTROPY] = mean_a.z;
    trace[row + TRACE_LOSS] = mean_a.x - schedule.ent_coef * mean_a.z + vf_coef * mean_a.y;
    if (with_kl != 0u) {
        trace[row + TRACE_LOSS] += trace[row + TRACE_PENALTY];
    }
    trace[row + TRACE_KL_1] = mean_a.w;
    trace[row + TRACE_KL_2] = mean_b.x;
    trace[row + TRACE_KL_3] = mean_b.y;
    trace[row + TRACE_CLIPFRAC] = mean_b.z;
    trace[row + TRACE_RATIO_MIN] = loss_totals_c[0].x;
    trace[row + TRACE_RATIO_MAX] = loss_totals_c[0].y;
    trace[row + TRACE_NON_FINITE] = loss_totals_b[0].w;
    trace[row + TRACE_HEAD_HITS] = loss_totals_c[0].z;
    trace[row + TRACE_ROWS] = loss_totals_c[0].w;
    control[CONTROL_VISITED] += 1u;
    if (kl_stop != LOSS_TOTALS_NEVER && mean_b.y > kl_limit) {
        control[CONTROL_STOP] = index + kl_stop;
    }
}
