// Log-probability, entropy and both KL divergences of every row, and the gradient of a weighted sum of the four, from
// new and old head outputs and the actions taken.
//
// Needs parts math, philox and one head part.
//
// head_outputs     [rows, width] the new distribution
// head_outputs_old [rows, width]
// actions          [rows, action_words] u32 words
// weights          [rows] of (logp, entropy, kl_old_new, kl_new_old)
// row_values       [rows] = (logp, entropy, kl_old_new, kl_new_old)
// d_head_outputs   [rows, width] = derivative of weights . row_values by head_outputs
//
// Operations: some 24 width a row; bytes: 4 (3 width + action_words + 8).

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(2) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(3) var<storage, read> head_outputs_old: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> row_values: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_head_outputs: array<f32>;

override WG: u32 = 64u;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs_old[i]; }
fn head_tangent(i: u32) -> f32 { return 0.0; }  // nothing here asks for a Fisher product
fn head_action(row: u32, w: u32) -> u32 { return actions[row * params.action_words + w]; }
fn head_width() -> u32 { return params.width; }
fn head_store(i: u32, value: f32) { d_head_outputs[i] = value; }

@compute @workgroup_size(WG)
fn head_evaluate(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    let summary = head_summary(row, true);
    row_values[row] = vec4<f32>(summary.logp, summary.entropy, summary.kl_old_new, summary.kl_new_old);
    head_gradient(row, weights[row]);
}
