// Log-probability, entropy and both KL divergences of wide categorical rows, a workgroup each, and the gradient of a weighted
// sum of the four: head_evaluate where a row is too long for one invocation, and the two ends of a loss of such rows.
//
// Needs parts math, philox, loops, wide and the categorical head part.
//
// head_outputs     [rows, width]       the new distribution
// head_outputs_old [all, width]        the old one; row r is row_offset + r here and in actions; not read without with_kl
// actions          [all, action_words] u32 words
// weights          [rows, stride]      (logp, entropy, kl_old_new, kl_new_old); with stride 2 a second vector, whose first
//                                      number is 0 where a row does not count; not read without gradients
// row_values       [rows, stride]      (logp, entropy, kl_old_new, kl_new_old); with stride 2 (limits met, 0, 0, 0) after it
// d_head_outputs   [rows, width]       derivative of weights . row_values by head_outputs; 0 where a row does not count
//
// Operations: some 24 width a row; bytes: 4 (3 width + action_words + 8).

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    row_offset: u32,
    stride: u32,     // vectors of a row in weights and row_values, 1 or 2
    with_kl: u32,    // 1: there is an old row
    values: u32,     // 1: row_values are written
    gradients: u32,  // 1: d_head_outputs are written
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(2) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(3) var<storage, read> head_outputs_old: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> row_values: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_head_outputs: array<f32>;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs_old[params.row_offset * params.width + i]; }
fn head_tangent(i: u32) -> f32 { return 0.0; }  // nothing here asks for a Fisher product
fn head_action(row: u32, w: u32) -> u32 { return actions[(params.row_offset + row) * params.action_words + w]; }
fn head_width() -> u32 { return params.width; }
fn head_store(i: u32, value: f32) { d_head_outputs[i] = value; }

@compute @workgroup_size(256)
fn head_evaluate_wide(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * groups.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    var weight = vec4<f32>();
    var counts = true;
    if (params.gradients != 0u) {
        weight = weights[row * params.stride];
        counts = params.stride < 2u || weights[row * params.stride + 1u].x != 0.0;
    }
    var s = HeadSummary();
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = wide_choice(lane, row, d, params.with_kl != 0u);
        s.logp += c.logp;
        s.entropy += c.entropy;
        s.kl_old_new += c.kl_old_new;
        s.kl_new_old += c.kl_new_old;
        s.hits += select(1.0, 0.0, head_open(c));
        if (params.gradients != 0u) {
            for (var i = lane; i < c.count; i += WIDE_LANES) {
                head_store(head_place(c, i), select(0.0, head_slope(c, d, i, weight), counts));
            }
        }
    }
    if (lane == 0u && params.values != 0u) {
        row_values[row * params.stride] = vec4<f32>(s.logp, s.entropy, s.kl_old_new, s.kl_new_old);
        if (params.stride > 1u) {
            row_values[row * params.stride + 1u] = vec4<f32>(s.hits, 0.0, 0.0, 0.0);
        }
    }
}
