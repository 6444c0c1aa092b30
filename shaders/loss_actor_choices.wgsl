// The loss of an actor of choices by what critics say of all of them: its gradient at the logits, and partial sums.
//
// Needs parts math, temperature, soft and partial.
//
// q             critic c's [rows, choices] at q_offset + c rows choices
// logits        [rows, choices], from logits_offset on
// parameters    log α at alpha_at, if it is tuned
// d_logits      [rows, choices] gradient of mean Σ_a π (α log π − min_c Q_c)
// logp          Σ_a π log π of each row, from logp_offset on
// loss_partials [groups] per workgroup: sums of (Σ_a π (α log π − min Q), Σ_a π log π, Σ_a π min Q) and the number of rows
//               that are not finite
//
// With f = α log π − min Q and l = Σ_a π f the gradient of l by a logit is π (f − l).
//
// Operations: 30 choices a row; bytes: 4 (2 + critics) choices a row.

struct Params {
    rows: u32,
    choices: u32,
    critics: u32,  // 1 or 2
    q_offset: u32,
    logits_offset: u32,
    logp_offset: u32,
    temperature: u32,  // parts/temperature.wgsl
    alpha_at: u32,
    alpha: f32,
    inverse_rows: f32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> logp: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss_partials: array<vec4<f32>>;

const WG: u32 = 64u;

fn soft_logit(i: u32) -> f32 { return logits[params.logits_offset + i]; }

fn least(i: u32) -> f32 {
    let own = q[params.q_offset + i];
    if (params.critics < 2u) {
        return own;
    }
    let other = q[params.q_offset + params.rows * params.choices + i];
    return select(own, other, temperature_less(own, other));
}

@compute @workgroup_size(64)
fn loss_actor_choices(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        let first = row * params.choices;
        let alpha = temperature(params.temperature, params.alpha, parameters[params.alpha_at]);
        let soft = soft_row(first, params.choices);
        for (var a = 0u; a < params.choices; a += 1u) {
            let of_a = soft_logp(soft, a);
            let p = math_probability(of_a);
            own.y += p * of_a;
            own.z += p * least(first + a);
        }
        own.x = alpha * own.y - own.z;
        own.w = select(1.0, 0.0, math_is_finite(own.x));
        logp[params.logp_offset + row] = own.y;
        for (var a = 0u; a < params.choices; a += 1u) {
            let of_a = soft_logp(soft, a);
            let f = alpha * of_a - least(first + a);
            d_logits[first + a] = math_probability(of_a) * (f - own.x) * params.inverse_rows;
        }
    }
    let total = partial_sum(lane, own);
    if (lane == 0u && group * WG < params.rows) {
        loss_partials[group] = total;
    }
}
