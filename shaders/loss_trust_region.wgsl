// Surrogate and KL divergences of all rows at candidate parameters, as partial sums, from new and old head outputs.
//
// Needs parts math, philox, sample, loops and one head part.
//
// head_outputs      [rows, width]        distribution rows at the candidate
// head_outputs_old  [all, width]         distribution rows at the parameters before the step
// actions           [all, action_words]   u32 words; row r is row_offset + r here and above and below
// samples           [all]                (logp_old, advantage, not read, not read)
// trust_partials    [groups]             per workgroup: sums of (ratio * advantage, KL(old‖new), KL(new‖old)), and how many
//                                        rows are not finite
//
// With valid_sample, rows that part sample marks are masked, and the others are weighed.
//
// ratio = exp(clamp(logp − logp_old, ±20)).
//
// Operations: some 16 width a row; bytes: 4 (2 width + action_words + 4), and 16 a workgroup of 64.

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    groups: u32,
    row_offset: u32,  // of all but head_outputs
    valid_sample: u32,  // element of samples with the weight of a row that counts; 0: all rows count
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(2) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(3) var<storage, read> head_outputs_old: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<u32>;
@group(0) @binding(5) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> trust_partials: array<vec4<f32>>;

const WG: u32 = 64u;
const LOG_RATIO_LIMIT: f32 = 20.0;

var<workgroup> sums: array<vec4<f32>, 64>;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs_old[params.row_offset * params.width + i]; }
fn head_tangent(i: u32) -> f32 { return 0.0; }  // no Fisher product is asked for here
fn head_width() -> u32 { return params.width; }
fn head_action(row: u32, w: u32) -> u32 { return actions[(params.row_offset + row) * params.action_words + w]; }
fn head_store(i: u32, value: f32) {}  // nor a gradient

@compute @workgroup_size(64)
fn loss_trust_region(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        let sample = samples[params.row_offset + row];
        let summary = head_summary(row, true);
        let difference = summary.logp - sample.x;
        let surrogate = math_exp(math_clamp(difference, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)) * sample.y;
        // An infinite difference is within the limits again, so that is looked at, too.
        let finite = math_is_finite(difference) && math_is_finite(surrogate) && math_is_finite(summary.kl_old_new)
            && math_is_finite(summary.kl_new_old);
        let weight = select(1.0, samples[params.valid_sample].x, params.valid_sample != 0u);
        if (params.valid_sample == 0u || sample_is_valid(sample.x)) {
            let terms = weight * vec3<f32>(surrogate, summary.kl_old_new, summary.kl_new_old);
            own = vec4<f32>(terms, select(1.0, 0.0, finite));
        }
    }
    sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&trust_partials)); half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane == 0u && group < params.groups) {
        trust_partials[group] = sums[0];
    }
}
