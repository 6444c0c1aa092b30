// The loss of one or two critics of choices on a batch: targets by what the actor's distribution makes of their target
// networks, the gradient at their outputs.
//
// Needs parts math, temperature, soft and partial.
//
// q             critic c's [rows, choices] at q_offset + c rows choices; of the next observations by the target networks
//               likewise from next_offset on
// logits        [rows, choices] of the next observations, from logits_offset on
// actions       [rows] indices
// samples       [rows] (reward, discount, 1 if terminated, ..) as replay_sample leaves them
// parameters    log α at alpha_at, if it is tuned
// d_q           [critics, rows, choices] gradient of scale · Σ_c mean (Q_c(s, a) − y)²
// loss_partials [groups] per workgroup: sums of (loss, Q over all critics, target) and the number of rows that are not finite
//
// y = reward + (1 − terminated) · discount · Σ_a π (min_c Q_target,c − α log π)
//
// Operations: (16 + 2 critics) choices a row; bytes: 4 (1 + 2 critics) choices a row.

struct Params {
    rows: u32,
    choices: u32,
    critics: u32,  // 1 or 2
    q_offset: u32,
    next_offset: u32,
    logits_offset: u32,
    temperature: u32,  // parts/temperature.wgsl
    alpha_at: u32,
    alpha: f32,
    scale: f32,
    inverse_rows: f32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> actions: array<u32>;
@group(0) @binding(4) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> parameters: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(7) var<storage, read_write> loss_partials: array<vec4<f32>>;

const WG: u32 = 64u;

fn soft_logit(i: u32) -> f32 { return logits[params.logits_offset + i]; }

// Σ_a π (min_c Q_target,c − α log π) of the row whose numbers begin at `first`.
fn ahead(first: u32) -> f32 {
    let alpha = temperature(params.temperature, params.alpha, parameters[params.alpha_at]);
    let row = soft_row(first, params.choices);
    var sum = 0.0;
    for (var a = 0u; a < params.choices; a += 1u) {
        let at = params.next_offset + first + a;
        var least = q[at];
        if (params.critics > 1u) {
            let other = q[at + params.rows * params.choices];
            least = select(least, other, temperature_less(least, other));
        }
        let logp = soft_logp(row, a);
        sum += math_probability(logp) * (least - alpha * logp);
    }
    return sum;
}

@compute @workgroup_size(64)
fn loss_q_choices(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        let first = row * params.choices;
        let s = samples[row];
        let y = select(s.x + s.y * ahead(first), s.x, s.z != 0.0);
        let action = min(actions[row], params.choices - 1u);
        own.z = y;
        for (var c = 0u; c < params.critics; c += 1u) {
            let table = c * params.rows * params.choices + first;
            let value = q[params.q_offset + table + action];
            let d = value - y;
            let slope = 2.0 * params.scale * d * params.inverse_rows;
            for (var a = 0u; a < params.choices; a += 1u) {
                d_q[table + a] = select(0.0, slope, a == action);
            }
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
