// Gradient of an actor's loss by its outputs, from that by its actions: through tanh, and for SAC through the sample.
//
// Needs parts math, squash and temperature.
//
// outputs    as policy_squash or policy_tanh read them, from outputs_offset on
// noise      [rows, dims] from noise_offset on, as policy_squash left it; not read if deterministic
// d_actions  gradient by the actions: critic c's row r begins at d_offset + c critic_stride + r d_stride; critics add up
// parameters log α at alpha_at, if it is tuned
// d_outputs  [rows, 2 dims], or [rows, dims] if deterministic
//
// With w = α / rows, the weight of log π: d_u = w d log π/du + d_action (1 − tanh²u). By the mean it is d_u, by log_std
// (d_u σ noise − w) d log σ/d log_std; by a clamp the last is 1 within the limits and 0 beyond them.
//
// Operations: 40 a dimension; bytes: 4 (5 + critics) a dimension.

struct Params {
    rows: u32,
    dims: u32,
    outputs_offset: u32,
    noise_offset: u32,
    d_offset: u32,
    d_stride: u32,
    critics: u32,
    critic_stride: u32,
    deterministic: u32,
    temperature: u32,  // parts/temperature.wgsl
    alpha_at: u32,
    alpha: f32,
    inverse_rows: f32,
    log_std_min: f32,
    log_std_max: f32,
    epsilon: f32,
    log_std_tanh: u32, // 0: a clamp
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read> d_actions: array<f32>;
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_outputs: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn policy_squash_backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // An invocation per number of an action.
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.rows * params.dims) {
        return;
    }
    let row = index / params.dims;
    let d = index % params.dims;
    var d_action = 0.0;
    for (var c = 0u; c < params.critics; c += 1u) {
        d_action += d_actions[params.d_offset + c * params.critic_stride + row * params.d_stride + d];
    }
    if (params.deterministic != 0u) {
        d_outputs[index] = squash_slope(outputs[params.outputs_offset + index]) * d_action;
        return;
    }
    let at = row * 2u * params.dims + d;
    let mean = outputs[params.outputs_offset + at];
    let raw = outputs[params.outputs_offset + at + params.dims];
    var log_std = math_clamp(raw, params.log_std_min, params.log_std_max);
    if (params.log_std_tanh != 0u) {
        log_std = squash_between(raw, params.log_std_min, params.log_std_max);
    }
    let moved = math_exp(log_std) * noise[params.noise_offset + index];
    let u = mean + moved;
    let slope = squash_slope(u);
    var by_pre = 2.0 * math_tanh(u);
    if (params.epsilon != 0.0) {
        by_pre *= slope / (slope + params.epsilon);
    }
    let w = temperature(params.temperature, params.alpha, parameters[params.alpha_at]) * params.inverse_rows;
    let d_u = by_pre * w + slope * d_action;
    d_outputs[at] = d_u;
    let by_log_std = d_u * moved - w;
    if (params.log_std_tanh != 0u) {
        let between = squash_between_slope(raw, params.log_std_min, params.log_std_max);
        d_outputs[at + params.dims] = by_log_std * between;
        return;
    }
    let inside = raw >= params.log_std_min && raw <= params.log_std_max;
    d_outputs[at + params.dims] = select(0.0, by_log_std, inside);
}
