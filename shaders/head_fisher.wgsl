// The Fisher matrix of every row's distribution times the row's tangent, from head outputs and their tangent.
//
// Needs parts math, philox, sample and one head part.
//
// head_outputs    [rows, width]      distribution rows
// head_tangents   [rows, width]      t, from mlp_jvp
// actions         [all, action_words] u32 words; row r's are row r * row_stride; read only if `empirical`
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

override WG: u32 = 64u;

// The weights of head_gradient that ask for the derivative of the log-probability.
const SCORE: vec4<f32> = vec4<f32>(1.0, 0.0, 0.0, 0.0);

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs[i]; }  // no KL is asked for here
fn head_tangent(i: u32) -> f32 { return head_tangents[i]; }
fn head_width() -> u32 { return params.width; }
fn head_action(row: u32, w: u32) -> u32 { return actions[row * params.row_stride * params.action_words + w]; }

// While the score is measured: its share along the tangent is summed up and nothing is written.
var<private> measuring: bool;
var<private> along: f32;
var<private> factor: f32;

fn head_store(i: u32, value: f32) {
    if (measuring) {
        along += value * head_tangents[i];
    } else {
        d_head_outputs[i] = factor * value;
    }
}

@compute @workgroup_size(WG)
fn head_fisher(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    measuring = false;
    factor = params.scale;
    if (params.valid_sample != 0u) {
        if (!sample_is_valid(samples[row * params.row_stride].x)) {
            // It does not count, whatever it holds.
            for (var i = 0u; i < params.width; i += 1u) {
                d_head_outputs[row * params.width + i] = 0.0;
            }
            return;
        }
        factor *= samples[params.valid_sample].x;
    }
    if (params.empirical == 0u) {
        head_fisher_product(row);
        return;
    }
    measuring = true;
    along = 0.0;
    head_gradient(row, SCORE);
    measuring = false;
    factor *= along;
    head_gradient(row, SCORE);
}
