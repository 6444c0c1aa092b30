// The loss of one or two critics on a batch: targets by the least of their target networks, the gradient at their outputs.
//
// Needs parts math, temperature and partial.
//
// q             of the stored actions: critic c's row r at q_offset + c critic_stride + r; of the next actions by the target
//               networks likewise from next_offset on
// samples       [rows] (reward, discount, 1 if terminated, ..) as replay_sample leaves them
// logp          log π of the next actions, from logp_offset on; not read without a temperature
// parameters    log α at alpha_at, if it is tuned
// d_q           [critics, rows] gradient of scale · Σ_c mean (Q_c − y)²
// loss_partials [groups] per workgroup: sums of (loss, Q over all critics, target) and the number of rows that are not finite
//
// y = reward + (1 − terminated) · discount · (min_c Q_target,c(s', a') − α log π(a'))
//
// Operations: 8 + 6 critics a row; bytes: 4 (3 critics + 5).

struct Params {
    rows: u32,
    critics: u32,  // 1 or 2
    q_offset: u32,
    next_offset: u32,
    critic_stride: u32,
    logp_offset: u32,
    temperature: u32,  // parts/temperature.wgsl
    alpha_at: u32,
    alpha: f32,
    scale: f32,
    inverse_rows: f32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> logp: array<f32>;
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss_partials: array<vec4<f32>>;

const WG: u32 = 64u;

@compute @workgroup_size(64)
fn loss_q(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        var next = q[params.next_offset + row];
        if (params.critics > 1u) {
            let other = q[params.next_offset + params.critic_stride + row];
            next = select(next, other, temperature_less(next, other));
        }
        if (params.temperature != TEMPERATURE_NONE) {
            let alpha = temperature(params.temperature, params.alpha, parameters[params.alpha_at]);
            next -= alpha * logp[params.logp_offset + row];
        }
        let s = samples[row];
        let y = select(s.x + s.y * next, s.x, s.z != 0.0);
        own.z = y;
        for (var c = 0u; c < params.critics; c += 1u) {
            let value = q[params.q_offset + c * params.critic_stride + row];
            let d = value - y;
            d_q[c * params.rows + row] = 2.0 * params.scale * d * params.inverse_rows;
            own.x += params.scale * d * d;
            own.y += value;
            own.w = select(1.0, own.w, math_is_finite(d));
        }
    }
    let total = partial_sum(lane, own);
    if (lane == 0u && group * WG < params.rows) {
        loss_partials[group] = total;
    }
}
