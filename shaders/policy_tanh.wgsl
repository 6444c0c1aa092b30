// Actions of a deterministic actor, tanh of its outputs, with noise that may be clipped: TD3's and DDPG's, for targets and to
// explore.
//
// Needs parts math, philox, schedule and explore.
//
// outputs     [rows, dims] from outputs_offset on; not used if actions are uniform
// noise       [rows, dims] standard normals or uniform numbers in [-1, 1], given or left here
// actions     [..]  clip(tanh(output) + clip(sigma noise, ±noise_clip), ±1); row r begins at actions_offset + r actions_stride
// bounds      [dims] (least, greatest) of the environment's actions; not read unless to_env
// env_actions [rows, dims]; written if to_env
//
// Operations: 40 a dimension; bytes: 12 a dimension.

struct Params {
    rows: u32,
    dims: u32,
    outputs_offset: u32,
    actions_offset: u32,
    actions_stride: u32,
    source: u32,       // parts/explore.wgsl
    step_offset: u32,  // added to the gradient or policy step of the schedule; the latter's draws may be held
    to_env: u32,
    sigma: f32,
    noise_clip: f32,   // of sigma · noise
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> outputs: array<f32>;
@group(0) @binding(3) var<storage, read> bounds: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> noise: array<f32>;
@group(0) @binding(5) var<storage, read_write> actions: array<f32>;
@group(0) @binding(6) var<storage, read_write> env_actions: array<f32>;

override WG: u32 = 64u;

fn noise_of(index: u32, row: u32, d: u32) -> f32 {
    if (params.source == EXPLORE_GIVEN) {
        return noise[index];
    }
    var z = 0.0;
    if (params.source != EXPLORE_NONE) {
        let updated = schedule_add(schedule.gradient_step_low, schedule.gradient_step_high, params.step_offset);
        let step = select(schedule_held(schedule, params.step_offset), updated, params.source == EXPLORE_UPDATE);
        let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
        let word = explore_word(params.source, row, d, step, key);
        z = select(explore_normal(word), 2.0 * philox_uniform(word) - 1.0, params.source == EXPLORE_UNIFORM);
    }
    noise[index] = z;
    return z;
}

@compute @workgroup_size(WG)
fn policy_tanh(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // An invocation per number.
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.rows * params.dims) {
        return;
    }
    let row = index / params.dims;
    let d = index % params.dims;
    let z = noise_of(index, row, d);
    var action = z;
    if (params.source != EXPLORE_UNIFORM) {
        let moved = math_clamp(params.sigma * z, -params.noise_clip, params.noise_clip);
        action = math_clamp(math_tanh(outputs[params.outputs_offset + index]) + moved, -1.0, 1.0);
    }
    actions[params.actions_offset + row * params.actions_stride + d] = action;
    if (params.to_env != 0u) {
        env_actions[index] = explore_to_env(action, bounds[d]);
    }
}
