// The Fisher matrix of every wide categorical row times the row's tangent, a workgroup for each row: head_fisher where a row is
// too long for one invocation.
//
// Needs parts math, philox, sample, loops, wide and the categorical head part.
//
// head_outputs    [rows, width]      distribution rows
// head_tangents   [rows, width]      t, from mlp_jvp
// actions         [all, action_words] u32 words; row r's are row r * row_stride; read only if `empirical` or masked
// samples         [..]               row r's is row r * row_stride; read only with valid_sample, see part sample
// d_head_outputs  [rows, width]      scale * F t: what the backward kernels bring home
//
// F is the expectation of s s' over actions, s the derivative of an action's log-probability by the row; with
// `empirical` it is s s' of the stored action.
//
// Operations: some 6 width a row; bytes: 12 width.

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    empirical: u32,
    row_stride: u32,
    scale: f32,
    valid_sample: u32,  // element of samples with the weight of a row that counts; 0: all rows count
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(2) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(3) var<storage, read> head_tangents: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<u32>;
@group(0) @binding(5) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_head_outputs: array<f32>;

// The weights of head_slope that ask for the derivative of the log-probability.
const SCORE: vec4<f32> = vec4<f32>(1.0, 0.0, 0.0, 0.0);

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs[i]; }  // no KL is asked for here
fn head_tangent(i: u32) -> f32 { return head_tangents[i]; }
fn head_width() -> u32 { return params.width; }
fn head_action(row: u32, w: u32) -> u32 { return actions[row * params.row_stride * params.action_words + w]; }
fn head_store(i: u32, value: f32) { d_head_outputs[i] = value; }

// One lane's share of the sum of a dimension's score (empirical) or probabilities, times the tangent less `reference`.
fn own_product(lane: u32, c: HeadChoice, d: u32, reference: f32) -> f32 {
    var own = 0.0;
    for (var first = lane; first < c.count; first += WIDE_LANES * WIDE_BLOCK) {
        var part = 0.0;
        for (var i = first; i < min(first + WIDE_LANES * WIDE_BLOCK, c.count); i += WIDE_LANES) {
            var factor = math_probability(head_logp_new(c, i));
            if (params.empirical != 0u) { factor = head_slope(c, d, i, SCORE); }
            part += factor * (head_tangent(head_place(c, i)) - reference);
        }
        own += part;
    }
    return own;
}

@compute @workgroup_size(256)
fn head_fisher_wide(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * groups.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    var factor = params.scale;
    var counts = true;
    if (params.valid_sample != 0u) {
        counts = sample_is_valid(samples[row * params.row_stride].x);
        factor *= samples[params.valid_sample].x;
    }
    if (params.empirical != 0u) {
        var own = 0.0;
        for (var d = 0u; d < head_table[0].x; d += 1u) {
            own += own_product(lane, wide_totals(lane, row, d, false), d, 0.0);
        }
        factor *= wide_sum(lane, vec4<f32>(own, 0.0, 0.0, 0.0)).x;
    }
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        let c = wide_totals(lane, row, d, false);
        // As in part head_categorical: relative to the tangent of the most probable choice.
        let reference = head_tangent(head_place(c, c.best));
        var mean = 0.0;
        if (params.empirical == 0u) {
            mean = wide_sum(lane, vec4<f32>(own_product(lane, c, d, reference), 0.0, 0.0, 0.0)).x;
        }
        for (var i = lane; i < c.count; i += WIDE_LANES) {
            var product = math_probability(head_logp_new(c, i)) * ((head_tangent(head_place(c, i)) - reference) - mean);
            if (params.empirical != 0u) { product = head_slope(c, d, i, SCORE); }
            head_store(head_place(c, i), select(0.0, factor * product, counts && head_open(c)));
        }
    }
}
