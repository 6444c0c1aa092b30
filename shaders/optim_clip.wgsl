// The gradient's norm, the factors that clip it, and whether the optimiser may step; from the flat gradient.
//
// gradient        [count]
// norm_partials   [groups]  sums over 256 elements each, part norm: squares outside of the value range and inside of it, and
//                           the same of large elements
// control         [8]       parts/control.wgsl
// optimizer_step  [1]       steps taken since the start; counted on here
// trace           [minibatches, TRACE_WIDTH]  the norm and whether a step was taken go to row params.index
//
// Needs part phases. PARTIALS makes the partials, one workgroup each; TOTAL, a single workgroup, decides. A NaN or an infinity,
// or a norm beyond f32, forbids the step. So does an early stop at or before this minibatch. With a value range each side is
// clipped by its own norm; an empty one leaves a single group. The trace has the norm of both together.
//
// Operations: 2 a parameter; bytes: 4.

struct Params {
    count: u32,
    groups: u32,
    index: u32,          // minibatch of this update
    phase: u32,          // PHASES_
    max_grad_norm: f32,  // 0: do not clip
    value_begin: u32,    // the second group: elements value_begin .. value_end
    value_end: u32,
    formula: u32,        // CLIP_TORCH or CLIP_TENSORFLOW
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> optimizer_step: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

@compute @workgroup_size(64)
fn optim_clip(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    var own = vec4<f32>();
    if (params.phase == PHASES_PARTIALS) {
        let end = min((group + 1u) * NORM_SPAN, params.count);
        for (var i = group * NORM_SPAN + lane; i < end; i += 64u) {
            own = norm_add(own, gradient[i], i >= params.value_begin && i < params.value_end);
        }
    } else {
        for (var i = lane; i < params.groups; i += 64u) {
            own += norm_partials[i];
        }
    }
    let total = norm_total(lane, own);
    if (lane != 0u) {
        return;
    }
    if (params.phase == PHASES_TOTAL) {
        clip_decide(total, params.index, params.max_grad_norm, params.formula);
    } else if (group < params.groups) {
        norm_partials[group] = total;
    }
}
