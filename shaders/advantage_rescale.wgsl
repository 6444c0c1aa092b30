// Rewards, values or returns shifted and scaled in place by the coefficients of their segment, or back.
//
// Needs parts math, twofloat and statistic.
//
// coefficients [ceil(rows / segment)] of (shift, scale, rest of the shift, 0), as reduce_running leaves them
// numbers      [rows], in place
//
// Operations: 2 a number; bytes: 8.

struct Params {
    rows: u32,
    // Rows per pair of coefficients.
    segment: u32,
    // 0: (x - shift) / scale, then the clip. 1: the clip, then x * scale + shift.
    inverse: u32,
    // 0: no limit.
    clip: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> coefficients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> numbers: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_rescale(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    let c = coefficients[row / params.segment];
    let x = numbers[row];
    // No compiler knows that it is 0.
    let zero = bitcast<u32>(c.w);
    if (params.inverse == 0u) {
        numbers[row] = statistic_normalize(x, c.xz, c.y, params.clip, zero);
        return;
    }
    var y = x;
    if (params.clip > 0.0) {
        y = math_clamp(x, -params.clip, params.clip);
    }
    numbers[row] = c.x + twofloat_opaque(y * c.y + c.z, zero);
}
