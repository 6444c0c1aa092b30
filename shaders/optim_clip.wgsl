// The gradient's norm, the factors that clip it, and whether the optimiser may step; from the flat gradient.
//
// gradient        [count]
// norm_partials   [groups]  sums over 4,096 elements each: squares outside of the value range, squares inside of it, words that
//                           are not finite, 0
// control         [8]       parts/control.wgsl
// optimizer_step  [1]       steps taken since the start; counted on here
// trace           [minibatches, TRACE_WIDTH]  the norm and whether a step was taken go to row params.index
//
// Phase 0 makes the partials, one workgroup each; phase 1, a single workgroup, decides. A NaN or an infinity (also of the sum)
// forbids the step. So does an early stop at or before this minibatch. With a value range each side is clipped by its own
// norm; an empty one leaves a single group. The trace has the norm of both together.

struct Params {
    count: u32,
    groups: u32,
    index: u32,          // minibatch of this update
    phase: u32,
    max_grad_norm: f32,  // 0: do not clip
    value_begin: u32,    // the second group: elements value_begin .. value_end
    value_end: u32,
    formula: u32,        // 0: min(1, max / (norm + 1e-6)), 1: max / max(norm, max)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> optimizer_step: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

const WG: u32 = 64u;
const SPAN: u32 = 4096u;  // elements of one partial

var<workgroup> sums: array<vec4<f32>, 64>;

fn add_up(lane: u32, own: vec4<f32>) -> vec4<f32> {
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

// The factor for a group whose squares sum to `squares`.
fn clip_factor(squares: f32) -> f32 {
    let norm = sqrt(max(squares, 0.0));
    if (params.max_grad_norm <= 0.0) {
        return 1.0;
    }
    if (params.formula == 1u) {
        return params.max_grad_norm / max(norm, params.max_grad_norm);
    }
    return min(1.0, params.max_grad_norm / (norm + 1e-6));
}

@compute @workgroup_size(64)
fn optim_clip(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    var own = vec4<f32>();
    if (params.phase == 0u) {
        let end = min((group + 1u) * SPAN, params.count);
        for (var i = group * SPAN + lane; i < end; i += WG) {
            let g = gradient[i];
            let of_value = i >= params.value_begin && i < params.value_end;
            if (!math_is_finite(g)) {
                own.z += 1.0;
            } else if (of_value) {
                own.y += g * g;
            } else {
                own.x += g * g;
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
    let squares = total.x + total.y;
    let finite = total.z == 0.0 && math_is_finite(squares);
    let norm = sqrt(max(select(0.0, squares, finite), 0.0));
    let steps = !stopped && finite;
    control[CONTROL_STEP] = select(0u, 1u, steps);
    control[CONTROL_SCALE] = bitcast<u32>(clip_factor(select(0.0, total.x, finite)));
    control[CONTROL_SCALE_VALUE] = bitcast<u32>(clip_factor(select(0.0, total.y, finite)));
    if (steps) {
        control[CONTROL_STEPS_TAKEN] += 1u;
        optimizer_step[0] += 1u;
        trace[params.index * TRACE_WIDTH + TRACE_GRAD_NORM] = norm;
        trace[params.index * TRACE_WIDTH + TRACE_STEPPED] = 1.0;
    } else if (!stopped) {
        control[CONTROL_STEPS_SKIPPED] += 1u;
    }
}
