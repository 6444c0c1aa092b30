// The gradient from its slices, and partial sums of its norm: reduce_partials and the first phase of optim_clip in one
// dispatch, with their bits.
//
// partials       [slices, count]  as the backward kernels left them
// gradient       [offset + count]
// norm_partials  [groups]         over 256 elements each, as in optim_clip
//
// A workgroup has one span. Operations: slices + 2 an element; bytes: 4 (slices + 1): the gradient is not read again. With
// optim_decide a minibatch step ends in three dispatches instead of five (benches/record/gfx1100/2026-11-25-all.txt;
// tests/update.rs counts them).

struct Params {
    count: u32,
    slices: u32,
    groups: u32,
    value_begin: u32,  // elements value_begin .. value_end of the gradient are clipped by themselves
    value_end: u32,
    offset: u32,       // first element of the gradient that is written
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm_partials: array<vec4<f32>>;

fn slices_at(i: u32) -> f32 { return partials[i]; }

@compute @workgroup_size(64)
fn optim_reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    var own = vec4<f32>();
    let end = min((group + 1u) * NORM_SPAN, params.count);
    for (var i = group * NORM_SPAN + lane; i < end; i += 64u) {
        let g = slices_sum(i, params.count, params.slices);
        let to = params.offset + i;
        gradient[to] = g;
        own = norm_add(own, g, to >= params.value_begin && to < params.value_end);
    }
    let total = norm_total(lane, own);
    if (lane == 0u && group < params.groups) {
        norm_partials[group] = total;
    }
}
