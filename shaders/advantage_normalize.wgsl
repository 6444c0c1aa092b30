// Advantages of each segment shifted to mean 0 and, unless told otherwise, scaled to standard deviation 1, in place, from the
// segment's moments.
//
// Needs part twofloat.
//
// moments    [place + segments] of (count, mean, deviation, rest of the mean), as reduce_moments leaves them
// advantages [..]; row i's element is at i * stride + offset
//
// Operations: 3 a row; bytes: 8.

struct Params {
    rows: u32,
    // Rows per segment; the last may be shorter. A segment of one row is left as it is.
    segment: u32,
    stride: u32,
    offset: u32,
    // The variance is by count - ddof, ddof 0 or 1.
    ddof: u32,
    eps: f32,
    zero: u32,  // 0, see part twofloat
    // Least deviation that is divided by, before eps.
    std_floor: f32,
    // Element of moments for the first segment.
    place: u32,
    // 1: shifted only, a segment of one row, too.
    center: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> advantages: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_normalize(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    let moment = moments[params.place + row / params.segment];
    let i = row * params.stride + params.offset;
    if (params.center == 1u) {
        // Where no row counts there is no mean.
        if (moment.x > 0.5) {
            advantages[i] = twofloat_less(advantages[i], moment.yw, params.zero);
        }
        return;
    }
    if (moment.x < 1.5) {
        return;
    }
    var deviation = moment.z;
    if (params.ddof == 1u) {
        deviation *= sqrt(moment.x / (moment.x - 1.0));
    }
    let denominator = max(deviation, params.std_floor) + params.eps;
    var normalized = 0.0;
    // Without eps, equal advantages have no scale.
    if (denominator != 0.0) {
        normalized = twofloat_less(advantages[i], moment.yw, params.zero) / denominator;
    }
    advantages[i] = normalized;
}
