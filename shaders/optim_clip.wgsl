// The gradient's norm, the factor that clips it, and whether the optimiser may step; from the flat gradient.
//
// gradient        [count]
// norm_partials   [groups]  (sum of squares, words that are not finite) of 4,096 elements each
// control         [8]       parts/control.wgsl
// optimizer_step  [1]       steps taken since the start; counted on here
// trace           [minibatches, TRACE_WIDTH]  the norm and whether a step was taken go to row params.index
//
// Phase 0 makes the partials, one workgroup each; phase 1, a single workgroup, decides. A NaN or an infinity (also of the sum)
// forbids the step. So does an early stop at or before this minibatch.

struct Params {
    count: u32,
    groups: u32,
    index: u32,          // minibatch of this update
    phase: u32,
    max_grad_norm: f32,  // 0: do not clip
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm_partials: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> optimizer_step: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

const WG: u32 = 64u;
const SPAN: u32 = 4096u;  // elements of one partial

var<workgroup> sums: array<vec2<f32>, 64>;

fn add_up(lane: u32, own: vec2<f32>) -> vec2<f32> {
    sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    return sums[0];
}

@compute @workgroup_size(64)
fn optim_clip(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    var own = vec2<f32>();
    if (params.phase == 0u) {
        let end = min((group + 1u) * SPAN, params.count);
        for (var i = group * SPAN + lane; i < end; i += WG) {
            let g = gradient[i];
            if (math_is_finite(g)) {
                own.x += g * g;
            } else {
                own.y += 1.0;
            }
        }
    } else {
        for (var i = lane; i < params.groups; i += WG) {
            own += norm_partials[i];
        }
    }
    let total = add_up(lane, own);
    if (lane != 0u) {
        return;
    }
    if (params.phase == 0u) {
        if (group < params.groups) {
            norm_partials[group] = total;
        }
        return;
    }

    let stopped = control_stopped_before(control[CONTROL_STOP], params.index);
    let finite = total.y == 0.0 && math_is_finite(total.x);
    let norm = sqrt(max(select(0.0, total.x, finite), 0.0));
    let steps = !stopped && finite;
    var scale = 1.0;
    if (params.max_grad_norm > 0.0) {
        scale = min(1.0, params.max_grad_norm / (norm + 1e-6));
    }
    control[CONTROL_STEP] = select(0u, 1u, steps);
    control[CONTROL_SCALE] = bitcast<u32>(scale);
    if (steps) {
        control[CONTROL_STEPS_TAKEN] += 1u;
        optimizer_step[0] += 1u;
        trace[params.index * TRACE_WIDTH + TRACE_GRAD_NORM] = norm;
        trace[params.index * TRACE_WIDTH + TRACE_STEPPED] = 1.0;
    } else if (!stopped) {
        control[CONTROL_STEPS_SKIPPED] += 1u;
    }
}
