// One step of Adam on SAC's log α, from the log-probabilities of a batch.
//
// Needs parts math, partial and schedule.
//
// logp            [rows] from logp_offset on
// bias_correction [table] as optim_adam has it
// parameters, exp_avg, exp_avg_sq  log α and its moments at alpha_at
// steps           [steps_at + 1] steps of log α; counted on here
// statistics      [statistics_at + 1] (α before the step, −log α · g', gradient g = −g', mean log π), g' = mean log π + target
//
// A single workgroup. A gradient that is not finite moves nothing.
//
// Operations: 1 a row; bytes: 4 a row.

struct Params {
    rows: u32,
    logp_offset: u32,
    alpha_at: u32,
    steps_at: u32,
    statistics_at: u32,
    table: u32,
    target_entropy: f32,
    rate: f32,  // in units of the schedule's learning rate
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
    inverse_rows: f32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> logp: array<f32>;
@group(0) @binding(3) var<storage, read> bias_correction: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> exp_avg: array<f32>;
@group(0) @binding(6) var<storage, read_write> exp_avg_sq: array<f32>;
@group(0) @binding(7) var<storage, read_write> steps: array<u32>;
@group(0) @binding(8) var<storage, read_write> statistics: array<vec4<f32>>;

const WG: u32 = 64u;

@compute @workgroup_size(64)
fn optim_temperature(@builtin(local_invocation_index) lane: u32) {
    var own = 0.0;
    for (var i = lane; i < params.rows; i += WG) {
        own += logp[params.logp_offset + i];
    }
    let mean = partial_sum(lane, vec4<f32>(own, 0.0, 0.0, 0.0)).x * params.inverse_rows;
    if (lane != 0u) {
        return;
    }
    let at = params.alpha_at;
    let log_alpha = parameters[at];
    let g = -(mean + params.target_entropy);
    statistics[params.statistics_at] = vec4<f32>(math_exp(log_alpha), log_alpha * g, g, mean);
    if (!math_is_finite(g)) {
        return;
    }
    let t = steps[params.steps_at] + 1u;
    steps[params.steps_at] = t;
    let correction = bias_correction[clamp(t, 1u, params.table) - 1u];
    let m = params.beta1 * exp_avg[at] + params.one_minus_beta1 * g;
    let v = params.beta2 * exp_avg_sq[at] + params.one_minus_beta2 * g * g;
    exp_avg[at] = m;
    exp_avg_sq[at] = v;
    let lr = schedule.learning_rate * params.rate;
    parameters[at] = log_alpha - lr * correction.x * m / (sqrt(v) * correction.y + params.eps);
}
