// The sum of all slices of partial gradients, in an order that depends on their number only.
//
// partials  [slices, count]  as mlp_backward_weight left them
// gradient  [count]
//
// Operations: slices a parameter; bytes: 4 (slices + 1).

struct Params {
    count: u32,
    slices: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

override WG: u32 = 64u;

fn slices_at(i: u32) -> f32 { return partials[i]; }

@compute @workgroup_size(WG)
fn reduce_partials(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.count) {
        return;
    }
    gradient[index] = slices_sum(index, params.count, params.slices);
}
