// SAC's actions: a sample of a squashed Gaussian per row and its log-probability, from an actor's outputs.
//
// Needs parts math, philox, squash, schedule and explore.
//
// outputs     [rows, 2 dims] from outputs_offset on: means, then logarithms of deviations
// noise       [rows, dims] standard normals, given or left here
// actions     [..]  tanh u; row r begins at actions_offset + r actions_stride
// logp        [rows] log π of the action in [-1, 1]
// bounds      [dims] (least, greatest) of the environment's actions; not read unless to_env
// env_actions [rows, dims]; written if to_env
//
// u = mean + σ noise, log σ = log_std within its limits, by a clamp or by tanh
// log π = Σ −noise²/2 − log σ − ½ log 2π − log(1 − tanh²u + ε)
//
// Operations: 60 a dimension; bytes: 16 a dimension and 4 a row.

struct Params {
    rows: u32,
    dims: u32,
    outputs_offset: u32,
    actions_offset: u32,
    actions_stride: u32,
    source: u32,       // parts/explore.wgsl; uniform numbers have no log π here
    step_offset: u32,  // added to the gradient or policy step of the schedule; the latter's draws may be held
    to_env: u32,
    log_std_min: f32,
    log_std_max: f32,
    epsilon: f32,      // 0: the exact form
    log_std_tanh: u32, // 0: a clamp
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> outputs: array<f32>;
@group(0) @binding(3) var<storage, read> bounds: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> noise: array<f32>;
@group(0) @binding(5) var<storage, read_write> actions: array<f32>;
@group(0) @binding(6) var<storage, read_write> logp: array<f32>;
@group(0) @binding(7) var<storage, read_write> env_actions: array<f32>;

override WG: u32 = 64u;

fn noise_of(row: u32, d: u32) -> f32 {
    if (params.source == EXPLORE_GIVEN) {
        return noise[row * params.dims + d];
    }
    var z = 0.0;
    if (params.source != EXPLORE_NONE) {
        let updated = schedule_add(schedule.gradient_step_low, schedule.gradient_step_high, params.step_offset);
        let step = select(schedule_held(schedule, params.step_offset), updated, params.source == EXPLORE_UPDATE);
        z = explore_normal(explore_word(params.source, row, d, step, vec2<u32>(schedule.seed_low, schedule.seed_high)));
    }
    noise[row * params.dims + d] = z;
    return z;
}

@compute @workgroup_size(WG)
fn policy_squash(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    var total = 0.0;
    for (var d = 0u; d < params.dims; d += 1u) {
        let at = params.outputs_offset + row * 2u * params.dims + d;
        var log_std = math_clamp(outputs[at + params.dims], params.log_std_min, params.log_std_max);
        if (params.log_std_tanh != 0u) {
            log_std = squash_between(outputs[at + params.dims], params.log_std_min, params.log_std_max);
        }
        let z = noise_of(row, d);
        let u = outputs[at] + math_exp(log_std) * z;
        let action = math_tanh(u);
        var log_slope = squash_log_slope(u);
        if (params.epsilon != 0.0) {
            log_slope = math_log(squash_slope(u) + params.epsilon);
        }
        // ½ log 2π.
        total -= 0.5 * z * z + log_std + 0.9189385332 + log_slope;
        actions[params.actions_offset + row * params.actions_stride + d] = action;
        if (params.to_env != 0u) {
            env_actions[row * params.dims + d] = explore_to_env(action, bounds[d]);
        }
    }
    logp[row] = total;
}
