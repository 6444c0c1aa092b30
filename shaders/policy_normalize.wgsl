// Observations shifted and scaled by the running mean and variance of their column, which they are first merged into.
//
// Needs parts math, twofloat, moments, statistic and loops. One workgroup per column; the trees are fixed by the shape.
//
// raw_obs        [rows, obs_dim] as the environment gave them
// obs_statistics [obs_dim, STATISTIC_WORDS] u32 words, see part statistic
// obs            [.., obs_dim] normalised; row r begins at obs_offset + r * obs_dim
// final_obs      [.., obs_dim], in place: final_rows rows from final_offset on, normalised with the statistics from before
//                the merge
//
// Operations: 10 a number; bytes: 16, the last observations included.

struct Params {
    rows: u32,
    obs_dim: u32,
    obs_offset: u32,
    final_offset: u32,
    final_rows: u32,
    // 0: the statistics stay as they are.
    update: u32,
    // 1: observations are normalised with the statistics from before the merge, too.
    normalize_first: u32,
    // 1: eps is added to the deviation; 0: to the variance.
    outside_root: u32,
    eps: f32,
    // 0: no limit.
    clip: f32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw_obs: array<f32>;
@group(0) @binding(2) var<storage, read_write> obs_statistics: array<u32>;
@group(0) @binding(3) var<storage, read_write> obs: array<f32>;
@group(0) @binding(4) var<storage, read_write> final_obs: array<f32>;

// A power of two.
override WG: u32 = 64u;

var<workgroup> scratch: array<vec2<f32>, WG>;

// The sum of every lane's x and the greatest y, to every lane.
fn sum_lanes(lane: u32, x: f32, y: f32) -> vec2<f32> {
    // The last reader of the sum before has to be done with it.
    workgroupBarrier();
    scratch[lane] = vec2<f32>(x, y);
    workgroupBarrier();
    for (var span = loops_end(WG / 2u, arrayLength(&raw_obs)); span > 0u; span /= 2u) {
        if (lane < span) {
            let other = scratch[lane + span];
            scratch[lane] = vec2<f32>(scratch[lane].x + other.x, max(scratch[lane].y, other.y));
        }
        workgroupBarrier();
    }
    return scratch[0];
}

// (count, mean, deviation, rest of the mean) of the rows, in two passes, shifted by the first row: equal numbers have a
// deviation of exactly 0, and a large mean costs no digits. The shift is opaque, as a compiler may take the mean from the
// origin first; squares are in units that keep them within f32.
fn column_moments(lane: u32, column: u32, zero: u32) -> vec4<f32> {
    let count = f32(params.rows);
    let origin = raw_obs[column];
    var sum = 0.0;
    var largest = 0.0;
    for (var row = lane; row < params.rows; row += WG) {
        let shifted = twofloat_opaque(raw_obs[row * params.obs_dim + column] - origin, zero);
        sum += shifted;
        largest = max(largest, abs(shifted));
    }
    let total = sum_lanes(lane, sum, largest);
    let mean = total.x / count;
    let unit = moments_unit(total.y);
    var squares = 0.0;
    for (var row = lane; row < params.rows; row += WG) {
        let shifted = twofloat_opaque(raw_obs[row * params.obs_dim + column] - origin, zero);
        let deviation = twofloat_opaque((shifted - mean) * moments_inverse(unit), zero);
        squares += deviation * deviation;
    }
    return moments_result(vec4<f32>(count, mean, sum_lanes(lane, squares, 0.0).x, unit), origin, zero);
}

@compute @workgroup_size(WG)
fn policy_normalize(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Everything that decides a barrier is the same for the whole workgroup.
    let column = workgroup.y * groups.x + workgroup.x;
    if (column >= params.obs_dim) {
        return;
    }
    let base = column * STATISTIC_WORDS;
    let before = statistic_of(
        vec4<u32>(obs_statistics[base], obs_statistics[base + 1u], obs_statistics[base + 2u], obs_statistics[base + 3u]),
        vec4<u32>(
            obs_statistics[base + 4u], obs_statistics[base + 5u], obs_statistics[base + 6u], obs_statistics[base + 7u]),
    );
    var after = before;
    if (params.update == 1u) {
        let moments = column_moments(lane, column, before.zero);
        // All columns keep one count.
        after = statistic_merge(before, params.rows, moments.yw, moments.z);
        storageBarrier();  // all lanes have read the statistics from before
        if (lane == 0u) {
            let words = statistic_words(after);
            obs_statistics[base] = words.x;
            obs_statistics[base + 1u] = words.y;
            obs_statistics[base + 2u] = words.z;
            obs_statistics[base + 3u] = words.w;
            obs_statistics[base + 4u] = after.count.x;
            obs_statistics[base + 5u] = after.count.y;
        }
    }
    let shift_final = before.mean;
    let scale_final = statistic_scale(before, params.eps, params.outside_root);
    for (var row = lane; row < params.final_rows; row += WG) {
        let i = params.final_offset + row * params.obs_dim + column;
        final_obs[i] = statistic_normalize(final_obs[i], shift_final, scale_final, params.clip, before.zero);
    }
    var shift = shift_final;
    var scale = scale_final;
    if (params.normalize_first == 0u) {
        shift = after.mean;
        scale = statistic_scale(after, params.eps, params.outside_root);
    }
    for (var row = lane; row < params.rows; row += WG) {
        let i = row * params.obs_dim + column;
        obs[params.obs_offset + i] = statistic_normalize(raw_obs[i], shift, scale, params.clip, before.zero);
    }
}
