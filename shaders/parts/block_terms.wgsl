// PPO's loss of the rows of a block (part block): terms and gradients row by row, and the sums of the terms over 64 rows.
// Needs parts math, loops, block, schedule, value, sample, surrogate and a head; a kernel provides params, samples and
// loss_partials as loss_ppo_fused has them, and the head's functions over block_outputs and block_d_outputs.

// Of one row: loss_ppo's three vectors, the last with the bit of a row that is not finite.
struct BlockTerms { a: vec4<f32>, b: vec4<f32>, c: vec4<f32> }

var<private> block_terms: BlockTerms;
var<private> block_of_policy: bool;  // or of the critic
var<private> block_first_row: u32;   // of the block, within the minibatch
var<private> block_counts: bool;     // whether this lane's row does

// [BLOCK_ROWS, width], of the critic [BLOCK_ROWS].
var<workgroup> block_outputs: array<f32, 512>;
var<workgroup> block_d_outputs: array<f32, 512>;

fn block_loss(row: u32) {
    let sample = samples[params.row_offset + block_first_row + row];
    // A row that does not count leaves zeros, whatever it holds.
    block_counts = params.valid_sample == 0u || sample_is_valid(sample.x);
    let weight = select(1.0, samples[params.valid_sample].x, params.valid_sample != 0u);
    let share = params.inverse_rows * weight;
    var own = BlockTerms(vec4<f32>(), vec4<f32>(), vec4<f32>(3.4e38, 0.0, 0.0, 0.0));
    // An infinite difference is within the limits again, so that is looked at, too.
    var finite = false;
    if (block_of_policy) {
        let summary = head_summary(row, false);
        let s = surrogate_loss(
            params.surrogate, schedule.clip_coef, params.dual_clip, summary.logp, sample.x, sample.y);
        let by_logp = s.by_logp * share;
        head_gradient(row, vec4<f32>(by_logp, -schedule.ent_coef * share, 0.0, 0.0));
        finite = math_is_finite(s.loss) && math_is_finite(summary.entropy) && math_is_finite(s.difference)
            && math_is_finite(by_logp);
        let clipped = select(0.0, 1.0, abs(s.ratio - 1.0) > schedule.clip_coef);
        own.a = weight * vec4<f32>(s.loss, 0.0, summary.entropy, -s.log_ratio);
        // The last counts the row.
        own.b = vec4<f32>(weight * vec3<f32>(0.5 * s.log_ratio * s.log_ratio, math_k3(s.log_ratio), clipped), 1.0);
        // A ratio that is no number is neither least nor greatest, whatever min and max make of one.
        own.c = vec4<f32>(select(own.c.xy, vec2<f32>(s.ratio), s.ratio > 0.0), summary.hits, 0.0);
    } else {
        let form = params.value_loss;
        let value = params.vf_loss_scale * value_error(form, schedule.clip_coef_vf, block_outputs[row], sample.z, sample.w);
        let by_value = params.vf_coef * value.y * share;
        block_d_outputs[row] = select(0.0, by_value, block_counts);
        finite = math_is_finite(value.x) && math_is_finite(by_value);
        own.a.y = weight * value.x;
    }
    own.c.w = select(f32(1u << row), 0.0, finite);
    if (block_counts) {
        block_terms = own;
    }
}

// Stores the sums of 64 rows' terms over the block, which nobody may read any more: by the tree of loss_ppo.
fn block_store_terms(lane: u32, group: u32) {
    if (lane < 64u) {
        block_store(lane, block_terms.a);
        block_store(64u + lane, block_terms.b);
        block_store(128u + lane, block_terms.c);
    }
    workgroupBarrier();  // all lanes have stored
    // Sums of powers of two: bits.
    var broken = 0.0;
    for (var row = 0u; lane < 4u && row < BLOCK_ROWS; row++) { broken += block_quad(128u + lane * BLOCK_ROWS + row).w; }
    workgroupBarrier();  // the bits are read
    for (var half = loops_end(32u, arrayLength(&loss_partials)); half > 0u; half /= 2u) {
        for (var i = 0u; i < loops_end(3u, arrayLength(&loss_partials)); i++) {
            if (lane >= half) { continue; }
            let at = 64u * i + lane;
            let one = block_quad(at);
            let other = block_quad(at + half);
            let ends = vec4<f32>(min(one.x, other.x), max(one.y, other.y), one.z + other.z, 0.0);
            block_store(at, select(one + other, ends, i == 2u));
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (group >= params.groups) {
        return;
    }
    if (lane < 4u) {
        loss_partials[params.groups * 12u + group * 8u + select(4u, 0u, block_of_policy) + lane] = broken;
    }
    // The critic's is one of the sums, the others are the policy's.
    if (lane < 12u && (lane == 1u) != block_of_policy) {
        loss_partials[group * 12u + lane] = block[lane / 4u * 128u + lane % 4u / 2u][lane % 2u];
    }
}
