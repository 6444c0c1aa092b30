// Draws an action for every row of head outputs, or takes the most probable one, with its log-probability and with what the
// environment gets for it.
//
// Needs parts math, philox, schedule, act and one head part.
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

override WG: u32 = 64u;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return 0.0; }      // nothing here asks for KL,
fn head_tangent(i: u32) -> f32 { return 0.0; }  // a Fisher product
fn head_store(i: u32, value: f32) {}            // or a gradient
fn head_action(row: u32, w: u32) -> u32 { return actions[params.actions_offset + row * params.action_words + w]; }
fn head_width() -> u32 { return params.width; }

fn act_store(row: u32, d: u32, word: u32) {
    actions[params.actions_offset + row * params.action_words + d] = word;
    env_actions[params.env_actions_offset + row * head_table[0].x + d] = head_to_env(word, d);
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
    logp[params.logp_offset + row] = act_row(row, params.greedy == 1u, params.step_offset);
}
