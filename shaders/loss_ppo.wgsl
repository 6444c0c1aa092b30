// PPO's loss of one minibatch: its gradient at the heads, row by row, and partial sums of its statistics.
//
// head_outputs    [rows, width]        distribution rows (raw outputs, then free parameters)
// values          [rows]               V(s)
// actions         [all, action_words]  words; row r of the minibatch is row_offset + r
// samples         [all]                (logp_old, advantage, return, value_old), same rows
// d_head_outputs  [rows, width]        gradient of the loss by the distribution rows
// d_values        [rows]               gradient of the loss by V(s)
// loss_partials   [groups, 3]          per workgroup: sums (policy, value, entropy, k1), (k2, k3, clipped, not finite),
//                                      and (least ratio, greatest ratio, limits that heads met, rows that count); the
//                                      value's in units of 2^24, part value
// head_outputs_old [all, width]        distribution rows before the update, same rows; not read without kl_sample
//
// With valid_sample, rows that part sample marks are masked, and every term of the others is weighed; so the sums over
// rows, divided by all rows, are means over those that count.
//
// loss = mean(policy − ent_coef · entropy + vf_coef · vf_loss_scale · value error), policy: part surrogate.
//
// Operations: some 16 width + 40 a row; bytes: 4 (2 width + action_words + 6), and 48 a workgroup of 64.

struct Params {
    rows: u32,
    width: u32,
    action_words: u32,
    row_offset: u32,
    groups: u32,
    value_loss: u32,      // parts/value.wgsl
    dual_clip: f32,       // 0: off
    vf_loss_scale: f32,
    vf_coef: f32,
    inverse_rows: f32,
    surrogate: u32,       // 0 clipped, 1 −r A, 2 −A logp (no ratio)
    kl_sample: u32,       // element of samples with the weights of both KL divergences; 0: no penalty
    valid_sample: u32,    // element of samples with the weight of a row that counts; 0: all rows count
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(3) var<storage, read> head_outputs: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read> actions: array<u32>;
@group(0) @binding(6) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_head_outputs: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_values: array<f32>;
@group(0) @binding(9) var<storage, read_write> loss_partials: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> head_outputs_old: array<f32>;

const WG: u32 = 64u;

var<workgroup> sums_a: array<vec4<f32>, 64>;
var<workgroup> sums_b: array<vec4<f32>, 64>;
var<workgroup> sums_c: array<vec4<f32>, 64>;

// Whether this lane's row does.
var<private> counts: bool;

fn head_new(i: u32) -> f32 { return head_outputs[i]; }
fn head_old(i: u32) -> f32 { return head_outputs_old[params.row_offset * params.width + i]; }
fn head_tangent(i: u32) -> f32 { return 0.0; }  // nor a Fisher product
fn head_width() -> u32 { return params.width; }
fn head_action(row: u32, w: u32) -> u32 { return actions[(params.row_offset + row) * params.action_words + w]; }
fn head_store(i: u32, value: f32) { d_head_outputs[i] = select(0.0, value, counts); }

@compute @workgroup_size(64)
fn loss_ppo(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec4<f32>(3.4e38, 0.0, 0.0, 0.0);  // least ratio, greatest ratio, hits, rows that count
    if (row < params.rows) {
        let sample = samples[params.row_offset + row];
        let summary = head_summary(row, params.kl_sample != 0u);
        let policy = surrogate_loss(
            params.surrogate, schedule.clip_coef, params.dual_clip, summary.logp, sample.x, sample.y);
        let log_ratio = policy.log_ratio;
        let r = policy.ratio;
        let v = values[row];
        let value = params.vf_loss_scale * value_error(params.value_loss, schedule.clip_coef_vf, v, sample.z, sample.w);

        // A row that does not count leaves zeros, whatever it holds.
        counts = params.valid_sample == 0u || sample_is_valid(sample.x);
        let weight = select(1.0, samples[params.valid_sample].x, params.valid_sample != 0u);
        let share = params.inverse_rows * weight;
        let by_logp = policy.by_logp * share;
        let by_kl = select(vec2<f32>(), samples[params.kl_sample].xy, params.kl_sample != 0u) * share;
        let weights = vec4<f32>(by_logp, -schedule.ent_coef * share, by_kl);
        head_gradient(row, weights);
        let by_value = params.vf_coef * value.y * share;
        d_values[row] = select(0.0, by_value, counts);

        // An infinite difference is within the limits again, so that is looked at, too.
        let finite = math_is_finite(policy.loss) && math_is_finite(value.x) && math_is_finite(summary.entropy)
            && math_is_finite(policy.difference) && math_is_finite(by_logp) && math_is_finite(by_value)
            && math_is_finite(by_kl.x * summary.kl_old_new + by_kl.y * summary.kl_new_old);
        let clipped = select(0.0, 1.0, abs(r - 1.0) > schedule.clip_coef);
        if (counts) {
            a = weight * vec4<f32>(policy.loss, value.x, summary.entropy, -log_ratio);
            let estimates = weight * vec3<f32>(0.5 * log_ratio * log_ratio, math_k3(log_ratio), clipped);
            b = vec4<f32>(estimates, select(1.0, 0.0, finite));
            // A ratio that is no number is neither least nor greatest, whatever min and max make of one.
            c = vec4<f32>(select(c.xy, vec2<f32>(r), r > 0.0), summary.hits, 1.0);
        }
    }
    sums_a[lane] = a;
    sums_b[lane] = b;
    sums_c[lane] = c;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&loss_partials)); half > 0u; half /= 2u) {
        if (lane < half) {
            sums_a[lane] += sums_a[lane + half];
            sums_b[lane] += sums_b[lane + half];
            let other = sums_c[lane + half];
            let own = sums_c[lane];
            sums_c[lane] = vec4<f32>(min(own.x, other.x), max(own.y, other.y), own.zw + other.zw);
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane == 0u && group < params.groups) {
        loss_partials[group * 3u] = sums_a[0];
        loss_partials[group * 3u + 1u] = sums_b[0];
        loss_partials[group * 3u + 2u] = sums_c[0];
    }
}
