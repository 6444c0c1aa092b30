// Observations shifted and scaled by the running mean and variance of their column, which they are first merged into.
//
// Needs parts math and statistic. One workgroup per column; the trees are fixed by the shape.
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

var<workgroup> scratch: array<f32, WG>;

// The sum of every lane's x, to every lane.
fn sum_lanes(lane: u32, x: f32) -> f32 {
    // The last reader of the sum before has to be done with it.
    workgroupBarrier();
    scratch[lane] = x;
    workgroupBarrier();
    for (var span = WG / 2u; span > 0u; span /= 2u) {
        if (lane < span) {
            scratch[lane] += scratch[lane + span];
        }
        workgroupBarrier();
    }
    return scratch[0];
}

// Mean less `center`, and variance of the rows, in two passes, shifted by the first row: equal numbers have a variance of
// exactly 0, and a large mean costs no digits.
fn column_moments(lane: u32, column: u32, center: f32) -> vec2<f32> {
    let count = f32(params.rows);
    let origin = raw_obs[column];
    var sum = 0.0;
    for (var row = lane; row < params.rows; row += WG) {
        sum += raw_obs[row * params.obs_dim + column] - origin;
    }
    let mean = sum_lanes(lane, sum) / count;
    var squares = 0.0;
    for (var row = lane; row < params.rows; row += WG) {
        let deviation = (raw_obs[row * params.obs_dim + column] - origin) - mean;
        squares += deviation * deviation;
    }
    return vec2<f32>((origin - center) + mean, sum_lanes(lane, squares) / count);
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
        obs_statistics[base], obs_statistics[base + 1u], obs_statistics[base + 2u], obs_statistics[base + 3u],
        obs_statistics[base + 4u],
    );
    var after = before;
    if (params.update == 1u) {
        let moments = column_moments(lane, column, before.mean);
        after = statistic_merge(before, params.rows, moments.x, moments.y);
        // One observation that is not finite would spoil them for good. All columns keep one count.
        if (!(math_is_finite(after.mean) && math_is_finite(after.variance))) {
            after.mean = before.mean;
            after.variance = before.variance;
        }
        storageBarrier();  // all lanes have read the statistics from before
        if (lane == 0u) {
            obs_statistics[base] = bitcast<u32>(after.mean);
            obs_statistics[base + 1u] = bitcast<u32>(after.variance);
            obs_statistics[base + 2u] = after.count.x;
            obs_statistics[base + 3u] = after.count.y;
        }
    }
    let shift_final = before.mean;
    let scale_final = statistic_scale(before, params.eps, params.outside_root);
    for (var row = lane; row < params.final_rows; row += WG) {
        let i = params.final_offset + row * params.obs_dim + column;
        final_obs[i] = statistic_normalize(final_obs[i], shift_final, scale_final, params.clip);
    }
    var shift = shift_final;
    var scale = scale_final;
    if (params.normalize_first == 0u) {
        shift = after.mean;
        scale = statistic_scale(after, params.eps, params.outside_root);
    }
    for (var row = lane; row < params.rows; row += WG) {
        let i = row * params.obs_dim + column;
        obs[params.obs_offset + i] = statistic_normalize(raw_obs[i], shift, scale, params.clip);
    }
}
