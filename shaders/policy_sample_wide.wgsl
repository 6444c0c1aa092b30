// Draws an action for every wide categorical row, or takes the most probable one, with its log-probability and with what the
// environment gets for it, by a workgroup for each row: policy_sample where a row is too long for one invocation.
//
// Needs parts math, philox, schedule, loops, wide, draw and the categorical head part.
//
// head_outputs [rows, width]
// actions      [.., action_words] u32 words; row r's begin at actions_offset + r * action_words: an action's own words are
//              written, those of its mask (if the head is masked) are read
// logp         [..]; row r's is at logp_offset + r
// env_actions  [.., dims] u32 words, mapped to the bounds; row r's begin at env_actions_offset + r * dims
//
// Operations: some 12 width a row; bytes: 4 (width + action_words + dims + 1).

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    // 1: the most probable action instead of a draw.
    greedy: u32,
    // Added to the schedule's policy step: this kernel runs once per step of a window.
    step_offset: u32,
    actions_offset: u32,
    logp_offset: u32,
    env_actions_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(3) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> actions: array<u32>;
@group(0) @binding(5) var<storage, read_write> logp: array<f32>;
@group(0) @binding(6) var<storage, read_write> env_actions: array<u32>;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return 0.0; }      // nothing here asks for KL,
fn head_tangent(i: u32) -> f32 { return 0.0; }  // a Fisher product
fn head_store(i: u32, value: f32) {}            // or a gradient
fn head_action(row: u32, w: u32) -> u32 { return actions[params.actions_offset + row * params.action_words + w]; }
fn head_width() -> u32 { return params.width; }

@compute @workgroup_size(256)
fn policy_sample_wide(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * groups.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
    let step = schedule_held(schedule, params.step_offset);
    let dims = head_table[0].x;
    var total = 0.0;
    for (var d = 0u; d < dims; d += 1u) {
        let c = wide_totals(lane, row, d, false);
        var word = c.best;
        if (params.greedy == 0u) {
            word = draw_choice(lane, c, philox_uniform(philox_block(philox_counter(PHILOX_ACTION, row, d, step), key).x));
        }
        total += head_logp_new(c, word);
        // Masks are other words, so nobody reads what is written here.
        if (lane == 0u) {
            actions[params.actions_offset + row * params.action_words + d] = word;
            env_actions[params.env_actions_offset + row * dims + d] = head_to_env(word, d);
        }
    }
    if (lane == 0u) {
        logp[params.logp_offset + row] = total;
    }
}
