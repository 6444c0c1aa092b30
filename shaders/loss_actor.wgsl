// The loss of an actor by what critics say of its actions: which critic's gradient counts in each row, and partial sums.
//
// Needs parts math, temperature and partial.
//
// q             of the actor's actions: critic c's row r at q_offset + c critic_stride + r
// logp          log π of these actions, from logp_offset on; not read without a temperature
// parameters    log α at alpha_at, if it is tuned
// d_q           [critics, rows] gradient of mean (α log π − min_c Q_c) by the Q: −1/rows at the least, the first of equals
// loss_partials [groups] per workgroup: sums of (α log π − min Q, log π, min Q) and the number of rows that are not finite
//
// Operations: 6 a row; bytes: 4 (2 critics + 1).

struct Params {
    rows: u32,
    critics: u32,  // 1 or 2
    q_offset: u32,
    critic_stride: u32,
    logp_offset: u32,
    temperature: u32,  // parts/temperature.wgsl
    alpha_at: u32,
    alpha: f32,
    inverse_rows: f32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> logp: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss_partials: array<vec4<f32>>;

const WG: u32 = 64u;

@compute @workgroup_size(64)
fn loss_actor(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        var least = q[params.q_offset + row];
        var which = 0u;
        if (params.critics > 1u) {
            let other = q[params.q_offset + params.critic_stride + row];
            if (temperature_less(least, other)) {
                least = other;
                which = 1u;
            }
        }
        var entropy = 0.0;
        if (params.temperature != TEMPERATURE_NONE) {
            own.y = logp[params.logp_offset + row];
            entropy = temperature(params.temperature, params.alpha, parameters[params.alpha_at]) * own.y;
        }
        own.x = entropy - least;
        own.z = least;
        own.w = select(1.0, 0.0, math_is_finite(own.x));
        for (var c = 0u; c < params.critics; c += 1u) {
            // What is no number stays none, so that the step is refused.
            let weight = select(-params.inverse_rows, least, math_is_nan(least));
            d_q[c * params.rows + row] = select(0.0, weight, c == which);
        }
    }
    let total = partial_sum(lane, own);
    if (lane == 0u && group * WG < params.rows) {
        loss_partials[group] = total;
    }
}
