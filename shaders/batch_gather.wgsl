// Rows of 32-bit words in a new order: that of a shuffle keyed by seed, update and epoch, or one that is given.
//
// Needs parts philox, shuffle, schedule and order.
//
// order    [..] u32; row j takes source row order[order_offset + j]; not read unless use_order is ORDER_GIVEN
// source   [rows, width]
// gathered [taken, width]; row j starts at j * stride
//
// Operations: none but those of the shuffle, on integers; bytes: 8 width a row.

struct Params {
    rows: u32,
    width: u32,
    use_order: u32,  // ORDER_
    order_offset: u32,
    epoch: u32,
    stride: u32,  // at least the width; what lies between rows is left as it is
    taken: u32,   // rows gathered, the first of the order
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> source: array<u32>;
@group(0) @binding(4) var<storage, read_write> gathered: array<u32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn batch_gather(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // One invocation per word, so that neighbours write neighbouring words.
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.taken * params.width) {
        return;
    }
    let row = index / params.width;
    let word = index % params.width;
    let from_row = order_source(row, params.rows, params.use_order, params.order_offset, params.epoch);
    gathered[row * params.stride + word] = source[from_row * params.width + word];
}
