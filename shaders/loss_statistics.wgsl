// The statistics of one minibatch from loss_ppo's partial sums, and whether the update stops early.
//
// loss_partials  [groups, 3]                 as loss_ppo left them; with bits [groups, 2] more, as loss_ppo_fused did
// control        [8]                         parts/control.wgsl
// trace          [minibatches, TRACE_WIDTH]  parts/trace.wgsl; row params.index, unless the update had stopped before
//
// A single workgroup. approx_kl (k3) above kl_limit stops the update: before this minibatch's step (kl_stop 1), or, looked at
// in an epoch's last minibatch only, after it (kl_stop 2).

struct Params {
    groups: u32,
    index: u32,         // minibatch of this update
    kl_stop: u32,       // 0 never, 1 before this step, 2 after this step
    kl_limit: f32,
    inverse_rows: f32,
    vf_coef: f32,
    with_kl: u32,       // 1: loss_kl left a penalty in the trace, part of the loss
    bits: u32,          // 1: rows that are not finite are bits, of policy and critic apart
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> loss_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> trace: array<f32>;

const WG: u32 = 64u;

var<workgroup> sums_a: array<vec4<f32>, 64>;
var<workgroup> sums_b: array<vec4<f32>, 64>;
var<workgroup> sums_c: array<vec3<f32>, 64>;

@compute @workgroup_size(64)
fn loss_statistics(@builtin(local_invocation_index) lane: u32) {
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec3<f32>(3.4e38, 0.0, 0.0);  // least ratio, greatest ratio, hits
    for (var group = lane; group < params.groups; group += WG) {
        a += loss_partials[group * 3u];
        b += loss_partials[group * 3u + 1u];
        if (params.bits != 0u) {
            let of_policy = vec4<u32>(loss_partials[params.groups * 3u + group * 2u]);
            let of_critic = vec4<u32>(loss_partials[params.groups * 3u + group * 2u + 1u]);
            b.w += dot(vec4<f32>(countOneBits(of_policy | of_critic)), vec4<f32>(1.0));
        }
        let other = loss_partials[group * 3u + 2u].xyz;
        c = vec3<f32>(min(c.x, other.x), max(c.y, other.y), c.z + other.z);
    }
    sums_a[lane] = a;
    sums_b[lane] = b;
    sums_c[lane] = c;
    workgroupBarrier();  // all lanes have stored
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums_a[lane] += sums_a[lane + half];
            sums_b[lane] += sums_b[lane + half];
            let other = sums_c[lane + half];
            sums_c[lane] = vec3<f32>(min(sums_c[lane].x, other.x), max(sums_c[lane].y, other.y), sums_c[lane].z + other.z);
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane != 0u || control_stopped_before(control[CONTROL_STOP], params.index)) {
        return;
    }

    let mean_a = sums_a[0] * params.inverse_rows;
    let mean_b = sums_b[0] * params.inverse_rows;
    let row = params.index * TRACE_WIDTH;
    trace[row + TRACE_POLICY_LOSS] = mean_a.x;
    trace[row + TRACE_VALUE_LOSS] = mean_a.y;
    trace[row + TRACE_ENTROPY] = mean_a.z;
    trace[row + TRACE_LOSS] = mean_a.x - schedule.ent_coef * mean_a.z + params.vf_coef * mean_a.y;
    if (params.with_kl != 0u) {
        trace[row + TRACE_LOSS] += trace[row + TRACE_PENALTY];
    }
    trace[row + TRACE_KL_1] = mean_a.w;
    trace[row + TRACE_KL_2] = mean_b.x;
    trace[row + TRACE_KL_3] = mean_b.y;
    trace[row + TRACE_CLIPFRAC] = mean_b.z;
    trace[row + TRACE_RATIO_MIN] = sums_c[0].x;
    trace[row + TRACE_RATIO_MAX] = sums_c[0].y;
    trace[row + TRACE_NON_FINITE] = sums_b[0].w;
    trace[row + TRACE_HEAD_HITS] = sums_c[0].z;
    control[CONTROL_VISITED] += 1u;
    if (params.kl_stop != 0u && mean_b.y > params.kl_limit) {
        control[CONTROL_STOP] = params.index + params.kl_stop;
    }
}
