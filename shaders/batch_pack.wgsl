// The four numbers that a loss needs of every row, side by side and in the order of batch_gather.
//
// Needs parts philox, shuffle, schedule and order.
//
// order   [..] u32; row j takes source row order[order_offset + j]; not read unless use_order is ORDER_GIVEN
// logp_old, advantages, returns, values_old  [rows]
// samples [taken] of (logp_old, advantage, return, value_old)
//
// Operations: none but those of the shuffle, on integers; bytes: 32 a row.

struct Params {
    rows: u32,
    use_order: u32,  // ORDER_
    order_offset: u32,
    epoch: u32,
    taken: u32,      // rows packed, the first of the order
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> logp_old: array<f32>;
@group(0) @binding(4) var<storage, read> advantages: array<f32>;
@group(0) @binding(5) var<storage, read> returns: array<f32>;
@group(0) @binding(6) var<storage, read> values_old: array<f32>;
@group(0) @binding(7) var<storage, read_write> samples: array<vec4<f32>>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn batch_pack(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.taken) {
        return;
    }
    let from_row = order_source(row, params.rows, params.use_order, params.order_offset, params.epoch);
    samples[row] = vec4<f32>(logp_old[from_row], advantages[from_row], returns[from_row], values_old[from_row]);
}
