// Actions of DQN: the greatest of each row of values, or with probability epsilon any of the choices.
//
// Needs parts philox and schedule.
//
// values  [rows, choices] from values_offset on
// epsilon [epsilon_at + 1]; 0 there: greedy actions
// actions [rows] indices, from actions_offset on
//
// Operations: 1 a choice; bytes: 4 a choice and 4 a row.

struct Params {
    rows: u32,
    choices: u32,
    values_offset: u32,
    actions_offset: u32,
    epsilon_at: u32,
    step_offset: u32,  // added to the schedule's policy step, whose draws may be held
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> epsilon: array<f32>;
@group(0) @binding(4) var<storage, read_write> actions: array<u32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn policy_epsilon(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    let first = params.values_offset + row * params.choices;
    var best = 0u;
    var most = values[first];
    for (var a = 1u; a < params.choices; a += 1u) {
        let value = values[first + a];
        if (value > most) {
            best = a;
            most = value;
        }
    }
    let step = schedule_held(schedule, params.step_offset);
    let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
    let words = philox_block(philox_counter(PHILOX_EXPLORATION, row, 0u, step), key);
    let explores = philox_uniform(words.z) < epsilon[params.epsilon_at];
    actions[params.actions_offset + row] = select(best, philox_below(words, params.choices), explores);
}
