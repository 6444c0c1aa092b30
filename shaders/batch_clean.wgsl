// Rows of 32-bit words as they are where they count, and one word throughout where they do not, so that whatever lies there
// has no part in an update.
//
// source  [rows, width]
// valid   [rows] 0 or 1
// cleaned [rows, width]
//
// Operations: none; bytes: 4 (2 width + 1) a row.

struct Params {
    rows: u32,
    width: u32,
    // The word of masked rows.
    fill: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> valid: array<u32>;
@group(0) @binding(3) var<storage, read_write> cleaned: array<u32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn batch_clean(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // One invocation per word, so that neighbours write neighbouring words.
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.rows * params.width) {
        return;
    }
    cleaned[index] = select(params.fill, source[index], valid[index / params.width] != 0u);
}
