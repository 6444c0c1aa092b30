// Draws an action for every row of head outputs, or takes the most probable one, and gives its log-probability.
//
// Needs parts math, philox, schedule and one head part.
//
// head_outputs [rows, width]
// actions      [.., action_dims] u32 words; row r's begin at actions_offset + r * action_dims
// logp         [..]; row r's is at logp_offset + r

struct Params {
    rows: u32,
    width: u32,
    action_dims: u32,
    // 1: the most probable action instead of a draw.
    greedy: u32,
    // Added to the schedule's policy step: this kernel runs once per step of a window.
    step_offset: u32,
    actions_offset: u32,
    logp_offset: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(3) var<storage, read_write> actions: array<u32>;
@group(0) @binding(4) var<storage, read_write> logp: array<f32>;

override WG: u32 = 64u;

fn head_new(i: u32) -> f32 {
    return head_outputs[i];
}

// There is no old distribution here; nothing asks for KL.
fn head_old(i: u32) -> f32 {
    return 0.0;
}

// Nothing here asks for a Fisher product.
fn head_tangent(i: u32) -> f32 {
    return 0.0;
}

fn head_action(row: u32, d: u32) -> u32 {
    return actions[params.actions_offset + row * params.action_dims + d];
}

fn head_width() -> u32 {
    return params.width;
}

@compute @workgroup_size(WG)
fn policy_sample(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
    let step = schedule_add(schedule.policy_step_low, schedule.policy_step_high, params.step_offset);
    for (var d = 0u; d < params.action_dims; d += 1u) {
        var word: u32;
        if (params.greedy == 1u) {
            word = head_mode(row, d);
        } else {
            word = head_draw(row, d, key, step);
        }
        actions[params.actions_offset + row * params.action_dims + d] = word;
    }
    // Reads back what this invocation has just written, so that logp belongs to the stored word.
    logp[params.logp_offset + row] = head_summary(row, false).logp;
}
